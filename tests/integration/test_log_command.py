"""postern log: what became of messages, by filters, stage by stage, and as it happens."""
import json
import signal
import subprocess

import pytest
from gateway import BINARY, postern, wait_until

SENDER = "anna@sender.test"
SUBJECT = "hello"
TEXT = "From: anna@sender.test\r\nSubject: {}\r\nMessage-ID: <1@sender.test>\r\n\r\nWe met.\r\n"
QUICK = {"first_retry": "100ms", "retry_max": "300ms", "lease": "2s"}


def send(gateway, recipient, subject=SUBJECT, sender=SENDER):
    with gateway.connect() as session:
        session.sendmail(sender, recipient, TEXT.format(subject).encode("utf-8", "surrogateescape"),
                         mail_options=["BODY=8BITMIME"])


def log(rules, *flags):
    done = postern("log", rules.folder, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(rules, *flags):
    return [json.loads(line) for line in log(rules, "--json", *flags).splitlines()]


def wait_for_rows(rules, count, *flags):
    def seen():
        found = rows(rules, *flags)
        return found if len(found) >= count else None
    return wait_until(seen, f"{count} rows of the log")


@pytest.fixture
def gateway(rules, serve, destination):
    rules.script("calm", 'return { email = function(message) print("calm") end }')
    rules.domain("gate.test", {"name": "Ben's", "to": "ben@", "forward": "ben@dest.test"},
                 {"name": "Hole", "to": "hole@", "drop": True},
                 {"name": "Work", "to": "work@", "worker": "calm"})
    rules.write_host(queue=QUICK)
    return serve(rules)


# --- rows and filters ---

def test_a_row_tells_all_there_is(rules, gateway, destination):
    send(gateway, "ben@gate.test")
    row, = wait_for_rows(rules, 1)
    assert (row["from"], row["to"], row["subject"]) == (SENDER, "ben@gate.test", SUBJECT)
    assert (row["rule"], row["action"], row["status"]) == ("Ben's", "forward", "forwarded")
    assert (row["helo"], row["client"], row["message_id"]) == ("client.sender.test", "127.0.0.1", "<1@sender.test>")
    assert row["bytes"] == len(TEXT.format(SUBJECT)) and row["reply"].startswith("250 2.0.0")
    assert row["actions"] == [{"do": "forward", "to": "ben@dest.test"}]
    attempt, = row["attempts"]
    assert (attempt["status"], attempt["destination"], attempt["class"]) == ("delivered", "ben@dest.test", "")
    assert attempt["reply"] == "250 2.0.0 Taken" and str(destination.port) in attempt["peer"]
    assert [stage["event"] for stage in row["trail"]] == \
        ["message.received", "rule.matched", "message.forwarded", "message.answered"]
    assert row["time"].endswith("Z") and row["time_ms"] > 1_700_000_000_000


def test_a_line_tells_the_most(rules, gateway):
    send(gateway, "work@gate.test")
    wait_for_rows(rules, 1)
    line, = log(rules).splitlines()
    for word in (rows(rules)[0]["id"], "anna@sender.test -> work@gate.test", SUBJECT, "handled", "Work/calm", "250 "):
        assert word in line


def test_filters_find_what_they_say(rules, gateway):
    send(gateway, "ben@gate.test", subject="one 100% sure")
    send(gateway, "hole@gate.test", subject="two", sender="cleo@sender.test")
    send(gateway, "work@gate.test", subject="three")
    one, two, three = (row["id"] for row in wait_for_rows(rules, 3))

    def found(*flags):
        return [row["id"] for row in rows(rules, *flags)]

    assert found("--id", two) == [two]
    assert found("--to", "ben@gate.test") == [one]
    assert found("--from", "cleo@sender.test") == [two]
    assert found("--status", "dropped") == [two]
    assert found("--rule", "Ben's") == [one]
    assert found("--worker", "calm") == [three]
    assert found("--text", "100% S") == [one]
    assert found("--text", "@GATE.test") == [one, two, three]
    assert found("--limit", "2") == [two, three]
    assert found("--since", "1h") == [one, two, three] and found("--since", "2100-01-01") == []
    assert found("--until", "1h") == [] and found("--until", "2100-01-01T00:00:00Z") == [one, two, three]
    assert found("--status", "dropped", "--worker", "calm") == []


def test_it_works_when_nobody_serves(rules, gateway):
    send(gateway, "ben@gate.test")
    gateway.terminate()
    gateway.wait()
    assert len(rows(rules)) == 1


@pytest.mark.parametrize("flags", [
    ["--status", "lost"], ["--since", "yesterday"], ["--until", "-5"], ["--since", "5y"], ["--limit", "0"],
    ["--limit", "10001"], ["--limit", "x"], ["--to", "nobody"], ["--from", "<>"], ["--text", "x" * 201],
    ["--follow", "--until", "1h"], ["--what"], ["--id"],
], ids=" ".join)
def test_mistakes_are_told(rules, flags):
    done = postern("log", rules.folder, *flags)
    assert done.returncode == 2 and "postern log" in done.stderr and "usage" in done.stderr


def test_a_log_that_is_not_there(rules):
    done = postern("log", rules.folder)
    assert done.returncode == 1 and "No such file" in done.stderr


def test_a_message_that_is_not_there(rules, gateway):
    done = postern("log", rules.folder, "--id", "00000")
    assert done.returncode == 1 and "no such message" in done.stderr


# --- the story ---

def test_the_story_of_a_message_has_each_attempt(rules, gateway, destination):
    destination.replies["ben@dest.test"] = "451 4.7.1 Greylisted, come again"
    send(gateway, "ben@gate.test")
    wait_until(lambda: len(gateway.events("delivery.failed")) >= 2, "a second attempt")
    del destination.replies["ben@dest.test"]
    destination.wait_for(1)
    row, = wait_for_rows(rules, 1, "--status", "forwarded")
    story = log(rules, "--id", row["id"])
    for words in ("message.received", "rule.matched", "message.queued", "message.answered", "status      forwarded",
                  "attempt 1: deferred to ben@dest.test", "greylist: told to come again in a while",
                  "451 4.7.1 Greylisted, come again", "250 2.0.0 Taken"):
        assert words in story, story
    assert [attempt["status"] for attempt in row["attempts"]][-2:] == ["deferred", "delivered"]
    times = [attempt["time_ms"] for attempt in row["attempts"]]
    assert times == sorted(times)
    assert story == log(rules, "--stages")


def test_a_long_story_is_kept_from_its_beginning(rules, gateway):
    rules.script("calm", 'return { email = function(message) for i = 1, 1000 do print("line " .. i) end end }')
    gateway.reload()
    send(gateway, "work@gate.test")
    row, = wait_for_rows(rules, 1)
    texts = [stage["text"] for stage in row["trail"] if stage["event"] == "worker.log"]
    assert len(texts) > 100 and "1000" not in texts[-1]
    assert texts[0] in log(rules, "--stages")


# --- what strangers write ---

def test_subjects_are_decoded_and_shown_raw_in_json(rules, gateway):
    send(gateway, "hole@gate.test", subject="=?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?Q?_=E0_tous?= =?no?Q?x?=")
    row, = wait_for_rows(rules, 1)
    assert row["subject"] == "Grüße à tous =?no?Q?x?="
    assert row["raw_subject"].startswith("=?utf-8?B?")
    assert "Grüße à tous" in log(rules)


@pytest.mark.parametrize("subject, shown", [
    ("=?utf-8?Q?a=1B]0;owned=07b?=", r"a\x1b]0;owned\x07b"),
    ("=?utf-8?Q?a=0D=0Ab?=", r"a\x0d\x0ab"),
    ("=?utf-8?Q?a=E2=80=AEb?=", r"a\u202eb"),
    ("=?utf-8?Q?a=C2=9Bb?=", r"a\x9bb"),
    ("a\x1b[2Jb", r"a\x1b[2Jb"),
    ("a\udcffb", r"a\xffb"),
    ("ü" * 50, "ü" * 39 + "…"),
], ids=["escape", "line ends", "override", "C1", "plain escape", "no UTF-8", "long"])
def test_a_terminal_is_safe_from_it(rules, gateway, subject, shown):
    send(gateway, "hole@gate.test", subject=subject)
    wait_for_rows(rules, 1)
    for text in (log(rules), log(rules, "--stages")):
        assert not any(ord(c) < 32 and c != "\n" for c in text) and "\x9b" not in text and "\u202e" not in text
    assert shown in log(rules)


# --- as it happens ---

class Follower:
    def __init__(self, rules, *flags):
        self.path = rules.folder.parent / "follow.out"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([BINARY, "log", str(rules.folder), "--follow", *flags], stdout=out)

    def wait_for(self, *words):
        def seen():
            text = self.path.read_text()
            return text if all(word in text for word in words) else None
        return wait_until(seen, f"{words} to be told")

    def stop(self, signal_number=signal.SIGINT):
        self.process.send_signal(signal_number)
        return self.process.wait(timeout=60)


@pytest.fixture
def follow(rules):
    followers = []

    def start(*flags):
        followers.append(Follower(rules, *flags))
        return followers[-1]

    yield start
    for follower in followers:
        if follower.process.poll() is None:
            follower.process.kill()
            follower.process.wait()


def test_following_shows_what_was_and_what_comes(rules, gateway, follow):
    send(gateway, "hole@gate.test", subject="before")
    wait_for_rows(rules, 1)
    follower = follow()
    follower.wait_for("before")
    send(gateway, "ben@gate.test", subject="after")
    text = follower.wait_for("after", "forwarded")
    assert len(text.splitlines()) == 2
    assert follower.stop() == 0


def test_following_shows_attempts_and_the_end(rules, gateway, destination, follow):
    destination.replies["ben@dest.test"] = "452 4.2.2 mailbox full"
    send(gateway, "ben@gate.test", subject="waits")
    wait_for_rows(rules, 1)
    follower = follow()
    follower.wait_for("queued", "attempt 3: deferred", "quota: the mailbox is full", "452 4.2.2 mailbox full")
    del destination.replies["ben@dest.test"]
    follower.wait_for("delivered to ben@dest.test", "forwarded")
    assert follower.stop(signal.SIGTERM) == 0


def test_following_one_status_shows_what_comes_to_it(rules, gateway, destination, follow):
    destination.replies["ben@dest.test"] = "452 4.2.2 mailbox full"
    send(gateway, "hole@gate.test", subject="dropped")
    wait_for_rows(rules, 1)
    follower = follow("--status", "forwarded", "--json")
    send(gateway, "ben@gate.test", subject="waits")
    wait_for_rows(rules, 2)
    del destination.replies["ben@dest.test"]
    row, = map(json.loads, follower.wait_for("\n").splitlines())
    assert (row["subject"], row["status"]) == ("waits", "forwarded") and len(row["attempts"]) >= 2


def test_following_ends_when_nobody_reads(rules, gateway):
    send(gateway, "hole@gate.test", subject="first")
    wait_for_rows(rules, 1)
    process = subprocess.Popen([BINARY, "log", str(rules.folder), "--follow"], stdout=subprocess.PIPE)
    assert b"first" in process.stdout.readline()
    process.stdout.close()
    send(gateway, "hole@gate.test", subject="second")
    assert process.wait(timeout=60) is not None
