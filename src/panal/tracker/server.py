"""The tracker as a whole: its settings, its port, its sweeper, its end."""

import asyncio
import errno
import logging
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from panal.clock import Clock, SystemClock
from panal.errors import NotExposed, PanalError, PortTaken, UsageError
from panal.tracker.calls import CallGuard
from panal.tracker.dialback import Dialback
from panal.tracker.records import Records
from panal.tracker.redial import Redial
from panal.tracker.registry import LEASE_S, RENEW_S
from panal.tracker.service import TrackerService
from panal.tracker.sqlite import SqliteStorage
from panal.wire import tracker_pb2 as pb
from panal.wire.address import Address, parse_address
from panal.wire.tracker_pb2_grpc import add_TrackerServicer_to_server

_log = logging.getLogger("panal.tracker")

DEFAULT_PORT = 50_051
SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["Tracker"].full_name
DATABASE_NAME = "tracker.db"
SWEEP_S = 5.0
STOP_GRACE_S = 10.0
MAX_CALLS_AT_ONCE = 1_000

_OPTIONS = (
    # Otherwise a second tracker takes the same port without an error.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.max_concurrent_streams", 100),
    # A peer may ask every 10 s whether the tracker is still there.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 9_000),
)


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Where a tracker listens, who may come in, and where it keeps its records."""

    host: str = "127.0.0.1"
    """An IP literal or "localhost"; 0.0.0.0 or :: for all addresses of that family."""
    port: int = DEFAULT_PORT
    """0: any free one."""
    open: bool = False
    """Whoever reaches the port is trusted; needed beyond loopback."""
    state_dir: Path | None = None
    """None: records in memory."""
    lease_s: float = LEASE_S
    renew_s: float = RENEW_S


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
        self._resources = AsyncExitStack()
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self._records: Records | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port it listens on; 0 before `start`."""
        return self._port

    @property
    def host(self) -> str:
        """The IP literal it listens on."""
        return str(_listen_address(self._settings.host))

    async def start(self) -> None:
        """Open the records, listen and answer.

        NotExposed beyond loopback without `open`, PortTaken, StateInUse, NoSpace; UsageError
        for an address that is not this machine's.
        """
        address = _listen_address(self._settings.host)
        if not address.is_loopback and not self._settings.open:
            target = _authority(address, self._settings.port)
            raise NotExposed(
                f"A tracker on {address} answers whoever reaches it. If everybody on that "
                f"network is trusted, say so: panal tracker --listen {target} --open"
            )
        _check_port(address, self._settings.port)
        try:
            await self._start_all(address)
        except BaseException:
            await self.stop(grace_s=0)
            raise

    async def wait_stopped(self) -> None:
        """Return when the tracker has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Let running calls end for `grace_s`, then close; calling it twice does nothing."""
        server, self._server = self._server, None
        if server is not None:
            await self._health.enter_graceful_shutdown()
            await server.stop(grace_s)
        self._records = None
        await self._resources.aclose()

    async def sweep(self) -> None:
        """End the leases that are over; done every few seconds by itself."""
        if self._records is None:
            return
        for record in await self._records.sweep():
            _log.info("%s left: lease over", record.name)
        await self._records.clear_leftovers()

    async def _start_all(self, address: Address) -> None:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracker-records")
        self._resources.callback(thread.shutdown)
        loop = asyncio.get_running_loop()
        storage = await loop.run_in_executor(thread, self._open_storage)
        self._resources.push_async_callback(loop.run_in_executor, thread, storage.close)
        records = Records(storage, thread, self._clock, self._settings.lease_s)
        dialback = await self._resources.enter_async_context(Dialback())
        redial = Redial(dialback, records, self._clock)
        self._resources.push_async_callback(redial.close)
        service = TrackerService(
            records,
            dialback,
            redial,
            self._chance,
            self._settings.lease_s,
            self._settings.renew_s,
        )
        self._records = records
        self._server = self._make_server(service)
        self._port = _bind(self._server, address, self._settings.port)
        await self._server.start()
        sweeper = asyncio.create_task(self._sweep_for_ever(), name="tracker sweeper")
        self._resources.push_async_callback(_cancel, sweeper)
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._health.set(SERVICE_NAME, health_pb2.HealthCheckResponse.SERVING)
        _log.info("listening on %s", _authority(address, self._port))

    def _open_storage(self) -> SqliteStorage:
        directory = self._settings.state_dir
        path = None
        if directory is not None:
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise PanalError(f"{directory} cannot be made: {error.strerror}.") from error
            path = directory / DATABASE_NAME
        return SqliteStorage(path, self._clock.now_s(), self._settings.lease_s)

    def _make_server(self, service: TrackerService) -> grpc.aio.Server:
        server = grpc.aio.server(
            interceptors=[CallGuard(SERVICE_NAME)],
            options=_OPTIONS,
            maximum_concurrent_rpcs=MAX_CALLS_AT_ONCE,
        )
        add_TrackerServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        return server

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._clock.sleep(min(SWEEP_S, self._settings.lease_s / 4))
            try:
                await self.sweep()
            except Exception:
                _log.exception("sweeping failed; it is tried again")


def _listen_address(host: str) -> Address:
    return parse_address("127.0.0.1" if host == "localhost" else host)


def _authority(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _check_port(address: Address, port: int) -> None:
    """Find out in words what gRPC would only call a failure."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((str(address), port))
    except OverflowError:
        raise UsageError(f"{port} is no port.") from None
    except OSError as error:
        raise _listen_problem(error, address, port) from error


def _listen_problem(error: OSError, address: Address, port: int) -> PanalError:
    target = _authority(address, port)
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"Port {port} is taken: another program listens on {target}, perhaps another "
            "tracker. Stop it, or choose another port with --listen."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{address} is not an address of this machine.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PanalError(f"This user may not listen on port {port}. Choose one from 1024 on.")
    return PanalError(f"The tracker cannot listen on {target}: {error.strerror}.")


def _bind(server: grpc.aio.Server, address: Address, port: int) -> int:
    try:
        return server.add_insecure_port(_authority(address, port))
    except RuntimeError as error:
        # Free a moment ago, when it was checked.
        raise _listen_problem(OSError(errno.EADDRINUSE, ""), address, port) from error


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
