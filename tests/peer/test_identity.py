"""Who a peer is from one start to the next."""

from pathlib import Path

import pytest

from panal.peer.identity import begin_epoch
from panal.wire.ids import PeerName


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"9" * 5_000, b"-5", b"x"])
def test_a_damaged_count_of_starts_keeps_no_peer_from_starting(
    tmp_path: Path, damaged: bytes
) -> None:
    first = begin_epoch(tmp_path, PeerName("one"), 1_700_000_000.0)
    (tmp_path / "epoch").write_bytes(damaged)
    again = begin_epoch(tmp_path, PeerName("one"), 1_700_000_001.0)
    assert again.epoch > first.epoch
