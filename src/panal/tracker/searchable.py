"""The searchable form of a path: what stores keep and look through; pure.

Text is folded once, here, so that every store finds the same: compatibility forms
decomposed, accents dropped, case folded. Each condition on a path is "contains this text",
nothing else::

    Música/Año Nuevo.mp3  →  /|musica/|ano |nuevo.|mp3$

where ``|`` (U+001F) stands before the beginning of each word and ``$`` (U+001E) at the end;
neither can occur in a path. A word of three letters or more is looked for anywhere, one of
one or two with the mark before it, an exact name between "/" and the end.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import lru_cache

from panal.tracker.query_words import EXTENSIONS

MARK = "\x1f"
_END = "\x1e"
_SHORT = 2
# Ideographs and kana are written without spaces, so each begins a word.
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BEGINNING = re.compile(rf"(?<![^\W_])(?=[^\W_])|(?=[{_IDEOGRAPH}])")
_ASCII_PIECES = re.compile("[a-zA-Z0-9]+[^a-zA-Z0-9]*|[^a-zA-Z0-9]+")
_LINE = "\n"
"""In no path: it keeps names apart."""


def fold(text: str) -> str:
    """`text` without case, accents and compatibility forms."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def searchable(path: str) -> str:
    """The form of a path that stores keep and look through."""
    folder, slash, name = path.rpartition("/")
    return f"/{_folder_marked(folder + slash)}{_name_marked(name)}{_END}"


def searchable_all(paths: Sequence[str]) -> list[str]:
    """The searchable forms of many paths: their names are marked together."""
    if not paths:
        return []
    places = [path.rpartition("/") for path in paths]
    names = [name.lower() if name.isascii() else fold(name) for _, _, name in places]
    forms = marked(_LINE.join(names)).split(_LINE)
    return [
        f"/{_folder_marked(folder + slash)}{name}{_END}"
        for (folder, slash, _), name in zip(places, forms, strict=True)
    ]


def without_marks(texts: Sequence[str]) -> list[str]:
    """These forms without their marks, all together: of each alone it takes three times as long."""
    return _LINE.join(texts).replace(MARK, "").split(_LINE) if texts else []


def exact_name(folded: str) -> str:
    """What a searchable form contains where the path's last part is this."""
    return f"/{marked(folded)}{_END}"


def marked(folded: str) -> str:
    """Folded text with a mark before each word."""
    if not folded.isascii():
        return _BEGINNING.sub(MARK, folded)
    # The same in half the time: each piece, perhaps not the first, begins where a word does.
    return (MARK if folded[:1].isalnum() else "") + MARK.join(_ASCII_PIECES.findall(folded))


def needle(word: str) -> str:
    """What a searchable form contains where a folded word is in the path."""
    form = marked(word)
    return form if len(word) <= _SHORT else form.removeprefix(MARK)


def ending_of(extension: str) -> str:
    """What a searchable form contains where the path ends so."""
    return f"{marked('.' + fold(extension))}{_END}"


_ENDINGS = [frozenset(map(ending_of, extensions.split())) for extensions in EXTENSIONS.values()]
_KIND_OF_LAST = {
    ending.removeprefix("."): kind for kind, endings in enumerate(_ENDINGS) for ending in endings
}


def common_kind(text: str) -> int | None:
    """Of which of `EXTENSIONS` the ending of a searchable form is; None for none of them."""
    return _KIND_OF_LAST.get(text[text.rfind(".") + 1 :])


def common_kind_of_all(endings: Collection[str]) -> tuple[int | None, bool]:
    """The common kind of all names that end so, if it is one; and whether no others are of it."""
    kind, *others = {common_kind(ending) for ending in endings}
    if kind is None or others:
        return None, False
    return kind, _ENDINGS[kind] <= set(endings)


def _name_marked(name: str) -> str:
    # Of ASCII the compatibility forms are itself, and it has no accents.
    return marked(name.lower() if name.isascii() else fold(name))


_folder_marked = lru_cache(maxsize=1024)(_name_marked)
"""Files that lie in one folder come together. A slash is no letter and takes no accent, so both
sides of it fold alone as they do together."""


def whole_word(word: str) -> str:
    """What finds a word that begins where a word does, and goes no further, in a regex."""
    return re.escape(marked(word)) + (r"(?![^\W_])" if word[-1].isalnum() else "")
