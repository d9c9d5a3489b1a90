"""TLS on both sides: STARTTLS, implicit, the certificate by name; and to the next hop as its route says."""
import smtplib
import socket
import ssl

import pytest
from conftest import make_certificate
from gateway import PATIENCE_S, Rules

SENDER = "anna@sender.test"
TEXT = b"Subject: hello\r\n\r\nWe met.\r\n"


def trusting(chain):
    return ssl.create_default_context(cafile=chain)


@pytest.fixture
def served(rules, serve, certificate):
    chain, key = certificate
    rules.write_host(tls=[{"certificate": str(chain), "key": str(key)}])
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
    return lambda **host: (rules.write_host(**host), serve(rules))[1]


def start_tls(session, context, name):
    """Over a dialogue that has said EHLO."""
    session.say("STARTTLS", 220)
    session.reader.close()
    session.socket = context.wrap_socket(session.socket, server_hostname=name)
    session.reader = session.socket.makefile("rb")


def test_mail_over_starttls_is_marked_in_its_received_field(served, destination, certificate):
    with served().connect() as session:
        session._host = "mx.gate.test"  # the name that the certificate is checked for
        session.starttls(context=trusting(certificate[0]))
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert " with ESMTPS " in destination.mails[0].header("Received")[0]


def test_an_implicit_listener_begins_with_tls(served, destination, certificate):
    gateway = served(listen=[{"address": "127.0.0.1:0"}, {"address": "127.0.0.1:0", "tls": "implicit"}])
    plain = socket.create_connection(("127.0.0.1", gateway.ports[1]), timeout=PATIENCE_S)
    with trusting(certificate[0]).wrap_socket(plain, server_hostname="mx.gate.test") as tls:
        assert tls.recv(200).startswith(b"220 ")
    assert destination.mails == []


def test_the_certificate_is_chosen_by_the_name_asked_for(rules, served, certificate, tmp_path):
    other = make_certificate(tmp_path, "mx.other.test")
    gateway = served(tls=[{"certificate": str(chain), "key": str(key)} for chain, key in (certificate, other)])
    for chain, name in ((certificate[0], "mx.gate.test"), (other[0], "mx.other.test")):
        session = gateway.dialogue()
        session.expect(220)
        session.say("EHLO client.sender.test", 250)
        start_tls(session, trusting(chain), name)
        session.say("NOOP", 250)
        session.close()


def test_what_came_before_the_handshake_is_forgotten(served, certificate):
    session = served().dialogue()
    session.expect(220)
    session.say("EHLO client.sender.test", 250)
    session.say(f"MAIL FROM:<{SENDER}>", 250)
    start_tls(session, trusting(certificate[0]), "mx.gate.test")
    session.say("RCPT TO:<ben@gate.test>", 503)
    assert "STARTTLS" not in session.say("EHLO client.sender.test", 250)
    session.close()


def test_commands_sent_along_with_starttls_are_never_obeyed(served, certificate, destination):
    """A man in the middle may put plaintext behind STARTTLS: it must not become part of the session."""
    session = served().dialogue()
    session.expect(220)
    session.say("EHLO client.sender.test", 250)
    session.send(b"STARTTLS\r\nMAIL FROM:<mallory@sender.test>\r\n")
    line = session.reader.readline()
    if line.startswith(b"220"):
        session.reader.close()
        session.socket = trusting(certificate[0]).wrap_socket(session.socket, server_hostname="mx.gate.test")
        session.reader = session.socket.makefile("rb")
        session.say("RCPT TO:<ben@gate.test>", 503)
    else:
        assert line[:1] in b"45"
    session.close()


def test_a_new_certificate_is_used_after_a_reload(rules, served, certificate, tmp_path):
    gateway = served()
    fresh = make_certificate(tmp_path, "mx.fresh.test")
    rules.write_host(tls=[{"certificate": str(fresh[0]), "key": str(fresh[1])}])
    gateway.reload()
    session = gateway.dialogue()
    session.expect(220)
    session.say("EHLO client.sender.test", 250)
    start_tls(session, trusting(fresh[0]), "mx.fresh.test")
    session.close()


# --- to the next hop ---


@pytest.fixture
def behind_tls(tmp_path, destinations, serve, fake_dns):
    """behind_tls(mode, trusted=True) serves with a next hop that offers STARTTLS: (gateway, next hop)."""
    def start(mode, trusted=True):
        chain, key = make_certificate(tmp_path, "next.dest.test")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key)
        hop = destinations(tls_context=context)
        fake_dns.records[("next.dest.test", "A")] = ["127.0.0.1"]
        rules = Rules(tmp_path, host={
            "dns": {"resolver": fake_dns.resolver},
            "routes": {"*": {"host": "next.dest.test", "port": hop.port, "tls": mode}},
            "delivery": {"ca_file": str(chain)} if trusted else {},
        })
        rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test", "on_soft_failure": "defer"})
        return serve(rules), hop
    return start


@pytest.mark.parametrize("mode,trusted,is_tls", [
    ("none", False, False), ("opportunistic", False, True), ("required", False, True), ("verified", True, True),
])
def test_the_route_says_how_tls_is_used(behind_tls, mode, trusted, is_tls):
    gateway, hop = behind_tls(mode, trusted)
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert [mail.is_tls for mail in hop.mails] == [is_tls]


def test_an_untrusted_certificate_is_not_verified(behind_tls):
    gateway, hop = behind_tls("verified", trusted=False)
    with gateway.connect() as session, pytest.raises(smtplib.SMTPDataError) as refusal:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert 400 <= refusal.value.smtp_code < 500 and hop.mails == []


def test_required_tls_that_is_not_offered_keeps_the_message_back(rules, serve, destination):
    rules.write_host(routes={"*": {"host": "127.0.0.1", "port": destination.port, "tls": "required"}})
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test", "on_soft_failure": "defer"})
    with serve(rules).connect() as session, pytest.raises(smtplib.SMTPDataError) as refusal:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    assert 400 <= refusal.value.smtp_code < 500 and destination.mails == []
