"""What is installed beside the program."""
import pathlib
import re
import shutil
import subprocess

import pytest
from gateway import BINARY, ROOT

UNIT = ROOT / "packaging/postern.service"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")


@pytest.fixture
def unit(tmp_path):
    """The unit file, with the program where it was built."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/usr/bin/postern", str(pathlib.Path(BINARY).resolve())))
    return path


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode()


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    assert analyze("verify", "--man=no", unit) == (0, "")


@needs_systemd
def test_the_unit_is_hardened(unit):
    code, report = analyze("security", "--offline=true", "--threshold=20", unit)
    exposure = float(re.search(r"exposure level for \S+ (\S+)", report).group(1))
    assert code == 0 and exposure <= 2.0, report
