"""Mail that a rule forwards arrives as it was sent, with trace fields on top, and the next hop's answer is the
sender's answer."""
import smtplib

import pytest
from conftest import corpus
from gateway import wait_until

SENDER = "anna@sender.test"
TEXT = b"From: anna@sender.test\r\nSubject: hello\r\n\r\nWe met.\r\n"


def trace_of(received, sent):
    """The names of the fields that were put on top of what was sent, which is otherwise untouched."""
    assert received.endswith(sent)
    top = received[:len(received) - len(sent)]
    lines = [line for line in top.split(b"\r\n") if line and line[:1] not in b" \t"]
    return [line.split(b":")[0] for line in lines]


@pytest.fixture
def gateway(rules, serve):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "late@", "forward": "ben@dest.test", "on_soft_failure": "defer"})
    return serve(rules)


def test_the_corpus_arrives_byte_for_byte(gateway, destination):
    messages = corpus()
    if not messages:
        pytest.skip("no corpus here: set POSTERN_CORPUS")
    with gateway.connect() as session:
        for path in messages:
            session.sendmail(SENDER, "ben@gate.test", path.read_bytes(), mail_options=["BODY=8BITMIME"])
    assert len(destination.mails) == len(messages)
    for path, mail in zip(messages, destination.mails):
        assert trace_of(mail.content, path.read_bytes()) == [b"X-Postern-Hop", b"Received"], path.name
        assert (mail.sender, mail.recipient) == (SENDER, "ben@dest.test")


ODD = {
    "dots at the start of lines": b"Subject: x\r\n\r\n.\r\n..\r\n...a\r\n.b\r\n",
    "no body": b"Subject: x\r\n\r\n",
    "no header": b"\r\nJust text.\r\n",
    "empty lines at the end": b"Subject: x\r\n\r\ntext\r\n\r\n\r\n",
    "8-bit bytes that are no UTF-8": b"Subject: x\r\n\r\n\xff\xfe\x80caf\xe9\r\n",
    "a line of 998 bytes": b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n",
    "a folded header and odd white space": b"Subject: a\r\n b\r\n\tc \r\nX-Empty:\r\nx:y\r\n\r\n \t \r\n",
    "a large message": b"Subject: x\r\n\r\n" + (b"z" * 76 + b"\r\n") * 40_000,
    "half an end": b"Subject: x\r\n\r\na\r\n.\x0b\r\n.x\r\n",
}


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD.keys())
def test_an_odd_message_arrives_byte_for_byte(gateway, destination, sent):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", sent, mail_options=["BODY=8BITMIME"])
    assert trace_of(destination.mails[0].content, sent) == [b"X-Postern-Hop", b"Received"]


@pytest.mark.parametrize("sent", [b"Just text without a header\r\n", b" blank\r\n: odd\r\n\r\n"])
def test_what_has_no_header_becomes_the_body(gateway, destination, sent):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", sent)
    top, body = destination.mails[0].content.split(b"\r\n\r\n", 1)
    assert body == sent and top.startswith(b"X-Postern-Hop: ")


def test_a_line_that_is_no_field_ends_the_header(gateway, destination):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", b"Subject: x\r\nno field\r\nTo: y\r\n\r\nz\r\n")
    assert destination.mails[0].content.endswith(b"Subject: x\r\n\r\nno field\r\nTo: y\r\n\r\nz\r\n")


def test_bdat_in_pieces_arrives_as_data_does(gateway, destination):
    session = gateway.dialogue()
    session.expect(220)
    assert "CHUNKING" in session.say("EHLO client.sender.test", 250)
    session.say(f"MAIL FROM:<{SENDER}>", 250)
    session.say("RCPT TO:<ben@gate.test>", 250)
    for piece in (TEXT[:10], TEXT[10:11], TEXT[11:]):
        session.send(b"BDAT %d\r\n" % len(piece) + piece)
        session.expect(250)
    session.say("BDAT 0 LAST", 250)
    session.close()
    assert trace_of(destination.mails[0].content, TEXT) == [b"X-Postern-Hop", b"Received"]


def test_the_received_field_tells_the_way(gateway, destination):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    received = destination.mails[0].header("Received")[0]
    assert received.startswith("from client.sender.test ([127.0.0.1])")
    assert " by mx.gate.test " in received and " with ESMTP " in received


def test_every_destination_of_a_rule_gets_the_message(rules, serve, destination):
    rules.domain("gate.test", {"to": "team@", "forward": ["anna@dest.test", "ben@dest.test"]})
    with serve(rules).connect() as session:
        session.sendmail(SENDER, "team@gate.test", TEXT)
    assert sorted(mail.recipient for mail in destination.mails) == ["anna@dest.test", "ben@dest.test"]


def test_the_null_sender_stays_null(gateway, destination):
    with gateway.connect() as session:
        session.sendmail("", "ben@gate.test", TEXT)
    assert destination.mails[0].sender == ""


@pytest.mark.parametrize("moment", ["", "DATA "])
@pytest.mark.parametrize("reply", [
    (550, b"5.2.2 The mailbox is full, says next.dest.test"),
    (452, b"4.2.2 Come again tomorrow"),
    (554, b"5.7.1 No"),
])
def test_a_refusal_of_the_next_hop_is_the_senders_answer(gateway, destination, moment, reply):
    code, text = reply
    destination.replies[moment + "ben@dest.test"] = f"{code} {text.decode()}"
    with gateway.connect() as session, pytest.raises(smtplib.SMTPDataError) as refusal:
        session.sendmail(SENDER, "late@gate.test", TEXT)
    assert refusal.value.smtp_code == code
    assert text in refusal.value.smtp_error
    assert destination.mails == []


