"""A change of the rules takes effect by itself, at once and as a whole, and disturbs no message."""
import collections
import signal
import smtplib
import threading

from gateway import wait_until

SENDER = "anna@sender.test"
TEXT = b"Subject: hello\r\n\r\nWe met.\r\n"


def forward_all(rules, domain, to):
    rules.domain(domain, {"to": "ben@", "forward": to})


def sent_to(gateway, destination, recipient="ben@gate.test"):
    with gateway.connect() as session:
        session.sendmail(SENDER, recipient, TEXT)
    return destination.mails[-1].recipient


def test_a_changed_file_takes_effect_by_itself(rules, serve, destination):
    forward_all(rules, "gate.test", "one@dest.test")
    gateway = serve(rules)
    assert sent_to(gateway, destination) == "one@dest.test"
    forward_all(rules, "gate.test", "two@dest.test")
    wait_until(lambda: len(gateway.events("rules.loaded")) == 2, "the change to be seen")
    assert sent_to(gateway, destination) == "two@dest.test"


def test_a_new_domain_is_served_and_a_removed_one_is_not(rules, serve, destination):
    forward_all(rules, "gate.test", "one@dest.test")
    gateway = serve(rules)
    forward_all(rules, "new.test", "new@dest.test")
    (rules.folder / "gate.test.yaml").unlink()
    gateway.reload()
    assert sent_to(gateway, destination, "ben@new.test") == "new@dest.test"
    with gateway.connect() as session:
        session.ehlo()
        session.mail(SENDER)
        assert session.rcpt("ben@gate.test")[0] == 550


def test_a_broken_edit_keeps_the_rules_before_it_and_is_told_with_its_place(rules, serve, destination):
    forward_all(rules, "gate.test", "one@dest.test")
    gateway = serve(rules)
    rules.write("gate.test.yaml", "domain: gate.test\nrules:\n  - {to: ben@, fowrard: two@dest.test}\n")
    lines = wait_until(lambda: gateway.events("rules.refused"), "the refusal")
    assert any("gate.test.yaml" in line and "line=3" in line and "fowrard" in line for line in lines)
    assert sent_to(gateway, destination) == "one@dest.test"
    forward_all(rules, "gate.test", "two@dest.test")
    wait_until(lambda: len(gateway.events("rules.loaded")) == 2, "the mended file to be seen")
    assert sent_to(gateway, destination) == "two@dest.test"


def test_a_message_in_flight_keeps_its_rules_and_script(rules, serve, destination):
    rules.domain("gate.test", {"to": "ben@", "worker": "work"})
    rules.script("work", 'return {email = function(message)\n'
                         '  message:forward("first@dest.test")\n  message:forward("old@dest.test")\nend}')
    gateway = serve(rules)
    destination.gate.clear()
    session = gateway.connect()
    sending = threading.Thread(target=session.sendmail, args=(SENDER, "ben@gate.test", TEXT))
    sending.start()
    wait_until(lambda: destination.waiting, "the message to be in flight")
    rules.script("work", 'return {email = function(message) message:forward("new@dest.test") end}')
    gateway.reload()
    destination.gate.set()
    sending.join(20)
    session.quit()
    assert [mail.recipient for mail in destination.mails] == ["first@dest.test", "old@dest.test"]
    assert sent_to(gateway, destination) == "new@dest.test"


class Load:
    """Sessions that send to these addresses, one message after the other, until it is stopped."""

    def __init__(self, gateway, recipients):
        self.gateway = gateway
        self.accepted = collections.Counter()  # by subject
        self.failures = []
        self.is_over = threading.Event()
        self.senders = [threading.Thread(target=self._send, args=(each,)) for each in recipients]
        for sender in self.senders:
            sender.start()

    def _send(self, recipient):
        try:
            with self.gateway.connect() as session:
                number = 0
                while not self.is_over.is_set():
                    number += 1
                    subject = f"{recipient}/{number}"
                    head = f"Subject: {subject}\r\nMessage-ID: <{number}.{recipient}>\r\n"
                    session.sendmail(SENDER, recipient, f"{head}\r\nx\r\n".encode())
                    self.accepted[subject] += 1
        except (smtplib.SMTPException, OSError) as error:
            self.failures.append(repr(error))

    def stop(self):
        self.is_over.set()
        for sender in self.senders:
            sender.join(30)

    def check(self, destination):
        """Every message was taken, and has arrived once."""
        assert not self.failures
        assert collections.Counter(mail.header("Subject")[0] for mail in destination.mails) == self.accepted


def test_reload_under_load_loses_and_misroutes_nothing(rules, serve, destination):
    domains = ["one.test", "two.test", "three.test"]
    for domain in domains:
        forward_all(rules, domain, f"0@{domain}")
    gateway = serve(rules)
    load = Load(gateway, [f"ben@{domain}" for domain in domains])
    try:
        for version in range(1, 21):
            for domain in domains:
                forward_all(rules, domain, f"{version}@{domain}")
            gateway.reload()
    finally:
        load.stop()
    load.check(destination)
    for mail in destination.mails:
        assert mail.recipient.split("@")[1] == mail.header("Subject")[0].split("/")[0].split("@")[1]
    for domain in domains:
        versions = [int(mail.recipient.split("@")[0]) for mail in destination.mails
                    if mail.recipient.endswith("@" + domain)]
        assert versions == sorted(versions), "an older rule came after a newer one"
        wait_until(lambda to=f"ben@{domain}", last=f"20@{domain}": sent_to(gateway, destination, to) == last,
                   "the last rules to be in effect")


def test_a_storm_of_new_scripts_fails_no_message(rules, serve, destination):
    """Each is compiled and tested, every third has a mistake, and a canary is under way nearly always."""
    good = 'return {email = function(message) message:forward("%d@dest.test") end}'
    rules.domain("gate.test", {"to": "ben@", "worker": "work"}, {"to": "eve@", "worker": "work"})
    rules.write_host(hosts=2, workers={"work": {"canary": {"share": "50%", "runs": 5, "promote": 5}}})
    rules.script("work", good % 0)
    (rules.scripts / "work_test.lua").write_text(
        'local worker = load_worker "work"\n'
        'it("forwards", function() assert.equal("ok", worker:email(fake.message {}).outcome) end)\n')
    gateway = serve(rules)
    load = Load(gateway, ["ben@gate.test", "eve@gate.test", "ben@gate.test"])
    try:
        for version in range(1, 8):
            refused = len(gateway.events("rules.refused"))
            rules.script("work", good % version if version % 3 else "return {email = nonsense(}")
            gateway.process.send_signal(signal.SIGHUP)  # as the file watch has it reload too: a second one
            if version % 3:
                wait_until(lambda count=2 * (version - version // 3): len(gateway.events("worker.changed")) == count,
                           "the new script in both hosts", 60)
            else:
                wait_until(lambda before=refused: len(gateway.events("rules.refused")) > before, "the refusal", 60)
    finally:
        load.stop()
    load.check(destination)
    assert len({mail.recipient for mail in destination.mails}) >= 3, "new versions have had messages"


def test_an_option_that_needs_a_restart_is_named(rules, serve, destination):
    forward_all(rules, "gate.test", "one@dest.test")
    gateway = serve(rules)
    rules.write_host(listen=["127.0.0.1:0", "127.0.0.2:0"])
    lines = wait_until(lambda: gateway.events("restart.needed"), "the note")
    assert ["option=listen" in line for line in lines] == [True]
    assert sent_to(gateway, destination) == "one@dest.test"
