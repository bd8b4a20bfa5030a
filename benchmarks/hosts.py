"""Hosts as network namespaces on one bridge, each with an uplink and a downlink of its own rate.

All namespaces of a run, the one with the bridge too, are called after this process, so two runs
do not meet. They go when the network is closed; what a killed run left is removed by the next.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from benchmarks.delay import TUN, open_tap

BURST_KIB = 80
"""One full GSO packet with the headers of its segments is 67 KiB; a smaller bucket splits it."""
QUEUE_MS = 50
"""How long a packet may wait at a full link before it is dropped."""
TX_QUEUE_LENGTH = 1000
CONGESTION_CONTROL = "cubic"
"""What Linux has unless its owner wants another, whatever this machine's owner wants."""
HEADER_BYTES = 66
"""Ethernet, IPv4 and TCP with timestamps. veth counts one for each packet that the kernel
hands over, however many segments that becomes on a wire."""
BRIDGE = "bridge"
"""The one in the middle."""
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHOSEN = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_CLONE_NEWNET = 0x4000_0000
_NAMED = Path("/run/netns")
_NAME = re.compile(r"panal-(\d+)-(\w+)")


class CannotRun(Exception):
    """Why a benchmark is skipped, in words."""


@dataclass(frozen=True, slots=True)
class Link:
    """Rates of one host in Mbit/s; 0: as fast as the machine."""

    up_mbit: float = 0
    down_mbit: float = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one host has sent since it exists."""

    sent_bytes: int
    packets: int

    @property
    def payload_bytes(self) -> int:
        """Without headers; the few packets that are not TCP are counted as if they were."""
        return max(0, self.sent_bytes - HEADER_BYTES * self.packets)

    def __sub__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.sent_bytes - other.sent_bytes, self.packets - other.packets)


def why_not() -> str:
    """Why there can be no namespaces here; empty where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} of iproute2 not installed"
    return ""


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotRun(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace, with loopback and one shaped interface."""

    name: str
    namespace: str
    address: str
    link: Link

    def words(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` on this host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def connect(self, port: int, timeout_s: float = 30.0) -> socket.socket:
        """A connection to this host's own loopback, made from inside; for this thread."""
        with inside(self.namespace):
            return socket.create_connection(("127.0.0.1", port), timeout_s)

    def traffic(self) -> Traffic:
        """What this host's interface has sent."""
        fields = _counters(self.namespace, "eth0")
        return Traffic(int(fields[9]), int(fields[10]))

    def received_bytes(self) -> int:
        """What it has received, headers aside, since it exists."""
        fields = _counters(self.namespace, "eth0")
        return int(fields[1]) - HEADER_BYTES * int(fields[2])


def _counters(namespace: str, device: str) -> list[str]:
    with inside(namespace):
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(line for line in lines if line.strip().startswith(f"{device}:")).split()


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread's sockets and devices are made there, for the time of a `with`.

    CannotRun where there is no such namespace any more.
    """
    if not Path(_NAMED, namespace).exists():
        raise CannotRun(f"there is no namespace {namespace}")
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home, Path(_NAMED, namespace).open() as there:
        if libc.setns(there.fileno(), _CLONE_NEWNET) != 0:
            raise CannotRun(f"setns {namespace}: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), _CLONE_NEWNET)


class Network:
    """Hosts on one bridge, for the time of a `with`. CannotRun where that is not possible.

    With a round trip, devices that delay take the place of plain ones; call `start_delay` when
    every host is there.
    """

    def __init__(
        self, round_trip_s: float = 0.0, congestion_control: str = CONGESTION_CONTROL
    ) -> None:
        self.hosts: list[Host] = []
        self._round_trip_s = round_trip_s
        self._congestion_control = congestion_control
        self._taps: list[int] = []
        self._relay: subprocess.Popen[bytes] | None = None
        self._prefix = f"panal-{os.getpid()}-"
        self.switch = f"{self._prefix}switch"
        """The namespace with the bridge."""
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        if reason := why_not():
            raise CannotRun(reason)
        remove_leftovers()
        for number in _STOPS:
            self._handlers[number] = signal.signal(number, _interrupt)
        try:
            _run("ip", "netns", "add", self.switch)
            _run("ip", "-n", self.switch, "link", "add", BRIDGE, "type", "bridge")
            _run("ip", "-n", self.switch, "link", "set", BRIDGE, "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add_zone(self, zone: str, border_mbit: float) -> None:
        """A further bridge, behind a border of its own that carries so much in each direction."""
        within = ("ip", "-n", self.switch, "link")
        _run(*within, "add", zone, "type", "bridge")
        _run(*within, "set", zone, "up")
        inward, outward = f"{zone}-in", f"{zone}-out"
        _run(*within, "add", inward, "type", "veth", "peer", "name", outward)
        for port, bridge in ((inward, BRIDGE), (outward, zone)):
            queue = ("txqueuelen", str(TX_QUEUE_LENGTH))
            _run(*within, "set", port, *queue, "master", bridge, "up")
            _shape(self.switch, port, border_mbit)

    def crossed(self, zone: str) -> Traffic:
        """What has come into a zone over its border."""
        fields = _counters(self.switch, f"{zone}-in")
        return Traffic(int(fields[9]), int(fields[10]))

    def add(self, name: str, link: Link, bridge: str = BRIDGE) -> Host:
        """One further host, in the middle or in a zone."""
        number = len(self.hosts) + 1
        namespace = f"{self._prefix}h{number}"
        host = Host(name, namespace, f"10.77.{number >> 8}.{number & 255}", link)
        port = f"port{number}"
        _run("ip", "netns", "add", namespace)
        self.hosts.append(host)
        self._connect(namespace, port)
        _choose(namespace, self._congestion_control)
        queue = ("txqueuelen", str(TX_QUEUE_LENGTH))
        _run("ip", "-n", self.switch, "link", "set", port, *queue, "master", bridge, "up")
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        _run("ip", "-n", namespace, "link", "set", "eth0", *queue, "up")
        _run("ip", "-n", namespace, "address", "add", f"{host.address}/16", "dev", "eth0")
        _shape(namespace, "eth0", link.up_mbit)
        _shape(self.switch, port, link.down_mbit)
        return host

    def _connect(self, namespace: str, port: str) -> None:
        if self._round_trip_s:
            if not TUN.exists():
                raise CannotRun(f"no {TUN} to delay with")
            for where, name in ((namespace, "eth0"), (self.switch, port)):
                with inside(where):
                    self._taps.append(open_tap(name))
        else:
            _run(
                *("ip", "-n", self.switch, "link", "add", port, "type", "veth"),
                *("peer", "name", "eth0", "netns", namespace),
            )

    def start_delay(self) -> None:
        """From now on frames arrive, late."""
        if self._taps:
            # Four crossings of a pair make one round trip.
            words = [str(self._round_trip_s / 4), *map(str, self._taps)]
            command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "benchmarks.delay"]
            self._relay = subprocess.Popen([*command, *words], pass_fds=self._taps)

    def close(self) -> None:
        """Remove every namespace of this run, whatever signal comes meanwhile."""
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        if self._relay is not None:
            self._relay.kill()
            self._relay.wait()
        for tap in self._taps:
            os.close(tap)
        self._taps.clear()
        remove(self._prefix)
        self.hosts.clear()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._handlers.clear()


def _shape(namespace: str, device: str, rate_mbit: float) -> None:
    if rate_mbit:
        _run(
            *("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf"),
            *("rate", f"{round(rate_mbit * 1000)}kbit", "burst", f"{BURST_KIB}kb"),
            *("latency", f"{QUEUE_MS}ms"),
        )


def _choose(namespace: str, congestion_control: str) -> None:
    with inside(namespace):
        try:
            _CHOSEN.write_text(congestion_control)
        except OSError as error:
            raise CannotRun(f"no congestion control {congestion_control}: {error}") from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def remove(prefix: str) -> None:
    """Remove the namespaces whose name begins so, and end what still runs in them."""
    for name in _namespaces():
        if name.startswith(prefix):
            pids = subprocess.run(
                ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
            ).stdout.split()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def remove_leftovers() -> None:
    """Remove what runs left that were killed outright."""
    for name in _namespaces():
        found = _NAME.fullmatch(name)
        if found and not Path("/proc", found[1]).exists():
            remove(name)


def _namespaces() -> list[str]:
    return sorted(path.name for path in _NAMED.iterdir()) if _NAMED.is_dir() else []


def congestion_control() -> str:
    """This machine's own, for all that runs on its loopback."""
    return _CHOSEN.read_text().strip() if _CHOSEN.exists() else "unknown"
