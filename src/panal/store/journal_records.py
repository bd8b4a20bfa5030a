"""What the records of a journal come to; pure."""

import struct
from collections.abc import Iterable, Sequence

from panal.wire.bitfield import from_indices
from panal.wire.ids import ContentId

DURABLE = 0xFFFFFFFF
BATCH = 0xFFFFFFFE
FORGET = 0xFFFFFFFD
SIGNS = frozenset({DURABLE, BATCH, FORGET})
WRONG = 0x80000000
"""With a chunk's index: that one counts no more, durable or not. No content has so many chunks."""
MAGIC = b"PANALJ1\n"
RECORD = struct.Struct("<I")


def records_in(raw: bytes, content: ContentId) -> list[int] | None:
    """The whole records of a content's journal; None where these bytes are none.

    One that was killed while it was begun has none.
    """
    head = MAGIC + content
    if not raw.startswith(head):
        return [] if head.startswith(raw) else None
    return whole_records(raw[len(head) :])


def whole_records(raw: bytes) -> list[int]:
    """All whole ones."""
    whole_bytes = len(raw) // RECORD.size * RECORD.size
    return [record for (record,) in RECORD.iter_unpack(raw[:whole_bytes])]


def replay(records: Sequence[int], chunk_count: int) -> tuple[int, int]:
    """The durable chunks and the merely written ones that a journal's records come to."""
    named: set[int] = set()
    batch: set[int] = set()
    durable: set[int] = set()
    for record in records:
        if record == BATCH:
            batch = set(named)
        elif record == DURABLE:
            durable |= batch
            named -= batch
        elif record == FORGET:
            named, batch = set(), set()
        elif record & WRONG:
            for chunks in (named, batch, durable):
                chunks.discard(record ^ WRONG)
        elif record < chunk_count:
            named.add(record)
    return from_indices(durable), from_indices(named - durable)


def named_in(records: Iterable[int]) -> set[int]:
    """Every chunk that is named at all."""
    return {record & ~WRONG for record in set(records) - SIGNS}
