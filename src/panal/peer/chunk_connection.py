"""Chunks of one content over one connection to a provider: the fast path of receiving.

From the connection's buffer they go to the hash and the disk, all of it outside the
interpreter's lock.
"""

import contextlib
import time
from collections.abc import Callable

from panal.errors import IntegrityError
from panal.peer.calling import PLAIN, Calling
from panal.peer.provider_connection import WAKE_BYTES, ProviderConnection
from panal.peer.rate_limit import RateLimit
from panal.store.partial import ChunkTaken, PartialFile
from panal.swarm.chunk_source import CorruptChunk, SourceFailure
from panal.swarm.messages import Failure
from panal.trust.tls import identity_problem
from panal.wire import bitfield
from panal.wire.catalogue import Provider
from panal.wire.chunk_request import choice_fields, range_answer, range_fields
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.ranges import ByteRange
from panal.wire.response import parse_chunks, parse_head, refusal_words

BUFFER_BYTES = 256 * 1024
WAKE_EVERY_S = 0.05
"""What comes within so little time is taken at once: nobody looks more often than that."""
_ABSENT = {404, 410, 416, 503}
_NO_CHOICE = {204, 404, 405, 501}


class ChunkConnection:
    """Fetches chunks of one content, one request after the other."""

    def __init__(
        self,
        provider: Provider,
        content: ContentId,
        manifest: Manifest,
        limit: RateLimit,
        calling: Calling = PLAIN,
    ) -> None:
        self._provider = provider
        self._content = content
        self._manifest = manifest
        self._limit = limit
        self._connection = ProviderConnection(provider, BUFFER_BYTES, calling)
        self._body_bytes = 0
        """Of the running answer's body, what was not received yet."""
        self._wake_bytes = self._quick_bytes = WAKE_BYTES
        self.bytes_received = 0
        self.held_s = 0.0
        """How long our own limit kept bytes from coming."""

    def fetch(
        self,
        first: int,
        count: int,
        into: PartialFile,
        wrote: Callable[[int], None],
        *,
        gives_way: bool = False,
    ) -> None:
        """Fetch chunks `first` to `first + count - 1`; `wrote` follows each right one."""
        wanted = self._bytes_of(first, count)

        def transfer() -> None:
            self._ask(wanted, gives_way=gives_way)
            self._receive_chunks(first, count, into, wrote)

        self._guarded(transfer)

    def fetch_any(
        self,
        among: int,
        most: int,
        into: PartialFile,
        granted: Callable[[int, int], None],
        wrote: Callable[[int], None],
        *,
        gives_way: bool = False,
    ) -> None:
        """Fetch up to `most` chunks of the provider's choice; `granted` says which, before any."""

        def transfer() -> None:
            first, count = self._ask_any(among, most, gives_way=gives_way)
            granted(first, count)
            self._receive_chunks(first, count, into, wrote)

        self._guarded(transfer)

    def _guarded(self, transfer: Callable[[], None]) -> None:
        try:
            self._stop_if_cancelled()
            transfer()
        except ChunkTaken as error:
            self._connection.close()
            raise SourceFailure(Failure.TAKEN, str(error)) from None
        except (OSError, EOFError, IntegrityError) as error:
            self._connection.close()
            self._stop_if_cancelled()
            broken = not isinstance(error, IntegrityError)
            failure = Failure.BROKEN if broken else Failure.MISBEHAVED
            raise SourceFailure(failure, words_of(error)) from None
        except SourceFailure as error:
            if error.failure is not Failure.NOTHING_UNSENT:
                self._connection.close()
            raise
        except BaseException:
            self._connection.close()
            raise
        finally:
            self._connection.cancelled.clear()

    def forget_cancel(self) -> None:
        """A cancellation that came when nothing ran shall not end what runs next."""
        self._connection.cancelled.clear()

    def cancel(self) -> None:
        """Make a running fetch end at once, from any thread."""
        self._connection.cancel()

    def _stop_if_cancelled(self) -> None:
        if self._connection.cancelled.is_set():
            raise SourceFailure(Failure.CANCELLED, "cancelled")

    def _ask(self, wanted: ByteRange, *, gives_way: bool) -> None:
        raw = self._request("GET", "", range_fields(wanted, gives_way=gives_way))
        if raw == range_answer(wanted, self._manifest.size_bytes):
            return  # as nearly always: it says nothing else
        head = parse_head(raw)
        _check_refusal(head.status)
        content_range = head.fields.get("content-range")
        if head.status != 206 or content_range != wanted.content_range(self._manifest.size_bytes):
            raise IntegrityError(f"answered {head.status} with another range than was asked")
        if head.content_length != wanted.length:
            raise IntegrityError("announced another length than was asked")

    def _ask_any(self, among: int, most: int, *, gives_way: bool) -> tuple[int, int]:
        """The chunks that follow, as first and count."""
        body = bitfield.to_bytes(among, self._manifest.chunk_count)
        fields = choice_fields(body, gives_way=gives_way)
        head = parse_head(self._request("POST", f"/next?max={most}", fields, body))
        if head.status in _NO_CHOICE:
            if head.status != 204 and head.content_length != 0:
                self._connection.close()  # a text follows that nobody reads
            raise SourceFailure(Failure.NOTHING_UNSENT, f"answered {head.status}")
        _check_refusal(head.status)
        chosen = parse_chunks(head.fields.get("panal-chunks", ""))
        if head.status != 200 or chosen is None:
            raise IntegrityError(f"answered {head.status} and named no chunks")
        first, count = chosen
        asked = among >> first
        if count > most or asked & bitfield.full(count) != bitfield.full(count):
            raise IntegrityError("chose chunks that it was not asked for")
        if head.content_length != self._bytes_of(first, count).length:
            raise IntegrityError("announced another length than its chunks have")
        return chosen

    def _bytes_of(self, first: int, count: int) -> ByteRange:
        start, _ = self._manifest.chunk_range(first)
        offset, length = self._manifest.chunk_range(first + count - 1)
        return ByteRange(start, offset + length)

    def _request(self, method: str, below: str, fields: str, body: bytes = b"") -> bytes:
        path = f"/content/{self._content.hex()}{below}"
        return self._connection.ask_unread(method, path, fields, body)

    def _receive_chunks(
        self, first: int, count: int, into: PartialFile, wrote: Callable[[int], None]
    ) -> None:
        self._body_bytes = self._bytes_of(first, count).length - len(self._connection.ahead)
        for index in range(first, first + count):
            began_s, left_bytes = time.monotonic(), self._body_bytes
            self._wake_bytes = self._connection.far_wake_bytes(self._quick_bytes)
            self._receive_chunk(index, into)
            self._quick_bytes = quick_bytes(
                left_bytes - self._body_bytes, time.monotonic() - began_s
            )
            wrote(index)

    def _receive_chunk(self, index: int, into: PartialFile) -> None:
        writer = into.begin_chunk(index)
        try:
            while writer.remaining_bytes:
                writer.write(self._fill(min(writer.remaining_bytes, BUFFER_BYTES)))
        except BaseException:
            writer.abandon()
            raise
        if not writer.finish():
            raise CorruptChunk(index)

    def _fill(self, want: int) -> memoryview:
        """The next `want` bytes of the body, in the reused buffer."""
        connection, buffer, filled = self._connection, self._connection.buffer, 0
        if ahead := connection.ahead:
            part, connection.ahead = ahead[:want], ahead[want:]
            buffer[: len(part)] = part
            filled = len(part)
            self._count(filled)
            self._wake_seldom()
        while filled < want:
            most = want - filled
            if self._limit.is_on:
                most = self._limit.piece_bytes(self._provider.peer, most)
            count = connection.receive(buffer[filled : filled + most])
            self._body_bytes -= count
            self._wake_seldom()
            filled += count
            self._count(count)
        return buffer[:want]

    def _wake_seldom(self) -> None:
        # Not before the first bytes: they show that the wait is over.
        self._connection.wake_at(max(1, min(self._wake_bytes, self._body_bytes)))

    def _count(self, size_bytes: int) -> None:
        """Bytes came in: they count, and their time under the limit passes before the next.

        After them, so that a slow source holds no part of the budget while it is waited for.
        """
        self.bytes_received += size_bytes
        if not self._limit.is_on:
            return
        with contextlib.closing(self._limit.waits(size_bytes, self._provider.peer)) as waits:
            for wait_s in waits:
                self._connection.cancelled.wait(wait_s)
                self._stop_if_cancelled()
                self.held_s += wait_s


def quick_bytes(size_bytes: int, took_s: float) -> int:
    """What comes within WAKE_EVERY_S, where so much took so long; at least WAKE_BYTES."""
    return max(WAKE_BYTES, int(size_bytes * WAKE_EVERY_S / max(took_s, 1e-6)))


def _check_refusal(status: int) -> None:
    """SourceFailure for what is not here yet; ConnectionError for others: a refusal is no lie."""
    if status in _ABSENT:
        raise SourceFailure(Failure.NOT_HERE_YET, refusal_words(status))
    if status >= 400:
        raise ConnectionError(refusal_words(status))


def words_of(error: BaseException) -> str:
    """Why a connection failed, for people."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if (problem := identity_problem(error, "it")) is not None:
        return str(problem)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
