"""What a next hop does not take for now: the queue keeps it, or its sender does."""
import smtplib

import pytest
from destination import Destination
from gateway import Gateway, Rules, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: anna@sender.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n\r\nWe met.\r\n"
QUICK = {"first_retry": "100ms", "retry_max": "300ms", "lease": "2s"}


def send(gateway, *recipients, text=TEXT):
    with gateway.connect() as session:
        session.sendmail(SENDER, recipients or ["ben@gate.test"], text)
        return session


def refusal(gateway, *recipients):
    with pytest.raises(smtplib.SMTPDataError) as error:
        send(gateway, *recipients)
    return error.value.smtp_code, error.value.smtp_error.decode()


@pytest.fixture
def quick(rules):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "late@", "forward": "ben@dest.test", "on_soft_failure": "defer"},
                 {"to": "both@", "forward": ["ben@dest.test", "cleo@dest.test"]},
                 {"to": "strict@", "forward": ["ben@dest.test", "cleo@dest.test"], "on_soft_failure": "defer"},
                 recipients_per_transaction=10)
    rules.write_host(queue=QUICK, delivery={"connect_timeout": "1s"})
    return rules


def test_a_soft_failure_is_queued_and_delivered_later(quick, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.0 come again"
    gateway = serve(quick)
    send(gateway)
    assert len(gateway.events("message.queued")) == 1
    wait_until(lambda: len(gateway.events("delivery.failed")) >= 2, "a second attempt")
    del destination.replies["ben@dest.test"]
    mail, = destination.wait_for(1)
    assert (mail.sender, mail.recipient) == (SENDER, "ben@dest.test") and mail.content.endswith(TEXT)


def test_a_rule_can_leave_it_to_the_sender(quick, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.0 come again"
    gateway = serve(quick)
    assert refusal(gateway, "late@gate.test") == (450, "4.2.0 come again")
    assert gateway.events("message.queued") == []


def test_a_destination_that_is_down_gets_it_when_it_is_up(tmp_path, serve):
    down = Destination()
    down.stop()
    rules = Rules(tmp_path, upstream=down.port)
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
    rules.write_host(queue=QUICK, delivery={"connect_timeout": "1s"})
    gateway = serve(rules)
    for _ in range(5):
        send(gateway)
    up = Destination(port=down.port)
    try:
        assert len(up.wait_for(5)) == 5
    finally:
        up.stop()


def test_the_queue_outlives_the_process(quick, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.0 come again"
    first = Gateway(quick)
    for _ in range(3):
        send(first)
    first.kill()
    del destination.replies["ben@dest.test"]
    serve(quick)
    assert len(destination.wait_for(3)) == 3


def test_one_destination_of_two_waits_alone(quick, serve, destination):
    destination.replies["cleo@dest.test"] = "450 4.2.0 come again"
    gateway = serve(quick)
    send(gateway, "both@gate.test")
    assert [mail.recipient for mail in destination.mails] == ["ben@dest.test"]
    del destination.replies["cleo@dest.test"]
    mails = destination.wait_for(2)
    assert sorted(mail.recipient for mail in mails) == ["ben@dest.test", "cleo@dest.test"]


def test_a_leg_that_was_delivered_is_not_delivered_again(quick, serve, destination):
    destination.replies["cleo@dest.test"] = "450 4.2.0 come again"
    gateway = serve(quick)
    assert refusal(gateway, "strict@gate.test")[0] == 450
    assert refusal(gateway, "strict@gate.test")[0] == 450
    del destination.replies["cleo@dest.test"]
    send(gateway, "strict@gate.test")
    assert sorted(mail.recipient for mail in destination.mails) == ["ben@dest.test", "cleo@dest.test"]
    assert len(gateway.events("message.sent_before")) == 2


def test_another_message_of_the_same_sender_is_delivered(quick, serve, destination):
    destination.replies["cleo@dest.test"] = "450 4.2.0 come again"
    gateway = serve(quick)
    assert refusal(gateway, "strict@gate.test")[0] == 450
    del destination.replies["cleo@dest.test"]
    send(gateway, "strict@gate.test", text=TEXT.replace(b"<1@", b"<2@"))
    send(gateway, "strict@gate.test", text=TEXT.replace(b"met", b"meet"))
    assert len(destination.mails) == 5


def test_a_worker_that_fails_after_a_forward_does_not_forward_twice(quick, serve, destination):
    quick.script("odd", 'return { email = function(message) message:forward("ben@dest.test") error("later") end }')
    quick.domain("work.test", {"to": "odd@", "worker": "odd"})
    gateway = serve(quick)
    for _ in range(3):
        assert refusal(gateway, "odd@work.test")[0] == 451
    assert len(destination.mails) == 1


def test_a_worker_forward_is_queued_and_goes_on(quick, serve, destination):
    destination.replies["ben@dest.test"] = "450 4.2.0 come again"
    quick.script("calm", 'return { email = function(message) print(message:forward("ben@dest.test").queued) end }')
    quick.domain("work.test", {"to": "calm@", "worker": "calm"})
    gateway = serve(quick)
    send(gateway, "calm@work.test")
    assert "true" in gateway.events("worker.log")[0]
    del destination.replies["ben@dest.test"]
    destination.wait_for(1)


def test_all_refused_is_refused(quick, serve, destination):
    destination.replies.update({"ben@dest.test": "550 5.1.1 no ben", "cleo@dest.test": "550 5.1.1 no cleo"})
    assert refusal(serve(quick), "both@gate.test") == (550, "5.1.1 no ben")


def test_low_space_is_told_before_anything_is_accepted(quick, serve):
    quick.write_host(store={"space": "512GiB"})
    with serve(quick).connect() as session:
        session.ehlo()
        assert session.mail(SENDER)[0] == 452
        assert session.noop()[0] == 250


def test_a_reload_has_other_limits_of_space(quick, serve):
    quick.write_host(store={"space": "512GiB"})
    gateway = serve(quick)
    quick.write_host(store={"space": "0"})
    gateway.reload()
    send(gateway)
