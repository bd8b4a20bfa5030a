"""Byte ranges: a written table after RFC 9110, a model of byte sets, and the multipart body."""

import email
import email.policy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.wire.ranges import (
    MAX_RANGES,
    ByteRange,
    RangeNotSatisfiable,
    if_range_holds,
    multipart,
    none_match,
    parse_range,
)
from tests.wire import PROPERTY

WHOLE = "200, whole"
REFUSED = "416"
LARGEST = 2**41 - 2**23
Answer = str | list[tuple[int, int]]


def answer(header: str | None, size_bytes: int) -> Answer:
    """The parts as first and last byte, as Content-Range has them."""
    try:
        parts = parse_range(header, size_bytes)
    except RangeNotSatisfiable:
        return REFUSED
    return WHOLE if parts is None else [(part.start, part.stop - 1) for part in parts]


TABLE: list[tuple[str | None, int, Answer]] = [
    # No Range, and one part (14.1.2, 14.2).
    (None, 100, WHOLE),
    ("bytes=0-0", 100, [(0, 0)]),
    ("bytes=0-99", 100, [(0, 99)]),
    ("bytes=99-99", 100, [(99, 99)]),
    ("bytes=10-19", 100, [(10, 19)]),
    ("bytes=10-", 100, [(10, 99)]),
    ("bytes=0-", 100, [(0, 99)]),
    ("bytes=99-", 100, [(99, 99)]),
    ("bytes=50-100", 100, [(50, 99)]),
    ("bytes=50-5000", 100, [(50, 99)]),
    ("bytes=100-", 100, REFUSED),
    ("bytes=100-100", 100, REFUSED),
    ("bytes=101-200", 100, REFUSED),
    ("bytes=-1", 100, [(99, 99)]),
    ("bytes=-5", 100, [(95, 99)]),
    ("bytes=-100", 100, [(0, 99)]),
    ("bytes=-5000", 100, [(0, 99)]),
    ("bytes=-0", 100, REFUSED),
    # Numbers that no file comes to.
    ("bytes=0-" + 20 * "9", 1_000, [(0, 999)]),
    ("bytes=" + 20 * "9" + "-", 1_000, REFUSED),
    # Malformed: ignored.
    ("bytes=X0-1X", 100, WHOLE),
    ("bytes=5-2", 100, WHOLE),
    ("bytes=1-0", 100, WHOLE),
    ("bytes=0-1,5-2", 100, WHOLE),
    ("bytes=500-200", 100, WHOLE),
    ("bytes=", 100, WHOLE),
    ("bytes=-", 100, WHOLE),
    ("bytes=,", 100, WHOLE),
    ("bytes= , ,", 100, WHOLE),
    ("bytes", 100, WHOLE),
    ("", 100, WHOLE),
    ("=0-5", 100, WHOLE),
    ("0-5", 100, WHOLE),
    ("bytes=x", 100, WHOLE),
    ("bytes=0-x", 100, WHOLE),
    ("bytes=0", 100, WHOLE),
    ("bytes=--5", 100, WHOLE),
    ("bytes=0-5-", 100, WHOLE),
    ("bytes=0-5;6-7", 100, WHOLE),
    ("bytes=0x1-0x5", 100, WHOLE),
    ("bytes=+1-5", 100, WHOLE),
    ("bytes=1_0-2_0", 100, WHOLE),
    ("bytes=1.0-5", 100, WHOLE),
    ("bytes=0-5\x00", 100, WHOLE),
    ("bytes=0-5\n", 100, WHOLE),
    ("bytes=٠-٥", 100, WHOLE),
    ("bytes=０-５", 100, WHOLE),
    ("bytes=²-5", 100, WHOLE),
    ("bytes=0-5, bytes=6-7", 100, WHOLE),
    # Units: another one is ignored, the case of ours is not looked at (14.1).
    ("items=0-5", 100, WHOLE),
    ("items=500-", 100, WHOLE),
    ("none", 100, WHOLE),
    ("xbytes=0-5", 100, WHOLE),
    ("bytesx=0-5", 100, WHOLE),
    ("byte\u017f=0-5", 100, WHOLE),
    ("Bytes=0-5", 100, [(0, 5)]),
    ("BYTES=0-5", 100, [(0, 5)]),
    # White space: spaces and tabs between list elements and nowhere else (5.6.1, 5.6.3).
    ("bytes=0-1, 10-11", 100, [(0, 1), (10, 11)]),
    ("bytes=0-1\t,\t10-11", 100, [(0, 1), (10, 11)]),
    ("bytes= 0-1 ", 100, [(0, 1)]),
    ("bytes =0-1", 100, WHOLE),
    ("bytes=0 -1", 100, WHOLE),
    ("bytes=0- 1", 100, WHOLE),
    ("bytes=0-1 10-11", 100, WHOLE),
    ("bytes=\xa00-1", 100, WHOLE),
    ("bytes=\x0b0-1", 100, WHOLE),
    ("bytes=0-1\x85,3-4", 100, WHOLE),
    # Empty list elements are passed over (5.6.1.2).
    ("bytes=,0-1", 100, [(0, 1)]),
    ("bytes=0-1,", 100, [(0, 1)]),
    ("bytes=0-1,,10-11", 100, [(0, 1), (10, 11)]),
    ("bytes=0-1, ,10-11,", 100, [(0, 1), (10, 11)]),
    # Numbers of any length (14.1.1 sets no bound).
    ("bytes=000-009", 100, [(0, 9)]),
    ("bytes=-0005", 100, [(95, 99)]),
    ("bytes=-000", 100, REFUSED),
    ("bytes=0-18446744073709551616", 100, [(0, 99)]),
    ("bytes=18446744073709551616-", 100, REFUSED),
    ("bytes=0-" + "9" * 5000, 100, [(0, 99)]),
    ("bytes=" + "9" * 5000 + "-", 100, REFUSED),
    ("bytes=-" + "9" * 5000, 100, [(0, 99)]),
    ("bytes=" + "0" * 5000 + "1-2", 100, [(1, 2)]),
    ("bytes=1" + "0" * 30 + "-1" + "0" * 29, 100, WHOLE),
    ("bytes=2" + "0" * 30 + "-1" + "9" * 30, 100, WHOLE),
    ("bytes=1" + "0" * 30 + "-1" + "0" * 30, 100, REFUSED),
    # Several parts: in the order asked for (15.3.7.2).
    ("bytes=0-1,10-11", 100, [(0, 1), (10, 11)]),
    ("bytes=10-11,0-1", 100, [(10, 11), (0, 1)]),
    ("bytes=-1,0-0", 100, [(99, 99), (0, 0)]),
    ("bytes=90-,40-49,0-9", 100, [(90, 99), (40, 49), (0, 9)]),
    # Touching parts are joined; the join stands where its first part stood.
    ("bytes=0-4,5-9", 100, [(0, 9)]),
    ("bytes=5-9,0-4", 100, [(0, 9)]),
    ("bytes=0-9,5-14", 100, [(0, 14)]),
    ("bytes=0-9,0-9", 100, [(0, 9)]),
    ("bytes=0-99,10-19", 100, [(0, 99)]),
    ("bytes=10-19,0-99", 100, [(0, 99)]),
    ("bytes=0-,-1", 100, [(0, 99)]),
    ("bytes=50-59,0-9,5-14", 100, [(50, 59), (0, 14)]),
    ("bytes=5-14,50-59,0-9", 100, [(0, 14), (50, 59)]),
    ("bytes=0-4,10-14,5-9", 100, [(0, 14)]),
    ("bytes=0-4,6-9", 100, [(0, 4), (6, 9)]),
    # Parts beyond the end are left out while one is inside.
    ("bytes=0-1,500-", 100, [(0, 1)]),
    ("bytes=500-,-0,0-1", 100, [(0, 1)]),
    ("bytes=500-,600-700,-0", 100, REFUSED),
    # Too many parts are ignored (14.2).
    (
        "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(64)),
        128,
        [(2 * i,) * 2 for i in range(64)],
    ),
    ("bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(65)), 130, WHOLE),
    ("bytes=" + ",".join("0-0" for _ in range(1000)), 100, WHOLE),
    ("bytes=" + "," * 1000 + "0-0", 100, WHOLE),
    # An empty content.
    (None, 0, WHOLE),
    ("bytes=0-0", 0, REFUSED),
    ("bytes=0-", 0, REFUSED),
    ("bytes=-5", 0, WHOLE),
    ("bytes=-0", 0, REFUSED),
    ("bytes=0-0,-5", 0, WHOLE),
    # The largest content.
    (f"bytes={LARGEST - 1}-", LARGEST, [(LARGEST - 1, LARGEST - 1)]),
    (f"bytes={LARGEST}-", LARGEST, REFUSED),
]


@pytest.mark.parametrize(
    ("header", "size_bytes", "wanted"),
    TABLE,
    ids=[f"{n}: {re.sub('[^!-Z]', '_', str(row[0])[:24])}/{row[1]}" for n, row in enumerate(TABLE)],
)
def test_the_table(header: str | None, size_bytes: int, wanted: Answer) -> None:
    assert answer(header, size_bytes) == wanted


def test_the_table_has_the_limit_at_its_edge() -> None:
    assert MAX_RANGES == 64


NUMBERS = st.integers(0, 45)
SPECS = st.one_of(
    st.tuples(NUMBERS, NUMBERS),
    st.tuples(NUMBERS, NUMBERS).map(lambda both: (min(both), max(both))),
    st.tuples(NUMBERS, st.none()),
    st.tuples(st.none(), NUMBERS),
)


def bytes_of(spec: tuple[int | None, int | None], size_bytes: int) -> set[int]:
    first, last = spec
    everything = range(size_bytes)
    if first is None:
        return set(everything[-last:]) if last else set()
    return {i for i in everything if i >= first and (last is None or i <= last)}


@PROPERTY
@given(
    st.integers(0, 40),
    st.lists(SPECS, min_size=1, max_size=6),
    st.sampled_from([",", ", ", " ,\t", ",,"]),
)
def test_parts_are_those_of_a_set_of_bytes(
    size_bytes: int, specs: list[tuple[int | None, int | None]], comma: str
) -> None:
    words = ["-".join("" if n is None else str(n) for n in spec) for spec in specs]
    got = answer("bytes=" + comma.join(words), size_bytes)
    sets = [bytes_of(spec, size_bytes) for spec in specs]
    union = set().union(*sets)
    if any(first is not None and last is not None and last < first for first, last in specs):
        assert got == WHOLE
    elif not union:
        suffix = any(first is None and last for first, last in specs)
        assert got == (WHOLE if size_bytes == 0 and suffix else REFUSED)
    else:
        assert isinstance(got, list)
        parts = [set(range(first, last + 1)) for first, last in got]
        assert all(parts)
        assert sorted(byte for part in parts for byte in part) == sorted(union)
        assert not any(last + 1 == first for _, last in got for first, _ in got)
        seen = [min(i for i, asked in enumerate(sets) if asked & part) for part in parts]
        assert seen == sorted(seen)


@PROPERTY
@given(st.text(), st.integers(0, 1000))
def test_no_header_is_an_error(text: str, size_bytes: int) -> None:
    for header in (text, "bytes=" + text):
        got = answer(header, size_bytes)
        if isinstance(got, list):
            assert all(0 <= first <= last < size_bytes for first, last in got)
            assert re.match("(?ia:bytes)=", header.lstrip(" \t"))


def test_content_range_names_the_last_byte() -> None:
    part = ByteRange(10, 20)
    assert part.content_range(100) == "bytes 10-19/100"
    assert part.length == 10


ETAG = '"' + "0123456789abcdef" * 4 + '"'


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        (ETAG, True),
        (f"  {ETAG} ", True),
        ('"another"', False),
        ("W/" + ETAG, False),
        ("w/" + ETAG, False),
        (ETAG.strip('"'), False),
        (ETAG.upper(), False),
        (f'{ETAG}, "another"', False),
        (ETAG + "x", False),
        ("*", False),
        ("", False),
        ("Sun, 06 Nov 1994 08:49:37 GMT", False),
    ],
)
def test_if_range_holds_for_exactly_our_strong_tag(header: str | None, holds: bool) -> None:
    assert if_range_holds(header, ETAG) is holds


