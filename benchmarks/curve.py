"""A distribution over time: how much each receiver has, drawn as SVG for a document."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.hosts import Host

EVERY_S = 0.25
WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 28, 40
COLOURS = ("#c77700", "#3b6ea5")


@dataclass(slots=True)
class Curve:
    """What every receiver had received, sampled."""

    size_bytes: int
    points: list[tuple[float, tuple[float, ...]]] = field(default_factory=list)
    """Seconds since the beginning, and the share of the file by receiver."""
    _before: dict[Host, int] = field(default_factory=dict)
    _next_s: float = 0.0

    def begin(self, hosts: Sequence[Host]) -> None:
        """Nothing has been received yet."""
        self._before = {host: host.received_bytes() for host in hosts}

    def sample(self, began_s: float) -> None:
        """Look, unless that was a moment ago; `began_s` is when it all began."""
        at_s = time.monotonic() - began_s
        if at_s < self._next_s:
            return
        self._next_s = at_s + EVERY_S
        self.points.append((at_s, tuple(self._share(host) for host in self._before)))

    def _share(self, host: Host) -> float:
        return min(1.0, (host.received_bytes() - self._before[host]) / self.size_bytes)


def svg(title: str, curves: Mapping[str, Curve], bound_s: float) -> str:
    """Each program's receivers as a band from the last to the first, and the bound's line."""
    last_s = max((curve.points[-1][0] for curve in curves.values() if curve.points), default=1.0)

    def place(at_s: float, share: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * at_s / last_s
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="16">{title}</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = place(0.0, share).split(",")
        parts.append(f'<path d="M{x},{y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{float(y) + 4}" text-anchor="end">{share:.0%}</text>'
        )
    for at_s in range(0, int(last_s) + 1, max(1, int(last_s) // 8)):
        x = place(at_s, 0.0).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 22}" text-anchor="middle">{at_s} s</text>')
    line = f"M{place(0.0, 0.0)}L{place(bound_s, 1.0)}"
    parts.append(f'<path d="{line}" stroke="#888" stroke-dasharray="4 4" fill="none"/>')
    legend = [("bound", "#888")]
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        upper = [place(at_s, max(shares)) for at_s, shares in curve.points]
        lower = [place(at_s, min(shares)) for at_s, shares in curve.points]
        band = " ".join([*upper, *reversed(lower)])
        parts.append(f'<polygon points="{band}" fill="{colour}" fill-opacity="0.35"/>')
        parts.append(f'<polyline points="{" ".join(lower)}" stroke="{colour}" fill="none"/>')
        legend.append((name, colour))
    for number, (name, colour) in enumerate(legend):
        left = LEFT + 130 * number
        parts.append(f'<text x="{left}" y="{HEIGHT - 6}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
