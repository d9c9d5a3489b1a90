"""DKIM against other signers: what dkimpy and Mail::DKIM sign, we verify, and what they find bad, we do. The
messages are those of the corpus where there is one, and some that were made to be difficult."""
import base64
import os
import pathlib
import random
import re
import subprocess

import pytest
from gateway import BINARY, ROOT

dkim = pytest.importorskip("dkim")

SHOW_DKIM = pathlib.Path(BINARY).parent / "tests/show_dkim"
CORPUS = pathlib.Path(os.environ.get("POSTERN_CORPUS", ROOT / "../shared/corpus"))
FORMS = [(header, body) for header in (b"simple", b"relaxed") for body in (b"simple", b"relaxed")]
HEAD = b"From: Joe <joe@sender.test>\r\nTo: anna@dest.test\r\nSubject: one\r\n\t two  three \r\n"
DIFFICULT = [
    HEAD + b"\r\n",
    HEAD + b"\r\n\r\n",
    HEAD + b"\r\n\r\n\r\n\r\n",
    HEAD + b"\r\n \r\n\t\r\n",
    HEAD + b"\r\n \r\ntext\r\n \r\n",
    HEAD + b"\r\na  b \t c \t\r\n\r\n d\r\n\r\n\r\n",
    HEAD + b"X-Empty:\r\nX-Blank:  \r\n\t\r\nSubject: two\r\n\r\ntext\r\n",
    HEAD + b"\r\n" + b"x" * 998 + b"\r\n" + bytes(range(128, 256)) + b"\r\n",
    HEAD + b"\r\n" + b" \tx" * 3000 + b"\r\n",
    HEAD + b"\r\n" + b"line\r\n" * 50000,
]

SIGN_WITH_PERL = r"""
use strict; use warnings;
use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey;
my ($key, $form, @files) = @ARGV;
for my $file (@files) {
    my $signer = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $form, Domain => 'sender.test',
        Selector => 'rsa', Key => Mail::DKIM::PrivateKey->load(File => $key));
    local $/; open my $in, '<:raw', $file or die; my $message = <$in>; close $in;
    $signer->PRINT($message); $signer->CLOSE;
    my $field = $signer->signature->as_string; $field =~ s/\r?\n/\r\n/g;
    open my $out, '>:raw', $file or die; print $out "$field\r\n$message"; close $out;
}
"""


def messages(forms=None):
    """With `forms`, that quarter of the corpus that is theirs; others sign slowly."""
    paths = sorted(CORPUS.glob("*.eml"))
    found = [path.read_bytes() for path in (paths[FORMS.index(forms)::4] if forms else paths)]
    found = [text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
             for text in found]
    return [text for text in found if has_plain_header(text)] + DIFFICULT


def has_plain_header(text):
    """One From, and no line that some readers take for the header's end and others do not."""
    head = text.partition(b"\r\n\r\n")[0].split(b"\r\n")
    fields = [line for line in head if line[:1] not in (b" ", b"\t")]
    return (all(re.match(rb"[!-9;-~]+:", line) for line in fields)
            and sum(line.lower().startswith(b"from:") for line in fields) == 1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Private key files of RSA and Ed25519, and their records."""
    folder = tmp_path_factory.mktemp("keys")
    for name, options in {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ed": ["ED25519"]}.items():
        subprocess.run(["openssl", "genpkey", "-algorithm", *options, "-out", folder / f"{name}.pem"],
                       check=True, capture_output=True)

    def der(name, *options):
        return subprocess.run(["openssl", "pkey", "-in", folder / f"{name}.pem", "-outform", "DER",
                               *options], check=True, capture_output=True).stdout
    raw = {"rsa": der("rsa", "-pubout"), "ed": der("ed", "-pubout")[-32:]}
    records = {"rsa": "v=DKIM1; k=rsa; p=", "ed": "v=DKIM1; k=ed25519; p="}
    for name in records:
        records[name] += base64.b64encode(raw[name]).decode()
    seed = base64.b64encode(der("ed")[-32:])
    return {"folder": folder, "records": records, "rsa": (folder / "rsa.pem").read_bytes(), "ed": seed}


@pytest.fixture
def show(tmp_path, fake_dns, keys):
    """show(texts): for each of the messages its signatures' (result, reason)."""
    if not SHOW_DKIM.exists():
        pytest.skip(f"there is no {SHOW_DKIM}")
    for name, record in keys["records"].items():
        strings = " ".join(f'"{record[i:i + 200]}"' for i in range(0, len(record), 200))
        fake_dns.records[(f"{name}._domainkey.sender.test", "TXT")] = [strings]

    def run(texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(tmp_path / f"{number}.eml")
            paths[-1].write_bytes(text)
        done = subprocess.run([SHOW_DKIM, fake_dns.resolver, *paths], capture_output=True, check=True,
                              timeout=60)
        found = {str(path): [] for path in paths}
        for line in done.stdout.decode().splitlines():
            path, result, _, _, reason = line.split("\t")
            found[path].append((result, reason))
        return [found[str(path)] for path in paths]
    return run


def sign(text, keys, forms, name="rsa", **options):
    algorithm = {"rsa": b"rsa-sha256", "ed": b"ed25519-sha256"}[name]
    return dkim.sign(text, name.encode(), b"sender.test", keys[name], canonicalize=forms,
                     signature_algorithm=algorithm, **options) + text


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: b"/".join(forms).decode())
@pytest.mark.parametrize("name", ["rsa", "ed"])
def test_what_dkimpy_signs_passes(show, keys, forms, name):
    found = show([sign(text, keys, forms, name) for text in messages(forms if name == "rsa" else None)])
    assert [(number, result) for number, result in enumerate(found) if result != [("pass", "")]] == []


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: b"/".join(forms).decode())
def test_what_mail_dkim_signs_passes(show, keys, forms, tmp_path):
    if subprocess.run(["perl", "-MMail::DKIM", "-e", "1"], capture_output=True, check=False).returncode:
        pytest.skip("Mail::DKIM is not installed")
    folder = tmp_path / "perl"
    folder.mkdir()
    paths = []
    for number, text in enumerate(messages(forms)):
        paths.append(folder / f"{number:04}.eml")
        paths[-1].write_bytes(text)
    subprocess.run(["perl", "-e", SIGN_WITH_PERL, keys["folder"] / "rsa.pem", b"/".join(forms), *paths], check=True)
    found = show([path.read_bytes() for path in paths])
    assert [(number, result) for number, result in enumerate(found) if result != [("pass", "")]] == []


def test_both_agree_on_damaged_messages(show, keys):
    """One byte of a signed message is changed, put in or taken out: dkimpy and we say the same."""
    chance = random.Random(6376)
    records = keys["records"]
    texts = []
    for number in range(300):
        signed = bytearray(sign(chance.choice(DIFFICULT[:8]), keys, chance.choice(FORMS),
                                include_headers=[b"from", b"to", b"subject"]))
        start = signed.index(b"\r\nFrom:") + 2
        place = chance.randrange(start, len(signed))
        byte = chance.choice(b" \tax")
        if number % 3 == 0:
            signed.insert(place, byte)
        elif number % 3 == 1 and signed[place] not in b"\r\n":
            signed[place] = byte
        elif signed[place] not in b"\r\n":
            del signed[place]
        texts.append(bytes(signed))
    found = show(texts)
    compared = 0
    for text, results in zip(texts, found):
        if not has_plain_header(text):
            continue
        compared += 1
        theirs = dkim.verify(text, dnsfunc=lambda name, timeout=5: records["rsa"].encode())
        assert (results[0][0] == "pass") == theirs, (results, text[:2000])
    assert compared > 200
