"""What README and docs/ say is so: every block of code there is run as it stands, and every page leads somewhere."""
import hmac
import json
import os
import pathlib
import re
import shutil
import subprocess
import textwrap
import types
import urllib.error
import urllib.request

import pytest
from documents import ALL, HOST, PAGES, TESTS, add_missing_workers, blocks_of, cells, commands_of, is_like, lay_out, write_part
from gateway import BINARY, ROOT, Gateway, Rules, postern, wait_until

# What cannot be run here, and why.
NOT_RUN = {"js": "the hosted service's language: shown for comparison"}
# What programs print that no block has called, by how it begins, and the test that sees them print it.
SHOWN = {"0mwrr": "test_replay_prints_what_is_shown"}
README = ROOT / "README.md"


def ids(value):
    return str(value) if not isinstance(value, pathlib.Path) else value.stem



# --- every block is known ---


def test_every_block_is_run_or_says_why_not():
    for block in ALL:
        shown = [test for begin, test in SHOWN.items() if block.language == "text" and block.code.startswith(begin)]
        is_run = block.file or block.part_of or block.language in ("lua", "console") or (shown and shown[0] in globals())
        assert is_run or block.language in NOT_RUN, f"{block}: what is this?"


def test_every_script_has_a_test():
    for page in PAGES:
        if page == README:  # its scripts have tests below
            continue
        files = {block.file for block in blocks_of(page)}
        tests = {f"scripts/{path.name}" for path in (TESTS / page.stem).glob("*_test.lua")}
        for file in filter(None, files):
            if re.fullmatch(r"scripts/\w+\.lua", file) and not file.endswith("_test.lua"):
                assert file.replace(".lua", "_test.lua") in files | tests, f"{page.name}: {file} has no test"
        assert all(test.replace("_test.lua", ".lua") in files for test in tests), page.name


# --- scripts ---


@pytest.mark.parametrize("page", [page for page in PAGES if page != README and
                                  any(block.file and block.file.endswith("_test.lua") or block.language == "lua"
                                      for block in blocks_of(page))], ids=ids)
def test_scripts_pass_their_tests(page, tmp_path):
    lay_out(page, tmp_path)
    if not list((tmp_path / "scripts").glob("*_test.lua")):
        pytest.skip("this page has lines only")
    done = postern("test", tmp_path / "scripts")
    assert done.returncode == 0, done.stdout


# What lines of a handler find: every module, and bindings of these names.
MODULES = "address base64 crypto dsn html json mime re template time url"
REQUIRES = " ".join(f'local {name} = require "{name}"' for name in MODULES.split())
LINES = """%s local lines = {}
%s
return { email = function(message, env, ctx) return lines[message.captures.line](message, env, ctx) end }
"""
LINES_TEST = """
local lines = load_worker "lines"
local answer = '{"ok":true}'
local api = fake.fetch { ["https://api.example.com/v1"] = answer, ["POST https://api.example.com/v1"] = answer }
local env = {
  TEAM = "team@corp.test", TOKEN = "secret", EMAIL = fake.send(), API = api,
  TICKETS = fake.kv { last = 16 }, PER_SENDER = fake.limiter { limit = 50, period = 60 }, JOBS = fake.queue "jobs",
}

for line, outcome in pairs { %s } do
  it("line " .. line, function()
    local mail = {
      from = "anna@sender.test", to = "support+fast@example.com", subject = "Order 4711", text = "Hello.\\n",
      spamScore = 0.5, captures = { line = line }, client = { ip = "192.0.2.7", helo = "mx.sender.test" },
      attachments = { { filename = "a.pdf", type = "application/pdf", content = "%%PDF" } },
    }
    local result = lines:email(fake.message(mail), { env = env })
    assert.equal(outcome, result.outcome, result.error)
  end)
end
"""


def run_lines(folder, found):
    """Runs lines of handlers, each for itself: found is [(line of the page, Lua, outcome)]."""
    functions, outcomes = [], []
    for number, (line, code, outcome) in enumerate(found):
        functions.append(f'lines["{line}/{number}"] = function(message, env, ctx) {code}\nend')
        outcomes.append(f'["{line}/{number}"] = "{outcome}"')
    (folder / "lines.lua").write_text(LINES % (REQUIRES, "\n".join(functions)))
    (folder / "lines_test.lua").write_text(LINES_TEST % ", ".join(outcomes))
    done = postern("test", folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("\nok ") == len(found)


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.is_snippet() for b in blocks_of(page))], ids=ids)
def test_lines_of_handlers_run(page, tmp_path):
    run_lines(tmp_path, [(block.line, block.code, block.outcome) for block in blocks_of(page) if block.is_snippet()])


