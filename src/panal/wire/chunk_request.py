"""What a peer asks another for chunks with, and a tracker for a proof, byte for byte.

So is the head of the answer to a range: who gets that one need not read it.

Only this exact form is read; anything else is for an HTTP server. So nothing that a browser or
a proxy sends can be mistaken for it, and one match says all that there is to know.
"""

import re

import msgspec

from panal.wire.ids import ContentId
from panal.wire.ranges import ByteRange

MAX_BODY_BYTES = 64 * 1024
"""More than the bitfield of any content has."""
ANSWER_FIELDS = b"Panal-Protocol: 1\r\nContent-Type: application/octet-stream\r\n"
_COMMON = "Accept-Encoding: identity\r\nPanal-Protocol: 1\r\n\r\n"
_LINE = rb" HTTP/1\.1\r\nHost: ([\w.:\[\]-]{1,255})\r\n"
_END = re.escape(_COMMON.encode("ascii"))
_CONTENT = rb"/content/([0-9a-f]{64})"
_GIVES_WAY = "Priority: u=5\r\n"
_RANGE = re.compile(
    rb"GET %b%bRange: bytes=(\d{1,18})-(\d{1,18})\r\n(%b)?%b"
    % (_CONTENT, _LINE, _GIVES_WAY.encode("ascii"), _END)
)
_CLOSED = re.escape(_COMMON.removesuffix("\r\n").encode("ascii") + b"Connection: close\r\n\r\n")
_PROOF = re.compile(rb"GET /dialback/([0-9a-f]{32})%b%b" % (_LINE, _CLOSED))
_CHOICE = re.compile(
    rb"POST %b/next\?max=(\d{1,7})%b"
    rb"Content-Type: application/octet-stream\r\nContent-Length: (\d{1,5})\r\n(%b)?%b"
    % (_CONTENT, _LINE, _GIVES_WAY.encode("ascii"), _END)
)


class RangeRequest(msgspec.Struct, frozen=True):
    """Chunks of the asker's choice."""

    content: ContentId
    host: str
    part: ByteRange
    gives_way: bool = False


class ChoiceRequest(msgspec.Struct, frozen=True):
    """Up to `most` chunks of the answerer's choice."""

    content: ContentId
    host: str
    most: int
    body: bytes
    """The bitfield to choose among; any bytes."""
    gives_way: bool = False


class ProofRequest(msgspec.Struct, frozen=True):
    """What proves to a tracker who answers."""

    nonce: bytes
    host: str


Request = RangeRequest | ChoiceRequest | ProofRequest


def head(method: str, path: str, host: str, fields: str) -> bytes:
    """A request without its body; `fields` are whole lines."""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}{_COMMON}".encode("ascii")


def range_fields(part: ByteRange, *, gives_way: bool = False) -> str:
    """What asks for some bytes."""
    return f"Range: bytes={part.start}-{part.stop - 1}\r\n{_GIVES_WAY if gives_way else ''}"


def range_answer(part: ByteRange, size_bytes: int) -> bytes:
    """The head of an answer with some bytes of a content that has so many."""
    line = b"HTTP/1.1 206 Partial Content\r\n%bContent-Length: %d\r\nContent-Range: %b\r\n\r\n"
    return line % (ANSWER_FIELDS, part.length, part.content_range(size_bytes).encode("ascii"))


def choice_fields(body: bytes, *, gives_way: bool = False) -> str:
    """What announces a bitfield."""
    last = _GIVES_WAY if gives_way else ""
    return f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n{last}"


def parse(data: bytes) -> Request | None:
    """The one request that `data` is, or None where it is anything else, more or less."""
    if (ranged := _RANGE.fullmatch(data)) is not None:
        content, host, first, last, gives_way = ranged.groups()
        start, stop = int(first), int(last) + 1
        if start >= stop:
            return None
        part = ByteRange(start, stop)
        return RangeRequest(_id(content), host.decode("ascii"), part, gives_way is not None)
    if (proof := _PROOF.fullmatch(data)) is not None:
        nonce, host = proof.groups()
        return ProofRequest(bytes.fromhex(nonce.decode("ascii")), host.decode("ascii"))
    if (choice := _CHOICE.match(data)) is not None:
        content, most, host, length, gives_way = choice.groups()
        if len(data) - choice.end() == int(length) and int(most):
            body = data[choice.end() :]
            asked = _id(content), host.decode("ascii"), int(most), body
            return ChoiceRequest(*asked, gives_way is not None)
    return None


def goes_on(data: bytes) -> bool:
    """Whether `data` is the beginning of a choice's request whose body is still to come."""
    choice = _CHOICE.match(data)
    if choice is None:
        return False
    return len(data) - choice.end() < int(choice[4]) <= MAX_BODY_BYTES


def _id(digits: bytes) -> ContentId:
    return ContentId(bytes.fromhex(digits.decode("ascii")))
