"""One level of a folder: what is shown is what lies there, whatever the pages."""

from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from panal.tracker import folders
from panal.tracker.folders import Below, folder_page
from panal.wire.catalogue import Entry, FolderItem, FolderQuery
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

ONE = PeerName("peer_1")
CONTENT = ContentId(bytes(32))
PART = st.text(st.sampled_from("a0-./ñ\U0010ffff".replace("/", "")), min_size=1, max_size=3).filter(
    lambda part: part not in {".", ".."}
)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)


class Kept:
    """Entries in order, and how many were read."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.path)
        self.paths = [entry.path for entry in self.entries]
        self.read = 0

    def between(self, first: str, before: str, limit: int) -> list[Entry]:
        found = self.entries[bisect_left(self.paths, first) : bisect_left(self.paths, before)]
        self.read += len(found[:limit])
        return found[:limit]

    def count(self, first: str, before: str, limit: int) -> Below:
        found = self.entries[bisect_left(self.paths, first) : bisect_left(self.paths, before)]
        files = [entry for entry in found if entry.kind is Kind.FILE][:limit]
        return Below(len(files), sum(entry.size_bytes for entry in files))


def file(path: str, size_bytes: int = 1) -> Entry:
    return Entry(path, CONTENT, size_bytes)


def shown(kept: Kept, folder: str, page_size: int) -> list[FolderItem] | None:
    """All pages, one after the other."""
    items: list[FolderItem] = []
    page = ""
    while True:
        query = FolderQuery(ONE, folder, page, page_size)
        found = folder_page(query, kept.between, kept.count)
        if found is None:
            return None
        assert len(found.items) <= page_size
        items += found.items
        page = found.next_page
        if not page:
            return items


@settings(deadline=None)
@given(st.sets(PATH, max_size=25), st.integers(1, 5), st.data())
def test_a_level_is_what_lies_there(paths: set[str], page_size: int, data: st.DataObject) -> None:
    """Files and folders, each once and in order, as taking every path apart finds them."""
    entries = [file(path, len(path)) for path in paths]
    parents = {path[:i] for path in paths for i, letter in enumerate(path) if letter == "/"}
    folder = data.draw(st.sampled_from(["", *sorted(parents)]))
    prefix = f"{folder}/" if folder else ""
    below: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.path.startswith(prefix):
            name, slash, _ = entry.path[len(prefix) :].partition("/")
            below.setdefault(name + slash, []).append(entry)
    found = shown(Kept(entries), folder, page_size)
    if not below:
        assert found == ([] if not folder else None)
        return
    assert found is not None
    assert [item.name + "/" * item.is_folder for item in found] == sorted(below)
    for item in found:
        there = below[item.name + "/" * item.is_folder]
        assert item.files == len(there)
        assert item.size_bytes == sum(entry.size_bytes for entry in there)


def test_a_folder_that_is_shared_as_one_content_is_there_once() -> None:
    entries = [Entry("a", CONTENT, 99, Kind.COLLECTION), file("a-b"), file("a.txt"), file("a/x", 7)]
    for page_size in (1, 2, 3, 10):
        found = shown(Kept(entries), "", page_size)
        assert found is not None
        assert [item.name for item in found] == ["a-b", "a.txt", "a"]
        whole = found[2]
        assert (whole.content, whole.content_bytes) == (CONTENT, 99)
        assert (whole.files, whole.size_bytes) == (1, 7)


def test_one_content_whose_files_are_not_named_is_a_folder_too() -> None:
    found = shown(Kept([Entry("a", CONTENT, 99, Kind.COLLECTION)]), "", 10)
    assert found == [FolderItem("a", True, CONTENT, 0, files=0, content_bytes=99)]


def test_a_folder_that_is_not_there_is_none() -> None:
    kept = Kept([file("a.txt"), file("b/c")])
    assert shown(kept, "a", 10) is None
    assert shown(kept, "a.txt", 10) is None
    assert shown(kept, "b/c", 10) is None
    assert shown(Kept([]), "", 10) == []


def test_what_lies_deeper_is_not_read() -> None:
    kept = Kept([file(f"{folder:02}/{number:03}") for folder in range(10) for number in range(300)])
    found = shown(kept, "", 100)
    assert found is not None
    assert len(found) == 10
    assert kept.read <= 10 * 2 * folders._FEW
    kept.read = 0
    first = folder_page(FolderQuery(ONE, "05", "", 10), kept.between, kept.count)
    assert first is not None
    assert [item.name for item in first.items] == [f"{number:03}" for number in range(10)]
    assert kept.read <= 3 * folders._FEW


def test_counting_ends_somewhere(monkeypatch) -> None:
    monkeypatch.setattr(folders, "COUNTED", 5)
    kept = Kept([file(f"{folder}/{number}") for folder in "abc" for number in range(4)])
    found = shown(kept, "", 10)
    assert found is not None
    assert [item.is_uncounted for item in found] == [False, True, True]
    again = shown(kept, "", 1)  # each page counts anew
    assert again is not None
    assert [item.is_uncounted for item in again] == [False, False, False]
