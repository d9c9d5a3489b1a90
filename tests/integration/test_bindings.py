"""What a script finds in `env` beside its variables: bindings, each only where host.yaml gives it."""
import email
import email.policy
import http.server
import pathlib
import re
import smtplib
import threading
import time

import pytest
from gateway import ROOT, postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: Anna <anna@sender.test>\r\nSubject: hello\r\n\r\nWe met.\r\n"


@pytest.fixture
def bound(rules, serve):
    """bound(body, **bindings): a gateway whose worker has them, and runs the Lua body. What the body returns, told in
    the sender's answer, is what ask() gives."""
    def start(body, host=None, **bindings):
        rules.domain("gate.test", {"to": "ben@", "worker": "work", "on_soft_failure": "defer"})
        rules.script("work", "local function work(message, env, ctx)\n" + body + "\nend\n"
                     "return { email = function(message, env, ctx)\n"
                     "  local told = {}\n"
                     "  for i, value in ipairs { work(message, env, ctx) } do told[i] = tostring(value) end\n"
                     "  message:setReject(table.concat(told, \" | \"))\n"
                     "end }\n")
        rules.write_host(workers={"work": {"script": "work.lua", **bindings}}, **(host or {}))
        return serve(rules)
    return start


def ask(gateway):
    with gateway.connect() as session:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            session.sendmail(SENDER, "ben@gate.test", TEXT)
    code, text = refusal.value.smtp_code, refusal.value.smtp_error.decode()
    assert code == 550, text
    return text.split(" ", 1)[1] if " " in text else ""


KV = {"kv": {"TICKETS": "tickets"}}


def test_what_is_not_bound_is_not_there(bound):
    assert ask(bound("return env.TICKETS == nil, env.PER_SENDER == nil")) == "true | true"


def test_a_value_is_kept_over_restarts(bound, serve, rules):
    gateway = bound("""
        local before = env.TICKETS:get("last")
        env.TICKETS:put("last", "17")
        return before == nil and "none" or before""", **KV)
    assert ask(gateway) == "none"
    gateway.stop()
    assert ask(serve(rules)) == "17"


def test_a_pair_has_metadata_and_a_time(bound):
    assert ask(bound("""
        local kv = env.TICKETS
        kv:put("a", '{"open": true, "by": ["anna"]}', { metadata = { by = "anna", n = 3 }, expirationTtl = 600 })
        local found = kv:getWithMetadata("a", { type = "json" })
        local listed = kv:list { prefix = "a" }
        local left = listed.keys[1].expiration - os.time()
        return found.value.open, found.value.by[1], found.metadata.by, found.metadata.n, listed.keys[1].metadata.n,
          left > 590 and left <= 600, listed.listComplete, kv:get("a", "text"):sub(1, 6)""", **KV)) == \
        'true | anna | anna | 3 | 3 | true | true | {"open'


def test_a_list_comes_in_pieces(bound):
    assert ask(bound("""
        local kv, seen, cursor = env.TICKETS, {}, nil
        for i = 1, 7 do kv:put("n" .. i, i) end
        kv:put("other", "")
        kv:delete("n4")
        repeat
          local piece = kv:list { prefix = "n", limit = 2, cursor = cursor }
          for _, key in ipairs(piece.keys) do seen[#seen + 1] = key.name end
          cursor = piece.cursor
        until piece.listComplete
        return table.concat(seen, " "), cursor == nil""", **KV)) == "n1 n2 n3 n5 n6 n7 | true"


def test_counters_count_for_all_hosts(bound, rules):
    gateway = bound('return env.TICKETS:increment("n"), env.TICKETS:increment("n", 10)', host={"hosts": 2}, **KV)
    assert [ask(gateway) for _ in range(4)] == ["1 | 11", "12 | 22", "23 | 33", "34 | 44"]


def test_workers_share_a_namespace_by_its_name(bound):
    assert ask(bound("""
        env.ONE:put("key", "value")
        return env.SAME:get("key"), env.OTHER:get("key") == nil""",
                     kv={"ONE": "first", "SAME": "first", "OTHER": "second"})) == "value | true"


