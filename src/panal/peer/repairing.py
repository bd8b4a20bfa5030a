"""A rotten file made whole: its right chunks kept, the others fetched from whoever has them.

The user's file is only read until a whole and verified one can take its place, in one step.
"""

import asyncio
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from panal.clock import Clock
from panal.errors import PanalError, Refused, Unreachable
from panal.peer.contents import OpenContent
from panal.peer.damage import Damage
from panal.peer.fetching import Fetching
from panal.peer.placing import to_end
from panal.peer.sharing import Sharing
from panal.peer.transfer import Transfer
from panal.peer.vouching import Vouching
from panal.store.damage_records import DamagedFile
from panal.store.file_systems import shows_writers
from panal.store.fingerprints import Fingerprint
from panal.store.mounts import Mounts
from panal.store.partial import PartialFile
from panal.store.publish import refuse_touched
from panal.wire import bitfield
from panal.wire.names import printable

PATIENCE_S = 60.0
"""So long nothing may come, while others are asked, before a repair gives up; what has come is
kept for the next."""
LOOK_S = 1.0


class _Kept(msgspec.Struct, frozen=True):
    """What a damaged file has beside its bytes; it cannot change unnoticed until it is replaced."""

    owner: tuple[int, int]
    """Its user and group."""
    mode: int
    mtime_ns: int
    attributes: dict[str, bytes]


class Repairing:
    """Repairs one file after the other."""

    def __init__(
        self,
        root: Mounts,
        damage: Damage,
        fetching: Fetching,
        sharing: Sharing,
        vouching: Vouching,
        partials: Path,
        clock: Clock,
    ) -> None:
        self._root = root
        self._damage = damage
        self._fetching = fetching
        self._sharing = sharing
        self._vouching = vouching
        self._partials = partials
        self._clock = clock
        self._turn = asyncio.Lock()

    async def repair(self, file: DamagedFile) -> None:
        """Make a damaged file what it was; it is shared again then.

        Refused where it lies in a further root, which is only read; Unreachable where nobody has
        what is missing; ContentChanged where somebody has changed it, or may have; NoSpace.
        """
        if name := self._root.root_name(file.path):
            place = printable(str(self._root.places()[name]))
            raise Refused(f"it is shared in place from {place}, where Panal only reads")
        found = await asyncio.to_thread(self._root.fingerprint, file.path)
        if found is not None:
            refuse_touched(found, file.fingerprint, file.path)  # whoever has it
            await self._sharing.refuse_unplaceable(file.path, self._partials)
        if not await self._fetching.locate(file.content):
            raise Unreachable("nobody else who is here has this content")
        async with self._turn:
            await self._repair_patiently(file)

    async def _repair_patiently(self, file: DamagedFile) -> None:
        transfer = Transfer(file.path)
        work = asyncio.create_task(self._repair(file, transfer))
        still_s, before_bytes = self._clock.now_s(), -1
        try:
            while not work.done():
                waking = asyncio.ensure_future(self._clock.sleep(LOOK_S))
                await asyncio.wait({work, waking}, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                transfer.look()
                waits = transfer.waiting_for or transfer.asks  # else it copies, hashes, syncs
                if transfer.bytes_done != before_bytes or not waits:
                    still_s, before_bytes = self._clock.now_s(), transfer.bytes_done
                elif self._clock.now_s() - still_s >= PATIENCE_S and not work.done():
                    raise Unreachable(transfer.reason or "nobody sends what is missing")
            work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _repair(self, file: DamagedFile, transfer: Transfer) -> None:
        content, manifest, place = file.content, file.manifest, self._partials
        with ExitStack() as using:
            rotten, kept = await to_end(asyncio.to_thread(self._opened, file, using))
            async with self._fetching.whole(content, manifest, place, transfer, rotten) as partial:
                await to_end(self._put_back(file, partial, kept))

    async def _put_back(self, file: DamagedFile, partial: PartialFile, kept: _Kept) -> None:
        _give_to(kept.owner, partial.descriptor)  # takes rights away that are set below
        for name, value in kept.attributes.items():
            with suppress(OSError):  # the system's own are not for everybody to set
                os.setxattr(partial.descriptor, name, value)
        await asyncio.to_thread(partial.make_publishable, mode=kept.mode, mtime_ns=kept.mtime_ns)
        # What lies there afterwards is the rotten file: no journal may speak of it as right.
        await asyncio.to_thread(partial.forget_journal)
        shared = await self._sharing.put_back(partial.path, file)
        with suppress(PanalError):  # then it is checked at the next start
            await self._vouching.check(shared)
        await asyncio.to_thread(partial.discard)
        self._damage.end(file.path)

    def _opened(self, file: DamagedFile, using: ExitStack) -> tuple[OpenContent, _Kept]:
        """What is right of it, to be read; what it has beside its bytes."""
        descriptor = self._root.open_unchanged(file.path, file.fingerprint)
        good = bitfield.full(file.manifest.chunk_count) & ~file.wrong
        size_bytes = file.manifest.size_bytes
        rotten = OpenContent(descriptor, size_bytes, good, None, file.fingerprint)
        using.callback(rotten.close)
        try:
            status = os.fstat(descriptor)
            refuse_touched(Fingerprint.of(status), file.fingerprint, file.path)
            if not shows_writers(descriptor):
                raise Refused(
                    "a program may have edited it: in memory, or where file systems lie on each "
                    "other, that need not show. Touch it to share it as it is, or remove it and "
                    "get it again"
                )
            attributes = _attributes(descriptor)
        except OSError as error:
            raise PanalError(f"it cannot be read: {error.strerror}") from None
        mode, mtime_ns = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        return rotten, _Kept(_owner(status), mode, mtime_ns, attributes)


def _owner(status: os.stat_result) -> tuple[int, int]:
    return status.st_uid, status.st_gid


def _give_to(owner: tuple[int, int], descriptor: int) -> None:
    if _owner(os.fstat(descriptor)) == owner:
        return
    try:
        os.fchown(descriptor, *owner)
    except OSError as error:
        user, group = owner
        raise Refused(
            f"it belongs to user {user}, group {group}, to whom this peer may not give the whole "
            f"one ({error.strerror}): remove it and get it again as that user, or repair it as root"
        ) from None


def _attributes(descriptor: int) -> dict[str, bytes]:
    with suppress(OSError):  # a file system without any
        return {name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
    return {}
