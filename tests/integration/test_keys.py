"""postern keys and postern dns: keys made, listed and rotated, and what is to be published compared with what is."""
import json
import re
import stat
import time

import pytest
from gateway import postern

MONTH = time.strftime("p%Y%m", time.gmtime())


@pytest.fixture
def ours(rules, fake_dns):
    """A rules directory for ours.test that asks the fake name server."""
    rules.write_host(dns={"resolver": fake_dns.resolver, "timeout": "2s"})
    rules.domain("ours.test", {"to": "x@", "drop": True})
    return rules


def keys(rules, verb, *arguments):
    return postern("keys", verb, *arguments, rules.folder) if verb == "list" else \
        postern("keys", verb, arguments[0], rules.folder, *arguments[1:])


def listed(rules):
    done = keys(rules, "list", "--json")
    assert done.returncode == 0, done.stderr
    return [(key["selector"], key["algorithm"], key["bits"], key["state"]) for key in json.loads(done.stdout)]


def publish(fake_dns, output):
    """What the zone file lines say, the name server answers from now on."""
    for line in output.splitlines():
        found = re.fullmatch(r"(\S+)\. 3600 IN (MX|TXT) (.*)", line)
        if found:
            name, kind, value = found.groups()
            fake_dns.records.setdefault((name, kind), []).append(value.removeprefix("( ").removesuffix(" )"))


def test_a_new_key_waits_until_it_is_published(ours, fake_dns):
    made = keys(ours, "new", "ours.test")
    assert made.returncode == 0, made.stderr
    assert f"{MONTH}a._domainkey.ours.test. 3600 IN TXT ( \"v=DKIM1; k=rsa; p=" in made.stdout
    assert listed(ours) == [(f"{MONTH}a", "rsa", 2048, "waiting")]
    early = keys(ours, "rotate", "ours.test")
    assert early.returncode == 1 and "not published yet" in early.stderr
    assert "=> missing" in early.stdout
    assert listed(ours) == [(f"{MONTH}a", "rsa", 2048, "waiting")]
    publish(fake_dns, made.stdout)
    rotated = keys(ours, "rotate", "ours.test")
    assert rotated.returncode == 0, rotated.stderr
    assert listed(ours) == [(f"{MONTH}a", "rsa", 2048, "active")]


def test_a_rotation_takes_two_runs(ours, fake_dns):
    publish(fake_dns, keys(ours, "new", "ours.test", "--selector", "old", "--bits", "3072").stdout)
    keys(ours, "rotate", "ours.test")
    first = keys(ours, "rotate", "ours.test")
    assert first.returncode == 0, first.stderr
    assert listed(ours) == [("old", "rsa", 3072, "active"), (f"{MONTH}a", "rsa", 3072, "waiting")]
    publish(fake_dns, first.stdout)
    second = keys(ours, "rotate", "ours.test")
    assert second.returncode == 0, second.stderr
    assert listed(ours) == [("old", "rsa", 3072, "retired"), (f"{MONTH}a", "rsa", 3072, "active")]
    assert re.search(r"old +rsa +3072 +retired since \d{4}-\d\d-\d\dT", keys(ours, "list").stdout)
    (ours.folder / "keys/ours.test/old.pem").unlink()
    assert listed(ours) == [(f"{MONTH}a", "rsa", 3072, "active")]


def test_a_key_replaces_those_of_its_own_kind(ours):
    keys(ours, "new", "ours.test", "--selector", "r")
    keys(ours, "rotate", "ours.test", "--force")
    keys(ours, "new", "ours.test", "--selector", "e", "--algorithm", "ed25519")
    done = keys(ours, "rotate", "ours.test", "--force", "--json")
    assert json.loads(done.stdout) == {"domain": "ours.test", "active": ["e", "r"]}
    keys(ours, "rotate", "ours.test")
    assert [(algorithm, state) for _, algorithm, _, state in listed(ours)] == \
        [("ed25519", "active"), ("ed25519", "waiting"), ("rsa", "waiting"), ("rsa", "active")]


