"""Which small contents go into which bundle: facts in, contents out."""

from collections.abc import Sequence

from panal.wire.bundle import END, MAX_BUNDLE_BYTES, MAX_IDS, member_bytes
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId, PeerName

SMALLEST_BYTES = 256 * 1024
"""A request for less costs more than its bytes do."""


class BundlePlan:
    """The contents that are wanted, in the order of their paths, and who lacks which."""

    def __init__(self, wanted: Sequence[Sequence[CollectionEntry]]) -> None:
        """Each of `wanted` is one content: the entries of all its paths."""
        self._wanted: dict[ContentId, Sequence[CollectionEntry]] = {}
        self._left_bytes = 0
        self._lacking: dict[PeerName, set[ContentId]] = {}
        self.give_back(wanted)

    def left(self) -> list[Sequence[CollectionEntry]]:
        """What nobody has been asked for, or nobody gave."""
        return list(self._wanted.values())

    def take(self, peer: PeerName, at_once: int) -> list[Sequence[CollectionEntry]]:
        """The next bundle for one of `at_once` connections; empty where the peer lacks the rest.

        Each takes half of its share of what is left, so that bundles become smaller and all
        end together, however different their speed.
        """
        most_bytes = max(SMALLEST_BYTES, self._left_bytes // (2 * at_once))
        room_bytes = min(MAX_BUNDLE_BYTES, most_bytes) - len(END)
        lacking = self._lacking.get(peer, set())
        taken: list[ContentId] = []
        taken_bytes = 0
        for content, entries in self._wanted.items():
            if content in lacking:
                continue
            with_it_bytes = taken_bytes + member_bytes(entries[0].size_bytes)
            if taken and (with_it_bytes > room_bytes or len(taken) == MAX_IDS):
                break
            taken.append(content)
            taken_bytes = with_it_bytes
        self._left_bytes -= taken_bytes
        return [self._wanted.pop(content) for content in taken]

    def give_back(
        self, missing: Sequence[Sequence[CollectionEntry]], lacks: PeerName | None = None
    ) -> None:
        """These did not come; a peer that `lacks` them is not asked for them again."""
        for entries in missing:
            content = entries[0].content
            assert content is not None  # noqa: S101 (a file)
            self._wanted[content] = entries
            self._left_bytes += member_bytes(entries[0].size_bytes)
            if lacks is not None:
                self._lacking.setdefault(lacks, set()).add(content)
