"""Workers that answer HTTP requests, at their URLs: what they are given, what becomes of what they return, and clients that
mean harm."""
import concurrent.futures
import http.client
import json
import socket
import ssl
import threading

import pytest
from gateway import PATIENCE_S, postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: Anna <anna@sender.test>\r\nSubject: hello\r\n\r\nWe met.\r\n"
ECHO = """
return { fetch = function(request, env, ctx)
  local fields = {}
  for name, value in request.headers:each() do fields[#fields + 1] = name .. "=" .. value end
  return { json = { method = request.method, url = request.url, path = request.path, x = request.query.x,
    body = request:text(), ip = request.client.ip, fields = fields, one = request.headers:get("X-One"),
    all = request.headers:getAll("x-ONE"), none = request.headers:has("X-None") } }
end }
"""


def http_ports(gateway):
    lines = gateway.out_path.read_text().splitlines()
    return [int(line.rsplit(":", 1)[1]) for line in lines if line.startswith("listening http ")]


def ask(gateway, method, target, body=None, headers=None, port=None, source=None):
    connection = http.client.HTTPConnection("127.0.0.1", port or http_ports(gateway)[0], timeout=PATIENCE_S,
                                            source_address=source)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def say(gateway, request):
    """What comes for these bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", http_ports(gateway)[0]), timeout=PATIENCE_S) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture
def web(rules, serve):
    """web(script, …): a gateway whose worker `web` is the script, with all of /hooks."""
    def start(script, url="/hooks", host=None, http=None, **worker):
        rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
        rules.script("web", script)
        rules.write_host(http={"listen": "127.0.0.1:0", **(http or {})})
        rules.write_host(**{"workers": {"web": {"url": url, **worker}}, **(host or {})})
        return serve(rules)
    return start


def handler(body):
    return "return { fetch = function(request, env, ctx)\n" + body + "\nend }"


def test_a_script_is_given_the_request(web):
    gateway = web(ECHO)
    answer = ask(gateway, "POST", "/hooks/a%20b?x=1%202&x=3", "söhne".encode(), {"X-One": "1", "Host": "a.test:8080"})
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "application/json"
    told = json.loads(answer.text)
    assert told["method"] == "POST"
    assert told["url"] == "http://a.test:8080/hooks/a%20b?x=1%202&x=3"
    assert told["path"] == "/hooks/a%20b"
    assert told["x"] == "1 2"
    assert told["body"] == "söhne"
    assert told["ip"] == "127.0.0.1"
    assert told["one"] == "1" and told["all"] == ["1"] and told["none"] is False
    assert "x-one=1" in told["fields"] and "content-length=6" in told["fields"]


@pytest.mark.parametrize("returned, status, kind, body", [
    ('return { status = 201, headers = { ["X-A"] = "b", ["Content-Type"] = "text/html" }, body = "<p>" }',
     201, "text/html", "<p>"),
    ('return "hello"', 200, "text/plain;charset=UTF-8", "hello"),
    ("return nil", 204, None, ""),
    ("return { json = { 1, 2 } }", 200, "application/json", "[1,2]"),
    ("return { status = 404 }", 404, None, ""),
    ('error("the secret reason")', 500, "text/plain;charset=UTF-8", "Internal error.\n"),
    ("return 7", 500, None, None),
    ("return { status = 99 }", 500, None, None),
    ("return { status = 200, bodi = 'x' }", 500, None, None),
    ('return { headers = { ["X-A"] = "b\\r\\nX-B: c" } }', 500, None, None),
    ('return { headers = { ["X-A: b\\r\\nX-B"] = "c" } }', 500, None, None),
    ('return { headers = { ["Content-Length"] = 5 } }', 500, None, None),
    ('return { headers = { ["Transfer-Encoding"] = "chunked" } }', 500, None, None),
    ('return { headers = { ["X-A"] = ("x"):rep(9000) } }', 500, None, None),
])
def test_what_is_returned_is_the_response(web, returned, status, kind, body):
    gateway = web(handler(returned))
    answer = ask(gateway, "GET", "/hooks")
    assert answer.status == status, gateway.log()
    assert not answer.getheader("X-B")
    assert kind is None or answer.getheader("Content-Type") == kind
    assert body is None or answer.text == body
    assert "secret" not in answer.text


def test_a_field_may_have_several_values(web):
    gateway = web(handler('return { headers = { ["Set-Cookie"] = { "a=1", "b=2" }, ["X-Count"] = 2 } }'))
    answer = ask(gateway, "GET", "/hooks")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.getheader("X-Count") == "2"


def test_a_script_past_its_limits_is_not_available(web):
    gateway = web(handler("while true do end"), limits={"cpu_soft": "1s", "cpu_hard": "2s"})
    answer = ask(gateway, "GET", "/hooks")
    assert answer.status == 503
    assert "outcome=exceededCpu" in wait_until(lambda: gateway.events("worker.ended"), "the end")[0]


def test_a_webhook_sends_mail_and_keeps_values(web, destination):
    gateway = web(handler("""
        local event = request:json()
        local id = env.STORE:increment("events")
        ctx:waitUntil(function()
          env.EMAIL:send { from = "ben@gate.test", to = "ben@dest.test", subject = event.title, text = tostring(id) }
        end)
        return { status = 202, json = { id = id } }"""), kv={"STORE": "store"}, send={"EMAIL": {"to": ["*"]}})
    for number in (1, 2):
        answer = ask(gateway, "POST", "/hooks", json.dumps({"title": "Büro"}))
        assert (answer.status, answer.text) == (202, '{"id":%d}' % number)
    destination.wait_for(2)
    line = wait_until(lambda: gateway.events("http.request"), "the log")[0]
    assert "method=POST path=/hooks status=202" in line and "worker=web client=127.0.0.1" in line


def test_the_query_is_not_logged(web):
    gateway = web(handler("return 'x'"))
    ask(gateway, "GET", "/hooks?token=geheim")
    wait_until(lambda: gateway.events("http.request"), "the log")
    assert "geheim" not in gateway.log()


def test_urls_say_which_worker(web, rules):
    rules.script("other", handler('return "other " .. request.path'))
    rules.script("post", handler('return "post"'))
    gateway = web(handler('return "web"'), host={"workers": {
        "web": {"url": "/"},
        "other": {"url": ["/other", {"path": "/", "host": "other.test"}]},
        "post": {"url": {"path": "/post/", "methods": ["POST"]}},
    }})
    assert ask(gateway, "GET", "/anything").text == "web"
    assert ask(gateway, "GET", "/other/x").text == "other /other/x"
    assert ask(gateway, "GET", "/others").text == "web"
    assert ask(gateway, "GET", "/x", headers={"Host": "Other.test:80"}).text == "other /x"
    assert ask(gateway, "POST", "/post").text == "post"
    refused = ask(gateway, "GET", "/post")
    assert (refused.status, refused.getheader("Allow")) == (405, "POST")
    assert ask(gateway, "GET", "/a/%2e%2e/post").status == 400
    head = ask(gateway, "HEAD", "/anything")
    assert (head.status, head.text, head.getheader("Content-Length")) == (200, "", "3")


def test_other_paths_are_not_found(web):
    gateway = web(ECHO)
    assert ask(gateway, "GET", "/").status == 404
    assert ask(gateway, "POST", "/hooksx", b"x" * 1000).status == 404


def test_mistakes_in_host_yaml_are_told(web, rules):
    def problems(http, **workers):
        rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
        rules.script("web", handler("return 'x'"))
        rules.script("mail", "return { email = function() end }")
        rules.write_host(http=http, workers=workers)
        return postern("check", rules.folder).stderr
    on = {"listen": "127.0.0.1:0"}
    assert "HTTP is off" in problems(None, web={"url": "/a"})
    assert "expected a path" in problems(on, web={"url": "a"})
    assert "needs a `path:`" in problems(on, web={"url": {"host": "a.test"}})
    assert "expected GET" in problems(on, web={"url": {"path": "/a", "methods": ["get"]}})
    assert "/a is the worker web's already" in problems(on, web={"url": ["/a", "/a/"]})
    assert "expected an address and port" in problems({"listen": "127.0.0.1"})
    assert "needs a certificate" in problems({"listen": {"address": "127.0.0.1:0", "tls": True}})
    assert "expected a network" in problems({**on, "trusted_proxies": ["x"]})
    assert "mail.lua has no function 'fetch'" in problems(on, mail={"url": "/a"})


def test_a_proxy_that_is_trusted_names_the_client(web):
    gateway = web(ECHO, http={"trusted_proxies": ["127.0.0.1"]})
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https", "Host": "a.test"}
    told = json.loads(ask(gateway, "GET", "/hooks", headers=forwarded).text)
    assert (told["ip"], told["url"]) == ("203.0.113.9", "https://a.test/hooks")
    told = json.loads(ask(gateway, "GET", "/hooks", headers=forwarded, source=("127.0.0.2", 0)).text)
    assert (told["ip"], told["url"]) == ("127.0.0.2", "http://a.test/hooks")


def test_https_has_the_certificates_of_tls(web, certificate):
    chain, key = map(str, certificate)
    gateway = web(ECHO, http={"listen": {"address": "127.0.0.1:0", "tls": True}},
                  host={"tls": [{"certificate": chain, "key": key}]})
    context = ssl.create_default_context(cafile=chain)
    with socket.create_connection(("127.0.0.1", http_ports(gateway)[0]), timeout=PATIENCE_S) as client:
        with context.wrap_socket(client, server_hostname="mx.gate.test") as secured:
            secured.sendall(b"GET /hooks HTTP/1.0\r\nHost: mx.gate.test\r\n\r\n")
            said = b"".join(iter(lambda: secured.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 200") and b"https://mx.gate.test/hooks" in said


def test_what_two_could_read_differently_is_refused(web):
    """The forms of request smuggling that are known (RFC 9112 section 11.2); the last request is never seen."""
    gateway = web(ECHO)
    smuggled = b"GET /hooks/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    for fields in (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                   b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"Transfer-Encoding : chunked\r\n",
                   b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding:\r\n chunked\r\n", b"X: a\nY: b\r\n",
                   b"Content-Length: 3, 3\r\n", b"Content-Length: 3\n\r\n", b"Content-Length : 3\r\n", b"X: \0\r\n",
                   b"Host: b\r\n"):
        said = say(gateway, b"POST /hooks HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n0\r\n\r\n" + smuggled)
        assert said.count(b"HTTP/1.1") == 1 and said[9:12] in (b"400", b"501"), (fields, said)
    assert "smuggled" not in gateway.log()
    assert ask(gateway, "GET", "/hooks").status == 200


def test_one_address_has_so_many_connections(web):
    gateway = web(ECHO, http={"connections_per_address": 2})
    port = http_ports(gateway)[0]
    held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(2)]
    for client in held:
        client.sendall(b"GET /hooks HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert ask(gateway, "GET", "/hooks").status == 503
    assert ask(gateway, "GET", "/hooks", source=("127.0.0.9", 0)).status == 200
    for client in held:
        client.close()


SLEEPY = """
local count = 0
return {
  fetch = function(request, env)
    env.API:fetch("http://127.0.0.1:%d/")
    return "done"
  end,
  email = function(message) message:forward("ben@dest.test") end,
}
"""


class Sleeper:
    """A server that takes connections and says nothing until it is told to."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.socket.getsockname()[1]
        self.clients, self.is_awake = [], threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        self.is_awake.wait()
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        client.close()

    def close(self):
        self.is_awake.set()
        self.socket.close()


