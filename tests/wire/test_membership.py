"""Credentials in metadata, and lists of revoked certificates."""

import pytest

from panal.errors import NotAMember, UsageError
from panal.wire.membership import (
    Revocations,
    credential_in,
    credential_metadata,
    revocations_of,
    serial_bytes,
)

CREDENTIAL = bytes(range(32))


def test_a_credential_is_shown_and_seen() -> None:
    assert credential_in([("x", "y"), credential_metadata(CREDENTIAL)]) == CREDENTIAL


def test_none_is_shown() -> None:
    assert credential_in(None) is None
    assert credential_in([("x", "y")]) is None


@pytest.mark.parametrize(
    "shown",
    [
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer " + CREDENTIAL.hex()[:-2])],
        [("authorization", "Bearer " + CREDENTIAL.hex() + "00")],
        [("authorization", "Basic " + CREDENTIAL.hex())],
        [("authorization", "Bearer " + "x" * 64)],
        [("authorization", CREDENTIAL)],
        [credential_metadata(CREDENTIAL), credential_metadata(CREDENTIAL)],
    ],
)
def test_another_thing_is_none(shown: list[tuple[str, str | bytes]]) -> None:
    with pytest.raises(NotAMember):
        credential_in(shown)


def test_serial_numbers_are_as_short_as_they_go() -> None:
    assert serial_bytes(0) == b"\0"
    assert serial_bytes(255) == b"\xff"
    assert serial_bytes(256) == b"\1\0"


def test_a_list_of_serials() -> None:
    assert revocations_of(3, [b"\1", b"\1"]) == Revocations(3, frozenset({b"\1"}))
    for wrong in (b"", b"x" * 21):
        with pytest.raises(UsageError):
            revocations_of(3, [wrong])
