"""The join line: what lets a machine into a network, as one line; pure.

``panal-join:<pin>?at=HOST:PORT&secret=<hex>&until=2026-11-27T08:00:00Z``. The pin is the SHA-256
of the authority's certificate: whoever answers at the address must show that one before the
secret is sent. A line is a secret itself.
"""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from panal.errors import UsageError
from panal.wire.links import is_host_and_port

SCHEME = "panal-join:"
PIN_BYTES = 32
JOIN_SECRET_BYTES = 16
MAX_CHARACTERS = 2_048
MAX_ADDRESSES = 8
_TIME_FORM = "%Y-%m-%dT%H:%M:%SZ"
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


class JoinLine(msgspec.Struct, frozen=True):
    """Where a network's tracker is, how it is known, and what lets one in."""

    pin: bytes
    """SHA-256 of the authority's certificate, in DER."""
    addresses: tuple[str, ...]
    """host:port of the tracker, tried in this order."""
    secret: bytes
    until_s: int
    """Seconds since 1970."""

    def __str__(self) -> str:
        places = "&".join(f"at={address}" for address in self.addresses)
        until = datetime.fromtimestamp(self.until_s, UTC).strftime(_TIME_FORM)
        return f"{SCHEME}{self.pin.hex()}?{places}&secret={self.secret.hex()}&until={until}"

    def __repr__(self) -> str:
        return f"<a join line for {', '.join(self.addresses)}>"  # never the secret


def parse_join_line(text: str) -> JoinLine:
    """The join line in `text`, blanks around it aside; UsageError says what is wrong.

    The text itself is in no message: it may be a secret.
    """
    line = text.strip()
    if len(line) > MAX_CHARACTERS:
        raise UsageError(f"A join line has at most {MAX_CHARACTERS} characters.")
    if not line.startswith(SCHEME):
        raise UsageError(f"That is no join line: one begins with {SCHEME!r}.")
    pin, question, query = line[len(SCHEME) :].partition("?")
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_ADDRESSES + 2
        )
    except ValueError:
        raise UsageError("The join line is cut off or changed; copy all of it.") from None
    known = {key: value for key, value in pairs if key != "at"}
    addresses = tuple(value for key, value in pairs if key == "at")
    if not question or known.keys() != {"secret", "until"} or len(pairs) != len(addresses) + 2:
        raise UsageError("The join line is cut off or changed; copy all of it.")
    if not 1 <= len(addresses) <= MAX_ADDRESSES or not all(map(is_host_and_port, addresses)):
        raise UsageError("The join line names no tracker as host:port.")
    return JoinLine(
        _bytes(pin, PIN_BYTES),
        addresses,
        _bytes(known["secret"], JOIN_SECRET_BYTES),
        _seconds(known["until"]),
    )


def _bytes(text: str, count: int) -> bytes:
    if len(text) != 2 * count or _HEX.fullmatch(text) is None:
        raise UsageError("The join line is cut off or changed; copy all of it.")
    return bytes.fromhex(text)


def _seconds(text: str) -> int:
    try:
        moment = datetime.strptime(text, _TIME_FORM).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(
            "The join line does not say until when it counts; copy all of it."
        ) from None
    if moment.strftime(_TIME_FORM) != text:
        raise UsageError("The join line does not say until when it counts; copy all of it.")
    return int(moment.timestamp())
