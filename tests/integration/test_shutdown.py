"""SIGTERM: what is in flight is finished, who is idle is told to go, and nothing is lost."""
import smtplib
import threading

import pytest
from gateway import wait_until

SENDER = "anna@sender.test"
TEXT = b"Subject: hello\r\n\r\nWe met.\r\n"


@pytest.fixture
def served(rules, serve):
    def start(**host):
        rules.write_host(**host)
        rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
        return serve(rules)
    return start


def in_flight(gateway, destination, answers):
    """Sends a message whose next hop does not answer yet."""
    def send():
        session = gateway.connect()
        try:
            session.sendmail(SENDER, "ben@gate.test", TEXT)
            answers.append(250)
        except smtplib.SMTPResponseException as refusal:
            answers.append(refusal.smtp_code)
        except smtplib.SMTPServerDisconnected:
            answers.append(None)

    destination.gate.clear()
    sending = threading.Thread(target=send)
    sending.start()
    wait_until(lambda: destination.waiting, "the message to be in flight")
    return sending


def test_a_message_in_flight_is_finished_and_an_idle_session_gets_421(served, destination):
    gateway, answers = served(), []
    sending = in_flight(gateway, destination, answers)
    idle = gateway.dialogue()
    idle.expect(220)
    gateway.terminate()
    idle.expect(421)
    assert idle.at_end()
    assert gateway.process.poll() is None, "it ended with a message in flight"
    destination.gate.set()
    sending.join(20)
    assert answers == [250]
    assert gateway.wait() == 0
    assert len(destination.mails) == 1


def test_no_new_session_is_taken(served, destination):
    gateway, answers = served(), []
    sending = in_flight(gateway, destination, answers)
    gateway.terminate()

    def is_closed():
        try:
            session = gateway.dialogue()
        except ConnectionRefusedError:
            return True
        is_greeted = session.reader.read(3) == b"220"
        session.close()
        return not is_greeted

    wait_until(is_closed, "the listener to close")
    destination.gate.set()
    sending.join(20)
    assert answers == [250]


def test_what_takes_too_long_stays_with_its_sender(served, destination):
    gateway, answers = served(shutdown="500ms"), []
    sending = in_flight(gateway, destination, answers)
    gateway.terminate()
    sending.join(20)
    assert answers[0] in (421, 451)
    destination.gate.set()
    assert gateway.wait() == 0


def test_sigterm_without_sessions_ends_at_once(served):
    gateway = served()
    gateway.terminate()
    assert gateway.wait() == 0
    assert gateway.events("host.stopped")
