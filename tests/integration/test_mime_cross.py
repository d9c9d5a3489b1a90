"""MIME against another reader: what mime.parse finds in a message, Python's email package finds too. The messages
are those of the corpus where there is one, and some that were made to be difficult. Where the two differ on
purpose, a comment says why and their answer is made ours; what then differs is a mistake."""
import base64
import binascii
import email
import email.header
import email.utils
import json
import os
import pathlib
import re
import subprocess
import zlib

from gateway import BINARY, ROOT

CORPUS = pathlib.Path(os.environ.get("POSTERN_CORPUS", ROOT / "../shared/corpus"))

SCRIPT = r"""
local mime = require "mime"

-- As zlib's adler32: logs are too short for whole texts.
local function sum(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return ("%d:%d"):format(#text, b * 65536 + a)
end

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function show(name, text)
  print(name .. "=" .. hex(text))
end

local function shape(part)
  local inner = {}
  for i, child in ipairs(part.parts or {}) do
    inner[i] = shape(child)
  end
  return part.type .. (inner[1] and "(" .. table.concat(inner, " ") .. ")" or "")
end

return { email = function(message)
  local mail = message:parse()
  show("subject", mail.subject)
  show("from", mail.from and mail.from.address or "")
  show("name", mail.from and mail.from.name or "")
  for _, key in ipairs { "to", "cc" } do
    local list = {}
    for i, item in ipairs(mail[key]) do
      list[i] = item.address
    end
    show(key, table.concat(list, " "))
  end
  show("date", tostring(mail.date))
  show("messageId", mail.messageId or "")
  show("references", table.concat(mail.references, " "))
  show("shape", shape(mail))
  show("text", mail.text and sum(mail.text:gsub("\n+$", "")) or "none")
  show("html", mail.html and sum(mail.html:gsub("\n+$", "")) or "none")
  for i, file in ipairs(mail.attachments) do
    show("file" .. i, ("%s %s %s"):format(file.type, file.filename or "", file.message and "" or sum(file.content)))
  end
end }
"""

# What calls itself the one is read as the other, as the web does (host/mail/charset.h).
SUPERSETS = {"iso-8859-1": "cp1252", "us-ascii": "cp1252", "gb2312": "gb18030", "euc-kr": "cp949",
             "ks_c_5601-1987": "cp949", "big5": "big5hkscs", "iso-8859-9": "cp1254", "shift_jis": "cp932"}


def decoded(content, charset):
    """To text, with what is undefined in Windows code pages as Python leaves it out and we do: replaced."""
    charset = (charset or "").strip().lower()
    if charset in ("", "us-ascii"):
        charset = "utf-8" if is_utf8(content) else "cp1252"
    try:
        return content.decode(SUPERSETS.get(charset, charset), "replace")
    except LookupError:
        return content.decode("utf-8" if is_utf8(content) else "cp1252", "replace")


def is_utf8(content):
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def one_line(text):
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)


def words(value):
    """A field's value for people. `value` is a str whose surrogates are raw bytes."""
    text = re.sub(r"[\r\n]", "", value).strip(" \t\r\n")
    pieces = []
    for piece, charset in email.header.decode_header(text):
        if isinstance(piece, str):
            piece = piece.encode("utf-8", "surrogateescape")
        pieces.append(decoded(piece, charset))
    return one_line("".join(pieces))


def field(mail, name):
    for key, value in mail.raw_items():
        if key.lower() == name:
            return value
    return ""


def addresses(mail, name):
    values = [re.sub(r"[\r\n]", "", value) for key, value in mail.raw_items() if key.lower() == name]
    # Python leaves blanks within an address.
    return [(label, re.sub(r"\s", "", address))
            for label, address in email.utils.getaddresses(values) if "@" in address]


def content_of(part):
    """Blanks at the end of a quoted-printable line are transport's (RFC 2045 section 6.7): Python leaves them. Of
    base64 that is cut off, it leaves all as it stands."""
    content = part.get_payload(decode=True) or b""
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    encoded = part.get_payload() if isinstance(part.get_payload(), str) else ""
    if encoding == "quoted-printable":
        encoded = encoded.encode("ascii", "surrogateescape")
        return binascii.a2b_qp(re.sub(rb"[ \t]+(?=\r?\n|$)", b"", encoded))
    if encoding == "base64" and any("Length" in type(defect).__name__ for defect in part.defects):
        digits = re.sub("[^A-Za-z0-9+/]", "", encoded)
        digits = digits[:-1] if len(digits) % 4 == 1 else digits
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    return content


def text_of(part):
    charset = part.get_param("charset", "")
    text = decoded(content_of(part), charset if isinstance(charset, str) else "")
    text = re.sub("\r\n|\r", "\n", text).removeprefix("\ufeff")
    if part.get_content_type() == "text/plain" and str(part.get_param("format", "")).lower() == "flowed":
        return None
    return text


def sort(part, found, is_alternative=False):
    kind = part.get_content_type()
    if part.is_multipart() and kind == "multipart/alternative":
        chosen = {"plain": None, "html": None}
        for child in part.get_payload():
            inner = {"plain": [], "html": [], "files": found["files"]}
            sort(child, inner, True)
            chosen["plain"] = chosen["plain"] or inner["plain"]
            chosen["html"] = inner["html"] or chosen["html"]
        found["plain"] += chosen["plain"] or []
        found["html"] += chosen["html"] or []
    elif part.is_multipart() and kind.startswith("multipart/"):
        for child in part.get_payload():
            sort(child, found)
    elif part.get_content_disposition() == "attachment" or filename(part):
        found["files"].append(part)
    elif kind == "text/plain" or kind.startswith("multipart/"):
        found["plain"].append(part)
    elif kind == "text/html":
        found["html"].append(part)
    elif kind != "text/calendar" and not (is_alternative and kind.startswith("text/")):
        found["files"].append(part)


