"""What a search means: conditions, ranking and pages; no store, no clock.

Conditions are on the *searchable forms* of paths (searchable.py).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec

from panal.errors import UsageError
from panal.tracker.query_words import QueryWords, parse_query
from panal.tracker.registry import key_of
from panal.tracker.searchable import (
    ending_of,
    exact_name,
    fold,
    marked,
    needle,
    whole_word,
    without_marks,
)
from panal.wire.catalogue import Hit, NamedBy, SearchQuery
from panal.wire.ids import ContentId, PeerName, is_content_id
from panal.wire.manifest import MAX_CONTENT_BYTES, Kind

RANK_LIMIT = 10_000
RANKED_OF_MORE = 500
"""Of what more names match, five pages: that the words are too common is known without more."""
TOO_MUCH = "This search looks at too much. Add a word of three letters or more, or another filter."
"""What a store says of one that it gives up."""
MOST_WORDS = 32
MOST_ENDINGS = 32
MAX_NAMES_PER_HIT = 20
MAX_PAGE_BYTES = 2 * 1024 * 1024
"""Of names on one page: a page must fit a gRPC message of 4 MiB."""
MOST_TOKEN_LETTERS = 256 * 1024
"""Of a page's; the longest name takes a third of it, if each of its letters is one that stands for
eighteen."""

UNRANKED = 2
# In no path, so in a query they only separate; the marks above are among them.
_CONTROL = re.compile("[\x00-\x1f\x7f]")

SortKey = tuple[int, str, str]
"""Class of the match, folded path, content id in hex: unique for each hit.

In a listing the path is as it stands, and the class says nothing.
"""


@dataclass(frozen=True, slots=True)
class Search:
    """A query understood: conditions that every store can check."""

    needles: tuple[str, ...]
    """The searchable form of a match contains all of these."""
    any_of: tuple[tuple[str, ...], ...]
    """It contains one of each group: of one, or of several that exclude each other."""
    unwanted: tuple[str, ...]
    """It contains none of these."""
    exact: str | None
    """The searchable form of an exact name contains this; None when no words were given."""
    whole: tuple[str, ...]
    """The words themselves, folded."""
    content: ContentId | None
    sha256: bytes | None
    peer: str
    kind: Kind | None
    min_size_bytes: int
    max_size_bytes: int | None
    after: SortKey | None
    page_size: int

    @property
    def beginnings(self) -> tuple[str, ...]:
        """What a searchable form contains in which a word begins where each of the words does."""
        return tuple(map(marked, self.whole))

    @property
    def is_listing(self) -> bool:
        """Whether nothing is to be ranked: no words, and no content asked for by its id."""
        return not self.whole and self.content is None and self.sha256 is None

    @property
    def is_impossible(self) -> bool:
        """Whether no name can meet it, whatever is stored: its conditions exclude each other."""
        ends = self.any_of[0] if self.any_of else ()
        return (
            len(self.any_of) > 1
            or (self.max_size_bytes is not None and self.max_size_bytes < self.min_size_bytes)
            or any(other in needle for other in self.unwanted for needle in self.needles)
            or (bool(ends) and all(any(other in end for other in self.unwanted) for end in ends))
        )

    def whole_words(self) -> list[tuple[str, bool]]:
        """What a text of class 1 contains: each word with a beginning's mark, and whether no
        letter or digit may follow it."""
        return [(marked(word), word[-1].isalnum()) for word in self.whole]


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


def understand(query: SearchQuery) -> Search:
    """The conditions of a query; UsageError for sizes or a page token that cannot be."""
    for size_bytes in (query.min_size_bytes, query.max_size_bytes):
        if not 0 <= size_bytes <= MAX_CONTENT_BYTES:
            raise UsageError(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
    text = _CONTROL.sub(" ", query.words).strip()
    asked = QueryWords(text.split()) if query.literal else parse_query(text)
    words = _folded(asked.wanted)
    phrase = fold(" ".join(asked.wanted) if asked.has_operators else text)
    any_of = tuple(tuple(map(ending_of, _folded(ends))) for ends in asked.ends)
    unwanted = (
        *map(needle, _folded(asked.unwanted)),
        *map(ending_of, _folded(asked.unwanted_ends)),
    )
    _check_cost(words, any_of, unwanted)
    return Search(
        needles=tuple(map(needle, words)),
        any_of=_in_one(filter(None, any_of)),
        unwanted=unwanted,
        exact=exact_name(phrase) if words else None,
        whole=words,
        content=query.content,
        sha256=query.sha256,
        peer=_one_peer(query.peer, asked.peer),
        kind=_one_kind(query.kind, asked.kind),
        min_size_bytes=min(max(query.min_size_bytes, asked.min_size_bytes), MAX_CONTENT_BYTES + 1),
        max_size_bytes=_least(query.max_size_bytes or None, asked.max_size_bytes),
        after=_decode_page(query.page) if query.page else None,
        page_size=query.page_size,
    )


def _folded(words: Iterable[str]) -> tuple[str, ...]:
    """Each once; what is nothing without its accents is no word."""
    return tuple(dict.fromkeys(filter(None, (fold(word).strip() for word in words))))


def _in_one(groups: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """One group of what a name ends with that ends with one of each; all where no name can."""
    known = tuple(groups)
    both = _shortest(known[0]) if known else ()
    for group in known[1:]:
        both = _of_both(both, _shortest(group))
    return (both,) if both else known


def _shortest(endings: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are not told by a shorter one, as tar.gz is by gz."""
    return tuple(
        ending
        for ending in endings
        if not any(other != ending and ending.endswith(other) for other in endings)
    )


