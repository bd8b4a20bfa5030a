import os
from typing import ClassVar

import pytest

from benchmarks import faults, swarm
from benchmarks.hosts import (
    CONGESTION_CONTROL,
    HEADER_BYTES,
    CannotRun,
    Host,
    Link,
    Network,
    Traffic,
    congestion_control,
    inside,
)
from benchmarks.scenarios import SCENARIOS


def test_payload_is_what_was_sent_without_a_header_for_each_packet() -> None:
    before, after = Traffic(1000, 2), Traffic(11_000, 5)
    assert (after - before).payload_bytes == 10_000 - 3 * HEADER_BYTES


def test_payload_is_never_negative() -> None:
    assert Traffic(10, 1).payload_bytes == 0


def test_without_root_swarms_are_skipped_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (row,) = swarm.rows(SCENARIOS[:1], 1, {})
    (fault,) = faults.rows([faults.FAULTS[0].name])
    assert "need root" in row.note
    assert "need root" in fault.note
    assert row.ratio is fault.ratio is None


def test_hosts_have_the_congestion_control_of_the_benchmark_not_the_machines() -> None:
    machines_own = congestion_control()
    try:
        with Network() as network, inside(network.add("one", Link()).namespace):
            assert congestion_control() == CONGESTION_CONTROL
    except CannotRun as reason:
        pytest.skip(str(reason))
    with (
        Network(congestion_control="no-such") as network,
        pytest.raises(CannotRun, match="no-such"),
    ):
        network.add("one", Link())
    assert congestion_control() == machines_own


def test_what_a_peer_has_is_asked_no_more_when_its_host_is_gone() -> None:
    gone = Host("gone", "panal-no-such", "10.77.0.9", Link())
    assert list(faults.have_stream(gone, "c")) == []


def test_a_stream_that_breaks_off_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class BreaksOff:
        pieces: ClassVar[list[bytes]] = [b"first"]

        def read1(self, most: int) -> bytes:
            if not self.pieces:
                raise ConnectionResetError
            return self.pieces.pop()

    begun = [BreaksOff()]
    monkeypatch.setattr(faults, "_begun", lambda host, content: begun.pop(0))
    assert list(faults.have_stream(Host("h", "n", "10.77.0.9", Link()), "c")) == [b"first"]
