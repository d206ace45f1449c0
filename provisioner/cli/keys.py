"""`provisioner keys` and `provisioner secrets`: keys of hosts, logins of devices.

Private halves and passwords are typed without echo or read from standard input; they are never arguments.
"""

import sys
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import click
from pydantic import BeforeValidator

from provisioner.base.document import HeldRow, Known, Messages, Printed, of
from provisioner.base.errors import HostError, PolicyError, SecretsError, UsageError, os_errors
from provisioner.base.files import read_regular
from provisioner.base.git import Checkout
from provisioner.base.recovery_key import LINES, RecoveryPair, from_paper, line_from_paper, on_paper, pair_of
from provisioner.base.secret import Secret
from provisioner.base.text import counted, msg, named
from provisioner.cli.keys_rotate import OwnKeyLooked, keep, own_key_lines, rotate
from provisioner.cli.support import texts
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import devices_like, hosts_like
from provisioner.cli.support.context import (
    Invocation,
    echo_lines,
    is_attended,
    piped_text,
    print_document,
    print_error,
    print_warning,
    said,
    show,
    today,
)
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import DAY, ValidPath
from provisioner.desired.recovery_key import tried
from provisioner.inventory.rules.lock import KEYS_MISSING
from provisioner.operations.edit import logins
from provisioner.operations.edit.keys import NewRecoveryKey, draw_recovery_key, relay_named
from provisioner.operations.hosts.decommission import UNRECORDED_HINT, record_done
from provisioner.operations.keys.relay_key import progress_of_own_key
from provisioner.operations.keys.rotation import recorded_key_ages
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import KeysMade, init_keys
from provisioner.plan.document import frozen_ending
from provisioner.plan.guards.policy import parse_allowances
from provisioner.record.entries import Operation
from provisioner.record.state_folder import who, who_text
from provisioner.report.facilities import key_age_lines, key_ages_document

_TRIES = 3
_PIPE = "send it one line, e.g. from a password manager; a password never stands among a command's words"


def recovery_pair(invocation: Invocation) -> RecoveryPair:
    """Read the recovery key, typed without echo or piped; or raise `UsageError`."""
    if is_attended(invocation):
        return pair_of(b"".join(_typed_line(number) for number in range(1, LINES + 1)))
    text = piped_text("ascii")
    if not text.strip():
        hint = f"send it the {LINES} lines that keys recovery printed; they never stand among a command's words"
        raise UsageError("standard input has no recovery key", hint=hint)
    return from_paper(text)


def _typed_line(number: int) -> bytes:
    for tries_left in range(_TRIES - 1, -1, -1):
        text = click.prompt(said(f"Recovery key, line {number} of {LINES}"), hide_input=True, err=True)
        try:
            return line_from_paper(number, text)
        except UsageError as error:
            if not tries_left:
                raise
            click.echo(error.message, err=True)
    raise click.Abort


@click.command()
@click.option(
    "--relay",
    default="",
    metavar="RELAY",
    shell_complete=hosts_like,
    help="Ask this relay which gateways use its next key.",
)
def status(invocation: Invocation, relay: str) -> int:
    """Show the age and origin of tunnel keys, and their next rotation.

    The age of a gateway's or relay's key counts from the first commit with its public half; that of a pre-shared key
    from the run that created it. Otherwise the age is shown as not recorded. policy.key_days in inventory.yml is the
    highest age (365 days). The command calls no host and opens no vault. With --relay it asks a relay in rotation which
    gateways use the next key.

    Example: provisioner -i DIR keys status
    """
    session, now = session_of(invocation), datetime.now(UTC)
    if relay:
        return _show_relay_key(invocation, session, relay)
    ages, days = recorded_key_ages(session)
    show(invocation, key_ages_document(ages, now, days), key_age_lines(ages, now, invocation.say))
    return 0


def _show_relay_key(invocation: Invocation, session: Session, relay: str) -> int:
    relay_named(session.inventory, relay)
    look = progress_of_own_key(session, relay)
    show(invocation, OwnKeyLooked.model_validate(look), map(str.strip, own_key_lines(look, invocation.say)))
    return 0


@click.group(cls=NamedGroup)
def keys() -> None:
    """Create and rotate the keys of tunnels; show their age."""


keys.add_command(rotate)
keys.add_command(keep)
keys.add_command(status)


