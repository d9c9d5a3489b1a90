"""A Postern service that is made to fail: its hosts are killed, its disk is full or broken."""
import asyncio
import contextlib
import ctypes
import mmap
import os
import pathlib
import signal
import sqlite3
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from gateway import BINARY, Rules  # noqa: E402

FAULTS_LIBRARY = pathlib.Path(BINARY).parent / "faults.so"
PR_SET_PDEATHSIG = 1
START_S = 30
STOP_S = 40

# faults.c
CREATE, WRITE, SYNC, RESIZE, RENAME, UNLINK = (1 << bit for bit in range(6))
ANY_KIND = (1 << 6) - 1
NONE, KILL_BEFORE, KILL_WITHIN, KILL_AFTER, EIO, ENOSPC, SHORT, POWER_CUT = range(8)
KILLS = (KILL_BEFORE, KILL_WITHIN, KILL_AFTER, POWER_CUT)
FOREVER = (1 << 64) - 1


def die_with_parent():
    """In the child: no service outlives a torture that is killed itself."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Faults:
    """The control file of faults.so, which all processes of a service share."""
    FIELDS = ("count", "first", "last", "action", "kinds", "faults", "is_power_cut")

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8 * len(self.FIELDS)))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def __getitem__(self, field):
        return struct.unpack_from("=Q", self.map, 8 * self.FIELDS.index(field))[0]

    def __setitem__(self, field, value):
        struct.pack_into("=Q", self.map, 8 * self.FIELDS.index(field), value)

    def arm(self, action, first, last=None, kinds=ANY_KIND):
        self["action"], self["kinds"] = action, kinds
        self["last"], self["first"] = last or first, first

    def clear(self):
        self["action"] = NONE


class Durable:
    """What faults.so keeps of files that were fsynced: durable.h."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def _names(self, directory):
        """The files that the directory had when it was last fsynced: name -> inode."""
        path = self.path / f"{directory.stat().st_ino}.names"
        lines = path.read_text().splitlines() if path.exists() else []
        return {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in lines}

    def _content(self, inode):
        path = self.path / inode
        return path.read_bytes() if path.exists() else b""

    def restore(self, top):
        """Directories stay; a file whose content was never fsynced is empty, one whose name was not is gone."""
        for directory in [path for path in (top, *top.rglob("*")) if path.is_dir()]:
            files = {name: self._content(inode) for name, inode in self._names(directory).items()}
            for path in directory.iterdir():
                if path.is_file():
                    path.unlink()
            fresh = []
            for name, content in files.items():
                (directory / name).write_bytes(content)
                (directory / name).chmod(0o600)
                fresh.append((name, content, (directory / name).stat().st_ino))
            for _, content, inode in fresh:
                (self.path / str(inode)).write_bytes(content)
            lines = "".join(f"{name} {inode}\n" for name, _, inode in fresh)
            (self.path / f"{directory.stat().st_ino}.names").write_text(lines)


