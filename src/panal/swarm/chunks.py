"""Which chunks of one content are here, are missing, and are asked of nobody; as bits."""

from panal.wire import bitfield


class Chunks:
    """What there is to have, and what there is of it."""

    def __init__(self, chunk_bytes: int, count: int, written: int, unsure: int = 0) -> None:
        self.chunk_bytes = chunk_bytes
        self.count = count
        self.all = bitfield.full(count)
        self.written = written
        self.missing = self.all & ~written
        """Not written."""
        self.unsure = unsure
        """Missing until they are compared: an earlier run has left their bytes here."""
        self.free = self.missing & ~unsure
        """Missing, and nobody is asked for it."""

    @property
    def lacking(self) -> int:
        """Those that have to come from others, as far as is known."""
        return self.missing & ~self.unsure

    def compared(self, right: int, wrong: int) -> None:
        """Some that were unsure are written, and others lack."""
        self.unsure &= ~(right | wrong)
        self.written |= right
        self.missing &= ~right
        self.free |= wrong & self.missing
