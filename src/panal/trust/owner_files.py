"""What a network's owner reads where the tracker keeps it: whoever can read this is the owner."""

from pathlib import Path

import msgspec

from panal.errors import NotFound, Refused

FOLDER = "network"
AUTHORITY_CERTIFICATE = "authority.pem"
OWNER_TOKEN = "owner-token"  # noqa: S105 (a file name)
ADDRESS = "address"


class OwnerAccess(msgspec.Struct, frozen=True):
    """How a network's owner calls its tracker."""

    address: str
    authority_pem: bytes
    token: bytes


def read_access(state: Path) -> OwnerAccess:
    """From a tracker's state directory; NotFound where it has no network, Refused to others."""
    folder = state / FOLDER
    try:
        return OwnerAccess(
            (folder / ADDRESS).read_text("ascii").strip(),
            (folder / AUTHORITY_CERTIFICATE).read_bytes(),
            bytes.fromhex((folder / OWNER_TOKEN).read_text("ascii")),
        )
    except PermissionError:
        raise Refused(
            f"{folder} is another user's: only who runs the tracker owns its network."
        ) from None
    except (OSError, ValueError):
        raise NotFound(
            f"There is no network in {state}. Ask where its tracker runs; a tracker that was "
            "started with --state has it there."
        ) from None
