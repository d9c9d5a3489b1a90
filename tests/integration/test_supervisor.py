"""The process above the hosts: what happens to one host is not the others' business, nor the senders'."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading

import gateway as gateway_module
import pytest
from gateway import Rules, postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"Subject: hello\r\n\r\nWe met.\r\n"
CLIENTS = 20


@pytest.fixture
def served(rules, serve):
    def start(hosts=2, **host):
        rules.write_host(hosts=hosts, **host)
        rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
        return serve(rules)
    return start


def status(gateway):
    done = postern("status", gateway.rules.folder, "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def hosts(gateway):
    """What is known of each host, by number."""
    return status(gateway)["hosts"]


def event_of(gateway, name, host):
    return [line for line in gateway.events(name) if f" host={host} " in line + " "]


def kill_host(gateway, number, sign=signal.SIGKILL):
    """Returns once the supervisor has seen it."""
    before = len(event_of(gateway, "host.crashed", number))
    os.kill(hosts(gateway)[number]["pid"], sign)
    wait_until(lambda: len(event_of(gateway, "host.crashed", number)) > before, "the crash to be seen")


def wait_for_answer(gateway, number):
    wait_until(lambda: hosts(gateway)[number]["answers"], f"host {number} to answer")


def session_at(gateway, number):
    """A greeted session that this host serves."""
    def attempt():
        before = hosts(gateway)[number]["sessions"]
        session = gateway.dialogue()
        session.expect(220)
        if hosts(gateway)[number]["sessions"] > before:
            return session
        session.say("QUIT", 221)
        session.close()
        return None
    return wait_until(attempt, f"a session at host {number}")


def greet_many(gateway):
    for _ in range(CLIENTS):
        session = gateway.dialogue()
        session.expect(220)
        session.close()


# --- sharing ---


def test_all_hosts_serve_the_port(served):
    gateway = served()
    sessions = [session_at(gateway, number) for number in (0, 1)]
    assert status(gateway)["sessions"] == 2
    for session in sessions:
        session.say("NOOP", 250)
        session.close()


def test_status_adds_up_what_all_hosts_do(served, destination):
    gateway = served()
    for number in (0, 1):
        session = session_at(gateway, number)
        session.say("EHLO client.sender.test", 250)
        session.say(f"MAIL FROM:<{SENDER}>", 250)
        session.say("RCPT TO:<ben@gate.test>", 250)
        session.say("DATA", 354)
        session.send(TEXT + b".\r\n")
        session.expect(250)
        session.close()
    report = status(gateway)
    assert report["pid"] == gateway.process.pid
    assert report["events"]["message.received"] == 2 == len(destination.mails)
    assert [host["events"]["message.received"] for host in report["hosts"]] == [1, 1]
    assert [host["host"] for host in report["hosts"]] == [0, 1]
    assert {task["host"] for task in report["tasks"]} == {0, 1}


def test_counts_outlive_their_host(served):
    gateway = served()
    assert hosts(gateway)[0]["events"]["host.started"] == 1
    kill_host(gateway, 0)
    wait_until(lambda: hosts(gateway)[0]["events"]["host.started"] == 2, "the host to be back")
    assert status(gateway)["events"]["host.started"] == 3
    assert hosts(gateway)[0]["restarts"] == 1


def test_status_names_a_host_that_does_not_answer(served):
    gateway = served()
    pid = hosts(gateway)[1]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        report = status(gateway)
        text = postern("status", gateway.rules.folder).stdout
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [host["answers"] for host in report["hosts"]] == [True, False]
    assert f"process {pid} does not answer" in text


def test_a_port_of_another_service_is_not_shared(served, tmp_path, destination):
    gateway = served()
    other = Rules(tmp_path / "other", upstream=destination.port,
                  host={"listen": [{"address": f"127.0.0.1:{gateway.port}"}]})
    done = postern("serve", other.folder)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{gateway.port}" in done.stderr


# --- hosts that die ---


def test_a_killed_host_cuts_its_own_sessions_only_and_comes_back(served, destination):
    gateway = served()
    lost, kept = session_at(gateway, 0), session_at(gateway, 1)
    accepted, cut, is_over = [], [], threading.Event()

    def send_on(number):
        count = 0
        while not is_over.is_set():
            count += 1
            text = f"Subject: {number}/{count}\r\n\r\nx\r\n"
            try:
                with gateway.connect() as session:
                    session.sendmail(SENDER, "ben@gate.test", text)
                accepted.append(f"{number}/{count}")
            except (smtplib.SMTPException, ConnectionError) as failure:
                cut.append(failure)

    senders = [threading.Thread(target=send_on, args=(number,)) for number in range(4)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(accepted) > 20, "some mail")
    kill_host(gateway, 0)
    assert lost.at_end()
    wait_for_answer(gateway, 0)
    session_at(gateway, 0).close()
    is_over.set()
    for sender in senders:
        sender.join(20)
    kept.say("NOOP", 250)
    assert len(cut) <= len(senders), "one message each may have been at the killed host"
    arrived = {re.search(rb"Subject: (\S+)", mail.content).group(1).decode() for mail in destination.mails}
    assert set(accepted) <= arrived
    assert event_of(gateway, "host.restarted", 0) and not event_of(gateway, "host.crashed", 1)


def test_connections_wait_for_a_host_that_is_started_again(served):
    gateway = served(hosts=1)
    pid = hosts(gateway)[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    waiting = [gateway.dialogue() for _ in range(CLIENTS)]
    os.kill(pid, signal.SIGKILL)
    for session in waiting:
        session.expect(220)
        session.close()


def test_a_host_that_keeps_dying_rests_while_others_take_the_connections(served):
    gateway = served()
    for _ in range(4):
        wait_for_answer(gateway, 0)
        kill_host(gateway, 0)
        greet_many(gateway)
    wait_for_answer(gateway, 0)
    rests = [int(re.search(r"rested_ms=(\d+)", line).group(1)) for line in gateway.events("host.restarted")]
    assert rests == [0, 1000, 2000, 4000]
    session_at(gateway, 0).close()


def test_a_host_that_cannot_start_any_more_does_not_end_the_service(served):
    gateway = served()
    text = (gateway.rules.folder / "gate.test.yaml").read_text()
    gateway.rules.write("gate.test.yaml", "domain: gate.test\nrulse: []\n")
    kill_host(gateway, 0)
    wait_until(lambda: len(event_of(gateway, "host.crashed", 0)) >= 3, "the host to fail again")
    greet_many(gateway)
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    gateway.rules.write("gate.test.yaml", text)
    wait_for_answer(gateway, 0)


def test_a_hung_host_is_killed_and_comes_back(served):
    gateway = served(hang="1s")
    os.kill(hosts(gateway)[0]["pid"], signal.SIGSTOP)
    wait_until(lambda: event_of(gateway, "host.hung", 0), "the host to be found hung")
    wait_until(lambda: event_of(gateway, "host.restarted", 0), "the host to be started again")
    wait_for_answer(gateway, 0)


def test_a_host_that_ends_when_asked_by_hand_comes_back(served):
    gateway = served()
    kill_host(gateway, 1, signal.SIGTERM)
    wait_for_answer(gateway, 1)
    session_at(gateway, 1).close()


def test_a_listener_added_later_waits_for_a_restart_of_all(served):
    gateway = served(hosts=1)
    gateway.rules.write_host(listen=[{"address": "127.0.0.1:0"}, {"address": "127.0.0.2:0"}])
    kill_host(gateway, 0)
    wait_until(lambda: [line for line in gateway.events("restart.needed") if "option=listen" in line], "the note")
    greet_many(gateway)


# --- start ---


def test_what_keeps_hosts_from_starting_is_told_once(rules):
    rules.write_host(hosts=2)
    rules.script("work", "return {\n  email = function( end\n}")
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    done = postern("serve", rules.folder)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("work.lua:2") == 1 and "ended before it could serve" in done.stderr


@pytest.mark.parametrize("host,word", [({"user": "nobody-of-that-name"}, "nobody-of-that-name"),
                                       ({"group": "nogroup"}, "user"), ({"hosts": 65}, "from 1 to 64"),
                                       ({"hosts": 0}, "from 1 to 64")], ids=str)
def test_impossible_options_end_the_start(rules, host, word):
    rules.write_host(**host)
    done = postern("serve", rules.folder)
    assert done.returncode == 1 and word in done.stderr


# --- reload and end ---


def test_a_reload_reaches_every_host(served):
    gateway = served()
    gateway.process.send_signal(signal.SIGHUP)
    for number in (0, 1):
        wait_until(lambda number=number: len(event_of(gateway, "rules.loaded", number)) == 2, "the reload")


def send_in_the_background(gateway, number, destination, answers):
    """A message that this host has in flight when this returns."""
    session = session_at(gateway, number)
    session.say("EHLO client.sender.test", 250)
    session.say(f"MAIL FROM:<{SENDER}>", 250)
    session.say("RCPT TO:<ben@gate.test>", 250)
    session.say("DATA", 354)
    before = destination.waiting
    session.send(TEXT + b".\r\n")
    wait_until(lambda: destination.waiting > before, "the message to be in flight")

    def read():
        answers.append(session.reader.readline()[:3])
        session.close()

    reading = threading.Thread(target=read)
    reading.start()
    return reading


def test_the_end_waits_for_what_is_in_flight_in_each_host(served, destination):
    gateway, answers = served(), []
    destination.gate.clear()
    readers = [send_in_the_background(gateway, number, destination, answers) for number in (0, 1)]
    idle = session_at(gateway, 0)
    gateway.terminate()
    idle.expect(421)
    assert gateway.process.poll() is None
    destination.gate.set()
    for reader in readers:
        reader.join(20)
    assert answers == [b"250", b"250"]
    assert gateway.wait() == 0
    assert len(gateway.events("host.stopped")) == 2 and gateway.events("supervisor.stopped")


def test_who_asks_twice_for_the_end_does_not_wait(served, destination):
    gateway, answers = served(), []
    destination.gate.clear()
    reader = send_in_the_background(gateway, 0, destination, answers)
    idle = session_at(gateway, 0)
    gateway.terminate()
    idle.expect(421)
    assert gateway.process.poll() is None
    gateway.terminate()
    assert gateway.wait() == 0
    reader.join(20)
    assert answers[0] in (b"421", b"451", b"")
    destination.gate.set()


def test_hosts_end_with_their_supervisor_and_finish_what_is_in_flight(served, destination):
    gateway, answers = served(), []
    pids = [host["pid"] for host in hosts(gateway)]
    destination.gate.clear()
    reader = send_in_the_background(gateway, 0, destination, answers)
    gateway.kill()
    gateway.process.returncode = 0  # as it was meant
    wait_until(lambda: not pathlib.Path(f"/proc/{pids[1]}").exists(), "the idle host to end")
    destination.gate.set()
    reader.join(20)
    assert answers == [b"250"]
    wait_until(lambda: not pathlib.Path(f"/proc/{pids[0]}").exists(), "the other host to end")


# --- privileges ---

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to change to another user")


@pytest.fixture
def open_folder():
    """A folder that everybody can enter."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def process_facts(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


