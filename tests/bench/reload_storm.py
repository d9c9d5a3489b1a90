"""A reload a second under load: how many messages fail of it, and what it costs the others. Each reload has a new version of the
script that the messages go through, which is compiled and tested (forward_test.lua) by every host before it takes any."""
import json
import os
import threading
import time

from figures import figure
from processes import BenchError

INTERVAL_S = 1
CHUNK_S = 2
SCRIPT = """-- version {number}
return {{
  email = function(message)
    message:forward("ben@next.test")
  end,
}}
"""
TESTS = """local worker = load_worker "forward"
it("forwards", function()
  assert.equal("ben@next.test", worker:email(fake.message {}).forwards[1].to)
end)
"""


def _write_script(folder, number):
    fresh = folder / "forward.fresh"
    fresh.write_text(SCRIPT.format(number=number))
    fresh.rename(folder / "forward.lua")


def _write_rules(folder, sink_port):
    folder.mkdir()
    _write_script(folder, 0)
    (folder / "forward_test.lua").write_text(TESTS)
    (folder / "host.yaml").write_text(json.dumps({
        "name": "mx.bench.test", "postmaster": "admin@next.test", "listen": [{"address": "127.0.0.1:0"}],
        "state": str(folder / "state"), "scripts": ".", "hosts": os.cpu_count(), "auth": "off",
        "forwarding": {"seal": False}, "log": {"level": "warn"},
        "routes": {"*": {"host": "127.0.0.1", "port": sink_port, "tls": "none"}},
        "limits": {"connections": 20000, "connections_per_address": 20000},
    }))
    (folder / "bench.test.yaml").write_text(json.dumps(
        {"domain": "bench.test", "rules": [{"to": "worker@", "worker": "forward"}]}))


class Storm:
    """A new version of the script each second, until it is stopped."""

    def __init__(self, folder):
        self.folder = folder
        self.versions = 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._blow, daemon=True)
        self.thread.start()

    def _blow(self):
        while not self.is_over.wait(INTERVAL_S):
            self.versions += 1
            _write_script(self.folder, self.versions)

    def stop(self):
        self.is_over.set()
        self.thread.join()


class _Load:
    """Messages to the worker: how many were sent, taken, and in how many seconds."""

    def __init__(self, bench, port):
        self.bench = bench
        self.command = (bench.program, "load", "--server", f"127.0.0.1:{port}", "--sessions", bench.options.sessions,
                        "--to", "worker@bench.test")

    def send(self, messages):
        _, output = self.bench.programs.run(*self.command, "--messages", messages, patience_s=180)
        report = json.loads(output)
        taken = report["codes"].get("250", 0)
        self.bench.accepted += taken
        return messages, taken, report["seconds"]

    def send_for(self, seconds, rate):
        """In chunks of CHUNK_S by this rate."""
        end, sums = time.monotonic() + seconds, (0, 0, 0)
        while time.monotonic() < end:
            sums = tuple(map(sum, zip(sums, self.send(max(20, int(rate * CHUNK_S))))))
        return sums


def _loaded(bench, folder):
    """How many new snapshots all hosts together have put in effect."""
    code, output = bench.programs.run(bench.postern, "status", "--json", folder)
    if code != 0:
        raise BenchError(f"reload storm: `postern status` ended with {code}")
    return json.loads(output)["events"]["rules.loaded"]


def measure(bench, seconds):
    """The figures of `seconds` of storm, between two times of quiet."""
    folder = bench.folder / "storm"
    _write_rules(folder, bench.sink.port)
    postern = bench.serve(folder)
    load = _Load(bench, postern.port)
    sent, _, took = load.send(max(20, bench.options.messages // 4))
    rate = sent / took
    quiet = [load.send_for(seconds / 6, rate)]
    before = _loaded(bench, folder)
    storm = Storm(folder)
    stormy = load.send_for(seconds, rate)
    storm.stop()
    reloads = (_loaded(bench, folder) - before) / os.cpu_count()
    quiet.append(load.send_for(seconds / 6, rate))
    bench.programs.stop(postern)
    quiet_rate = sum(taken for _, taken, _ in quiet) / sum(took for _, _, took in quiet)
    storm_rate = stormy[1] / stormy[2]
    return [
        figure("reload_storm_failed", sum(sent - taken for sent, taken, _ in (stormy, *quiet)), "messages", ("<=", 0)),
        figure("reload_storm_messages", stormy[0], "messages"),
        figure("reload_storm_versions", storm.versions, "versions"),
        figure("reload_storm_reloads", reloads, "reloads"),
        figure("reload_storm_rate", storm_rate, "messages/s"),
        figure("reload_storm_vs_quiet", storm_rate / quiet_rate, "ratio"),
    ]