@pytest.mark.parametrize(
    ("header", "in_full"),
    [
        (None, True),
        (ETAG, False),
        ("W/" + ETAG, False),
        ("*", False),
        (" * ", False),
        ('"another"', True),
        (f'"another", {ETAG}', False),
        (f'{ETAG}, "another"', False),
        (f'"a","b" ,W/{ETAG},', False),
        ('"a", W/"b"', True),
        ('""', True),
        ("", True),
        (ETAG.strip('"'), True),
        (ETAG.upper(), True),
        (ETAG[:-2] + '"', True),
        ('"*"', True),
        ("Sun, 06 Nov 1994 08:49:37 GMT", True),
    ],
)
def test_none_match_compares_weakly(header: str | None, in_full: bool) -> None:
    assert none_match(header, ETAG) is in_full


def body_of(ranges: list[ByteRange], content: bytes, boundary: str) -> tuple[str, bytes]:
    layout = multipart(ranges, len(content), boundary, "application/octet-stream")
    body = b"".join(heading + content[part.start : part.stop] for heading, part in layout.parts)
    body += layout.closing
    assert len(body) == layout.length
    return layout.content_type, body


CONTENT = bytes(range(256)) + b"\r\n--boundary\r\n\r\n--\n\n\r\r\n" + bytes(range(256))


