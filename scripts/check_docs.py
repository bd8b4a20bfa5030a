"""Check the documents against the repository and the program; exit 1 naming file and line.

Links and their headings, `panal` commands and options in the READMEs' code blocks, the tree
of files, the two READMEs' shape, the changelog's version, that the architecture names every file
and only those, and the protocol's table of errors.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import click

from panal import __version__
from panal.cli.main import panal
from panal.errors import PanalError

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README.es.md")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)>\s]+)>?[^)]*\)")
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_CODE_PATH = re.compile(r"`([\w./-]+/[\w./-]+|[\w-]+\.py)`")
_TREE_LINE = re.compile(r"([│ ]*)[├└]── (.*)")
_PROGRAM = re.compile(r"(?:\S*/)?panal")
_VERSION = re.compile(r"## \[(\d[^\]]*)\]")
_ERROR_ROW = re.compile(r"\| `([a-z0-9-]+)` \|")
_ERROR_TABLE = "<!-- table: errors -->"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document."""

    number: int
    text: str
    block: int | None
    """Which code block it stands in, counted from 0; None: in none."""


class Document:
    """One Markdown file, its lines told apart into prose and code."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.lines: list[Line] = []
        self.block_count = 0
        inside = False
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            if text.lstrip().startswith("```"):
                self.block_count += not inside
                inside = not inside
                continue
            self.lines.append(Line(number, text, self.block_count - 1 if inside else None))

    def prose(self) -> Iterator[Line]:
        """The lines outside code blocks."""
        return (line for line in self.lines if line.block is None)

    def code(self) -> Iterator[Line]:
        """The lines inside code blocks."""
        return (line for line in self.lines if line.block is not None)

    def anchors(self) -> set[str]:
        """What a link may name behind `#`, as GitHub makes it from the headings."""
        found: set[str] = set()
        for line in self.prose():
            if heading := _HEADING.fullmatch(line.text):
                text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[2].strip())
                slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
                number = 0
                while (anchor := f"{slug}-{number}" if number else slug) in found:
                    number += 1
                found.add(anchor)
        return found

    def at(self, line: Line, problem: str) -> str:
        """A failure, with its place."""
        return f"{self.name}:{line.number}: {problem}"


def documents() -> dict[Path, Document]:
    """Every document of the project."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {path: Document(path) for path in sorted(paths)}


def check_links(document: Document, known: dict[Path, Document]) -> Iterator[str]:
    """Relative links that lead nowhere."""
    for line in document.prose():
        for target in _LINK.findall(re.sub(r"`[^`]*`", "", line.text)):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, anchor = unquote(target).partition("#")
            path = (document.path.parent / name).resolve() if name else document.path
            if not path.exists():
                yield document.at(line, f"the link {target} leads nowhere")
            elif anchor and path in known and anchor not in known[path].anchors():
                yield document.at(line, f"{known[path].name} has no heading #{anchor}")


def check_commands(document: Document) -> Iterator[str]:
    """`panal` commands and options in code blocks that the program does not have."""
    for line in document.code():
        words = line.text.partition(" #")[0].split()
        if not words or not _PROGRAM.fullmatch(words[0]) or len(words) < 2:
            continue
        yield from (document.at(line, problem) for problem in _command_problems(words[1:]))


def _command_problems(words: list[str]) -> Iterator[str]:
    command: click.Command = panal
    known = _options(panal)
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word.startswith("-"):
            name, has_value, _ = word.partition("=")
            if name not in known:
                yield f"{command.name} has no option {word}"
            is_value = known.get(name, False) and not has_value
        elif isinstance(command, click.Group):
            if word not in command.commands:
                yield f"there is no command {command.name} {word}"
                return
            command = command.commands[word]
            known |= _options(command)


