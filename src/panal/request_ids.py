"""Which request a line of a log belongs to: an id that goes from a peer to its tracker and back.

Kept for a task and those that it starts. An id says nothing of who asks, and is believed to be
nothing but a mark: whoever calls may choose it.
"""

import re
import secrets
from contextvars import ContextVar

METADATA = "x-request-id"
"""In gRPC's metadata, both ways."""
HEADER = "X-Request-Id"
"""The same in HTTP."""
_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("panal_request_id", default="")


def new_id() -> str:
    """An id that nobody else has."""
    return secrets.token_hex(8)


def accepted(text: str | bytes | None) -> str:
    """What somebody gives as an id, where it has the form of one; empty else."""
    return text if isinstance(text, str) and _FORM.fullmatch(text) else ""


def current() -> str:
    """The id of what is being worked on; empty for none."""
    return _current.get()


def begin(request_id: str) -> None:
    """The task that runs works on a request until it ends."""
    _current.set(request_id)
