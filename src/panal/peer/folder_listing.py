"""What lies directly in a shared folder, without reading what lies in the folders below it."""

from collections.abc import Callable, Iterator

from panal.store.shared_files import LAST, SharedFile

FEW_FILES = 16
MANY_FILES = 1_000
"""Read at a time: few after a folder was skipped, for the next may be one too."""

FilesAfter = Callable[[str, int], list[SharedFile]]


def children(
    files_after: FilesAfter, prefix: str, is_there: Callable[[SharedFile], bool]
) -> Iterator[tuple[str, SharedFile | None]]:
    """Names, in path order: files, and folders as None, whose names end with a slash.

    `prefix` is the folder's path with a slash, or empty; `files_after` gives the next shared files
    in path order. What is not `is_there` is left out, and folders in which nothing is.
    """
    after, limit = prefix, FEW_FILES
    while page := files_after(after, limit):
        limit = min(2 * limit, MANY_FILES)
        for shared in page:
            if not shared.path.startswith(prefix):
                return
            after = shared.path
            if not is_there(shared):
                continue
            name, slash, _ = shared.path[len(prefix) :].partition("/")
            yield name + slash, None if slash else shared
            if slash:
                after, limit = f"{prefix}{name}/{LAST}", FEW_FILES
                break
