"""Whether a history can be one of trackers that lose nothing and make nothing up; pure.

Six rules, five of them for each listing, whichever tracker gave it:

- *made up*: a record was its owner's at some time before the listing ended, and, unless something
  disturbed, still at some time within the last interval.
- *missing*: what a running peer shared unchanged for a whole interval is listed.
- *untold*: what a tracker has acknowledged is listed by every tracker asked after that, until it
  changes; and what was acknowledged as removed is not.
- *dead*: nobody is named whose lease must be over.
- *left*: nobody is named who has left and was told so.
- *forgotten*: no renewal is refused because the peer is unknown while its lease must run.

A lease may end because its peer was late: on a busy machine that is nobody's fault, and what it
told is rightly listed no more. So what a listing lacks counts as missing or untold only where the
lease must have run all the time, by the peer's own evidence: each renewal that was acknowledged,
when it was asked for, and what the clock by which leases run said meanwhile. Else it is *lapsed*.

An interval is the time in which a peer renews, goes to another tracker and tells it what it lacks.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.history.events import (
    Changed,
    ClockRead,
    Confirmed,
    Disturbed,
    Ended,
    Event,
    Seen,
    Started,
    Told,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take."""

    interval_s: float
    lease_s: float
    """With the time in which a tracker notices that one is over."""
    granted_s: float = float("inf")
    """For how long a lease runs from when it was granted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What cannot be."""

    rule: str
    at_s: float
    words: str


@dataclass
class Verdict:
    """What was found, and of what: a check that had nothing to check proves nothing."""

    violations: list[Violation] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    """How often each rule applied."""
    lapsed: list[Violation] = field(default_factory=list)
    """What was not there, where the lease had ended or may have: none of the trackers' fault."""


class _Owner:
    """What one peer did, in the order of time."""

    def __init__(self) -> None:
        self.runs: list[tuple[float, Ended | None]] = []
        self.changes: dict[str, list[tuple[float, bytes | None]]] = defaultdict(list)
        self.told: dict[str, list[tuple[float, bytes | None]]] = defaultdict(list)
        self.confirmed: list[Confirmed] = []
        self.unknown: list[Unknown] = []

    def last_confirmed_s(self, before_s: float) -> float:
        """When the last renewal was asked for that had been acknowledged by then."""
        return max((c.asked_s for c in self.confirmed if c.at_s <= before_s), default=float("-inf"))

    def runs_through(self, from_s: float, to_s: float) -> bool:
        return any(
            start_s <= from_s and (end is None or end.began_s > to_s) for start_s, end in self.runs
        )

    def runs_at_some_time(self, from_s: float, to_s: float) -> bool:
        return any(
            start_s <= to_s and (end is None or end.at_s >= from_s) for start_s, end in self.runs
        )

    def last_end(self, before_s: float) -> Ended | None:
        """How the last run that had begun by then ended, if it had."""
        begun = [end for start_s, end in self.runs if start_s <= before_s]
        return begun[-1] if begun else None

    def values(self, path: str, from_s: float, to_s: float) -> list[bytes | None]:
        """What stood under a path at any time between two."""
        changes = self.changes.get(path, [])
        first = bisect_right(changes, from_s, key=lambda change: change[0])
        before = changes[first - 1][1] if first else None
        return [before, *(value for at_s, value in changes[first:] if at_s <= to_s)]

    def last_told(self, path: str, before_s: float) -> tuple[float, bytes | None] | None:
        told = self.told.get(path, [])
        count = bisect_right(told, before_s, key=lambda each: each[0])
        return told[count - 1] if count else None


