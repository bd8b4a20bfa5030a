"""Panal: files exchanged between your own machines, in verified chunks, with no file server.

The names here load on first use: `import panal` alone is light.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["PanalError", "Peer", "Tracker", "TrackerServer", "__version__", "sync"]

if TYPE_CHECKING:
    from panal import sync
    from panal.asking import Tracker
    from panal.errors import PanalError
    from panal.python import Peer, TrackerServer

_WHERE = {
    "PanalError": "panal.errors",
    "Peer": "panal.python",
    "Tracker": "panal.asking",
    "TrackerServer": "panal.python",
}


def __getattr__(name: str) -> object:
    import importlib

    if name == "sync":
        return importlib.import_module("panal.sync")
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'panal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
