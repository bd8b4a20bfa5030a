"""Who each chunk of a download came from, and which came wrong; a byte a chunk."""

HERE_BEFORE = 255
"""In the place of a source's number: here before, or nobody has sent it."""
OTHERS = 254
"""The same: from one of those that came when there were so many."""


class Origins:
    """The sources in the order in which they were first heard of, and theirs of each chunk."""

    def __init__(self, chunk_count: int) -> None:
        self.of = bytearray([HERE_BEFORE]) * chunk_count
        """Of each chunk, the number of its source."""
        self.peers: list[str] = []
        """Their names; a source's number is its place here."""
        self.wrong = 0
        """The bitfield of chunks that once came with other bytes."""
        self._numbers: dict[str, int] = {}

    def number(self, peer: str) -> int:
        """A source's number."""
        known = self._numbers.get(peer)
        if known is None:
            if len(self.peers) == OTHERS:
                return OTHERS
            known = self._numbers[peer] = len(self.peers)
            self.peers.append(peer)
        return known

    def came(self, index: int, peer: str) -> None:
        """A right chunk."""
        self.of[index] = self.number(peer)

    def came_wrong(self, index: int) -> None:
        """Bytes that are not the chunk."""
        self.wrong |= 1 << index
