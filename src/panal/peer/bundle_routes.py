"""Many small contents in one answer."""

from aiohttp import web

from panal.errors import TooLarge
from panal.peer.access import Route
from panal.peer.content_answers import is_peer
from panal.peer.contents import Contents
from panal.peer.documented import Body
from panal.peer.http_answers import PROTOCOL_HEADER, SHARED_CONTENT
from panal.peer.lanes import Lanes
from panal.peer.roles import Role
from panal.peer.sending import Sender
from panal.peer.visitors import is_over_tls
from panal.wire.bundle import MAX_REQUEST_BYTES, BundleRequest, parse_request

TAR = "application/x-tar"


class BundleRoutes:
    """Serves small files in batches."""

    def __init__(self, contents: Contents, sender: Sender, lanes: Lanes) -> None:
        self._contents = contents
        self._sender = sender
        self._lanes = lanes

    def routes(self) -> list[Route]:
        """The route, with its role."""
        return [
            Route(
                "POST",
                "/api/v1/bundle",
                Role.MEMBER,
                self.bundle,
                takes=BundleRequest,
                gives=Body(TAR),
            )
        ]

    async def bundle(self, request: web.Request) -> web.StreamResponse:
        """A tar of the small contents that were asked for and are here, named by their ids.

        It lies in memory while it is sent: so its length is known before its head, and a file
        that changed is left out, where a stream would have to break off.
        """
        wanted = parse_request(await _body(request))
        lane = self._lanes.of(is_peer=is_peer(request))
        async with lane.turn(request.remote or ""):
            tar = await self._contents.bundle(wanted)
            answer = web.StreamResponse(headers={**PROTOCOL_HEADER, **SHARED_CONTENT})
            answer.content_type = TAR
            answer.content_length = len(tar)
            await answer.prepare(request)
            await answer.write(b"")  # the head, which aiohttp holds back for the first bytes
            if request.transport is None:
                raise ConnectionResetError("The receiver is gone.")
            if is_over_tls(request.transport):
                await answer.write(tar)
                self._sender.traffic.sent(request.transport, None, len(tar))
            else:
                await self._sender.send_bytes(request.transport, tar)
            await answer.write_eof()
        return answer


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    async for block in request.content.iter_any():
        body += block
        if len(body) > MAX_REQUEST_BYTES:
            raise TooLarge(f"The request for a bundle has more than {MAX_REQUEST_BYTES} bytes.")
    return bytes(body)
