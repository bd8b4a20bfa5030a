"""Chunks of this peer's choice: each goes out once before any goes out twice."""

from collections.abc import Awaitable, Callable

from panal.peer.contents import Contents, OpenContent
from panal.peer.lanes import Lanes
from panal.peer.never_sent import NeverSent
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import chunk_count_for

MOST_GRANTED = 64
"""So many chunks go out for one request at most, lest one client is granted all of a file."""


class Granting:
    """Grants never-sent chunks to those whose turn it is."""

    def __init__(self, contents: Contents, lanes: Lanes, never_sent: NeverSent) -> None:
        self._contents = contents
        self._lanes = lanes
        self._never_sent = never_sent

    async def grant(
        self,
        content: ContentId,
        asked: bytes,
        most: int,
        host: str,
        send: Callable[[OpenContent, int, int], Awaitable[None]],
    ) -> bool:
        """Send chunks among those of the bitfield `asked`; False where none was never sent.

        `send` gets the open content, the first chunk and how many. What it does not send
        counts as never sent again. UsageError where `asked` is no bitfield of this content.
        """
        opened = self._contents.open(content)
        try:
            chunk_count = chunk_count_for(opened.size_bytes)
            among, most = bitfield.from_bytes(asked, chunk_count), min(most, MOST_GRANTED)
            if not opened.is_whole or not self._never_sent.has_any(content, chunk_count, among):
                return False
            async with self._lanes.of(is_peer=True).turn(host, opened.close):
                if not opened.is_open:
                    opened = self._contents.open(content)
                granted = self._never_sent.grant(content, chunk_count, among, most)
                if granted is None:
                    return False
                try:
                    await send(opened, *granted)
                except BaseException:
                    self._never_sent.give_back(content, *granted)
                    raise
                return True
        finally:
            opened.close()