WRONG = [
    ('kv:get()', "the key must be a string, got nil"),
    ('kv:get("")', "a key has 1 to 512 bytes"),
    ('kv:get("..")', "neither '.' nor '..'"),
    ('kv:get(("x"):rep(513))', "a key has 1 to 512 bytes"),
    ('kv:get("a", { kind = "json" })', "unknown field 'kind'; it takes type"),
    ('kv:get("a", "blob")', 'the type is "text" or "json", not \'blob\''),
    ('kv:put("a", {})', "write json.encode(value)"),
    ('kv:put("a", print)', "the value must be a string, got function"),
    ('kv:put("a", ("x"):rep(26 * 1024 * 1024))', "longer than 25 MiB"),
    ('kv:put("a", "b", { ttl = 5 })', "unknown field 'ttl'"),
    ('kv:put("a", "b", { expirationTtl = -1 })', "whole number from 1 up, got -1"),
    ('kv:put("a", "b", { expirationTtl = 0/0 })', "whole number from 1 up"),
    ('kv:put("a", "b", { expiration = 1000 })', "a time that has passed"),
    ('kv:put("a", "b", { metadata = ("x"):rep(2000) })', "longer than 1024 bytes as JSON"),
    ('kv:increment("a", 0.5)', "must be a whole number, got 0.5"),
    ('kv:put("a", "x") kv:increment("a")', "no whole number"),
    ('kv:list { limit = 1001 }', "limit is at most 1000"),
    ('kv.get("a")', "call it with a colon"),
    ('kv:gett("a")', "env.TICKETS has no 'gett'; a binding of kind kv has delete, get, getWithMetadata"),
    ('kv.get = nil', "env.TICKETS is read-only"),
    ('env.PER_SENDER:limit("key")', "what follows must be a table"),
    ('env.PER_SENDER:limit { key = {} }', "write it as { key = message.from }"),
]


def test_mistakes_are_told(bound):
    attempts = ",\n".join(f"function() {mistake} end" for mistake, _ in WRONG)
    answer = ask(bound(f"""
        local kv, told = env.TICKETS, {{}}
        for i, attempt in ipairs {{ {attempts} }} do
          local ok, err = pcall(attempt)
          print(i, tostring(err))
          told[i] = ok and "taken" or tostring(err):match("^work.lua:%d+: ") and "ok" or tostring(err)
        end
        return table.concat(told, " ")""", limiters={"PER_SENDER": {"limit": 1}}, **KV))
    assert answer == " ".join(["ok"] * len(WRONG))


@pytest.mark.parametrize("mistake, told", WRONG)
def test_a_mistake_says_what_is_expected(bound, mistake, told):
    text = ask(bound(f"local kv = env.TICKETS\nlocal ok, err = pcall(function() {mistake} end)\n"
                     "return ok, err", limiters={"PER_SENDER": {"limit": 1}}, **KV))
    assert text.startswith("false | ") and told in text


def test_a_message_has_so_many_calls(bound):
    assert ask(bound("""
        for i = 1, 20 do env.TICKETS:put("key", i) end
        local ok, err = pcall(env.TICKETS.get, env.TICKETS, "key")
        return ok, err.code, err.call, err.permanent""", limits={"calls": 20}, **KV)) == \
        "false | E_TOO_MANY_CALLS | TICKETS:get | true"


# --- limiters ---

def test_a_limiter_lets_so_many_through(bound):
    gateway = bound("""
        local told = {}
        for i = 1, 4 do told[i] = tostring(env.PER_SENDER:limit { key = message.from }.success) end
        return table.concat(told, " "), env.PER_SENDER:limit { key = "somebody else" }.success""",
                    limiters={"PER_SENDER": {"limit": 3, "period": "1h"}})
    assert ask(gateway) == "true true true false | true"
    gateway.reload()
    assert ask(gateway) == "false false false false | true"


# --- secrets ---

def test_a_secret_is_read_and_never_logged(bound, tmp_path, monkeypatch):
    monkeypatch.setenv("POSTERN_TEST_KEY", "from-the-environment")
    path = tmp_path / "token"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    gateway = bound("""
        print("token", env.TOKEN, "and key", env.KEY)
        return #env.TOKEN, env.KEY == "from-the-environment" """,
                    secrets={"TOKEN": {"file": str(path)}, "KEY": {"env": "POSTERN_TEST_KEY"}})
    assert ask(gateway) == "7 | true"
    line = wait_until(lambda: gateway.events("worker.log"), "the log line")[0]
    assert "token" in line and "[secret]" in line
    log = gateway.log()
    assert "hunter2" not in log and "from-the-environment" not in log


