"""Who sent it, and what follows: SPF, DKIM, DMARC and block lists at work in a gateway."""
import base64
import concurrent.futures
import smtplib
import subprocess

import dkim
import pytest

SENDER = "anna@sender.test"
TEXT = (b"From: Anna <anna@sender.test>\r\nTo: ben@gate.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n"
        b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nWe met.\r\n")
SPF_PASS = {("sender.test", "TXT"): ['"v=spf1 ip4:127.0.0.0/8 -all"']}


@pytest.fixture(scope="module")
def key():
    """A private key (PEM) and its DNS record."""
    private = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, check=True,
                            capture_output=True).stdout
    text = base64.b64encode(public).decode()
    return private, f'"v=DKIM1; p={text[:200]}" "{text[200:]}"'


def signed(text, key):
    return dkim.sign(text, b"s1", b"sender.test", key[0], canonicalize=(b"relaxed", b"relaxed")) + text


@pytest.fixture
def served(rules, serve, fake_dns):
    """served({name: records}, auth={…}): a gateway that verifies, for ben@gate.test (forward) and others."""
    def start(records=SPF_PASS, script="", **auth):
        fake_dns.records.update(records)
        rules.script("work", f"return {{ email = function(message, env, ctx)\n{script}\nend }}\n")
        rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"}, {"to": "work@", "worker": "work"},
                     {"to": "fussy@", "when": {"auth": {"dmarc": "pass"}}, "forward": "ben@dest.test"},
                     {"to": "fussy@", "reject": "only verified mail here"},
                     {"to": "postmaster@", "forward": "ben@dest.test"})
        rules.write_host(auth=auth, dns={"resolver": fake_dns.resolver, "timeout": "1s"})
        return serve(rules)
    return start


def answer(gateway, text=TEXT, recipient="ben@gate.test", sender=SENDER):
    try:
        with gateway.connect() as session:
            session.sendmail(sender, recipient, text)
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, refusal.smtp_error.decode()
    except smtplib.SMTPRecipientsRefused as refusal:
        code, reason = refusal.recipients[recipient]
        return code, reason.decode()
    return 250, ""


def test_what_passes_is_sent_on_with_its_results(served, destination):
    gateway = served()
    assert answer(gateway) == (250, "")
    results, = destination.mails[0].header("Authentication-Results")
    assert results.startswith("mx.gate.test;") and "spf=pass" in results and "smtp.mailfrom=" in results
    assert "dmarc=none" in results
    assert destination.mails[0].content.endswith(TEXT)
    line, = gateway.events("message.verified")
    assert "spf=pass" in line and "dkim=none" in line


def test_forged_results_are_left_out(served, destination):
    forged = b"Authentication-Results: mx.gate.test;\r\n\tdmarc=pass\r\nX-Postern-Spam-Score: 0\r\n"
    others = b"Authentication-Results: mx.other.test; dmarc=fail\r\n"
    assert answer(served(), text=others + forged + TEXT) == (250, "")
    mail = destination.mails[0]
    assert mail.content.endswith(others + TEXT)
    ours, theirs = mail.header("Authentication-Results")
    assert "dmarc=none" in ours and theirs == "mx.other.test; dmarc=fail"
    assert len(mail.header("X-Postern-Spam-Score")) == 1


def test_mail_that_proves_nothing_is_refused(served, destination):
    code, text = answer(served({("sender.test", "TXT"): ['"v=spf1 -all"']}))
    assert code == 550 and text.startswith("5.7.26 ")
    assert destination.mails == []


def test_a_valid_signature_is_proof_enough(served, destination, key):
    gateway = served({("s1._domainkey.sender.test", "TXT"): [key[1]], ("sender.test", "A"): ["192.0.2.1"]})
    assert answer(gateway, signed(TEXT, key)) == (250, "")
    results, = destination.mails[0].header("Authentication-Results")
    assert "dkim=pass" in results and "header.d=sender.test" in results
    code, _ = answer(gateway, signed(TEXT, key).replace(b"We met.", b"We meet."))
    assert code == 550


