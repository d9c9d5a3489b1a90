"""The commands, as a person at a terminal meets them."""
import json
import signal
import subprocess

import pytest
from gateway import BINARY, PATIENCE_S, postern, wait_until

TEXT = b"From: Anna <anna@sender.test>\nSubject: hello\nMessage-ID: <1@sender.test>\n\nWe met.\n"
COMMANDS = ["serve", "dev", "check", "run", "send", "explain", "srs", "status"]


@pytest.fixture
def message(tmp_path):
    path = tmp_path / "message.eml"
    path.write_bytes(TEXT)
    return path


# --- help, mistakes ---


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    done = postern(command, "--help")
    assert done.returncode == 0 and f"postern {command}" in done.stdout
    assert command in postern("--help").stdout


@pytest.mark.parametrize("arguments", [["check", "--nonsense"], ["run"], ["send"], ["explain"],
                                       ["check", "one", "two"]], ids=" ".join)
def test_a_mistake_is_told_with_the_usage(arguments):
    done = postern(*arguments)
    assert done.returncode == 2 and "usage: postern" in done.stderr


def test_an_unknown_command_is_told_with_those_there_are():
    done = postern("nonsense")
    assert done.returncode == 2 and '"nonsense"' in done.stderr and "postern serve" in done.stderr


# --- check ---


def test_check_finds_nothing_in_good_rules(rules):
    rules.script("work", "return {email = function() end}")
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"}, {"to": "x@", "worker": "work"})
    done = postern("check", rules.folder)
    assert done.returncode == 0, done.stderr
    assert "2 rules in 1 domain" in done.stdout


BAD = [
    ("domain: gate.test\nrules:\n  - {to: ben@, fowrard: x@dest.test}\n", 3, 16, "fowrard"),
    ("domain: gate.test\nrules:\n  - to: ben@\n    worker: nobody\n", 4, 13, "nobody"),
    ("domain: gate.test\nrules:\n  - {to: /(/, drop: true}\n", 3, 10, ""),
    ("domain: gate.test\nrules:\n  - {to: ben@, drop: true}\n  - {to: ben@, drop: true}\n", 4, 10, "ben@"),
    ("domain: gate.test\nrules: [\n", 0, 0, ""),
]


@pytest.mark.parametrize("text,line,column,word", BAD, ids=["key", "worker", "pattern", "twice", "syntax"])
def test_check_tells_the_place_of_a_problem(rules, text, line, column, word):
    path = rules.write("gate.test.yaml", text)
    done = postern("check", rules.folder)
    assert done.returncode == 1
    place = f"{path}:{line}:{column}: " if line else f"{path}:"
    assert any(told.startswith(place) and word in told for told in done.stderr.splitlines()), done.stderr


def test_check_tells_all_problems_at_once(rules):
    rules.write("one.yaml", "domain: one.test\nrules:\n  - {to: a@}\n  - {to: b@, nonsense: 1, drop: true}\n")
    rules.write("two.yaml", "domain: two.test\nrulse: []\n")
    done = postern("check", rules.folder)
    assert len([line for line in done.stderr.splitlines() if ".yaml:" in line]) >= 3


def test_check_tells_the_line_of_an_error_in_a_script(rules):
    rules.script("work", "return {\n  email = function( end\n}")
    rules.domain("gate.test", {"to": "x@", "worker": "work"})
    done = postern("check", rules.folder)
    assert done.returncode == 1 and "work.lua:2" in done.stderr


def test_serve_does_not_start_with_problems(rules):
    rules.write("gate.test.yaml", "domain: gate.test\nrulse: []\n")
    done = postern("serve", rules.folder)
    assert done.returncode == 1 and "gate.test.yaml:2:1" in done.stderr


# --- run ---


def run_script(tmp_path, message, body):
    script = tmp_path / "trial.lua"
    script.write_text(f"return {{ email = function(message, env, ctx)\n{body}\nend }}\n")
    done = postern("run", script, message, "--from", "anna@sender.test", "--to", "ben@gate.test")
    return done.returncode, json.loads(done.stdout)


def test_run_prints_what_a_script_did(tmp_path, message):
    code, report = run_script(tmp_path, message, """
        print("hello", message.headers:get("subject"))
        message:forward("team@dest.test", {["X-Ticket"] = "42"})
        message:reply {subject = "Thanks", text = "We got it."}""")
    assert code == 0 and report["outcome"] == "ok"
    assert report["forwards"][0]["to"] == "team@dest.test"
    assert report["forwards"][0]["headers"] == {"X-Ticket": "42"}
    assert report["replies"][0]["to"] == "anna@sender.test"
    assert "We got it." in report["replies"][0]["raw"]
    assert "hello" in report["log"][0]["text"]


