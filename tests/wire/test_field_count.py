"""Fields are counted as protobuf itself counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.wire import tracker_pb2 as pb
from panal.wire.field_count import has_more_fields

PATHS = st.lists(st.text(max_size=200), max_size=40)


@given(PATHS, PATHS, st.integers(0, 2**63), st.integers(0, 90))
def test_a_message_has_as_many_fields_as_were_put_into_it(
    entries: list[str], removed: list[str], sequence: int, most: int
) -> None:
    message = pb.AnnounceRequest(sequence=sequence, removed_paths=removed)
    message.entries.extend(pb.Entry(path=path, content=bytes(32)) for path in entries)
    raw = message.SerializeToString()
    count = len(entries) + len(removed) + bool(sequence)
    assert has_more_fields(raw, most) == (count > most and len(raw) > 2 * most)


@pytest.mark.parametrize(
    "field",
    [
        b"\x22\x00",
        b"\x22\x83\x01" + bytes(131),
        b"\x22\x81\x80\x01" + bytes(16_385),
        b"\x10\x80\x01",
        b"\x11" + bytes(8),
        b"\x15" + bytes(4),
        b"\x23",
        b"\x24",
        b"\xa2\x06\x00",
    ],
    ids=["empty", "128 bytes", "16 KiB", "number", "8", "4", "group", "its end", "high number"],
)
def test_every_kind_of_field_counts_once(field: bytes) -> None:
    raw = field * 10 + b"\x22\x80\x01" + bytes(128)  # long enough to be looked at
    assert not has_more_fields(raw, 11)
    assert has_more_fields(raw, 10)


@pytest.mark.parametrize("raw", [b"\x22", b"\x22\xff\xff", b"\x80" * 1_000, b"\x22\xff" * 1_000])
def test_what_is_no_message_ends_the_count(raw: bytes) -> None:
    assert has_more_fields(raw, 0) in {True, False}
