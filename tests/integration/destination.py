"""The next hop: an SMTP server (aiosmtpd) that keeps what it takes and answers as a test wants."""
import asyncio
import dataclasses
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from gateway import wait_until


@dataclasses.dataclass
class Mail:
    sender: str
    recipient: str
    content: bytes
    is_tls: bool
    options: list

    def header(self, name):
        """Raw values of a header field, unfolded."""
        head = self.content.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        lines = [line.split(b":", 1) for line in head.split(b"\r\n") if b":" in line]
        return [value.strip().decode("utf-8", "replace") for key, value in lines
                if key.decode("latin-1").lower() == name.lower()]


class Destination:
    """`replies` maps a recipient to the reply to RCPT, or with "DATA " in front to the reply to the content.
    While `gate` is cleared, the reply to the content waits."""

    def __init__(self, address="127.0.0.1", port=0, tls_context=None, **options):
        self.mails = []
        self.replies = {}
        self.sessions = 0
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0

        class LongLines(SMTP):
            line_length_limit = 100_000

        class Listening(Controller):
            def factory(inner):
                self.sessions += 1
                return LongLines(self, hostname="next.dest.test", tls_context=tls_context,
                                 enable_SMTPUTF8=True, data_size_limit=None, **options)

            def _trigger_server(inner):
                """The port is known only once the kernel has chosen it."""
                inner.port = inner.server.sockets[0].getsockname()[1]
                super()._trigger_server()

        self.controller = Listening(self, hostname=address, port=port, ready_timeout=20)
        self.controller.start()
        self.port = self.controller.port
        self.sessions = 0  # the controller has tried a connection of its own
        self.is_open = True

    def stop(self):
        self.gate.set()
        if self.is_open:
            self.is_open = False
            self.controller.stop()

    def wait_for(self, count):
        return wait_until(lambda: len(self.mails) >= count and self.mails[:], f"{count} mails")

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.replies.get(address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        self.waiting += 1
        while not self.gate.is_set():
            await asyncio.sleep(0.01)
        self.waiting -= 1
        for recipient in envelope.rcpt_tos:
            reply = self.replies.get("DATA " + recipient)
            if reply:
                return reply
            sender = "" if envelope.mail_from == "<>" else envelope.mail_from
            self.mails.append(Mail(sender, recipient, envelope.original_content,
                                   session.ssl is not None, envelope.mail_options))
        return "250 2.0.0 Taken"