@pytest.mark.parametrize(
    "ranges",
    [
        [ByteRange(0, 1)],
        [ByteRange(0, 1), ByteRange(10, 20)],
        [ByteRange(500, len(CONTENT)), ByteRange(0, 12), ByteRange(250, 290)],
        [ByteRange(i, i + 1) for i in range(0, 128, 2)],
    ],
)
def test_another_parser_finds_the_parts(ranges: list[ByteRange]) -> None:
    content_type, body = body_of(ranges, CONTENT, "5c4ce9b1d2f0")
    assert content_type.startswith("multipart/byteranges; boundary=")
    whole = f"Content-Type: {content_type}\r\n\r\n".encode() + body
    message = email.message_from_bytes(whole, policy=email.policy.HTTP)
    parts = list(message.iter_parts())
    assert message.defects == []
    assert message.preamble in {None, ""}
    assert not (message.epilogue or "").strip()
    assert [part["Content-Range"] for part in parts] == [
        f"bytes {part.start}-{part.stop - 1}/{len(CONTENT)}" for part in ranges
    ]
    assert {part.get_content_type() for part in parts} == {"application/octet-stream"}
    assert [part.get_payload(decode=True) for part in parts] == [
        CONTENT[part.start : part.stop] for part in ranges
    ]


def test_the_bytes_of_a_multipart_answer() -> None:
    _, body = body_of([ByteRange(0, 1), ByteRange(3, 5)], b"abcdef", "B")
    assert body == (
        b"--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-0/6\r\n\r\na"
        b"\r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 3-4/6\r\n\r\nde"
        b"\r\n--B--\r\n"
    )