def test_without_a_next_hop_the_sender_keeps_the_message(gateway, destination):
    destination.stop()
    with gateway.connect() as session, pytest.raises(smtplib.SMTPDataError) as refusal:
        session.sendmail(SENDER, "late@gate.test", TEXT)
    assert 400 <= refusal.value.smtp_code < 500


def test_a_lost_connection_to_the_next_hop_is_opened_again(gateway, destination, destinations):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
        destination.stop()
        again = destinations(port=destination.port)
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert (len(destination.mails), len(again.mails)) == (1, 1)


def test_one_connection_to_the_next_hop_serves_many_messages(gateway, destination):
    for _ in range(5):
        with gateway.connect() as session:
            session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert (len(destination.mails), destination.sessions) == (5, 1)


# --- which rule ---


def refused_rcpt(session, address):
    session.ehlo_or_helo_if_needed()
    session.mail(SENDER)
    code, text = session.rcpt(address)
    session.rset()
    return code, text.split(b" ")[0].decode()


def test_addresses_without_a_rule_and_foreign_domains_are_refused_at_rcpt(gateway):
    with gateway.connect() as session:
        assert refused_rcpt(session, "nobody@gate.test") == (550, "5.1.1")
        assert refused_rcpt(session, "ben@elsewhere.test") == (550, "5.7.1")


def test_rules_match_in_their_order(rules, serve, destination):
    rules.domain(
        "gate.test",
        {"to": "ben@", "forward": "exact@dest.test"},
        {"to": r"/^order-(?<id>\d+)@/", "forward": "pattern@dest.test"},
        {"to": "trap@", "reject": "no such person here"},
        {"to": "hole@", "drop": True},
        {"to": "off@", "forward": "off@dest.test", "enabled": False},
        subaddressing=True,
        catch_all={"forward": "rest@dest.test"},
    )
    rcpts = ["BEN@Gate.Test", "ben+list@gate.test", "order-17@gate.test", "hole@gate.test",
             "off@gate.test", "whoever@gate.test"]
    with serve(rules).connect() as session:
        for recipient in rcpts:
            session.sendmail(SENDER, recipient, TEXT)
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            session.sendmail(SENDER, "trap@gate.test", TEXT)
    code, text = refusal.value.recipients["trap@gate.test"]
    assert code == 550 and b"no such person here" in text
    assert [mail.recipient.split("@")[0] for mail in destination.mails] == \
        ["exact", "exact", "pattern", "rest", "rest"]


def test_a_condition_on_the_header_chooses_the_rule(rules, serve, destination):
    rules.domain("gate.test",
                 {"to": "shop@", "when": {"header": {"subject": "/refund/i"}}, "forward": "refunds@dest.test"},
                 {"to": "shop@", "forward": "shop@dest.test"})
    with serve(rules).connect() as session:
        session.sendmail(SENDER, "shop@gate.test", b"Subject: A Refund, please\r\n\r\nx\r\n")
        session.sendmail(SENDER, "shop@gate.test", b"Subject: An order\r\n\r\nx\r\n")
    assert [mail.recipient for mail in destination.mails] == ["refunds@dest.test", "shop@dest.test"]


def test_the_second_recipient_comes_in_its_own_transaction(rules, serve, destination):
    rules.domain("gate.test", catch_all={"forward": "all@dest.test"})
    rules.domain("two.test", catch_all={"forward": "all@dest.test"}, recipients_per_transaction=2)
    with serve(rules).connect() as session:
        session.ehlo()
        for domain, second in (("gate.test", (452, "4.5.3")), ("two.test", (250, "2.1.5"))):
            session.mail(SENDER)
            session.rcpt("a@" + domain)
            code, text = session.rcpt("b@" + domain)
            assert (code, text.split(b" ")[0].decode()) == second
            session.rset()


def test_postmaster_is_always_there(rules, serve, destination):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
    with serve(rules).connect() as session:
        for recipient in ("postmaster@gate.test", "PostMaster@gate.test", "postmaster"):
            session.sendmail(SENDER, recipient, TEXT)
    assert [mail.recipient for mail in destination.mails] == ["admin@dest.test"] * 3


# --- a real Postfix as the next hop ---


@pytest.fixture
def before_postfix(rules, serve, postfix):
    rules.write_host(routes={"*": {"host": "127.0.0.1", "port": postfix.port, "tls": "none"}})
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "refused@", "forward": "refused@dest.test"})
    return serve(rules)


def test_postfix_gets_what_was_sent(before_postfix, postfix):
    before = len(postfix.mails())
    sent = [TEXT, *[path.read_bytes() for path in corpus()[::40]]]
    with before_postfix.connect() as session:
        for message in sent:
            session.sendmail(SENDER, "ben@gate.test", message, mail_options=["BODY=8BITMIME"])
    bodies = [mail.split(b"\n\n", 1)[1] for mail in postfix.wait_for(before + len(sent))]
    for message in sent:
        assert message.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1] in bodies


def test_postfix_refuses_in_its_own_words(before_postfix):
    with before_postfix.connect() as session, pytest.raises(smtplib.SMTPDataError) as refusal:
        session.sendmail(SENDER, "refused@gate.test", TEXT)
    assert refusal.value.smtp_code == 550
    assert b"5.7.1" in refusal.value.smtp_error and b"not for you" in refusal.value.smtp_error


def test_the_log_tells_what_became_of_a_message(gateway, destination):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    line = wait_until(lambda: gateway.events("message.forwarded"), "the log line")[0]
    assert "to=ben@dest.test" in line and "reply=" in line
