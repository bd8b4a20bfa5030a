"""The table: one line a figure, Panal beside a named program."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Aim:
    """What counts as reached."""

    ratio: float
    at_most: bool = False

    def holds(self, ratio: float) -> bool:
        """Whether a ratio reaches it."""
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.ratio:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    panal: str
    other: str
    """The program that it is compared with, and its figure."""
    ratio: float | None
    aim: Aim | None = None
    note: str = ""
    """What else was seen, or why it was skipped."""

    @property
    def holds(self) -> str:
        """yes, no, or nothing where there is no aim."""
        if self.aim is None or self.ratio is None:
            return ""
        return "yes" if self.aim.holds(self.ratio) else "NO"

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "aim": str(self.aim or ""), "holds": self.holds}


def skipped(name: str, reason: object) -> Row:
    """A line that says why there is no figure."""
    return Row(name, "", "", None, None, f"skipped: {reason}")


HEADINGS = ("row", "Panal", "other", "ratio", "aim", "holds", "note")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table whose columns line up."""
    lines = [HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    texts = (" | ".join(map(str.ljust, line, widths)) for line in lines)
    return "\n".join(f"| {text} |" for text in texts)


def document(about: str, rows: Sequence[Row]) -> str:
    """The page that keeps one run."""
    return f"""# Benchmarks

One run of `make bench`, as it came: what falls short stands beside what holds. The aims are those
of [ROADMAP.md](ROADMAP.md); [DESIGN.md](DESIGN.md) says what holds the others back. Another machine
gives other seconds and nearly the same ratios; `make bench BENCH='--write docs/BENCHMARKS.md'`
writes this page anew.

{about}

![How much of the file the receivers have over time](BENCHMARKS.svg)

The first row over time: each band reaches from the receiver that has least to the one that has
most. Dashed is the bound, which counts no packet headers.

{table(rows)}
"""


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    return (row.name, row.panal, row.other, ratio, str(row.aim or ""), row.holds, row.note)


def in_turn(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median seconds of each, run in turn so that all meet the same machine; prints each.

    Every second round in the opposite order: many disks give whoever comes after a pause more than
    they can keep up.
    """
    spent_s: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(rounds):
        for name in order:
            spent_s[name].append(contenders[name]())
        order.reverse()
    medians = {name: statistics.median(values) for name, values in spent_s.items()}
    for name, values in spent_s.items():
        listed = " ".join(f"{value:.2f}" for value in values)
        print(f"  {name:<22}{medians[name]:7.2f} s  ({listed})", flush=True)
    print(f"  load {os.getloadavg()[0]:.1f}", flush=True)
    return medians
