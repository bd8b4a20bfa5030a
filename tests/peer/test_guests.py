"""Links for guests: exactly what they name, on a listener of their own, until they end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from panal.errors import NotFound, Refused, UsageError
from panal.peer.guest_links import KEY_FILE, MAX_S
from panal.peer.guest_routes import UNKNOWN
from panal.peer.roles import Role
from panal.store.texts import Texts
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from tests.support.clock import VirtualClock
from tests.support.network import Answer, Network, RunningPeer
from tests.support.raw_http import connection, request

DATA = b"for a guest" * 1_000


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    peer = await network.peer("one", hosts=("127.0.0.1",), guest_port=0)
    await peer.upload("note.txt", DATA)
    await peer.upload("other.txt", b"not for a guest")
    return peer


@asynccontextmanager
async def guest() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


def here(url: str | None) -> str:
    """A link's address, on loopback."""
    assert url is not None
    return str(URL(url, encoded=True).with_host("127.0.0.1"))


async def ask(url: str, method: str = "GET", **headers: str) -> Answer:
    async with (
        guest() as session,
        session.request(
            method, URL(url, encoded=True), headers=headers, allow_redirects=False
        ) as answer,
    ):
        fields = {key.lower(): value for key, value in answer.headers.items()}
        return Answer(answer.status, fields, await answer.read())


async def link_to(peer: RunningPeer, what: str, **options: Any) -> str:
    return here((await peer.node.make_guest_link(what, **options)).url)


async def test_a_file_comes_whole_in_ranges_and_by_head(peer: RunningPeer) -> None:
    url = await link_to(peer, "note.txt")
    whole = await ask(url)
    assert (whole.status, whole.body) == (200, DATA)
    assert whole.headers["content-disposition"].startswith("attachment")
    assert whole.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["referrer-policy"] == "no-referrer"
    part = await ask(url, Range="bytes=5-9")
    assert (part.status, part.body) == (206, DATA[5:10])
    head = await ask(url, "HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
    assert (await ask(url, "POST")).status == 405


async def test_a_name_may_have_braces(peer: RunningPeer) -> None:
    uploaded = await peer.upload("%7Ba%7D.txt", DATA)
    assert (await ask(await link_to(peer, "{a}.txt"))).body == DATA
    link = await peer.node.link("{a}.txt")
    assert (await ask(here(link.url))).body == DATA
    assert (await ask(f"{peer.url}/content/{uploaded['id']}/%7Ba%7D.txt")).body == DATA
    await peer.upload("%7Bf%7D/%7Ba%7D.txt", DATA)
    assert (await ask(await link_to(peer, "{f}") + "%7Ba%7D.txt")).body == DATA


async def test_nothing_else_is_there(peer: RunningPeer) -> None:
    url = await link_to(peer, "note.txt")
    origin, _, rest = url.partition("/guest/")
    capability, _, name = rest.partition("/")
    content = (await peer.node.link("note.txt")).id
    other = (await peer.node.link("other.txt")).id
    forged = ("B" if capability[0] == "A" else "A") + capability[1:]
    wrong_end = "%51" if capability[-1] == "A" else "%41"
    rows = [
        f"/guest/{capability}/other.txt",
        f"/guest/{capability}/",
        f"/guest/{capability}",
        f"/guest/{capability}/{name}/",
        f"/guest/{capability}/{name}/..%2fother.txt",
        f"/guest/{capability}/..%2f{name}",
        f"/guest/{forged}/{name}",
        f"/guest/{capability[:-1]}/{name}",
        f"/guest/{capability}A/{name}",
        f"/guest/{capability[:-1]}{wrong_end}/{name}",
        f"/guest//{name}",
        f"/guest/{'A' * 43}/{name}",
        f"/guest/%00/{name}",
        f"/guest/%C3%B1/{name}",
        "/",
        "/guest",
        "/files/",
        "/files/note.txt",
        f"/content/{content}",
        f"/content/{other}",
        "/api/v1/status",
        "/api/v1/guest-links",
        "/upload",
        "/session",
        "/healthz",
        "/dialback/" + "0" * 32,
    ]
    expected = (await ask(f"{origin}/no/such/thing")).body
    assert UNKNOWN.encode() in expected
    for row in rows:
        answer = await ask(origin + row)
        assert (answer.status, answer.body) == (404, expected), row
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await ask(f"{origin}/upload", method)).status == 405


async def test_neither_owner_nor_member_comes_in_by_the_guests_door(peer: RunningPeer) -> None:
    token = (peer.folder / ".panal" / "owner-token").read_text().strip()
    origin = here(peer.app.ports.guest_url())
    for path in ("/api/v1/status", "/files/", "/upload"):
        answer = await ask(f"{origin}{path}", Authorization=f"Bearer {token}")
        assert answer.status == 404
    assert {route.role for route in peer.app.guest_routes} == {Role.GUEST}
    url = await link_to(peer, "note.txt")
    capability = url.partition("/guest/")[2]
    assert (await peer.request("GET", f"/guest/{capability}")).status == 404  # nor the other way


