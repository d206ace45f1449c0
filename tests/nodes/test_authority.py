"""Certificates that `node broker` makes: both ends take them, however strictly they read."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.nodes.broker import CertifiedKey, issued, new_authority
from tests.hostile import NODE


class Ends:
    """A server and a client with certificates of one authority, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder, now = folder, datetime.now(UTC)
        self.authority = new_authority(now)
        (folder / "ca.pem").write_text(self.authority.certificate)
        self.server = self._written("broker", issued(self.authority, "broker", ["broker.example.com"], now, 2))
        self.client = self._written("node-vnpt", issued(self.authority, "node-vnpt", [], now, 2))

    def _written(self, name: str, one: CertifiedKey) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_text(one.certificate)
        key.write_text(one.key.reveal())
        return certificate, key

    def meet(self, server: tuple[Path, Path], client: tuple[Path, Path], name: str = "broker.example.com") -> str:
        """Let them greet each other: as whom the server knows the client."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours, theirs = self._strict(ssl.Purpose.SERVER_AUTH, client), self._strict(ssl.Purpose.CLIENT_AUTH, server)
        ends = (
            ours.wrap_bio(to_client, to_server, server_hostname=name),
            theirs.wrap_bio(to_server, to_client, server_side=True),
        )
        waits = set(ends)
        for _ in range(8):
            for end in ends:
                try:
                    end.do_handshake()
                    waits.discard(end)
                except ssl.SSLWantReadError:
                    continue
        assert not waits
        shown = x509.load_der_x509_certificate(ends[1].getpeercert(binary_form=True) or b"")
        return str(shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)

    def _strict(self, purpose: ssl.Purpose, own: tuple[Path, Path]) -> ssl.SSLContext:
        context = ssl.create_default_context(purpose, cafile=str(self.folder / "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(*own)
        return context


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


def test_both_ends_take_them_however_strictly_they_read(ends: Ends) -> None:
    assert ends.meet(ends.server, ends.client) == "node-vnpt"


@NODE
def test_none_is_taken_for_what_it_is_not(ends: Ends, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = Ends(other)
    for server, client, name in (
        (ends.client, ends.client, "broker.example.com"),
        (ends.server, ends.server, "broker.example.com"),
        (ends.server, ends.client, "elsewhere.example.com"),
        (stranger.server, ends.client, "broker.example.com"),
        (ends.server, stranger.client, "broker.example.com"),
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            ends.meet(server, client, name)