@pytest.fixture
def sleeper():
    server = Sleeper()
    yield server
    server.close()


FETCH = {"API": {"hosts": ["127.0.0.1"], "private": True}}


def test_mail_flows_however_many_requests_there_are(web, rules, sleeper, destination):
    """Requests take half of the worker's places at most: mail always finds one, and is not slower for them."""
    gateway = web(SLEEPY % sleeper.port, fetch=FETCH, limits={"messages": 4}, http={"connections_per_address": 500})
    rules.domain("gate.test", {"to": "ben@", "worker": "web"})
    gateway.reload()
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(ask, gateway, "GET", "/hooks") for _ in range(20)]
        wait_until(lambda: len(sleeper.clients) == 2, "requests that wait")
        wait_until(lambda: sum(job.done() for job in asked) == 18, "the others")
        with gateway.connect() as session:
            for _ in range(5):
                session.sendmail(SENDER, "ben@gate.test", TEXT)
        assert len(destination.mails) == 5
        sleeper.is_awake.set()
        answers = [job.result() for job in asked]
    assert sorted(answer.status for answer in answers) == [200] * 2 + [503] * 18
    assert {answer.getheader("Retry-After") for answer in answers} == {None, "1"}


def test_the_end_waits_for_requests_under_way(web, sleeper):
    gateway = web(SLEEPY % sleeper.port, fetch=FETCH)
    idle = socket.create_connection(("127.0.0.1", http_ports(gateway)[0]), timeout=PATIENCE_S)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        job = threads.submit(ask, gateway, "GET", "/hooks")
        wait_until(lambda: sleeper.clients, "the request")
        gateway.terminate()
        assert idle.recv(1) == b""
        sleeper.is_awake.set()
        answer = job.result()
    assert (answer.status, answer.text, answer.getheader("Connection")) == (200, "done", "close")
    assert gateway.wait() == 0
    idle.close()


