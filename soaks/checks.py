"""What must hold on a disk after any fault, read from outside: from the files alone.

`after_fault` for a stopped or killed peer, `at_the_end` once it has done what was asked.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

from blake3 import blake3

from panal.store.journal import said
from panal.wire import bitfield
from panal.wire.ids import parse_content_id
from panal.wire.manifest import Manifest
from panal.wire.names import STATE_DIRECTORY


def after_fault(
    folder: Path,
    wanted: Mapping[str, bytes],
    manifests: Mapping[str, Manifest],
    state: Path | None = None,
) -> list[str]:
    """Findings: names neither absent nor whole, chunks claimed and not there, a damaged index.

    `wanted` has what may stand in the folder, by path, and all that its user has put there;
    `manifests` those of unfinished files, by content id.
    """
    findings = []
    for path, file in _files(folder).items():
        if path not in wanted:
            findings.append(f"{path} is there, and nobody wanted it")
        elif file.read_bytes() != wanted[path]:
            findings.append(f"{path} has {file.stat().st_size} bytes that are not its own")
    state = state or folder / STATE_DIRECTORY
    findings += _false_claims(folder / STATE_DIRECTORY / "partial", manifests)
    findings += _index_faults(state / "index.sqlite")
    return findings


def at_the_end(folder: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Findings: what is missing, wrong or too much, and what was left behind."""
    files = _files(folder)
    findings = [f"{path} is missing" for path in wanted if path not in files]
    findings += after_fault(folder, wanted, {})
    for kind in ("partial", "uploads"):
        place = folder / STATE_DIRECTORY / kind
        if place.exists():
            findings += [
                f"{file.name} was left in {kind}" for file in place.iterdir() if _counts(file)
            ]
    return findings


def _counts(left: Path) -> bool:
    """A journal whose file has its final name claims nothing, and goes after a day."""
    return left.suffix != ".journal" or left.with_suffix(".part").exists()


def claimed_bytes(partials: Path, manifests: Mapping[str, Manifest]) -> int:
    """How many bytes of unfinished files their journals call written."""
    total = 0
    for journal in partials.glob("*.journal"):
        if (manifest := manifests.get(journal.stem)) is not None:
            claimed = said(journal, parse_content_id(journal.stem), manifest.chunk_count)
            total += sum(manifest.chunk_range(index)[1] for index in bitfield.indices(claimed))
    return total


def _files(folder: Path) -> dict[str, Path]:
    if not folder.exists():
        return {}
    return {
        str(file.relative_to(folder)): file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.relative_to(folder).parts[0] != STATE_DIRECTORY
    }


def _false_claims(partials: Path, manifests: Mapping[str, Manifest]) -> list[str]:
    findings = []
    for journal in sorted(partials.glob("*.journal")):
        manifest = manifests.get(journal.stem)
        if manifest is None:
            continue
        claimed = said(journal, parse_content_id(journal.stem), manifest.chunk_count)
        part = journal.with_suffix(".part")
        if not part.exists():
            continue  # it has its final name: the journal speaks of nothing any more
        data = part.read_bytes()
        for index in bitfield.indices(claimed):
            offset, length = manifest.chunk_range(index)
            if blake3(data[offset : offset + length]).digest() != manifest.chunk_hash(index):
                findings.append(f"chunk {index} is claimed, and its bytes are not there")
    return findings


def _index_faults(index: Path) -> list[str]:
    if not index.exists():
        return []
    with tempfile.TemporaryDirectory() as place:
        for suffix in ("", "-wal"):
            if (file := Path(f"{index}{suffix}")).exists():
                shutil.copy(file, Path(place) / f"index{suffix}")
        database = sqlite3.connect(Path(place) / "index")
        try:
            verdicts = [row[0] for row in database.execute("PRAGMA integrity_check")]
            verdicts += [str(row) for row in database.execute("PRAGMA foreign_key_check")]
        except sqlite3.Error as error:
            verdicts = [str(error)]
        finally:
            database.close()
    return [f"the index: {verdict}" for verdict in verdicts if verdict != "ok"]
