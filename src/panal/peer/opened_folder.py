"""The folder that a peer shares, and what is remembered of it, opened before anything else."""

import contextlib
import logging
from collections.abc import Callable

import msgspec

from panal.peer.config import PeerSettings, refuse_own_state
from panal.peer.identity import has_begun
from panal.peer.presence import look_for_roots, refuse_lost
from panal.store.disk_errors import disk_error
from panal.store.download_records import DownloadRecords
from panal.store.index import Index
from panal.store.index_file import NAME
from panal.store.mounts import Mounts
from panal.store.placed_records import PlacedRecords
from panal.store.placeholders import remove_left
from panal.store.root_records import RootRecords
from panal.store.texts import FOLDER as TEXTS
from panal.store.texts import Texts
from panal.store.withheld import FILE as WITHHELD

log = logging.getLogger(__name__)


class OpenedFolder(msgspec.Struct, frozen=True):
    """The folder, its index, and the other records that lie in the index."""

    root: Mounts
    index: Index
    texts: Texts
    placed: PlacedRecords
    downloads: DownloadRecords
    further_roots: RootRecords
    settings: PeerSettings

    def look_for_roots(self) -> dict[str, bool]:
        """Whether each root is there, by name ("" is the folder); PanalError."""
        is_inside = self.settings.is_state_inside()
        return look_for_roots(self.root, self.index, state_is_inside=is_inside)

    def mount_further(self) -> dict[str, bool]:
        """Enter what else is shared; which roots are there.

        Refused where the state was moved into one since.
        """
        for further in self.further_roots.roots():
            refuse_own_state(further.place, self.settings.state)
            self.root.mount(further)
        self.root.leave_out(self.further_roots.unshared())
        return self.look_for_roots()

    def clear_away(self) -> None:
        """Remove the empty files that a kill has left under names; only where nobody makes any."""
        with contextlib.suppress(OSError):  # then the next start does it
            remove_left(self.settings.partials.parent, self.root)


def open_folder(
    settings: PeerSettings, now_s: float, at_end: Callable[[Callable[[], None]], object]
) -> OpenedFolder:
    """Open or make what a peer shares, in a thread; `at_end` is given what closes it.

    StateInUse where another process has it, RootOffline where it is missing and is not to be made,
    PanalError where the disk fails.
    """

    def open_index() -> Index:
        index = Index(settings.state / NAME)
        at_end(index.close)
        if index.withheld.is_unknown and settings.shares_folder and has_begun(settings.identity):
            log.warning(
                "The index in %s was lost, and no %s says what it kept from others. If anything "
                "in the folder was unshared, it is shared now: unshare it again.",
                settings.state,
                WITHHELD,
            )
        return index

    is_inside = settings.is_state_inside()
    # First, where it can be: it may say that the folder's disk is away.
    index = None if is_inside else open_index()
    try:
        if settings.shares_folder and index is not None:
            refuse_lost(settings.folder, index)
        settings.folder.mkdir(parents=True, exist_ok=True)
        root = Mounts(settings.folder)
    except OSError as error:
        raise disk_error(error, f"use the folder {settings.folder}") from None
    if index is None:
        index = open_index()
    opened = OpenedFolder(
        root=root,
        index=index,
        texts=Texts(settings.state / TEXTS, keeps_one=settings.asked_anew),
        placed=PlacedRecords(index),
        downloads=DownloadRecords(index),
        further_roots=RootRecords(index),
        settings=settings,
    )
    if settings.asked_anew:
        opened.placed.begin_run(now_s)
        opened.downloads.remove_all()
    return opened
