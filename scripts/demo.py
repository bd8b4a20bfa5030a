"""`make demo`: a tracker, three peers, one real file, and a source killed half way.

Everything is done with the commands that a user has: `panal`, `curl`, `sha256sum`. Stays up
until Ctrl-C; DEMO_ONCE=1 ends it after the check, DEMO_MIB sets the file's size (2048).
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "demo-files"
PANAL = [sys.executable, "-m", "panal"]
SIZE_MIB = int(os.environ.get("DEMO_MIB", "2048"))
NAME = "demo.bin"
WAIT_S = 30.0


def say(text: str) -> None:
    """A heading between the programs' own words."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def free_port(wanted: int) -> int:
    """The wanted port, or one that is free where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """The running processes and what is known of them."""

    def __init__(self) -> None:
        self.tracker = f"127.0.0.1:{free_port(50051)}"
        self.ports = {f"peer_{n}": free_port(4999 + n) for n in (1, 2, 3)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.peak_kib: dict[str, int] = {}

    def start(self, name: str, *words: str) -> None:
        """One process, its words in a log file."""
        log = (HERE / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            [*PANAL, *words], cwd=HERE, stdout=log, stderr=subprocess.STDOUT
        )

    def start_tracker(self) -> None:
        """The tracker, its records beside the demo's files."""
        self.start("tracker", "tracker", "--listen", self.tracker, "--state", "tracker-state")

    def start_peer(self, name: str) -> None:
        """One peer with a folder of its own, ready when the tracker lists it."""
        port = str(self.ports[name])
        self.start(name, "peer", name, port, name, "--tracker", self.tracker)
        self.wait_for(lambda: self.answer(name, "/readyz") is not None, f"{name} to be ready")

    def url(self, name: str) -> str:
        """A peer's address."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def answer(self, name: str, path: str) -> bytes | None:
        """What a peer answers, or None."""
        try:
            with urllib.request.urlopen(self.url(name) + path, timeout=5) as reply:
                return bytes(reply.read())
        except OSError:
            return None

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Poll until something is true; end the demo with the logs' place if it never is."""
        deadline = time.monotonic() + max(WAIT_S, SIZE_MIB / 20)
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"Waited in vain for {what}; the logs are in {HERE}.")
            time.sleep(0.05)

    def note_peaks(self) -> None:
        """Remember each process's peak memory."""
        for name, process in self.processes.items():
            status = Path(f"/proc/{process.pid}/status")
            if status.exists():
                words = status.read_text().partition("VmHWM:")[2].split()
                if words:
                    self.peak_kib[name] = max(self.peak_kib.get(name, 0), int(words[0]))

    def stop(self) -> None:
        """End everything that still runs."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(timeout=20)


def make_file(path: Path) -> str:
    """A file that no one has seen before; its SHA-256."""
    with path.open("wb") as file:
        for _ in range(SIZE_MIB):
            file.write(os.urandom(1024 * 1024))
    return sha256sum(path)


def sha256sum(path: Path) -> str:
    """What the sha256sum program says of a file."""
    return subprocess.run(
        ["sha256sum", path.name], cwd=path.parent, check=True, capture_output=True, text=True
    ).stdout.split()[0]


def upload(demo: Demo, path: Path) -> None:
    """Upload with curl, as the seed's users do; with Python where there is no curl."""
    url = demo.url("peer_1")
    if shutil.which("curl"):
        print(f"$ curl -F file=@{path.name} {url}/upload")
        words = ["curl", "--fail", "-sS", "-F", f"file=@{path}", f"{url}/upload"]
        print(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        return
    with path.open("rb") as body:
        request = urllib.request.Request(f"{url}/upload/{NAME}", data=body, method="PUT")
        request.add_header("Content-Length", str(path.stat().st_size))
        with urllib.request.urlopen(request) as reply:
            print(reply.read().decode())


def copies(demo: Demo) -> int:
    """How many peers the tracker names for the file."""
    raw = demo.answer("peer_3", f"/api/v1/search?q={NAME}")
    hits = json.loads(raw)["hits"] if raw else []
    return int(hits[0]["providers"]) if hits else 0


def kill_half_way(demo: Demo, killed: threading.Event) -> None:
    """Kill peer_2 outright when half of the file is there."""
    while True:
        raw = demo.answer("peer_3", "/api/v1/downloads")
        downloads = json.loads(raw)["downloads"] if raw else []
        if downloads and downloads[0]["bytes_done"] * 2 >= downloads[0]["size"] > 0:
            demo.note_peaks()
            demo.processes["peer_2"].kill()
            demo.processes["peer_2"].wait()
            killed.set()
            return
        if downloads and downloads[0]["state"] in {"done", "failed"}:
            return
        time.sleep(0.01)


def show_result(demo: Demo, sha256: str) -> None:
    """Rates, sources, the check by sha256sum, and memory; ends the demo where it is wrong."""
    raw = demo.answer("peer_3", "/api/v1/downloads")
    download = json.loads(raw or b"{}")["downloads"][0]
    rate = download["size"] / download["transfer_s"] / 1e6
    print(f"{SIZE_MIB} MiB in {download['transfer_s']:.2f} s: {rate:.0f} MB/s, verified, in place.")
    for source in download["sources"]:
        print(f"  {source['peer']}: {source['bytes'] / 1e6:.0f} MB ({source['state']})")
    found = sha256sum(HERE / "peer_3" / NAME)
    print(f"$ sha256sum peer_3/{NAME}\n{found}  {NAME}")
    print("The same as the original." if found == sha256 else "NOT THE ORIGINAL!")
    demo.note_peaks()
    peaks = ", ".join(f"{name} {kib / 1024:.0f} MiB" for name, kib in demo.peak_kib.items())
    print(f"Peak memory: {peaks}.")
    if found != sha256:
        raise SystemExit(1)


def run(demo: Demo) -> None:
    """The whole story, in order."""
    say("1. A tracker and three peers")
    demo.start_tracker()
    for name in demo.ports:
        demo.start_peer(name)
        print(f"{name}: {demo.url(name)}/ shares {HERE.name}/{name}")

    say(f"2. A file of {SIZE_MIB} MiB: uploaded to peer_1, dropped into peer_2's folder")
    original = HERE / NAME
    sha256 = make_file(original)
    upload(demo, original)
    (HERE / "peer_2" / NAME).hardlink_to(original)
    demo.wait_for(lambda: copies(demo) == 2, "both copies to be found")

    say("3. Search")
    print(f"$ panal search {NAME}", flush=True)
    subprocess.run([*PANAL, "search", NAME, "--tracker", demo.tracker], check=True)

    say("4. Download to peer_3 from both at once; peer_2 is killed half way")
    print(f"$ panal get {NAME} --peer {demo.url('peer_3')}", flush=True)
    killed = threading.Event()
    killer = threading.Thread(target=kill_half_way, args=(demo, killed))
    killer.start()
    subprocess.run([*PANAL, "get", NAME, "--peer", demo.url("peer_3")], check=True)
    killer.join()
    print(f"peer_2 was killed half way: {'yes' if killed.is_set() else 'no, it was too quick'}.")

    say("5. Check")
    show_result(demo, sha256)


def main() -> None:
    """Run, then stay up until Ctrl-C."""
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    need_bytes = 3 * SIZE_MIB * 1024 * 1024
    if shutil.disk_usage(HERE).free < need_bytes * 1.1:
        raise SystemExit(
            f"The demo needs {need_bytes / 1e9:.0f} GB; set DEMO_MIB to a smaller size."
        )
    demo = Demo()
    try:
        run(demo)
        if os.environ.get("DEMO_ONCE"):
            return
        demo.start_peer("peer_2")
        say("Still up, until Ctrl-C")
        for name in demo.ports:
            print(f"  {name}: {demo.url(name)}/")
        print(f"  try: .venv/bin/panal search --tracker {demo.tracker}")
        signal.pause()
    except KeyboardInterrupt:
        print()
    finally:
        demo.stop()
        shutil.rmtree(HERE, ignore_errors=True)


if __name__ == "__main__":
    main()
