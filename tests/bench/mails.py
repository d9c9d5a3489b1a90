"""The messages that the bench sends, and the DNS records that they are verified with."""
import base64
import email.message
import email.policy
import os
import pathlib
import re
import subprocess
import sys

import dkim

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from fake_dns import FakeDns  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
REAL_BYTES_MAX = 200_000
# What makes a message automatic, which is not replied to; and what is put in its place.
LEFT_OUT = re.compile(rb"(From|Reply-To|Sender|Return-Path|List-[^:]*|Precedence|Auto-Submitted|Errors-To|Mailing-List|"
                      rb"X-Auto-Response-Suppress|References|Message-ID)$", re.IGNORECASE)


def make_key():
    """A private key (PEM) and the text of its DNS record."""
    private = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, check=True,
                            capture_output=True).stdout
    text = base64.b64encode(public).decode()
    return private, f'"v=DKIM1; p={text[:200]}" "{text[200:]}"'


def signed_message(private):
    """5 KB, signed by its author's domain."""
    body = b"".join(b"A line of the body, as long as such lines are, number %04d.\r\n" % n for n in range(56))
    message = (b"Authentication-Results: mx.forwarder.test; dkim=pass header.d=sender.test\r\n"
               b"From: Anna <anna@sender.test>\r\nTo: plain@bench.test\r\nSubject: a signed message\r\n"
               b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n\r\n" + body)
    return dkim.sign(message, b"s1", b"sender.test", private, canonicalize=(b"relaxed", b"relaxed")) + message


def sealed_message(message, private):
    """The same with a forwarder's ARC set."""
    return b"".join(dkim.arc_sign(message, b"s1", b"forwarder.test", private, b"mx.forwarder.test")) + message


def write_keys(folder, private):
    """For both domains that sign."""
    for domain in ("fwd.bench.test", "bench.test"):
        (folder / domain).mkdir(parents=True, exist_ok=True)
        path = folder / domain / "s1.pem"
        path.touch(mode=0o600)
        path.write_bytes(private)
        (folder / domain / "active").write_text("s1\n")


def serve_records(record):
    server = FakeDns()
    server.records.update({
        ("sender.test", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 include:spf.sender.test -all"'],
        ("spf.sender.test", "TXT"): ['"v=spf1 ip4:127.0.0.0/8 -all"'],
        ("s1._domainkey.sender.test", "TXT"): [record],
        ("s1._domainkey.forwarder.test", "TXT"): [record],
        ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject"'],
    })
    server.silent.add("silent.test")
    return server


# --- real messages ---


def _from_anna(raw, number):
    """The message as one that Anna wrote by hand: with her From (SPF and so DMARC pass), and nothing in its header that
    forbids a reply."""
    raw = re.sub(rb"\r?\n", b"\n", raw)
    header, _, body = raw.partition(b"\n\n")
    fields = re.split(rb"\n(?![ \t])", header)
    kept = [field for field in fields if b":" in field and not LEFT_OUT.match(field.partition(b":")[0].strip())]
    own = [b"From: Anna <anna@sender.test>", b"Message-ID: <real-%d@sender.test>" % number]
    return b"\r\n".join(b"\n".join(own + kept + [b"", body]).split(b"\n"))


def _made_messages():
    """Where there are no real ones: a plain one, one with two forms, and one with an attachment too."""
    messages = []
    text = "Grüße aus Köln. A sentence as they stand in mail, and one more of them.\n" * 40
    for with_html, with_file in ((False, False), (True, False), (True, True)):
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["To"], message["Subject"] = "real@bench.test", "Angebot für nächste Woche"
        message["Date"] = "Sun, 22 Nov 2026 12:00:00 +0000"
        message.set_content(text, cte="quoted-printable")
        if with_html:
            message.add_alternative("<p>" + text.replace("\n", "<br>") + "</p>", subtype="html")
        if with_file:
            message.add_attachment(bytes(range(256)) * 60, maintype="application", subtype="pdf", filename="Angebot.pdf")
        messages.append(message.as_bytes())
    return messages


def write_real_messages(folder):
    """The real messages of tests/data and the corpus (POSTERN_CORPUS, or ../shared/corpus), else a few that are made:
    how many and their mean length."""
    corpus = pathlib.Path(os.environ.get("POSTERN_CORPUS", ROOT.parent / "shared/corpus"))
    paths = sorted((ROOT / "tests/data").rglob("*.eml")) + sorted(corpus.glob("*.eml"))
    found = [path.read_bytes() for path in paths if path.stat().st_size <= REAL_BYTES_MAX]
    messages = [_from_anna(raw, number) for number, raw in enumerate(found or _made_messages())]
    folder.mkdir()
    for number, message in enumerate(messages):
        (folder / f"{number:04}.eml").write_bytes(message)
    return len(messages), sum(map(len, messages)) / len(messages)