# A cell is lines or a value: load() tells which.
CELL = """local text = [====[%s]====]
local head = [====[%s local message, env, ctx = ... ]====]
local run = loadstring(head .. text) or assert(loadstring(head .. "return " .. text))
run(message, env, ctx)"""


@pytest.mark.parametrize("page", [page for page in PAGES if cells(page, "Lua")], ids=ids)
def test_lines_of_tables_run(page, tmp_path):
    run_lines(tmp_path, [(line, CELL % (code, REQUIRES), "rejected" if "setReject" in code else "ok")
                         for line, code in cells(page, "Lua")])


# --- rules and host.yaml ---


def check(rules):
    done = postern("check", rules, env={**os.environ, "TOKEN": "x", "CHAT_KEY": "x"})
    assert (done.returncode, [line for line in done.stderr.splitlines() if "ASan" not in line]) == (0, []), done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if any(
    block.file and block.file.startswith("rules/") for block in blocks_of(page))], ids=ids)
def test_files_of_rules_are_right(page, tmp_path):
    check(lay_out(page, tmp_path) / "rules")


@pytest.mark.parametrize("block", [block for block in ALL if block.part_of], ids=ids)
def test_parts_of_rules_are_right(block, tmp_path):
    check(write_part(block, tmp_path))


@pytest.mark.parametrize("page", [page for page in PAGES if cells(page, "host.yaml")], ids=ids)
def test_what_tables_bind_is_right(page, tmp_path):
    for number, (_, code) in enumerate(cells(page, "host.yaml")):
        folder = tmp_path / str(number)
        for name in ("rules", "scripts"):
            (folder / name).mkdir(parents=True)
        (folder / "rules/host.yaml").write_text(f"{HOST}http: {{listen: '127.0.0.1:8080'}}\nworkers:\n  trial: {{{code}}}\n")
        add_missing_workers(folder, folder / "rules/host.yaml")
        check(folder / "rules")


# --- the shell ---


@pytest.mark.parametrize("page", [page for page in PAGES if any(
    block.language == "console" for block in blocks_of(page))], ids=ids)
def test_commands_print_what_is_shown(page, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/postern").symlink_to(pathlib.Path(BINARY).resolve())
    folder = tmp_path / "page"
    folder.mkdir()
    lay_out(page, folder)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TOKEN": "x"}
    for block in blocks_of(page):
        for command, shown in commands_of(block) if block.language == "console" else []:
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60, check=False)
            errors = [line for line in done.stderr.splitlines() if "ASan" not in line]
            printed = done.stdout + "\n".join(errors)
            assert is_like(shown, printed), f"{block}: {command}\n{printed}"


def test_replay_prints_what_is_shown(rules, serve, destination):
    guide = ROOT / "docs/worker-guide.md"
    shown, = [block.code for block in blocks_of(guide) if block.language == "text"]
    rules.script("desk", next(block.code for block in blocks_of(guide) if block.file == "scripts/desk.lua"))
    rules.domain("example.com", {"to": "support@", "worker": "desk"})
    rules.write_host(keep_messages={"for": "7d"})
    with serve(rules).connect() as session:
        session.sendmail("anna@sender.test", "support@example.com", (MESSAGE % b"hi").replace(b"\n", b"\r\n"))

    def replayed():
        lines = postern("replay", rules.folder, "--since", "1d").stdout.splitlines()
        return [re.sub(r"^\w+", "ID", line) for line in lines if " -> " in line]
    wait_until(lambda: [line for line in replayed() if line.endswith(" same")], "a message that is kept")
    rules.script("desk", 'return { email = function(message) message:setReject("closed") end }')
    assert re.sub(r"^\w+", "ID", shown).strip() in replayed()


def ask(url, body, signature):
    request = urllib.request.Request(url, data=body, headers={"X-Signature": signature})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read()


