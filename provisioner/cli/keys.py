"""`provisioner keys`."""

from __future__ import annotations

import click

from provisioner.base.counted import counted
from provisioner.base.errors import HostError, PolicyError, SecretsError, UsageError
from provisioner.base.json_document import Document
from provisioner.base.recovery_key import RecoveryPair, on_paper
from provisioner.cli.context import Invocation, today
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.keys_rotate import keep, rotate
from provisioner.cli.keys_status import status
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.output import print_document, print_error_line, print_warning
from provisioner.cli.recovery_text import recovery_pair
from provisioner.cli.session import session_of
from provisioner.desired.recovery import tried
from provisioner.history.who import who, who_text
from provisioner.inventory.operations.recovery import NewRecoveryKey, draw_recovery_key
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import KeysMade, init_keys
from provisioner.plan.guards.measures import named
from provisioner.plan.guards.policy import parse_allowances
from provisioner.plan.last_lines import held_ending


@click.group(cls=NamedGroup)
def keys() -> None:
    """Make the keys and secrets that hosts and the vault hold, change them, and say how old they are."""


keys.add_command(rotate)
keys.add_command(keep)
keys.add_command(status)


@keys.command()
@click.option("--allow", "allows", multiple=True, metavar="trust=NUMBER", help="So many hosts are new, and meant.")
@click.pass_obj
def init(invocation: Invocation, allows: tuple[str, ...]) -> int:
    """Let every relay and centre make its keys, and draw the vault's secrets.

    Private keys and passwords are born on the hosts and stay there; public keys and hashes go into
    allocations.lock.yml, reader secrets and pre-shared keys into secrets/. What is there already stays.
    Where inventory.yml has a recovery key each relay seals its tunnel's private key to it, and the lock keeps the box.
    Each host is also left a key with which it proves later that it is the same one. A host that cannot is asked
    nothing: at a first contact say how many are new, --allow trust=NUMBER.
    Ends with 5 if a host could not be reached or did not prove itself; run it again then. One that belongs to another
    inventory is sent nothing, whatever is allowed, and it ends with 6: see hosts adopt.

    Example: provisioner -i DIR keys init --allow trust=3
    """
    session = session_of(invocation)
    made = init_keys(session, allow=parse_allowances(allows), who=who_text(who(invocation.env)))
    if invocation.json:
        print_document(_document(made))
    else:
        _print(made, invocation)
    if made.hosts or made.drawn or made.drawn_to_push:
        from provisioner.history.records import Operation  # noqa: PLC0415 (hosts are asked while this is not there yet)
        from provisioner.runs.single.record import UNRECORDED_HINT, record_done  # noqa: PLC0415 (the same)

        if left := record_done(session, Operation.KEYS, made.hosts, _document(made), made.digest_key):
            print_warning(left, UNRECORDED_HINT, color=invocation.color)
    failed = PolicyError if made.foreign else HostError
    return code_with_held(failed.exit_code if made.unreadable else 0, made.held)


@keys.command()
@click.option("--replace", "replaces", is_flag=True, help="Take the place of another one.")
@click.option("--check", "checks", is_flag=True, help="Try a private half on every relay's box; nothing is written.")
@click.pass_obj
def recovery(invocation: Invocation, *, replaces: bool, checks: bool) -> int:
    """Make the recovery key, with which a lost relay's new hardware takes its place.

    The public half goes into inventory.yml. The private half is printed once, in four lines, each with a checksum:
    write them down, or print them, and lock them away; nothing keeps them. Then run keys init: each relay seals its
    tunnel's private key to it, and relay restore opens the box. Who has the private half and the inventory's files has
    those keys.
    --check asks for the private half, or takes it from standard input, and says which relays' boxes it opens; it ends
    with 12 if one does not open. Try it when the paper goes into the safe, and once a year.

    Example: provisioner -i DIR keys recovery
    """
    if replaces and checks:
        raise UsageError("--replace makes a new key, and --check tries the one there is", hint="give one of them")
    session = session_of(invocation)
    if checks:
        return _tried(invocation, session, recovery_pair(invocation))
    env = invocation.env
    new = draw_recovery_key(invocation.inventory, session.passwords, replaces=replaces, today=today(), environment=env)
    # Shown before it is written: a public half whose private half nobody saw would be worse than none.
    if invocation.json:
        print_document(_recovery_document(new))
    else:
        for line in on_paper(new.pair.private_key):
            click.echo(line)
    new.write(invocation.inventory)
    for sentence in _recovery_ending(new):
        click.echo(sentence, err=True)
    return 0


