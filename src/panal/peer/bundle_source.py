"""Bundles from one provider: asked for and received in a thread, over a blocking connection."""

import contextlib
import time
from collections.abc import Callable, Mapping

from panal.errors import IntegrityError, Unreachable
from panal.peer.calling import PLAIN, Calling
from panal.peer.provider_connection import ProviderConnection
from panal.peer.rate_limit import RateLimit
from panal.wire.bundle import MAX_BUNDLE_BYTES, bundle_bytes, encode_request
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId
from panal.wire.response import MAX_HEAD_BYTES, ResponseHead

STALL_S = 15.0
"""Without a byte for so long once the answer has begun, the provider is given up."""
REQUEST_S = 120.0
"""For a whole bundle from then on: slower than 35 kB/s is too slow."""
_UNKNOWN = {404, 405, 501}


class NoBundles(Exception):
    """This provider does not know the request."""


class BundleSource:
    """One connection, and the one buffer that every bundle over it lies in."""

    def __init__(self, provider: Provider, limit: RateLimit, calling: Calling = PLAIN) -> None:
        self._provider = provider
        self._limit = limit
        self._connection = ProviderConnection(provider, MAX_BUNDLE_BYTES + MAX_HEAD_BYTES, calling)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def cancel(self) -> None:
        """Make a running `receive` end at once, from any thread; for good."""
        self._connection.cancel()

    def receive(
        self,
        sizes_bytes: Mapping[ContentId, int],
        begun: Callable[[], object],
        held: Callable[[bool], None],
    ) -> tuple[memoryview, Unreachable | None]:
        """The bundle of these contents, good until the next call; and why it is not all of it.

        Nothing in it is verified. `begun` is called when the answer begins: until then the
        request waits in the provider's queue, for as long as nobody cancels it. `held` is told
        when our own rate limit begins and ends to hold it back. NoBundles, Unreachable where
        nothing came, IntegrityError where the answer is none.
        """
        try:
            head = self._ask(encode_request(sizes_bytes))
            begun()
            return self._body(self._length(head, bundle_bytes(sizes_bytes.values())), held)
        except (OSError, EOFError) as error:
            self.close()
            raise self._unreachable(error) from None
        except BaseException:
            self.close()
            raise

    def _unreachable(self, error: Exception) -> Unreachable:
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return Unreachable(f"{self._provider.peer} does not answer ({words})")

    def _length(self, head: ResponseHead, most_bytes: int) -> int:
        if head.status in _UNKNOWN:
            raise NoBundles
        if head.status != 200:
            raise Unreachable(f"{self._provider.peer} answered {head.status}")
        length = head.content_length
        if length is None or length > most_bytes:
            raise IntegrityError("announced more than was asked for")
        return length

    def _ask(self, body: bytes) -> ResponseHead:
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return self._connection.ask("POST", "/api/v1/bundle", fields, body)

    def _body(
        self, length: int, held: Callable[[bool], None]
    ) -> tuple[memoryview, Unreachable | None]:
        connection, buffer = self._connection, self._connection.buffer
        filled = len(connection.ahead)
        if filled > length:
            raise IntegrityError("sent more than it announced")
        buffer[:filled] = connection.ahead
        ends_s = time.monotonic() + REQUEST_S
        try:
            connection.wait_at_most(STALL_S)
            while filled < length:
                if time.monotonic() > ends_s:
                    raise TimeoutError
                most = length - filled
                connection.wake_at(connection.far_wake_bytes(most))
                if self._limit.is_on:
                    most = self._limit.piece_bytes(self._provider.peer, most)
                count = connection.receive(buffer[filled : filled + most])
                filled += count
                if self._limit.is_on:
                    ends_s += self._wait_under_limit(count, held)
        except (OSError, EOFError) as error:
            self.close()
            return buffer[:filled], self._unreachable(error)
        return buffer[:length], None

    def _wait_under_limit(self, size_bytes: int, held: Callable[[bool], None]) -> float:
        """Let the time pass that bytes take under the limit; how long that was, in seconds."""
        began_s = time.monotonic()
        try:
            with contextlib.closing(self._limit.waits(size_bytes, self._provider.peer)) as waits:
                for wait_s in waits:
                    held(True)
                    if self._connection.cancelled.wait(wait_s):
                        raise EOFError("cancelled")
        finally:
            held(False)
        return time.monotonic() - began_s
