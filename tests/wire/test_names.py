"""Names: one table of attacks, one of what is fine, and the rule compared with a second one."""

import os.path
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from panal.errors import UnsafeName
from panal.wire.names import (
    MAX_COMPONENT_BYTES,
    MAX_DEPTH,
    MAX_PATH_BYTES,
    brief,
    path_problem,
    printable,
    safe_path,
    safe_paths,
    sentence,
    visible_path,
)
from tests.wire import PROPERTY

pytestmark = pytest.mark.p2

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def path_of(size_bytes: int) -> str:
    """A path of exactly so many bytes in parts of at most 255, few enough of them."""
    parts = ["p" * 250] * (size_bytes // 251)
    rest = size_bytes - 251 * len(parts)
    return "/".join([*parts, "r" * rest])


UNSAFE = {
    "empty": "",
    "part of 256 bytes": "a" * 256,
    "part of 256 bytes below": "x/" + "a" * 256,
    "part of 128 two-byte letters": "ñ" * 128,
    "path of 4097 bytes": path_of(4097),
    "path of a megabyte": "a/" * 500_000 + "a",
    "33 deep": "/".join("a" * 33),
    "surrogate for byte ff": "a\udcff",
    "surrogate for byte 80": "\udc80/a",
    "high surrogate": "a\ud800b",
    "surrogate pair not joined": "\ud83d\ude00",
    "one dot": ".",
    "two dots": "..",
    "dots below": "a/..",
    "dot below": "a/.",
    "dots within": "a/../b",
    "dot within": "a/./b",
    "dots first": "../a",
    "dots first and passwd": "../../etc/passwd",
    "absolute": "/abs",
    "the root": "/",
    "two slashes first": "//a",
    "empty part": "a//b",
    "slash last": "a/",
    "NUL": "a\0b",
    "NUL last": "a.txt\0",
    "newline": "a\nb",
    "newline last": "a\n",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "ESC": "\x1b[2J",
    "backspace": "a\x08",
    "first C0": "\x01",
    "last C0": "a\x1f",
    "DEL": "a\x7f",
    "first C1": "a\x80",
    "NEL": "a\x85b",
    "CSI": "\x9b2J",
    "last C1": "a\x9f",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "LRE": "a\u202ab",
    "RLE": "a\u202bb",
    "PDF": "a\u202cb",
    "LRO": "a\u202db",
    "RLO": "photo\u202egpj.exe",
    "LRI": "a\u2066b",
    "RLI": "a\u2067b",
    "FSI": "a\u2068b",
    "PDI": "a\u2069b",
    "our state": ".panal",
    "below our state": ".panal/x",
    "our state in capitals": ".PANAL",
    "below our state in capitals": ".PANAL/index",
    "state of a folder below": "x/.Panal",
    "below the state of a folder below": "x/.pAnAl/y",
}

SAFE = {
    "one letter": "a",
    "part of 255 bytes": "a" * 255,
    "part of 255 bytes in two-byte letters": "ñ" * 127 + "a",
    "path of 4096 bytes": path_of(4096),
    "32 deep": "/".join("a" * 32),
    "option": "-rf",
    "tilde": "~",
    "tilde of root": "~root/x",
    "zero-width joiner": "👩\u200d💻.png",
    "zero-width non-joiner": "می\u200cخواهم",
    "soft hyphen": "a\u00adb",
    "percent-encoded dots": "%2e%2e",
    "percent-encoded slash": "a%2fb",
    "percent-encoded NUL": "a%00",
    "Spanish": "año",
    "the same decomposed": "an\u0303o",
    "Arabic": "ملف.txt",
    "Hebrew": "קובץ",
    "right-to-left mark": "a\u200f.txt",
    "colon": "a:b",
    "drive": "C:\\x",
    "UNC": "\\\\host\\share",
    "device": "con",
    "device with extension": "nul.txt",
    "device with superscript": "COM¹",
    "backslash": "back\\slash",
    "backslash and dots": "..\\..\\x",
    "trailing dot": "a.",
    "trailing space": "a ",
    "leading space": " a",
    "only a space": " ",
    "no-break space": "a\u00a0b",
    "spaces": "a b c",
    "hash": "a#b",
    "question mark": "a?b",
    "percent": "100%",
    "quotes": 'it\'s "x"',
    "shell": "$(reboot); `x` | y > z & *",
    "markup": "<img src=x onerror=alert(1)>",
    "hidden": ".hidden",
    "three dots": "...",
    "dots and more": "..a",
    "more and dots": "a..",
    "like our state": ".panal2/.panala/panal",
    "last code point": "\U0010ffff",
    "byte order mark": "\ufeffa",
}


@pytest.mark.parametrize("path", UNSAFE.values(), ids=UNSAFE.keys())
def test_what_is_unsafe_is_refused_in_words(path: str) -> None:
    assert path_problem(path)
    with pytest.raises(UnsafeName) as refused:
        safe_path(path)
    words = str(refused.value)
    assert words.endswith(".")
    assert all(is_plain(character) for character in words)


@pytest.mark.parametrize("path", UNSAFE.values(), ids=UNSAFE.keys())
def test_what_is_unsafe_is_refused_among_others(path: str) -> None:
    long = ["a" * 200, path, "b/" * 31 + "c"]
    for among in ([path], ["a", path], [path, "b/c"], [path, "a", path], long):
        with pytest.raises(UnsafeName) as refused:
            safe_paths(among)
        with pytest.raises(UnsafeName) as alone:
            safe_path(path)
        assert str(refused.value) == str(alone.value)


def test_what_is_safe_is_safe_together() -> None:
    assert safe_paths([]) == ()
    assert safe_paths(list(SAFE.values())) == tuple(SAFE.values())
    assert safe_paths(["a/b", "c d", "e" * 255, "f/" * 31 + "g"])[2:] == (
        "e" * 255,
        "f/" * 31 + "g",
    )


@pytest.mark.parametrize("path", SAFE.values(), ids=SAFE.keys())
def test_what_is_fine_is_taken_as_it_is(path: str) -> None:
    assert path_problem(path) is None
    assert safe_path(path) == path


def test_limits_are_those_that_the_table_tries() -> None:
    assert (MAX_COMPONENT_BYTES, MAX_PATH_BYTES, MAX_DEPTH) == (255, 4096, 32)
    assert len(path_of(4097).encode()) == 4097
    assert len(path_of(4096).encode()) == 4096


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("\udcff", "UTF-8"),
        ("", "empty"),
        (path_of(4097), "4097"),
        ("/a", "root"),
        ("/".join("a" * 33), "33"),
        ("a//b", "part"),
        ("a/../b", "'..'"),
        ("a" * 256, "255"),
        ("a\x1b", "control"),
        ("a\u202e", "direction"),
        (".panal/x", ".panal"),
    ],
)
def test_the_reason_names_the_rule(path: str, word: str) -> None:
    assert word in (path_problem(path) or "")


