"""Programs under measurement: started, told to stop, and their CPU and memory read from /proc."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PANAL = (str(Path(sys.executable).parent / "panal"),)
PATIENCE_S = 60.0
POLL_S = 0.005
_TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A program did not do what the benchmark needs; its last words."""


class Program:
    """One running program, killed with this process; its output line by line."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.words = ["setpriv", "--pdeathsig", "KILL", *words]
        self._process = subprocess.Popen(
            self.words,
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the program itself: every wrapper before it replaces itself."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, text: str, patience_s: float = PATIENCE_S) -> str:
        """The next line with `text` in it. Broken if it does not come."""
        deadline_s = time.monotonic() + patience_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.001, deadline_s - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                last = "\n".join(self.said[-10:])
                raise Broken(f"{' '.join(self.words)} did not say {text!r}; it said:\n{last}")
            self.said.append(line)
            if text in line:
                return line

    def has_said(self, text: str) -> bool:
        """Whether `text` stood in any line so far; does not wait."""
        while not self._lines.empty():
            line = self._lines.get()
            if line is None:
                self._lines.put(None)
                break
            self.said.append(line)
        return any(text in line for line in self.said)

    def tell(self, line: str) -> None:
        """One line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it outright."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end; outright after a while."""
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def cpu_s(self) -> float:
        """User and system time so far, of all threads."""
        return cpu_s(self.pid)

    def peak_bytes(self) -> int:
        """The most memory that it has had resident."""
        return self._memory_bytes("VmHWM:")

    def resident_bytes(self) -> int:
        """The memory that it has resident now."""
        return self._memory_bytes("VmRSS:")

    def _memory_bytes(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        return 0


def cpu_s(pid: int) -> float:
    """User and system time of a process so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def family_cpu_s(pid: int) -> float:
    """User and system time of a process and its children so far, those that ended included."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS + sum(cpu_s(int(child)) for child in children)


def poll(
    is_so: Callable[[], bool], what: str, patience_s: float = PATIENCE_S, every_s: float = POLL_S
) -> None:
    """Wait until something is so. Broken, naming it, if it never is."""
    deadline_s = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > deadline_s:
            raise Broken(f"waited in vain for {what}")
        time.sleep(every_s)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MachineLoad:
    """How busy the whole machine is from now on, others' work included."""

    def __init__(self) -> None:
        self._before = self._read()

    @staticmethod
    def _read() -> list[int]:
        return [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]

    def busy_share(self) -> float:
        """0 to 1, over all cores."""
        spent = [after - before for after, before in zip(self._read(), self._before, strict=True)]
        total = sum(spent[:8])
        return 1 - (spent[3] + spent[4]) / total if total else 0.0
