"""What a worker's script decides is what happens."""
import smtplib
import threading

import pytest
from gateway import wait_until

SENDER = "anna@sender.test"
TEXT = b"From: Anna <anna@sender.test>\r\nSubject: hello\r\nX-Case: 17\r\n\r\nWe met.\r\n"


@pytest.fixture
def served(rules, serve):
    """served(body) runs the Lua body for every message: ben@gate.test; its other locals: message, env, ctx."""
    def start(body, **host):
        rules.domain("gate.test", {"to": "ben@", "worker": "work", "on_soft_failure": "defer"},
                     {"to": r"/^order-(?<id>\d+)@/", "worker": "work"},
                     {"to": "plain@", "forward": "plain@dest.test"})
        rules.script("work", f"return {{ email = function(message, env, ctx)\n{body}\nend }}\n")
        rules.write_host(**host)
        return serve(rules)
    return start


def send(gateway, recipient="ben@gate.test", text=TEXT):
    with gateway.connect() as session:
        session.sendmail(SENDER, recipient, text)


def answer(gateway, recipient="ben@gate.test"):
    """The sender's answer: code and text."""
    try:
        send(gateway, recipient)
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, refusal.smtp_error.decode()
    return 250, ""


def test_forward_sends_the_message_with_the_scripts_headers(served, destination):
    send(served('message:forward("team@dest.test", {["X-Ticket"] = "42"})'))
    mail = destination.mails[0]
    assert (mail.sender, mail.recipient, mail.header("X-Ticket")) == (SENDER, "team@dest.test", ["42"])
    assert mail.content.endswith(TEXT)


def test_set_reject_refuses_with_the_reason(served, destination):
    code, text = answer(served('message:setReject("please write to sales@gate.test")'))
    assert code == 550 and "please write to sales@gate.test" in text
    assert destination.mails == []


def test_no_action_ends_the_message(served, destination):
    gateway = served("")
    assert answer(gateway)[0] == 250
    assert destination.mails == []
    wait_until(lambda: gateway.events("message.handled"), "the log line")


def test_an_uncaught_error_leaves_the_message_with_its_sender(served):
    gateway = served('local nothing\nreturn nothing.field')
    assert answer(gateway)[0] == 451
    line = wait_until(lambda: gateway.events("worker.ended"), "the log line")[0]
    assert "work.lua:3" in line


def test_a_message_tells_all_about_itself(served, destination):
    send(served("""
        local told = {
          from = message.from, to = message.to, subject = message.headers:get("subject"),
          has = tostring(message.headers:has("x-case")), size = tostring(message.rawSize),
          raw = tostring(#message.raw == message.rawSize), id = message.captures.id,
          ip = message.client.ip, helo = message.client.helo, able = tostring(message.canBeForwarded),
        }
        local headers = {}
        for key, value in pairs(told) do headers["X-" .. key] = value end
        message:forward("x@dest.test", headers)"""), "order-17@gate.test")
    mail = destination.mails[0]
    told = {key: mail.header("X-" + key)[0] for key in
            ("from", "to", "subject", "has", "size", "raw", "id", "ip", "helo", "able")}
    assert told == {"from": SENDER, "to": "order-17@gate.test", "subject": "hello", "has": "true",
                    "size": str(len(TEXT)), "raw": "true", "id": "17", "ip": "127.0.0.1",
                    "helo": "client.sender.test", "able": "true"}


def test_variables_of_host_yaml_are_in_env(served, destination):
    send(served('message:forward(env.TEAM)',
                workers={"work": {"script": "work.lua", "vars": {"TEAM": "team@dest.test"}}}))
    assert destination.mails[0].recipient == "team@dest.test"


def test_a_refused_forward_is_an_error_that_tells_why(served, destination):
    destination.replies["full@dest.test"] = "552 5.2.2 Mailbox full"
    code, text = answer(served("""
        local ok, err = pcall(message.forward, message, "full@dest.test")
        assert(not ok)
        message:setReject(("%s %d %s %s %s"):format(err.code, err.smtp.code, err.smtp.enhanced, err.permanent, err.class))"""))
    assert code == 550
    assert "552 5.2.2 true quota" in text


def test_a_temporary_failure_that_is_not_caught_is_a_4xx(served, destination):
    destination.replies["ben@dest.test"] = "451 4.3.0 Not now"
    code, _ = answer(served('message:forward("ben@dest.test")'))
    assert 400 <= code < 500


def test_an_upstreams_refusal_that_is_not_caught_is_passed_back_in_its_words(served, destination):
    destination.replies["full@dest.test"] = "552 5.2.2 Mailbox full"
    code, text = answer(served('message:forward("full@dest.test")'))
    assert (code, text) == (552, "5.2.2 Mailbox full")


def test_a_script_cannot_make_up_an_upstream(served, destination):
    code, _ = answer(served('error {call = "forward", smtp = {code = 250, enhanced = "2.0.0", text = "fine"}}'))
    assert code == 451


def test_only_destinations_that_are_listed_can_be_forwarded_to(served, destination):
    gateway = served('message:forward("stranger@dest.test")', destinations=["ben@dest.test", "plain@dest.test"])
    assert answer(gateway)[0] == 451
    assert destination.mails == []


def test_reply_waits_for_authentication(served, destination):
    code, text = answer(served("""
        local ok, err = pcall(message.reply, message, {subject = "Hi", text = "there"})
        message:setReject(tostring(ok) .. " " .. err.code)"""))
    assert code == 550 and "false E_REPLY_NOT_ALLOWED" in text
    assert destination.mails == []


def test_wait_until_goes_on_after_the_answer(served, destination):
    destination.gate.clear()
    gateway = served('ctx:waitUntil(function() message:forward("later@dest.test") end)')
    assert answer(gateway)[0] == 250
    destination.gate.set()
    assert destination.wait_for(1)[0].recipient == "later@dest.test"


def test_what_a_script_prints_is_in_the_log(served):
    gateway = served('print("seen", message.from)')
    send(gateway)
    line = wait_until(lambda: gateway.events("worker.log"), "the log line")[0]
    assert "seen" in line and SENDER in line


def test_an_endless_loop_costs_only_its_own_message(served, destination):
    gateway = served("while true do end")
    answers = {}
    loops = [threading.Thread(target=lambda n=n: answers.setdefault(n, answer(gateway))) for n in range(3)]
    for loop in loops:
        loop.start()
    for _ in range(5):
        send(gateway, "plain@gate.test")
    for loop in loops:
        loop.join(30)
    assert [code for code, _ in answers.values()] == [451, 451, 451]
    assert len(destination.mails) == 5


def test_many_messages_are_in_one_isolate_at_once(served, destination):
    destination.gate.clear()
    gateway = served('message:forward("ben@dest.test")')
    senders = [threading.Thread(target=send, args=(gateway,)) for _ in range(10)]
    for sender in senders:
        sender.start()
    wait_until(lambda: destination.waiting == 10, "ten messages in flight")
    destination.gate.set()
    for sender in senders:
        sender.join(20)
    assert len(destination.mails) == 10


def test_a_script_without_the_file_system_and_the_network(served):
    code, text = answer(served("""
        local found = {}
        for _, name in ipairs {"io", "ffi", "debug", "package", "dofile", "loadfile", "load", "jit"} do
          if rawget(_G, name) ~= nil then found[#found + 1] = name end
        end
        message:setReject("found: " .. table.concat(found, " "))"""))
    found = text.split("found: ", 1)[1].split()
    assert code == 550 and not set(found) & {"io", "ffi", "debug", "dofile", "loadfile", "jit"}
