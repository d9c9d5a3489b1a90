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

Beside these, `queue_insert_*`: how many messages a second the queue takes from so many tasks, each waited for until it is
on stable storage, and `_fsync_bound`: how many the disk takes in the same rounds, beside the store, when as many bytes
(content and envelope, 5 KB) are appended to a file with one fdatasync for as many messages as the store committed at once
(`_group`). The bound costs no CPU but the writing; the store's is `_cpu`. `queue_insert_vs_fsync_bound` is the ratio of
both for 16 tasks (`postern-bench store`).
    full      verified, then sealed (ARC) and signed for two domains, the sender rewritten: four RSA-2048 signatures;
              on as many hosts as there are cores
    full_one  the same on one host

Sessions carry one message each, as from the open internet; `kept` is `plain` with 100 in each. CPU time of
postern is its whole process tree's. Memory is PSS, so that what processes share counts once.

The CPU of the full way is that of one host, as `openssl speed` signs on one core: where cores share their units, both
busy, all take more CPU time for the same. Its rate is that of all hosts, against what one core signs times the cores.

Two hosts against one are compared on the full way, where a message costs postern many times what it costs the load
generator and the sink (full_around_cpu), so that these two are not the limit though they share the cores."""
import argparse
import atexit
import base64
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import dkim

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from fake_dns import FakeDns  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
WAYS = {
    "ceiling": ["--to", "plain@bench.test"],
    "plain": ["--to", "plain@bench.test"],
    "worker": ["--to", "worker@bench.test"],
    "kept": ["--to", "plain@bench.test", "--per-connection", "100"],
    "verified": ["--to", "plain@bench.test", "--from", "anna@sender.test"],
    "sealed": ["--to", "plain@bench.test", "--from", "anna@sender.test"],
    "beside": ["--to", "plain@bench.test", "--from", "anna@sender.test"],
    "full": ["--to", "plain@bench.test", "--from", "anna@sender.test"],
    "full_one": ["--to", "plain@bench.test", "--from", "anna@sender.test"],
}
# What is different for a way: the rules directory's name and options of host.yaml.
PLAIN = ("plain", {"auth": "off", "hosts": 1, "forwarding": {"seal": False}})
VERIFIED = ("verifying", {"hosts": 1, "forwarding": {"seal": False}})
FULL = ("full", {"hosts": os.cpu_count(), "forwarding": {"domain": "fwd.bench.test"}})
FULL_ONE = ("full_one", {"hosts": 1, "forwarding": {"domain": "fwd.bench.test"}})
POSTERNS = {"plain": PLAIN, "worker": PLAIN, "kept": PLAIN, "verified": VERIFIED, "sealed": VERIFIED,
            "beside": VERIFIED, "full": FULL, "full_one": FULL_ONE}
SIGNATURES = 4
SCRIPT = """return {
  email = function(message)
    message:forward("ben@next.test")
  end,
}
"""


VERIFYING = ("verified", "sealed", "beside", "full", "full_one")
SLOW_SESSIONS = 100
STORE_TASKS = (1, 16, 256)


# --- a signed message ---


def make_key():
    """A private key (PEM) and the text of its DNS record."""
    private = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, check=True,
                            capture_output=True).stdout
    text = base64.b64encode(public).decode()
    return private, f'"v=DKIM1; p={text[:200]}" "{text[200:]}"'


def sign_message(private):
    """5 KB, signed by its author's domain."""
    body = b"".join(b"A line of the body, as long as such lines are, number %04d.\r\n" % n for n in range(56))
    message = (b"Authentication-Results: mx.forwarder.test; dkim=pass header.d=sender.test\r\n"
               b"From: Anna <anna@sender.test>\r\nTo: plain@bench.test\r\nSubject: a signed message\r\n"
               b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n\r\n" + body)
    return dkim.sign(message, b"s1", b"sender.test", private, canonicalize=(b"relaxed", b"relaxed")) + message


def seal_message(message, private):
    """The same with a forwarder's ARC set."""
    return b"".join(dkim.arc_sign(message, b"s1", b"forwarder.test", private, b"mx.forwarder.test")) + message


def write_keys(folder, private):
    """For both domains that sign."""
    for domain in ("fwd.bench.test", "bench.test"):
        (folder / domain).mkdir(parents=True, exist_ok=True)
        path = folder / domain / "s1.pem"
        path.touch(mode=0o600)
        path.write_bytes(private)
        (folder / domain / "active").write_text("s1\n")


def signature_seconds():
    """CPU time of one RSA-2048 signature, by openssl's own measure."""
    done = subprocess.run(["openssl", "speed", "-seconds", "1", "-mr", "rsa2048"], check=True, capture_output=True,
                          text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("+F2:"))
    return 1 / float(line.split(":")[3])


def serve_records(record):
    server = FakeDns()
    server.records.update({
        ("sender.test", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 include:spf.sender.test -all"'],
        ("spf.sender.test", "TXT"): ['"v=spf1 ip4:127.0.0.0/8 -all"'],
        ("s1._domainkey.sender.test", "TXT"): [record],
        ("s1._domainkey.forwarder.test", "TXT"): [record],
        ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject"'],
    })
    server.silent.add("silent.test")
    return server


# --- process trees ---


def tree(pid):
    """The process and all below it."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has just ended
            parents.setdefault(int(after_name[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_seconds(pid):
    """Of a tree, those of its ended children included."""
    ticks = 0
    for each in tree(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def memory_kib(pid):
    total = 0
    for each in tree(pid):
        for line in pathlib.Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


# --- the programs ---


class Program:
    """A program that says on which port it listens, in a line that begins with "listening"."""

    def __init__(self, *command, log=None):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=log, text=True)
        atexit.register(self.process.kill)  # whatever ends the bench
        line = self.process.stdout.readline()
        if not line.startswith("listening"):
            sys.exit(f"{command[0]} did not start; see {log.name if log else 'above'}")
        self.port = int(line.replace(":", " ").split()[-1])
        self.pid = self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=60)
        return rest


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.bench = options.build / "postern-bench"
        self.sink = Program(self.bench, "sink")
        self.accepted = 0
        private, record = make_key()
        signed = sign_message(private)
        for way in VERIFYING:
            (folder / f"mail-{way}").mkdir()
            (folder / f"mail-{way}" / "message.eml").write_bytes(
                seal_message(signed, private) if way == "sealed" else signed)
        self.private = private
        self.dns = serve_records(record)

    def start_postern(self, name, changes):
        rules = self.folder / name
        rules.mkdir(exist_ok=True)
        write_keys(rules / "keys", self.private)
        (rules / "work.lua").write_text(SCRIPT)
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
            **changes,
        }))
        (rules / "bench.test.yaml").write_text(json.dumps({"domain": "bench.test", "rules": [
            {"to": "plain@", "forward": "ben@next.test"},
            {"to": "worker@", "worker": "work"},
        ]}))
        with open(self.folder / "postern.log", "ab") as log:
            return Program(self.options.build / "postern", "serve", rules, log=log)

    def load(self, port, messages, way):
        content = ["--corpus", self.options.corpus] if self.options.corpus else []
        if way in VERIFYING:
            content = ["--corpus", self.folder / f"mail-{way}"]
        done = subprocess.run([self.bench, "load", "--server", f"127.0.0.1:{port}", "--messages", str(messages),
                               "--sessions", str(self.options.sessions), *content, *WAYS[way]],
                              stdout=subprocess.PIPE, text=True, timeout=600, check=False)
        report = json.loads(done.stdout) if done.stdout else {}
        if done.returncode != 0:
            sys.exit(f"{way}: not every message was taken: {report.get('codes')}")
        self.accepted += messages
        return report

    def start_slow_sessions(self, port):
        """Their sender's domain is never told: they end with 4xx, long after they are of use."""
        return subprocess.Popen([self.bench, "load", "--server", f"127.0.0.1:{port}", "--from", "x@silent.test",
                                 "--to", "plain@bench.test", "--sessions", str(SLOW_SESSIONS), "--messages",
                                 str(SLOW_SESSIONS)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def measure(self, way, posterns):
        """One way, once: rate, latencies, and CPU seconds of both sides."""
        postern = posterns[POSTERNS.get(way, PLAIN)[0]]
        port = self.sink.port if way == "ceiling" else postern.port
        slow = self.start_slow_sessions(port) if way == "beside" else None
        time.sleep(0.5 if slow else 0)
        sink_before, postern_before = cpu_seconds(self.sink.pid), cpu_seconds(postern.pid)
        report = self.load(port, self.options.messages, way)
        report["around_cpu"] = report["cpu_seconds"] + cpu_seconds(self.sink.pid) - sink_before
        report["postern_cpu"] = cpu_seconds(postern.pid) - postern_before
        if slow:
            slow.kill()
            slow.wait()
        return report

    def rounds(self):
        posterns = {name: self.start_postern(name, changes)
                    for name, changes in (PLAIN, VERIFIED, FULL, FULL_ONE)}
        for way, (name, _) in POSTERNS.items():
            self.load(posterns[name].port, max(20, self.options.messages // 20), way)
        results = []
        for number in range(self.options.rounds):
            results.append({way: self.measure(way, posterns) for way in WAYS})
            results[-1]["signature_seconds"] = signature_seconds()
            print(f"round {number + 1}: " + ", ".join(
                f"{way} {results[-1][way]['per_second']:,.0f}/s" for way in WAYS), flush=True)
        for postern in posterns.values():
            postern.stop()
        return results

    def idle_connection_kib(self):
        postern = self.start_postern(*PLAIN)
        self.load(postern.port, 20, "plain")
        before = memory_kib(postern.pid)
        count = self.options.idle
        holder = subprocess.Popen([self.bench, "idle", "--server", f"127.0.0.1:{postern.port}", "--sessions",
                                   str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if holder.stdout.readline() != f"idle {count}\n":
            sys.exit("the idle connections were not all taken")
        time.sleep(0.2)
        after = memory_kib(postern.pid)
        holder.communicate(timeout=60)
        postern.stop()
        return (after - before) / count

    def measure_store(self):
        """By the number of tasks that insert at once."""
        reports = {}
        for tasks in STORE_TASKS:
            folder = self.folder / f"store-{tasks}"
            folder.mkdir()
            messages = max(tasks, min(self.options.messages // 2, 200 + 400 * tasks))
            reports[tasks] = json.loads(subprocess.run(
                [self.bench, "store", "--directory", folder, "--tasks", str(tasks), "--messages", str(messages),
                 "--rounds", str(self.options.rounds)], check=True, capture_output=True, timeout=600).stdout)
        return reports

    def check_sink(self):
        self.dns.stop()
        taken = json.loads(self.sink.stop())["messages"]
        if taken != self.accepted:
            sys.exit(f"{self.accepted} messages were accepted, {taken} arrived")


# --- figures ---


def figure(name, value, unit, target=None):
    """`target` is such as (">=", 0.3)."""
    is_met = None
    if target:
        is_met = value >= target[1] if target[0] == ">=" else value <= target[1]
    return {"name": name, "value": round(value, 4), "unit": unit,
            "target": f"{target[0]} {target[1]}" if target else None, "ok": is_met}


def median_of(results, value):
    return statistics.median(value(ways) for ways in results)


def figures_of(results, idle_kib, messages):
    figures = []
    for way in WAYS:
        figures.append(figure(f"{way}_rate", median_of(results, lambda ways: ways[way]["per_second"]), "messages/s"))
        for percentile in ("p50", "p99"):
            figures.append(figure(f"{way}_latency_{percentile}", median_of(
                results, lambda ways: ways[way]["latency_ms"][percentile]), "ms"))
    for way in ("plain", "worker", "kept", *VERIFYING):
        figures.append(figure(f"{way}_cpu", median_of(
            results, lambda ways: ways[way]["postern_cpu"]) / messages * 1000, "CPU s/1000 messages"))
    figures.append(figure("loader_and_sink_cpu", median_of(
        results, lambda ways: ways["plain"]["around_cpu"]) / messages * 1000, "CPU s/1000 messages"))
    figures.append(figure("plain_forward_vs_ceiling", median_of(
        results, lambda ways: ways["plain"]["per_second"] / ways["ceiling"]["per_second"]), "ratio", (">=", 0.3)))
    figures.append(figure("plain_forward_cpu_vs_loader_and_sink", median_of(
        results, lambda ways: ways["plain"]["postern_cpu"] / ways["plain"]["around_cpu"]), "ratio", ("<=", 2.5)))
    figures.append(figure("worker_vs_plain_forward", median_of(
        results, lambda ways: ways["worker"]["per_second"] / ways["plain"]["per_second"]), "ratio", (">=", 0.85)))
    figures.append(figure("verify_cpu_vs_plain_forward", median_of(
        results, lambda ways: ways["verified"]["postern_cpu"] / ways["plain"]["postern_cpu"] - 1), "ratio", ("<=", 1)))
    figures.append(figure("verify_sealed_cpu_vs_plain_forward", median_of(
        results, lambda ways: ways["sealed"]["postern_cpu"] / ways["plain"]["postern_cpu"] - 1), "ratio"))
    figures.append(figure("verified_beside_slow_dns_vs_verified", median_of(
        results, lambda ways: ways["beside"]["per_second"] / ways["verified"]["per_second"]), "ratio"))
    figures.append(figure("full_pipeline_cpu_vs_signatures", median_of(
        results, lambda ways: ways["full_one"]["postern_cpu"] / messages / (SIGNATURES * ways["signature_seconds"])),
        "ratio", ("<=", 1.6)))
    figures.append(figure("full_pipeline_vs_signature_bound", median_of(
        results, lambda ways: ways["full"]["per_second"] * SIGNATURES * ways["signature_seconds"] / os.cpu_count()),
        "ratio", (">=", 0.5)))
    figures.append(figure("two_hosts_vs_one", median_of(
        results, lambda ways: ways["full"]["per_second"] / ways["full_one"]["per_second"]), "ratio",
        (">=", 1.7) if os.cpu_count() == 2 else None))
    figures.append(figure("full_around_cpu", median_of(
        results, lambda ways: ways["full"]["around_cpu"]) / messages * 1000, "CPU s/1000 messages"))
    figures.append(figure("idle_connection_kib", idle_kib, "KiB", ("<=", 24)))
    return figures


def store_figures(reports):
    figures = []
    for tasks, report in reports.items():
        figures.append(figure(f"queue_insert_{tasks}_rate", report["store_per_second"], "messages/s"))
        figures.append(figure(f"queue_insert_{tasks}_fsync_bound", report["disk_per_second"], "messages/s"))
        figures.append(figure(f"queue_insert_{tasks}_group", report["group"], "messages"))
        figures.append(figure(f"queue_insert_{tasks}_cpu", report["cpu_us_per_message"], "us"))
    figures.append(figure("queue_insert_vs_fsync_bound", reports[STORE_TASKS[1]]["ratio"], "ratio", (">=", 0.6)))
    return figures


def print_table(figures):
    print(f"\n{'figure':40} {'value':>12}  {'unit':22} {'target':>8}")
    for each in figures:
        verdict = {None: "", True: "ok", False: "MISSED"}[each["ok"]]
        print(f"{each['name']:40} {each['value']:12,.3f}  {each['unit']:22} {each['target'] or '':>8}  {verdict}")


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--smoke", action="store_true", help="few messages, no verdict: does it all work?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--corpus", help="a folder of .eml files, instead of one message of 5 KB")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.messages, options.sessions, options.idle = 1, 200, 10, 50
    return options


def main():
    options = read_options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        bench = Bench(options, pathlib.Path(folder))
        results = bench.rounds()
        idle_kib = bench.idle_connection_kib()
        bench.check_sink()
        store_reports = bench.measure_store()
    figures = figures_of(results, idle_kib, options.messages) + store_figures(store_reports)
    print_table(figures)
    path = options.build.parent / "bench.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"\nall figures: {path}")
    return 0 if options.smoke or all(each["ok"] is not False for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
