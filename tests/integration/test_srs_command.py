"""postern srs: addresses rewritten and led back by hand, with the secret of a rules directory."""
import json
import re

import pytest
from gateway import postern

SECRET = bytes(range(32)).hex() + "\n"
AT = "2026-11-22T10:00:00Z"
# The known answer of tests/unit/delivery/test_srs.c.
REWRITTEN = "SRS0=WAROZKCF=JL=orig.test=anna@ours.test"


@pytest.fixture
def secret(rules):
    """The rules directory, whose state folder has a known secret."""
    rules.domain("ours.test", {"to": "x@", "drop": True})
    rules.state.mkdir(exist_ok=True)
    path = rules.state / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def srs(rules, verb, address, *flags):
    return postern("srs", verb, address, rules.folder, *flags)


def test_an_address_is_rewritten_and_comes_back(rules, secret):
    done = srs(rules, "encode", "anna@orig.test", "--at", AT)
    assert (done.returncode, done.stdout) == (0, REWRITTEN + "\n"), done.stderr
    done = srs(rules, "decode", REWRITTEN.lower(), "--at", AT)
    assert (done.returncode, done.stdout) == (0, "anna@orig.test\n"), done.stderr


def test_it_is_now_unless_said(rules, secret):
    rewritten = srs(rules, "encode", "anna@orig.test").stdout.strip()
    assert srs(rules, "decode", rewritten).stdout == "anna@orig.test\n"


@pytest.mark.parametrize("at", ["1795341600", "2026-11-22", "2026-11-22T10:00", "2026-11-22T23:59:59",
                                "2026-11-23T01:00:00+02:00", "2026-11-21T23:00:00-0100"])
def test_times_are_unix_or_iso_8601(rules, secret, at):
    assert srs(rules, "encode", "anna@orig.test", "--at", at).stdout == REWRITTEN + "\n"


@pytest.mark.parametrize("at", ["", "tomorrow", "2026-11-22T", "2026-13-01", "-5", "99999999999999999",
                                "2026-11-22T10:00:00ZZ", "1900-01-01"])
def test_other_times_are_mistakes(rules, secret, at):
    done = srs(rules, "encode", "anna@orig.test", f"--at={at}")
    assert done.returncode == 2 and "--at" in done.stderr


def test_it_says_since_when_an_address_is_expired(rules, secret):
    done = srs(rules, "decode", REWRITTEN, "--at", "2026-12-13T23:59:59Z")
    assert done.returncode == 0
    done = srs(rules, "decode", REWRITTEN, "--at", "2026-12-14T00:00:00Z")
    assert done.returncode == 1 and done.stdout == ""
    assert "expired since 2026-12-14T00:00:00Z" in done.stderr and "anna@orig.test" in done.stderr


def test_it_says_that_an_address_is_forged(rules, secret):
    forged = REWRITTEN.replace("anna", "ben")
    done = srs(rules, "decode", forged, "--at", AT)
    assert done.returncode == 1 and "forged" in done.stderr and done.stdout == ""
    done = srs(rules, "decode", "anna@orig.test", "--at", AT)
    assert done.returncode == 1 and "not an SRS address" in done.stderr


def test_an_older_secret_still_leads_back(rules, secret):
    secret.write_text("f" * 64 + "\n" + SECRET)
    assert srs(rules, "decode", REWRITTEN, "--at", AT).stdout == "anna@orig.test\n"
    assert srs(rules, "encode", "anna@orig.test", "--at", AT).stdout != REWRITTEN + "\n"


def test_a_rotated_secret_is_used_and_those_before_lead_back(rules, secret):
    done = postern("srs", "rotate", rules.folder)
    assert done.returncode == 0 and str(secret) in done.stdout, done.stderr
    lines = secret.read_text().splitlines()
    assert len(lines) == 2 and lines[1] + "\n" == SECRET and secret.stat().st_mode & 0o777 == 0o600
    assert srs(rules, "decode", REWRITTEN, "--at", AT).stdout == "anna@orig.test\n"
    assert srs(rules, "encode", "anna@orig.test", "--at", AT).stdout != REWRITTEN + "\n"
    assert json.loads(postern("srs", "rotate", rules.folder, "--json").stdout) == {"rotated": str(secret)}
    secret.unlink()
    assert postern("srs", "rotate", rules.folder).returncode == 1 and not secret.exists()


def test_json_has_the_same(rules, secret):
    done = srs(rules, "encode", "anna@orig.test", "--at", AT, "--json")
    assert json.loads(done.stdout) == {"address": "anna@orig.test", "rewritten": REWRITTEN,
                                       "expires": "2026-12-14T00:00:00Z"}
    answer = {"address": REWRITTEN, "original": "anna@orig.test", "expires": "2026-12-14T00:00:00Z"}
    done = srs(rules, "decode", REWRITTEN, "--at", AT, "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {**answer, "result": "ok"}
    done = srs(rules, "decode", REWRITTEN, "--at", "2027-01-01", "--json")
    assert done.returncode == 1 and json.loads(done.stdout) == {**answer, "result": "expired"}
    done = srs(rules, "decode", "SRS0=x@ours.test", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"address": "SRS0=x@ours.test", "result": "forged"}


def test_the_domain_is_the_one_that_forwarding_uses(rules, secret):
    rules.domain("more.test", {"to": "x@", "drop": True})
    done = srs(rules, "encode", "anna@orig.test", "--at", AT)
    assert done.returncode == 1 and "--domain" in done.stderr
    done = srs(rules, "encode", "anna@orig.test", "--at", AT, "--domain", "Ours.Test")
    assert done.stdout == REWRITTEN + "\n"
    rules.write_host(forwarding={"domain": "more.test"})
    done = srs(rules, "encode", "anna@orig.test", "--at", AT)
    assert re.fullmatch(r"SRS0=\w{8}=\w\w=orig\.test=anna@more\.test\n", done.stdout), done.stderr


def test_our_own_address_stays(rules, secret):
    assert srs(rules, "encode", "anna@ours.test", "--at", AT).stdout == "anna@ours.test\n"
    done = srs(rules, "encode", "anna@ours.test", "--at", AT, "--json")
    assert json.loads(done.stdout) == {"address": "anna@ours.test", "rewritten": "anna@ours.test"}


@pytest.mark.parametrize("arguments", [[], ["encode"], ["recode", "a@b.test"], ["encode", "nobody"],
                                       ["decode", "a@b.test", "--domain", "c.test"], ["rotate", "--at", "0"],
                                       ["rotate", "one", "two"]], ids=" ".join)
def test_mistakes_are_told_with_the_usage(arguments):
    done = postern("srs", *arguments)
    assert done.returncode == 2 and "usage: postern srs" in done.stderr


def test_without_a_secret_none_is_made(rules):
    rules.domain("ours.test", {"to": "x@", "drop": True})
    done = srs(rules, "encode", "anna@orig.test")
    assert done.returncode == 1 and "secret" in done.stderr
    assert not (rules.state / "secret").exists()


def test_a_secret_that_others_can_read_is_not_used(rules, secret):
    secret.chmod(0o644)
    done = srs(rules, "decode", REWRITTEN, "--at", AT)
    assert done.returncode == 1 and "644" in done.stderr
