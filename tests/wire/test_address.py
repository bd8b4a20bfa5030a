"""Addresses: who may be dialled, and under which address a peer is named to whom."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import UsageError
from panal.wire.address import (
    dialling_problem,
    hearsay_problem,
    host_for_asker,
    is_loopback,
    naming_problem,
    parse_address,
    place_of,
)
from tests.wire import PROPERTY

DIALLED = {
    "loopback": ("127.0.0.1", 5000),
    "the end of loopback": ("127.255.255.254", 5000),
    "v6 loopback": ("::1", 5000),
    "mapped loopback": ("::ffff:127.0.0.1", 5000),
    "LAN 192.168": ("192.168.1.5", 5000),
    "LAN 10": ("10.0.0.5", 5000),
    "LAN 172.16": ("172.16.0.5", 5000),
    "carrier's": ("100.64.0.1", 5000),
    "mapped LAN": ("::ffff:192.168.1.5", 5000),
    "v6 LAN": ("fd00::5", 5000),
    "public": ("8.8.8.8", 5000),
    "v6 public": ("2a00:1450::1", 5000),
    "6to4 of a public": ("2002:808:808::1", 5000),
    "first port": ("192.168.1.5", 1),
    "last port": ("192.168.1.5", 65_535),
}
REFUSED = {
    "metadata": ("169.254.169.254", 80),
    "mapped metadata": ("::ffff:169.254.169.254", 80),
    "6to4 of metadata": ("2002:a9fe:a9fe::1", 80),
    "v6 link-local": ("fe80::1", 5000),
    "end of v6 link-local": ("febf::1", 5000),
    "link-local of an interface": ("fe80::1%eth0", 5000),
    "LAN with a scope": ("fd00::5%1", 5000),
    "6to4 of loopback": ("2002:7f00:1::", 5000),
    "6to4 of a LAN": ("2002:c0a8:101::1", 5000),
    "6to4 of 10": ("2002:a00:1::1", 5000),
    "6to4 of multicast": ("2002:e000:1::", 5000),
    "6to4 of nothing": ("2002::", 5000),
    "6to4 of broadcast": ("2002:ffff:ffff::", 5000),
    "v4-compatible loopback": ("::127.0.0.1", 5000),
    "NAT64 of loopback": ("64:ff9b::7f00:1", 5000),
    "multicast": ("224.0.0.1", 5000),
    "end of multicast": ("239.255.255.250", 1900),
    "mapped multicast": ("::ffff:224.0.0.1", 5000),
    "v6 multicast": ("ff02::1", 5000),
    "unspecified": ("0.0.0.0", 5000),
    "this network": ("0.1.2.3", 5000),
    "v6 unspecified": ("::", 5000),
    "mapped unspecified": ("::ffff:0.0.0.0", 5000),
    "broadcast": ("255.255.255.255", 5000),
    "mapped broadcast": ("::ffff:255.255.255.255", 5000),
    "class E": ("240.0.0.1", 5000),
    "DNS name": ("tracker.example", 5000),
    "localhost": ("localhost", 5000),
    "a name of digits": ("127.1", 5000),
    "one number": ("2130706433", 5000),
    "hexadecimal": ("0x7f000001", 5000),
    "leading zeros": ("127.0.0.01", 5000),
    "four and a half": ("1.2.3.4.5", 5000),
    "with a port": ("127.0.0.1:80", 5000),
    "in brackets": ("[::1]", 5000),
    "with a space": ("127.0.0.1 ", 5000),
    "with a newline": ("127.0.0.1\n", 5000),
    "with NUL": ("127.0.0.1\0.example", 5000),
    "with a user": ("u@127.0.0.1", 5000),
    "other digits": ("１２７.0.0.1", 5000),
    "empty": ("", 5000),
    "port 0": ("192.168.1.5", 0),
    "port 65536": ("192.168.1.5", 65_536),
    "negative port": ("192.168.1.5", -1),
}


@pytest.mark.parametrize(("host", "port"), DIALLED.values(), ids=DIALLED.keys())
def test_who_may_be_dialled(host: str, port: int) -> None:
    assert dialling_problem(host, port) is None


@pytest.mark.parametrize(("host", "port"), REFUSED.values(), ids=REFUSED.keys())
def test_who_may_not(host: str, port: int) -> None:
    problem = dialling_problem(host, port)
    assert problem
    assert problem.isprintable()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_only_where_the_one_who_named_it_is_on_this_machine(host: str) -> None:
    assert dialling_problem(host, 5000, over_loopback=True) is None
    assert dialling_problem(host, 5000, over_loopback=False)
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.168.1.5", "fd00::5", "8.8.8.8"])
def test_other_addresses_whoever_named_them(host: str) -> None:
    assert dialling_problem(host, 5000, over_loopback=False) is None
    assert not is_loopback(host)


def test_a_mapped_address_is_unwrapped() -> None:
    assert parse_address("::ffff:10.0.0.1") == ip_address("10.0.0.1")
    assert parse_address("FD00::0005") == ip_address("fd00::5")


def test_a_refusal_is_short_however_long_the_address() -> None:
    with pytest.raises(UsageError) as refused:
        parse_address("é" * 3_000_000)
    assert len(str(refused.value)) < 1_000


@PROPERTY
@given(st.ip_addresses(v=4))
def test_a_v4_address_is_judged_the_same_mapped(address: object) -> None:
    for over_loopback in (True, False):
        plain = dialling_problem(f"{address}", 5000, over_loopback=over_loopback)
        mapped = dialling_problem(f"::ffff:{address}", 5000, over_loopback=over_loopback)
        assert (plain is None) == (mapped is None)


LOOPBACK, LAN, WILD = "127.0.0.1", "192.168.1.5", "0.0.0.0"
ASKER = "192.168.1.9"

# asker, observed, bound, the tracker's address towards the asker: the host that is named
NAMED: dict[str, tuple[str, str, list[str], str | None, str | None]] = {
    "on another machine": (ASKER, "192.168.1.7", ["192.168.1.7"], LAN, "192.168.1.7"),
    "on another machine, on all": (ASKER, "192.168.1.7", [WILD], LAN, "192.168.1.7"),
    "to an asker beside the tracker": (LOOPBACK, "192.168.1.7", [WILD], None, "192.168.1.7"),
    "observed where it does not listen": (ASKER, "192.168.1.7", ["10.0.0.7"], LAN, None),
    "observed outside, on loopback only": (ASKER, "192.168.1.7", [LOOPBACK], LAN, None),
    "observed by v4, on all of v6": (ASKER, "192.168.1.7", ["::"], LAN, None),
    "observed by v6, on all of v4": ("fd00::9", "fd00::7", [WILD], "fd00::5", None),
    "v6": ("fd00::9", "fd00::7", ["fd00::7"], "fd00::5", "fd00::7"),
    "v6, on all": ("fd00::9", "fd00::7", [WILD, "::"], "fd00::5", "fd00::7"),
    "v6 written at length": ("fd00::9", "fd00::7", ["fd00:0:0::0007"], None, "fd00::7"),
    "mapped": (ASKER, "::ffff:192.168.1.7", ["192.168.1.7"], LAN, "192.168.1.7"),
    "bound mapped": (ASKER, "192.168.1.7", ["::ffff:192.168.1.7"], LAN, "192.168.1.7"),
    "both beside the tracker": (LOOPBACK, LOOPBACK, [LOOPBACK], LOOPBACK, LOOPBACK),
    "both beside it, the peer on all": (LOOPBACK, LOOPBACK, [WILD], LOOPBACK, LOOPBACK),
    "both beside it by v6": ("::1", "::1", ["::1"], "::1", "::1"),
    "both beside it, asker by v6": ("::1", LOOPBACK, [LOOPBACK], "::1", LOOPBACK),
    "seen on a loopback where it is not": (LOOPBACK, "::1", [LOOPBACK], LOOPBACK, None),
    "beside it, on loopback only": (ASKER, LOOPBACK, [LOOPBACK], LAN, None),
    "beside it, on the LAN too": (ASKER, LOOPBACK, [LOOPBACK, LAN], LAN, LAN),
    "beside it, tracker's address unknown": (ASKER, LOOPBACK, [LOOPBACK, LAN], None, LAN),
    "beside it, on all": (ASKER, LOOPBACK, [WILD], LAN, LAN),
    "beside it, on all, address unknown": (ASKER, LOOPBACK, [WILD], None, None),
    "beside it, on two LANs": (ASKER, LOOPBACK, ["10.0.0.5", LAN], LAN, LAN),
    "beside it, on another LAN": (ASKER, LOOPBACK, ["10.0.0.5"], LAN, "10.0.0.5"),
    "beside it, LAN and v6": ("fd00::9", LOOPBACK, [LAN, "fd00::5"], None, "fd00::5"),
    "beside it, asker by v6, peer by v4": ("fd00::9", LOOPBACK, [LAN], "fd00::5", None),
    "beside it, on all of v6, asker by v4": (ASKER, LOOPBACK, ["::"], LAN, None),
    "beside it, wildcard at length": (ASKER, LOOPBACK, ["0::0", "::0"], None, None),
    "beside it, wildcard mapped": (ASKER, LOOPBACK, ["::ffff:0.0.0.0"], LAN, LAN),
    "beside it, says metadata": (ASKER, LOOPBACK, ["169.254.169.254"], None, None),
    "beside it, says multicast": (ASKER, LOOPBACK, ["224.0.0.1", LAN], None, LAN),
    "a tracker that names loopback": (ASKER, LOOPBACK, [WILD], LOOPBACK, None),
    "bound to nothing": (ASKER, "192.168.1.7", [], LAN, None),
}


@pytest.mark.parametrize(
    ("asker", "observed", "bound", "tracker", "named"), NAMED.values(), ids=NAMED.keys()
)
def test_how_a_peer_is_named(
    asker: str, observed: str, bound: list[str], tracker: str | None, named: str | None
) -> None:
    assert host_for_asker(asker, observed, bound, tracker) == named


HOSTS = st.sampled_from([LOOPBACK, "::1", LAN, "10.0.0.5", WILD, "::", "fd00::5", "fe80::5", ASKER])


@PROPERTY
@given(HOSTS, HOSTS, st.lists(HOSTS, max_size=4), st.none() | HOSTS)
def test_loopback_is_named_on_loopback_only_and_nothing_where_nobody_listens(
    asker: str, observed: str, bound: list[str], tracker: str | None
) -> None:
    named = host_for_asker(asker, observed, bound, tracker)
    if named is not None:
        assert is_loopback(asker) or not is_loopback(named)
        assert named in bound or ("::" if ":" in named else WILD) in bound


@pytest.mark.parametrize(
    ("teller", "named", "is_believed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.168.1.5", True),
        ("192.168.1.7", "127.0.0.1", False),
        ("192.168.1.7", "::1", False),
        ("192.168.1.7", "::ffff:127.0.0.1", False),
        ("192.168.1.7", "192.168.1.5", True),
        ("192.168.1.7", "8.8.8.8", True),
        ("192.168.1.7", "169.254.169.254", False),
        ("192.168.1.7", "0.0.0.0", False),
        ("8.8.8.8", "192.168.1.5", False),
        ("8.8.8.8", "100.64.0.1", False),
        ("8.8.8.8", "::ffff:10.0.0.5", False),
        ("::ffff:8.8.8.8", "10.0.0.5", False),
        ("2a00:1450::1", "fd00::5", False),
        ("8.8.8.8", "8.8.4.4", True),
        ("127.0.0.1", "169.254.169.254", False),
    ],
)
def test_a_peer_may_name_only_what_it_could_itself_reach(
    teller: str, named: str, is_believed: bool
) -> None:
    assert (hearsay_problem(named, 5000, teller) is None) is is_believed
    assert (naming_problem(named, 5000, teller) is None) is is_believed


def test_a_peer_s_word_alone_sends_nobody_to_a_machine_s_own_services() -> None:
    for port in (1, 22, 25, 80, 443, 631, 1_023):
        assert hearsay_problem("8.8.8.8", port, "8.8.4.4")
        assert hearsay_problem("127.0.0.1", port, "127.0.0.1")
        assert naming_problem("8.8.8.8", port, "8.8.4.4") is None  # a tracker has dialled it
    assert hearsay_problem("8.8.8.8", 1_024, "8.8.4.4") is None


def test_a_place_is_an_address_and_in_v6_a_network() -> None:
    assert place_of("::ffff:10.0.0.5") == place_of("10.0.0.5") != place_of("10.0.0.6")
    assert place_of("2a00::1") == place_of("2a00::ffff:1") != place_of("2a00:0:0:1::1")
    assert place_of("fe80::1%eth0") == "fe80::1%eth0"
