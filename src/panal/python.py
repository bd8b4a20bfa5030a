"""The door for Python programs: a peer or a tracker inside one's own, as async contexts.

::

    async with panal.Peer("me", "files") as me:
        await me.get("holiday.mp4")
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from panal.answers import (
    AddedAnswer,
    DownloadAnswer,
    FileAnswer,
    FolderAnswer,
    GuestLinkAnswer,
    GuestLinksAnswer,
    HitInfo,
    LogAnswer,
    PeerAnswer,
    SettingsAnswer,
    StatusAnswer,
    UnfinishedAnswer,
    VerifyAnswer,
    WhyAnswer,
)
from panal.api import Node
from panal.errors import PanalError, by_slug
from panal.peer.app import PeerApp
from panal.peer.config import DEFAULT_TRACKER, PeerSettings, parse_tracker
from panal.peer.guest_links import DEFAULT_S
from panal.running import running_peer
from panal.searching import search_all
from panal.wire.join_line import parse_join_line

logging.getLogger("panal").addHandler(logging.NullHandler())  # silent unless asked
LOOK_AGAIN_S = 0.05
STOP_GRACE_S = 2.0


class Peer:
    """A peer inside this program: shares a folder, searches, fetches; an async context.

    Entering starts it and waits until its tracker has answered once or cannot be reached;
    leaving it says goodbye. Every failure is a `panal.PanalError`.
    """

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
        """The options of `panal peer`; port 0, for guests too, lets the system choose. `join` is
        the line itself.

        Limits are for this run, 0 for none; not given: as `change_settings` last left them.
        """
        self._settings = PeerSettings(
            name,
            port,
            Path(folder),
            tuple(trackers),
            tuple(hosts),
            open=open,
            join=None if join is None else parse_join_line(join),
            zone=zone,
            guest_port=guest_port,
            state_dir=None if state is None else Path(state),
            metrics=None if metrics is None else parse_tracker(metrics),
            upload_limit_bytes_s=upload_limit_bytes_s,
            download_limit_bytes_s=download_limit_bytes_s,
        )
        self._running = AsyncExitStack()
        self._app: PeerApp

    async def __aenter__(self) -> "Peer":
        self._app = await self._running.enter_async_context(running_peer(self._settings))
        await self._app.lease.tried.wait()
        if self._app.lease.fatal.done():
            await self._running.aclose()
            raise self._app.lease.fatal.result()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @property
    def _node(self) -> Node:
        if not hasattr(self, "_app"):
            raise PanalError("The peer is not running; use it as a context: with Peer(…) as peer.")
        return Node(self._app)

    async def url(self) -> str:
        """Where it answers on this machine."""
        self._node.status()
        return self._app.ports.urls()[0]

    async def status(self) -> StatusAnswer:
        """Its own state."""
        return self._node.status()

    async def files(self) -> list[FileAnswer]:
        """Everything it shares, in path order."""
        node, after, found = self._node, "", list[FileAnswer]()
        while True:
            page = node.files(after)
            found += page.files
            if page.next is None:
                return found
            after = page.next

    async def share(self, *paths: str | Path, copy: bool = False) -> AddedAnswer:
        """Share files and folders of this machine where they are, or copied into the folder."""
        return await self._node.add(_absolute(paths), copy=copy)

    async def share_folder(self, path: str = "") -> FolderAnswer:
        """Share a folder inside the shared one as one content, as it is now; none: all of it."""
        return await self._node.add_folder(path)

    async def unshare(self, *paths: str) -> None:
        """Share these no more, as `files` names them; the files themselves stay."""
        await self._node.unshare(paths)

    async def guest_link(self, what: str, duration_s: int = DEFAULT_S) -> GuestLinkAnswer:
        """An address that opens one content in any browser; needs `guest_port`."""
        return await self._node.make_guest_link(what, duration_s)

    async def guest_links(self) -> GuestLinksAnswer:
        """Every link for guests that counts, without its address."""
        return self._node.guest_links()

    async def revoke_guest_link(self, link_id: str) -> None:
        """A link for guests counts no more, named by its id or the beginning of that."""
        self._node.revoke_guest_link(link_id)

    async def log(self, most: int = 100) -> LogAnswer:
        """The last of what happened at its doors, the newest last."""
        return await self._node.log(most)

    async def search(self, words: str = "", limit: int = 100) -> list[HitInfo]:
        """What has such names, over everybody's files; no words list everything."""
        return (await search_all(self._node, words, limit)).hits

    async def peers(self) -> list[PeerAnswer]:
        """Who is here."""
        return await self._node.peers()

    async def get(
        self, what: str, name: str | None = None, *, priority: int = 0, wait: bool = False
    ) -> DownloadAnswer:
        """Fetch a link, id, `sha256:` digest or name into the folder; returns when it is whole."""
        return await self.ended((await self.begin(what, name, priority=priority, wait=wait)).id)

    async def begin(
        self, what: str, name: str | None = None, *, priority: int = 0, wait: bool = False
    ) -> DownloadAnswer:
        """Queue a download and return at once."""
        return self._node.get(what, name, priority=priority, wait=wait)

    async def ended(self, download_id: str) -> DownloadAnswer:
        """A download once it is done; raises why it failed."""
        while (answer := self._node.download(download_id)).state != "done":
            if answer.state == "failed":
                raise by_slug(answer.error or PanalError.slug, answer.reason)
            await asyncio.sleep(LOOK_AGAIN_S)
        return answer

    async def downloads(self) -> list[DownloadAnswer]:
        """Every download, the newest last."""
        return self._node.downloads()

    async def why(self, download_id: str) -> WhyAnswer:
        """What a download waits for, or what limits it, in words and numbers."""
        return self._node.why(download_id)

    async def pause(self, download_id: str) -> DownloadAnswer:
        """Stop a download, keeping what is there."""
        return await self._node.pause_download(download_id)

    async def resume(self, download_id: str) -> DownloadAnswer:
        """Let a paused download go on."""
        return self._node.resume_download(download_id)

    async def cancel(self, download_id: str, *, delete: bool = False) -> None:
        """Stop a download and take it off the list; asked for within a day, it goes on.

        With `delete` what is there of it is removed at once.
        """
        await self._node.remove_download(download_id, delete=delete)

    async def settings(self) -> SettingsAnswer:
        """What can be changed while it runs."""
        return self._node.settings()

    async def change_settings(
        self,
        *,
        active_downloads: int | None = None,
        upload_limit_bytes_s: int | None = None,
        download_limit_bytes_s: int | None = None,
        upload_limit_per_peer_bytes_s: int | None = None,
        download_limit_per_peer_bytes_s: int | None = None,
        verify_rate_bytes_s: int | None = None,
    ) -> SettingsAnswer:
        """Change what is given, at once and for the next start too; a limit of 0 is none."""
        return self._node.change_settings(
            active_downloads=active_downloads,
            upload_limit_bytes_s=upload_limit_bytes_s,
            download_limit_bytes_s=download_limit_bytes_s,
            upload_limit_per_peer_bytes_s=upload_limit_per_peer_bytes_s,
            download_limit_per_peer_bytes_s=download_limit_per_peer_bytes_s,
            verify_rate_bytes_s=verify_rate_bytes_s,
        )

    async def unfinished(self) -> list[UnfinishedAnswer]:
        """Unfinished files, those of downloads that go on too, the oldest first."""
        return await self._node.unfinished()

    async def verify(self, paths: Sequence[str] = (), *, repair: bool = False) -> VerifyAnswer:
        """Re-read shared files, all where none is named; what differs is shared no more.

        With `repair` the wrong chunks of damaged files are fetched from others.
        """
        return await self._node.verify(paths, repair=repair)


