"""Clients that others wrote: smtplib, swaks, Postfix's smtp-source."""
import email.message
import subprocess

import pytest

SENDER = "anna@sender.test"


@pytest.fixture
def gateway(rules, serve, certificate):
    chain, key = certificate
    rules.write_host(tls=[{"certificate": str(chain), "key": str(key)}])
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"},
                 {"to": "münchen@", "forward": "ben@dest.test"}, {"to": "trap@", "reject": "no such person here"})
    return serve(rules)


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, timeout=120, check=False, text=True)


def swaks(gateway, *arguments):
    return run("swaks", "--server", f"127.0.0.1:{gateway.port}", "--from", SENDER, "--to", "ben@gate.test",
               "--helo", "client.sender.test", *arguments)


@pytest.mark.parametrize("arguments", [[], ["--pipeline"], ["--tls"], ["--tls", "--pipeline"], ["--protocol", "SMTP"]],
                         ids=" ".join)
def test_swaks_delivers(gateway, destination, arguments):
    done = swaks(gateway, "--body", "We met.", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"We met." in destination.mails[0].content


def test_swaks_is_refused_at_rcpt(gateway):
    done = swaks(gateway, "--to", "trap@gate.test")
    assert done.returncode == 24
    assert "no such person here" in done.stdout


def test_smtplib_sends_an_international_message(gateway, destination):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, "münchen@gate.test", "Grüße"
    message.set_content("Schöne Grüße", cte="8bit")
    with gateway.connect() as session:
        session.send_message(message)
    mail = destination.mails[0]
    assert "SMTPUTF8" in mail.options
    assert "Schöne Grüße".encode() in mail.content
    assert " with UTF8SMTP " in mail.header("Received")[0]


def test_smtp_source_sends_many_messages_over_many_sessions(gateway, destination):
    done = run("/usr/sbin/smtp-source", "-s", 10, "-m", 300, "-l", 5000, "-f", SENDER, "-t", "ben@gate.test",
               f"127.0.0.1:{gateway.port}")
    assert done.returncode == 0, done.stderr
    assert len(destination.mails) == 300


def test_smtp_source_keeps_its_connections(gateway, destination):
    done = run("/usr/sbin/smtp-source", "-d", "-s", 4, "-m", 100, "-l", 20000, "-f", SENDER, "-t", "ben@gate.test",
               f"127.0.0.1:{gateway.port}")
    assert done.returncode == 0, done.stderr
    assert len(destination.mails) == 100
