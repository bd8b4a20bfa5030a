"""A folder's text: canonical, strict, and nothing in it that may not be written."""

import itertools

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import IntegrityError, NotFound, TooLarge, UnsafeName, UsageError
from panal.wire import collection
from panal.wire.collection import (
    CollectionEntry,
    EntryType,
    decode,
    encode,
    placed_at,
)
from panal.wire.ids import ContentId
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, path_problem
from tests.wire import PROPERTY

ID = ContentId(bytes(range(32)))
HEX = ID.hex()
FIRST = "panal-collection 1\n"
VECTOR = "71abbc8b6755e341eb716ab4323c44968169083c3e64fb5442e9857a75957aeb"


def file(path: str, size: int = 5, mtime_ns: int = 7, *, executable: bool = False):
    kind = EntryType.EXECUTABLE if executable else EntryType.FILE
    return CollectionEntry(SafePath(path), kind, ID, size, mtime_ns)


def folder(path: str) -> CollectionEntry:
    return CollectionEntry(SafePath(path), EntryType.EMPTY_FOLDER, None, 0, 0)


def text(*lines: str) -> bytes:
    return (FIRST + "".join(line + "\n" for line in lines)).encode()


def line(path: str, content: str = HEX, size: str = "5", kind: str = "f", mtime: str = "7") -> str:
    return f"{content} {size} {kind} {mtime} {path}"


def test_the_vector() -> None:
    """One folder as these words make it; the digest is of the text."""
    entries = [
        file("b.txt"),
        file("a/run", 0, -1, executable=True),
        folder("leer ü"),
        file("a b/c", MAX_CONTENT_BYTES, 2**63 - 1),
    ]
    encoded = encode(entries)
    assert encoded.decode() == (
        FIRST
        + f"{HEX} {MAX_CONTENT_BYTES} f 9223372036854775807 a b/c\n"
        + f"{HEX} 0 x -1 a/run\n"
        + f"{HEX} 5 f 7 b.txt\n"
        + "- 0 d 0 leer ü\n"
    )
    assert blake3(encoded).hexdigest() == VECTOR
    assert set(decode(encoded)) == set(entries)


def test_an_empty_folder_has_a_text() -> None:
    assert encode([]) == FIRST.encode()
    assert decode(FIRST.encode()) == ()


def test_the_order_is_that_of_the_bytes() -> None:
    """Not that of UTF-16, and "a-b" stands before "a/b"."""
    paths = ["a/b", "a-b", "\U0001f600", "\uffee", "Z", "é"]
    expected = sorted(paths, key=str.encode)
    assert [entry.path for entry in decode(encode(map(file, paths)))] == expected
    assert expected.index("\uffee") < expected.index("\U0001f600")


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"panal-collection 1",
        b"panal-collection 2\n",
        b"\xef\xbb\xbf" + FIRST.encode(),
        FIRST.replace("\n", "\r\n").encode(),
        FIRST.encode() + b"\n",
        text(line("a"))[:-1],
        text(line("a")) + b"\n",
        text(line("b"), line("a")),
        text("nothing"),
        text(HEX + " 5 f 7"),
        text(line("a", content=HEX.upper())),
        text(line("a", content=HEX[:-1])),
        text(line("a", content="-")),
        text(line("a", kind="d")),
        text(line("a", kind="d", content="-")),
        text(line("a", kind="l")),
        text(line("a", kind="")),
        text(line("a", size="05")),
        text(line("a", size="+5")),
        text(line("a", size="-5")),
        text(line("a", size="٥")),
        text(line("a", size=str(MAX_CONTENT_BYTES + 1))),
        text(line("a", size="9" * 5000)),
        text(line("a", mtime="-0")),
        text(line("a", mtime="1.5")),
        text(line("a", mtime=str(2**63))),
        text(line("a", mtime=str(-(2**63) - 1))),
        text(line("a").encode().decode()) + b"\xff\n",
        text(line("a"), line("a")),
        text(line("a"), line("a/b")),
        text(line("a", content="-", size="0", kind="d"), line("a/b/c")),
    ],
)
def test_what_is_not_canonical_is_refused(broken: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(broken)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a\x00b",
        "a\x1bb",
        "a\u202eb",
        ".panal/x",
        "a/.PANAL/b",
        "x" * 256,
        "/".join("a" * 33),
        "a\u2028b",
        "\r",
    ],
)
def test_unsafe_names_are_refused_whoever_writes_them(path: str) -> None:
    with pytest.raises(UnsafeName):
        decode(text(line(path)))
    with pytest.raises(UsageError):
        encode([file(path)])


@pytest.mark.parametrize("path", ["a b", " a", "a ", "-rf", "~", "%2e%2e", "a:b", "con", "a\\b"])
def test_odd_names_are_names(path: str) -> None:
    assert [entry.path for entry in decode(text(line(path)))] == [path]


@pytest.mark.parametrize(
    "entries",
    [
        [file("a"), file("a")],
        [file("a"), file("a/b")],
        [folder("a"), file("a/b")],
        [file("a", -1)],
        [file("a", 1, 2**63)],
        [CollectionEntry(SafePath("a"), EntryType.FILE, None, 0, 0)],
        [CollectionEntry(SafePath("a"), EntryType.EMPTY_FOLDER, ID, 0, 0)],
        [CollectionEntry(SafePath("a"), EntryType.EMPTY_FOLDER, None, 1, 0)],
    ],
)
def test_nothing_is_written_that_would_not_be_read(entries: list[CollectionEntry]) -> None:
    with pytest.raises(UsageError):
        encode(entries)


