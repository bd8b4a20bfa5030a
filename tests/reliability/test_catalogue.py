"""docs/FAULTS.md names tests and soaks that exist."""

import importlib
import importlib.util
import re
from pathlib import Path

from tests.wire.protocol_document import table

TESTS = Path(__file__).parent.parent
TEXT = (TESTS.parent / "docs" / "FAULTS.md").read_text("utf-8")
CASES = TEXT.partition("## How long")[0]
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


def test_the_limits_of_time_are_those_of_the_code() -> None:
    rows = table("table: limits of time", "FAULTS.md")
    assert len(rows) > 15
    for name, said_s, _ in rows:
        module, _, constant = name.strip("`").rpartition(".")
        code_s = getattr(importlib.import_module(f"panal.{module}"), constant)
        assert (name, float(said_s)) == (name, code_s)
        assert code_s <= 60
