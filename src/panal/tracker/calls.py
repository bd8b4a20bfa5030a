"""What surrounds every call: who may make it, parsing, a deadline, errors as clients see them.

An expected error becomes its status code, its sentence and its slug; anything else becomes
one sentence with a log id, and the traceback stays in the log.
"""

import asyncio
import inspect
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from panal.audit import AuditLog
from panal.errors import NotRegistered, PanalError, Refused, TooSlow, Unreachable, UsageError
from panal.tracker.gate import Gate
from panal.tracker.limits import CALLS_PER_ADDRESS, DEADLINE_S, MESSAGE_S
from panal.wire.address import is_loopback, parse_address, place_of
from panal.wire.tracker import ERROR_METADATA

_log = logging.getLogger("panal.tracker")

MAX_DETAILS_CHARACTERS = 1_000
"""Percent-encoded it must fit the 16 KiB that gRPC gives to all metadata."""

# Only the stubs know these classes as generic; hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Parse = Callable[[bytes], Any]


class CallGuard(grpc.aio.ServerInterceptor):
    """Lets the gate look at every call, and gives none more room or time than it may have.

    Every call is taken as one whose messages stream in, which is the same on the wire: so this
    file waits for them, not gRPC, which would wait for ever and refuse nobody before.
    """

    def __init__(self, gate: Gate, audit: AuditLog) -> None:
        self._gate = gate
        self._audit = audit
        self._under_way: Counter[str] = Counter()
        """Calls by where they come from."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """The service's handler with the guard around it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        refused: PanalError | None = None
        try:
            self._gate.check(handler_call_details.method, handler_call_details.invocation_metadata)
        except PanalError as error:
            refused = error
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(handler, refused), None, handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(
            self._single(handler, refused), None, handler.response_serializer
        )

    def _single(self, handler: Any, refused: PanalError | None) -> Any:
        async def guarded(raws: AsyncIterator[bytes], context: Context) -> Any:
            try:
                with self._place(context, refused):
                    if handler.request_streaming:
                        return await handler.stream_unary(_messages(raws, handler), context)
                    message = await _one(context, handler)
                    # Typed float, but None without a deadline.
                    unlimited = context.time_remaining() is None
                    async with asyncio.timeout(DEADLINE_S if unlimited else None):
                        return await handler.unary_unary(message, context)
            except Exception as error:
                _note_refusal(context, error, self._audit)
                await _abort(context, error)

        return guarded

    def _streaming(self, handler: Any, refused: PanalError | None) -> Any:
        async def guarded(raws: AsyncIterator[bytes], context: Context) -> None:
            try:
                with self._place(context, refused):
                    if handler.request_streaming:
                        answers = handler.stream_stream(_messages(raws, handler), context)
                    else:
                        answers = handler.unary_stream(await _one(context, handler), context)
                    if not inspect.isasyncgen(answers):
                        await answers  # it writes by itself
                        return
                    async for answer in answers:
                        await context.write(answer)
            except Exception as error:
                _note_refusal(context, error, self._audit)
                await _abort(context, error)

        return guarded

    @contextmanager
    def _place(self, context: Context, refused: PanalError | None) -> Iterator[None]:
        if refused is not None:
            raise refused
        host = caller_host(context)
        if is_loopback(host):
            yield
            return
        place = place_of(host)
        if self._under_way[place] >= CALLS_PER_ADDRESS:
            raise Unreachable("Too many calls come from this address; try again in a moment.")
        self._under_way[place] += 1
        try:
            yield
        finally:
            self._under_way[place] -= 1
            if not self._under_way[place]:
                del self._under_way[place]


async def _one(context: Context, handler: Any) -> Any:
    # Not the iterator of messages: one that is not read to its end costs a task to be closed.
    try:
        async with asyncio.timeout(MESSAGE_S):
            raw = await context.read()
    except TimeoutError:
        raise TooSlow(f"A call's message is to come within {MESSAGE_S:g} s.") from None
    if raw is grpc.aio.EOF:
        raise UsageError("The call has no message.")
    return _parsed(raw, handler.request_deserializer or bytes)


async def _messages(raws: AsyncIterator[bytes], handler: Any) -> AsyncIterator[Any]:
    parse = handler.request_deserializer or bytes
    async for raw in raws:
        yield _parsed(raw, parse)


def _parsed(raw: bytes, parse: _Parse) -> Any:
    try:
        return parse(raw)
    except (DecodeError, ValueError):
        raise UsageError("The message does not follow the tracker's schema.") from None


def _note_refusal(context: Context, error: Exception, audit: AuditLog) -> None:
    # Whoever is not registered any more comes back by itself: that refuses nobody.
    if isinstance(error, Refused) and not isinstance(error, NotRegistered):
        audit.note("refused", host=caller_host(context), why=str(error), is_limited=True)


async def _abort(context: Context, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, TimeoutError):
        await context.abort(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            f"The tracker did not finish within {DEADLINE_S:g} s.",
        )
    if not isinstance(error, PanalError):
        log_id = secrets.token_hex(4)
        _log.error("a call failed; log id %s", log_id, exc_info=error)
        error = PanalError(f"The tracker failed; log id {log_id}")
    await context.abort(
        grpc.StatusCode[error.grpc_code],
        str(error)[:MAX_DETAILS_CHARACTERS],
        trailing_metadata=((ERROR_METADATA, error.slug),),
    )


def caller_host(context: Context) -> str:
    """The IP literal that a call came from, an IPv4-mapped one unwrapped."""
    return host_in(context.peer())


@lru_cache(maxsize=16_384)
def host_in(peer: str) -> str:
    """The IP literal in gRPC's name for the other end, such as ``ipv6:%5B::1%5D:40000``."""
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        raise UsageError(f"The tracker is called over TCP, not over {family}.")
    literal = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    # A link-local caller has its interface appended, which is of the tracker's side only.
    return str(parse_address(literal.partition("%")[0]))
