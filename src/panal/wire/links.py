"""What a person asks for: a link, an id, a `sha256:` digest, or a name.

A link is `panal:<content id>?name=…&size=…&tracker=host:port`, made for chats and mails;
only the id is needed, the rest spares questions. `<content id>/<path>`, in a link with what is
special in it escaped, is one file or folder inside a shared folder.
"""

import re
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from panal.errors import UsageError
from panal.wire.ids import ContentId, is_content_id, parse_content_id
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, safe_path

SCHEME = "panal:"
SHA256_PREFIX = "sha256:"
MAX_LINK_CHARACTERS = 8_192
_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_NEEDS_NO_QUOTING = re.compile(r"[A-Za-z0-9_.~:/\[\]-]*")


class Link(msgspec.Struct, frozen=True):
    """A content, and what its sender knew about it."""

    content: ContentId
    name: str | None = None
    size_bytes: int | None = None
    tracker: str | None = None
    """Where it was found; dialled only if configured or confirmed."""
    inside: SafePath | None = None
    """Of a shared folder only what is under this path."""

    def __str__(self) -> str:
        words = []  # by hand: listings have a link for each of a hundred thousand files
        if self.name is not None:
            words.append(f"name={_quoted(self.name)}")
        if self.size_bytes is not None:
            words.append(f"size={self.size_bytes}")
        if self.tracker is not None:
            words.append(f"tracker={_quoted(self.tracker)}")
        inside = "" if self.inside is None else "/" + quote(self.inside)
        return SCHEME + self.content.hex() + inside + ("?" + "&".join(words) if words else "")


class BySha256(msgspec.Struct, frozen=True):
    """A content by the digest that ordinary tools print."""

    sha256: bytes


class ByName(msgspec.Struct, frozen=True):
    """A content by a name, as a search finds it; no slash at its end, as a folder is printed."""

    name: str


What = Link | BySha256 | ByName


def parse_what(text: str) -> What:
    """What `text` asks for; UsageError where it looks like a link or digest and is none."""
    pasted = text.strip()
    if not pasted:
        raise UsageError("Say what to get: a name, a link, an id or sha256:….")
    if _has_scheme(pasted, SCHEME):
        return parse_link(pasted)
    if _has_scheme(pasted, SHA256_PREFIX):
        digest = pasted[len(SHA256_PREFIX) :].lower()
        if not is_content_id(digest):
            raise UsageError("After 'sha256:' come 64 hex digits, as sha256sum prints them.")
        return BySha256(bytes.fromhex(digest))
    identifier, slash, inside = text.strip("\r\n").lstrip().partition("/")
    if is_content_id(pasted) or (slash and is_content_id(identifier)):
        content = parse_content_id(identifier.rstrip())
        return Link(content, inside=_inside(inside) if slash else None)
    return ByName(text if len(text) == 1 else text.removesuffix("/"))


def parse_link(text: str) -> Link:
    """The link in `text`; unknown parameters are ignored, wrong ones are a UsageError."""
    if len(text) > MAX_LINK_CHARACTERS:
        raise UsageError(f"A link has at most {MAX_LINK_CHARACTERS} characters.")
    address, _, query = text[len(SCHEME) :].partition("?")
    identifier, slash, escaped = address.partition("/")
    content = parse_content_id(identifier)
    if "#" in escaped:
        raise UsageError("In the path of a link '#' is written %23.")
    try:
        pairs = parse_qsl(query, errors="strict", max_num_fields=16)
    except ValueError:
        raise UsageError("The part of the link after '?' cannot be read.") from None
    known = dict(pairs)
    if len(known) != len(pairs):
        raise UsageError("The link says the same thing twice.")
    name = safe_path(known["name"]) if "name" in known else None
    size = _size(known["size"]) if "size" in known else None
    tracker = _tracker(known["tracker"]) if "tracker" in known else None
    try:
        inside = _inside(unquote(escaped, errors="strict")) if slash else None
    except UnicodeDecodeError:
        raise UsageError("The path in the link is not UTF-8.") from None
    return Link(content, name, size, tracker, inside)


def _quoted(text: str) -> str:
    return text if _NEEDS_NO_QUOTING.fullmatch(text) else quote(text, safe=":/[]")


def _inside(path: str) -> SafePath | None:
    """The path inside a folder; one slash at the end is how shells write folders."""
    return safe_path(path.removesuffix("/")) if path else None


def _has_scheme(text: str, scheme: str) -> bool:
    # In any case (RFC 3986, 3.1): chats begin a message with a capital.
    return text[: len(scheme)].lower() == scheme


def _size(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 13 and int(text) <= MAX_CONTENT_BYTES:
        return int(text)
    raise UsageError("The size in the link is no number of bytes that a content can have.")


def is_host_and_port(text: str) -> bool:
    """Whether a text is ``host:port``, an IPv6 address in brackets."""
    matched = _HOST_AND_PORT.fullmatch(text)
    return matched is not None and 1 <= int(matched[1]) <= 65_535


def _tracker(text: str) -> str:
    if not is_host_and_port(text):
        raise UsageError("The tracker in the link is no host:port.")
    return text
