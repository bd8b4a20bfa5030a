"""What surrounds every call: who may make it, parsing, a deadline, errors as clients see them.

An expected error becomes its status code, its sentence and its slug; anything else becomes
one sentence with a log id, and the traceback stays in the log.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from panal.audit import AuditLog
from panal.errors import NotRegistered, PanalError, Refused, UsageError
from panal.tracker.gate import Gate
from panal.wire.address import parse_address
from panal.wire.tracker import ERROR_METADATA

_log = logging.getLogger("panal.tracker")

DEFAULT_DEADLINE_S = 10.0
MAX_DETAILS_CHARACTERS = 1_000
"""Percent-encoded it must fit the 16 KiB that gRPC gives to all metadata."""

# Only the stubs know these classes as generic; hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Parse = Callable[[bytes], Any]


class CallGuard(grpc.aio.ServerInterceptor):
    """Lets the gate look at every call; guards those of some services."""

    def __init__(self, gate: Gate, audit: AuditLog, *services: str) -> None:
        self._gate = gate
        self._audit = audit
        self._prefixes = tuple(f"/{service}/" for service in services)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """The service's handler with the guard around it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        try:
            self._gate.check(method, handler_call_details.invocation_metadata)
        except PanalError as error:
            return _refusing(handler, error, self._audit)
        if not method.startswith(self._prefixes):
            return handler
        # Parsed here, because gRPC answers bytes that do not parse with INTERNAL.
        parse: _Parse = handler.request_deserializer or bytes
        answer: Any
        if handler.unary_unary is not None:
            answer = grpc.unary_unary_rpc_method_handler(
                _guard_unary(handler.unary_unary, parse, self._audit),
                None,
                handler.response_serializer,
            )
        elif handler.stream_unary is not None:
            answer = grpc.stream_unary_rpc_method_handler(
                _guard_stream(handler.stream_unary, parse, self._audit),
                None,
                handler.response_serializer,
            )
        else:
            raise NotImplementedError(method)
        return answer  # type: ignore[no-any-return]  # the stubs know synchronous handlers only


def _refusing(handler: Any, error: PanalError, audit: AuditLog) -> _Handler:
    """A handler of the same kind that takes nothing and refuses."""

    async def refuse(_: Any, context: Context) -> None:
        _note_refusal(context, error, audit)
        await _abort(context, error)

    async def refuse_streaming(_: Any, context: Context) -> AsyncIterator[None]:
        _note_refusal(context, error, audit)
        await _abort(context, error)
        yield

    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(refuse_streaming)
    kind = (
        grpc.stream_unary_rpc_method_handler
        if handler.request_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    return kind(refuse)


def _guard_unary(method: Any, parse: _Parse, audit: AuditLog) -> Any:
    async def guarded(raw: bytes, context: Context) -> Any:
        # Typed float, but None without a deadline.
        unlimited = context.time_remaining() is None
        try:
            async with asyncio.timeout(DEFAULT_DEADLINE_S if unlimited else None):
                return await method(_parsed(raw, parse), context)
        except Exception as error:
            _note_refusal(context, error, audit)
            await _abort(context, error)

    return guarded


def _guard_stream(method: Any, parse: _Parse, audit: AuditLog) -> Any:
    async def guarded(raws: AsyncIterator[bytes], context: Context) -> Any:
        try:
            return await method((_parsed(raw, parse) async for raw in raws), context)
        except Exception as error:
            _note_refusal(context, error, audit)
            await _abort(context, error)

    return guarded


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
            f"The tracker did not finish within {DEFAULT_DEADLINE_S:g} s.",
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


def host_in(peer: str) -> str:
    """The IP literal in gRPC's name for the other end, such as ``ipv6:%5B::1%5D:40000``."""
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        raise UsageError(f"The tracker is called over TCP, not over {family}.")
    literal = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    # A link-local caller has its interface appended, which is of the tracker's side only.
    return str(parse_address(literal.partition("%")[0]))