def test_a_reload_changes_urls(web, rules):
    gateway = web(handler('return "old"'))
    with socket.create_connection(("127.0.0.1", http_ports(gateway)[0]), timeout=PATIENCE_S) as kept:
        def ask_again(target):
            kept.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            return kept.recv(65536)
        assert ask_again(b"/hooks").endswith(b"old")
        rules.script("web", handler('return "new"'))
        rules.write_host(workers={"web": {"url": "/fresh"}})
        gateway.reload()
        assert b" 404 " in ask_again(b"/hooks")
        assert ask_again(b"/fresh").endswith(b"new")


def test_two_hosts_share_the_port(web):
    gateway = web(handler("return 'x'"), host={"hosts": 2})
    assert len(http_ports(gateway)) == 1

    def hosts():
        for _ in range(20):
            assert ask(gateway, "GET", "/hooks").status == 200
        return {line.split("host=")[1][0] for line in gateway.events("http.request")} == {"0", "1"}
    wait_until(hosts, "both to have answered")


def test_dev_serves_them_too(rules):
    from gateway import Gateway
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@dest.test"})
    rules.script("web", handler("return 'dev'"))
    rules.write_host(http={"dev_listen": "127.0.0.1:0"}, dev_listen="127.0.0.1:0", workers={"web": {"url": "/"}})
    gateway = Gateway(rules, "dev")
    try:
        assert ask(gateway, "GET", "/x").text == "dev"
    finally:
        gateway.stop()


