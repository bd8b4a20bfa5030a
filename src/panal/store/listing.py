"""A folder's entries as the system gives them, and one hash over all that counts of them.

An unchanged folder is known by that hash: no name of it is judged again, no row of the index
read.
"""

import marshal
import os

import msgspec
from blake3 import blake3

from panal.store.fingerprints import Skipped, is_in_whole_seconds

_DIGEST_BYTES = 32
# The later forms of marshal depend on who else holds an object, this one on its value alone.
_PLAIN_FORM = 2

NamedNumbers = tuple[str, int, int, int, int, int]
"""A file's name, and device, inode, size and times as the system gives them; device 0 is the
root's own. Of the last see `Fingerprint.looked_at`."""


class Listing(msgspec.Struct):
    """What lies in a folder, in no particular order."""

    files: list[NamedNumbers] = msgspec.field(default_factory=list)
    others: list[tuple[str, bool, bool]] = msgspec.field(default_factory=list)
    """Name, whether it is a folder, whether it is a link."""

    def names(self) -> list[str]:
        """Every name in it."""
        return [file[0] for file in self.files] + [other[0] for other in self.others]

    def digest(self, mark: bytes) -> bytes:
        """Another where anything differs, or `mark`, which stands for the rules."""
        whole = (mark, self.files, self.others)
        return blake3(marshal.dumps(whole, _PLAIN_FORM)).digest(_DIGEST_BYTES)


def list_folder(descriptor: int, root_device: int) -> Listing:
    """What lies in an open folder; OSError."""
    listing = Listing()
    files = listing.files
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                is_folder = entry.is_dir(follow_symlinks=False)
                listing.others.append((entry.name, is_folder, entry.is_symlink()))
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            device, mtime_ns = status.st_dev, status.st_mtime_ns
            files.append(
                (
                    entry.name,
                    0 if device == root_device else device,
                    status.st_ino,
                    status.st_size,
                    mtime_ns,
                    status.st_ctime_ns if is_in_whole_seconds(mtime_ns) else 0,
                )
            )
    return listing


class Outcome(msgspec.Struct, array_like=True):
    """What a listing came to under the rules: worth keeping as long as its digest holds."""

    parts: list[str | tuple[str, str]]
    """In the order of paths: a folder to enter, or the first and last of files between two."""
    counts: dict[str, int]
    """What was left out: see `Skipped`."""
    folders: dict[str, int]
    examples: dict[str, list[str]]

    def skipped(self) -> Skipped:
        """What was left out."""
        return Skipped(self.counts, self.folders, self.examples)

    def encode(self, digest: bytes) -> bytes:
        """The digest of the listing, and this."""
        return digest + msgspec.json.encode(self)

    @staticmethod
    def recalled(encoded: bytes, digest: bytes) -> "Outcome | None":
        """What was kept of a folder; None where its listing was another then."""
        is_same = encoded.startswith(digest)
        return _OUTCOMES.decode(memoryview(encoded)[_DIGEST_BYTES:]) if is_same else None


_OUTCOMES = msgspec.json.Decoder(Outcome)
