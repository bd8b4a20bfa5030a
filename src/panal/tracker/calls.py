"""What surrounds every call: parsing, a deadline, and errors as a client may see them.

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

from panal.errors import PanalError, UsageError
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
    """Guards the calls of one service; those of others pass."""

    def __init__(self, service: str) -> None:
        self._prefix = f"/{service}/"

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """The service's handler with the guard around it."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefix):
            return handler
        # Parsed here, because gRPC answers bytes that do not parse with INTERNAL.
        parse: _Parse = handler.request_deserializer or bytes
        answer: Any
        if handler.unary_unary is not None:
            answer = grpc.unary_unary_rpc_method_handler(
                _guard_unary(handler.unary_unary, parse), None, handler.response_serializer
            )
        elif handler.stream_unary is not None:
            answer = grpc.stream_unary_rpc_method_handler(
                _guard_stream(handler.stream_unary, parse), None, handler.response_serializer
            )
        else:
            raise NotImplementedError(handler_call_details.method)
        return answer  # type: ignore[no-any-return]  # the stubs know synchronous handlers only


def _guard_unary(method: Any, parse: _Parse) -> Any:
    async def guarded(raw: bytes, context: Context) -> Any:
        # Typed float, but None without a deadline.
        unlimited = context.time_remaining() is None
        try:
            async with asyncio.timeout(DEFAULT_DEADLINE_S if unlimited else None):
                return await method(_parsed(raw, parse), context)
        except Exception as error:
            await _abort(context, error)

    return guarded


def _guard_stream(method: Any, parse: _Parse) -> Any:
    async def guarded(raws: AsyncIterator[bytes], context: Context) -> Any:
        try:
            return await method((_parsed(raw, parse) async for raw in raws), context)
        except Exception as error:
            await _abort(context, error)

    return guarded


def _parsed(raw: bytes, parse: _Parse) -> Any:
    try:
        return parse(raw)
    except (DecodeError, ValueError):
        raise UsageError("The message does not follow the tracker's schema.") from None


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
