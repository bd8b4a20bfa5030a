"""The checker of `panal verify --deep`, for tests: run it after every fault.

`assert_sound` right after a fault, with nobody running on the state: nothing is broken.
`assert_settled` after the peer has started again and stopped: nothing is left to be mended.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from panal.fsck.checking import StateCheck
from panal.fsck.findings import Finding, Weight
from panal.wire.manifest import Manifest, content_id
from panal.wire.names import STATE_DIRECTORY

AFTER_POWER_CUT = frozenset({"written-chunk-wrong"})
"""What is pending by its kind, but that only a power cut may bring about."""


def findings_of(
    folder: Path,
    state: Path | None = None,
    *,
    manifests: Iterable[Manifest] = (),
) -> list[Finding]:
    """Whatever is found; `manifests` of what is being fetched let its chunks be read for bytes.

    For a stand-alone get: its own `state`.
    """
    known = {content_id(manifest.encode()): manifest for manifest in manifests}
    return list(StateCheck(folder, state or folder / STATE_DIRECTORY, known).findings())


def assert_sound(
    folder: Path,
    state: Path | None = None,
    *,
    manifests: Iterable[Manifest] = (),
    after_power_cut: bool = False,
    whole: Mapping[str, bytes] | None = None,
    allowed: Collection[str] = (),
) -> list[Finding]:
    """Nothing is broken; what is pending is given back.

    `whole`: every file that may be seen in the folder, with its bytes: none is there otherwise.
    `allowed`: kinds that the test has brought about itself.
    """
    found = findings_of(folder, state, manifests=manifests)
    grave = set() if after_power_cut else AFTER_POWER_CUT
    broken = [
        finding
        for finding in found
        if finding.kind.slug not in allowed
        and (finding.kind.weight is Weight.BROKEN or finding.kind.slug in grave)
    ]
    assert not broken, words(broken)
    if whole is not None:
        assert_only(folder, whole)
    return found


def assert_settled(
    folder: Path,
    state: Path | None = None,
    *,
    manifests: Iterable[Manifest] = (),
    whole: Mapping[str, bytes] | None = None,
    allowed: Collection[str] = (),
) -> None:
    """As `assert_sound`, and nothing is pending either but for what is `allowed`."""
    found = assert_sound(folder, state, manifests=manifests, whole=whole, allowed=allowed)
    left = [finding for finding in found if finding.kind.slug not in allowed]
    assert not left, words(left)


def assert_only(folder: Path, whole: Mapping[str, bytes]) -> None:
    """What can be seen in a folder is some of these files, each with all of its bytes."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.partition("/")[0] == STATE_DIRECTORY or (path.is_dir() and not path.is_symlink()):
            continue
        assert name in whole, f"{name!r} has no business there"
        assert path.read_bytes() == whole[name], f"{name!r} is not whole"


def words(found: Iterable[Finding]) -> str:
    """Findings, a line each."""
    return "\n".join(f"{one.kind.slug} {one.where}: {one.detail}" for one in found)
