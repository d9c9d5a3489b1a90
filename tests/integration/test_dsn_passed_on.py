"""What a sender wants to be told of (RFC 3461) reaches a next hop that offers DSN: a real Postfix, which then tells
it."""
import email
import re

import pytest
from gateway import wait_until

SENDER = "anna@sender.test"
MESSAGE = b"Subject: x\r\nFrom: anna@sender.test\r\n\r\ntext\r\n"


@pytest.fixture
def before_postfix(rules, serve, postfix):
    rules.write_host(routes={"*": {"host": "127.0.0.1", "port": postfix.port, "tls": "none"}})
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "gone@", "forward": "fails@dest.test"})
    return serve(rules)


def send(gateway, recipient, mail_options, rcpt_options):
    with gateway.connect() as session:
        session.sendmail(SENDER, recipient, MESSAGE, mail_options, rcpt_options)


def report(notice):
    """The fields of a notice: of the message, and of each recipient."""
    return [part for part in notice.walk() if part.get_content_type() == "message/delivery-status"][0].get_payload()


def notices(postfix, envelope_id):
    """Postfix's notices about a message with this ENVID; they too land in its one Maildir."""
    mails = [email.message_from_bytes(mail) for mail in postfix.mails()]
    return [mail for mail in mails if mail.get_content_type() == "multipart/report"
            and report(mail)[0]["Original-Envelope-Id"] == envelope_id]


def wait_for_notice(postfix, envelope_id):
    found = wait_until(lambda: notices(postfix, envelope_id), f"a notice; Postfix's log:\n{postfix.log()}")
    assert len(found) == 1
    recipient = report(found[0])[1]
    assert re.sub(r"\s", "", recipient["Original-Recipient"]) == "rfc822;anna+tag@first.test"
    return found[0], recipient["Action"]


FIRST = "ORCPT=rfc822;anna+2Btag@first.test"


def test_success_is_told(before_postfix, postfix):
    send(before_postfix, "ben@gate.test", ["ENVID=arrives+20314+2Bx"], ["NOTIFY=SUCCESS", FIRST])
    _, action = wait_for_notice(postfix, "arrives 314+x")
    assert action == "delivered"


@pytest.mark.parametrize(("ret", "content_type"), [("HDRS", "text/rfc822-headers"), ("FULL", "message/rfc822")])
def test_a_failure_gives_back_what_the_sender_asked_for(before_postfix, postfix, ret, content_type):
    send(before_postfix, "gone@gate.test", [f"RET={ret}", f"ENVID=fails-{ret}"], ["NOTIFY=FAILURE", FIRST])
    notice, action = wait_for_notice(postfix, f"fails-{ret}")
    assert action == "failed"
    assert notice.get_payload()[2].get_content_type() == content_type


def test_never_means_never(before_postfix, postfix):
    before = len(postfix.mails())
    send(before_postfix, "ben@gate.test", ["ENVID=silent"], ["NOTIFY=NEVER", FIRST])
    postfix.wait_for(before + 1)
    send(before_postfix, "ben@gate.test", ["ENVID=loud"], ["NOTIFY=SUCCESS", FIRST])
    wait_for_notice(postfix, "loud")
    assert notices(postfix, "silent") == []
