"""What surrounds every call: who may make it, parsing, a deadline, errors as clients see them.

An expected error becomes its status code, its sentence and its slug; anything else becomes
one sentence with the request's id, and the traceback stays in the log under that.
"""

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from math import inf
from time import monotonic
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from panal import request_ids
from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import (
    NoSpace,
    NotRegistered,
    PanalError,
    Refused,
    TooSlow,
    Unreachable,
    UsageError,
)
from panal.tracker.call_counts import CallCounts
from panal.tracker.callers import Call, Context, host_and_place, request_id_in
from panal.tracker.deadlines import Deadlines
from panal.tracker.gate import HEALTH, NETWORK, TRACKER, Gate
from panal.tracker.limits import ANNOUNCE_PAUSE_S, CALLS_PER_ADDRESS, DEADLINE_S, MESSAGE_S
from panal.tracker.message_room import MessageRoom
from panal.tracker.readiness import STOPPING
from panal.wire.tracker import ERROR_METADATA
from panal.wire.tracker_catalogue import decoded_announcement

_log = logging.getLogger("panal.tracker")

_TOO_SLOW = f"A call's message is to come within {MESSAGE_S:g} s."
_NO_MESSAGE = "The call has no message."
_PAUSED = f"An announce may pause for {ANNOUNCE_PAUSE_S:g} s at most."
_NO_SUCH_MESSAGE = "The message does not follow the tracker's schema."
_UNREADABLE = (DecodeError, ValueError)
_OWN = (f"/{TRACKER}/", f"/{NETWORK}/")
"""Services whose handlers are given a `Call`; others want gRPC's context."""
NEARLY_LATE_S = 0.1
"""A caller ends its call at its deadline a little before ours, which gRPC rounds up."""
MAX_DETAILS_CHARACTERS = 1_000
"""Percent-encoded it must fit the 16 KiB that gRPC gives to all metadata."""

_Parse = Callable[[bytes], Any]
_Guarded = Callable[[AsyncIterator[bytes], Context], Awaitable[Any]]
_Answer = Callable[[AsyncIterator[bytes], Context, Any], Awaitable[Any]]
"""It is given what the handler wants to know of its call."""


