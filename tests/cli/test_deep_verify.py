"""`panal verify --deep`: what it says, and with which exit code."""

from pathlib import Path

import pytest

from tests.cli.running import panal, said
from tests.cli.test_schemas import check
from tests.fsck.place import Place, overwrite
from tests.support.network import Network


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_what_is_in_order_is_told_in_a_line(place: Place) -> None:
    answer = said("verify", "--deep", str(place.folder))
    assert (answer.code, answer.out.count("\n")) == (0, 1)
    assert "4 files" in answer.out
    assert "0 broken, 0 known to be damaged, 0 left to the next start" in answer.out


def test_what_is_broken_is_named_and_ends_with_5(place: Place) -> None:
    overwrite(place.folder / "large.bin", 300_000, b"rot")
    (place.folder / "later \x1b[31m.txt").touch()
    answer = said("verify", "--deep", str(place.folder))
    assert answer.code == 5
    assert "broken: large.bin (chunk 1): A file has other bytes" in answer.out
    assert "\x1b" not in answer.out
    assert "large.bin" in said("verify", "--deep", str(place.folder), "--quiet").out
    as_json = said("verify", "--deep", str(place.folder), "--json")
    found = check("verify", as_json, code=5)
    assert [(one["kind"], one["weight"]) for one in found["findings"]] == [
        ("bytes-differ", "broken")
    ]
    assert (found["broken"], found["pending"], found["unproved_chunks"]) == (1, 0, 0)


def test_what_is_pending_ends_well(place: Place) -> None:
    (place.folder / "copy.bin").unlink()
    answer = said("verify", "--deep", str(place.folder), "--json")
    assert check("verify", answer, code=0)["pending"] == 1


def test_what_is_known_to_be_damaged_is_not_left_to_a_start(place: Place) -> None:
    place.damage("copy.bin")
    answer = said("verify", "--deep", str(place.folder))
    assert answer.code == 0
    assert "0 broken, 1 known to be damaged, 0 left to the next start" in answer.out


async def test_while_a_peer_runs_it_refuses_in_words(network: Network) -> None:
    peer = await network.peer("one")
    answer = await panal("verify", "--deep", str(peer.folder))
    assert answer.code == 1
    assert "Stop it first; or leave --deep out" in answer.err


def test_what_is_no_peers_folder_is_not_found(tmp_path: Path) -> None:
    answer = said("verify", "--deep", str(tmp_path))
    assert (answer.code, "'panal get' filled has none" in answer.err) == (3, True)
    assert said("verify", "--deep", "a", "b").code == 2
