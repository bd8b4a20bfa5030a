"""Scripted peers that send wrong bytes, each in its way, beside one that is honest."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from tests.support.scripted_peer import ScriptedPeer, SendRange, honest


def _telling(change: Callable[[bytes], bytes]) -> SendRange:
    async def send(
        peer: ScriptedPeer, request: web.Request, start: int, stop: int
    ) -> web.StreamResponse:
        peer.reached.set()
        answer = await honest(peer, request, start, stop)
        assert isinstance(answer.body, bytes)
        answer.body = change(answer.body)
        return answer

    return send


LIES: dict[str, SendRange] = {
    "the first bit": _telling(lambda right: bytes([right[0] ^ 1]) + right[1:]),
    "the last bit": _telling(lambda right: right[:-1] + bytes([right[-1] ^ 128])),
    "nothing but zeros": _telling(lambda right: bytes(len(right))),
    "bytes from beside": _telling(lambda right: right[1:] + right[:1]),
}


@asynccontextmanager
async def among_liars(
    tracker: str, data: bytes, lies: Sequence[SendRange]
) -> AsyncIterator[tuple[ScriptedPeer, list[ScriptedPeer]]]:
    """One honest peer and the liars; it sends nothing before each of them was asked."""
    liars = [ScriptedPeer(f"liar-{number}", data, lie) for number, lie in enumerate(lies)]

    async def last(
        peer: ScriptedPeer, request: web.Request, start: int, stop: int
    ) -> web.StreamResponse:
        for liar in liars:
            await liar.reached.wait()
        return await honest(peer, request, start, stop)

    good = ScriptedPeer("good", data, last)
    async with AsyncExitStack() as stack:
        for peer in (good, *liars):
            await stack.enter_async_context(peer.running(tracker))
        yield good, liars
