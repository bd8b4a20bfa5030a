"""How what a search found is put in order, a page at a time: no store, no clock."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec

from panal.tracker.page_tokens import UNRANKED, SortKey, page_token
from panal.tracker.search import Search
from panal.tracker.searchable import whole_word, without_marks
from panal.wire.catalogue import Hit, NamedBy
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

RANK_LIMIT = 10_000
RANKED_OF_MORE = 500
"""Of what more names match, five pages: that the words are too common is known without more."""
MAX_NAMES_PER_HIT = 20
MAX_PAGE_BYTES = 2 * 1024 * 1024
"""Of names on one page: a page must fit a gRPC message of 4 MiB."""


class Match(msgspec.Struct, frozen=True, gc=False):
    """One entry of a live peer that meets a search's conditions."""

    peer: PeerName
    path: str
    searchable: str
    content: ContentId
    size_bytes: int
    kind: Kind
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Matches:
    """What a store found, at most `RANK_LIMIT` entries."""

    rows: Sequence[Match]
    capped: bool = False
    """There are more."""
    page: "RankedPage | None" = None
    """What `rank` made of them before; the same one for as long as the store keeps it."""

    @classmethod
    def of(cls, rows: Sequence[Match], *, capped: bool = False) -> "Matches":
        """Of these entries."""
        return cls(rows, capped)


@dataclass(frozen=True, slots=True)
class Names:
    """What matches, by what it is put in order; of most, no more is ever looked at."""

    texts: Sequence[str]
    """Their searchable forms."""
    contents: Sequence[ContentId]
    peers: Sequence[PeerName]
    match: Callable[[int], Match]
    """The whole of the one at a place."""

    @classmethod
    def of(cls, rows: Sequence[Match]) -> "Names":
        """Of these entries."""
        return cls(
            [row.searchable for row in rows],
            [row.content for row in rows],
            [row.peer for row in rows],
            rows.__getitem__,
        )

    def matches(self) -> list[Match]:
        """All of them."""
        return list(map(self.match, range(len(self.texts))))


@dataclass(frozen=True, slots=True)
class RankedPage:
    """One page of hits in order, their providers not counted yet."""

    hits: tuple[Hit, ...]
    next_page: str


def match_class(search: Search, text: str) -> int:
    """How well a searchable form matches: 0 exact name, 1 whole words, 2 the rest."""
    return _classes(search, [text])[0]


def _classes(search: Search, texts: Sequence[str]) -> list[int]:
    """The class of each; for ten thousand, so nothing is called that need not be."""
    exact = search.exact
    if exact is None:
        return [UNRANKED] * len(texts)
    first, *others = [re.compile(whole_word(word)).search for word in search.whole]
    classes = [0 if exact in text else 1 if first(text) else 2 for text in texts]
    for one in others:
        classes = [
            2 if quality == 1 and not one(text) else quality
            for quality, text in zip(classes, texts, strict=True)
        ]
    return classes


_Alike = tuple[SortKey, Iterable[Match]]
"""What becomes one hit."""
_Groups = dict[ContentId, list[int]]
"""Of each content the places of its names."""


def rank(search: Search, matches: Matches) -> RankedPage:
    """The page of hits that a search asks for: one hit a content, best match first."""
    if matches.page is not None:
        return matches.page
    return _page(search, _of_each_content(search, Names.of(matches.rows)))


def ranked(search: Search, names: Names) -> tuple[Matches, list[ContentId]]:
    """As `rank` of all that match, with the names of its contents and of the next one.

    And all their contents in order.
    """
    keys, groups = _grouped(search, names)
    shown: list[Match] = []

    def looked_at() -> Iterator[_Alike]:
        for key, alike in _alike(names, keys, groups):
            if search.after is None or key > search.after:
                rows = list(alike)
                shown.extend(rows)
                yield key, rows

    return Matches(shown, page=_page(search, looked_at())), list(groups)


def best_key(search: Search, rows: Sequence[Match]) -> SortKey | None:
    """By what one content, of which these are the names, is put in order."""
    return next((key for key, _ in _of_each_content(search, Names.of(rows))), None)


def _of_each_content(search: Search, names: Names) -> Iterator[_Alike]:
    """The matches of each content, the best first, in the order of the best."""
    return _alike(names, *_grouped(search, names))


def _alike(names: Names, keys: Sequence[tuple[int, str]], groups: _Groups) -> Iterator[_Alike]:
    for (quality, text), (content, places) in zip(keys, groups.items(), strict=True):
        yield (quality, text, content.hex()), map(names.match, places)


def _grouped(search: Search, names: Names) -> tuple[list[tuple[int, str]], _Groups]:
    """The class and text of each content's best name, and its names, in order."""
    ranked = zip(
        _classes(search, names.texts),
        without_marks(names.texts),
        names.contents,
        names.peers,
        range(len(names.texts)),
        strict=True,
    )
    groups: _Groups = {}
    keys: list[tuple[int, str]] = []
    for quality, text, content, _, place in sorted(ranked):
        if content in groups:
            groups[content].append(place)
        else:
            groups[content] = [place]
            keys.append((quality, text))
    return keys, groups


def listed(search: Search, rows: Iterable[Match]) -> RankedPage:
    """The page that a listing asks for: one hit a path and content, in that order.

    `rows` come in the order of path, content and peer, from `after` on; no more of them are
    taken than the page needs. It ends early where peers without number have the same files.
    """
    groups = groupby(rows, key=lambda row: (row.path, row.content))
    return _page(search, (((UNRANKED, path, c.hex()), group) for (path, c), group in groups))


def _page(search: Search, groups: Iterable[_Alike]) -> RankedPage:
    """The first hits behind the page before."""
    hits: list[Hit] = []
    names_bytes = taken = 0
    last: SortKey | None = None
    for key, group in groups:
        if search.after is not None and key <= search.after:
            continue
        if last is not None and (len(hits) == search.page_size or taken >= RANK_LIMIT):
            return RankedPage(tuple(hits), page_token(last))
        alike = list(group)
        hit = _hit(alike)
        taken += len(alike)
        names_bytes += len("".join([named.path for named in hit.names]).encode())
        if last is not None and names_bytes > MAX_PAGE_BYTES:
            return RankedPage(tuple(hits), page_token(last))
        hits.append(hit)
        last = key
    return RankedPage(tuple(hits), "")


def _hit(rows: list[Match]) -> Hit:
    best = rows[0]
    vouched = best.sha256 or next((row.sha256 for row in rows if row.sha256 is not None), None)
    names = tuple([NamedBy(row.peer, row.path) for row in rows[:MAX_NAMES_PER_HIT]])
    return Hit(best.content, best.size_bytes, best.kind, vouched, names, len(rows), providers=0)
