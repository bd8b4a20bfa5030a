"""What the log says of files that come: names of a few, now and then a count of many."""

import pytest

from panal.peer.telling import COUNT_EVERY_S, NAMED_IN_A_ROW, QUIET_S, Telling
from panal.store.fingerprints import Fingerprint
from panal.store.shared_files import SharedFile
from panal.wire.ids import ContentId
from panal.wire.names import SafePath
from tests.support.network import Network, until


def files(count: int) -> list[SharedFile]:
    there = Fingerprint(0, 1, 5, 1)
    path = SafePath("a.txt")
    return [SharedFile(path, ContentId(bytes(32)), there, bytes(32), True)] * count


def test_few_files_are_named() -> None:
    telling = Telling("Sharing")
    assert telling.told(files(3), 0.0) == ["Sharing 'a.txt' (5 bytes)."] * 3
    assert telling.rest(QUIET_S) == []


def test_a_hundred_thousand_files_are_a_handful_of_lines() -> None:
    telling = Telling("Sharing")
    lines = [line for batch in range(400) for line in telling.told(files(256), batch * 0.1)]
    lines += telling.rest(399 * 0.1 + QUIET_S / 2)
    lines += telling.rest(399 * 0.1 + QUIET_S)
    assert len(lines) == 2 + int(399 * 0.1 / COUNT_EVERY_S)
    assert lines[0] == "Sharing 256 files."
    assert all(line.endswith(" files so far.") for line in lines[1:-1])
    assert lines[-1] == "Sharing 102400 files in all."
    assert telling.rest(1_000.0) == []


def test_what_was_told_is_not_said_again_and_quiet_begins_anew() -> None:
    telling = Telling("Sharing")
    assert telling.told(files(256), 0.0) == ["Sharing 256 files."]
    assert telling.rest(QUIET_S) == []
    assert telling.told(files(4), QUIET_S) == ["Sharing 4 files."]


def test_files_one_by_one_become_a_count_when_they_do_not_end() -> None:
    telling = Telling("Sharing")
    lines = [line for number in range(100) for line in telling.told(files(1), number * 0.5)]
    assert lines[:NAMED_IN_A_ROW] == ["Sharing 'a.txt' (5 bytes)."] * NAMED_IN_A_ROW
    assert lines[NAMED_IN_A_ROW] == f"Sharing {NAMED_IN_A_ROW + 1} files."
    assert len(lines) < NAMED_IN_A_ROW + 8
    assert telling.rest(60.0) == ["Sharing 100 files in all."]


async def test_a_peer_says_in_the_end_how_many_it_shares(
    network: Network, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.peer.scanning.BATCH_FILES", 4)
    caplog.set_level("INFO", "panal")
    peer = await network.peer("one")
    for number in range(40):
        (peer.folder / f"{number}.txt").write_text(str(number))
    await until(lambda: any(line.endswith(" in all.") for line in caplog.messages), "the total")
    assert len([line for line in caplog.messages if line.startswith("Sharing")]) <= 4
