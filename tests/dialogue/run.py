#!/usr/bin/python3
"""Plays SMTP dialogues (*.smtp, see README.md) against a server: one it starts, or one that runs already.

    run.py --server build/dev/tests/dialogue/dialogue_server tests/dialogue/*.smtp
    run.py --connect mx.example.com:25 tests/dialogue/helo.smtp
"""
import argparse
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

PATIENCE_S = 60  # for one line from the server
SILENCE_S = 0.3


class Broken(Exception):
    """The server did not keep to the dialogue."""


def unescape(text):
    """The bytes that a line of a dialogue stands for: UTF-8, with \\xNN, \\r, \\n, \\t and \\\\."""
    letters = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}

    def byte(match):
        code = match.group(1)
        return bytes([int(code[1:], 16)]) if code[:1] == b"x" else letters[code]

    return re.sub(rb"\\(x[0-9a-fA-F]{2}|[rnt\\])", byte, text.encode())


def matches(pattern, line):
    regex = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(regex, line, re.DOTALL) is not None


class Connection:
    """One client's connection."""

    def __init__(self, address, source=None, tls=False):
        source_address = (source, 0) if source else None
        self.socket = socket.create_connection(address, PATIENCE_S, source_address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        if tls:
            self.start_tls()

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.received = b""
        self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Broken(f"cannot send: {error}") from error

    def receive(self):
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""
        except socket.timeout as error:
            raise Broken("the server says nothing") from error

    def line(self):
        while b"\n" not in self.received:
            more = self.receive()
            if not more:
                raise Broken("the server has closed the connection")
            self.received += more
        line, self.received = self.received.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Broken("a reply without CRLF")
        return line[:-1].decode(errors="backslashreplace")

    def expect_close(self):
        rest = self.received or self.receive()
        if rest:
            raise Broken(f"the server said {rest!r} instead of closing")

    def expect_silence(self):
        self.socket.settimeout(SILENCE_S)
        try:
            self.received += self.socket.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            pass
        self.socket.settimeout(PATIENCE_S)
        if self.received:
            raise Broken(f"the server said {self.received!r} instead of nothing")


class Server:
    """The server that is spoken to."""

    def __init__(self, program, config):
        self.messages = []
        self.is_told_to_end = False
        self.process = subprocess.Popen([program] + config, stdout=subprocess.PIPE)
        words = self.process.stdout.readline().split()
        if not words:
            raise Broken("the server does not start")
        self.ports = [int(word) for word in words[1:]]
        self.reader = threading.Thread(target=self.read_messages)
        self.reader.start()

    def read_messages(self):
        for line in self.process.stdout:
            self.messages.append(line.rstrip(b"\r\n").decode(errors="backslashreplace"))

    def shut_down(self):
        if not self.is_told_to_end and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.is_told_to_end = True

    def end(self):
        self.shut_down()
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Broken("the server does not end") from None
        self.reader.join()
        if code != 0:
            raise Broken(f"the server ended with code {code}")


class Dialogue:
    """A file of what both sides say."""

    def __init__(self, path):
        self.config = []
        self.steps = []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                if line.startswith("config "):
                    self.config += line.split()[1:]
                elif line and not line.startswith("#"):
                    verb, _, rest = line.partition(" ")
                    self.steps.append((number, verb, rest))

    def needs_own_server(self):
        verbs = {verb for _, verb, _ in self.steps}
        return bool(self.config or verbs & {"M:", "M-none:", "shutdown", "as"})


class Player:
    """Plays one dialogue."""

    def __init__(self, addresses, server):
        self.addresses = addresses  # plain, implicit TLS
        self.server = server
        self.connections = {}
        self.current = None
        self.unsent = b""
        self.seen = 0  # lines of the server's messages

    def connection(self):
        if self.current is None:
            self.do_as("client")
        return self.connections[self.current]

    def flush(self):
        if self.unsent:
            data, self.unsent = self.unsent, b""
            self.connection().send(data)

    def play(self, steps):
        actions = {
            "C:": self.do_say, "C-raw:": self.do_raw, "C-bytes:": self.do_bytes,
            "C-repeat:": self.do_repeat, "C-tls:": self.do_tls, "C-close:": self.do_close,
            "S:": self.do_expect, "S*": self.do_expect_reply, "S-close:": self.do_expect_close,
            "S-silent:": self.do_expect_silence, "M:": self.do_message, "M-none:": self.do_no_message,
            "as": self.do_as, "wait": self.do_wait, "shutdown": self.do_shutdown,
        }
        for number, verb, rest in steps:
            try:
                if verb not in actions:
                    raise Broken(f"unknown verb {verb}")
                if verb not in ("C:", "C-raw:", "C-repeat:"):
                    self.flush()
                actions[verb](rest)
            except (Broken, OSError) as error:
                raise Broken(f"line {number}: {error}") from error
        self.flush()

    # Lines of the client that follow each other go out in one write.
    def do_say(self, rest):
        self.unsent += unescape(rest) + b"\r\n"

    def do_raw(self, rest):
        self.unsent += unescape(rest)

    def do_repeat(self, rest):
        count, _, line = rest.partition(" ")
        self.unsent += int(count) * unescape(line)

    def do_bytes(self, rest):
        for byte in unescape(rest):
            self.connection().send(bytes([byte]))
            time.sleep(0.0005)

    def do_tls(self, _):
        self.connection().start_tls()

    def do_close(self, _):
        self.connection().socket.close()
        del self.connections[self.current]
        self.current = None

    def do_expect(self, pattern):
        line = self.connection().line()
        if not matches(pattern, line):
            raise Broken(f"expected: {pattern}\n    but heard: {line}")

    def do_expect_reply(self, code):
        line = "000-"
        while line[3:4] == "-":
            line = self.connection().line()
            if not line.startswith(code):
                raise Broken(f"expected a reply {code}, but heard: {line}")

    def do_expect_close(self, _):
        self.connection().expect_close()

    def do_expect_silence(self, _):
        self.connection().expect_silence()

    def next_message_line(self):
        until = time.monotonic() + PATIENCE_S
        while self.seen >= len(self.server.messages):
            if time.monotonic() > until:
                raise Broken("the server has taken no such message")
            time.sleep(0.01)
        self.seen += 1
        return self.server.messages[self.seen - 1]

    def do_message(self, pattern):
        skips = pattern.startswith("... ")
        pattern = pattern[4:] if skips else pattern
        line = self.next_message_line()
        while skips and not matches(pattern, line):
            line = self.next_message_line()
        if not matches(pattern, line):
            raise Broken(f"expected in the message: {pattern}\n    but found: {line}")

    def do_no_message(self, _):
        time.sleep(SILENCE_S)
        if self.seen < len(self.server.messages):
            raise Broken("the server has taken a message")

    def do_as(self, rest):
        words = rest.split()
        name = words[0]
        if name not in self.connections:
            source = words[words.index("from") + 1] if "from" in words else None
            tls = "tls" in words
            self.connections[name] = Connection(self.addresses[tls], source, tls)
        self.current = name

    def do_wait(self, seconds):
        time.sleep(float(seconds))

    def do_shutdown(self, _):
        self.server.shut_down()

    def close(self):
        for connection in self.connections.values():
            connection.socket.close()


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def play_with_server(dialogue, program):
    host = "::1" if "v6=1" in dialogue.config else "127.0.0.1"
    server = Server(program, dialogue.config)
    player = Player([(host, port) for port in server.ports], server)
    try:
        player.play(dialogue.steps)
    finally:
        player.close()
        server.end()


def play(path, options):
    """True if the dialogue went as written, or was skipped."""
    try:
        dialogue = Dialogue(path)
        if "v6=1" in dialogue.config and not has_ipv6():
            print(f"skipped {path}: no IPv6 here")
            return True
        if options.server:
            play_with_server(dialogue, options.server)
        elif dialogue.needs_own_server():
            print(f"skipped {path}: it needs a server of its own")
            return True
        else:
            host, _, port = options.connect.rpartition(":")
            player = Player([(host, int(port))], None)
            player.play(dialogue.steps)
            player.close()
    except (Broken, OSError) as error:
        print(f"FAILED {path}: {error}")
        return False
    print(f"ok {path}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--server", help="a dialogue_server to start for each dialogue")
    target.add_argument("--connect", metavar="HOST:PORT", help="a server that runs")
    parser.add_argument("dialogues", nargs="+")
    options = parser.parse_args()
    results = [play(path, options) for path in options.dialogues]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
