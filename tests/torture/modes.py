"""Killed at random, killed at each call, with a disk that fails: each mode returns the sum of its runs."""
import asyncio
import contextlib
import os
import random
import subprocess
import time

from account import Sum
from run import Run, Series
from service import (ANY_KIND, CREATE, EIO, ENOSPC, KILL_AFTER, KILL_BEFORE, KILL_WITHIN, POWER_CUT, RESIZE, SHORT, SYNC,
                     WRITE)

# --- at random ---

SENDERS = 12
KILLS_PER_SERVICE = 6  # a host that is killed again and again rests longer each time


async def kill_at_random(run, lot):
    kills = 0
    while True:
        await asyncio.sleep(lot.uniform(0.2, 1.2))
        hosts = run.service.hosts()
        if not run.service.port or not hosts:
            continue
        kills += 1
        if kills % KILLS_PER_SERVICE:
            run.service.kill_host(lot.choice(hosts))
        elif lot.random() < 0.5:
            run.service.kill_supervisor()
        else:
            run.service.kill_all()


async def under_load(options, folder, disturb, seconds, **host):
    run = Run(folder, options.seed, hosts=2, lease="4s", **host)
    await run.open()
    until = time.time() + seconds
    sending = [asyncio.create_task(run.senders.send_until(until)) for _ in range(SENDERS)]
    disturbing = [asyncio.create_task(sink.change_weather()) for sink in run.sinks]
    disturbing.append(asyncio.create_task(disturb(run, random.Random(options.seed))))
    await asyncio.sleep(seconds)
    for task in disturbing:
        task.cancel()
    for result in await asyncio.gather(*disturbing, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    return await run.finish(sending)


async def kills(options, folder):
    return await under_load(options, folder, kill_at_random, options.seconds)


# --- killed at each call ---

async def each(options, folder):
    series = Series(folder)
    await asyncio.gather(series.run_at_each("killed-before", KILL_BEFORE, ANY_KIND, options.points),
                         series.run_at_each("killed-within", KILL_WITHIN, WRITE, options.points),
                         series.run_at_each("killed-after", KILL_AFTER, ANY_KIND, options.points))
    return series.total


# --- the power ---


async def cut_power_at_random(run, lot):
    while True:
        await asyncio.sleep(lot.uniform(0.5, 2.5))
        if run.service.port:
            run.service.cut_power()


async def power(options, folder):
    """After a cut, nothing is left but what was fsynced."""
    total = await under_load(options, folder / "random", cut_power_at_random, options.seconds / 2, keeps_durable=True)
    series = Series(folder)
    await series.run_at_each("power-cut", POWER_CUT, ANY_KIND, options.points, keeps_durable=True)
    return total + series.total


# --- the disk ---

DISK_BYTES = 64 << 20
# Where next hops do not defer while it is full: those whose rule leaves it to the sender would never be taken.
DEFERRING = {"e@d1.test", "f@d2.test"}

async def disk(options, folder):
    """Failures that last are much alike: fewer of them do."""
    series = Series(folder)
    grows = CREATE | WRITE | RESIZE | SYNC
    few = options.points // 2 if options.points else 120
    await asyncio.gather(series.run_at_each("full-from", ENOSPC, grows, few, lasting=True),
                         series.run_at_each("short", SHORT, WRITE, few),
                         series.run_at_each("broken", EIO, ANY_KIND, options.points),
                         series.run_at_each("broken-from", EIO, ANY_KIND, few, lasting=True))
    return series.total + await really_full(options, folder / "really-full")


@contextlib.contextmanager
def small_disk(path):
    """A file system of its own; None when we may not make one."""
    path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "postern-torture", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


async def fill_again_and_again(run, state, until):
    while time.time() < until:
        await asyncio.sleep(0.7)
        fill(state / "filler")
        run.service.failures.append(time.time())
        await asyncio.sleep(0.7)
        run.service.failures.append(time.time())
        (state / "filler").unlink()


async def run_on_small_disk(options, folder, space):
    with small_disk(folder / "state") as state:
        if not state:
            print("  really full: skipped, for only root may mount a file system", flush=True)
            return Sum()
        closed = True
        run = Run(folder, options.seed, softly=lambda token, recipient: closed and recipient not in DEFERRING,
                  lease="4s", store={"space": space, "inodes": 0})
        await run.open()
        seconds = 3 if options.short else 10
        until = time.time() + seconds
        sending = [asyncio.create_task(run.senders.send_until(until)) for _ in range(8)]
        await fill_again_and_again(run, state, until)
        closed = False
        return await run.finish(sending)


async def really_full(options, folder):
    """With the room that Postern keeps free, and without."""
    total = await run_on_small_disk(options, folder / "with-room", "1MiB")
    total += await run_on_small_disk(options, folder / "without", "0")
    return total
