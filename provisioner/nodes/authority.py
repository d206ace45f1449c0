"""Certificates by which a broker, its controllers and nodes know each other, of an authority of their own.

An end is known at the broker by its name, `CN=controller` or `CN=node-<carrier>`. Who has an authority already lets it
sign the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from provisioner.base.certificate import certificate_begun, common_name
from provisioner.base.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_DAYS: Final = 3650
_COMMON_NAME: Final = "authority of the broker"


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate and its private key, as PEM."""

    certificate: str
    key: Secret


def new_authority(now: datetime) -> CertifiedKey:
    """An authority that was just made; it counts for ten years."""
    from cryptography import x509  # noqa: PLC0415 (it takes its time)
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    private, name = _new_key(), common_name(_COMMON_NAME)
    certificate = (
        certificate_begun(name, name, private, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    return _as_pem(certificate, private)


def issued(authority: CertifiedKey, name: str, places: Sequence[str], now: datetime, days: int) -> CertifiedKey:
    """A key that was just drawn, and the authority's certificate of it.

    Args:
        authority: who signs.
        name: the common name.
        places: a server's host names and addresses; none of a client.
        now: the moment.
        days: how long it counts.

    Raises:
        ValueError: the authority is none.
    """
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415

    try:
        own = x509.load_pem_x509_certificate(authority.certificate.encode())
        signer = serialization.load_pem_private_key(authority.key.reveal().encode(), password=None)
    except (ValueError, TypeError):
        signer = None
    if isinstance(signer, EllipticCurvePrivateKey):
        return _signed(own, signer, name, places, (now, days))
    raise ValueError("that is no authority as this program makes it")


def _signed(
    own: x509.Certificate,
    signer: EllipticCurvePrivateKey,
    name: str,
    places: Sequence[str],
    valid: tuple[datetime, int],
) -> CertifiedKey:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    private = _new_key()
    usage = ExtendedKeyUsageOID.SERVER_AUTH if places else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        certificate_begun(common_name(name), own.subject, private, *valid)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        # Whoever reads certificates strictly, as Python 3.13 does by itself, wants both of these.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if places:
        builder = builder.add_extension(x509.SubjectAlternativeName([_place(one) for one in places]), critical=False)
    return _as_pem(builder.sign(signer, hashes.SHA256()), private)


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509  # noqa: PLC0415

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _place(text: str) -> x509.GeneralName:
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    return ec.generate_private_key(ec.SECP256R1())


def _as_pem(certificate: x509.Certificate, private: EllipticCurvePrivateKey) -> CertifiedKey:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return CertifiedKey(certificate.public_bytes(serialization.Encoding.PEM).decode(), Secret(key.decode()))


def certificate_end(pem: str) -> datetime:
    """The last moment at which a certificate counts; long ago where it is none."""
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
