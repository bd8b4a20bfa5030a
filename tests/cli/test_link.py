"""`panal link`: for others, for guests, listed and revoked."""

import pytest

from panal.cli.link import parse_duration
from panal.errors import UsageError
from tests.cli.running import panal
from tests.support.network import Network


async def test_a_link_is_for_whoever_has_panal(network: Network) -> None:
    peer = await network.peer("one")
    file = await peer.upload("note.txt", b"a note")
    at = ("--peer", peer.url)
    assert (await panal("link", "note.txt", *at)).out.strip() == file["link"]
    assert (await panal("link", file["id"], *at)).out.strip() == file["link"]
    on_disk = str(peer.folder / "note.txt")
    assert (await panal("link", on_disk, *at)).out.strip() == file["link"]
    missing = await panal("link", "missing.txt", *at)
    assert (missing.code, "neither a file nor a folder 'missing.txt'" in missing.err) == (3, True)
    (peer.folder / "album").mkdir()
    (peer.folder / "album" / "a.txt").write_bytes(b"a")
    assert (await panal("link", "album", *at)).out.startswith("panal:")
    assert (await panal("link", "album/", *at)).out.startswith("panal:")


async def test_a_guest_s_link_is_printed_as_words_and_code_listed_and_revoked(
    network: Network,
) -> None:
    peer = await network.peer("one", hosts=("127.0.0.1",), guest_port=0)
    await peer.upload("note.txt", b"a note")
    at = ("--peer", peer.url)
    made = await panal("link", "--guest", "note.txt", "--for", "2h", *at)
    assert made.code == 0
    url = made.out.strip()
    assert url.startswith("http://")
    assert "/guest/" in url
    assert url.endswith("/note.txt")
    assert "█" in made.err or "▄" in made.err
    assert "plain HTTP" in made.err
    listed = await panal("link", "--list", *at)
    assert "note.txt" in listed.out
    capability = url.rpartition("/guest/")[2].partition("/")[0]
    assert capability not in listed.out
    link_id = (await panal("link", "--list", *at, "--json")).json()["links"][0]["id"]
    assert link_id[:8] in made.err
    assert (await panal("link", "--revoke", link_id[:8], *at)).code == 0
    assert "no links" in (await panal("link", "--list", *at)).err
    assert (await panal("link", "--revoke", link_id[:8], *at)).code == 3


async def test_without_a_guest_port_it_says_what_to_do(network: Network) -> None:
    peer = await network.peer("one")
    await peer.upload("note.txt", b"a note")
    refused = await panal("link", "--guest", "note.txt", "--peer", peer.url)
    assert refused.code == 7
    assert "--guest-port" in refused.err


async def test_words_that_make_no_sense(network: Network) -> None:
    for words in (
        (),
        ("--guest",),
        ("x", "--list"),
        ("--list", "--revoke", "1"),
        ("x", "--revoke", "1"),
    ):
        assert (await panal("link", *words)).code == 2
    assert (await panal("link", "--guest", "x", "--for", "soon")).code == 2


def test_durations() -> None:
    assert [parse_duration(text) for text in ("90s", "30m", "24h", "7d")] == [
        90,
        1_800,
        86_400,
        604_800,
    ]
    for text in ("", "0h", "1", "h", "-1h", "1.5h", "1w", "99999999h", "1h1m"):
        with pytest.raises(UsageError):
            parse_duration(text)


@pytest.mark.parametrize("words", [["note.txt"], ["--list"], ["--revoke", "5f0c"]])
async def test_only_a_guest_s_link_takes_a_time_after_which_it_ends(words: list[str]) -> None:
    refused = await panal("link", *words, "--for", "1h")
    assert (refused.code, "--for is for --guest" in refused.err) == (2, True)
