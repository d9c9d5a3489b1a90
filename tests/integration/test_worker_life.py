"""A worker that fails: what becomes of its messages, and when it is given no more for a while."""
import json
import smtplib

import pytest
from gateway import postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: Anna <anna@sender.test>\r\nSubject: hello\r\n\r\nWe met.\r\n"

# "bad" in the subject makes the script fail.
MOODY = """
  if message.headers:get("subject") == "bad" then error("a bad day") end
  message:forward("team@dest.test")"""


@pytest.fixture
def served(rules, serve):
    """served(body, **options of the worker): runs the Lua body for every message to ben@gate.test."""
    def start(body, **worker):
        rules.domain("gate.test", {"to": "ben@", "worker": "work"})
        rules.script("work", f"return {{ email = function(message, env, ctx)\n{body}\nend }}\n")
        rules.write_host(workers={"work": worker})
        return serve(rules)
    return start


def answer(gateway, subject="hello"):
    """The sender's answer: code and text."""
    with gateway.connect() as session:
        try:
            session.sendmail(SENDER, "ben@gate.test", TEXT.replace(b"hello", subject.encode()))
        except smtplib.SMTPDataError as refusal:
            return refusal.smtp_code, refusal.smtp_error.decode()
    return 250, ""


def event(gateway, name):
    return wait_until(lambda: gateway.events(name), name)[-1]


def rows(rules):
    return [json.loads(line) for line in postern("log", rules.folder, "--json").stdout.splitlines()]


def circuit(rules):
    workers = json.loads(postern("status", rules.folder, "--json").stdout)["workers"]
    return [worker["circuit"] for worker in workers if worker["name"] == "work"]


# --- on_error ---

def test_the_message_stays_with_its_sender_when_nothing_else_is_said(served, destination):
    gateway = served(MOODY)
    assert answer(gateway, "bad")[0] == 451
    gateway.rules.write_host(workers={"work": {"on_error": "defer"}})
    gateway.reload()
    assert answer(gateway, "bad")[0] == 451
    assert destination.mails == []


def test_the_message_goes_on_untouched_where_on_error_says(served, destination):
    gateway = served(MOODY, on_error="forward ops@dest.test")
    assert answer(gateway, "bad")[0] == 250
    mail, = destination.mails
    assert (mail.sender, mail.recipient) == (SENDER, "ops@dest.test")
    assert mail.content.endswith(TEXT.replace(b"hello", b"bad"))
    line = event(gateway, "worker.on_error")
    assert "way=forward" in line and "sent_before=0" in line
    assert answer(gateway)[0] == 250
    assert destination.mails[-1].recipient == "team@dest.test"


def test_it_goes_on_though_the_script_had_sent_it_somewhere(served, destination):
    gateway = served('message:forward("team@dest.test") error("too late")', on_error="forward ops@dest.test")
    assert answer(gateway)[0] == 250
    assert [mail.recipient for mail in destination.mails] == ["team@dest.test", "ops@dest.test"]
    assert "sent_before=1" in event(gateway, "worker.on_error")


def test_nobody_gets_it_twice(served, destination):
    gateway = served('message:forward("ops@dest.test") error("too late")', on_error="forward ops@dest.test")
    assert answer(gateway)[0] == 250
    assert [mail.recipient for mail in destination.mails] == ["ops@dest.test"]


def test_what_the_other_way_refuses_is_the_senders_answer(served, destination):
    destination.replies["ops@dest.test"] = "552 5.2.2 Mailbox full"
    assert answer(served(MOODY, on_error="forward ops@dest.test"), "bad") == (552, "5.2.2 Mailbox full")


def test_what_the_other_way_cannot_take_now_is_queued(served, destination):
    destination.replies["ops@dest.test"] = "451 4.3.0 Not now"
    gateway = served(MOODY, on_error="forward ops@dest.test")
    assert answer(gateway, "bad")[0] == 250
    assert "ops@dest.test" in event(gateway, "message.queued")


def test_an_endless_loop_is_an_error_too(served, destination):
    gateway = served("while true do end", on_error="forward ops@dest.test")
    assert answer(gateway)[0] == 250
    assert destination.mails[0].recipient == "ops@dest.test"


@pytest.mark.parametrize("said, told", [("reject", "Message refused"),
                                        ("reject please call us", "please call us")])