def test_a_refusal_is_short_however_long_the_name() -> None:
    with pytest.raises(UnsafeName) as refused:
        safe_path("é" * 3_000_000)
    assert len(str(refused.value)) < 1_000


def is_plain(character: str) -> bool:
    """Whether a terminal, a log line and a reader take a character as itself."""
    return (
        unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        and unicodedata.bidirectional(character) not in BIDI
    )


def holds_the_rule(path: str) -> bool:
    """The safety rule once more, by other means."""
    parts = path.split("/")
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    return (
        sum(sizes) + len(parts) - 1 <= 4096
        and len(parts) <= 32
        and all(1 <= size <= 255 for size in sizes)
        and all(is_plain(character) for character in path)
        and not any(part in {".", ".."} or part.lower() == ".panal" for part in parts)
    )


ANY_TEXT = st.text(st.characters())
PARTS = st.one_of(
    st.sampled_from(
        [
            "..",
            ".",
            "",
            ".panal",
            ".Panal",
            "a",
            "a" * 255,
            "ñ" * 128,
            "\0",
            "\u202e",
            "-rf",
            "\udc80",
        ]
    ),
    st.text(min_size=1, max_size=12),
)
PATHS = st.one_of(ANY_TEXT, st.lists(PARTS, min_size=1, max_size=40).map("/".join))


