"""How a member's name stands in its certificate; pure.

Twice: as ``panal:peer:<name>`` for whoever is called, who reads it after the handshake, and as a
DNS name for whoever calls, so that the TLS library itself compares it. A caller shows the DNS name
to everybody on the wire, so it is a keyed hash, which names nobody to those outside.
"""

from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from panal.errors import PanalError
from panal.wire.ids import PeerName, parse_peer_name

TRACKER_HOST = "tracker.panal"
"""The DNS name of every tracker's certificate."""
TRACKER_URI = "panal:tracker"
_PEER_URI = "panal:peer:"
_PSEUDONYM_BYTES = 20


def peer_uri(name: PeerName) -> str:
    """A name as a certificate's URI has it."""
    return _PEER_URI + name


def peer_host(name: PeerName, pin: bytes) -> str:
    """A name as a certificate's DNS name has it; `pin` is that of the network's authority."""
    folded = name.lower().encode("ascii")
    return blake3(folded, key=pin).digest(_PSEUDONYM_BYTES).hex() + ".peer.panal"


def name_in(certificate: Mapping[str, Any] | None) -> PeerName | None:
    """The member that a verified certificate is for; None for a tracker's or none at all.

    `certificate` is what `ssl.SSLObject.getpeercert` gives.
    """
    uris = _uris(certificate)
    if len(uris) != 1 or not uris[0].startswith(_PEER_URI):
        return None
    try:
        return parse_peer_name(uris[0].removeprefix(_PEER_URI))
    except PanalError:
        return None


def is_tracker(certificate: Mapping[str, Any] | None) -> bool:
    """Whether a verified certificate is a tracker's."""
    return _uris(certificate) == [TRACKER_URI]


def serial_in(certificate: Mapping[str, Any] | None) -> int | None:
    """The serial number of a certificate."""
    text = (certificate or {}).get("serialNumber")
    return int(text, 16) if isinstance(text, str) else None


def _uris(certificate: Mapping[str, Any] | None) -> list[str]:
    names = (certificate or {}).get("subjectAltName", ())
    return [value for kind, value in names if kind == "URI"]