def _options(command: click.Command) -> dict[str, bool]:
    """Each option's names, and whether the next word is its value."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    found = {name: not option.is_flag for option in options for name in option.opts}
    return {"-h": False, "--help": False, **found}


def check_tree(document: Document) -> Iterator[str]:
    """Paths in the tree of files that do not exist; the tree's block begins with a dot."""
    trees = {line.block for line in document.code() if line.text == "."}
    if not trees:
        yield f"{document.name}:1: there is no tree of files"
    folders: list[Path] = [ROOT]
    for line in document.code():
        found = _TREE_LINE.match(line.text) if line.block in trees else None
        if found is None:
            continue
        depth = len(found[1]) // 4
        names = re.split(r"\s{2,}", found[2])[0].split(" · ")
        for name in names:
            path = folders[depth] / name
            if not path.exists() or name.endswith("/") != path.is_dir():
                yield document.at(line, f"the tree names {name}, which is not there")
        folders[depth + 1 :] = [folders[depth] / names[-1]]


def check_twins(one: Document, other: Document) -> Iterator[str]:
    """Whether two documents have the same number of chapters and code blocks."""
    chapters = [sum(line.text.startswith("## ") for line in d.prose()) for d in (one, other)]
    if chapters[0] != chapters[1]:
        yield f"{other.name}:1: {chapters[1]} chapters, where {one.name} has {chapters[0]}"
    if one.block_count != other.block_count:
        yield f"{other.name}:1: {other.block_count} code blocks; {one.name}: {one.block_count}"


def check_version(document: Document) -> Iterator[str]:
    """Whether the changelog's newest version is the program's."""
    for line in document.prose():
        if version := _VERSION.match(line.text):
            if version[1] != __version__:
                yield document.at(line, f"the newest version is {version[1]}, not {__version__}")
            return
    yield f"{document.name}:1: there is no version"


def check_paths(document: Document) -> Iterator[str]:
    """Files that are named but not there, looked for at the root and in the package."""
    places = (ROOT, ROOT / "src" / "panal")
    for line in document.prose():
        for name in _CODE_PATH.findall(line.text):
            absolute = name.startswith("/")
            if not absolute and not any((p / name).exists() for p in places):
                bare = "/" not in name and any((ROOT / "src").rglob(name))
                if not bare:
                    yield document.at(line, f"there is no {name}")


def check_all_named(document: Document) -> Iterator[str]:
    """Files of the package that the architecture does not name, or names in two rows."""
    named = {name for line in document.prose() for name in _CODE_PATH.findall(line.text)}
    rows = [line for line in document.prose() if line.text.startswith("| `")]
    first: dict[str, int] = {}
    for row in rows:
        for name in _CODE_PATH.findall(row.text.split(" | ")[0]):
            if (earlier := first.setdefault(name, row.number)) != row.number:
                yield f"{document.name}:{row.number}: {name} stands in line {earlier} too"
    package = ROOT / "src" / "panal"
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if path.name != "__init__.py" and name not in named:
            yield f"{document.name}:1: {name} is not named"


def check_errors(document: Document) -> Iterator[str]:
    """Whether the protocol's table has exactly the program's errors."""
    kinds: list[type[PanalError]] = [PanalError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    missing = {kind.slug for kind in kinds}
    lines = list(document.prose())
    start = next((n for n, line in enumerate(lines) if _ERROR_TABLE in line.text), None)
    if start is None:
        yield f"{document.name}:1: there is no {_ERROR_TABLE}"
        return
    known = set(missing)
    for line in lines[start:]:
        if line.text.startswith("#"):
            break
        if row := _ERROR_ROW.match(line.text):
            missing.discard(row[1])
            if row[1] not in known:
                yield document.at(line, f"errors.py has no {row[1]}")
    for slug in sorted(missing):
        yield document.at(lines[start], f"the table lacks {slug}")


def problems() -> Iterator[str]:
    """Everything that is wrong."""
    known = documents()
    for document in known.values():
        yield from check_links(document, known)
    english, spanish = (known[ROOT / name] for name in READMES)
    for readme in (english, spanish):
        yield from check_commands(readme)
        yield from check_tree(readme)
    yield from check_twins(english, spanish)
    yield from check_version(known[ROOT / "CHANGELOG.md"])
    yield from check_paths(known[ROOT / "docs" / "ARCHITECTURE.md"])
    yield from check_all_named(known[ROOT / "docs" / "ARCHITECTURE.md"])
    protocol = known.get(ROOT / "docs" / "PROTOCOL.md")
    if protocol is not None:
        yield from check_errors(protocol)


def main() -> None:
    """Print what is wrong, a line each."""
    found = list(problems())
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
