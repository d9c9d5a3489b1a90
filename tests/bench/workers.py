"""What scripts cost beside their messages: an isolate's start, and fifty workers in memory at once."""
import json
import resource
import statistics
import time

from processes import BenchError, isolates, memory_kib

EMPTY = "return { email = function() end }\n"
USUAL = """local json, mime, re = require "json", require "mime", require "re"
return {
  email = function(message)
    local mail = mime.parse(message.raw)
    local found = re.match(mail.subject, "ticket #(\\\\d+)")
    log.info(json.encode { ticket = found and found[1] })
  end,
}
"""
READER = """-- worker {number}
return {{
  email = function(message)
    local mail = message:parse()
    message:forward("ben@next.test", {{ ["X-Text-Bytes"] = tostring(#(mail.text or "")) }})
  end,
}}
"""


def write_workers(folder, sources, **changes):
    """A rules directory with the workers w0, w1 …, each with its rule."""
    folder.mkdir()
    for number, source in enumerate(sources):
        (folder / f"w{number}.lua").write_text(source)
    (folder / "host.yaml").write_text(json.dumps({
        "name": "mx.bench.test", "postmaster": "admin@next.test", "listen": [{"address": "127.0.0.1:0"}],
        "state": str(folder / "state"), "scripts": ".", "hosts": 1, "auth": "off", "forwarding": {"seal": False},
        "limits": {"connections": 20000, "connections_per_address": 20000}, "log": {"level": "warn"}, **changes,
    }))
    (folder / "bench.test.yaml").write_text(json.dumps({"domain": "bench.test", "rules": [
        {"to": f"w{number}@", "worker": f"w{number}"} for number in range(len(sources))] or [
        {"to": "w0@", "drop": True}]}))


# --- an isolate's start ---


def _check(programs, postern, folder):
    """Seconds and CPU seconds of `postern check`, which starts an isolate for each worker, one after the other."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    code, _ = programs.run(postern, "check", folder)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code != 0:
        raise BenchError(f"isolate start: `postern check {folder}` ended with {code}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_starts(programs, postern, folder, count, rounds):
    """From spawn to READY, and its end: milliseconds and CPU milliseconds, by kind of script. Checking no worker is
    taken off; medians over the rounds."""
    kinds = {"empty": EMPTY, "usual": USUAL}
    write_workers(folder / "start-none", [])
    for kind, source in kinds.items():
        write_workers(folder / f"start-{kind}", [source + f"-- {number}\n" for number in range(count)])
    rows = []
    for _ in range(rounds):
        none = _check(programs, postern, folder / "start-none")
        row = {kind: _check(programs, postern, folder / f"start-{kind}") for kind in kinds}
        rows.append({kind: [(with_all - without) * 1000 / count for with_all, without in zip(row[kind], none)]
                     for kind in kinds})
    return {kind: {what: statistics.median(row[kind][at] for row in rows) for at, what in enumerate(("wall", "cpu"))}
            for kind in kinds}


# --- many workers ---


def _memory_of_isolates(postern_pid, count, when):
    found = isolates(postern_pid)
    if len(found) != count:
        raise BenchError(f"many workers: {len(found)} isolates {when}, not {count}")
    memory = [memory_kib(pid) for pid in found]
    return {what: statistics.median(each[what] for each in memory) for what in ("pss", "private")}


def measure_many(bench, count, messages, rounds):
    """`count` workers loaded at once: what each takes before any mail and after mail to all of them, and how fast mail
    to all in turn is against mail to one."""
    folder = bench.folder / "many"
    write_workers(folder, [READER.format(number=number) for number in range(count)],
                  routes={"*": {"host": "127.0.0.1", "port": bench.sink.port, "tls": "none"}})
    postern = bench.serve(folder)
    report = {"loaded": _memory_of_isolates(postern.pid, count, "are loaded")}
    to_one, to_all = ["--to", "w0@bench.test"], ["--to", "w{}@bench.test", "--recipients", str(count)]
    bench.load("many workers", postern.port, count, to_all)
    ratios, rates = [], []
    for _ in range(rounds):
        one = bench.load("many workers", postern.port, messages, to_one)
        many = bench.load("many workers", postern.port, messages, to_all)
        ratios.append(many["per_second"] / one["per_second"])
        rates.append(many["per_second"])
    report["used"] = _memory_of_isolates(postern.pid, count, "after mail to all")
    bench.programs.stop(postern)
    return {**report, "ratio": statistics.median(ratios), "rate": statistics.median(rates)}