@as_root
def test_hosts_run_as_the_user_of_host_yaml_without_any_capability(open_folder, serve, destination):
    nobody = pwd.getpwnam("nobody")
    rules = Rules(open_folder, upstream=destination.port, host={"hosts": 2, "user": "nobody"})
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.script("work", 'return {email = function(message) message:forward("ben@dest.test") end}')
    gateway = serve(rules)
    for host in hosts(gateway):
        facts = process_facts(host["pid"])
        assert facts["Uid"] == [str(nobody.pw_uid)] * 4 and facts["Gid"] == [str(nobody.pw_gid)] * 4
        assert facts["Groups"] in ([], [str(nobody.pw_gid)])
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(facts[name][0], 16) == 0
        assert facts["NoNewPrivs"] == ["1"]
    assert rules.state.stat().st_uid == nobody.pw_uid
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert len(destination.mails) == 1
    assert not gateway.events("supervisor.privileged")


def free_low_port():
    for port in range(600, 1000):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    return pytest.skip("no port below 1024 is free")


@as_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_the_right_to_open_low_ports_is_the_supervisors_alone(open_folder, serve, monkeypatch):
    """As the systemd unit has it."""
    binary, wrapper = shutil.copy(gateway_module.BINARY, open_folder / "program"), open_folder / "postern"
    wrapper.write_text("#!/bin/sh\nexec setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps "
                       f'+net_bind_service --ambient-caps +net_bind_service {binary} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(gateway_module, "BINARY", str(wrapper))
    rules = Rules(open_folder, host={"hosts": 2, "listen": [{"address": f"127.0.0.1:{free_low_port()}"}]})
    rules.domain("gate.test", {"to": "ben@", "drop": True})
    shutil.chown(open_folder, "nobody")
    gateway = serve(rules)
    assert int(process_facts(gateway.process.pid)["CapEff"][0], 16) == 1 << 10
    for host in hosts(gateway):
        facts = process_facts(host["pid"])
        assert [int(facts[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4
        assert facts["NoNewPrivs"] == ["1"]
    for _ in range(2):  # after the second, its sockets are opened anew
        wait_for_answer(gateway, 0)
        kill_host(gateway, 0)
    wait_for_answer(gateway, 0)
    session_at(gateway, 0).close()
    assert not gateway.events("supervisor.problem")


@as_root
def test_hosts_that_run_as_root_are_warned_of(served):
    assert served(hosts=1).events("supervisor.privileged")


@as_root
@pytest.mark.parametrize("kind", ["tls", "dkim"])
def test_a_key_that_the_user_cannot_read_ends_the_start(open_folder, certificate, kind):
    rules = Rules(open_folder, host={"user": "nobody", "keys": str(open_folder / "keys")})
    chain = shutil.copy(certificate[0], open_folder)
    key = open_folder / "keys/gate.test/s1.pem"
    key.parent.mkdir(parents=True)
    shutil.copy(certificate[1], key)
    key.chmod(0o600)
    if kind == "tls":
        key = key.rename(open_folder / "server.key")
        rules.write_host(tls=[{"certificate": str(chain), "key": str(key)}])
    else:
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    done = postern("serve", rules.folder)
    assert done.returncode == 1
    assert f"{key} cannot be read by user nobody" in done.stderr


# --- the service manager ---


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """A socket that hears what a service manager would."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@postern-test-{os.getpid()}"
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
    heard.settimeout(20)
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    yield heard
    heard.close()


def hear(manager, line):
    """The first message with such a line; others are passed over."""
    while True:
        lines = manager.recv(4096).decode().splitlines()
        if any(each.startswith(line) for each in lines):
            return lines


def test_the_service_manager_is_told(manager, served):
    gateway = served()
    assert "STATUS=2 of 2 hosts serve" in hear(manager, "READY=1")
    hear(manager, "WATCHDOG=1")
    gateway.process.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in hear(manager, "RELOADING=1"))
    hear(manager, "READY=1")
    hear(manager, "WATCHDOG=1")
    environment = pathlib.Path(f"/proc/{hosts(gateway)[0]['pid']}/environ").read_bytes()
    assert b"NOTIFY_SOCKET" not in environment and b"WATCHDOG" not in environment
    gateway.terminate()
    assert "EXTEND_TIMEOUT_USEC=40000000" in hear(manager, "STOPPING=1")  # shutdown: 30s, and some more
    assert gateway.wait() == 0
