"""What a peer's owner may want to see move, gathered while somebody looks."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from panal.answers import (
    DownloadAnswer,
    FilesEvent,
    PeerRow,
    RateOfSource,
    RateOfTaker,
    TrafficEvent,
    UploadAnswer,
)
from panal.api import Node
from panal.errors import NotFound, PanalError
from panal.peer.app import PeerApp
from panal.peer.download import Download, State
from panal.peer.news import News
from panal.peer.traffic import Taking
from panal.peer.transfer import Swarm
from panal.swarm.chunk_picture import picture_of, whole_picture
from panal.views.downloads import download_answer
from panal.web.board import Board
from panal.web.chunk_events import WatchedContent
from panal.web.resumable_uploads import upload_row
from panal.wire.catalogue import Watched
from panal.wire.ids import ContentId
from panal.wire.manifest import chunk_count_for, chunk_size_for

TRAFFIC_EVERY_S = 1.0
NO_RATE_AFTER_S = 5.0
"""Nobody has looked for so long: what has gone since then tells no rate."""
STATUS_EVERY_S = 2.0
PEERS_EVERY_S = 10.0
PEERS_AT_MOST_EVERY_S = 1.0
MOST_PEERS = 1_000
MOST_TAKERS = 100
_UNSETTLED = {State.RUNNING.value, State.WAITING.value}


class LiveFacts:
    """The facts of one peer, put on a board."""

    def __init__(self, app: PeerApp, node: Node) -> None:
        self._app = app
        self._node = node
        self._rows: dict[str, DownloadAnswer] = {}
        self._fetched = Counter[tuple[str, str]]()
        """Of each download and peer, what was counted."""
        self._came = Counter[str]()
        """From each peer, since traffic was last told."""
        self._down_bytes = 0
        self._received: dict[str, tuple[float, int]] = {}
        """Of each upload, when it was last looked at and what was here then."""
        self._traffic_at_s = self._status_at_s = float("-inf")
        self._is_moving = False

    def look(self, board: Board) -> None:
        """Everything that changes often, as it is now."""
        now_s = self._app.clock.now_s()
        rows = {download.id: self._row(download) for download in self._app.downloads.all()}
        self._rows = rows
        board.put_rows("downloads", rows)
        board.put_rows("uploads", {row.id: row for row in self._uploads(now_s)})
        index = self._app.index
        board.put("files", FilesEvent(*index.totals(), index.changes))
        if now_s - self._status_at_s >= STATUS_EVERY_S:
            self._status_at_s = now_s
            board.put("status", self._node.status())
        self._count(rows)
        if (spent_s := now_s - self._traffic_at_s) >= TRAFFIC_EVERY_S:
            self._traffic_at_s = now_s
            self._put_traffic(board, spent_s)

    async def follow_peers(self, board: Board) -> None:
        """Everybody who is here, again and again; runs until cancelled."""
        clock = self._app.clock
        async with News(self._app.client, Watched(peers=True), clock) as news:
            while True:
                with contextlib.suppress(PanalError):  # the status says what is wrong
                    await self._put_peers(board)
                await clock.sleep(PEERS_AT_MOST_EVERY_S)
                await news.pause(PEERS_EVERY_S, PEERS_EVERY_S)

    async def _put_peers(self, board: Board) -> None:
        peers = (await self._node.peers())[:MOST_PEERS]
        rows = {p.name: PeerRow(p.name, p.host, p.port, p.reachable, p.files) for p in peers}
        board.put_rows("peers", rows)

    # Downloads and uploads ------------------------------------------------------------------

    def _row(self, download: Download) -> DownloadAnswer:
        known, record = self._rows.get(download.id), download.record
        if (
            known is not None
            and record.state not in _UNSETTLED
            and (known.state, known.priority) == (record.state, record.priority)
            and known.reason == download.reason
        ):
            return known  # there may be thousands that wait or have ended
        return download_answer(download)

    def _uploads(self, now_s: float) -> Iterator[UploadAnswer]:
        before, self._received = self._received, {}

        def rate_of(identity: str, here: int) -> float:
            since_s, had = before.get(identity, (now_s, here))
            self._received[identity] = now_s, here
            return max(0, here - had) / (now_s - since_s) if now_s > since_s else 0.0

        resumable = self._app.resumable
        for upload in resumable.unfinished():
            yield upload_row(resumable, upload, rate_of(upload.id, upload.offset))
        for incoming in self._app.uploads.incoming.values():
            here = incoming.received_bytes
            yield UploadAnswer(
                id=incoming.id,
                path=incoming.path,
                size=incoming.size_bytes,
                offset=here,
                rate_bytes_s=rate_of(incoming.id, here),
                state="storing" if incoming.is_all_here else "receiving",
                resumable=False,
                expires=None,
            )

    # Traffic --------------------------------------------------------------------------------

    def _count(self, rows: dict[str, DownloadAnswer]) -> None:
        before, self._fetched = self._fetched, Counter()
        for download_id, row in rows.items():
            for source in row.sources:  # one peer may be there under several addresses
                self._fetched[download_id, source.peer] += source.bytes
        for key, size_bytes in self._fetched.items():
            # Fewer than before: it has begun anew.
            more = size_bytes - before[key] if size_bytes >= before[key] else size_bytes
            if more:
                self._down_bytes += more
                self._came[key[1]] += more

    def _put_traffic(self, board: Board, spent_s: float) -> None:
        came, self._came = self._came, Counter()
        taken = list(self._app.traffic.taken())
        if spent_s > NO_RATE_AFTER_S:
            came, taken = Counter(), []
        takers = sorted(taken, key=lambda taking: -taking.size_bytes)[:MOST_TAKERS]
        was_moving, self._is_moving = self._is_moving, bool(came or taken)
        if not (was_moving or self._is_moving):
            return
        board.put(
            "traffic",
            TrafficEvent(
                at=self._app.clock.wall_s(),
                down_bytes_s=came.total() / spent_s,
                up_bytes_s=sum(taking.size_bytes for taking in taken) / spent_s,
                down_bytes=self._down_bytes,
                up_bytes=self._app.traffic.up_bytes,
                sources=[RateOfSource(peer, size / spent_s) for peer, size in came.most_common()],
                takers=[self._taker(taking, spent_s) for taking in takers],
            ),
        )

    def _taker(self, taking: Taking, spent_s: float) -> RateOfTaker:
        peer: str = taking.member or ""
        if not peer and taking.content is not None:
            names = self._app.contents.followers_at(taking.content, taking.host)
            peer = names[0] if len(names) == 1 else ""
        return RateOfTaker(
            peer=peer,
            host=taking.host,
            port=taking.port,
            rate_bytes_s=taking.size_bytes / spent_s,
            name=self._name(taking.content),
            content="" if taking.content is None else taking.content.hex(),
        )

    def _name(self, content: ContentId | None) -> str:
        if content is None:
            return ""
        if shared := self._app.index.by_content(content):
            return shared[0].path
        wanted = content.hex()
        return next((r.name for r in self._rows.values() if r.content == wanted and r.name), "")


class WatchedChunks:
    """The chunks of one download, for one who looks."""

    def __init__(self, app: PeerApp, download_id: str) -> None:
        self._app = app
        self._id = download_id
        self._swarm: Swarm | None = None
        """What works on it, or did last: what it came to stays to be seen."""

    def look(self) -> WatchedContent | None:
        """As they are now; None where there is nothing to see."""
        try:
            download = self._app.downloads.get(self._id)
        except NotFound:
            return None
        swarms = download.transfer.swarms()
        known = None if self._swarm is None else self._swarm.state
        if swarms and not any(swarm.state is known for swarm in swarms):
            self._swarm = max(swarms, key=lambda swarm: swarm.state.chunk_count)
        if self._swarm is None:
            return self._whole(download)
        is_running = any(swarm.state is self._swarm.state for swarm in swarms)
        manifest = self._swarm.manifest
        return WatchedContent(
            self._id,
            self._swarm.path,
            manifest.size_bytes,
            manifest.chunk_bytes,
            picture_of(self._swarm.state, is_running=is_running),
        )

    def _whole(self, download: Download) -> WatchedContent | None:
        size_bytes = download.record.size_bytes
        is_file = download_answer(download).files == 0
        if download.state is not State.DONE or not is_file:
            return None
        count, chunk_bytes = chunk_count_for(size_bytes), chunk_size_for(size_bytes)
        return WatchedContent(self._id, "", size_bytes, chunk_bytes, whole_picture(count))