def test_an_error_does_not_tell_a_secret(bound, tmp_path):
    path = tmp_path / "token"
    path.write_text("hunter2")
    path.chmod(0o600)
    gateway = bound('error("no answer to " .. env.TOKEN .. "!")', secrets={"TOKEN": {"file": str(path)}})
    with gateway.connect() as session, pytest.raises(smtplib.SMTPDataError):
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    line = wait_until(lambda: gateway.events("worker.ended"), "the log line")[0]
    assert "no answer to [secret]!" in line and "hunter2" not in gateway.log()


SECRETS = [
    ({"TOKEN": "hunter2"}, "a secret itself does not stand in host.yaml"),
    ({"TOKEN": {"file": "missing"}}, "No such file"),
    ({"TOKEN": {"file": "open"}}, "chmod 600"),
    ({"TOKEN": {"file": "empty"}}, "it is empty"),
    ({"TOKEN": {"env": "POSTERN_TEST_NOTHING"}}, "the environment has no POSTERN_TEST_NOTHING"),
    ({"TOKEN": {"file": "open", "env": "HOME"}}, "expected {file: path} or {env: NAME}"),
]


@pytest.mark.parametrize("secrets, told", SECRETS)
def test_a_secret_that_is_none_is_told(rules, secrets, told):
    for name, text, mode in (("open", "hunter2", 0o644), ("empty", "\n", 0o600)):
        path = pathlib.Path(rules.folder) / name
        path.write_text(text)
        path.chmod(mode)
    rules.script("work", "return { email = function() end }")
    rules.write_host(workers={"work": {"secrets": secrets}})
    done = postern("check", rules.folder)
    assert done.returncode == 1 and told in done.stderr and "hunter2" not in done.stderr


@pytest.mark.parametrize("bindings, told", [
    ({"kv": ["tickets"]}, "kv: expected `NAME: …` lines"),
    ({"kv": {"TICKETS": {"name": "tickets"}}}, "expected the name of a namespace"),
    ({"kv": {"a-b": "tickets"}}, "a name in env has letters, digits and _ only"),
    ({"kv": {"SAME": "tickets"}, "vars": {"SAME": "text"}}, "SAME is in this worker's env already"),
    ({"limiters": {"L": {}}}, "expected {limit: 5, period: 1m}"),
    ({"limiters": {"L": {"limit": 5, "window": "1m"}}}, "window"),
    ({"key": {"TICKETS": "tickets"}}, "key"),
    ({"send": {"EMAIL": {"from": ["*"]}}}, 'expected an address, or "*@example.com" for all of a domain'),
    ({"send": {"EMAIL": {"to": ["anna"]}}}, 'or "*" for anybody'),
])
def test_a_binding_that_is_none_is_told(rules, bindings, told):
    rules.script("work", "return { email = function() end }")
    rules.write_host(workers={"work": bindings})
    done = postern("check", rules.folder)
    assert done.returncode == 1 and told in done.stderr


# --- send ---

def sent_by(bound, destination, body, count=1, **binding):
    gateway = bound(body, send={"EMAIL": binding})
    answer = ask(gateway)
    return answer, destination.wait_for(count) if count else destination.mails


def test_a_message_is_sent_through_the_queue(bound, destination):
    answer, mails = sent_by(bound, destination, """
        local sent = env.EMAIL:send {
          from = { name = "Zoë", email = "support@gate.test" }, to = "Anna <anna@dest.test>",
          cc = { "ben@dest.test", "anna@dest.test" }, bcc = { { email = "chef@dest.test" } },
          replyTo = "answers@gate.test", subject = "Grüße", text = "Hello", html = "<p>Hello</p>",
          headers = { ["X-Ticket"] = 17 },
          attachments = { { filename = "a.txt", type = "text/plain", content = "attached" } },
        }
        return #sent.messageId > 10""", 3)
    assert answer == "true"
    assert sorted(mail.recipient for mail in mails) == ["anna@dest.test", "ben@dest.test", "chef@dest.test"]
    for mail in mails:
        assert mail.sender == "support@gate.test"
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        assert message["From"] == "Zoë <support@gate.test>"
        assert (message["To"], message["Cc"], message["Bcc"]) == \
            ("Anna <anna@dest.test>", "ben@dest.test, anna@dest.test", None)
        assert (message["Reply-To"], message["Subject"], message["X-Ticket"]) == ("answers@gate.test", "Grüße", "17")
        assert message["Auto-Submitted"] == "auto-generated" and message["Message-ID"] and message["Date"]
        assert message.get_body(("plain",)).get_content().strip() == "Hello"
        assert [part.get_filename() for part in message.iter_attachments()] == ["a.txt"]


