"""Whether a disk takes what is written to it."""

import pytest

from panal.store.pending_writes import PendingWrites


@pytest.fixture
def writes() -> PendingWrites:
    return PendingWrites()


def test_where_nothing_is_written_nothing_stands_still(writes: PendingWrites) -> None:
    assert not writes.has_stood_still()
    with writes:
        pass
    assert not writes.has_stood_still()
    assert not writes.has_stood_still()


def test_a_write_stands_still_once_it_was_seen_twice(writes: PendingWrites) -> None:
    with writes:
        assert not writes.has_stood_still()
        assert writes.has_stood_still()
        assert writes.has_stood_still()
    assert not writes.has_stood_still()


def test_where_others_end_a_long_write_is_no_standstill(writes: PendingWrites) -> None:
    with writes:
        writes.has_stood_still()
        with writes:
            pass
        assert not writes.has_stood_still()
        assert writes.has_stood_still()


def test_a_write_that_fails_has_ended(writes: PendingWrites) -> None:
    with pytest.raises(OSError, match="full"), writes:
        raise OSError("full")
    assert writes.under_way == 0
