"""Names as certificates have them."""

from typing import Any

import pytest

from panal.wire.certified_names import is_tracker, name_in, peer_host, peer_uri, serial_in
from panal.wire.ids import PeerName
from tests.wire.protocol_document import table

PIN = bytes(range(32))


def certificate(*uris: str) -> dict[str, Any]:
    return {"subjectAltName": (("DNS", "x"), *(("URI", uri) for uri in uris))}


def test_a_member_is_known_by_its_uri() -> None:
    assert name_in(certificate(peer_uri(PeerName("peer_1")))) == "peer_1"


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        certificate(),
        certificate("panal:tracker"),
        certificate("panal:peer:"),
        certificate("panal:peer:a/b"),
        certificate("panal:peer:a\n"),
        certificate("panal:peer:a", "panal:peer:b"),
        certificate("https://a"),
    ],
)
def test_whoever_is_no_member_has_no_name(shown: dict[str, Any] | None) -> None:
    assert name_in(shown) is None


def test_only_the_tracker_is_the_tracker() -> None:
    assert is_tracker(certificate("panal:tracker"))
    assert not is_tracker(certificate("panal:peer:tracker"))
    assert not is_tracker(None)


def test_two_names_that_differ_only_in_case_are_one() -> None:
    assert peer_host(PeerName("Peer_1"), PIN) == peer_host(PeerName("peer_1"), PIN)


def test_a_pseudonym_is_of_one_network_and_tells_no_name() -> None:
    host = peer_host(PeerName("peer_1"), PIN)
    assert host != peer_host(PeerName("peer_1"), bytes(32))
    assert "peer_1" not in host


def test_the_vectors_of_the_protocol() -> None:
    for name, pin, host in table("vectors: certified names"):
        assert peer_host(PeerName(name), bytes.fromhex(pin)) == host


def test_serial_numbers() -> None:
    assert serial_in({"serialNumber": "0A"}) == 10
    assert serial_in({}) is None
    assert serial_in(None) is None
