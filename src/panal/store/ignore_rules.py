"""What the lines of one `.panalignore` say of a file or folder itself, as gitignore(5) means it.

pathspec makes an expression of each line, which matches whatever lies below a folder as well. A
folder that is taken back is only looked into again: what is in it is judged by itself. So a match
that ends at a folder above counts for nothing here: each folder is asked of before what is in it.
"""

import re
from collections.abc import Iterable
from re import Pattern
from typing import Literal, cast

import msgspec
from pathspec import GitIgnoreSpec

_NONE = re.compile("(?!)")
_FOLDER_ENDS = "ps_d"
"""The group of pathspec's expressions that ends with the folder that was meant; not documented."""


Verdict = Literal["ignored", "taken back", "all taken back"]
"""What a rule says of what it matches; the last by one that names nothing, as ``!docs/**``."""


class _Rule(msgspec.Struct, frozen=True):
    expression: Pattern[str]
    knows_folders: bool
    verdict: Verdict

    def matches(self, name: str) -> bool:
        """Whether it matches a path itself; a folder's ends with a slash."""
        if self.expression.search(name) is None:  # as most
            return False
        if not self.knows_folders:
            return True
        ends = (found.end(_FOLDER_ENDS) for found in self.expression.finditer(name))
        return any(end in (-1, len(name)) for end in ends)


class IgnoreRules:
    """The rules of one folder."""

    def __init__(self, lines: Iterable[str]) -> None:
        """ValueError for a line that is no rule, or whose meaning would be missed."""
        if _FOLDER_ENDS not in _expression_of("name")[0].groupindex:
            raise ValueError("the version of pathspec is not known here, another 1 is")
        self._rules = tuple(rule for line in lines if (rule := _rule_of(line)) is not None)

    def verdict(self, path: str, *, is_folder: bool) -> Verdict | None:
        """What the last rule says that matches a path below the folder; None for nothing."""
        name = path + "/" if is_folder else path
        for rule in reversed(self._rules):
            if rule.matches(name):
                return rule.verdict
        return None


def _rule_of(line: str) -> _Rule | None:
    if "[[:" in line and not line.startswith("#"):
        raise ValueError(f"{line!r} has a class such as [[:digit:]]; write [0-9]")
    expression, is_ignored = _expression_of(line)
    if is_ignored is None:
        return None
    knows_folders = _FOLDER_ENDS in expression.groupindex
    if is_ignored:
        return _Rule(expression, knows_folders, "ignored")
    names_nothing = not line.strip().lstrip("!").rstrip("/").rpartition("/")[2].strip("*")
    return _Rule(expression, knows_folders, "all taken back" if names_nothing else "taken back")


def _expression_of(line: str) -> tuple[Pattern[str], bool | None]:
    """pathspec's, and whether it leaves out or takes back; None for an empty line or a comment."""
    for pattern in GitIgnoreSpec.from_lines([line]).patterns:
        return cast(Pattern[str], pattern.regex or _NONE), pattern.include
    return _NONE, None
