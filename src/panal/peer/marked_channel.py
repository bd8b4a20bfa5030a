"""A channel whose calls say which request they are for, where they are for one.

Around the channel and not inside it: gRPC's own interceptors make a task of every call.
"""

from collections.abc import Callable
from typing import Any, cast

import grpc.aio

from panal import request_ids


class _Marked:
    """Everything of a channel, its calls marked."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.unary_unary = _marking(channel.unary_unary)
        self.unary_stream = _marking(channel.unary_stream)
        self.stream_unary = _marking(channel.stream_unary)
        self.stream_stream = _marking(channel.stream_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def __aenter__(self) -> "_Marked":
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *ended: Any) -> None:
        await self._channel.__aexit__(*ended)


def marked(channel: grpc.aio.Channel) -> grpc.aio.Channel:
    """The channel, its calls marked with the id of the request that is worked on."""
    return cast(grpc.aio.Channel, _Marked(channel))


def _marking(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(*described: Any, **how: Any) -> Callable[..., Any]:
        multicallable = make(*described, **how)

        def call(request: Any = None, *more: Any, **options: Any) -> Any:
            if (request_id := request_ids.current()) and not more:
                given = tuple(options.get("metadata") or ())
                options["metadata"] = (*given, (request_ids.METADATA, request_id))
            return multicallable(request, *more, **options)

        return call

    return made
