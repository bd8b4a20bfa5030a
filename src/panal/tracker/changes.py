"""What happened at one tracker, told to the others on the same store: hints, in few messages.

A change says that there is something new, not what: whoever cares asks. So changes of one kind
and peer become one, and where there are too many to tell, "look anew" is told instead.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from panal.wire.ids import PeerName

MOST_BYTES = 7_000
"""Of one message; PostgreSQL takes 7,999."""
MOST_MESSAGES = 4
"""For what is told at once; what is more is not told one by one."""


class ChangeKind(Enum):
    """What a peer did."""

    JOINED = "joined"
    LEFT = "left"
    ANNOUNCED = "announced"


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened."""

    kind: ChangeKind
    peer: PeerName
    entries: int = 0
    """How many were announced, new or changed."""


class ChangeFeed(Protocol):
    """The line between the trackers on one store."""

    def publish(self, changes: Iterable[Change]) -> None:
        """Tell the others soon; from any thread, without waiting."""
        ...

    def subscribe(
        self, heard: Callable[[Sequence[Change]], None], missed: Callable[[], None]
    ) -> None:
        """Hear what others publish, from a thread of the feed's.

        `missed` is called where something may not have been heard: the line was down, or too
        much happened at once.
        """
        ...


class _Message(msgspec.Struct, array_like=True):
    sender: str
    changes: list[Change]
    """Empty: there are too many to tell."""


def merged(changes: Iterable[Change]) -> list[Change]:
    """One of each kind and peer, in the order in which they came last, entries added up."""
    found: dict[tuple[ChangeKind, str], Change] = {}
    for change in changes:
        before = found.pop((change.kind, change.peer), None)
        entries = change.entries + (before.entries if before is not None else 0)
        found[change.kind, change.peer] = Change(change.kind, change.peer, entries)
    return list(found.values())


def messages(sender: str, changes: Sequence[Change]) -> list[str]:
    """The texts that tell these changes; a single one without any where they are too many."""
    texts: list[str] = []
    begun: list[Change] = []
    size_bytes = room_bytes = MOST_BYTES
    for change in changes:
        size_bytes = len(msgspec.json.encode(change)) + 1
        if size_bytes > room_bytes and begun:
            texts.append(_text(sender, begun))
            begun, room_bytes = [], MOST_BYTES
        if not begun:
            room_bytes = MOST_BYTES - len(_text(sender, []))
        begun.append(change)
        room_bytes -= size_bytes
    if begun:
        texts.append(_text(sender, begun))
    return texts if len(texts) <= MOST_MESSAGES else [_text(sender, [])]


def changes_in(text: str, own: str) -> list[Change] | None:
    """What another tracker told; None where it had too much to tell, nothing where it was `own`.

    A text of a newer tracker that this one does not understand is too much, too.
    """
    try:
        message = msgspec.json.decode(text, type=_Message)
    except msgspec.DecodeError:
        return None
    if message.sender == own:
        return []
    return message.changes or None


def _text(sender: str, changes: list[Change]) -> str:
    return msgspec.json.encode(_Message(sender, changes)).decode()
