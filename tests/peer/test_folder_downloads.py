"""What a folder's download leaves behind, however it ends."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from panal.clock import SystemClock
from panal.peer import folder_downloads
from panal.peer.folder_downloads import FolderDownloads, FolderParts
from panal.peer.folder_transfer import FolderTransfer
from panal.store.unfinished import in_use
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest


async def test_a_download_cancelled_as_it_makes_its_directory_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    @contextlib.contextmanager
    def slowly(folder: Path) -> Iterator[None]:
        begun.set()
        go_on.wait()
        try:
            with in_use(folder):
                yield
        finally:
            ended.set()

    monkeypatch.setattr(folder_downloads, "in_use", slowly)
    sharing = SimpleNamespace(make_own_place=lambda place: asyncio.sleep(0))
    parts = cast(FolderParts, SimpleNamespace(partials=tmp_path, sharing=sharing))
    content, manifest = ContentId(bytes(32)), cast(Manifest, None)
    fetching = asyncio.create_task(
        FolderDownloads(parts).fetch(content, manifest, (), FolderTransfer(clock=SystemClock()))
    )
    while not begun.is_set() and not fetching.done():
        await asyncio.sleep(0)
    fetching.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await asyncio.to_thread(ended.wait)
    assert not list(tmp_path.iterdir())
