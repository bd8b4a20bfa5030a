"""Which paths may cross between machines: the safety rule, applied at every door.

A path is a list of components joined by "/". This module only says yes or no: it never
repairs a name, because a repaired name is another name. What a target's file system cannot
hold is the target's own question, asked when a file is put in place.
"""

import re
from collections.abc import Sequence
from operator import methodcaller
from typing import NewType, cast

from panal.errors import UnsafeName

SafePath = NewType("SafePath", str)
"""A relative path that passed `safe_path`; unchanged by it."""

MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 4096
MAX_DEPTH = 32
_BRIEF = 80
_LONGEST_SENTENCE = 16_384
"""Ten contents that a name may mean, with their paths and ids, are in one."""
STATE_DIRECTORY = ".panal"
"""Panal's own directory beside the user's files; no shared path may pass through it."""

# C0, DEL, C1: a terminal or a log would act on them. Line and paragraph separators too.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Embeddings, overrides and isolates show a name as something that it is not
# (Unicode TR #36, section 2.5). Joiners and plain marks are letters of real languages.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def safe_path(text: str) -> SafePath:
    """`text` itself where it is safe everywhere; UnsafeName says which rule it breaks."""
    problem = path_problem(text)
    if problem is not None:
        raise UnsafeName(f"The name {brief(text)} cannot be used: {problem}.")
    return SafePath(text)


def safe_paths(texts: Sequence[str]) -> tuple[SafePath, ...]:
    """The same texts where each is safe; UnsafeName of the first that is not."""
    if not are_plain(texts):
        for text in texts:
            safe_path(text)
    return cast(tuple[SafePath, ...], tuple(texts))


def visible_path(text: str) -> SafePath:
    """A safe path that is not hidden: hidden files are not shared; UnsafeName else."""
    if _is_plain(text):
        return SafePath(text)
    path = safe_path(text)
    if any(part.startswith(".") for part in path.split("/")):
        raise UnsafeName(
            f"The name {brief(text)} cannot be used: names that begin with a dot are "
            "hidden files, which are not shared."
        )
    return path


def visible_paths(texts: Sequence[str]) -> Sequence[SafePath]:
    """The same texts where each is a `visible_path`; UnsafeName of the first that is not."""
    if are_plain(texts):
        return cast("Sequence[SafePath]", texts)
    return list(map(visible_path, texts))


def path_problem(text: str) -> str | None:
    """Why a relative path is unsafe, in words, or None."""
    if _is_plain(text):
        return None
    try:
        size_bytes = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if size_bytes == 0:
        return "it is empty"
    if size_bytes > MAX_PATH_BYTES:
        return f"it has {size_bytes} bytes, over {MAX_PATH_BYTES}"
    if text.startswith("/"):
        return "it starts at the root of the disk"
    components = text.split("/")
    if len(components) > MAX_DEPTH:
        return f"it is {len(components)} folders deep, over {MAX_DEPTH}"
    for component in components:
        problem = _component_problem(component)
        if problem is not None:
            return problem
    return None


def _is_plain(text: str) -> bool:
    """Whether a path is short, of printable ASCII, and has no part that begins with a dot.

    Nearly all are, and this takes a sixth of the time that the rules take one by one.
    """
    if len(text) > MAX_COMPONENT_BYTES or not (text.isascii() and text.isprintable()):
        return False
    around = f"/{text}/"
    return "//" not in around and "/." not in around and text.count("/") < MAX_DEPTH


def are_plain(texts: Sequence[str]) -> bool:
    """Whether all are short, of printable ASCII, and nothing in them begins with a dot.

    Then each is a `visible_path`; asked of all together it takes a third of the time.
    """
    around = "/" + "/\n/".join(texts) + "/"
    longest = max(map(len, texts), default=0)
    return (
        longest <= MAX_COMPONENT_BYTES
        and around.isascii()
        and around.encode().translate(None, _PRINTABLE) == b"\n" * (len(texts) - 1)
        and "//" not in around
        and "/." not in around
        and (longest < 2 * MAX_DEPTH or max(map(_slashes, texts)) < MAX_DEPTH)
    )


_slashes = methodcaller("count", "/")
_PRINTABLE = bytes(range(0x20, 0x7F))


def _component_problem(component: str) -> str | None:
    if component == "":
        return "it has an empty part"
    if component in {".", ".."}:
        return f"{component!r} walks through folders"
    if len(component.encode("utf-8")) > MAX_COMPONENT_BYTES:
        return f"one part has more than {MAX_COMPONENT_BYTES} bytes"
    if _CONTROL.search(component):
        return "it contains a control character"
    if _BIDI.search(component):
        return "it contains a character that changes the reading direction"
    if component.casefold() == STATE_DIRECTORY:
        return f"{STATE_DIRECTORY} is where Panal keeps its own state"
    return None


def bears(path: str, name: str | None) -> bool:
    """Whether a path ends with a name, which may be of several parts; any does with None."""
    return name is None or f"/{path}".endswith(f"/{name}")


def printable(text: str) -> str:
    """`text` quoted for terminals, logs and pages: every unsafe character escaped."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return f"'{text}'"  # nearly all: what follows takes a hundred times as long
    quoted = "".join(_escaped(character) for character in text)
    return f"'{quoted}'"


def brief(text: str) -> str:
    """`printable`, cut to what fits into a sentence; for text that nobody bounded."""
    return printable(text) if len(text) <= _BRIEF else printable(text[:_BRIEF]) + "…"


def sentence(text: str) -> str:
    """What another program says in words, for terminals and logs: as `brief`, without quotes.

    What it has escaped itself stays as it is.
    """
    cut = text if len(text) <= _LONGEST_SENTENCE else text[:_LONGEST_SENTENCE] + "…"
    return "".join(one if one == "\\" else _escaped(one) for one in cut)


def _escaped(character: str) -> str:
    # Lone surrogates stand for bytes that are not UTF-8 (PEP 383).
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if _CONTROL.match(character) or _BIDI.match(character) or character == "\\":
        return character.encode("unicode_escape").decode("ascii")
    if "\ud800" <= character <= "\udfff":
        return f"\\u{ord(character):04x}"
    return character
