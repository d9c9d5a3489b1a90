"""`postern explain --message`: the whole reasoning about a message, for who administers mail."""
import base64
import json
import subprocess

import dkim
import pytest
from gateway import postern

TEXT = (b"From: Anna <anna@mail.sender.test>\r\nTo: ben@gate.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n"
        b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nWe met.\r\n")
SPF = {("mail.sender.test", "TXT"): ['"v=spf1 include:_spf.sender.test -all"'],
       ("_spf.sender.test", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 ?all"']}
DMARC = {("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject; rua=mailto:reports@sender.test"']}
REVERSE = {("1.2.0.192.in-addr.arpa", "PTR"): ["mx.sender.test."], ("mx.sender.test", "A"): ["192.0.2.1"]}


@pytest.fixture(scope="module")
def key():
    """A private key (PEM) and its DNS record."""
    private = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, check=True,
                            capture_output=True).stdout
    text = base64.b64encode(public).decode()
    return private, f'"v=DKIM1; p={text[:200]}" "{text[200:]}"'


@pytest.fixture
def signed(key, fake_dns):
    """TEXT with a signature of sender.test, whose key is published."""
    fake_dns.records[("s1._domainkey.sender.test", "TXT")] = [key[1]]
    return dkim.sign(TEXT, b"s1", b"sender.test", key[0], canonicalize=(b"relaxed", b"relaxed")) + TEXT


@pytest.fixture
def explain(fake_dns, tmp_path):
    """explain(text, records, flag, …): the command's end, on a message with LF for line ends."""
    def run(text=TEXT, records=None, *more, ip="192.0.2.1", sender="anna@mail.sender.test"):
        fake_dns.records.update(records or {})
        path = tmp_path / "message.eml"
        path.write_bytes(text.replace(b"\r\n", b"\n"))
        return postern("explain", "--message", path, "--ip", ip, "--helo", "mx.sender.test", "--from", sender,
                       "--resolver", fake_dns.resolver, *more, cwd=tmp_path)
    return run


def as_json(done):
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


# --- in words ---


def test_what_passes_is_told_step_by_step(explain, signed):
    done = explain(signed, {**SPF, **DMARC, **REVERSE})
    assert done.returncode == 0, done.stderr
    for told in ["leads back to it: mx.sender.test",
                 "SPF      pass for mail.sender.test", "identity: MAIL FROM", "mechanism: include:_spf.sender.test",
                 "1 of 10 look-ups, 0 of 2 void ones", "DKIM     pass for sender.test",
                 "selector: s1; rsa-sha256; key of 2048 bits", "ARC      none",
                 "DMARC    pass for mail.sender.test", "_dmarc.mail.sender.test: no record",
                 "_dmarc.sender.test: v=DMARC1; p=reject;", "_dmarc.test: no record",
                 "Organizational Domain: sender.test", "policy: reject, of sender.test",
                 "alignment: SPF yes, DKIM yes", "aggregate reports to: mailto:reports@sender.test",
                 "Spam ", "Header   Authentication-Results: ", "=>       accepted"]:
        assert told in done.stdout, f"{told!r} is not in:\n{done.stdout}"


def test_what_is_refused_is_told_with_the_reply_and_what_differs(explain, signed):
    done = explain(signed + b"-- \r\nsent by a list\r\n", {**SPF, **DMARC}, ip="198.51.100.7")
    assert done.returncode == 1
    for told in ["SPF      fail for mail.sender.test", "mechanism: -all", "DKIM     fail for sender.test",
                 "changed since it was signed; relaxed/relaxed", "without its last 2 lines",
                 "DMARC    fail for mail.sender.test", "alignment: SPF no, DKIM no",
                 "=>       refused by the dmarc check: 550 5.7.1 DMARC of mail.sender.test"]:
        assert told in done.stdout, f"{told!r} is not in:\n{done.stdout}"


def test_what_dns_does_not_tell_is_deferred(explain, fake_dns):
    fake_dns.broken.add("mail.sender.test")
    done = explain()
    assert done.returncode == 1
    assert "SPF      temperror" in done.stdout and "deferred by the authentication check: 451 4.7.26" in done.stdout


def test_a_null_sender_has_its_helo_checked(explain):
    done = explain(TEXT, {("mx.sender.test", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"']}, sender="")
    assert "SPF      pass for mx.sender.test" in done.stdout and "identity: HELO" in done.stdout


def test_what_strangers_write_stays_on_its_line(explain):
    record = {("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=none; x=\\010=> accepted\\027[2J\\195\\164"']}
    done = explain(TEXT, {**SPF, **record})
    assert "_dmarc.sender.test: v=DMARC1; p=none; x=\\x0a=> accepted\\x1b[2J\\xc3\\xa4" in done.stdout


def test_arc_is_told_set_by_set(explain, key, signed):
    text = b"Authentication-Results: list.test; dmarc=pass\r\n" + signed
    sealed = b"".join(dkim.arc_sign(text, b"s1", b"sender.test", key[0], b"list.test"))
    done = explain(sealed + signed, SPF)
    assert "ARC      pass" in done.stdout
    assert "i=1: sealed by sender.test (selector s1), which found dmarc=pass" in done.stdout


# --- as JSON ---


def test_json_tells_what_passes(explain, signed):
    found = as_json(explain(signed, {**SPF, **DMARC, **REVERSE}, "--json"))
    assert found["message"]["ip"] == "192.0.2.1" and found["message"]["from"] == "anna@mail.sender.test"
    assert found["client"] == {"iprev": "pass", "hostname": "mx.sender.test", "lists": [], "note": ""}
    assert found["spf"]["result"] == "pass" and found["spf"]["lookups"] == 1 and found["notAsked"] == ["rspamd"]
    signature, = found["dkim"]
    assert (signature["result"], signature["domain"], signature["keyBits"]) == ("pass", "sender.test", 2048)
    assert [(step["domain"], step["found"]) for step in found["dmarc"]["walk"]] == [
        ("mail.sender.test", "nothing"), ("sender.test", "record"), ("test", "nothing")]
    assert found["dmarc"]["result"] == "pass" and found["dmarc"]["policy"] == "reject"
    assert found["dmarc"]["isSpfAligned"] and found["dmarc"]["isDkimAligned"]
    assert found["decision"]["action"] == "accept" and found["decision"]["code"] == 0
    assert 0 <= found["spamScore"] <= 5 and found["headerFields"].startswith("Authentication-Results: ")


def test_json_tells_what_fails(explain, signed):
    done = explain(signed.replace(b"We met.", b"We meet."), {**SPF, **DMARC}, "--json", ip="198.51.100.7")
    found = as_json(done)
    assert done.returncode == 1
    body = found["dkim"][0]["body"]
    assert not body["matches"] and body["signedHash"] != body["foundHash"]
    assert found["decision"]["action"] == "reject" and found["decision"]["check"] == "dmarc"
    assert (found["decision"]["code"], found["decision"]["enhanced"]) == (550, "5.7.1")


def test_several_records_discard_each_other(explain):
    records = {("_dmarc.mail.sender.test", "TXT"): ['"v=DMARC1; p=reject"', '"v=DMARC1; p=none"']}
    found = as_json(explain(TEXT, {**SPF, **records}, "--json"))
    assert found["dmarc"]["walk"][0]["found"] == "several"


def test_bytes_that_are_not_utf8_are_still_json(explain, signed):
    found = as_json(explain(signed.replace(b" s=s1;", b" s=s\xff;"), SPF, "--json"))
    assert found["dkim"][0]["result"] != "pass"


# --- the rules directory ---


def test_a_rules_directory_gives_its_options_and_its_rule(explain, rules, fake_dns):
    rules.domain("gate.test", {"to": "ben@", "when": {"auth": {"spf": "pass"}}, "forward": "ben@dest.test"})
    rules.write_host(auth={"lists": ["bl.test"], "dkim": "off"})
    records = {**SPF, ("1.2.0.192.bl.test", "A"): ["127.0.0.2"]}
    done = explain(TEXT, records, rules.folder, "--to", "ben@gate.test")
    assert "listed in bl.test (127.0.0.2), which refuses it" in done.stdout
    assert "DKIM     off" in done.stdout and "forward to ben@dest.test" in done.stdout
    assert "=>       refused by the block list check: 554 5.7.1 192.0.2.1 found" in done.stdout
    found = as_json(explain(TEXT, records, rules.folder, "--to", "ben@gate.test", "--json"))
    assert found["rule"]["line"] >= 1 and found["notAsked"] == ["dkim", "rspamd"]
    assert as_json(explain(TEXT, records, rules.folder, "--to", "eva@gate.test", "--json"))["rule"] is None


def test_postmaster_is_reached_whatever_is_found(explain, rules):
    rules.domain("gate.test", {"to": "postmaster@", "forward": "ben@dest.test"})
    rules.write_host(auth={})
    done = explain(TEXT, {}, rules.folder, "--to", "Postmaster@gate.test")
    assert done.returncode == 0 and "=>       accepted whatever was found" in done.stdout


def test_an_rspamd_that_does_not_answer_is_told(explain, rules):
    rules.write_host(auth={"rspamd": {"url": "http://127.0.0.1:1"}})
    done = explain(TEXT, SPF, rules.folder)
    assert "Rspamd   no answer" in done.stdout and "=>       accepted" in done.stdout
    found = as_json(explain(TEXT, SPF, rules.folder, "--json"))
    assert not found["rspamd"]["hasAnswered"] and found["rspamd"]["reason"]


def test_forged_fields_are_told(explain):
    done = explain(b"X-Postern-Spam-Score: 0\r\n" + TEXT, SPF)
    assert "left out: 1 field that only this host may write" in done.stdout


# --- mistakes ---


GOOD = {"--message": "-", "--ip": "192.0.2.1", "--helo": "mx.sender.test", "--from": "anna@sender.test"}


@pytest.mark.parametrize("change,word", [
    ({"--ip": None}, "--message needs --ip, --helo and --from"),
    ({"--from": None}, "--message needs --ip, --helo and --from"),
    ({"--ip": "mx.sender.test"}, '--ip "mx.sender.test" is not an address'),
    ({"--from": "anna"}, '--from "anna" is not an address'),
    ({"--to": "ben@"}, '--to "ben@" is not an address'),
    ({"--message": "nowhere.eml"}, "nowhere.eml: No such file"),
    ({"--message": None}, "go with --message"),
    ({"--resolver": "nonsense"}, "nonsense"),
], ids=str)
def test_a_mistake_is_told(change, word):
    flags = [part for flag, value in {**GOOD, **change}.items() if value is not None for part in (flag, value)]
    done = postern("explain", *flags, stdin=TEXT)
    assert done.returncode in (1, 2) and word in done.stderr and done.stdout == ""


def test_a_directory_with_problems_explains_nothing(explain, tmp_path):
    done = explain(TEXT, {}, tmp_path / "nowhere")
    assert done.returncode != 0 and "host.yaml" in done.stderr and done.stdout == ""
