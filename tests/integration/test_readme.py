"""What README says is so: its scripts and rules are run as they stand there."""
import json
import re
import subprocess
import textwrap

import pytest
from gateway import BINARY, ROOT

README = (ROOT / "README.md").read_text()
MESSAGE = b"From: a@sender.test\nTo: hello@example.com\nSubject: %s\nMessage-ID: <1@sender.test>\n\nhello\n"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


def script_of_step_three():
    text = README.split("3. Write `scripts/examples/hello.lua`:", 1)[1].split("\n4. ", 1)[0]
    return textwrap.dedent(text.strip("\n"))


def run(script, subject, recipient):
    done = subprocess.run([BINARY, "run", script, "--from", "a@sender.test", "--to", recipient], input=MESSAGE % subject,
                          capture_output=True, timeout=60, check=False)
    return json.loads(done.stdout)


def test_the_first_example_is_a_rules_directory(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "hello.lua").write_text(block("lua"))
    (tmp_path / "example.com.yaml").write_text(block("yaml"))
    (tmp_path / "host.yaml").write_text("name: mx.example.com\npostmaster: admin@corp.test\n")
    done = subprocess.run([BINARY, "check", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    report = run(tmp_path / "scripts" / "hello.lua", b"hi", "support@example.com")
    assert report["outcome"] == "ok"
    assert report["forwards"] == [{"to": "team@corp.test", "headers": {"X-Desk": "support"}}]
    assert [reply["to"] for reply in report["replies"]] == ["a@sender.test"]


@pytest.mark.parametrize(("subject", "outcome"), [(b"hi", "ok"), (b"buy now", "rejected")])
def test_the_script_of_the_five_minutes_does_what_is_said(tmp_path, subject, outcome):
    script = tmp_path / "hello.lua"
    script.write_text(script_of_step_three())
    report = run(script, subject, "hello@example.com")
    assert report["outcome"] == outcome
    if outcome == "ok":
        assert report["forwards"] == [{"to": "me@mail.test", "headers": {"X-Seen-By": "hello"}}]
        assert "hi" in report["log"][0]["text"]
    else:
        assert report["rejectReason"] == "no advertisements, please"
        assert report["smtpReply"]["code"] == 550


def test_every_subcommand_that_is_named_exists():
    named = set(re.findall(r"`(?:build/release/)?postern ([a-z]+)", README))
    known = set(re.findall(r"^  postern ([a-z]+)", subprocess.run(
        [BINARY, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout, re.MULTILINE))
    assert named and named <= known
