"""What a searcher wrote, taken apart: words, phrases, what must not occur, filters; pure.

    holiday "new year" -draft -ext:tmp ext:jpg,png kind:image size:>1M peer:peer_2

A word that begins like a filter and is none stays a word, so does a quote that does not end.
"""

import re
from dataclasses import dataclass, field

from panal.errors import UsageError
from panal.wire.amounts import parse_bytes
from panal.wire.ids import parse_peer_name
from panal.wire.manifest import Kind

_TOKEN = re.compile(
    r"(?P<minus>-)?(?:(?P<key>ext|kind|size|peer):)?"
    r'(?:"(?P<phrase>[^"]*[^"\s][^"]*)"(?!\S)|(?P<word>\S+))',
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"-?ext:|kind:|peer:|size:[<>]?=?")
_SIZE = re.compile(r"(>=?|<=?|)(.+)")

_KINDS = {"file": Kind.FILE, "folder": Kind.COLLECTION}
EXTENSIONS = {
    "archive": "zip tar gz tgz bz2 xz zst 7z rar iso deb rpm jar whl",
    "audio": "mp3 flac ogg opus m4a aac wav wma aiff mid",
    "document": "pdf doc docx odt rtf txt md tex epub xls xlsx ods csv ppt pptx odp",
    "image": "jpg jpeg png gif webp svg bmp tif tiff heic avif raw",
    "video": "mp4 mkv webm avi mov m4v mpg mpeg wmv flv ogv ts",
}
"""What is commonly in a file, judged by the end of its name; none is of two kinds."""


@dataclass
class QueryWords:
    """A query's parts; each that is empty restricts nothing."""

    wanted: list[str] = field(default_factory=list)
    """Words and phrases, all of which must occur."""
    unwanted: list[str] = field(default_factory=list)
    ends: list[tuple[str, ...]] = field(default_factory=list)
    """Extensions without their dot: a name ends with one of each group."""
    unwanted_ends: list[str] = field(default_factory=list)
    peer: str = ""
    kind: Kind | None = None
    min_size_bytes: int = 0
    max_size_bytes: int | None = None
    has_operators: bool = False
    """Whether anything but plain words was written."""


def parse_query(text: str) -> QueryWords:
    """The parts of a query; UsageError, with what to write, for a filter that cannot be."""
    query = QueryWords()
    for token in _TOKEN.finditer(text):
        if _UNFINISHED.fullmatch(token[0].lower()):  # somebody is typing it
            query.has_operators = True
            continue
        value = token["phrase"] or token["word"]
        if token["key"] is not None:
            _filter(query, token["key"].lower(), value, is_unwanted=token["minus"] is not None)
        elif token["minus"] is not None:
            query.unwanted.append(value)
        else:
            query.wanted.append(value)
            if token["phrase"] is None:
                continue
        query.has_operators = True
    return query


def _filter(query: QueryWords, key: str, value: str, *, is_unwanted: bool) -> None:
    if key == "ext":
        ends = tuple(filter(None, (end.lstrip(".") for end in value.split(","))))
        if is_unwanted:
            query.unwanted_ends.extend(ends)
        elif ends:
            query.ends.append(ends)
    elif is_unwanted:
        raise UsageError(f"-{key}: is not understood; '-' goes before words, phrases and ext:.")
    elif key == "kind":
        _kind(query, value.lower())
    elif key == "peer":
        query.peer = parse_peer_name(value)
    else:
        _size(query, value)


def _kind(query: QueryWords, value: str) -> None:
    if value in _KINDS:
        query.kind = _KINDS[value]
    elif value in EXTENSIONS:
        query.ends.append(tuple(EXTENSIONS[value].split()))
    else:
        known = ", ".join([*_KINDS, *sorted(EXTENSIONS)])
        raise UsageError(f"{value!r} is no kind. Write one of: {known}.")


def _size(query: QueryWords, value: str) -> None:
    sign, text = _SIZE.fullmatch(value).groups()  # type: ignore[union-attr]  # matches all
    size_bytes = parse_bytes(text)
    if sign != "<" and sign != "<=":
        query.min_size_bytes = max(query.min_size_bytes, size_bytes + (sign == ">"))
    if sign != ">" and sign != ">=":
        most = max(0, size_bytes - (sign == "<"))
        known = query.max_size_bytes
        query.max_size_bytes = most if known is None else min(known, most)
