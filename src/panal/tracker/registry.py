"""Who may join under a name, and who may change its records: decisions only.

A record whose lease is over counts as absent, but for what its own peer, come back, may keep
of it. Nothing is stored, dialled or awaited here; the time comes in as `now_s`.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from panal.errors import NameTaken, NotRegistered, Refused, Superseded, UsageError
from panal.wire.address import parse_address
from panal.wire.catalogue import DIGEST_BYTES, Caller, Registration
from panal.wire.dialback import hash_secret
from panal.wire.ids import NO_ZONE, PeerName, Zone

LEASE_S = 60.0
RENEW_S = 20.0
KEEP_S = 900.0
"""How long the catalogue of a peer that is gone is kept, named to nobody: one that comes back
in time, unchanged, need not tell it again."""
MAX_COUNTER = (1 << 63) - 1
"""The largest epoch or sequence: what every store can keep."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether others can call a peer, and why, in words for its owner."""

    reachable: bool
    words: str
    was_asked: bool = True
    """Whether it was called at all: else it is as reachable as it was known to be."""


class PeerRecord(msgspec.Struct, frozen=True):
    """What the tracker keeps of one peer, its catalogue aside."""

    name: PeerName
    secret_hash: bytes
    epoch: int
    sequence: int
    """Of the last announcement that counted."""
    observed_host: str
    port: int
    bound: tuple[str, ...]
    reachable: bool
    reachability: str
    lease_until_s: float
    joined_at_s: float
    renewed_at_s: float
    digest: bytes = bytes(DIGEST_BYTES)
    """Of its catalogue; the store's own, never set from outside."""
    zone: Zone = NO_ZONE

    def is_live(self, now_s: float) -> bool:
        """Whether the lease still runs."""
        return now_s < self.lease_until_s

    def renewed(self, now_s: float, lease_s: float) -> "PeerRecord":
        """This record with its lease granted anew."""
        return replace(self, lease_until_s=now_s + lease_s, renewed_at_s=now_s)

    def reached(self, reach: Reach) -> "PeerRecord":
        """This record with what a dial-back has shown."""
        return replace(self, reachable=reach.reachable, reachability=reach.words)

    def same_start(self, other: "PeerRecord") -> bool:
        """Whether both are the same start of a peer at the same address."""
        mine = (self.secret_hash, self.epoch, self.observed_host, self.port)
        return mine == (other.secret_hash, other.epoch, other.observed_host, other.port)


@dataclass(frozen=True, slots=True)
class Admission:
    """What a registration changes."""

    record: PeerRecord
    afresh: bool
    """Nothing that was recorded under this name belongs to this peer."""
    displaced: tuple[PeerRecord, ...]
    """Peers that cannot be at their address any more: this one has proved to be there."""


@lru_cache(maxsize=16_384)
def key_of(name: str) -> str:
    """What makes a peer's name unique: two names that differ only in case are one."""
    return name.casefold()


def check_claim(existing: PeerRecord | None, caller: Caller, now_s: float) -> None:
    """Whether a caller may register under its name; NameTaken or Superseded if not."""
    if caller.epoch > MAX_COUNTER:
        raise UsageError(f"An epoch is at most {MAX_COUNTER}.")
    if existing is None or not existing.is_live(now_s):
        return
    if not _is_owner(existing, caller):
        raise NameTaken(
            f"The name {existing.name} belongs to a peer that is here. Choose another name, "
            "or stop that peer first."
        )
    if caller.epoch < existing.epoch:
        raise Superseded(_superseded_words(existing))


