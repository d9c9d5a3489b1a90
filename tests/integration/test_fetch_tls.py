"""What env.API:fetch says to servers over TLS: those that prove who they are are asked, all others are not."""
import http.server
import smtplib
import ssl
import subprocess
import threading

import pytest
from gateway import postern

SENDER = "anna@sender.test"
TEXT = b"From: Anna <anna@sender.test>\r\nSubject: hello\r\n\r\nWe met.\r\n"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder, name="ca"):
        self.folder, self.chain, self.key = folder, folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self.key,
                "-out", self.chain)

    def sign(self, name, days=2):
        """A context of a server with a certificate for the name."""
        base = self.folder / f"{name}{days}"
        key, request, chain, more = (base.with_suffix(end) for end in (".key", ".csr", ".pem", ".ext"))
        more.write_text(f"subjectAltName=DNS:{name}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.chain, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                "-extfile", more, "-out", chain)
        return server_context(chain, key)


def server_context(chain, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, context):
        self.seen = 0
        super().__init__(("127.0.0.1", 0), Quiet)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


@pytest.fixture
def servers():
    """servers(context): one more, over TLS."""
    started = []

    def start(context):
        started.append(Server(context))
        return started[-1]
    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def fetching(rules, serve, fake_dns):
    """fetching(url, …): what the worker is told that fetches it."""
    def start(url, **binding):
        fake_dns.records[("api.test", "A")] = ["127.0.0.1"]
        rules.domain("gate.test", {"to": "ben@", "worker": "work"})
        rules.script("work", f"""
            return {{ email = function(message, env)
              local ok, answer = pcall(env.API.fetch, env.API, "{url}")
              message:setReject(ok and answer.status .. " " .. answer.body or answer.code .. " " .. answer.message)
            end }}""")
        binding = {"hosts": ["*"], "private": True, **binding}
        rules.write_host(dns={"resolver": fake_dns.resolver, "timeout": "2s"},
                         workers={"work": {"fetch": {"API": binding}}})
        with serve(rules).connect() as session:
            with pytest.raises(smtplib.SMTPDataError) as refusal:
                session.sendmail(SENDER, "ben@gate.test", TEXT)
        return refusal.value.smtp_error.decode()
    return start


def test_a_server_with_a_certificate_of_our_roots_is_asked(tmp_path, servers, fetching):
    authority = Authority(tmp_path)
    server = servers(authority.sign("api.test"))
    told = fetching(f"https://api.test:{server.server_port}/", ca_file=str(authority.chain))
    assert told.endswith("200 hi"), told
    assert server.seen == 1


@pytest.mark.parametrize("name, days, roots", [
    ("api.test", 2, "none"),
    ("api.test", 2, "others"),
    ("other.test", 2, "its"),
    ("*.api.test", 2, "its"),
    ("api.test", -1, "its"),
])
def test_a_server_that_does_not_prove_its_name_is_not_asked(tmp_path, servers, fetching, name, days, roots):
    authority = Authority(tmp_path)
    others = Authority(tmp_path, "others")
    server = servers(authority.sign(name, days))
    options = {"none": {}, "others": {"ca_file": str(others.chain)}, "its": {"ca_file": str(authority.chain)}}
    told = fetching(f"https://api.test:{server.server_port}/", **options[roots])
    assert "E_FETCH_FAILED" in told and "certificate" in told, told
    assert server.seen == 0


def test_a_server_that_signs_for_itself_is_not_asked(certificate, servers, fetching):
    server = servers(server_context(*certificate))
    told = fetching(f"https://api.test:{server.server_port}/")
    assert "E_FETCH_FAILED" in told and "certificate" in told, told
    assert server.seen == 0


def test_roots_that_are_none_are_told(rules, tmp_path):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.script("work", "return { email = function() end }")
    (tmp_path / "empty.pem").write_text("no certificate\n")
    for file in ("empty.pem", "missing.pem"):
        rules.write_host(workers={"work": {"fetch": {"API": {"hosts": ["*"], "ca_file": str(tmp_path / file)}}}})
        assert "no usable root certificates" in postern("check", rules.folder).stderr
