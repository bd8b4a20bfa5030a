"""Whatever is kept of searches, they find what they would find without it."""

import random
from dataclasses import replace

import pytest

from panal.errors import NotFound
from panal.tracker import ranking, sqlite_matches, sqlite_queries
from panal.tracker.kept_orders import FEW_TO_LOOK_AT
from panal.tracker.ranking import RankedPage, rank
from panal.tracker.search import Search, understand
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.sqlite_holders import ProviderCounts
from panal.tracker.sqlite_matches import KeptSearches, matches_of
from panal.wire.catalogue import Announcement, Entry, Holding, SearchQuery
from panal.wire.ids import PeerName
from tests.tracker.makers import announcement, content, entry, record

PEERS = [PeerName(f"peer_{number}") for number in range(4)]
WORDS = ["lib", "doc", "readme", "test_", "py", "x", "dist-info", "año", "лес", "中", "usr", "me"]
ENDS = [".py", ".txt", ".jpg", "", "é", "-1"]


class History:
    """Peers that tell, drop, hold, come and go; and searches, page by page."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.storage = SqliteStorage(None, now_s=0.0)
        self.told: dict[PeerName, set[str]] = {name: set() for name in PEERS}
        self.sequence = 0
        for name in PEERS:
            self._join(name)
            self._tell(name, 60, 0)

    def step(self) -> None:
        """Something happens."""
        name = self.chance.choice(PEERS)
        with self.storage.transaction():
            match self.chance.randrange(40):
                case 0:
                    self.storage.end_lease(name, 1.0)
                case 1 | 2:
                    self.storage.index_names(self.chance.choice([3, 1_000]))
                case 3:
                    self.storage.forget(name)
                    self.told[name] = set()
                case 4:
                    generation = self.storage.begin_replacement(name)
                    self.storage.end_replacement(name, generation)
                    self.told[name] = set()
        if self.storage.peer(name) is None or self.chance.random() < 0.05:
            self._join(name)
        if self.chance.random() < 0.4:
            self._tell(name, self.chance.randrange(3), self.chance.randrange(2))

    def _join(self, name: PeerName) -> None:
        other = self.chance.choice([name, PeerName(name.upper())])
        with self.storage.transaction():
            self.storage.put_peer(record(other, port=5_000 + PEERS.index(name)))

    def _tell(self, name: PeerName, new: int, gone: int) -> None:
        some = [self.chance.choice(sorted(self.told[name])) for _ in range(gone) if self.told[name]]
        again = some if self.chance.random() < 0.5 else []
        paths = {self._path() for _ in range(new)} | set(again)
        removed = tuple(set(some) - paths)
        self.sequence += 1
        message = Announcement(
            sequence=self.sequence,
            entries=tuple(self._entry(path) for path in sorted(paths)),
            removed_paths=removed,
            holdings=(Holding(content(self.chance.randrange(30)), complete=True),),
            removed_holdings=(content(self.chance.randrange(30)),),
        )
        with self.storage.transaction():
            self.storage.apply(name, message)
        self.told[name] = (self.told[name] | paths) - set(removed)

    def _path(self) -> str:
        words = (self.chance.choice(WORDS) for _ in range(3))
        return self.chance.choice(["/", " ", "-", ""]).join(words) + self.chance.choice(ENDS)

    def _entry(self, path: str) -> Entry:
        number, size_bytes = self.chance.randrange(30), self.chance.randrange(2_000)
        return replace_size(entry(path, number), size_bytes)


def replace_size(one: Entry, size_bytes: int) -> Entry:
    return Entry(one.path, one.content, size_bytes)


def _found(storage: SqliteStorage, wanted: Search, kept: KeptSearches) -> tuple[RankedPage, bool]:
    storage._peers.note_absent(1.0)
    matches = matches_of(storage._connection, storage._peers, kept, wanted)
    page, capped = rank(wanted, matches), matches.capped
    assert rank(wanted, replace(matches, page=None)) == page
    return page, capped


@pytest.mark.parametrize(
    "limits",
    [(10_000, 500, 1_000, 20_000), (30, 8, 0, 20_000), (60, 20, 20, 20_000), (200, 30, 5, 20)],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_says_what_the_store_says(
    seed: int, limits: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "RANK_LIMIT", "RANKED_OF_MORE", "FEW_ROWS", "FEW_ENTRIES"
    for module in ranking, sqlite_queries, sqlite_matches:
        for name, value in zip(names, limits, strict=True):
            monkeypatch.setattr(module, name, value, raising=False)
    is_all_seen = limits[-1] > 20
    history = History(seed)
    storage, chance = history.storage, history.chance
    queries = [*WORDS, "lib doc", '"dist-info"', "me -x", "usr size:>900", "py peer:peer_1", "l"]
    tokens = dict.fromkeys(queries, "")
    seen: list[RankedPage] = []
    again = 0
    for _ in range(500):
        history.step()
        words, size = chance.choice(queries), chance.choice([2, 2, 2, 9, 100])
        wanted = understand(SearchQuery(words, page=tokens[words], page_size=size))
        page, capped = _found(storage, wanted, storage._kept)
        # With the same counts: they say how it is looked for.
        anew, capped_anew = _found(storage, wanted, KeptSearches(storage._kept.counts))
        if is_all_seen or len(page.hits) < len(anew.hits):
            # Far behind, who has not kept what it found finds less of it; nobody finds less so.
            assert (page, capped) == (anew, capped_anew)
        contents = [hit.content for hit in page.hits]
        counted = storage.provider_counts(contents, 1.0)
        assert counted == ProviderCounts(storage._connection, storage._peers).of(contents, 1.0)
        tokens[words] = chance.choice([page.next_page, ""])
        again += any(page is one for one in seen)
        seen.append(page)
    assert again > 10


@pytest.mark.parametrize("limits", [(30, 8, 0), (60, 20, 20), (200, 30, 1_000)])
def test_however_far_trigrams_are_counted_the_same_is_found(
    limits: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "RANK_LIMIT", "RANKED_OF_MORE", "FEW_ROWS"
    for module in ranking, sqlite_queries, sqlite_matches:
        for name, value in zip(names, limits, strict=True):
            monkeypatch.setattr(module, name, value, raising=False)
    monkeypatch.setattr(sqlite_queries, "_ENOUGH", limits[0])
    monkeypatch.setattr(sqlite_queries, "_RARE", limits[0] // 3)
    history = History(3)
    for _ in range(200):
        history.step()
    queries = [*WORDS, "lib doc", '"dist-info"', "me -x", "usr size:>900", "me d", "lib l", "l"]
    for sampled in 1, 3, 20:
        history.step()
        for words in queries:
            wanted = understand(SearchQuery(words))
            found = []
            for looked_at in sampled, limits[0]:
                monkeypatch.setattr(sqlite_queries, "_SAMPLED", looked_at)
                found.append(_found(history.storage, wanted, KeptSearches()))
            assert found[0] == found[1], words


def test_of_a_word_with_a_rare_trigram_no_common_one_is_counted_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_queries, "_SAMPLED", 5)
    monkeypatch.setattr(sqlite_queries, "_ENOUGH", 90)
    storage = SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(PEERS[0]))
        named = [entry(f"glib {n}", n) for n in range(50)] + [entry("libssl", 60)]
        storage.apply(PEERS[0], announcement(*named))
        storage.index_names(1_000)
    counted: list[str] = []
    storage._connection.set_trace_callback(
        lambda said: counted.append(said.split()[-1]) if "min(rowid)" in said else None
    )
    for words, hits, limits in ("libssl", 1, ["5)"] * 4), ("glib", 50, ["5)", "90)"]):
        counted.clear()
        page, _ = _found(storage, understand(SearchQuery(words)), storage._kept)
        assert len(page.hits) == hits
        assert counted == limits


def test_a_rare_trigram_is_known_where_its_names_lie_close_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ("_SAMPLED", 5), ("_ENOUGH", 90), ("_RARE", 30):
        monkeypatch.setattr(sqlite_queries, name, value)
    storage = SqliteStorage(None, now_s=0.0)
    texts = [f"n{n} abc" if n % 10 == 0 else f"n{n}" for n in range(600)]
    texts[300:320] = [f"{text} bcd" for text in texts[300:320]]
    with storage.transaction():
        storage.put_peer(record(PEERS[0]))
        storage.apply(PEERS[0], announcement(*(entry(text, n) for n, text in enumerate(texts))))
        storage.index_names(1_000)
    wanted = understand(SearchQuery("abcd"))
    find = sqlite_queries.Finding(
        storage._connection, storage._peers, storage._kept.counts, wanted, None
    )
    assert find._rarest(("abcd",)) == ('"bcd"', 20)


def test_a_page_behind_a_content_that_is_called_otherwise_now_misses_nothing() -> None:
    storage = SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(PEERS[0]))
        named = [entry(f"{letter} lib", number) for number, letter in enumerate("abcde")]
        storage.apply(PEERS[0], announcement(*named, entry("z lib", 0)))
    page, _ = _found(storage, understand(SearchQuery("lib", page_size=1)), storage._kept)
    with storage.transaction():
        storage.apply(PEERS[0], announcement(removed=("a lib",), sequence=2))
    for token in "", page.next_page:
        wanted = understand(SearchQuery("lib", page=token, page_size=2))
        behind, _ = _found(storage, wanted, storage._kept)
        assert [hit.content for hit in behind.hits] == [content(1), content(2)]


def test_far_behind_the_index_no_page_is_short_for_what_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_queries, "FEW_ENTRIES", 30)
    storage = SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(PEERS[0]))
        storage.apply(PEERS[0], announcement(*(entry(f"lib {n}", n) for n in range(20))))
    few, more = (understand(SearchQuery("lib", page_size=size)) for size in (3, 10))
    _found(storage, few, storage._kept)
    with storage.transaction():
        new = [entry(f"other {n}", 100 + n) for n in range(20)]
        storage.apply(PEERS[0], announcement(*new, sequence=2))
    page, _ = _found(storage, more, storage._kept)
    assert page == _found(storage, more, KeptSearches(storage._kept.counts))[0]
    assert len(page.hits) == 10


def test_what_is_refused_takes_nothing_that_is_kept_and_what_fails_is_undone() -> None:
    storage = SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(PEERS[0]))
        storage.apply(PEERS[0], announcement(entry("a lib", 1)))
    wanted = understand(SearchQuery("lib"))
    page, _ = _found(storage, wanted, storage._kept)

    def refuse() -> None:
        with storage.transaction():
            raise NotFound("No peer nobody is here.")

    def fail() -> None:
        with storage.transaction():
            storage.end_lease(PEERS[0], 1.0)
            storage._connection.execute("ROLLBACK")  # as SQLite does where the disk fails
            raise NotFound("and so it has not ended.")

    with pytest.raises(NotFound):
        refuse()
    assert _found(storage, wanted, storage._kept)[0] is page
    before = storage.peer(PEERS[0])
    with pytest.raises(NotFound):
        fail()
    assert storage.peer(PEERS[0]) == before
    assert _found(storage, wanted, storage._kept)[0] == page


def test_a_search_whose_best_are_found_by_reading_all_is_no_quick_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ranking, sqlite_queries, sqlite_matches:
        monkeypatch.setattr(module, "RANK_LIMIT", 30, raising=False)
        monkeypatch.setattr(module, "RANKED_OF_MORE", 5, raising=False)
    storage = SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(PEERS[0]))
        named = [entry(f"escape best {n}", n) for n in range(200)]
        storage.apply(PEERS[0], announcement(*named))
        storage.index_names(1_000)
    wanted = understand(SearchQuery("est"))
    for _ in range(2):
        storage.match(wanted, 1.0)
    assert not storage.is_quick(wanted)


def test_a_search_is_not_quick_while_much_came_since_it_was_made() -> None:
    storage = SqliteStorage(None, now_s=0.0)
    wanted = understand(SearchQuery("lib"))
    for sequence in 1, 2:
        with storage.transaction():
            storage.put_peer(record(PEERS[0]))
            named = [entry(f"lib {sequence} {n}", n) for n in range(FEW_TO_LOOK_AT + 1)]
            storage.apply(PEERS[0], announcement(*named, sequence=sequence))
        with storage.transaction():
            storage.index_names(1_000)
        assert not storage.is_quick(wanted)  # nothing is known of it, or too much has come
        storage.match(wanted, 1.0)
        assert storage.is_quick(wanted)
