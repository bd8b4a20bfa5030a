"""`.panalignore` beside git's own reading of the same rules, and what git knows nothing of."""

import shutil
import subprocess
from pathlib import Path

import pytest

from panal.errors import PanalError
from panal.store.fingerprints import Skipped
from panal.store.ignore_rules import IgnoreRules
from panal.store.ignoring import IGNORE_FILE
from panal.store.roots import Root

CASES = [
    ("project/a.txt project/b/c other", {"": "/*\n!/project/\n"}, "project/a.txt project/b/c"),
    ("pub/private/x private/y pub/z", {"": "private/\n!pub/\n"}, "pub/z"),
    ("sub/keep/x.log sub/y.log sub/z", {"": "*.log\n", "sub": "!keep/\n"}, "sub/z"),
    ("a/b/c.txt a/b/c.bin x.txt", {"": "*\n!*/\n!*.txt\n"}, "a/b/c.txt x.txt"),
    ("a/x/a a/b", {"": "a\n!a/\n"}, "a/b"),
    ("docs/a/b docs/c x", {"": "*\n!docs/\n!docs/**\n"}, "docs/a/b docs/c"),
    ("k/x.tmp k/y", {"": "*.tmp\n", "k": "!*.tmp\n"}, "k/x.tmp k/y"),
    ("build/x src/build/y src/z", {"": "/build/\n"}, "src/build/y src/z"),
    ("x.d/y.d x.d/z", {"": "*.d\n!x.d/\n"}, "x.d/z"),
    ("a/q/b a/b c/b", {"": "a/**/b\n"}, "c/b"),
    ("secret.txt b", {"": "\ufeffsecret.txt\n"}, "b"),
    ("a b", {"": "a\r\n"}, "b"),
    ("a b", {"": "a\u2028b\n"}, "a b"),
]


def _filled(folder: Path, files: str, rules: dict[str, str]) -> Path:
    for name in files.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    for where, text in rules.items():
        (folder / where / IGNORE_FILE).write_bytes(text.encode())
    return folder


def _shared(folder: Path) -> str:
    return " ".join(sorted(path for path, _ in Root(folder).walk(Skipped())))


@pytest.mark.parametrize(("files", "rules", "shared"), CASES)
def test_rules_mean_what_they_mean_to_git(
    tmp_path: Path, files: str, rules: dict[str, str], shared: str
) -> None:
    folder = _filled(tmp_path, files, rules)
    assert _shared(folder) == shared
    if (git := shutil.which("git")) is None:
        return
    subprocess.run([git, "init", "-q", folder], check=True)
    words = ["ls-files", "--others", f"--exclude-per-directory={IGNORE_FILE}"]
    listed = subprocess.check_output([git, "-C", folder, *words], text=True).split()
    assert sorted(name for name in listed if not name.endswith(IGNORE_FILE)) == shared.split()


@pytest.mark.parametrize(
    ("files", "rules", "shared"),
    [
        ("p/id_rsa p/tls/server.key p/a", "/*\n!/p/\n", "p/a"),
        ("docs/id_rsa docs/k/key4.db docs/a", "!docs\n", "docs/a"),
        ("docs/id_rsa docs/k/key4.db docs/a", "!docs/**\n", "docs/a"),
        ("id_rsa a/id_rsa b", "*\n!*\n", "b"),
        ("id_rsa k/logins.json x.bin y", "*.bin\n!*/\n", "y"),
        ("p/ca.pem p/server.key", "!*.pem\n", "p/ca.pem"),
        ("p/ca.pem p/server.key", "!/p/server.key\n", "p/server.key"),
    ],
)
def test_secrets_are_taken_back_by_a_rule_that_names_them_only(
    tmp_path: Path, files: str, rules: str, shared: str
) -> None:
    assert _shared(_filled(tmp_path, files, {"": rules})) == shared


@pytest.mark.parametrize("raw", ["a\n".encode("utf-16"), b"a\0\n", b"[[:digit:]]\n", b"!\n"])
def test_rules_whose_meaning_would_be_missed_are_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / IGNORE_FILE).write_bytes(raw)
    with pytest.raises(PanalError, match=r"\.panalignore"):
        _shared(tmp_path)


def test_a_pathspec_that_does_not_mark_folders_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("panal.store.ignore_rules._FOLDER_ENDS", "another")
    with pytest.raises(ValueError, match="pathspec"):
        IgnoreRules(["a"])


@pytest.mark.parametrize("rules", ["private/\n", "private/\n!keep/\n!*.txt\n", "/private\n!a\n"])
def test_nothing_below_an_ignored_folder_is_shared_wherever_a_walk_begins(
    tmp_path: Path, rules: str
) -> None:
    root = Root(_filled(tmp_path, "private/keep/a.txt private/keep/deep/a.txt a.txt", {"": rules}))
    assert "private" not in " ".join(path for path, _ in root.walk(Skipped()))
    assert not list(root.walk(Skipped(), "private/keep"))
    assert root.left_out("private/keep/deep/a.txt", is_folder=False) == "ignored"
    (tmp_path / IGNORE_FILE).write_text("nothing\n")
    assert len(list(root.walk(Skipped()))) == 3
    assert len(list(root.walk(Skipped(), "private/keep"))) == 2
