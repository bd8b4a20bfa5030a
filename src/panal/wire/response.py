"""The head of an HTTP/1.1 answer on the data path, read strictly (RFC 9112).

Only what a chunk request can be answered with is understood: a length known beforehand,
no transfer coding. Everything else is an error, so that no two readers of the same bytes
can see different bodies.
"""

import re

import msgspec

from panal.errors import IntegrityError

MAX_HEAD_BYTES = 16 * 1024
END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n]*)")

_CHUNKS = re.compile(r"(\d{1,7})-(\d{1,7})", re.ASCII)


class ResponseHead(msgspec.Struct, frozen=True):
    """A status and the fields, names in lower case."""

    status: int
    fields: dict[str, str]

    @property
    def content_length(self) -> int | None:
        """How many bytes follow, or None where that is not said in one plain number."""
        text = self.fields.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def parse_head(raw: bytes, *, old_too: bool = False) -> ResponseHead:
    """The head in `raw`, which ends with an empty line; IntegrityError if it is none.

    `old_too` lets HTTP/1.0 pass, whose bodies may end with the connection.
    """
    lines = raw.removesuffix(END).split(b"\r\n")
    status = _STATUS.fullmatch(lines[0])
    if status is None or not (old_too or status[1] == b"1"):
        raise IntegrityError("That is no HTTP/1.1 answer.")
    fields: dict[str, str] = {}
    for line in lines[1:]:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise IntegrityError("The answer has a malformed header.")
        name = field[1].decode("ascii").lower()
        if name in fields and name in {"content-length", "content-range"}:
            raise IntegrityError(f"The answer has {name} twice.")
        fields[name] = field[2].strip(b" \t").decode("latin-1")
    if "transfer-encoding" in fields or "content-encoding" in fields:
        raise IntegrityError("The answer is encoded, which was not asked for.")
    return ResponseHead(int(status[2]), fields)


def refusal_words(status: int) -> str:
    """What a provider's status says of a content, for people."""
    known = {404: "no longer shares it", 410: "has another file there now"}
    return known.get(status, f"answered {status}")


def parse_chunks(text: str) -> tuple[int, int] | None:
    """First and count of `Panal-Chunks: first-last`; None where that is not what it says."""
    matched = _CHUNKS.fullmatch(text)
    if matched is None:
        return None
    first, last = int(matched[1]), int(matched[2])
    return (first, last - first + 1) if first <= last else None
