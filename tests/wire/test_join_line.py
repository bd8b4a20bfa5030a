"""Join lines: written, read, and refused in anything that is not exactly one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import UsageError
from panal.wire.join_line import MAX_CHARACTERS, JoinLine, parse_join_line
from tests.wire import PROPERTY
from tests.wire.protocol_document import table

PIN, SECRET = bytes(range(32)), bytes(range(16))
LINE = JoinLine(PIN, ("192.168.1.10:50051",), SECRET, 1_795_766_400)
TEXT = (
    f"panal-join:{PIN.hex()}?at=192.168.1.10:50051&secret={SECRET.hex()}&until=2026-11-27T08:00:00Z"
)


def test_a_line_is_written_and_read() -> None:
    assert str(LINE) == TEXT
    assert parse_join_line(f"  {TEXT}\n") == LINE


def test_the_vectors_of_the_protocol() -> None:
    for text, pin, addresses, secret, until in table("vectors: join lines"):
        line = JoinLine(
            bytes.fromhex(pin), tuple(addresses.split()), bytes.fromhex(secret), int(until)
        )
        assert parse_join_line(text) == line
        assert str(line) == text


hosts = st.sampled_from(["10.0.0.1:1", "[::1]:50051", "tracker.example:65535", "a-b:2"])


@PROPERTY
@given(
    st.binary(min_size=32, max_size=32),
    st.lists(hosts, min_size=1, max_size=8).map(tuple),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 4_000_000_000),
)
def test_whatever_is_written_is_read(
    pin: bytes, addresses: tuple[str, ...], secret: bytes, until_s: int
) -> None:
    line = JoinLine(pin, addresses, secret, until_s)
    assert parse_join_line(str(line)) == line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "panal:" + PIN.hex(),
        TEXT[:-1],
        TEXT[:60],
        TEXT.replace("secret=", "Secret="),
        TEXT + "&later=1",
        TEXT + "&until=2026-11-27T08:00:00Z",
        TEXT + "&secret=" + SECRET.hex(),
        TEXT.replace(PIN.hex(), PIN.hex()[:-2]),
        TEXT.replace(SECRET.hex(), SECRET.hex().upper()),
        TEXT.replace(SECRET.hex(), SECRET.hex()[:-2]),
        TEXT.replace("2026-11-27", "2026-13-27"),
        TEXT.replace("08:00:00Z", "8:00:00Z"),
        TEXT.replace("at=192.168.1.10:50051&", ""),
        TEXT.replace("192.168.1.10:50051", "192.168.1.10"),
        TEXT.replace("192.168.1.10:50051", "192.168.1.10:0"),
        TEXT.replace("192.168.1.10:50051", "user@host:1"),
        TEXT.replace("?", "?at=h:1&" * 8),
        TEXT + " " + TEXT,
        TEXT + "\nsomething else",
        TEXT + "x" * MAX_CHARACTERS,
    ],
)
def test_anything_else_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_join_line(text)
    assert SECRET.hex() not in str(caught.value)


def test_its_secret_is_not_in_its_repr() -> None:
    assert SECRET.hex() not in repr(LINE)
    assert "192.168.1.10:50051" in repr(LINE)
