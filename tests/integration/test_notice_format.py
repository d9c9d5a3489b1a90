"""Delivery status notices as another reader sees them: Python's email package takes what show_notice writes, for
ordinary and for hostile messages and replies."""
import email
import email.policy
import itertools
import pathlib
import subprocess

import pytest
from conftest import corpus
from gateway import BINARY

SHOW_NOTICE = pathlib.Path(BINARY).parent / "tests/show_notice"
FIELDS = ["Date", "Message-ID", "From", "To", "Subject", "In-Reply-To", "References", "Auto-Submitted",
          "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]
MESSAGE = (b"From: Joe <joe@sender.test>\r\nTo: anna@example.com\r\nSubject: Dinner\r\n"
           b"Message-ID: <1@sender.test>\r\nReferences: <0@sender.test>\r\n\r\nOn Friday?\r\n")
REFUSED = {"code": "550", "enhanced": "5.1.1", "text": "User unknown", "peer": "mx1.example.com[192.0.2.1]:25"}

HOSTILE_TEXTS = [
    b"a\r\nX-Evil: 1\r\n\r\nbody",
    b"\r\n--=_\r\nContent-Type: text/html\r\n\r\n<b>",
    b"x" * 999,
    b"\xff\xfe\x01\x7f\xc2\x85 bad bytes",
    "Empfänger unbekannt – Postfach überfüllt".encode(),
    b"=?utf-8?B?AAAA?= =?iso-8859-1?Q?=0D=0A?=",
    b"\n\n\n",
    b"",
    b"%s%n%d",
]
HOSTILE_MESSAGES = [
    b"",
    b"\r\n",
    b"no header at all",
    b"Subject: x\nonly LF\n\nhere\n",
    b"Subject: " + b"y" * 30000 + b"\r\n\r\nx\r\n",
    b"Subject: a\r\n\tb\r\nX-NUL: \0\r\n\r\nbody \0\r\n",
    b"Message-ID: <a@b>\r\n <c@d>\r\nReferences: " + b"<r@s> " * 2000 + b"\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=\"=_\"\r\n\r\n--=_\r\n\r\n--=_--\r\n",
    "Subject: Grüße\r\nFrom: jöe@sender.test\r\n\r\nschön\r\n".encode(),
    b"Subject: \xff\xfe\r\n\r\n\xff\r\n",
    b"A: b\r\n" * 20000 + b"\r\nx\r\n",
    b"Subject: long\r\n\r\n" + b"z" * 5000 + b"\r\n",
]


@pytest.fixture
def show(tmp_path):
    def run(message, *recipients, **envelope):
        path = tmp_path / "message.eml"
        path.write_bytes(message)
        words = [SHOW_NOTICE, path]
        for named in ({"return_path": "joe@sender.test"} | envelope, *recipients):
            for name, value in named.items():
                words.append(name.encode() + b"=" + (value if isinstance(value, bytes) else value.encode()))
        return subprocess.run(words, check=True, capture_output=True, timeout=30).stdout

    return run


def to(original, **more):
    return {"original": original} | REFUSED | more


def checked(raw):
    """The notice, parsed; what must hold for all of them holds for it."""
    assert raw.endswith(b"\r\n") and b"\0" not in raw
    for line in raw.split(b"\r\n"):
        assert len(line) <= 998 and b"\r" not in line and b"\n" not in line
    notice = email.message_from_bytes(raw, policy=email.policy.default)
    assert [name for name in FIELDS if name in notice] == notice.keys()
    assert notice.get_content_type() == "multipart/report"
    assert notice["Content-Type"].params["report-type"] == "delivery-status"
    assert notice["Auto-Submitted"] == "auto-replied"
    assert notice["From"] == "Mail Delivery System <MAILER-DAEMON@mx.gate.test>"
    assert not [defect for part in parts(notice) for defect in part.defects]
    assert len(parts(notice)) == 3
    assert parts(notice)[0].get_content_type() == "text/plain"
    return notice


def parts(notice):
    return notice.get_payload()


def status(notice):
    """The groups of fields of the delivery report: of the message, and of each recipient."""
    report = parts(notice)[1]
    assert report.get_content_type() == "message/delivery-status"
    return [group for group in report.get_payload() if group.keys()]


def test_a_failure_is_read_as_such(show):
    notice = checked(show(MESSAGE, to("anna@example.com", orcpt="rfc822;Anna@old.test"), envid="QQ314", ret="1"))
    assert notice["To"] == "joe@sender.test"
    assert notice["Subject"] == "Undelivered mail to anna@example.com"
    assert notice["In-Reply-To"] == "<1@sender.test>"
    assert notice["References"] == "<0@sender.test> <1@sender.test>"
    message, recipient = status(notice)
    assert message["Reporting-MTA"] == "dns; mx.gate.test"
    assert message["Original-Envelope-Id"] == "QQ314"
    assert message["Arrival-Date"] == "Sun, 22 Nov 2026 04:29:12 +0000"
    assert dict(recipient.items()) == {
        "Original-Recipient": "rfc822; Anna@old.test",
        "Final-Recipient": "rfc822; anna@example.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx1.example.com",
        "Diagnostic-Code": "smtp; 550 5.1.1 User unknown",
        "Last-Attempt-Date": "Sun, 22 Nov 2026 05:29:12 +0000",
        "Final-Log-ID": "0abc",
    }
    text = parts(notice)[0].get_content()
    assert "550 5.1.1 User unknown" in text and "Why: no such address there." in text
    assert parts(notice)[2].get_content_type() == "message/rfc822"
    assert parts(notice)[2].get_content().get_content().strip() == "On Friday?"


def test_several_recipients_have_a_group_each(show):
    notice = checked(show(MESSAGE, to("anna@example.com"),
                          to("ben@example.com", action="delayed", code="452", enhanced="4.2.2", text="full"),
                          to("cleo@example.com", action="relayed", code="250", enhanced="2.0.0", text="ok")))
    assert notice["Subject"] == "Undelivered mail to anna@example.com and 2 more"
    groups = status(notice)[1:]
    assert [(group["Action"], group["Status"]) for group in groups] == [
        ("failed", "5.1.1"), ("delayed", "4.2.2"), ("relayed", "2.0.0")]
    assert ["Will-Retry-Until" in group for group in groups] == [False, True, False]


def test_a_header_comes_back_by_default(show):
    notice = checked(show(MESSAGE, to("anna@example.com")))
    assert parts(notice)[2].get_content_type() == "text/rfc822-headers"
    header = MESSAGE.partition(b"\r\n\r\n")[0].decode()
    assert parts(notice)[2].get_payload().split() == header.split()


def test_a_forwarding_keeps_its_destination_to_itself(show):
    raw = show(MESSAGE, to("anna@example.com", recipient="hidden@home.test", peer="mx.home.test[192.0.2.1]:25",
                           text="<hidden@home.test>: user unknown\nat MX.HOME.TEST, hidden%40home.test"))
    checked(raw)
    assert b"home.test" not in raw.lower() and b"hidden@" not in raw


def test_addresses_in_utf8_make_a_global_report(show):
    raw = show(MESSAGE, to("änna@example.com", orcpt="utf-8;änna@old.test"), return_path="jöe@sender.test")
    notice = checked(raw)
    assert parts(notice)[1].get_content_type() == "message/global-delivery-status"
    assert "Final-Recipient: utf-8; änna@example.com\r\n".encode() in raw
    assert notice["Subject"] == "Undelivered mail to änna@example.com"
    assert "änna@example.com" in parts(notice)[0].get_content()


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_words_stay_words(show, text):
    notice = checked(show(MESSAGE, to("anna@example.com", text=text, orcpt=b"rfc822;" + text, peer=text or b"mx"),
                          envid=text))
    message, recipient = status(notice)
    assert recipient["Final-Recipient"] == "rfc822; anna@example.com"
    assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert "X-Evil" not in message and "X-Evil" not in recipient


@pytest.mark.parametrize("number", range(len(HOSTILE_MESSAGES)))
def test_hostile_messages_come_back_harmless(show, number):
    for ret, text in itertools.product("12", HOSTILE_TEXTS[:3]):
        raw = show(HOSTILE_MESSAGES[number], to("anna@example.com", text=text), ret=ret)
        checked(raw)
        assert len(raw) < 80000


def test_hostile_addresses_are_no_more_than_text(show):
    for address in (b"a\r\nX-Evil: 1", b"x" * 5000, b"\xff@\xfe", b"<>", b"a@b c@d", b'"a\r\n b"@c.test'):
        notice = checked(show(MESSAGE, to(address, recipient=b"other@home.test")))
        assert "X-Evil" not in notice and "X-Evil" not in status(notice)[1]


def test_the_corpus_comes_back(show):
    paths = corpus()
    if not paths:
        pytest.skip("no corpus")
    for path in paths[::4]:
        message = path.read_bytes()
        if b"\r\n" not in message:
            message = message.replace(b"\n", b"\r\n")
        notice = checked(show(message, to("anna@example.com"), ret="1"))
        original = parts(notice)[2]
        if original.get_content_type() == "message/rfc822":
            wanted = email.message_from_bytes(message, policy=email.policy.compat32)
            assert original.get_payload()[0].keys() == wanted.keys()
