"""A new version of a worker gets a share of its messages, and is found out before it gets them all."""
import concurrent.futures
import hashlib
import json
import os
import signal

from gateway import postern, wait_until

SENDER = "anna@sender.test"
SENDERS = 4
GOOD = 'return {email = function(message) message:forward("%s@dest.test") end}'
BAD = 'return {email = function(message) error("this is broken") end}'


def start(rules, serve, script, **canary):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.write_host(workers={"work": {"canary": canary or "off", "circuit": {"failures": 0}}})
    rules.script("work", script)
    return serve(rules)


def change(gateway, rules, script):
    before = len(gateway.events("worker.changed"))
    rules.script("work", script)
    wait_until(lambda: len(gateway.events("worker.changed")) > before, "the new version")


def send(gateway, count, first=0):
    """The replies to messages, each of a Message-ID of its own."""
    codes = []
    with gateway.connect() as session:
        session.ehlo()
        for number in range(first, first + count):
            session.mail(SENDER)
            session.rcpt("ben@gate.test")
            codes.append(session.data(f"Message-ID: <{number}@sender.test>\r\n\r\nx\r\n")[0])
            session.rset()
    return codes


def canary(rules):
    return json.loads(postern("status", "--json", rules.folder).stdout)["canaries"][0]


def script_hash(rules):
    return hashlib.sha256((rules.scripts / "work.lua").read_bytes()).hexdigest()


def test_a_new_version_gets_its_share_and_a_message_that_comes_again_the_same_version(rules, serve, destination):
    gateway = start(rules, serve, GOOD % "old", share="30%", promote=10000)
    change(gateway, rules, GOOD % "new")
    send(gateway, 200)
    first = [mail.recipient for mail in destination.mails]
    assert 30 <= first.count("new@dest.test") <= 90
    send(gateway, 200)
    assert [mail.recipient for mail in destination.mails[200:]] == first
    said = canary(rules)
    assert said["state"] == "running" and said["runs"] == 2 * first.count("new@dest.test")
    assert said["runs"] + said["runs_before"] == 400 and said["failures"] == said["failures_before"] == 0
    assert "running" in postern("status", rules.folder).stdout


def test_a_version_that_fails_more_often_goes_by_itself(rules, serve, destination):
    gateway = start(rules, serve, GOOD % "old", share="25%", runs=10)
    good = script_hash(rules)
    change(gateway, rules, BAD)
    bad = script_hash(rules)
    codes = send(gateway, 300)
    assert codes.count(451) == 10 and codes.count(250) == 290
    line, = gateway.events("canary.returned")
    assert f"script={bad[:12]}" in line and f"before={good[:12]}" in line and "failures=10" in line
    assert canary(rules)["state"] == "returned"
    gateway.reload()
    assert set(send(gateway, 50, first=1000)) == {250}
    change(gateway, rules, GOOD % "third")
    assert canary(rules)["script_hash_before"] == good


def test_a_version_that_does_well_gets_all_messages(rules, serve, destination):
    gateway = start(rules, serve, GOOD % "old", share="50%", runs=10, promote=20)
    change(gateway, rules, GOOD % "new")
    send(gateway, 100)
    assert gateway.events("canary.promoted") and not list(rules.state.glob("work.before*"))
    send(gateway, 20, first=1000)
    assert {mail.recipient for mail in destination.mails[100:]} == {"new@dest.test"}


def test_without_a_canary_a_new_version_gets_all_messages_at_once(rules, serve, destination):
    gateway = start(rules, serve, GOOD % "old")
    change(gateway, rules, GOOD % "new")
    send(gateway, 10)
    assert {mail.recipient for mail in destination.mails} == {"new@dest.test"}


def test_the_version_before_keeps_its_variables(rules, serve, destination):
    script = 'return {email = function(message, env) message:forward(env.TO) end}'
    options = {"canary": {"share": "50%", "promote": 10000}}
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.write_host(workers={"work": {**options, "vars": {"TO": "old@dest.test"}}})
    rules.script("work", script)
    gateway = serve(rules)
    rules.write_host(workers={"work": {**options, "vars": {"TO": "new@dest.test"}}})
    wait_until(lambda: gateway.events("worker.changed"), "the new version")
    send(gateway, 60)
    assert {mail.recipient for mail in destination.mails} == {"old@dest.test", "new@dest.test"}


