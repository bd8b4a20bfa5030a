"""Tracker messages: what goes out comes back the same, and what comes in is checked."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import UnsafeName, UsageError
from panal.wire import tracker as wire
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_pb2 as pb
from panal.wire import tracker_searches
from panal.wire.address import dialling_problem
from panal.wire.catalogue import (
    Announcement,
    Caller,
    Entry,
    Hit,
    Holding,
    NamedBy,
    PeerInfo,
    Provider,
    Registration,
    SearchPage,
    SearchQuery,
    Welcome,
)
from panal.wire.ids import ContentId, PeerName, Zone
from panal.wire.manifest import MAX_CONTENT_BYTES, Kind
from panal.wire.names import path_problem
from tests.wire import PROPERTY

ID, OTHER = ContentId(b"\x01" * 32), ContentId(b"\x02" * 32)
Read = Callable[[], object]
CALLER = Caller(PeerName("peer_1"), b"s" * 32, 7)


def over_the_wire(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


# There and back --------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 1, 2**63, 2**64 - 1])
def test_a_caller(epoch: int) -> None:
    caller = Caller(PeerName("a" * 63), bytes(range(32)), epoch)
    assert wire.caller_from(over_the_wire(wire.caller_to(caller))) == caller


@pytest.mark.parametrize(
    "bound", [("127.0.0.1",), ("0.0.0.0", "::"), ("192.168.1.5", "fd00::5"), ("10.0.0.1",) * 8]
)
@pytest.mark.parametrize("port", [1, 65_535])
def test_a_registration(bound: tuple[str, ...], port: int) -> None:
    registration = Registration(CALLER, port, bound, zone=Zone("rack1"))
    message = over_the_wire(wire.registration_to(registration))
    assert wire.registration_from(message) == registration


@pytest.mark.parametrize("reachable", [True, False])
def test_a_welcome(reachable: bool) -> None:
    welcome = Welcome("192.168.1.5", 60.0, 20.0, reachable, "It answers.", b"d" * 32)
    assert wire.welcome_from(over_the_wire(wire.welcome_to(welcome))) == welcome


ENTRIES = st.builds(
    Entry,
    path=st.text(min_size=1, max_size=30).filter(lambda text: path_problem(text) is None),
    content=st.binary(min_size=32, max_size=32).map(ContentId),
    size_bytes=st.integers(0, MAX_CONTENT_BYTES),
    kind=st.sampled_from(Kind),
    sha256=st.none() | st.binary(min_size=32, max_size=32),
)


@PROPERTY
@given(ENTRIES)
def test_every_entry(entry: Entry) -> None:
    back = catalogue.entry_from(over_the_wire(catalogue.entry_to(entry)))
    assert back == entry
    assert isinstance(back.kind, Kind)
    assert back.digest() == entry.digest()


ANNOUNCEMENT = Announcement(
    sequence=9,
    replace_all=True,
    entries=(Entry("a/b", ID, 5, Kind.COLLECTION, b"h" * 32), Entry("c", OTHER, 0)),
    removed_paths=("x", "y/z"),
    holdings=(Holding(ID, True), Holding(OTHER, False)),
    removed_holdings=(OTHER, ID),
)


@pytest.mark.parametrize("announcement", [ANNOUNCEMENT, Announcement(1), Announcement(2**63 - 1)])
def test_an_announcement(announcement: Announcement) -> None:
    first = over_the_wire(catalogue.announcement_to(announcement, CALLER))
    later = over_the_wire(catalogue.announcement_to(announcement, None))
    assert catalogue.announcement_from(first) == catalogue.announcement_from(later) == announcement
    assert wire.caller_from(first.caller) == CALLER
    assert not later.HasField("caller")


@pytest.mark.parametrize("complete", [True, False])
def test_a_provider(complete: bool) -> None:
    provider = Provider(PeerName("p"), "192.168.1.5", 5000, complete, Zone("rack1"))
    assert catalogue.provider_from(over_the_wire(catalogue.provider_to(provider))) == provider


def test_peers_and_trackers_of_before_say_nothing_of_zones() -> None:
    registration = Registration(CALLER, 5000, ("127.0.0.1",), zone=Zone("rack1"))
    message = wire.registration_to(registration)
    message.ClearField("zone")
    assert wire.registration_from(over_the_wire(message)).zone == ""
    provider = pb.Provider(peer="p", host="10.0.0.1", port=1)
    assert catalogue.provider_from(over_the_wire(provider)).zone == ""


@pytest.mark.parametrize("zone", ["a b", "-x", "x" * 64, "ñ", "a/b", "\n"])
def test_a_zone_against_the_rules_is_refused(zone: str) -> None:
    message = wire.registration_to(Registration(CALLER, 5000, ("127.0.0.1",)))
    message.zone = zone
    with pytest.raises(UsageError, match="is no zone"):
        wire.registration_from(message)


def test_located() -> None:
    one = Provider(PeerName("p"), "192.168.1.5", 5000, True)
    other = Provider(PeerName("q"), "fd00::5", 5001, False)
    message = over_the_wire(catalogue.located_to([(ID, [one, other]), (OTHER, [])]))
    assert [located.content for located in message.located] == [ID, OTHER]
    assert [catalogue.provider_from(p) for p in message.located[0].providers] == [one, other]
    assert not message.located[1].providers


def test_what_one_alone_holds_is_told_of_that_one() -> None:
    one, other = (Provider(PeerName("p"), "192.168.1.5", port, True) for port in (1, 2))
    for content, provider in (ID, one), (ID, other), (OTHER, one), (ID, one):
        located = catalogue.located_to([(content, [provider])]).located
        assert [told.content for told in located] == [content]
        assert [catalogue.provider_from(p) for p in located[0].providers] == [provider]


def test_contents() -> None:
    message = over_the_wire(pb.LocateRequest(contents=[ID, OTHER, ID]))
    assert catalogue.contents_from(message) == [ID, OTHER, ID]


@pytest.mark.parametrize(
    "query",
    [
        SearchQuery(),
        SearchQuery(
            words="dos palabras",
            content=ID,
            sha256=b"h" * 32,
            peer="peer_1",
            kind=Kind.FILE,
            min_size_bytes=1,
            max_size_bytes=2,
            page="token",
            page_size=5,
        ),
        SearchQuery(kind=Kind.COLLECTION, page_size=1_000),
        SearchQuery(words="x" * 512),
        SearchQuery(words="ñ" * 512),
    ],
)
def test_a_query(query: SearchQuery) -> None:
    back = tracker_searches.query_from(over_the_wire(tracker_searches.query_to(query)))
    assert back == query
    assert back.kind is query.kind


@pytest.mark.parametrize(
    ("asked", "given_"),
    [(0, 100), (1, 1), (999, 999), (1_000, 1_000), (1_001, 1_000), (2**32 - 1, 1_000)],
)
def test_a_page_size_is_capped(asked: int, given_: int) -> None:
    assert tracker_searches.query_from(pb.SearchRequest(page_size=asked)).page_size == given_


HIT = Hit(
    ID,
    5,
    Kind.COLLECTION,
    b"h" * 32,
    (NamedBy(PeerName("p"), "a"), NamedBy(PeerName("q"), "b/c")),
    7,
    2,
)


@pytest.mark.parametrize(
    "page",
    [
        SearchPage((), "", False),
        SearchPage((HIT, Hit(OTHER, MAX_CONTENT_BYTES, Kind.FILE, None, (), 0, 0)), "more", True),
    ],
)
def test_a_page(page: SearchPage) -> None:
    assert tracker_searches.page_from(over_the_wire(tracker_searches.page_to(page))) == page


@pytest.mark.parametrize("host", ["192.168.1.5", "fd00::5", ""])
def test_a_peer(host: str) -> None:
    """A peer that the asker cannot call has no host."""
    info = PeerInfo(PeerName("p"), host, 5000, False, 2**40, 60.5, 0.0)
    assert wire.peer_info_from(over_the_wire(wire.peer_info_to(info))) == info


def test_a_digest() -> None:
    assert wire.digest_from(b"d" * 32) == b"d" * 32


# What is refused -------------------------------------------------------------------------

GOOD_CALLER = wire.caller_to(CALLER)


def a_hit_of(peer: str, path: str) -> pb.Hit:
    return pb.Hit(content=ID, names=[pb.NamedBy(peer=peer, path=path)])


@pytest.mark.parametrize("length", [0, 1, 31, 33, 1_000])
def test_a_secret_has_32_bytes(length: int) -> None:
    with pytest.raises(UsageError, match="32 bytes"):
        wire.caller_from(pb.Caller(name="a", secret=bytes(length)))


@pytest.mark.parametrize("name", ["", "-a", "a b", "a" * 64, "a\n", "á"])
def test_a_name_is_checked_wherever_it_comes_in(name: str) -> None:
    reads: list[Read] = [
        lambda: wire.caller_from(pb.Caller(name=name, secret=bytes(32))),
        lambda: catalogue.provider_from(pb.Provider(peer=name, host="10.0.0.1", port=1)),
        lambda: tracker_searches.hit_from(
            pb.Hit(content=ID, names=[pb.NamedBy(peer=name, path="a")])
        ),
        lambda: wire.peer_info_from(pb.PeerInfo(name=name, host="10.0.0.1", port=1)),
    ]
    if name:
        reads.append(lambda: tracker_searches.query_from(pb.SearchRequest(peer=name)))
    for read in reads:
        with pytest.raises(UsageError, match="no peer name"):
            read()


@pytest.mark.parametrize("path", ["", "/a", "../a", "a//b", ".panal/x", "a\x1b", "a" * 256])
def test_a_path_is_checked_wherever_it_comes_in(path: str) -> None:
    reads: list[Read] = [
        lambda: catalogue.entry_from(pb.Entry(path=path, content=ID)),
        lambda: catalogue.announcement_from(pb.AnnounceRequest(removed_paths=[path])),
        lambda: catalogue.announcement_from(
            pb.AnnounceRequest(entries=[pb.Entry(path=path, content=ID)])
        ),
        lambda: tracker_searches.hit_from(
            pb.Hit(content=ID, names=[pb.NamedBy(peer="p", path=path)])
        ),
    ]
    for read in reads:
        with pytest.raises(UnsafeName):
            read()


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33), b"0" * 64])
def test_an_id_is_checked_wherever_it_comes_in(raw: bytes) -> None:
    reads: list[Read] = [
        lambda: catalogue.entry_from(pb.Entry(path="a", content=raw)),
        lambda: catalogue.announcement_from(pb.AnnounceRequest(holdings=[pb.Holding(content=raw)])),
        lambda: catalogue.announcement_from(pb.AnnounceRequest(removed_holdings=[ID, raw])),
        lambda: catalogue.contents_from(pb.LocateRequest(contents=[ID, raw])),
        lambda: tracker_searches.hit_from(pb.Hit(content=raw)),
    ]
    for read in reads:
        with pytest.raises(UsageError, match="content id"):
            read()


@pytest.mark.parametrize(
    "wrong",
    [
        pb.Entry(path="b", content=bytes(31)),
        pb.Entry(path="b", content=ID, size_bytes=MAX_CONTENT_BYTES + 1),
        pb.Entry(path="b", content=ID, kind=9),  # type: ignore[arg-type]  # as others may send
        pb.Entry(path="b", content=ID, sha256=bytes(31)),
        pb.Entry(path="../b", content=ID),
    ],
)
def test_one_wrong_entry_among_others_is_refused_as_it_is_alone(wrong: pb.Entry) -> None:
    right = pb.Entry(path="a", content=ID, sha256=ID)
    with pytest.raises(UsageError) as alone:
        catalogue.entry_from(wrong)
    for entries in ([wrong], [wrong, right], [right, wrong, right]):
        with pytest.raises(UsageError) as refused:
            catalogue.announcement_from(pb.AnnounceRequest(entries=entries))
        assert str(refused.value) == str(alone.value)
    assert catalogue.entries_from([right]) == (catalogue.entry_from(right),)


@pytest.mark.parametrize("raw", [b"0", bytes(31), bytes(33)])
def test_a_search_for_an_id_is_for_a_whole_one(raw: bytes) -> None:
    with pytest.raises(UsageError, match="content id"):
        tracker_searches.query_from(pb.SearchRequest(content=raw))


@pytest.mark.parametrize("raw", [b"0", bytes(31), bytes(33), b"0" * 64])
def test_a_sha256_is_checked_wherever_it_comes_in(raw: bytes) -> None:
    reads: list[Read] = [
        lambda: catalogue.entry_from(pb.Entry(path="a", content=ID, sha256=raw)),
        lambda: tracker_searches.hit_from(pb.Hit(content=ID, sha256=raw)),
        lambda: tracker_searches.query_from(pb.SearchRequest(sha256=raw)),
    ]
    for read in reads:
        with pytest.raises(UsageError, match="SHA-256"):
            read()


def test_a_kind_is_checked_wherever_it_comes_in() -> None:
    unknown: Any = 2  # proto3 hands unknown numbers on
    reads: list[Read] = [
        lambda: catalogue.entry_from(over_the_wire(pb.Entry(path="a", content=ID, kind=unknown))),
        lambda: tracker_searches.hit_from(over_the_wire(pb.Hit(content=ID, kind=unknown))),
        lambda: tracker_searches.query_from(over_the_wire(pb.SearchRequest(kind=unknown))),
    ]
    for read in reads:
        with pytest.raises(UsageError, match="kind"):
            read()


@pytest.mark.parametrize("size_bytes", [MAX_CONTENT_BYTES + 1, 2**63, 2**64 - 1])
def test_a_size_is_checked_wherever_it_comes_in(size_bytes: int) -> None:
    reads: list[Read] = [
        lambda: catalogue.entry_from(pb.Entry(path="a", content=ID, size_bytes=size_bytes)),
        lambda: tracker_searches.hit_from(pb.Hit(content=ID, size_bytes=size_bytes)),
    ]
    for read in reads:
        with pytest.raises(UsageError, match="at most"):
            read()


@pytest.mark.parametrize("port", [0, 65_536, 2**32 - 1])
def test_a_port_is_checked_wherever_it_comes_in(port: int) -> None:
    reads: list[Read] = [
        lambda: wire.registration_from(
            pb.RegisterRequest(caller=GOOD_CALLER, http_port=port, bound=["127.0.0.1"])
        ),
        lambda: catalogue.provider_from(pb.Provider(peer="p", host="10.0.0.1", port=port)),
        lambda: wire.peer_info_from(pb.PeerInfo(name="p", host="10.0.0.1", port=port)),
    ]
    for read in reads:
        with pytest.raises(UsageError, match="no port"):
            read()


@pytest.mark.parametrize(
    "host", ["tracker.example", "localhost", "\x1b[2J", "fe80::1%eth0", "10.0.0.1:80", " "]
)
def test_a_host_is_an_ip_literal_wherever_it_comes_in(host: str) -> None:
    good = pb.RegisterResponse(digest=bytes(32), observed_host=host)
    reads: list[Read] = [
        lambda: wire.registration_from(
            pb.RegisterRequest(caller=GOOD_CALLER, http_port=1, bound=["127.0.0.1", host])
        ),
        lambda: wire.welcome_from(good),
        lambda: wire.peer_info_from(pb.PeerInfo(name="p", host=host, port=1)),
    ]
    for read in reads:
        with pytest.raises(UsageError) as refused:
            read()
        assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("host", ["", "tracker.example", "169.254.169.254"])
def test_a_provider_may_have_any_host_and_is_then_left_out_by_who_would_dial(host: str) -> None:
    """So that one bad provider does not cost the others: see wire.address."""
    provider = catalogue.provider_from(pb.Provider(peer="p", host=host, port=1))
    assert dialling_problem(provider.host, provider.port)


def test_a_host_has_one_way_of_being_written() -> None:
    info = wire.peer_info_from(pb.PeerInfo(name="p", host="FD00:0::5", port=1))
    assert info.host == "fd00::5"
    message = pb.RegisterRequest(caller=GOOD_CALLER, http_port=1, bound=["::0", "::ffff:10.0.0.1"])
    assert wire.registration_from(message).bound == ("::", "10.0.0.1")


@pytest.mark.parametrize("count", [0, 9, 10_000])
def test_a_peer_names_1_to_8_addresses(count: int) -> None:
    with pytest.raises(UsageError, match="1 to 8"):
        wire.registration_from(
            pb.RegisterRequest(caller=GOOD_CALLER, http_port=1, bound=["10.0.0.1"] * count)
        )


@pytest.mark.parametrize("count", [0, 1_001])
def test_1_to_1000_contents_are_located(count: int) -> None:
    with pytest.raises(UsageError, match="1 to 1000"):
        catalogue.contents_from(pb.LocateRequest(contents=[ID] * count))
    for fine in (1, 1_000):
        assert len(catalogue.contents_from(pb.LocateRequest(contents=[ID] * fine))) == fine


def test_a_search_has_at_most_512_characters() -> None:
    with pytest.raises(UsageError, match="512"):
        tracker_searches.query_from(pb.SearchRequest(words="x" * 513))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_digest_has_32_bytes_wherever_it_comes_in(length: int) -> None:
    with pytest.raises(UsageError, match="32 bytes"):
        wire.digest_from(bytes(length))
    with pytest.raises(UsageError, match="32 bytes"):
        wire.welcome_from(pb.RegisterResponse(observed_host="::1", digest=bytes(length)))


@pytest.mark.parametrize(
    ("lease_s", "renew_s", "kept"),
    [
        (60.0, 20.0, (60.0, 20.0)),
        (0.0, 0.0, (1.0, 0.2)),
        (-5.0, -5.0, (1.0, 0.2)),
        (1e9, 1e9, (3_600.0, 1_200.0)),
        (math.inf, math.inf, (3_600.0, 1_200.0)),
        (-math.inf, -math.inf, (1.0, 0.2)),
        (math.nan, math.nan, (1.0, 0.2)),
    ],
)
def test_a_tracker_sets_no_interval_beyond_reason(
    lease_s: float, renew_s: float, kept: tuple[float, float]
) -> None:
    message = pb.RegisterResponse(
        observed_host="::1", digest=bytes(32), lease_s=lease_s, renew_s=renew_s
    )
    welcome = wire.welcome_from(message)
    assert (welcome.lease_s, welcome.renew_s) == kept


@pytest.mark.parametrize("ago_s", [math.nan, math.inf, -math.inf, -1.0])
def test_a_time_ago_is_a_number_that_can_be_shown(ago_s: float) -> None:
    message = pb.PeerInfo(
        name="p", host="10.0.0.1", port=1, joined_s_ago=ago_s, renewed_s_ago=ago_s
    )
    info = wire.peer_info_from(message)
    assert 0.0 <= info.joined_s_ago <= 1e10
    assert 0.0 <= info.renewed_s_ago <= 1e10


MESSAGES: list[tuple[Any, Any]] = [
    (pb.Caller, wire.caller_from),
    (pb.RegisterRequest, wire.registration_from),
    (pb.RegisterResponse, wire.welcome_from),
    (pb.AnnounceRequest, catalogue.announcement_from),
    (pb.LocateRequest, catalogue.contents_from),
    (pb.Provider, catalogue.provider_from),
    (pb.SearchRequest, tracker_searches.query_from),
    (pb.SearchResponse, tracker_searches.page_from),
    (pb.PeerInfo, wire.peer_info_from),
]


@pytest.mark.parametrize(("message", "read"), MESSAGES, ids=[m[0].__name__ for m in MESSAGES])
def test_an_empty_message_is_taken_or_refused_in_words(message: Any, read: Any) -> None:
    if message in {pb.SearchRequest, pb.SearchResponse, pb.AnnounceRequest}:
        read(message())
    else:
        with pytest.raises(UsageError):
            read(message())


def test_words_that_no_name_can_have_are_the_askers_fault() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        tracker_searches.query_to(SearchQuery("latin\udce9"))
