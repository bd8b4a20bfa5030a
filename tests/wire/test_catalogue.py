"""The catalogue's digest: canonical bytes, and a sum without order or memory."""

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from panal.wire.catalogue import (
    DIGEST_BYTES,
    Announcement,
    CatalogueDigest,
    Entry,
    Holding,
    SearchQuery,
)
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind
from tests.wire import PROPERTY

ID = ContentId(bytes(range(32)))


def digest_of(*items: Entry | Holding) -> bytes:
    digest = CatalogueDigest()
    for item in items:
        digest.add(item)
    return digest.value()


def test_nothing_is_32_zeros() -> None:
    assert CatalogueDigest().value() == bytes(32)
    assert DIGEST_BYTES == 32


def test_an_entry_is_the_hash_of_its_canonical_bytes() -> None:
    entry = Entry("x/año.txt", ID, 0x0102030405, Kind.COLLECTION, b"s" * 32)
    canonical = (
        b"e" + ID + b"\x01" + b"\x05\x04\x03\x02\x01\0\0\0" + b"s" * 32 + b"x/a\xc3\xb1o.txt"
    )
    assert digest_of(entry) == blake3(canonical).digest()


def test_an_entry_that_is_not_vouched_for_has_zeros() -> None:
    canonical = b"e" + ID + b"\x00" + bytes(8) + bytes(32) + b"a"
    assert digest_of(Entry("a", ID, 0)) == blake3(canonical).digest()


@pytest.mark.parametrize(("complete", "state"), [(True, b"\x01"), (False, b"\x00")])
def test_a_holding_is_the_hash_of_its_canonical_bytes(complete: bool, state: bytes) -> None:
    assert digest_of(Holding(ID, complete)) == blake3(b"h" + ID + state).digest()


def test_the_sum_is_of_little_endian_numbers_and_wraps() -> None:
    entry, holding = Entry("a", ID, 1), Holding(ID, True)
    one, other = digest_of(entry), digest_of(holding)
    total = int.from_bytes(one, "little") + int.from_bytes(other, "little")
    assert digest_of(entry, holding) == (total % 2**256).to_bytes(32, "little")
    almost = CatalogueDigest(b"\xff" * 32)
    almost.add(holding)
    assert almost.value() == (int.from_bytes(other, "little") - 1).to_bytes(32, "little")


def test_taking_away_what_was_not_there_wraps_and_comes_back() -> None:
    digest = CatalogueDigest()
    digest.remove(Holding(ID, True))
    digest.add(Holding(ID, True))
    assert digest.value() == bytes(32)


DIFFERENT: list[Entry | Holding] = [
    Entry("a", ID, 1),
    Entry("b", ID, 1),
    Entry("a", ContentId(bytes(32)), 1),
    Entry("a", ID, 2),
    Entry("a", ID, 1, Kind.COLLECTION),
    Entry("a", ID, 1, Kind.FILE, b"s" * 32),
    Entry("a", ID, 1, Kind.FILE, b"t" * 32),
    Holding(ID, True),
    Holding(ID, False),
    Holding(ContentId(bytes(32)), True),
]


def test_every_field_counts() -> None:
    assert len({digest_of(item) for item in DIFFERENT}) == len(DIFFERENT)


def test_what_is_not_said_restricts_and_replaces_nothing() -> None:
    assert Announcement(1) == Announcement(1, False, False, (), (), (), ())
    assert SearchQuery() == SearchQuery(
        words="",
        content=None,
        sha256=None,
        peer="",
        kind=None,
        min_size_bytes=0,
        max_size_bytes=0,
        page="",
        page_size=100,
    )


IDS = st.binary(min_size=32, max_size=32).map(ContentId)
ENTRIES = st.builds(
    Entry,
    path=st.text(min_size=1, max_size=9),
    content=IDS,
    size_bytes=st.integers(0, 2**41),
    kind=st.sampled_from(Kind),
    sha256=st.none() | st.binary(min_size=32, max_size=32),
)
ITEMS = ENTRIES | st.builds(Holding, content=IDS, complete=st.booleans())


@PROPERTY
@given(
    st.lists(ITEMS, max_size=8).flatmap(lambda got: st.tuples(st.just(got), st.permutations(got)))
)
def test_order_leaves_no_trace(drawn: tuple[list[Entry | Holding], list[Entry | Holding]]) -> None:
    one, other = drawn
    assert digest_of(*one) == digest_of(*other)


@PROPERTY
@given(st.lists(ITEMS, max_size=5), st.lists(ITEMS, max_size=5))
def test_what_came_and_went_leaves_no_trace(
    stays: list[Entry | Holding], goes: list[Entry | Holding]
) -> None:
    digest = CatalogueDigest(digest_of(*stays))
    for item in goes:
        digest.add(item)
    for item in reversed(goes):
        digest.remove(item)
    assert digest.value() == digest_of(*stays)


@PROPERTY
@given(st.lists(ITEMS, unique=True, max_size=4), st.lists(ITEMS, unique=True, max_size=4))
def test_different_catalogues_differ(
    one: list[Entry | Holding], other: list[Entry | Holding]
) -> None:
    assert (digest_of(*one) == digest_of(*other)) == (set(one) == set(other))
