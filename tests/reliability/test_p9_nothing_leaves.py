"""P9: whoever is not let in gets nothing and changes nothing, by any route that a peer serves."""

import pytest

from panal.peer import access, visitors
from panal.peer.access import Route
from panal.peer.local_user import LocalUser
from panal.peer.roles import Role
from tests.support.checker import assert_settled
from tests.support.network import Network, RunningPeer, until
from tests.support.raw_http import connection, request

pytestmark = pytest.mark.p9
SHARED, HIDDEN = b"canary: what is shared", b"canary: what is not"
NAME = "canary-film.bin"
STRANGERS: dict[str, tuple[str, ...]] = {
    "another user": (),
    "one with a wrong token": (f"Authorization: Bearer panal-owner-{'A' * 43}",),
    "one behind a proxy": ("X-Forwarded-For: 127.0.0.1",),
}
PAGES: dict[str, tuple[str, ...]] = {
    "a page of elsewhere": ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
    "a page without an origin": ("Origin: null",),
    "a name that leads here": ("Host: evil.example",),
}


async def started(network: Network) -> tuple[RunningPeer, dict[str, bytes]]:
    """A peer with something in every corner, and what must not be said, by what it is."""
    folder = network.place / "one"
    folder.mkdir()
    (folder / ".hidden").write_bytes(HIDDEN)
    (folder / NAME).write_bytes(SHARED)
    peer = await network.peer("one")
    await until(lambda: peer.app.index.by_path(NAME) is not None, "it is shared")
    peer.node.get("0" * 64, "canary-wanted.bin")
    kept = [peer.app.settings.state / name for name in ("owner-token", "owner-secret")]
    secrets = {path.name: path.read_bytes().strip() for path in kept}
    return peer, {"shared": SHARED, "hidden": HIDDEN, "a name": b"canary", **secrets}


def addresses(route: Route, content: str, download: str) -> list[str]:
    """A route with what is there, and with what nobody shares, in the place of its names."""
    identity = download if "downloads" in route.path else content
    paths = [NAME, ".hidden", ".panal/owner-token", "%2e%2e/one/.hidden"]
    found = []
    for path in paths if "{path" in route.path else paths[:1]:
        named = route.path.replace("{path:.+}", path).replace("{path:.*}", path)
        named = named.replace("{name}", path).replace("{nonce}", "0" * 32)
        found.append(named.replace("{id}", identity))
    return found


async def asked_everything(network: Network, who: dict[str, tuple[str, ...]]) -> int:
    """How many requests were refused: each kind of caller at each address of each route."""
    peer, secrets = await started(network)
    content = peer.node.files().files[0].id
    (download,) = peer.node.downloads()
    before = sorted(peer.folder.rglob("*"))
    refused = 0
    for name, lines in who.items():
        for route in peer.app.routes:
            for path in addresses(route, content, download.id):
                async with connection(peer.app.port) as wire:
                    await wire.send(request(route.method, path, *lines, body=b"{}"))
                    head = await wire.head()
                    said = repr((name, route.method, path, head.status))
                    if route.role is not Role.PUBLIC or who is PAGES:
                        assert head.status >= 400, f"{said}: somebody came in"
                        refused += 1
                    length = int(head.headers.get("content-length", "0"))
                    text = b"" if route.method == "HEAD" else await wire.reader.read(length)
                    text += repr(head.headers).encode()
                for what, secret in secrets.items():
                    assert secret not in text, f"{said} tells {what}"
    assert sorted(peer.folder.rglob("*")) == before
    assert [d.id for d in peer.node.downloads()] == [download.id]
    await network.stop_peer("one")
    assert_settled(peer.folder, whole={NAME: SHARED, ".hidden": HIDDEN})
    return refused


@pytest.fixture
def _other_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "user_at", lambda *_: LocalUser(65_534))


@pytest.mark.usefixtures("_other_user")
async def test_p9_a_stranger_gets_nothing_and_changes_nothing(network: Network) -> None:
    assert await asked_everything(network, STRANGERS) > 150


async def test_p9_no_web_page_acts_for_the_owner(network: Network) -> None:
    assert await asked_everything(network, PAGES) > 150


@pytest.mark.usefixtures("_other_user")
async def test_p9_is_seen_broken_where_the_role_is_not_looked_at(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "may", lambda *_: True)
    with pytest.raises(AssertionError, match="somebody came in"):
        await asked_everything(network, STRANGERS)


async def test_p9_is_seen_broken_where_pages_are_not_looked_at(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "check_page", lambda *_, **__: None)
    with pytest.raises(AssertionError, match="somebody came in"):
        await asked_everything(network, PAGES)
