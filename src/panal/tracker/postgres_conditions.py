"""A search's conditions on an entry as SQL with its values; pure."""

from collections.abc import Iterable, Sequence
from typing import Any

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
