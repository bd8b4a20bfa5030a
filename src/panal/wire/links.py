"""What a person asks for: a link, an id, a `sha256:` digest, or a name.

A link is `panal:<content id>?name=…&size=…&tracker=host:port`, made for chats and mails;
only the id is needed, the rest spares questions.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from panal.errors import UsageError
from panal.wire.ids import ContentId, is_content_id, parse_content_id
from panal.wire.names import safe_path

SCHEME = "panal:"
SHA256_PREFIX = "sha256:"
MAX_LINK_CHARACTERS = 8_192


@dataclass(frozen=True, slots=True)
class Link:
    """A content, and what its sender knew about it."""

    content: ContentId
    name: str | None = None
    size_bytes: int | None = None
    tracker: str | None = None
    """Where it was found; dialled only if configured or confirmed."""

    def __str__(self) -> str:
        known = {"name": self.name, "size": self.size_bytes, "tracker": self.tracker}
        words = {key: value for key, value in known.items() if value is not None}
        query = urlencode(words, quote_via=quote, safe=":/[]")
        return SCHEME + self.content.hex() + ("?" + query if query else "")


@dataclass(frozen=True, slots=True)
class BySha256:
    """A content by the digest that ordinary tools print."""

    sha256: bytes


@dataclass(frozen=True, slots=True)
class ByName:
    """A content by a name, as a search finds it."""

    name: str


What = Link | BySha256 | ByName


def parse_what(text: str) -> What:
    """What `text` asks for; UsageError where it looks like a link or digest and is none."""
    if text.startswith(SCHEME):
        return parse_link(text)
    if text.startswith(SHA256_PREFIX):
        digest = text.removeprefix(SHA256_PREFIX).lower()
        if not is_content_id(digest):
            raise UsageError("After 'sha256:' come 64 hex digits, as sha256sum prints them.")
        return BySha256(bytes.fromhex(digest))
    if is_content_id(text):
        return Link(parse_content_id(text))
    if not text.strip():
        raise UsageError("Say what to get: a name, a link, an id or sha256:….")
    return ByName(text)


def parse_link(text: str) -> Link:
    """The link in `text`; unknown parameters are ignored, wrong ones are a UsageError."""
    if len(text) > MAX_LINK_CHARACTERS:
        raise UsageError(f"A link has at most {MAX_LINK_CHARACTERS} characters.")
    identifier, _, query = text.removeprefix(SCHEME).partition("?")
    content = parse_content_id(identifier)
    try:
        known = dict(parse_qsl(query, errors="strict", max_num_fields=16))
    except ValueError:
        raise UsageError("The part of the link after '?' cannot be read.") from None
    name = safe_path(known["name"]) if "name" in known else None
    size = known.get("size")
    if size is not None and not (size.isascii() and size.isdigit() and len(size) <= 13):
        raise UsageError("The size in the link is no number of bytes.")
    return Link(content, name, None if size is None else int(size), known.get("tracker"))
