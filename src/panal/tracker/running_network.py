"""A network's parts, put together for a tracker that has one; loaded only then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import Refused, StoreUnavailable
from panal.tracker.authority_files import AuthorityFiles
from panal.tracker.dialback import TrackerIdentity
from panal.tracker.gate import Gate
from panal.tracker.guarded_server import GuardedServer
from panal.tracker.member_file import MemberFile
from panal.tracker.member_store import MemberStore, SharedMembers
from panal.tracker.network import LOOK_S, Network
from panal.tracker.network_service import NetworkService
from panal.tracker.records import Records
from panal.tracker.watched import Watched
from panal.trust.certificates import validity
from panal.trust.tls import client_context
from panal.wire.join_line import JoinLine
from panal.wire.tracker_pb2_grpc import add_NetworkServicer_to_server

_log = logging.getLogger("panal.tracker")


class RunningNetwork:
    """The authority, the members, and what the tracker shows of itself."""

    def __init__(self, files: AuthorityFiles, network: Network, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self.network = network
        self.gate = Gate(network, files.owner_token)
        context = client_context(
            files.certificate_path, files.tracker_certificate_path, files.tracker_key_path
        )
        self.identity = TrackerIdentity(context, files.authority.pin)
        self._certified = _read(files)
        self._addresses: tuple[str, ...] = ()
        self._records: Records | None = None
        self._sweeping = asyncio.Lock()

    @classmethod
    async def start(
        cls,
        state: Path,
        clock: Clock,
        resources: AsyncExitStack,
        shared: SharedMembers | None,
        claim: Callable[[str], Awaitable[None]],
    ) -> "RunningNetwork":
        """Open the network in a state directory, made where there is none.

        Its members are in `shared` where all trackers of the network have them. `claim` notes
        whose records the store has, before anything of the network's is looked at there.
        """
        files = await asyncio.to_thread(AuthorityFiles, state, clock.wall_s())
        await claim(files.authority.pin.hex())
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracker-network")
        resources.callback(thread.shutdown)
        loop = asyncio.get_running_loop()
        store = await loop.run_in_executor(thread, _members, files, shared)
        resources.push_async_callback(loop.run_in_executor, thread, store.close)
        network = Network(files.authority, store, thread, clock)
        await network.open()
        return cls(files, network, clock)

    @property
    def is_new(self) -> bool:
        """Whether it was made at this start."""
        return self._files.is_new

    @property
    def ends_at_s(self) -> float:
        """Until when its authority counts, in seconds since 1970."""
        return validity(self.network.authority.certificate_pem)[1]

    def server_credentials(self) -> grpc.ServerCredentials:
        """What the port speaks TLS with; a renewed certificate counts from the next handshake.

        gRPC asks with every handshake, and puts what it is given in the place of what other
        threads begin handshakes with, without a lock: a tracker that gave it the same certificate
        each time crashed when a few hundred connections came at once. So it is given one only when
        there is another.
        """
        given = self._certified

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            if given is self._certified:
                return None
            given = self._certified
            return grpc.ssl_server_certificate_configuration([given])

        return grpc.dynamic_ssl_server_credentials(
            grpc.ssl_server_certificate_configuration([given]),
            renewed,  # type: ignore[arg-type]  # None is for "no other", which the stubs forgot
        )

    def add_to(
        self,
        server: GuardedServer,
        records: Records,
        addresses: tuple[str, ...],
        audit: AuditLog,
        watched: Watched,
    ) -> None:
        """Answer the network's calls; `addresses` are where the tracker is reached."""
        self._addresses = addresses
        self._records = records
        self.network.note_lack = records.note_lack
        service = NetworkService(self.network, self.gate, records, addresses, audit, watched)
        add_NetworkServicer_to_server(service, server)  # type: ignore[no-untyped-call]

    async def note_address(self, address: str) -> None:
        """Remember where it listens, for its owner's commands."""
        await asyncio.to_thread(self._files.note_address, address)

    async def mint(self, valid_s: int, uses: int) -> JoinLine:
        """A new join line."""
        line, secret = await self.network.mint(valid_s, uses)
        return JoinLine(self.identity.pin, self._addresses, secret, line.until_s)

    async def follow_for_ever(self) -> None:
        """Take over what the network's other trackers change, soon after they do."""
        while True:
            await self._clock.sleep(LOOK_S)
            try:
                await self.network.look()
                await self._drop_gone()
            except StoreUnavailable:
                pass  # whoever noticed it first has said so
            except Exception:
                _log.exception("who is a member cannot be read; it is tried again")

    async def _drop_gone(self) -> None:
        """Whom another tracker removed may have come in here before that was known here."""
        if self._records is not None:
            for name in self.network.gone():
                await self._records.drop(name)

    async def sweep(self) -> None:
        """Let go of what has expired; renew the tracker's own certificate in time."""
        async with self._sweeping:
            await self.network.sweep()
            await self._drop_gone()
            if self._clock.wall_s() >= self._files.renew_tracker_at_s:
                await asyncio.to_thread(self._files.certify_tracker, self._clock.wall_s())
                self._certified = _read(self._files)
                self.identity.context.load_cert_chain(
                    self._files.tracker_certificate_path, self._files.tracker_key_path
                )


def _members(files: AuthorityFiles, shared: SharedMembers | None) -> MemberStore:
    """Where the members are; those of a file of its own are taken over by what is shared."""
    if shared is None:
        if files.has_moved:
            raise Refused(
                f"The members of the network in {files.folder} are in a database. Start the "
                "tracker with that --store."
            )
        return MemberFile(files.members_path)
    if files.members_path.exists():
        own = MemberFile(files.members_path)
        try:
            with shared.transaction():
                shared.take_over(own.copy())
        except Refused as error:
            raise Refused(
                f"{error} To go by the database's, move {files.members_path} away: who is a "
                "member there only has to join again."
            ) from None
        finally:
            own.close()
    files.note_moved()
    return shared


def _read(files: AuthorityFiles) -> tuple[bytes, bytes]:
    return files.tracker_key_path.read_bytes(), files.tracker_certificate_path.read_bytes()