def test_a_raw_message_is_sent_as_it_is(bound, destination):
    answer, mails = sent_by(bound, destination, """
        local raw = "From: support@gate.test\\nSubject: raw\\nDate: Mon, 01 Jan 2024 00:00:00 +0000\\n\\nBody\\n"
        return env.EMAIL:send { to = "anna@dest.test", raw = raw } ~= nil""")
    assert answer == "true"
    assert mails[0].content.endswith(b"From: support@gate.test\r\nSubject: raw\r\n"
                                     b"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\nBody\r\n")


def test_bounces_come_to_the_return_path(bound, destination):
    answer, mails = sent_by(bound, destination, """
        return env.EMAIL:send { from = "support@gate.test", returnPath = "support+17@gate.test", to = "anna@dest.test",
          text = "t" } ~= nil""", **{"from": ["support@gate.test"]})
    assert answer == "true"
    assert mails[0].sender == "support+17@gate.test"
    assert email.message_from_bytes(mails[0].content)["From"] == "support@gate.test"


def test_anybody_is_written_to_where_that_is_allowed(bound, destination):
    gateway = bound('return env.EMAIL:send { from = "a@gate.test", to = "x@else.test", text = "t" } ~= nil',
                    host={"destinations": ["anna@dest.test"]}, send={"EMAIL": {"to": ["*"]}})
    assert ask(gateway) == "true"
    assert destination.wait_for(1)[0].recipient == "x@else.test"


def test_what_a_next_hop_refuses_for_now_stays_in_the_queue(bound, destination):
    destination.replies["anna@dest.test"] = "451 4.3.0 Not now"
    answer, _ = sent_by(bound, destination, """
        env.EMAIL:send { from = "support@gate.test", to = "anna@dest.test", text = "Hello" }
        return "sent" """, 0)
    assert answer == "sent"


def test_a_message_of_a_worker_is_in_the_activity_log(bound, destination, rules):
    gateway = bound('return env.EMAIL:send{ from = "support@gate.test", to = "anna@dest.test", subject = "s",'
                    ' text = "t" }.messageId', send={"EMAIL": {}})
    sent = ask(gateway)
    destination.wait_for(1)

    def told():
        done = postern("log", "--id", sent, rules.folder)
        return "forwarded" in done.stdout and done.stdout
    assert "anna@dest.test" in wait_until(told, "the row")
    assert gateway.events("message.sent")


