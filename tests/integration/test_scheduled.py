"""`scheduled` handlers: when they run, in which host, and what is seen of it. A time is had without waiting for it by writing into
the store, while nothing serves, that nobody has looked for the last minutes; one test waits for a minute."""
import contextlib
import datetime
import http.server
import json
import os
import re
import signal
import sqlite3
import threading
import time

import pytest
from gateway import Gateway, postern, wait_until

EVERY_MINUTE = "* * * * *"
COUNT = """return { scheduled = function(event, env, ctx)
  env.RUNS:increment(event.cron)
  env.EMAIL:send { from = "digest@gate.test", to = "team@dest.test", subject = event.cron, text = "It is time." }
  ctx:waitUntil(function() print("later", event.scheduledTime) end)
end }
"""
KV = {"kv": {"RUNS": "runs"}}
SEND = {"send": {"EMAIL": {"from": ["digest@gate.test"], "to": ["team@dest.test"]}}}


@pytest.fixture
def scheduled(rules):
    """scheduled(script, cron, hosts=, worker=): the rules with the worker `digest`."""
    def write(script, cron, hosts=3, **worker):
        rules.domain("gate.test", {"to": "ben@gate.test", "drop": True})
        rules.script("digest", script)
        rules.write_host(hosts=hosts, workers={"digest": {"cron": cron, **worker}})
        return rules
    return write


def status(rules):
    return json.loads(wait_until(lambda: postern("status", "--json", rules.folder).stdout, "an answer"))


def tasks(rules, name):
    """Their stages."""
    return [task["stage"] for task in status(rules)["tasks"] if task["task"] == name]


def is_settled(rules):
    """Every host has looked, and nothing runs."""
    waiting = [stage for stage in tasks(rules, "scheduler") if stage.startswith("waiting for the next time")]
    return len(waiting) == rules.host["hosts"] and not tasks(rules, "scheduled")


def change(rules, what, *values):
    with contextlib.closing(sqlite3.connect(rules.state / "store/kv.db", timeout=60)) as database, database:
        database.execute(f"UPDATE schedule SET {what}", values)


def pass_time(rules, serve):
    """Starts and stops the service, then sets its schedules back by two minutes."""
    gateway = serve(rules)
    wait_until(lambda: is_settled(rules), "the schedules to be known")
    gateway.stop()
    change(rules, "decided_ms = min(decided_ms, ?)", (time.time() - 125) * 1000)


def test_of_all_hosts_one_makes_up_for_what_was_missed(scheduled, serve, destination):
    rules = scheduled(COUNT, EVERY_MINUTE, **KV, **SEND)
    pass_time(rules, serve)
    gateway = serve(rules)
    mail = destination.wait_for(1)[0]
    wait_until(lambda: is_settled(rules), "every host to have looked")
    assert mail.recipient == "team@dest.test" and mail.header("Subject") == [EVERY_MINUTE]
    started = gateway.events("schedule.started")
    assert len({line.split(" due=")[1] for line in started}) == len(started), "each time runs once"
    assert "worker=digest" in started[0] and f'cron="{EVERY_MINUTE}"' in started[0]
    ended = wait_until(lambda: gateway.events("worker.ended"), "the end")[0]
    assert "handler=scheduled outcome=ok" in ended and f'cron="{EVERY_MINUTE}"' in ended
    wait_until(lambda: any("later" in line for line in gateway.events("worker.log")), "what waits until")
    wait_until(lambda: "team@dest.test" in postern("log", rules.folder).stdout, "what was sent in the log")


def test_each_minute_runs_in_one_of_the_hosts(scheduled, serve):
    rules = scheduled(COUNT, EVERY_MINUTE, **KV, **SEND)
    gateway = serve(rules)
    due = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
    when = f"due={due:%Y-%m-%dT%H:%MZ}"

    def of_the_minute():
        return [line for line in gateway.events("schedule.started") if when in line]
    wait_until(of_the_minute, f"the minute of {when}", 61 + 60)
    wait_until(lambda: is_settled(rules), "every host to have looked")
    assert len(of_the_minute()) == 1


