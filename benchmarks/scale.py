"""What a million peers and a billion entries ask of trackers: arithmetic with named inputs.

`python -m benchmarks.scale` prints the table of docs/SCALE.md; every input is an option. Costs are
those that `python -m benchmarks.tracker` measures (see the document); `--holders` measures what one
Locate of a content takes that so many peers hold, here and now.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from random import Random

from panal.tracker.handout import Asker, Handout
from panal.tracker.registry import PeerRecord
from panal.tracker.sqlite import SqliteStorage
from panal.wire.catalogue import Announcement, Holding
from panal.wire.ids import ContentId, PeerName, Zone

CONTENT = ContentId(bytes(32))


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the table is made of."""

    peers: float = 1e6
    entries: float = 1e9
    renew_every_s: float = 20.0
    downloads_an_hour: float = 1.0
    """Of one peer."""
    locates_a_download: float = 5.0
    searches_an_hour: float = 6.0
    """Of one peer."""
    changed_a_day: float = 0.01
    """Of the entries."""
    restarts_a_day: float = 1.0
    """Of one peer, with the same catalogue: its digest alone is told."""
    renew_us: float = 373.0
    """Of one core of a tracker, as all costs."""
    locate_us: float = 412.0
    search_us: float = 5_000.0
    """Over one partition."""
    entry_us: float = 34.4
    """For one announced entry whose name is new."""
    entry_bytes: float = 544.0
    """In the tracker's file, with its indexes."""
    connection_kib: float = 50.0
    partitions: float = 64.0


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the table."""

    what: str
    per_s: float
    core_us: float

    @property
    def cores(self) -> float:
        """Busy all the time."""
        return self.per_s * self.core_us / 1e6


def needs(given: Inputs) -> list[Need]:
    """What has to be done each second, and the cores for it."""
    hour_s, day_s = 3_600.0, 86_400.0
    locates = given.peers * given.downloads_an_hour / hour_s * given.locates_a_download
    searches = given.peers * given.searches_an_hour / hour_s
    parts = given.partitions
    return [
        Need("renewals", given.peers / given.renew_every_s, given.renew_us),
        Need("registrations", given.peers * given.restarts_a_day / day_s, given.renew_us),
        Need("entries announced", given.entries * given.changed_a_day / day_s, given.entry_us),
        Need("locates, by content", locates, given.locate_us),
        Need("locates, by peer (asks all)", locates * parts, given.locate_us),
        Need("searches (ask all)", searches * parts, given.search_us),
    ]


def words(given: Inputs) -> list[str]:
    """The table, and what does not come each second."""
    lines = [f"{'what':<30}{'a second':>14}{'µs of a core':>14}{'cores':>10}"]
    lines += [
        f"{one.what:<30}{one.per_s:>14,.0f}{one.core_us:>14,.0f}{one.cores:>10,.1f}"
        for one in needs(given)
    ]
    cold_s = given.entries * given.entry_us / 1e6
    return [
        *lines,
        f"rows and indexes: {given.entries * given.entry_bytes / 1e9:,.0f} GB in all, "
        f"{given.entries * given.entry_bytes / given.partitions / 1e9:,.1f} GB a partition",
        f"connections: {given.peers * given.connection_kib / 2**20:,.0f} GiB in all, "
        f"{given.peers / given.partitions:,.0f} a partition",
        f"everything told anew: {cold_s / 3_600:,.1f} h of one core, "
        f"{cold_s / given.partitions / 60:,.0f} min with a core a partition",
        f"one core's renewals: {1e6 / given.renew_us * given.renew_every_s:,.0f} peers",
    ]


def locate_ms(holders: int, asked: int = 5) -> float:
    """What one Locate of a content takes in SQLite that so many live peers hold."""
    storage = SqliteStorage(None, 0.0)
    chance = Random(1)
    with storage.transaction():
        for number in range(holders):
            name = PeerName(f"peer-{number}")
            storage.put_peer(_record(name, number))
            storage.apply(name, Announcement(1, holdings=(Holding(CONTENT, complete=False),)))
    began_s = time.process_time()
    for _ in range(asked):
        with storage.transaction():
            found = storage.locate([CONTENT], 1.0)[CONTENT]
        Handout(Asker("10.255.0.1", zone=Zone("rack1")), 50, chance).choose(found)
    taken_s = time.process_time() - began_s
    storage.close()
    return 1_000 * taken_s / asked


def _record(name: PeerName, number: int) -> PeerRecord:
    return PeerRecord(
        name=name,
        secret_hash=bytes(32),
        epoch=1,
        sequence=0,
        observed_host=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        port=5000,
        bound=("0.0.0.0",),
        reachable=True,
        reachability="",
        lease_until_s=60.0,
        joined_at_s=0.0,
        renewed_at_s=0.0,
        zone=Zone(f"rack{number % 20}"),
    )


def main(given: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    for field in fields(Inputs):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=field.default)
    parser.add_argument("--holders", type=int, nargs="*", default=[], help="measure Locate instead")
    asked = vars(parser.parse_args(given))
    holders = asked.pop("holders")
    for count in holders:
        print(f"{count:>9,} holders: {locate_ms(count):9.2f} ms a Locate", flush=True)
    if not holders:
        print("\n".join(words(Inputs(**asked))))


if __name__ == "__main__":
    main()
