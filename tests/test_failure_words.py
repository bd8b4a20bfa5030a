"""What a failing comparison says: enough, and at once."""

from random import Random

import pytest


def test_bytes_that_differ_are_not_compared_line_by_line() -> None:
    one, other = Random(1).randbytes(2_000), Random(2).randbytes(2_000)
    with pytest.raises(AssertionError, match="At index 0 diff") as caught:
        assert one == other
    assert "Full diff" not in str(caught.value)
