"""A million files with real names: what this machine's packages installed, many times over.

The names are those of Debian's lists and of the Python packages beside this one. Every further
copy lies in a folder of its own, as the same packages do on other machines. Two files in a row
of copies have the same content, so that each content has two providers.
"""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blake3 import blake3

from benchmarks.processes import Broken
from panal.wire import tracker_pb2 as pb
from panal.wire.names import path_problem

DPKG_LISTS = Path("/var/lib/dpkg/info")
ENTRIES_A_MESSAGE = 1_000
"""As Panal's own peers tell."""


def installed_paths() -> list[str]:
    """The paths of the files that this machine's packages installed, relative to its root."""
    named = {
        line[1:]
        for listed in sorted(DPKG_LISTS.glob("*.list"))
        for line in listed.read_text(errors="ignore").splitlines()
        if line.startswith("/") and len(line) > 2
    }
    packages = Path(sys.prefix) / "lib"
    named |= {str(path)[1:] for path in packages.rglob("*") if path.is_file()}
    folders = {path.rpartition("/")[0] for path in named}
    paths = sorted(path for path in named - folders if path_problem(path) is None)
    if not paths:
        raise Broken("no installed package's files are listed here")
    return paths


@dataclass(frozen=True)
class Catalogue:
    """`files` files, dealt out to `peers` peers in the order of their paths."""

    files: int
    peers: int

    @cached_property
    def real(self) -> list[str]:
        """The paths as this machine has them."""
        return installed_paths()

    @property
    def files_a_peer(self) -> int:
        """So many has each peer."""
        return self.files // self.peers

    def path(self, number: int) -> str:
        """The path of one file; no two have the same."""
        copy, place = divmod(number, len(self.real))
        path = self.real[place]
        return path if copy == 0 else f"machine {copy:02}/{path}"

    def entry(self, number: int, round_number: int = 0) -> pb.Entry:
        """One file as it is announced; `round_number` gives it another content."""
        copy, place = divmod(number, len(self.real))
        digest = blake3(f"{place} {copy // 2} {round_number}".encode()).digest(length=64)
        return pb.Entry(
            path=self.path(number),
            content=digest[:32],
            size_bytes=int.from_bytes(digest[:2], "little") ** 2,
            sha256=digest[32:],
        )

    def messages_of(self, peer: int) -> list[bytes]:
        """One peer's entries as parts of messages: a head may be put before each."""
        first = peer * self.files_a_peer
        numbers = iter(range(first, first + self.files_a_peer))
        parts = []
        while some := list(itertools.islice(numbers, ENTRIES_A_MESSAGE)):
            entries = [self.entry(number) for number in some]
            parts.append(pb.AnnounceRequest(entries=entries).SerializeToString())
        return parts

    def paths(self) -> Iterator[str]:
        """All of them."""
        return map(self.path, range(self.files))
