"""The queue of downloads: order, pause, resume, waiting for a name, a peer's restart."""

from random import Random

import pytest

from panal.errors import UsageError
from panal.wire.catalogue import Entry
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.peer.test_downloads import DATA, gated
from tests.support.network import Network, until
from tests.support.scripted_peer import ScriptedPeer


async def test_paused_downloads_keep_what_is_there(network: Network) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        begun = getter.node.get(slow.content.hex(), "out.bin")
        await slow.reached.wait()
        paused = await getter.node.pause_download(begun.id)
        assert (paused.state, paused.reason) == ("paused", "")
        slow.release.set()
        assert getter.node.resume_download(begun.id).state == "running"
        await until(lambda: getter.node.download(begun.id).state == "done", "done")
        answer = getter.node.download(begun.id)
        assert answer.bytes_resumed == 0  # before it began nothing was here
        assert [source.bytes >= len(DATA) for source in answer.sources] == [True]
        with pytest.raises(UsageError):
            await getter.node.pause_download(begun.id)
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_downloads_survive_a_restart(network: Network) -> None:
    getter = await network.peer("getter")
    async with (
        ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow,
        ScriptedPeer("other", DATA[:-1], gated).running(network.tracker_address, "o") as other,
    ):
        begun = getter.node.get(slow.content.hex(), "out.bin")
        paused = getter.node.get(other.content.hex(), "paused.bin")
        await slow.reached.wait()
        await other.reached.wait()
        await getter.node.pause_download(paused.id)
        await network.stop_peer("getter")
        slow.release.set()
        other.release.set()
        again = await network.peer("getter")
        await until(lambda: again.node.download(begun.id).state == "done", "done after a restart")
        assert again.node.download(begun.id).bytes_resumed > 0
        assert again.node.download(paused.id).state == "paused"
        again.node.resume_download(paused.id)
        await until(lambda: again.node.download(paused.id).state == "done", "done after a pause")
    assert (again.folder / "out.bin").read_bytes() == DATA
    await network.stop_peer("getter")
    third = await network.peer("getter")
    assert [answer.state for answer in third.node.downloads()] == ["done", "done"]


async def test_few_run_and_the_rest_wait_by_priority(network: Network) -> None:
    getter = await network.peer("getter")
    getter.node.change_settings(active_downloads=1)
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        first = getter.node.get(slow.content.hex(), "first.bin")
        await slow.reached.wait()
        one = await network.peer("one")
        ids = {}
        for number, name in enumerate(("low", "high")):
            data = Random(number).randbytes(MIN_CHUNK_BYTES)
            what = (await one.upload(f"{name}.bin", data))["id"]
            ids[name] = getter.node.get(what, priority=number).id
        assert [answer.state for answer in getter.node.downloads()] == [
            "running",
            "queued",
            "queued",
        ]
        ended: list[str] = []

        def in_order() -> bool:
            for name, download_id in ids.items():
                if getter.node.download(download_id).state == "done" and name not in ended:
                    ended.append(name)
            return len(ended) == 2

        slow.release.set()
        await until(in_order, "all done")
        assert getter.node.download(first.id).state == "done"
    assert ended == ["high", "low"]


async def test_a_name_that_does_not_exist_yet_is_waited_for(network: Network) -> None:
    getter, sharer = await network.peer("getter"), await network.peer("sharer")
    begun = getter.node.get("results.csv", wait=True)
    await until(lambda: getter.node.download(begun.id).state == "waiting", "waiting")
    assert "It is waited for" in getter.node.download(begun.id).reason
    await sharer.upload("results.csv", b"1,2,3\n")
    await until(lambda: getter.node.download(begun.id).state == "done", "done")
    assert (getter.folder / "results.csv").read_bytes() == b"1,2,3\n"


async def test_one_content_under_two_names(network: Network) -> None:
    getter, sharer = await network.peer("getter"), await network.peer("sharer")
    what = (await sharer.upload("a.bin", DATA))["id"]
    ids = [getter.node.get(what, name).id for name in ("x.bin", "y.bin")]
    await until(
        lambda: all(getter.node.download(i).state in {"done", "failed"} for i in ids), "both ended"
    )
    assert [getter.node.download(i).state for i in ids] == ["done", "done"]
    assert (getter.folder / "y.bin").read_bytes() == DATA


async def test_a_hidden_name_is_not_taken_from_others(network: Network) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("evil", DATA).running(network.tracker_address, ".bashrc") as evil:
        answer = await getter.fetched(evil.content.hex())
        assert (answer.state, answer.error) == ("failed", "unsafe-name")
        assert not (getter.folder / ".bashrc").exists()


@pytest.mark.parametrize(
    ("name", "rules"),
    [(".hidden", ""), ("deep/.hidden/x", ""), ("server.pem", ""), ("deep/x.log", "*.log")],
)
async def test_what_the_folder_leaves_out_is_fetched_and_never_announced(
    network: Network, monkeypatch: pytest.MonkeyPatch, name: str, rules: str
) -> None:
    sharer = await network.peer("sharer")
    what = (await sharer.upload("a.bin", DATA))["id"]
    getter = await network.peer("getter", shares_folder=False)  # no scan reads the rules
    (getter.folder / ".panalignore").write_text(rules)
    told: list[str] = []
    real = getter.app.announcer.change_entry

    def change_entry(before: Entry | None, after: Entry | None) -> None:
        told.extend(entry.path for entry in (before, after) if entry is not None)
        real(before, after)

    monkeypatch.setattr(getter.app.announcer, "change_entry", change_entry)
    assert (await getter.fetched(what, name)).state == "done"
    assert (getter.folder / name).read_bytes() == DATA
    assert (await getter.fetched(what, name)).state == "done"  # it is there already
    if rules:  # no folder is fetched under a hidden name, and none is a secret by its name
        folder = await sharer.node.add_folder()
        assert (await getter.fetched(folder.id, f"tree/{name}")).state == "done"
        assert (getter.folder / "tree" / name / "a.bin").read_bytes() == DATA
    assert (await getter.fetched(what, "seen.bin")).state == "done"
    assert set(told) == {"seen.bin"}
    assert [file.path for file in getter.node.files().files] == ["seen.bin"]


async def test_one_content_under_two_names_is_fetched_once_after_the_other(
    network: Network,
) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        first = getter.node.get(slow.content.hex(), "first.bin").id
        await slow.reached.wait()
        second = getter.node.get(slow.content.hex(), "second.bin").id
        await until(lambda: "goes first" in getter.node.download(second).reason, "it waits")
        slow.release.set()
        for identity in (first, second):
            await until(lambda: getter.node.download(identity).state == "done", "done")  # noqa: B023
    assert {(getter.folder / name).read_bytes() for name in ("first.bin", "second.bin")} == {DATA}
