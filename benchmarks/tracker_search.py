"""How long a search takes while a thousand peers announce and renew.

The queries are named, with how many of the names they match: rare and common words, those that
half of all names hold, of two letters and of one, phrases, exclusions, filters.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from benchmarks.processes import PATIENCE_S, Program
from benchmarks.rows import Aim, Row
from benchmarks.searcher import QUERIES, Search
from benchmarks.tracker_load import Peers, RunningTracker
from benchmarks.tracker_names import Catalogue
from panal.tracker.search import understand
from panal.tracker.searchable import searchable
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import SearchQuery

RENEW_S = 20.0
CHANGES_A_SECOND = 100
ENTRIES_A_CHANGE = 10


@dataclass
class Timed:
    """One query's searches."""

    words: str
    matches: int
    spent_s: list[float] = field(default_factory=list)
    hits: int = 0
    refused: str = ""

    def __str__(self) -> str:
        median_ms = 1e3 * statistics.median(self.spent_s) if self.spent_s else 0
        most_ms = 1e3 * max(self.spent_s, default=0.0)
        return (
            f"  {self.words!r:<24}{self.matches:>9,} names {self.hits:>5} hits"
            f" {median_ms:8.1f} ms, at most {most_ms:8.1f} ms {self.refused}"
        )


@dataclass(frozen=True)
class Times:
    """All searches of a run."""

    queries: Sequence[Timed]
    spent_s: Sequence[float]
    """In order, what searches took."""
    anew_s: Sequence[float]
    """In order, what those took that nobody had asked for before."""
    cpu: str
    changes: int


def count_matches(catalogue: Catalogue, words: Sequence[str] = QUERIES) -> list[Timed]:
    """The queries with the names that each matches; filters but those of words are not counted."""
    searches = [understand(SearchQuery(one)) for one in words]
    counts = [0] * len(searches)
    for path in catalogue.paths():
        text = searchable(path)
        for place, search in enumerate(searches):
            if (
                all(needle in text for needle in search.needles)
                and all(any(end in text for end in group) for group in search.any_of)
                and not any(needle in text for needle in search.unwanted)
            ):
                counts[place] += 1
    return [Timed(one, count) for one, count in zip(words, counts, strict=True)]


async def measure(
    tracker: RunningTracker, peers: Peers, queries: list[Timed], duration_s: float
) -> Times:
    """One user searches, while everybody renews and some announce."""
    changes = 0

    async def renew_for_ever() -> None:
        renewals = [peers.renewal(peer) for peer in range(peers.count)]
        every_s, peer = RENEW_S / peers.count, 0
        begin_s = time.monotonic()
        for number in range(10**9):
            peer = number % peers.count
            await asyncio.sleep(max(0.0, begin_s + number * every_s - time.monotonic()))
            task = asyncio.create_task(peers.call(peer, "Renew", renewals[peer]))
            running.add(task)
            task.add_done_callback(running.discard)

    async def change_for_ever() -> None:
        nonlocal changes
        begin_s = time.monotonic()
        for number in range(10**9):
            await asyncio.sleep(max(0.0, begin_s + number / CHANGES_A_SECOND - time.monotonic()))
            message = pb.AnnounceRequest(
                entries=[
                    pb.Entry(path=f"new/{number}-{place}.txt", content=number.to_bytes(32, "big"))
                    for place in range(ENTRIES_A_CHANGE)
                ],
                removed_paths=[
                    f"new/{number - peers.count}-{place}.txt" for place in range(ENTRIES_A_CHANGE)
                ]
                if number >= peers.count
                else [],
            )
            parts = [message.SerializeToString()]
            task = asyncio.create_task(
                peers.announce(number % peers.count, parts, everything=False)
            )
            running.add(task)
            task.add_done_callback(running.discard)
            changes += 1

    running: set[asyncio.Task[object]] = set()
    load = [asyncio.create_task(renew_for_ever()), asyncio.create_task(change_for_ever())]
    words = [sys.executable, "-m", "benchmarks.searcher", tracker.address, str(duration_s)]
    searcher = Program(words)
    try:
        await asyncio.to_thread(searcher.wait_for, "begins")
        began_s, cpu_before = time.monotonic(), tracker.cpu()
        turns = await _told(searcher, "turns", duration_s)
        cpu = (tracker.cpu() - cpu_before).share(time.monotonic() - began_s)
        anew = await _told(searcher, "anew", duration_s)
    finally:
        searcher.stop()
        for task in load:
            task.cancel()
        await asyncio.gather(*load, *running, return_exceptions=True)
    for one in turns:
        query = queries[one.number]
        query.spent_s.append(one.spent_s)
        query.hits, query.refused = one.hits, one.refused or query.refused
    return Times(queries, _sorted(turns), _sorted(anew), cpu, changes)


async def _told(searcher: Program, word: str, duration_s: float) -> list[Search]:
    """What it says of its searches, which may take long."""
    line = await asyncio.to_thread(searcher.wait_for, word, duration_s + PATIENCE_S)
    return msgspec.json.decode(line.removeprefix(word), type=list[Search])


def _sorted(searches: Sequence[Search]) -> list[float]:
    return sorted(one.spent_s for one in searches)


def _at(spent_s: Sequence[float], share: float) -> float:
    return spent_s[int(len(spent_s) * share)]


def rows(
    catalogue: Catalogue, times: Times, limits_ms: tuple[float, float], store: str
) -> Iterator[Row]:
    """The lines of the table, and one line a query before it."""
    for query in times.queries:
        print(query, flush=True)
    print(
        f"  {len(times.anew_s)} in words that nobody had asked for before:"
        f" p50 {1e3 * _at(times.anew_s, 0.5):.1f} ms, p99 {1e3 * _at(times.anew_s, 0.99):.1f} ms"
    )
    note = (
        f"{len(times.spent_s)} searches of {len(times.queries)} queries;"
        f" {catalogue.peers} peers renew each {RENEW_S:g} s,"
        f" {CHANGES_A_SECOND} announces of {ENTRIES_A_CHANGE} names a second; {times.cpu}"
    )
    for name, found_s, most_ms in (
        ("p50", _at(times.spent_s, 0.5), limits_ms[0]),
        ("p99", _at(times.spent_s, 0.99), limits_ms[1]),
    ):
        yield Row(
            f"search {name}, {catalogue.files:,} files, {store}",
            f"{found_s * 1e3:.1f} ms",
            f"aim {most_ms:g} ms",
            found_s * 1e3 / most_ms,
            Aim(1.0, at_most=True),
            note if name == "p50" else "",
        )
