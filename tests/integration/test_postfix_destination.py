"""Next hops as they are: a real Postfix that refuses, greylists, is slow or down, and servers that break SMTP. Whatever
they do, a message is delivered, refused in their words or queued, and the queue ends what it began; the activity log has
the words of each attempt."""
import concurrent.futures
import json
import smtplib
import socket
import time

import pytest
from gateway import Gateway, Rules, postern, wait_until
from scripted_server import ScriptedServer

TEXT = "From: {sender}\r\nTo: ben@gate.test\r\nSubject: {subject}\r\n\r\nWe met.\r\n"
HOST = {"queue": {"first_retry": "200ms", "retry_max": "400ms", "lease": "2s"},
        "delivery": {"connect_timeout": "1s", "greeting_timeout": "600ms", "command_timeout": "600ms",
                     "data_start_timeout": "600ms", "data_end_timeout": "600ms", "data_block_timeout": "600ms"}}


class World:
    """A gateway before its next hops: what is for <name>@gate.test goes to `forwards[name]`."""

    def __init__(self, folder, forwards, routes, **host):
        self.rules = Rules(folder, host={**HOST, **host, "routes": routes})
        self.rules.domain("gate.test", *[{"to": name + "@", "forward": to} for name, to in forwards.items()])
        self.gateway = Gateway(self.rules)

    def send(self, name="ben", sender="anna@sender.test", subject="hello"):
        """What the sender is told, as "code text"."""
        text = TEXT.format(sender=sender, subject=subject).encode()
        try:
            with self.gateway.connect() as session:
                session.ehlo()
                session.mail(sender)
                assert session.rcpt(f"{name}@gate.test")[0] == 250
                code, reply = session.data(text)
        except smtplib.SMTPDataError as refusal:
            code, reply = refusal.smtp_code, refusal.smtp_error
        return f"{code} {reply.decode()}"

    def rows(self):
        done = postern("log", self.rules.folder, "--json", "--limit", "1000")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def row(self, status):
        """That of the last message, once it has this status."""
        last = wait_until(lambda: self.gateway.events("message.received"), "the log")[-1]

        def seen():
            found = [row for row in self.rows() if f"id={row['id']}" in last.split(" ") and row["status"] == status]
            return found and found[0]
        return wait_until(seen, f"{last} to be {status}")

    def queued(self):
        return json.loads(postern("queue", self.rules.folder, "list", "--json").stdout)["recipients"]


# --- a real Postfix ---

@pytest.fixture(scope="module")
def postfixed(tmp_path_factory, postfix):
    names = ("ben", "refused", "rcpt450", "full", "closed", "grey", "slow")
    world = World(tmp_path_factory.mktemp("postfixed"), {name: name + "@dest.test" for name in names},
                  {"*": {"host": "127.0.0.1", "port": postfix.port, "tls": "none"}},
                  delivery={**HOST["delivery"], "command_timeout": "5s", "data_end_timeout": "5s"})
    yield world
    world.gateway.stop()


REFUSALS = {
    "MAIL": ({"sender": "mail550@sender.test"}, "550 5.7.1", "not from you", "policy"),
    "RCPT": ({"name": "refused"}, "550 5.7.1", "not for you", "policy"),
    "RCPT, quota": ({"name": "closed"}, "552 5.2.2", "full for good", "quota"),
    "DATA": ({"sender": "data550@sender.test"}, "550 5.7.1", "no data from you", "policy"),
    "content": ({"subject": "virus"}, "550 5.7.1", "there is a virus in it", "content"),
}


@pytest.mark.parametrize("message, code, words, failure", REFUSALS.values(), ids=REFUSALS.keys())
def test_postfix_refuses(postfixed, postfix, message, code, words, failure):
    before = len(postfix.mails())
    answer = postfixed.send(**message)
    assert answer.startswith(code) and words in answer
    attempt, = postfixed.row("deliveryFailed")["attempts"]
    assert attempt["status"] == "failed" and words in attempt["reply"] and str(postfix.port) in attempt["peer"]
    assert attempt["class"] == failure
    assert len(postfix.mails()) == before and postfixed.queued() == []


DEFERRALS = {
    "MAIL": ({"sender": "mail450@sender.test"}, "not from you now", None),
    "RCPT": ({"name": "rcpt450"}, "busy", None),
    "RCPT, quota": ({"name": "full"}, "over its quota", "quota"),
    "DATA": ({"sender": "data450@sender.test"}, "no data from you now", None),
    "end of data": ({"sender": "end450@sender.test"}, "the filter is down", None),
}