def _of_both(group: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The longer of each two that a name can end with at once."""
    ours = [ending for ending in group if ending.endswith(other)]
    theirs = [ending for ending in other if ending.endswith(group)]
    return tuple(dict.fromkeys((*ours, *theirs)))


def _check_cost(words: Sequence[str], any_of: Sequence[Sequence[str]], not_: Sequence[str]) -> None:
    """UsageError for conditions that only somebody has who wants to keep the store busy."""
    if len(words) + len(not_) > MOST_WORDS or len(any_of) > MOST_WORDS:
        raise UsageError(f"A search has at most {MOST_WORDS} words.")
    if any(len(group) > MOST_ENDINGS for group in any_of):
        raise UsageError(f"Name at most {MOST_ENDINGS} extensions.")


def _one_peer(given: str, written: str) -> str:
    if given and written and key_of(given) != key_of(written):
        raise UsageError(f"A search is of one peer's files: those of {given} or of {written}?")
    return given or written


def _one_kind(given: Kind | None, written: Kind | None) -> Kind | None:
    if None not in (given, written) and given is not written:
        raise UsageError("A search is of one kind: files or folders?")
    return written if given is None else given


def _least(one: int | None, other: int | None) -> int | None:
    given = [min(size, MAX_CONTENT_BYTES) for size in (one, other) if size is not None]
    return min(given, default=None)


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
            return RankedPage(tuple(hits), _encode_page(last))
        alike = list(group)
        hit = _hit(alike)
        taken += len(alike)
        names_bytes += len("".join([named.path for named in hit.names]).encode())
        if last is not None and names_bytes > MAX_PAGE_BYTES:
            return RankedPage(tuple(hits), _encode_page(last))
        hits.append(hit)
        last = key
    return RankedPage(tuple(hits), "")


def _hit(rows: list[Match]) -> Hit:
    best = rows[0]
    vouched = best.sha256 or next((row.sha256 for row in rows if row.sha256 is not None), None)
    names = tuple([NamedBy(row.peer, row.path) for row in rows[:MAX_NAMES_PER_HIT]])
    return Hit(best.content, best.size_bytes, best.kind, vouched, names, len(rows), providers=0)


def _encode_page(key: SortKey) -> str:
    raw = json.dumps(key, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _decode_page(token: str) -> SortKey:
    if len(token) > MOST_TOKEN_LETTERS:
        raise UsageError("This page token was not made by the tracker.")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        found = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise UsageError("This page token was not made by the tracker.") from None
    match found:
        case [int(quality), str(path), str(content)] if _is_key(quality, path, content):
            return quality, path, content
    raise UsageError("This page token was not made by the tracker.")


def _is_key(quality: object, path: str, content: str) -> bool:
    # Half a surrogate and a zero are JSON, and nothing that a store can look for.
    is_text = "\0" not in path and path == path.encode("utf-8", "ignore").decode()
    is_class = quality in range(UNRANKED + 1) and not isinstance(quality, bool)
    return is_text and is_class and is_content_id(content)
