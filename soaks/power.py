"""Power cuts: the image of a mounted disk as it is at one of its calls, mounted again.

`python -m soaks.power [--case NAME]… [--most N] [--minutes M]`, as root, on ext4 and xfs. What was
only in the system's memory is lost; it does not reorder what the disk was told, and tears no
sectors. Whatever was acknowledged before must be there, and nothing claimed that is not.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from soaks import checks
from soaks.faults import Fault
from soaks.place import Case, Place, Trial
from soaks.sweeping import main

IMAGE_BYTES = {"ext4": 64 * 1024 * 1024, "xfs": 320 * 1024 * 1024}
FLAGS = {"ext4": ["-q", "-F"], "xfs": ["-q", "-f"]}
OPTIONS = {"ext4": "loop", "xfs": "loop,nouuid"}
"""A program in a mount namespace of its own may still have the last one mounted."""


class CannotMount(Exception):
    """This system has no loop devices for us, or no tools to make a file system."""


class Disk:
    """A file system in a file."""

    def __init__(self, place: Path, kind: str) -> None:
        """Make one; CannotMount."""
        place.mkdir(parents=True, exist_ok=True)
        self.image, self.copy = place / "disk.img", place / "copy.img"
        self.kind = kind
        self._at = place / "mounted"
        self._at.mkdir(exist_ok=True)
        if shutil.which(f"mkfs.{kind}") is None:
            raise CannotMount(f"mkfs.{kind} is not installed")
        self._empty = place / "empty.img"
        with self._empty.open("wb") as made:
            made.truncate(IMAGE_BYTES[kind])
        _run(f"mkfs.{kind}", *FLAGS[kind], str(self._empty))

    @contextlib.contextmanager
    def mounted(self, image: Path) -> Iterator[Path]:
        """The file system of an image; CannotMount."""
        _run("mount", "-o", OPTIONS[self.kind], str(image), str(self._at))
        try:
            yield self._at
        finally:
            _run("umount", str(self._at))

    def renew(self) -> None:
        """Empty it, and its copy: new files, for which the system makes new devices."""
        self.image.unlink(missing_ok=True)
        self.copy.unlink(missing_ok=True)
        _run("cp", "--sparse=always", str(self._empty), str(self.image))


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise CannotMount(f"{' '.join(words)}: {done.stderr.strip()}")


async def tried(
    place: Place, disk: Disk, case: Case, at: int, word: str = "", wrong: str = ""
) -> Trial:
    """One power cut at a call, or as a word is said; the rest of the run is lost."""
    disk.renew()
    cut = Fault(at, "copy", copy_from=str(disk.image), copy_to=str(disk.copy), copy_at_word=word)
    with disk.mounted(disk.image) as top:
        number = top.stat().st_dev
        device = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"
        fault = msgspec.structs.replace(cut, copy_device=device)
        folder, run = place.prepared(case, top)
        _run("sync", "-f", str(top))  # what its user has is older than the cut
        outcome = await place.runner.run(msgspec.structs.replace(run, fault=fault, wrong=wrong))
    if not outcome.struck:
        return Trial("", outcome, [])
    with disk.mounted(disk.copy):
        findings = place.after(case, folder, outcome, fault)
        again = await place.runner.run(run)
        if not any(word.startswith(case.end) for word in again.words) or again.code:
            findings.append(f"asked again it ended with {again.code} and said {again.words}")
        findings += checks.at_the_end(folder, case.wanted)
    return Trial(outcome.struck, outcome, findings)


async def sweep(place: Place, name: str, most: int, wrong: str = "") -> AsyncIterator[Trial]:
    """Cut at so many calls of a case, spread evenly, and as soon as it is acknowledged."""
    case = place.cases[name]
    total = await place.count(case)
    for kind in _KINDS:
        disk = Disk(place.place / f"disk-{kind}", kind)
        yield await tried(place, disk, case, 0, case.end, wrong)
        for at in place.points(total, most):
            yield await tried(place, disk, case, at, "", wrong)


_KINDS = ("ext4", "xfs")

if __name__ == "__main__":
    try:
        main("soaks.power", __doc__, sweep)
    except CannotMount as reason:
        sys.exit(f"Skipped: {reason}.")
