"""How a download looks while it runs: one line with a bar on a terminal, few words elsewhere."""

import re
import sys
from typing import TYPE_CHECKING, Self

import click

from panal.answers import DownloadAnswer, VerifyProgress
from panal.clock import Clock
from panal.wire.amounts import size_words
from panal.wire.names import printable

if TYPE_CHECKING:
    from rich.progress import Progress

SOURCES_NAMED = 4
LEAST_SHARE_NAMED = 0.01
"""What sends less of all that comes has as good as stopped: its rate is an average running out."""
SAY_EVERY_S = 10.0
"""So often a line says how it goes where no bar can."""


def time_words(seconds: float) -> str:
    """A duration as people read it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(answer: DownloadAnswer) -> str:
    """What happens now: rate and sources while bytes come, else why none do."""
    if answer.state == "paused":
        return f"paused; 'panal downloads resume {answer.id}' lets it go on"
    if answer.reason:
        return answer.reason
    if 0 < answer.size <= answer.bytes_done:
        return "all of it is here, and is being put in its place"
    least = max(1.0, answer.rate_bytes_s * LEAST_SHARE_NAMED)
    sources = [s for s in answer.sources if s.rate_bytes_s >= least]
    sources.sort(key=lambda source: -source.rate_bytes_s)
    named = [f"{s.peer} {size_words(s.rate_bytes_s)}/s" for s in sources[:SOURCES_NAMED]]
    if len(sources) > SOURCES_NAMED:
        named.append(f"{len(sources) - SOURCES_NAMED} more")
    left = f"  {time_words(answer.eta_s)} left" if answer.eta_s is not None else ""
    whence = f"  from {', '.join(named)}" if named else ""
    return f"{size_words(answer.rate_bytes_s)}/s{left}{whence}"


def _without_counts(reason: str) -> str:
    """A reason without its seconds and sizes, which change all the time."""
    return re.sub(r"\b[0-9.]+ (?=[a-zA-Z]+\b)", "", reason)


class _Line:
    """One line with a bar on stderr, on a terminal only; use it as a context."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._bar = _bar() if enabled and sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> "Progress":
    from rich.console import Console  # slow to load, and of use on a terminal alone
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    name, whole = Column(no_wrap=True, max_width=30), Column(no_wrap=True)
    words = Column(overflow="fold")  # a reason goes on in further lines; it is never cut short
    bar = Progress(
        TextColumn("{task.fields[name]}", markup=False, table_column=name),
        BarColumn(bar_width=24, table_column=whole),
        TextColumn("{task.percentage:>3.0f} %", markup=False, table_column=whole),
        TextColumn("{task.fields[words]}", markup=False, table_column=words),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task("", total=None, name="", words="")
    return bar


class VerifyLine(_Line):
    """Draws how far re-reading has come."""

    def show(self, step: VerifyProgress) -> None:
        """Draw it as it stands."""
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=step.bytes,
                total=step.of_bytes or None,
                name="verify",
                words=f"{step.files} of {step.of_files} files, {size_words(step.bytes)}",
            )


class ProgressLine(_Line):
    """Draws a download; off a terminal it says now and then how it goes, and why nothing moves."""

    def __init__(self, clock: Clock, *, enabled: bool) -> None:
        super().__init__(enabled=enabled)
        self._clock = clock
        self._said_s = clock.now_s()
        self._last_reason = ""
        self._banned: set[str] = set()

    def show(self, answer: DownloadAnswer) -> None:
        """Draw the download as it stands."""
        self._name_banned(answer)
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=answer.bytes_done,
                total=answer.size or None,
                name=printable(answer.name or answer.what)[1:-1],
                words=describe(answer),
            )
            return
        if self._enabled:
            self._say(answer)

    def _name_banned(self, answer: DownloadAnswer) -> None:
        banned = {source.peer for source in answer.sources if source.state == "banned"}
        for peer in sorted(banned - self._banned) if self._enabled else ():
            said = f"{peer} is not used any more: it sent something wrong, which was not kept."
            if self._bar is not None:
                self._bar.console.print(said, markup=False, highlight=False)
            else:
                click.echo(said, err=True)
        self._banned |= banned

    def _say(self, answer: DownloadAnswer) -> None:
        reason = describe(answer) if answer.state in {"waiting", "paused"} else ""
        if reason:
            is_due = self._clock.now_s() - self._said_s >= SAY_EVERY_S
            is_same = _without_counts(reason) == _without_counts(self._last_reason)
            if reason != self._last_reason and (is_due or not is_same):
                click.echo(reason if answer.state == "paused" else f"waiting: {reason}", err=True)
                self._last_reason = reason
                self._said_s = self._clock.now_s()
        elif answer.state == "running" and self._clock.now_s() - self._said_s >= SAY_EVERY_S:
            self._said_s = self._clock.now_s()
            percent = f"{answer.bytes_done * 100 // answer.size} %  " if answer.size else ""
            click.echo(f"{percent}{describe(answer)}", err=True)