NOT_SENT = [
    ('from = "support@other.test", to = "anna@dest.test", text = "t"', {}, "E_SENDER_NOT_VERIFIED"),
    ('from = "sales@gate.test", to = "anna@dest.test", text = "t"', {"from": ["support@gate.test"]},
     "E_SENDER_NOT_VERIFIED"),
    ('from = "a@gate.test", to = "anna@dest.test", text = "t"', {"to": ["*@corp.test", "ben@dest.test"]},
     "E_RECIPIENT_NOT_ALLOWED"),
    ('from = "a@gate.test", to = "x@corp.test", bcc = "anna@dest.test", text = "t"', {"to": ["*@corp.test"]},
     "E_RECIPIENT_NOT_ALLOWED"),
    ('from = "a@gate.test", to = "x@sub.corp.test", text = "t"', {"to": ["*@corp.test"]}, "E_RECIPIENT_NOT_ALLOWED"),
    ('to = "anna@dest.test", raw = "From: a@gate.test, b@gate.test\\n\\n"', {}, "E_VALIDATION_ERROR"),
    ('to = "anna@dest.test", raw = "From: a@gate.test\\nFrom: b@gate.test\\n\\n"', {}, "E_VALIDATION_ERROR"),
    ('to = "anna@dest.test", raw = "Subject: s\\n\\n"', {}, "E_VALIDATION_ERROR"),
    ('to = "anna@dest.test", raw = "From: a@gate.test\\nBcc: b@gate.test\\n\\n"', {}, "E_VALIDATION_ERROR"),
    ('to = "anna@dest.test", raw = "From: a@gate.test\\n\\nx\\0y"', {}, "E_VALIDATION_ERROR"),
    ('to = "anna@dest.test", raw = "From: a@gate.test\\n\\n" .. ("x"):rep(5000)', {}, "E_VALIDATION_ERROR"),
    ('to = "no address", raw = "From: a@gate.test\\n\\n"', {}, "E_VALIDATION_ERROR"),
    ('from = "a@gate.test", returnPath = "a@other.test", to = "anna@dest.test", text = "t"', {}, "returnPath: "),
    ('from = "a@gate.test", returnPath = "", to = "anna@dest.test", text = "t"', {}, "returnPath: "),
    ('from = "a@gate.test", returnPath = 5, to = "anna@dest.test", text = "t"', {}, "returnPath must be a string"),
    ('from = "a@gate.test", text = "t"', {}, "1 to 50 recipients in to, cc and bcc, this one 0"),
    ('from = "a@gate.test", to = "anna@dest.test"', {}, "give it a text, an html or a raw message"),
    ('from = "a@gate.test", to = "anna@dest.test", text = "t", body = 1', {}, "unknown field 'body'"),
    ('from = "a@gate.test", to = "anna@dest.test", text = "t", subject = "a\\r\\nBcc: x@y"', {}, "line end"),
    ('from = "a@gate.test", to = "anna@dest.test", text = "t", headers = { ["X-A"] = "b\\nc: d" }', {}, "line end"),
    ('from = "a@gate.test", to = "anna@dest.test\\nBcc: x@y.test", text = "t"', {}, "no address"),
    ('from = "a@gate.test", to = "a <b@c.test>, <d@e.test>", text = "t"', {}, "is not one address"),
    ('from = "a@gate.test", to = "anna@dest.test", text = "t", attachments = { { content = "x", disposition = "y" } }',
     {}, "the disposition of an attachment"),
    ('raw = "From: a@gate.test\\n\\n", to = "anna@dest.test", subject = "s"', {}, "'subject' is part of it"),
]


@pytest.mark.parametrize("fields, binding, told", NOT_SENT)
def test_what_may_not_be_sent_is_not(bound, destination, fields, binding, told):
    answer, mails = sent_by(bound, destination, f"""
        local ok, err = pcall(env.EMAIL.send, env.EMAIL, {{ {fields} }})
        return ok, type(err) == "table" and err.code or "", err""", 0, **binding)
    assert answer.startswith("false") and told in answer
    assert mails == []


def test_a_message_sent_is_an_action(bound, destination):
    gateway = bound("""
        local function send() env.EMAIL:send { from = "a@gate.test", to = "anna@dest.test", text = "t" } end
        send() send()
        local ok, err = pcall(send)
        return ok, err.code""", send={"EMAIL": {}}, limits={"actions": 2})
    assert ask(gateway) == "false | E_TOO_MANY_ACTIONS"


# --- fetch ---

class Web(http.server.ThreadingHTTPServer):
    """An HTTP server on loopback: `answers` maps a path to (status, headers, body); `seen` are the requests."""

    def __init__(self):
        self.answers, self.seen = {}, []
        super().__init__(("127.0.0.1", 0), WebRequest)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path="/", host="127.0.0.1"):
        return f"http://{host}:{self.server_port}{path}"


class WebRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        status, headers, text = self.server.answers.get(self.path, (404, {}, b""))
        if callable(text):
            text = text()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = Web()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetching(bound, fake_dns):
    """fetching(body, hosts, private): the worker's gateway, whose names are fake_dns's."""
    def start(body, hosts, private=True):
        return bound(body, host={"dns": {"resolver": fake_dns.resolver, "timeout": "1s"}},
                     fetch={"API": {"hosts": hosts, "private": private}})
    return start


