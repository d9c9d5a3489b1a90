"""A Postern server of a test's own, on a generated rules directory and a port that the kernel chose.

Files are written as JSON, which is YAML too."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("POSTERN", str(ROOT / "build/release/postern"))
PATIENCE_S = 60


def wait_until(condition, what, seconds=PATIENCE_S):
    """Returns the first true value of condition(); fails after a bounded time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)


def postern(*arguments, stdin=b"", **options):
    """Runs a command to its end; its result has text in stdout and stderr."""
    done = subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=PATIENCE_S * 2, check=False, **options)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


class Rules:
    """A rules directory with its scripts."""

    def __init__(self, folder, upstream=None, host=None):
        self.folder = folder / "rules"
        self.scripts = folder / "scripts"
        self.state = folder / "state"
        for path in (self.folder, self.scripts):
            path.mkdir(parents=True)
        self.host = {
            "name": "mx.gate.test",
            "postmaster": "admin@dest.test",
            "listen": [{"address": "127.0.0.1:0"}],
            "hosts": 1,
            "state": str(self.state),
            "scripts": str(self.scripts),
            "auth": "off",
            "forwarding": {"srs": False},
        }
        if upstream:
            self.host["routes"] = {"*": {"host": "127.0.0.1", "port": upstream, "tls": "none"}}
        self.host.update(host or {})
        self.write_host()

    def write_host(self, **changes):
        self.host.update(changes)
        self.write("host.yaml", self.host)

    def write(self, name, content):
        """Replaces a file at once, as careful editors do."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path = self.folder / name
        fresh = path.with_suffix(".fresh")
        fresh.write_text(text)
        fresh.rename(path)
        return path

    def domain(self, name, *rules, **more):
        return self.write(f"{name}.yaml", {"domain": name, "rules": list(rules), **more})

    def script(self, name, text):
        path = self.scripts / f"{name}.lua"
        path.write_text(text)
        return path


class Gateway:
    def __init__(self, rules, verb="serve", *arguments):
        self.rules = rules
        self.out_path = rules.folder.parent / "postern.out"
        self.log_path = rules.folder.parent / "postern.log"
        with open(self.out_path, "wb") as out, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([BINARY, verb, str(rules.folder), *arguments],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=log)
        try:
            self.ports = wait_until(self._read_ports, "postern to listen")
        except AssertionError:
            self.kill()
            raise
        self.port = self.ports[0]

    def _read_ports(self):
        lines = self.out_path.read_text().splitlines()
        ports = [int(line.rsplit(":", 1)[1]) for line in lines if line.startswith("listening smtp ")]
        if len(ports) == len(self.rules.host["listen"]):
            return ports
        assert self.process.poll() is None, "postern ended:\n" + self.log()
        return None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def events(self, name):
        """The log lines of an event."""
        return [line for line in self.log().splitlines() if line.split(" ")[2:3] == [name]]

    def reload(self):
        """Waits until what was just written has taken effect or was refused."""
        def seen():
            return len(self.events("rules.loaded")) + len(self.events("rules.refused"))
        before = seen()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: seen() > before, "the reload")

    def connect(self, **options):
        import smtplib
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.sender.test",
                            timeout=PATIENCE_S, **options)

    def dialogue(self):
        return Dialogue(self.port)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        return self.process.wait(timeout=PATIENCE_S)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """The end of every test: a server still there ends well when asked to."""
        try:
            if self.process.poll() is None:
                self.terminate()
                self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("postern did not end after SIGTERM:\n" + self.log()) from None
        assert self.process.returncode == 0, self.log()


class Dialogue:
    """An SMTP session by hand, for what smtplib would not say."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.reader = self.socket.makefile("rb")

    def expect(self, code):
        """The reply's lines without their codes; all must have the code."""
        lines = []
        while True:
            line = self.reader.readline().decode()
            assert line[:3] == str(code), f"expected {code}, got {line!r}"
            lines.append(line[4:].rstrip("\r\n"))
            if line[3:4] != "-":
                return lines

    def say(self, line, code):
        self.send(line.encode() + b"\r\n")
        return self.expect(code)

    def send(self, content):
        self.socket.sendall(content)

    def at_end(self):
        return self.reader.read() == b""

    def close(self):
        self.reader.close()
        self.socket.close()
