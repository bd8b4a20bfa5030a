"""TLS between members: certificates on both ends, names compared, those removed refused.

TLS 1.3 only, no tickets: each connection shows its certificate anew. The caller's side compares
the name of whom it calls within the handshake, so that nothing is sent to anybody else; the other
side learns the caller's name from its certificate.
"""

import ssl
from collections.abc import Container
from pathlib import Path
from typing import Any

from panal.errors import WrongIdentity
from panal.wire.certified_names import serial_in

HANDSHAKE_S = 10.0
_EXPIRED, _EARLY, _OTHER_NAME = 10, 9, 62
"""What OpenSSL calls them (X509_V_ERR_…)."""
_OTHER_AUTHORITY = frozenset({2, 7, 18, 19, 20, 21})

Revoked = Container[int]


def server_context(
    authority: Path, certificate: Path, key: Path, revoked: Revoked = ()
) -> ssl.SSLContext:
    """For a listener: callers show a certificate of the authority."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, authority, certificate, key, revoked)
    context.num_tickets = 0
    return context


def client_context(
    authority: Path, certificate: Path, key: Path, revoked: Revoked = ()
) -> ssl.SSLContext:
    """For calls; `server_hostname` is to be the `peer_host` of whom is called."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, authority, certificate, key, revoked)
    context.check_hostname = True
    return context


def _context(
    protocol: int, authority: Path, certificate: Path, key: Path, revoked: Revoked
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    _refuse_revoked(context, revoked)
    return context


def _refuse_revoked(context: ssl.SSLContext, revoked: Revoked) -> None:
    """Make what comes of a certificate that counts no more fail as any wrong one does.

    Within the handshake, and also later: whoever is removed while we read from it is cut off
    with the next that it sends.
    """

    class Connection(ssl.SSLObject):
        serial: int | None = None

        def do_handshake(self) -> None:
            super().do_handshake()
            self.serial = serial_in(self.getpeercert())
            _check(self.serial, revoked)

        def read(self, len: int = 1024, buffer: Any = None) -> Any:
            _check(self.serial, revoked)
            return super().read(len, buffer)

    class Socket(ssl.SSLSocket):
        serial: int | None = None

        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            self.serial = serial_in(self.getpeercert())
            _check(self.serial, revoked)

        def read(self, len: int = 1024, buffer: Any = None) -> Any:
            _check(self.serial, revoked)
            data = super().read(len, buffer)
            _check(self.serial, revoked)  # it may have been waited for
            return data

    context.sslobject_class = Connection
    context.sslsocket_class = Socket


def _check(serial: int | None, revoked: Revoked) -> None:
    if serial in revoked:
        raise ssl.SSLCertVerificationError("certificate revoked: this member was removed")


def identity_problem(error: BaseException, who: str) -> WrongIdentity | None:
    """What is wrong with whoever answered, in words; None where a failure was of another kind."""
    if not isinstance(error, ssl.SSLError):
        return None
    if not isinstance(error, ssl.SSLCertVerificationError):
        return WrongIdentity(f"{who} does not speak TLS as a member does ({_reason(error)}).")
    code = getattr(error, "verify_code", 0)
    if code == _EXPIRED:
        words = "shows a certificate that has expired; is its clock, or ours, wrong?"
    elif code == _EARLY:
        words = "shows a certificate that does not count yet; is its clock, or ours, wrong?"
    elif code == _OTHER_NAME:
        words = "is somebody else: its certificate is for another name."
    elif code in _OTHER_AUTHORITY:
        words = "is of another network: another authority has signed its certificate."
    elif "removed" in str(error):
        words = "was removed from the network."
    else:
        words = f"shows a certificate that does not count ({_reason(error)})."
    return WrongIdentity(f"{who} {words}")


def _reason(error: ssl.SSLError) -> str:
    return (
        getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    ).lower()


def authority_context(authority_pem: bytes) -> ssl.SSLContext:
    """For a look at who answers: nothing but the authority counts, and nothing of ours is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority_pem.decode("ascii"))
    return context
