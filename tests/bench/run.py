"""Measures postern between a load generator and a sink (postern-bench) on loopback: a table on the terminal,
and every figure in build/bench.json as {name, value, unit, target, ok}.

usage: run.py --build DIRECTORY [--smoke] [--rounds N] [--messages N] [--corpus DIRECTORY]

The ways a message can take are measured in turn, round after round, so that whatever else the machine does
falls on all of them; figures are medians over the rounds, and ratios are those of one round:

    ceiling   load -> sink
    plain     load -> postern, a rule forwards -> sink
    worker    load -> postern, a script forwards -> sink
    verified  load -> postern that verifies SPF, DKIM, DMARC and ARC of a signed message, a rule forwards -> sink
    sealed    the same for a message that a forwarder has sealed too (three signatures to check, not one)
    beside    as verified, while 100 other sessions wait for a name server that does not answer
    full      verified, then sealed (ARC) and signed for two domains, the sender rewritten: four RSA-2048 signatures;
              on as many hosts as there are cores
    full_one  the same on one host
    real      real messages (mails.py), verified (SPF and DMARC: they bear no signatures), a rule forwards -> sink
    parse_reply  the same messages, a script parses each and replies -> sink

Sessions carry one message each, as from the open internet; `kept` is `plain` with 100 in each. CPU time of
postern is its whole process tree's.

The CPU of the full way is that of one host, as `openssl speed` signs on one core: where cores share their units, both
busy, all take more CPU time for the same. Its rate is that of all hosts, against what one core signs times the cores.

Two hosts against one are compared on the full way, where a message costs postern many times what it costs the load
generator and the sink (full_around_cpu): these two are not the limit, but they share the cores, and the cores share
the machine. So the ratio stands beside its bound of the same round, `two_hosts_bound`: what `openssl speed` signs on
all cores, of what it signs on one (all_cores_sign_vs_one), less the share of CPU time that load generator and sink take.

Beside these, `queue_insert_*`: how many messages a second the queue takes from so many tasks, each waited for until it is
on stable storage, and `_fsync_bound`: how many the disk takes in the same rounds, beside the store, when as many bytes
(content and envelope, 5 KB) are appended to a file with one fdatasync for as many messages as the store committed at once
(`_group`). The bound costs no CPU but the writing; the store's is `_cpu`. `queue_insert_vs_fsync_bound` is the ratio of
both for 16 tasks, `queue_insert_vs_bare_sqlite` that of the store and one SQLite table that takes the same bytes in the same
groups (`postern-bench store`).

`isolate_start_*` (an isolate from its spawn until its script is loaded) and `many_workers_*` (50 scripts that read mail,
each in its isolate, in one host) are in workers.py, `reload_storm_*` (a reload a second for a minute) in reload_storm.py. Memory is PSS, so that what processes share counts once."""
import argparse
import dataclasses
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

import figures
import mails
import reload_storm
import workers
from processes import TICKS, BenchError, Programs, cpu_seconds, isolates, tree_cpu_seconds, tree_pss_kib

SLOW_SESSIONS = 100
STORE_TASKS = (1, 16, 256)
WORKER_COUNT = 50
ANNA = ("--from", "anna@sender.test")
PLAIN_TO = ("--to", "plain@bench.test")

# Rules directories: their names and what is special in their host.yaml.
RULES = {
    "plain": {"auth": "off", "hosts": 1, "forwarding": {"seal": False}},
    "verifying": {"hosts": 1, "forwarding": {"seal": False}},
    "full": {"hosts": os.cpu_count(), "forwarding": {"domain": "fwd.bench.test"}},
    "full_one": {"hosts": 1, "forwarding": {"domain": "fwd.bench.test"}},
}
SIGNING = ("full", "full_one")
SCRIPTS = {
    "forward": """return {
  email = function(message)
    message:forward("ben@next.test")
  end,
}
""",
    "reply": """return {
  email = function(message)
    local mail = message:parse()
    message:reply {
      subject = "Re: " .. mail.subject,
      text = ("You wrote %d bytes and %d attachments."):format(#(mail.text or ""), #mail.attachments),
    }
  end,
}
""",
}


@dataclasses.dataclass(frozen=True)
class Way:
    rules: str  # "": straight into the sink
    options: tuple  # of the load generator
    mail: str = ""  # a folder's name
    share: float = 1  # of the messages: what costs much gets fewer


WAYS = {
    "ceiling": Way("", PLAIN_TO),
    "plain": Way("plain", PLAIN_TO),
    "worker": Way("plain", ("--to", "worker@bench.test")),
    "kept": Way("plain", (*PLAIN_TO, "--per-connection", "100")),
    "verified": Way("verifying", (*PLAIN_TO, *ANNA), "signed", 0.5),
    "sealed": Way("verifying", (*PLAIN_TO, *ANNA), "sealed", 0.5),
    "beside": Way("verifying", (*PLAIN_TO, *ANNA), "signed", 0.5),
    "real": Way("verifying", (*PLAIN_TO, *ANNA), "real", 0.5),
    "parse_reply": Way("verifying", ("--to", "reply@bench.test", *ANNA), "real", 0.5),
    "full": Way("full", (*PLAIN_TO, *ANNA), "signed", 0.2),
    "full_one": Way("full_one", (*PLAIN_TO, *ANNA), "signed", 0.2),
}


