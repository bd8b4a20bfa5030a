"""docs/RELIABILITY.md names, for each promise, the tests that are marked as its own."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
TEXT = (TESTS.parent / "docs" / "RELIABILITY.md").read_text("utf-8")
PROMISES = [f"p{number}" for number in range(1, 11)]
SECTIONS = dict(re.findall(r"^### P(\d+): (.+?)(?=^##)", TEXT, re.M | re.S))
FIGURES = re.findall(r"^\| P(\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", TEXT, re.M)


def marks_of(path: Path) -> set[str]:
    """The promises that all tests of a file are marked with."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            return set(re.findall(r"pytest\.mark\.(p\d+)\b", ast.unparse(node.value)))
    return set()


MARKED = {
    path.relative_to(TESTS.parent).as_posix(): marks
    for path in sorted(TESTS.rglob("test_*.py"))
    if (marks := marks_of(path))
}


@pytest.mark.parametrize("promise", PROMISES)
def test_the_tests_that_its_section_names_are_those_marked_with_it(promise: str) -> None:
    section = SECTIONS[promise[1:]]
    told = section[section.index("**Tested by** `pytest -m") :]
    assert f"`pytest -m {promise}`" in told
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", told))
    assert named == {path for path, marks in MARKED.items() if promise in marks}


@pytest.mark.parametrize("promise", PROMISES)
def test_it_has_tests_of_its_own_name_and_one_that_sees_it_broken(promise: str) -> None:
    own = [path for path in MARKED if f"/test_{promise}_" in path]
    names = re.findall(r"def (test_\w+)\(", "".join(map(source, own)))
    assert [name for name in names if "_is_seen_broken_" not in name]
    (row,) = [row for row in FIGURES if f"p{row[0]}" == promise]
    controls = re.findall(r"`(tests/[\w/]+\.py)` (\w+)", row[3])
    assert controls
    for path, function in controls:
        assert f"def test_{function}(" in source(path), function
    assert [name for name in names if "_is_seen_broken_" in name] == [
        f"test_{function}" for path, function in controls if path in own
    ]


def source(path: str) -> str:
    return (TESTS.parent / path).read_text("utf-8")


def test_there_is_a_mark_for_each_promise_and_for_no_other() -> None:
    settings = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))
    known = [one.partition(":") for one in settings["tool"]["pytest"]["ini_options"]["markers"]]
    marks = {name: words.strip() for name, _, words in known if re.fullmatch(r"p\d+", name)}
    assert list(marks) == PROMISES == [f"p{number}" for number in SECTIONS]
    for name, words in marks.items():
        assert SECTIONS[name[1:]].startswith(words + "\n"), name
