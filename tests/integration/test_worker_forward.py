"""forward() with changes: which a script may make, in whose name the message goes on, and what the next hop can
believe."""
import email
import email.policy
import smtplib

import dkim
import pytest
from test_auth import SPF_PASS, key, signed  # noqa: F401 (key is a fixture)
from test_seal_cross import make_key

SENDER = "anna@sender.test"
TEXT = (b"From: Anna <anna@sender.test>\r\nTo: work@gate.test\r\nSubject: hello\r\nX-Case: 17\r\n"
        b"Message-ID: <1@sender.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nWe met.\r\n")
REJECT = {**SPF_PASS, ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject"']}
GATE_KEY = ("k._domainkey.gate.test", "TXT")


@pytest.fixture
def served(rules, serve, fake_dns):
    """served(body, {name: records}): work@gate.test runs the Lua body; gate.test has a key. Without records nothing
    is verified."""
    def start(body, records=None, **host):
        record = make_key(rules.folder / "keys" / "gate.test" / "k.pem", "ed25519")
        (rules.folder / "keys" / "gate.test" / "active").write_text("k\n")
        fake_dns.records.update({GATE_KEY: [f'"{record}"'], **(records or {})})
        rules.script("work", f"return {{ email = function(message, env, ctx)\n{body}\nend }}\n")
        rules.domain("gate.test", {"to": "work@", "worker": "work"})
        rules.write_host(auth={} if records else "off", dns={"resolver": fake_dns.resolver, "timeout": "1s"},
                         **host)
        return serve(rules)
    return start


def answer(gateway, text=TEXT):
    try:
        with gateway.connect() as session:
            session.sendmail(SENDER, "work@gate.test", text)
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, refusal.smtp_error.decode()
    return 250, ""


def refused_with(call):
    """A body that tells the error of the call."""
    return f"local ok, err = pcall(function() {call} end) message:setReject(ok and 'sent' or err.code)"


def parsed(mail):
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def signature_of(fake_dns, mail, domain):
    """Whether the signature of the domain holds."""
    def look_up(name, timeout=5):
        records = fake_dns.records.get((name.decode().rstrip("."), "TXT"))
        return records and records[0].replace('" "', "").strip('"').encode()
    count = mail.content.count(b"DKIM-Signature:")
    for index in range(count):
        verifier = dkim.DKIM(mail.content)
        held = verifier.verify(idx=index, dnsfunc=look_up)
        if verifier.domain == domain.encode():
            return held
    return None


# --- fields ---

def test_x_fields_can_be_set_and_removed(served, destination):
    gateway = served("""message:forward("team@dest.test", {["X-New"] = "1"},
                        {set = {["X-Case"] = "18"}, remove = {"X-None"}})""")
    assert answer(gateway) == (250, "")
    mail, = destination.mails
    assert mail.content.endswith(TEXT.replace(b"X-Case: 17", b"X-Case: 18"))
    assert mail.header("X-New") == ["1"]


def test_our_signature_holds_over_what_was_changed(served, destination, fake_dns):
    gateway = served('message:forward("team@dest.test", {}, {remove = {"X-Case"}})')
    assert answer(gateway) == (250, "")
    mail, = destination.mails
    assert mail.content.endswith(TEXT.replace(b"X-Case: 17\r\n", b""))
    assert signature_of(fake_dns, mail, "gate.test")


def test_a_field_of_the_author_is_changed_in_a_name_of_ours(served, destination, fake_dns):
    gateway = served("""message:forward("team@dest.test", {},
                        {set = {Subject = "[#7] Grüße", ["List-Id"] = "<team.gate.test>"}, rewriteFrom = true})""")
    assert answer(gateway) == (250, "")
    mail, = destination.mails
    message = parsed(mail)
    assert message["Subject"] == "[#7] Grüße"
    assert message["From"] == 'Anna via work <work@gate.test>'
    assert message["Reply-To"] == "Anna <anna@sender.test>"
    assert message["List-Id"] == "<team.gate.test>"
    assert message.get_content() == "We met.\r\n"
    assert signature_of(fake_dns, mail, "gate.test")


def test_a_copy_in_another_form_leaves_the_next_as_it_came(served, destination):
    gateway = served("""message:forward("one@dest.test", {}, {set = {Subject = "new"}, rewriteFrom = "desk@gate.test"})
                        message:forward("two@dest.test")""")
    assert answer(gateway) == (250, "")
    one, two = destination.mails
    assert (parsed(one)["Subject"], parsed(one)["From"]) == ("new", 'Anna via desk <desk@gate.test>')
    assert two.content.endswith(TEXT)


def test_a_reply_to_stays(served, destination):
    text = TEXT.replace(b"Subject:", b"Reply-To: other@sender.test\r\nSubject:")
    assert answer(served('message:forward("team@dest.test", nil, {rewriteFrom = true})'), text) == (250, "")
    assert parsed(destination.mails[0]).get_all("Reply-To") == ["other@sender.test"]


@pytest.mark.parametrize("options, code", [
    ('{set = {Subject = "new"}}', "E_HEADER_NOT_ALLOWED"),
    ('{remove = {"Subject"}}', "E_HEADER_NOT_ALLOWED"),
    ('{set = {From = "a@b.test"}, rewriteFrom = true}', "E_HEADER_NOT_ALLOWED"),
    ('{remove = {"Received"}, rewriteFrom = true}', "E_HEADER_NOT_ALLOWED"),
    ('{remove = {"DKIM-Signature"}, rewriteFrom = true}', "E_HEADER_NOT_ALLOWED"),
    ('{remove = {"Content-Type"}, rewriteFrom = true}', "E_HEADER_NOT_ALLOWED"),
    ('{remove = {"X-Postern-Hop"}}', "E_HEADER_NOT_ALLOWED"),
    ('{remove = {""}}', "E_HEADER_NOT_ALLOWED"),
    ('{set = {["Reply-To"] = "Jörg <j@a.test>"}, rewriteFrom = true}', "E_HEADER_NOT_ALLOWED"),
    ('{set = {["X-A"] = "1"}, remove = {"x-a"}}', "E_VALIDATION_ERROR"),
    ('{rewriteFrom = "anna@sender.test"}', "E_VALIDATION_ERROR"),
    ('{rewriteFrom = "nobody"}', "E_VALIDATION_ERROR"),
    ('{wrap = true, rewriteFrom = true}', "E_VALIDATION_ERROR"),
    ('{wrap = true, remove = {"X-Case"}}', "E_VALIDATION_ERROR"),
])
def test_what_a_script_may_not_change(served, destination, options, code):
    gateway = served(refused_with(f'message:forward("team@dest.test", {{}}, {options})'))
    told = answer(gateway)
    assert told[0] == 550 and code in told[1]
    assert destination.mails == []


@pytest.mark.parametrize("options, told", [
    ('{sets = {}}', "unknown option 'sets'"), ('{wrap = 1}', "true or false"), ('"wrap"', "must be a table"),
    ('{remove = "X-A"}', "list of names"), ('{rewriteFrom = 7}', "true or an address"),
    ('{set = {["X-A"] = "a\\nb"}}', "line ends"), ('{set = {["X A"] = "1"}}', "no header name"),
])
def test_mistakes_are_told_at_the_scripts_line(served, options, told):
    gateway = served(f'message:forward("team@dest.test", {{}}, {options})')
    assert answer(gateway)[0] == 451
    line, = gateway.events("worker.ended")
    assert "work.lua:2" in line and told in line


def test_what_the_author_signed_needs_a_name_of_ours(served, destination, key):  # noqa: F811
    records = {("s1._domainkey.sender.test", "TXT"): [key[1]]}
    text = dkim.sign(TEXT, b"s1", b"sender.test", key[0], include_headers=[b"from", b"x-case"]) + TEXT
    gateway = served(refused_with('message:forward("team@dest.test", {}, {remove = {"X-Case"}})'), records)
    code, told = answer(gateway, text)
    assert code == 550 and "E_HEADER_NOT_ALLOWED" in told
    assert destination.mails == []


# --- safety ---

def test_what_would_fail_at_the_next_hop_is_not_sent_unasked(served, destination):
    gateway = served(refused_with('message:forward("team@dest.test")'), REJECT)
    code, told = answer(gateway)
    assert code == 550 and "E_FORWARD_UNSAFE" in told
    assert destination.mails == []


def test_what_its_author_has_signed_is_sent(served, destination, key):  # noqa: F811
    gateway = served('message:forward("team@dest.test")',
                     {**REJECT, ("s1._domainkey.sender.test", "TXT"): [key[1]]})
    assert answer(gateway, signed(TEXT, key)) == (250, "")
    assert destination.mails[0].content.endswith(TEXT)


def test_a_domain_without_a_policy_is_sent(served, destination):
    assert answer(served('message:forward("team@dest.test")', SPF_PASS)) == (250, "")
    assert destination.mails[0].content.endswith(TEXT)


def test_the_script_can_send_it_anyway(served, destination):
    assert answer(served('message:forward("team@dest.test", {}, {anyway = true})', REJECT)) == (250, "")
    assert destination.mails[0].content.endswith(TEXT)


def test_the_script_can_send_it_in_our_name(served, destination, fake_dns):
    assert answer(served('message:forward("team@dest.test", {}, {rewriteFrom = true})', REJECT)) == (250, "")
    mail, = destination.mails
    assert parsed(mail)["From"] == 'Anna via work <work@gate.test>'
    assert signature_of(fake_dns, mail, "gate.test")


def test_the_script_can_attach_it(served, destination, fake_dns):
    assert answer(served('message:forward("team@dest.test", {["X-Ticket"] = "7"}, {wrap = true})', REJECT)) == (250, "")
    mail, = destination.mails
    message = parsed(mail)
    assert (message["From"], message["To"], message["Subject"], message["X-Ticket"]) == \
        ('Anna via work <work@gate.test>', "team@dest.test", "Fwd: hello", "7")
    text, attached = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert attached.get_content_type() == "message/rfc822"
    within = attached.get_content()
    assert (within["Message-ID"], within["Subject"]) == ("<1@sender.test>", "hello")
    assert "dmarc=pass" in within["Authentication-Results"]
    assert TEXT in mail.content
    assert signature_of(fake_dns, mail, "gate.test")


# --- where to ---

@pytest.mark.parametrize("patterns, address, outcome", [
    (["team@dest.test"], "team@dest.test", "sent"),
    ("team@dest.test", "Team@DEST.test", "sent"),
    (["team@dest.test"], "other@dest.test", "E_RECIPIENT_NOT_ALLOWED"),
    (["*@dest.test"], "other@DEST.test", "sent"),
    (["*@dest.test"], "other@sub.dest.test", "E_RECIPIENT_NOT_ALLOWED"),
    (["*"], "other@dest.test", "sent"),
    ([], "team@dest.test", "E_RECIPIENT_NOT_ALLOWED"),
    (None, "team@dest.test", "E_RECIPIENT_NOT_ALLOWED"),
    (None, "ben@corp.test", "sent")], ids=str)
def test_a_worker_may_have_destinations_of_its_own(served, destination, patterns, address, outcome):
    worker = {"script": "work.lua"} if patterns is None else {"script": "work.lua", "forward": patterns}
    gateway = served(refused_with(f'message:forward("{address}")'), destinations=["ben@corp.test", "admin@dest.test"],
                     workers={"work": worker})
    assert answer(gateway)[1].endswith(outcome)
    assert len(destination.mails) == (outcome == "sent")