@PROPERTY
@given(PATHS)
@example("a/../../root-of-others")
def test_every_accepted_path_is_unchanged_and_below_the_root(path: str) -> None:
    accepted = path_problem(path) is None
    assert accepted == holds_the_rule(path)
    if accepted:
        assert safe_path(path) == path
        assert os.path.normpath(os.path.join("/the/root", path)).startswith("/the/root/")
        assert os.path.normpath(path) == path


@PROPERTY
@given(st.characters())
def test_every_character_alone_is_judged_as_unicode_says(character: str) -> None:
    assert (path_problem("a" + character) is None) == (is_plain(character) and character != "/")


def test_every_character_below_u3000_is_judged_as_unicode_says() -> None:
    odd = [
        point
        for point in range(0x3000)
        if (path_problem("a" + chr(point) + "a") is None) != is_plain(chr(point))
        and chr(point) != "/"
    ]
    assert odd == []


@PROPERTY
@given(ANY_TEXT)
def test_printable_has_nothing_that_acts_on_a_reader(text: str) -> None:
    shown = printable(text)
    assert all(is_plain(character) for character in shown)
    assert shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "''"),
        ("año", "'año'"),
        ("a\nb", r"'a\nb'"),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("a\x85", r"'a\x85'"),
        ("a\u2028", r"'a\u2028'"),
        ("\u202egpj", r"'\u202egpj'"),
        ("\udc80", r"'\x80'"),
        ("\udc7f", r"'\udc7f'"),
        ("\udcff", r"'\xff'"),
        ("\ud800", r"'\ud800'"),
        ("\udfff", r"'\udfff'"),
        ("a\\nb", r"'a\\nb'"),
        ("👩\u200d💻", "'👩\u200d💻'"),
    ],
)
def test_printable_escapes_visibly(text: str, shown: str) -> None:
    assert printable(text) == shown


@PROPERTY
@given(ANY_TEXT, ANY_TEXT)
@example("\n", "\\n")
@example("\x1b", "\\x1b")
def test_printable_keeps_different_names_apart(one: str, other: str) -> None:
    if one != other and not any("\udc80" <= c <= "\udcff" for c in one + other):
        assert printable(one) != printable(other)


@pytest.mark.parametrize(("letters", "shown"), [(80, 80), (81, 80), (5_000, 80)])
def test_a_name_in_a_sentence_has_eighty_letters_at_most(letters: int, shown: int) -> None:
    cut = "" if letters == shown else "…"
    assert brief("n" * letters) == f"'{'n' * shown}'{cut}"


@pytest.mark.parametrize("part", ["n", "ñ"])
def test_a_path_has_thirty_two_parts_at_most(part: str) -> None:
    assert path_problem("/".join([part] * MAX_DEPTH)) is None
    assert "33 folders deep" in (path_problem("/".join([part] * (MAX_DEPTH + 1))) or "")


@pytest.mark.parametrize("text", [".a", "a/.b", ".a/b", "a/.b/c", "..a"])
def test_a_path_to_be_shared_is_not_hidden(text: str) -> None:
    assert safe_path(text) == text
    with pytest.raises(UnsafeName, match=rf"'{text}' cannot be used: .* hidden files"):
        visible_path(text)


def test_a_path_that_is_not_hidden_is_itself_and_safe() -> None:
    assert visible_path("a./b.c/ñ") == "a./b.c/ñ"
    with pytest.raises(UnsafeName, match="walks through folders"):
        visible_path("a/../b")


@given(st.text())
def test_a_sentence_of_another_has_nothing_that_acts_on_a_reader(text: str) -> None:
    shown = sentence(text)
    assert printable(shown.replace("\\", "")) == f"'{shown.replace(chr(92), '')}'"


def test_a_sentence_keeps_what_it_has_escaped_itself() -> None:
    assert sentence("'a\\x1b' and\x1b[2J \u202e\n") == "'a\\x1b' and\\x1b[2J \\u202e\\n"
    assert sentence("x" * 10_000) == "x" * 10_000
    assert len(sentence("x" * 100_000)) < 20_000