ORDERS = """
return { fetch = function(request, env)
  if request.headers:get("x-key") ~= env.KEY then return { status = 403 } end
  local order = request:json()
  env.EMAIL:send { from = "shop@gate.test", to = "me@dest.test", subject = order.item, text = request.client.ip }
  return { status = 202, json = { path = request.path, item = order.item } }
end }
"""


def test_a_request_is_tried_on_the_command_line(tmp_path):
    (tmp_path / "orders.lua").write_text(ORDERS)
    (tmp_path / "body.json").write_text('{"item": "coffee"}')

    def run(*arguments):
        return postern("run", tmp_path / "orders.lua", *arguments, "--env", "KEY=k", "--bind", "EMAIL=send")
    asked = ("--request", "POST https://a.test/orders?x=1", "--header", "X-Key: k")
    for body in (("--body", '{"item": "tea"}'), (tmp_path / "body.json",)):
        done = run(*asked, *body)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        item = "tea" if len(body) == 2 else "coffee"
        assert told["response"]["status"] == 202
        assert json.loads(told["response"]["body"]) == {"path": "/orders", "item": item}
        assert f"Subject: {item}" in told["sends"][0]["raw"]
    refused = run("--request", "GET /orders")
    assert json.loads(refused.stdout)["response"]["status"] == 403
    failed = run(*asked, "--body", "no json")
    assert failed.returncode == 1 and json.loads(failed.stdout)["response"]["status"] == 500
    for mistake in (("--request", "GET"), ("--request", "GET x"), ("--header", "X-Key: k"), (*asked, "--from", "a@b.test"),
                    (*asked, "--header", "X Key: k")):
        assert run(*mistake).returncode != 0


def test_a_request_is_tested(tmp_path):
    (tmp_path / "orders.lua").write_text(ORDERS)
    (tmp_path / "orders_test.lua").write_text("""
local orders = load_worker "orders"
local env = { KEY = "k", EMAIL = fake.send() }
it("takes an order", function()
  local result = orders:fetch({ method = "POST", url = "/orders", headers = { ["X-Key"] = "k" }, body = '{"item":"tea"}',
    ip = "203.0.113.9" }, { env = env })
  assert.equal("ok", result.outcome)
  assert.equal(202, result.response.status)
  assert.equal("tea", result.response:json().item)
  assert.equal("application/json", result.response.headers:get("Content-Type"))
  assert.contains("203.0.113.9", result.sends[1].text)
end)
it("refuses strangers", function()
  assert.equal(403, orders:fetch({ url = "/orders" }, { env = env }).response.status)
end)
it("says what is wrong", function()
  for _, request in ipairs { {}, { url = 1 }, { url = "x" }, { url = "/", verb = "GET" }, { url = "/", ip = "x" },
    { url = "/", method = "A B" }, { url = "/", headers = { ["X Y"] = "z" } }, { url = "/", headers = { X = "a\\r\\nb" } } } do
    assert.has_error(function() orders:fetch(request, { env = env }) end)
  end
end)
""")
    done = postern("test", tmp_path)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
