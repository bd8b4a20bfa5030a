"""What a peer notes of what happens at its doors, and how `panal log` shows it."""

import pytest

from panal.audit import FILE, read_last
from panal.peer import doorkeeper
from panal.peer.roles import Asker
from tests.cli.running import panal
from tests.peer.test_guests import ask, link_to
from tests.support.network import Network


async def test_what_happens_at_a_peer_s_doors_is_noted(network: Network) -> None:
    peer = await network.peer("one", guest_port=0)
    await peer.upload("note.txt", b"words")
    url = await link_to(peer, "note.txt")
    assert (await ask(url)).status == 200
    (link,) = peer.node.guest_links().links
    peer.node.revoke_guest_link(link.id)
    assert (await ask(url)).status == 404
    foreign = {"Origin": "http://evil.example"}
    assert (await peer.request("GET", "/api/v1/status", headers=foreign)).status == 403
    assert (await peer.request("GET", "/", headers={"Host": "evil.example"})).status == 421
    spent = {"link": "nothing"}
    assert (await peer.request("POST", "/session", json=spent)).status == 403
    session = {"link": peer.app.credentials.new_link()}
    assert (await peer.request("POST", "/session", json=session)).status == 204
    told = (await peer.request("GET", "/api/v1/log?limit=50")).json()["events"]
    assert [(one["event"], one.get("host"), one.get("what"), one.get("link")) for one in told] == [
        ("joined", None, f"the tracker {peer.app.client.address}", None),
        ("uploaded", "127.0.0.1", "note.txt", None),
        ("guest-link-made", None, "note.txt", link.id),
        ("guest-link-used", "127.0.0.1", "note.txt", link.id),
        ("guest-link-revoked", None, "note.txt", link.id),
        ("refused", "127.0.0.1", "GET /guest/{capability}/{name}", None),
        ("refused", "127.0.0.1", "GET /api/v1/status", None),
        ("refused", "127.0.0.1", "GET /", None),
        ("refused", "127.0.0.1", "POST /session", None),
        ("page-opened", "127.0.0.1", None, None),
    ]
    kept = (peer.folder / ".panal" / FILE).read_text()
    assert url.split("/guest/")[1].split("/")[0] not in kept
    assert session["link"] not in kept
    assert (await peer.request("GET", "/api/v1/log?limit=1")).json()["events"] == told[-1:]


async def test_who_may_not_fetch_is_noted_though_nothing_is_told(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: Asker())
    for _ in range(30):
        assert (await peer.request("GET", f"/content/{'0' * 64}")).status == 404
    events = peer.app.audit.last(50)
    assert [(one.event, one.what) for one in events[1:]] == [("refused", "GET /content/{id}")] * 10


async def test_a_peer_s_end_is_noted_and_read_from_its_state(network: Network) -> None:
    peer = await network.peer("one")
    at_work = await panal("log", "--peer", peer.url)
    assert (at_work.code, "joined" in at_work.out) == (0, True)
    await peer.app.stop()
    state = peer.folder / ".panal"
    assert [one.event for one in read_last(state, 9)] == ["joined", "left"]
    printed = await panal("log", "--kept-in", str(state))
    assert (printed.code, printed.out.count("\n")) == (0, 2)
    newest = (await panal("log", "--kept-in", str(state), "--last", "1", "--json")).json()
    assert [one["event"] for one in newest["events"]] == ["left"]


async def test_what_cannot_be_noted_stops_nothing(network: Network) -> None:
    peer = await network.peer("one")
    peer.app.audit.last(1)
    kept = peer.folder / ".panal" / FILE
    kept.unlink()
    kept.mkdir()
    peer.app.audit.close()  # it has the file open: what comes next opens it anew
    await peer.upload("note.txt", b"words")
    assert (await peer.request("GET", "/files/note.txt")).body == b"words"
