"""Every file below a folder, in the order of paths, a run of neighbours at a time.

Names and rules are looked at for a whole folder together where nothing in it is unusual, and
not at all where the caller recalls what the same listing came to: a hundred thousand files
are walked again and again.
"""

import os
import re
from collections.abc import Callable, Iterator

import msgspec

from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint, Skipped, is_in_whole_seconds
from panal.store.ignoring import Ignoring
from panal.store.listing import Listing, Outcome, list_folder
from panal.store.other_states import REASON as STATE
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import MAX_DEPTH, MAX_PATH_BYTES, STATE_DIRECTORY, path_problem, printable

FileRow = tuple[str, int, int, int, int, int]
"""Path, and what a look compares of its fingerprint: as the index has it."""
Run = list[FileRow]
Recall = Callable[[str], bytes | None]
"""What `Listed` said of a folder the last time, where that still holds for the index."""

# Safe below any folder, by the rules of `names`, without asking them one by one.
_PLAIN = re.compile(r"[ !-\-0-~][ -.0-~]{0,254}")
_LONGEST_PLAIN_BYTES = 255
_RULES = 4
"""To be raised when a walk comes to leave out other names: what was recalled is void then."""


class Stretch(msgspec.Struct, frozen=True):
    """Neighbouring files from one path to another, all as they were recalled."""

    first: str
    last: str


class Listed(msgspec.Struct, frozen=True):
    """Every file that lies in a folder itself has been given, at least one; what to recall."""

    folder: str
    seen: bytes


Piece = Run | Stretch | Listed
_Found = list[tuple[str, FileRow | None]]


class Walk:
    """One walk; what is left out is counted in `skipped`."""

    def __init__(
        self,
        open_folder: Callable[[str, Skipped], int | None],
        ignoring: Ignoring,
        hides: Callable[[str], str | None],
        device: int,
        skipped: Skipped,
        recall: Recall | None = None,
    ) -> None:
        """`hides` says why a name of the top folder is not its own, or None."""
        self._open_folder = open_folder
        self._ignoring = ignoring
        self._hides = hides
        self._device = device
        self._skipped = skipped
        self._recall = recall

    def pieces(self, below: str) -> Iterator[Piece]:
        """The files, in the order of their paths: runs alone where nothing can be recalled.

        PanalError where a folder cannot be read.
        """
        pending: list[str | Piece] = [below]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                pending.extend(reversed(self._read(item)))
            else:
                yield item

    def _read(self, folder: str) -> list[str | Piece]:
        """A folder's files, and its folders, in order."""
        descriptor = self._open_folder(folder, self._skipped)
        if descriptor is None:
            return []
        try:
            self._ignoring.enter(folder, descriptor)
            if self._ignoring.has_state(folder):
                self._skipped.add(STATE, folder, is_folder=True)
                return []
            listing = list_folder(descriptor, self._device)
        except OSError as error:
            raise disk_error(error, f"read the folder {printable(folder)}") from None
        finally:
            os.close(descriptor)
        above = folder + "/" if folder else ""
        if self._recall is None:
            return list(_in_runs(self._looked_at(folder, above, listing, self._skipped)))
        mark = self._mark(folder, listing)
        digest = listing.digest(mark)
        seen = self._recall(folder)
        if seen is not None and (outcome := Outcome.recalled(seen, digest)) is not None:
            if outcome.counts:
                self._skipped.take_in(outcome.skipped(), "")
            return [_recalled(above, part) for part in outcome.parts]
        skipped = Skipped()
        ordered = _in_runs(self._looked_at(folder, above, listing, skipped))
        self._skipped.take_in(skipped, "")
        pieces: list[str | Piece] = list(ordered)
        behind_runs = max((n for n, i in enumerate(ordered, 1) if isinstance(i, list)), default=0)
        # Without files nothing would ever forget it; and no rule may have changed meanwhile.
        if behind_runs and self._mark(folder, listing) == mark:
            parts = [_part(above, item) for item in ordered]
            outcome = Outcome(parts, skipped.counts, skipped.folders, skipped.examples)
            pieces.insert(behind_runs, Listed(folder, outcome.encode(digest)))
        return pieces

    def _mark(self, folder: str, listing: Listing) -> bytes:
        """Stands for all that decides which names of a listing are left out."""
        hidden = [] if folder else [n for n in listing.names() if self._hides(n) is not None]
        return b"%d %b %b" % (_RULES, self._ignoring.mark(folder), os.fsencode("/".join(hidden)))

    def _looked_at(self, folder: str, above: str, listing: Listing, skipped: Skipped) -> _Found:
        """What is not left out, ordered: files with their rows, folders without."""
        is_usual = self._is_usual(folder, listing)
        found: _Found = []
        for name, *numbers, ctime_ns in listing.files:
            path = above + name
            if self._leaves_out(path, skipped, is_usual=is_usual):
                continue
            if numbers[2] > MAX_CONTENT_BYTES:
                skipped.add("too large", path)
                continue
            kept = Fingerprint.as_kept(*numbers)
            # A time that the index keeps as another number is in whole seconds no more.
            found.append((path, (path, *kept, ctime_ns if is_in_whole_seconds(kept[3]) else 0)))
        for name, is_folder, is_link in listing.others:
            path = above + name
            if self._leaves_out(
                path, skipped, is_usual=is_usual, is_folder=is_folder, is_link=is_link
            ):
                continue
            if is_folder:
                found.append((path + "/", None))
            else:
                skipped.add("symbolic link" if is_link else "special file", path)
        found.sort()
        return found

    def _is_usual(self, folder: str, listing: Listing) -> bool:
        """Whether no name here can be left out or unsafe."""
        names = listing.names()
        return (
            len(folder.encode("utf-8", "replace")) + 1 + _LONGEST_PLAIN_BYTES <= MAX_PATH_BYTES
            and folder.count("/") + 2 <= MAX_DEPTH
            and all(map(_PLAIN.fullmatch, names))
            and self._ignoring.has_no_say(names)
        )

    def _leaves_out(
        self,
        path: str,
        skipped: Skipped,
        *,
        is_usual: bool,
        is_folder: bool = False,
        is_link: bool = False,
    ) -> bool:
        """Whether a name is left out, which is counted."""
        reason = self._hides(path) if "/" not in path else None
        if reason is None and not is_usual:
            reason = name_problem(path) or ("symbolic link" if is_link else None)
            reason = reason or self._ignoring.reason(path, is_folder=is_folder)
            if reason and path.rpartition("/")[2] == STATE_DIRECTORY:
                return True
        if reason is not None:
            skipped.add(reason, path, is_folder=is_folder)
        return reason is not None


def name_problem(path: str) -> str | None:
    """Why nothing of that name is shared anywhere, or None."""
    if path.rpartition("/")[2].startswith("."):
        return "hidden"
    return "unsafe name" if path_problem(path) is not None else None


def _in_runs(found: _Found) -> list[str | Run]:
    result: list[str | Run] = []
    run: Run = []
    for order, row in found:
        if row is not None:
            run.append(row)
            continue
        if run:
            result.append(run)
            run = []
        result.append(order[:-1])
    if run:
        result.append(run)
    return result


def _part(above: str, item: str | Run) -> str | tuple[str, str]:
    start = len(above)
    return item[start:] if isinstance(item, str) else (item[0][0][start:], item[-1][0][start:])


def _recalled(above: str, part: str | tuple[str, str]) -> str | Piece:
    if isinstance(part, str):
        return above + part
    return Stretch(above + part[0], above + part[1])
