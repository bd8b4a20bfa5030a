"""What surrounds every call: who may make it, parsing, a deadline, errors as clients see them.

An expected error becomes its status code, its sentence and its slug; anything else becomes
one sentence with the request's id, and the traceback stays in the log under that.
"""

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from panal import request_ids
from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import NotRegistered, PanalError, Refused, TooSlow, Unreachable, UsageError
from panal.tracker.call_counts import CallCounts
from panal.tracker.deadlines import Deadlines
from panal.tracker.gate import HEALTH, Gate, Metadata
from panal.tracker.limits import CALLS_PER_ADDRESS, DEADLINE_S, MESSAGE_S
from panal.tracker.readiness import STOPPING
from panal.wire.address import is_loopback, parse_address, place_of
from panal.wire.tracker import ERROR_METADATA

_log = logging.getLogger("panal.tracker")

_TOO_SLOW = f"A call's message is to come within {MESSAGE_S:g} s."
NEARLY_LATE_S = 0.1
"""A caller ends its call at its deadline a little before ours, which gRPC rounds up."""
MAX_DETAILS_CHARACTERS = 1_000
"""Percent-encoded it must fit the 16 KiB that gRPC gives to all metadata."""

# Only the stubs know these classes as generic; hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Parse = Callable[[bytes], Any]


@dataclass(slots=True)
class _Call:
    """One call, as it is counted."""

    path: str
    method: str
    """The last part of its path."""
    metadata: Metadata
    request_id: str
    """Its caller's, or one of ours where it fails; empty for none."""
    code: str = "CANCELLED"
    """How it ended, unless its caller went first."""


class CallGuard:
    """Lets the gate look at every call, and gives none more room or time than it may have.

    Every call is taken as one whose messages stream in, which is the same on the wire: so this
    file waits for them, not gRPC, which would wait for ever and refuse nobody before. It stands
    around the handlers and is no interceptor: that makes a handler anew for each call.
    """

    def __init__(self, gate: Gate, audit: AuditLog, counts: CallCounts, clock: Clock) -> None:
        self._gate = gate
        self._audit = audit
        self._counts = counts
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        """Calls by where they come from."""
        self._deadlines = Deadlines()
        self._is_stopping = False
        self._is_idle = asyncio.Event()
        """Set when a tracker that stops has no call under way."""

    def around(self, path: str, handler: Any) -> Any:
        """The handler of a call with the guard around it."""
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(path, handler), None, handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(
            self._single(path, handler), None, handler.response_serializer
        )

    def _single(self, path: str, handler: Any) -> Any:
        answered = _answered_stream if handler.request_streaming else self._answered
        method = path.rpartition("/")[2]

        async def guarded(raws: AsyncIterator[bytes], context: Context) -> Any:
            call = _called(path, method, context)
            began_s = self._begin(call)
            place = ""
            try:
                place = self._place(context)
                if (is_behind := self._gate.catch_up(path, call.metadata)) is not None:
                    await is_behind
                self._let_in(call)
                answer = await answered(handler, raws, context)
                call.code = "OK"
                return answer
            except asyncio.CancelledError:
                call.code = _given_up(context)
                raise
            except Exception as error:
                await self._abort(call, context, error)
            finally:
                if place:
                    self._leave(place)
                self._end(call, began_s)

        return guarded

    def _streaming(self, path: str, handler: Any) -> Any:
        method = path.rpartition("/")[2]

        async def guarded(raws: AsyncIterator[bytes], context: Context) -> None:
            call = _called(path, method, context)
            began_s = self._begin(call)
            place = ""
            try:
                place = self._place(context)
                if (is_behind := self._gate.catch_up(path, call.metadata)) is not None:
                    await is_behind
                self._let_in(call)
                if handler.request_streaming:
                    answers = handler.stream_stream(_messages(raws, handler), context)
                else:
                    answers = handler.unary_stream(await self._one(context, handler), context)
                if inspect.isasyncgen(answers):
                    async for answer in answers:
                        await context.write(answer)
                else:
                    await answers  # it writes by itself
                call.code = "OK"
            except asyncio.CancelledError:
                call.code = _given_up(context)
                raise
            except Exception as error:
                await self._abort(call, context, error)
            finally:
                if place:
                    self._leave(place)
                self._end(call, began_s)

        return guarded

    async def _answered(self, handler: Any, _: AsyncIterator[bytes], context: Context) -> Any:
        message = None
        try:
            with self._deadlines.within(MESSAGE_S) as deadline:
                # Not the iterator: one that is not read to its end costs a task to be closed.
                message = _message_in(await context.read(), handler)
                # Typed float, but None without a deadline.
                is_bounded = context.time_remaining() is not None
                deadline.begin_anew(None if is_bounded else DEADLINE_S)
                return await handler.unary_unary(message, context)
        except TimeoutError:
            if message is None:
                raise TooSlow(_TOO_SLOW) from None
            raise

    async def _one(self, context: Context, handler: Any) -> Any:
        try:
            with self._deadlines.within(MESSAGE_S):
                return _message_in(await context.read(), handler)
        except TimeoutError:
            raise TooSlow(_TOO_SLOW) from None

    async def drain(self, most_s: float) -> None:
        """Refuse every further call, so that peers ask another tracker; wait for those that run."""
        self._is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while self._counts.under_way:
                    self._is_idle.clear()
                    await self._is_idle.wait()

    def _end(self, call: "_Call", began_s: float) -> None:
        self._counts.end(call.method, call.code, self._clock.now_s() - began_s)
        if self._is_stopping:
            self._is_idle.set()

    def _begin(self, call: "_Call") -> float:
        self._counts.begin()
        if call.request_id:
            request_ids.begin(call.request_id)  # for this call's own task
        return self._clock.now_s()

    async def _abort(self, call: "_Call", context: Context, error: Exception) -> None:
        _note_refusal(context, error, self._audit)
        if isinstance(error, grpc.aio.AbortError):
            call.code = "UNKNOWN"  # a handler's own; ours raise errors
            raise error
        meaning = _meaning(call, error)
        call.code = meaning.grpc_code
        # Without a slug where it was not in time: its caller asks another tracker then.
        given = [] if isinstance(error, TimeoutError) else [(ERROR_METADATA, meaning.slug)]
        if call.request_id:
            given.append((request_ids.METADATA, call.request_id))
        await context.abort(
            grpc.StatusCode[meaning.grpc_code],
            str(meaning)[:MAX_DETAILS_CHARACTERS],
            trailing_metadata=tuple(given),
        )

    def _let_in(self, call: "_Call") -> None:
        """Raises what refuses it."""
        self._gate.check(call.path, call.metadata)
        if self._is_stopping and call.path != HEALTH:
            raise Unreachable(STOPPING)

    def _place(self, context: Context) -> str:
        """Note where a call comes from; empty for loopback. Raises where too many do."""
        host = caller_host(context)
        if is_loopback(host):
            return ""
        place = place_of(host)
        if self._under_way[place] >= CALLS_PER_ADDRESS:
            raise Unreachable("Too many calls come from this address; try again in a moment.")
        self._under_way[place] += 1
        return place

    def _leave(self, place: str) -> None:
        self._under_way[place] -= 1
        if not self._under_way[place]:
            del self._under_way[place]


