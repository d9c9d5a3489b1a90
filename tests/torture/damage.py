"""Bytes of the queue are changed while the service is down. What is damaged is set aside and reported, all else arrives;
nothing is ever delivered changed, and no process crashes."""
import asyncio
import random
import shutil

from account import Account, Sum
from run import AT_A_TIME, Run
from sender import LARGE_BYTES, SMALL_BYTES
from sink import MARK

MAILS = 12
PAGE_BYTES = 4096
SET_ASIDE = "an entry of the queue is corrupt and was set aside"
SALVAGED = "a database of the store was corrupt and was set aside"


def tokens_in(content):
    return {mark[1].decode() for mark in MARK.finditer(content)}


# --- ways to damage: each returns the tokens that may suffer, None when it cannot be told ---


def flip(path, offset, lot):
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << lot.randrange(8)
    path.write_bytes(content)


def damage_file(change):
    """One of the contents that are files."""
    def do(store, lot):
        path = lot.choice(sorted((store / "bodies").iterdir()))
        tokens = tokens_in(path.read_bytes())
        change(path, lot)
        return tokens
    return do


def flip_in_file(path, lot):
    flip(path, lot.randrange(path.stat().st_size), lot)


def shorten(path, lot):
    path.write_bytes(path.read_bytes()[:lot.randrange(path.stat().st_size)])


def lengthen(path, lot):
    path.write_bytes(path.read_bytes() + bytes(lot.randrange(1, 100)))


def remove(path, _):
    path.unlink()


def flip_content(store, lot):
    """A byte of a content that is in the database, not far from its beginning, so on the same page: wherever it is found,
    for pages keep what they once had."""
    path = store / "queue.db"
    marks = list(MARK.finditer(path.read_bytes()))
    token, offset = lot.choice(marks)[1], lot.randrange(20)
    for mark in marks:
        if mark[1] == token:
            flip(path, mark.start(1) + offset, lot)
    return {token.decode()}


def change_recipient(store, lot):
    """A bit of the address that a leg goes to, in its row and in indexes."""
    path = store / "queue.db"
    content = path.read_bytes()
    address = lot.choice([b"a@d1.test", b"b@d1.test", b"c@d2.test"])
    changed = bytes([address[0] ^ 0x10]) + address[1:]
    path.write_bytes(content.replace(address, changed))


def flip_anywhere(store, lot):
    path = store / "queue.db"
    flip(path, lot.randrange(path.stat().st_size), lot)


def overwrite_page(store, lot):
    """But not the first: that would be another file."""
    path = store / "queue.db"
    content = bytearray(path.read_bytes())
    page = lot.randrange(1, len(content) // PAGE_BYTES)
    content[page * PAGE_BYTES:(page + 1) * PAGE_BYTES] = lot.randbytes(PAGE_BYTES)
    path.write_bytes(content)


def shorten_database(store, lot):
    path = store / "queue.db"
    pages = path.stat().st_size // PAGE_BYTES
    path.write_bytes(path.read_bytes()[:lot.randrange(pages // 2, pages) * PAGE_BYTES])


WAYS = {"flip-in-file": damage_file(flip_in_file), "shorten": damage_file(shorten), "lengthen": damage_file(lengthen),
        "remove": damage_file(remove), "flip-content": flip_content, "change-recipient": change_recipient,
        "flip-anywhere": flip_anywhere,
        "overwrite-page": overwrite_page, "shorten-database": shorten_database}
ROUNDS = 20


# --- a run ---


class Damage:
    def __init__(self, folder, way, lot):
        self.way, self.lot = way, lot
        self.is_closed = True
        self.run = Run(folder, lot.randrange(1 << 30), softly=lambda token, recipient: self.is_closed)

    async def _fill_queue(self):
        senders = self.run.senders
        for number in range(MAILS):
            recipients = ["two@gate.test"] if number % 3 else ["one@gate.test"]
            mail = senders.new_mail(recipients, LARGE_BYTES if number % 4 == 0 else SMALL_BYTES)
            await asyncio.wait_for(senders.send(mail), 30)

    async def _stop(self):
        await self.run.service.stop()
        await self.run.keeper

    def _is_over(self):
        """What is not set aside has gone."""
        return self.run.service.is_serving() and self.run.service.queued_legs() == 0

    def _suffering(self, known):
        """The tokens that are excused: those damaged, or those missing when it is not known but has been reported."""
        if known is not None:
            return known
        log = self.run.service.log()
        if SET_ASIDE not in log and SALVAGED not in log:
            return set()
        there = {(arrival.token, arrival.recipient) for arrival in self.run.arrivals}
        return {leg[0] for mail in self.run.senders.mails for leg in mail.legs() if leg not in there}

    async def __call__(self):
        run = self.run
        await run.open()
        await self._fill_queue()
        await self._stop()
        known = self.way(run.service.rules.state / "store", self.lot)
        self.is_closed = False
        run.service.port = None
        run.keeper = asyncio.create_task(run.service.keep_up())
        if not await run.service.wait(self._is_over, 30):
            run.service.problems.append(f"{run.service.queued_legs()} legs still wait in the queue")
        await self._stop()
        for sink in run.sinks:
            await sink.close()
        return self._account(known)

    def _account(self, known):
        run, excused = self.run, self._suffering(known)
        total = Account(run.senders.mails, run.arrivals, run.service, excused).sum()
        if known and SET_ASIDE not in run.service.log():
            total.problems.append("it was not reported")
        total.problems = [f"{run.folder.name}: {problem}" for problem in total.problems]
        return total


async def damage(options, folder):
    places = asyncio.Semaphore(AT_A_TIME)

    async def do(name, number):
        path = folder / f"{name}-{number}"
        async with places:
            total = await Damage(path, WAYS[name], random.Random(f"{options.seed} {path.name}"))()
        if total.is_good:
            shutil.rmtree(path)
        return total

    rounds = max(1, options.points // 6) if options.points else ROUNDS
    totals = await asyncio.gather(*(do(name, number) for name in WAYS for number in range(rounds)))
    print(f"  damaged {rounds} times in each of {len(WAYS)} ways", flush=True)
    return sum(totals, Sum())