@keys.command()
@click.option("--allow", "allows", multiple=True, metavar="trust=NUMBER", help="Confirm this number of new hosts.")
@texts.commit_option
def init(invocation: Invocation, allows: tuple[str, ...], *, commits: bool) -> int:
    """Create the keys of relays and centres, and the vault's secrets.

    Hosts create their private keys and passwords and keep them. Public keys and hashes go into allocations.lock.yml,
    reader secrets and pre-shared keys into secrets/. Existing keys stay.

    If inventory.yml has a recovery key, each relay seals its tunnel's private key to it; the lock has the sealed box.
    Each host also gets a key with which it proves its identity later. A host without that proof gets no request: at the
    first contact give the number of new hosts, --allow trust=NUMBER.

    Exit code 5: a host could not be reached or did not prove itself; run the command again. 6: a host belongs to
    another inventory and got no request; see hosts adopt.

    Example: provisioner -i DIR keys init --allow trust=3
    """
    session, checkout = session_of(invocation), texts.checkout_for(invocation, commits=commits)
    made = init_keys(session, allow=parse_allowances(allows), actor=who_text(who(invocation.env)))
    document = KeysDocument.model_validate(made).plain
    for path in made.written if not invocation.json else ():
        click.echo(texts.written_line(path, checkout))
    texts.commit_written(invocation, checkout, made.written, f"keys of {counted(len(made.hosts), 'host')}")
    if invocation.json:
        print_document(document)
    else:
        _print_made_keys(made)
    if (made.hosts or made.drawn or made.drawn_to_push) and (
        failure := record_done(session, Operation.KEYS, made.hosts, document, made.digest_key)
    ):
        print_warning(failure, UNRECORDED_HINT)
    failed = PolicyError if made.foreign else HostError
    return texts.code_with_frozen(failed.exit_code if made.unreadable else 0, made.held)


#: Names of sites with new secrets, each with an empty text.
Drawn = Annotated[dict[str, Literal[""]], BeforeValidator(lambda names: dict.fromkeys(names, ""))]


class KeysDocument(Printed, name="keys", title="Keys made"):
    """Output of `provisioner keys init --output json`."""

    written: tuple[Path, ...]
    hosts: tuple[str, ...]
    unreadable: Messages
    shut: dict[str, str]  #: By file that was not opened, the vault id of its password.
    site_packages: dict[str, tuple[str, ...]]  #: By relay with a new key, the sites whose gateways know the former key.
    sealed: tuple[str, ...]
    unvouched: bool
    drawn: Drawn  #: Sites with a new pre-shared key.
    drawn_to_push: Drawn  #: Sites that push, with a new login.
    held: tuple[HeldRow, ...]


def _print_made_keys(made: KeysMade) -> None:
    for file, vault_id in made.shut.items():
        hint = msg("a person with a password for the vault id {vault_id} runs this, too", vault_id)
        print_warning(msg("{file}.yml stayed shut, and got no new secret", file), hint)
    texts.print_frozen(made.held, consequence="nothing was made, and what there is stays")
    for _, error in sorted(made.unreadable.items()):
        print_error(error, "  ")
    echo_lines(keys_ending(made))


@keys.command()
@click.option("--replace", "replaces", is_flag=True, help="Replace the present recovery key.")
@click.option("--check", "checks", is_flag=True, help="Try a private half on every relay's box, without changes.")
@texts.commit_option
def recovery(invocation: Invocation, *, replaces: bool, checks: bool, commits: bool) -> int:
    """Create the recovery key, for new hardware in place of a lost relay.

    The public half goes into inventory.yml. The command prints the private half once, in four lines with a checksum
    each, and keeps no copy. Write the lines down or print them, and lock them away. Then run keys init: each relay
    seals its tunnel's private key to the recovery key, and relay restore opens the box. The private half and the
    inventory's files together give these keys to anybody.

    --check reads the private half from the terminal or standard input, and lists the relays whose boxes it opens. Exit
    code 12: a box does not open. Run it when the paper goes into the safe, and once a year.

    Example: provisioner -i DIR keys recovery
    """
    if replaces and checks:
        raise UsageError("--replace makes a new key, and --check tries the one there is", hint="give one of them")
    if commits and checks:
        raise UsageError("--check changes no file", hint="leave --commit out")
    session, checkout = session_of(invocation), texts.checkout_for(invocation, commits=commits)
    if checks:
        return _show_recovery_trial(invocation, session, recovery_pair(invocation))
    env = invocation.env
    new = draw_recovery_key(invocation.inventory, session.passwords, replaces=replaces, today=today(), environment=env)
    # Shown before it is written: a public half with a lost private half would be worse than no key.
    private_key = on_paper(new.pair.private_key)
    show(invocation, RecoveryDocument.made_of(new, private_key=private_key), private_key)
    new.write(invocation.inventory)
    for sentence in _recovery_ending(new, checkout):
        click.echo(sentence, err=True)
    texts.commit_written(invocation, checkout, [new.path], "a recovery key")
    return 0