def _absolute(paths: Sequence[str | Path]) -> list[str]:
    return [str(Path(path).absolute()) for path in paths]


class TrackerServer:
    """A tracker inside this program; an async context."""

    def __init__(
        self,
        listen: str = "127.0.0.1:50051",
        *,
        open: bool = False,
        network: bool = False,
        state: str | Path | None = None,
        metrics: str | None = None,
    ) -> None:
        """Port 0 lets the system choose; without `state` the records are in memory.

        It has a network beyond loopback unless it is `open`, and on loopback if `network` says
        so; that needs `state`. `metrics` is where those are told, to whoever asks.
        """
        from panal.tracker.server import TrackerServer
        from panal.tracker.settings import TrackerSettings

        host, port = parse_tracker(listen)
        where = None if state is None else Path(state)
        self._host = host
        self._server = TrackerServer(
            TrackerSettings(
                host,
                port,
                open=open,
                network=network,
                state_dir=where,
                metrics=None if metrics is None else parse_tracker(metrics),
            )
        )

    async def __aenter__(self) -> "TrackerServer":
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(STOP_GRACE_S)

    async def address(self) -> str:
        """What peers are told: host:port."""
        return f"{self._host}:{self._server.port}"

    async def join_line(self, valid_s: int = 86_400, uses: int = 1) -> str:
        """A new line that lets members into its network; a secret."""
        return str(await self._server.mint(valid_s, uses))
