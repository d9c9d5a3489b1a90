"""Queues between workers: what one sends another handles in batches, once at least, whatever dies meanwhile."""
import json
import os
import re
import signal
import socket
import time

import pytest
from gateway import postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: Anna <anna@sender.test>\r\nSubject: hello\r\n\r\nWe met.\r\n"
PRODUCER = "return { email = function(message, env) %s end }\n"
CONSUMER = "return { queue = function(batch, env, ctx) %s end }\n"
EACH = "for _, message in ipairs(batch.messages) do %s end"
PATIENCE_S = 60


@pytest.fixture
def queued(rules, serve):
    """queued(sending, handling, …): a gateway whose worker `support` sends to the queue `jobs` for each message, and whose
    worker `crunch` handles them."""
    def start(sending, handling, consumes=None, host=None, **crunch):
        rules.domain("gate.test", {"to": "ben@", "worker": "support", "on_soft_failure": "defer"})
        rules.script("support", PRODUCER % sending)
        rules.script("crunch", CONSUMER % handling)
        rules.write_host(workers={
            "support": {"queues": {"JOBS": "jobs"}},
            "crunch": {"consumes": {"jobs": {"max_batch_timeout": "0s", **(consumes or {})}}, **crunch},
        }, **(host or {}))
        return serve(rules)
    return start


def mail(gateway):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)


def told(gateway):
    """What the consumer has printed."""
    texts = []
    for line in gateway.events("worker.log"):
        text = re.search(r' text=("(?:[^"\\]|\\.)*"|\S*)', line)[1]
        texts.append(text.strip('"'))
    return texts


def wait_told(gateway, *texts):
    wait_until(lambda: len(told(gateway)) >= len(texts), f"{texts}", PATIENCE_S)
    assert told(gateway) == list(texts), gateway.log()


def queues(rules):
    done = postern("queues", "list", rules.folder, "--json")
    assert done.returncode == 0, done.stderr
    return {queue["name"]: queue for queue in json.loads(done.stdout)["queues"]}


def waiting(rules):
    return {name: queue["messages"] for name, queue in queues(rules).items()}


def test_what_is_sent_is_handled_and_mailed(queued, destination):
    gateway = queued('env.JOBS:send { subject = message.headers:get("subject"), from = message.from }', EACH % """
        env.EMAIL:send { from = "bot@gate.test", to = "team@dest.test", subject = "new: " .. message.body.subject,
          text = "from " .. message.body.from }""", send={"EMAIL": {"to": ["*@dest.test"]}})
    mail(gateway)
    wait_until(lambda: destination.mails, "the mail", PATIENCE_S)
    assert destination.mails[0].header("Subject") == ["new: hello"]
    assert b"from anna@sender.test" in destination.mails[0].content
    ended = [line for line in gateway.events("worker.ended") if "handler=queue" in line]
    assert " queue=jobs messages=1" in ended[0]


def test_values_come_as_they_were_sent(queued):
    gateway = queued("""
        env.JOBS:sendBatch { { body = "bytes \\0\\255" }, { body = 7.5 }, { body = true }, {},
          { body = { list = { 1, 2 }, deep = { a = { b = "c" } } } } }""", """
        local texts = {}
        for i, m in ipairs(batch.messages) do
          local body = m.body
          if type(body) == "table" then body = #body.list .. body.deep.a.b end
          if type(body) == "string" then body = #body end
          texts[i] = tostring(body) .. m.attempts .. type(m.id) .. tostring(m.timestamp > 1e12)
        end
        print(batch.queue, table.concat(texts, " "))""")
    mail(gateway)
    wait_told(gateway, "jobs\\x0981stringtrue 7.51stringtrue true1stringtrue nil1stringtrue 21stringtrue")


def test_a_batch_is_full_or_has_waited(queued):
    gateway = queued("env.JOBS:send(1)", "print(#batch.messages)",
                     {"max_batch_size": 3, "max_batch_timeout": "10m"})
    for _ in range(7):
        mail(gateway)
    wait_told(gateway, "3", "3")
    wait_until(lambda: waiting(gateway.rules)["jobs"] == 1, "one that waits", PATIENCE_S)


def test_words_about_a_message_count(queued):
    gateway = queued('for i = 1, 4 do env.JOBS:send(i) end', """
        for _, m in ipairs(batch.messages) do print(m.body, m.attempts) end
        local m = batch.messages[1]
        if m.body == 1 then m:ack() m:retry() end
        if m.body == 2 and m.attempts == 1 then m:retry() m:ack() batch:ackAll() end
        if m.body == 3 and m.attempts == 1 then m:retry() error("oh no") end
        if m.body == 4 and m.attempts == 1 then batch:ackAll() error("oh no") end
        """, {"max_batch_size": 1, "max_concurrency": 1, "retry_delay": "1s"})
    mail(gateway)
    wait_until(lambda: len(told(gateway)) == 6, "two retries", PATIENCE_S)
    assert sorted(told(gateway)) == ["1\\x091", "2\\x091", "2\\x092", "3\\x091", "3\\x092", "4\\x091"]
    wait_until(lambda: waiting(gateway.rules)["jobs"] == 0, "an empty queue")


