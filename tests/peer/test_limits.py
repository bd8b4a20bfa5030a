"""docs/SECURITY.md has the very limits of the code."""

import pytest

from panal.peer import limits
from tests.wire.protocol_document import table

pytestmark = pytest.mark.p10


def test_the_table_is_that_of_the_code() -> None:
    code = {name: f"{value:g}" if isinstance(value, float) else str(value)
            for name, value in vars(limits).items() if name.isupper()}  # fmt: skip
    found = {name.strip("`"): value for name, value, _ in table("table: limits", "SECURITY.md")}
    assert found == code


def test_all_heads_together_fit_into_memory() -> None:
    assert limits.CONNECTIONS * limits.HEAD_BYTES <= 32 << 20
    assert limits.HEAD_BYTES > limits.REQUEST_LINE_BYTES + limits.FIELD_BYTES
