"""Keys and certificates: an authority that signs its tracker's and its members' keys.

ECDSA on P-256, X.509. A member's key is made where it is used and is never sent: what travels is
a signing request (PKCS #10), of which only the public key counts. Loaded only in a network.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from panal.errors import IntegrityError, PanalError, UsageError
from panal.wire.certified_names import TRACKER_HOST, TRACKER_URI, peer_host, peer_uri
from panal.wire.ids import PeerName

DAY_S = 86_400
AUTHORITY_S = 3_650 * DAY_S
CERTIFICATE_S = 30 * DAY_S
"""Of members and of the tracker; renewed by themselves at two thirds."""
SKEW_S = 600
"""Certificates count from a little before they are made: clocks differ."""
MAX_REQUEST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, and what must be remembered of it."""

    pem: bytes
    serial: int
    until_s: int


def new_key() -> bytes:
    """A fresh private key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signing_request(key_pem: bytes) -> bytes:
    """What asks an authority to sign a key, in DER; its name is the authority's affair."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(_key(key_pem), hashes.SHA256()).public_bytes(Encoding.DER)


def public_key_in(request_der: bytes) -> bytes:
    """The key that a signing request asks to have signed, in DER; UsageError where it is none."""
    return _requested(request_der).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pin_of(certificate_der: bytes) -> bytes:
    """What a certificate is known by: its SHA-256."""
    return sha256(certificate_der).digest()


def pem_of(certificate_der: bytes) -> bytes:
    """A certificate in PEM; IntegrityError where it is none."""
    try:
        return x509.load_der_x509_certificate(certificate_der).public_bytes(Encoding.PEM)
    except ValueError:
        raise IntegrityError("What should be a certificate is none.") from None


def der_of(certificate_pem: bytes) -> bytes:
    """A certificate in DER; IntegrityError where it is none."""
    return _certificate(certificate_pem).public_bytes(Encoding.DER)


def validity(certificate_pem: bytes) -> tuple[float, float]:
    """From when until when a certificate counts, in seconds since 1970."""
    certificate = _certificate(certificate_pem)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin.timestamp(), end.timestamp()


def is_for_key(certificate_pem: bytes, key_pem: bytes) -> bool:
    """Whether a certificate is one for that private key."""
    return _certificate(certificate_pem).public_key() == _key(key_pem).public_key()


class Authority:
    """A network's authority: whoever it signs is known by all who know its certificate."""

    def __init__(self, key_pem: bytes, certificate_pem: bytes) -> None:
        """PanalError where the two do not belong together."""
        self._key = _key(key_pem)
        self._certificate = _certificate(certificate_pem)
        self.certificate_pem = certificate_pem
        self.certificate_der = self._certificate.public_bytes(Encoding.DER)
        self.pin = pin_of(self.certificate_der)
        if self._certificate.public_key() != self._key.public_key():
            raise PanalError("The authority's key and certificate do not belong together.")

    @staticmethod
    def made(now_s: float) -> tuple[bytes, bytes]:
        """A new authority's key and certificate, in PEM."""
        key_pem = new_key()
        key = _key(key_pem)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Panal network authority")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_moment(now_s - SKEW_S))
            .not_valid_after(_moment(now_s + AUTHORITY_S))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        return key_pem, builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue_member(self, name: PeerName, request_der: bytes, now_s: float) -> Issued:
        """A certificate for a member's key and name; UsageError for a request that is none."""
        names = [
            x509.UniformResourceIdentifier(peer_uri(name)),
            x509.DNSName(peer_host(name, self.pin)),
        ]
        return self._issue("Panal member", _requested(request_der), names, now_s)

    def issue_tracker(self, request_der: bytes, now_s: float) -> Issued:
        """A certificate for the tracker's own key."""
        names = [x509.UniformResourceIdentifier(TRACKER_URI), x509.DNSName(TRACKER_HOST)]
        return self._issue("Panal tracker", _requested(request_der), names, now_s)

    def _issue(
        self,
        kind: str,
        key: ec.EllipticCurvePublicKey,
        names: list[x509.GeneralName],
        now_s: float,
    ) -> Issued:
        serial = x509.random_serial_number()
        until_s = int(now_s) + CERTIFICATE_S
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kind)]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(_moment(now_s - SKEW_S))
            .not_valid_after(_moment(until_s))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        pem = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return Issued(pem, serial, until_s)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(seconds))


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise PanalError("A private key cannot be read.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PanalError("A private key is of another kind than Panal's.")
    return key


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise IntegrityError("What should be a certificate is none.") from None


def _requested(der: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a request whose signature shows that its sender has the private one."""
    if len(der) > MAX_REQUEST_BYTES:
        raise UsageError(f"A signing request has at most {MAX_REQUEST_BYTES} bytes.")
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        is_signed = request.is_signature_valid
    except Exception:  # a parser of what others send: whatever it says, it is no request
        raise UsageError("The signing request cannot be read.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise UsageError("A member's key is one on the curve P-256.")
    if not is_signed:
        raise UsageError("The signing request is not signed by its own key.")
    return key
