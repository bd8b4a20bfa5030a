"""Members' calls in any order, replayed, late, duplicated and forged, against a dict.

The service, the gate, the network and the stores are the tracker's own; only the wire is left
out. A call changes what its sender may change, once, and nothing else ever.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from panal.audit import AuditLog
from panal.errors import PanalError
from panal.tracker import callers
from panal.tracker.call_counts import CallCounts
from panal.tracker.facts import NETWORK
from panal.tracker.gate import Gate
from panal.tracker.member_file import MemberFile
from panal.tracker.network import Network
from panal.tracker.network_service import NetworkService
from panal.tracker.records import Records
from panal.tracker.records_threads import RecordsThreads
from panal.tracker.redial import Redial
from panal.tracker.registry import LEASE_S, Reach
from panal.tracker.search import understand
from panal.tracker.service import TrackerService
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.watched import Watched
from panal.trust.certificates import Authority, new_key, signing_request
from panal.wire import tracker as wire
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import DIGEST_BYTES, Caller, Entry, Registration, SearchQuery
from panal.wire.ids import PeerName
from tests.support.clock import VirtualClock
from tests.tracker.makers import REACHED, announcement, digest_of, entry

pytestmark = pytest.mark.p8

NAMES = ["a", "b"]
SECRETS = [b"1" * 32, b"2" * 32]
PATHS = ["x", "y", "z"]
REQUEST = signing_request(new_key())
AUTHORITY = Authority(*Authority.made(time.time()))
NOBODY = bytes(32)
EMPTY = digest_of()


class Reached:
    """Every peer answers."""

    async def dial(self, *_: Any) -> Reach:
        return REACHED


@dataclass(frozen=True)
class Call:
    """What was sent once, and may be sent again by anybody."""

    credential: bytes
    kind: str
    caller: Caller
    sequence: int = 0
    added: tuple[Entry, ...] = ()
    removed: tuple[str, ...] = ()
    digest: bytes = bytes(DIGEST_BYTES)


@dataclass
class ModelPeer:
    secret: bytes
    epoch: int
    lease_until_s: float
    sequence: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        return digest_of(*self.entries.values())


def _as_heard(method: str, credential: bytes) -> callers.Call:
    """What the service is told of who calls."""
    metadata = (("authorization", f"Bearer {credential.hex()}"),)
    return callers.Call(method, "", 0.0, metadata, "127.0.0.1")


calls = st.builds(
    lambda kind, secret, epoch, ahead, added, removed, has_changed: {
        "kind": kind,
        "secret": secret,
        "epoch": epoch,
        "ahead": ahead,
        "added": tuple(entry(path, number) for path, number in added),
        "removed": tuple(removed),
        "has_changed": has_changed,
    },
    st.sampled_from(["register", "announce", "announce", "announce", "renew", "leave"]),
    st.sampled_from([*[SECRETS[0]] * 4, SECRETS[1]]),
    st.sampled_from([1, 1, 1, 2]),
    st.sampled_from([1, 1, 1, 2, 0, -1]),
    st.lists(st.tuples(st.sampled_from(PATHS), st.integers(0, 2)), max_size=2),
    st.lists(st.sampled_from(PATHS), max_size=2),
    st.booleans(),
)
names = st.sampled_from(NAMES)


async def _records_threads() -> RecordsThreads:
    return RecordsThreads()


class OwnershipMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.thread = ThreadPoolExecutor(1)
        self.clock = VirtualClock(wall_s=time.time())
        self.members: dict[str, bytes] = {}
        self.credentials: list[bytes] = [NOBODY]
        """All that were ever shown."""
        self.peers: dict[str, ModelPeer] = {}
        self.sent: list[Call] = []

    @initialize()
    def open(self) -> None:
        self.storage = self.in_thread(
            lambda: SqliteStorage(self.folder / "tracker.db", self.clock.now_s(), LEASE_S)
        )
        self.threads = self.run(_records_threads())
        records = Records(self.storage, self.threads, self.clock)
        self.file = self.in_thread(lambda: MemberFile(None))
        self.network = Network(AUTHORITY, self.file, self.thread, self.clock)
        self.run(self.network.open())
        audit = AuditLog(None, self.clock)
        gate, dialler = Gate(self.network, b"o" * 32), Reached()
        redial = Redial(dialler, records, self.clock)
        self.service = TrackerService(
            records, dialler, redial, Random(1), audit, gate=gate, network=self.network
        )
        watched = Watched(
            records,
            CallCounts(),
            self.clock,
            access=NETWORK,
            lease_s=LEASE_S,
            authority_ends_at_s=None,
        )
        self.owner = NetworkService(self.network, gate, records, (), audit, watched)
        for name in NAMES:
            self.enrol(name)

    def teardown(self) -> None:
        self.run(self.threads.close())
        self.in_thread(self.storage.close)
        self.in_thread(self.file.close)
        self.thread.shutdown()
        self.runner.close()
        shutil.rmtree(self.folder)

    def in_thread(self, work: Callable[[], Any]) -> Any:
        return self.thread.submit(work).result()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    # What happens ---------------------------------------------------------------------------

    def enrol(self, name: str) -> None:
        _, secret = self.run(self.network.mint(3_600, 1))
        made = self.run(self.network.enrol(PeerName(name), REQUEST, secret, "127.0.0.1"))
        self.members[name] = made.credential
        self.credentials.append(made.credential)

    @rule(by=names, name=names, what=calls)
    def call(self, by: str, name: str, what: dict[str, Any]) -> None:
        """Somebody calls, mostly as itself, mostly as its running start does."""
        known = self.peers.get(name)
        sequence = max(1, (known.sequence if known else 0) + what["ahead"])
        caller = Caller(PeerName(name), what["secret"], what["epoch"])
        digest = EMPTY if what["has_changed"] else self.digest_at(name)
        credential = self.members.get(by, NOBODY)
        self.send(
            Call(credential, what["kind"], caller, sequence, what["added"], what["removed"], digest)
        )

    @precondition(lambda self: self.members)
    @rule(data=st.data(), added=st.sampled_from(PATHS), number=st.integers(0, 2))
    def share_and_withdraw(self, data: st.DataObject, added: str, number: int) -> None:
        """What a peer does all day: come, share something, take it back."""
        name = data.draw(st.sampled_from(sorted(self.members)))
        credential, caller = self.members[name], Caller(PeerName(name), SECRETS[0], 1)
        self.send(Call(credential, "register", caller, digest=self.digest_at(name)))
        last = self.peers[name].sequence if name in self.peers else 0
        self.send(Call(credential, "announce", caller, last + 1, (entry(added, number),)))
        self.send(Call(credential, "announce", caller, last + 2, (), (added,)))

    @precondition(lambda self: self.members)
    @rule(data=st.data(), has_changed=st.booleans())
    def go_and_come(self, data: st.DataObject, has_changed: bool) -> None:
        """It leaves, and the same start comes back, having changed something meanwhile or not."""
        name = data.draw(st.sampled_from(sorted(self.members)))
        credential, caller = self.members[name], Caller(PeerName(name), SECRETS[0], 1)
        self.send(Call(credential, "leave", caller))
        digest = EMPTY if has_changed else self.digest_at(name)
        self.send(Call(credential, "register", caller, digest=digest))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """A call comes once more, at any time after the first."""
        self.send(data.draw(st.sampled_from(self.sent)))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def forged(self, data: st.DataObject) -> None:
        """Somebody else, or a member that was removed, sends what another has sent."""
        seen = data.draw(st.sampled_from(self.sent))
        by = data.draw(st.sampled_from(self.credentials))
        self.send(
            Call(by, seen.kind, seen.caller, seen.sequence + 1, seen.added, seen.removed),
        )

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.members)))
        request = pb.RemoveMemberRequest(name=name)
        self.run(self.owner.RemoveMember(request, _as_heard("RemoveMember", b"o" * 32)))
        del self.members[name]
        self.peers.pop(name, None)

    @precondition(lambda self: len(self.members) < len(NAMES))
    @rule()
    def come_back(self) -> None:
        """A name that was removed is enrolled again, by whomever: with another credential."""
        self.enrol(next(name for name in NAMES if name not in self.members))

    @rule(duration_s=st.sampled_from([1.0, 25.0, 61.0]))
    def wait(self, duration_s: float) -> None:
        self.clock.advance(duration_s)

    # What is expected -----------------------------------------------------------------------

    def is_live(self, peer: ModelPeer | None) -> bool:
        return peer is not None and self.clock.now_s() < peer.lease_until_s

    def digest_at(self, name: str) -> bytes:
        return self.peers[name].digest if name in self.peers else EMPTY

    def expect(self, call: Call) -> None:
        name, peer = call.caller.name, self.peers.get(call.caller.name)
        if self.members.get(name) != call.credential:
            return
        if call.kind == "register":
            self.expect_registered(call, peer)
            return
        if peer is None or not self.is_live(peer):
            return
        if (peer.secret, peer.epoch) != (call.caller.secret, call.caller.epoch):
            return
        if call.kind == "announce" and call.sequence > peer.sequence:
            peer.sequence = call.sequence
            for path in call.removed:
                peer.entries.pop(path, None)
            peer.entries |= {one.path: one for one in call.added}
        elif call.kind == "renew":
            peer.lease_until_s = self.clock.now_s() + LEASE_S
        elif call.kind == "leave":
            peer.lease_until_s = self.clock.now_s()

    def expect_registered(self, call: Call, peer: ModelPeer | None) -> None:
        caller, until_s = call.caller, self.clock.now_s() + LEASE_S
        is_own = peer is not None and peer.secret == caller.secret
        if peer is not None and self.is_live(peer) and (not is_own or caller.epoch < peer.epoch):
            return
        made = ModelPeer(caller.secret, caller.epoch, until_s)
        if peer is not None and is_own:
            if peer.epoch == caller.epoch:  # also where its records were let go
                made.sequence = peer.sequence
            if self.is_live(peer) or peer.digest == call.digest:
                made.entries = peer.entries
        self.peers[caller.name] = made

    def send(self, call: Call) -> None:
        self.sent.append(call)
        self.expect(call)
        with suppress(PanalError):
            self.run(self.ask(call))

    async def ask(self, call: Call) -> None:
        made_by = _as_heard(call.kind, call.credential)
        caller = call.caller
        if call.kind == "register":
            port = 5_000 + NAMES.index(caller.name)
            made = Registration(caller, port, ("127.0.0.1",), call.digest)
            await self.service.Register(wire.registration_to(made), made_by)
        elif call.kind == "announce":
            told = announcement(*call.added, removed=call.removed, sequence=call.sequence)

            async def messages() -> AsyncIterator[pb.AnnounceRequest]:
                yield catalogue.announcement_to(told, caller)

            await self.service.Announce(messages(), made_by)
        elif call.kind == "renew":
            request = pb.RenewRequest(caller=wire.caller_to(caller), digest=call.digest)
            await self.service.Renew(request, made_by)
        else:
            await self.service.Leave(pb.LeaveRequest(caller=wire.caller_to(caller)), made_by)

    @invariant()
    def records_are_their_owners(self) -> None:
        def look() -> tuple[dict[str, Any], set[tuple[str, str, bytes]]]:
            now_s = self.clock.now_s()
            found = {name: self.storage.peer(PeerName(name)) for name in NAMES}
            rows = self.storage.entries_in_order(understand(SearchQuery("")), now_s)
            return found, {(row.peer, row.path, row.content) for row in rows}

        if not hasattr(self, "storage"):
            return
        found, listed = self.in_thread(look)
        for name in NAMES:
            peer, record = self.peers.get(name), found[name]
            assert (record is None) == (peer is None), name
            if peer is None or record is None:
                continue
            assert record.is_live(self.clock.now_s()) == self.is_live(peer)
            assert (record.epoch, record.sequence) == (peer.epoch, peer.sequence)
            assert record.digest == peer.digest
        assert listed == {
            (name, one.path, one.content)
            for name, peer in self.peers.items()
            if self.is_live(peer)
            for one in peer.entries.values()
        }


TestOwnershipMachine = pytest.mark.slow(OwnershipMachine.TestCase)
TestOwnershipMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
