"""What a route's documents say beside its structs: bodies that are no JSON, names in its path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from panal.peer.http_answers import OCTETS


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is not simply the JSON of a struct."""

    media_type: str
    struct: type | None = None
    """What its JSON is, where it is JSON."""
    schema: Mapping[str, object] = field(default_factory=dict)
    """Where there is no struct: what a JSON Schema can say of it."""
    events: type | None = None
    """Of a stream of events: the struct whose fields are their kinds, and what each tells."""
    has_ranges: bool = False
    """The bytes of a content, of which a request may ask for parts (RFC 9110, section 14)."""


TEXT = Body("text/plain", schema={"type": "string"})
METRICS = (TEXT, Body("application/openmetrics-text", schema={"type": "string"}))
PAGE = Body("text/html", schema={"type": "string"})
STYLE = Body("text/css", schema={"type": "string"})
SCRIPT = Body("text/javascript", schema={"type": "string"})
FILE_BYTES = Body(OCTETS)
CONTENT_BYTES = Body(OCTETS, has_ranges=True)

Answer = type | Body
ContentHex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ContentPath(msgspec.Struct):
    """Which content."""

    id: ContentHex
    """A content id: BLAKE3-256 of its manifest, in hex."""


class NamedContentPath(ContentPath):
    """Which content, and what to call it."""

    name: str
    """For whoever saves it; only checked."""


class FilePath(msgspec.Struct):
    """Which file or folder."""

    path: str
    """Below the shared folder or a root. Slashes between its parts stay as they are."""
