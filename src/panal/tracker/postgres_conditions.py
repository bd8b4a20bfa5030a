"""A search's conditions on an entry, and how well it matches, as SQL with its values; pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from panal.tracker.page_tokens import UNRANKED
from panal.tracker.postgres_blocks import parts_of
from panal.tracker.registry import key_of
from panal.tracker.search import Search

Condition = tuple[str, Sequence[Any]]
"""Of an entry `e`, and the values of its placeholders."""
PEER = "(SELECT id FROM peers WHERE key = %s)"


def together(conditions: Iterable[Condition]) -> tuple[str, list[Any]]:
    """To be put behind others, and the values of all."""
    known = list(conditions)
    sql = "".join(f" AND {condition}" for condition, _ in known)
    return sql, [value for _, given in known for value in given]


def pattern(needle: str) -> str:
    """What is LIKE this contains the needle, in which nothing has a meaning of its own."""
    for special in "\\%_":
        needle = needle.replace(special, "\\" + special)
    return f"%{needle}%"


def filters(search: Search) -> Iterable[Condition]:
    """All but those of words that are wanted."""
    if search.peer:
        yield f"e.peer = {PEER}", (key_of(search.peer),)
    if search.content is not None:
        yield "e.content = %s", (search.content,)
    if search.sha256 is not None:
        yield "e.sha256 = %s", (search.sha256,)
    if search.kind is not None:
        yield "e.kind = %s", (int(search.kind),)
    if search.min_size_bytes:
        yield "e.size_bytes >= %s", (search.min_size_bytes,)
    if search.max_size_bytes is not None:
        yield "e.size_bytes <= %s", (search.max_size_bytes,)
    for group in search.any_of:
        yield _ends_with_one(group)
    for needle in search.unwanted:
        yield "e.searchable NOT LIKE %s", (pattern(needle),)


def _ends_with_one(group: Iterable[str]) -> tuple[str, list[Any]]:
    """By length: a LIKE for each would go through a name as often."""
    by_length: dict[int, list[str]] = {}
    for ending in group:
        by_length.setdefault(len(ending), []).append(ending)
    texts = [f"right(e.searchable, {length}) = ANY(%b::text[])" for length in by_length]
    return f"({' OR '.join(texts)})", list(by_length.values())


def contained_in_block(part: str) -> Condition:
    """Of a block `b`: whether it contains this."""
    return "b.texts LIKE %s", (pattern(part),)


def ends_in_block(group: Iterable[str]) -> Condition:
    """Of a block `b`: whether one of its names may end so."""
    return "b.texts LIKE ANY(%b::text[])", ([pattern(parts_of(ending)[-1]) for ending in group],)


def ends_so(group: Iterable[str]) -> Condition:
    """Of an entry, as `filters` says it, so that an index of texts can look it up."""
    return "e.searchable LIKE ANY(%b::text[])", ([pattern(ending) for ending in group],)


def class_of(search: Search) -> tuple[str, str, list[object]]:
    """`search.match_class` as an expression that gives its digit, whether it is unsure, values.

    Of letters the database knows ASCII's, whatever its locale: where a word is followed by one
    beyond, it cannot tell whether the word goes on.
    """
    if search.exact is None:
        return f"'{UNRANKED}'", "false", []
    is_exact = "position(%s in searchable) > 0"
    words = search.whole_words()
    whole, values = together(_surely_whole(*word) for word in words)
    perhaps, more = together(_perhaps_whole(*word) for word in words)
    quality = f"CASE WHEN {is_exact} THEN '0' WHEN true{whole} THEN '1' ELSE '{UNRANKED}' END"
    is_unsure = (
        "octet_length(searchable) > length(searchable)"
        f" AND NOT ({is_exact}) AND NOT (true{whole}){perhaps}"
    )
    return quality, is_unsure, [search.exact, *values, search.exact, *values, *more]


def _surely_whole(begun: str, is_open: bool) -> Condition:
    """Whether a word that begins so is there, and no letter or digit of ASCII follows.

    The regex takes many times as long as the rest, which mostly knows: below 0 is what separates
    words, or nothing where the same follows once more, before which a word begins, too.
    """
    if not is_open:
        return "position(%s in searchable) > 0", (begun,)
    return (
        "position(%s in searchable) > 0"
        " AND (split_part(searchable, %s, 2) < '0' OR searchable ~ %s)",
        (begun, begun, f"{re.escape(begun)}[\x01-/:-`{{-\x7f]"),
    )


def _perhaps_whole(begun: str, is_open: bool) -> Condition:
    """Whether that is so, or something beyond ASCII follows."""
    if not is_open:
        return "position(%s in searchable) > 0", (begun,)
    return "searchable ~ %s", (f"{re.escape(begun)}[^a-z0-9]",)
