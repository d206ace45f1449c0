"""Certificates that relays show readers: what is made, what is read, what is refused."""

import base64
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioner.base.certificate import (
    chain_in,
    key_of,
    new_certificate_key,
    read_certificate,
    self_signed,
    server_file,
    signing_request,
)
from provisioner.base.secret import Secret
from provisioner.base.text import words_of_end

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
ADDRESS = IPv4Address("10.91.0.1")


class Authority:
    """A carrier's CA."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
        builder = self._builder(self.name, self.key.public_key())
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = builder.add_extension(ca, critical=True).sign(self.key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=90))
        )

    def signed(self, request: str) -> bytes:
        """What the CA gives back for a request: the certificate, and its own behind it."""
        asked = x509.load_pem_x509_csr(request.encode())
        assert asked.is_signature_valid
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        builder = self._builder(asked.subject, key)
        for extension in asked.extensions:
            builder = builder.add_extension(extension.value, critical=extension.critical)
        return b"".join(map(pem, (builder.sign(self.key, hashes.SHA256()), self.certificate)))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_a_certificate_that_its_key_signs_says_whose_it_is_and_how_long_it_counts() -> None:
    key = new_certificate_key()
    shown = read_certificate(text := self_signed(key, "relay-1", ADDRESS, NOW, 30))
    assert (shown.own, shown.addresses, shown.key) == (True, ("10.91.0.1",), key_of(key))
    assert (shown.since, shown.until) == (NOW - timedelta(hours=1), NOW + timedelta(days=30))
    assert shown.days_left(NOW) == 30
    assert (
        shown.fingerprint == x509.load_der_x509_certificate(base64.b64decode(text)).fingerprint(hashes.SHA256()).hex()
    )
    assert key_of(key) != key_of(new_certificate_key())


def test_a_server_takes_key_and_certificate_out_of_one_file(tmp_path: Path) -> None:
    key = new_certificate_key()
    text = server_file(key, [self_signed(key, "relay-1", ADDRESS, NOW, 30)])
    assert key.reveal() not in repr(text)
    file = tmp_path / "readers.pem"
    file.write_text(text.reveal())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, file)


def test_what_a_ca_signed_comes_back_as_a_chain() -> None:
    key, authority = new_certificate_key(), Authority()
    chain = chain_in(authority.signed(signing_request(key, "relay-1", ADDRESS)))
    shown = read_certificate(chain[0])
    assert (len(chain), shown.own, shown.key, shown.addresses) == (2, False, key_of(key), ("10.91.0.1",))


def test_what_is_no_chain_is_refused() -> None:
    key = new_certificate_key()
    one, other = Authority(), Authority()
    own = one.signed(signing_request(key, "relay-1", ADDRESS)).partition(b"-----END CERTIFICATE-----\n")
    first = own[0] + own[1]
    for content, words in (
        (first + pem(other.certificate), "no chain"),
        (first * 6, "at most 5"),
        (server_file(key, []).reveal().encode(), "private key"),
        (b"x" * 70_000, "larger"),
        (b"nothing", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
    ):
        with pytest.raises(ValueError, match=words):
            chain_in(content)


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", base64.b64encode(b"x" * 200).decode()])
def test_what_is_no_certificate_and_no_key_is_told_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(text)
    with pytest.raises(ValueError, match="no key") as refused:
        key_of(Secret(text or "x"))
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=31), ""),
        (timedelta(days=30, hours=5), "ends in 30 days, on 2026-02-10"),
        (timedelta(days=1, hours=1), "ends in 1 day, on 2026-01-11"),
        (timedelta(hours=1), "ends in 0 days, on 2026-01-10"),
        (timedelta(0), "has ended on 2026-01-10"),
        (timedelta(days=-3), "has ended on 2026-01-07"),
    ],
)
def test_an_end_is_told_from_its_day_on(left: timedelta, words: str) -> None:
    assert words_of_end(NOW + left, 30, NOW) == words
