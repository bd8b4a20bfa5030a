"""When what is looked at: the kernel's hints at once, everything now and then.

Hints make it quick, full scans make it true: a hint that was lost, or a file system that
gives none, costs time only. A full scan may use one part in twenty of the time.
"""

import asyncio
import logging
import math
import os
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from panal.clock import Clock
from panal.errors import PanalError
from panal.peer.comparing import SETTLED_S, Difference
from panal.peer.inotify import FolderWatch
from panal.peer.presence import Presence
from panal.peer.scanning import Scanning
from panal.store.mounts import Mounts

log = logging.getLogger(__name__)

SCAN_EVERY_S = 1.0
WATCHED_SCAN_EVERY_S = 30.0
SCAN_SHARE = 20
"""A scan may use one part in so many of the time: a large folder is scanned less often."""
HINTED_SCAN_SHARE = 4
"""The same where much has changed, and it is known that it has."""
ROOTS_EVERY_S = 1.0
DEBOUNCE_S = 0.2
HINTS_ONE_BY_ONE = 2_000
"""More changed paths than these are found by looking at the folders that they lie in."""
WATCH_AGAIN_S = 60.0
NETWORK_FILE_SYSTEMS = {
    "9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.sshfs", "lustre",
    "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs",
}  # fmt: skip


