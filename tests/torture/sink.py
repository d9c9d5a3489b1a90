"""The next hop: keeps what it takes, by message and attempt, in whatever weather it is told to have."""
import asyncio
import contextlib
import dataclasses
import hashlib
import random
import re
import time

MARK = re.compile(rb"^X-Torture: (\S+) (\d+) ([0-9a-f]{64})\r$", re.M)
PASSAGE = re.compile(rb"^\s+id ([0-9a-z]+);?\r$", re.M)
CONTENT_MAX = 4 << 20
# What the weather may be, and how often.
WEATHERS = {"fine": 60, "450 to RCPT": 12, "450 to DATA": 10, "slow": 8, "cut": 5, "down": 5}


@dataclasses.dataclass
class Arrival:
    token: str
    attempt: int  # the sender's, which brought it to the gateway
    recipient: str
    passage: str  # the gateway's name for that attempt
    time: float  # just before the 250
    is_intact: bool


def parse(content, recipient):
    head, _, body = content.partition(b"\r\n\r\n")
    mark, passage = MARK.search(head + b"\r\n"), PASSAGE.search(head)
    return Arrival(mark[1].decode(), int(mark[2]), recipient, passage[1].decode() if passage else "", time.time(),
                   hashlib.sha256(body).hexdigest().encode() == mark[3])


class Sink:
    """`softly(token, recipient)` may say that this one is to come again, whatever the weather."""

    def __init__(self, arrivals, seed=0, softly=lambda token, recipient: False):
        self.arrivals = arrivals
        self.random = random.Random(seed)
        self.softly = softly
        self.weather = "fine"
        self.port = 0
        self.server = None
        self.idle = set()  # connections that carry no content now

    async def open(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=CONTENT_MAX, backlog=500)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self):
        """Nobody listens any more. A content that is being taken is taken."""
        if self.server:
            self.server.close()
            self.server = None
        for writer in list(self.idle):
            writer.close()

    async def change_weather(self):
        """Until it is cancelled; then it is fine."""
        try:
            while True:
                await asyncio.sleep(self.random.uniform(0.1, 0.8))
                await self.set_weather(self.random.choices(list(WEATHERS), WEATHERS.values())[0])
        finally:
            await self.set_weather("fine")

    async def set_weather(self, weather):
        self.weather = weather
        if weather == "down":
            await self.close()
        elif not self.server:
            await self.open()

    def _is(self, weather):
        return self.weather == weather and self.random.random() < 0.6

    async def _serve(self, reader, writer):
        self.idle.add(writer)
        try:
            await Session(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.idle.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Session:
    def __init__(self, sink, reader, writer):
        self.sink, self.reader, self.writer = sink, reader, writer
        self.recipients = []

    def _say(self, reply):
        self.writer.write(reply.encode() + b"\r\n")

    async def run(self):
        self._say("220 next.dest.test ESMTP")
        while line := await self.reader.readline():
            verb, _, rest = line.decode("latin-1").strip().partition(" ")
            answer = getattr(self, "_" + verb.lower(), None)
            if not answer:
                self._say("500 5.5.1 What?")
            elif await answer(rest) is False:
                return
            await self.writer.drain()

    async def _ehlo(self, _):
        self._say("250-next.dest.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")

    async def _mail(self, _):
        self.recipients = []
        self._say("250 2.1.0 Ok")

    async def _rcpt(self, path):
        if self.sink._is("450 to RCPT"):
            self._say("450 4.2.1 not just now")
            return
        self.recipients.append(path[path.index("<") + 1:path.index(">")].lower())
        self._say("250 2.1.5 Ok")

    async def _rset(self, _):
        self.recipients = []
        self._say("250 2.0.0 Ok")

    async def _noop(self, _):
        self._say("250 2.0.0 Ok")

    async def _quit(self, _):
        self._say("221 2.0.0 Bye")
        return False

    async def _data(self, _):
        if not self.recipients:
            self._say("503 5.5.1 To whom?")
            return True
        self.sink.idle.discard(self.writer)
        self._say("354 Go on")
        await self.writer.drain()
        if self.sink._is("cut"):
            await self.reader.read(500)
            self.writer.transport.abort()
            return False
        content = (await self.reader.readuntil(b"\r\n.\r\n"))[:-3]
        await self._take(content)
        self.sink.idle.add(self.writer)
        return True

    async def _take(self, content):
        arrivals = [parse(content, recipient) for recipient in self.recipients]
        if self.sink._is("slow"):
            await asyncio.sleep(self.sink.random.uniform(0.05, 0.5))
        if self.sink._is("450 to DATA") or any(self.sink.softly(each.token, each.recipient) for each in arrivals):
            self._say("450 4.3.0 later, please")
            return
        for arrival in arrivals:
            arrival.time = time.time()
        self.sink.arrivals.extend(arrivals)
        self._say("250 2.0.0 Taken")
        await self.writer.drain()
