"""What `panal get` loads: it counts in the time of each, and most of it serves somebody else."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.support.network import Network

NOT_LOADED = {
    *("aiohttp", "cryptography", "prometheus_client", "psycopg", "rich", "segno"),
    *("http.cookies", "tomllib", "google.protobuf.text_format"),
    *("panal.web", "panal.tracker", "panal.fsck", "panal.monitoring", "panal.sync"),
}
"""The HTTP server, the page, metrics, networks, the tracker, a settings file, protobuf without its
compiled code: what a get may need them for, it loads then."""
GET = """
import sys
from panal.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


async def test_a_get_loads_no_more_than_it_uses(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", b"0123456789"))["id"]
    words = ("get", content, "--into", str(tmp_path / "into"), "--tracker", network.tracker_address)
    get = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GET, *words, stderr=asyncio.subprocess.PIPE
    )
    _, said = await get.communicate()
    assert get.returncode == 0, said
    assert (tmp_path / "into/data.bin").read_bytes() == b"0123456789"
    loaded = set(said.split()) & {name.encode() for name in NOT_LOADED}
    assert loaded == set()


DEFINED = """
import sys
import panal.cli.getting
for name, module in sys.modules.items():
    if name.startswith("panal.") and "dataclass" in vars(module):
        print(name)
"""


def test_a_get_defines_no_dataclasses() -> None:
    done = subprocess.run([sys.executable, "-c", DEFINED], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), "a struct takes a fortieth of the time"
