"""Certificates of relays: keys, self-signed certificates, requests to a CA. Pure.

A key is one line of text, PKCS 8 in base64. A certificate is DER in base64, as in the lock. A server reads one file
with both, so a key never lacks its certificate. The crypto library takes 50 ms to import: modules that most commands
import defer this one.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from provisioner.base.errors import raised_as
from provisioner.base.secret import Secret

#: A certificate is valid from this long before its creation, since clocks differ.
CLOCK_MARGIN: Final = timedelta(hours=1)
MOST_IN_CHAIN: Final = 5
_MOST_PEM: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ReaderCertificate:
    """A relay's certificate for its readers, valid from `since` to `until`."""

    fingerprint: str  #: SHA-256 over its DER, in hexadecimal, as MediaMTX's `sourceFingerprint`.
    since: datetime
    until: datetime
    key: str  #: The digest of its public key.
    own: bool  #: Whether it is self-signed.
    addresses: tuple[str, ...]

    def days_left(self, now: datetime) -> int:
        """Return the whole days until its end; negative afterwards."""
        return (self.until - now) // timedelta(days=1)


def new_certificate_key() -> Secret:
    """Generate a private ECDSA key on P-256."""
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(base64.b64encode(der).decode())


def self_signed(key: Secret, host: str, address: IPv4Address, now: datetime, days: int) -> str:
    """Make a host's self-signed certificate; an invalid key raises `ValueError`."""
    private, name = _certificate_key(key), common_name(host)
    certificate = (
        certificate_builder(name, name, private, now, days)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def certificate_builder(
    name: x509.Name, issuer: x509.Name, private: EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    """Begin a certificate with the parts that all have."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_MARGIN)
        .not_valid_after(now + timedelta(days=days))
    )


def signing_request(key: Secret, host: str, address: IPv4Address) -> str:
    """Return a signing request, as PEM; an invalid key raises `ValueError`."""
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(common_name(host))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .sign(_certificate_key(key), hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read_certificate(text: str) -> ReaderCertificate:
    """Parse a certificate in the lock's form, or raise `ValueError`."""
    try:
        loaded = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
        key = _public_key_digest(loaded.public_key())
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValueError("that is no certificate") from error
    return ReaderCertificate(
        loaded.fingerprint(hashes.SHA256()).hex(),
        loaded.not_valid_before_utc,
        loaded.not_valid_after_utc,
        key,
        loaded.issuer == loaded.subject,
        _ip_addresses(loaded),
    )


def key_of(key: Secret) -> str:
    """Return the digest of a key's public half, or raise `ValueError`."""
    return _public_key_digest(_certificate_key(key).public_key())


def chain_in(pem: bytes) -> tuple[str, ...]:
    """Return a PEM file's chain in the lock's form, or raise `ValueError`."""
    if len(pem) > _MOST_PEM:
        raise ValueError("the file is larger than any chain of certificates")
    if b"PRIVATE KEY" in pem:
        raise ValueError("the file holds a private key: a relay's key is in the vault, and in no other file")
    with raised_as(ValueError("it holds no certificate as PEM has it"), ValueError):
        chain = x509.load_pem_x509_certificates(pem)
    if not 1 <= len(chain) <= MOST_IN_CHAIN:
        raise ValueError(f"a chain has at most {MOST_IN_CHAIN} certificates")
    for certificate, issuer in pairwise(chain):
        error = ValueError("its certificates are no chain: each has to be signed by the one behind it")
        with raised_as(error, InvalidSignature, TypeError, ValueError):
            certificate.verify_directly_issued_by(issuer)
    return tuple(
        base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode() for certificate in chain
    )


def server_file(key: Secret, chain: Sequence[str]) -> Secret:
    """Return a server's file: private key and certificates, as PEM."""
    blocks = [_pem("PRIVATE KEY", key.reveal()), *(_pem("CERTIFICATE", certificate) for certificate in chain)]
    return Secret("".join(blocks))


def _pem(kind: str, text: str) -> str:
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


def _certificate_key(key: Secret) -> EllipticCurvePrivateKey:

    try:
        loaded = load_der_private_key(base64.b64decode(key.reveal(), validate=True), None)
    except (binascii.Error, ValueError, TypeError):
        loaded = None
    if isinstance(loaded, EllipticCurvePrivateKey):
        return loaded
    raise ValueError("that is no key of a certificate, as `keys init` makes it")


def _public_key_digest(public: object) -> str:

    to_bytes = getattr(public, "public_bytes", None)
    if to_bytes is None:
        raise ValueError("its key is of no known kind")
    der = to_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def common_name(text: str) -> x509.Name:
    """Return a certificate name with one part."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _ip_addresses(certificate: x509.Certificate) -> tuple[str, ...]:

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(address) for address in names.get_values_for_type(x509.IPAddress))
