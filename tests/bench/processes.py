"""Programs that the bench starts, and what they use of the machine."""
import os
import pathlib
import signal
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 60


class BenchError(Exception):
    """What was measured failed: the text says which and why."""


# --- process trees ---


def _stat(pid):
    """What /proc says of a process after its name; None once it has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def tree(pid):
    """The process and all below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        fields = _stat(entry.name) if entry.name.isdigit() else None
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def isolates(pid):
    """The processes of worker scripts in a tree."""
    return [each for each in tree(pid) if pathlib.Path(f"/proc/{each}/comm").read_text().startswith("lua:")]


def cpu_seconds(*pids):
    """Of these processes, those of their ended children included."""
    return sum(sum(map(int, (_stat(pid) or ["0"] * 15)[11:15])) for pid in pids) / TICKS


def tree_cpu_seconds(pid):
    return cpu_seconds(*tree(pid))


def memory_kib(pid):
    """Of one process: PSS, where what processes share counts once, and what it shares with none."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount = line.split(":")
        found[name] = int(amount.split()[0])
    return {"pss": found["Pss"], "private": found["Private_Clean"] + found["Private_Dirty"]}


def tree_pss_kib(pid):
    return sum(memory_kib(each)["pss"] for each in tree(pid))


# --- programs ---


class Programs:
    """All that is under way; none of it outlives the bench."""

    def __init__(self):
        self.running = []

    def start(self, *command, **options):
        process = subprocess.Popen(list(map(str, command)), **options)
        self.running.append(process)
        return process

    def listen(self, *command, log=None):
        """Starts a program that says on which port it listens, in a line that begins with "listening"."""
        process = self.start(*command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        line = process.stdout.readline()
        if not line.startswith("listening"):
            raise BenchError(f"{' '.join(map(str, command))} did not start: {line!r}")
        process.port = int(line.replace(":", " ").split()[-1])
        return process

    def run(self, *command, patience_s=PATIENCE_S, **options):
        """Waits for a program: its exit code and its output."""
        process = self.start(*command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **options)
        try:
            output, _ = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{' '.join(map(str, command))} has not ended within {patience_s} s") from None
        finally:
            self.stop(process, signal.SIGKILL)
        return process.returncode, output

    def stop(self, process, by=signal.SIGTERM):
        """Ends it, with all below it if it does not end by itself: what it had still to say."""
        if process.poll() is None:
            process.send_signal(by)
        try:
            output, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            for pid in reversed(tree(process.pid)):
                os.kill(pid, signal.SIGKILL)
            raise BenchError(f"{process.args[0]} does not end") from None
        except ValueError:
            output = None  # it has been read
        if process in self.running:
            self.running.remove(process)
        return output

    def stop_all(self):
        for process in reversed(self.running[:]):
            try:
                self.stop(process)
            except BenchError as error:
                print(error, flush=True)
