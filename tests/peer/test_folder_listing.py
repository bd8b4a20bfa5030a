"""What lies in a folder, without a look at all that lies below it."""

from bisect import bisect_right
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from panal.peer.folder_listing import FEW_FILES, children
from panal.store.fingerprints import Fingerprint
from panal.store.shared_files import SharedFile
from panal.wire.ids import ContentId
from panal.wire.names import safe_path

NAMES = st.text(alphabet="ab.!~é🐝", min_size=1, max_size=3).filter(lambda name: set(name) != {"."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


class Shelf:
    """Shared files in path order, and how many of them were read."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = sorted(set(paths), key=lambda path: path.encode())
        self._keys = [path.encode() for path in self._paths]
        self.read = 0

    def after(self, path: str, limit: int) -> list[SharedFile]:
        first = bisect_right(self._keys, path.encode())
        found = self._paths[first : first + limit]
        self.read += len(found)
        return [_shared(path) for path in found]


def _shared(path: str) -> SharedFile:
    return SharedFile(
        safe_path(path), ContentId(bytes(32)), Fingerprint(1, 2, 3, 4), bytes(32), False
    )


def _listed(shelf: Shelf, prefix: str, away: str = "/") -> list[str]:
    found = list(children(shelf.after, prefix, lambda shared: not shared.path.startswith(away)))
    assert all((shared is None) == name.endswith("/") for name, shared in found)
    return [name for name, _ in found]


@given(paths=st.lists(PATHS, max_size=40), away=NAMES, data=st.data())
def test_it_is_what_a_look_at_every_file_finds(
    paths: list[str], away: str, data: st.DataObject
) -> None:
    shelf = Shelf(paths)
    folders = sorted({path[: i + 1] for path in paths for i, c in enumerate(path) if c == "/"})
    prefix = data.draw(st.sampled_from(["", *folders]))
    expected: dict[str, None] = {}
    for path in shelf._paths:
        if path.startswith(prefix) and not path.startswith(away):
            name, slash, _ = path[len(prefix) :].partition("/")
            expected[name + slash] = None
    assert _listed(shelf, prefix, away) == list(expected)


def test_of_folders_below_only_the_first_files_are_read() -> None:
    shelf = Shelf([f"{folder:02}/{file:03}" for folder in range(50) for file in range(200)])
    assert _listed(shelf, "") == [f"{folder:02}/" for folder in range(50)]
    assert shelf.read <= 50 * FEW_FILES