async def test_a_folder_is_a_list_of_its_files(peer: RunningPeer) -> None:
    nasty = "<img src=x onerror=alert(1)>\u202e.txt".replace("\u202e", "")
    for name in ("album/a.txt", "album/deep/b c.txt", f"album/{nasty}"):
        path = peer.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    url = await link_to(peer, "album")
    page = await ask(url)
    assert page.status == 200
    text = page.body.decode()
    assert "<img" not in text
    assert "&lt;img src=x" in text
    assert 'href="./deep/"' in text
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await ask(url[:-1])).status == 308
    assert (await ask(url + "deep/")).status == 200
    assert (await ask(url + "deep/b%20c.txt")).body == b"album/deep/b c.txt"
    assert (await ask(url + "a.txt", Range="bytes=0-4")).body == b"album"
    for missing in ("b.txt", "nothing/", "deep", "note.txt", "../note.txt", "%2e%2e/note.txt"):
        assert (await ask(url + missing)).status in {400, 404}, missing


async def test_links_end(
    peer: RunningPeer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(wall_s=peer.app.clock.wall_s())
    monkeypatch.setattr(peer.app.guest_links, "_clock", clock)
    short = await link_to(peer, "note.txt", duration_s=60)
    longer = await link_to(peer, "note.txt", duration_s=3_600)
    clock.advance(59)
    assert (await ask(short)).status == 200
    clock.advance(1)
    assert (await ask(short)).status == 404
    (known,) = peer.node.guest_links().links
    assert known.url is None
    peer.node.revoke_guest_link(known.id[:6])
    gone = await ask(longer)
    assert (gone.status, gone.body) == (404, (await ask(short)).body)
    with pytest.raises(NotFound):
        peer.node.revoke_guest_link(known.id)
    for duration_s in (0, -1, MAX_S + 1):
        with pytest.raises(UsageError):
            await peer.node.make_guest_link("note.txt", duration_s)


async def test_a_link_outlives_its_peer_s_process_and_not_its_key(
    network: Network,
) -> None:
    settings: dict[str, Any] = {"hosts": ("127.0.0.1",), "guest_port": 0}
    peer = await network.peer("one", **settings)
    await peer.upload("note.txt", DATA)
    (peer.folder / "album").mkdir()
    (peer.folder / "album" / "a.txt").write_bytes(b"a")
    urls = [await link_to(peer, "note.txt"), await link_to(peer, "album")]
    key = peer.folder / ".panal" / KEY_FILE
    assert key.stat().st_mode & 0o077 == 0
    await network.stop_peer("one")
    peer = await network.peer("one", **settings)
    again = [str(URL(url, encoded=True).with_port(peer.app.ports.guest_port)) for url in urls]
    assert [(await ask(url)).status for url in again] == [200, 200]
    await network.stop_peer("one")
    key.unlink()
    peer = await network.peer("one", **settings)
    again = [str(URL(url, encoded=True).with_port(peer.app.ports.guest_port)) for url in urls]
    assert [(await ask(url)).status for url in again] == [404, 404]


async def test_a_changed_file_is_not_what_was_linked(peer: RunningPeer) -> None:
    url = await link_to(peer, "note.txt")
    (peer.folder / "note.txt").write_bytes(b"something else")
    assert (await ask(url)).status in {404, 410}
    await peer.node.unshare(["other.txt"])
    with pytest.raises(NotFound):
        await peer.node.make_guest_link("missing.txt")


async def test_without_a_listener_there_are_no_links(network: Network) -> None:
    peer = await network.peer("one")
    await peer.upload("note.txt", DATA)
    with pytest.raises(Refused, match="--guest-port"):
        await peer.node.make_guest_link("note.txt")
    assert peer.node.guest_links().listening is None
    assert (await peer.node.link("note.txt")).link.startswith("panal:")


async def test_the_guests_listener_has_the_rules_of_every_other(peer: RunningPeer) -> None:
    path = URL(await link_to(peer, "note.txt"), encoded=True).raw_path
    async with connection(peer.app.ports.guest_port) as wire:
        await wire.send(request("GET", path, "Host: evil.example"))
        assert (await wire.answer()).status == 421
        for lines in (("Origin: http://evil.example",), ("Sec-Fetch-Site: cross-site",)):
            await wire.send(request("GET", path, *lines))
            assert (await wire.answer()).status == 403
        await wire.send(
            request("GET", path, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document")
        )
        assert (await wire.answer()).status == 200


async def test_a_folder_s_list_is_read_once_for_many_requests(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        await peer.upload(f"many/{number}.txt", b"x")
    url = await link_to(peer, "many")
    read: list[object] = []
    reading = Texts.read

    def noted(texts: Texts, content: ContentId) -> tuple[bytes, Manifest] | None:
        read.append(content)
        return reading(texts, content)

    monkeypatch.setattr(Texts, "read", noted)
    for number in range(10):
        assert (await ask(f"{url}{number}.txt")).body == b"x"
        assert (await ask(f"{url}{number}")).status == 404
    assert b"9.txt" in (await ask(url)).body
    assert len(read) == 1
