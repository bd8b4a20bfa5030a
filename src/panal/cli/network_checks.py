"""What `panal doctor` asks others: the trackers, the running peer, the dial-back, the name."""

import asyncio
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from panal.answers import StatusAnswer
from panal.api import Node
from panal.asking import Tracker
from panal.cli.documents import Finding
from panal.cli.output import name_words
from panal.cli.remote import RemotePeer
from panal.clock import SystemClock
from panal.errors import PanalError, Refused, StoreUnavailable, Unreachable
from panal.peer.config import PeerSettings
from panal.peer.user_identity import as_member
from panal.running import running_peer
from panal.wire.ids import parse_peer_name
from panal.wire.join_line import JoinLine

PROBE_PATIENCE_S = 15.0
WAITING_NAMED = 5


async def running_status(peer_url: str) -> StatusAnswer | None:
    """What the running peer says of itself; None where none answers."""
    try:
        async with RemotePeer(peer_url) as remote:
            return await remote.status()
    except Unreachable:
        return None


async def check_downloads(peer_url: str) -> list[Finding]:
    """What the running peer's downloads wait for; nothing where none waits."""
    try:
        async with RemotePeer(peer_url) as remote:
            downloads = await remote.downloads()
    except PanalError:  # the peer's own line says so
        return []
    waiting = [download for download in downloads if download.state == "waiting"]
    return [
        Finding(
            "download",
            "warn",
            f"{name_words(download.name or download.what)} waits: {download.reason}",
            f"'panal why {download.id}' says more.",
        )
        for download in waiting[:WAITING_NAMED]
    ]


async def check_network(
    trackers: Sequence[str],
    peer_url: str,
    status: StatusAnswer | None,
    name: str | None,
    hosts: Sequence[str],
    join: JoinLine | None = None,
    *,
    is_open: bool,
) -> list[Finding]:
    """Trackers, the peer and whether it can be called, and whether a name is free."""
    findings, stores = [], list[str]()
    for tracker in trackers:
        findings.append(await _check_tracker(tracker, join, stores, status))
    answers = bool(stores)
    if len(stores) > 1:
        findings.append(check_stores(stores))
    if status is not None:
        findings.append(_check_peer(peer_url, status))
    elif answers:
        findings.append(await _check_dialback(trackers, hosts, join, is_open=is_open))
    if name is not None and answers:
        findings.append(await _check_name(trackers, join, name, status))
    return findings


async def _check_tracker(
    address: str, join: JoinLine | None, stores: list[str], status: StatusAnswer | None
) -> Finding:
    """Whether one answers; then what its records are called goes to the others'."""
    try:
        async with _tracker([address], join) as tracker:
            address = await tracker.address()
            count = len(await tracker.peers())
            stores.append(await tracker.store())
    except StoreUnavailable as error:
        advice = "Start its database: it goes on by itself then. Its log says more."
        return Finding("tracker", "fail", f"{address} answers. {error}", advice)
    except Refused as error:
        return _refused(address, error, status)
    except PanalError as error:
        return Finding("tracker", "fail", str(error), "Start it, or name another with --tracker.")
    peers = "1 peer" if count == 1 else f"{count} peers"
    return Finding("tracker", "ok", f"{address} answers; {peers} there.")


def _refused(address: str, error: Refused, status: StatusAnswer | None) -> Finding:
    if status is not None and status.registered and status.tracker == address:
        found = f"{address} answers; it has a network, which this user's commands are not in."
        return Finding("tracker", "ok", found)
    advice = (
        "In a network give this command a join line too, --join @FILE: it is used once for all "
        "commands of this user. A peer is let in by a line of its own."
    )
    return Finding("tracker", "fail", str(error), advice)


def _tracker(trackers: Sequence[str], join: JoinLine | None) -> Tracker:
    return Tracker(trackers, None if join is None else str(join))


def check_stores(stores: Sequence[str]) -> Finding:
    """Whether trackers that are named together know the same."""
    if stores[0] and len(set(stores)) == 1:
        found = f"{len(stores)} share their records: peers spread over them."
        return Finding("trackers", "ok", found)
    found = (
        "They keep records of their own: what one knows, another is told only when that is away."
    )
    advice = (
        "All peers must name them in the same order. To share the load, give them one database."
    )
    return Finding("trackers", "warn", found, advice)


def _check_peer(url: str, status: StatusAnswer) -> Finding:
    where = f"{status.name} runs at {url}"
    if not status.registered:
        advice = "It tries again by itself; see the tracker's line."
        return Finding("peer", "fail", f"{where}, not registered: {status.problem}", advice)
    if not status.reachable:
        advice = "Open the port in the firewall, or give --host an address that others reach."
        return Finding("peer", "fail", f"{where}; {status.problem}", advice)
    found = f"{where}, registered at the tracker {status.tracker}, whose call came through."
    return Finding("peer", "ok", found)


async def _check_dialback(
    trackers: Sequence[str], hosts: Sequence[str], join: JoinLine | None, *, is_open: bool
) -> Finding:
    """Let the tracker call a peer that lives for a moment."""
    with tempfile.TemporaryDirectory(prefix="panal-doctor-") as made:
        settings = PeerSettings(
            name=f"doctor-{secrets.token_hex(4)}",
            port=0,
            folder=Path(made),
            trackers=tuple(trackers),
            hosts=tuple(hosts),
            open=is_open,
            shares_folder=False,
        )
        try:
            async with (
                as_member(settings, join, SystemClock().wall_s()) as own,
                running_peer(own) as app,
                asyncio.timeout(PROBE_PATIENCE_S),
            ):
                await app.lease.tried.wait()
                status = Node(app).status()
        except TimeoutError:
            return Finding("dial-back", "fail", "The tracker did not say in time.", "Try again.")
        except PanalError as error:
            return Finding("dial-back", "fail", str(error), "Mend that and try again.")
    if not status.registered or not status.reachable:
        advice = "Open the port in the firewall, or give --host an address that others reach."
        return Finding("dial-back", "fail", f"A peer tried out here: {status.problem}", advice)
    reach = f"on {', '.join(hosts)}" if hosts else "from this machine only, having no --host"
    found = f"No peer runs here; one that was tried out could be called, {reach}."
    return Finding("dial-back", "ok", found)


async def _check_name(
    trackers: Sequence[str], join: JoinLine | None, name: str, status: StatusAnswer | None
) -> Finding:
    wanted = parse_peer_name(name).casefold()
    if status is not None and status.name.casefold() == wanted:
        return Finding("name", "ok", f"{name} is this machine's running peer.")
    async with _tracker(trackers, join) as tracker:
        live = {peer.name.casefold(): peer for peer in await tracker.peers()}
    if wanted in live:
        found = f"{name} belongs to a live peer at {live[wanted].host}:{live[wanted].port}."
        return Finding("name", "fail", found, "Choose another, or stop that peer.")
    return Finding("name", "ok", f"{name} is free.")
