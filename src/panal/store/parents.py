"""The folder that each path lies in, kept open while the next path lies there too."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from panal.wire.names import SafePath

Enter = Callable[[SafePath], AbstractContextManager[tuple[int, str]]]


class Parents:
    """Enters folders for many paths; quickest where those of one folder come together."""

    def __init__(self, enter: Enter) -> None:
        """`enter` is a root's call for the folder that one path lies in."""
        self._enter = enter
        self._open = ExitStack()
        self._folder: str | None = None
        self._descriptor = -1

    def __enter__(self) -> "Parents":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def of(self, path: SafePath) -> tuple[int, str]:
        """The descriptor of a path's folder, good until the next call, and its name there."""
        folder, _, name = path.rpartition("/")
        if folder != self._folder:
            self._folder = None
            self._open.close()
            self._descriptor, name = self._open.enter_context(self._enter(path))
            self._folder = folder
        return self._descriptor, name