class Service:
    """`keeps_durable`: so that its power can be cut."""

    def __init__(self, folder, sinks, hosts, queue, keeps_durable=False, **host):
        self.folder = folder
        self.rules = make_rules(folder, sinks, hosts, queue, host)
        self.faults = Faults(folder / "faults")
        self.durable = Durable(folder / "durable") if keeps_durable else None
        self.log_path = folder / "postern.log"
        self.process = None
        self.port = None
        self.starts = 0
        self.kills = []  # when a host was killed, by us or by a fault
        self.failures = []  # when the disk was made to fail
        self.problems = []
        self.is_wanted = False

    # --- its life ---

    def _spawn(self, out):
        environment = dict(os.environ, LD_PRELOAD=str(FAULTS_LIBRARY), FAULTS_CONTROL=str(self.faults.path),
                           FAULTS_DIRECTORY=str(self.rules.state))
        if self.durable:
            environment["FAULTS_DURABLE"] = str(self.durable.path)
        with open(out, "wb") as stdout, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BINARY, "serve", str(self.rules.folder)], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                                            preexec_fn=die_with_parent)

    async def start(self):
        """Whether it serves."""
        self.starts += 1
        out = self.folder / f"postern.{self.starts}.out"
        self._spawn(out)
        deadline = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < deadline:
            for line in out.read_text().splitlines():
                if line.startswith("listening smtp "):
                    self.port = int(line.rsplit(":", 1)[1])
                    return True
            await asyncio.sleep(0.01)
        if self.process.poll() is None:
            self.problems.append(f"it did not come to listen within {START_S} s")
        return False

    async def keep_up(self):
        """Starts it again whenever it has ended; notes when faults come."""
        self.is_wanted = True
        seen = 0
        while self.is_wanted:
            if self.faults["faults"] != seen:
                seen = self.faults["faults"]
                (self.kills if self.faults["action"] in KILLS else self.failures).append(time.time())
            if self.faults["is_power_cut"]:
                self.cut_power()
            if self.process is None or self.process.poll() is not None:
                self.port = None
                if not await self.start():
                    await asyncio.sleep(0.1)
            await asyncio.sleep(0.01)

    def is_serving(self):
        return self.port is not None and self.process.poll() is None

    async def wait(self, condition, seconds):
        """Whether it came true in time."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return condition()

    async def stop(self):
        """As an administrator stops it; a problem when it does not end well."""
        if not await self.wait(self.is_serving, START_S):
            self.problems.append(f"it did not come to serve within {START_S} s")
        self.is_wanted = False
        self.process.send_signal(signal.SIGTERM)
        if not await self.wait(lambda: self.process.poll() is not None, STOP_S):
            self.problems.append(f"it did not end within {STOP_S} s of SIGTERM")
            self.kill_all()
        elif self.process.returncode != 0:
            self.problems.append(f"it ended with status {self.process.returncode}")

    # --- killing ---

    def hosts(self):
        with contextlib.suppress(OSError):
            pid = self.process.pid
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children]
        return []

    def _kill(self, pids):
        self.kills.append(time.time())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_host(self, pid):
        self._kill([pid])

    def kill_supervisor(self):
        """Its hosts end what they have begun, while the next service starts already."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_all(self):
        self._kill([self.process.pid, *self.hosts()])
        self.process.wait()

    def cut_power(self):
        """Nothing is left but what was fsynced."""
        self.faults["is_power_cut"] = 1
        self.kill_all()
        self.durable.restore(self.rules.state)
        self.faults["is_power_cut"] = 0

    # --- what it says ---

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def forwarded(self):
        """(passage, recipient) -> how often a host has noted that it was delivered."""
        noted = {}
        for line in self.log().splitlines():
            words = line.split(" ")
            if words[2:3] == ["message.forwarded"]:
                fields = dict(word.split("=", 1) for word in words[3:] if "=" in word)
                key = fields.get("id"), fields.get("to", "").lower()
                noted[key] = noted.get(key, 0) + 1
        return noted

    def crashes(self):
        """Hosts that were ended by a signal, SIGKILL excepted."""
        return [line for line in self.log().splitlines()
                if " host.crashed " in line and " signal=0" not in line and " signal=9" not in line]

    def queued_legs(self, state=0):
        """How many wait in the queue; None when that cannot be told now."""
        path = self.rules.state / "store" / "queue.db"
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
                return database.execute("SELECT count(*) FROM leg WHERE state = ?", [state]).fetchone()[0]
        except sqlite3.Error:
            return None


def make_rules(folder, sinks, hosts, queue, host):
    rules = Rules(folder)
    rules.script("hand", 'return { email = function(message) message:forward("g@d2.test") end }')
    rules.domain("gate.test",
                 {"to": "one@", "forward": "a@d1.test"},
                 {"to": "two@", "forward": ["b@d1.test", "c@d2.test"]},
                 {"to": "strict@", "forward": ["e@d1.test", "f@d2.test"], "on_soft_failure": "defer"},
                 {"to": "work@", "worker": "hand"},
                 recipients_per_transaction=10)
    rules.write_host(hosts=hosts, queue=queue, delivery={"connect_timeout": "1s"},
                     routes={f"d{number}.test": {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
                             for number, sink in enumerate(sinks, 1)}, **host)
    return rules
