"""What a running tracker says of itself: one set of facts, told as health, metrics and status."""

import asyncio

from grpc_health.v1 import health, health_pb2

from panal import __version__
from panal.clock import Clock
from panal.monitoring.listener import MonitoringListener, Page, Told, alive, ready_told
from panal.tracker.call_counts import CallCounts
from panal.tracker.facts import TrackerFacts
from panal.tracker.gate import TRACKER
from panal.tracker.readiness import Readiness
from panal.tracker.records import Records

HEALTH_EVERY_S = 5.0


def starting_listener() -> MonitoringListener:
    """A port that tells metrics and probes, as they are before the records are open."""
    return MonitoringListener({"/metrics": _starting, "/healthz": alive, "/readyz": _starting})


async def _starting(_: str) -> Told:
    return ready_told("The tracker waits for its records to open; its log says for what.")


class Watched:
    """Gathers a tracker's facts; health is told by gRPC, the rest to whoever asks."""

    def __init__(
        self,
        records: Records,
        counts: CallCounts,
        clock: Clock,
        *,
        access: str,
        lease_s: float,
        authority_ends_at_s: float | None,
    ) -> None:
        self.health = health.aio.HealthServicer()
        self.readiness = Readiness(records.totals, lambda: records.lacks_room, clock)
        self.leases_ended = 0
        self._records = records
        self._counts = counts
        self._clock = clock
        self._access = access
        self._lease_s = lease_s
        self._authority_ends_at_s = authority_ends_at_s
        self._began_at_s = clock.now_s()

    async def facts(self) -> TrackerFacts:
        """How the tracker stands now; within the readiness' deadline."""
        look, now_s = await self.readiness.look(), self._clock.now_s()
        return TrackerFacts(
            version=__version__,
            up_s=now_s - self._began_at_s,
            access=self._access,
            store=self._records.kind,
            problem=look.problem,
            totals=look.totals,
            store_answer_s=look.answer_s,
            store_waiting=self._records.waiting,
            leases_ended=self.leases_ended,
            lease_s=self._lease_s,
            calls_under_way=self._counts.under_way,
            calls_per_s=self._counts.per_second(now_s),
            calls=dict(self._counts.ended),
            calls_without_room=self._counts.without_room,
            durations=dict(self._counts.durations),
            authority_ends_at_s=self._authority_ends_at_s,
        )

    async def look(self) -> None:
        """Tell gRPC's health how the tracker stands, and mark the calls until now."""
        self._counts.mark(self._clock.now_s())
        await self._tell_health(is_ready=not (await self.readiness.look()).problem)

    async def store_is(self, *, is_here: bool) -> None:
        """The store has found out that it is away, or back: told before anybody asks.

        One that is back is told as ready by the next `look` after a sweep.
        """
        self.readiness.fall_behind()
        if not is_here:
            await self._tell_health(is_ready=False)

    async def _tell_health(self, *, is_ready: bool) -> None:
        status = health_pb2.HealthCheckResponse
        for name in ("", TRACKER):
            await self.health.set(name, status.SERVING if is_ready else status.NOT_SERVING)

    async def look_for_ever(self) -> None:
        """`look` every few seconds until cancelled."""
        while True:
            await self._clock.sleep(HEALTH_EVERY_S)
            await self.look()

    async def stopping(self) -> None:
        """Not ready any more, whoever asks and however."""
        self.readiness.is_stopping = True
        await self.health.enter_graceful_shutdown()

    def pages(self) -> dict[str, Page]:
        """What a port for metrics and probes tells."""
        return {"/metrics": self._metrics, "/readyz": self._ready}

    async def _metrics(self, accept: str) -> Told:
        return await asyncio.to_thread(_page, await self.facts(), accept)

    async def _ready(self, _: str) -> Told:
        return ready_told((await self.readiness.look()).problem)


def _page(facts: TrackerFacts, accept: str) -> Told:
    # Loaded by whoever is asked first: most trackers never are.
    from panal.monitoring.exposition import exposition
    from panal.tracker.metrics import families

    page = exposition(families(facts), accept)
    return Told(200, page.body, page.content_type)