def filename(part):
    name = part.get_filename() or ""
    return re.split(r"[\\/]", words(name))[-1]


def shape(part):
    inner = part.get_payload() if part.is_multipart() and part.get_content_maintype() == "multipart" else []
    return part.get_content_type() + (f"({' '.join(map(shape, inner))})" if inner else "")


def summed(data):
    return f"{len(data)}:{zlib.adler32(data)}"


def joined(parts):
    """Where the last boundary is missing, Python takes the last line end for its own."""
    texts = [text_of(part) for part in parts]
    if None in texts:
        return "flowed"
    return summed("\n".join(texts).rstrip("\n").encode("utf-8", "replace")) if texts else "none"


def second_opinion(raw):
    mail = email.message_from_bytes(raw)
    found = {"plain": [], "html": [], "files": []}
    sort(mail, found)
    date = email.utils.parsedate_tz(field(mail, "date"))
    sender = addresses(mail, "from")
    seen = {
        "subject": words(field(mail, "subject")),
        "from": sender[0][1] if sender else "",
        "name": words(sender[0][0]) if sender else "",
        "date": str(email.utils.mktime_tz(date)) if date else "nil",
        "references": " ".join(re.findall(r"<[^<>\s]+>", " ".join(mail.get_all("references", [])))),
        "shape": shape(mail), "text": joined(found["plain"]), "html": joined(found["html"]),
    }
    if seen["text"] == "none" and found["html"]:
        seen["text"] = "from the HTML"
    ids = re.findall(r"<[^<>\s]+>|^\S+$", field(mail, "message-id").strip())
    seen["messageId"] = ids[0] if ids else ""
    for key in ("to", "cc"):
        seen[key] = " ".join(address for _, address in addresses(mail, key))
    for i, part in enumerate(found["files"]):
        content = "" if part.get_content_type() == "message/rfc822" else summed(content_of(part))
        seen[f"file{i + 1}"] = f"{part.get_content_type()} {filename(part)} {content}"
    return seen


def first_opinion(raw, script):
    outcome = subprocess.run([BINARY, "run", script, "-", "--from", "a@sender.test", "--to", "b@dest.test"],
                             input=raw, capture_output=True, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    lines = [line["text"].split("=", 1) for line in json.loads(outcome.stdout)["log"]]
    return {key: bytes.fromhex(value).decode() for key, value in lines}


def part(head, body, boundary="b"):
    return f"--{boundary}\r\n{head}\r\n\r\n{body}\r\n".encode()


MIXED = b"Subject: made\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
DIFFICULT = [
    b"", b"\r\n", b"Subject\r\n\r\nbody\r\n", b"Subject: no body",
    b"Subject: =?utf-8?Q?a?= =?utf-8?B?w6k=?= x\r\nFrom: =?koi8-r?B?8NLJ18XU?= <i@sender.test>\r\n\r\n",
    b'To: "a, b" <a@x.test>, c@x.test (C),\r\n Group: d@x.test, e@x.test;\r\n\r\n',
    b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nDate: again\r\n\r\n",
    b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$BF|K\\\x1b(B\r\n",
    b"Content-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes("Привет".encode("cp1251")),
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"a=20=\r\nb=C3=A9  \r\n=\r\n",
    MIXED + part("", "one") + part("Content-Type: text/html", "<p>") + b"--b--\r\nepilogue\r\n",
    MIXED + part("", "not closed"),
    MIXED + part("Content-Type: image/png; name*=utf-8''%C3%A9.png", "x") + b"--b--",
    MIXED + part('Content-Disposition: attachment; filename*0="a b"; filename*1=".txt"', "x") + b"--b--\r\n",
    MIXED + part("Content-Type: message/rfc822", "Subject: inner\r\n\r\ninside") + b"--b--\r\n",
    MIXED + part("Content-Type: multipart/alternative; boundary=c",
                 "--c\r\n\r\nplain\r\n--c\r\nContent-Type: text/html\r\n\r\n<b>\r\n--c--") + b"--b--\r\n",
    MIXED + part("Content-Type: multipart/mixed; boundary=bb", "--bb\r\n\r\ninner\r\n--bb--") + b"--b--\r\n",
    MIXED + b"no boundary at all\r\n",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary named\r\n",
]


def messages():
    files = sorted(CORPUS.glob("*.eml")) + sorted((ROOT / "tests/data").glob("**/*.eml"))
    return [(path.name, path.read_bytes()) for path in files] + [
        (f"difficult {i}", raw) for i, raw in enumerate(DIFFICULT)]


def has_surrogates(text):
    return any("\udc80" <= c <= "\udcff" for c in text)


def is_same(mine, theirs):
    """Python does not join flowed lines, nor makes plain text of HTML; raw bytes in an address are anybody's guess."""
    return mine == theirs or theirs == "from the HTML" or theirs == "flowed" or has_surrogates(theirs or "")


def test_both_readers_find_the_same(tmp_path):
    script = tmp_path / "show.lua"
    script.write_text(SCRIPT)
    differences = []
    for name, raw in messages():
        mine, theirs = first_opinion(raw, script), second_opinion(raw)
        for key in sorted(mine.keys() | theirs.keys()):
            if not is_same(mine.get(key), theirs.get(key)):
                differences.append((name, key, mine.get(key), theirs.get(key)))
    assert differences == []
