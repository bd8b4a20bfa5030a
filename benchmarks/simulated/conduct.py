"""What a simulated peer does besides what it should."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one peer behaves; as it stands, honestly and for good."""

    joins_s: float | None = None
    """None: with all others."""
    killed_s: float = inf
    is_liar: bool = False
    """It says that it has everything, and all that it sends is wrong."""
    disk_bytes_s: float = inf
    is_seed: bool = False
    """It has everything from the start, beside the scenario's own seed."""