def test_a_failure_is_told_and_not_tried_again(scheduled, serve):
    rules = scheduled("return { scheduled = function() error('no ink') end }", EVERY_MINUTE, hosts=1)
    pass_time(rules, serve)
    gateway = serve(rules)
    failed = wait_until(lambda: gateway.events("schedule.failed"), "the failure")[0]
    assert "worker=digest" in failed and "outcome=exception" in failed and "digest.lua:1: no ink" in failed
    wait_until(lambda: is_settled(rules), "the end")
    last = status(rules)["schedules"][0]["last"]
    assert last["outcome"] == "exception" and last["due_ms"] <= last["started_ms"] <= last["ended_ms"]
    assert len(gateway.events("schedule.started")) == len(gateway.events("schedule.failed"))
    assert gateway.events("worker.circuit_opened") == []


def test_status_lists_what_will_be(scheduled, serve):
    rules = scheduled(COUNT, ["0 7 * * mon-fri", "59 23 31 12 *"], **KV, **SEND)
    serve(rules)
    lines = wait_until(lambda: status(rules)["schedules"], "the schedules")
    assert [line["cron"] for line in lines] == ["0 7 * * mon-fri", "59 23 31 12 *"]
    due = datetime.datetime.fromtimestamp(lines[0]["next_ms"] / 1000, datetime.timezone.utc)
    assert (due.hour, due.minute) == (7, 0) and due.weekday() < 5
    assert lines[0]["worker"] == "digest" and lines[0]["last"] is None
    text = postern("status", rules.folder).stdout
    assert re.search(r'schedules \(UTC\)\n  digest +"0 7 \* \* mon-fri", next \w\w\w \d{4}-\d\d-\d\d 07:00\n', text)


def test_a_reload_brings_other_lines(scheduled, serve):
    rules = scheduled(COUNT, "0 7 * * *", **KV, **SEND)
    gateway = serve(rules)
    rules.write_host(workers={"digest": {"cron": "0 8 * * *", **KV, **SEND}})
    wait_until(lambda: [line["cron"] for line in status(rules)["schedules"]] == ["0 8 * * *"], "the new line")
    rules.write_host(workers={"digest": {"cron": "0 25 * * *", **KV, **SEND}})
    refused = wait_until(lambda: gateway.events("rules.refused"), "the refusal")[0]
    assert 'cron: hour: \\"25\\" is not 0 to 23' in refused
    assert [line["cron"] for line in status(rules)["schedules"]] == ["0 8 * * *"]


# --- while one runs ---


@pytest.fixture
def held():
    """A web server whose answers wait until `let_go` is set."""
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.set()
            self.server.let_go.wait(60)
            with contextlib.suppress(OSError):
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.asked, server.let_go = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def running(scheduled, serve, held):
    """(rules, gateway) while a run waits for `held`."""
    rules = scheduled(f"""return {{ scheduled = function(_, env)
        env.WEB:fetch("http://127.0.0.1:{held.server_address[1]}/")
        print("done")
      end }}""", EVERY_MINUTE, hosts=1, fetch={"WEB": {"hosts": ["127.0.0.1"], "private": True}})
    pass_time(rules, serve)
    gateway = serve(rules)
    assert held.asked.wait(60)
    return rules, gateway


def test_an_end_waits_for_what_runs(running, held):
    rules, gateway = running
    assert status(rules)["schedules"][0]["last"]["outcome"] == "running"
    gateway.terminate()
    wait_until(lambda: not tasks(rules, "scheduler"), "nothing to begin any more")
    held.let_go.set()
    assert gateway.wait() == 0
    assert any("done" in line for line in gateway.events("worker.log"))
    assert gateway.events("schedule.failed") == []


def test_an_end_does_not_wait_for_ever(running):
    rules, gateway = running
    gateway.terminate()
    wait_until(lambda: not tasks(rules, "scheduler"), "nothing to begin any more")
    gateway.terminate()
    assert gateway.wait() == 0
    assert "outcome=crashed" in gateway.events("schedule.failed")[0]


