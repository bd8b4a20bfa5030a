"""Bytes by content id, the manifest, the availability stream, and the tracker's dial-back."""

from collections import Counter
from functools import partial
from random import Random
from typing import Annotated

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from panal.errors import (
    ContentChanged,
    NotHereYet,
    RootOffline,
    TooLarge,
    Unreachable,
    UsageError,
)
from panal.peer.access import Route
from panal.peer.connections import OWNER
from panal.peer.content_answers import ContentAnswers, Wanted
from panal.peer.contents import UNKNOWN, Contents, OpenContent
from panal.peer.documented import (
    CONTENT_BYTES,
    FILE_BYTES,
    TEXT,
    ContentPath,
    NamedContentPath,
)
from panal.peer.granting import Granting
from panal.peer.http_answers import OCTETS, PROTOCOL_HEADER, SHARED_CONTENT, json_answer
from panal.peer.limits import HAVE_STREAMS_PER_ADDRESS
from panal.peer.neighbourhood import MOST_PEERS, NamedPeer, NamedPeers
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.peer.visitors import visitor_at
from panal.wire.address import hearsay_problem
from panal.wire.catalogue import Provider
from panal.wire.chunk_request import MAX_BODY_BYTES
from panal.wire.dialback import NONCE_BYTES, hash_secret, proof_of
from panal.wire.have import opening
from panal.wire.ids import parse_content_id, parse_peer_name, parse_zone
from panal.wire.names import safe_path

MAX_ASKED = 9_999_999


class NextQuery(msgspec.Struct):
    """How much of a peer's choice is wanted."""

    max: Annotated[int, msgspec.Meta(ge=1, le=MAX_ASKED)] = 1
    """How many chunks at most."""


class DialPath(msgspec.Struct):
    """What proves who answers."""

    nonce: Annotated[str, msgspec.Meta(pattern=f"^[0-9a-fA-F]{{{2 * NONCE_BYTES}}}$")]
    """What the tracker has made up, in hex."""


class ContentRoutes:
    """Serves what this peer has."""

    def __init__(
        self,
        contents: Contents,
        answers: ContentAnswers,
        granting: Granting,
        owner_secret: bytes,
        chance: Random,
    ) -> None:
        self._contents = contents
        self._answers = answers
        self._granting = granting
        self._owner_secret = owner_secret
        self._chance = chance
        self._streams: Counter[str] = Counter()
        """Who follows how many contents, by place."""

    def routes(self) -> list[Route]:
        """The routes, each with its role."""
        here = "/content/{id}"
        changes = (ContentChanged, RootOffline)
        of_content = partial(
            Route, role=Role.MEMBER, unknown=UNKNOWN, where=ContentPath, fails=changes
        )
        return [
            of_content("GET", here + "/manifest", handler=self.manifest, gives=FILE_BYTES),
            of_content(
                "GET",
                here + "/have",
                handler=self.have,
                gives=FILE_BYTES,
                fails=(*changes, Unreachable),
            ),
            of_content("GET", here + "/peers", handler=self.peers, gives=NamedPeers),
            of_content(
                "POST",
                here + "/next",
                handler=self.next,
                query=NextQuery,
                takes=FILE_BYTES,
                gives=FILE_BYTES,
                status=(200, 204),
                fails=(*changes, TooLarge, NotHereYet),
            ),
            *(
                of_content(
                    method, here + name, handler=self.content, where=where, gives=CONTENT_BYTES
                )
                for name, where in (("", ContentPath), ("/{name}", NamedContentPath))
                for method in ("GET", "HEAD")
            ),
            Route(
                "GET", "/dialback/{nonce}", Role.PUBLIC, self.dialback, where=DialPath, gives=TEXT
            ),
            Route("GET", "/healthz", Role.PUBLIC, self.health, gives=TEXT),
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
        headers = {**PROTOCOL_HEADER, **SHARED_CONTENT, hdrs.ETAG: f'"{content.hex()}"'}
        return web.Response(body=encoded, content_type=OCTETS, headers=headers)

    async def have(self, request: web.Request) -> web.StreamResponse:
        """The chunks that are here, and each further one as it comes; without end."""
        content = parse_content_id(request.match_info["id"])
        seat = _seat(request)
        if seat != OWNER and self._streams[seat] >= HAVE_STREAMS_PER_ADDRESS:
            raise Unreachable(f"You follow {HAVE_STREAMS_PER_ADDRESS} contents here already.")
        availability = self._contents.follow(content, _follower(request))
        self._streams[seat] += 1
        try:
            answer = web.StreamResponse(headers={**PROTOCOL_HEADER, **SHARED_CONTENT})
            answer.content_type = OCTETS
            await answer.prepare(request)
            await answer.write(opening(availability.bits, availability.chunk_count))
            if request.transport is not None:
                chunked = request.version >= HttpVersion11
                await availability.stream(request.transport, chunked=chunked)
        finally:
            self._contents.unfollow(content, availability)
            self._streams -= Counter([seat])
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
        named = [NamedPeer(p.peer, p.host, p.port, p.zone) for p in chosen]
        return json_answer(NamedPeers(named))

    async def next(self, request: web.Request) -> web.StreamResponse:
        """Chunks of this peer's choice, never sent before, among those of the body's bitfield."""
        content = parse_content_id(request.match_info["id"])
        body = await request.content.read(MAX_BODY_BYTES + 1)
        while len(body) <= MAX_BODY_BYTES and not request.content.at_eof():
            body += await request.content.read(MAX_BODY_BYTES + 1 - len(body))
        sent: list[web.StreamResponse] = []

        async def send(opened: OpenContent, first: int, count: int) -> None:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("The receiver is gone.")
            headers = {
                **PROTOCOL_HEADER,
                **SHARED_CONTENT,
                hdrs.CONTENT_TYPE: OCTETS,
                "Panal-Chunks": f"{first}-{first + count - 1}",
            }
            wanted = Wanted(200, headers, [(b"", opened.part_of(first, count))])
            sent.append(await self._answers.write(request, opened, wanted))

        host = request.remote or ""
        if await self._granting.grant(
            content, body, read_query(request, NextQuery).max, host, send
        ):
            return sent[0]
        return web.Response(status=204, headers=PROTOCOL_HEADER)

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


def _seat(request: web.Request) -> str:
    return "" if request.transport is None else visitor_at(request.transport).seat


def _follower(request: web.Request) -> Provider | None:
    """Who follows, where it says how it can be followed: at the address that it comes from."""
    name, _, port = request.headers.get("Panal-Peer", "").rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5
    asker = request.remote or ""
    if not is_port or not asker or hearsay_problem(asker, int(port), asker) is not None:
        return None
    try:
        zone = parse_zone(request.headers.get("Panal-Zone", ""))
        return Provider(parse_peer_name(name), asker, int(port), complete=False, zone=zone)
    except UsageError:
        return None
