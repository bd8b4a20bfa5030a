"""What a search costs the SQLite store by itself: processor time, without gRPC or other load.

    python -m benchmarks.search_cost --files 1000000 --told 2

Processor time says more than wall time on a machine that does something else besides; where it is
very busy, both grow. What is kept of searches may hold for less long where names come and go
between two of them, and is of no use where nobody asks the same again (`--anew`), nor even of the
words' trigrams where they are new (`--first`). Nothing is asserted.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.processes import MachineLoad
from benchmarks.searcher import in_other_words
from benchmarks.tracker_names import Catalogue
from benchmarks.tracker_search import ENTRIES_A_CHANGE, Timed, count_matches
from panal.errors import UsageError
from panal.tracker.indexing import MERGED_BESIDE_PAGES, NAMES_AT_ONCE
from panal.tracker.ranking import RankedPage, listed, rank
from panal.tracker.search import understand
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.sqlite_matches import KeptSearches
from panal.wire.catalogue import Announcement, Entry, SearchQuery
from panal.wire.ids import ContentId, PeerName
from tests.tracker.makers import announcement, record

ROUNDS = 9
INDEXED_AFTER = 50
"""Announcements."""


def fill(storage: SqliteStorage, catalogue: Catalogue) -> None:
    """Everybody's files, all in the index, which has nothing left to merge."""
    for peer in range(catalogue.peers):
        name = PeerName(f"peer-{peer:05}")
        first = peer * catalogue.files_a_peer
        told = map(catalogue.entry, range(first, first + catalogue.files_a_peer))
        entries = [
            Entry(one.path, ContentId(one.content), one.size_bytes, sha256=one.sha256)
            for one in told
        ]
        with storage.transaction():
            storage.put_peer(record(name, port=5_000 + peer))
            storage.apply(name, announcement(*entries))
    left, is_more = 1, True
    while left:
        with storage.transaction():
            left = storage.index_names(NAMES_AT_ONCE)
    while is_more:
        with storage.transaction():
            is_more = storage.merge_index(MERGED_BESIDE_PAGES)


def page_of(storage: SqliteStorage, words: str) -> RankedPage:
    """The first page of hits, with their providers counted."""
    search = understand(SearchQuery(words))
    with storage.transaction():
        if search.is_listing:
            with closing(storage.entries_in_order(search, 1.0)) as entries:
                page = listed(search, entries)
        else:
            page = rank(search, storage.match(search, 1.0))
        storage.provider_counts([hit.content for hit in page.hits], 1.0)
    return page


class Changes:
    """Peers in turn tell some new names each, and drop those of their last turn."""

    def __init__(self, storage: SqliteStorage, peers: int) -> None:
        self._storage = storage
        self._peers = peers
        self._made = 0

    def make(self, count: int) -> None:
        """So many announcements; the index follows after each fifty."""
        for number in range(self._made, self._made + count):
            content = ContentId(number.to_bytes(32, "big"))
            message = Announcement(
                sequence=2 + number,
                entries=tuple(Entry(path, content, 0) for path in _names(number)),
                removed_paths=_names(number - self._peers) if number >= self._peers else (),
            )
            with self._storage.transaction():
                self._storage.apply(PeerName(f"peer-{number % self._peers:05}"), message)
            left = int((number + 1) % INDEXED_AFTER == 0)
            while left:
                with self._storage.transaction():
                    left = self._storage.index_names(NAMES_AT_ONCE)
        self._made += count


def _names(number: int) -> tuple[str, ...]:
    return tuple(f"new/{number}-{place}.txt" for place in range(ENTRIES_A_CHANGE))


def _forget_searches(storage: SqliteStorage) -> None:
    storage._kept = KeptSearches()
    storage._provider_counts.forget()


def measure(
    storage: SqliteStorage,
    queries: list[Timed],
    before_each: Callable[[], None],
    *,
    is_anew: bool,
) -> list[Timed]:
    """All queries in turn, several times; in other words each time if `is_anew`."""
    for place, query in enumerate(queries * ROUNDS):
        number = 1 + place // len(queries) * is_anew
        before_each()
        began_s = time.thread_time()
        try:
            query.hits = len(page_of(storage, in_other_words(query.words, number)).hits)
        except UsageError as error:
            query.refused = str(error)[:60]
        query.spent_s.append(time.thread_time() - began_s)
    return queries


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_cost", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--peers", type=int, default=1_000)
    parser.add_argument("--anew", action="store_true", help="each search in words not asked before")
    parser.add_argument("--first", action="store_true", help="nothing is kept of any word")
    parser.add_argument("--told", type=int, default=0, help="announcements before each search")
    asked = parser.parse_args()
    catalogue = Catalogue(asked.files, asked.peers)
    load = MachineLoad()
    print(machine(0))
    with tempfile.TemporaryDirectory(prefix="panal-search-") as place:
        storage = SqliteStorage(Path(place) / "tracker.db", now_s=0.0)
        fill(storage, catalogue)
        changes = Changes(storage, catalogue.peers)
        queries = count_matches(catalogue)

        def before_each() -> None:
            changes.make(asked.told)
            if asked.first:
                _forget_searches(storage)

        measure(storage, queries, before_each, is_anew=asked.anew)
        storage.close()
    print(f"processor time, the median of {ROUNDS}")
    print("\n".join(map(str, queries)))
    costs_ms = sorted(1e3 * statistics.median(query.spent_s) for query in queries)
    print(f"half of the queries cost at most {costs_ms[len(costs_ms) // 2]:.1f} ms,")
    print(f"all at most {costs_ms[-1]:.1f} ms; machine {load.busy_share():.0%} busy")


if __name__ == "__main__":
    main()
