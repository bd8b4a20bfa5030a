"""The check of histories: each rule broken once on paper; then real trackers, right and broken."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from time import monotonic
from typing import Any

import pytest
from msgspec.structs import replace

from benchmarks.history.checking import Limits, Verdict, check
from benchmarks.history.events import (
    Changed,
    ClockRead,
    Confirmed,
    Disturbed,
    Ended,
    Event,
    History,
    Seen,
    Started,
    Told,
    Unknown,
)
from benchmarks.history.peers import DialbackHost, RecordedPeer, look
from panal.clock import SystemClock
from panal.peer.tracker_client import TrackerClient
from panal.tracker import registry
from panal.wire.catalogue import Announcement
from tests.support.network import until
from tests.support.patience import PATIENCE_S
from tests.support.replicas import SharedStorage, Trackers

LIMITS = Limits(interval_s=10.0, lease_s=30.0)
A, B = b"a" * 32, b"b" * 32
LIVE: tuple[Event, ...] = (Started("p", 0.0), Changed("p", "f", A, 1.0))


def seen(at_s: float, *contents: bytes, peers: str = "p", path: str = "f") -> Seen:
    records = frozenset((peers, path, content) for content in contents)
    return Seen("t", at_s, at_s + 0.1, records, frozenset([peers] if peers else []))


def broken(*events: Event) -> set[str]:
    return {violation.rule for violation in check(events, LIMITS).violations}


def test_what_is_right_passes_and_was_looked_at() -> None:
    told = Told("p", "f", A, 2.0)
    verdict = check([*LIVE, told, seen(3.0, A), seen(20.0, A)], LIMITS)
    assert verdict.violations == []
    assert verdict.checked == {"untold": 2, "missing": 1, "dead": 2, "made up": 1}


def test_records_that_nobody_made() -> None:
    assert broken(*LIVE, seen(3.0, B)) == {"made up"}
    assert broken(*LIVE, seen(3.0, A, peers="q")) == {"made up"}
    assert broken(*LIVE, seen(3.0, A, path="g")) == {"made up"}
    assert broken(*LIVE, seen(0.5, A)) == {"made up"}  # before its owner had it


def test_what_is_shared_no_more_may_be_seen_for_an_interval() -> None:
    gone = Changed("p", "f", None, 5.0)
    assert broken(*LIVE, gone, seen(14.0, A)) == set()
    assert broken(*LIVE, gone, seen(16.0, A)) == {"made up"}
    assert broken(*LIVE, gone, Disturbed("x", 4.0, 7.0), seen(16.0, A)) == set()


def test_what_has_long_been_shared_is_missing() -> None:
    assert broken(*LIVE, seen(10.9)) == set()
    assert broken(*LIVE, seen(11.1)) == {"missing"}
    assert broken(*LIVE, Disturbed("x", 3.0, 5.0), seen(14.0)) == set()
    assert broken(*LIVE, Disturbed("x", 3.0, 5.0), seen(16.0)) == {"missing"}
    assert broken(*LIVE, Changed("p", "f", B, 5.0), seen(12.0)) == set()
    assert broken(*LIVE, Ended("p", 12.0, 13.0, was_told=False), seen(14.0)) == set()


def test_what_was_acknowledged_counts_at_every_tracker_until_it_changes() -> None:
    told = Told("p", "f", A, 2.0)
    assert broken(*LIVE, told, seen(2.1)) == {"untold"}
    assert broken(*LIVE, told, Changed("p", "f", B, 2.05), seen(2.1)) == set()
    removed = (Changed("p", "f", None, 3.0), Told("p", "f", None, 4.0))
    assert broken(*LIVE, told, *removed, seen(4.1, A)) == {"untold"}
    assert broken(*LIVE, told, *removed, Disturbed("x", 3.5, 4.05), seen(4.1, A)) == set()


def test_whom_nobody_may_name_any_more() -> None:
    died = Ended("p", 5.0, 5.0, was_told=False)
    assert broken(*LIVE, died, seen(34.0)) == set()
    assert broken(*LIVE, died, seen(36.0)) == {"dead"}
    assert broken(*LIVE, died, Started("p", 35.5), seen(36.0)) == set()
    left = Ended("p", 5.0, 5.5, was_told=True)
    assert broken(*LIVE, left, seen(5.2)) == set()
    assert broken(*LIVE, left, seen(5.6)) == {"left"}
    assert broken(*LIVE, left, Started("p", 5.6), seen(5.7)) == set()


LEASED = dataclasses.replace(LIMITS, granted_s=9.0)


def lapses(*events: Event) -> tuple[set[str], int]:
    """Which rules are broken, and how often a lease had ended instead."""
    verdict = check(events, LEASED)
    return {violation.rule for violation in verdict.violations}, len(verdict.lapsed)


def confirmed(*asked_s: float) -> list[Event]:
    return [Confirmed("p", at_s, at_s + 0.2) for at_s in asked_s]


def test_what_a_lease_that_ended_took_with_it_is_no_violation() -> None:
    told = Told("p", "f", A, 2.0)
    in_time, late = confirmed(0.5, 3.5, 6.5, 9.5), confirmed(0.5, 3.5)
    assert lapses(*LIVE, told, *in_time, seen(12.0)) == ({"missing", "untold"}, 0)
    assert lapses(*LIVE, told, *late, seen(12.3)) == ({"missing", "untold"}, 0)
    assert lapses(*LIVE, told, *late, seen(12.45)) == (set(), 2)  # 3.5 s and a lease
    assert lapses(*LIVE, told, *late, seen(12.45, A)) == (set(), 0)
    assert lapses(*LIVE, told, *late, seen(12.45, B)) == ({"made up", "untold"}, 1)
    between = confirmed(0.5, 3.5, 12.6)  # it came back, and has told nothing yet
    assert lapses(*LIVE, told, *between, seen(13.0)) == (set(), 2)


def test_whoever_is_in_time_by_a_clock_that_was_set_is_not() -> None:
    told, in_time = Told("p", "f", A, 2.0), confirmed(0.5, 3.5)
    steady = [ClockRead(s, s + 0.1, 1_000.0 + s) for s in (0.0, 4.0, 8.0)]
    ahead = ClockRead(9.0, 9.1, 1_012.0)
    assert lapses(*LIVE, told, *in_time, *steady, seen(11.5)) == ({"missing", "untold"}, 0)
    assert lapses(*LIVE, told, *in_time, *steady, ahead, seen(11.5)) == (set(), 2)


def test_who_is_unknown_while_its_lease_runs_was_forgotten() -> None:
    in_time = confirmed(0.5, 3.5)
    assert lapses(*LIVE, *in_time, Unknown("p", 6.5, 6.6)) == ({"forgotten"}, 0)
    assert lapses(*LIVE, *in_time, Unknown("p", 12.5, 12.6)) == (set(), 0)
    lost = Disturbed("x", 5.0, 6.0)
    assert lapses(*LIVE, *in_time, lost, Unknown("p", 6.5, 6.6)) == (set(), 0)


# Real ones --------------------------------------------------------------------------------


@asynccontextmanager
async def crowd(
    trackers: Trackers, count: int
) -> AsyncIterator[tuple[list[RecordedPeer], History, DialbackHost]]:
    history = History(monotonic)
    async with DialbackHost() as host:
        peers = [
            RecordedPeer(f"peer-{n}", trackers.addresses, history, SystemClock(), Random(n))
            for n in range(count)
        ]
        try:
            yield peers, history, host
        finally:
            for peer in peers:
                await peer.end(politely=False)


async def all_told(peers: list[RecordedPeer]) -> None:
    """Until each change that was made has been acknowledged, and noted so."""
    for peer in peers:
        await until(partial(_has_told, peer), f"{peer.name} has told everything")


def _has_told(peer: RecordedPeer) -> bool:
    return not peer._waiting


async def looked_at(tracker: str, history: History) -> None:
    """Look until it answers: gRPC pauses before it connects anew to one that has come back."""
    async with asyncio.timeout(PATIENCE_S):
        while not await look(tracker, history):
            pass


async def many_things_happen(trackers: Trackers, steps: int = 60) -> Verdict:
    """Peers change, go and come; trackers too; the longest times are those of a slow machine."""
    chance = Random(11)
    async with crowd(trackers, 6) as (peers, history, host):
        for peer in peers:
            await peer.start(host)
            for number in range(3):
                peer.change(f"f{number}", is_shared=True)
        for step in range(steps):
            peer = chance.choice(peers)
            if step % 10 == 9:
                number = chance.randrange(2)
                if len(trackers.running) == 2:
                    await trackers.stop(number)
                else:
                    await trackers.start(({0, 1} - set(trackers.running)).pop())
            elif chance.random() < 0.1 and peer.is_running:
                await peer.end(politely=chance.random() < 0.5)
            elif not peer.is_running:
                await peer.start(host)
            else:
                peer.change(f"f{chance.randrange(3)}", is_shared=chance.random() < 0.6)
            if step % 10 == 4:
                await all_told(peers)
            for number in trackers.running:
                await look(trackers.addresses[number], history)
        for peer in peers:
            if peer.is_running:
                peer.change("last", is_shared=True)
                peer.change("f0", is_shared=False)
        await all_told(peers)
        for number in trackers.running:
            await looked_at(trackers.addresses[number], history)
    return check(history.events, Limits(interval_s=60.0, lease_s=120.0))


async def test_nothing_is_lost_or_made_up_while_replicas_go_and_come() -> None:
    async with Trackers(2, are_replicas=True) as trackers:
        verdict = await many_things_happen(trackers)
    assert [violation.words for violation in verdict.violations] == []
    assert verdict.checked["untold"] > 300
    assert verdict.checked["left"] > 0


def forgetful(storage: SharedStorage) -> None:
    """Acknowledges what it does not record."""
    real: Callable[..., bytes] = storage.storage.apply

    def losing(name: Any, announcement: Any) -> bytes:
        return real(name, replace(announcement, entries=announcement.entries[:-1]))

    storage.storage.apply = losing  # type: ignore[method-assign]


def stubborn(storage: SharedStorage) -> None:
    """Never removes anything."""
    real: Callable[..., bytes] = storage.storage.apply

    def keeping(name: Any, announcement: Any) -> bytes:
        return real(name, replace(announcement, removed_paths=()))

    storage.storage.apply = keeping  # type: ignore[method-assign]


@pytest.mark.parametrize("breaking", [forgetful, stubborn])
async def test_a_store_that_is_broken_is_found_out(
    breaking: Callable[[SharedStorage], None],
) -> None:
    async with Trackers(2, are_replicas=True) as trackers:
        assert trackers.shared is not None
        breaking(trackers.shared)
        verdict = await many_things_happen(trackers, steps=20)
    assert "untold" in {violation.rule for violation in verdict.violations}


async def told_again_late() -> Verdict:
    """A peer takes a file back; then its announcement arrives once more, at the other tracker."""
    async with (
        Trackers(2, are_replicas=True, renew_s=20.0) as trackers,
        crowd(trackers, 1) as ((peer,), history, host),
    ):
        await peer.start(host)
        peer.change("taken back", is_shared=True)
        await all_told([peer])
        late = peer.shared["taken back"]
        peer.change("taken back", is_shared=False)
        await all_told([peer])
        announcer, client = peer.announcer, peer.client
        assert announcer is not None
        assert client is not None
        (other,) = set(trackers.addresses) - {client.address}

        async def once_more() -> AsyncIterator[Announcement]:
            yield Announcement(announcer._sequence - 1, entries=(late,))

        impostor = TrackerClient([other])
        await impostor.announce(announcer._caller, once_more())
        await impostor.close()
        for address in trackers.addresses:
            await looked_at(address, history)
    return check(history.events, Limits(interval_s=60.0, lease_s=120.0))


async def test_an_announcement_that_arrives_late_undoes_nothing() -> None:
    verdict = await told_again_late()
    assert verdict.violations == []
    assert verdict.checked["untold"] == 2


async def test_and_where_it_did_that_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "is_fresh", lambda record, sequence: True)
    assert {violation.rule for violation in (await told_again_late()).violations} == {"untold"}
