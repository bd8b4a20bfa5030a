"""How long unfinished files are kept; pure."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

KEPT_S = 24 * 3600.0
"""What no download wants any more; asked for again within it, it goes on."""
Item = TypeVar("Item")


class Aged(msgspec.Struct, Generic[Item], frozen=True):
    """One unfinished file: when it was last written to, and whether a download needs it."""

    item: Item
    modified_s: float
    is_needed: bool


def expires_s(file: Aged[Item]) -> float | None:
    """When it may go; None while it is needed."""
    return None if file.is_needed else file.modified_s + KEPT_S


def expired(files: Iterable[Aged[Item]], now_s: float) -> list[Item]:
    """What has been kept for long enough."""
    due = ((file, expires_s(file)) for file in files)
    return [file.item for file, end_s in due if end_s is not None and end_s <= now_s]
