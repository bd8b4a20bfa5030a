"""Keys, signing requests and certificates."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from panal.errors import IntegrityError, PanalError, UsageError
from panal.trust.certificates import (
    CERTIFICATE_S,
    SKEW_S,
    Authority,
    der_of,
    is_for_key,
    new_key,
    pem_of,
    pin_of,
    public_key_in,
    signing_request,
    validity,
)
from panal.wire.certified_names import TRACKER_HOST, peer_host
from panal.wire.ids import PeerName

NOW_S = 1_700_000_000
AUTHORITY = Authority(*Authority.made(NOW_S))


def test_a_member_is_certified_for_its_name_and_its_key() -> None:
    key = new_key()
    issued = AUTHORITY.issue_member(PeerName("peer_1"), signing_request(key), NOW_S)
    assert is_for_key(issued.pem, key)
    assert not is_for_key(issued.pem, new_key())
    assert validity(issued.pem) == (NOW_S - SKEW_S, NOW_S + CERTIFICATE_S)
    certificate = x509.load_pem_x509_certificate(issued.pem)
    assert certificate.serial_number == issued.serial
    assert _names(certificate) == {
        "panal:peer:peer_1",
        peer_host(PeerName("peer_1"), AUTHORITY.pin),
    }
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert not basic.value.ca


def test_a_peer_that_is_called_as_the_tracker_is_none() -> None:
    issued = AUTHORITY.issue_member(PeerName(TRACKER_HOST), signing_request(new_key()), NOW_S)
    assert TRACKER_HOST not in _names(x509.load_pem_x509_certificate(issued.pem))


def test_what_a_request_says_beside_its_key_counts_for_nothing() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    boastful = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, TRACKER_HOST)]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(TRACKER_HOST)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    issued = AUTHORITY.issue_member(PeerName("b"), boastful, NOW_S)
    certificate = x509.load_pem_x509_certificate(issued.pem)
    assert TRACKER_HOST not in certificate.subject.rfc4514_string()
    assert _names(certificate) == {"panal:peer:b", peer_host(PeerName("b"), AUTHORITY.pin)}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_requests_that_are_none_are_refused() -> None:
    good = signing_request(new_key())
    other_signature = good[:-4] + bytes(4)
    for wrong in (
        b"",
        b"x" * 100,
        good[:-1],
        b"x" * 5_000,
        other_signature,
        _of(ec.generate_private_key(ec.SECP384R1())),
        _of(rsa.generate_private_key(65_537, 2_048)),
    ):
        with pytest.raises(UsageError):
            public_key_in(wrong)


def test_an_authority_is_known_by_its_certificate() -> None:
    assert AUTHORITY.pin == pin_of(AUTHORITY.certificate_der)
    assert der_of(pem_of(AUTHORITY.certificate_der)) == AUTHORITY.certificate_der
    assert Authority(*Authority.made(NOW_S)).pin != AUTHORITY.pin


def test_what_does_not_belong_together_is_no_authority() -> None:
    with pytest.raises(PanalError):
        Authority(new_key(), AUTHORITY.certificate_pem)
    with pytest.raises(PanalError):
        Authority(b"nothing", AUTHORITY.certificate_pem)


def test_nonsense_is_no_certificate() -> None:
    for wrong in (pem_of, der_of):
        with pytest.raises(IntegrityError):
            wrong(b"nonsense")


def _names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}
