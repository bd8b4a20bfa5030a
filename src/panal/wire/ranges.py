"""HTTP byte ranges and validators, RFC 9110 sections 13 and 14, as pure functions.

What RFC 9110 leaves to the server is decided here once: a Range that is malformed, of an
unknown unit, or asks for more than `MAX_RANGES` parts is ignored (the whole content is a
right answer to it); parts that overlap or touch are joined; only a Range of which no part
lies inside the content is refused.
"""

import re

import msgspec

MAX_RANGES = 64
_UNIT = re.compile(r"[ \t]*bytes=", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"(\d*)-(\d*)", re.ASCII)
_MAX_DIGITS = 19
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


class ByteRange(msgspec.Struct, frozen=True):
    """Bytes `start` to `stop`, `stop` not included; never empty."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start

    def content_range(self, size_bytes: int) -> str:
        """The value of Content-Range (RFC 9110, 14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{size_bytes}"


class RangeNotSatisfiable(Exception):
    """No part of the Range lies inside the content: status 416."""


def parse_range(header: str | None, size_bytes: int) -> list[ByteRange] | None:
    """The parts to send, in the order asked for, or None for the whole content.

    RangeNotSatisfiable where every part begins beyond the end.
    """
    if header is None:
        return None
    unit = _UNIT.match(header)
    if unit is None:
        return None
    parts = [part.strip(" \t") for part in header[unit.end() :].split(",")]
    if len(parts) > MAX_RANGES:
        return None
    wanted = []
    for part in parts:
        if part == "":
            continue  # an empty list element (RFC 9110, 5.6.1.2)
        bounds = _bounds(part)
        if bounds is None:
            return None
        wanted.append(bounds)
    if not wanted:
        return None
    inside = [found for first, last in wanted if (found := _inside(first, last, size_bytes))]
    if not inside:
        if size_bytes == 0 and any(first is None and last for first, last in wanted):
            return None  # a suffix of nothing is satisfiable, and Content-Range cannot say it
        raise RangeNotSatisfiable
    return _joined(inside)


def _bounds(part: str) -> tuple[int | None, int | None] | None:
    matched = _PART.fullmatch(part)
    if matched is None or part == "-":
        return None
    first, last = (digits.lstrip("0") or digits[:1] for digits in matched.groups())
    if first and last and (len(last), last) < (len(first), first):
        return None
    return _number(first), _number(last)


def _number(significant: str) -> int | None:
    if significant == "":
        return None
    return 10**_MAX_DIGITS if len(significant) > _MAX_DIGITS else int(significant)


def _inside(first: int | None, last: int | None, size_bytes: int) -> ByteRange | None:
    if first is None:
        start, stop = max(0, size_bytes - (last or 0)), size_bytes
    else:
        start, stop = first, size_bytes if last is None else min(last + 1, size_bytes)
    return ByteRange(start, stop) if start < stop else None


def _joined(ranges: list[ByteRange]) -> list[ByteRange]:
    """Touching parts as one, each join where its first part stood (RFC 9110, 15.3.7.2)."""
    joined: list[ByteRange] = []
    for part in ranges:
        touching = [has for has in joined if has.start <= part.stop and part.start <= has.stop]
        place = joined.index(touching[0]) if touching else len(joined)
        whole = [part, *touching]
        union = ByteRange(min(has.start for has in whole), max(has.stop for has in whole))
        joined = [has for has in joined if has not in touching]
        joined.insert(place, union)
    return joined


def if_range_holds(header: str | None, etag: str) -> bool:
    """Whether a Range may be honoured: no If-Range, or exactly our strong validator.

    A date never holds: contents have no date, only an id (RFC 9110, 13.1.5).
    """
    return header is None or header.strip() == etag


def none_match(header: str | None, etag: str) -> bool:
    """Whether If-None-Match lets the answer be sent in full (RFC 9110, 13.1.2)."""
    if header is None:
        return True
    if header.strip() == "*":
        return False
    opaque = etag.strip('"')
    return all(tag != opaque for _, tag in _ENTITY_TAG.findall(header))


class Multipart(msgspec.Struct, frozen=True):
    """A multipart/byteranges answer, laid out before its first byte is sent."""

    boundary: str
    parts: tuple[tuple[bytes, ByteRange], ...]
    """Each part's heading and its bytes."""
    closing: bytes
    length: int

    @property
    def content_type(self) -> str:
        """The value of Content-Type."""
        return f"multipart/byteranges; boundary={self.boundary}"


def multipart(
    ranges: list[ByteRange], size_bytes: int, boundary: str, content_type: str
) -> Multipart:
    """The layout of several ranges in one answer (RFC 9110, 14.6)."""
    parts = []
    for number, part in enumerate(ranges):
        heading = (
            f"{'' if number == 0 else chr(13) + chr(10)}--{boundary}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Range: {part.content_range(size_bytes)}\r\n\r\n"
        )
        parts.append((heading.encode("ascii"), part))
    closing = f"\r\n--{boundary}--\r\n".encode("ascii")
    length = sum(len(heading) + part.length for heading, part in parts) + len(closing)
    return Multipart(boundary, tuple(parts), closing, length)
