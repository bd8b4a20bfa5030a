"""Who came, was refused, sent something in, used a link: one line of JSON an event, on the disk.

Bounded, whatever others do: a file of 1 MiB and the one before it; of what strangers can cause
without end only some lines a minute, and then one that counts the rest. No line has a secret: no
address of a request is ever written, and a link for guests is named by its serial. A disk that
is full, fails or hangs costs lines, and nothing else.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from queue import Full, Queue

import msgspec

from panal.clock import Clock
from panal.errors import PanalError
from panal.wire.address import place_of

FILE = "audit.ndjson"
FILE_BEFORE = "audit.1.ndjson"
FILE_BYTES = 1024 * 1024
LINES_A_MINUTE = 10
"""Of what one address can cause without end."""
LINES_A_MINUTE_IN_ALL = 100
"""Of all addresses, so that who has many does not push everything else out of the file."""
MINUTE_S = 60.0
WAITING_LINES = 1_000
TEXT_CHARACTERS = 400
SETTLE_S = 2.0


class Event(msgspec.Struct, omit_defaults=True):
    """One line."""

    at: str
    """When, in UTC, as RFC 3339 writes it."""
    event: str
    """What: enrolled, removed, joined, left, lease-over, refused, uploaded, page-opened,
    guest-link-made, guest-link-used, guest-link-revoked, lost."""
    host: str = ""
    """The address that it came from."""
    name: str = ""
    """The peer that it is about."""
    what: str = ""
    """The file, the folder, or the route."""
    link: str = ""
    """The id of a link for guests, which opens nothing."""
    why: str = ""
    """The reason, in words."""
    left_out: int = 0
    """How many more such events there were, beyond those that have lines of their own."""


class Quota:
    """Of what strangers cause: so many lines a minute of one place, and so many in all; pure."""

    def __init__(self) -> None:
        self._since_s = 0.0
        self._told: dict[tuple[str, str], int] = {}
        """Lines in this minute, by event and place; at most as many as there may be in all."""
        self._left_out: dict[tuple[str, str], int] = {}
        """With no place: of all that came when there was no room for any line."""

    def admits(self, event: str, place: str, now_s: float) -> bool:
        """Whether it has a line of its own; else it is counted."""
        if not self._told:
            self._since_s = now_s
        told = self._told.get((event, place), 0)
        if told < LINES_A_MINUTE and sum(self._told.values()) < LINES_A_MINUTE_IN_ALL:
            self._told[event, place] = told + 1
            return True
        key = (event, place if told else "")
        self._left_out[key] = self._left_out.get(key, 0) + 1
        return False

    def over(self, now_s: float, *, at_once: bool = False) -> list[tuple[str, str, int]]:
        """What a minute that is over left out: event, place, how many; a new one begins then."""
        if now_s - self._since_s < MINUTE_S and not at_once:
            return []
        left_out = [(*key, count) for key, count in self._left_out.items()]
        self._told.clear()
        self._left_out.clear()
        return left_out


class AuditLog:
    """What one program notes; from one thread, which never waits for the disk."""

    def __init__(self, state: Path | None, clock: Clock) -> None:
        """Into a state directory; None notes nothing."""
        self._clock = clock
        self._quota = Quota()
        self._writer = None if state is None else _Writer(state)
        self.heard: Callable[[Event], None] = lambda event: None
        """Told of each line, on the loop."""

    def note(
        self,
        event: str,
        *,
        host: str = "",
        name: str = "",
        what: str = "",
        link: str = "",
        why: str = "",
        is_limited: bool = False,
    ) -> None:
        """One event; `is_limited` for what others can cause without end."""
        now_s = self._clock.now_s()
        self._say_left_out(now_s)
        if not is_limited or self._quota.admits(event, place_of(host), now_s):
            host, name, what, link, why = map(_bounded, (host, name, what, link, why))
            self._write(Event(self._time(), event, host, name, what, link, why))

    def last(self, most: int) -> list[Event]:
        """The last events, once those noted are on the disk or it takes too long; blocks.

        PanalError where they cannot be read.
        """
        if self._writer is None:
            return []
        self._writer.settle()
        return read_last(self._writer.state, most)

    def close(self) -> None:
        """Say what was left out, and write all."""
        self._say_left_out(self._clock.now_s(), at_once=True)
        if self._writer is not None:
            self._writer.close()

    def _say_left_out(self, now_s: float, *, at_once: bool = False) -> None:
        for event, place, count in self._quota.over(now_s, at_once=at_once):
            self._write(Event(self._time(), event, place, left_out=count))

    def _write(self, event: Event) -> None:
        self.heard(event)
        if self._writer is not None:
            self._writer.put(event)

    def _time(self) -> str:
        try:
            time = datetime.fromtimestamp(self._clock.wall_s(), UTC)
        except (ValueError, OverflowError, OSError):  # a clock beyond the calendar
            time = datetime.fromtimestamp(0, UTC)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bounded(text: str) -> str:
    """So long at most, and bytes that are no text escaped."""
    return text[:TEXT_CHARACTERS].encode("utf-8", "backslashreplace").decode()


class _Writer:
    """The file, and the thread that writes it: a daemon, so that no hanging disk keeps us here."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._waiting: Queue[Event | threading.Event | None] = Queue(WAITING_LINES)
        self._thread: threading.Thread | None = None
        self._descriptor: int | None = None
        self._size_bytes = 0
        self._is_torn = False
        """Whether the file ends within a line."""
        # Each is counted by one thread alone.
        self._turned_away = 0
        self._failed = 0
        self._told_lost = 0

    def put(self, event: Event) -> None:
        """Write it soon; what there is no room for is counted."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(event)
        except Full:
            self._turned_away += 1

    def settle(self) -> None:
        """Wait until what came before is written, or for SETTLE_S."""
        if self._thread is not None:
            reached = threading.Event()
            with contextlib.suppress(Full):
                self._waiting.put(reached, timeout=SETTLE_S)
                reached.wait(SETTLE_S)

    def close(self) -> None:
        """Write what waits, and end; for SETTLE_S at most."""
        if self._thread is not None:
            with contextlib.suppress(Full):
                self._waiting.put(None, timeout=SETTLE_S)
                self._thread.join(SETTLE_S)
            self._thread = None

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None:
            if isinstance(one, threading.Event):
                one.set()
                continue
            lost = self._turned_away + self._failed - self._told_lost
            if lost and self._is_written(Event(one.at, "lost", left_out=lost)):
                self._told_lost += lost
            if not self._is_written(one):
                self._failed += 1
        self._shut()

    def _is_written(self, event: Event) -> bool:
        line = msgspec.json.encode(event) + b"\n"
        try:
            descriptor = self._room_for(len(line) + 1)
            line = b"\n" * self._is_torn + line
            written = os.write(descriptor, line)
        except OSError:
            self._shut()  # the next line tries anew
            return False
        self._size_bytes += written
        self._is_torn = written < len(line)
        return not self._is_torn

    def _room_for(self, size_bytes: int) -> int:
        """The open file, another one begun where this one would grow too large; OSError."""
        if self._descriptor is not None and self._size_bytes + size_bytes > FILE_BYTES:
            self._shut()
            (self.state / FILE).replace(self.state / FILE_BEFORE)
        if self._descriptor is None:
            # Read too: does it end with a whole line?
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self.state / FILE, flags | os.O_NONBLOCK, 0o600)
            os.fchmod(self._descriptor, 0o600)
            self._size_bytes = os.fstat(self._descriptor).st_size
            end = os.pread(self._descriptor, 1, max(0, self._size_bytes - 1))
            self._is_torn = end not in {b"", b"\n"}
        return self._descriptor

    def _shut(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def read_last(state: Path, most: int) -> list[Event]:
    """The last events in a state directory, the newest last; what cannot be read is skipped.

    PanalError where the file cannot be opened, none where there is none yet.
    """
    lines = [line for file in (FILE_BEFORE, FILE) for line in _lines(state / file)]
    found: list[Event] = []
    for line in reversed(lines):
        if len(found) == most:
            break
        with contextlib.suppress(ValueError):  # what is no UTF-8 too
            found.append(msgspec.json.decode(line, type=Event))
    return found[::-1]


def _lines(path: Path) -> list[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(FILE_BYTES).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PanalError(f"{path} cannot be read: {error.strerror}.") from None
