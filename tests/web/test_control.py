"""The owner's API: what does not fit is a problem in words, never a fault."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from panal.peer import announcer
from panal.peer.limits import JSON_BYTES
from panal.web.queries import MAX_PAGE
from tests.support.network import Answer, Network, RunningPeer, until
from tests.support.raw_http import connection, request

DOWNLOADS = "/api/v1/downloads"
JSON = "application/json"
UNKNOWN = "0" * 64


@pytest.fixture
async def peer(network: Network, monkeypatch: pytest.MonkeyPatch) -> RunningPeer:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    return await network.peer("one", shares_folder=False)


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path) as made:
        yield made


def is_problem(answer: Answer, status: int, slug: str) -> bool:
    if answer.status != status or answer.headers["content-type"] != "application/problem+json":
        return False
    body = answer.json()
    return bool(body["type"] == f"urn:panal:error:{slug}" and body["status"] == status)


async def post(peer: RunningPeer, body: bytes, kind: str = JSON) -> Answer:
    return await peer.request("POST", DOWNLOADS, data=body, headers={"Content-Type": kind})


async def begin(peer: RunningPeer, **wanted: Any) -> Answer:
    return await post(peer, json.dumps(wanted).encode())


# Bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"what"',
        b"{}",
        b'{"what": 1}',
        b'{"what": null}',
        b'{"what": ["a"]}',
        b'{"what": "a", "name": 1}',
        b'{"what": "a", "nmae": "b"}',
        b'{"what": "a"} x',
        b'{"what": "\xff"}',
        b'{"what": "\\ud800"}',
        b"{'what': 'a'}",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"what": ' + b"[" * 100_000,
        b'{"what": "a", "x": ' + b"[" * 100_000,
    ],
)
async def test_json_that_does_not_fit(peer: RunningPeer, body: bytes) -> None:
    assert is_problem(await post(peer, body), 400, "bad-request")
    assert peer.node.downloads() == []


async def test_only_json_is_read(peer: RunningPeer) -> None:
    body = json.dumps({"what": UNKNOWN}).encode()
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "text/json",
        "",
    ):
        assert is_problem(await post(peer, body, kind), 400, "bad-request"), kind
    assert peer.node.downloads() == []
    for kind in ("application/json; charset=utf-8", "Application/JSON"):
        assert (await post(peer, body, kind)).status == 202, kind


async def test_a_body_over_a_mebibyte_is_refused(peer: RunningPeer) -> None:
    head, tail = b'{"what": "', b'"}'
    for size, status in ((JSON_BYTES + 1, 413), (JSON_BYTES, 400)):
        body = head + b"\\n" * ((size - len(head) - len(tail)) // 2)
        body = body.ljust(size - len(tail), b" ") + tail
        assert len(body) == size

        async def chunks(body: bytes = body) -> Any:
            yield body[:1_000]
            yield body[1_000:]

        for data in (BytesIO(body), chunks()):
            options = {"data": data, "headers": {"Content-Type": JSON}}
            answer = await peer.request("POST", DOWNLOADS, **options)
            assert is_problem(answer, status, "too-large" if status == 413 else "bad-request")


async def test_a_body_that_breaks_off_begins_nothing(peer: RunningPeer) -> None:
    async with connection(peer.app.port) as wire:
        head = request("POST", DOWNLOADS, f"Content-Type: {JSON}", "Content-Length: 1000")
        await wire.send(head + b'{"what": "x"}')
        wire.writer.write_eof()
        assert b"HTTP/1.1 2" not in await wire.rest()
    assert peer.node.downloads() == []


# What to fetch ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        "",
        "   ",
        "\n",
        "panal:",
        "panal:12",
        f"panal:{UNKNOWN}?name=../x",
        f"panal:{UNKNOWN}?name=/etc/x",
        f"panal:{UNKNOWN}?size=-1",
        f"panal:{UNKNOWN}?tracker=x",
        f"panal:{UNKNOWN}?name=a&name=b",
        "panal:" + UNKNOWN.replace("0", "A"),
        "sha256:12",
        f"sha256:{UNKNOWN}0",
        "panal:" + "0" * 10_000,
    ],
)
async def test_what_makes_no_sense(peer: RunningPeer, what: str) -> None:
    answer = await begin(peer, what=what)
    assert answer.status == 400, answer.body
    assert peer.node.downloads() == []


@pytest.mark.parametrize("name", ["", "../x", "/etc/x", "a\0b", ".panal/x", "a" * 256, "a/"])
async def test_names_to_fetch_under(peer: RunningPeer, name: str) -> None:
    assert is_problem(await begin(peer, what=UNKNOWN, name=name), 400, "unsafe-name")
    assert peer.node.downloads() == []


@pytest.mark.parametrize("what", ["no such name", "<script>", "a\0b", "\x1b[31m", "x" * 5_000])
async def test_names_that_nobody_has_fail_in_words(peer: RunningPeer, what: str) -> None:
    answer = await begin(peer, what=what)
    assert answer.status in {202, 400}
    if answer.status == 202:
        begun = answer.json()
        await until(lambda: peer.node.download(begun["id"]).state == "failed", "failed")
        ended = (await peer.request("GET", f"{DOWNLOADS}/{begun['id']}")).json()
        assert ended["error"] in {"not-found", "bad-request", "unsafe-name", "too-large"}
        assert "\x1b" not in ended["reason"]
        assert "\0" not in ended["reason"]


async def test_a_download_from_its_beginning_to_off_the_list(
    network: Network, peer: RunningPeer
) -> None:
    data = Random(1).randbytes(100_000)
    other = await network.peer("two", shares_folder=False)
    uploaded = await other.upload("data.bin", data)
    answer = await begin(peer, what=uploaded["id"], name="here.bin")
    begun = answer.json()
    assert answer.status == 202
    assert answer.headers["location"] == f"{DOWNLOADS}/{begun['id']}"
    await until(lambda: peer.node.download(begun["id"]).state == "done", "done")
    shown = (await peer.request("GET", answer.headers["location"])).json()
    assert (shown["state"], shown["name"], shown["bytes_done"]) == ("done", "here.bin", 100_000)
    listed = (await peer.request("GET", DOWNLOADS)).json()["downloads"]
    assert [download["id"] for download in listed] == [begun["id"]]
    where = answer.headers["location"]
    gone = await peer.request("DELETE", where)
    assert (gone.status, gone.body) == (204, b"")
    for method in ("DELETE", "GET"):
        assert is_problem(await peer.request(method, where), 404, "not-found")
    assert (await peer.request("GET", DOWNLOADS)).json() == {"downloads": []}
    assert (peer.folder / "here.bin").read_bytes() == data


async def test_ids_of_no_download(peer: RunningPeer) -> None:
    for text in ("x", "0" * 16, "..%2f..", "%00", "%ff", "%0a", "a" * 4_000):
        for method in ("GET", "DELETE"):
            answer = await peer.request(method, f"{DOWNLOADS}/{text}")
            assert answer.status == 404, text
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_download_is_cancelled_by_delete(peer: RunningPeer) -> None:
    begun = (await begin(peer, what=UNKNOWN)).json()
    await until(lambda: peer.node.download(begun["id"]).state == "waiting", "waiting")
    async with connection(peer.app.port) as wire:
        answer = await wire.ask("DELETE", f"{DOWNLOADS}/{begun['id']}")
        assert answer.status == 204
        assert await wire.is_in_step()
    assert peer.node.downloads() == []


# Pages ------------------------------------------------------------------------------------

LIMITS = {
    "1": 200,
    str(MAX_PAGE): 200,
    "0": 400,
    "-1": 400,
    "+1": 400,
    str(MAX_PAGE + 1): 400,
    "abc": 400,
    "": 400,
    "1.0": 400,
    "1e3": 400,
    "0x10": 400,
    "1_0": 400,
    "%D9%A1": 400,  # an Arabic digit
    "%C2%B2": 400,  # a superscript
    "%201": 400,
    "1%0A": 400,
    "0000000011111": 400,
    "9" * 5_000: 400,
}


@pytest.mark.parametrize("path", ["/api/v1/search?q=a&limit=", "/api/v1/files?limit="])
async def test_limits(peer: RunningPeer, path: str) -> None:
    found = {text: (await peer.request("GET", path + text)).status for text in LIMITS}
    assert found == LIMITS


async def test_pages_of_files(peer: RunningPeer) -> None:
    for number in range(5):
        await peer.upload(f"{number}.txt", b"same")
    seen, after = [], ""
    while after is not None:
        page = await peer.request("GET", f"/api/v1/files?limit=2&after={quote(after)}")
        assert page.headers["cache-control"] == "no-store"
        seen += [file["path"] for file in page.json()["files"]]
        after = page.json()["next"]
    assert seen == [f"{number}.txt" for number in range(5)]


async def test_pages_of_hits(peer: RunningPeer) -> None:
    for number in range(5):
        await peer.upload(f"part{number}.txt", f"{number}".encode())
    seen, page = [], ""
    while page is not None:
        url = f"/api/v1/search?q=part&limit=2&page={quote(page, safe='')}"
        answer = (await peer.request("GET", url)).json()
        seen += [hit["name"] for hit in answer["hits"]]
        page = answer["next"]
    assert sorted(seen) == [f"part{number}.txt" for number in range(5)]


@pytest.mark.parametrize(
    "text",
    ["x", "-1", "%00", "%FF", "%ED%A0%80", "..%2F", "9" * 5_000, "%F0%9F%98%80", "a=b%26c", "%"],
)
async def test_odd_words_and_pages_are_no_faults(peer: RunningPeer, text: str) -> None:
    for path in ("search?q=a&page=", "search?q=", "files?after="):
        answer = await peer.request("GET", f"/api/v1/{path}{text}")
        assert answer.status in {200, 400}, path
        if answer.status == 400:
            assert is_problem(answer, 400, "bad-request"), path


async def test_a_page_that_was_never_given_is_refused(peer: RunningPeer) -> None:
    for page in ("x", "AAAA", "%00", "9" * 100):
        answer = await peer.request("GET", f"/api/v1/search?q=a&page={page}")
        assert is_problem(answer, 400, "bad-request"), page


# The tracker, and this peer's own state ---------------------------------------------------


async def test_without_a_tracker(network: Network, peer: RunningPeer) -> None:
    uploaded = await peer.upload("a.txt", b"a")
    assert (await peer.request("GET", "/readyz")).status == 200
    await network.stop_tracker()
    for path in ("/api/v1/search?q=a", "/api/v1/peers"):
        answer = await peer.request("GET", path)
        assert is_problem(answer, 503, "unreachable"), path
        assert "Is it running" in answer.json()["detail"]
    assert (await peer.request("GET", "/api/v1/status")).status == 200
    files = (await peer.request("GET", "/api/v1/files")).json()
    assert [file["id"] for file in files["files"]] == [uploaded["id"]]
    begun = await begin(peer, what=UNKNOWN)
    assert begun.status == 202
    where = f"{DOWNLOADS}/{begun.json()['id']}"
    await until(
        lambda: "does not answer" in peer.node.download(begun.json()["id"]).reason, "the reason"
    )
    assert (await peer.request("DELETE", where)).status == 204


async def test_ready_only_while_listed(network: Network) -> None:
    await network.stop_tracker()
    peer = await network.peer("one", registered=False, shares_folder=False)
    answer = await peer.request("GET", "/readyz")
    assert (answer.status, answer.body) == (503, b"not registered\n")
    assert (await peer.request("GET", "/healthz")).body == b"ok\n"
    status = (await peer.request("GET", "/api/v1/status")).json()
    assert status["registered"] is False
    assert status["problem"] != ""
    await network.start_tracker()
    await until(lambda: peer.app.lease.problem == "", "registered")
    assert (await peer.request("GET", "/readyz")).status == 200


async def test_status_search_and_peers(network: Network, peer: RunningPeer) -> None:
    uploaded = await peer.upload("data.bin", b"data")
    status = (await peer.request("GET", "/api/v1/status")).json()
    assert (status["name"], status["files"], status["bytes"]) == ("one", 1, 4)
    assert status["urls"] == [peer.url]
    (listed,) = (await peer.request("GET", "/api/v1/peers")).json()["peers"]
    assert (listed["name"], listed["host"], listed["port"]) == ("one", "127.0.0.1", peer.app.port)
    (hit,) = (await peer.request("GET", "/api/v1/search?q=data")).json()["hits"]
    assert (hit["id"], hit["name"], hit["size"]) == (uploaded["id"], "data.bin", 4)
    assert hit["names"] == [{"peer": "one", "path": "data.bin"}]
    for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH"):
        answer = await peer.request(method, "/api/v1/status")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
