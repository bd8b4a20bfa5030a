"""The tables of docs/PROTOCOL.md as the tests read them."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "PROTOCOL.md"


def document() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def table(mark: str) -> list[list[str]]:
    """The rows under a mark such as ``<!-- vectors: have -->``; code marks taken off."""
    _, found, rest = document().partition(f"<!-- {mark} -->")
    assert found, f"docs/PROTOCOL.md has no {mark!r}"
    lines = rest.lstrip("\n").partition("\n\n")[0].splitlines()
    assert lines, mark
    assert set(lines[1]) <= set("|- "), mark
    return [
        [re.sub("^`|`$", "", cell.strip()) for cell in line[1:-1].split("|")] for line in lines[2:]
    ]