def test_a_domain_that_asks_for_rejection_is_obeyed(served, destination):
    records = {("other.test", "TXT"): ['"v=spf1 ip4:127.0.0.1 -all"'],
               ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject"'], ("sender.test", "A"): ["192.0.2.1"]}
    gateway = served(records)
    code, text = answer(gateway, sender="x@other.test")
    assert code == 550 and "5.7.1" in text and "sender.test" in text
    assert destination.mails == []


def test_with_mark_it_is_only_marked(served, destination):
    records = {("other.test", "TXT"): ['"v=spf1 ip4:127.0.0.1 -all"'],
               ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject"'], ("sender.test", "A"): ["192.0.2.1"]}
    assert answer(served(records, dmarc="mark"), sender="x@other.test") == (250, "")
    mail = destination.mails[0]
    assert "dmarc=fail" in mail.header("Authentication-Results")[0]
    assert mail.header("X-Postern-Quarantine")


def test_a_failure_of_dns_leaves_the_message_with_its_sender(served, fake_dns, destination):
    gateway = served({})
    fake_dns.broken.add("sender.test")
    assert 400 <= answer(gateway)[0] < 500
    assert destination.mails == []


def test_a_listed_client_is_refused_but_may_write_to_postmaster(served, destination):
    records = {**SPF_PASS, ("1.0.0.127.bl.test", "A"): ["127.0.0.2"]}
    gateway = served(records, lists=[{"zone": "bl.test"}])
    code, text = answer(gateway)
    assert code == 554 and "127.0.0.1 found on one or more RBLs (bl.test)" in text
    assert answer(gateway, recipient="postmaster@gate.test") == (250, "")


def test_postmaster_is_told_what_was_found_and_gets_it_all_the_same(served, destination):
    records = {("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=reject"'], ("sender.test", "A"): ["192.0.2.1"],
               ("other.test", "TXT"): ['"v=spf1 -all"']}
    gateway = served(records)
    assert answer(gateway, recipient="postmaster@gate.test", sender="x@other.test") == (250, "")
    results, = destination.mails[0].header("Authentication-Results")
    assert "spf=fail" in results and "dmarc=fail" in results


def test_a_list_that_allows_wins(served, destination):
    records = {**SPF_PASS, ("1.0.0.127.bl.test", "A"): ["127.0.0.2"], ("1.0.0.127.wl.test", "A"): ["127.0.0.5"]}
    gateway = served(records, lists=["bl.test", {"zone": "wl.test", "action": "allow"}])
    assert answer(gateway) == (250, "")


def test_a_list_that_is_down_blocks_nothing(served, fake_dns, destination):
    gateway = served(SPF_PASS, lists=["bl.test"])
    fake_dns.broken.add("1.0.0.127.bl.test")
    assert answer(gateway) == (250, "")


def test_rules_can_ask_for_verified_mail(served, destination):
    records = {**SPF_PASS, ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=none"']}
    gateway = served(records)
    assert answer(gateway, recipient="fussy@gate.test") == (250, "")
    code, text = answer(gateway, TEXT.replace(b"anna@sender.test", b"anna@else.test"), "fussy@gate.test")
    assert code == 550 and "only verified mail here" in text


def test_a_worker_sees_the_verdict_and_may_reply_to_who_passed_dmarc(served, destination):
    records = {**SPF_PASS, ("_dmarc.sender.test", "TXT"): ['"v=DMARC1; p=none"']}
    gateway = served(records, script="""
        local auth = message.auth
        print(auth.spf.result, auth.spf.domain, #auth.dkim, auth.dmarc.result, auth.dmarc.domain, auth.arc.result)
        assert(message.spamScore >= 0 and message.spamScore <= 5)
        message:reply {subject = "Thanks", text = "We got it."}""")
    assert answer(gateway, recipient="work@gate.test") == (250, "")
    assert "pass\\x09sender.test\\x090\\x09pass\\x09sender.test\\x09none" in gateway.events("worker.log")[0]
    assert (destination.mails[0].sender, destination.mails[0].recipient) in (("", SENDER), (None, SENDER))


def test_a_worker_cannot_reply_to_who_did_not_pass_dmarc(served, destination):
    gateway = served(SPF_PASS, script='message:reply {subject = "Thanks", text = "We got it."}')
    assert answer(gateway, recipient="work@gate.test")[0] == 451
    assert destination.mails == []
    assert "has not passed DMARC (none)" in gateway.events("worker.ended")[0]


def test_domains_whose_name_servers_are_silent_cost_nobody_else(served, fake_dns, destination):
    """A forwarder that has not answered about some names is asked about others as before."""
    gateway = served()
    names = [f"silent{n}.test" for n in range(40)]
    fake_dns.silent.update(names)
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: answer(gateway, sender=f"x@{name}")[0] // 100, names))
    assert set(answers) == {4}
    assert answer(gateway) == (250, "")
    assert len(destination.mails) == 1
