"""Whose process is at the other end of a loopback connection, where the system tells.

Linux tells of a single socket, or else lists every one with its owner in /proc/net/tcp and tcp6.
Elsewhere, and where that cannot be read, nothing is known. The only file that reads it.
"""

import os
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import msgspec

from panal.peer.socket_diag import ESTABLISHED, LISTENING, Endpoint, owner_told, socket_told
from panal.wire.address import parse_address

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# Once a process has closed its socket the kernel lists it as root's: only a connection that
# is still held open says whose it is.
_ESTABLISHED = "01"
_LISTENING = "0A"


class LocalUser(msgspec.Struct, frozen=True):
    """Whoever is at the other end of a loopback connection."""

    uid: int | None = None
    """None where no such open socket is listed."""
    is_told: bool = True
    """Whether the system tells at all."""

    @property
    def is_ours(self) -> bool:
        """Whether it is this process's user or root, or nobody can tell."""
        return not self.is_told or self.uid in {0, os.getuid()}

    @property
    def place(self) -> str:
        """What sessions and limits know it by; empty where it holds its end no more."""
        if not self.is_told:
            return "this machine"
        return "" if self.uid is None else f"user {self.uid}"


def user_at(client: Endpoint, server: Endpoint) -> LocalUser:
    """Who holds the client's end of a connection."""
    owner = owner_told(client, server) if sys.platform == "linux" else None
    if owner is None:
        tables = [path.read_text("ascii") for path in _TABLES if path.exists()]
        if not tables:
            return LocalUser(is_told=False)
        owner = owner_of(client, server, tables)
    return LocalUser(owner)


def server_at(client: Endpoint, server: Endpoint) -> LocalUser:
    """Who holds the server's end of a connection, or, where it is not accepted yet, listens."""
    nowhere = ("::" if ":" in server[0] else "0.0.0.0", 0)  # noqa: S104 (nothing is bound)
    if sys.platform == "linux":
        found = socket_told(server, client)
        if found is not None and found.state == ESTABLISHED and found.inode:
            return LocalUser(found.uid)
        found = socket_told(server, nowhere)
        if found is not None and found.state == LISTENING:
            return LocalUser(found.uid)
    tables = [path.read_text("ascii") for path in _TABLES if path.exists()]
    if not tables:
        return LocalUser(is_told=False)
    return LocalUser(server_of(client, server, tables))


def server_of(client: Endpoint, server: Endpoint, tables: list[str]) -> int | None:
    """The same by the tables, or None where they list nothing."""
    pairs = {(_end(server, six), _end(client, six)) for six in (False, True)}
    anybody = {f"{'0' * 8}:0000", f"{'0' * 32}:0000"}
    port = f"{server[1]:04X}"
    here = {near for near, _ in pairs} | {end[:-4] + port for end in anybody}
    listening: int | None = None
    for fields in (line.split() for table in tables for line in table.splitlines()[1:]):
        if len(fields) < 10:
            continue
        near, far, state, uid, inode = (fields[at] for at in (1, 2, 3, 7, 9))
        if (near, far) in pairs and state == _ESTABLISHED and inode != "0":
            return int(uid)
        if near in here and far in anybody and state == _LISTENING:
            listening = int(uid)
    return listening


def owner_of(client: Endpoint, server: Endpoint, tables: list[str]) -> int | None:
    """The uid that holds the client's end, or None where it is not listed as open."""
    ends = {(_end(client, six), _end(server, six)) for six in (False, True)}
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 7 and (fields[1], fields[2]) in ends and fields[3] == _ESTABLISHED:
                return int(fields[7])
    return None


def _end(endpoint: Endpoint, six: bool) -> str:
    """An endpoint as the kernel prints it: address words in the machine's byte order."""
    address: IPv4Address | IPv6Address = parse_address(endpoint[0])
    if six and isinstance(address, IPv4Address):
        address = IPv6Address(f"::ffff:{address}")
    packed = address.packed
    words = [packed[start : start + 4] for start in range(0, len(packed), 4)]
    text = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{text}:{endpoint[1]:04X}"
