"""The broker's folder: certificates, configuration, and status line.

The broker knows an end by its certificate's name, `CN=controller` or `CN=node-<carrier>`. Operators with their own
authority let it sign the same names. A node may receive and acknowledge its own units and write its own reports. In
NATS an answer goes to the requester's subject, so each end may subscribe only below its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from provisioner.base.certificate import certificate_builder, common_name
from provisioner.base.errors import UsageError, os_errors
from provisioner.base.files import make_own_folder, replace_file, write_atomic
from provisioner.base.secret import Secret
from provisioner.base.text import canonical_json
from provisioner.nodes import envelope

AUTHORITY_DAYS: Final = 3650
_COMMON_NAME: Final = "authority of the broker"
_STORE_BYTES: Final = 8 * 1024**3
_AUTHORITY: Final = "ca"
_BROKER: Final = "broker"

_SOON_DAYS: Final = 30  #: Certificates that end within this time are renewed.

_STORE: Final = "/var/lib/nats/provisioner"
CONFIGURATION: Final = "nats-server.conf"


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate and its private key, as PEM."""

    certificate: str
    key: Secret


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The broker's input files, and its store."""

    ca: str
    certificate: str
    certificate_key: str
    store: str


@dataclass(frozen=True, slots=True)
class BrokerRequest:
    """The wanted content of a broker's folder."""

    folder: Path
    places: tuple[str, ...]  #: Host names and addresses of the broker.
    carriers: tuple[str, ...]  #: Carriers with a node.
    port: int  #: Its port.
    days: int  #: Validity of new certificates.
    reports: bool = False  #: Whether controllers send reports to a view over it.