def test_a_failing_new_version_does_not_pause_the_one_before(rules, serve, destination):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.write_host(workers={"work": {"canary": {"share": "50%", "runs": 1000, "promote": 1000},
                                       "circuit": {"failures": 3, "pause": "1h"}}})
    rules.script("work", GOOD % "old")
    gateway = serve(rules)
    change(gateway, rules, BAD)
    codes = send(gateway, 60)
    assert codes.count(451) == 3 and codes.count(250) == 57, "its circuit opened, and it went"
    assert gateway.events("canary.returned")


def test_hosts_put_their_figures_together(rules, serve, destination):
    rules.write_host(hosts=2)
    gateway = start(rules, serve, GOOD % "old", share="50%", runs=20)
    rules.script("work", BAD)
    wait_until(lambda: len(gateway.events("worker.changed")) == 2, "the new version in both hosts")
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        parts = pool.map(lambda first: send(gateway, 10, first), range(0, 400, 10))
        codes = [code for part in parts for code in part]
    assert 20 <= codes.count(451) <= 20 + SENDERS, "and those that were under way when the verdict fell"
    assert codes.count(250) + codes.count(451) == 400
    states = [each["state"] for each in json.loads(postern("status", "--json", rules.folder).stdout)["canaries"]]
    assert states == ["returned", "returned"]


def test_a_restart_goes_on_with_the_trial(rules, serve, destination):
    gateway = start(rules, serve, GOOD % "old", share="30%", runs=10)
    change(gateway, rules, BAD)
    assert send(gateway, 100).count(451) == 10
    gateway.stop()
    gateway = serve(rules)
    assert canary(rules)["state"] == "running"
    codes = send(gateway, 100)
    assert codes.count(451) == 10 and codes.count(250) == 90
    assert list(rules.state.glob("work.before"))
    rules.script("work", GOOD % "old")
    gateway.reload()
    wait_until(lambda: not list(rules.state.glob("work.before")), "the trial to be over")
    gateway.stop()
    gateway = serve(rules)
    assert set(send(gateway, 20)) == {250}
    assert json.loads(postern("status", "--json", rules.folder).stdout)["canaries"] == []


def test_a_host_that_dies_comes_back_to_the_verdict(rules, serve, destination):
    rules.write_host(hosts=2)
    gateway = start(rules, serve, GOOD % "old", share="50%", runs=5)
    rules.script("work", BAD)
    wait_until(lambda: len(gateway.events("worker.changed")) == 2, "the new version in both hosts")
    for first in range(0, 100, 10):
        send(gateway, 10, first)
    wait_until(lambda: gateway.events("canary.returned"), "the verdict")
    status = json.loads(postern("status", "--json", rules.folder).stdout)
    os.kill(status["hosts"][1]["pid"], signal.SIGKILL)
    wait_until(lambda: len(json.loads(postern("status", "--json", rules.folder).stdout)["canaries"]) == 2 and
               gateway.events("host.restarted"), "the host to be back")
    for first in range(1000, 1100, 10):
        assert set(send(gateway, 10, first)) == {250}


def test_the_hash_of_the_script_is_in_every_trail(rules, serve, destination):
    gateway = start(rules, serve, GOOD % "old")
    send(gateway, 1)
    digits = script_hash(rules)
    assert f"script={digits[:12]}" in gateway.events("worker.ended")[0]
    row, = map(json.loads, wait_until(lambda: postern("log", "--json", rules.folder).stdout.splitlines(), "a row"))
    assert row["worker_version"] == digits
    assert any(stage.get("script") == digits[:12] for stage in row["trail"])
    story = postern("log", "--id", row["id"], rules.folder).stdout
    assert f"work (script {digits[:12]}): ok" in story
    worker, = json.loads(postern("status", "--json", rules.folder).stdout)["workers"]
    assert worker["script_hash"] == digits
    assert digits[:12] in postern("status", rules.folder).stdout
