"""One look through a peer's state while no peer runs on it: facts are read and judged in turn.

Nothing is written but what SQLite does when it opens a log that a killed peer left. In memory
are one page of the index, one manifest and one folder's list at a time.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import DatabaseError

from panal.fsck import findings as f
from panal.fsck import judging
from panal.fsck.facts import DownloadRow
from panal.fsck.file_reading import is_there, look_at_file, not_indexed, roots_of
from panal.fsck.findings import Finding
from panal.fsck.folder_reading import (
    RESUMABLE,
    misplaced,
    state_problems,
    upload_ids,
    uploads_left,
)
from panal.fsck.index_reading import IndexReading
from panal.fsck.unfinished_reading import (
    listed_in,
    look_at_folder,
    look_at_partial,
    look_at_upload,
    named_chunks,
    read_text,
)
from panal.store.disk_errors import disk_error
from panal.store.index_file import IndexDamaged, open_as_it_is, version_of
from panal.store.mounts import Mounts
from panal.store.texts import FOLDER as TEXTS
from panal.store.texts import Texts, manifest_of_text
from panal.store.unfinished import leftovers_in
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.names import STATE_DIRECTORY

INDEX = "index.sqlite"


@dataclass(slots=True)
class Looked:
    """How far a check has come."""

    files: int = 0
    size_bytes: int = 0
    unfinished: int = 0
    in_use: int = 0
    """Unfinished files that another process has open: not looked at."""
    unproved_chunks: int = 0
    """Chunks that a journal names and nobody here knows the hash of."""


@dataclass(slots=True)
class StateCheck:
    """One check of a folder and a state, of a peer or of a stand-alone get."""

    folder: Path
    state: Path
    manifests: Mapping[ContentId, Manifest] = field(default_factory=dict)
    """What is known of unfinished contents from elsewhere."""
    looked: Looked = field(default_factory=Looked)
    progress: Callable[[int], None] = lambda _: None
    """Called with the bytes read of the file that is read now; may end it by raising."""

    @property
    def own_place(self) -> Path:
        """Panal's own directory beside the user's files."""
        return self.folder / STATE_DIRECTORY

    def findings(self) -> Iterator[Finding]:
        """Everything that is not as it should be, as it is found.

        StateInUse where a peer runs on it, PanalError where a later version wrote the index or
        the disk cannot be read.
        """
        try:
            yield from self._index()
            yield from misplaced(self.folder)
            yield from state_problems(self.state, self.folder)
            yield from uploads_left(self.own_place)
            for identity in upload_ids(self.own_place):
                there = look_at_upload(self.own_place / RESUMABLE, identity)
                yield from judging.judge_upload(there)
        except OSError as error:
            raise disk_error(error, f"check {self.folder} and {self.state}") from None

    def _index(self) -> Iterator[Finding]:
        """The index and all that it speaks of; a thrown-away one is made again, and not missed."""
        try:
            database = open_as_it_is(self.state / INDEX)
        except FileNotFoundError:
            yield from self._unfinished(set(), lambda _: None)
            return
        except IndexDamaged as error:
            yield f.INDEX_DAMAGED.at(INDEX, str(error))
            return
        with contextlib.closing(database):
            try:
                if version := version_of(database):
                    yield from self._rows(IndexReading(database), version)
                else:  # a power cut came before its first sync: nothing is in it yet
                    yield from self._unfinished(set(), lambda _: None)
            except DatabaseError as error:
                yield f.INDEX_DAMAGED.at(INDEX, str(error))

    def _rows(self, index: IndexReading, version: int) -> Iterator[Finding]:
        for problem in index.damages():
            yield f.INDEX_DAMAGED.at(INDEX, problem)
        lacking = list(judging.judge_schema(version, index.columns()))
        if lacking:
            yield from lacking
            return
        for table, other in index.lost_references():
            yield f.REFERENCE_LOST.at(table, f"what it names is not in {other}")
        for row in index.contents():
            yield from judging.judge_content(row)
        kept, added_up = index.totals()
        if kept is not None and kept != added_up:
            yield f.TOTAL_WRONG.at(INDEX)
        yield from self._files(index)
        for guest in index.guests():
            yield from judging.judge_guest(guest)

    def _files(self, index: IndexReading) -> Iterator[Finding]:
        for further, _ in index.further_roots():
            yield from judging.judge_root(further)
        is_inside = self.state.resolve().is_relative_to(self.folder.resolve())
        root = roots_of(self.folder, index, state_is_inside=is_inside)
        for name, place in root.places().items():
            if not root.shows(name):
                yield f.ROOT_OFFLINE.at(str(place))
        for row in index.shared():
            file = look_at_file(root, row, self.progress)
            self.looked.files += 1
            self.looked.size_bytes += 0 if file.found is None else file.found.size_bytes
            yield from judging.judge_file(file)
        if not index.is_of_a_get():
            yield from not_indexed(index, root)
        yield from self._downloads(index, root)

    def _downloads(self, index: IndexReading, root: Mounts) -> Iterator[Finding]:
        asked_for: list[bytes | None] = []
        for identity, path, state, content, size_bytes, slug in index.downloads():
            row = DownloadRow(
                identity, path, state, content, size_bytes, slug, is_there(root, path)
            )
            yield from judging.judge_download(row)
            if state not in {"done", "failed"}:
                asked_for.append(content)
        wanted = {content for content in asked_for if content is not None}
        yield from self._folders(index, wanted)
        # A power cut may have forgotten what a name stands for.
        owned = None if None in asked_for else wanted | self._inside(wanted)
        yield from self._unfinished(owned, index.manifest)

    def _folders(self, index: IndexReading, wanted: set[bytes]) -> Iterator[Finding]:
        texts = Texts(self.state / TEXTS)
        needed = wanted | {guest.content for guest in index.guests()}
        for row in index.folders():
            needed.add(row.content)
            text = read_text(texts.path(ContentId(row.content)))
            files = index.files_of_folder(row.path)
            yield from judging.judge_folder(look_at_folder(row, files, text))
        for content in sorted(texts.all()):
            if (text := read_text(texts.path(content))) is not None:
                yield from judging.judge_text(
                    content, manifest_of_text(text), is_needed=content in needed
                )

    def _inside(self, wanted: set[bytes]) -> set[bytes]:
        """The contents of those folders that downloads fetch, as far as their lists are here."""
        inside: set[bytes] = set()
        for content in wanted:
            text = read_text(self.state / TEXTS / content.hex())
            if text is not None:
                inside |= {file for _, file in listed_in(text) or ()}
        return inside

    def _unfinished(
        self, owned: set[bytes] | None, known: Callable[[bytes], Manifest | None]
    ) -> Iterator[Finding]:
        """`owned` is what downloads need; None: it may be any."""
        for folder in (self.own_place / "partial", self.state / TEXTS):
            for leftover in leftovers_in(folder):
                content = leftover.content
                manifest = self.manifests.get(content) or known(content)
                there = look_at_partial(
                    folder, content, manifest, is_owned=owned is None or content in owned
                )
                self.looked.unfinished += 1
                if there is None:
                    self.looked.in_use += 1
                    continue
                if there.manifest is None:
                    self.looked.unproved_chunks += named_chunks(there).bit_count()
                yield from judging.judge_partial(there)
