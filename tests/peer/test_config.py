"""What settings are refused."""

import pytest

from panal.errors import UsageError
from panal.peer.config import parse_tracker


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tracker.lab:50051", ("tracker.lab", 50051)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[2001:db8::1]:50051", ("2001:db8::1", 50051)),
    ],
)
def test_a_tracker_is_a_host_and_a_port(text: str, place: tuple[str, int]) -> None:
    assert parse_tracker(text) == place


@pytest.mark.parametrize("text", ["2001:db8::1:50051", "::1", "[::1:5", "::1]:5"])
def test_an_ipv6_address_comes_in_brackets(text: str) -> None:
    with pytest.raises(UsageError, match="in brackets, as"):
        parse_tracker(text)


@pytest.mark.parametrize("text", ["lab", ":5", "lab:", "lab:x", "lab:65536"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="write host:port"):
        parse_tracker(text)
