"""What a disk does with names, and a disk that says nothing of names because it fails."""

import errno
import os
from pathlib import Path

import pytest

from panal.errors import NoSpace, PanalError
from panal.store.target import target_limits
from tests.store.makers import fail


def test_this_disk_holds_all_names_and_nothing_is_left(tmp_path: Path) -> None:
    limits = target_limits(tmp_path / "scratch")
    assert (limits.refused, limits.refuses_trailing, limits.folds_case) == (
        frozenset(),
        False,
        False,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "number", "kind"),
    [
        ("mkdir", errno.ENOSPC, NoSpace),
        ("open", errno.ENOSPC, NoSpace),
        ("open", errno.EDQUOT, NoSpace),
        ("open", errno.EIO, PanalError),
        ("open", errno.EMFILE, PanalError),
    ],
)
def test_a_full_or_failing_disk_does_not_count_as_one_that_refuses_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[PanalError]
) -> None:
    name = "scratch" if call == "mkdir" else "case"
    fail(monkeypatch, call, number, lambda path, *_, **__: Path(path).name == name)
    with pytest.raises(kind, match="Could not try names on the target's disk"):
        target_limits(tmp_path / "scratch")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_a_character_is_known_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(path: str, *given: object, **named: object) -> int:
        if ":" in os.fspath(path):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(path, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    assert target_limits(tmp_path / "scratch").refused == frozenset(":")
