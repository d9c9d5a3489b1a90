"""./do torture in short: a minute of killed hosts, disks that fail and damage."""
import pathlib
import re
import subprocess

from gateway import BINARY, ROOT


def test_no_promise_is_broken_under_torture():
    done = subprocess.run(["/usr/bin/python3", ROOT / "tests/torture/torture.py", "--short",
                           "--build", pathlib.Path(BINARY).parent],
                          capture_output=True, text=True, timeout=400, check=False)
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    counts = re.fullmatch(r"answered 250: (\d+), arrived: (\d+), lost: 0, duplicated: (\d+), of these in flight: (\d+)",
                          last)
    assert done.returncode == 0 and counts, done.stdout + done.stderr
    assert counts[1] == counts[2] and counts[3] == counts[4]
