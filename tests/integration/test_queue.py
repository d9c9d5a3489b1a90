"""What waits for delivery: destinations that are down, that slow us down, that come back; and what happens to the
queue at the end of a process."""
import socket
import threading

import pytest
from destination import Destination
from gateway import PATIENCE_S, Rules, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: anna@sender.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n\r\nWe met.\r\n"
QUICK = {"first_retry": "100ms", "retry_max": "8s", "lease": "2s"}


def send(gateway, *recipients):
    with gateway.connect() as session:
        for recipient in recipients:
            session.sendmail(SENDER, recipient, TEXT)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def two_ways(tmp_path, healthy_port, other_port, **queue):
    """well@ goes to well.test, bad@ to bad.test, on another port."""
    rules = Rules(tmp_path)
    rules.domain("gate.test", {"to": "well@", "forward": "to@well.test"}, {"to": "bad@", "forward": "to@bad.test"})
    rules.write_host(
        queue={**QUICK, **queue},
        delivery={"connect_timeout": "1s"},
        routes={"well.test": {"host": "127.0.0.1", "port": healthy_port, "tls": "none"},
                "bad.test": {"host": "127.0.0.1", "port": other_port, "tls": "none"}})
    return rules


class Greeter:
    """Says one line to whoever connects, and counts."""

    def __init__(self, line):
        self.line = line
        self.count = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self._greet, daemon=True)
        self.thread.start()

    def _greet(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.count += 1
            with client:
                client.sendall(self.line)

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(PATIENCE_S)


@pytest.fixture
def busy():
    greeter = Greeter(b"421 4.3.2 too busy\r\n")
    yield greeter
    greeter.stop()


def test_a_destination_that_is_down_does_not_keep_others_waiting(tmp_path, serve, destination):
    destination.replies["to@well.test"] = "450 4.3.2 not now"
    gateway = serve(two_ways(tmp_path, destination.port, closed_port()))
    send(gateway, *["bad@gate.test"] * 20, *["well@gate.test"] * 20)
    del destination.replies["to@well.test"]
    assert len(destination.wait_for(20)) == 20


def test_a_destination_that_greets_with_421_is_probed_not_stormed(tmp_path, serve, destination, busy):
    gateway = serve(two_ways(tmp_path, destination.port, busy.port))
    send(gateway, *["bad@gate.test"] * 30)
    in_session = busy.count
    wait_until(lambda: busy.count >= in_session + 4, "four probes")
    tries = len(gateway.events("delivery.failed"))
    assert tries <= busy.count + 1
    # 30 messages, each by itself, would have tried more than four times as often by the fourth probe.
    assert busy.count < in_session + 30


def test_what_waited_goes_over_few_connections(tmp_path, serve, destination):
    down = Destination()
    down.stop()
    gateway = serve(two_ways(tmp_path, destination.port, down.port, active_per_destination=2))
    send(gateway, *["bad@gate.test"] * 30)
    up = Destination(port=down.port)
    try:
        up.wait_for(30)
        assert up.sessions <= 3
    finally:
        up.stop()


def test_a_rate_spreads_the_deliveries(tmp_path, serve, destination):
    destination.replies["to@well.test"] = "450 4.3.2 not now"
    gateway = serve(two_ways(tmp_path, destination.port, closed_port(), rate_per_destination=600))
    send(gateway, *["well@gate.test"] * 5)
    del destination.replies["to@well.test"]
    destination.wait_for(5)
    assert len(gateway.events("delivery.given_up")) == 0


def test_a_host_out_of_rate_takes_it_later(tmp_path, serve, destination):
    rules = two_ways(tmp_path, destination.port, closed_port())
    rules.write_host(delivery={"rate_per_host": 120})  # 12 at once, then 2 a second
    gateway = serve(rules)
    send(gateway, *["well@gate.test"] * 20)
    destination.wait_for(20)
    assert gateway.events("message.queued") != []


def test_what_is_in_delivery_at_the_end_is_there_after_it(tmp_path, serve, destination):
    rules = two_ways(tmp_path, destination.port, closed_port())
    rules.write_host(shutdown="300ms")
    destination.replies["to@well.test"] = "450 4.3.2 not now"
    first = serve(rules)
    send(first, "well@gate.test")
    destination.gate.clear()
    del destination.replies["to@well.test"]
    wait_until(lambda: destination.waiting, "the attempt")
    first.terminate()
    assert first.wait() == 0
    assert destination.mails == []
    second = serve(rules)
    destination.gate.set()
    destination.wait_for(1)
    wait_until(lambda: second.events("message.forwarded"), "the second host")


def test_a_reload_changes_the_back_off_of_what_comes(tmp_path, serve, destination):
    rules = two_ways(tmp_path, destination.port, closed_port(), first_retry="1h", retry_max="2h")
    destination.replies["to@well.test"] = "450 4.3.2 not now"
    gateway = serve(rules)
    send(gateway, "well@gate.test")
    rules.write_host(queue=QUICK)
    gateway.reload()
    send(gateway, "well@gate.test")
    del destination.replies["to@well.test"]
    assert len(destination.wait_for(1)) == 1
