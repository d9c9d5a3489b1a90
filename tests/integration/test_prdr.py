"""PRDR (draft-hall-prdr-00): several recipients in one transaction, each with a reply of his own."""
import subprocess

import pytest


@pytest.fixture
def gateway(rules, serve):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "carla@", "forward": "carla@dest.test"},
                 recipients_per_transaction=10, subaddressing=True)
    return serve(rules)


def begin(session, *recipients):
    session.expect(220)
    session.say("EHLO client.sender.test", 250)
    session.say("MAIL FROM:<anna@sender.test> PRDR", 250)
    for recipient in recipients:
        session.say(f"RCPT TO:<{recipient}>", 250)
    session.say("DATA", 354)


def test_each_recipient_hears_of_himself(gateway, destination):
    session = gateway.dialogue()
    begin(session, "ben@gate.test", "carla@gate.test")
    session.say("Subject: x\r\n\r\ntext\r\n.", 353)
    for _ in ("ben", "carla", "overall"):
        session.expect(250)
    assert session.say("QUIT", 221) and session.at_end()
    session.close()
    assert sorted(mail.recipient for mail in destination.mails) == ["ben@dest.test", "carla@dest.test"]


def test_353_is_said_before_the_next_hop_answers(gateway, destination):
    destination.gate.clear()
    session = gateway.dialogue()
    begin(session, "ben@gate.test", "carla@gate.test")
    session.say("Subject: x\r\n\r\ntext\r\n.", 353)
    destination.gate.set()
    for _ in ("ben", "carla", "overall"):
        session.expect(250)
    session.close()


def test_one_recipient_has_the_plain_reply(gateway, destination):
    destination.replies["DATA ben@dest.test"] = "550 5.7.1 not for ben"
    session = gateway.dialogue()
    begin(session, "ben@gate.test")
    assert session.say("Subject: x\r\n\r\ntext\r\n.", 550) == ["5.7.1 not for ben"]
    session.say("NOOP", 250)
    session.close()


def test_a_client_that_knows_prdr_is_content(gateway, destination):
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{gateway.port}", "--prdr", "--from", "anna@sender.test",
                           "--to", "ben@gate.test,carla@gate.test", "--helo", "client.sender.test"],
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode()
    assert done.stdout.count(b"<-  250 2.0.0") >= 3, done.stdout.decode()
    assert len(destination.mails) == 2


def test_one_refusal_is_that_recipients_alone(gateway, destination):
    destination.replies["DATA carla@dest.test"] = "550 5.7.1 not for carla"
    session = gateway.dialogue()
    begin(session, "ben@gate.test", "carla@gate.test", "ben+again@gate.test")
    session.say("Subject: x\r\n\r\ntext\r\n.", 353)
    session.expect(250)
    assert session.expect(550) == ["5.7.1 not for carla"]
    session.expect(250)
    session.expect(250)
    session.say("NOOP", 250)
    session.close()
    assert {mail.recipient for mail in destination.mails} == {"ben@dest.test"}


def test_who_all_refuse_refuse_as_a_whole(gateway, destination):
    for user in ("ben", "carla"):
        destination.replies[f"DATA {user}@dest.test"] = f"550 5.7.1 not for {user}"
    session = gateway.dialogue()
    begin(session, "ben@gate.test", "carla@gate.test")
    session.say("Subject: x\r\n\r\ntext\r\n.", 353)
    assert session.expect(550) == ["5.7.1 not for ben"]
    assert session.expect(550) == ["5.7.1 not for carla"]
    session.expect(550)
    session.close()
    assert destination.mails == []
