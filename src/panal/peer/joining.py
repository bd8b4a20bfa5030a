"""Which network a peer belongs to: as it was kept, or by a join line at its first start."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from panal.errors import Refused
from panal.peer import membership as kept
from panal.peer.config import DEFAULT_TRACKER, PeerSettings
from panal.wire.ids import parse_peer_name

if TYPE_CHECKING:
    from panal.peer.membership import Membership


async def member_of(settings: PeerSettings, wall_s: float) -> "Membership | None":
    """The peer's membership; None where it is in no network.

    It joins once: a join line of the network that it is in already is not used. Refused for one
    of another network, or under another name; errors of joining as `enrolling.join` has them.
    """
    known = kept.load(settings.network)
    if known is None:
        if settings.join is None:
            return None
        from panal.peer.enrolling import join  # loads what only networks need

        return await join(settings.join, settings.peer_name, settings.network, wall_s)
    if settings.join is not None and settings.join.pin != known.pin:
        raise Refused(
            f"This peer is a member of another network ({settings.network}). Give it another "
            "--state directory, or leave --join out."
        )
    if known.name != parse_peer_name(settings.name):
        raise Refused(
            f"{settings.network} makes this peer {known.name}, a member of its network. Start it "
            f"under that name, or give {settings.name} another --state directory."
        )
    return known


def trackers_of(settings: PeerSettings, membership: "Membership | None") -> tuple[str, ...]:
    """Which trackers are asked: those that were named, else those of the network."""
    return settings.trackers if membership is None else asked_of(settings.trackers, membership)


def asked_of(trackers: Sequence[str], membership: "Membership") -> tuple[str, ...]:
    """Which of a network's trackers are asked, where these were named."""
    return membership.trackers if tuple(trackers) == (DEFAULT_TRACKER,) else tuple(trackers)
