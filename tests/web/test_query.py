"""What stands behind the question mark: as JSON writes it, once, or refused."""

from typing import Annotated, Literal

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from panal.errors import UsageError
from panal.peer.query import read_query


class Asked(msgspec.Struct):
    """What a test asks."""

    words: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    delete: bool = False
    kind: Literal["", "file"] = ""


def read(query: str) -> Asked:
    return read_query(make_mocked_request("GET", f"/?{query}"), Asked)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", Asked()),
        ("words=1e2", Asked(words="1e2")),
        ("words=", Asked()),
        ("words=a+b%20c%26d", Asked(words="a b c&d")),
        ("limit=1", Asked(limit=1)),
        ("limit=1000&delete=true", Asked(limit=1_000, delete=True)),
        ("delete=false&kind=file", Asked(kind="file")),
        ("what=it&does=not&know=", Asked()),
        ("know=1&know=2", Asked()),
    ],
)
def test_what_fits(query: str, asked: Asked) -> None:
    assert read(query) == asked


@pytest.mark.parametrize(
    "query",
    [
        *(f"limit={text}" for text in ("", "0", "1001", "-1", "+1", "%201", "01", "1.0", "1e2")),
        *(f"limit={text}" for text in ("true", "null", "%D9%A1", "9" * 5_000)),
        *(f"delete={text}" for text in ("", "1", "0", "yes", "True", "TRUE", "null")),
        "kind=folder",
        "kind=FILE",
        "limit=1&limit=1",
        "words=a&words=b",
    ],
)
def test_what_does_not(query: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(query)
    assert len(str(caught.value)) < 200
