"""Whether a peer can do its work, and what is missing, in words that name nobody; pure."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerStanding:
    """What a peer's work needs, at a moment."""

    is_stopping: bool
    is_registered: bool
    """Whether a tracker lists it."""
    is_folder_there: bool
    has_room: bool
    """Whether its disk has any beyond the reserve."""


def problems(standing: PeerStanding) -> Iterator[str]:
    """What is missing; nothing where it is ready."""
    if standing.is_stopping:
        yield "stopping"
    if not standing.is_registered:
        yield "not registered"
    if not standing.is_folder_there:
        yield "the folder is not there"
    elif not standing.has_room:
        yield "the folder's disk is full"
