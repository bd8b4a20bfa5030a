"""What is to happen to a process at its n-th call that changes a disk."""

import contextlib
import errno
import os
import subprocess
from collections import Counter

import msgspec

from soaks.system_calls import Call, Stopped


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault; the first call is 1, and 0 lets all pass."""

    at: int = 0
    do: str = "pass"
    """pass, kill, fail, shorten, fill: the disk, to its last byte, or copy: a disk's image, as a
    power cut would leave it."""
    calls: int = 1
    """How many calls fail, one after the other."""
    error: str = "EIO"
    kinds: tuple[str, ...] = ()
    """Which calls count; none: all."""
    besides: tuple[str, ...] = ()
    """Writes to and syncs of files of these names do not count."""
    after_word: str = ""
    """Nothing counts before this was said."""
    fill_with: str = ""
    """The file that then takes all that is free."""
    copy_from: str = ""
    copy_to: str = ""
    copy_device: str = ""
    """Where the kernel counts the writes to the device made of that image."""
    copy_at_word: str = ""
    """Copy as this word is said, in place of `at`."""


class Watch:
    """Counts the calls of one run and does what the fault says."""

    def __init__(self, fault: Fault, roots: tuple[str, ...], words: str) -> None:
        """Writes elsewhere than below `roots` do not count; `words` is where the child speaks."""
        self._fault = fault
        self._roots = roots
        self._words = words
        self.count = 0
        self._counts = not fault.after_word
        self.struck = ""
        """The call that the fault came to."""
        self.last_word = ""
        """What was being said as it came, where it was to come then."""
        self.by_name: Counter[str] = Counter()

    def __call__(self, call: Call, stopped: Stopped) -> None:
        """Count a call, and do what is to happen to it."""
        fault = self._fault
        if call.place == self._words:
            self._heard(stopped.bytes_at(call.address, call.count).decode(), call, stopped)
        if call.place and not call.place.startswith(self._roots):
            return
        if not self._counts or (fault.kinds and call.name not in fault.kinds):
            return
        if os.path.basename(call.place) in fault.besides:
            return
        self.count += 1
        self.by_name[call.name] += 1
        if fault.at and fault.at <= self.count < fault.at + fault.calls:
            self._strike(call, stopped)

    def _heard(self, word: str, call: Call, stopped: Stopped) -> None:
        fault = self._fault
        self._counts = self._counts or word.startswith(fault.after_word)
        if fault.copy_at_word and not self.struck and word.startswith(fault.copy_at_word):
            self.last_word = word.strip()
            self._strike(call, stopped)

    def _strike(self, call: Call, stopped: Stopped) -> None:
        fault = self._fault
        self.struck = self.struck or f"{call.name} {os.path.basename(call.place)}".strip()
        if fault.do == "kill":
            stopped.kill()
        elif fault.do == "fail":
            stopped.fail(getattr(errno, fault.error))
        elif fault.do == "shorten" and call.count > 1:
            stopped.shorten(call.count // 2)
        elif fault.do == "fill":
            fill(fault.fill_with)
        elif fault.do == "copy":
            copy_image(fault.copy_from, fault.copy_to, fault.copy_device)
            stopped.kill()


def copy_image(image: str, to: str, device: str) -> None:
    """A disk's image as it is at one moment: copied again while the kernel was writing to it."""
    while True:
        before = _written(device)
        subprocess.run(["cp", "--sparse=always", image, to], check=True)
        if before == _written(device) and before[1] == "0":
            return


def _written(device: str) -> tuple[str, str]:
    """How many writes a block device has done, and how many it is at (block/stat.rst)."""
    with open(f"{device}/stat", encoding="ascii") as counts:
        fields = counts.read().split()
    return fields[4], fields[8]


def fill(file: str) -> None:
    """Take all that a disk has, to the last byte."""
    end = 0
    with open(file, "wb") as filler:
        for block_bytes in (1024 * 1024, 64 * 1024, 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.posix_fallocate(filler.fileno(), end, block_bytes)
                    end += block_bytes
