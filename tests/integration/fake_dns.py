"""A name server with the records that a test gives it, on a UDP port of loopback."""
import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class FakeDns:
    """`records` maps (name, type) to a list of texts: {("dest.test", "MX"): ["10 mx1.dest.test."]}. A name
    without any record does not exist; a name in `broken` is answered with SERVFAIL, one in `silent` not at all."""

    def __init__(self):
        self.records = {}
        self.broken = set()
        self.silent = set()
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def resolver(self):
        return f"127.0.0.1@{self.port}"

    def _serve(self):
        while True:
            packet, client = self.socket.recvfrom(4096)
            if packet == b"stop":
                return
            query = dns.message.from_wire(packet)
            if query.question[0].name.to_text(omit_final_dot=True).lower() not in self.silent:
                self.socket.sendto(self._answer(query).to_wire(), client)

    def _answer(self, query):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        response = dns.message.make_response(query, recursion_available=True)
        texts = self.records.get((name, kind))
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif texts:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, texts))
        elif not any(known == name or known.endswith("." + name) for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def stop(self):
        self.socket.sendto(b"stop", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()