@pytest.mark.parametrize("message, words, failure", DEFERRALS.values(), ids=DEFERRALS.keys())
def test_postfix_says_not_now(postfixed, message, words, failure):
    answer = postfixed.send(**message)
    assert answer.startswith("250 2.0.0")
    row = postfixed.row("queued")
    assert all(words in attempt["reply"] and attempt["status"] == "deferred" for attempt in row["attempts"])
    assert failure in (None, row["attempts"][0]["class"])
    assert [leg["original"] for leg in postfixed.queued()] == [row["to"]]
    wait_until(lambda: len(postfixed.row("queued")["attempts"]) >= 2, "a second attempt")
    wait_until(lambda: postern("queue", postfixed.rules.folder, "drop", "--all") and not postfixed.queued(),
               "it to be dropped")


def test_postfix_greylists_and_gets_it_in_the_end(postfixed, postfix):
    before = len(postfix.mails())
    answer = postfixed.send("grey")
    assert answer.startswith("250 2.0.0")
    row = postfixed.row("forwarded")
    assert [attempt["status"] for attempt in row["attempts"]] == ["deferred", "deferred", "delivered"]
    assert {attempt["class"] for attempt in row["attempts"][:2]} == {"greylist"}
    assert len(postfix.wait_for(before + 1)) == before + 1


def test_postfix_is_slow_and_gets_it_once(postfixed, postfix):
    before = len(postfix.mails())
    answer = postfixed.send("slow")
    assert answer.startswith("250 2.0.0")
    attempt, = postfixed.row("forwarded")["attempts"]
    assert attempt["ms"] >= 1000
    assert len(postfix.wait_for(before + 1)) == before + 1


def test_postfix_is_down_and_comes_up(postfixed, postfix):
    before = len(postfix.mails())
    postfix.halt()
    try:
        assert all(postfixed.send(subject="down").startswith("250 2.0.0") for _ in range(5))
        assert len(postfixed.queued()) == 5
    finally:
        postfix.start()
    assert len(postfix.wait_for(before + 5)) == before + 5
    wait_until(lambda: not postfixed.queued(), "the queue to be empty")

    def forwarded():
        rows = [row for row in postfixed.rows() if row["subject"] == "down"]
        return [row["status"] for row in rows] == ["forwarded"] * 5 and rows
    for row in wait_until(forwarded, "the log to say so of all five"):
        assert row["attempts"][0]["class"] == "connection" and row["attempts"][-1]["status"] == "delivered"


# --- servers that break SMTP ---

def drip(connection):
    """A reply that never comes to its end, a byte at a time."""
    for _ in range(100):
        connection.sendall(b"2")
        time.sleep(0.05)


def lines_without_end(connection):
    for _ in range(200_000):
        connection.sendall(b"250-and so on\r\n" * 10)


def wait(connection):
    time.sleep(3)


def late(connection):
    time.sleep(0.2)
    connection.sendall(b"220 at last\r\n")
    return True


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


OFFER = b"250-odd.dest.test\r\n250 STARTTLS\r\n"
VERBS = ("MAIL", "RCPT", "DATA", "dot")
DELIVERED = {
    "a long greeting": {"greeting": b"220-a\r\n" * 50 + b"220 b\r\n"},
    "a late greeting": {"greeting": late},
    "EHLO is refused": {"EHLO": b"502 5.5.1 What?\r\n"},
    "EHLO has odd lines": {"EHLO": b"250-\r\n250-=?=\r\n250-SIZE SIZE\r\n250-SIZE -1\r\n250 \xff\xfe\r\n"},
    "no enhanced code": {"dot": b"250 taken\r\n"},
    "no text": {verb: b"250\r\n" for verb in ("MAIL", "RCPT", "dot")} | {"DATA": b"354\r\n"},
    "LF alone": {"MAIL": b"250 Ok\n", "dot": b"250 Ok\n"},
    "251 at RCPT": {"RCPT": b"251 2.1.5 I forward it\r\n"},
    "many lines": {"dot": b"250-a\r\n" * 50 + b"250 b\r\n"},
    "the last line counts": {"MAIL": b"550-a\r\n250 b\r\n"},
    "closes after its 250": {"QUIT": None, "RSET": None},
    "opportunistic, STARTTLS is refused": {"EHLO": OFFER, "STARTTLS": b"454 4.7.0 No TLS now\r\n"},
    "opportunistic, STARTTLS is garbage": {"EHLO": OFFER, "STARTTLS": b"220 Go on\r\nthis is no TLS\r\n"},
    "opportunistic, STARTTLS closes": {"EHLO": OFFER, "STARTTLS": None},
    "opportunistic, STARTTLS says nothing": {"EHLO": OFFER, "STARTTLS": wait},
}
REFUSED = {f"{verb} {code}": {verb: f"{code} 5.7.1 Never at {verb}\r\n".encode()}
           for verb in VERBS for code in (550, 554, 599)}
NOT_NOW = {f"{verb} {code}": {verb: f"{code} 4.7.1 Not now at {verb}\r\n".encode()}
           for verb in VERBS for code in (421, 450, 499)}