class CallGuard:
    """Lets the gate look at every call, and gives none more room or time than it may have.

    Every call is taken as one whose messages stream in, which is the same on the wire: so this
    file waits for them, not gRPC, which would wait for ever and refuse nobody before. It stands
    around the handlers and is no interceptor: that makes a handler anew for each call. Between
    two steps of gRPC's each function costs several times what it does alone, so there are few.
    """

    def __init__(self, gate: Gate, audit: AuditLog, counts: CallCounts, clock: Clock) -> None:
        self._gate = gate
        self._audit = audit
        self._counts = counts
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        """Calls by where they come from."""
        self._deadlines = Deadlines()
        self._room = MessageRoom()
        self._is_stopping = False
        self._is_idle = asyncio.Event()
        """Set when a tracker that stops has no call under way."""

    def around(self, path: str, handler: Any) -> Any:
        """The handler of a call with the guard around it."""
        serialize = handler.response_serializer
        if handler.response_streaming:
            guarded = self._guarded(path, self._streaming(handler))
            return grpc.stream_stream_rpc_method_handler(guarded, None, serialize)
        answer = self._announcing(handler) if handler.request_streaming else self._unary(handler)
        return grpc.stream_unary_rpc_method_handler(self._guarded(path, answer), None, serialize)

    def _guarded(self, path: str, answer: _Answer) -> _Guarded:
        method = path.rpartition("/")[2]
        is_own = path.startswith(_OWN)
        is_looked_at = self._gate.looks_at(path)

        async def guarded(raws: AsyncIterator[bytes], context: Context) -> Any:
            metadata = context.invocation_metadata()
            call = Call(method, request_id_in(metadata), self._clock.now_s(), metadata)
            self._counts.under_way += 1
            try:
                self._come_in(call, context)
                if is_looked_at:
                    if (is_behind := self._gate.catch_up(path, metadata)) is not None:
                        await is_behind
                    self._gate.check(path, metadata)
                if self._is_stopping and path != HEALTH:
                    raise Unreachable(STOPPING)
                answered = await answer(raws, context, call if is_own else context)
                call.code = "OK"
                return answered
            except asyncio.CancelledError:
                call.code = _given_up(context)
                raise
            except Exception as error:
                await self._abort(call, context, error)
            finally:
                self._leave(call)

        return guarded

    def _unary(self, handler: Any) -> _Answer:
        parse, respond = handler.request_deserializer or bytes, handler.unary_unary
        deadlines, until_s = self._deadlines, self._deadlines.until_s

        async def answer(_: AsyncIterator[bytes], context: Context, given: Any) -> Any:
            message = None
            task = deadlines.begin(MESSAGE_S)
            try:
                # Not the iterator: one that is not read to its end costs a task to be closed.
                if (raw := await context.read()) is grpc.aio.EOF:
                    raise UsageError(_NO_MESSAGE)
                try:
                    message = parse(raw)
                except _UNREADABLE:
                    raise UsageError(_NO_SUCH_MESSAGE) from None
                # Typed float, but None without a deadline.
                is_bounded = context.time_remaining() is not None
                until_s[task] = inf if is_bounded else monotonic() + DEADLINE_S
                return await respond(message, given)
            except asyncio.CancelledError:
                if not deadlines.is_late(task):
                    raise
                raise TooSlow(_TOO_SLOW) if message is None else TimeoutError from None
            finally:
                if until_s.pop(task, None) is None:  # it was late; hardly any is
                    deadlines.end(task)

        return answer

    def _announcing(self, handler: Any) -> _Answer:
        """Around the one call whose messages stream in."""

        async def answer(raws: AsyncIterator[bytes], _: Context, given: Any) -> Any:
            async with aclosing(self._announcements(raws)) as messages:
                return await handler.stream_unary(messages, given)

        return answer

    async def _announcements(self, raws: AsyncIterator[bytes]) -> AsyncGenerator[Any]:
        """Messages of a stream, which may pause but not for ever; each has its place until the
        next is asked for."""
        coming = aiter(raws)
        while True:
            try:
                async with asyncio.timeout(ANNOUNCE_PAUSE_S):
                    raw = await anext(coming)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise UsageError(_PAUSED) from None
            async with self._room.place(len(raw)):
                yield _message_in(raw, decoded_announcement)

    def _streaming(self, handler: Any) -> _Answer:
        parse = handler.request_deserializer or bytes

        async def answer(raws: AsyncIterator[bytes], context: Context, given: Any) -> None:
            if handler.request_streaming:  # gRPC's own reflection
                messages = (_message_in(raw, parse) async for raw in raws)
                answers = handler.stream_stream(messages, given)
            else:
                answers = handler.unary_stream(await self._one(context, parse), given)
            if inspect.isasyncgen(answers):
                async for one in answers:
                    await context.write(one)
            else:
                await answers  # it writes by itself

        return answer

    async def _one(self, context: Context, parse: _Parse) -> Any:
        task = self._deadlines.begin(MESSAGE_S)
        try:
            return _message_in(await context.read(), parse)
        except asyncio.CancelledError:
            if not self._deadlines.is_late(task):
                raise
            raise TooSlow(_TOO_SLOW) from None
        finally:
            self._deadlines.end(task)

    async def drain(self, most_s: float) -> None:
        """Refuse every further call, so that peers ask another tracker; wait for those that run."""
        self._is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while self._counts.under_way:
                    self._is_idle.clear()
                    await self._is_idle.wait()

    def _come_in(self, call: Call, context: Context) -> None:
        """Note where a call comes from, but for loopback. Raises where too many do."""
        if call.request_id:
            request_ids.begin(call.request_id)  # for this call's own task
        call.host, place = host_and_place(context.peer())
        if not place:
            return
        if self._under_way[place] >= CALLS_PER_ADDRESS:
            raise Unreachable("Too many calls come from this address; try again in a moment.")
        self._under_way[place] += 1
        call.place = place

    def _leave(self, call: Call) -> None:
        if place := call.place:
            self._under_way[place] -= 1
            if not self._under_way[place]:
                del self._under_way[place]
        self._counts.end(call.method, call.code, self._clock.now_s() - call.began_s)
        if self._is_stopping:
            self._is_idle.set()

    async def _abort(self, call: Call, context: Context, error: Exception) -> None:
        try:
            await self._refuse(call, context, error)
        finally:
            # gRPC keeps what ends a call, that knows this error, whose frames hold the message
            # and gRPC's own: each refusal would stand until garbage is looked for.
            error.__traceback__ = error.__context__ = None

    async def _refuse(self, call: Call, context: Context, error: Exception) -> None:
        _note_refusal(call, error, self._audit)
        if isinstance(error, grpc.aio.AbortError):
            call.code = "UNKNOWN"  # a handler's own; ours raise errors
            raise error
        meaning = _meaning(call, error)
        call.code = meaning.grpc_code
        self._counts.without_room += isinstance(meaning, NoSpace)
        # Without a slug where it was not in time: its caller asks another tracker then.
        given = [] if isinstance(error, TimeoutError) else [(ERROR_METADATA, meaning.slug)]
        if call.request_id:
            given.append((request_ids.METADATA, call.request_id))
        await context.abort(
            grpc.StatusCode[meaning.grpc_code],
            str(meaning)[:MAX_DETAILS_CHARACTERS],
            trailing_metadata=tuple(given),
        )


def _given_up(context: Context) -> str:
    """How a call counts that ended from outside: by its caller, or by its time."""
    left_s = context.time_remaining()
    if left_s is None:
        return "CANCELLED"
    return "DEADLINE_EXCEEDED" if left_s <= NEARLY_LATE_S else "CANCELLED"


def _message_in(raw: Any, parse: _Parse) -> Any:
    """A message as it was read."""
    if raw is grpc.aio.EOF:
        raise UsageError(_NO_MESSAGE)
    try:
        return parse(raw)
    except _UNREADABLE:
        raise UsageError(_NO_SUCH_MESSAGE) from None


def _note_refusal(call: Call, error: Exception, audit: AuditLog) -> None:
    # Whoever is not registered any more comes back by itself: that refuses nobody.
    if isinstance(error, Refused) and not isinstance(error, NotRegistered):
        audit.note("refused", host=call.host, why=str(error), is_limited=True)


def _meaning(call: Call, error: Exception) -> PanalError:
    """What a client is told; what is no client's business is logged, under the request's id."""
    if isinstance(error, PanalError):
        return error
    if isinstance(error, TimeoutError):
        return TooSlow(f"The tracker did not finish within {DEADLINE_S:g} s.")
    call.request_id = call.request_id or request_ids.new_id()
    request_ids.begin(call.request_id)
    _log.error("a call failed; request id %s", call.request_id, exc_info=error)
    return PanalError(f"The tracker failed; request id {call.request_id}")
