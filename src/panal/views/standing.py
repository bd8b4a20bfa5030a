"""How this peer, its network and its tracker stand, as the API gives it."""

import shlex
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import asdict

from panal.answers import (
    DiskAnswer,
    GuestLinkAnswer,
    LinkAnswer,
    NetworkAnswer,
    TrackerDetailsAnswer,
    TrackerStatusAnswer,
    VerifyAnswer,
    VerifyProgress,
)
from panal.peer.guest_links import Named
from panal.peer.membership import Membership
from panal.peer.verifying import Verified
from panal.store.space import Room, reserve_bytes
from panal.wire.capability import Grant
from panal.wire.tracker_status import TrackerStatus


def link_answer(named: Named, link: str, url: str | None) -> LinkAnswer:
    """A link as the API gives it; the line for a shell is made of a file's URL."""
    curl = None
    if url is not None:
        curl = f"curl -C - -o {shlex.quote('./' + named.name)} {shlex.quote(url)}"
    return LinkAnswer(named.name, named.content.hex(), named.kind.name.lower(), link, url, curl)


def network_answer(membership: Membership) -> NetworkAnswer:
    """A network as the API gives it."""
    return NetworkAnswer(membership.name, membership.pin.hex())


def tracker_status_answer(status: TrackerStatus, tracker: str) -> TrackerStatusAnswer:
    """How a tracker stands, as the API gives it: without what it could not count."""
    known = status.details
    answer = TrackerStatusAnswer(
        tracker=tracker,
        ready=not status.problem,
        problem=status.problem,
        access=status.access,
        lease_s=status.lease_s,
        details=None if known is None else TrackerDetailsAnswer(**asdict(known)),
    )
    if answer.ready:
        answer.peers, answer.peers_reachable = status.peers, status.peers_reachable
        answer.entries, answer.holdings = status.entries, status.holdings
    elif answer.details is not None:
        answer.details.store_answer_s = answer.details.search_lag_entries = UNSET
    return answer


def disk_answer(folder: Path, room: Room) -> DiskAnswer:
    """The room on a disk as the API gives it."""
    return DiskAnswer(
        folder=str(folder),
        total=room.total_bytes,
        free=room.free_bytes,
        reserve=reserve_bytes(room.total_bytes),
        usable=max(0, room.usable_bytes),
    )


def guest_link_answer(grant: Grant, url: str | None) -> GuestLinkAnswer:
    """A link for guests as the API gives it."""
    return GuestLinkAnswer(
        id=grant.serial.hex(),
        name=grant.name,
        content=grant.content.hex(),
        kind=grant.kind.name.lower(),
        expires=grant.expires_s,
        url=url,
    )


def verify_progress(found: Verified) -> VerifyProgress:
    """How far re-reading has come, as the API gives it."""
    answer = VerifyAnswer(
        found.files,
        found.size_bytes,
        found.offline,
        dict(found.differing.items()),
        list(found.repaired),
    )
    return VerifyProgress(
        files=found.files,
        of_files=found.of_files,
        bytes=found.size_bytes + found.reading_bytes,
        of_bytes=found.of_bytes,
        answer=answer if found.is_over else None,
    )
