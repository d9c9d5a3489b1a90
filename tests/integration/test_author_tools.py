"""What authors of scripts use: postern run with all it can play, test, new and types."""
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from gateway import ROOT, postern

TEXT = b"From: anna@sender.test\nSubject: Lunch\nMessage-ID: <1@sender.test>\n\nWe met.\n"
ENVELOPE = ["--from", "anna@sender.test", "--to", "ben@gate.test"]


@pytest.fixture
def scripts(tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    return folder


def worker(body):
    return f"return {{ email = function(message, env, ctx)\n{body}\nend }}\n"


# --- run ---


def run(scripts, body, *flags):
    script = scripts / "trial.lua"
    script.write_text(worker(body))
    done = postern("run", script, *ENVELOPE, *flags, stdin=TEXT)
    return done.returncode, json.loads(done.stdout)


def test_run_sets_verdicts(scripts):
    _, report = run(scripts, "local a = message.auth print(a.dmarc.result, a.dmarc.domain, a.spf.result, a.arc.result,"
                    " a.dkim[1].result, message.spamScore)",
                    "--auth", "dmarc=pass,spf=softfail,dkim=fail", "--spam-score", "2.5")
    assert report["log"][0]["text"] == "pass\tsender.test\tsoftfail\tnone\tfail\t2.5"


def test_run_refuses_a_reply_to_who_has_not_passed_dmarc(scripts):
    body = 'message:reply {text = "hi"}'
    assert run(scripts, body)[0] == 0
    assert run(scripts, body, "--auth", "dmarc=pass")[0] == 0
    code, report = run(scripts, body, "--auth", "dmarc=fail,spf=pass")
    assert code == 1 and "DMARC" in report["error"] and report["replies"] == []


def test_run_plays_an_upstreams_refusal(scripts):
    code, report = run(scripts, 'message:forward("me@dest.test")', "--upstream", "me@dest.test=550 5.1.1 gone for good")
    assert code == 1 and report["outcome"] == "exception"
    assert report["smtpReply"] == {"code": 550, "enhanced": "5.1.1", "text": report["smtpReply"]["text"]}
    assert "gone for good" in report["smtpReply"]["text"]
    assert report["forwards"][0]["upstream"]["code"] == 550
    assert "trial.lua:2" in report["error"]


def test_run_plays_several_upstreams(scripts):
    body = """for _, name in ipairs {"a", "b", "c"} do
        local ok, problem = pcall(message.forward, message, name .. "@dest.test")
        print(name, ok, problem.queued, problem.code)
    end"""
    code, report = run(scripts, body, "--upstream", "a@dest.test=550", "--upstream", "b@dest.test=451 4.2.1 later")
    assert code == 0
    assert [line["text"] for line in report["log"]] == ["a\tfalse\tnil\tE_DELIVERY_FAILED",
                                                        "b\ttrue\ttrue\tnil", "c\ttrue\tfalse\tnil"]


def test_run_shows_what_a_forward_has_changed(scripts):
    body = """message:forward("a@dest.test", {["X-A"] = "1"})
        message:forward("b@dest.test", nil, {set = {["List-Id"] = "<b>"}, remove = {"Subject"}, rewriteFrom = true})
        message:forward("c@dest.test", nil, {wrap = true})"""
    plain, changed, wrapped = run(scripts, body)[1]["forwards"]
    assert plain == {"to": "a@dest.test", "headers": {"X-A": "1"}, "set": {}, "removed": [], "wrapped": False}
    assert changed["removed"] == ["Subject"] and "\r\n\r\nWe met.\r\n" in changed["raw"]
    assert changed["set"] == {"From": '"anna via ben" <ben@gate.test>', "Reply-To": "anna@sender.test", "List-Id": "<b>"}
    assert wrapped["wrapped"] and "message/rfc822" in wrapped["raw"] and "set" not in wrapped


def test_run_gives_variables_and_bindings(scripts):
    body = """env.TICKETS:put("first", env.NAME, {metadata = {n = 1}})
        env.TICKETS:increment("last", 7)
        env.EMAIL:send {from = "ben@gate.test", to = "carol@dest.test", subject = "News", text = "Hi."}"""
    code, report = run(scripts, body, "--env", "NAME=a=b", "--bind", "TICKETS=kv", "--bind", "EMAIL=send")
    assert code == 0, report
    assert report["kv"] == [{"binding": "TICKETS", "key": "first", "value": "a=b", "metadata": {"n": 1}},
                            {"binding": "TICKETS", "key": "last", "value": "7"}]
    assert report["sends"][0]["to"] == "carol@dest.test" and "Subject: News" in report["sends"][0]["raw"]
    assert report["replies"] == []


def test_run_prints_a_traceback(scripts):
    code, report = run(scripts, 'local function deep() error("broken") end deep()')
    assert code == 1 and "trial.lua:2: broken" in report["error"] and "in function 'deep'" in report["traceback"]


@pytest.mark.parametrize("flags", [["--auth", "dmarc=maybe"], ["--auth", "nonsense=pass"], ["--upstream", "x"],
                                   ["--upstream", "a@b.test=hello"], ["--upstream", "a@b.test=354"], ["--env", "X"],
                                   ["--bind", "X=nonsense"], ["--spam-score", "9"], ["--spam-score", "x"],
                                   ["--upstream", "a@b.test=550"] * 33], ids=lambda flags: " ".join(flags[:2]))
def test_run_tells_a_mistake(scripts, flags):
    script = scripts / "trial.lua"
    script.write_text(worker(""))
    done = postern("run", script, *ENVELOPE, *flags, stdin=TEXT)
    assert done.returncode == 2 and "postern run: " in done.stderr and done.stdout == ""


# --- test ---


def run_tests(scripts, test, *flags, script=worker("")):
    (scripts / "trial.lua").write_text(script)
    (scripts / "trial_test.lua").write_text('local worker = load_worker "trial"\n' + test)
    return postern("test", scripts, *flags)


def problem_of(done):
    """What the only test says that has failed."""
    assert done.returncode == 1, done.stdout + done.stderr
    text = done.stdout.split("  message: |\n", 1)[1].split("  ...\n", 1)[0]
    return [line.removeprefix("    ") for line in text.splitlines()]


def test_every_example_passes_its_tests():
    done = postern("test", ROOT / "scripts/examples")
    assert done.returncode == 0, done.stdout
    assert "not ok" not in done.stdout


def test_every_example_has_a_test():
    folder = ROOT / "scripts/examples"
    names = {path.stem for path in folder.glob("*.lua")}
    assert {name for name in names if not name.endswith("_test") and f"{name}_test" not in names} == set()


def test_results_are_tap(scripts):
    done = run_tests(scripts, """describe("a", function()
        describe("b", function() it("c #1", function() end) end)
        it("d", function() error("no") end)
        it("e")
        end)""")
    lines = done.stdout.splitlines()
    assert lines[0] == "TAP version 13"
    assert [line for line in lines if "ok " in line] == ["ok 1 - a b c \\#1", "not ok 2 - a d", "ok 3 - a e # SKIP pending"]
    assert "1..3" in lines and f"  at: {scripts}/trial_test.lua:4" in lines
    assert done.returncode == 1


def test_results_are_junit(scripts, tmp_path):
    done = run_tests(scripts, 'it("a <b>", function() assert.equal("x\\0y", "&") end) it("c", function() end) it("d")',
                     "--junit", tmp_path / "junit.xml")
    assert done.returncode == 1
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["a <b>", "c", "d"]
    assert "trial_test.lua:2" in cases[0].find("failure").get("message") and cases[2].find("skipped") is not None


def test_a_filter_chooses_tests(scripts):
    test = 'it("one", function() error("no") end) it("two", function() end)'
    done = run_tests(scripts, test, "--filter", "tw")
    assert done.returncode == 0 and "ok 1 - two" in done.stdout and "one" not in done.stdout
    nothing = run_tests(scripts, test, "--filter", "three")
    assert nothing.returncode == 2 and '"three"' in nothing.stderr


def test_where_there_are_no_tests_it_says_so(tmp_path):
    done = postern("test", tmp_path)
    assert done.returncode == 2 and "_test.lua" in done.stderr
    assert postern("test", tmp_path / "nowhere").returncode == 2


FAILURES = [
    ("assert.equal(1, 2)", ["the values are not equal", "  expected: 1", "  got:      2"]),
    ("assert.equal('a\\nb', 'a\\nc')", ['  line 2: expected "b", got "c"']),
    ("assert.same({a = {1, 2}}, {a = {1, 3}, b = 4})", ["  .a[2]: expected 2, got 3", "  .b: expected nil, got 4"]),
    ("assert.is_true(1)", ["expected true, got 1"]),
    ("assert.is_nil('x')", ['expected nil, got "x"']),
    ("assert.matches('^a', 'b')", ['expected a text that matches "^a"']),
    ("assert.contains('a', {'b'})", ['expected something that contains "a"']),
    ("assert.has_error(function() end)", ["expected an error, and there was none"]),
    ("assert.has_error(function() error('x') end, 'y')", ['expected an error that says "y"']),
    ("assert.has_no_error(function() error('x') end)", ["expected no error"]),
    ("assert.equal(1, 2, 'so it is')", ["so it is: the values are not equal"]),
    ("assert(false, 'plain')", ["plain"]),
    ("assert.nonsense()", ["there is no assert.nonsense"]),
    ("error({})", ["not a string"]),
    ("load_worker('nowhere'):email(fake.message())", ["nowhere.lua cannot be read"]),
    ("load_worker('../trial')", ["the name is that of a script beside the test"]),
    ("fake.message {form = 'x'}", ["unknown field 'form'"]),
    ("fake.kv {a = {values = 1}}", ["a pair has value and metadata, not 'values'"]),
    ("worker:email(fake.message(), {upstraem = {}})", ["unknown option 'upstraem'"]),
    ("worker:email(fake.message {auth = {dmarc = 'maybe'}})", ['"dmarc=maybe" is no verdict']),
    ("worker:email(fake.message {from = 'x'})", ["from has 'x', which is no address"]),
    ("worker:email(fake.message {to = 'x', raw = 'x'})", ['the recipient "x" is not an address']),
    ("worker:email(fake.message {client = {ip = 'x'}})", ['the client\'s ip "x" is not an address']),
]


@pytest.mark.parametrize("code,expected", FAILURES, ids=[code[:40] for code, _ in FAILURES])
def test_a_failure_says_what_and_where(scripts, code, expected):
    lines = problem_of(run_tests(scripts, f'it("a", function()\n  {code}\nend)'))
    if code != "error({})":
        assert lines[0].startswith("trial_test.lua:3: "), lines
    for text in expected:
        assert any(text in line for line in lines), lines


@pytest.mark.parametrize("code", ["", "assert.equal('a', 'a')", "assert.not_equal(1, 2)", "assert.same({1, {2}}, {1, {2}})",
                                  "assert.not_same({1}, {2})", "assert.is_true(true)", "assert.is_false(false)",
                                  "assert.is_nil(nil)", "assert.is_not_nil(false)", "assert.matches('b.', 'abc')",
                                  "assert.not_matches('x', 'abc')", "assert.contains('.', 'a.b')",
                                  "assert.contains({1}, {{2}, {1}})", "assert.has_error(function() error('xyz') end, 'y')",
                                  "assert.has_no_error(function() end)", "assert(assert(5) == 5)"])
def test_an_assertion_holds(scripts, code):
    assert run_tests(scripts, f'it("a", function() {code} end)').returncode == 0


def test_hooks_run_around_each_test(scripts):
    done = run_tests(scripts, """local seen = ""
        describe("a", function()
          before_each(function() seen = "1" end)
          after_each(function() print("after", seen) end)
          describe("b", function()
            before_each(function() seen = seen .. "2" end)
            it("c", function() assert.equal("12", seen) error("no") end)
          end)
          it("d", function() assert.equal("1", seen) end)
        end)""")
    assert "# after\t12" in done.stdout and "# after\t1\n" in done.stdout and "ok 2 - a d" in done.stdout


def test_a_file_that_does_not_load_fails(scripts):
    done = run_tests(scripts, "it('a', = 1)")
    assert "trial_test.lua:2:" in problem_of(done)[0]


def test_a_worker_that_does_not_load_fails_its_test(scripts):
    done = run_tests(scripts, 'it("a", function() worker:email(fake.message()) end)', script="return {\n  email = ,\n}")
    assert "trial.lua:2:" in problem_of(done)[0]


def test_a_test_that_hangs_is_killed_alone(scripts):
    done = run_tests(scripts, """it("a", function() while true do end end)
        it("b", function() ("a"):rep(40):find(("a-"):rep(20) .. "b") end)
        it("c", function() assert.equal("ok", worker:email(fake.message()).outcome) end)""")
    assert done.returncode == 1
    assert done.stdout.count("exceededCpu") == 2 and "ok 3 - c" in done.stdout


def test_a_worker_that_hangs_is_seen_to(scripts):
    done = run_tests(scripts, """it("a", function()
          local result = worker:email(fake.message())
          assert.equal("exceededCpu", result.outcome)
          assert.equal(451, result.reply.code)
        end)""", script=worker("while true do end"))
    assert done.returncode == 0, done.stdout


def test_a_worker_sees_what_the_test_has_made_up(scripts):
    script = worker("""local m = message
        print(m.from, m.to, m.headers:get "Subject", m.auth.dmarc.result, m.auth.arc.result, tostring(m.spamScore))
        print(m.captures.id, m.captures[1], m.client.ip, m.client.helo, m.client.hostname, m.client.tls, env.NAME)
        print(m.headers:get "From", m.headers:get "X-Two", m:parse().text)""")
    done = run_tests(scripts, """it("a", function()
          local logs = worker:email(fake.message {
            from = "x@sender.test", to = "y@gate.test", subject = "Grüße", text = "Hé\\n",
            headers = { From = "Z <z@sender.test>", ["X-Two"] = { "1", "2" } },
            auth = { dmarc = "fail" }, captures = { id = "17", "one" },
            client = { ip = "2001:db8::1", helo = "h.test", hostname = "n.test", tls = "TLSv1.3" },
          }, { env = { NAME = 5 } }).logs
          print(logs[1].text) print(logs[2].text) print(logs[3].text)
          local bare = worker:email(fake.message { raw = "Subject: \\228\\n\\n\\255", auth = false }).logs
          print((bare[1].text:gsub("\\t", "|")))
        end)""", script=script)
    assert done.returncode == 0, done.stdout
    assert "# x@sender.test\ty@gate.test\t=?utf-8?" in done.stdout.lower() and "\tfail\tnone\tnil" in done.stdout
    assert "# 17\tone\t2001:db8::1\th.test\tn.test\tTLSv1.3\t5" in done.stdout
    assert "# Z <z@sender.test>\t1, 2\tHé" in done.stdout
    assert "|none|none|nil" in done.stdout


def test_tests_do_not_see_each_others_workers(scripts):
    script = 'local seen = 0\nreturn {email = function(m) seen = seen + 1 m:setReject(tostring(seen)) end}'
    done = run_tests(scripts, """for i = 1, 2 do
          it("a" .. i, function()
            assert.equal("1", worker:email(fake.message()).rejectReason)
            assert.equal("2", worker:email(fake.message()).rejectReason)
          end)
        end""", script=script)
    assert done.returncode == 0, done.stdout


def test_time_stands_where_the_test_has_put_it(scripts):
    script = worker('message:setReject(os.date("!%Y-%m-%d") .. " " .. os.time() .. " "'
                    ' .. os.time {year = 1970, month = 1, day = 3, hour = 0} .. " " .. require("time").now())')
    done = run_tests(scripts, """it("a", function()
          fake.now(86400)
          assert.equal("1970-01-02 86400 172800 86400", worker:email(fake.message()).rejectReason)
          assert.equal(86400, os.time())
        end)
        it("b", function()
          assert.is_true(os.time() > 1e9)
          assert.not_matches("^1970", worker:email(fake.message()).rejectReason)
        end)""", script=script)
    assert done.returncode == 0, done.stdout


def test_what_kv_keeps_grows_old_with_the_tests_clock(scripts):
    script = worker("""message:setReject(env.KV:get("a") or "gone")
        env.KV:put("a", "there", {expirationTtl = 60})""")
    done = run_tests(scripts, """it("a", function()
          local env = { KV = fake.kv() }
          local function seen(at)
            fake.now(at)
            return worker:email(fake.message(), { env = env }).rejectReason
          end
          assert.equal("gone", seen(1000))
          assert.equal("there", seen(1059))
          assert.equal("gone", seen(1119))
        end)""", script=script)
    assert done.returncode == 0, done.stdout


def test_bindings_last_for_a_test(scripts):
    script = worker("""local first = env.GATE:limit({key = "x"}).success
        message:setReject(env.COUNT:increment("n") .. " " .. tostring(first))
        env.EMAIL:send {from = "a@gate.test", to = "b@dest.test", subject = "S", text = "T"}""")
    done = run_tests(scripts, """local function env()
          return { COUNT = fake.kv { n = 4 }, GATE = fake.limiter { limit = 1, period = 3600 }, EMAIL = fake.send() }
        end
        for i = 1, 2 do
          it("a" .. i, function()
            local kept = env()
            local result = worker:email(fake.message(), { env = kept })
            assert.equal("5 true", result.rejectReason)
            assert.equal("S", result.sends[1].subject)
            assert.equal("b@dest.test", result.sends[1].to)
            result = worker:email(fake.message(), { env = kept })
            assert.equal("6 false", result.rejectReason)
            assert.same({ COUNT = { n = "6" } }, result.kv)
            assert.equal("5", worker:email(fake.message(), { env = env() }).kv.COUNT.n)
          end)
        end""", script=script)
    assert done.returncode == 0, done.stdout


def test_what_was_sent_is_read_as_a_message(scripts):
    script = worker("""message:forward("a@dest.test")
        message:forward("b@dest.test", {}, {set = {Subject = "Grüße"}, rewriteFrom = true})
        env.EMAIL:send {from = "a@gate.test", returnPath = "a+1@gate.test", to = "b@dest.test", text = "T"}""")
    done = run_tests(scripts, """it("a", function()
          local result = worker:email(fake.message { subject = "S" }, { env = { EMAIL = fake.send() } })
          assert.equal("S", result.forwards[1].subject)
          assert.equal("Grüße", result.forwards[2].subject)
          assert.equal("Hello.\\n", result.forwards[2].text)
          assert.equal("T\\n", result.sends[1].text)
          assert.equal("a+1@gate.test", result.sends[1].returnPath)
        end)""", script=script)
    assert done.returncode == 0, done.stdout


def test_servers_answer_what_the_test_says(scripts):
    script = worker("""local found = env.API:fetch("https://api.test/u?q=1").body
        local made = env.API:fetch("https://api.test/u", {method = "post", body = "b", headers = {["X-A"] = "1"}})
        local ok, problem = pcall(env.API.fetch, env.API, "https://else.test/")
        message:setReject(found .. made.status .. tostring(made.ok) .. made.headers:get("x-b") .. problem.code)""")
    done = run_tests(scripts, """it("a", function()
          local result = worker:email(fake.message(), { env = { API = fake.fetch {
            ["https://api.test/u?q=1"] = "found",
            ["POST https://api.test/u"] = { status = 404, headers = { ["X-B"] = "c" } },
          } } })
          assert.equal("found404falsecE_FETCH_FAILED", result.rejectReason)
          assert.equal(3, #result.fetches)
          assert.equal("b", result.fetches[2].body)
          assert.equal("1", result.fetches[2].headers["X-A"])
        end)""", script=script)
    assert done.returncode == 0, done.stdout


# --- new ---


def test_a_new_worker_passes_its_own_tests(tmp_path):
    done = postern("new", "worker", "hello-2", tmp_path / "scripts")
    assert done.returncode == 0 and "worker: hello-2" in done.stdout
    assert postern("test", tmp_path / "scripts").returncode == 0


def test_a_new_worker_is_never_written_over_another(tmp_path):
    for name in ("one.lua", "two_test.lua"):
        (tmp_path / name).write_text("mine")
    for name in ("one", "two"):
        done = postern("new", "worker", name, tmp_path)
        assert done.returncode == 1 and "exists" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.lua", "two_test.lua"]


@pytest.mark.parametrize("arguments", [[], ["worker"], ["dashboard", "x"], ["worker", "../x"], ["worker", ""]])
def test_a_mistake_in_new_is_told(tmp_path, arguments):
    done = postern("new", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and "usage: postern new" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- types ---


def test_types_are_those_of_this_version(tmp_path):
    for _ in range(2):
        assert postern("types", tmp_path).returncode == 0
    stubs = {path.name: path.read_text() for path in (ROOT / "lua").glob("*/_meta/*.lua")}
    assert {path.name: path.read_text() for path in (tmp_path / ".postern-types").iterdir()} == stubs
    assert "postern.lua" in stubs and "test.lua" in stubs
    settings = json.loads((tmp_path / ".luarc.json").read_text())
    assert settings["workspace.library"] == [".postern-types"]


def test_types_say_what_tests_are_given(scripts):
    stub = (ROOT / "lua/test/_meta/test.lua").read_text()
    done = run_tests(scripts, """it("a", function()
          for name in pairs(assert) do print("assert." .. name) end
          for name in pairs(fake) do print("fake." .. name) end
          for name in pairs(getmetatable(worker)) do print("WorkerUnderTest:" .. name) end
          local response = worker:fetch({url = "/"}).response
          for name in pairs(getmetatable(response)) do print("TestResponse:" .. name) end
        end)""", script="return { fetch = function() end }")
    given = set(re.findall(r"^# ((?:assert|fake|WorkerUnderTest|TestResponse)[.:]\w+)$", done.stdout, re.MULTILINE))
    own = {"fake.binding", "fake.clock", "WorkerUnderTest:__index", "TestResponse:__index"}
    assert given - own == set(re.findall(r"^function (\w+[.:]\w+)\(", stub, re.MULTILINE)), done.stdout
    for name in re.findall(r"^function (\w+)\(", stub, re.MULTILINE):
        assert run_tests(scripts, f'it("a", function() assert.equal("function", type({name})) end)').returncode == 0


def test_types_leave_settings_alone(tmp_path):
    (tmp_path / ".luarc.json").write_text("{}")
    done = postern("types", tmp_path)
    assert done.returncode == 0 and ".luarc.json" in done.stdout
    assert (tmp_path / ".luarc.json").read_text() == "{}"


@pytest.mark.parametrize("command", ["test", "new", "types"])
def test_each_tool_explains_itself(command):
    done = postern(command, "--help")
    assert done.returncode == 0 and f"postern {command}" in done.stdout
