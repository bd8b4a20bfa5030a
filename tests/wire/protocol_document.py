"""The tables of documents as the tests read them."""

import re
from pathlib import Path

DOCUMENTS = Path(__file__).parents[2] / "docs"


def document(name: str = "PROTOCOL.md") -> str:
    return (DOCUMENTS / name).read_text(encoding="utf-8")


def table(mark: str, name: str = "PROTOCOL.md") -> list[list[str]]:
    """The rows under a mark such as ``<!-- vectors: have -->``; code marks taken off."""
    _, found, rest = document(name).partition(f"<!-- {mark} -->")
    assert found, f"docs/{name} has no {mark!r}"
    lines = rest.lstrip("\n").partition("\n\n")[0].splitlines()
    assert lines, mark
    assert set(lines[1]) <= set("|- "), mark
    return [
        [re.sub("^`|`$", "", cell.strip()) for cell in line[1:-1].split("|")] for line in lines[2:]
    ]