def test_the_worker_of_the_guide_answers_over_http(tmp_path, monkeypatch):
    part, = [block for block in ALL if block.part_of and "url: /hooks/builds" in block.code]
    folder = write_part(part, tmp_path)
    text = (folder / "host.yaml").read_text().replace("http: {", "http: {dev_listen: '127.0.0.1:0', ")
    (folder / "host.yaml").write_text(text + "dev_listen: 127.0.0.1:0\n")
    (folder / "example.com.yaml").write_text("domain: example.com\nrules: []\n")
    monkeypatch.setenv("TOKEN", "secret")
    gateway = Gateway(types.SimpleNamespace(folder=folder, host={"listen": [None]}), "dev")
    try:
        address, = re.findall(r"^listening http (\S+)$", gateway.out_path.read_text(), re.MULTILINE)
        body = json.dumps({"name": "postern", "result": "ok", "url": "https://builds.example.com/17"}).encode()
        signature = hmac.new(b"secret", body, "sha256").hexdigest()
        assert ask(f"http://{address}/hooks/builds", body, "wrong") == (403, b"who are you?\n")
        assert ask(f"http://{address}/hooks/builds/17", body, signature) == (200, b'{"ok":true}')
        assert ask(f"http://{address}/elsewhere", body, signature)[0] == 404
        assert ask(f"http://{address}/hooks/builds", body[:-1], hmac.new(b"secret", body[:-1], "sha256").hexdigest())[0] == 500
    finally:
        gateway.stop()


# --- README, whose steps are indented ---

# By how they begin, and what runs them.
INDENTED = {
    "./do run ": "not run: it would build and run all of this within its own tests",
    "sender": "a drawing",
    "- {to: first@": "test_the_rule_of_step_two_can_be_added",
    "return {": "test_the_script_of_step_three_does_what_is_said",
    "printf ": "test_the_command_of_step_four_is_answered_as_said",
}


def test_every_indented_block_is_run_or_says_why_not():
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for block in re.findall(r"(?:^|\n\n) {4,}(\S.*)", text):
            known = [told for begin, told in INDENTED.items() if block.startswith(begin)]
            assert known and page == README, f"{page.name}: {block}"
            assert not known[0].startswith("test_") or known[0] in globals(), known

MESSAGE = b"From: a@sender.test\nTo: first@example.com\nSubject: %s\nMessage-ID: <1@sender.test>\n\nhello\n"


def step(begin, end):
    text = README.read_text().split(begin, 1)[1].split(end, 1)[0]
    return textwrap.dedent(text.strip("\n"))


def run(script, subject, recipient):
    done = postern("run", script, "--from", "a@sender.test", "--to", recipient, stdin=MESSAGE % subject)
    return json.loads(done.stdout)


def test_the_first_example_forwards_and_answers(tmp_path):
    report = run(lay_out(README, tmp_path) / "scripts/hello.lua", b"hi", "support@example.com")
    assert report["outcome"] == "ok"
    assert [forward["to"] for forward in report["forwards"]] == ["team@corp.test"]
    assert report["forwards"][0]["headers"] == {"X-Desk": "support"}
    assert [reply["to"] for reply in report["replies"]] == ["a@sender.test"]


def test_the_rule_of_step_two_can_be_added(tmp_path):
    rule = step("reloads by itself.", "\n3. ")
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    path = tmp_path / "rules/example.com.yaml"
    path.write_text(path.read_text().replace("\nrules:\n", f"\nrules:\n  {rule}\n", 1))
    (tmp_path / "scripts/examples/hello.lua").write_text(step("Write `scripts/examples/hello.lua`:", "\n4. "))
    check(tmp_path / "rules")
    done = postern("explain", "first@example.com", tmp_path / "rules")
    assert "worker hello" in done.stdout


@pytest.mark.parametrize(("subject", "outcome"), [(b"hi", "ok"), (b"buy now", "rejected")])
def test_the_script_of_step_three_does_what_is_said(tmp_path, subject, outcome):
    script = tmp_path / "hello.lua"
    script.write_text(step("Write `scripts/examples/hello.lua`:", "\n4. "))
    report = run(script, subject, "first@example.com")
    assert report["outcome"] == outcome
    if outcome == "ok":
        assert report["forwards"][0]["to"] == "me@mail.test"
        assert report["forwards"][0]["headers"] == {"X-Seen-By": "hello"}
        assert "hi" in report["log"][0]["text"]
    else:
        assert report["rejectReason"] == "no advertisements, please"
        assert report["smtpReply"]["code"] == 550


def test_the_command_of_step_four_is_answered_as_said(tmp_path):
    """Against a server on a port of its own, which the command names in addition."""
    rules = Rules(tmp_path, host={"dev_listen": "127.0.0.1:0"})
    rules.domain("example.com", {"to": "first@", "worker": "hello"})
    rules.script("hello", step("Write `scripts/examples/hello.lua`:", "\n4. "))
    command = step("4. Send it a message:", "\n   The reply says")
    gateway = Gateway(rules, "dev")
    try:
        def send(command):
            named = command.replace("build/release/postern", BINARY) + f" --server 127.0.0.1:{gateway.port}"
            done = subprocess.run(["bash", "-c", named], capture_output=True, text=True, timeout=60, check=False)
            return done.stdout + done.stderr
        assert "250" in send(command)
        assert any("X-Seen-By: hello" in path.read_text() for path in (rules.state / "outbox").glob("*.eml"))
        answer = send(command.replace("Subject: hi", "Subject: buy now"))
        assert "550" in answer and "no advertisements, please" in answer
    finally:
        gateway.stop()


