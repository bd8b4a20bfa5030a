"""What a search costs the SQLite store by itself: processor time, without gRPC or other load.

    python -m benchmarks.search_cost --files 1000000

Processor time says more than wall time on a machine that does something else besides; where it is
very busy, both grow. Nothing is asserted.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.processes import MachineLoad
from benchmarks.tracker_names import Catalogue
from benchmarks.tracker_search import Timed, count_matches
from panal.errors import UsageError
from panal.tracker.records import NAMES_AT_ONCE
from panal.tracker.search import RankedPage, listed, rank, understand
from panal.tracker.sqlite import SqliteStorage
from panal.wire.catalogue import Entry, SearchQuery
from panal.wire.ids import ContentId, PeerName
from tests.tracker.makers import announcement, record

ROUNDS = 5


def fill(storage: SqliteStorage, catalogue: Catalogue) -> None:
    """Everybody's files, all in the index."""
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
    left = 1
    while left:
        with storage.transaction():
            left = storage.index_names(NAMES_AT_ONCE)


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


def measure(storage: SqliteStorage, queries: list[Timed]) -> Iterator[Timed]:
    """Each query some times in a row; what is kept is the least, which other load adds least to."""
    for query in queries:
        spent_s = []
        for _ in range(ROUNDS):
            began_s = time.thread_time()
            try:
                query.hits = len(page_of(storage, query.words).hits)
            except UsageError as error:
                query.refused = str(error)[:60]
            spent_s.append(time.thread_time() - began_s)
        query.spent_s = [min(spent_s)]
        yield query


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_cost", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--peers", type=int, default=1_000)
    asked = parser.parse_args()
    catalogue = Catalogue(asked.files, asked.peers)
    load = MachineLoad()
    print(machine(0))
    with tempfile.TemporaryDirectory(prefix="panal-search-") as place:
        storage = SqliteStorage(Path(place) / "tracker.db", now_s=0.0)
        fill(storage, catalogue)
        queries = list(measure(storage, count_matches(catalogue)))
        storage.close()
    print("processor time, the least of", ROUNDS)
    print("\n".join(map(str, queries)))
    costs_ms = sorted(1e3 * query.spent_s[0] for query in queries)
    print(f"half of the queries cost at most {costs_ms[len(costs_ms) // 2]:.1f} ms,")
    print(f"all at most {costs_ms[-1]:.1f} ms; machine {load.busy_share():.0%} busy")


if __name__ == "__main__":
    main()