def admit(
    existing: PeerRecord | None,
    rivals: Iterable[PeerRecord],
    registration: Registration,
    observed_host: str,
    reach: Reach,
    now_s: float,
    lease_s: float = LEASE_S,
) -> Admission:
    """The record of a peer that joins or comes back.

    `rivals` are other peers recorded at the same address. NameTaken for another's name,
    Superseded for an older start, Refused where a live rival has the address and this peer
    has not proved to be there itself.
    """
    caller = registration.caller
    check_claim(existing, caller, now_s)
    displaced = tuple(
        rival
        for rival in rivals
        if rival.is_live(now_s) and key_of(rival.name) != key_of(caller.name)
    )
    if displaced and not reach.reachable:
        raise Refused(
            f"{displaced[0].name} is already registered at {observed_host} port "
            f"{registration.port}. Give this peer another port."
        )
    known = existing if existing is not None and _keeps(existing, registration, now_s) else None
    # Also where what it told is let go: what this start said before must not count again.
    is_same_start = (
        existing is not None and _is_owner(existing, caller) and existing.epoch == caller.epoch
    )
    was_here = known is not None and known.is_live(now_s)
    record = PeerRecord(
        name=caller.name,
        secret_hash=hash_secret(caller.secret),
        epoch=caller.epoch,
        sequence=existing.sequence if existing is not None and is_same_start else 0,
        observed_host=str(parse_address(observed_host)),
        port=registration.port,
        bound=registration.bound,
        reachable=reach.reachable,
        reachability=reach.words,
        lease_until_s=now_s + lease_s,
        joined_at_s=known.joined_at_s if known is not None and was_here else now_s,
        renewed_at_s=now_s,
        zone=registration.zone,
    )
    return Admission(record, afresh=known is None, displaced=displaced)


def check_caller(existing: PeerRecord | None, caller: Caller, now_s: float) -> PeerRecord:
    """The caller's own record, where it may change it.

    NotRegistered for an unknown peer, a lease that is over or a start that has not
    registered; Refused for a wrong secret; Superseded for an older start.
    """
    if existing is None or not existing.is_live(now_s):
        raise NotRegistered(f"The tracker does not know {caller.name}; register again.")
    if not _is_owner(existing, caller):
        raise Refused(f"This is not the secret that {existing.name} registered with.")
    if caller.epoch < existing.epoch:
        raise Superseded(_superseded_words(existing))
    if caller.epoch > existing.epoch:
        raise NotRegistered(f"This start of {existing.name} has not registered yet.")
    return existing


def check_same_place(record: PeerRecord, observed_host: str) -> None:
    """NotRegistered where a peer calls from another address than it registered from."""
    if parse_address(observed_host) != parse_address(record.observed_host):
        raise NotRegistered(
            f"{record.name} now calls from {observed_host}, not from {record.observed_host}; "
            "register again."
        )


def renewed(
    existing: PeerRecord | None, caller: Caller, observed_host: str, now_s: float, lease_s: float
) -> PeerRecord:
    """The caller's own record with its lease granted anew; what `check_caller` and
    `check_same_place` raise."""
    record = check_caller(existing, caller, now_s)
    if observed_host != record.observed_host:
        check_same_place(record, observed_host)
    return record.renewed(now_s, lease_s)


def is_fresh(record: PeerRecord, sequence: int) -> bool:
    """Whether an announcement is later than all that counted; UsageError for no sequence."""
    if not 1 <= sequence <= MAX_COUNTER:
        raise UsageError(f"A sequence is 1 to {MAX_COUNTER}.")
    return sequence > record.sequence


def _keeps(existing: PeerRecord, registration: Registration, now_s: float) -> bool:
    """Whether what was recorded belongs to the peer that registers; to one that was gone only
    if it shares the same still: nobody shall find what it has no more."""
    is_same = existing.is_live(now_s) or existing.digest == registration.digest
    return is_same and _is_owner(existing, registration.caller)


def _is_owner(existing: PeerRecord, caller: Caller) -> bool:
    return hmac.compare_digest(existing.secret_hash, hash_secret(caller.secret))


def _superseded_words(existing: PeerRecord) -> str:
    return f"A later start of {existing.name} has taken over; this one must stop."
