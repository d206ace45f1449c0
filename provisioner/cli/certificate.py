"""`provisioner certificate`: relays' certificates for encrypted readers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import click

from provisioner.base.document import AsGiven, Printed, Row, of
from provisioner.base.errors import UsageError
from provisioner.base.text import in_vietnam
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import Invocation, show
from provisioner.cli.support.session import session_of
from provisioner.operations.hosts import certificates as certificate_files
from provisioner.operations.questions.packages import facilities_up_to_date


@click.group(cls=NamedGroup)
def certificate() -> None:
    """Renew the TLS certificates of relays, or have a CA sign them."""


@certificate.command("list")
def list_(invocation: Invocation) -> None:
    """List the certificates of relays with their fingerprints and last days.

    A fingerprint is SHA-256 over the certificate, as in MediaMTX's sourceFingerprint. The command opens no vault.

    Example: provisioner -i DIR certificate list
    """
    listed = certificate_files.recorded_certificates(certificate_files.certificate_inventory(session_of(invocation)))
    now = datetime.now(UTC)
    with_days = ((entry, entry.shown.days_left(now) if entry.shown else None) for entry in listed)
    rows = [CertificateRow.made_of(entry, days_left=days) for entry, days in with_days]
    lines = [_certificate_line(entry, now) for entry in listed]
    none = "no carrier has reader_tls: readers come without encryption, inside of the tunnel"
    show(invocation, CertificatesDocument(certificates=rows), lines or [none])


@certificate.command()
@click.argument("relay", shell_complete=hosts_like)
@click.option("--finish", "finishes", is_flag=True, help="Replace the present certificate with the next one.")
@click.option("--cancel", "cancels", is_flag=True, help="Keep the present certificate; drop the next one.")
@click.option(
    "--leave", "leaves", multiple=True, metavar="FACILITY", help="Finish although this site is refused for a while."
)
@click.option(
    "--at-once", is_flag=True, help="Refuse clients that know only the present certificate, from the next apply on."
)
def renew(
    invocation: Invocation, relay: str, *, finishes: bool, cancels: bool, leaves: tuple[str, ...], at_once: bool
) -> None:
    """Create a new key and a self-signed certificate for a relay.

    The key goes into the vault, the certificate into allocations.lock.yml. The next apply brings both to the relay and
    cuts no reader. A client that pins the former fingerprint is refused at its next connection: give it the new
    fingerprint first.

    If sites push to the relay, the new certificate is the next one at first. Their packages then have both
    certificates. --finish makes the relay use it once all of these packages are installed (gateway installed);
    otherwise the command ends with 6 and lists the others. Use --at-once if the key has leaked.

    Example: provisioner -i DIR certificate renew relay-viettel-1
    """
    _refuse_flags_together(finishes=finishes, cancels=cancels, leaves=leaves, at_once=at_once)
    session = session_of(invocation)
    if cancels:
        _show_certificate(invocation, relay, certificate_files.cancel_certificate(session, relay), Became.CANCELLED)
    elif finishes:
        finished = certificate_files.finish_certificate(session, relay, facilities_up_to_date, leaves=leaves)
        _show_certificate(invocation, relay, finished)
    else:
        written = certificate_files.renew_certificate(session, relay, at_once=at_once)
        _show_certificate(invocation, relay, written, Became.NEXT if written.sites else Became.SHOWN)


def _refuse_flags_together(*, finishes: bool, cancels: bool, leaves: tuple[str, ...], at_once: bool) -> None:
    if finishes + cancels + at_once > 1:
        raise UsageError("--finish, --cancel and --at-once each mean another thing", hint="give one of them")
    if leaves and not finishes:
        raise UsageError("--leave is for the end", hint="give it with --finish")


@certificate.command()
@click.argument("relay", shell_complete=hosts_like)
def request(invocation: Invocation, relay: str) -> None:
    """Print a certificate request for a CA, as PEM.

    The key in the vault signs the request and stays there. The request has the relay's id and its address in the
    tunnel.

    Example: provisioner -i DIR certificate request relay-viettel-1 > relay-viettel-1.csr
    """
    text = certificate_files.certificate_request(session_of(invocation), relay)
    show(invocation, RequestDocument(relay=relay, request=text), text.splitlines())


@certificate.command("set")
@click.argument("relay", shell_complete=hosts_like)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--at-once", is_flag=True, help="Refuse clients that know only the present certificate, from the next apply on."
)
def set_(invocation: Invocation, relay: str, file: Path, *, at_once: bool) -> None:
    """Record the certificate that a CA signed for a relay.

    FILE is PEM: first the relay's own certificate, then the chain. The certificate has to match the relay's key and
    address, and to be valid today. The relay uses it from the next apply on. If sites push to the relay, see
    certificate renew.

    Example: provisioner -i DIR certificate set relay-viettel-1 relay-viettel-1.pem
    """
    invocation.refuse_tracked_links(file)
    written = certificate_files.set_certificate(session_of(invocation), relay, file, at_once=at_once)
    _show_certificate(invocation, relay, written, Became.NEXT if written.sites else Became.SHOWN)


class Became(StrEnum):
    """Role of the written certificate."""

    SHOWN = "shown"  #: The relay's own from the next apply.
    NEXT = "next"  #: The next one; packages of pushing sites have to name it first.
    CANCELLED = "cancelled"  #: The present one stays.


def _show_certificate(
    invocation: Invocation, relay: str, written: certificate_files.CertificateWritten, became: Became = Became.SHOWN
) -> None:
    days_left = written.shown.days_left(datetime.now(UTC))
    document = CertificateDocument.made_of(written, relay=relay, days_left=days_left, became=became)
    wrote = (f"wrote {path}" for path in written.files)
    show(invocation, document, (*wrote, *_ending_lines(relay, written, became)))


def _ending_lines(relay: str, written: certificate_files.CertificateWritten, became: Became) -> Iterator[str]:
    certificate, named = written.shown, ", ".join(written.sites)
    until = f"until {_day(certificate.until)}"
    if became is Became.NEXT:
        yield f"{relay} is to show {certificate.fingerprint} next, {until}; by now it shows its present one"
        yield f"their packages have to name both: {named}"
        yield f"next: commit, then provisioner site-package {' '.join(written.sites)} --out DIR"
        yield "once they are installed: provisioner gateway installed FACILITY"
        yield f"then: provisioner certificate renew {relay} --finish"
    elif became is Became.CANCELLED:
        yield f"{relay} goes on showing {certificate.fingerprint}, {until}"
        yield "next: commit; whoever has a package that names the other one needs none for this"
    else:
        yield f"{relay} shows {certificate.fingerprint} from the next apply on, {until}"
        yield "next: commit, then provisioner plan"


class NextCertificate(Row):
    """The next certificate of a relay."""

    fingerprint: str
    until: AsGiven


class CertificateRow(Row):
    """A relay with its certificate; null if it has none."""

    relay: str
    carrier: str
    fingerprint: str | None = of("shown", "fingerprint", or_none=True)
    until: AsGiven | None = of("shown", "until", or_none=True)
    days_left: int | None
    self_signed: bool | None = of("shown", "own", or_none=True)
    next: NextCertificate | None = of("following")


class CertificatesDocument(Printed, name="certificates", title="The certificates of relays"):
    """Output of `provisioner certificate list --output json`."""

    certificates: tuple[CertificateRow, ...]


class RequestDocument(Printed, name="certificate-request", title="A certificate request"):
    """Output of `provisioner certificate request --output json`."""

    relay: str
    request: str


class CertificateDocument(
    CertificateRow, Printed, name="certificate", title="A certificate recorded", without=("carrier", "next")
):
    """Output of `provisioner certificate renew` and `certificate set` with `--output json`."""

    became: Became
    sites: tuple[str, ...]
    written: tuple[Path, ...] = of("files")


def _certificate_line(certificate: certificate_files.RelayCertificate, now: datetime) -> str:
    if certificate.shown is None:
        return f"{certificate.relay}: none yet; run provisioner keys init"
    signed = "signed by itself" if certificate.shown.own else "signed by a CA"
    ends = f"until {_day(certificate.shown.until)}, {signed}"
    warned = "; ends soon" if certificate.shown.days_left(now) <= certificate.warn_days else ""
    after = f"; next {certificate.following.fingerprint}" if certificate.following else ""
    return f"{certificate.relay}  {certificate.shown.fingerprint}  {ends}{warned}{after}"


def _day(moment: datetime) -> str:
    return f"{in_vietnam(moment):%Y-%m-%d}"
