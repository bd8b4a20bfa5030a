"""Dials after registration: suspects that others name, and peers that were unreachable.

No peer is dialled more than once in `DIAL_GAP_S`, whoever asks for it.
"""

import asyncio
import logging
from collections.abc import Iterable
from itertools import islice

from panal.clock import Clock
from panal.tracker.dialback import Dialler
from panal.tracker.records import Records
from panal.tracker.registry import PeerRecord, key_of
from panal.wire.ids import PeerName

_log = logging.getLogger("panal.tracker")

MAX_SUSPECTS = 20
DIAL_GAP_S = 5.0
PATIENCE_S = 1.0
"""How long a question waits for its suspects; their dials go on after it."""


class Redial:
    """Keeps what is known of peers' reachability fresh, in the background."""

    def __init__(self, dialler: Dialler, records: Records, clock: Clock) -> None:
        self._dialler = dialler
        self._records = records
        self._clock = clock
        self._dialled_at_s: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def check_suspects(self, names: Iterable[PeerName]) -> None:
        """Dial peers that did not answer somebody; return when all is known, or soon.

        Only the first `MAX_SUSPECTS` names are looked at.
        """
        wanted = list(dict.fromkeys(islice(names, MAX_SUSPECTS)))
        for record in await self._records.live_peers(wanted):
            if record.reachable:
                self.start(record)
        running = [self._running.get(key_of(name)) for name in wanted]
        if tasks := [task for task in running if task is not None]:
            await asyncio.wait(tasks, timeout=PATIENCE_S)

    def start(self, record: PeerRecord) -> None:
        """Dial a peer in the background, unless that was done just now."""
        key = key_of(record.name)
        now_s = self._clock.now_s()
        if key in self._running or now_s - self._dialled_at_s.get(key, -DIAL_GAP_S) < DIAL_GAP_S:
            return
        self._dialled_at_s = {
            other: at_s for other, at_s in self._dialled_at_s.items() if now_s - at_s < DIAL_GAP_S
        }
        self._dialled_at_s[key] = now_s
        task = asyncio.create_task(self._dial(record), name=f"dial {record.name}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def close(self) -> None:
        """Stop all dials."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dial(self, record: PeerRecord) -> None:
        try:
            reach = await self._dialler.dial(
                record.observed_host,
                record.port,
                record.bound,
                record.secret_hash,
                record.name,
            )
            if not reach.was_asked:
                return  # nothing is known anew
            if await self._records.note_reach(record, reach):
                state = "can be reached again" if reach.reachable else "cannot be reached"
                _log.info("%s %s: %s", record.name, state, reach.words)
        except Exception:
            _log.exception("dialling %s back failed", record.name)
