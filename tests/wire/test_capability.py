"""Capabilities: only the key's holder can make one, and it opens one grant alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from panal.wire.capability import CHARACTERS, Grant, capability, is_signed, serial_of
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind
from tests.wire import PROPERTY

KEY = bytes(range(32))
GRANT = Grant(bytes(range(12)), ContentId(bytes(32)), Kind.FILE, "año.txt", 1_800_000_000)
MADE = capability(KEY, GRANT)


def test_one_form() -> None:
    assert MADE == "AAECAwQFBgcICQoLoRtY5IyImgv0sue--8Em1ZZI4Nc"
    assert len(MADE) == CHARACTERS
    assert serial_of(MADE) == GRANT.serial
    assert is_signed(KEY, MADE, GRANT)


@pytest.mark.parametrize(
    "other",
    [
        replace(GRANT, serial=bytes(12)),
        replace(GRANT, content=ContentId(b"\1" * 32)),
        replace(GRANT, kind=Kind.COLLECTION),
        replace(GRANT, name="ano.txt"),
        replace(GRANT, expires_s=GRANT.expires_s + 1),
    ],
)
def test_all_that_it_gives_is_signed(other: Grant) -> None:
    assert not is_signed(KEY, MADE, other)


def test_another_key_signs_nothing() -> None:
    assert not is_signed(bytes(32), MADE, GRANT)


@pytest.mark.parametrize("text", ["", "A", MADE[:-1], MADE + "A", MADE + "=", "ñ" * 43, "%" * 43])
def test_what_is_no_capability(text: str) -> None:
    assert serial_of(text) is None
    assert not is_signed(KEY, text, GRANT)


@PROPERTY
@given(st.integers(0, CHARACTERS - 1), st.characters(codec="ascii"))
def test_one_character_more_or_other_is_another(at: int, character: str) -> None:
    changed = MADE[:at] + character + MADE[at + 1 :]
    assert (changed == MADE) is is_signed(KEY, changed, GRANT)