@pytest.mark.parametrize("at", [0, 700, 1999])
def test_a_line_that_is_less_usual_changes_nothing_for_those_around_it(at: int) -> None:
    """Usual lines are read many together."""
    entries = [file(f"d/{n:05}", n, -n, executable=n % 3 == 0) for n in range(2000)]
    entries[at] = file(f"d/{at:05} ü")
    encoded = encode(entries)
    assert len(encoded) > 2 * collection._PAGE_BYTES
    assert decode(encoded) == tuple(entries)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "05"},
        {"size": str(MAX_CONTENT_BYTES + 1)},
        {"mtime": str(2**63)},
        {"mtime": "-0"},
        {"kind": "y"},
        {"content": HEX[1:]},
        {"content": "x" + HEX},
    ],
)
@pytest.mark.parametrize("at", [0, 700, 1999])
def test_a_wrong_line_among_many_is_refused(at: int, wrong: dict[str, str]) -> None:
    lines = [line(f"d/{n:05}") for n in range(2000)]
    lines[at] = line(f"d/{at:05}", **wrong)
    with pytest.raises(IntegrityError):
        decode(text(*lines))


def test_a_text_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode([file("a")])
    monkeypatch.setattr(collection, "MAX_TEXT_BYTES", len(whole) - 1)
    with pytest.raises(TooLarge):
        encode([file("a")])
    with pytest.raises(IntegrityError):
        decode(whole)


def test_too_many_entries_are_refused_before_any_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode([file("a"), folder("b")])
    monkeypatch.setattr(collection, "MAX_ENTRIES", 2)
    assert len(decode(whole)) == 2
    assert encode([file("a"), folder("b")]) == whole
    with pytest.raises(TooLarge, match=r"at most 2 .* this one 3: share its folders one by one"):
        encode([file("a"), folder("b"), folder("c")])
    with pytest.raises(IntegrityError, match="more than 2 entries"):
        next(collection.read(text(line("a"), "- 0 d 0 b", "- 0 d 0 c")))


safe_paths = st.text(max_size=12).filter(lambda text: path_problem(text) is None)
entries_of_any_kind = st.builds(
    file, safe_paths, st.integers(0, 2**40), st.integers(-(2**63), 2**63 - 1)
) | st.builds(folder, safe_paths)


@PROPERTY
@given(st.lists(entries_of_any_kind, max_size=8))
def test_what_is_written_is_read_and_written_the_same(entries: list[CollectionEntry]) -> None:
    try:
        encoded = encode(entries)
    except UsageError:
        return
    assert sorted(decode(encoded), key=str) == sorted(entries, key=str)
    assert encode(reversed(entries)) == encoded
    assert encode(decode(encoded)) == encoded


lines = st.builds(
    line,
    st.text(max_size=6),
    st.sampled_from([HEX, "-", HEX[1:]]),
    st.sampled_from(["0", "5", "-1", "x"]),
    st.sampled_from(["f", "x", "d", "q"]),
    st.sampled_from(["0", "-7", "00"]),
)


@PROPERTY
@given(st.binary() | st.lists(lines, max_size=3).map(lambda many: text(*many)))
def test_whatever_is_taken_is_canonical(received: bytes) -> None:
    try:
        entries = decode(received)
    except (IntegrityError, UnsafeName):
        return
    assert encode(entries) == received
    assert all(path_problem(entry.path) is None for entry in entries)


# Where the entries go ---------------------------------------------------------------------

TREE = [file("a/b/one"), file("a/b/two"), folder("a/empty"), file("a-b"), file("a/bc")]
BASE = SafePath("to/here")


@pytest.mark.parametrize(
    ("inside", "paths"),
    [
        (None, {"a/b/one", "a/b/two", "a/empty", "a-b", "a/bc"}),
        ("a", {"b/one", "b/two", "empty", "bc"}),
        ("a/b", {"one", "two"}),
        ("a/b/two", {""}),
        ("a/empty", {""}),
    ],
)
def test_entries_go_below_the_base(inside: str | None, paths: set[str]) -> None:
    placed = {entry.path for entry in placed_at(TREE, BASE, inside)}
    assert placed == {f"to/here/{path}" if path else "to/here" for path in paths}


@PROPERTY
@given(
    st.lists(st.lists(st.text("a!0é", min_size=1, max_size=2), min_size=1, max_size=3), max_size=7),
    st.integers(1, 200),
)
def test_paths_that_do_not_fit_together_are_refused_wherever_they_stand(
    parts: list[list[str]], page_bytes: int
) -> None:
    """`a` is an entry, and far behind it, after `a!` and `a!/a`, `a/0` makes it a folder."""
    paths = ["/".join(each) for each in parts]
    is_ordered = all(a.encode() < b.encode() for a, b in itertools.pairwise(paths))
    folders = {"/".join(each[:count]) for each in parts for count in range(1, len(each))}
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(collection, "_PAGE_BYTES", page_bytes)
        if is_ordered and not folders & set(paths):
            assert [entry.path for entry in decode(text(*map(line, paths)))] == paths
        else:
            with pytest.raises(IntegrityError):
                decode(text(*map(line, paths)))


def test_an_empty_collection_makes_its_folder() -> None:
    assert placed_at([], BASE) == (folder("to/here"),)


@pytest.mark.parametrize("inside", ["b", "a/b/three", "a/b/on", "A"])
def test_a_path_that_is_not_inside_is_not_found(inside: str) -> None:
    with pytest.raises(NotFound):
        placed_at(TREE, BASE, inside)


@pytest.mark.parametrize("path", [".bashrc", "a/.ssh/config", "/".join("a" * 31)])
def test_what_may_not_be_written_there_is_refused(path: str) -> None:
    with pytest.raises(UnsafeName):
        placed_at([file(path)], BASE)
