"""Ids and peer names: what is one, what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import UsageError
from panal.wire.ids import (
    ContentId,
    content_id_from_bytes,
    is_content_id,
    parse_content_id,
    parse_peer_name,
    parse_zone,
)
from tests.wire import PROPERTY

HEX = "0123456789abcdef" * 4


def test_a_content_id_is_read_from_its_digits() -> None:
    assert is_content_id(HEX)
    assert parse_content_id(HEX) == bytes.fromhex(HEX)


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX[:-1],
        HEX + "0",
        HEX.upper(),
        HEX[:-1] + "g",
        HEX + "\n",
        " " + HEX,
        HEX[:-1] + " ",
        HEX[:-1] + "٣",
        HEX[:-1] + "３",
        "0x" + HEX[2:],
        HEX * 1000,
    ],
)
def test_other_text_is_no_content_id(text: str) -> None:
    assert not is_content_id(text)
    with pytest.raises(UsageError):
        parse_content_id(text)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_content_id_has_32_bytes(length: int) -> None:
    with pytest.raises(UsageError, match=f"not {length}"):
        content_id_from_bytes(bytes(length))


@PROPERTY
@given(st.binary(min_size=32, max_size=32))
def test_bytes_and_digits_are_the_same_id(raw: bytes) -> None:
    assert content_id_from_bytes(raw) == parse_content_id(raw.hex()) == ContentId(raw)


@pytest.mark.parametrize(
    "name", ["a", "A", "0", "peer_1", "x" * 63, "a.b-c_d", "get-host-0123abcd", "a..b", "9-"]
)
def test_peer_names(name: str) -> None:
    assert parse_peer_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 64,
        ".a",
        "_a",
        "-a",
        "a b",
        "a/b",
        "a\n",
        "a\0",
        "á",
        "а",  # Cyrillic
        "a\u202e",
        "a\x1b[2J",
        "١",
        "a" * 62 + "é",
    ],
)
def test_what_is_no_peer_name(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_peer_name(name)
    assert "\x1b" not in str(refused.value)
    assert "\u202e" not in str(refused.value)


def test_a_refusal_is_short_however_long_the_peer_name() -> None:
    with pytest.raises(UsageError) as refused:
        parse_peer_name("é" * 3_000_000)
    assert len(str(refused.value)) < 1_000


def test_a_zone_has_the_letters_of_a_peers_name_without_case() -> None:
    assert parse_zone("Rack-1.a_b") == parse_zone("rack-1.A_B") == "rack-1.a_b"
    assert parse_zone("") == ""


@pytest.mark.parametrize("text", [" ", "-a", "a" * 64, "site/rack", "a\n", "Zürich"])
def test_no_zone(text: str) -> None:
    with pytest.raises(UsageError, match="is no zone"):
        parse_zone(text)
