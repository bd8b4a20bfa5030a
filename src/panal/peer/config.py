"""What a peer is told when it starts; checked, then never changed."""

from pathlib import Path

import msgspec

from panal.errors import NotExposed, Refused, UsageError
from panal.peer import membership
from panal.peer.rates import check_limit
from panal.store.other_states import is_secret_part, state_around
from panal.wire.address import is_loopback, parse_address
from panal.wire.ids import PeerName, Zone, parse_peer_name, parse_zone
from panal.wire.join_line import JoinLine
from panal.wire.names import STATE_DIRECTORY

DEFAULT_TRACKER = "127.0.0.1:50051"
LOOPBACK = "127.0.0.1"
ANY_HOST = "0.0.0.0"  # noqa: S104 (bound only where its user says so)


class PeerSettings(msgspec.Struct, frozen=True):
    """One peer's settings; `check` before use."""

    name: str
    port: int
    """0 lets the system choose."""
    folder: Path
    trackers: tuple[str, ...] = (DEFAULT_TRACKER,)
    hosts: tuple[str, ...] = ()
    """Outer addresses to listen on besides loopback; 0.0.0.0 for all."""
    open: bool = False
    """Whoever reaches an outer address may fetch: a trusted network."""
    join: JoinLine | None = None
    """What lets this peer into a network; not looked at where it is a member already."""
    zone: str = ""
    """A label that those near to each other share, as a rack or a site; empty: not said."""
    guest_port: int | None = None
    """Where guests come in, over plain HTTP; None: nowhere. 0 lets the system choose."""
    state_dir: Path | None = None
    """Where state is kept; None: in the folder."""
    identity_dir: Path | None = None
    """Where the name's secret and a membership are kept; None: in the state directory."""
    partial_dir: Path | None = None
    """Where partial files lie; None: in the state directory."""
    shares_folder: bool = True
    """False for a stand-alone `get`, which shares only what it fetches."""
    asked_anew: bool = False
    """A stand-alone `get`: what earlier ones have put in place is known, and not shared yet."""
    ends_with_download: bool = False
    """A folder that is whole when it is asked for is not shared: nobody could come for it."""
    allowed_hosts: frozenset[str] = msgspec.field(default_factory=frozenset)
    """Host names that requests may use besides literals and localhost."""
    metrics: tuple[str, int] | None = None
    """Where metrics and probes are told over HTTP, to whoever asks; None: nowhere. Port 0: any."""
    upload_limit_bytes_s: int | None = None
    """For this run; 0: no limit; None: as it was last changed."""
    download_limit_bytes_s: int | None = None
    """The same for what is received."""

    @property
    def state(self) -> Path:
        """Where state is kept."""
        return self.state_dir or self.folder / STATE_DIRECTORY

    @property
    def identity(self) -> Path:
        """Where the name's secret and a membership are kept."""
        return self.identity_dir or self.state

    @property
    def network(self) -> Path:
        """Where a membership is kept."""
        return self.identity / membership.FOLDER

    def has_network(self) -> bool:
        """Whether only members may come in, over TLS."""
        return self.join is not None or membership.is_member(self.network)

    def is_state_inside(self) -> bool:
        """Whether the state lies in the folder, and so comes and goes with it."""
        return self.state.resolve().is_relative_to(self.folder.resolve())

    @property
    def partials(self) -> Path:
        """Where partial files lie: on the folder's own file system."""
        return self.partial_dir or self.folder / STATE_DIRECTORY / "partial"

    @property
    def peer_name(self) -> PeerName:
        """The checked name."""
        return parse_peer_name(self.name)

    @property
    def checked_zone(self) -> Zone:
        """The zone in small letters; empty where none was named."""
        return parse_zone(self.zone)

    def bind_hosts(self) -> tuple[str, ...]:
        """What to listen on, loopback first."""
        outer = tuple(host for host in self.hosts if not is_loopback(host))
        if ANY_HOST in outer:
            return (ANY_HOST,)
        return (LOOPBACK, *outer)

    def guest_hosts(self) -> tuple[str, ...]:
        """What guests come in by: the outer addresses, or all where none was named."""
        outer = tuple(host for host in self.hosts if not is_loopback(host))
        return outer or (ANY_HOST,)

    def given_limits(self) -> dict[str, int]:
        """The limits that were given, by the names of the live settings."""
        named = {
            "upload_limit_bytes_s": self.upload_limit_bytes_s,
            "download_limit_bytes_s": self.download_limit_bytes_s,
        }
        return {name: limit for name, limit in named.items() if limit is not None}

    def check(self) -> None:
        """UsageError or NotExposed, with the fix in the text."""
        parse_peer_name(self.name)
        parse_zone(self.zone)
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"{self.port} is no port; choose one from 1 to 65535.")
        if self.guest_port is not None and not 0 <= self.guest_port <= 65_535:
            raise UsageError(f"{self.guest_port} is no port; choose one from 1 to 65535.")
        for host in self.hosts:
            parse_address(host)
        has_network = self.has_network()
        if self.open and has_network:
            raise UsageError(
                "A peer is open or in a network, not both. Leave --open out, or give this peer "
                f"another --state directory: {self.network} has a membership."
                if self.join is None
                else "A peer is open or in a network, not both: leave --open or --join out."
            )
        if any(not is_loopback(host) for host in self.hosts) and not (self.open or has_network):
            raise NotExposed(
                f"Listening on {', '.join(self.hosts)} lets others in. Join a network with "
                "--join @FILE, or say with --open that you trust everybody who reaches it; "
                "otherwise leave --host out."
            )
        for tracker in self.trackers:
            parse_tracker(tracker)
        for limit in self.given_limits().values():
            check_limit(limit)
        if self.shares_folder:
            refuse_whole_home(self.folder.resolve())
            if is_secret_part(self.folder.resolve()):
                refuse_any_state(self.folder.resolve())
            if not self.state.resolve().is_relative_to(self.folder.resolve() / STATE_DIRECTORY):
                refuse_own_state(self.folder.resolve(), self.state)


def refuse_whole_home(place: Path) -> None:
    """Refused where sharing a folder would share all that its user has."""
    if Path.home().resolve().is_relative_to(place):
        raise Refused(
            f"{place} holds your whole home folder, with its keys and passwords. Share the "
            "folders in it that you want to share."
        )


def refuse_own_state(place: Path, state: Path) -> None:
    """Refused where a state, with its token and secrets, lies in what is to be shared."""
    state = state.resolve()
    if state.is_relative_to(place):
        raise Refused(
            f"{place} holds or is Panal's own state, {state}; it is never shared. Move the state "
            "out of there and name its new place with --state."
        )


def refuse_any_state(place: Path) -> None:
    """Refused where what is to be shared is, or lies in, the state of any peer or tracker."""
    if (state := state_around(place)) is not None:
        raise Refused(f"{place} is part of Panal's state in {state}; that is never shared.")


def parse_tracker(text: str) -> tuple[str, int]:
    """Host and port of `host:port`, an IPv6 address in brackets; UsageError else."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{text!r} is no tracker address; write host:port, as {DEFAULT_TRACKER}.")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise UsageError(
            f"{text!r} may be an address without a port: write an IPv6 address in brackets, as "
            "[2001:db8::1]:50051."
        )
    return host, int(port)
