"""What several of a tracker's messages hold, to domain values and back; checked here.

Reading raises UsageError.
"""

from panal.errors import UsageError
from panal.wire import tracker_pb2 as pb
from panal.wire.manifest import HASH_BYTES, MAX_CONTENT_BYTES, Kind

MAX_PAGE = 1_000
DEFAULT_PAGE = 100

KINDS = {int(kind): kind for kind in Kind}


def size_from(number: int) -> int:
    """The size of a content."""
    if number > MAX_CONTENT_BYTES:
        raise UsageError(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
    return number


def kind_from(number: int) -> Kind:
    """The kind of a content."""
    kind = KINDS.get(number)
    if kind is None:
        raise UsageError(f"{number} is no kind of content.")
    return kind


def kind_to(kind: Kind) -> pb.Kind:
    """The kind of a content, as messages have it."""
    return pb.KIND_COLLECTION if kind is Kind.COLLECTION else pb.KIND_FILE


def sha256_from(raw: bytes) -> bytes | None:
    """A SHA-256; None where none is told."""
    if raw and len(raw) != HASH_BYTES:
        raise UsageError(f"A SHA-256 has {HASH_BYTES} bytes.")
    return raw or None
