"""Messages that are kept (keep_messages), and postern replay: what new rules and scripts would do with them."""
import contextlib
import json
import os
import sqlite3
import subprocess
import time

import pytest
from gateway import BINARY, postern, wait_until

SENDER = "anna@sender.test"
TEXT = (b"From: Anna <anna@sender.test>\r\nTo: ben@gate.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n"
        b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nWe met.\r\n")
KEPT = {"for": "7d"}
WORKER = "return {{ email = function(message, env, ctx)\n{}\nend }}\n"


class Kept:
    """A gateway that keeps its messages, and what is seen of them."""

    def __init__(self, rules, serve, destination):
        self.rules, self.serve, self.destination = rules, serve, destination
        self.gateway = None
        self.count = 0
        self.seen = []

    def start(self, script="message:forward('ben@dest.test')", keep=None, worker=None, **host):
        self.script(script)
        self.domain()
        self.rules.write_host(keep_messages=KEPT if keep is None else keep,
                              workers={"work": {"script": "work.lua", **(worker or {})}}, **host)
        self.gateway = self.serve(self.rules)
        return self

    def script(self, body):
        self.rules.script("work", WORKER.format(body))

    def domain(self, **changes):
        named = {"Ben": {"to": "ben@", "forward": "ben@dest.test"}, "Hole": {"to": "hole@", "drop": True},
                 "Work": {"to": "work@", "worker": "work"}}
        named.update(changes)
        self.rules.domain("gate.test", *({"name": name, **rule} for name, rule in named.items() if rule),
                          recipients_per_transaction=10)

    def send(self, *recipients, text=TEXT, sender=SENDER, fails=False):
        with self.gateway.connect() as session:
            session.ehlo()
            assert session.mail(sender, ["BODY=8BITMIME"])[0] == 250
            for recipient in recipients:
                assert session.rcpt(recipient)[0] == 250
            code, _ = session.data(text)
        assert (code != 250) == fails, code
        self.count += len(recipients)

    def rows(self):
        """Of the activity log, once all that were sent are there."""
        if len(self.seen) == self.count:
            return self.seen

        def seen():
            done = postern("log", self.rules.folder, "--json", "--limit", "1000")
            found = [json.loads(line) for line in done.stdout.splitlines()]
            return found if len(found) >= self.count else None
        self.seen = wait_until(seen, "the rows of the log")
        return self.seen

    @contextlib.contextmanager
    def database(self, name="messages.db"):
        with contextlib.closing(sqlite3.connect(self.rules.state / "store" / name)) as database, database:
            yield database

    def ids(self):
        with self.database() as database:
            return [row[0] for row in database.execute("SELECT id FROM kept ORDER BY number")]

    def wait_for(self, count):
        self.rows()
        return wait_until(lambda: len(self.ids()) >= count and self.ids(), f"{count} messages that are kept")

    def replay(self, *flags, code=0):
        self.rows()
        done = postern("replay", self.rules.folder, *flags)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def results(self, *flags, code=0):
        *lines, totals = [json.loads(line) for line in self.replay("--json", *flags, code=code).splitlines()]
        counts = {"same": 0, "changed": 0, "not replayed": 0}
        for line in lines:
            counts[line["result"]] += 1
        assert counts == {"same": totals["same"], "changed": totals["changed"], "not replayed": totals["not_replayed"]}
        return lines


@pytest.fixture
def kept(rules, serve, destination):
    return Kept(rules, serve, destination)


# --- keeping ---

def test_nothing_is_kept_unless_it_is_asked_for(kept):
    kept.start(keep={})
    kept.send("ben@gate.test")
    kept.rows()
    kept.gateway.stop()  # writes what waits
    assert kept.ids() == []
    assert kept.replay() == "0 messages: 0 same, 0 changed, 0 not replayed\n"


def test_a_message_is_kept_as_it_came(kept):
    kept.start()
    text = TEXT + bytes(range(1, 10)) + b"\x80\xff\r\n..\r\n"
    kept.send("ben@gate.test", text=text)
    name, = kept.wait_for(1)
    with kept.database() as database:
        content, = database.execute("SELECT content FROM kept WHERE id = ?", (name,)).fetchone()
    assert content.startswith(TEXT) and content.endswith(b"\x80\xff\r\n..\r\n")
    raw = subprocess.run([BINARY, "log", kept.rules.folder, "--id", name, "--raw"], capture_output=True, check=True,
                         timeout=60).stdout
    assert raw == content
    assert "not kept" in postern("log", kept.rules.folder, "--id", "0nosuchmessage00", "--raw").stderr


def test_some_are_kept_when_a_share_is_asked_for(kept):
    kept.start(keep={"for": "1d", "share": "50%"})
    for _ in range(6):
        kept.send("hole@gate.test")
    kept.gateway.stop()
    assert len(kept.ids()) == 3


def test_what_is_too_large_is_not_kept(kept):
    kept.start(keep={"for": "1d", "message_bytes_max": "1KiB"}, log={"level": "debug"})
    kept.send("hole@gate.test", text=TEXT + b"x" * 900)
    kept.send("hole@gate.test")
    kept.gateway.stop()
    assert len(kept.ids()) == 1
    assert "too large" in kept.gateway.events("message.not_kept")[0]


def test_the_oldest_make_room(kept):
    kept.start(keep={"for": "1d", "bytes_max": "1MiB"})
    for _ in range(12):
        kept.send("hole@gate.test", text=TEXT + (b"x" * 70 + b"\r\n") * 2500)
    names = [row["id"] for row in kept.rows()]
    kept.gateway.stop()
    ids = kept.ids()
    assert 1 <= len(ids) < 6 and ids == names[-len(ids):]


def test_what_was_kept_goes_when_nothing_is_to_be_kept_any_more(kept):
    kept.start()
    kept.send("hole@gate.test")
    kept.wait_for(1)
    kept.rules.write_host(keep_messages={"for": "0s"})
    kept.gateway.reload()
    wait_until(lambda: kept.ids() == [], "the messages to go")




def test_a_disk_that_is_almost_full_keeps_nothing_and_costs_no_mail(kept, tmp_path):
    disk = os.statvfs(tmp_path)
    space = int(disk.f_bavail * disk.f_frsize * 0.7)  # twice of it is not free
    if space > 2**40:
        pytest.skip("more is free than may be asked for")
    kept.start(store={"space": space}, log={"level": "debug"})
    kept.send("hole@gate.test")
    wait_until(lambda: "almost full" in "".join(kept.gateway.events("message.not_kept")), "the message not to be kept")
    kept.gateway.stop()
    assert kept.ids() == []


def test_wrong_options_are_told(kept):
    kept.rules.write_host(keep_messages={"for": "7d", "share": "150%", "bytes_max": "lots"})
    done = postern("check", kept.rules.folder)
    assert done.returncode == 1
    assert "150%" in done.stdout + done.stderr and "lots" in done.stdout + done.stderr


# --- the same ---

def test_what_has_not_changed_is_the_same(kept, destination):
    kept.start("message:forward('one@dest.test', {['X-Note'] = 'seen'})")
    kept.send("ben@gate.test", "work@gate.test", "hole@gate.test")
    kept.send("ben@gate.test", sender="")
    kept.wait_for(2)
    sent = len(destination.wait_for(3))
    results = kept.results()
    assert [(row["to"], row["result"]) for row in results] == [
        ("ben@gate.test", "same"), ("work@gate.test", "same"), ("hole@gate.test", "same"), ("ben@gate.test", "same")]
    assert results[1]["after"]["actions"] == [{"do": "forward", "to": "one@dest.test", "detail": "X-Note: seen"}]
    assert kept.replay().splitlines()[-1] == "2 messages: 4 same, 0 changed, 0 not replayed"
    assert len(destination.mails) == sent


def test_what_next_hops_said_they_say_again(kept, destination):
    destination.replies.update({"gone@dest.test": "550 5.1.1 No such user", "busy@dest.test": "451 4.7.1 Come again"})
    kept.start("""
        local ok, problem = pcall(message.forward, message, "busy@dest.test")
        message:forward("gone@dest.test")""")
    kept.send("work@gate.test", fails=True)
    row, = kept.results()
    assert row["result"] == "same" and "No such user" in row["after"]["reply"]
    assert row["after"]["worker_outcome"] == "exception"


def test_what_is_done_after_the_answer_does_not_differ(kept, destination):
    destination.gate.clear()
    kept.start("ctx:waitUntil(function() message:forward('later@dest.test') message:forward('last@dest.test') end)")
    kept.send("work@gate.test")
    kept.rows()
    destination.gate.set()
    destination.wait_for(2)
    assert kept.results()[0]["result"] == "same"


def test_clocks_show_the_time_at_which_it_came(kept):
    kept.start()
    kept.send("work@gate.test")
    kept.wait_for(1)
    came, = (row["time_ms"] // 1000 for row in kept.rows())
    wait_until(lambda: time.time() > came + 2, "two seconds")
    kept.script("local time = require 'time' message:setReject('at ' .. os.time() .. ' ' .. time.now())")
    assert f"at {came} {came}" in kept.results(code=1)[0]["after"]["reply"]


def test_a_policy_is_applied_as_it_is_now(kept, fake_dns):
    fake_dns.records[("sender.test", "TXT")] = ['"v=spf1 -all"']
    kept.start(dns={"resolver": fake_dns.resolver, "timeout": "1s"}, auth={"spf": "mark", "authentication": "mark"})
    kept.send("hole@gate.test")
    kept.wait_for(1)
    assert kept.results()[0]["result"] == "same"
    kept.rules.write_host(auth={"spf": "enforce"})
    row, = kept.results(code=1)
    assert row["after"]["reply"].startswith("550 5.7.") and row["after"]["rule"] == ""


# --- different ---

def test_a_script_that_decides_otherwise_is_told(kept, destination):
    kept.start()
    kept.send("work@gate.test")
    kept.send("hole@gate.test")
    kept.wait_for(2)
    destination.wait_for(1)
    kept.script("message:setReject('not today')")
    text = kept.replay(code=1)
    line, = (line for line in text.splitlines() if "work@gate.test" in line)
    assert f"{SENDER} -> work@gate.test  changed: forward to ben@dest.test -> rejected \"550 5.7.1 not today" in line
    assert "outcome ok -> rejected" in line
    assert text.splitlines()[-1] == "2 messages: 1 same, 1 changed, 0 not replayed"
    assert len(destination.mails) == 1


def test_a_script_that_fails_is_told_with_its_line(kept):
    kept.start()
    kept.send("work@gate.test")
    kept.wait_for(1)
    kept.script("error('this went wrong')")
    row, = kept.results(code=1)
    assert (row["before"]["worker_outcome"], row["after"]["worker_outcome"]) == ("ok", "exception")
    assert "work.lua:2: this went wrong" in row["error"]


def test_another_rule_another_destination_and_no_rule_are_told(kept):
    kept.start()
    for name in ("ben", "hole", "work"):
        kept.send(f"{name}@gate.test")
    kept.wait_for(3)
    kept.domain(Ben={"to": "ben@", "forward": "cleo@dest.test"}, Hole=None,
                Work={"to": "work@", "reject": "we are closed"})
    ben, hole, work = kept.results(code=1)
    assert ben["after"]["actions"] == [{"do": "forward", "to": "cleo@dest.test"}]
    assert hole["after"]["reply"].startswith("550 5.1.1") and hole["after"]["rule"] == ""
    assert work["after"]["reply"].startswith("550 5.7.1 we are closed") and work["before"]["action"] == "worker"


def test_a_subject_and_a_recipient_of_what_is_sent_are_compared(kept, fake_dns):
    fake_dns.records[("sender.test", "TXT")] = ['"v=spf1 ip4:127.0.0.0/8 -all"']
    fake_dns.records[("_dmarc.sender.test", "TXT")] = ['"v=DMARC1; p=reject"']
    body = """
        message:reply {{ subject = "{}", text = "hi" }}
        env.EMAIL:send {{ from = "work@gate.test", to = "{}", subject = "note", text = "hi" }}"""
    kept.start(body.format("one", "cleo@dest.test"), auth={"dmarc": "enforce"}, worker={"send": {"EMAIL": {}}},
               dns={"resolver": fake_dns.resolver, "timeout": "1s"})
    kept.send("work@gate.test")
    kept.rows()
    kept.wait_for(1)
    asked = len(fake_dns.questions)
    row, = kept.results("--worker", "work")
    assert row["result"] == "same" and row["after"]["actions"] == [
        {"do": "reply", "to": SENDER, "detail": "one"}, {"do": "send", "to": "cleo@dest.test", "detail": "note"}]
    kept.script(body.format("two", "dora@dest.test"))
    row, = kept.results("--worker", "work", code=1)
    assert [action.get("detail") for action in row["after"]["actions"]] == ["two", "note"]
    assert row["after"]["actions"][1]["to"] == "dora@dest.test"
    assert len(fake_dns.questions) == asked


def test_verdicts_are_those_of_the_time(kept, fake_dns):
    fake_dns.records[("sender.test", "TXT")] = ['"v=spf1 ip4:127.0.0.0/8 -all"']
    kept.start("if message.auth.spf.result ~= 'pass' then message:setReject('no') end",
               dns={"resolver": fake_dns.resolver, "timeout": "1s"}, auth={"spf": "mark"})
    kept.send("work@gate.test")
    kept.wait_for(1)
    fake_dns.records[("sender.test", "TXT")] = ['"v=spf1 -all"']
    assert kept.results()[0]["result"] == "same"
    kept.script("message:setReject(message.auth.spf.result .. ' ' .. message.auth.spf.domain .. ' ' .. message.client.ip)")
    row, = kept.results(code=1)
    assert "pass sender.test 127.0.0.1" in row["after"]["reply"]


# --- no effects ---

def test_nothing_is_sent_written_or_asked(kept, destination):
    kept.start("""
        env.SEEN:put("last", message.headers:get("subject"))
        if env.PER:limit { key = "all" }.success then message:forward("ben@dest.test") end
        message:forward("queued@dest.test")""",
               worker={"kv": {"SEEN": "seen"}, "limiters": {"PER": {"limit": 1, "period": "1h"}}})
    destination.replies["queued@dest.test"] = "451 4.3.0 later"
    kept.send("work@gate.test")
    kept.wait_for(1)
    mails = len(destination.wait_for(1))
    kept.gateway.stop()

    def everything():
        found = {}
        for name in ("queue.db", "kv.db", "activity.db", "messages.db"):
            with kept.database(name) as database:
                found[name] = list(database.iterdump())
        return found

    before = everything()
    for _ in range(3):  # the limiter is full each time
        assert kept.results()[0]["result"] == "same"
    kept.script("""
        env.SEEN:delete("last") env.SEEN:put("other", "x") env.SEEN:increment("count")
        message:forward("third@dest.test")""")
    kept.results(code=1)
    assert everything() == before and len(destination.mails) == mails


def test_nothing_is_queued_for_other_workers(kept):
    kept.rules.script("crunch", "return { queue = function(batch) end }")
    kept.start("env.JOBS:sendBatch { { body = 'one' }, { body = 'two' } }")
    kept.rules.write_host(workers={"work": {"script": "work.lua", "queues": {"JOBS": "jobs"}},
                                   "crunch": {"consumes": {"jobs": {}}}})
    kept.gateway.reload()
    kept.send("work@gate.test")
    kept.wait_for(1)
    assert kept.results()[0]["after"]["actions"] == [{"do": "queue", "to": "jobs", "detail": "2 messages"}]
    kept.script("env.JOBS:send 'one'")
    assert "queue to jobs (2 messages) -> queue to jobs (1 message)" in kept.replay(code=1)


def test_kv_is_seen_as_it_is(kept):
    body = "message:setReject(tostring(env.SEEN:get('key')) .. #env.SEEN:list{}.keys)"
    kept.start(body, worker={"kv": {"SEEN": "seen"}})
    kept.send("work@gate.test", fails=True)
    kept.wait_for(1)
    assert "nil0" in kept.results()[0]["after"]["reply"]
    kept.script("env.SEEN:put('key', 'value')")
    kept.gateway.reload()
    kept.send("work@gate.test")
    kept.script(body)
    rows = kept.results(code=1)
    assert len(rows) == 2 and all("value1" in row["after"]["reply"] for row in rows)


def test_the_web_is_not_asked(kept, tmp_path):
    body = """
        local answer = env.API:fetch("https://api.test/spam")
        message:setReject("told " .. answer.status .. " " .. answer:text())"""
    kept.start(body, worker={"fetch": {"API": {"hosts": ["api.test"]}}})
    kept.send("work@gate.test", fails=True)
    row, = kept.results()
    assert row["result"] == "not replayed" and "--fetch" in row["why"]
    web = tmp_path / "web.json"
    web.write_text(json.dumps({"API": {"https://api.test/spam": {"status": 200, "body": "yes"}}}))
    row, = kept.results("--fetch", web, code=1)
    assert "told 200 yes" in row["after"]["reply"]


def test_secrets_are_not_shown(kept, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("hunter2hunter2")
    secret.chmod(0o600)
    kept.start(worker={"secrets": {"TOKEN": {"file": str(secret)}}})
    kept.send("work@gate.test")
    kept.wait_for(1)
    kept.script("message:forward('ben@dest.test', {['X-Key'] = env.TOKEN}) message:setReject('key ' .. env.TOKEN)")
    text = kept.replay(code=1) + kept.replay("--json", code=1)
    assert "[secret]" in text and "hunter2" not in text


# --- which ones ---

def test_messages_are_chosen(kept):
    kept.start()
    for name in ("ben", "hole", "work", "hole"):
        kept.send(f"{name}@gate.test")
    kept.send("ben@gate.test", sender="cleo@sender.test")
    ids = kept.wait_for(5)

    def found(*flags):
        return [row["id"] for row in kept.results(*flags)]

    assert found() == found("--all") == found("--since", "1h") == ids
    assert found("--limit", "2") == ids[-2:]
    assert found("--to", "hole@gate.test") == [ids[1], ids[3]]
    assert found("--to", "hole@gate.test", "--limit", "1") == [ids[3]]
    assert found("--from", "cleo@sender.test") == [ids[4]]
    assert found("--worker", "work") == [ids[2]]
    assert found("--rule", "Ben") == [ids[0], ids[4]]
    assert found("--until", "1h") == []
    assert found(ids[3], ids[0]) == [ids[3], ids[0]]


def test_rules_of_another_folder_are_tried_on_what_is_kept_here(kept, tmp_path):
    kept.start()
    kept.send("ben@gate.test")
    kept.wait_for(1)
    kept.rows()
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "host.yaml").write_text(json.dumps({"name": "mx.gate.test", "auth": "off", "postmaster": "admin@dest.test"}))
    (staged / "gate.test.yaml").write_text(json.dumps(
        {"domain": "gate.test", "rules": [{"name": "Ben", "to": "ben@", "drop": True}]}))
    done = postern("replay", staged, "--store", kept.rules.folder)
    assert done.returncode == 1 and "changed: forward to ben@dest.test -> dropped" in done.stdout


@pytest.mark.parametrize("flags, words", [
    (["--limit", "0"], "--limit is a number"), (["--since", "soon"], "--since takes"), (["--to", "ben"], "--to is not"),
    (["--all", "--limit", "3"], "--all does not go"), (["../other"], "only IDs"), (["--fetch", "/none"], "/none"),
    (["--what"], "unknown flag")])
def test_mistakes_are_told(rules, flags, words):
    done = postern("replay", rules.folder, *flags)
    assert done.returncode == 2 and words in done.stderr


def test_rules_that_do_not_load_are_told(kept):
    kept.domain(Work={"to": "work@", "worker": "nobody"})
    done = postern("replay", kept.rules.folder)
    assert done.returncode == 2 and "nobody" in done.stdout + done.stderr


# --- hostile ---

def test_a_message_of_any_bytes_is_replayed(kept):
    kept.start("message:setReject('bytes ' .. message.rawSize)", keep={"for": "1d", "message_bytes_max": "16MiB"})
    odd = bytes(range(1, 10)) + bytes(range(14, 256))
    kept.send("work@gate.test", text=odd + b"\r\n", fails=True)
    kept.send("work@gate.test", text=TEXT + (b"x" * 998 + b"\r\n") * 10_000, fails=True)
    kept.wait_for(2)
    assert [row["result"] for row in kept.results()] == ["same", "same"]


def test_what_is_damaged_is_told_and_the_rest_goes_on(kept):
    kept.start()
    for _ in range(4):
        kept.send("hole@gate.test")
    ids = kept.wait_for(4)
    kept.gateway.stop()
    with kept.database() as database:
        database.execute("UPDATE kept SET content = 'other' WHERE id = ?", (ids[1],))
    with kept.database("activity.db") as database:
        database.execute("DELETE FROM activity WHERE message_id = ?", (ids[2],))
    done = postern("replay", kept.rules.folder)
    lines = done.stdout.splitlines()
    assert done.returncode == 2
    assert "not replayed: it is not as it was kept" in lines[1] and "activity log does not say" in lines[2]
    assert lines[-1] == "4 messages: 2 same, 0 changed, 2 not replayed"


def test_a_broken_file_costs_no_mail(kept):
    kept.start()
    kept.send("hole@gate.test")
    kept.wait_for(1)
    kept.gateway.stop()
    (kept.rules.state / "store" / "messages.db").write_bytes(b"no database at all" * 1000)
    kept.start()
    kept.send("hole@gate.test")
    kept.wait_for(1)
    assert len(kept.results()) == 1


def test_an_unknown_message_is_told(kept):
    kept.start()
    done = postern("replay", kept.rules.folder, "0nosuchmessage00")
    assert done.returncode == 2 and "it is not kept" in done.stdout
