"""The page as it is served: kept by browsers where its names change, nothing inline."""

import re
from pathlib import Path

from tests.support.network import Network

NAMED = re.compile(r'(?:src|href)="(/[^"]+)"')
PLAIN = {"Accept-Encoding": "identity"}


async def test_the_page_and_all_that_it_names(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    index = await peer.request("GET", "/")
    text = index.body.decode()
    policy = index.headers["content-security-policy"]
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert index.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "style=" not in text
    assert not re.search(r"<style|<script[^>]*>[^<]", text)
    assets = [name for name in NAMED.findall(text) if name != "/files/"]
    assert len(assets) == 3
    for name in assets:
        answer = await peer.request("GET", name)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    licences = await peer.request("GET", "/page/licences.txt", headers=PLAIN)
    assert b"preact" in licences.body
    assert licences.headers["cache-control"] == "no-cache"
    assert (await peer.request("GET", "/page/..%2findex.html")).status == 404


async def test_scripts_are_small_and_sent_compressed(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    text = (await peer.request("GET", "/")).body.decode()
    scripts = [name for name in NAMED.findall(text) if name.endswith(".js")]
    plain = [await peer.request("GET", name, headers=PLAIN) for name in scripts]
    packed = [
        await peer.request("GET", name, headers={"Accept-Encoding": "gzip"}) for name in scripts
    ]
    assert all(answer.headers["content-encoding"] == "gzip" for answer in packed)
    assert "content-encoding" not in plain[0].headers
    assert sum(len(answer.body) for answer in packed) < 150_000


def test_the_lock_file_names_no_registry() -> None:
    lock = Path(__file__).parents[2] / "page" / "package-lock.json"
    assert '"resolved"' not in lock.read_text("utf-8")
