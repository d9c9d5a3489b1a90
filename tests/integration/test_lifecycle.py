"""The life of a message, stage by stage (DESIGN.md 1): received, verified, matched, decided, sent, recorded. For each stage
and each of its outcomes: what the sender is told, what arrived where, the log's events in order, and the row of the
activity log with its status and attempts."""
import json
import re
import smtplib

import pytest
from destination import Destination
from fake_dns import FakeDns
from gateway import Gateway, Rules, postern, wait_until

SENDER = "anna@sender.test"
TEXT = ("From: Anna <{sender}>\r\nTo: {to}\r\nSubject: hello\r\nMessage-ID: <{to}>\r\n"
        "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nWe met.\r\n")
QUEUE = {"first_retry": "100ms", "retry_max": "300ms", "lease": "2s", "lifetime": "1500ms"}
SPF = '"v=spf1 ip4:127.0.0.0/8 -all"'
RECORDS = {
    ("sender.test", "TXT"): [SPF], ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=none"'],
    ("lies.test", "TXT"): ['"v=spf1 -all"'],
    ("strict.test", "A"): ["192.0.2.1"], ("_dmarc.strict.test", "TXT"): ['"v=DMARC1; p=reject"'],
}
RECEIVED = ["message.received", "message.verified"]
MATCHED = [*RECEIVED, "rule.matched"]