def _recovery_document(new: NewRecoveryKey) -> Document:
    return {
        "schema": "provisioner/keys-recovery",
        "version": 1,
        "file": str(new.path),
        "public_key": new.pair.public_key,
        "before": new.before or None,
        "private_key": list(on_paper(new.pair.private_key)),
    }


def _recovery_ending(new: NewRecoveryKey) -> tuple[str, ...]:
    """What to do with the private half, which has just been shown, and next."""
    sentences = ["these four lines are shown once: write them down and lock them away, apart from the vault's password"]
    if new.before:
        sentences.append("keep the former ones until keys init has sealed every relay's key anew")
    sentences.append(f"wrote {new.path}: commit it; next: provisioner keys init, then keys recovery --check")
    return tuple(sentences)


def _tried(invocation: Invocation, session: Session, pair: RecoveryPair) -> int:
    inventory = session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING}).inventory
    opens, errors = tried(inventory.settings, inventory.allocations, pair)
    if invocation.json:
        print_document(
            {
                "schema": "provisioner/keys-recovery-check",
                "version": 1,
                "public_key": pair.public_key,
                "opens": list(opens),
                "errors": {relay: error.message for relay, error in errors.items()},
            }
        )
    else:
        for error in errors.values():
            print_error_line(error, color=invocation.color, margin="  ")
        of = f" of {len(opens) + len(errors)}" if errors else ""
        relays = counted(len(opens), "relay")
        click.echo(f"it opens the box of {relays}{of}: {', '.join(opens) or 'none'}; nothing was written")
    return SecretsError.exit_code if errors or not opens else 0


def _document(made: KeysMade) -> Document:
    return {
        "schema": "provisioner/keys",
        "version": 1,
        "written": [str(path) for path in made.written],
        "hosts": list(made.hosts),
        "unreadable": {host: error.message for host, error in sorted(made.unreadable.items())},
        "shut": dict(made.shut),
        "site_packages": {relay: list(sites) for relay, sites in made.site_packages.items()},
        "sealed": list(made.sealed),
        "unvouched": made.unvouched,
        "drawn": dict.fromkeys(made.drawn, ""),
        "drawn_to_push": dict.fromkeys(made.drawn_to_push, ""),
        "held": held_documents(made.held),
    }


def _print(made: KeysMade, invocation: Invocation) -> None:
    for path in made.written:
        click.echo(f"wrote {path}: commit it")
    for file, vault_id in made.shut.items():
        hint = f"whoever has a password for the vault id {vault_id} runs this, too"
        print_warning(f"{file}.yml stayed shut: nothing was made for it", hint, color=invocation.color)
    print_held(made.held, color=invocation.color, what="nothing was made, and what there is stays")
    for _, error in sorted(made.unreadable.items()):
        print_error_line(error, color=invocation.color, margin="  ")
    for line in keys_ending(made):
        click.echo(line)


def keys_ending(made: KeysMade) -> tuple[str, ...]:
    """The last lines, the worst first: hosts whose keys are not made, files that stayed shut, then what there is."""
    sentences = []
    if made.unreadable:
        missed, hosts = named(sorted(made.unreadable)), counted(len(made.unreadable), "host")
        sentences.append(f"{hosts} not asked for keys: {missed}; settle what the errors name, and run keys init again")
    if made.shut:
        files = named([f"{file}.yml" for file in made.shut])
        sentences.append(f"{counted(len(made.shut), 'file')} stayed shut: {files}; nothing was made for it")
    if made.held:
        sentences.append(held_ending([one.id for one in made.held]))
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
    asked = len(made.hosts) + len(made.unreadable)
    of = f" of {asked}" if made.unreadable else ""
    sentences.append(f"{counted(len(made.hosts), 'host')}{of} with keys: {', '.join(made.hosts) or 'none'}")
    if not (made.written or made.unreadable or made.shut):
        for_whom = " for all others" if made.held else ""
        sentences.append(f"nothing to make{for_whom}: every key and secret is there")
    return tuple(sentences)
