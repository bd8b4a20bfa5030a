"""The owner's token, where the connection does not prove whose a command is.

It comes from a file or a pipe, never as a word of the command: every user of a machine can
read the words of every command.
"""

import asyncio
import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import aiohttp
import click
from aiohttp.connector import Connection
from yarl import URL

from panal.errors import Refused, UsageError
from panal.peer.local_user import LocalUser, server_at
from panal.wire.address import is_loopback

MOST_CHARACTERS = 1_000


class GivenToken(NamedTuple):
    """A token, and where it is known who keeps it."""

    text: str
    keeper_uid: int | None = None


def given_token() -> GivenToken | None:
    """The token of `--token-file`, if one was given; UsageError."""
    context = click.get_current_context(silent=True)
    named: Path | None = None if context is None else context.find_root().params.get("token_file")
    if named is None:
        return None
    try:
        is_piped = str(named) == "-"
        text = sys.stdin.readline() if is_piped else named.read_text("ascii")
        keeper_uid = None if is_piped else named.stat().st_uid
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"The token in {named} cannot be read: is it your peer's?") from None
    token = text.strip()
    if not token or len(token) > MOST_CHARACTERS or not token.isprintable():
        raise UsageError(f"There is no token in {named}.")
    return GivenToken(token, keeper_uid)


class OwnPeerConnector(aiohttp.TCPConnector):
    """Connects for a token: to what runs as this user, as root, or as whoever keeps its file.

    Refused else, before anything is sent: while a peer is down, every user of the machine may
    listen on its port.
    """

    def __init__(self, token: GivenToken) -> None:
        super().__init__(limit=0, force_close=True)
        self._uids = {os.getuid(), 0, token.keeper_uid}

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[aiohttp.tracing.Trace]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (as aiohttp calls it)
    ) -> Connection:
        """A connection that may be shown the token."""
        connection = await super().connect(req, traces, timeout)
        transport = connection.transport
        ends = [] if transport is None else _ends_of(transport)
        server = server_at(*ends) if len(ends) == 2 else LocalUser()
        if server.is_told and (server.uid is None or server.uid not in self._uids):
            connection.close()
            raise Refused(
                f"What listens on {req.url.host}:{req.url.port} is another user's, so it does not "
                "get the token. Is your peer running, and is the address right ('--peer')?"
            )
        return connection


def _ends_of(transport: asyncio.BaseTransport) -> list[tuple[str, int]]:
    ends = [transport.get_extra_info(name) for name in ("sockname", "peername")]
    return [end[:2] for end in ends if end is not None and is_loopback(end[0])]


def check_stays_here(url: str) -> None:
    """Refused where a token would go over a wire: whoever listens would be the owner."""
    host = URL(url).host or ""
    try:
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise Refused(
            f"The token is not sent to {host}: the way there can be listened to. Make a tunnel, "
            f"as with 'ssh -L 5000:127.0.0.1:5000 {host}', and ask http://127.0.0.1:5000."
        )
