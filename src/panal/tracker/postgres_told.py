"""A message's entries as PostgreSQL is given them: few large values, not a thousand small ones.

A list costs Python a third of a microsecond for each value in it, a text or bytes that join them
next to nothing, and the server takes them apart in about the time that it takes to read a list.
"""

from collections.abc import Iterable, Sequence

from panal.wire.catalogue import Entry
from panal.wire.ids import CONTENT_ID_BYTES
from panal.wire.manifest import HASH_BYTES

_LINE = "\n"
"""In no path."""
_NOT_VOUCHED_FOR = bytes(HASH_BYTES)


def _lines(parameter: str) -> str:
    return f"string_to_array(%({parameter})b::text, E'\\n')"


def _cut(parameter: str, length: int) -> str:
    return f"substr(%({parameter})b::bytea, {length} * place::integer - {length - 1}, {length})"


PATHS = f"unnest({_lines('paths')}) AS told (path)"
"""In a FROM: the lines of `joined`, given as `paths`."""
BLOCKS = f"unnest({_lines('blocks')}) WITH ORDINALITY AS listed (texts, number)"
"""In a FROM: the lines of `joined`, given as `blocks`, each with its number from 1 on."""
ENTRIES = (
    f"(SELECT path, searchable, size_bytes, place, {_cut('contents', CONTENT_ID_BYTES)} AS content,"
    " get_byte(%(kinds)b::bytea, place::integer - 1)::smallint AS kind,"
    f" nullif({_cut('sha256s', HASH_BYTES)}, '\\x{_NOT_VOUCHED_FOR.hex()}') AS sha256"
    f" FROM unnest({_lines('paths')}, {_lines('texts')}, %(sizes)t::bigint[])"
    " WITH ORDINALITY AS listed (path, searchable, size_bytes, place)) AS told"
)
"""In a FROM: what `values_of` gives, each with its `place` from 1 on."""


def joined(texts: Iterable[str]) -> str:
    """Paths, or what is made of them, as one text."""
    return _LINE.join(texts)


def values_of(entries: Sequence[Entry], texts: Sequence[str] = ()) -> dict[str, object]:
    """The parameters of `ENTRIES`; `texts` are searchable forms, where they are wanted."""
    return {
        "paths": joined([entry.path for entry in entries]),
        "texts": joined(texts),
        "contents": b"".join([entry.content for entry in entries]),
        "sizes": "{" + ",".join([str(entry.size_bytes) for entry in entries]) + "}",
        "kinds": bytes([entry.kind for entry in entries]),
        "sha256s": b"".join([entry.sha256 or _NOT_VOUCHED_FOR for entry in entries]),
    }