def signatures_per_second(programs, *options):
    """RSA-2048, by openssl's own measure: in a second of CPU time, or of time with "-elapsed"."""
    code, output = programs.run("openssl", "speed", "-seconds", "1", "-mr", *options, "rsa2048",
                                stderr=subprocess.DEVNULL)
    found = [line for line in output.splitlines() if line.startswith("+F2:")]
    if code != 0 or not found:
        raise BenchError(f"openssl speed ended with {code}")
    return float(found[-1].split(":")[3])


class Bench:
    def __init__(self, options, folder, programs):
        self.options = options
        self.folder = folder
        self.programs = programs
        self.program = options.build / "postern-bench"
        self.postern = options.build / "postern"
        self.sink = programs.listen(self.program, "sink")
        self.accepted = 0
        self.private, record = mails.make_key()
        self.dns = mails.serve_records(record)
        self.write_mails()

    def write_mails(self):
        signed = mails.signed_message(self.private)
        for name, message in (("signed", signed), ("sealed", mails.sealed_message(signed, self.private))):
            (self.folder / f"mail-{name}").mkdir()
            (self.folder / f"mail-{name}" / "message.eml").write_bytes(message)
        self.real_mails = mails.write_real_messages(self.folder / "mail-real")

    def serve(self, rules):
        with open(self.folder / "postern.log", "ab") as log:
            return self.programs.listen(self.postern, "serve", rules, log=log)

    def start_postern(self, name):
        rules = self.folder / name
        rules.mkdir(exist_ok=True)
        if name in SIGNING:
            mails.write_keys(rules / "keys", self.private)
        for script, source in SCRIPTS.items():
            (rules / f"{script}.lua").write_text(source)
        (rules / "host.yaml").write_text(json.dumps({
            "name": "mx.bench.test",
            "postmaster": "admin@next.test",
            "listen": [{"address": "127.0.0.1:0"}],
            "state": str(rules / "state"),
            "scripts": ".",
            "routes": {"*": {"host": "127.0.0.1", "port": self.sink.port, "tls": "none"}},
            "limits": {"connections": 20000, "connections_per_address": 20000},
            "dns": {"resolver": self.dns.resolver},
            "log": {"level": "warn"},
            **RULES[name],
        }))
        (rules / "bench.test.yaml").write_text(json.dumps({"domain": "bench.test", "rules": [
            {"to": "plain@", "forward": "ben@next.test"},
            {"to": "worker@", "worker": "forward"},
            {"to": "reply@", "worker": "reply"},
        ]}))
        return self.serve(rules)

    def load(self, what, port, messages, options):
        """Sends so many and waits for all; the report of the load generator."""
        code, output = self.programs.run(self.program, "load", "--server", f"127.0.0.1:{port}", "--messages", messages,
                                         "--sessions", self.options.sessions, *options, patience_s=180)
        report = json.loads(output) if output else {}
        if code != 0:
            raise BenchError(f"{what}: not every message was taken: {report.get('codes')}")
        self.accepted += messages
        return report

    def start_slow_sessions(self, port):
        """Their sender's domain is never told: they end with 4xx, long after they are of use."""
        with open(self.folder / "slow.log", "ab") as log:
            return self.programs.start(
                self.program, "load", "--server", f"127.0.0.1:{port}", "--from", "x@silent.test", *PLAIN_TO,
                "--sessions", SLOW_SESSIONS, "--messages", SLOW_SESSIONS, stdout=log, stderr=log)

    def messages_of(self, way):
        return max(20, int(self.options.messages * WAYS[way].share))

    def send_way(self, way, posterns, messages):
        corpus = ["--corpus", self.options.corpus] if self.options.corpus else []
        if WAYS[way].mail:
            corpus = ["--corpus", self.folder / f"mail-{WAYS[way].mail}"]
        postern = posterns.get(WAYS[way].rules)
        return self.load(way, (postern or self.sink).port, messages, [*WAYS[way].options, *corpus])

    def measure(self, way, posterns):
        """One way, once: rate, latencies, and CPU seconds a message of both sides."""
        postern = posterns.get(WAYS[way].rules)
        slow = self.start_slow_sessions(postern.port) if way == "beside" else None
        time.sleep(0.5 if slow else 0)
        messages = self.messages_of(way)

        def cpu():
            """Of the sink, of postern, of its isolates."""
            if not postern:
                return [cpu_seconds(self.sink.pid), 0, 0]
            return [cpu_seconds(self.sink.pid), tree_cpu_seconds(postern.pid), cpu_seconds(*isolates(postern.pid))]

        before = cpu()
        report = self.send_way(way, posterns, messages)
        sink, of_postern, of_isolates = ((after - earlier) / messages for earlier, after in zip(before, cpu()))
        if slow:
            self.programs.stop(slow, signal.SIGKILL)
        return {**report, "around_cpu": report["cpu_seconds"] / messages + sink,
                "postern_cpu": max(of_postern, 1 / TICKS / messages), "isolate_cpu": of_isolates}

    def measure_signing(self):
        """What a signature costs one core, and how many all cores make of what one makes meanwhile."""
        report = {"signature_seconds": 1 / signatures_per_second(self.programs), "signing_scale": 1}
        if not self.options.smoke:
            one = signatures_per_second(self.programs, "-elapsed")
            report["signing_scale"] = signatures_per_second(
                self.programs, "-elapsed", "-multi", os.cpu_count()) / one
        return report

    def rounds(self):
        posterns = {name: self.start_postern(name) for name in RULES}
        for way in WAYS:
            self.send_way(way, posterns, max(20, self.messages_of(way) // 20))
        reports = []
        for number in range(self.options.rounds):
            report = {way: self.measure(way, posterns) for way in WAYS}
            reports.append({**report, **self.measure_signing()})
            print(f"round {number + 1}: " + ", ".join(
                f"{way} {report[way]['per_second']:,.0f}/s" for way in WAYS), flush=True)
        for postern in posterns.values():
            self.programs.stop(postern)
        return figures.Rounds(reports)

    def idle_connection_kib(self):
        postern = self.start_postern("plain")
        self.load("idle connections", postern.port, 20, PLAIN_TO)
        before = tree_pss_kib(postern.pid)
        count = self.options.idle
        holder = self.programs.start(self.program, "idle", "--server", f"127.0.0.1:{postern.port}", "--sessions", count,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)
        if holder.stdout.readline() != f"idle {count}\n":
            raise BenchError("idle connections: not all were taken")
        time.sleep(0.2)
        after = tree_pss_kib(postern.pid)
        self.programs.stop(holder)
        self.programs.stop(postern)
        return (after - before) / count

    def measure_store(self):
        """By the number of tasks that insert at once."""
        reports = {}
        for tasks in STORE_TASKS:
            folder = self.folder / f"store-{tasks}"
            folder.mkdir()
            messages = max(tasks, min(self.options.messages // 2, 200 + 400 * tasks))
            code, output = self.programs.run(
                self.program, "store", "--directory", folder, "--tasks", tasks, "--messages", messages, "--rounds",
                self.options.rounds, patience_s=180)
            if code != 0:
                raise BenchError(f"the store's bench ended with {code}")
            reports[tasks] = json.loads(output)
        return reports

    def check_sink(self):
        self.dns.stop()
        taken = json.loads(self.programs.stop(self.sink))["messages"]
        if taken != self.accepted:
            raise BenchError(f"{self.accepted} messages were accepted, {taken} arrived")

    def run(self):
        """All figures."""
        options = self.options
        rounds = self.rounds()
        idle_kib = self.idle_connection_kib()
        many = workers.measure_many(self, options.workers, max(options.workers, options.messages // 4), options.rounds)
        storm = reload_storm.measure(self, options.storm)
        self.check_sink()
        starts = workers.measure_starts(self.programs, self.postern, self.folder, options.workers, options.rounds)
        found = figures.way_figures(rounds, WAYS) + figures.forward_figures(rounds) + figures.signing_figures(rounds)
        found += figures.worker_figures(rounds, self.real_mails, starts, many)
        found += storm
        found.append(figures.figure("idle_connection_kib", idle_kib, "KiB", ("<=", 24)))
        return found + figures.store_figures(self.measure_store(), STORE_TASKS[1])


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--smoke", action="store_true", help="few messages, no verdict: does it all work?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=WORKER_COUNT)
    parser.add_argument("--storm", type=int, default=60, help="seconds with a reload in each")
    parser.add_argument("--corpus", help="a folder of .eml files, instead of one message of 5 KB")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.messages, options.sessions, options.idle, options.workers = 1, 200, 10, 50, 5
        options.storm = 1
    return options


def main():
    options = read_options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    programs = Programs()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        try:
            found = Bench(options, pathlib.Path(folder), programs).run()
        except BenchError as error:
            log = pathlib.Path(folder) / "postern.log"
            print("\n".join(log.read_text().splitlines()[-20:]) if log.exists() else "", file=sys.stderr)
            sys.exit(f"bench: {error}")
        finally:
            programs.stop_all()
    figures.print_table(found)
    path = options.build.parent / "bench.json"
    figures.write(found, path)
    print(f"\nall figures: {path}")
    return 0 if options.smoke or all(each["ok"] is not False for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
