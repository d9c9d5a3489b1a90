"""Who is told when mail cannot be delivered: bounces come back through SRS, notices go to senders who are known."""
import email
import re
import smtplib

import pytest
from gateway import wait_until

SENDER = "anna@sender.test"
TEXT = (b"From: Anna <anna@sender.test>\r\nTo: ben@gate.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n"
        b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nWe met.\r\n")
QUICK = {"first_retry": "100ms", "retry_max": "300ms", "lease": "2s", "lifetime": "700ms"}


@pytest.fixture
def known(rules, fake_dns):
    """A rules directory of a gateway that verifies: anna@sender.test passes SPF."""
    fake_dns.records.update({("sender.test", "TXT"): ['"v=spf1 ip4:127.0.0.0/8 -all"'],
                             ("lies.test", "TXT"): ['"v=spf1 -all"']})
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "both@", "forward": ["ben@dest.test", "cleo@dest.test"]}, recipients_per_transaction=10)
    rules.write_host(auth={"authentication": "mark", "dmarc": "mark"}, queue=QUICK, forwarding={},
                     dns={"resolver": fake_dns.resolver, "timeout": "1s"})
    return rules


def send(gateway, recipient="ben@gate.test", sender=SENDER, text=TEXT, **options):
    with gateway.connect() as session:
        session.sendmail(sender, recipient, text, **options)


def refusal(gateway, recipient, sender=""):
    with gateway.connect() as session:
        session.ehlo()
        assert session.mail(sender)[0] == 250
        code, text = session.rcpt(recipient)
        return code, text.decode()


# --- SRS ---

def test_the_sender_is_rewritten_and_a_bounce_comes_back(known, serve, destination):
    gateway = serve(known)
    send(gateway)
    rewritten = destination.mails[0].sender
    assert re.fullmatch(r"SRS0=[^=@]+=[^=@]+=sender\.test=anna@gate\.test", rewritten)
    send(gateway, rewritten, sender="", text=b"Subject: no ben here\r\n\r\nSorry.\r\n")
    bounce = destination.wait_for(2)[1]
    assert (bounce.sender, bounce.recipient) == ("", SENDER)


def test_a_bounce_comes_back_whatever_case_others_gave_it(known, serve, destination):
    gateway = serve(known)
    send(gateway)
    for folded in (str.lower, str.upper):
        send(gateway, folded(destination.mails[0].sender), sender="")
        assert destination.mails[-1].recipient.lower() == SENDER


def test_a_null_sender_stays_null(known, serve, destination):
    send(serve(known), sender="")
    assert destination.mails[0].sender == ""


def test_a_sender_of_ours_stays(known, serve, destination):
    send(serve(known), sender="me@gate.test")
    assert destination.mails[0].sender == "me@gate.test"


def test_a_forged_address_is_refused(known, serve):
    gateway = serve(known)
    code, text = refusal(gateway, "SRS0=AAAA=AA=victim.test=vera@gate.test")
    assert code == 550 and "SRS" in text


def test_a_forwarding_domain_of_its_own(known, serve, destination):
    known.write_host(forwarding={"domain": "fwd.gate.test"})
    gateway = serve(known)
    send(gateway)
    rewritten = destination.mails[0].sender
    assert rewritten.endswith("=anna@fwd.gate.test")
    send(gateway, rewritten, sender="")
    assert destination.wait_for(2)[1].recipient == SENDER


def test_bounces_to_one_sender_are_bounded(known, serve, destination):
    known.write_host(forwarding={"bounces_per_minute": 3})
    gateway = serve(known)
    send(gateway)
    rewritten = destination.mails[0].sender
    for _ in range(3):
        send(gateway, rewritten, sender="")
    assert refusal(gateway, rewritten)[0] // 100 == 4


def test_a_reload_has_another_bound(known, serve, destination):
    known.write_host(forwarding={"bounces_per_minute": 1})
    gateway = serve(known)
    send(gateway)
    rewritten = destination.mails[0].sender
    send(gateway, rewritten, sender="")
    assert refusal(gateway, rewritten)[0] // 100 == 4
    known.write_host(forwarding={"bounces_per_minute": 100})
    gateway.reload()
    send(gateway, rewritten, sender="")


# --- notices ---

def test_a_known_sender_is_told_when_his_message_is_given_up(known, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.2 mailbox full"
    gateway = serve(known)
    send(gateway)
    notice = destination.wait_for(1)[0]
    assert (notice.sender, notice.recipient) == ("", SENDER)
    message = email.message_from_bytes(notice.content)
    assert message.get_content_type() == "multipart/report"
    assert b"ben@gate.test" in notice.content and b"mailbox full" in notice.content
    assert b"ben@dest.test" not in notice.content  # where it was forwarded to is nobody's business
    assert len(gateway.events("delivery.given_up")) == 1


def test_nobody_is_told_who_may_not_have_written(known, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.2 mailbox full"
    gateway = serve(known)
    send(gateway, sender="vera@lies.test")
    send(gateway, sender="")
    wait_until(lambda: len(gateway.events("delivery.given_up")) == 2, "both to be given up")
    assert gateway.events("notice.queued") == []


def test_one_refused_of_two_is_told_in_a_notice(known, serve, destination):
    destination.replies["cleo@dest.test"] = "550 5.1.1 no cleo"
    gateway = serve(known)
    send(gateway, "both@gate.test")
    mails = destination.wait_for(2)
    assert sorted(mail.recipient for mail in mails) == [SENDER, "ben@dest.test"]
    assert len(gateway.events("notice.queued")) == 1


def test_a_sender_can_ask_not_to_be_told(known, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.2 mailbox full"
    gateway = serve(known)
    send(gateway, rcpt_options=["NOTIFY=NEVER"])
    wait_until(lambda: gateway.events("delivery.given_up"), "it to be given up")
    assert gateway.events("notice.queued") == []


def test_success_is_told_for_a_next_hop_that_does_not_tell_it(known, serve, destination):
    send(serve(known), rcpt_options=["NOTIFY=SUCCESS"])
    notice = destination.wait_for(2)[1]
    assert notice.recipient == SENDER and b"Action: relayed" in notice.content


# --- PRDR ---

def test_with_prdr_each_recipient_has_an_answer(known, serve, destination):
    known.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"}, {"to": "cleo@", "forward": "cleo@dest.test"})
    destination.replies["cleo@dest.test"] = "550 5.1.1 no cleo"
    session = serve(known).dialogue()
    session.expect(220)
    session.say("EHLO client.sender.test", 250)
    session.say(f"MAIL FROM:<{SENDER}> PRDR", 250)
    session.say("RCPT TO:<ben@gate.test>", 250)
    session.say("RCPT TO:<cleo@gate.test>", 250)
    session.say("DATA", 354)
    session.send(TEXT + b".\r\n")
    session.expect(353)
    session.expect(250)
    session.expect(550)
    session.expect(250)
    session.close()
    assert [mail.recipient for mail in destination.mails] == ["ben@dest.test"]


# --- loops ---

def test_a_loop_ends(known, serve, destination):
    known.domain("gate.test", {"to": "ben@", "forward": "ben@round.test"})
    known.domain("round.test", {"to": "ben@", "forward": "ben@gate.test"})
    gateway = serve(known)
    known.write_host(routes={"*": {"host": "127.0.0.1", "port": gateway.port, "tls": "none"}},
                     listen=[{"address": f"127.0.0.1:{gateway.port}"}])
    gateway.reload()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(gateway)
    assert refused.value.smtp_code == 554
    assert len(gateway.events("message.received")) == 4
