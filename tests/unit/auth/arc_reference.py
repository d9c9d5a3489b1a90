"""Random messages with ARC chains that dkimpy has sealed, most of them damaged afterwards, and what dkimpy says of
each.

usage: arc_reference.py SEED COUNT

Prints "key BASE64", then for each message "message RESULT BASE64 WHAT", with tabs between: the public key of all
sealers, and what is verified, what it comes to ("none", "pass", "fail"), and what was done to it."""
import base64
import binascii
import random
import re
import subprocess
import sys

import dkim

SUBJECTS = [b"Hello", b"a   b\t c", b"folded\r\n\tsubject", b"", b"  blanks  "]
BODIES = [b"One.\r\nTwo.\r\n", b"", b"\r\n\r\n", b"a  b \t c\t\r\n \r\n\r\n\r\n", b"no line end", b"x" * 5000 + b"\r\n"]
NAMES = [b"from", b"to", b"subject", b"date", b"message-id", b"x-none", b"reply-to"]
FIELD = rb"(?m)^ARC-(Seal|Message-Signature|Authentication-Results):[^\n]*\n(?:[ \t][^\n]*\n)*"


def key_pair():
    private = subprocess.run(["openssl", "genrsa", "-traditional", "1024"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, capture_output=True,
                            check=True).stdout
    return private, base64.b64encode(public)


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.private, self.public = key_pair()

    def message(self):
        some = self.random.choice
        fields = [b"From: A <a@author.test>", b"To: b@dest.test,\r\n c@dest.test", b"Subject: " + some(SUBJECTS),
                  b"Date: Sun, 22 Nov 2026 06:00:00 +0000"]
        return b"\r\n".join(fields) + b"\r\n\r\n" + some(BODIES)

    def seal(self, message, hop):
        server = b"mx%d.test" % hop
        chain = b"none" if hop == 1 else b"pass"  # dkimpy's cv= is what this says of arc
        message = b"Authentication-Results: %s; dmarc=pass; arc=%s\r\n" % (server, chain) + message
        names = [b"from"] + self.random.sample(NAMES, self.random.randint(0, 4))
        fields = dkim.arc_sign(message, b"key", b"hop%d.test" % hop, self.private, server, include_headers=names)
        return b"".join(fields) + message

    def forwarded(self, message):
        """What a mailing list does between two seals."""
        if self.random.random() < 0.3:
            message = message.replace(b"Subject: ", b"Subject: [list] ", 1)
        if self.random.random() < 0.3:
            message += b"-- \r\nfooter\r\n"
        return message

    def a_field(self, message):
        return self.random.choice(list(re.finditer(FIELD, message)))

    def damaged(self, message):
        kind = self.random.choice(["nothing", "blanks", "body", "from", "drop", "twice", "instance", "status", "byte"])
        field = self.a_field(message)
        text = field.group()
        changed = {
            "nothing": lambda: message,
            "blanks": lambda: message.replace(b"; ", b";  ", 1),
            "body": lambda: message + b"more\r\n",
            "from": lambda: message.replace(b"From: A", b"From: B", 1),
            "drop": lambda: message.replace(text, b"", 1),
            "twice": lambda: text + message,
            "instance": lambda: message.replace(text, text.replace(b"i=1", b"i=2", 1), 1),
            "status": lambda: message.replace(b"cv=none", b"cv=pass", 1),
            "byte": lambda: self.with_byte(message, field),
        }
        return kind, changed[kind]()

    def with_byte(self, message, field):
        start = field.start() + field.group().index(b":") + 1
        at = self.random.choice([at for at in range(start, field.end()) if message[at] not in b"\r\n \t"])
        return message[:at] + b"%c" % self.random.choice(b"aA0=;: ") + message[at + 1:]


def verify(message, record):
    try:
        return dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: record)[0].decode()
    except (binascii.Error, dkim.DKIMException):  # it does not catch all of its own
        return "fail"


def main(seed, count):
    generator = Generator(seed)
    print("key", generator.public.decode(), sep="\t")
    record = b"v=DKIM1; k=rsa; p=" + generator.public
    for _ in range(count):
        message = generator.message()
        for hop in range(generator.random.randint(0, 4)):
            message = generator.seal(generator.forwarded(message), hop + 1)
        what, message = generator.damaged(message) if b"ARC-Seal" in message else ("nothing", message)
        print("message", verify(message, record), base64.b64encode(message).decode(), what, sep="\t")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