class Watching:
    """Has the roots looked at, until cancelled."""

    def __init__(self, root: Mounts, scanning: Scanning, presence: Presence, clock: Clock) -> None:
        self._root = root
        self._scanning = scanning
        self._presence = presence
        self._clock = clock
        self._hints: dict[str, float] = {}
        self._unsettled: set[str] = set()
        self._wake = asyncio.Event()
        self._watches: dict[str, FolderWatch] = {}
        self._watch_again_at_s: dict[str, float] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._is_looking_at_all = False
        self._fault: BaseException | None = None
        self._roots_at_s = self._full_at_s = self._full_not_before_s = 0.0
        self._failed_before = ""
        self.problems: dict[str, str] = {}
        """Why a root is found out about by scans only, in words, by name."""

    def hint(self, paths: Iterable[str], after_s: float = DEBOUNCE_S) -> None:
        """These paths, or anything below them, may have changed; "" is all there is."""
        due_s = self._clock.now_s() + after_s
        for path in paths:
            self._hints.setdefault(path, due_s)
        while len(self._hints) > HINTS_ONE_BY_ONE:
            deepest = max(path.count("/") for path in self._hints)
            for path in [path for path in self._hints if path.count("/") == deepest]:
                self._hints.setdefault(path.rpartition("/")[0], self._hints.pop(path))
        if "" in self._hints:
            self._full_at_s = min(self._full_at_s, due_s)
            self._hints.clear()
        self._wake.set()

    def look_for_roots(self) -> None:
        """Roots were added or taken away: see to them at once."""
        self._roots_at_s = 0.0
        self._wake.set()

    def watch_below(self, paths: Iterable[str]) -> None:
        """These paths may have been left out until now."""
        for path in paths:
            first, _, below = path.partition("/")
            is_further = first in self._watches
            watch = self._watches.get(first if is_further else "")
            if watch is not None:
                watch.watch_below(below if is_further else path)

    async def run(self) -> None:
        """Look at what changed, again and again, until cancelled."""
        try:
            while self._fault is None:
                try:
                    await self._check_roots()
                    await self._look()
                except PanalError as error:
                    self._warn(str(error))
                self._look_again()
                self._scanning.tell_rest()
                await self._sleep()
            raise self._fault
        finally:
            for name in list(self._watches):
                await self._unwatch(name)
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _warn(self, words: str) -> None:
        if words != self._failed_before:
            log.warning("The folder could not be scanned: %s", words)
        self._failed_before = words

    async def _sleep(self) -> None:
        now_s = self._clock.now_s()
        full_s = self._full_due_s()
        until_s = min([full_s, self._roots_at_s, *self._hints.values()])
        timer = asyncio.ensure_future(self._clock.sleep(max(0.0, until_s - now_s)))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({timer, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            woken.cancel()
        self._wake.clear()

    # What to look at ----------------------------------------------------------------------

    async def _look(self) -> None:
        now_s = self._clock.now_s()
        if now_s >= self._full_due_s():
            self._begin_full_look(now_s)
        if any(due_s <= now_s for due_s in self._hints.values()):
            # A little ahead: both names of what was renamed, though told in two parts.
            due = {path for path, due_s in self._hints.items() if due_s <= now_s + DEBOUNCE_S}
            for path in due:
                del self._hints[path]
            self._take_in(await self._scanning.look(due))
            self._unsettled -= due

    def _full_due_s(self) -> float:
        if self._scanning.is_moving or self._is_looking_at_all:
            return math.inf  # its end wakes
        return max(self._full_at_s, self._full_not_before_s)

    def _begin_full_look(self, began_s: float) -> None:
        self._is_looking_at_all = True
        self._full_at_s = math.inf  # a hint meanwhile may want it sooner
        self._run(self._look_at_all(began_s))

    async def _look_at_all(self, began_s: float) -> None:
        try:
            self._take_in(await self._scanning.look(None))
            self._failed_before = ""
        finally:
            self._is_looking_at_all = False
            now_s = self._clock.now_s()
            spent_s = now_s - began_s
            every_s = SCAN_EVERY_S if self.problems else WATCHED_SCAN_EVERY_S
            usual_s = now_s + max(every_s, SCAN_SHARE * spent_s)
            self._full_at_s = min(self._full_at_s, usual_s)
            self._full_not_before_s = now_s + HINTED_SCAN_SHARE * spent_s

    def _look_again(self) -> None:
        due_s = self._clock.now_s() + SETTLED_S
        for path in self._scanning.take_again():
            self._hints.setdefault(path, due_s)
            self._unsettled.add(path)

    @property
    def unsettled(self) -> int:
        """How many paths were changed just now, and are read once they rest."""
        return len(self._unsettled)

    def _take_in(self, found: Difference) -> None:
        if found.fresh or found.moved or found.gone:
            self._run(self._scanning.take_in(found))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, PanalError):
                self._warn(str(error))
            else:
                self._fault = error
        self._wake.set()

    # Roots and their watches --------------------------------------------------------------

    async def _check_roots(self) -> None:
        now_s = self._clock.now_s()
        if now_s < self._roots_at_s:
            return
        self._roots_at_s = now_s + ROOTS_EVERY_S
        came = await self._presence.check()
        # What was unshared meanwhile is no longer looked for.
        there = self._presence.there() & set(self._root.places())
        for name in set(self._watches) - there | came & set(self._watches):
            await self._unwatch(name)
        for name in there - set(self._watches):
            if now_s >= self._watch_again_at_s.get(name, 0.0):
                self._watch(name)
        self.hint(came | there & self._root.single_files(), 0.0)
        for name in set(self.problems) - there:
            del self.problems[name]

    def _watch(self, name: str) -> None:
        place = self._root.places().get(name)
        if place is None or name in self._root.single_files():
            return  # unshared meanwhile; or a file, looked at each time instead
        start = name + "/" if name else ""

        def left_out(folder: str) -> bool:
            return bool(self._root.left_out(start + folder, is_folder=True))

        loop = asyncio.get_running_loop()

        def tell(paths: set[str]) -> None:
            loop.call_soon_threadsafe(self._told, name, paths)

        def failed(words: str) -> None:
            loop.call_soon_threadsafe(self._note_problem, name, words)

        watch = FolderWatch(place, left_out, tell, failed)
        self._watches[name] = watch
        self._watch_again_at_s[name] = self._clock.now_s() + WATCH_AGAIN_S
        if kind := network_file_system(place):
            self._note_problem(name, f"It is on a network ({kind}), where others change it too.")
        watch.start()

    def _told(self, name: str, paths: set[str]) -> None:
        if name == "":
            self.hint(paths)
        else:
            self.hint(f"{name}/{path}" if path else name for path in paths)

    def _note_problem(self, name: str, words: str) -> None:
        if self.problems.get(name) != words:
            place = self._root.places().get(name, name)
            log.warning("%s: found out about by scans, not at once. %s", place, words)
        self.problems[name] = words
        self._full_at_s = min(self._full_at_s, self._clock.now_s() + SCAN_EVERY_S)
        self._wake.set()

    async def _unwatch(self, name: str) -> None:
        watch = self._watches.pop(name)
        self._watch_again_at_s.pop(name, None)
        await asyncio.to_thread(watch.stop)


def network_file_system(place: Path) -> str:
    """The kind of network file system that a place lies on; empty where it is none."""
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    whole = os.path.realpath(place)
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = before.split(" ")[4].replace("\\040", " ")
        is_above = whole == mount_point or whole.startswith(mount_point.rstrip("/") + "/")
        if is_above and len(mount_point) >= len(best):
            best, kind = mount_point, after.split(" ")[0]
    return kind if kind in NETWORK_FILE_SYSTEMS else ""