# --- what pages name ---


def known_commands():
    done = postern("--help")
    return set(re.findall(r"^  postern ([a-z]+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_subcommand_that_is_named_exists(page):
    named = set(re.findall(r"(?:`|\$ )(?:build/release/)?postern ([a-z]+)", page.read_text()))
    assert named <= known_commands()
    verbs = set(re.findall(r"^\./do ([a-z]+)", subprocess.run(
        [ROOT / "do"], capture_output=True, text=True, timeout=60, check=True).stdout, re.MULTILINE))
    assert set(re.findall(r"\./do ([a-z]+)", page.read_text())) <= verbs


def anchors_of(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors_of(path), f"{page.name}: {target}"


# --- what is generated ---


def test_reference_pages_are_as_they_would_be_written_now():
    done = subprocess.run(["/usr/bin/python3", ROOT / "docs/generate.py", BINARY, "--check"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + "run ./do docs"


@pytest.mark.parametrize("path", [*sorted(ROOT.glob("lua/stdlib/_meta/*.lua")), ROOT / "lua/test/_meta/test.lua"], ids=ids)
def test_the_pages_have_all_that_is_annotated(path):
    annotations, page = path.read_text(), (ROOT / f"docs/api/{path.stem}.md").read_text()
    for name in re.findall(r"^---@(?:class|alias) (\w+)", annotations, re.MULTILINE):
        assert name == path.stem or f"### {name}\n" in page or f"# {name}\n" in page or f"{name}." in page, name
    for name in re.findall(r"^function [\w.]+[.:](\w+)", annotations, re.MULTILINE):
        assert re.search(rf"^#+ `[\w.]*[.:]{name}\(", page, re.MULTILINE), name
    for name in re.findall(r"^---@field (\w+)", annotations, re.MULTILINE):
        assert f"| `{name}` |" in page, name


def sections(file):
    done = postern("options", "--json")
    return [section for section in json.loads(done.stdout) if section["file"] == file and "(API)" not in section["path"]]


def nested(path, keys):
    """A map with these keys at a path: "auth.lists[]", "workers.NAME.circuit"."""
    for part in reversed(path.split(".") if path else []):
        keys = {part.replace("[]", ""): [keys] if part.endswith("[]") else keys}
    return keys


# Without these, their map is not read any further.
NEEDED = {"certificate": "x", "key": "x", "script": "NAME.lua"}


def unknown_keys(folder, file, path, keys):
    """What `postern check` says of unknown keys: [(key, the known ones)]."""
    rules = folder / "rules"
    rules.mkdir(parents=True)
    (folder / "scripts").mkdir()
    (folder / "scripts/NAME.lua").write_text("return {}\n")
    (rules / "host.yaml").write_text(HOST)
    head = {"scripts": "../scripts"} if file == "host.yaml" else {"domain": "example.com"}
    content = {**nested(path, keys), **head} if not path else {**head, **nested(path, keys)}
    (rules / ("host.yaml" if file == "host.yaml" else "example.com.yaml")).write_text(json.dumps(content))
    return re.findall(r"unknown key '([^']*)': known here are (.*)", postern("check", rules).stderr)


@pytest.mark.parametrize("file", ["host.yaml", "rules"])
def test_the_reference_has_the_keys_that_are_known(file, tmp_path):
    """Each of them is taken, and the hint for one that is not lists them all."""
    for number, section in enumerate(sections(file)):
        names, odd = [key["name"] for key in section["keys"]], "0" * 40
        keys = {**{name: NEEDED.get(name) for name in names}, odd: 1}
        unknown = unknown_keys(tmp_path / str(number), file, section["path"], keys)
        assert [key for key, _ in unknown] == [odd], section["path"]
        assert ", ".join(names).startswith(unknown[0][1]), section["path"]


def test_every_error_code_is_in_the_guide():
    sources = [path for folder in ("host", "lua/stdlib") for path in (ROOT / folder).rglob("*.[cl]*")]
    code = re.compile(r'"(E_[A-Z_]+)"')
    raised = {name for path in sources for name in code.findall(path.read_text(errors="replace"))}
    told = set(re.findall(r"^\| `(E_[A-Z_]+)`", (ROOT / "docs/worker-guide.md").read_text(), re.MULTILINE))
    assert told == raised
