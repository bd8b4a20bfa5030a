"""Which chunks of one content are here, are missing, and are asked of nobody; as bits."""

from panal.wire import bitfield


class Chunks:
    """What there is to have, and what there is of it."""

    def __init__(self, chunk_bytes: int, count: int, written: int) -> None:
        self.chunk_bytes = chunk_bytes
        self.count = count
        self.all = bitfield.full(count)
        self.written = written
        self.missing = self.all & ~written
        self.free = self.missing
        """Missing, and nobody is asked for it."""
