"""The tracker as a whole: its start, its port, its sweeper, its end."""

import asyncio
import logging
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from panal.audit import AuditLog
from panal.clock import Clock, SystemClock
from panal.errors import Busy, NoSpace, Refused, StoreUnavailable
from panal.monitoring.listener import MonitoringListener
from panal.tracker import limits
from panal.tracker.call_counts import CallCounts
from panal.tracker.calls import CallGuard
from panal.tracker.dialback import Dialback
from panal.tracker.facts import LOOPBACK, NETWORK, OPEN
from panal.tracker.gate import TRACKER
from panal.tracker.guarded_server import GuardedServer
from panal.tracker.joining import LINE_S, LINE_USES
from panal.tracker.news import Newsroom
from panal.tracker.opening import Opened, has_network_at, open_records
from panal.tracker.own_addresses import own_addresses
from panal.tracker.port import bind, check_port, listen_address, near, options
from panal.tracker.records import Records
from panal.tracker.redial import Redial
from panal.tracker.service import TrackerService
from panal.tracker.settings import TrackerSettings
from panal.tracker.storage import Storage
from panal.tracker.watched import Watched, starting_listener
from panal.wire.address import Address, authority
from panal.wire.join_line import MAX_ADDRESSES, JoinLine
from panal.wire.tracker_pb2_grpc import add_TrackerServicer_to_server

if TYPE_CHECKING:
    from panal.tracker.running_network import RunningNetwork

_log = logging.getLogger("panal.tracker")

SERVICE_NAME = TRACKER
SWEEP_S = 5.0
LAST_WORDS_S = 0.2
"""For telling those who call at the very end."""
STOP_GRACE_S = 10.0
"""Calls that run when it is told to stop have so long to end; most take milliseconds."""


