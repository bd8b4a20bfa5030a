"""Calls over a real channel to a real tracker, with real peers to dial back."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from panal.errors import UsageError
from panal.tracker import service
from panal.tracker.dialback import Dialback
from panal.tracker.limits import ANNOUNCES_AT_ONCE
from panal.tracker.message_room import MessageRoom
from panal.tracker.records import Records
from panal.tracker.redial import DIAL_GAP_S
from panal.tracker.registry import KEEP_S, Reach
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Holding
from panal.wire.ids import NO_ZONE
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.tracker_pb2_grpc import TrackerStub
from tests.support.clock import VirtualClock
from tests.support.network import until
from tests.support.patience import PATIENCE_S
from tests.tracker.harness import TinyPeer, Tracker, cuttable_way_to, running_tracker
from tests.tracker.makers import announcement, caller, content, digest_of, entry, registration

NOTHING = bytes(32)
OTHER_SECRET = b"o" * 32
Code = grpc.StatusCode


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    async with running_tracker() as running:
        yield running


@pytest.fixture
async def peer() -> AsyncIterator[TinyPeer]:
    async with TinyPeer() as started:
        yield started


@asynccontextmanager
async def refused(code: grpc.StatusCode, slug: str | None = None) -> AsyncIterator[list[str]]:
    words: list[str] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield words
    assert caught.value.code() is code, caught.value.details()
    details = caught.value.details() or ""
    assert "Traceback" not in details
    assert 'File "' not in details
    words.append(details)
    if slug is not None:
        assert dict(caught.value.trailing_metadata() or ())["panal-error"] == slug


async def test_a_peer_joins_announces_and_is_found(tracker: Tracker, peer: TinyPeer) -> None:
    welcome = await tracker.register(peer.who, peer.port)
    assert (welcome.observed_host, welcome.lease_s, welcome.renew_s) == ("127.0.0.1", 60.0, 20.0)
    assert welcome.reachable
    assert welcome.digest == NOTHING
    song = entry("Música/Año Nuevo.mp3", 7, 1_000, b"h" * 32)
    digest = await tracker.announce(peer.who, announcement(song))
    assert digest == digest_of(song)
    (hit,) = (await tracker.search("ano musica")).hits
    assert (hit.content, hit.size_bytes, hit.sha256) == (content(7), 1_000, b"h" * 32)
    assert (hit.names[0].peer, hit.names[0].path) == ("peer_1", "Música/Año Nuevo.mp3")
    assert hit.providers == 1
    assert await tracker.providers(content(7)) == {"peer_1": ("127.0.0.1", peer.port, True)}
    assert await tracker.providers(content(7), asker="PEER_1") == {}
    assert (await tracker.renew(peer.who, digest)).in_step


async def test_an_unreachable_peer_is_told_why_and_not_named(tracker: Tracker) -> None:
    async with TinyPeer() as gone:
        port = gone.port
    welcome = await tracker.register(caller(), port)
    assert not welcome.reachable
    assert str(port) in welcome.reachability
    await tracker.announce(caller(), announcement(entry("a", 1)))
    assert await tracker.providers(content(1)) == {}
    assert await tracker.paths() == {"a"}


def test_the_way_to_a_caller_is_looked_up_once_in_each_period(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = iter(["10.0.0.1", "10.0.0.2"])
    monkeypatch.setattr(service, "own_host_towards", lambda _: next(ways))
    service._asker.cache_clear()
    known = [service._asker("10.0.9.9", "Peer_1", NO_ZONE, period) for period in (1.0, 1.0, 2.0)]
    assert [asker.tracker_host for asker in known] == ["10.0.0.1", "10.0.0.1", "10.0.0.2"]
    assert {asker.key for asker in known} == {"peer_1"}


async def test_a_name_is_owned_by_its_secret(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    thief = caller("Peer_1", secret=OTHER_SECRET, epoch=9)
    async with refused(Code.ALREADY_EXISTS, "name-taken") as words:
        await tracker.register(thief, 6000)
    assert "peer_1" in words[0]
    await tracker.announce(peer.who, announcement(entry("a")))
    for attempt in (
        tracker.announce(thief, announcement(removed=("a",))),
        tracker.renew(thief, NOTHING),
        tracker.leave(thief),
    ):
        async with refused(Code.PERMISSION_DENIED, "refused"):
            await attempt
    assert await tracker.paths() == {"a"}
    assert (await tracker.register(peer.who, peer.port)).digest == digest_of(entry("a"))


async def test_an_older_start_is_superseded(tracker: Tracker, peer: TinyPeer) -> None:
    old, new = caller(epoch=1), caller(epoch=2)
    await tracker.register(old, peer.port)
    async with refused(Code.FAILED_PRECONDITION, "not-registered"):
        await tracker.renew(new, NOTHING)
    await tracker.register(new, peer.port)
    for attempt in (
        tracker.register(old, peer.port),
        tracker.announce(old, announcement(entry("old"))),
        tracker.renew(old, NOTHING),
        tracker.leave(old),
    ):
        async with refused(Code.FAILED_PRECONDITION, "superseded"):
            await attempt
    assert await tracker.paths() == set()


async def test_a_replayed_message_changes_nothing(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    shared = announcement(entry("a", 1), sequence=5)
    await tracker.announce(peer.who, shared)
    await tracker.announce(peer.who, announcement(removed=("a",), sequence=6))
    for late in (shared, announcement(entry("b"), sequence=6, replace_all=True)):
        assert await tracker.announce(peer.who, late) == NOTHING
    assert await tracker.paths() == set()
    await tracker.register(caller(epoch=2), peer.port)
    await tracker.announce(caller(epoch=2), announcement(entry("c"), sequence=1))
    assert await tracker.paths() == {"c"}


async def test_another_digest_means_out_of_step(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    digest = await tracker.announce(peer.who, announcement(entry("a")))
    assert (await tracker.renew(peer.who, digest)).in_step
    assert not (await tracker.renew(peer.who, NOTHING)).in_step


async def test_a_tracker_that_lost_everything_heals(peer: TinyPeer) -> None:
    async with running_tracker() as before:
        await before.register(peer.who, peer.port)
        await before.announce(peer.who, announcement(entry("a")))
    async with running_tracker() as after:
        async with refused(Code.FAILED_PRECONDITION, "not-registered"):
            await after.renew(peer.who, digest_of(entry("a")))
        await after.register(peer.who, peer.port)
        await after.announce(peer.who, announcement(entry("a"), replace_all=True, all_told=True))
        assert await after.paths() == {"a"}


async def test_a_restarted_tracker_knows_its_peers(tmp_path: Path, peer: TinyPeer) -> None:
    async with running_tracker(state_dir=tmp_path) as before:
        await before.register(peer.who, peer.port)
        digest = await before.announce(peer.who, announcement(entry("a", 1)))
    clock = VirtualClock(now_s=7.0)
    async with running_tracker(clock, state_dir=tmp_path) as after:
        assert (await after.renew(peer.who, digest)).in_step
        assert set(await after.providers(content(1))) == {"peer_1"}


async def test_a_replacement_drops_what_it_did_not_name(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    half = Holding(content(9), complete=False)
    await tracker.announce(peer.who, announcement(entry("a"), entry("b"), holdings=(half,)))
    digest = await tracker.announce(
        peer.who,
        announcement(entry("b"), replace_all=True),
        announcement(entry("c"), replace_all=True, all_told=True),
    )
    assert digest == digest_of(entry("b"), entry("c"))
    assert await tracker.paths() == {"b", "c"}
    assert await tracker.providers(content(9)) == {}


async def test_a_replacement_after_a_new_start_drops_the_old(
    tracker: Tracker, peer: TinyPeer
) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("old"), sequence=1_000_000))
    await tracker.register(caller(epoch=2), peer.port)
    replacing = announcement(entry("new"), sequence=1, replace_all=True, all_told=True)
    await tracker.announce(caller(epoch=2), replacing)
    assert await tracker.paths() == {"new"}


async def test_search_never_misses_what_stays(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a"), entry("b")))
    call = tracker.stub.Announce()
    first = announcement(entry("b"), replace_all=True)
    await call.write(catalogue.announcement_to(first, peer.who))
    later = announcement(entry("c"))
    await call.write(catalogue.announcement_to(later, None))
    while "c" not in await tracker.paths():
        pass
    assert await tracker.paths() == {"a", "b", "c"}
    await call.write(catalogue.announcement_to(announcement(all_told=True), None))
    await call.done_writing()
    await call
    assert await tracker.paths() == {"b", "c"}


@pytest.mark.parametrize("cut", [False, True], ids=["cancelled", "connection cut"])
async def test_a_broken_stream_drops_nothing(tracker: Tracker, peer: TinyPeer, cut: bool) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a")))
    async with (
        cuttable_way_to(tracker.server.port) as (port, cut_now),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        call: Any = TrackerStub(channel).Announce()  # type: ignore[no-untyped-call]
        replacing = announcement(entry("b"), replace_all=True)
        await call.write(catalogue.announcement_to(replacing, peer.who))
        while "b" not in await tracker.paths():
            pass
        if cut:
            cut_now()
        else:
            call.cancel()
        with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
            await call
    assert await tracker.paths() == {"a", "b"}
    # An end that looks clean and lacks the word is no better.
    await tracker.announce(peer.who, announcement(entry("b"), replace_all=True))
    assert await tracker.paths() == {"a", "b"}


async def test_two_copies_under_two_paths(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1), entry("b", 1)))
    (hit,) = (await tracker.search(content=content(1))).hits
    assert ({named.path for named in hit.names}, hit.providers) == ({"a", "b"}, 1)
    await tracker.announce(peer.who, announcement(removed=("a",)))
    assert set(await tracker.providers(content(1))) == {"peer_1"}
    await tracker.announce(peer.who, announcement(removed=("b",)))
    assert await tracker.providers(content(1)) == {}


async def test_a_lease_ends_by_the_clock_alone(
    tracker: Tracker, peer: TinyPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))
    tracker.clock.advance(30.0)
    await tracker.renew(peer.who, NOTHING)
    # The sweeper sleeps on this clock; a jump to the very end leaves it no time to act.
    tracker.clock._now_s += 59.9
    assert await tracker.paths() == {"a"}
    tracker.clock._now_s += 0.1
    assert await tracker.paths() == set()
    assert await tracker.providers(content(1)) == {}
    assert len((await tracker.stub.ListPeers(pb.ListPeersRequest())).peers) == 0
    async with refused(Code.FAILED_PRECONDITION, "not-registered"):
        await tracker.renew(peer.who, NOTHING)
    with caplog.at_level(logging.INFO, "panal.tracker"):
        await tracker.server.sweep()
    assert "peer_1 left: lease over" in caplog.text


async def test_the_sweeper_runs_by_itself(
    tracker: Tracker, peer: TinyPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await tracker.register(peer.who, peer.port)
    with caplog.at_level(logging.INFO, "panal.tracker"):
        tracker.clock.advance(61.0)
        while "lease over" not in caplog.text:
            await tracker.search()


async def test_joins_and_leaves_are_logged(
    tracker: Tracker, peer: TinyPeer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "panal.tracker"):
        await tracker.register(peer.who, peer.port)
        await tracker.leave(peer.who)
    assert f"peer_1 joined: 127.0.0.1 port {peer.port}" in caplog.text
    assert "peer_1 left" in caplog.text
    assert peer.who.secret.hex() not in caplog.text


async def test_leaving_takes_the_records_along(tracker: Tracker, peer: TinyPeer) -> None:
    assert not await tracker.leave(peer.who)
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))
    assert await tracker.leave(peer.who)
    assert not await tracker.leave(peer.who)
    assert await tracker.paths() == set()
    welcome = await tracker.register(caller(secret=OTHER_SECRET), peer.port)
    assert welcome.digest == NOTHING


async def test_a_clean_restart_tells_nothing_again(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    digest = await tracker.announce(peer.who, announcement(entry("a", 1)))
    await tracker.leave(peer.who)
    assert await tracker.paths() == set()
    assert await tracker.providers(content(1)) == {}
    peer.who = caller(epoch=2)
    assert (await tracker.register(peer.who, peer.port, digest=digest)).digest == digest
    assert await tracker.paths() == {"a"}


async def test_what_a_peer_shares_no_more_is_not_found_when_it_is_back(
    tracker: Tracker, peer: TinyPeer
) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))
    await tracker.leave(peer.who)
    assert (await tracker.register(peer.who, peer.port, digest=b"o" * 32)).digest == NOTHING
    assert await tracker.paths() == set()


async def test_what_a_peer_left_is_dropped_after_its_time(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    digest = await tracker.announce(peer.who, announcement(entry("a", 1)))
    await tracker.leave(peer.who)
    tracker.clock._now_s += KEEP_S
    await tracker.server.sweep()
    assert (await tracker.register(peer.who, peer.port, digest=digest)).digest == NOTHING


async def test_a_lapsed_name_brings_its_new_owner_nothing(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))
    tracker.clock._now_s += 60.0
    peer.who = caller(secret=OTHER_SECRET)
    assert (await tracker.register(peer.who, peer.port)).digest == NOTHING
    assert await tracker.paths() == set()


async def test_a_peer_that_moved_must_register_again(
    tracker: Tracker, peer: TinyPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tracker.register(peer.who, peer.port)
    monkeypatch.setattr("panal.tracker.calls.host_and_place", lambda _: ("127.0.0.2", ""))
    async with refused(Code.FAILED_PRECONDITION, "not-registered") as words:
        await tracker.renew(peer.who, NOTHING)
    assert "127.0.0.2" in words[0]


async def test_the_same_host_and_port_twice_is_refused(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    async with refused(Code.PERMISSION_DENIED, "refused") as words:
        await tracker.register(caller("peer_2", secret=OTHER_SECRET), peer.port)
    assert "another port" in words[0]


async def test_a_successor_on_a_dead_peers_port_is_admitted(
    tracker: Tracker, peer: TinyPeer
) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))
    peer.who = caller("peer_2", secret=OTHER_SECRET)
    assert (await tracker.register(peer.who, peer.port)).reachable
    assert await tracker.providers(content(1)) == {}


async def test_a_killed_suspect_is_dropped_long_before_its_lease(
    tracker: Tracker, peer: TinyPeer
) -> None:
    other = TinyPeer(caller("peer_2", secret=OTHER_SECRET))
    async with other:
        for one in (peer, other):
            await tracker.register(one.who, one.port)
            await tracker.announce(one.who, announcement(entry("a", 1)))
    both = ["PEER_1", "peer_2", "peer_3"]
    assert set(await tracker.providers(content(1))) == {"peer_1", "peer_2"}
    assert set(await tracker.providers(content(1), suspects=both)) == {"peer_1"}
    listed = (await tracker.stub.ListPeers(pb.ListPeersRequest())).peers
    assert [(one.name, one.reachable) for one in listed] == [("peer_1", True), ("peer_2", False)]


async def test_a_suspect_is_dialled_at_most_once_in_a_while(
    tracker: Tracker, peer: TinyPeer
) -> None:
    await tracker.register(peer.who, peer.port)
    peer.asked.clear()
    for _ in range(3):
        await tracker.providers(content(1), suspects=["peer_1"])
    assert len(peer.asked) == 1
    tracker.clock.advance(DIAL_GAP_S)
    await tracker.providers(content(1), suspects=["peer_1"])
    assert len(peer.asked) == 2


@pytest.mark.parametrize("was_asked", [True, False])
async def test_a_suspect_that_was_not_asked_is_as_reachable_as_before(
    tracker: Tracker, peer: TinyPeer, monkeypatch: pytest.MonkeyPatch, was_asked: bool
) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))

    async def dial(*_: object) -> Reach:
        return Reach(False, "no", was_asked)

    monkeypatch.setattr(Dialback, "dial", dial)
    named = await tracker.providers(content(1), suspects=["peer_1"])
    assert set(named) == (set() if was_asked else {"peer_1"})


async def test_only_so_many_suspects_are_dialled(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    peer.asked.clear()
    crowd = [f"nobody_{number}" for number in range(20)] + ["peer_1"]
    await tracker.providers(content(1), suspects=crowd)
    assert peer.asked == []


async def test_an_unreachable_peer_is_tried_again_when_it_renews(
    tracker: Tracker, peer: TinyPeer
) -> None:
    await peer.stop()
    assert not (await tracker.register(peer.who, peer.port)).reachable
    await peer.start()
    while not (await tracker.renew(peer.who, NOTHING)).reachable:
        tracker.clock.advance(DIAL_GAP_S / 10)
    assert (await tracker.renew(peer.who, NOTHING)).reachability.startswith("Others reach")


async def test_a_late_dial_says_nothing_about_a_new_start(
    tracker: Tracker, peer: TinyPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled, goes_on = asyncio.Event(), asyncio.Event()
    note = Records.note_reach

    async def delayed(self: Records, *arguments: Any) -> bool:
        dialled.set()
        await goes_on.wait()
        return await note(self, *arguments)

    monkeypatch.setattr(Records, "note_reach", delayed)
    await tracker.register(peer.who, peer.port)
    await peer.stop()
    asking = asyncio.create_task(tracker.providers(content(1), suspects=["peer_1"]))
    await dialled.wait()
    await peer.start()
    assert (await tracker.register(caller(epoch=2), peer.port)).reachable
    goes_on.set()
    await asking
    assert (await tracker.renew(caller(epoch=2), NOTHING)).reachable


async def test_locate_answers_in_the_order_asked(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    await tracker.announce(peer.who, announcement(entry("a", 1)))
    wanted = [content(5), content(1), content(5), content(1)]
    answer = await tracker.stub.Locate(pb.LocateRequest(contents=wanted))
    assert [one.content for one in answer.located] == wanted
    assert [len(one.providers) for one in answer.located] == [0, 1, 0, 1]


async def test_peers_are_listed_in_pages(tracker: Tracker) -> None:
    async with TinyPeer() as one, TinyPeer() as two, TinyPeer() as three:
        for name, server in (("b", one), ("C", two), ("a", three)):
            server.who = caller(name)
            await tracker.register(server.who, server.port)
    tracker.clock.advance(2.5)
    first = await tracker.stub.ListPeers(pb.ListPeersRequest(page_size=2))
    assert [peer.name for peer in first.peers] == ["a", "b"]
    assert first.peers[0].host == "127.0.0.1"
    assert first.peers[0].joined_s_ago == pytest.approx(2.5)
    rest = await tracker.stub.ListPeers(pb.ListPeersRequest(page=first.next_page))
    assert ([peer.name for peer in rest.peers], rest.next_page) == (["C"], "")


async def test_search_in_pages(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    files = [entry(f"file {number:02}", number) for number in range(5)]
    await tracker.announce(peer.who, announcement(*files))
    seen: list[bytes] = []
    page = ""
    while True:
        answer = await tracker.search("file", page=page, page_size=2)
        seen += [hit.content for hit in answer.hits]
        page = answer.next_page
        if not page:
            break
    assert seen == [content(number) for number in range(5)]


async def test_everything_is_listed_in_pages_and_never_capped(
    tracker: Tracker, peer: TinyPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.ranking.RANK_LIMIT", 3)
    for module in "sqlite_matches", "sqlite_queries":
        monkeypatch.setattr(f"panal.tracker.{module}.RANK_LIMIT", 3)
        monkeypatch.setattr(f"panal.tracker.{module}.RANKED_OF_MORE", 2)
    await tracker.register(peer.who, peer.port)
    files = [entry(f"file {number:02}", number % 3) for number in range(10)]
    await tracker.announce(peer.who, announcement(*files))
    assert (await tracker.search("file")).capped
    seen: list[str] = []
    page = ""
    while True:
        answer = await tracker.search(peer=peer.who.name, page=page, page_size=4)
        assert not answer.capped
        assert all(hit.providers == 1 for hit in answer.hits)
        seen += [named.path for hit in answer.hits for named in hit.names]
        page = answer.next_page
        if not page:
            break
    assert seen == [file.path for file in files]


SECRET = b"s" * 32
ME = pb.Caller(name="peer_1", secret=SECRET, epoch=1)
BAD_ENTRY = {"content": bytes(32), "path": "a"}


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Register", pb.RegisterRequest(http_port=5000, bound=["127.0.0.1"])),
        ("Register", pb.RegisterRequest(caller=ME, http_port=0, bound=["127.0.0.1"])),
        ("Register", pb.RegisterRequest(caller=ME, http_port=65_536, bound=["127.0.0.1"])),
        ("Register", pb.RegisterRequest(caller=ME, http_port=5000)),
        ("Register", pb.RegisterRequest(caller=ME, http_port=5000, bound=["x"] * 9)),
        ("Register", pb.RegisterRequest(caller=ME, http_port=5000, bound=["nas.local"])),
        (
            "Register",
            pb.RegisterRequest(
                caller=pb.Caller(name="../x", secret=SECRET), http_port=1, bound=["::1"]
            ),
        ),
        (
            "Register",
            pb.RegisterRequest(
                caller=pb.Caller(name="x", secret=b"short"), http_port=1, bound=["::1"]
            ),
        ),
        (
            "Register",
            pb.RegisterRequest(
                caller=pb.Caller(name="x", secret=SECRET, epoch=2**63),
                http_port=1,
                bound=["127.0.0.1"],
            ),
        ),
        ("Renew", pb.RenewRequest()),
        ("Renew", pb.RenewRequest(caller=ME, digest=b"short")),
        ("Leave", pb.LeaveRequest()),
        ("Locate", pb.LocateRequest()),
        ("Locate", pb.LocateRequest(contents=[b"short"])),
        ("Locate", pb.LocateRequest(contents=[bytes(32)] * 1_001)),
        ("Locate", pb.LocateRequest(contents=[bytes(32)], suspects=["\n"])),
        ("Search", pb.SearchRequest(words="x" * 513)),
        ("Search", pb.SearchRequest(sha256=b"short")),
        ("Search", pb.SearchRequest(min_size_bytes=2**63)),
        ("Search", pb.SearchRequest(max_size_bytes=2**64 - 1)),
        ("Search", pb.SearchRequest(page="forged")),
        ("ListPeers", pb.ListPeersRequest(page="a/b")),
        ("ListFolder", pb.ListFolderRequest()),
        ("ListFolder", pb.ListFolderRequest(peer="a", folder="../b")),
        ("ListFolder", pb.ListFolderRequest(peer="a", page="b/c")),
        ("Announce", []),
        ("Announce", [pb.AnnounceRequest(sequence=1)]),
        ("Announce", [pb.AnnounceRequest(caller=ME)]),
        ("Announce", [pb.AnnounceRequest(caller=ME, sequence=2**63)]),
        ("Announce", [pb.Entry(path="../../etc/passwd", content=bytes(32))]),
        ("Announce", [pb.Entry(path="", content=bytes(32))]),
        ("Announce", [pb.Entry(path="a\nb" * 50_000, content=bytes(32))]),
        ("Announce", [pb.Entry(path="a", content=bytes(31))]),
        ("Announce", [pb.Entry(path="a", content=bytes(32), size_bytes=2**63)]),
        ("Announce", [pb.Entry(path="a", content=bytes(32), size_bytes=MAX_CONTENT_BYTES + 1)]),
        ("Announce", [pb.Entry(path="a", content=bytes(32), sha256=b"short")]),
        ("Announce", [pb.Entry(path="a", content=bytes(32), kind=7)]),  # type: ignore[arg-type]
    ],
)
async def test_a_malformed_message_is_the_senders_fault(
    tracker: Tracker, peer: TinyPeer, method: str, request_: Any
) -> None:
    await tracker.register(peer.who, peer.port)
    if isinstance(request_, list):
        request_ = iter(
            pb.AnnounceRequest(caller=ME, sequence=1, entries=[message])
            if isinstance(message, pb.Entry)
            else message
            for message in request_
        )
    async with refused(Code.INVALID_ARGUMENT) as words:
        await getattr(tracker.stub, method)(request_)
    assert len(words[0]) <= 1_000
    assert await tracker.paths() == set()


@pytest.mark.parametrize(
    "method", ["Register", "Renew", "Leave", "Locate", "Search", "ListFolder", "ListPeers"]
)
@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x03\x0a\x01\xff", b"\x08"])
async def test_bytes_that_are_no_message(tracker: Tracker, method: str, raw: bytes) -> None:
    call: Any = tracker.channel.unary_unary(f"/panal.tracker.v1.Tracker/{method}")
    if (method, raw) == ("ListPeers", b"\x0a\x03\x0a\x01\xff"):
        raw = b"\x0a\x01\xff"
    if method == "Locate" and raw == b"\x0a\x03\x0a\x01\xff":
        raw = b"\x12\x01\xff"
    async with refused(Code.INVALID_ARGUMENT, "bad-request"):
        await call(raw)


async def test_bytes_that_are_no_announcement(tracker: Tracker, peer: TinyPeer) -> None:
    await tracker.register(peer.who, peer.port)
    call: Any = tracker.channel.stream_unary("/panal.tracker.v1.Tracker/Announce")
    first = catalogue.announcement_to(announcement(entry("a")), peer.who).SerializeToString()
    async with refused(Code.INVALID_ARGUMENT, "bad-request"):
        await call(iter([first, b"\xff\xff\xff"]))
    assert await tracker.paths() == {"a"}


async def test_an_unexpected_failure_shows_a_request_id_only(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("/home/ana/.ssh/id_rsa is on fire")

    monkeypatch.setattr(Records, "search", fail)
    async with refused(Code.INTERNAL, "failed") as words:
        await tracker.search("x")
    assert "ssh" not in words[0]
    request_id = words[0].rpartition(" ")[2]
    assert f"request id {request_id}" in caplog.text
    assert "id_rsa is on fire" in caplog.text


async def test_a_long_refusal_is_cut_to_what_metadata_can_carry(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise UsageError("ñ" * 100_000)

    monkeypatch.setattr(Records, "search", refuse)
    async with refused(Code.INVALID_ARGUMENT, "bad-request") as words:
        await tracker.search("x")
    assert set(words[0]) == {"ñ"}


async def test_a_refused_call_leaves_nothing_for_the_garbage_collector(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message is gone with it: strangers could fill the memory else."""
    seen: list[weakref.ref[object]] = []

    class Held:
        pass

    async def refuse(*_: object) -> None:
        held = Held()  # as a message is held by the frames that refuse it
        seen.append(weakref.ref(held))
        raise UsageError("no")

    monkeypatch.setattr(Records, "search", refuse)
    gc.disable()
    try:
        async with refused(Code.INVALID_ARGUMENT, "bad-request"):
            await tracker.search("x")
        # The answer may be here before the call has ended there.
        await until(lambda: [one() for one in seen] == [None], "nothing holds it any more")
    finally:
        gc.enable()


