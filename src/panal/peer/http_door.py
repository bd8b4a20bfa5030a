"""The HTTP server that stands behind the chunk server, opened when it is first needed.

To load it takes longer than to fetch a small file, and a command that fetches is nearly always
asked for chunks alone.
"""

import asyncio
from collections.abc import Awaitable, Callable

Make = Callable[[], asyncio.Protocol]
"""What makes the protocol of one connection."""


class HttpDoor:
    """Opens once, whoever asks first."""

    def __init__(self, open_up: Callable[[], Awaitable[Make]]) -> None:
        self._open_up = open_up
        self._opening: asyncio.Future[Make] | None = None
        self._make: Make | None = None

    async def open(self) -> None:
        """Open it, if nobody has; whatever opening raises. Who asked may go meanwhile."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open_up())
        self._make = await asyncio.shield(self._opening)

    @property
    def is_open(self) -> bool:
        """Whether `protocol` can be called."""
        return self._make is not None

    def protocol(self) -> asyncio.Protocol:
        """For one more connection."""
        assert self._make is not None  # noqa: S101 (opened)
        return self._make()
