"""`panal search` and its filters, beside a real tracker and two peers."""

import re

import pytest

from tests.cli.running import panal, said
from tests.support.network import Network
from tests.support.patience import PATIENCE_S


@pytest.fixture
async def tracker(network: Network) -> tuple[str, str]:
    one, two = await network.peer("one"), await network.peer("two", shares_folder=False)
    await one.upload("small.bin", b"x" * 100)
    await one.upload("large.bin", b"x" * 3_000)
    await two.upload("other.bin", b"y" * 2_048)
    (one.folder / "album").mkdir()
    (one.folder / "album" / "song.bin").write_bytes(b"la")
    await one.node.add_folder("album")
    assert await one.app.announcer.announced(PATIENCE_S)
    return ("--tracker", network.tracker_address)


async def found(*words: str) -> set[str]:
    answer = await panal("search", *words, "--json")
    assert answer.code == 0, answer.err
    return {hit["names"][0]["path"] for hit in answer.json()["hits"]}


async def test_filters(tracker: tuple[str, str]) -> None:
    files = {"small.bin", "large.bin", "other.bin", "album/song.bin"}
    assert await found(*tracker, "bin") == files
    assert await found(*tracker, "--type", "folder") == {"album"}
    assert await found(*tracker, "--type", "file") == files
    assert await found(*tracker, "--peer-name", "TWO") == {"other.bin"}
    assert await found(*tracker, "--peer-name", "nobody") == set()
    assert await found(*tracker, "--min-size", "2K", "bin") == {"large.bin", "other.bin"}
    assert await found(*tracker, "--min-size", "100", "--max-size", "2KiB", "bin") == {
        "small.bin",
        "other.bin",
    }
    assert await found(*tracker, "--peer-name", "one", "--min-size", "2.5k") == {"large.bin"}


async def test_everything_is_listed_over_as_many_pages_as_it_takes(
    tracker: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.searching.LARGEST_PAGE", 2)
    monkeypatch.setattr("panal.tracker.ranking.RANK_LIMIT", 1)
    monkeypatch.setattr("panal.tracker.sqlite_queries.RANK_LIMIT", 1)
    answer = await panal("search", *tracker, "--limit", "1000000")
    everything = ["album", "album/song.bin", "large.bin", "other.bin", "small.bin"]
    assert [line.split("  ")[0] for line in answer.out.splitlines()] == everything
    assert answer.err == ""
    document = (await panal("search", *tracker, "--json")).json()
    assert [hit["names"][0]["path"] for hit in document["hits"]] == everything
    assert (document["capped"], document["next"]) == (False, None)
    answer = await panal("search", *tracker, "--limit", "3")
    assert [line.split("  ")[0] for line in answer.out.splitlines()] == everything[:3]
    assert answer.err == "There are more than 3: add words, or raise --limit.\n"


async def test_folders_and_further_names_are_told(
    network: Network, tracker: tuple[str, str]
) -> None:
    (line,) = (await panal("search", *tracker, "--type", "folder")).out.splitlines()
    assert line.startswith("album  folder  1 copy (one)  ")
    for number in range(30):
        await network.peers["two"].upload(f"der_{number:02}.h", b"z")
        if number in {1, 29}:
            assert await network.peers["two"].app.announcer.announced(PATIENCE_S)
            (line,) = (await panal("search", *tracker, "der")).out.splitlines()
            also = "1 other name" if number == 1 else "19 or more other names"
            assert f"  1 copy (two), also under {also}  " in line


async def test_who_has_it_under_a_name_that_does_not_match_is_counted_apart(
    network: Network, tracker: tuple[str, str]
) -> None:
    for peer, name in (("one", "unlike.bin"), ("two", "all.bin")):
        await network.peers[peer].upload(name, b"the same")
        assert await network.peers[peer].app.announcer.announced(PATIENCE_S)
    (line,) = (await panal("search", *tracker, "unlike")).out.splitlines()
    assert line.startswith("unlike.bin  8 B  2 copies (one and 1 more)  ")


async def test_of_many_who_have_it_a_few_are_named(network: Network) -> None:
    for number in range(8):
        peer = await network.peer(f"peer_{number}", shares_folder=False)
        await peer.upload("common.bin", b"common")
        assert await peer.app.announcer.announced(PATIENCE_S)
    at = ("--tracker", network.tracker_address)
    (line,) = (await panal("search", "common", *at)).out.splitlines()
    named = "peer_0, peer_1, peer_2, peer_3, peer_4"
    assert line.startswith(f"common.bin  6 B  8 copies ({named} and 3 more)  ")
    (hit,) = (await panal("search", "common", *at, "--json")).json()["hits"]
    assert len(hit["names"]) == 8


async def test_a_name_of_many_contents_lists_each_on_a_line(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    ids = [(await one.upload(f"{n}/data.bin", bytes([n])))["id"] for n in range(10)]
    assert await one.app.announcer.announced(PATIENCE_S)
    words = ("get", "data.bin", "--peer", two.url)
    answer = await panal(*words)
    first, *lines = answer.err.splitlines()
    assert (answer.code, first) == (2, "panal: 'data.bin' means 10 contents, ask by id:")
    assert sorted(lines) == sorted(f"  {ids[n]} '{n}/data.bin' (1 bytes)" for n in range(10))
    detail = (await panal(*words, "--json")).json()["detail"]
    assert detail.startswith("'data.bin' means 10 contents, ask by id: ")
    assert "\n" not in detail


async def test_what_was_not_ranked_is_told(
    tracker: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sqlite_queries", "sqlite_matches"):
        for limit in ("RANK_LIMIT", "RANKED_OF_MORE"):
            monkeypatch.setattr(f"panal.tracker.{module}.{limit}", 3)
    answer = await panal("search", *tracker, "bin")
    assert len(answer.out.splitlines()) == 3
    assert answer.err == (
        "More than 10,000 names match: only some of them are ranked. Narrow it.\n"
    )


async def test_peers_and_when_they_were_heard_of(tracker: tuple[str, str]) -> None:
    lines = (await panal("peers", *tracker)).out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["one", "two"]
    assert all(re.search(r"  \d files?  heard of \d+ s ago$", line) for line in lines)


async def test_filters_of_the_api(network: Network, tracker: tuple[str, str]) -> None:
    peer = network.peers["one"]

    async def asked(query: str) -> int:
        answer = await peer.request("GET", f"/api/v1/search?{query}")
        return len(answer.json()["hits"]) if answer.status == 200 else answer.status

    assert await asked("q=bin&peer=two") == 1
    assert await asked("kind=collection") == 1
    assert await asked("q=bin&min_size=2048") == 2
    assert await asked("q=bin&max_size=99") == 1
    for wrong in ("kind=x", "peer=-", "min_size=-1", "min_size=x", f"max_size={'9' * 19}"):
        assert await asked(wrong) == 400


@pytest.mark.parametrize("size", ["", "x", "-1", "1P", "1.M", "9999999999999T", "1e3"])
def test_sizes_that_are_none(size: str) -> None:
    assert said("search", "--min-size", size, "--tracker", "127.0.0.1:1").code == 2
