"""How long a search takes while a thousand peers announce and renew.

The queries are named, with how many of the names they match: rare and common words, those that
half of all names hold, of two letters and of one, phrases, exclusions, filters.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.rows import Aim, Row
from benchmarks.tracker_load import Peers, RunningTracker
from benchmarks.tracker_names import Catalogue
from panal.tracker.search import understand
from panal.tracker.searchable import searchable
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import SearchQuery

RENEW_S = 20.0
CHANGES_A_SECOND = 100
ENTRIES_A_CHANGE = 10
QUERIES = (
    "bash_completion",
    "libssl",
    "python3 test_",
    "readme",
    "unicode data",
    "locale es",
    "zlib",
    "copyright",
    "changelog gz",
    "en",
    "py",
    "li",
    "zo",
    "usr",
    "share",
    "lib",
    "share doc",
    "usr -share",
    '"dist-info"',
    "ext:py",
    "kind:image",
    "size:>3G lib",
    "peer:peer-00042 lib",
    "x",
    "",
    "qqzzy",
)
"""In turn. What each matches is counted and shown."""
ROUNDS_ANEW = 8
"""Of each query in other words, which nobody has asked for before."""


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
    searches: int
    p50_s: float
    p99_s: float
    anew: Sequence[float]
    """In order, what those took that nobody had asked for before."""
    cpu: str
    changes: int


def in_other_words(words: str, number: int) -> str:
    """A query that finds the same, and of which no tracker has kept an answer; of nothing, itself.

    Told several times, words and filters mean what they mean once; only the name that would be
    exactly so is another.
    """
    return " ".join([words] * number)


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
    """Search in turn, one at a time, while everybody renews and some announce."""
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
    try:
        began_s, cpu_before = time.monotonic(), tracker.cpu()
        place = 0
        while time.monotonic() - began_s < duration_s:
            query = queries[place % len(queries)]
            await _search(peers, query, query.words)
            place += 1
            await asyncio.sleep(0.005)
        wall_s = time.monotonic() - began_s
        cpu = (tracker.cpu() - cpu_before).share(wall_s)
        anew = [Timed(query.words, 0) for query in queries]
        for number in range(ROUNDS_ANEW):
            for query in anew:
                await _search(peers, query, in_other_words(query.words, number + 2))
                await asyncio.sleep(0.005)
    finally:
        for task in load:
            task.cancel()
        await asyncio.gather(*load, *running, return_exceptions=True)
    spent_s = sorted(value for query in queries for value in query.spent_s)
    at = [spent_s[int(len(spent_s) * share)] for share in (0.5, 0.99)]
    anew_s = sorted(value for query in anew for value in query.spent_s)
    return Times(queries, place, at[0], at[1], anew_s, cpu, changes)


async def _search(peers: Peers, query: Timed, words: str) -> None:
    request = pb.SearchRequest(words=words).SerializeToString()
    began_s = time.monotonic()
    try:
        raw = await peers.call(0, "Search", request)
    except Exception as error:
        query.refused = str(error)[:60]
        raw = b""
    query.spent_s.append(time.monotonic() - began_s)
    with contextlib.suppress(ValueError):
        query.hits = len(pb.SearchResponse.FromString(raw).hits)


def rows(
    catalogue: Catalogue, times: Times, limits_ms: tuple[float, float], store: str
) -> Iterator[Row]:
    """The lines of the table, and one line a query before it."""
    for query in times.queries:
        print(query, flush=True)
    anew_ms = [1e3 * times.anew[int(len(times.anew) * share)] for share in (0.5, 0.99)]
    print(
        f"  {len(times.anew)} in words that nobody had asked for before:"
        f" p50 {anew_ms[0]:.1f} ms, p99 {anew_ms[1]:.1f} ms"
    )
    note = (
        f"{times.searches} searches of {len(times.queries)} queries; {catalogue.peers} peers renew"
        f" each {RENEW_S:g} s, {CHANGES_A_SECOND} announces of {ENTRIES_A_CHANGE} names a second;"
        f" {times.cpu}"
    )
    for name, found_s, most_ms in (
        ("p50", times.p50_s, limits_ms[0]),
        ("p99", times.p99_s, limits_ms[1]),
    ):
        yield Row(
            f"search {name}, {catalogue.files:,} files, {store}",
            f"{found_s * 1e3:.1f} ms",
            f"aim {most_ms:g} ms",
            found_s * 1e3 / most_ms,
            Aim(1.0, at_most=True),
            note if name == "p50" else "",
        )
