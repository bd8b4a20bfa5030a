"""A part of one core for a process, by the kernel's control groups: for root only.

What stands in for machines of their own where several programs are measured on a few cores: none
gets more than its part, so that what all do together shows whether they stand in each other's way.
"""

import os
from pathlib import Path

PERIOD_US = 20_000
"""Short beside what calls wait for each other; the kernel's own is 100,000."""

_ROOT = Path("/sys/fs/cgroup")
_FIRST_VERSION = _ROOT / "cpu"


class CpuQuota:
    """A group of processes that gets `share` of one core; OSError where the kernel gives none."""

    def __init__(self, name: str, share: float) -> None:
        first_version = _FIRST_VERSION.is_dir()
        parent = _FIRST_VERSION if first_version else _ROOT
        self._folder = parent / f"panal_{os.getpid()}_{name}"
        if not first_version:
            (parent / "cgroup.subtree_control").write_text("+cpu")
        self._folder.mkdir()
        quota_us = int(share * PERIOD_US)
        if first_version:
            (self._folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self._folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (self._folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")

    def hold(self, pid: int) -> None:
        """This process and what it starts from now on."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """After its processes have ended."""
        self._folder.rmdir()