def new_authority(now: datetime) -> CertifiedKey:
    """Create an authority, valid for ten years."""
    private, name = _new_key(), common_name(_COMMON_NAME)
    certificate = (
        certificate_builder(name, name, private, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    return _as_pem(certificate, private)


def issued(authority: CertifiedKey, name: str, places: Sequence[str], now: datetime, days: int) -> CertifiedKey:
    """Create a server's (by `places`) or client's certified key, or raise `ValueError`."""
    try:
        issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
        signer = serialization.load_pem_private_key(authority.key.reveal().encode(), password=None)
    except (ValueError, TypeError):
        signer = None
    if isinstance(signer, EllipticCurvePrivateKey):
        return _signed_certificate(issuer, signer, name, places, (now, days))
    raise ValueError("that is no authority as this program makes it")


def _signed_certificate(
    issuer: x509.Certificate,
    signer: EllipticCurvePrivateKey,
    name: str,
    places: Sequence[str],
    valid: tuple[datetime, int],
) -> CertifiedKey:
    private = _new_key()
    usage = ExtendedKeyUsageOID.SERVER_AUTH if places else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        certificate_builder(common_name(name), issuer.subject, private, *valid)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        # Strict readers of certificates need both, such as Python 3.13 by default.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if places:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative_name(place) for place in places]), critical=False
        )
    return _as_pem(builder.sign(signer, hashes.SHA256()), private)


def _new_key() -> EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _usage(*, signs: bool) -> x509.KeyUsage:
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


def _alternative_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _as_pem(certificate: x509.Certificate, private: EllipticCurvePrivateKey) -> CertifiedKey:
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return CertifiedKey(certificate.public_bytes(serialization.Encoding.PEM).decode(), Secret(key.decode()))


def certificate_end(pem: str) -> datetime:
    """Return a certificate's end, or the earliest time if it is invalid."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def broker_configuration(carriers: Sequence[str], files: BrokerFiles, listen: str, *, reports: bool = False) -> str:
    """Return the broker's configuration file; `listen` is `ADDRESS:PORT`."""
    users = [
        _user(envelope.CONTROLLER, _controller_publishes(carriers), [f"{envelope.inbox_of(envelope.CONTROLLER)}.>"])
    ]
    users += [
        _user(
            envelope.node_name(carrier),
            [
                *_api_forms(f"CONSUMER.MSG.NEXT.{envelope.UNITS}.{envelope.node_name(carrier)}"),
                f"$JS.ACK.{envelope.UNITS}.{envelope.node_name(carrier)}.>",
                f"{envelope.REPORTS_SUBJECT}.*.*",
            ],
            [f"{envelope.inbox_of(envelope.node_name(carrier))}.>"],
            # A carrier's own broker delivers messages only if the whole subscription is permitted.
            [f"{envelope.REPORTS_SUBJECT}.{other}.*" for other in carriers if other != carrier],
        )
        for carrier in carriers
    ]
    if reports:
        users += [
            _user(name, [f"{envelope.BUNDLES_SUBJECT}.{carrier}"], [f"{envelope.inbox_of(name)}.>"])
            for carrier in carriers
            for name in (envelope.reporter_name(carrier),)
        ]
        users.append(_user(envelope.VIEW, _view_publishes(), [f"{envelope.inbox_of(envelope.VIEW)}.>"]))
    lines = [
        "# The broker between a controller and the nodes of carriers. Written by `provisioner node broker`.",
        f"listen: {_quoted(listen)}",
        "jetstream {",
        f"  domain: {envelope.DOMAIN}",
        f"  store_dir: {_quoted(files.store)}",
        f"  max_file_store: {_STORE_BYTES}",
        "}",
        "tls {",
        f"  ca_file: {_quoted(files.ca)}",
        f"  cert_file: {_quoted(files.certificate)}",
        f"  key_file: {_quoted(files.certificate_key)}",
        "  verify_and_map: true",
        "}",
        "authorization {",
        "  users: [",
        *users,
        "  ]",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _user(name: str, publishes: Sequence[str], subscribes: Sequence[str], never: Sequence[str] = ()) -> str:
    denied = f", deny: [{_listed(never)}]" if never else ""
    return (
        f"    {{ user: {_quoted(f'CN={name}')}, permissions: {{ publish: {{ allow: [{_listed(publishes)}]{denied} }},"
        f" subscribe: {{ allow: [{_listed(subscribes)}] }} }} }}"
    )


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    return canonical_json(text).decode()


def _controller_publishes(carriers: Sequence[str]) -> list[str]:
    subjects = [f"STREAM.CREATE.{stream}" for stream in (envelope.UNITS, envelope.REPORTS)]
    subjects += [f"CONSUMER.DURABLE.CREATE.{envelope.UNITS}.{envelope.node_name(carrier)}" for carrier in carriers]
    subjects += [
        f"CONSUMER.CREATE.{envelope.UNITS}.>",
        f"CONSUMER.CREATE.{envelope.REPORTS}.>",
        f"CONSUMER.MSG.NEXT.{envelope.REPORTS}.*",
    ]
    return [
        *(form for subject in subjects for form in _api_forms(subject)),
        f"$JS.ACK.{envelope.REPORTS}.>",
        f"{envelope.UNITS_SUBJECT}.*",
    ]


def _view_publishes() -> list[str]:
    stream = envelope.BUNDLES
    subjects = (f"STREAM.CREATE.{stream}", f"CONSUMER.CREATE.{stream}.>", f"CONSUMER.MSG.NEXT.{stream}.*")
    return [*(form for subject in subjects for form in _api_forms(subject)), f"$JS.ACK.{stream}.>"]


def _api_forms(subject: str) -> tuple[str, str]:
    """Return an API subject with and without domain: the broker maps both."""
    return f"{envelope.API}.{subject}", f"$JS.API.{subject}"


def write_broker_folder(request: BrokerRequest, now: datetime) -> list[str]:
    """Write missing or expiring files; return new names, or raise `UsageError`."""
    with os_errors(f"{request.folder} cannot be written", "name a folder that you can write to, and nobody else"):
        make_own_folder(request.folder)
        return list(_write_broker_files(request, now))


def _write_broker_files(request: BrokerRequest, now: datetime) -> Iterator[str]:
    folder = request.folder
    authority = _read_certified(folder, _AUTHORITY)
    if authority is None:
        if any(folder.iterdir()):
            hint = "name an empty folder, or the one that this command has written, whole"
            raise UsageError(f"{folder} holds other files, and no authority", hint=hint)
        authority = new_authority(now)
        _write_certified(folder, _AUTHORITY, authority)
        yield _AUTHORITY
    for name, places in _ends(request):
        old = _read_certified(folder, name)
        if old is None or certificate_end(old.certificate) < now + timedelta(days=_SOON_DAYS):
            _write_certified(folder, name, _issued_by(authority, name, places, now, request))
            yield name
    absolute = folder.absolute()
    files = BrokerFiles(str(absolute / "ca.pem"), str(absolute / "broker.pem"), str(absolute / "broker.key"), _STORE)
    text = broker_configuration(request.carriers, files, f"[::]:{request.port}", reports=request.reports)
    write_atomic(folder / CONFIGURATION, text, mode=0o600)
    yield CONFIGURATION


def _read_certified(folder: Path, name: str) -> CertifiedKey | None:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    if not certificate.exists() or not key.exists():
        return None
    try:
        return CertifiedKey(certificate.read_text(encoding="utf-8"), Secret(key.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise UsageError(f"{certificate} or its key is none", hint="take it away: it is made anew") from None


def _write_certified(folder: Path, name: str, certified: CertifiedKey) -> None:
    replace_file(folder / f"{name}.key", certified.key.reveal().encode())
    replace_file(folder / f"{name}.pem", certified.certificate.encode(), mode=0o644)


def _ends(request: BrokerRequest) -> Iterator[tuple[str, Sequence[str]]]:
    yield _BROKER, request.places
    yield envelope.CONTROLLER, ()
    yield from ((envelope.node_name(carrier), ()) for carrier in request.carriers)
    if request.reports:
        yield envelope.VIEW, ()
        yield from ((envelope.reporter_name(carrier), ()) for carrier in request.carriers)


def _issued_by(
    authority: CertifiedKey, name: str, places: Sequence[str], now: datetime, request: BrokerRequest
) -> CertifiedKey:
    try:
        return issued(authority, name, places, now, request.days)
    except ValueError as error:
        hint = "its ca.pem and ca.key belong together; if they are lost, begin a new folder and hand all out anew"
        raise UsageError(f"{request.folder}: {error}", hint=hint) from None


def broker_status_line(url: str, *, reaches: bool) -> str:
    """Return a node's line for `systemctl status`."""
    return f"{'reaches' if reaches else 'does not reach'} the broker {broker_address(url)}"


def broker_address(url: str) -> str:
    """Return a broker's host and port."""
    return url.partition("://")[2]
