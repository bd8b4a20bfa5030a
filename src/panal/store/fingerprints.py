"""What a file was when it was hashed, and what a walk left out."""

import os

import msgspec

from panal.wire.names import SafePath, printable

_LIMIT = 2**63
_SECOND_NS = 1_000_000_000
_EXAMPLES = 3


class Fingerprint(msgspec.Struct, frozen=True, gc=False):
    """What must not change while a file counts as the one that was hashed."""

    device: int
    """0: the root's own, so that a remount under another number changes nothing."""
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int = 0
    """When the file or its name was last changed, where it was asked for: nobody can set that
    back. It changes too where nothing has that matters here, so it is only ever further proof,
    and not compared."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Fingerprint)
            and self.inode == other.inode
            and self.mtime_ns == other.mtime_ns
            and self.size_bytes == other.size_bytes
            and self.device == other.device
        )

    def __hash__(self) -> int:
        return hash(self.numbers())

    @classmethod
    def of(cls, status: os.stat_result, root_device: int = 0) -> "Fingerprint":
        """The fingerprint in a stat result, as seen from a root on that device."""
        device = 0 if status.st_dev == root_device else status.st_dev
        inode, mtime_ns = status.st_ino, status.st_mtime_ns
        if device or inode >= _LIMIT or not -_LIMIT <= mtime_ns < _LIMIT:
            device, inode, _, mtime_ns = cls.as_kept(device, inode, status.st_size, mtime_ns)
        return cls(device, inode, status.st_size, mtime_ns, status.st_ctime_ns)

    def numbers(self) -> tuple[int, int, int, int]:
        """What is compared, as the index keeps it."""
        return self.device, self.inode, self.size_bytes, self.mtime_ns

    def looked_at(self) -> tuple[int, int, int, int, int]:
        """What a look at the folder compares with the index: the ctime too, or 0.

        It tells where the other time is in whole seconds. That was set by an unpacker, or is of a
        coarse clock: the next archive's file of that name and size may have it too, and the
        deleted one's inode.
        """
        ctime_ns = self.ctime_ns if is_in_whole_seconds(self.mtime_ns) else 0
        return (*self.numbers(), ctime_ns)

    @staticmethod
    def as_kept(
        device: int, inode: int, size_bytes: int, mtime_ns: int
    ) -> tuple[int, int, int, int]:
        """The numbers of a stat result as the index can hold them; device 0 is the root's own."""
        return (
            _as_stored(device) if device else 0,
            inode if inode < _LIMIT else _as_stored(inode),
            size_bytes,
            mtime_ns if -_LIMIT <= mtime_ns < _LIMIT else _as_stored(mtime_ns),
        )

    def is_untouched(self, found: "Fingerprint") -> bool:
        """Whether nobody can have changed the file since, and the disk has, where its bytes are
        others. A name, mode, owner or link that was changed counts as touched; where a clock
        ticks in whole seconds, everything does: an edit in the same one leaves no trace."""
        same = self.numbers()[1:] == found.numbers()[1:] and self.ctime_ns == found.ctime_ns
        return same and not is_in_whole_seconds(self.ctime_ns)

    def is_the_same(self, found: "Fingerprint") -> bool:
        """Whether a file stands as it did, as far as its file system's clock can tell."""
        return self == found and self.ctime_ns == found.ctime_ns

    def is_believed(self, found: "Fingerprint") -> bool:
        """Whether it is the file that was hashed, beyond doubt: else it is to be hashed again."""
        return self == found and self.is_untouched(found)

    def is_of(self, descriptor: int) -> bool:
        """Whether an open file, whose device cannot change, still is as it was."""
        return Fingerprint.of(os.fstat(descriptor)).numbers()[1:] == self.numbers()[1:]


def is_in_whole_seconds(time_ns: int) -> bool:
    """Whether that is all that a time says."""
    return time_ns % _SECOND_NS == 0


def _as_stored(number: int) -> int:
    # Inodes of network file systems and times beyond 2262 exceed what SQLite can hold.
    return (number + 2**63) % 2**64 - 2**63


Seen = tuple[SafePath, Fingerprint]
"""A file as it was found."""


class Skipped(msgspec.Struct):
    """What a walk left out, by reason, with a few examples each."""

    counts: dict[str, int] = msgspec.field(default_factory=dict)
    folders: dict[str, int] = msgspec.field(default_factory=dict)
    """How many of them are folders: what is in those is not looked at, nor counted."""
    examples: dict[str, list[str]] = msgspec.field(default_factory=dict)

    def add(self, reason: str, path: str, *, is_folder: bool = False) -> None:
        """Count one path left out."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if is_folder:
            self.folders[reason] = self.folders.get(reason, 0) + 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < _EXAMPLES:
            shown.append(printable(path + "/" if is_folder else path))

    def take_in(self, other: "Skipped", prefix: str) -> None:
        """Count in what another walk left out, of a root with that prefix."""
        for reason, count in other.counts.items():
            shown = self.examples.setdefault(reason, [])
            shown += [printable(prefix)[:-1] + text[1:] for text in other.examples[reason]]
            del shown[_EXAMPLES:]
            self.counts[reason] = self.counts.get(reason, 0) + count
        for reason, count in other.folders.items():
            self.folders[reason] = self.folders.get(reason, 0) + count
