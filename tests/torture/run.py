"""A run: senders, a service, two next hops; and the small scenario that is run with one fault after the other."""
import asyncio
import shutil

from account import Account, Sum
from sender import LARGE_BYTES, SMALL_BYTES, Senders
from service import ANY_KIND, FOREVER, NONE, Service
from sink import Sink

DRAIN_S = 60
AT_A_TIME = 12  # runs, which mostly wait
QUEUE = {"first_retry": "100ms", "retry_max": "300ms"}


class Run:
    """A service between senders and two next hops, in a folder of its own."""

    def __init__(self, folder, seed=0, hosts=1, lease="1s", softly=lambda token, recipient: False, **host):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.hosts, self.queue, self.host = folder, hosts, {**QUEUE, "lease": lease}, host
        self.arrivals = []
        self.sinks = [Sink(self.arrivals, seed + number, softly) for number in range(2)]
        self.senders = Senders(lambda: self.service.port, seed)
        self.service = self.keeper = None

    async def open(self):
        for sink in self.sinks:
            await sink.open()
        self.service = Service(self.folder, self.sinks, self.hosts, self.queue, **self.host)
        self.keeper = asyncio.create_task(self.service.keep_up())

    def _is_drained(self):
        there = {(arrival.token, arrival.recipient) for arrival in self.arrivals}
        legs = {leg for mail in self.senders.mails if mail.is_accepted for leg in mail.legs()}
        return legs <= there and self.service.queued_legs() == 0

    async def drain(self):
        """Until nothing waits in the queue any more, for a bounded time."""
        if not await self.service.wait(self._is_drained, DRAIN_S):
            self.service.problems.append(f"after {DRAIN_S} s, {self.service.queued_legs()} legs wait in the queue")

    async def finish(self, sending):
        """Waits for the senders, then for the queue; an account of it all."""
        _, late = await asyncio.wait(sending, timeout=DRAIN_S)
        self.senders.has_given_up = True
        if late:
            self.service.problems.append(f"{len(late)} senders have not ended within {DRAIN_S} s")
        await self.drain()
        return await self.close()

    async def close(self):
        await self.service.stop()
        await self.keeper
        for sink in self.sinks:
            await sink.close()
        aside = self.service.queued_legs(state=2)
        if aside:
            self.service.problems.append(f"{aside} legs were set aside")
        total = Account(self.senders.mails, self.arrivals, self.service).sum()
        total.problems = [f"{self.folder.name}: {problem}" for problem in total.problems]
        return total


# --- the small scenario ---

def soft_failures():
    """Most legs are deferred at first: through the queue, or by their sender."""
    left = {"a@d1.test": 1, "c@d2.test": 2, "f@d2.test": 1, "g@d2.test": 1}
    seen = {}

    def is_soft(token, recipient):
        seen[token, recipient] = seen.get((token, recipient), 0) + 1
        return seen[token, recipient] <= left.get(recipient, 0)
    return is_soft


MAILS = [(["one@gate.test"], SMALL_BYTES), (["two@gate.test"], SMALL_BYTES), (["strict@gate.test"], SMALL_BYTES),
         (["work@gate.test"], SMALL_BYTES), (["one@gate.test", "two@gate.test"], LARGE_BYTES),
         (["strict@gate.test", "work@gate.test"], LARGE_BYTES)]


async def send_scenario(senders):
    for recipients, size in MAILS:
        await senders.send(senders.new_mail(recipients, size))


async def relieve(faults, sending):
    """A second after the first fault, the disk is well again."""
    while not faults["faults"] and not sending.done():
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    faults.clear()


async def run_scenario(folder, fault=None, **host):
    """Returns the sum, how often the disk was asked for something of the fault's kinds, and how often it failed."""
    run = Run(folder, softly=soft_failures(), **host)
    await run.open()
    faults = run.service.faults
    faults["kinds"] = ANY_KIND
    if fault:
        faults.arm(**fault)
    sending = asyncio.create_task(send_scenario(run.senders))
    if fault and fault.get("last"):
        await relieve(faults, sending)
    return await run.finish([sending]), faults["count"], faults["faults"]


def spread(count, points):
    """1 … count, or so many of them as are wanted."""
    if not points or points >= count:
        return range(1, count + 1)
    return sorted({1 + round((i + 0.5) * count / points - 0.5) for i in range(points)})


class Series:
    """Many scenarios, some at a time; folders of those that went well are removed."""

    def __init__(self, folder):
        self.folder = folder
        self.total = Sum()
        self.places = asyncio.Semaphore(AT_A_TIME)

    async def run(self, name, fault=None, **host):
        async with self.places:
            total, count, faults = await run_scenario(self.folder / name, fault, **host)
        self.total += total
        if total.is_good:
            shutil.rmtree(self.folder / name)
        return count, faults

    async def run_at_each(self, name, action, kinds, points, lasting=False, **host):
        """The fault at each of the calls of these kinds that the scenario makes without it."""
        count, _ = await self.run(f"{name}-0", {"action": NONE, "first": 0, "kinds": kinds}, **host)
        faults = {n: {"action": action, "first": n, "last": FOREVER if lasting else None, "kinds": kinds}
                  for n in spread(count, points)}
        done = await asyncio.gather(*(self.run(f"{name}-{n}", fault, **host) for n, fault in faults.items()))
        reached = sum(1 for _, made in done if made)
        print(f"  {name}: at {reached} of {count} calls", flush=True)