def test_run_prints_the_reason_of_a_reject(tmp_path, message):
    code, report = run_script(tmp_path, message, 'message:setReject("not today")')
    assert (code, report["rejectReason"], report["smtpReply"]["code"]) == (0, "not today", 550)


def test_run_prints_an_error_with_its_line_and_fails(tmp_path, message):
    code, report = run_script(tmp_path, message, 'error("broken")')
    assert code == 1 and report["outcome"] == "exception" and "trial.lua:2: broken" in report["error"]
    assert report["smtpReply"]["code"] == 451


# --- send, explain, status ---


def test_send_brings_a_message_to_a_server(rules, serve, destination, message):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
    server = f"127.0.0.1:{serve(rules).port}"
    envelope = ["--server", server, "--from", "anna@sender.test", "--to", "ben@gate.test"]
    assert postern("send", *envelope, message).returncode == 0
    assert postern("send", *envelope, "-", stdin=TEXT).returncode == 0
    assert postern("send", *envelope, stdin=TEXT).returncode == 0
    for mail in destination.mails:
        assert mail.content.endswith(TEXT.replace(b"\n", b"\r\n"))
    assert len(destination.mails) == 3
    refused = postern("send", "--server", server, "--from", "anna@sender.test", "--to", "no@gate.test", message)
    assert refused.returncode == 69 and "550 5.1.1" in refused.stderr


def test_explain_tells_which_rule_and_why(rules):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"name": "Orders", "to": r"/^order-(?<id>\d+)@/", "drop": True}, subaddressing=True)
    found = postern("explain", "ben+x@gate.test", rules.folder)
    assert found.returncode == 0 and "ben@dest.test" in found.stdout and "gate.test.yaml:" in found.stdout
    pattern = postern("explain", "order-17@gate.test", rules.folder)
    assert '"Orders"' in pattern.stdout and "captures.id = 17" in pattern.stdout
    nobody = postern("explain", "nobody@gate.test", rules.folder)
    assert nobody.returncode == 1 and "550 5.1.1" in nobody.stdout
    foreign = postern("explain", "x@elsewhere.test", rules.folder)
    assert foreign.returncode == 1 and "550 5.7.1" in foreign.stdout


def test_status_tells_what_the_server_does(rules, serve):
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
    gateway = serve(rules)
    session = gateway.dialogue()
    session.expect(220)
    report = json.loads(postern("status", rules.folder, "--json").stdout)
    assert (report["name"], report["pid"], report["sessions"]) == ("mx.gate.test", gateway.process.pid, 1)
    assert (report["rules"], report["domains"]) == (1, 1)
    assert report["events"]["host.started"] == 1
    text = postern("status", rules.folder)
    assert text.returncode == 0 and "mx.gate.test" in text.stdout
    session.close()


def test_status_without_a_server_says_so(rules):
    done = postern("status", rules.folder)
    assert done.returncode == 1 and "no Postern answers" in done.stderr


# --- dev ---


def test_dev_captures_everything_and_shows_a_first_message(rules, tmp_path):
    rules.script("work", 'return {email = function(message) message:reply {subject = "Hi", text = "there"} end}')
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"}, {"to": "work@", "worker": "work"})
    rules.write_host(dev_listen="127.0.0.1:0")
    out = tmp_path / "dev.out"
    with open(out, "wb") as file:
        process = subprocess.Popen([BINARY, "dev", str(rules.folder), "--demo"], stdin=subprocess.DEVNULL,
                                   stdout=file, stderr=subprocess.STDOUT)
    try:
        line = wait_until(lambda: [line for line in out.read_text().splitlines()
                                   if line.startswith("listening smtp ")], "dev to listen")[0]
        server = line.split(" ")[2]
        wait_until(lambda: "the sender is told: 250" in out.read_text(), "the first message")
        for recipient in ("ben@gate.test", "work@gate.test"):
            done = postern("send", "--server", server, "--from", "anna@sender.test", "--to", recipient, stdin=TEXT)
            assert done.returncode == 0, done.stderr
        outbox = [path.read_text() for path in (rules.state / "outbox").glob("*.eml")]
        assert any("X-Postern-Envelope-To: <ben@dest.test>" in mail and "We met." in mail for mail in outbox)
        assert any("X-Postern-Envelope-To: <anna@sender.test>" in mail and "there" in mail for mail in outbox)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
