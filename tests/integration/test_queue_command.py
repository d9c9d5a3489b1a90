"""`postern queue`: what waits, and what is done about it, beside a service that runs and without one."""
import json

import pytest
from gateway import postern, wait_until

SENDER = "anna@sender.test"
TEXT = b"From: anna@sender.test\r\nSubject: hello\r\nMessage-ID: <1@sender.test>\r\n\r\nWe met.\r\n"


@pytest.fixture
def waiting(rules, serve, destination):
    """The rules of a gateway with three messages for ben and one for cleo and dora that no next hop takes for now."""
    for name in ("ben@one.test", "cleo@two.test", "dora@three.test"):
        destination.replies[name] = "450 4.3.2 not now"
    rules.domain("gate.test", {"to": "ben@", "forward": "ben@one.test"},
                 {"to": "both@", "forward": ["cleo@two.test", "dora@three.test"]})
    rules.write_host(queue={"first_retry": "1h", "retry_max": "2h"})
    rules.gateway = serve(rules)
    with rules.gateway.connect() as session:
        for recipient in ["ben@gate.test"] * 3 + ["both@gate.test"]:
            session.sendmail(SENDER, recipient, TEXT)
    destination.replies.clear()
    return rules


def queue(rules, *arguments):
    done = postern("queue", rules.folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(rules, *arguments):
    return json.loads(queue(rules, "list", "--json", *arguments))["recipients"]


def test_the_list_has_a_row_for_each_recipient_and_a_sum(waiting):
    head, *rows, total = queue(waiting, "list").splitlines()
    assert head.split()[:5] == ["ID", "AGE", "SIZE", "FROM", "TO"]
    assert len(rows) == 5
    assert all("450 4.3.2 not now" in row and "waiting" in row and SENDER in row for row in rows)
    assert total.startswith("5 messages, 5 recipients, ")


def test_an_empty_queue_is_a_sum(rules, serve):
    serve(rules)
    assert queue(rules, "list") == "0 messages, 0 recipients, 0 B\n"


def test_the_list_as_json(waiting):
    answer = json.loads(queue(waiting, "list", "--json"))
    assert answer["sum"]["messages"] == 5 and answer["sum"]["recipients"] == 5
    row = next(row for row in answer["recipients"] if row["to"] == "cleo@two.test")
    assert (row["from"], row["original"], row["state"]) == (SENDER, "both@gate.test", "waiting")
    assert row["attempts"] == 1 and row["next_ms"] > row["created_ms"] > 0
    assert row["last_reply"] == "450 4.3.2 not now"


FILTERS = [
    (["--to", "one.test"], 3), (["--to", "cleo@two.test"], 1), (["--to", "TWO.test"], 1), (["--to", "none.test"], 0),
    (["--from", SENDER], 5), (["--from", "eve@sender.test"], 0), (["--state", "waiting"], 5),
    (["--state", "held"], 0), (["--to", "one.test", "--from", SENDER], 3)]


def test_filters(waiting):
    for filters, count in FILTERS:
        assert len(listed(waiting, *filters)) == count, filters


def test_show_tells_all_about_a_message(waiting):
    name = listed(waiting, "--to", "two.test")[0]["id"]
    text = queue(waiting, "show", name)
    for part in (name, SENDER, "cleo@two.test", "both@gate.test", "450 4.3.2 not now"):
        assert part in text
    answer = json.loads(queue(waiting, "show", name, "--json"))
    assert [row["to"] for row in answer["recipients"]] == ["cleo@two.test"] and answer["corrupt"] is False


def test_show_prints_the_message_itself(waiting):
    name = listed(waiting, "--to", "one.test")[0]["id"]
    done = queue(waiting, "show", name, "--message")
    assert "Subject: hello\r\n" in done and done.endswith("\r\n\r\nWe met.\r\n")


def test_retry_makes_a_running_host_deliver(waiting, destination):
    assert queue(waiting, "retry", "--to", "one.test") == "3 recipients due now\n"
    destination.wait_for(3)
    wait_until(lambda: len(listed(waiting)) == 2, "the end of what was delivered")
    assert queue(waiting, "retry") == "2 recipients due now\n"
    destination.wait_for(5)


def test_what_is_held_stays_until_released(waiting, destination):
    name = listed(waiting, "--to", "two.test")[0]["id"]
    assert queue(waiting, "hold", name) == "1 recipient held\n"
    assert len(listed(waiting, "--state", "held")) == 1
    queue(waiting, "retry")
    destination.wait_for(4)
    assert "cleo@two.test" not in {mail.recipient for mail in destination.mails}
    assert queue(waiting, "release", name) == "1 recipient released\n"
    destination.wait_for(5)


def test_drop_takes_what_is_named_and_no_more(waiting):
    name = listed(waiting, "--to", "one.test")[0]["id"]
    assert queue(waiting, "drop", name) == "1 recipient dropped without a notice\n"
    assert queue(waiting, "drop", "--to", "two.test") == "1 recipient dropped without a notice\n"
    assert len(listed(waiting)) == 3
    assert queue(waiting, "drop", "--all") == "3 recipients dropped without a notice\n"
    assert listed(waiting) == []


def test_it_works_without_a_service(waiting, serve, destination):
    name = listed(waiting, "--to", "one.test")[0]["id"]
    waiting.gateway.stop()
    assert queue(waiting, "drop", name) == "1 recipient dropped without a notice\n"
    assert queue(waiting, "retry") == "4 recipients due now\n"
    serve(waiting)
    destination.wait_for(4)


@pytest.mark.parametrize("arguments,words", [
    ([], "list, show, retry, hold, release or drop?"), (["eat"], "list, show"), (["drop"], "--all"),
    (["drop", ""], "an ID is"), (["drop", "--from", ""], "--from takes"), (["drop", "../x"], "an ID is"),
    (["show"], "takes the ID"), (["show", "abc", "--to", "one.test"], "takes the ID"),
    (["list", "--to", "@"], "--to"), (["list", "--to", "a b"], "--to"), (["list", "--state", "lost"], "--state"),
    (["list", "--message"], "--message"), (["retry", "--json"], "--json")])
def test_mistakes_are_told(rules, arguments, words):
    done = postern("queue", rules.folder, *arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


def test_an_unknown_message_is_told(waiting):
    done = postern("queue", waiting.folder, "show", "nosuchmessage")
    assert done.returncode == 1 and "no such message" in done.stderr
    done = postern("queue", waiting.folder, "drop", "nosuchmessage")
    assert done.returncode == 1 and done.stdout == "0 recipients dropped without a notice\n"


def test_a_directory_without_a_queue_is_told(rules):
    done = postern("queue", rules.folder, "list")
    assert done.returncode == 1 and "No such file" in done.stderr
