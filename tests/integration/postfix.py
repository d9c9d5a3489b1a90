"""A real Postfix as the next hop: an instance of its own, all of it below one temporary folder, that delivers
into one Maildir. Needs root (or sudo without a password)."""
import os
import pathlib
import socket
import socketserver
import subprocess
import tempfile
import threading

from gateway import wait_until

SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.dest.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_header_rewrite_clients =
virtual_mailbox_domains = static:all
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_delay_reject = no
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_restriction_classes = greylisted, slow
greylisted = check_policy_service inet:127.0.0.1:{policy_port}
slow = sleep 1
smtpd_sender_restrictions = check_sender_access inline:{{
  {{mail550@sender.test = 550 5.7.1 not from you}}
  {{mail450@sender.test = 450 4.7.1 not from you now}} }}
smtpd_recipient_restrictions = check_recipient_access inline:{{
  {{refused@dest.test = 550 5.7.1 not for you}}
  {{rcpt450@dest.test = 450 4.3.2 busy}}
  {{full@dest.test = 452 4.2.2 The mailbox is over its quota}}
  {{closed@dest.test = 552 5.2.2 The mailbox is full for good}}
  {{grey@dest.test = greylisted}}
  {{slow@dest.test = slow}} }}, permit_mynetworks, reject
smtpd_data_restrictions = check_sender_access inline:{{
  {{data550@sender.test = 550 5.7.1 no data from you}}
  {{data450@sender.test = 450 4.7.1 no data from you now}} }}
smtpd_end_of_data_restrictions = check_sender_access inline:{{
  {{end450@sender.test = 451 4.3.5 the filter is down}} }}
header_checks = regexp:{{ {{/^Subject: virus/ REJECT 5.7.1 there is a virus in it}} }}
smtputf8_enable = yes
transport_maps = inline:{{{{fails@dest.test = fails:}}}}
"""

MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
fails unix - n n - - pipe flags= user=nobody argv=/bin/false
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Greylist(socketserver.ThreadingTCPServer):
    """Postfix's policy protocol: a sender and recipient are told to come again until `patience` runs out."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, patience=2):
        super().__init__(("127.0.0.1", 0), GreylistQuestions)
        self.patience = patience
        self.tries = {}
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, question):
        pair = question.get("sender"), question.get("recipient")
        self.tries[pair] = self.tries.get(pair, 0) + 1
        return "dunno" if self.tries[pair] > self.patience else "450 4.7.1 Greylisted, please come again"

    def stop(self):
        self.shutdown()
        self.server_close()


class GreylistQuestions(socketserver.StreamRequestHandler):
    def handle(self):
        question = {}
        for line in self.rfile:
            name, _, value = line.decode().rstrip("\n").partition("=")
            if name:
                question[name] = value
            else:
                self.wfile.write(f"action={self.server.answer(question)}\n\n".encode())
                question = {}


def why_not():
    """Why there can be no Postfix here; None if there can."""
    if not pathlib.Path("/usr/sbin/postfix").exists():
        return "Postfix is not installed"
    if SUDO and subprocess.run([*SUDO, "true"], capture_output=True, check=False).returncode:
        return "Postfix is started as root only"
    return None


class Postfix:
    """Refuses some senders and recipients, as main.cf says, and mail with "virus" at the start of its subject; greylists
    grey@dest.test; is slow for slow@dest.test; takes mail for fails@dest.test and then cannot deliver it, of which it
    sends notices."""

    def __init__(self):
        # A folder that Postfix's own users can enter, unlike pytest's.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-postfix-"))
        self.folder.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        uid = os.geteuid() or 65534
        gid = os.getegid() or 65534
        self.greylist = Greylist()
        facts = {"folder": self.folder, "port": self.port, "uid": uid, "gid": gid,
                 "policy_port": self.greylist.port}
        self.configuration = self.folder / "etc"
        for name in ("etc", "queue", "mail"):
            (self.folder / name).mkdir()
        (self.configuration / "main.cf").write_text(MAIN_CF.format(**facts))
        (self.configuration / "master.cf").write_text(MASTER_CF.format(**facts))
        self._as_root("chown", f"{uid}:{gid}", self.folder / "mail")
        self._as_root("chown", "-R", "root:root", self.configuration, self.folder / "queue")
        self._as_root("install", "-d", "-o", "postfix", self.folder / "data")
        self.start()

    def start(self):
        self._as_root("postfix", "-c", self.configuration, "start")
        wait_until(self._answers, "Postfix to answer")

    def halt(self):
        """Until the next start()."""
        self._as_root("postfix", "-c", self.configuration, "stop")

    def _as_root(self, *command):
        done = subprocess.run([*SUDO, *map(str, command)], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}{done.stdout.decode()}{self.log()}"

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as session:
                return session.recv(100).startswith(b"220")
        except OSError:
            return False

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def mails(self):
        """The contents of the Maildir, as they stand there: LF lines, Postfix's trace fields on top."""
        return [path.read_bytes() for path in sorted((self.folder / "mail/new").glob("*"))]

    def wait_for(self, count):
        return wait_until(lambda: len(self.mails()) >= count and self.mails(),
                          f"{count} mails in Postfix's Maildir; its log:\n{self.log()}")

    def stop(self):
        try:
            self.halt()
        finally:
            self.greylist.stop()
            self._as_root("rm", "-rf", self.folder)