NONSENSE = {
    **{f"{verb}: {name}": {verb: said} for verb in ("greeting", *VERBS) for name, said in {
        "garbage": b"\x00\xff hello\r\n", "closes": None, "says nothing": wait, "1xx": b"150 Ok\r\n", "reset": reset,
        "100 KB": b"250 " + b"x" * 100_000 + b"\r\n", "lines without end": lines_without_end,
    }.items()},
    "greeting 421": {"greeting": b"421 4.3.2 Too busy\r\n"},
    "greeting drips": {"greeting": drip},
    "MAIL 354": {"MAIL": b"354 Go on\r\n"}, "RCPT 354": {"RCPT": b"354 Go on\r\n"},
    "DATA 250": {"DATA": b"250 Ok\r\n"}, "dot 354": {"dot": b"354 Go on\r\n"},
    "closes in mid-DATA": {"content": None}, "resets in mid-DATA": {"content": reset},
    "EHLO and HELO 4xx": {"EHLO": b"450 4.3.2 No\r\n", "HELO": b"450 4.3.2 No\r\n"},
    "EHLO is garbage": {"EHLO": b"hello\r\n"},
    "required, STARTTLS is not offered": {"EHLO": b"250 odd.dest.test\r\n"},
    "required, STARTTLS is refused": {"EHLO": OFFER, "STARTTLS": b"454 4.7.0 No TLS now\r\n"},
    "required, STARTTLS is garbage": {"EHLO": OFFER, "STARTTLS": b"220 Go on\r\nthis is no TLS\r\n"},
}


class Case:
    """A server with its script, and what came of a message to it."""

    def __init__(self, name, script):
        self.name = name
        self.script = script
        self.server = ScriptedServer()
        self.server.behave(**script)
        self.answer, self.row, self.taken_at_first = None, None, 0

    @property
    def route(self):
        tls = self.name.split(",")[0]
        return {"host": "127.0.0.1", "port": self.server.port,
                "tls": tls if tls in ("opportunistic", "required") else "none"}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """One message to each of the servers at once. Then they behave, and the queue goes on until nothing is in it but what
    needs TLS, which they do not have."""
    scripts = {**DELIVERED, **REFUSED, **NOT_NOW, **NONSENSE}
    cases = {f"case{i}": Case(name, script) for i, (name, script) in enumerate(scripts.items())}
    world = World(tmp_path_factory.mktemp("broken"), {key: f"ben@{key}.test" for key in cases},
                  {f"{key}.test": case.route for key, case in cases.items()})

    def play(key):
        cases[key].answer = world.send(key)

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(play, cases))
    stay = 0
    for case in cases.values():
        case.taken_at_first = len(case.server.taken)
        stay += case.route["tls"] == "required"
        case.server.behave()
    wait_until(lambda: len(world.queued()) <= stay, "the queue to end what it began", seconds=30)
    world.gateway.stop()
    for row in world.rows():
        cases[row["to"].split("@")[0]].row = row
    yield {case.name: case for case in cases.values()}
    for case in cases.values():
        case.server.stop()


@pytest.mark.parametrize("name", DELIVERED)
def test_odd_but_well_is_delivered(played, name):
    case = played[name]
    assert case.answer.startswith("250 2.0.0") and case.row["status"] == "forwarded"
    assert len(case.server.taken) == 1 and len(case.row["attempts"]) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_each_5xx_is_the_senders_answer(played, name):
    case = played[name]
    said, = case.script.values()
    assert case.answer == said.decode().strip() and case.server.taken == []
    assert case.row["status"] == "deliveryFailed"
    attempt, = case.row["attempts"]
    assert (attempt["status"], attempt["reply"]) == ("failed", case.answer)


def check_later(case):
    assert case.answer.startswith("250 2.0.0")
    if case.route["tls"] == "required":
        assert case.row["status"] == "queued" and case.server.taken == []
        return
    assert case.row["status"] == "forwarded"
    statuses = [attempt["status"] for attempt in case.row["attempts"]]
    assert statuses == ["deferred"] * (len(statuses) - 1) + ["delivered"] and len(statuses) >= 2
    assert len(case.server.taken) == case.taken_at_first + 1


@pytest.mark.parametrize("name", NOT_NOW)
def test_each_4xx_is_queued_and_delivered_later(played, name):
    case = played[name]
    check_later(case)
    said, = case.script.values()
    # 421 would say to whoever reads it that Postern closes its own connection
    words = said.decode().strip().replace("421 ", "451 ")
    assert case.row["attempts"][0]["reply"] == words and case.server.taken[1:] == []


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_queued_and_delivered_later(played, name):
    case = played[name]
    check_later(case)
    first = case.row["attempts"][0]
    assert first["reply"].startswith("4") and first["class"] in ("connection", "protocol", "soft", "rate", "tls")
