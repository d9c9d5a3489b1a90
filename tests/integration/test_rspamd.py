"""An Rspamd beside the gateway: what it is asked, and what becomes of its word."""
import http.server
import json
import threading

import pytest
from test_auth import TEXT, answer, served  # noqa: F401 (a fixture)


class FakeRspamd:
    """Gives every question the same `answer`: an object, or bytes; None keeps silent until the end."""

    def __init__(self):
        self.answer = None
        self.questions = []
        self.ended = threading.Event()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fake.questions.append((self.path, self.headers, body, self.client_address))
                if fake.answer is None:
                    fake.ended.wait(20)
                    self.close_connection = True
                    return
                text = fake.answer if isinstance(fake.answer, bytes) else json.dumps(fake.answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def says(self, action, score=3.0, **more):
        self.answer = {"action": action, "score": score, "required_score": 15.0,
                       "symbols": {"BAYES_SPAM": {"score": 2.5, "options": ["99%"]}}, **more}

    def stop(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def rspamd():
    server = FakeRspamd()
    yield server
    server.stop()


def test_it_is_told_what_is_known_and_its_score_is_ours(served, destination, rspamd):
    rspamd.says("no action")
    gateway = served(rspamd=rspamd.url)
    assert answer(gateway) == (250, "")
    assert answer(gateway) == (250, "")
    (path, headers, body, peer), (_, _, _, second_peer) = rspamd.questions
    assert path == "/checkv2" and body == TEXT
    assert headers["IP"] == "127.0.0.1" and headers["Helo"] == "client.sender.test"
    assert headers["From"] == "<anna@sender.test>" and headers["Queue-Id"].isalnum()
    assert peer == second_peer, "the connection is kept"
    score, = destination.mails[0].header("X-Postern-Spam-Score")
    assert score.startswith("1.0 ") and "rspamd=3.0/15.0 no-action BAYES_SPAM=2.5" in score
    assert not destination.mails[0].header("X-Postern-Quarantine")
    assert "rspamd=no-action" in gateway.events("message.verified")[0]


@pytest.mark.parametrize("action, code, text", [
    ("reject", 550, "5.7.1 its own words"),
    ("soft reject", 451, "4.7.1 its own words"),
    ("greylist", 451, "4.7.1 its own words"),
])
def test_enforced_it_refuses(served, destination, rspamd, action, code, text):
    rspamd.says(action, messages={"smtp_message": "its own words"})
    assert answer(served(rspamd={"url": rspamd.url, "action": "enforce"})) == (code, text)
    assert destination.mails == []


@pytest.mark.parametrize("action, mode", [("add header", "enforce"), ("rewrite subject", "enforce"),
                                          ("add header", "mark"), ("reject", "mark")])
def test_otherwise_it_marks(served, destination, rspamd, action, mode):
    rspamd.says(action, score=20)
    assert answer(served(rspamd={"url": rspamd.url, "action": mode})) == (250, "")
    assert destination.mails[0].header("X-Postern-Quarantine") == ["rspamd"]
    assert destination.mails[0].header("X-Postern-Spam-Score")[0].startswith("5.0 ")


def test_a_soft_reject_that_is_not_enforced_changes_nothing(served, destination, rspamd):
    rspamd.says("soft reject")
    assert answer(served(rspamd={"url": rspamd.url})) == (250, "")
    assert not destination.mails[0].header("X-Postern-Quarantine")


@pytest.mark.parametrize("said", [b"", b"not JSON", b"[" * 100_000, b"{}", b"x" * 5_000_000, None],
                         ids=["empty", "text", "deep", "without a score", "huge", "silent"])
def test_when_it_fails_mail_goes_on_with_our_own_score(served, destination, rspamd, said):
    rspamd.answer = said
    gateway = served(rspamd={"url": rspamd.url, "action": "enforce", "timeout": "200ms"})
    assert answer(gateway) == (250, "")
    assert len(rspamd.questions) == 1
    assert "rspamd=" not in destination.mails[0].header("X-Postern-Spam-Score")[0]


def test_when_it_is_down_mail_goes_on(served, destination):
    gateway = served(rspamd={"url": "http://127.0.0.1:1", "action": "enforce"})
    assert answer(gateway) == (250, "")
    assert len(destination.mails) == 1
    line, = gateway.events("message.verified")
    assert "Rspamd at http://127.0.0.1:1: " in line
