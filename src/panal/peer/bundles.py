"""A folder's small files in bundles, from every provider that gives them, several at once.

What comes is verified content by content and staged in the thread that received it. What
does not come is left over, to be asked for one by one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from panal.errors import IntegrityError, Unreachable
from panal.peer.bundle_plan import BundlePlan
from panal.peer.bundle_source import BundleSource, NoBundles
from panal.peer.folder_transfer import BundleTransfer, FolderTransfer
from panal.peer.placing import to_end
from panal.peer.queue_patience import queue_patience
from panal.peer.small_files import SmallFiles, manifest_of_small
from panal.store.staging import Staging
from panal.store.turn import COMPUTING
from panal.wire.bundle import Member, WrongMember, members
from panal.wire.catalogue import Provider
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId
from panal.wire.manifest import content_id

CONNECTIONS = 4
"""Bundles under way at once, each with a buffer of 4 MiB: that bounds the memory."""
EACH = 2
"""Connections to one provider: it reads the next bundle while one is on the wire."""

Group = Sequence[CollectionEntry]
"""The entries of one content."""


class _Outcome(msgspec.Struct):
    """What came of one request."""

    missing: list[Group]
    failed: Unreachable | None = None
    """It broke off, or there was no answer."""
    lie: str = ""
    """What was wrong about the answer."""
    wrong: CollectionEntry | None = None
    """Whose bytes or size were not those of the folder's list."""


class Bundles:
    """Fetches in bundles what can be had so."""

    def __init__(
        self,
        small: SmallFiles,
        new_batch: Callable[[], Staging],
        place: Callable[[Staging], Awaitable[None]],
        transfer: FolderTransfer,
    ) -> None:
        self._small = small
        self._new_batch = new_batch
        self._place = place
        self._transfer = transfer
        self._without: set[Provider] = set()
        """Who does not know bundles."""

    async def fetch(self, wanted: Sequence[Group]) -> list[Group]:
        """Put in place what comes in bundles; the rest. IntegrityError: the list is wrong."""
        usable = [p for p in await self._small.look() if p not in self._without] if wanted else []
        providers = (usable[:CONNECTIONS] * EACH)[:CONNECTIONS]
        if not providers:
            return list(wanted)
        plan = BundlePlan(wanted)
        with ThreadPoolExecutor(len(providers), thread_name_prefix="bundle") as threads:
            tasks = [
                asyncio.create_task(self._work(provider, plan, len(providers), threads))
                for provider in providers
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return plan.left()

    async def _work(
        self, provider: Provider, plan: BundlePlan, at_once: int, threads: ThreadPoolExecutor
    ) -> None:
        """One connection's bundles, one after the other."""
        source = BundleSource(provider, self._small.limit, self._small.calling)
        try:
            while provider in self._small.usable() and provider not in self._without:
                groups = plan.take(provider.peer, at_once)
                if not groups:
                    return
                await self._one(source, provider, groups, plan, threads)
        finally:
            source.close()

    async def _one(
        self,
        source: BundleSource,
        provider: Provider,
        groups: list[Group],
        plan: BundlePlan,
        threads: ThreadPoolExecutor,
    ) -> None:
        transfer = self._transfer.begin_bundle(provider.peer, len(groups))
        batch = self._new_batch()
        try:
            small = self._small
            patience = queue_patience(small.calling, provider, source.cancel, small.clock)
            async with patience as answered:
                outcome = await _in_thread(threads, source, groups, batch, transfer, answered)
        except NoBundles:
            self._without.add(provider)
            outcome = _Outcome(groups)
        except BaseException:
            batch.close()
            raise
        finally:
            self._transfer.end_bundle(transfer, provider.peer)
            self._small.received.add(transfer.bytes_done, transfer.files)
        lacks = None if outcome.failed or outcome.lie else provider.peer
        plan.give_back(outcome.missing, lacks if provider not in self._without else None)
        await self._place(batch)
        if outcome.failed is not None:
            self._small.drop(provider)
        if outcome.wrong is not None:
            self._small.received.add(0, 0, 1)
            await self._small.blame(provider, outcome.wrong)
        elif outcome.lie:
            self._small.ban(provider, outcome.lie)


async def _in_thread(
    threads: ThreadPoolExecutor,
    source: BundleSource,
    groups: list[Group],
    batch: Staging,
    transfer: BundleTransfer,
    answered: asyncio.Event,
) -> _Outcome:
    loop = asyncio.get_running_loop()
    begun = partial(loop.call_soon_threadsafe, answered.set)
    working = loop.run_in_executor(threads, _receive, source, groups, batch, transfer, begun)
    return await to_end(working, source.cancel)


def _receive(
    source: BundleSource,
    groups: list[Group],
    batch: Staging,
    transfer: BundleTransfer,
    begun: Callable[[], object],
) -> _Outcome:
    left: dict[ContentId, Group] = {}
    for group in groups:
        assert group[0].content is not None  # noqa: S101 (a file)
        left[group[0].content] = group
    sizes_bytes = {content: group[0].size_bytes for content, group in left.items()}
    outcome = _Outcome([])
    batch.check_room()  # others write to the disk too
    try:
        tar, outcome.failed = source.receive(sizes_bytes, begun, transfer.hold)
        with COMPUTING:
            _stage(tar, sizes_bytes, left, batch, transfer)
    except Unreachable as error:
        outcome.failed = error
    except WrongMember as error:
        outcome.wrong, outcome.lie = left[error.content][0], str(error)
    except IntegrityError as error:
        if outcome.failed is None:  # else it ends where the connection did
            outcome.lie = str(error)
    outcome.missing = list(left.values())
    return outcome


def _stage(
    tar: memoryview,
    sizes_bytes: Mapping[ContentId, int],
    left: dict[ContentId, Group],
    batch: Staging,
    transfer: BundleTransfer,
) -> None:
    """Verify and write what comes before the first wrong member; what is staged is not `left`.

    Each step is taken for all of them: a processor is slower where it changes between hashing,
    the system and our own code for each file.
    """
    came, wrong = _until_wrong(members(tar, sizes_bytes))
    manifests = [manifest_of_small(member.data) for member in came]
    contents = [content_id(manifest.encode()) for manifest in manifests]
    for member, content, manifest in zip(came, contents, manifests, strict=True):
        if content != member.content:
            raise WrongMember(member.content, "wrong bytes")
        for entry in left[content]:
            batch.write(member.data, entry, manifest)
        transfer.count(left.pop(content))
    try:
        if wrong is not None:
            raise wrong
    finally:
        del wrong  # it has this frame, and so the bundle, in its traceback


def _until_wrong(found: Iterator[Member]) -> tuple[list[Member], Exception | None]:
    """The members before the first that is not as it must be, and what that one raised."""
    came: list[Member] = []
    try:
        for member in found:
            came.append(member)
    except (IntegrityError, WrongMember) as error:
        return came, error
    return came, None
