"""The owner's token and the page's link, as commands have them."""

import asyncio
import io
import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from panal.peer import doorkeeper
from panal.peer.roles import Asker
from tests.cli.running import panal, said
from tests.support.another_user import NOBODY, needs_another_user, words_as
from tests.support.network import Network
from tests.support.patience import PATIENCE_S

STRANGER = Asker(on_loopback=True, place=f"user {os.getuid()}")


async def test_a_token_file_makes_another_user_the_owner(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: STRANGER)
    refused = await panal("ls", "--peer", peer.url)
    assert refused.code == 7
    assert "token" in refused.err
    token = peer.folder / ".panal" / "owner-token"
    assert (await panal("--token-file", str(token), "ls", "--peer", peer.url)).code == 0
    monkeypatch.setenv("PANAL_TOKEN_FILE", str(token))
    assert (await panal("ls", "--peer", peer.url)).code == 0
    token.write_text("panal-owner-" + "x" * 43)
    assert (await panal("ls", "--peer", peer.url)).code == 7


async def test_a_token_may_come_through_a_pipe(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: STRANGER)
    token = (peer.folder / ".panal" / "owner-token").read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO(token))
    assert (await panal("--token-file", "-", "ls", "--peer", peer.url)).code == 0


LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    if sys.argv[1] == "late": sys.stdin.readline()
    accepted, _ = listening.accept()
    accepted.settimeout(10)
    try: print(accepted.recv(10_000).hex(), flush=True)
    except OSError: print(flush=True)
"""


@needs_another_user
@pytest.mark.parametrize("accepts", ["at once", "late"])
async def test_whoever_listens_in_the_peer_s_place_gets_no_token(
    accepts: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("panal-owner-" + "x" * 43)
    listening = await asyncio.create_subprocess_exec(
        *words_as(NOBODY, LISTEN, accepts), cwd="/", stdin=PIPE, stdout=PIPE
    )
    assert listening.stdin is not None
    assert listening.stdout is not None
    url = f"http://127.0.0.1:{int(await listening.stdout.readline())}"
    async with asyncio.timeout(PATIENCE_S):
        answer = await panal("--token-file", str(token), "ls", "--peer", url)
        assert answer.code == 7
        assert "another user" in answer.err
        listening.stdin.write(b"\n")
        assert await listening.stdout.readline() == b"\n"  # it was connected to, and got nothing
        await listening.wait()


@pytest.mark.parametrize("host", ["192.168.1.5", "example.org", "[2001:db8::1]", "127.evil.test"])
def test_a_token_never_goes_over_a_wire(tmp_path: Path, host: str) -> None:
    (tmp_path / "token").write_text("secret-token")
    words = ("--token-file", str(tmp_path / "token"), "ls", "--peer", f"http://{host}:5000")
    answer = said(*words)
    assert answer.code == 7
    assert "ssh -L" in answer.err
    assert "secret-token" not in answer.out + answer.err


def test_what_is_no_token_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    (tmp_path / "lines").write_text("a\x1bb")
    for name in ("missing", "empty", "odd", "lines"):
        answer = said("--token-file", str(tmp_path / name), "ls")
        assert answer.code == 2, name


async def test_the_page_s_link_counts_once(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    printed = await panal("page", "--peer", peer.url)
    assert printed.code == 0
    start, _, secret = printed.out.strip().partition("#t=")
    assert start == f"{peer.url}/session"
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: STRANGER)
    assert (await peer.request("GET", "/api/v1/status")).status == 403
    answer = await peer.request("POST", "/session", json={"link": secret})
    assert answer.status == 204
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    shown = {"Cookie": cookie.partition(";")[0]}
    assert (await peer.request("GET", "/api/v1/status", headers=shown)).status == 200
    again = await peer.request("POST", "/session", json={"link": secret})
    assert (again.status, "set-cookie" in again.headers) == (403, False)
    assert "panal page" in again.json()["detail"]


async def test_a_form_of_another_site_begins_no_session(network: Network) -> None:
    peer = await network.peer("one")
    link = peer.app.credentials.new_link()
    for fields in (
        {"Content-Type": "text/plain"},
        {"Origin": "http://evil.test"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
    ):
        headers = {"Content-Type": "application/json", **fields}
        body = b'{"link": "' + link.encode() + b'"}'
        answer = await peer.request("POST", "/session", data=body, headers=headers)
        assert answer.status in {400, 403}
        assert "set-cookie" not in answer.headers
