"""A connection to PostgreSQL on which no question is waited for without doubts.

A server's own timeouts end nothing where it is stopped, or behind a cut: it says nothing then, and
a question would wait for as long as the system keeps the connection.
"""

from collections.abc import Callable, Generator
from time import monotonic
from typing import Any, Self, TypeAlias, TypeVar

import psycopg
from psycopg.rows import TupleRow

_Answer = TypeVar("_Answer")
# What psycopg runs: it yields what it waits for, and is sent what there is, 0 for nothing yet.
_Asking: TypeAlias = Generator[Any, Any, _Answer]

Connection: TypeAlias = "psycopg.Connection[TupleRow]"
Doubt: TypeAlias = Callable[[float], None]


class NoAnswer(psycopg.OperationalError):
    """A question was given up; nobody knows what became of it."""


class TakesNoWrites(psycopg.OperationalError):
    """It answers, and would refuse to change anything: a standby, or set to read only."""


class DoubtingConnection(psycopg.Connection[TupleRow]):
    """Asks `doubt` again and again while it waits for an answer."""

    doubt: Doubt | None = None
    """Told for how long; NoAnswer where that is enough, and then the connection is closed."""

    @classmethod
    def within(cls, most_s: float, **settings: Any) -> Self:
        """A new connection whose questions are each given up after so many seconds."""
        connection = cls.connect(**settings)

        def doubt(waited_s: float) -> None:
            if waited_s >= most_s:
                raise NoAnswer(f"no answer for {most_s:g} s")

        connection.doubt = doubt
        return connection

    def wait(self, gen: _Asking[_Answer], *args: Any, **named: Any) -> _Answer:
        """Psycopg's one place where a thread waits for the server."""
        if self.doubt is None:
            return super().wait(gen, *args, **named)
        try:
            return super().wait(_doubting(gen, self.doubt), *args, **named)
        except NoAnswer:
            self.close()
            raise


def _doubting(asking: _Asking[_Answer], doubt: Doubt) -> _Asking[_Answer]:
    began_s = monotonic()
    try:
        wanted = next(asking)
        while True:
            ready = yield wanted
            if not ready:
                doubt(monotonic() - began_s)
            wanted = asking.send(ready)
    except StopIteration as end:
        answer: _Answer = end.value
        return answer
