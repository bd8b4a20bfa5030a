"""What the checker makes of a download's row, in every state."""

import pytest

from panal.fsck.facts import DownloadRow
from panal.fsck.judging import judge_download


@pytest.mark.parametrize(
    ("state", "error_slug", "is_sound"),
    [
        ("failed", "no-space", True),
        ("waiting", "no-space", True),
        ("waiting", "", True),
        ("queued", "", True),
        ("failed", "", False),
        ("queued", "no-space", False),
        ("paused", "refused", False),
    ],
)
def test_who_has_failed_or_waits_may_have_a_reason(
    state: str, error_slug: str, is_sound: bool
) -> None:
    row = DownloadRow("d1", "a.bin", state, bytes(32), 5, error_slug, is_there=False)
    assert (list(judge_download(row)) == []) is is_sound
