"""A real peer that may open few files, while many connect: it lives, serves and says little."""

import contextlib
import re
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from panal.audit import FILE
from tests.e2e.processes import Machine
from tests.support.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.p10]
PANAL = str(Path(sys.prefix) / "bin" / "panal")
DESCRIPTORS = 64
MANY = 1_000


def test_a_flood_takes_no_descriptors_that_a_peer_needs(machine: Machine) -> None:
    tracker = machine.start(PANAL, "tracker", "--listen", "127.0.0.1:0")
    at = re.findall(r"127\.0\.0\.1:\d+", tracker.wait_for("The tracker listens on"))[0]
    few = f'ulimit -n {DESCRIPTORS}; exec "$@"'
    words = (PANAL, "peer", "one", "0", "files", "--tracker", at)
    peer = machine.start("sh", "-c", few, "sh", *words)
    url = re.findall(r"http://127\.0\.0\.1:\d+", peer.wait_for("shares"))[0]
    port = int(url.rpartition(":")[2])
    held: list[socket.socket] = []
    with contextlib.ExitStack() as clients:
        for number in range(MANY):
            client = clients.enter_context(socket.socket())
            client.settimeout(PATIENCE_S)
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", port))
                client.sendall((b"GET /x HTTP/1.1\r\nHost: a", b"", b"PUT /upload/x ")[number % 3])
                held.append(client)
        assert len(held) > DESCRIPTORS
        # While they hold what they can, and with what the peer needs for itself:
        with urlopen(f"{url}/healthz", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
        machine.run("curl", "-sf", "-T", __file__, f"{url}/upload/kept.txt")
    got = machine.run("curl", "-sf", f"{url}/files/kept.txt")
    assert got == Path(__file__).read_text()
    assert peer.process.poll() is None
    assert "uploaded" in (machine.place / "files" / ".panal" / FILE).read_text()
    assert peer.end() == 0
    assert "Traceback" not in peer.text
    assert len(peer.text.splitlines()) < 20
