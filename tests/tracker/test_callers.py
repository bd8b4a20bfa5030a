import pytest

from panal.errors import UsageError
from panal.tracker.callers import host_and_place, host_in


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:40000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:40000", "::1"),
        ("ipv6:[2001:db8::5]:40000", "2001:db8::5"),
        ("ipv6:%5B::ffff:10.0.0.5%5D:40000", "10.0.0.5"),
        ("ipv6:%5Bfe80::1%25eth0%5D:40000", "fe80::1"),
    ],
)
def test_the_host_of_a_caller(peer: str, host: str) -> None:
    assert host_in(peer) == host


@pytest.mark.parametrize("peer", ["unix:/tmp/socket", "", "ipv4:nonsense:1"])
def test_what_is_no_tcp_caller_is_refused(peer: str) -> None:
    with pytest.raises(UsageError):
        host_in(peer)


@pytest.mark.parametrize(
    ("peer", "place"),
    [
        ("ipv4:127.0.0.1:40000", ""),
        ("ipv6:%5B::1%5D:40000", ""),
        ("ipv4:10.0.0.5:40000", "10.0.0.5"),
        ("ipv6:%5B::ffff:10.0.0.5%5D:40000", "10.0.0.5"),
        ("ipv6:[2001:db8::5]:40000", "2001:db8::/64"),
    ],
)
def test_a_caller_counts_where_it_comes_from_unless_that_is_this_machine(
    peer: str, place: str
) -> None:
    assert host_and_place(peer) == (host_in(peer), place)
