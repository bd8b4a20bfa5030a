"""docs/FAULTS.md names tests and soaks that exist."""

import importlib.util
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
TEXT = (TESTS.parent / "docs" / "FAULTS.md").read_text("utf-8")
CASES = TEXT.partition("## Figures")[0]
ROWS = [line for line in CASES.splitlines() if line.startswith("| ")]
FILE = re.compile(r"`([\w/]+\.py)`([^`|]*)")


def test_every_test_exists() -> None:
    named = [found for row in ROWS for found in FILE.findall(row.split("|")[2])]
    assert len(named) > 60
    for file, functions in named:
        source = (TESTS.parent / file).read_text("utf-8")
        for function in re.findall(r"[a-z_0-9]{6,}", functions):
            assert f"def test_{function}(" in source, (file, function)


def test_every_soak_exists() -> None:
    named = set(re.findall(r"python -m ([\w.]+)", TEXT))
    assert {"soaks.kills", "soaks.power", "soaks.disk_errors"} <= named
    for module in named:
        assert importlib.util.find_spec(module) is not None, module


def test_every_case_is_tried_or_says_why_not() -> None:
    for row in ROWS:
        _, case, tests, soak, _ = row.split("|")
        assert tests.strip() or soak.strip(), case
