"""What must hold on a disk after any fault, read from outside: from the files alone.

`after_fault` for a stopped or killed peer, `at_the_end` once it has done what was asked.
"""

from collections.abc import Mapping
from pathlib import Path

from panal.fsck.checking import StateCheck
from panal.fsck.findings import WRITTEN_CHUNK_WRONG, Weight
from panal.store.journal import said
from panal.wire import bitfield
from panal.wire.ids import parse_content_id
from panal.wire.manifest import Manifest
from panal.wire.names import STATE_DIRECTORY


def after_fault(
    folder: Path,
    wanted: Mapping[str, bytes],
    manifests: Mapping[str, Manifest],
    *,
    power_cut: bool = False,
    may_be_empty: bool = False,
) -> list[str]:
    """Findings: names neither absent nor whole, and whatever the checker calls broken.

    `wanted` has what may stand in the folder, by path, and all that its user has put there;
    `manifests` those of unfinished files, by content id. After a power cut a chunk that was
    written and not durable may be wrong: it is hashed again before it counts.
    """
    findings = []
    for path, file in _files(folder).items():
        if path not in wanted:
            findings.append(f"{path} is there, and nobody wanted it")
        elif file.read_bytes() != wanted[path] and not (may_be_empty and not file.stat().st_size):
            findings.append(f"{path} has {file.stat().st_size} bytes that are not its own")
    return findings + _broken(folder, manifests, power_cut=power_cut)


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


def _broken(folder: Path, manifests: Mapping[str, Manifest], *, power_cut: bool) -> list[str]:
    """What `panal verify --deep` finds, which knows the rest: rows, journals, texts, uploads."""
    state = folder / STATE_DIRECTORY
    if not state.exists():
        return []
    known = {parse_content_id(content): manifest for content, manifest in manifests.items()}
    check = StateCheck(folder, state, known)
    return [
        f"{found.kind.slug} {found.where}: {found.detail}"
        for found in check.findings()
        if found.kind.weight is Weight.BROKEN
        or (found.kind is WRITTEN_CHUNK_WRONG and not power_cut)
    ]
