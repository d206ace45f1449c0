"""`provisioner gateway`: technicians' reports on a site's router."""

from pathlib import Path

import click

from provisioner.base.document import Printed, Truth, absent, of, ungiven
from provisioner.base.errors import StateError, UsageError
from provisioner.base.git import Checkout
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import facilities_like
from provisioner.cli.support.context import Invocation, piped_text, print_warning, show, today
from provisioner.cli.support.session import session_of
from provisioner.cli.support.texts import checkout_for, commit_option, commit_written, diff_lines, edits_of
from provisioner.operations.edit.keys import GatewayKey, set_gateway_key, with_next_key
from provisioner.operations.questions.packages import NOT_RECORDED_HINT, record_installed


@click.group(cls=NamedGroup)
def gateway() -> None:
    """Record the keys and installed packages of gateways."""


class GatewayKeyDocument(Printed, name="gateway-set-key", title="A gateway's key"):
    """Output of `provisioner gateway set-key --output json`."""

    facility: str
    file: Path = of("path")
    public_key: str | None = absent()
    before: str | None = ungiven()  #: The former key in the file, or null. Absent with `--next`, as is `public_key`.
    next_public_key: str | None = absent()  #: Only with `--next`.
    written: Truth


class InstalledDocument(Printed, name="gateway-installed", title="Packages installed"):
    """Output of `provisioner gateway installed --output json`."""

    facilities: tuple[str, ...]
    as_desired: bool
    recorded: bool


@gateway.command("set-key")
@click.argument("facility", shell_complete=facilities_like)
@click.argument("key")
@click.option("--replace", "replaces", is_flag=True, help="Replace the present key; its tunnel ends.")
@click.option(
    "--next",
    "follows",
    is_flag=True,
    help="Record it as the next key; the present one stays until the gateway uses it.",
)
@commit_option
def set_key(invocation: Invocation, facility: str, key: str, *, replaces: bool, follows: bool, commits: bool) -> int:
    """Write a gateway's public key into its facility's file.

    KEY is the key that the package's install.sh printed; `-` reads standard input. The rest of the file stays as it is.
    The command refuses a key of another peer, and a second key without --replace. During a rotation (keys rotate)
    --next records the key that change-key.sh printed; no viewer is cut.

    Example: provisioner -i DIR gateway set-key kcl-bg-001 - < what-install.sh-printed
    """
    if follows and replaces:
        raise UsageError("--next keeps the present key, and --replace ends it", hint="give one of them")
    text = _piped_line() if key == "-" else key
    env, checkout = invocation.env, checkout_for(invocation, commits=commits)
    if follows:
        return _write_next_key(invocation, checkout, facility, text.strip())
    written = set_gateway_key(
        invocation.inventory, facility, text.strip(), replaces=replaces, today=today(), environment=env
    )
    commit_written(invocation, checkout, [written.path] if written.diff else [], f"{facility}: the gateway's key")
    keys = {"public_key": written.key, "before": written.before or None}
    document = GatewayKeyDocument.made_of(written, facility=facility, written=written.diff, **keys)
    show(invocation, document, _lines(facility, written, checkout))
    return 0


def _write_next_key(invocation: Invocation, checkout: Checkout | None, facility: str, key: str) -> int:
    edit = with_next_key(edits_of(invocation), facility, key)
    edit.write(invocation.inventory)
    commit_written(invocation, checkout, [edit.path] if edit.changed else [], f"{facility}: the gateway's next key")
    document = GatewayKeyDocument(facility=facility, file=edit.path, next_public_key=key, written=edit.changed)
    lines = diff_lines(edit) if edit.changed else [f"{edit.path}: {facility} has this next key already"]
    show(invocation, document, [*lines, f"next, for its relays: provisioner keys rotate --finish {facility}"])
    return 0


@gateway.command()
@click.argument("facilities", nargs=-1, required=True, metavar="FACILITY…", shell_complete=facilities_like)
@click.option(
    "--as-desired", is_flag=True, help="The gateway has the content of today's package, whatever was handed out."
)
def installed(invocation: Invocation, facilities: tuple[str, ...], *, as_desired: bool) -> int:
    """Record that a site's last package is installed on its gateway.

    The history gets the entry, beside the day on which the package was handed out. The command needs the vault's
    password. It does not ask the gateway: the entry is your statement. For a package from before such records use
    --as-desired, if you know that the gateway has the content of today's package.

    Example: provisioner -i DIR gateway installed kcl-bg-001
    """
    names = tuple(dict.fromkeys(facilities))
    if failure := record_installed(session_of(invocation), names, as_desired=as_desired):
        print_warning(failure, NOT_RECORDED_HINT)
    lines = [f"recorded as installed: {', '.join(names)}; next: provisioner facility next {names[0]}"]
    document = InstalledDocument(facilities=names, as_desired=as_desired, recorded=not failure)
    show(invocation, document, [] if failure else lines)
    return StateError.exit_code if failure else 0


def _piped_line() -> str:
    """Return the last line of standard input, or raise `UsageError`."""
    lines = piped_text().split()
    if not lines:
        raise UsageError("standard input has no key", hint="send it what the package prints on the gateway")
    return lines[-1]


def _lines(facility: str, written: GatewayKey, checkout: Checkout | None) -> list[str]:
    if not written.diff:
        return [f"{written.path}: {facility} has this key already"]
    last = "plan" if checkout else "validate, then commit"
    return [
        f"{written.path}:",
        *(f"  {line}" for line in written.diff),
        f"the key of {facility}'s gateway is noted; next: provisioner {last}",
    ]
