"""One peer's folder, level by level, over a real tracker."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from panal.peer import announcer
from tests.support.network import Answer, Network, RunningPeer
from tests.support.patience import PATIENCE_S

OWN = "ñandú/Año 1"


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path) as made:
        yield made


async def browse(asker: RunningPeer, **query: Any) -> Answer:
    return await asker.request("GET", f"/api/v1/browse?{urlencode(query)}")


async def test_another_peers_folder_level_by_level(network: Network) -> None:
    asker = await network.peer("asker", shares_folder=False)
    other = await network.peer("other", shares_folder=False)
    files = {
        path: await other.upload(quote(path), path.encode())
        for path in ("a.txt", f"{OWN}/x.txt", f"{OWN}/deep/er/y.txt", "ñandú/<script>.txt")
    }
    folder = (await other.node.add_folder("ñandú")).id
    assert await other.app.announcer.announced(PATIENCE_S)
    top = (await browse(asker, peer="OTHER")).json()
    assert (top["path"], top["next"]) == ("", None)
    (shown,) = top["files"]
    given = {name: files["a.txt"][name] for name in ("path", "id", "size", "sha256", "link")}
    assert shown == {"name": "a.txt", **given}
    (below,) = top["folders"]
    assert (below["name"], below["path"], below["files"], below["id"]) == (
        "ñandú",
        "ñandú",
        3,
        folder,
    )
    assert below["size"] == sum(one["size"] for path, one in files.items() if "/" in path)
    assert below["link"].startswith(f"panal:{folder}?")

    level = (await browse(asker, peer="other", under="ñandú")).json()
    assert [one["path"] for one in level["folders"]] == [OWN]
    assert [one["name"] for one in level["files"]] == ["<script>.txt"]
    page = ""
    names = []
    while True:
        part = (await browse(asker, peer="other", under=OWN, limit=1, page=page)).json()
        names += [one["name"] for one in part["folders"] + part["files"]]
        if part["next"] is None:
            break
        page = part["next"]
    assert names == ["deep", "x.txt"]


async def test_what_cannot_be_browsed(network: Network) -> None:
    asker = await network.peer("asker", shares_folder=False)
    rows: list[tuple[dict[str, Any], int, str]] = [
        ({"peer": "nobody"}, 404, "not-found"),
        ({"peer": "asker", "under": "nothing"}, 404, "not-found"),
        ({"peer": "asker", "under": "../x"}, 400, "unsafe-name"),
        ({"peer": "asker", "under": "a/"}, 400, "unsafe-name"),
        ({"peer": "asker", "page": "a/b"}, 400, "bad-request"),
        ({"peer": "asker", "page": ".."}, 400, "unsafe-name"),
        ({"peer": "a/b"}, 400, "bad-request"),
        ({}, 400, "bad-request"),
        ({"peer": "asker", "limit": 0}, 400, "bad-request"),
        ({"peer": "asker", "limit": 1_001}, 400, "bad-request"),
        ({"peer": "asker", "limit": "01"}, 400, "bad-request"),
    ]
    for query, status, slug in rows:
        answer = await browse(asker, **query)
        assert (answer.status, answer.json()["type"]) == (status, f"urn:panal:error:{slug}"), query
    nothing = (await browse(asker, peer="asker")).json()
    assert nothing == {"peer": "asker", "path": "", "folders": [], "files": [], "next": None}
    await network.stop_tracker()
    assert (await browse(asker, peer="asker")).status == 503