def _show_recovery_trial(invocation: Invocation, session: Session, pair: RecoveryPair) -> int:
    inventory = session.part(KEYS_MISSING).inventory
    opens, errors = tried(inventory.settings, inventory.allocations, pair)
    if invocation.json:
        print_document(RecoveryCheck(public_key=pair.public_key, opens=opens, errors=errors).plain)
    else:
        for error in errors.values():
            print_error(error, "  ")
        of_total = f" of {len(opens) + len(errors)}" if errors else ""
        relays = counted(len(opens), "relay")
        click.echo(f"it opens the box of {relays}{of_total}: {', '.join(opens) or 'none'}; nothing was written")
    return SecretsError.exit_code if errors or not opens else 0


class RecoveryDocument(Printed, name="keys-recovery", title="A recovery key"):
    """Output of `provisioner keys recovery --output json`."""

    file: Path = of("path")
    public_key: str = of("pair", "public_key")
    before: Known
    private_key: tuple[str, ...]  #: The private key as four lines for paper.


class RecoveryCheck(Printed, name="keys-recovery-check", title="A recovery key tried"):
    """Output of `provisioner keys recovery --check --output json`."""

    public_key: str
    opens: tuple[str, ...]  #: Relays whose sealed key it opens.
    errors: Messages


def _recovery_ending(new: NewRecoveryKey, checkout: Checkout | None) -> tuple[str, ...]:
    sentences = ["these four lines are shown once: write them down and lock them away, apart from the vault's password"]
    if new.before:
        sentences.append("keep the former ones until keys init has sealed every relay's key anew")
    sentences.append(
        f"{texts.written_line(new.path, checkout)}; next: provisioner keys init, then keys recovery --check"
    )
    return tuple(sentences)


def keys_ending(made: KeysMade) -> tuple[str, ...]:
    """Return the last lines, worst first: failures, closed files, results."""
    sentences = []
    if made.unreadable:
        missed, hosts = named(sorted(made.unreadable)), counted(len(made.unreadable), "host")
        sentences.append(f"{hosts} not asked for keys: {missed}; settle what the errors name, and run keys init again")
    if made.shut:
        files = named([f"{file}.yml" for file in made.shut])
        sentences.append(f"{counted(len(made.shut), 'file')} stayed shut: {files}; nothing was made for it")
    if made.held:
        sentences.append(frozen_ending([facility.id for facility in made.held]))
    for relay, sites in made.site_packages.items():
        sentences.append(
            f"{relay} has a new key: {counted(len(sites), 'site')} of it connects only with a new package:"
            f" {named(sites)}; make them: provisioner site-package FACILITY… --out DIR"
        )
    if made.site_packages and not made.recoverable:
        sentences.append("so that no site needs one when a relay is lost the next time: provisioner keys recovery")
    if made.unvouched:
        sentences.append(
            "no relay sealed its tunnel's key: whoever has the password of secrets/inventory.yml runs keys init, too"
        )
    if made.sealed:
        sentences.append(f"{counted(len(made.sealed), 'relay')} sealed the tunnel's key anew: {named(made.sealed)}")
    total = len(made.hosts) + len(made.unreadable)
    of_total = f" of {total}" if made.unreadable else ""
    sentences.append(f"{counted(len(made.hosts), 'host')}{of_total} with keys: {', '.join(made.hosts) or 'none'}")
    if not (made.written or made.unreadable or made.shut):
        for_whom = " for all others" if made.held else ""
        sentences.append(f"nothing to make{for_whom}: every key and secret is there")
    if not (made.unreadable or made.shut):
        sentences.append("next: provisioner plan")
    return tuple(sentences)


@click.group(cls=NamedGroup)
def secrets() -> None:
    """Write logins of cameras and recorders into the vault."""


