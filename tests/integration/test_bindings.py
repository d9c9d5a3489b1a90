"""What a script finds in `env` beside its variables: bindings, each only where host.yaml gives it."""
import pathlib
import smtplib

import pytest
from gateway import postern, wait_until

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
        local length = #env.TOKEN
        if length ~= 7 then error("oh no: " .. env.TOKEN) end
        return length, env.KEY == "from-the-environment" """,
                    secrets={"TOKEN": {"file": str(path)}, "KEY": {"env": "POSTERN_TEST_KEY"}})
    assert ask(gateway) == "7 | true"
    line = wait_until(lambda: gateway.events("worker.log"), "the log line")[0]
    assert "token" in line and "[secret]" in line
    log = gateway.log()
    assert "hunter2" not in log and "from-the-environment" not in log


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
])
def test_a_binding_that_is_none_is_told(rules, bindings, told):
    rules.script("work", "return { email = function() end }")
    rules.write_host(workers={"work": bindings})
    done = postern("check", rules.folder)
    assert done.returncode == 1 and told in done.stderr
