"""A changed script takes messages only when it compiles and the tests beside it pass."""
import json

from gateway import postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"Subject: hello\r\n\r\nWe met.\r\n"
SCRIPT = 'return {email = function(message) message:forward("%s@dest.test") end}'
TESTS = """local worker = load_worker "work"
describe("work", function()
  it("forwards", function()
    local result = worker:email(fake.message {})
    assert.equal("%s@dest.test", result.forwards[1].to)
  end)
end)
"""


def write(rules, to, tested=None):
    """The tests first: no reload between the two can find a script that fails them."""
    (rules.scripts / "work_test.lua").write_text(TESTS % (tested or to))
    rules.script("work", SCRIPT % to)


def start(rules, serve, to="one", tested=None, **options):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.write_host(workers={"work": options})
    write(rules, to, tested)
    return serve(rules)


def sent_to(gateway, destination):
    with gateway.connect() as session:
        session.sendmail(SENDER, "ben@gate.test", TEXT)
    return destination.mails[-1].recipient.split("@")[0]


def rcpt_code(gateway, recipient):
    with gateway.connect() as session:
        session.ehlo()
        session.mail(SENDER)
        return session.rcpt(recipient)[0]


def test_a_script_whose_tests_pass_takes_over(rules, serve, destination):
    gateway = start(rules, serve)
    assert sent_to(gateway, destination) == "one"
    write(rules, "two")
    wait_until(lambda: gateway.events("worker.changed"), "the new script")
    assert sent_to(gateway, destination) == "two"


def test_a_script_whose_test_fails_keeps_the_one_before_and_the_rules_with_it(rules, serve, destination):
    gateway = start(rules, serve)
    write(rules, "two", tested="three")
    line = wait_until(lambda: [line for line in gateway.events("rules.refused") if "work_test.lua" in line],
                      "the refusal")[0]
    assert "line=5" in line and "work forwards" in line and "three@dest.test" in line
    assert sent_to(gateway, destination) == "one"
    status = json.loads(postern("status", "--json", rules.folder).stdout)
    assert status["reload_problems"][0]["file"].endswith("work_test.lua")
    assert status["reload_problems"][0]["line"] == 5
    assert "work_test.lua:5" in postern("status", rules.folder).stdout
    rules.domain("new.test", {"to": "ben@", "forward": "x@dest.test"})
    gateway.reload()
    assert rcpt_code(gateway, "ben@new.test") == 550
    write(rules, "three")
    wait_until(lambda: gateway.events("worker.changed"), "the mended script")
    assert sent_to(gateway, destination) == "three"
    assert rcpt_code(gateway, "ben@new.test") == 250
    assert json.loads(postern("status", "--json", rules.folder).stdout)["reload_problems"] == []


def test_a_broken_script_keeps_the_one_before(rules, serve, destination):
    gateway = start(rules, serve)
    rules.script("work", "return {email = function(message) forward( end}")
    wait_until(lambda: gateway.events("rules.refused"), "the refusal")
    assert sent_to(gateway, destination) == "one"


def test_a_broken_module_keeps_the_script_before(rules, serve, destination):
    rules.script("place", 'return "one"')
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.script("work", 'local place = require "place"\n'
                         'return {email = function(message) message:forward(place .. "@dest.test") end}')
    (rules.scripts / "work_test.lua").write_text(TESTS % "one")
    gateway = serve(rules)
    rules.script("place", 'return "two"')
    wait_until(lambda: gateway.events("rules.refused"), "the refusal")
    assert sent_to(gateway, destination) == "one"


def test_tests_that_never_end_are_a_refusal_and_disturb_nobody(rules, serve, destination):
    rules.write_host(test_time="2s")
    gateway = start(rules, serve)
    (rules.scripts / "work_test.lua").write_text('local worker = load_worker "work"\n'
                                                 'for i = 1, 1000 do\n'
                                                 '  it("ends " .. i, function() while true do end end)\nend\n')
    rules.script("work", SCRIPT % "two")
    assert sent_to(gateway, destination) == "one"
    line = wait_until(lambda: gateway.events("rules.refused"), "the refusal", 60)[0]
    assert "work_test.lua" in line and "2000 ms" in line
    assert sent_to(gateway, destination) == "one"


def test_tests_can_be_off(rules, serve, destination):
    gateway = start(rules, serve, tests="off")
    write(rules, "two", tested="three")
    wait_until(lambda: gateway.events("worker.changed"), "the new script")
    assert sent_to(gateway, destination) == "two"
    assert postern("check", rules.folder).returncode == 0


def test_at_the_start_a_failing_test_is_told_and_mail_is_taken(rules, serve, destination):
    gateway = start(rules, serve, "one", tested="two")
    assert sent_to(gateway, destination) == "one"
    line = wait_until(lambda: gateway.events("worker.tests_failed"), "the warning")[0]
    assert "work_test.lua" in line and "line=5" in line


def test_hosts_have_one_verdict(rules, serve, destination):
    rules.write_host(hosts=2)
    gateway = start(rules, serve)
    write(rules, "two", tested="three")
    wait_until(lambda: len(json.loads(postern("status", "--json", rules.folder).stdout)["reload_problems"]) == 2,
               "the refusal in both hosts", 60)
    assert sent_to(gateway, destination) == "one"
    write(rules, "three")
    wait_until(lambda: len(gateway.events("worker.changed")) == 2, "the mended script in both hosts", 60)
    assert sent_to(gateway, destination) == "three"


def test_check_runs_the_tests(rules):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    write(rules, "one")
    assert postern("check", rules.folder).returncode == 0
    write(rules, "one", tested="two")
    done = postern("check", rules.folder)
    assert done.returncode == 1
    assert "work_test.lua:5:1: the test \"work forwards\" fails" in done.stderr


def test_a_script_in_a_folder_finds_its_modules(rules):
    (rules.scripts / "mail").mkdir()
    rules.script("place", 'return "one"')
    rules.script("mail/work", 'local place = require "place"\n'
                              'return {email = function(message) message:forward(place .. "@dest.test") end}')
    (rules.scripts / "mail/work_test.lua").write_text(TESTS % "one")
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.write_host(workers={"work": {"script": "mail/work.lua"}})
    done = postern("check", rules.folder)
    assert done.returncode == 0, done.stderr


def test_results_can_be_had_as_json(rules, tmp_path):
    write(rules, "one", tested="two")
    done = postern("test", "--json", tmp_path / "results.json", rules.scripts)
    assert done.returncode == 1
    result, = json.loads((tmp_path / "results.json").read_text())
    assert result["fate"] == "failed" and result["line"] == 5 and result["name"] == "work forwards"


def test_the_end_does_not_wait_for_tests(rules, serve):
    gateway = start(rules, serve)
    (rules.scripts / "work_test.lua").write_text('load_worker "work"\nfor i = 1, 1000 do\n'
                                                 '  it("ends " .. i, function() while true do end end)\nend\n')
    rules.script("work", SCRIPT % "two")
    wait_until(lambda: "running the tests" in postern("status", rules.folder).stdout, "the tests to run")
    gateway.terminate()
    assert gateway.wait() == 0
