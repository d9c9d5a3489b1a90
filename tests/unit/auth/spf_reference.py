"""Zones with random SPF records, checks to make in them, and what pyspf (Debian's python3-spf) finds: the other
side of test_spf_differential.c.

usage: spf_reference.py SEED ZONES

Lines of fields with tabs between: "zone", "record NAME TYPE VALUE", "check CLIENT HELO SENDER RESULT WHY".

Where pyspf reads RFC 7208 in a way of its own, it is told otherwise (class Query), or what would show it is not
made: exp= (it asks at once), the same unknown modifier twice, a record that includes itself by name, reverse
names for which DNS fails, several MX of which DNS fails for one, "%%" at the end, errors within macros."""
import random
import sys

import spf

CLIENTS = ["192.0.2.1", "192.0.2.77", "198.51.100.9", "2001:db8::1", "2001:db8:7::2"]
SENDERS = ["user@%s", "Long-local.part+tag@%s", "@%s", "a-b@%s"]
HELOS = ["h0.test", "mail.h1.test", "localhost"]
DOMAINS = [f"d{number}.test" for number in range(6)]
HOSTS = [f"h{number}.test" for number in range(6)]
NAMES = DOMAINS + HOSTS + ["no.test", "broken.test", "sub.h1.test"]
MACROS = ["%{d}", "%{d2}", "%{d1r}", "%{o}", "%{l}", "%{l1r-}", "%{lr-+}", "%{s}", "%{S}", "%{i}", "%{ir}", "%{v}",
          "%{h}", "%{H}", "%{p}", "%{p2}", "%_", "%-"]
NOISE = "%{}/:.=+-~?029aXr_ ,"


class Query(spf.query):
    """pyspf, but terms and not questions are void (RFC 7208 section 4.6.4), and %{p} is found anew for each
    domain (section 7.3)."""

    zone = {}
    follows = 0

    def dns(self, name, qtype, cnames=None, ignore_void=False):
        return super().dns(name, qtype, cnames, ignore_void or self.follows > 0 or qtype in ("PTR", "TXT"))

    def dns_mx(self, domainname):
        names = self.dns(domainname, "MX")
        if len(names) > 10:
            raise spf.PermError("More than 10 MX records returned")
        return self.following(lambda: [ip for _, name in names for ip in self.dns_a(name, self.A)])

    def validated_ptrs(self):
        return self.following(super().validated_ptrs)

    def following(self, ask):
        self.follows += 1
        try:
            return ask()
        finally:
            self.follows -= 1

    def expand(self, s, stripdot=True):
        self.p = None
        return super().expand(s, stripdot)


def lookup(name, qtype, tcpfallback=True, timeout=30):
    name = name.lower()
    if name == "broken.test":
        raise spf.TempError("DNS SERVFAIL")
    values = Query.zone.get((name, qtype), [])
    if qtype == "MX":
        values = [(0, value) for value in values]
    if qtype == "TXT":
        values = [(value.encode("latin-1"),) for value in values]
    return [((name, qtype), value) for value in values]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def some(self, choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def domain_spec(self):
        if self.chance(0.7):
            return self.some(NAMES)
        macros = [self.some(MACROS) for _ in range(self.random.randint(1, 3))]
        return ".".join(macros) + self.some(["", ".e.test", ".e.test", ".test."])

    def prefixes(self):
        v4 = f"/{self.random.randint(0, 32)}" if self.chance(0.3) else ""
        v6 = f"//{self.some([0, 32, 48, 64, 128])}" if self.chance(0.3) else ""
        return v4 + v6

    def mechanism(self, own):
        kind = self.some(["ip4", "ip6", "a", "a", "mx", "mx", "ptr", "exists", "exists", "include", "include", "all"])
        if kind == "ip4":
            return f"ip4:192.0.2.{self.random.randint(0, 255)}" + self.some(["", "/24", "/26", "/32", "/0"])
        if kind == "ip6":
            return self.some(["ip6:2001:db8::", "ip6:2001:db8:7::2"]) + self.some(["", "/32", "/48", "/128", "/0"])
        if kind == "include":
            return "include:" + self.some([name for name in NAMES if name != own])
        if kind == "exists":
            return "exists:" + self.domain_spec()
        if kind == "all":
            return "all" if self.chance(0.5) else "a"
        target = ":" + self.domain_spec() if self.chance(0.7) else ""
        return kind + target + (self.prefixes() if kind != "ptr" else "")

    def term(self, own):
        return self.some(["", "", "+", "-", "~", "?"]) + self.mechanism(own)

    def record(self, own):
        terms = [self.term(own) for _ in range(self.random.randint(0, 6))]
        if self.chance(0.2):
            target = self.some([name for name in NAMES if name != own])
            terms.insert(self.random.randint(0, len(terms)), "redirect=" + target)
        if self.chance(0.1):
            terms.append("moo.x=" + self.some(MACROS))
        if self.chance(0.4):
            terms.append(self.some(["-all", "~all", "?all"]))
        text = self.some([" ", "  "]).join(["v=spf1"] + terms)
        return self.with_noise(text) if self.chance(0.1) else text

    def with_noise(self, text):
        places = [place for place in range(6, len(text) + 1) if text.rfind("%", 0, place) <= text.rfind("}", 0, place)]
        place = self.some(places)
        return text[:place] + self.some(NOISE) + text[place:]

    def zone(self):
        records = []
        for name in DOMAINS:
            records.append((name, "TXT", self.record(name)))
            if self.chance(0.05):
                records.append((name, "TXT", self.some(["v=spf1", "other"])))
        for name in DOMAINS + HOSTS:
            for client in CLIENTS:
                if self.chance(0.25):
                    records.append((name, "AAAA" if ":" in client else "A", client))
            count = self.some([0, 0, 1, 1, 2, 3, 10, 11])
            records += [(name, "MX", self.some(HOSTS)) for _ in range(count)]
        for client in CLIENTS:
            if self.chance(0.6):
                query = spf.query(client, "", "h")
                reverse = f"{spf.reverse_dots(query.i)}.{query.v}.arpa".lower()
                records += [(reverse, "PTR", name) for name in self.random.sample(HOSTS, self.random.randint(1, 3))]
        for macro in ["user", "192.0.2.1", "1.2.0.192", "in-addr", "unknown", *HOSTS, *DOMAINS]:
            if self.chance(0.5):
                records.append((macro + ".e.test", "A", "127.0.0.2"))
        return records


def check(client, sender, helo):
    query = Query(i=client, s=sender, h=helo)
    result, _, explanation = query.check()
    return result, explanation


def main(seed, zones):
    generator = Generator(seed)
    spf.DNSLookup = lookup
    for _ in range(zones):
        print("zone")
        Query.zone = {}
        for name, kind, value in generator.zone():
            Query.zone.setdefault((name, kind), []).append(value)
            print("record", name, kind, value, sep="\t")
        for domain in DOMAINS:
            client, helo = generator.some(CLIENTS), generator.some(HELOS)
            sender = generator.some(SENDERS) % domain
            result, why = check(client, sender, helo)
            print("check", client, helo, sender, result, why, sep="\t")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
