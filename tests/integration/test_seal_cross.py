"""What the signer writes, read by others: DKIM signatures and ARC sets on the corpus and on messages that were made to
be difficult, verified by dkimpy and by Mail::DKIM; and chains of several Posterns and a foreign sealer."""
import base64
import pathlib
import re
import subprocess

import pytest
from conftest import corpus
from gateway import BINARY, ROOT
from test_dkim_cross import DIFFICULT, has_plain_header

dkim = pytest.importorskip("dkim")

PROGRAMS = pathlib.Path(BINARY).parent / "tests"
DOMAINS = ["one.test", "two.test", "three.test"]
RESULTS = "mx.one.test; spf=pass smtp.mailfrom=author.test; dmarc=pass header.from=author.test"
FOREIGN = "foreign.test"

MORE_DIFFICULT = [
    b"From: J\xc3\xb6rg <joe@sender.test>\r\nSubject: \xff\x80\r\n\r\n\xff\r\n",
    b"FROM: Joe <joe@sender.test>\r\nto:a@dest.test\r\nTO: b@dest.test\r\nSubject: one\r\nSubject: two\r\n\r\nx\r\n",
    b"From: Joe <joe@sender.test>\r\nReferences:\r\n <a@b>\r\n\t<c@d>\r\nList-Id: <x>\r\n\r\nx\r\n",
    b"From: Joe <joe@sender.test>\r\n" + b"X-Filler: 1\r\n" * 1900 + b"Subject: x\r\n\r\nx\r\n",
    b"From: Joe <joe@sender.test>\r\n" + b"To: a@dest.test\r\n" * 150 + b"\r\nx\r\n",
]

VERIFY_WITH_PERL = r"""
use strict; use warnings;
use Mail::DKIM::Verifier; use Mail::DKIM::ARC::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
my ($port, @files) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 1));
for my $file (@files) {
    local $/; open my $in, '<:raw', $file or die; my $message = <$in>; close $in;
    my $dkim = Mail::DKIM::Verifier->new; $dkim->PRINT($message); $dkim->CLOSE;
    my $arc = Mail::DKIM::ARC::Verifier->new; $arc->PRINT($message); $arc->CLOSE;
    my @results = map { $_->result_detail } $dkim->signatures;
    print join("\t", $file, $arc->result, @results), "\n";
}
"""


def whole_corpus():
    """As SMTP would bring it: lines end with CRLF."""
    paths = corpus() + sorted((ROOT / "tests/data").rglob("*.eml"))
    texts = [path.read_bytes() for path in paths]
    return [re.sub(rb"\r\n|\r|\n", b"\r\n", text) for text in texts]


def make_key(path, algorithm):
    options = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ed25519": ["ED25519"]}[algorithm]
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", *options, "-out", path], check=True, capture_output=True)
    path.chmod(0o600)
    public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                            capture_output=True).stdout
    raw = public[-32:] if algorithm == "ed25519" else public
    return f"v=DKIM1; k={algorithm}; p={base64.b64encode(raw).decode()}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """(folder, records): each domain signs with RSA, the first one with Ed25519 too."""
    folder = tmp_path_factory.mktemp("keys") / "keys"
    records = {}
    for domain in [*DOMAINS, FOREIGN]:
        algorithms = ["rsa", "ed25519"] if domain == DOMAINS[0] else ["rsa"]
        for algorithm in algorithms:
            record = make_key(folder / domain / f"{algorithm}.pem", algorithm)
            records[f"{algorithm}._domainkey.{domain}"] = record
        (folder / domain / "active").write_text("\n".join(algorithms) + "\n")
    return folder, records


@pytest.fixture
def programs(fake_dns, keys):
    for name in ("show_seal", "show_dkim"):
        if not (PROGRAMS / name).exists():
            pytest.skip(f"there is no {PROGRAMS / name}")
    for name, record in keys[1].items():
        strings = " ".join(f'"{record[i:i + 200]}"' for i in range(0, len(record), 200))
        fake_dns.records[(name, "TXT")] = [strings]
    return PROGRAMS


@pytest.fixture
def seal(programs, keys, tmp_path):
    """seal(texts, domains, chain): the messages with what goes on top."""
    def run(texts, domains, chain, results=RESULTS):
        paths = write_all(tmp_path / "seal", texts)
        subprocess.run([programs / "show_seal", keys[0], ",".join(domains), results, chain, *paths], check=True,
                       timeout=120)
        return [path.read_bytes() for path in paths]
    return run


def write_all(folder, texts):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:04}.eml" for number in range(len(texts))]
    for path, text in zip(paths, texts):
        path.write_bytes(text)
    return paths


@pytest.fixture
def verifiers(programs, keys, fake_dns, tmp_path):
    """Each takes messages and gives for each (result of the chain, results of its signatures)."""
    def ask_dkimpy(texts):
        def record_of(name, timeout=5):
            return keys[1].get(name.decode().rstrip("."), "").encode()
        found = []
        for text in texts:
            count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(text).headers)
            signatures = [verify_one(text, index, record_of) for index in range(count)]
            chain, _, reason = dkim.arc_verify(text, dnsfunc=record_of)
            # its word for a chain that a sealer has ended
            assert chain is not None or "the chain is terminated" in reason
            found.append((chain.decode() if chain else "fail", signatures))
        return found

    def verify_one(text, index, record_of):
        try:
            return "pass" if dkim.DKIM(text).verify(index, dnsfunc=record_of) else "fail"
        except dkim.DKIMException as exception:
            return f"fail ({exception})"

    def ask_perl(texts):
        paths = write_all(tmp_path / "perl", texts)
        done = subprocess.run(["perl", "-e", VERIFY_WITH_PERL, str(fake_dns.port), *paths], check=True,
                              capture_output=True, timeout=300)
        rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
        return [(row[1], row[2:]) for row in rows]

    def ask_ours(texts):
        paths = write_all(tmp_path / "ours", texts)
        found = {str(path): [None, []] for path in paths}
        for option in ([], ["--arc"]):
            done = subprocess.run([programs / "show_dkim", fake_dns.resolver, *option, *paths], check=True,
                                  capture_output=True, timeout=120)
            for line in done.stdout.decode().splitlines():
                path, result, *_ = line.split("\t")
                if option:
                    found[path][0] = result
                else:
                    found[path][1].append(result)
        return [(chain, signatures) for chain, signatures in found.values()]

    all_of_them = {"postern": ask_ours, "dkimpy": ask_dkimpy}
    if subprocess.run(["perl", "-MMail::DKIM::ARC::Verifier", "-e", "1"], capture_output=True,
                      check=False).returncode == 0:
        all_of_them["Mail::DKIM"] = ask_perl
    return all_of_them


def disagreements(verifiers, texts, chain, signature_count):
    """Where a verifier finds another state of the chain, or not so many signatures that pass. Some versions of
    Mail::DKIM do not know Ed25519."""
    wrong = []
    for name, verify in verifiers.items():
        found = verify(texts)
        assert len(found) == len(texts)
        for number, (their_chain, signatures) in enumerate(found):
            bad = [result for result in signatures
                   if result != "pass" and (name != "Mail::DKIM" or "unsupported algorithm ed25519" not in result)]
            if bad or their_chain != chain or len(signatures) != signature_count:
                wrong.append((name, number, their_chain, signatures))
    return wrong


def seal_as_foreigner(text, keys, chain):
    """dkimpy's set on top; what it says of the chain is what Authentication-Results say."""
    server = b"mx." + FOREIGN.encode()
    text = b"Authentication-Results: %s; dmarc=pass; arc=%s\r\n" % (server, chain) + text
    key = subprocess.run(["openssl", "rsa", "-traditional", "-in", keys[0] / FOREIGN / "rsa.pem"],
                         check=True, capture_output=True).stdout
    fields = dkim.arc_sign(text, b"rsa", FOREIGN.encode(), key, server)
    assert fields
    return b"".join(fields) + text