def _called(path: str, method: str, context: Context) -> _Call:
    metadata = context.invocation_metadata()
    return _Call(path, method, metadata, request_id_in(metadata))


async def _answered_stream(handler: Any, raws: AsyncIterator[bytes], context: Context) -> Any:
    return await handler.stream_unary(_messages(raws, handler), context)


def _given_up(context: Context) -> str:
    """How a call counts that ended from outside: by its caller, or by its time."""
    left_s = context.time_remaining()
    if left_s is None:
        return "CANCELLED"
    return "DEADLINE_EXCEEDED" if left_s <= NEARLY_LATE_S else "CANCELLED"


class GuardedServer:
    """Takes a server's place where services are added to it, so that none is without the guard."""

    def __init__(self, server: grpc.aio.Server, guard: CallGuard) -> None:
        self._server = server
        self._guard = guard

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """As the server's own."""
        guarded = tuple(_GuardedHandlers(one, self._guard) for one in handlers)
        self._server.add_generic_rpc_handlers(guarded)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Nothing, as the server's own: they are among the others."""


class _GuardedHandlers(grpc.GenericRpcHandler):
    def __init__(self, handlers: grpc.GenericRpcHandler, guard: CallGuard) -> None:
        self._handlers = handlers
        self._guard = guard
        self._guarded: dict[str, _Handler] = {}
        """Of the calls that there are; strangers' inventions are not kept."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> _Handler:
        """The handler of a call; None where there is none."""
        path = handler_call_details.method
        if (known := self._guarded.get(path)) is None:
            handler = self._handlers.service(handler_call_details)
            if handler is None:
                return None
            known = self._guarded[path] = self._guard.around(path, handler)
        return known


async def _messages(raws: AsyncIterator[bytes], handler: Any) -> AsyncIterator[Any]:
    parse = handler.request_deserializer or bytes
    async for raw in raws:
        yield _parsed(raw, parse)


def _message_in(raw: Any, handler: Any) -> Any:
    """The one message of a call, as it was read."""
    if raw is grpc.aio.EOF:
        raise UsageError("The call has no message.")
    return _parsed(raw, handler.request_deserializer or bytes)


def _parsed(raw: bytes, parse: _Parse) -> Any:
    try:
        return parse(raw)
    except (DecodeError, ValueError):
        raise UsageError("The message does not follow the tracker's schema.") from None


def _note_refusal(context: Context, error: Exception, audit: AuditLog) -> None:
    # Whoever is not registered any more comes back by itself: that refuses nobody.
    if isinstance(error, Refused) and not isinstance(error, NotRegistered):
        audit.note("refused", host=caller_host(context), why=str(error), is_limited=True)


def _meaning(call: "_Call", error: Exception) -> PanalError:
    """What a client is told; what is no client's business is logged, under the request's id."""
    if isinstance(error, PanalError):
        return error
    if isinstance(error, TimeoutError):
        return TooSlow(f"The tracker did not finish within {DEADLINE_S:g} s.")
    call.request_id = call.request_id or request_ids.new_id()
    request_ids.begin(call.request_id)
    _log.error("a call failed; request id %s", call.request_id, exc_info=error)
    return PanalError(f"The tracker failed; request id {call.request_id}")


def request_id_in(metadata: Metadata) -> str:
    """What a caller calls its request; empty where it has no name for it."""
    for key, value in metadata or ():
        if key == request_ids.METADATA:
            return request_ids.accepted(value)
    return ""


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
