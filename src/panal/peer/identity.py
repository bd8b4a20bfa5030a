"""What makes a peer the owner of its name: a secret that stays here, and a count of starts."""

import os
import secrets
from pathlib import Path

from panal.errors import PanalError
from panal.store.disk_errors import disk_error, full_words
from panal.trust.files import private_folder, write_private
from panal.wire.catalogue import Caller
from panal.wire.ids import PeerName
from panal.wire.tracker import SECRET_BYTES

_SECRET_FILE = "owner-secret"  # noqa: S105 (a file name)
_EPOCH_FILE = "epoch"
_MOST_EPOCH = 2**62
"""Beyond it lies no clock: the file is damaged, and no tracker would take it."""


def has_begun(state: Path) -> bool:
    """Whether a peer has run with this state already."""
    return (state / _EPOCH_FILE).exists()


def begin_epoch(state: Path, name: PeerName, wall_s: float) -> Caller:
    """Who this peer is from now on: its secret, made once, and a larger epoch than ever.

    The epoch is the wall clock in milliseconds, or one more than the last where the clock
    was set back; so a copied or restored state directory does not repeat one.
    """
    try:
        private_folder(state)
        secret = _secret(state / _SECRET_FILE)
        epoch = _next_epoch(state / _EPOCH_FILE, int(wall_s * 1000))
    except OSError as error:
        raise disk_error(error, f"keep state in {state}") from None
    return Caller(name, secret, epoch)


def _secret(path: Path) -> bytes:
    if not path.exists():
        _write(path, secrets.token_bytes(SECRET_BYTES).hex())
    try:
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise PanalError(f"{path} is damaged; remove it, and the name is taken anew.")
    return secret


def _next_epoch(path: Path, wall_ms: int) -> int:
    try:
        last = int(path.read_text("ascii"))
    except (FileNotFoundError, ValueError):  # not there yet, or damaged
        last = 0
    epoch = max(wall_ms, last + 1 if 0 < last < _MOST_EPOCH else 0)
    try:
        _write(path, str(epoch))
    except OSError as error:
        if not last or not full_words(error):
            raise
        with path.open("r+b") as file:  # in the space that it has: what is here can be served
            file.write(f"{epoch}\n".encode("ascii"))
            os.fsync(file)
    return epoch


def _write(path: Path, text: str) -> None:
    write_private(path, text.encode("ascii") + b"\n")