def test_a_script_asks_a_server(fetching, web, fake_dns):
    fake_dns.records[("api.test", "A")] = ["127.0.0.1"]
    web.answers["/hook?a=b"] = (201, {"Content-Type": "application/json", "X-Two": "2"}, b'{"ok": [1, 2]}')
    gateway = fetching(f"""
        local answer = env.API:fetch("{web.url('/hook?a=b', 'api.test')}#part", {{
          method = "post", body = '{{"text": "hi"}}', timeout = 5,
          headers = {{ ["Content-Type"] = "application/json", ["X-Number"] = 17, Authorization = "Bearer x" }},
        }})
        return answer.status, answer.ok, answer.headers:get("x-two"), answer.headers:get("X-Three") == nil,
          answer.headers:has("Content-Type"), answer:json().ok[2], answer:text() == answer.body, answer.redirected""",
                       ["api.test"])
    assert ask(gateway) == "201 | true | 2 | true | true | 2 | true | false"
    method, path, headers, body = web.seen[0]
    assert (method, path, body) == ("POST", "/hook?a=b", b'{"text": "hi"}')
    assert headers["Host"] == f"api.test:{web.server_port}" and headers["X-Number"] == "17"
    assert headers["Content-Type"] == "application/json" and headers["Authorization"] == "Bearer x"


def test_methods_without_a_body(fetching, web):
    web.answers["/x"] = (200, {}, b"body")
    gateway = fetching(f"""
        local told = {{}}
        for i, method in ipairs {{ "GET", "HEAD", "DELETE" }} do
          told[i] = method .. #env.API:fetch("{web.url('/x')}", {{ method = method }}).body
        end
        local missing = env.API:fetch("{web.url('/missing')}")
        return table.concat(told, " "), missing.status, missing.ok""", ["127.0.0.1"])
    assert ask(gateway) == "GET4 HEAD0 DELETE4 | 404 | false"


def test_redirects_are_followed_with_care(fetching, web, fake_dns):
    fake_dns.records[("a.test", "A")] = fake_dns.records[("b.test", "A")] = ["127.0.0.1"]
    web.answers["/one"] = (302, {"Location": web.url("/two", "b.test")}, b"")
    web.answers["/two"] = (307, {"Location": "three"}, b"")
    web.answers["/three"] = (200, {}, b"here")
    gateway = fetching(f"""
        local answer = env.API:fetch("{web.url('/one', 'a.test')}", {{ method = "POST", body = "secret",
          headers = {{ Authorization = "Bearer x", Cookie = "a=b", ["X-Kept"] = "1" }} }})
        local manual = env.API:fetch("{web.url('/one', 'a.test')}", {{ redirect = "manual" }})
        local ok, err = pcall(env.API.fetch, env.API, "{web.url('/one', 'a.test')}", {{ redirect = "error" }})
        return answer.body, answer.redirected, answer.url, manual.status, manual.headers:get("location"), ok, err.code""",
                       ["a.test", "b.test"])
    assert ask(gateway) == (f"here | true | {web.url('/three', 'b.test')} | 302 | {web.url('/two', 'b.test')} | "
                            "false | E_FETCH_FAILED")
    first, second, third = web.seen[:3]
    assert first[0] == "POST" and first[2]["Authorization"] and first[3] == b"secret"
    for request in (second, third):
        assert request[0] == "GET" and request[3] == b"" and request[2]["X-Kept"] == "1"
        assert "Authorization" not in request[2] and "Cookie" not in request[2]


def fetch_code(url, options=""):
    return f"""
        local ok, err = pcall(env.API.fetch, env.API, "{url}"{options})
        return ok and "got " .. err.status or err.code or err"""


# What must not be reached with hosts ["*"], private: false; names are in PRIVATE_NAMES.
PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0", "localhost.test", "10.0.0.1", "172.16.3.4",
    "192.168.1.1", "169.254.169.254", "100.64.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
    "[fd00::1]", "[ff02::1]", "one.mixed.test", "six.test", "mapped.test", "metadata.test",
]
PRIVATE_NAMES = {
    ("localhost.test", "A"): ["127.0.0.1"],
    ("one.mixed.test", "A"): ["93.184.216.34", "10.0.0.1"],
    ("six.test", "AAAA"): ["fd00::1"],
    ("mapped.test", "AAAA"): ["::ffff:127.0.0.1"],
    ("metadata.test", "A"): ["169.254.169.254"],
}


