"""Bytes by content id, the manifest, the availability stream, and the tracker's dial-back."""

from random import Random

from aiohttp import HttpVersion11, hdrs, web

from panal.errors import UsageError
from panal.peer.access import PROTOCOL_HEADER, Role, Route, json_answer
from panal.peer.content_answers import INERT, OCTETS, ContentAnswers, Wanted
from panal.peer.contents import Contents, OpenContent
from panal.peer.lanes import Lanes
from panal.peer.neighbourhood import MOST_PEERS, NamedPeer, NamedPeers
from panal.peer.never_sent import NeverSent
from panal.wire import bitfield
from panal.wire.address import dialling_problem, hearsay_problem
from panal.wire.catalogue import Provider
from panal.wire.dialback import NONCE_BYTES, hash_secret, proof_of
from panal.wire.have import opening
from panal.wire.ids import ContentId, parse_content_id, parse_peer_name
from panal.wire.manifest import chunk_count_for, chunk_size_for
from panal.wire.names import safe_path
from panal.wire.ranges import ByteRange

MOST_GRANTED = 64
"""So many chunks go out for one request at most, lest one client is granted all of a file."""


class ContentRoutes:
    """Serves what this peer has."""

    def __init__(
        self,
        contents: Contents,
        answers: ContentAnswers,
        lanes: Lanes,
        never_sent: NeverSent,
        owner_secret: bytes,
        chance: Random,
    ) -> None:
        self._contents = contents
        self._answers = answers
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
        return web.Response(body=encoded, content_type=OCTETS, headers=headers)

    async def have(self, request: web.Request) -> web.StreamResponse:
        """The chunks that are here, and each further one as it comes; without end."""
        content = parse_content_id(request.match_info["id"])
        availability = self._contents.follow(content, _follower(request))
        try:
            answer = web.StreamResponse(headers={**PROTOCOL_HEADER, **INERT})
            answer.content_type = OCTETS
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
        asker = request.remote or ""
        known = [
            follower
            for follower in self._contents.followers(content)
            if hearsay_problem(follower.host, follower.port, asker) is None
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
            async with self._lanes.of(is_peer=True).turn(request.remote or "", opened.close):
                if not opened.is_open:
                    opened = self._contents.open(content)
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
            hdrs.CONTENT_TYPE: OCTETS,
            "Panal-Chunks": f"{first}-{first + count - 1}",
        }
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("The receiver is gone.")
        return await self._answers.write(request, opened, Wanted(200, headers, [(b"", part)]))

    async def content(self, request: web.Request) -> web.StreamResponse:
        """A content's bytes, whole or in ranges."""
        content = parse_content_id(request.match_info["id"])
        name = request.match_info.get("name")
        return await self._answers.send(
            request,
            content,
            lambda: self._contents.open(content),
            None if name is None else safe_path(name),
        )


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