class _Check:
    def __init__(self, events: Iterable[Event], limits: Limits) -> None:
        self.limits = limits
        self.owners: dict[str, _Owner] = defaultdict(_Owner)
        self.disturbed: list[Disturbed] = []
        self.listings: list[Seen] = []
        self._clock: list[ClockRead] = []
        self._listed: dict[tuple[str, str], set[bytes]] = {}
        """Of the listing that is looked at."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Started):
            self.owners[event.peer].runs.append((event.at_s, None))
        elif isinstance(event, Ended):
            runs = self.owners[event.peer].runs
            runs[-1] = (runs[-1][0], event)
        elif isinstance(event, Changed):
            self.owners[event.peer].changes[event.path].append((event.at_s, event.content))
        elif isinstance(event, Told):
            self.owners[event.peer].told[event.path].append((event.at_s, event.content))
        elif isinstance(event, Confirmed):
            self.owners[event.peer].confirmed.append(event)
        elif isinstance(event, Unknown):
            self.owners[event.peer].unknown.append(event)
        elif isinstance(event, ClockRead):
            self._clock.append(event)
        elif isinstance(event, Seen):
            self.listings.append(event)
        else:
            self.disturbed.append(event)

    def is_calm(self, from_s: float, to_s: float) -> bool:
        return not any(d.began_s <= to_s and d.ended_s >= from_s for d in self.disturbed)

    def leased_through(self, owner: _Owner, from_s: float, to_s: float) -> bool:
        """Whether its lease must have run all the time, by what was acknowledged to it."""
        if not owner.confirmed:
            return True  # nothing was recorded of it
        until_s = float("-inf")
        for one in owner.confirmed:
            if one.at_s > from_s and one.at_s > until_s:
                break
            lead_s = self._clock_gained_s(one.asked_s, one.asked_s + self.limits.granted_s)
            until_s = max(until_s, one.asked_s + self.limits.granted_s - lead_s)
        return until_s > to_s

    def _clock_gained_s(self, from_s: float, to_s: float) -> float:
        """By how much the clock of leases may have gone ahead of the recorder's meanwhile."""
        first = bisect_right(self._clock, from_s, key=lambda read: read.ended_s)
        last = bisect_right(self._clock, to_s, key=lambda read: read.began_s)
        reads = self._clock[max(0, first - 1) : last + 1]
        least = min((read.clock_s - read.ended_s for read in reads), default=0.0)
        most = max((read.clock_s - read.began_s for read in reads), default=0.0)
        # What reading takes is no gain: of the bounds' distance only what is beyond it.
        slack = max((read.ended_s - read.began_s for read in reads), default=0.0)
        return max(0.0, most - least - slack)

    def forgotten(self) -> Iterator[tuple[float, str | None]]:
        """Renewals that were refused; in words where that cannot be."""
        for name, owner in self.owners.items():
            for refused in owner.unknown:
                since_s = owner.last_confirmed_s(refused.asked_s)
                if not self.is_calm(since_s, refused.at_s):
                    continue
                is_wrong = bool(owner.confirmed) and self.leased_through(
                    owner, refused.asked_s, refused.at_s
                )
                words = f"{name} was unknown at {refused.at_s:.3f}, confirmed at {since_s:.3f}"
                yield refused.at_s, words if is_wrong else None

    def look_at(self, seen: Seen) -> Iterator[tuple[str, str | None]]:
        """Each rule that applied, and in what way it is broken, if it is."""
        self._listed = defaultdict(set)
        for name, path, content in seen.records:
            self._listed[name, path].add(content)
        yield from self._records(seen)
        yield from self._peers(seen)
        for name, owner in self.owners.items():
            for path in owner.changes:
                yield from self._path(seen, name, owner, path)

    def _records(self, seen: Seen) -> Iterator[tuple[str, str | None]]:
        since_s = seen.began_s - self.limits.interval_s
        for name, path, content in seen.records:
            owner = self.owners.get(name)
            if owner is None or content not in owner.values(path, float("-inf"), seen.ended_s):
                yield "made up", f"{name} never shared {path} as {content.hex()[:8]}"
            elif self.is_calm(since_s, seen.ended_s) and owner.runs_through(since_s, seen.ended_s):
                is_wrong = content not in owner.values(path, since_s, seen.ended_s)
                old = f"{name} has long not shared {path} as {content.hex()[:8]}"
                yield "made up", old if is_wrong else None

    def _peers(self, seen: Seen) -> Iterator[tuple[str, str | None]]:
        for name in seen.peers | {name for name, _, _ in seen.records}:
            owner = self.owners.get(name)
            if owner is None:
                yield "made up", f"there is no {name}"
                continue
            lease_s = seen.began_s - self.limits.lease_s
            if self.is_calm(lease_s, seen.ended_s):
                lives = owner.runs_at_some_time(lease_s, seen.ended_s)
                yield "dead", None if lives else f"{name} has been gone for more than its lease"
            end = owner.last_end(seen.ended_s)
            if end is None or not end.was_told or end.at_s > seen.began_s:
                continue
            if self.is_calm(end.began_s, seen.ended_s):
                yield "left", f"{name} had left at {end.at_s:.3f}"
        for owner in self.owners.values():
            end = owner.last_end(seen.ended_s)
            if end is not None and end.was_told and end.at_s <= seen.began_s:
                yield "left", None

    def _path(
        self, seen: Seen, name: str, owner: _Owner, path: str
    ) -> Iterator[tuple[str, str | None]]:
        listed = self._listed.get((name, path), set())
        since_s = seen.began_s - self.limits.interval_s
        if owner.runs_through(since_s, seen.ended_s) and self.is_calm(since_s, seen.ended_s):
            values = owner.values(path, since_s, seen.ended_s)
            if len(values) == 1 and values[0] is not None:
                missing = f"{name} has long shared {path} as {values[0].hex()[:8]}"
                if values[0] in listed:
                    yield "missing", None
                elif self.leased_through(owner, since_s, seen.ended_s):
                    yield "missing", missing
                else:
                    yield "lapsed", self._lapsed(missing, owner, seen)
        told = owner.last_told(path, seen.began_s)
        if told is None:
            return
        at_s, value = told
        if not owner.runs_through(at_s, seen.ended_s) or not self.is_calm(at_s, seen.ended_s):
            return
        if owner.values(path, at_s, seen.ended_s) != [value]:
            return
        is_right = listed == (set() if value is None else {value})
        what = "removed" if value is None else value.hex()[:8]
        untold = f"{name}, {path}: {what} was told at {at_s:.3f}"
        if is_right:
            yield "untold", None
        elif listed or self.leased_through(owner, at_s, seen.ended_s):
            yield "untold", untold
        else:
            yield "lapsed", self._lapsed(untold, owner, seen)

    def _lapsed(self, words: str, owner: _Owner, seen: Seen) -> str:
        since_s = seen.ended_s - owner.last_confirmed_s(seen.ended_s)
        return f"{words}; it was confirmed {since_s:.1f} s before, or its lease had ended earlier"


def check(events: Iterable[Event], limits: Limits) -> Verdict:
    """All that cannot be, and how often each rule applied."""
    checking = _Check(events, limits)
    verdict = Verdict()
    for seen in checking.listings:
        for rule, words in checking.look_at(seen):
            verdict.checked[rule] += 1
            if words is not None:
                where = f"seen at {seen.tracker} from {seen.began_s:.3f} to {seen.ended_s:.3f}"
                found = verdict.lapsed if rule == "lapsed" else verdict.violations
                found.append(Violation(rule, seen.began_s, f"{words}; {where}"))
    for at_s, words in checking.forgotten():
        verdict.checked["forgotten"] += 1
        if words is not None:
            verdict.violations.append(Violation("forgotten", at_s, words))
    return verdict