def test_private_addresses_are_not_reached(fetching, web, fake_dns):
    fake_dns.records.update(PRIVATE_NAMES)
    urls = ", ".join(f'"{web.url("/x", host)}"' for host in PRIVATE)
    answer = ask(fetching(f"""
        local told = {{}}
        for i, url in ipairs {{ {urls} }} do
          local ok, err = pcall(env.API.fetch, env.API, url)
          told[i] = not ok and err.code == "E_FETCH_NOT_ALLOWED" and "no" or url .. " " .. tostring(err)
        end
        return table.concat(told, " ")""", ["*"], private=False))
    assert answer == " ".join(["no"] * len(PRIVATE))
    assert web.seen == []


HOSTS = [
    ("http://other.test/", "E_FETCH_NOT_ALLOWED"),
    ("http://partner.test/", "E_FETCH_NOT_ALLOWED"),
    ("http://evilpartner.test/", "E_FETCH_NOT_ALLOWED"),
    ("http://api.test.evil.test/", "E_FETCH_NOT_ALLOWED"),
    ("http://evil.test/?api.test", "E_FETCH_NOT_ALLOWED"),
    ("http://evil.test#@api.test/", "E_FETCH_NOT_ALLOWED"),
    ("http://evil.test%2eapi.test@evil.test/", "E_VALIDATION_ERROR"),
    ("http://api.test@evil.test/", "E_VALIDATION_ERROR"),
    ("http://api.test:pw@evil.test/", "E_VALIDATION_ERROR"),
    ("http://evil.test%00.api.test/", "E_"),
    ("http://api.test%23.evil.test/", "E_"),
    ("http://127.0.0.1/", "E_FETCH_NOT_ALLOWED"),
    ("ftp://api.test/", "E_VALIDATION_ERROR"),
    ("file:///etc/passwd", "E_VALIDATION_ERROR"),
    ("gopher://api.test/", "E_VALIDATION_ERROR"),
    ("api.test", "E_VALIDATION_ERROR"),
    ("http://nowhere.partner.test/", "E_FETCH_FAILED"),
]


def test_only_hosts_that_are_named_are_reached(fetching, web, fake_dns):
    fake_dns.records.update({(name, "A"): ["127.0.0.1"] for name in (
        "api.test", "other.test", "evil.test", "evilpartner.test", "api.test.evil.test", "x.partner.test")})
    web.answers["/"] = (200, {}, b"")
    urls = ", ".join(f'"{url}"' for url, _ in HOSTS)
    good = ", ".join(f'"{web.url("/", host)}"' for host in ("api.test", "API.Test.", "x.partner.test"))
    answer = ask(fetching(f"""
        local told = {{}}
        for _, list in ipairs {{ {{ {good} }}, {{ {urls} }} }} do
          for _, url in ipairs(list) do
            local ok, err = pcall(env.API.fetch, env.API, url)
            told[#told + 1] = ok and tostring(err.status) or err.code or err
          end
        end
        return table.concat(told, " ")""", ["api.test", "*.partner.test"]))
    told = answer.split(" ")
    assert told[:3] == ["200"] * 3
    for (url, expected), code in zip(HOSTS, told[3:], strict=True):
        assert code.startswith(expected), url


def test_a_redirect_goes_no_further_than_a_url(fetching, web, fake_dns):
    fake_dns.records[("a.test", "A")] = ["127.0.0.1"]
    fake_dns.records[("evil.test", "A")] = ["127.0.0.1"]
    targets = [web.url("/", "evil.test"), "http://169.254.169.254/", "file:///etc/passwd", "http://u:p@a.test/",
               web.url("/loop", "a.test")]
    for i, target in enumerate(targets):
        web.answers[f"/{i}"] = (302, {"Location": target}, b"")
    web.answers["/loop"] = (302, {"Location": "/loop"}, b"")
    gateway = fetching(f"""
        local told = {{}}
        for i = 0, {len(targets) - 1} do
          local ok, err = pcall(env.API.fetch, env.API, "{web.url('/', 'a.test')}" .. i)
          told[i + 1] = ok and "got" or err.code
        end
        return table.concat(told, " ")""", ["a.test"])
    assert ask(gateway).split(" ") == ["E_FETCH_NOT_ALLOWED"] * 2 + ["E_FETCH_FAILED"] * 3
    assert {request[1] for request in web.seen} == {"/0", "/1", "/2", "/3", "/4", "/loop"}


