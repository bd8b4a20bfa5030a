"""A content's bytes as an answer: which of them a request means, its turn, and the sending.

The file is open only while it is looked at and while it is sent, never while a request waits.
"""

import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import hdrs, web

from panal.errors import NotHereYet
from panal.peer.contents import OpenContent
from panal.peer.http_answers import OCTETS, PROTOCOL_HEADER, SHARED_CONTENT, problem
from panal.peer.lanes import Lanes
from panal.peer.never_sent import NeverSent
from panal.peer.sending import Sender
from panal.peer.visitors import is_over_tls
from panal.wire.ids import ContentId
from panal.wire.ranges import (
    ByteRange,
    RangeNotSatisfiable,
    if_range_holds,
    multipart,
    none_match,
    parse_range,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an answer with bytes consists of."""

    status: int
    headers: Mapping[str, str]
    pieces: list[tuple[bytes, ByteRange]]
    """Bytes of our own, then bytes of the file."""
    closing: bytes = b""


class ContentAnswers:
    """Answers requests for bytes, each when it has its turn."""

    def __init__(self, sender: Sender, lanes: Lanes, never_sent: NeverSent) -> None:
        self._sender = sender
        self._lanes = lanes
        self._never_sent = never_sent

    async def send(
        self,
        request: web.Request,
        content: ContentId,
        open_it: Callable[[], OpenContent],
        name: str | None,
        *,
        by_path: bool = False,
    ) -> web.StreamResponse:
        """Answer with bytes of a content, as the request's headers ask.

        `open_it` is called once more where the request had to wait: what it raises is the
        answer. `by_path` where the address is a path, under which there may be others tomorrow.
        """
        opened = open_it()
        try:
            wanted = _wanted(request, content, opened, name, by_path=by_path)
            if isinstance(wanted, web.Response):
                return wanted
            if request.method == "HEAD":
                return await self.write(request, opened, wanted)
            lane = self._lanes.of(is_peer=is_peer(request))
            async with lane.turn(request.remote or "", opened.close):
                if not opened.is_open:
                    opened = open_it()
                    wanted = _wanted(request, content, opened, name, by_path=by_path)
                    if isinstance(wanted, web.Response):
                        return wanted
                answer = await self.write(request, opened, wanted)
            for _, part in wanted.pieces if is_peer(request) else ():
                self._never_sent.sent(content, *opened.chunks_in(part.start, part.stop))
            return answer
        finally:
            opened.close()

    async def write(
        self, request: web.Request, opened: OpenContent, wanted: Wanted
    ) -> web.StreamResponse:
        """Send what is wanted, now."""
        answer = web.StreamResponse(status=wanted.status, headers=wanted.headers)
        length = sum(len(head) + part.length for head, part in wanted.pieces)
        answer.content_length = length + len(wanted.closing)
        await answer.prepare(request)
        transport = request.transport
        if request.method == "HEAD" or transport is None:
            return answer
        # What breaks off below here ends the connection: access.py sees to it.
        for head, part in wanted.pieces:
            # Also with nothing in it: it sends the answer's head, which aiohttp holds
            # back for the first bytes of a body, and ours go round it.
            await answer.write(head)
            if is_over_tls(transport):
                await self._sender.write(answer.write, opened, part, transport)
            else:
                await self._sender.send(transport, opened, part, is_verified=is_peer(request))
        await answer.write_eof(wanted.closing)
        return answer


def _wanted(
    request: web.Request,
    content: ContentId,
    opened: OpenContent,
    name: str | None,
    *,
    by_path: bool,
) -> Wanted | web.Response:
    """Which bytes, or the answer that has none."""
    etag = f'"{content.hex()}"'
    size = opened.size_bytes
    headers = _headers(etag, name, opened, by_path=by_path)
    if not none_match(_field(request, hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    ranges = None
    if request.method == "GET" and if_range_holds(_field(request, hdrs.IF_RANGE), etag):
        try:
            ranges = parse_range(_field(request, hdrs.RANGE), size)
        except RangeNotSatisfiable:
            refusal = problem(416, "range", f"The content has {size} bytes.")
            refusal.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
            return refusal
    parts = ranges if ranges is not None else [ByteRange(0, size)]
    if not all(opened.has(part.start, part.stop) for part in parts):
        return problem(503, NotHereYet.slug, "Those bytes are still being fetched.")
    if ranges is None:
        return Wanted(200, headers, [(b"", part) for part in parts if part.length])
    if len(ranges) == 1:
        headers[hdrs.CONTENT_RANGE] = parts[0].content_range(size)
        return Wanted(206, headers, [(b"", part) for part in parts if part.length])
    layout = multipart(ranges, size, secrets.token_hex(16), OCTETS)
    headers[hdrs.CONTENT_TYPE] = layout.content_type
    return Wanted(206, headers, list(layout.parts), layout.closing)


def is_peer(request: web.Request) -> bool:
    """Whether it is another peer that asks, as far as it says."""
    return "Panal-Protocol" in request.headers


def _field(request: web.Request, name: str) -> str | None:
    """A header, several of the name as the list that they mean (RFC 9110, 5.3)."""
    values = request.headers.getall(name, None)
    return None if values is None else ", ".join(values)


def _headers(etag: str, name: str | None, opened: OpenContent, *, by_path: bool) -> dict[str, str]:
    headers = {
        **PROTOCOL_HEADER,
        **SHARED_CONTENT,
        hdrs.ETAG: etag,
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "no-cache" if by_path else "public, max-age=31536000, immutable",
        hdrs.CONTENT_TYPE: OCTETS,
        hdrs.CONTENT_DISPOSITION: "attachment",
    }
    if name is not None:
        last = name.rpartition("/")[2]
        headers[hdrs.CONTENT_DISPOSITION] = f"attachment; filename*=UTF-8''{quote(last, safe='')}"
    if opened.sha256 is not None:
        headers.update(_digests(opened.sha256))
    return headers


def _digests(sha256: bytes) -> dict[str, str]:
    """RFC 9530, and the older Digest that aria2 reads."""
    text = b64encode(sha256).decode("ascii")
    return {"Repr-Digest": f"sha-256=:{text}:", "Digest": f"SHA-256={text}"}
