"""The same classes for scripts without `async`: each call runs on one background loop.

::

    with panal.sync.Peer("me", "files") as me:
        me.get("holiday.mp4")
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar

from panal import asking, python
from panal.peer.config import DEFAULT_TRACKER

__all__ = ["Peer", "Tracker", "TrackerServer"]


class _Context(Protocol):
    async def __aenter__(self) -> Any: ...
    async def __aexit__(self, *_: object) -> None: ...


Twin = TypeVar("Twin", bound=_Context)
Wanted = ParamSpec("Wanted")
Result = TypeVar("Result")


class Blocking(Generic[Twin]):
    """A context that runs its asynchronous twin on a loop in a thread of its own."""

    _make: Callable[[], Twin]

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        future: Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C here ends the work there
            raise

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="panal", daemon=True)
        self._thread.start()
        try:
            self._twin = self._run(self._entered())
        except BaseException:
            self._end()
            raise
        return self

    async def _entered(self) -> Twin:
        twin = self._make()
        await twin.__aenter__()
        return twin

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._twin.__aexit__(None, None, None))
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def _blocking(
    method: Callable[Concatenate[Twin, Wanted], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Blocking[Twin], Wanted], Result]:
    """The method, returning when it is done."""

    def call(self: Blocking[Twin], /, *args: Wanted.args, **kwargs: Wanted.kwargs) -> Result:
        return self._run(method(self._twin, *args, **kwargs))

    call.__doc__, call.__name__ = method.__doc__, method.__name__
    return call


class Peer(Blocking[python.Peer]):
    """A peer inside this program, without `async`; see `panal.Peer`."""

    def __init__(
        self,
        name: str,
        folder: str | Path,
        *,
        port: int = 0,
        trackers: Sequence[str] = (DEFAULT_TRACKER,),
        hosts: Sequence[str] = (),
        open: bool = False,
        join: str | None = None,
        zone: str = "",
        guest_port: int | None = None,
        state: str | Path | None = None,
        metrics: str | None = None,
        upload_limit_bytes_s: int | None = None,
        download_limit_bytes_s: int | None = None,
    ) -> None:
        self._make = lambda: python.Peer(
            name,
            folder,
            port=port,
            trackers=trackers,
            hosts=hosts,
            open=open,
            join=join,
            zone=zone,
            guest_port=guest_port,
            state=state,
            metrics=metrics,
            upload_limit_bytes_s=upload_limit_bytes_s,
            download_limit_bytes_s=download_limit_bytes_s,
        )

    url = _blocking(python.Peer.url)
    status = _blocking(python.Peer.status)
    files = _blocking(python.Peer.files)
    share = _blocking(python.Peer.share)
    share_folder = _blocking(python.Peer.share_folder)
    unshare = _blocking(python.Peer.unshare)
    guest_link = _blocking(python.Peer.guest_link)
    guest_links = _blocking(python.Peer.guest_links)
    revoke_guest_link = _blocking(python.Peer.revoke_guest_link)
    log = _blocking(python.Peer.log)
    search = _blocking(python.Peer.search)
    peers = _blocking(python.Peer.peers)
    get = _blocking(python.Peer.get)
    begin = _blocking(python.Peer.begin)
    ended = _blocking(python.Peer.ended)
    downloads = _blocking(python.Peer.downloads)
    why = _blocking(python.Peer.why)
    pause = _blocking(python.Peer.pause)
    resume = _blocking(python.Peer.resume)
    cancel = _blocking(python.Peer.cancel)
    settings = _blocking(python.Peer.settings)
    change_settings = _blocking(python.Peer.change_settings)
    unfinished = _blocking(python.Peer.unfinished)
    verify = _blocking(python.Peer.verify)


class Tracker(Blocking[asking.Tracker]):
    """What can be asked of a tracker, without `async`; see `panal.Tracker`."""

    def __init__(
        self, trackers: Sequence[str] = (DEFAULT_TRACKER,), join: str | None = None
    ) -> None:
        self._make = lambda: asking.Tracker(trackers, join)

    search = _blocking(asking.Tracker.search)
    peers = _blocking(asking.Tracker.peers)
    status = _blocking(asking.Tracker.status)
    plan = _blocking(asking.Tracker.plan)
    address = _blocking(asking.Tracker.address)
    store = _blocking(asking.Tracker.store)


class TrackerServer(Blocking[python.TrackerServer]):
    """A tracker inside this program, without `async`; see `panal.TrackerServer`."""

    def __init__(
        self,
        listen: str = "127.0.0.1:50051",
        *,
        open: bool = False,
        network: bool = False,
        state: str | Path | None = None,
        metrics: str | None = None,
    ) -> None:
        self._make = lambda: python.TrackerServer(
            listen, open=open, network=network, state=state, metrics=metrics
        )

    address = _blocking(python.TrackerServer.address)
    join_line = _blocking(python.TrackerServer.join_line)
