"""What Tab offers, through click's own machinery; silent where nobody answers."""

import asyncio
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from panal.cli import completing
from panal.cli.main import panal as group
from tests.support.network import Network, RunningPeer, until

UNKNOWN = "0" * 64


async def offered(*words: str) -> list[str]:
    """What stands behind the last word begun, asked in a thread."""
    *before, begun = words
    shell = ShellComplete(group, {}, "panal", "_PANAL_COMPLETE")
    items = await asyncio.to_thread(shell.get_completions, before, begun)
    return [item.value for item in items]


@pytest.fixture
async def peer(network: Network, monkeypatch: pytest.MonkeyPatch) -> RunningPeer:
    monkeypatch.setattr(completing, "PATIENCE_S", 30.0)  # nothing here depends on how quick it is
    made = await network.peer("one", shares_folder=False)
    for name in ("holiday.mp4", "holy.txt", "my%20notes.txt", "sub/holiday.jpg"):
        await made.upload(name, name.encode())
    return made


async def test_commands_and_options() -> None:
    assert await offered("ver") == ["verify", "version"]
    assert await offered("downloads", "pa") == ["pause"]
    assert await offered("get", "--dry") == ["--dry-run"]
    assert await offered("search", "--type", "f") == ["file", "folder"]


async def test_names_to_get(network: Network, peer: RunningPeer) -> None:
    at = ("get", "--tracker", network.tracker_address)
    assert sorted(await offered(*at, "holi")) == ["holiday.jpg", "holiday.mp4"]
    assert await offered(*at, "sub/") == ["sub/holiday.jpg"]
    assert await offered(*at, "iday") == []
    assert len(await offered(*at, "")) == 4
    assert await offered("get", "--peer", peer.url, "holy") == ["holy.txt"]


async def test_bash_gets_names_as_they_must_be_typed(
    network: Network, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("get", "--tracker", network.tracker_address)
    assert await offered(*at, "my no") == ["my notes.txt"]
    monkeypatch.setenv("_PANAL_COMPLETE", "bash_complete")
    assert await offered(*at, "my no") == [r"my\\ notes.txt"]


async def test_shared_paths(peer: RunningPeer) -> None:
    for command in ("unshare", "verify"):
        at = (command, "--peer", peer.url)
        assert await offered(*at, "hol") == ["holiday.mp4", "holy.txt"]
        assert await offered(*at, "sub/") == ["sub/holiday.jpg"]
    (item,) = ShellComplete(group, {}, "panal", "_").get_completions(["unshare"], "./x")
    assert (item.value, item.type) == ("./x", "file")


async def test_ids_of_downloads_by_what_can_be_done(peer: RunningPeer) -> None:
    one, two = (peer.node.get(digit * 64).id for digit in "12")
    for identity in (one, two):
        await until(lambda i=identity: peer.node.download(i).state == "waiting", "waiting")  # type: ignore[misc]
    await peer.node.pause_download(two)

    async def ids(command: str, *given: str) -> list[str]:
        return await offered("downloads", command, "--peer", peer.url, *given, "")

    assert (await ids("pause"), await ids("resume")) == ([one], [two])
    assert await ids("cancel") == [one, two]
    assert await ids("cancel", one) == [two]
    assert await ids("priority", "5") == [one, two]
    assert await offered("downloads", "pause", "--peer", peer.url, "x") == []
    assert await offered("why", "--peer", peer.url, "") == [one, two]


async def test_the_settings_file_names_whom_to_ask(peer: RunningPeer, tmp_path: Path) -> None:
    file = tmp_path / "config" / "panal" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[unshare]\npeer = "{peer.url}"\n')
    assert await offered("unshare", "holy") == ["holy.txt"]
    file.write_text("[unshare")
    assert await offered("unshare", "holy") == []


async def test_nobody_answers_and_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    nobody = ("--peer", "http://127.0.0.1:1")
    assert await offered("get", "--tracker", "127.0.0.1:1", "x") == []
    assert await offered("get", "--tracker", "nonsense", "x") == []
    for words in (("unshare",), ("downloads", "pause"), ("get",)):
        assert await offered(*words, *nobody, "x") == []
    assert capfd.readouterr() == ("", "")


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "PATIENCE_S", 0.0)

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await offered("unshare", "--peer", f"http://127.0.0.1:{port}", "x") == []
    server.close()
