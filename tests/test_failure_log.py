"""The log of failures: a traceback each, until a kind of them comes too often."""

import pytest

from panal.audit import LINES_A_MINUTE
from panal.failure_log import FailureLog
from tests.support.clock import VirtualClock


def test_what_fails_again_and_again_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    failures = FailureLog(clock)

    def fail(error: Exception) -> None:
        try:
            raise error
        except Exception as raised:
            failures.note("A request failed.", raised)

    for _ in range(LINES_A_MINUTE + 5):
        fail(ValueError("secret"))
    fail(KeyError("another kind"))
    assert caplog.messages == ["A request failed."] * (LINES_A_MINUTE + 1)
    assert all(record.exc_info for record in caplog.records)
    clock.advance(60)
    fail(ValueError("secret"))
    counted, last = caplog.messages[-2:]
    assert counted.startswith("5 more requests failed in that minute: ValueError at ")
    assert last == "A request failed."
