"""What a search means, as conditions that every store can check: no store, no clock.

Conditions are on the *searchable forms* of paths (searchable.py).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from panal.errors import UsageError
from panal.tracker.page_tokens import SortKey, key_of_page
from panal.tracker.query_words import QueryWords, parse_query
from panal.tracker.registry import key_of
from panal.tracker.searchable import (
    ending_of,
    exact_name,
    fold,
    marked,
    needle,
)
from panal.wire.catalogue import SearchQuery
from panal.wire.ids import ContentId
from panal.wire.manifest import MAX_CONTENT_BYTES, Kind

TOO_MUCH = "This search looks at too much. Add a word of three letters or more, or another filter."
"""What a store says of one that it gives up."""
MOST_WORDS = 32
MOST_ENDINGS = 32
# In no path, so in a query they only separate; the marks of searchable forms are among them.
_CONTROL = re.compile("[\x00-\x1f\x7f]")


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
        after=key_of_page(query.page) if query.page else None,
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
