"""Where mail goes without a route: MX hosts in their order, and what their absence means."""
import smtplib

import pytest
from gateway import Rules

SENDER = "anna@sender.test"
TEXT = b"Subject: hello\r\n\r\nWe met.\r\n"


@pytest.fixture
def served(tmp_path, fake_dns, destination, serve):
    """Serves `ben@gate.test -> ben@dest.test` by MX; all MX hosts listen on the destination's port."""
    rules = Rules(tmp_path, host={
        "dns": {"resolver": fake_dns.resolver, "timeout": "2s"},
        "delivery": {"port": destination.port, "tls": "none", "connect_timeout": "2s"},
    })
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test", "on_soft_failure": "defer"})
    return serve(rules)


def send(gateway):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)


def refusal_of(gateway):
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send(gateway)
    return refusal.value.smtp_code, refusal.value.smtp_error.split(b" ")[0].decode()


def test_the_most_preferred_host_gets_the_message(served, fake_dns, destination, destinations):
    second = destinations("127.0.0.2", destination.port)
    fake_dns.records = {("dest.test", "MX"): ["20 mx2.dest.test.", "10 mx1.dest.test."],
                        ("mx1.dest.test", "A"): ["127.0.0.1"], ("mx2.dest.test", "A"): ["127.0.0.2"]}
    send(served)
    assert (len(destination.mails), len(second.mails)) == (1, 0)


def test_the_next_host_gets_what_the_first_cannot_take(served, fake_dns, destination):
    fake_dns.records = {("dest.test", "MX"): ["10 mx1.dest.test.", "20 mx2.dest.test."],
                        ("mx1.dest.test", "A"): ["127.0.0.9"], ("mx2.dest.test", "A"): ["127.0.0.1"]}
    send(served)
    assert len(destination.mails) == 1


def test_hosts_of_one_preference_share_the_load(served, fake_dns, destination, destinations):
    second = destinations("127.0.0.2", destination.port)
    fake_dns.records = {("dest.test", "MX"): ["10 mx1.dest.test.", "10 mx2.dest.test."],
                        ("mx1.dest.test", "A"): ["127.0.0.1"], ("mx2.dest.test", "A"): ["127.0.0.2"]}
    for _ in range(40):
        send(served)
    assert destination.mails and second.mails


def test_without_mx_the_domains_own_address_is_used(served, fake_dns, destination):
    fake_dns.records = {("dest.test", "A"): ["127.0.0.1"]}
    send(served)
    assert len(destination.mails) == 1


def test_an_unreachable_ipv6_address_does_not_hold_up_ipv4(served, fake_dns, destination):
    fake_dns.records = {("dest.test", "MX"): ["10 mx1.dest.test."],
                        ("mx1.dest.test", "AAAA"): ["2001:db8::1"], ("mx1.dest.test", "A"): ["127.0.0.1"]}
    send(served)
    assert len(destination.mails) == 1


def test_a_null_mx_is_a_permanent_refusal(served, fake_dns, destination):
    fake_dns.records = {("dest.test", "MX"): ["0 ."], ("dest.test", "A"): ["127.0.0.1"]}
    assert refusal_of(served) == (556, "5.1.10")
    assert destination.mails == []


def test_a_domain_that_does_not_exist_is_a_permanent_refusal(served):
    code, _ = refusal_of(served)
    assert 500 <= code < 600


def test_a_name_server_in_trouble_is_a_temporary_refusal(served, fake_dns):
    fake_dns.broken.add("dest.test")
    code, _ = refusal_of(served)
    assert 400 <= code < 500
