"""What tus 1.0 says in header fields: lengths, and metadata by key.

https://tus.io/protocols/resumable-upload, version 1.0.0.
"""

import binascii
from base64 import b64decode
from email.utils import formatdate

from panal.errors import UnsafeName, UsageError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
CONTENT_TYPE = "application/offset+octet-stream"
MAX_METADATA_BYTES = 8_190
_MOST_DIGITS = 16


def length(text: str | None, name: str) -> int:
    """A number of bytes in a field; UsageError where it is none."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise UsageError(f"{name} is a number of bytes.")
    return int(text)


def metadata(text: str) -> dict[str, str]:
    """Upload-Metadata, decoded; UsageError where it is not readable, UnsafeName for no UTF-8."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        if key in found:
            raise UsageError(f"Upload-Metadata has {key!r} twice.")
        try:
            found[key] = b64decode(value.strip(), validate=True).decode("utf-8")
        except UnicodeDecodeError:
            raise UnsafeName(f"{key!r} in Upload-Metadata is not valid UTF-8.") from None
        except (binascii.Error, ValueError):
            raise UsageError(f"{key!r} in Upload-Metadata is not base64.") from None
    return found


def expires(wall_s: float) -> str:
    """A moment as Upload-Expires has it (RFC 9110, 5.6.7)."""
    return formatdate(wall_s, usegmt=True)
