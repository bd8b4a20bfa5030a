"""Which of many names one file system cannot hold side by side, or at all.

The safety rule (names.py) holds everywhere; this one only where the target was found to
fold names or to refuse characters.
"""

import unicodedata
from collections.abc import Iterable

import msgspec

from panal.wire.names import brief

PROBED_CHARACTERS = '\\:*?"<>|'
"""What some file systems refuse in a name."""


class TargetLimits(msgspec.Struct, frozen=True):
    """What a file system does with names, as probing it has shown."""

    folds_case: bool = False
    folds_forms: bool = False
    """A letter with an accent is one name, however it is composed."""
    refused: frozenset[str] = frozenset()
    """Characters that no name may have there."""
    refuses_trailing: bool = False
    """No name may end with a dot or a space."""

    @property
    def holds_all(self) -> bool:
        """Whether every safe name is held as it is."""
        return self == TargetLimits()

    def key(self, name: str) -> str:
        """What a name counts as: two names with one key are one file."""
        if self.folds_case:
            name = name.casefold()
        return unicodedata.normalize("NFC", name) if self.folds_forms else name


def unholdable(paths: Iterable[str], limits: TargetLimits) -> str | None:
    """Why the target cannot hold all of these paths, naming them; None where it can."""
    if limits.holds_all:
        return None
    names_by_key: dict[str, str] = {}
    for path in paths:
        if (problem := _refused_part(path, limits)) is not None:
            return f"{brief(path)} cannot be stored there: {problem}."
        while path:
            known = names_by_key.setdefault(limits.key(path), path)
            if known != path:
                return (
                    f"{brief(known)} and {brief(path)} are one name on that disk: fetch them "
                    "apart, or onto a disk that tells them apart."
                )
            path = path.rpartition("/")[0]
    return None


def _refused_part(path: str, limits: TargetLimits) -> str | None:
    for character in sorted(limits.refused):
        if character in path:
            return f"the disk takes no {character!r} in a name"
    if limits.refuses_trailing and any(part.endswith((".", " ")) for part in path.split("/")):
        return "the disk takes no name that ends with a dot or a space"
    return None