class TrackerServer:
    """One tracker on one port, from `start` to `stop`."""

    def __init__(
        self,
        settings: TrackerSettings,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311 (spreads load, keeps no secret)
        self._audit = AuditLog(settings.state_dir, self._clock)
        self._resources = AsyncExitStack()
        self._server: grpc.aio.Server | None = None
        self._guard: CallGuard | None = None
        self._watched: Watched | None = None
        self._newsroom = Newsroom()
        self._counts = CallCounts()
        self._records: Records | None = None
        self._network: RunningNetwork | None = None
        self._noting: set[asyncio.Task[None]] = set()
        self._port = 0
        self.metrics_port = 0
        """Where metrics are told; 0 for nowhere."""
        self.has_new_network = False
        """Whether its network was made at this start: nobody has a join line yet."""

    @property
    def port(self) -> int:
        """The port it listens on; 0 before `start`."""
        return self._port

    @property
    def host(self) -> str:
        """The IP literal it listens on."""
        return str(listen_address(self._settings.host))

    async def start(self) -> None:
        """Open the records, listen and answer.

        NotExposed beyond loopback where nobody decided who may call, PortTaken, StateInUse,
        NoSpace; UsageError for an address that is not this machine's.
        """
        address = listen_address(self._settings.host)
        has_network = has_network_at(self._settings, address)
        check_port(address, self._settings.port)
        try:
            await self._start_all(address, has_network=has_network)
        except BaseException:
            await self.stop(grace_s=0)
            raise

    async def wait_stopped(self) -> None:
        """Return when the tracker has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Let running calls end for `grace_s`, then close; calling it twice does nothing.

        From its beginning on health and readiness say so, and further calls are refused.
        """
        server, self._server = self._server, None
        if self._watched is not None:
            await self._watched.stopping()
        self._newsroom.close()
        if server is not None:
            if self._guard is not None:
                # Not left to gRPC: it would cut new calls off without a word.
                await self._guard.drain(grace_s)
            await server.stop(min(grace_s, LAST_WORDS_S))
        self._records = self._network = None
        await self._resources.aclose()

    async def mint(self, valid_s: int = LINE_S, uses: int = LINE_USES) -> JoinLine:
        """A new join line; Refused without a network."""
        if self._network is None:
            raise Refused("This tracker has no network to join.")
        return await self._network.mint(valid_s, uses)

    async def sweep(self) -> None:
        """End the leases that are over; done every few seconds by itself."""
        if self._records is None:
            return
        lapsed = await self._records.sweep()
        if self._watched is not None:
            self._watched.leases_ended += len(lapsed)
            self._watched.readiness.catch_up()
        for record in lapsed:
            _log.info("%s left: lease over", record.name)
            self._audit.note("lease-over", name=record.name, is_limited=True)
            self._newsroom.peer(record.name, is_here=False)
        self._newsroom.spread()
        await self._records.clear_leftovers()
        if self._network is not None:
            await self._network.sweep()
        await self._records.find_room()

    async def _start_all(self, address: Address, *, has_network: bool) -> None:
        self._resources.callback(self._audit.close)
        listener = await self._monitored()
        opened = await open_records(
            self._settings, self._clock, self._resources, has_network=has_network
        )
        self._records, self._network = opened.records, opened.network
        self._watched = watched = self._watch(address, opened)
        self._guard = CallGuard(opened.gate, self._audit, self._counts, self._clock)
        service = await self._service(opened, watched)
        self._resources.push_async_callback(watched.readiness.close)
        await self._try_to_sweep()
        self._heed(opened.storage)
        await self._listen(address, service, watched)
        listener.change(watched.pages())
        await watched.look()
        self._go_on_with(opened, watched)
        _log.info("listening on %s", authority(str(address), self._port))

    def _watch(self, address: Address, opened: Opened) -> Watched:
        network = opened.network
        return Watched(
            opened.records,
            self._counts,
            self._clock,
            access=self._access(address, has_network=network is not None),
            lease_s=self._settings.lease_s,
            authority_ends_at_s=None if network is None else network.ends_at_s,
        )

    async def _service(self, opened: Opened, watched: Watched) -> TrackerService:
        """The calls, with what they need of others: peers dialled back, now and again."""
        network = opened.network
        dialback = await self._resources.enter_async_context(
            Dialback(identity=None if network is None else network.identity)
        )
        redial = Redial(dialback, opened.records, self._clock)
        self._resources.push_async_callback(redial.close)
        return TrackerService(
            opened.records,
            dialback,
            redial,
            self._chance,
            self._audit,
            self._settings.lease_s,
            self._settings.renew_s,
            opened.gate,
            None if network is None else network.network,
            self._newsroom,
            watched,
        )

    def _heed(self, storage: Storage) -> None:
        """Hear whether the store is there, and of other trackers on it."""
        loop = asyncio.get_running_loop()

        def note_store(is_here: bool) -> None:
            loop.call_soon_threadsafe(self._note_store, is_here)

        storage.watch(note_store)
        if storage.feed is not None:
            self._newsroom.follow(storage.feed, loop.call_soon_threadsafe)

    async def _listen(self, address: Address, service: TrackerService, watched: Watched) -> None:
        network, records, guard = self._network, self._records, self._guard
        assert records is not None  # noqa: S101 (opened just now)
        assert guard is not None  # noqa: S101 (likewise)
        self._server = grpc.aio.server(
            options=options(), maximum_concurrent_rpcs=limits.CALLS_AT_ONCE
        )
        guarded = GuardedServer(self._server, guard)
        self._add_services(guarded, service, watched)
        credentials = None if network is None else network.server_credentials()
        self._port = bind(self._server, address, self._settings.port, credentials)
        if network is not None:
            network.add_to(guarded, records, self.addresses(), self._audit, watched)
            await network.note_address(authority(str(near(address)), self._port))
            self.has_new_network = network.is_new
        await self._server.start()

    def _go_on_with(self, opened: Opened, watched: Watched) -> None:
        """Begin what is done beside the calls until the stop."""
        behind = [("sweeper", self._sweep_for_ever()), ("health", watched.look_for_ever())]
        if opened.storage.indexes_behind:
            behind.append(("index", opened.records.index.follow_for_ever()))
            behind.append(("merging", opened.records.index.merge_for_ever()))
        if opened.network is not None and opened.network.network.is_shared:
            behind.append(("members", opened.network.follow_for_ever()))
        for name, work in behind:
            task = asyncio.create_task(work, name=f"tracker {name}")
            self._resources.push_async_callback(_cancel, task)

    async def _monitored(self) -> MonitoringListener:
        """From the beginning on: records that are away may take long to open."""
        listener = starting_listener()
        if self._settings.metrics is not None:
            self.metrics_port = await listener.start(*self._settings.metrics)
            self._resources.push_async_callback(listener.close)
            _log.info("metrics at port %d", self.metrics_port)
        return listener

    def _access(self, address: Address, *, has_network: bool) -> str:
        if has_network:
            return NETWORK
        return LOOPBACK if address.is_loopback else OPEN

    def addresses(self) -> tuple[str, ...]:
        """Where peers reach it, as far as it can tell, the best first."""
        address = listen_address(self._settings.host)
        hosts = [str(address)]
        if address.is_unspecified:
            hosts = own_addresses(address.version)[:MAX_ADDRESSES] or [str(near(address))]
        return tuple(authority(host, self._port) for host in hosts)

    def _add_services(self, to: GuardedServer, service: TrackerService, watched: Watched) -> None:
        add_TrackerServicer_to_server(service, to)  # type: ignore[no-untyped-call]  # generated
        health_pb2_grpc.add_HealthServicer_to_server(watched.health, to)  # type: ignore[arg-type]
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflecting = reflection.aio.ReflectionServicer(names)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            reflecting, to
        )

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._clock.sleep(min(SWEEP_S, self._settings.lease_s / 4))
            await self._try_to_sweep()

    async def _try_to_sweep(self) -> None:
        try:
            await self.sweep()
        except StoreUnavailable:
            pass  # whoever noticed it first has said so
        except Busy as error:  # as where another tracker looks for room on a slow disk
            _log.info("sweeping is put off: %s", error)
        except NoSpace:
            if self._records is not None:
                self._records.note_lack()  # told as not ready
        except Exception:
            _log.exception("sweeping failed; it is tried again")

    def _note_store(self, is_here: bool) -> None:
        """The store is away or back; in the loop's thread."""
        task = asyncio.create_task(self._after(is_here), name="tracker store")
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _after(self, is_here: bool) -> None:
        if self._watched is None:
            return
        await self._watched.store_is(is_here=is_here)
        if is_here:
            # Before peers ask: what ran out meanwhile goes on.
            await self._try_to_sweep()
            await self._watched.look()


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
