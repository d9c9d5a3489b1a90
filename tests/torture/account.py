"""What became of what was promised.

A leg is a message on its way to one destination. It was promised when its sender was told 250; it has arrived when the
next hop has taken it; lost is what was promised and has not arrived though nothing waits in the queue any more.

An arrival after the first is a duplicate. It was in flight, so that the first could not be noted, when
  * the sender's session that had brought the first ended without an answer, so that he came again; or
  * the queue sent it again, a process was killed within NOTE_S after the first, or within ANSWER_S before the next hop
    came to answer it, and no host has said in its log that it had noted both; or
  * the disk was made to fail, within NOTE_S of the time when the first was to be noted: counted apart, too."""
import collections
import dataclasses

from sender import ACCEPTED, LOST, REFUSED

NOTE_S, ANSWER_S = 2.0, 1.0
IN_FLIGHT, DISK_FAILED, NO_REASON = "in flight", "the disk failed", "none"


@dataclasses.dataclass
class Sum:
    promised: int = 0
    arrived: int = 0
    lost: int = 0
    duplicated: int = 0
    in_flight: int = 0
    disk_failed: int = 0  # of these in flight
    problems: list = dataclasses.field(default_factory=list)

    def __add__(self, other):
        return Sum(*(getattr(self, field.name) + getattr(other, field.name) for field in dataclasses.fields(self)))

    def __str__(self):
        return (f"answered 250: {self.promised}, arrived: {self.arrived}, lost: {self.lost}, "
                f"duplicated: {self.duplicated}, of these in flight: {self.in_flight}")

    @property
    def is_good(self):
        return not self.lost and self.duplicated == self.in_flight and not self.problems


def is_near(moment, times, before=NOTE_S):
    """A fault is seen some milliseconds after it came."""
    return any(moment - before - 0.1 <= fault <= moment + NOTE_S for fault in times)


class Account:
    """`excused`: tokens of what may be missing, for its entry was damaged."""

    def __init__(self, mails, arrivals, service, excused=()):
        self.mails = {mail.token: mail for mail in mails}
        self.excused = excused
        self.service = service
        self.forwarded = service.forwarded()
        self.by_leg = collections.defaultdict(list)
        for arrival in arrivals:
            self.by_leg[arrival.token, arrival.recipient].append(arrival)

    def _sent_again(self, first):
        """The same attempt of the sender has arrived again: the queue has sent it twice."""
        noted = self.forwarded.get((first.passage, first.recipient), 0)
        if is_near(first.time, self.service.failures):
            return DISK_FAILED
        return IN_FLIGHT if is_near(first.time, self.service.kills, before=ANSWER_S) and noted < 2 else NO_REASON

    def _brought_again(self, first):
        """A later attempt has arrived, too."""
        attempt = self.mails[first.token].attempts[first.attempt]
        if attempt.outcome == LOST:
            return IN_FLIGHT
        return DISK_FAILED if is_near(attempt.time, self.service.failures) else NO_REASON

    def duplicates(self, leg):
        """The reason of each."""
        by_attempt = collections.defaultdict(list)
        for arrival in sorted(self.by_leg[leg], key=lambda arrival: arrival.time):
            by_attempt[arrival.attempt].append(arrival)
        for arrivals in by_attempt.values():
            for first in arrivals[:-1]:
                yield self._sent_again(first)
        for attempt in sorted(by_attempt)[:-1]:
            yield self._brought_again(by_attempt[attempt][-1])

    def _tell(self, leg, what):
        mail = self.mails[leg[0]]
        times = ", ".join(f"attempt {each.attempt} at {each.time:.3f} ({each.passage})" for each in self.by_leg[leg])
        attempts = "; ".join(f"{each.outcome} {each.reply}" for each in mail.attempts)
        return f"{leg[0]} to {leg[1]} {what}; arrived: {times or 'never'}; its sender was told: {attempts}"

    def sum(self):
        total = Sum()
        promised = [leg for mail in self.mails.values() if mail.is_accepted for leg in mail.legs()]
        for leg in promised:
            if leg[0] in self.excused and not self.by_leg.get(leg):
                continue
            total.promised += 1
            if self.by_leg.get(leg):
                total.arrived += 1
            else:
                total.lost += 1
                total.problems.append(self._tell(leg, "was lost"))
        for leg in list(self.by_leg):
            for reason in self.duplicates(leg):
                total.duplicated += 1
                total.in_flight += reason != NO_REASON
                total.disk_failed += reason == DISK_FAILED
                if reason == NO_REASON:
                    total.problems.append(self._tell(leg, "was duplicated, and nothing was in flight"))
        total.problems += self._other_problems()
        return total

    def _other_problems(self):
        yield from self.service.problems
        for line in self.service.crashes():
            yield "a host crashed: " + line
        legs = {leg for mail in self.mails.values() for leg in mail.legs()}
        for leg, arrivals in self.by_leg.items():
            if leg not in legs:
                yield f"{leg[0]} came to {leg[1]}, whom it was not for"
            for arrival in arrivals:
                if not arrival.is_intact:
                    yield f"{arrival.token} to {arrival.recipient} was changed on its way"
        for mail in self.mails.values():
            last = mail.attempts[-1] if mail.attempts else None
            if not last or last.outcome != ACCEPTED:
                yield f"{mail.token} was not taken in the end: {last}"
            for attempt in mail.attempts:
                if attempt.outcome == REFUSED or "TimeoutError" in attempt.reply:
                    yield f"{mail.token} was answered {attempt.outcome} {attempt.reply}"