def test_a_message_that_fails_ends_in_the_dead_letter_queue(queued):
    gateway = queued("env.JOBS:send(message.from)", EACH % "print(message.attempts) message:retry()",
                     {"max_retries": 2, "dead_letter_queue": "failed"})
    mail(gateway)
    wait_told(gateway, "1", "2", "3")
    wait_until(lambda: gateway.events("worker_queue.dead"), "the dead letter")
    assert "queue=jobs worker=crunch to=failed messages=1" in gateway.events("worker_queue.dead")[0]
    assert waiting(gateway.rules) == {"failed": 1, "jobs": 0}
    assert queues(gateway.rules)["failed"]["dead"] == 1


def test_an_error_retries_what_was_not_acked_and_then_drops_it(queued):
    gateway = queued("for i = 1, 3 do env.JOBS:send(i) end", """
        for _, m in ipairs(batch.messages) do print(m.body) if m.body == 2 then m:ack() end end
        error("oh no")""", {"max_retries": 0, "max_batch_size": 3, "max_batch_timeout": "5m"})
    mail(gateway)
    wait_told(gateway, "1", "2", "3")
    wait_until(lambda: gateway.events("worker_queue.dropped"), "the drop")
    assert "messages=2" in gateway.events("worker_queue.dropped")[0]


def test_what_was_acked_before_the_isolate_was_killed_stays_acked(queued):
    gateway = queued("env.JOBS:sendBatch { { body = 1 }, { body = 2 } }", """
        for _, m in ipairs(batch.messages) do print(m.body, m.attempts) end
        if batch.messages[1].attempts == 1 then batch.messages[1]:ack() while true do end end""",
                     {"max_batch_size": 2}, limits={"cpu_soft": "50ms", "cpu_hard": "100ms"})
    mail(gateway)
    wait_told(gateway, "1\\x091", "2\\x091", "2\\x092")


@pytest.fixture
def silence():
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_killed_hosts_batch_comes_back(queued, destination, silence, hosts):
    gateway = queued("env.JOBS:send(message.from)", EACH % """
        print("begun", message.attempts)
        env.EMAIL:send { from = "bot@gate.test", to = "team@dest.test", subject = "x", text = "y" }
        if message.attempts == 1 then env.WEB:fetch("http://127.0.0.1:%d/", { timeout = 30 }) end""" % silence,
                     {"max_batch_size": 1}, send={"EMAIL": {"to": ["*@dest.test"]}},
                     fetch={"WEB": {"hosts": ["127.0.0.1"], "private": True}},
                     host={"hosts": hosts, "queue": {"lease": "2s"}})
    mail(gateway)
    wait_until(lambda: destination.mails, "the first attempt", PATIENCE_S)
    status = json.loads(postern("status", gateway.rules.folder, "--json").stdout)
    number = int(re.search(r" host=(\d) ", gateway.events("worker.log")[0])[1])
    os.kill(status["hosts"][number]["pid"], signal.SIGKILL)
    wait_until(lambda: len(destination.mails) == 2, "the second attempt", PATIENCE_S)
    assert told(gateway) == ["begun\\x091", "begun\\x092"]
    assert not gateway.events("worker_queue.retried")
    wait_until(lambda: waiting(gateway.rules)["jobs"] == 0, "an empty queue")


def test_a_stop_lets_a_batch_finish_or_gives_it_back(queued, serve):
    gateway = queued("env.JOBS:send(1)", 'print("begun", batch.messages[1].attempts) while true do env.KV:get("k") end',
                     kv={"KV": "kv"}, host={"shutdown": "1s"}, limits={"calls": 1000000, "cpu_soft": "1h", "cpu_hard": "1h"})
    mail(gateway)
    wait_told(gateway, "begun\\x091")
    gateway.stop()
    assert waiting(gateway.rules)["jobs"] == 1
    gateway.rules.script("crunch", CONSUMER % 'print("again", batch.messages[1].attempts)')
    wait_told(serve(gateway.rules), "again\\x091")


def test_hosts_share_a_queue(queued):
    gateway = queued("for i = 1, 50 do env.JOBS:send(i) end", EACH % "print(message.body)",
                     {"max_batch_size": 5}, host={"hosts": 2})
    for _ in range(4):
        mail(gateway)
    wait_until(lambda: len(told(gateway)) == 200, "all of them", PATIENCE_S)
    assert sorted(map(int, told(gateway))) == sorted(list(range(1, 51)) * 4)


