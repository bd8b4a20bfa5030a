"""What a file system does with names, found by trying it."""

import os
import shutil
from pathlib import Path

from panal.errors import NoSpace
from panal.store.disk_errors import disk_error
from panal.wire.portability import PROBED_CHARACTERS, TargetLimits

_COMPOSED, _DECOMPOSED = "p\u00e9", "pe\u0301"


def target_limits(scratch: Path) -> TargetLimits:
    """Try names in a new folder `scratch`, which is gone afterwards; NoSpace, PanalError."""
    shutil.rmtree(scratch, ignore_errors=True)  # an earlier try may have been killed
    try:
        scratch.mkdir(mode=0o700, parents=True)
        return TargetLimits(
            folds_case=_are_one(scratch, "case", "CASE"),
            folds_forms=_are_one(scratch, _COMPOSED, _DECOMPOSED),
            refused=frozenset(c for c in PROBED_CHARACTERS if not _holds(scratch, f"a{c}b")),
            refuses_trailing=not (_holds(scratch, "dot.") and _holds(scratch, "space ")),
        )
    except OSError as error:
        raise disk_error(error, "try names on the target's disk") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _are_one(folder: Path, one: str, other: str) -> bool:
    return _holds(folder, one) and os.path.lexists(folder / other)


def _holds(folder: Path, name: str) -> bool:
    try:
        (folder / name).touch()
        return name in os.listdir(folder) or name in {"case", _COMPOSED, _DECOMPOSED}
    except OSError as error:
        told = disk_error(error, "")
        if isinstance(told, NoSpace) or told.may_pass:
            raise  # it says nothing of the name
        return False
