"""Which source goes, for how long, and which is banned.

What is claimed of whom, and when time is to look, is the download's; whether a source deserves it,
is decided here.
"""

from panal.swarm.asking import Asking
from panal.swarm.border import Border
from panal.swarm.chunks import Chunks
from panal.swarm.messages import Ban, Drop, Failure, Order
from panal.swarm.neighbours import Neighbours
from panal.swarm.picker import Chance
from panal.swarm.requests import end_fetch
from panal.swarm.sources import REST_AFTER_STALL_S, RunningFetch, Source, Stage
from panal.swarm.takeover import QUICKER

_JITTER_STEPS = 1 << 16


class Partings:
    """From one download's neighbours; what they change is noted at once."""

    def __init__(
        self,
        chunks: Chunks,
        neighbours: Neighbours,
        border: Border,
        asking: Asking,
        chance: Chance,
    ) -> None:
        self._chunks = chunks
        self._neighbours = neighbours
        self._border = border
        self._asking = asking
        self._chance = chance

    def lose_patience(self, now_s: float) -> list[Order]:
        """Whose fetch ends: nothing comes any more, or too little where another may do better."""
        orders: list[Order] = []
        for source in self._neighbours.near.values():
            fetch = source.fetch
            if fetch is None or fetch.ending:
                continue
            best = fetch.is_measured(now_s) and self._is_best(source, fetch, now_s)
            if why := fetch.impatience(now_s, is_best_source=best):
                source.lost += 1
                orders.append(end_fetch(source, fetch, why, REST_AFTER_STALL_S))
        return orders

    def _is_best(self, source: Source, fetch: RunningFetch, now_s: float) -> bool:
        """Whether nobody else who has what it fetches may be so much quicker.

        Where all links are slow, or our own is, what has come would be lost each time.
        """
        enough_bytes_s = QUICKER * fetch.measured_bytes_s
        return not any(
            other is not source
            and other.bits & fetch.claimed
            and other.may_bring(enough_bytes_s, now_s)
            for other in self._neighbours.near.values()
        )

    def closed(self, source: Source, reason: str, misbehaved: bool, now_s: float) -> list[Order]:
        """Its list of chunks has ended."""
        if source.stage not in {Stage.OPENING, Stage.READY}:
            return []
        if misbehaved and source.misbehaved():
            return self.ban(source, None, reason, now_s)
        orders: list[Order] = []
        fetch = source.fetch
        if fetch is not None and not fetch.ending and fetch.first_byte_at_s is None:
            orders.append(end_fetch(source, fetch, reason, 0.0))  # its queue has gone
        self._send_away(source, reason, now_s, source.back_off_s(self._jitter(), Failure.BROKEN))
        return orders

    def judge(
        self,
        source: Source,
        fetch: RunningFetch,
        failure: Failure | None,
        reason: str,
        now_s: float,
    ) -> list[Order]:
        """Its fetch has ended, and is no longer noted at the source."""
        if failure is None or failure is Failure.TAKEN or source.stage is Stage.BANNED:
            return []
        if fetch.ending or failure is Failure.CANCELLED:
            # A cancellation may come a moment late and hit the next fetch: nobody's fault.
            source.reason = fetch.ending
            source.rests_until_s = max(source.rests_until_s, now_s + fetch.rest_s)
            if fetch.rest_s < REST_AFTER_STALL_S or source.stage is not Stage.READY:
                return []
            self._send_away(source, fetch.ending, now_s, fetch.rest_s)
            return [Drop(source.id)]
        if failure is Failure.NOTHING_UNSENT:
            source.may_choose = False
            return []
        if failure is Failure.MISBEHAVED and source.misbehaved():
            return self.ban(source, None, reason, now_s)
        if source.stage is not Stage.READY:
            return []
        rest_s = source.back_off_s(self._jitter(), failure)
        self._send_away(source, reason or failure.value, now_s, rest_s)
        return [Drop(source.id)]

    def ban(self, source: Source, index: int | None, reason: str, now_s: float) -> list[Order]:
        """It is not used any more, perhaps for a wrong chunk."""
        if source.stage is Stage.BANNED:
            return []
        orders: list[Order] = []
        if source.fetch is not None and not source.fetch.ending:
            orders.append(end_fetch(source, source.fetch, reason, 0.0))
        self._leave(source, Stage.BANNED, reason, now_s)
        return [*orders, Ban(source.id, index, reason), Drop(source.id)]

    def _send_away(self, source: Source, reason: str, now_s: float, rest_s: float) -> None:
        source.rests_until_s = now_s + rest_s
        self._leave(source, Stage.AWAY, reason, now_s)

    def _leave(self, source: Source, stage: Stage, reason: str, now_s: float) -> None:
        self._neighbours.leave(source, stage, reason, now_s)
        self._border.meet(self._neighbours.near.values())
        if self.is_starving():
            self._asking.hurry(now_s)

    def _jitter(self) -> float:
        return self._chance.randrange(_JITTER_STEPS) / _JITTER_STEPS

    def is_starving(self) -> bool:
        """Whether some chunk is missing that no neighbour has."""
        return bool(self._chunks.lacking & ~self._neighbours.available)

    def make_room(self, quiet_since_s: float, now_s: float) -> list[Order]:
        """Who is of no use goes where others wait for its place."""
        source = self._neighbours.who_makes_room(self._chunks.missing, quiet_since_s, now_s)
        if source is None:
            return []
        why = "made room for another"
        if source.fetch is not None:
            source.queues_left += 1
            return [end_fetch(source, source.fetch, why, REST_AFTER_STALL_S)]
        self._send_away(source, why, now_s, REST_AFTER_STALL_S)
        return [Drop(source.id)]
