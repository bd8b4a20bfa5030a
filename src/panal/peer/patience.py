"""How long a connection may take for what it does: a moment in, a verdict out; pure.

Whoever sends a head has a deadline; whoever sends a body or receives an answer has a least
rate, so that a long transfer may take its time and a trickle may not. Waiting for one's turn,
and for this peer's own disk or rate limit, is nobody's fault and costs no patience.
"""

from enum import Enum

import msgspec

from panal.peer.limits import HEAD_S, IDLE_S, LEAST_BYTES_S, SLOW_S


class Phase(Enum):
    """What a connection does."""

    HEAD = "head"
    """A request, or its head, is still to come."""
    BODY = "body"
    """A request's body is coming in."""
    ANSWER = "answer"
    """It is being answered, or waits for that."""
    ENDING = "ending"
    """Its last answer was given; what waits here of it is still to be taken."""


class Verdict(Enum):
    """What is to become of it."""

    KEEP = "keep"
    CUT = "cut"
    """It took too long: end it."""
    REFUSE = "refuse"
    """Its body comes too slowly: answer so."""


class Moment(msgspec.Struct, frozen=True):
    """A connection as it is now; numbers are totals since it began."""

    phase: Phase
    requests: int
    """Whole heads that came."""
    received_bytes: int
    sent_bytes: int = 0
    is_unsent: bool = False
    """Whether it has not yet taken all that was handed to it."""


class Pace:
    """Whether something moves at the least rate."""

    def __init__(self, now_s: float, moved_bytes: int) -> None:
        self._since_s = now_s
        self._bytes = moved_bytes

    def is_too_slow(self, now_s: float, moved_bytes: int) -> bool:
        """Whether it moved too little, once so much time is over; `moved_bytes` in all."""
        if now_s - self._since_s < SLOW_S:
            return False
        moved_since = moved_bytes - self._bytes
        is_too_slow = moved_since < LEAST_BYTES_S * (now_s - self._since_s)
        self._since_s, self._bytes = now_s, moved_bytes
        return is_too_slow


class Patience:
    """One connection's deadlines."""

    def __init__(self, now_s: float) -> None:
        self._phase = Phase.HEAD
        self._requests = 0
        self._head_until_s: float | None = now_s + HEAD_S
        """When the head must be whole; None before its first byte."""
        self._idle_until_s = now_s + IDLE_S
        self._received_bytes = 0
        self._pace = Pace(now_s, 0)
        self._is_refused = False

    def look(self, moment: Moment, now_s: float) -> Verdict:
        """What becomes of the connection now; to be asked every second or so."""
        has_changed = (moment.phase, moment.requests) != (self._phase, self._requests)
        self._phase, self._requests = moment.phase, moment.requests
        if has_changed:
            self._begin(moment, now_s)
        if moment.phase is Phase.HEAD:
            return self._head(moment, now_s)
        if moment.phase is Phase.BODY:
            return self._body(moment, now_s)
        if not moment.is_unsent:
            self._pace = Pace(now_s, moment.sent_bytes)
            return Verdict.KEEP
        slow = self._pace.is_too_slow(now_s, moment.sent_bytes)
        return Verdict.CUT if slow else Verdict.KEEP

    def _body(self, moment: Moment, now_s: float) -> Verdict:
        if not self._pace.is_too_slow(now_s, moment.received_bytes):
            return Verdict.KEEP
        was_refused, self._is_refused = self._is_refused, True
        return Verdict.CUT if was_refused else Verdict.REFUSE

    def _begin(self, moment: Moment, now_s: float) -> None:
        is_body = moment.phase is Phase.BODY
        self._pace = Pace(now_s, moment.received_bytes if is_body else moment.sent_bytes)
        self._received_bytes = moment.received_bytes
        self._is_refused = False
        self._head_until_s, self._idle_until_s = None, now_s + IDLE_S

    def _head(self, moment: Moment, now_s: float) -> Verdict:
        if self._head_until_s is None and moment.received_bytes > self._received_bytes:
            self._head_until_s = now_s + HEAD_S
        until_s = self._idle_until_s if self._head_until_s is None else self._head_until_s
        return Verdict.CUT if now_s >= until_s else Verdict.KEEP
