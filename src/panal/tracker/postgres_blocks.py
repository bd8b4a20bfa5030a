"""Blocks of names: what the index of texts on PostgreSQL is of; pure.

Half of what a new name cost was its place in the list of each of its trigrams. Names that are told
together are much alike, so eight of them have one text and their trigrams once, each folder once in
it. What is found are blocks in which a word may be, and then their names are compared::

    docs/Año.txt, docs/Uno.txt  →  /|docs//|ano.|txt$/|uno.|txt$

A folder and a name are apart there, so a needle is looked for part by part.
"""

from collections.abc import Iterable, Sequence

NAMES_A_BLOCK = 8
"""More cost less to keep, and more to look through."""


def blocks_of(texts: Sequence[str]) -> list[str]:
    """The blocks of searchable forms, each of as many but the last."""
    starts = range(0, len(texts), NAMES_A_BLOCK)
    return [_block_of(texts[start : start + NAMES_A_BLOCK]) for start in starts]


def _block_of(texts: Iterable[str]) -> str:
    parts: list[str] = []
    last = ""
    for text in texts:
        folder, slash, name = text.rpartition("/")
        if folder != last:
            parts += (folder, slash)
            last = folder
        parts += (slash, name)
    return "".join(parts)


def parts_of(needle: str) -> list[str]:
    """What a block contains in which a name contains the needle."""
    first, *others = needle.split("/")
    if not others:
        return [needle]
    *middle, last = others
    parts = [first and f"{first}/", *(part and f"/{part}/" for part in middle), last and f"/{last}"]
    return [part for part in parts if part]