def test_another_key_in_dns_is_not_ours(ours, fake_dns):
    keys(ours, "new", "ours.test", "--selector", "x", "--algorithm", "ed25519")
    fake_dns.records[("x._domainkey.ours.test", "TXT")] = ['"v=DKIM1; k=ed25519; p=AAAA"']
    done = keys(ours, "rotate", "ours.test")
    assert done.returncode == 1 and "differs: another key is published" in done.stdout
    fake_dns.broken.add("x._domainkey.ours.test")
    assert "=> unknown" in keys(ours, "rotate", "ours.test").stdout


def test_keys_are_for_their_owner_alone(ours):
    keys(ours, "new", "ours.test", "--selector", "x")
    folder = ours.folder / "keys/ours.test"
    assert stat.S_IMODE((folder / "x.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = keys(ours, "new", "ours.test", "--selector", "x")
    assert again.returncode == 1 and "File exists" in again.stderr
    assert [path.name for path in folder.iterdir()] == ["x.pem"]


@pytest.mark.parametrize("arguments", [
    [], ["make", "ours.test"], ["new"], ["new", "no domain"], ["list", "rules", "--force"],
    ["rotate", "ours.test", "--selector", "x"], ["new", "a.test", "b", "c"], ["new", "ours.test", "--what"],
])
def test_mistakes_are_told(arguments):
    done = postern("keys", *arguments)
    assert done.returncode == 2 and "usage: postern keys" in done.stderr


@pytest.mark.parametrize("flags", [["--bits", "1024"], ["--bits", "x"], ["--algorithm", "dsa"], ["--selector", "a b"],
                                   ["--algorithm", "ed25519", "--bits", "2048"], ["--selector", "../x"]])
def test_only_keys_that_verifiers_take_are_made(ours, flags):
    assert keys(ours, "new", "ours.test", *flags).returncode == 1
    assert listed(ours) == []


def test_a_key_that_others_can_read_is_told(ours):
    keys(ours, "new", "ours.test", "--selector", "x")
    (ours.folder / "keys/ours.test/x.pem").chmod(0o644)
    done = keys(ours, "list")
    assert done.returncode == 1 and "x.pem: may be used by everybody" in done.stderr


def dns(rules, domain, *flags):
    return postern("dns", domain, rules.folder, *flags)


def verdicts(rules, domain="ours.test"):
    done = dns(rules, domain, "--check", "--json")
    answer = json.loads(done.stdout)
    found = {record["purpose"]: (record["verdict"], record.get("reason", "")) for record in answer["records"]}
    assert answer["ok"] == all(verdict == "ok" for verdict, _ in found.values())
    assert done.returncode == (0 if answer["ok"] else 1)
    return found


@pytest.fixture
def published(ours, fake_dns):
    """The same with a key, and all that is to be published."""
    keys(ours, "new", "ours.test", "--selector", "x")
    keys(ours, "rotate", "ours.test", "--force")
    fake_dns.records[("mx.gate.test", "A")] = ["192.0.2.25"]
    fake_dns.records[("mx.gate.test", "AAAA")] = ["2001:db8::25"]
    publish(fake_dns, dns(ours, "ours.test").stdout)
    return ours


def test_what_is_printed_is_what_to_publish(published):
    lines = dns(published, "ours.test").stdout.splitlines()
    assert lines[0] == "ours.test. 3600 IN MX 10 mx.gate.test."
    assert lines[1] == 'ours.test. 3600 IN TXT "v=spf1 mx ~all"'
    assert lines[2] == '_dmarc.ours.test. 3600 IN TXT "v=DMARC1; p=none"'
    assert lines[3].startswith('x._domainkey.ours.test. 3600 IN TXT ( "v=DKIM1; k=rsa; p=')
    assert all(len(string) <= 255 for string in re.findall(r'"([^"]*)"', lines[3]))
    assert len(lines) == 4
    assert verdicts(published) == {purpose: ("ok", "") for purpose in ("mx", "spf", "dkim", "dmarc")}


def test_the_next_key_is_to_be_published_too(published, fake_dns):
    made = keys(published, "rotate", "ours.test").stdout
    printed = dns(published, "ours.test").stdout
    assert made.splitlines()[-1] in printed
    assert printed.endswith("; a key waits to be put to use: postern keys rotate ours.test\n")
    assert verdicts(published)["dkim"] == ("missing", "there is no such record")
    publish(fake_dns, made)
    assert verdicts(published)["dkim"] == ("ok", "")


def test_nothing_published_is_all_missing(ours):
    found = verdicts(ours)
    assert {purpose: verdict for purpose, (verdict, _) in found.items()} == \
        {"mx": "missing", "spf": "missing", "dmarc": "missing"}
    assert "no key signs for ours.test: postern keys new ours.test" in dns(ours, "ours.test").stdout


@pytest.mark.parametrize("name, kind, values, purpose, verdict, reason", [
    ("ours.test", "MX", ["10 mx.other.test."], "mx", "differs", "mail goes to mx.other.test"),
    ("ours.test", "MX", ["10 mx.gate.test.", "5 mx.other.test."], "mx", "differs", "mx.other.test is preferred"),
    ("ours.test", "MX", ["10 mx.gate.test.", "20 mx.other.test."], "mx", "ok", ""),
    ("ours.test", "MX", ["0 ."], "mx", "differs", "takes no mail"),
    ("ours.test", "TXT", ['"v=spf1 ip4:192.0.2.25 -all"'], "spf", "differs", "2001:db8::25 gets fail, -all"),
    ("ours.test", "TXT", ['"v=spf1 ip4:192.0.2.25 ip6:2001:db8::/64 -all"', '"other=text"'], "spf", "ok", ""),
    ("ours.test", "TXT", ['"v=spf1 mx"', '"v=spf1 a"'], "spf", "differs", "permerror"),
    ("ours.test", "TXT", ['"other=text"'], "spf", "missing", "no such record"),
    ("x._domainkey.ours.test", "TXT", ['"v=DKIM1; p=AAAA"'], "dkim", "differs", "another key"),
    ("_dmarc.ours.test", "TXT", ['"v=DMARC1; p=reject; rua=mailto:a@b.test"'], "dmarc", "ok", ""),
    ("_dmarc.ours.test", "TXT", ['"v=DMARC1; p=what"'], "dmarc", "differs", "no policy"),
    ("_dmarc.ours.test", "TXT", ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], "dmarc", "differs", "several"),
    ("_dmarc.ours.test", "TXT", ['"hello"'], "dmarc", "missing", "no such record"),
])
def test_what_is_published_is_judged(published, fake_dns, name, kind, values, purpose, verdict, reason):
    fake_dns.records[(name, kind)] = values
    found = verdicts(published)[purpose]
    assert found[0] == verdict and reason in found[1], found


def test_a_host_without_an_address_is_told(published, fake_dns):
    del fake_dns.records[("mx.gate.test", "A")], fake_dns.records[("mx.gate.test", "AAAA")]
    assert verdicts(published)["spf"] == ("differs", "mx.gate.test, from where we send, has no address")


def test_a_name_server_that_fails_is_not_a_verdict(published, fake_dns):
    fake_dns.broken.update(["ours.test", "_dmarc.ours.test", "x._domainkey.ours.test"])
    assert {verdict for verdict, _ in verdicts(published).values()} == {"unknown"}


def test_both_sides_stand_beside_each_other(published, fake_dns):
    fake_dns.records[("ours.test", "MX")] = ["10 mx.other.test."]
    done = dns(published, "ours.test", "--check")
    assert done.returncode == 1
    assert done.stdout.startswith("ours.test. 3600 IN MX 10 mx.gate.test.\n    DNS: 10 mx.other.test.\n"
                                  "    => differs: mail goes to mx.other.test\n")


def test_the_forwarding_domain_is_ours_too(published):
    published.write_host(forwarding={"domain": "srs.gate.test"})
    assert "srs.gate.test. 3600 IN MX 10 mx.gate.test." in dns(published, "srs.gate.test").stdout


def test_a_domain_of_others_is_a_mistake(ours):
    done = dns(ours, "other.test")
    assert done.returncode == 1 and "other.test has no rules" in done.stderr
    assert postern("dns").returncode == 2
