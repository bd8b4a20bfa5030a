"""A tracker's records, opened: in which store, for everybody or for a network's members."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from panal.clock import Clock
from panal.errors import NotExposed, Refused, UsageError
from panal.tracker import authority_files
from panal.tracker.gate import Gate
from panal.tracker.records import Records
from panal.tracker.records_threads import RecordsThreads
from panal.tracker.settings import TrackerSettings
from panal.tracker.storage import SAME_AUTHORITY, Storage
from panal.tracker.stores import open_store_when_it_is_there
from panal.wire.address import Address

if TYPE_CHECKING:
    from panal.tracker.running_network import RunningNetwork

_NO_STATE = (
    "A network needs a directory for its authority: give the tracker a state directory, or trust "
    "everybody who reaches it, with open (--open)."
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The records, and whose they are."""

    storage: Storage
    records: Records
    network: "RunningNetwork | None"
    """None where whoever reaches the tracker may call."""
    gate: Gate
    """Who may call."""


def has_network_at(settings: TrackerSettings, address: Address) -> bool:
    """Who may call, as far as it was decided; UsageError, Refused or NotExposed else."""
    state = settings.state_dir
    is_made = state is not None and authority_files.is_made(state)
    if settings.open and settings.network:
        raise UsageError("A tracker is open or has a network, not both.")
    if settings.open and is_made:
        raise Refused(
            f"There is a network in {state}, which --open would leave unused. Start the tracker "
            "without --open, or give it another --state directory."
        )
    has_network = settings.network or is_made or not (address.is_loopback or settings.open)
    if has_network and state is None:
        raise NotExposed(_NO_STATE)
    return has_network


async def open_records(
    settings: TrackerSettings, clock: Clock, resources: AsyncExitStack, *, has_network: bool
) -> Opened:
    """Open them, as soon as they are there; `resources` close them.

    Refused where they are somebody else's.
    """
    storage, lease_clock = await open_store_when_it_is_there(
        settings.store, settings.state_dir, clock, settings.lease_s
    )
    resources.push_async_callback(asyncio.to_thread, storage.close)
    threads = RecordsThreads(storage.threads, may_answer_here=storage.is_embedded)
    resources.push_async_callback(threads.close)
    records = Records(storage, threads, lease_clock, settings.lease_s)
    if not has_network:
        await threads.run(partial(storage.claim, ""))
        return Opened(storage, records, None, Gate())
    network = await _open_network(settings, clock, resources, storage, threads)
    return Opened(storage, records, network, network.gate)


async def _open_network(
    settings: TrackerSettings,
    clock: Clock,
    resources: AsyncExitStack,
    storage: Storage,
    threads: RecordsThreads,
) -> "RunningNetwork":
    from panal.tracker.running_network import RunningNetwork

    state = settings.state_dir
    if state is None:
        raise NotExposed(_NO_STATE)
    if await threads.run(storage.whose) and not authority_files.is_made(state):
        # Not made and then refused: the next start would find it there.
        raise Refused(f"The database has a network, and {state} has not. {SAME_AUTHORITY}")

    async def claim(whose: str) -> None:
        try:
            await threads.run(partial(storage.claim, whose))
        except Refused as error:
            if not await threads.run(storage.whose):
                raise  # they are no network's
            raise Refused(f"{error} {authority_files.to_replace(state)}") from None

    return await RunningNetwork.start(state, clock, resources, storage.members, claim)
