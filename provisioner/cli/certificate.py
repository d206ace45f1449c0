"""`provisioner certificate`: what relays show readers who come encrypted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from provisioner.base.json_document import Document
from provisioner.cli.context import Invocation
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.output import print_document
from provisioner.cli.session import session_of
from provisioner.runs.single.certificates import (
    CertificateWritten,
    RelayCertificate,
    certificate_inventory,
    certificate_request,
    recorded_certificates,
    renew_certificate,
    set_certificate,
)


@click.group(cls=NamedGroup)
def certificate() -> None:
    """Renew what relays show readers, or have a CA sign it."""


@certificate.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> int:
    """List the certificates of relays, with their fingerprints and last days.

    A fingerprint is SHA-256 over the certificate, as MediaMTX's sourceFingerprint takes it. Opens no vault.

    Example: provisioner -i DIR certificate list
    """
    listed = recorded_certificates(certificate_inventory(session_of(invocation)))
    now = datetime.now(UTC)
    if invocation.json:
        rows = [_row(one, now) for one in listed]
        print_document({"schema": "provisioner/certificates", "version": 1, "certificates": rows})
        return 0
    for one in listed:
        click.echo(_line(one, now))
    if not listed:
        click.echo("no carrier has reader_tls: readers come without encryption, inside of the tunnel")
    return 0


@certificate.command()
@click.argument("relay")
@click.pass_obj
def renew(invocation: Invocation, relay: str) -> int:
    """Draw another key for a relay, and a certificate that it signs itself.

    The key goes into the vault, the certificate into allocations.lock.yml; the relay has both with the next apply, and
    who reads at the moment is not cut. Whoever knows the former one by its fingerprint is refused when he comes anew:
    tell him the new one first.

    Example: provisioner -i DIR certificate renew relay-viettel-1
    """
    return _show(invocation, relay, renew_certificate(session_of(invocation), relay))


@certificate.command()
@click.argument("relay")
@click.pass_obj
def request(invocation: Invocation, relay: str) -> int:
    """Print what a CA is to sign for a relay, as PEM.

    It is signed by the key in the vault, which stays there, and names the relay's id and its address in the tunnel.

    Example: provisioner -i DIR certificate request relay-viettel-1 > relay-viettel-1.csr
    """
    text = certificate_request(session_of(invocation), relay)
    if invocation.json:
        print_document({"schema": "provisioner/certificate-request", "version": 1, "relay": relay, "request": text})
    else:
        click.echo(text, nl=False)
    return 0


@certificate.command("set")
@click.argument("relay")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.pass_obj
def set_(invocation: Invocation, relay: str, file: Path) -> int:
    """Record the certificate that a CA signed for a relay.

    FILE is PEM: the relay's own certificate first, behind it those that signed it. It has to be of the relay's key,
    for its address, and to count today. The relay shows it with the next apply.

    Example: provisioner -i DIR certificate set relay-viettel-1 relay-viettel-1.pem
    """
    return _show(invocation, relay, set_certificate(session_of(invocation), relay, file))


def _show(invocation: Invocation, relay: str, written: CertificateWritten) -> int:
    if invocation.json:
        files = [str(path) for path in written.files]
        row = _row(RelayCertificate(relay, "", written.shown, 0), datetime.now(UTC))
        del row["carrier"]
        print_document({"schema": "provisioner/certificate", "version": 1, **row, "written": files})
        return 0
    for path in written.files:
        click.echo(f"wrote {path}")
    click.echo(f"{relay} shows {written.shown.fingerprint} from the next apply on, until {_day(written.shown.until)}")
    click.echo("next: commit, then provisioner plan")
    return 0


def _row(one: RelayCertificate, now: datetime) -> Document:
    shown = one.shown
    return {
        "relay": one.relay,
        "carrier": one.carrier,
        "fingerprint": shown.fingerprint if shown else None,
        "until": shown.until.isoformat() if shown else None,
        "days_left": shown.days_left(now) if shown else None,
        "self_signed": shown.own if shown else None,
    }


def _line(one: RelayCertificate, now: datetime) -> str:
    if one.shown is None:
        return f"{one.relay}: none yet; run provisioner keys init"
    signed = "signed by itself" if one.shown.own else "signed by a CA"
    ends = f"until {_day(one.shown.until)}, {signed}"
    warned = "; ends soon" if one.shown.days_left(now) <= one.warn_days else ""
    return f"{one.relay}  {one.shown.fingerprint}  {ends}{warned}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