def test_what_a_dead_host_ran_is_not_run_again(running):
    rules, gateway = running
    before = gateway.events("schedule.started")
    os.kill(status(rules)["hosts"][0]["pid"], signal.SIGKILL)
    wait_until(lambda: gateway.events("host.restarted"), "another host")
    wait_until(lambda: is_settled(rules), "it to have looked")
    assert gateway.events("schedule.started") == before
    assert status(rules)["schedules"][0]["last"]["outcome"] == "running", "nobody knows better for a while"
    change(rules, "until_ms = 1")
    assert status(rules)["schedules"][0]["last"]["outcome"] == "lost"


# --- without a service ---


def test_a_laptop_has_schedules_too(scheduled):
    rules = scheduled(COUNT, EVERY_MINUTE, hosts=1, **KV, **SEND)
    rules.write_host(dev_listen="127.0.0.1:0")
    pass_time(rules, lambda _: Gateway(rules, "dev"))
    gateway = Gateway(rules, "dev")
    try:
        wait_until(lambda: gateway.events("schedule.started"), "a run")
        wait_until(lambda: list((rules.state / "outbox").glob("*")), "what it has sent")
    finally:
        gateway.stop()


@pytest.mark.parametrize("cron, problem", [
    ("0 7 * *", "cron: expected five fields (minute hour day month weekday), not 4"),
    ("0 0 30 2 *", "cron: it would never be due"),
    ([], "cron: expected 1 to 20 lines, not 0"),
    (["@daily"] * 21, "cron: expected 1 to 20 lines, not 21"),
    (["@daily", "@daily"], "cron: this line is there twice"),
    ([["@daily"]], 'cron: expected a line such as "0 7 * * *"'),
    ({"a": 1}, "cron: expected"),
])
def test_check_tells_what_is_wrong_with_a_line(scheduled, cron, problem):
    rules = scheduled(COUNT, cron, **KV, **SEND)
    done = postern("check", rules.folder)
    assert done.returncode == 1
    assert re.search(r"host\.yaml:\d+:\d+: " + re.escape(problem), done.stderr), done.stderr


def test_check_prints_the_next_times(scheduled):
    done = postern("check", scheduled(COUNT, ["0 7 * * mon", "@yearly"], **KV, **SEND).folder)
    assert done.returncode == 0, done.stderr
    assert re.search(r'  digest "0 7 \* \* mon":( Mon \d{4}-\d\d-\d\d 07:00,?){3} UTC\n', done.stdout)
    assert re.search(r'  digest "@yearly":( \w\w\w \d{4}-01-01 00:00,?){3} UTC\n', done.stdout)


def test_check_wants_the_handler(scheduled):
    done = postern("check", scheduled("return { email = function() end }", "@daily").folder)
    assert done.returncode == 1
    assert "worker digest: host.yaml gives it a `cron:`, but digest.lua has no function 'scheduled'" in done.stderr


def test_run_tries_a_time(tmp_path):
    script = tmp_path / "digest.lua"
    script.write_text(COUNT)
    bound = ["--bind", "RUNS=kv", "--bind", "EMAIL=send"]
    done = postern("run", script, "--scheduled", "--cron", "0 7 * * *", "--time", "2026-11-22T07:00", *bound)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["outcome"] == "ok"
    assert report["kv"] == [{"binding": "RUNS", "key": "0 7 * * *", "value": "1"}]
    assert report["sends"][0]["to"] == "team@dest.test" and "Subject: 0 7 * * *" in report["sends"][0]["raw"]
    assert report["log"] == [{"level": "info", "text": "later\t1795330800000"}]
    assert "forwards" not in report and "smtpReply" not in report
    done = postern("run", script, "--scheduled")
    assert done.returncode == 1 and json.loads(done.stdout)["outcome"] == "exception"


@pytest.mark.parametrize("flags, problem", [
    (["--scheduled", "--cron", "x"], '--cron "x": expected five fields'),
    (["--scheduled", "--time", "soon"], '--time "soon" is not a time'),
    (["--scheduled", "--to", "a@b.test"], "--scheduled and --queue go without"),
    (["--cron", "@daily", "--from", "", "--to", "a@b.test"], "--cron and --time are for --scheduled"),
    ([], "--from and --to are needed, or --scheduled"),
])
def test_run_says_what_does_not_go_together(tmp_path, flags, problem):
    script = tmp_path / "digest.lua"
    script.write_text(COUNT)
    done = postern("run", script, *flags)
    assert done.returncode == 2 and problem in done.stderr
