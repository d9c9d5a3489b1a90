"""Examples at work in a gateway: what a list's members and the owner of an anonymous address get, and what is said in
the head of each script about host.yaml."""
import email
import email.policy
import http.client
import itertools
import json
import re
import smtplib

import pytest
from gateway import PATIENCE_S, ROOT, postern, wait_until

EXAMPLES = ROOT / "scripts/examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.lua") if not path.stem.endswith("_test"))
PROVED = {(name, "TXT"): [record] for domain in ("sender.test", "corp.test")
          for name, record in ((domain, '"v=spf1 ip4:127.0.0.0/8 -all"'), (f"_dmarc.{domain}", '"v=DMARC1; p=none"'))}
NUMBERS = itertools.count(1)

# --- what the scripts say about themselves ---


def shown_in(script, name):
    """What stands under `name` in the head comment of the script."""
    head = script.read_text().split("\n\n", 1)[0] + "\n"
    found = re.search(rf"^--   {name}[^\n]*:\n((?:--     [^\n]*\n)+)", head, re.MULTILINE)
    assert found, f"{script.name} does not show {name}"
    return re.sub("^--     ", "", found[1], flags=re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_it_shows_of_host_yaml_is_right(tmp_path, script):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    rules = tmp_path / "rules"
    rules.mkdir()
    workers = re.sub(r"/etc/postern/[\w-]+", str(secret), shown_in(script, "rules/host.yaml"))
    (rules / "host.yaml").write_text(f"name: mx.example.com\npostmaster: admin@corp.test\nscripts: {EXAMPLES}\n" + workers)
    (rules / "example.com.yaml").write_text("domain: example.com\n" + shown_in(script, r"rules/[\w.]*example.com.yaml"))
    done = postern("check", rules)
    assert done.returncode == 0, done.stderr


def test_the_list_of_examples_names_each():
    text = (EXAMPLES / "README.md").read_text()
    assert sorted(re.findall(r"^\| \[(\w+)\.lua\]\(\1\.lua\) \|", text, re.MULTILINE)) == [path.stem for path in SCRIPTS]


# --- at work ---


@pytest.fixture
def served(rules, serve, fake_dns):
    """served({worker: its part of host.yaml}, domain's fields): senders at sender.test and corp.test are proved."""
    def start(workers, **domain):
        fake_dns.records.update(PROVED)
        rules.write("gate.test.yaml", {"domain": "gate.test", **domain})
        rules.write_host(scripts=str(EXAMPLES), workers=workers, auth={"authentication": "off"},
                         dns={"resolver": fake_dns.resolver, "timeout": "1s"}, http={"listen": ["127.0.0.1:0"]})
        return serve(rules)
    return start


def write(gateway, sender, recipient, text="Hello.", headers="", subject="Hello"):
    """What the sender is answered."""
    message = (f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <{next(NUMBERS)}@mail.corp.test>\r\n"
               f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n{headers}\r\n{text}\r\n")
    try:
        with gateway.connect() as session:
            session.sendmail(sender, recipient, message.encode())
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_error.decode()
    return ""


def take(destination, recipient):
    """The next mail to the recipient, which is taken off the list, and its content read."""
    mail = wait_until(lambda: next((mail for mail in destination.mails if mail.recipient == recipient), None),
                      f"mail to {recipient}")
    destination.mails.remove(mail)
    return mail, email.message_from_bytes(mail.content, policy=email.policy.default)


def tag_of(address):
    return re.search(r"\+([^@]+)@", address)[1]


class Asked:
    """The answer to a request; `path` is that of a URL of anybody's."""

    def __init__(self, gateway, method, path, **headers):
        port = next(int(line.rsplit(":", 1)[1]) for line in gateway.out_path.read_text().splitlines()
                    if line.startswith("listening http "))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request(method, path, b"" if method == "POST" else None, headers)
        response = connection.getresponse()
        self.status, self.text = response.status, response.read().decode()
        connection.close()


# --- the mailing list ---

LIST = "talk@gate.test"


@pytest.fixture
def talk(served):
    return served({"talk": {"script": "mailinglist.lua", "url": "/talk", "kv": {"LIST": "talk"},
                            "vars": {"NAME": "Talk", "MODERATOR": "mo@corp.test", "URL": "https://lists.gate.test/talk"},
                            "send": {"EMAIL": {"from": [LIST], "to": ["*"]}},
                            "limiters": {"ASKED": {"limit": 3, "period": "1h"}}}},
                  subaddressing=True, rules=[{"to": "talk@", "worker": "talk"}])


def join(gateway, destination, who):
    assert write(gateway, who, "talk+subscribe@gate.test") == ""
    question = take(destination, who)[1]
    assert write(gateway, who, question["Reply-To"]) == ""
    assert take(destination, who)[1]["Subject"] == "Welcome to Talk"


def test_a_list_from_the_first_member_to_a_bounce(talk, destination):
    anna, ben = "anna@sender.test", "ben@sender.test"
    join(talk, destination, anna)
    join(talk, destination, ben)
    assert "only members" in write(talk, "carol@sender.test", LIST)

    assert write(talk, anna, LIST, text="We meet.", headers="X-Mailer: m\r\n") == ""
    mail, copy = take(destination, ben)
    assert take(destination, anna)[0].sender != mail.sender
    assert tag_of(mail.sender).startswith("bounce-")
    assert copy["From"] == '"anna@sender.test via Talk" <talk@gate.test>'
    assert (copy["Reply-To"], copy["Subject"], copy["List-Id"]) == (anna, "[Talk] Hello", "<talk.gate.test>")
    assert copy.get_content().strip() == "We meet." and copy["X-Mailer"] is None and copy["Auto-Submitted"] == "no"

    destination.replies[ben] = "550 5.1.1 no such user"
    assert write(talk, anna, LIST) == ""
    notice = take(destination, mail.sender)[0]
    with talk.connect() as session:
        session.sendmail("", mail.sender, notice.content)
    wait_until(lambda: [line for line in talk.events("worker.log") if "bounce 1 of ben@sender.test" in line], "the bounce")

    del destination.replies[ben]
    destination.mails.clear()
    link, by_mail = re.fullmatch(r"<https://lists.gate.test([^>]+)>, <mailto:([^>]+)>", copy["List-Unsubscribe"]).groups()
    assert copy["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert Asked(talk, "GET", link).status == 200 and Asked(talk, "GET", link + "x").status == 404
    assert "no member" in Asked(talk, "POST", link).text
    assert write(talk, ben, by_mail) == ""
    assert write(talk, anna, LIST) == ""
    take(destination, anna)
    assert destination.mails == []


# --- anonymous addresses ---


def test_an_anonymous_address_in_both_directions(served, destination):
    gateway = served({"anonymous": {"vars": {"USERS": "carol@corp.test"}, "kv": {"ALIASES": "aliases"},
                                    "send": {"EMAIL": {"from": ["*@gate.test"], "to": ["*"]}}}},
                     catch_all={"worker": "anonymous"})
    assert "no such address" in write(gateway, "mallory@sender.test", "new@gate.test")
    assert write(gateway, "carol@corp.test", "new@gate.test", subject="Shop") == ""
    alias = take(destination, "carol@corp.test")[1]["Subject"]
    assert re.fullmatch(r"shop\.\w{6}@gate\.test", alias)

    assert write(gateway, "anna@sender.test", alias, text="Your order") == ""
    mail, order = take(destination, "carol@corp.test")
    assert mail.sender == alias.replace("@", "+bounce@")
    through = order["From"].addresses[0].addr_spec
    assert through == alias.replace("@", "+anna=sender.test@") and order["X-Alias-DMARC"] == "pass"

    assert write(gateway, "carol@corp.test", through, text="Thanks!\r\n-- \r\nCarol@corp.test",
                 headers=f"X-Originating-IP: 192.0.2.7\r\nIn-Reply-To: {order['Message-ID']}\r\n") == ""
    mail, answer = take(destination, "anna@sender.test")
    assert mail.sender == answer["From"] == alias
    assert answer.get_content().splitlines()[0] == "Thanks!"
    assert b"corp.test" not in mail.content.lower() and b"192.0.2.7" not in mail.content
    assert "no such address" in write(gateway, "anna@sender.test", through)


# --- one-time codes ---


def test_a_code_is_asked_for_once(served, tmp_path):
    token = tmp_path / "token"
    token.write_text("sesame")
    token.chmod(0o600)
    gateway = served({"codes": {"vars": {"SERVICES": "sender.test"}, "kv": {"CODES": "codes"}, "url": "/codes",
                                "limiters": {"PER_SERVICE": {"limit": 5, "period": "1h"}},
                                "secrets": {"READER": {"file": str(token)}}}},
                     subaddressing=True, rules=[{"to": "codes@", "worker": "codes"}])
    assert "only the services" in write(gateway, "mallory@else.test", "codes@gate.test", text="Your code: 4711")
    assert write(gateway, "noreply@sender.test", "codes+anna@gate.test", text="Your code: 4711") == ""
    path = "/codes/sender.test/anna"
    assert Asked(gateway, "GET", path).status == 401
    assert Asked(gateway, "GET", path, Authorization="Bearer guess").status == 401
    assert json.loads(Asked(gateway, "GET", path, Authorization="Bearer sesame").text) == {"code": "4711"}
    assert Asked(gateway, "GET", path, Authorization="Bearer sesame").status == 404
    assert "4711" not in gateway.log()
