"""What a journal says that a power cut has left."""

from pathlib import Path

import pytest

from panal.fsck.unfinished_reading import look_at_partial
from panal.wire.ids import ContentId

CONTENT = ContentId(bytes(range(32)))


@pytest.mark.parametrize(
    ("raw", "records"), [(bytes(4096), ()), (b"", ()), (bytes(8) + b"x", None)]
)
def test_zeros_alone_claim_nothing_and_are_not_foreign(
    tmp_path: Path, raw: bytes, records: tuple[int, ...] | None
) -> None:
    (tmp_path / f"{CONTENT.hex()}.journal").write_bytes(raw)
    there = look_at_partial(tmp_path, CONTENT, None, is_owned=True)
    assert there is not None
    assert there.records == records