def test_a_name_is_asked_once_so_that_it_cannot_change(fetching, web, fake_dns):
    fake_dns.records[("a.test", "A")] = ["127.0.0.1"]
    web.answers["/"] = (200, {}, b"")
    assert ask(fetching(fetch_code(web.url("/", "a.test")), ["a.test"])) == "got 200"
    assert [kind for name, kind in fake_dns.questions if name == "a.test"].count("A") == 1


def test_answers_have_limits(fetching, web):
    web.answers["/large"] = (200, {}, b"x" * (11 * 1024 * 1024))
    web.answers["/slow"] = (200, {}, lambda: time.sleep(2) or b"")
    gateway = fetching(f"""
        local _, large = pcall(env.API.fetch, env.API, "{web.url('/large')}")
        local _, slow = pcall(env.API.fetch, env.API, "{web.url('/slow')}", {{ timeout = 0.2 }})
        local _, closed = pcall(env.API.fetch, env.API, "http://127.0.0.1:9/")
        return large.code, slow.code, slow.permanent, closed.code""", ["127.0.0.1"])
    assert ask(gateway) == "E_FETCH_TOO_LARGE | E_FETCH_TIMEOUT | false | E_FETCH_FAILED"


@pytest.mark.parametrize("arguments, told", [
    ('', "the URL must be a string"),
    ('"http://127.0.0.1/", { methd = "GET" }', "unknown field 'methd'"),
    ('"http://127.0.0.1/", { method = "TRACE" }', "the method is GET, HEAD"),
    ('"http://127.0.0.1/", { method = "GET\\r\\nX: y" }', "the method is GET, HEAD"),
    ('"http://127.0.0.1/", { body = "x" }', "GET has no body"),
    ('"http://127.0.0.1/", { headers = { Host = "x" } }', "the header Host cannot be set"),
    ('"http://127.0.0.1/", { headers = { ["Transfer-Encoding"] = "chunked" } }', "cannot be set"),
    ('"http://127.0.0.1/", { headers = { ["X y"] = "x" } }', "is no header name"),
    ('"http://127.0.0.1/", { headers = { X = "a\\r\\nY: b" } }', "has a value that no field may have"),
    ('"http://127.0.0.1/", { timeout = 31 }', "at most 30 seconds"),
    ('"http://127.0.0.1/", { redirect = "maybe" }', "redirect is"),
    ('"http://127.0.0.1/\\r\\nX: y"', "control characters"),
])
def test_a_mistake_in_fetch_says_what_is_expected(fetching, arguments, told):
    assert told in ask(fetching(f"""
        local ok, err = pcall(env.API.fetch, env.API{", " + arguments if arguments else ""})
        return ok, err""", ["127.0.0.1"]))


# --- annotations ---

def test_annotations_name_what_there_is(bound):
    """As the answer to a misspelt method tells."""
    text = (ROOT / "lua/stdlib/_meta/postern.lua").read_text()
    kinds = {"KV": "K", "Limiter": "L", "EmailBinding": "E", "Fetcher": "F", "QueueBinding": "Q"}
    answer = ask(bound("""
        local told = {}
        for i, name in ipairs { "K", "L", "E", "F", "Q" } do
          local ok, err = pcall(function() return env[name].nothing end)
          told[i] = err:match(" has ([%a, ]+)$"):gsub(", ", " ")
        end
        return told[1], told[2], told[3], told[4], told[5]""", kv={"K": "k"}, limiters={"L": {"limit": 1}}, send={"E": {}},
                       fetch={"F": {"hosts": ["a.test"]}}, queues={"Q": "q"}))
    annotated = [" ".join(sorted(re.findall(rf"^function {kind}:(\w+)", text, re.MULTILINE))) for kind in kinds]
    assert answer.split(" | ") == annotated
