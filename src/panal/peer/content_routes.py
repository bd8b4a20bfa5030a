"""Bytes by content id, the manifest, the availability stream, and the tracker's dial-back."""

import secrets
from base64 import b64encode
from collections.abc import Mapping
from random import Random
from urllib.parse import quote

from aiohttp import HttpVersion11, hdrs, web

from panal.errors import NotHereYet, UsageError
from panal.peer.access import PROTOCOL_HEADER, Role, Route, json_answer, problem
from panal.peer.contents import Contents, OpenContent
from panal.peer.lanes import Lanes
from panal.peer.neighbourhood import MOST_PEERS, NamedPeer, NamedPeers
from panal.peer.never_sent import NeverSent
from panal.peer.sending import Sender
from panal.wire import bitfield
from panal.wire.address import dialling_problem, is_loopback
from panal.wire.catalogue import Provider
from panal.wire.dialback import NONCE_BYTES, hash_secret, proof_of
from panal.wire.have import opening
from panal.wire.ids import ContentId, parse_content_id, parse_peer_name
from panal.wire.manifest import chunk_count_for, chunk_size_for
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
MOST_GRANTED = 64
"""So many chunks go out for one request at most, lest one client is granted all of a file."""
_OCTETS = "application/octet-stream"
# What a browser does with shared bytes: save them, never run them.
INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class ContentRoutes:
    """Serves what this peer has."""

    def __init__(
        self,
        contents: Contents,
        sender: Sender,
        lanes: Lanes,
        never_sent: NeverSent,
        owner_secret: bytes,
        chance: Random,
    ) -> None:
        self._contents = contents
        self._sender = sender
        self._lanes = lanes
        self._never_sent = never_sent
        self._owner_secret = owner_secret
        self._chance = chance

    def routes(self) -> list[Route]:
        """The routes, each with its role."""
        member = Role.MEMBER
        return [
            Route("GET", "/content/{id}/manifest", member, self.manifest),
            Route("GET", "/content/{id}/have", member, self.have),
            Route("GET", "/content/{id}/peers", member, self.peers, gives=NamedPeers),
            Route("POST", "/content/{id}/next", member, self.next, query="max=<chunks>"),
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
        headers = {**PROTOCOL_HEADER, **INERT, hdrs.ETAG: f'"{content.hex()}"'}
        return web.Response(body=encoded, content_type=_OCTETS, headers=headers)

    async def have(self, request: web.Request) -> web.StreamResponse:
        """The chunks that are here, and each further one as it comes; without end."""
        content = parse_content_id(request.match_info["id"])
        availability = self._contents.follow(content, _follower(request))
        try:
            answer = web.StreamResponse(headers={**PROTOCOL_HEADER, **INERT})
            answer.content_type = _OCTETS
            await answer.prepare(request)
            await answer.write(opening(availability.bits, availability.chunk_count))
            if request.transport is not None:
                chunked = request.version >= HttpVersion11
                await availability.stream(request.transport, chunked=chunked)
        finally:
            self._contents.unfollow(content, availability)
        return answer

    async def peers(self, request: web.Request) -> web.Response:
        """Who else fetches a content: a swarm outlives its tracker."""
        content = parse_content_id(request.match_info["id"])
        over_loopback = is_loopback(request.remote or "")
        known = [
            follower
            for follower in self._contents.followers(content)
            if over_loopback or not is_loopback(follower.host)
        ]
        chosen = self._chance.sample(known, min(MOST_PEERS, len(known)))
        named = [NamedPeer(p.peer, p.host, p.port) for p in chosen]
        return json_answer(NamedPeers(named))

    async def next(self, request: web.Request) -> web.StreamResponse:
        """Chunks of this peer's choice, never sent before, among those of the body's bitfield."""
        content = parse_content_id(request.match_info["id"])
        opened = self._contents.open(content)
        try:
            chunk_count = chunk_count_for(opened.size_bytes)
            among, most = await _choice(request, chunk_count)
            if not opened.is_whole or not self._never_sent.has_any(content, chunk_count, among):
                return web.Response(status=204, headers=PROTOCOL_HEADER)
            async with self._lanes.of(is_peer=True).turn():
                granted = self._never_sent.grant(content, chunk_count, among, most)
                if granted is None:
                    return web.Response(status=204, headers=PROTOCOL_HEADER)
                try:
                    return await self._send_granted(request, content, opened, granted)
                except BaseException:
                    self._never_sent.give_back(content, *granted)
                    raise
        finally:
            opened.close()

    async def _send_granted(
        self,
        request: web.Request,
        content: ContentId,
        opened: OpenContent,
        granted: tuple[int, int],
    ) -> web.StreamResponse:
        first, count = granted
        chunk_bytes = chunk_size_for(opened.size_bytes)
        stop = min(opened.size_bytes, (first + count) * chunk_bytes)
        part = ByteRange(first * chunk_bytes, stop)
        headers = {
            **PROTOCOL_HEADER,
            **INERT,
            hdrs.CONTENT_TYPE: _OCTETS,
            "Panal-Chunks": f"{first}-{first + count - 1}",
        }
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("The receiver is gone.")
        return await self._send_pieces(request, opened, 200, headers, [(b"", part)], b"")

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
                refusal = problem(416, "range", f"The content has {size} bytes.")
                refusal.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
                return refusal
        wanted = ranges if ranges is not None else [ByteRange(0, size)]
        if not all(opened.has(part.start, part.stop) for part in wanted):
            refusal = problem(503, NotHereYet.slug, "Those bytes are still being fetched.")
            refusal.headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_S)
            return refusal
        if ranges is not None and len(ranges) == 1:
            headers[hdrs.CONTENT_RANGE] = wanted[0].content_range(size)
        pieces, closing = [(b"", part) for part in wanted if part.length], b""
        if ranges is not None and len(ranges) > 1:
            layout = multipart(ranges, size, secrets.token_hex(16), _OCTETS)
            headers[hdrs.CONTENT_TYPE] = layout.content_type
            pieces, closing = list(layout.parts), layout.closing
        status = 206 if ranges is not None else 200
        if request.method == "HEAD":
            return await self._send_pieces(request, opened, status, headers, pieces, closing)
        async with self._lanes.of(is_peer=is_peer(request)).turn():
            answer = await self._send_pieces(request, opened, status, headers, pieces, closing)
        for _, part in pieces if is_peer(request) else ():
            self._never_sent.sent(content, *opened.chunks_in(part.start, part.stop))
        return answer

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


async def _choice(request: web.Request, chunk_count: int) -> tuple[int, int]:
    """The bitfield in a request's body, and how many chunks it wants at most."""
    length = (chunk_count + 7) // 8
    body = await request.content.read(length + 1)
    while len(body) <= length and not request.content.at_eof():
        body += await request.content.read(length + 1 - len(body))
    text = request.query.get("max", "1")
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 7 and int(text)):
        raise UsageError("max is a number of chunks.")
    return bitfield.from_bytes(body, chunk_count), min(int(text), MOST_GRANTED)


def _follower(request: web.Request) -> Provider | None:
    """Who follows, where it says how it can be followed: at the address that it comes from."""
    name, _, port = request.headers.get("Panal-Peer", "").rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5
    if not is_port or dialling_problem(request.remote or "", int(port)) is not None:
        return None
    try:
        return Provider(parse_peer_name(name), request.remote or "", int(port), complete=False)
    except UsageError:
        return None


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
        **INERT,
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