class Life:
    """A gateway that verifies, with its next hop, its name server and rules for each outcome."""

    def __init__(self, folder):
        self.dns = FakeDns()
        self.dns.records.update(RECORDS)
        self.dns.broken.add("broken.test")
        self.destination = Destination()
        self.rules = Rules(folder, upstream=self.destination.port, host={
            "auth": {}, "queue": QUEUE, "forwarding": {}, "limits": {"message_size": "100KiB"},
            "dns": {"resolver": self.dns.resolver, "timeout": "1s"}})
        self.rules.domain(
            "gate.test",
            {"name": "Exact", "to": "exact@", "forward": "exact@dest.test"},
            {"name": "Two", "to": "two@", "forward": ["one@dest.test", "other@dest.test"]},
            {"name": "Pattern", "to": r"/^order-(?<id>\d+)@/", "forward": "orders@dest.test"},
            {"name": "Later", "to": "later@", "forward": "later@dest.test", "on_soft_failure": "defer"},
            {"name": "Hole", "to": "hole@", "drop": True},
            {"name": "Trap", "to": "trap@", "reject": "no such person here"},
            {"name": "Refunds", "to": "shop@", "when": {"header": {"subject": "/refund/i"}},
             "forward": "shop@dest.test"},
            {"name": "Closed", "to": "shop@", "when": {"header": {"subject": "/./"}}, "reject": "we are closed"},
            *[{"name": "Work", "to": name + "@", "worker": name} for name in SCRIPTS],
            subaddressing=True)
        self.rules.domain("all.test", catch_all={"name": "Rest", "forward": "rest@dest.test"})
        for name, body in SCRIPTS.items():
            self.rules.script(name, f"return {{ email = function(message)\n{body}\nend }}\n")
        self.gateway = Gateway(self.rules)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.destination.stop()
            self.dns.stop()

    def send(self, recipient, sender=SENDER, author=None):
        """What the sender is told, as "code text"."""
        text = TEXT.format(to=recipient, sender=author or sender).encode()
        try:
            with self.gateway.connect() as session:
                session.ehlo()
                session.mail(sender)
                code, reply = session.rcpt(recipient)
                if code == 250:
                    code, reply = session.data(text)
        except smtplib.SMTPDataError as refusal:
            code, reply = refusal.smtp_code, refusal.smtp_error
        return f"{code} {reply.decode()}"

    def rows(self, *flags):
        done = postern("log", self.rules.folder, "--json", "--limit", "1000", *flags)
        assert done.returncode == 0 or "no such message" in done.stderr, (done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def last_id(self, recipient):
        lines = [line.split(" ") for line in self.gateway.events("message.received")]
        return [words[4].removeprefix("id=") for words in lines if f"to={recipient}" in words][-1]

    def row(self, recipient, status=None):
        """The row of the recipient's last message, once it has this status."""
        message_id = self.last_id(recipient)

        def seen():
            found = self.rows("--id", message_id)
            return found[0] if found and status in (None, found[0]["status"]) else None
        try:
            return wait_until(seen, f"the row of {recipient}: {status}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.rows('--id', message_id)}\n{self.gateway.log()}") from None

    def events(self, message_id):
        """The names of a message's log lines, in order."""
        found = []
        for line in self.gateway.log().splitlines():
            words = line.split(" ")
            if f"id={message_id}" in words:
                found.append(words[2])
        return found

    def arrived(self, recipient):
        return [mail for mail in self.destination.mails if mail.recipient == recipient]


SCRIPTS = {
    "calm": "",
    "forwards": 'message:forward("worked@dest.test", {["X-Worker"] = "yes"})',
    "replies": 'message:reply{ text = "We got it." }',
    "both": 'message:forward("worked@dest.test") message:reply{ text = "We got it." }',
    "rejects": 'message:setReject("please phone")',
    "fails": 'error("oh")',
    "passes-on": 'message:forward("refused@dest.test")',
    "catches": 'pcall(message.forward, message, "refused@dest.test")',
    "queues": 'message:forward("slow@dest.test")',
    "replies-later": 'message:reply{ text = "We got it." }',
}


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    world = Life(tmp_path_factory.mktemp("life"))
    yield world
    world.stop()


# --- received ---

def test_a_message_that_is_too_large_is_refused_at_mail(life):
    with life.gateway.connect() as session:
        session.ehlo()
        assert session.docmd(f"MAIL FROM:<{SENDER}> SIZE=200000")[0] == 552


def test_a_message_that_grows_too_large_is_refused_after_data(life):
    with life.gateway.connect() as session:
        session.ehlo()
        session.mail(SENDER)
        session.rcpt("hole@gate.test")
        code, _ = session.data(b"Subject: x\r\n\r\n" + b"y" * 70 * 3000)
        assert code == 552


# --- verified ---

VERIFIED = {
    "what passes goes on": (SENDER, SENDER, "250 2.0.0", "forwarded", "pass pass",
                            [*MATCHED, "message.forwarded", "message.answered"]),
    "what proves nothing is refused": ("vera@lies.test", "vera@lies.test", "550 5.7.26", "rejected", "fail none",
                                       [*RECEIVED, "message.rejected", "message.answered"]),
    "a domain that asks for rejection is obeyed": (SENDER, "boss@strict.test", "550 5.7.1", "rejected", "pass fail",
                                                   [*RECEIVED, "message.rejected", "message.answered"]),
    "what cannot be known is for its sender to send again": (
        "x@broken.test", "x@broken.test", "451 4.", "deferred", "temperror none",
        [*RECEIVED, "message.rejected", "message.answered"]),
}


@pytest.mark.parametrize("sender, author, told, status, verdict, events", VERIFIED.values(), ids=VERIFIED.keys())
def test_verified(life, sender, author, told, status, verdict, events):
    before = len(life.arrived("exact@dest.test"))
    answer = life.send("exact@gate.test", sender=sender, author=author)
    assert answer.startswith(told)
    row = life.row("exact@gate.test", status)
    assert f"{row['spf']} {row['dmarc']}" == verdict
    assert row["reply"].startswith(told) and life.events(row["id"]) == events
    assert [stage["event"] for stage in row["trail"]] == events
    is_sent = status == "forwarded"
    assert len(row["attempts"]) == is_sent and len(life.arrived("exact@dest.test")) == before + is_sent


# --- matched ---

@pytest.mark.parametrize("recipient, rule, by, arrived", [
    ("exact@gate.test", "Exact", "address", "exact@dest.test"),
    ("exact+tag@gate.test", "Exact", "subaddress", "exact@dest.test"),
    ("order-17@gate.test", "Pattern", "pattern", "orders@dest.test"),
    ("whoever@all.test", "Rest", "catch-all", "rest@dest.test"),
    ("postmaster@gate.test", "Postmaster", "postmaster", "admin@dest.test"),
])
def test_matched(life, recipient, rule, by, arrived):
    before = len(life.arrived(arrived))
    assert life.send(recipient).startswith("250 2.0.0")
    assert len(life.arrived(arrived)) == before + 1
    row = life.row(recipient, "forwarded")
    matched = row["trail"][2]
    assert (matched["event"], matched["by"], matched["to"]) == ("rule.matched", by, recipient)
    assert row["rule"] == matched["rule"] and rule.lower() in row["rule"].lower()


@pytest.mark.parametrize("recipient, told", [
    ("nobody@gate.test", "550 5.1.1"), ("x@elsewhere.test", "550 5.7.1"),
    ("trap@gate.test", "550 5.7.1 no such person here")])
def test_refused_at_rcpt_without_a_row(life, recipient, told):
    assert life.send(recipient).startswith(told)
    assert any(f"to={recipient}" in line for line in life.gateway.events("recipient.refused"))
    assert life.rows("--to", recipient) == []


# --- decided by a rule ---

def test_dropped(life):
    assert life.send("hole@gate.test").startswith("250 2.0.0")
    row = life.row("hole@gate.test", "dropped")
    assert (row["rule"], row["action"], row["attempts"]) == ("Hole", "drop", [])
    assert life.events(row["id"]) == [*MATCHED, "message.dropped", "message.answered"]


def test_rejected_for_what_the_header_says(life):
    assert life.send("shop@gate.test").startswith("550 5.7.1 we are closed")
    row = life.row("shop@gate.test", "rejected")
    assert (row["rule"], row["action"], row["attempts"]) == ("Closed", "reject", [])
    assert life.events(row["id"]) == [*MATCHED, "message.rejected", "message.answered"]


# --- sent ---

def test_forwarded_with_its_sender_rewritten(life):
    life.send("exact@gate.test")
    mail = life.arrived("exact@dest.test")[-1]
    assert re.fullmatch(r"SRS0=[^=@]+=[^=@]+=sender\.test=anna@gate\.test", mail.sender)
    assert mail.header("From") == [f"Anna <{SENDER}>"]
    attempt, = life.row("exact@gate.test", "forwarded")["attempts"]
    assert (attempt["status"], attempt["reply"]) == ("delivered", "250 2.0.0 Taken")


def test_a_hard_bounce_is_the_senders_answer(life):
    life.destination.replies["exact@dest.test"] = "550 5.1.1 No exact here"
    answer = life.send("exact@gate.test")
    del life.destination.replies["exact@dest.test"]
    assert answer == "550 5.1.1 No exact here"
    row = life.row("exact@gate.test", "deliveryFailed")
    assert life.events(row["id"]) == [*MATCHED, "delivery.failed", "message.answered"]
    attempt, = row["attempts"]
    assert (attempt["status"], attempt["class"], attempt["reply"]) == ("failed", "hard", "550 5.1.1 No exact here")


def test_a_soft_failure_is_queued_and_delivered_later(life):
    life.destination.replies["exact@dest.test"] = "450 4.2.0 Not now"
    assert life.send("exact@gate.test").startswith("250 2.0.0")
    row = life.row("exact@gate.test", "queued")
    assert life.events(row["id"])[:6] == [*MATCHED, "delivery.failed", "message.queued", "message.answered"]
    before = len(life.arrived("exact@dest.test"))
    del life.destination.replies["exact@dest.test"]
    row = life.row("exact@gate.test", "forwarded")
    assert len(life.arrived("exact@dest.test")) == before + 1
    statuses = [attempt["status"] for attempt in row["attempts"]]
    assert statuses == ["deferred"] * (len(statuses) - 1) + ["delivered"] and len(statuses) >= 2
    events = life.events(row["id"])
    assert events[5] == "message.answered" and events[-1] == "message.forwarded"
    assert set(events[6:-1]) <= {"delivery.failed"}


def test_a_soft_failure_that_stays_is_given_up_and_told(life):
    life.destination.replies["exact@dest.test"] = "452 4.2.2 Mailbox full"
    told = len(life.arrived(SENDER))
    assert life.send("exact@gate.test").startswith("250 2.0.0")
    row = life.row("exact@gate.test", "deliveryFailed")
    del life.destination.replies["exact@dest.test"]
    notice = wait_until(lambda: life.arrived(SENDER)[told:], "the notice")[0]
    assert notice.sender == "" and b"Mailbox full" in notice.content and b"exact@gate.test" in notice.content
    assert [attempt["status"] for attempt in row["attempts"]][-1] == "failed"
    assert {attempt["class"] for attempt in row["attempts"]} == {"quota"}
    events = life.events(row["id"])
    assert events[3:6] == ["delivery.failed", "message.queued", "message.answered"]
    assert set(events[6:-2]) <= {"delivery.failed"}
    assert sorted(events[-2:]) == ["delivery.given_up", "notice.queued"]


def test_a_hard_bounce_from_the_queue_is_told(life):
    life.destination.replies["exact@dest.test"] = "450 4.2.0 Not now"
    told = len(life.arrived(SENDER))
    life.send("exact@gate.test")
    life.destination.replies["exact@dest.test"] = "550 5.2.1 Closed"
    row = life.row("exact@gate.test", "deliveryFailed")
    del life.destination.replies["exact@dest.test"]
    assert wait_until(lambda: life.arrived(SENDER)[told:], "the notice")[0].sender == ""
    assert [attempt["status"] for attempt in row["attempts"]][-1] == "failed"


def test_a_rule_may_leave_a_soft_failure_to_the_sender(life):
    life.destination.replies["later@dest.test"] = "450 4.2.0 Not now"
    assert life.send("later@gate.test") == "450 4.2.0 Not now"
    row = life.row("later@gate.test", "deferred")
    assert life.events(row["id"]) == [*MATCHED, "delivery.failed", "message.answered"]
    assert [attempt["status"] for attempt in row["attempts"]] == ["deferred"]


def test_a_row_of_two_destinations_waits_for_both(life):
    for destination in ("one@dest.test", "other@dest.test"):
        life.destination.replies[destination] = "450 4.2.0 Not now"
    life.send("two@gate.test")
    del life.destination.replies["one@dest.test"]
    wait_until(lambda: life.arrived("one@dest.test"), "the first to arrive")
    def delivered():
        return [attempt for attempt in life.row("two@gate.test")["attempts"] if attempt["status"] == "delivered"]
    wait_until(delivered, "the first to be recorded")
    assert life.row("two@gate.test")["status"] == "queued"
    del life.destination.replies["other@dest.test"]
    assert len([a for a in life.row("two@gate.test", "forwarded")["attempts"] if a["status"] == "delivered"]) == 2


def test_a_row_with_one_of_two_refused_has_failed(life):
    life.destination.replies["other@dest.test"] = "550 5.1.1 No other here"
    before = len(life.arrived("one@dest.test"))
    assert life.send("two@gate.test").startswith("250 2.0.0")
    del life.destination.replies["other@dest.test"]
    row = life.row("two@gate.test", "deliveryFailed")
    assert sorted(attempt["status"] for attempt in row["attempts"]) == ["delivered", "failed"]
    assert len(life.arrived("one@dest.test")) == before + 1


# --- decided by a worker ---

WORKED = [*MATCHED, "worker.ended"]
WORKERS = {
    "calm": ("250 2.0.0", "handled", "ok", [*WORKED, "message.handled", "message.answered"]),
    "forwards": ("250 2.0.0", "forwarded", "ok",
                 [*MATCHED, "message.forwarded", "worker.ended", "message.answered"]),
    "replies": ("250 2.0.0", "handled", "ok",
                [*MATCHED, "message.forwarded", "message.replied", "worker.ended", "message.answered"]),
    "both": ("250 2.0.0", "forwarded", "ok", [*MATCHED, "message.forwarded", "message.forwarded", "message.replied",
                                              "worker.ended", "message.answered"]),
    "rejects": ("550 5.7.1 please phone", "rejected", "rejected",
                [*WORKED, "message.rejected", "message.answered"]),
    "fails": ("451 4.3.0", "error", "exception", [*WORKED, "message.answered"]),
    "passes-on": ("550 5.1.1 No refused here", "deliveryFailed", "exception",
                  [*MATCHED, "delivery.failed", "worker.ended", "message.answered"]),
    "catches": ("250 2.0.0", "deliveryFailed", "ok", None),
}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_decides(life, name):
    told, status, outcome, events = WORKERS[name]
    life.destination.replies["refused@dest.test"] = "550 5.1.1 No refused here"
    answer = life.send(f"{name}@gate.test")
    assert answer.startswith(told), life.gateway.log()
    row = life.row(f"{name}@gate.test", status)
    assert (row["rule"], row["action"], row["worker"]) == ("Work", "worker", name)
    assert row["worker_outcome"].lower() == outcome and row["worker_version"]
    assert events is None or life.events(row["id"]) == events
    assert len(row["attempts"]) == sum(event in ("message.forwarded", "delivery.failed")
                                       for event in life.events(row["id"]))


def test_what_a_worker_forwards_has_its_headers(life):
    life.send("forwards@gate.test")
    assert life.arrived("worked@dest.test")[-1].header("X-Worker") == ["yes"]


def test_a_reply_goes_to_the_sender_from_the_recipient(life):
    before = len(life.arrived(SENDER))
    life.send("replies@gate.test")
    reply = life.arrived(SENDER)[before]
    assert reply.sender == "" and reply.header("In-Reply-To") == ["<replies@gate.test>"]
    assert "replies@gate.test" in reply.header("From")[0] and b"We got it." in reply.content


def test_what_a_worker_forwards_can_wait_in_the_queue(life):
    life.destination.replies["slow@dest.test"] = "450 4.2.0 Not now"
    assert life.send("queues@gate.test").startswith("250 2.0.0")
    assert life.row("queues@gate.test", "queued")["worker_outcome"].lower() == "ok"
    del life.destination.replies["slow@dest.test"]
    life.row("queues@gate.test", "forwarded")
    assert len(life.arrived("slow@dest.test")) == 1


def test_a_reply_that_waits_does_not_change_what_the_worker_did(life):
    life.destination.replies[SENDER] = "450 4.2.0 Not now"
    before = len(life.arrived(SENDER))
    assert life.send("replies-later@gate.test").startswith("250 2.0.0")
    life.row("replies-later@gate.test", "handled")
    del life.destination.replies[SENDER]
    wait_until(lambda: life.arrived(SENDER)[before:], "the reply")
    def delivered():
        row = life.row("replies-later@gate.test")
        return row["attempts"][-1]["status"] == "delivered" and row
    assert wait_until(delivered, "the attempt in the row")["status"] == "handled"


# --- three in a chain ---

@pytest.fixture
def chain(tmp_path, fake_dns):
    """Three gateways, each of which seals and trusts the others' seals: me@one.test -> me@two.test -> me@three.test -> the
    destination. What is for one of them finds the way there, all else goes to the destination."""
    end = Destination()
    names = ("one", "two", "three")
    fake_dns.records.update(RECORDS)
    rules = []
    for name in names:
        folder = tmp_path / name
        rules.append(Rules(folder, host={"name": f"mx.{name}.test", "forwarding": {}, "queue": QUEUE,
                                         "auth": {"sealers": [f"{each}.test" for each in names]}, "dns": {"resolver": fake_dns.resolver, "timeout": "1s"}}))
        fake_dns.records[(f"{name}.test", "TXT")] = [SPF]
    for here, to in zip(rules, ("me@two.test", "me@three.test", "me@dest.test")):
        name = here.folder.parent.name
        here.domain(f"{name}.test", {"to": "me@", "forward": to})
        for verb in (["new", f"{name}.test"], ["rotate", f"{name}.test", "--force"]):
            made = postern("keys", verb[0], verb[1], here.folder, *verb[2:])
            assert made.returncode == 0, made.stderr
        for key in json.loads(postern("keys", "list", here.folder, "--json").stdout):
            value = key["record"]["value"]
            fake_dns.records[(key["record"]["name"], "TXT")] = \
                [" ".join(f'"{value[at:at + 250]}"' for at in range(0, len(value), 250))]
    gateways = []
    routes = {"*": {"host": "127.0.0.1", "port": end.port, "tls": "none"}}
    try:
        for here in reversed(rules):  # the last first: its port is the route of the one before
            here.write_host(routes=dict(routes))
            gateways.insert(0, Gateway(here))
            routes[f"{here.folder.parent.name}.test"] = {"host": "127.0.0.1", "port": gateways[0].port, "tls": "none"}
        for here, gateway in zip(rules, gateways):  # and back
            here.write_host(routes={**routes, f"{here.folder.parent.name}.test": routes["*"]},
                            listen=[{"address": f"127.0.0.1:{gateway.port}"}])
            gateway.reload()
        yield gateways, end
    finally:
        for gateway in gateways:
            gateway.stop()
        end.stop()


def test_a_bounce_finds_its_way_back_through_three_forwarders(chain):
    gateways, end = chain
    text = TEXT.format(to="me@one.test", sender=SENDER).encode()
    with gateways[0].connect() as session:
        session.sendmail(SENDER, "me@one.test", text)
    mail, = end.wait_for(1)
    assert mail.recipient == "me@dest.test"
    assert re.fullmatch(r"SRS1=[^=@]+=[^=@]+==.*@three\.test", mail.sender), mail.sender
    assert len(mail.header("ARC-Seal")) == 3 and mail.header("ARC-Seal")[0].startswith("i=3;")
    assert all("cv=fail" not in seal for seal in mail.header("ARC-Seal"))
    with gateways[2].connect() as session:
        session.sendmail("", mail.sender, b"From: MAILER-DAEMON@dest.test\r\nSubject: no such mailbox\r\n\r\nSorry.\r\n")
    bounce = end.wait_for(2)[1]
    assert (bounce.sender, bounce.recipient) == ("", SENDER)
