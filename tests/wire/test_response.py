"""Heads of answers on the data path: what is read, and what no two readers could agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import IntegrityError
from panal.wire.response import END, MAX_HEAD_BYTES, parse_head
from tests.wire import PROPERTY

GOOD = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/10\r\n\r\n"


def test_a_head() -> None:
    head = parse_head(GOOD)
    assert head.status == 206
    assert head.content_length == 10
    assert head.fields == {"content-length": "10", "content-range": "bytes 0-9/10"}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 200),
        (b"HTTP/1.1 200 \r\n\r\n", 200),
        (b"HTTP/1.1 200\r\n\r\n", 200),
        (b"HTTP/1.1 503 caf\xc3\xa9 \xff\r\n\r\n", 503),
    ],
)
def test_a_status_line(raw: bytes, status: int) -> None:
    assert parse_head(raw).status == status
    assert parse_head(raw).content_length is None


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"X:a", ("x", "a")),
        (b"X:   a", ("x", "a")),
        (b"X:\ta\t ", ("x", "a")),
        (b"X: a b", ("x", "a b")),
        (b"X:", ("x", "")),
        (b"X:  ", ("x", "")),
        (b"X: a:b", ("x", "a:b")),
        (b"x-Y_z.1: \xff", ("x-y_z.1", "\xff")),
    ],
)
def test_a_field(line: bytes, field: tuple[str, str]) -> None:
    fields = parse_head(b"HTTP/1.1 200 OK\r\n" + line + END).fields
    assert list(fields.items()) == [field]


def test_other_fields_may_come_twice() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nX: a\r\nx: b\r\n\r\n")
    assert head.fields == {"x": "b"}


WRONG = {
    "nothing": b"",
    "only an end": END,
    "a later version": b"HTTP/2 200\r\n\r\n",
    "an earlier version": b"HTTP/1.0 200 OK\r\n\r\n",
    "small letters": b"http/1.1 200 OK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "something before": b" " + GOOD,
    "an empty line before": b"\r\n" + GOOD,
    "a bare LF in the status": b"HTTP/1.1 200 OK\nX: a\r\n\r\n",
    "a bare LF in a field": b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 1\r\n\r\n",
    "a bare CR in a field": b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n",
    "a space before the name": b"HTTP/1.1 200 OK\r\n Content-Length: 1\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
    "an empty line within": b"HTTP/1.1 200 OK\r\n\r\nX: a\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n",
    "two ranges": b"HTTP/1.1 206 x\r\nContent-Range: a\r\nContent-Range: b\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked and a length": GOOD[:-2] + b"TRANSFER-ENCODING: chunked\r\n\r\n",
    "an identity coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
}


@pytest.mark.parametrize("raw", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_head_is_an_integrity_error(raw: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_head(raw)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        (b"0", 0),
        (b"10", 10),
        (b"2199014866944", 2_199_014_866_944),
        (b"0010", 10),
        (b"-1", None),
        (b"+1", None),
        (b"1.0", None),
        (b"0x10", None),
        (b"1_0", None),
        (b"10, 10", None),
        (b"1 0", None),
        (b"", None),
        (b"\xb2", None),
        (b"9" * 19, 10**19 - 1),
        (b"9" * 20, None),
        (b"9" * 5_000, None),
    ],
)
def test_a_length_is_one_plain_number_or_none(text: bytes, length: int | None) -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: " + text + END).content_length == length


@pytest.mark.parametrize("space", [b" ", b"\t", b" \t"])
def test_many_spaces_are_read_in_one_pass(space: bytes) -> None:
    """A pattern that tries each of them as the end takes most of a second for 16 KiB."""
    value = b"a" + space * (MAX_HEAD_BYTES // len(space)) + b"b"
    for _ in range(20):
        head = parse_head(b"HTTP/1.1 200 OK\r\nX: " + value + b" \r\n\r\n")
        assert head.fields["x"] == value.decode()


@PROPERTY
@given(st.binary(max_size=80))
def test_bytes_at_random_are_read_or_an_integrity_error(raw: bytes) -> None:
    for head in (raw, b"HTTP/1.1 200 OK\r\n" + raw + END):
        try:
            read = parse_head(head)
        except IntegrityError:
            continue
        assert all(name == name.lower() and name for name in read.fields)
        assert not any("\r" in value or "\n" in value for value in read.fields.values())