@secrets.command("set")
@click.argument("devices", nargs=-1, metavar="[FACILITY/DEVICE…]", shell_complete=devices_like)
@click.option(
    "--from",
    "listed",
    type=ValidPath(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="A list with a login a device, as CSV or YAML; `-` reads standard input.",
)
@click.option("--username", default="", metavar="NAME", help="The user. Default: the device's present one.")
@click.option(
    "--accept-old-until", type=DAY, metavar="DATE", help="The last day on which the present login is valid too."
)
@texts.commit_option
def set_(
    invocation: Invocation,
    devices: tuple[str, ...],
    username: str,
    accept_old_until: datetime | None,
    *,
    listed: Path | None,
    commits: bool,
) -> None:
    """Set the login of cameras and recorders in their encrypted file.

    The command asks for the password twice, without echo; without a terminal it reads one line of standard input. All
    named devices get the same password. --from sets a login a device: CSV with the columns device (FACILITY/DEVICE),
    username and password, or YAML as in the vault's file. Delete that list afterwards. A recorder has the login of its
    channels. The file keeps its vault id, comments
    and order, and is written only if a value changes. Hosts get the login with the next apply.

    With --accept-old-until you may change the password on the device on any day until then. Relays use the old login
    until the device refuses it; the next apply brings the new one. The facilities' files record this.

    Example: provisioner -i DIR secrets set kcl-bg-001/nvr-1 --username viewer
    """
    session, checkout = session_of(invocation), texts.checkout_for(invocation, commits=commits)
    until = accept_old_until.date() if accept_old_until else None
    if bool(devices) == (listed is not None) or (listed is not None and username):
        hint = "name FACILITY/DEVICE…, with one password for all, or --from FILE, with users and passwords"
        raise UsageError("name the devices, or a list of their logins", hint=hint)
    if listed is None:
        password = _password(invocation)
        request = logins.LoginsRequest({name: logins.DeviceLogin(password, username) for name in devices}, until)
    else:
        request = logins.LoginsRequest(_listed(invocation, listed), until)
    env = invocation.env
    written = logins.set_logins(invocation.inventory, session.passwords, request, today=today(), environment=env)
    files = written.files
    changed = [file.file for file in files if file.changed] + [edit.path for edit in written.accepted if edit.changed]
    texts.commit_written(invocation, checkout, changed, f"logins of {named([*request.logins])}")
    if invocation.json:
        print_document(LoginsDocument.model_validate(written).plain)
        return
    for file in files:
        click.echo(_login_line(file))
    for edit in written.accepted:
        click.echo(f"{edit.path}: either login is taken until {until}")
    if changed:
        commit = "" if checkout else ", commit"
        click.echo(f"next: provisioner validate{commit}, then provisioner plan")


def _listed(invocation: Invocation, file: Path) -> dict[str, logins.DeviceLogin]:
    """Read a list of logins, or raise `UsageError`."""
    if file == Path("-"):
        return logins.listed_logins(sys.stdin.buffer.read(logins.MOST_LISTED + 1))
    if file.resolve().is_relative_to(invocation.inventory.resolve()):
        hint = "move it out, and change these passwords if it was ever committed"
        raise UsageError("the list of logins is inside the inventory, in the clear", hint=hint)
    with os_errors(f"{file} cannot be read", "name a list of logins"):
        return logins.listed_logins(read_regular(file, most=logins.MOST_LISTED + 1))


def _password(invocation: Invocation) -> Secret:
    if is_attended(invocation):
        typed = click.prompt(
            said("The password"), hide_input=True, confirmation_prompt=said("The same again"), err=True
        )
        return Secret(typed)
    text = piped_text().removesuffix("\n").removesuffix("\r")
    if not text or not text.isprintable():
        raise UsageError("standard input is not one line with a password", hint=_PIPE)
    return Secret(text)


def _login_line(file: logins.LoginsFile) -> str:
    if not file.changed:
        return f"{file.file}: {', '.join(file.devices)} had this login already"
    same = len(file.devices) - len(file.changed)
    rest = f"; {counted(same, 'device')} had it already" if same else ""
    return f"{file.file}: the login of {', '.join(file.changed)} is set{rest}"


@secrets.command()
@click.argument("devices", nargs=-1, required=True, metavar="FACILITY/DEVICE…", shell_complete=devices_like)
@texts.commit_option
def forget(invocation: Invocation, devices: tuple[str, ...], *, commits: bool) -> None:
    """Remove the old logins of devices from the vault, after their change is finished.

    Example: provisioner -i DIR secrets forget kcl-bg-001/nvr-1
    """
    session, checkout, env = session_of(invocation), texts.checkout_for(invocation, commits=commits), invocation.env
    files = logins.forget_old_logins(invocation.inventory, session.passwords, devices, today=today(), environment=env)
    changed = [file.file for file in files if file.changed]
    texts.commit_written(invocation, checkout, changed, f"logins of {named(devices)}")
    if invocation.json:
        print_document(LoginsDocument.model_validate(logins.LoginsWritten(files)).plain)
        return
    for file in files:
        sentence = f"the old login of {', '.join(file.changed)} is gone" if file.changed else "there is no old login"
        click.echo(f"{file.file}: {sentence}")


class LoginsDocument(Printed, name="secrets-set", title="Logins set"):
    """Output of `provisioner secrets set` and `secrets forget` with `--output json`."""

    files: tuple[logins.LoginsFile, ...]
    #: Facilities' files with a last day for the former login.
    accepted: tuple[Annotated[Path, BeforeValidator(attrgetter("path"))], ...]
