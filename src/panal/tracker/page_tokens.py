"""Where a page of a search ended, as a token that its reader hands back: no store, no clock."""

import base64
import binascii
import json

from panal.errors import UsageError
from panal.wire.ids import is_content_id

MOST_TOKEN_LETTERS = 256 * 1024
"""Of a page's; the longest name takes a third of it, if each of its letters is one that stands for
eighteen."""

UNRANKED = 2
"""The class of what is in no order but its path's."""
SortKey = tuple[int, str, str]
"""Class of the match, folded path, content id in hex: unique for each hit.

In a listing the path is as it stands, and the class says nothing.
"""


def page_token(key: SortKey) -> str:
    """Of the last hit of a page."""
    raw = json.dumps(key, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def key_of_page(token: str) -> SortKey:
    """Of the last hit of the page before; UsageError where no tracker made it."""
    if len(token) > MOST_TOKEN_LETTERS:
        raise UsageError("This page token was not made by the tracker.")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        found = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise UsageError("This page token was not made by the tracker.") from None
    match found:
        case [int(quality), str(path), str(content)] if _is_key(quality, path, content):
            return quality, path, content
    raise UsageError("This page token was not made by the tracker.")


def _is_key(quality: object, path: str, content: str) -> bool:
    # Half a surrogate and a zero are JSON, and nothing that a store can look for.
    is_text = "\0" not in path and path == path.encode("utf-8", "ignore").decode()
    is_class = quality in range(UNRANKED + 1) and not isinstance(quality, bool)
    return is_text and is_class and is_content_id(content)