def test_all_verify_the_whole_corpus(seal, verifiers):
    texts = whole_corpus()
    if not texts:
        pytest.skip("there is no corpus")
    texts = seal(texts, DOMAINS[:2], "none")
    assert disagreements(verifiers, texts, "pass", 3) == []


def test_all_verify_difficult_messages(seal, verifiers):
    texts = seal(DIFFICULT + MORE_DIFFICULT, DOMAINS[:2], "none")
    assert disagreements(verifiers, texts, "pass", 3) == []


def test_three_posterns_make_a_chain(seal, verifiers):
    texts = DIFFICULT + whole_corpus()[::10]
    for hop, domain in enumerate(DOMAINS):
        texts = seal(texts, [domain], "pass" if hop else "none")
    assert disagreements(verifiers, texts, "pass", 4) == []


@pytest.mark.parametrize("place", range(4))
def test_a_foreign_sealer_is_one_of_the_chain(seal, verifiers, keys, place):
    """At each place of a chain of four."""
    texts = DIFFICULT[:6] + [text for text in whole_corpus()[::20] if has_plain_header(text)]
    domains = iter(DOMAINS)
    for hop in range(4):
        chain = "pass" if hop else "none"
        if hop == place:
            texts = [seal_as_foreigner(text, keys, chain.encode()) for text in texts]
        else:
            texts = seal(texts, [next(domains)], chain)
    assert disagreements(verifiers, texts, "pass", 4) == []


def test_all_see_that_a_chain_was_ended(seal, verifiers):
    """A list changes the subject; the next hop says so, and the one after it adds nothing."""
    texts = seal(DIFFICULT[:6], DOMAINS[:1], "none")
    texts = [text.replace(b"\r\nSubject: ", b"\r\nSubject: [list] ") for text in texts]
    for domain in DOMAINS[1:]:
        texts = seal(texts, [domain], "fail")
    for verify in verifiers.values():
        assert [chain for chain, _ in verify(texts)] == ["fail"] * len(texts)
    for text in texts:
        assert text.count(b"ARC-Seal:") == 2
        assert b"d=three.test" in text.partition(b"ARC-")[0]
        newest = text[text.index(b"ARC-Seal:"):].partition(b"b=")[0]
        assert b"i=2;" in newest and b"cv=fail;" in newest


def test_what_is_changed_on_the_way_is_found(seal, verifiers):
    texts = seal(DIFFICULT[:2] + DIFFICULT[3:6], DOMAINS[:1], "none")
    changed = [b"Reply-To: x@evil.test\r\n" + text for text in texts] + [text + b"more\r\n" for text in texts]
    for verify in verifiers.values():
        for chain, signatures in verify(changed):
            assert chain == "fail"
            assert "pass" not in signatures