def test_delays_are_kept_and_options_change_with_a_reload(queued):
    gateway = queued("env.JOBS:send(1, { delaySeconds = 3600 }) env.JOBS:send(2)", EACH % "print(message.body)")
    mail(gateway)
    wait_told(gateway, "2")
    wait_until(lambda: waiting(gateway.rules)["jobs"] == 1, "one that waits", PATIENCE_S)
    gateway.rules.script("crunch", CONSUMER % (EACH % 'print("new", message.body)'))
    gateway.reload()
    mail(gateway)
    wait_told(gateway, "2", "new\\x092")


def test_what_nobody_handles_in_time_is_dropped_and_told(queued, serve):
    gateway = queued("env.JOBS:send(1)", "", {"max_batch_timeout": "1h"}, host={"queues": {"jobs": {"retention": "1s"}}})
    mail(gateway)
    assert waiting(gateway.rules)["jobs"] == 1
    gateway.stop()
    sent_ms = queues(gateway.rules)["jobs"]["oldest_ms"]
    wait_until(lambda: time.time() * 1000 > sent_ms + 1000, "its time")
    gateway = serve(gateway.rules)
    wait_until(lambda: gateway.events("worker_queue.expired"), "its end", PATIENCE_S)
    assert "queue=jobs messages=1" in gateway.events("worker_queue.expired")[0]
    assert waiting(gateway.rules)["jobs"] == 0


def test_a_full_queue_says_so(queued):
    gateway = queued("""
        local ok, failure = pcall(env.JOBS.sendBatch, env.JOBS, { { body = 1 }, { body = 2 } })
        message:setReject(ok and "true" or "false " .. failure.code)""", "",
                     {"max_batch_timeout": "1h"}, host={"queues": {"jobs": {"messages": 3}}})
    answers = []
    for _ in range(2):
        with gateway.connect() as session:
            session.ehlo()
            session.mail(SENDER)
            session.rcpt("ben@gate.test")
            answers.append(session.data(TEXT)[1].decode().split(" ", 1)[1])
    assert answers == ["true", "false E_QUEUE_FULL"]


WRONG = [
    ("env.JOBS:send(print)", "env.JOBS:send: the body"),
    ("env.JOBS:send(('x'):rep(131073))", "the body has"),
    ("env.JOBS:send(1, { delay = 1 })", "unknown field 'delay'; it takes delaySeconds"),
    ("env.JOBS:send(1, { delaySeconds = -1 })", "delaySeconds is a whole number from 0 to 86400, got -1"),
    ("env.JOBS:sendBatch({})", "a list of 1 to 100 messages"),
    ("env.JOBS:sendBatch({ 1 })", "each message must be a table, got number"),
    ("local t = {} for i = 1, 3 do t[i] = { body = ('x'):rep(100000) } end env.JOBS:sendBatch(t)", "bytes together"),
    ("env.JOBS:get('a')", "env.JOBS has no 'get'; a binding of kind queue has send, sendBatch"),
]


def test_mistakes_are_told_at_their_line(queued):
    """One after the other, in one script."""
    tries = "\n".join(f"told[{i}] = tostring(select(2, pcall(function() {code} end)))"
                      for i, (code, _) in enumerate(WRONG, 1))
    gateway = queued(f"local told = {{}}\n{tries}\nfor _, text in ipairs(told) do print(text) end", "")
    mail(gateway)
    texts = told(gateway)
    for (code, expected), text in zip(WRONG, texts, strict=True):
        assert expected in text and text.startswith("support.lua:"), (code, text)
    assert waiting(gateway.rules) == {}


def test_commands_show_and_purge(queued):
    gateway = queued('env.JOBS:send { n = 1 } env.JOBS:send("two")', "", {"max_batch_timeout": "1h"})
    mail(gateway)
    folder = gateway.rules.folder
    shown = json.loads(postern("queues", "show", "jobs", folder, "--json").stdout)["messages"]
    assert [message["body"] for message in shown] == [{"n": 1}, "two"]
    assert "jobs" in postern("queues", "list", folder).stdout
    assert '{"n": 1}' in postern("queues", "show", "jobs", folder).stdout
    status = json.loads(postern("status", folder, "--json").stdout)
    assert [(queue["name"], queue["messages"]) for queue in status["queues"]] == [("jobs", 2)]
    assert "jobs" in postern("status", folder).stdout
    assert postern("queues", "purge", "jobs", folder).stdout == "2 messages removed\n"
    assert waiting(gateway.rules)["jobs"] == 0
    assert postern("queues", "show", "nothing", folder).returncode == 1


