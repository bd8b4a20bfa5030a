"""What both stores write of a peer's record, but for its lease and its digest; pure."""

from collections.abc import Sequence
from typing import Any

from panal.tracker.registry import PeerRecord
from panal.wire.ids import PeerName, Zone

COLUMNS = (
    "name, secret_hash, epoch, sequence, observed_host, port, bound, reachable, reachability, zone"
)


def values_of(record: PeerRecord) -> tuple[object, ...]:
    """A value for each of COLUMNS."""
    return (
        record.name,
        record.secret_hash,
        record.epoch,
        record.sequence,
        record.observed_host,
        record.port,
        ",".join(record.bound),
        record.reachable,
        record.reachability,
        record.zone,
    )


def record_of(
    values: Sequence[Any],
    *,
    lease_until_s: float,
    joined_at_s: float,
    renewed_at_s: float,
    digest: bytes,
) -> PeerRecord:
    """The record that a row's COLUMNS are of."""
    name, secret_hash, epoch, sequence, host, port, bound, reachable, words, zone = values
    return PeerRecord(
        name=PeerName(name),
        secret_hash=secret_hash,
        epoch=epoch,
        sequence=sequence,
        observed_host=host,
        port=port,
        bound=tuple(bound.split(",")),
        reachable=bool(reachable),
        reachability=words,
        zone=Zone(zone),
        lease_until_s=lease_until_s,
        joined_at_s=joined_at_s,
        renewed_at_s=renewed_at_s,
        digest=digest,
    )
