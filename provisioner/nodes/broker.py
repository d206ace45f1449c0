"""The broker's folder: certificates, configuration, and its status line.

An end is known to the broker by the name in its certificate, `CN=controller` or `CN=node-<carrier>`. An operator with
an own authority lets that one sign the same names. A node may take its own units, acknowledge them, and write its own
reports; it reads and makes nothing else. In NATS the answer to a request goes to a subject of the asker, so each end
may listen below its own subject only.
"""

from __future__ import annotations

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

from provisioner.base.certificate import certificate_begun, common_name
from provisioner.base.errors import UsageError
from provisioner.base.files import make_own_folder, replace_file, write_atomic
from provisioner.base.secret import Secret
from provisioner.base.text import canonical_json
from provisioner.nodes.envelope import (
    API,
    CONTROLLER,
    DOMAIN,
    REPORTS,
    REPORTS_SUBJECT,
    UNITS,
    UNITS_SUBJECT,
    inbox_of,
    node_name,
)

AUTHORITY_DAYS: Final = 3650
_COMMON_NAME: Final = "authority of the broker"
_STORE_BYTES: Final = 8 * 1024**3
_AUTHORITY: Final = "ca"
_BROKER: Final = "broker"

_SOON_DAYS: Final = 30
"""A certificate that ends within so many days is made anew."""

_STORE: Final = "/var/lib/nats/provisioner"
CONFIGURATION: Final = "nats-server.conf"


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate and its private key, as PEM."""

    certificate: str
    key: Secret


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The files that the broker reads, and where it keeps what lies in it."""

    ca: str
    certificate: str
    certificate_key: str
    store: str


@dataclass(frozen=True, slots=True)
class BrokerOrders:
    """What a broker's folder is to hold.

    Attributes:
        folder: it.
        places: the host names and addresses by which the broker is reached.
        carriers: those that have a node.
        port: where it listens.
        days: how long new certificates count.
    """

    folder: Path
    places: tuple[str, ...]
    carriers: tuple[str, ...]
    port: int
    days: int


def new_authority(now: datetime) -> CertifiedKey:
    """An authority that was just made; it counts for ten years."""
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
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative_name(one) for one in places]), critical=False
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
    """The last moment at which a certificate counts; long ago where it is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def broker_configuration(carriers: Sequence[str], files: BrokerFiles, listen: str) -> str:
    """The broker's file.

    Args:
        carriers: those that have a node.
        files: what it reads.
        listen: where it listens, as `ADDRESS:PORT`.
    """
    users = [_user(CONTROLLER, _controller_publishes(carriers), [f"{inbox_of(CONTROLLER)}.>"])]
    users += [
        _user(
            node_name(carrier),
            [
                *_asked(f"CONSUMER.MSG.NEXT.{UNITS}.{node_name(carrier)}"),
                f"$JS.ACK.{UNITS}.{node_name(carrier)}.>",
                f"{REPORTS_SUBJECT}.*.*",
            ],
            [f"{inbox_of(node_name(carrier))}.>"],
            # Through a carrier's own broker a message gets only where the whole of what is listened to is permitted.
            [f"{REPORTS_SUBJECT}.{other}.*" for other in carriers if other != carrier],
        )
        for carrier in carriers
    ]
    lines = [
        "# The broker between a controller and the nodes of carriers. Written by `provisioner node broker`.",
        f"listen: {_quoted(listen)}",
        "jetstream {",
        f"  domain: {DOMAIN}",
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
    made = [f"STREAM.CREATE.{stream}" for stream in (UNITS, REPORTS)]
    made += [f"CONSUMER.DURABLE.CREATE.{UNITS}.{node_name(carrier)}" for carrier in carriers]
    made += [f"CONSUMER.CREATE.{UNITS}.>", f"CONSUMER.CREATE.{REPORTS}.>", f"CONSUMER.MSG.NEXT.{REPORTS}.*"]
    return [*(one for asked in made for one in _asked(asked)), f"$JS.ACK.{REPORTS}.>", f"{UNITS_SUBJECT}.*"]


def _asked(what: str) -> tuple[str, str]:
    """What is asked of the broker, by its name and without it: it turns the one into the other before it looks."""
    return f"{API}.{what}", f"$JS.API.{what}"


def write_broker_folder(orders: BrokerOrders, now: datetime) -> list[str]:
    """Write what is not there yet or ends soon, and the broker's file: the names of what is new.

    Raises:
        UsageError: a file cannot be read or written.
    """
    try:
        make_own_folder(orders.folder)
        return list(_written(orders, now))
    except OSError as error:
        hint = "name a folder that you can write to, and nobody else"
        raise UsageError(f"{orders.folder} cannot be written: {error.strerror}", hint=hint) from None


def _written(orders: BrokerOrders, now: datetime) -> Iterator[str]:
    folder = orders.folder
    authority = _read_certified(folder, _AUTHORITY)
    if authority is None:
        if any(folder.iterdir()):
            hint = "name an empty folder, or the one that this command has written, whole"
            raise UsageError(f"{folder} holds other files, and no authority", hint=hint)
        authority = new_authority(now)
        _write_certified(folder, _AUTHORITY, authority)
        yield _AUTHORITY
    for name, places in _ends(orders):
        old = _read_certified(folder, name)
        if old is None or certificate_end(old.certificate) < now + timedelta(days=_SOON_DAYS):
            _write_certified(folder, name, _issued_by(authority, name, places, now, orders))
            yield name
    own = folder.absolute()
    files = BrokerFiles(str(own / "ca.pem"), str(own / "broker.pem"), str(own / "broker.key"), _STORE)
    text = broker_configuration(orders.carriers, files, f"[::]:{orders.port}")
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


def _write_certified(folder: Path, name: str, one: CertifiedKey) -> None:
    replace_file(folder / f"{name}.key", one.key.reveal().encode())
    replace_file(folder / f"{name}.pem", one.certificate.encode(), mode=0o644)


def _ends(orders: BrokerOrders) -> Iterator[tuple[str, Sequence[str]]]:
    yield _BROKER, orders.places
    yield CONTROLLER, ()
    yield from ((node_name(carrier), ()) for carrier in orders.carriers)


def _issued_by(
    authority: CertifiedKey, name: str, places: Sequence[str], now: datetime, orders: BrokerOrders
) -> CertifiedKey:
    try:
        return issued(authority, name, places, now, orders.days)
    except ValueError as error:
        hint = "its ca.pem and ca.key belong together; if they are lost, begin a new folder and hand all out anew"
        raise UsageError(f"{orders.folder}: {error}", hint=hint) from None


def standing_line(url: str, *, reaches: bool) -> str:
    """Return the line that `systemctl status` shows of a node.

    Args:
        url: the broker's, as the node's file has it.
        reaches: whether it is reached.
    """
    return f"{'reaches' if reaches else 'does not reach'} the broker {place_of(url)}"


def place_of(url: str) -> str:
    """A broker's host and port."""
    return url.partition("://")[2]