BROKEN = [
    ({"workers": {"crunch": {"consumes": {"jobs": None}}, "other": {"consumes": {"jobs": None}}}},
     "jobs is consumed by the worker crunch already"),
    ({"workers": {"crunch": {"consumes": {"jobs": {"max_batch_size": 101}}}}}, "from 1 to 100"),
    ({"workers": {"crunch": {"consumes": {"jobs": {"batch": 1}}}}}, "batch"),
    ({"workers": {"crunch": {"consumes": {"no good": None}}}}, "a queue's name has letters"),
    ({"workers": {"crunch": {"consumes": {"jobs": {"dead_letter_queue": "jobs"}}}}}, "this queue itself"),
    ({"workers": {"crunch": {"queues": {"JOBS": {}}}}}, "expected the name of a queue"),
    ({"workers": {"mailer": {"consumes": {"jobs": None}}}},
     "host.yaml lets it consume a queue, but mailer.lua has no function 'queue'"),
    ({"queues": {"jobs": {"retain": "4d"}}}, "retain"),
]


@pytest.mark.parametrize("host,problem", BROKEN)
def test_mistakes_in_host_yaml_are_told(rules, host, problem):
    rules.script("crunch", CONSUMER % "")
    rules.script("other", CONSUMER % "")
    rules.script("mailer", PRODUCER % "")
    rules.write_host(**host)
    done = postern("check", rules.folder)
    assert done.returncode == 1 and problem in done.stdout + done.stderr


# --- tools of authors ---


def run(rules, *arguments, stdin=b""):
    return postern("run", rules.scripts / "crunch.lua", *arguments, stdin=stdin)


def test_run_tries_a_batch(rules):
    rules.script("crunch", CONSUMER % (EACH % """
        if message.body == "bad" then error("oh no") end
        if message.body.n then message:ack() else message:retry { delaySeconds = 90 } end"""))
    done = run(rules, "--queue", "jobs", "--body", '{"n": 1}', "--body", "[]", "--body", '"bad"')
    report = json.loads(done.stdout)
    assert done.returncode == 1 and report["outcome"] == "exception" and "oh no" in report["error"]
    assert report["messages"] == [{"id": "1", "result": "ack"}, {"id": "2", "result": "retry", "delaySeconds": 90.0},
                                  {"id": "3", "result": "retry"}]
    assert run(rules, "--queue", "jobs", "--body", '{"n": 1}').returncode == 0


def test_run_prints_what_is_sent_to_queues(rules):
    rules.script("crunch", PRODUCER % "env.JOBS:send({ from = message.from, list = { 1, true } }, { delaySeconds = 5 })")
    done = run(rules, "--from", SENDER, "--to", "ben@gate.test", "--bind", "JOBS=queue", stdin=TEXT)
    assert json.loads(done.stdout)["queued"] == [{"binding": "JOBS", "queue": "JOBS", "delaySeconds": 5,
                                                  "body": {"from": SENDER, "list": [1, True]}}]


@pytest.mark.parametrize("arguments,problem", [
    (("--queue", "jobs"), "--queue goes with --body"), (("--from", SENDER, "--to", SENDER, "--body", "1"), "--queue goes with --body"),
    (("--queue", "jobs", "--body", "{"), "is no JSON"),
    (("--queue", "jobs", "--body", "1", "--from", SENDER), "go without MESSAGE"),
    (("--queue", "jobs", "--body", "1", "--scheduled"), "without each other"),
])
def test_run_tells_mistakes(rules, arguments, problem):
    rules.script("crunch", CONSUMER % "")
    done = run(rules, *arguments)
    assert done.returncode != 0 and problem in done.stderr


def test_tests_hand_out_batches(rules):
    rules.script("crunch", CONSUMER % "if batch.messages[1].attempts == 3 then batch:retryAll() end print(batch.queue)")
    rules.script("crunch_test", """
        local worker = load_worker "crunch"
        it("is done", function()
          local result = worker:queue { queue = "jobs", messages = { { body = 1 }, {} } }
          assert.same({ { id = "1", result = "ack" }, { id = "2", result = "ack" } }, result.messages)
          assert.equal("jobs", result.logs[1].text)
        end)
        it("goes back", function()
          assert.equal("retry", worker:queue({ messages = { { id = "x", attempts = 3 } } }).messages[1].result)
        end)
        it("tells mistakes", function()
          assert.has_error(function() worker:queue {} end)
          assert.has_error(function() worker:queue { messages = { 1 } } end)
          assert.has_error(function() worker:queue { messages = { { attempts = "3" } } } end)
          assert.has_error(function() worker:queue({ messages = { {} } }, { queue = "jobs" }) end)
        end)""")
    done = postern("test", rules.scripts)
    assert done.returncode == 0, done.stdout
