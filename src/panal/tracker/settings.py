"""Where a tracker listens, who may come in, and where it keeps its records."""

from dataclasses import dataclass
from pathlib import Path

from panal.tracker.registry import LEASE_S, RENEW_S

DEFAULT_PORT = 50_051


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Where a tracker listens, who may come in, and where it keeps its records."""

    host: str = "127.0.0.1"
    """An IP literal or "localhost"; 0.0.0.0 or :: for all addresses of that family."""
    port: int = DEFAULT_PORT
    """0: any free one."""
    open: bool = False
    """Whoever reaches the port is trusted."""
    network: bool = False
    """Only members may call, over TLS. Beyond loopback it is so unless `open`; and from then on,
    for a state directory that has a network."""
    state_dir: Path | None = None
    """None: records in memory, and no network."""
    store: str | None = None
    """postgresql://…: records in a database, which other trackers may use too."""
    lease_s: float = LEASE_S
    renew_s: float = RENEW_S
    metrics: tuple[str, int] | None = None
    """Where metrics and probes are told over HTTP, to whoever asks; None: nowhere. Port 0: any."""
