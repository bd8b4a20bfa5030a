"""This user as a member: one identity a network for all commands that are no peer of their own.

The first command with a join line enrols it; later ones need none, and use none of the line up.
Each `get` that runs beside others takes a further name of that identity, kept for the next.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace
from platformdirs import user_state_path

from panal.errors import PanalError, Refused
from panal.peer import membership as kept
from panal.peer.config import PeerSettings
from panal.peer.membership import Membership
from panal.store.disk_errors import disk_error
from panal.trust.files import private_folder
from panal.wire.ids import PeerName, parse_peer_name
from panal.wire.join_line import JoinLine

FOLDER = "networks"
MOST_NAMES = 100


class HeldName(msgspec.Struct, frozen=True):
    """A name that nobody else uses while this is held."""

    folder: Path
    """Where its identity is kept."""
    membership: Membership
    _lock: int

    def release(self) -> None:
        """Let another have it."""
        os.close(self._lock)


def get_name() -> PeerName:
    """A name for a peer of one download."""
    host = "".join(c for c in socket.gethostname() if c.isascii() and c.isalnum())[:40] or "host"
    return parse_peer_name(f"get-{host}-{secrets.token_hex(4)}")


async def user_in(
    trackers: Sequence[str], line: JoinLine | None, wall_s: float
) -> Membership | None:
    """The user's own membership in the network of a join line, or of one of these trackers.

    None where the user is in no such network. Errors of joining as `enrolling.join` has them.
    """
    networks = user_state_path("panal") / FOLDER
    if line is None:
        return _known_at(networks, trackers)
    folder = networks / line.pin[:8].hex() / "0" / kept.FOLDER
    known = kept.load(folder)
    if known is not None:
        return known
    from panal.peer.enrolling import join  # loads what only networks need

    return await join(line, get_name(), folder, wall_s)


async def hold_name(user: Membership) -> HeldName:
    """A name of the user's own for a peer that runs now: the first that no other one uses."""
    network = user.folder.parent.parent
    for number in range(MOST_NAMES):
        folder = network / str(number)
        lock = _lock(folder)
        if lock is None:
            continue
        try:
            membership = kept.load(folder / kept.FOLDER)
            if membership is None:
                from panal.peer.enrolling import join_further

                membership = await join_further(user, get_name(), folder / kept.FOLDER)
        except BaseException:
            os.close(lock)
            raise
        return HeldName(folder, membership, lock)
    raise Refused(f"{MOST_NAMES} downloads run side by side already; wait for one to end.")


@asynccontextmanager
async def as_member(
    settings: PeerSettings, line: JoinLine | None, wall_s: float
) -> AsyncIterator[PeerSettings]:
    """A peer's settings under a name of the user's in the network, where the user is in it."""
    user = await user_in(settings.trackers, line, wall_s)
    if user is None:
        yield settings
        return
    held = await hold_name(user)
    try:
        yield replace(settings, name=held.membership.name, identity_dir=held.folder)
    finally:
        held.release()


def _known_at(networks: Path, trackers: Sequence[str]) -> Membership | None:
    for folder in sorted(networks.glob(f"*/0/{kept.FOLDER}")):
        with suppress(PanalError):  # a damaged one of another network is no matter here
            known = kept.load(folder)
            if known is not None and set(known.trackers) & set(trackers):
                return known
    return None


def _lock(folder: Path) -> int | None:
    """The lock of a name's folder; None while another process has it."""
    try:
        private_folder(folder)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_error(error, f"keep an identity in {folder}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