def test_the_message_can_be_refused(served, destination, rules, said, told):
    code, text = answer(served(MOODY, on_error=said), "bad")
    assert code == 550 and told in text
    assert destination.mails == []
    row = wait_until(lambda: rows(rules), "the row")[0]
    assert (row["status"], row["worker_outcome"]) == ("rejected", "exception")


def test_a_decision_of_the_script_is_no_error(served, destination):
    destination.replies["full@dest.test"] = "552 5.2.2 Mailbox full"
    gateway = served("""
        if message.headers:get("subject") == "no" then return message:setReject("no thanks") end
        message:forward("full@dest.test")""", on_error="forward ops@dest.test")
    code, text = answer(gateway, "no")
    assert code == 550 and "no thanks" in text
    assert answer(gateway) == (552, "5.2.2 Mailbox full")
    assert destination.mails == []


# --- the circuit ---

def fail(gateway, times):
    for _ in range(times):
        assert answer(gateway, "bad")[0] == 451


def test_a_worker_that_keeps_failing_pauses(served, destination, rules):
    gateway = served(MOODY, circuit={"failures": 3, "pause": "1h"})
    fail(gateway, 2)
    assert answer(gateway)[0] == 250
    fail(gateway, 1)
    event(gateway, "worker.circuit_opened")
    assert answer(gateway)[0] == 451
    assert len(destination.mails) == 1
    assert circuit(rules) == ["open"]
    assert "circuit open" in postern("status", rules.folder).stdout
    wait_until(lambda: len(rows(rules)) == 5, "the rows")
    assert sorted(row["worker_outcome"] for row in rows(rules)) == \
        ["circuitOpen", "exception", "exception", "exception", "ok"]


def test_while_it_pauses_messages_go_the_way_of_on_error(served, destination):
    gateway = served(MOODY, circuit={"failures": 1, "pause": "1h"}, on_error="forward ops@dest.test")
    assert answer(gateway, "bad")[0] == 250
    assert answer(gateway)[0] == 250
    assert [mail.recipient for mail in destination.mails] == ["ops@dest.test", "ops@dest.test"]


def test_after_the_pause_one_message_decides(served, destination, rules):
    gateway = served(MOODY, circuit={"failures": 1, "pause": "50ms"})
    fail(gateway, 1)
    event(gateway, "worker.circuit_opened")
    wait_until(lambda: answer(gateway)[0] == 250, "the trial")
    event(gateway, "worker.circuit_closed")
    assert circuit(rules) == ["closed"]
    assert destination.mails[0].recipient == "team@dest.test"


def test_a_trial_that_fails_pauses_again(served):
    gateway = served(MOODY, circuit={"failures": 1, "pause": "50ms"})

    def has_opened_again():
        fail(gateway, 1)
        return len(gateway.events("worker.circuit_opened")) == 2
    wait_until(has_opened_again, "the second pause")


def test_it_can_be_switched_off(served):
    gateway = served(MOODY, circuit={"failures": 0})
    fail(gateway, 12)
    assert answer(gateway)[0] == 250


def test_a_reload_keeps_the_pause_and_a_new_version_ends_it(served, rules, destination):
    gateway = served(MOODY, circuit={"failures": 1, "pause": "1h"})
    fail(gateway, 1)
    rules.domain("gate.test", {"to": "ben@", "worker": "work"}, {"to": "new@", "forward": "new@dest.test"})
    wait_until(lambda: len(gateway.events("rules.loaded")) > 1, "the reload")
    assert answer(gateway)[0] == 451
    rules.script("work", "return { email = function(message) message:forward('fixed@dest.test') end }\n")
    wait_until(lambda: answer(gateway)[0] == 250, "the new version")
    assert destination.mails[0].recipient == "fixed@dest.test"


# --- host.yaml ---

@pytest.mark.parametrize("said, told", [("retry", "reject TEXT"), ("forward nobody", "no mail address"),
                                        ("forward stranger@dest.test", "verified destination")])
def test_what_is_wrong_with_on_error_is_told_with_its_place(rules, said, told):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.script("work", "return { email = function() end }\n")
    rules.write("host.yaml", f"name: mx.gate.test\npostmaster: admin@dest.test\nscripts: {rules.scripts}\n"
                             f"destinations: [admin@dest.test]\nworkers:\n  work:\n    on_error: {said}\n")
    done = postern("check", rules.folder)
    assert done.returncode == 1
    assert "host.yaml:7:15" in done.stdout + done.stderr and told in done.stdout + done.stderr
