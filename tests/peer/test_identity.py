"""Who a peer is from one start to the next."""

import errno
import os
from pathlib import Path

import pytest

from panal.errors import NoSpace
from panal.peer.identity import begin_epoch
from panal.trust.files import write_private
from panal.wire.ids import PeerName


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"9" * 5_000, b"-5", b"x"])
def test_a_damaged_count_of_starts_keeps_no_peer_from_starting(
    tmp_path: Path, damaged: bytes
) -> None:
    first = begin_epoch(tmp_path, PeerName("one"), 1_700_000_000.0)
    (tmp_path / "epoch").write_bytes(damaged)
    again = begin_epoch(tmp_path, PeerName("one"), 1_700_000_001.0)
    assert again.epoch > first.epoch


def test_a_full_disk_keeps_no_peer_from_starting_that_has_started_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count is written where it is: what is shared can be served."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    one, writes = PeerName("one"), "panal.peer.identity.write_private"
    first = begin_epoch(tmp_path, one, 1_700_000_000.0)
    monkeypatch.setattr(writes, full)
    second = begin_epoch(tmp_path, one, 1_700_000_001.0)
    monkeypatch.setattr(writes, write_private)
    third = begin_epoch(tmp_path, one, 1_600_000_000.0)  # its clock was set back
    assert first.epoch < second.epoch < third.epoch
    monkeypatch.setattr(writes, full)
    with pytest.raises(NoSpace, match="the disk is full"):
        begin_epoch(tmp_path / "new", one, 1_700_000_001.0)
