"""Senders that come again as real ones do: with the same message, until they are told that it was taken or refused."""
import asyncio
import dataclasses
import hashlib
import random
import time

ANSWER_S = 30
# What is sent, to whom, and where each recipient's rule sends it.
DESTINATIONS = {
    "one@gate.test": ["a@d1.test"],
    "two@gate.test": ["b@d1.test", "c@d2.test"],
    "strict@gate.test": ["e@d1.test", "f@d2.test"],
    "work@gate.test": ["g@d2.test"],
}
ENVELOPES = [["one@gate.test"], ["two@gate.test"], ["strict@gate.test"], ["work@gate.test"],
             ["one@gate.test", "two@gate.test"], ["strict@gate.test", "work@gate.test"]]
SMALL_BYTES, LARGE_BYTES = 5_000, 300_000  # the large ones are files of the queue

ACCEPTED, DEFERRED, REFUSED = "accepted", "deferred", "refused"
LOST = "lost"  # its content was being sent, or was sent, and no answer came
UNSENT = "unsent"


@dataclasses.dataclass
class Attempt:
    outcome: str
    reply: str
    time: float = dataclasses.field(default_factory=time.time)


class Mail:
    def __init__(self, token, recipients, size):
        self.token, self.recipients = token, recipients
        lot = random.Random(token)
        line = b"".join(bytes([lot.choice(b"abcdefghijklmnopqrstuvwxyz 0123456789")]) for _ in range(70)) + b"\r\n"
        self.body = (line * (size // len(line) + 1))[:size] + b"\r\n"
        self.digest = hashlib.sha256(self.body).hexdigest()
        self.attempts = []

    @property
    def is_accepted(self):
        return bool(self.attempts) and self.attempts[-1].outcome == ACCEPTED

    def legs(self):
        return [(self.token, address) for recipient in self.recipients for address in DESTINATIONS[recipient]]

    def content(self):
        """The mark is not in what the ledger names a message by; all else is the same each time."""
        return (f"X-Torture: {self.token} {len(self.attempts)} {self.digest}\r\n"
                f"From: anna@sender.test\r\nSubject: {self.token}\r\nMessage-ID: <{self.token}@sender.test>\r\n\r\n"
                ).encode() + self.body


class Conversation:
    """One session with the gateway."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def say(self, line):
        self.writer.write(line + b"\r\n")
        return await self.answer()

    async def answer(self):
        while True:
            line = await asyncio.wait_for(self.reader.readline(), ANSWER_S)
            if not line.endswith(b"\n"):
                raise ConnectionError("no answer")
            if line[3:4] != b"-":
                return line.decode("utf-8", "replace").strip()

    async def deliver(self, mail):
        """(outcome, reply); LOST and UNSENT are raised as ConnectionError."""
        lines = [b"MAIL FROM:<%s@sender.test>" % mail.token.encode()]
        lines += [b"RCPT TO:<%s>" % recipient.encode() for recipient in mail.recipients]
        for line in [*lines, b"DATA"]:
            reply = await self.say(line)
            if reply[0] not in "23":
                return (DEFERRED if reply[0] == "4" else REFUSED), reply
        self.is_sending = True
        self.writer.write(mail.content() + b".\r\n")
        await self.writer.drain()
        reply = await self.answer()
        return {"2": ACCEPTED, "4": DEFERRED}.get(reply[0], REFUSED), reply


class Senders:
    """`port()` says where the gateway listens now; None while it is down."""

    def __init__(self, port, seed=0):
        self.port = port
        self.random = random.Random(seed)
        self.mails = []
        self.has_given_up = False

    def new_mail(self, recipients=None, size=None):
        token = f"t{len(self.mails)}-{self.random.randrange(1 << 30):x}"
        size = size or (LARGE_BYTES if self.random.random() < 0.05 else SMALL_BYTES)
        mail = Mail(token, recipients or self.random.choice(ENVELOPES), size)
        self.mails.append(mail)
        return mail

    async def _attempt(self, mail):
        conversation = writer = None
        try:
            port = self.port()
            if not port:
                raise ConnectionError("the gateway is down")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            conversation = Conversation(reader, writer)
            conversation.is_sending = False
            if not (await conversation.answer()).startswith("220"):
                raise ConnectionError("no greeting")
            await conversation.say(b"EHLO client.sender.test")
            return Attempt(*await conversation.deliver(mail))
        except (OSError, asyncio.TimeoutError) as error:
            is_lost = conversation is not None and conversation.is_sending
            return Attempt(LOST if is_lost else UNSENT, repr(error))
        finally:
            if writer:
                writer.close()

    async def send(self, mail):
        """Until it is taken, refused or given up."""
        while not self.has_given_up:
            attempt = await self._attempt(mail)
            mail.attempts.append(attempt)
            if attempt.outcome in (ACCEPTED, REFUSED):
                return
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    async def send_until(self, deadline):
        while time.time() < deadline:
            await self.send(self.new_mail())
