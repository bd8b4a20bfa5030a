"""What systemd is told of a program that it runs (sd_notify(3)): that it is ready, that it stops.

A datagram to the socket that the environment names; where it names none nothing is done.
"""

import contextlib
import os
import socket

READY = "READY=1"
STOPPING = "STOPPING=1"


def tell_service_manager(state: str) -> None:
    """Say how this program stands."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.sendto(state.encode("ascii"), address.replace("@", "\0", 1))
