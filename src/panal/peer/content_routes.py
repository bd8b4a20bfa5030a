"""Bytes by content id, the manifest, the availability stream, and the tracker's dial-back."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

from aiohttp import hdrs, web

from panal.errors import NotHereYet, UsageError
from panal.peer.access import PROTOCOL_HEADER, Role, Route, problem
from panal.peer.contents import Contents, OpenContent
from panal.peer.sending import Sender
from panal.wire.dialback import NONCE_BYTES, hash_secret, proof_of
from panal.wire.have import HEARTBEAT, HEARTBEAT_S, index_frame, opening
from panal.wire.ids import ContentId, parse_content_id
from panal.wire.names import safe_path
from panal.wire.ranges import (
    ByteRange,
    RangeNotSatisfiable,
    if_range_holds,
    multipart,
    none_match,
    parse_range,
)

RETRY_AFTER_S = 2
_OCTETS = "application/octet-stream"
# What a browser does with shared bytes: save them, never run them.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class ContentRoutes:
    """Serves what this peer has."""

    def __init__(self, contents: Contents, sender: Sender, owner_secret: bytes) -> None:
        self._contents = contents
        self._sender = sender
        self._owner_secret = owner_secret

    def routes(self) -> list[Route]:
        """The routes, each with its role."""
        member = Role.MEMBER
        return [
            Route("GET", "/content/{id}/manifest", member, self.manifest),
            Route("GET", "/content/{id}/have", member, self.have),
            Route("GET", "/content/{id}", member, self.content),
            Route("HEAD", "/content/{id}", member, self.content),
            Route("GET", "/content/{id}/{name}", member, self.content),
            Route("HEAD", "/content/{id}/{name}", member, self.content),
            Route("GET", "/dialback/{nonce}", Role.PUBLIC, self.dialback),
            Route("GET", "/healthz", Role.PUBLIC, self.health),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Alive."""
        return web.Response(text="ok\n", headers=PROTOCOL_HEADER)

    async def dialback(self, request: web.Request) -> web.Response:
        """Prove to the tracker that this address is this peer."""
        text = request.match_info["nonce"]
        try:
            nonce = bytes.fromhex(text)
        except ValueError:
            nonce = b""
        if len(nonce) != NONCE_BYTES or len(text) != 2 * NONCE_BYTES:
            raise UsageError(f"A nonce is {2 * NONCE_BYTES} hex digits.")
        return web.Response(text=proof_of(nonce, hash_secret(self._owner_secret)))

    async def manifest(self, request: web.Request) -> web.Response:
        """The canonical bytes of a manifest."""
        content = parse_content_id(request.match_info["id"])
        encoded = self._contents.encoded_manifest(content)
        headers = {**PROTOCOL_HEADER, **_INERT, hdrs.ETAG: f'"{content.hex()}"'}
        return web.Response(body=encoded, content_type=_OCTETS, headers=headers)

    async def have(self, request: web.Request) -> web.StreamResponse:
        """The chunks that are here, and each further one as it comes; without end."""
        content = parse_content_id(request.match_info["id"])
        availability = self._contents.follow(content)
        try:
            answer = web.StreamResponse(headers={**PROTOCOL_HEADER, **_INERT})
            answer.content_type = _OCTETS
            await answer.prepare(request)
            await answer.write(opening(availability.bits, availability.chunk_count))
            while frames := await _next_frames(availability.further):
                await answer.write(frames)
        finally:
            self._contents.unfollow(content, availability)
        return answer

    async def content(self, request: web.Request) -> web.StreamResponse:
        """A content's bytes, whole or in ranges."""
        content = parse_content_id(request.match_info["id"])
        name = request.match_info.get("name")
        opened = self._contents.open(content)
        try:
            return await self.send(
                request, content, opened, None if name is None else safe_path(name)
            )
        finally:
            opened.close()

    async def send(
        self,
        request: web.Request,
        content: ContentId,
        opened: OpenContent,
        name: str | None,
        *,
        by_path: bool = False,
    ) -> web.StreamResponse:
        """Answer with bytes of an open content, as the request's headers ask.

        `by_path` where the address is a path, under which there may be others tomorrow.
        """
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
                answer = problem(416, "range", f"The content has {size} bytes.")
                answer.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
                return answer
        wanted = ranges if ranges is not None else [ByteRange(0, size)]
        if not all(opened.has(part.start, part.stop) for part in wanted):
            answer = problem(503, NotHereYet.slug, "Those bytes are still being fetched.")
            answer.headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_S)
            return answer
        if ranges is not None and len(ranges) > 1:
            return await self._send_parts(request, opened, ranges, headers)
        if ranges is not None:
            headers[hdrs.CONTENT_RANGE] = wanted[0].content_range(size)
        pieces = [(b"", part) for part in wanted if part.length]
        status = 206 if ranges is not None else 200
        return await self._send_pieces(request, opened, status, headers, pieces, b"")

    async def _send_parts(
        self,
        request: web.Request,
        opened: OpenContent,
        ranges: list[ByteRange],
        headers: dict[str, str],
    ) -> web.StreamResponse:
        layout = multipart(ranges, opened.size_bytes, secrets.token_hex(16), _OCTETS)
        headers[hdrs.CONTENT_TYPE] = layout.content_type
        return await self._send_pieces(
            request, opened, 206, headers, list(layout.parts), layout.closing
        )

    async def _send_pieces(
        self,
        request: web.Request,
        opened: OpenContent,
        status: int,
        headers: Mapping[str, str],
        pieces: list[tuple[bytes, ByteRange]],
        closing: bytes,
    ) -> web.StreamResponse:
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = sum(len(head) + part.length for head, part in pieces) + len(closing)
        await answer.prepare(request)
        transport = request.transport
        if request.method == "HEAD" or transport is None:
            return answer
        # What breaks off below here ends the connection: access.py sees to it.
        for head, part in pieces:
            # Also with nothing in it: it sends the answer's head, which aiohttp holds
            # back for the first bytes of a body, and ours go round it.
            await answer.write(head)
            await self._sender.send(transport, opened, part)
        await answer.write_eof(closing)
        return answer


async def _next_frames(further: asyncio.Queue[int | None]) -> bytes:
    """What to say next on an availability stream; nothing to end it."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            index = await further.get()
    except TimeoutError:
        return index_frame(HEARTBEAT)
    frames = []
    while index is not None:
        frames.append(index_frame(index))
        if further.empty():
            return b"".join(frames)
        index = further.get_nowait()
    return b""


def _field(request: web.Request, name: str) -> str | None:
    """A header, several of the name as the list that they mean (RFC 9110, 5.3)."""
    values = request.headers.getall(name, None)
    return None if values is None else ", ".join(values)


def _headers(etag: str, name: str | None, opened: OpenContent, *, by_path: bool) -> dict[str, str]:
    headers = {
        **PROTOCOL_HEADER,
        **_INERT,
        hdrs.ETAG: etag,
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "no-cache" if by_path else "public, max-age=31536000, immutable",
        hdrs.CONTENT_TYPE: _OCTETS,
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