async def test_a_call_without_a_deadline_gets_one(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("panal.tracker.calls.DEADLINE_S", 0.05)
    monkeypatch.setattr(Records, "search", hang)
    async with refused(Code.DEADLINE_EXCEEDED):
        await tracker.search("x")


async def counted(tracker: Tracker, method: str) -> dict[str, int]:
    """How calls of a method ended, once one has."""
    watched = tracker.server._watched
    assert watched is not None
    while not (ended := {c: n for (m, c), n in watched._counts.ended.items() if m == method}):
        await asyncio.sleep(0)
    return ended


@pytest.mark.parametrize("how", ["DEADLINE_EXCEEDED", "CANCELLED"])
async def test_a_call_whose_time_is_over_is_no_call_that_was_given_up(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    begun = asyncio.Event()

    async def hang(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Records, "search", hang)
    is_late = how == "DEADLINE_EXCEEDED"
    call = tracker.stub.Search(pb.SearchRequest(words="x"), timeout=2 if is_late else PATIENCE_S)
    await begun.wait()
    if not is_late:
        call.cancel()
    assert await counted(tracker, "Search") == {how: 1}


async def test_an_announce_that_never_ends_is_ended(
    tracker: Tracker, peer: TinyPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.calls.ANNOUNCE_PAUSE_S", 0.05)
    await tracker.register(peer.who, peer.port)
    call = tracker.stub.Announce()
    await call.write(catalogue.announcement_to(announcement(entry("a")), peer.who))
    async with refused(Code.INVALID_ARGUMENT) as words:
        await call
    assert "pause" in words[0]
    assert await tracker.paths() == {"a"}


async def test_an_announcement_of_too_many_items_is_refused_before_they_are_looked_at(
    tracker: Tracker, peer: TinyPeer
) -> None:
    await tracker.register(peer.who, peer.port)
    for field in ("entries", "removed_paths", "holdings", "removed_holdings"):
        empty = (pb.AnnounceRequest.DESCRIPTOR.fields_by_name[field].number << 3 | 2, 0)
        raw = bytes(empty) * (catalogue.MAX_TOLD + 20)
        call: Any = tracker.channel.stream_unary("/panal.tracker.v1.Tracker/Announce")
        async with refused(Code.INVALID_ARGUMENT, "bad-request") as words:
            await call(iter([raw]))
        assert "at most 10,000 items" in words[0]


async def test_messages_of_announcements_are_decoded_as_the_records_take_them(
    tracker: Tracker, peer: TinyPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce, place, go_on = Records.announce, MessageRoom.place, asyncio.Event()
    came, decoded = 0, 0

    def counted(*given: Any) -> Any:
        nonlocal came
        came += 1
        return place(*given)

    async def held(*given: Any) -> Any:
        nonlocal decoded
        decoded += 1
        await go_on.wait()
        return await announce(*given)

    monkeypatch.setattr(MessageRoom, "place", counted)
    monkeypatch.setattr(Records, "announce", held)
    await tracker.register(peer.who, peer.port)
    told = [announcement(entry(f"{n}"), sequence=n + 1) for n in range(ANNOUNCES_AT_ONCE + 4)]
    calls = [asyncio.create_task(tracker.announce(peer.who, one)) for one in told]
    await until(lambda: came == len(told), "all have come")
    await tracker.stub.ListPeers(pb.ListPeersRequest())  # others are answered meanwhile
    assert decoded == ANNOUNCES_AT_ONCE
    go_on.set()
    await asyncio.gather(*calls)


async def test_a_message_over_the_limit_is_refused(tracker: Tracker) -> None:
    async with refused(Code.RESOURCE_EXHAUSTED):
        await tracker.stub.Search(pb.SearchRequest(words="x" * (4 * 1024 * 1024 + 1)))
    assert await tracker.paths() == set()


def test_a_peer_beside_the_tracker_has_no_addresses_but_the_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {4: ["10.0.0.5"], 6: ["2001:db8::5"]}
    monkeypatch.setattr(service, "own_addresses", own.__getitem__)
    said = ("127.0.0.1", "10.0.0.5", "10.0.0.9", "0.0.0.0", "2001:db8::5", "2001:db8::9")
    claimed = registration(bound=said)
    assert service._really_bound(claimed, "127.0.0.1").bound == said[:2] + said[3:5]
    assert service._really_bound(claimed, "10.0.0.9") == claimed
    foreign = registration(bound=("10.0.0.9",))
    assert service._really_bound(foreign, "::1").bound == ("127.0.0.1",)
