"""`provisioner quarantine`: list quarantined paths and lift quarantine."""

from typing import Unpack

import click

from provisioner.base.document import Messages, Printed
from provisioner.base.errors import HostError, PolicyError, UsageError
from provisioner.base.text import did_you_mean, local_time, printable
from provisioner.cli.support import context
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.options import RolloutChoices, limit_option, rollout_options
from provisioner.cli.support.results import run_options_of, show_applied
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import stdout_of
from provisioner.cli.support.texts import quarantine_lines
from provisioner.desired.limit import Limit, parse_limits
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.change import Resource
from provisioner.plan.diff.paths import Quarantined


@click.group(cls=NamedGroup)
def quarantine() -> None:
    """List devices that refused their login, or retry the login.

    Relays stop asking a camera that refused its password twice: cameras lock out clients that go on. Its paths leave
    the relay's file until the next apply brings another password from secrets/, or until you lift the quarantine.
    """


class QuarantineDocument(Printed, name="quarantine", title="Quarantined paths"):
    """Output of `provisioner quarantine list --output json`."""

    quarantined: tuple[Quarantined, ...]
    unreadable: Messages


@quarantine.command("list")
@limit_option
def list_(invocation: context.Invocation, limits: tuple[str, ...]) -> int:
    """List quarantined paths: their devices refused the login.

    The command reads the relays and changes none. Exit code 5: a host could not be read.

    Example: provisioner -i DIR quarantine list --limit province=bac-giang
    """
    limit = parse_limits(limits)
    planned = make_plan(session_of(invocation), limit, is_judged=False)
    paths = _quarantined_in_limit(planned, limit)
    if invocation.json:
        context.print_document(QuarantineDocument(quarantined=paths, unreadable=planned.unreadable).plain)
    else:
        terminal = stdout_of(invocation.env)
        terminal.print(quarantine_lines(paths, terminal, apart=False))
        for _, error in sorted(planned.unreadable.items()):
            context.print_error(error, "  ")
        read = len(planned.plan.basis.live)
        if not paths and read:
            click.echo(f"no path is quarantined on the hosts that were read: {read} of {len(planned.hosts)}")
    return HostError.exit_code if planned.unreadable else 0


@quarantine.command()
@click.argument("names", nargs=-1, metavar="PATH…")
@limit_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@rollout_options
def lift(
    invocation: context.Invocation,
    /,
    names: tuple[str, ...],
    limits: tuple[str, ...],
    *,
    yes: bool,
    **chosen: Unpack[RolloutChoices],
) -> int:
    """Retry the login of quarantined paths.

    Name paths, or use --limit for all quarantined paths there. Every path with the same login comes along. The change
    is recorded with its author and made in waves; each host is checked. Exit code 6: a host has other pending changes;
    apply those first. A camera that still refuses is quarantined again after two tries.

    Example: provisioner -i DIR quarantine lift bac-giang/kcl-bg-001/cam-01/sub
    """
    if not names and not limits:
        raise UsageError("nothing is named whose quarantine is to be lifted", hint="name paths, or take --limit")
    session = session_of(invocation)
    with context.stoppable() as stop:
        options = run_options_of(chosen, invocation.env, stop)
        planned = _planned_lifts(session, names, parse_limits(limits))
        _ask_before_lifting(invocation, planned, yes=yes)
        applied = apply_plan(session, planned, options=options)
    return show_applied(invocation, applied)


def _planned_lifts(session: Session, names: tuple[str, ...], limit: Limit) -> Planned:
    """Plan only the lifts, for their hosts."""
    paths = _quarantined_in_limit(make_plan(session, limit, is_judged=False), limit)
    quarantined = {entry.path for entry in paths}
    if unknown := sorted(set(names) - quarantined):
        usual = f"quarantined are: {', '.join(sorted(quarantined)[:5]) or 'none'}"
        raise UsageError(f"{unknown[0]} is not quarantined", hint=did_you_mean(unknown[0], sorted(quarantined), usual))
    lifted = [entry for entry in paths if not names or entry.path in names]
    if not lifted:
        raise UsageError("no path is quarantined there", hint="provisioner quarantine list names those that are")
    hosts = frozenset(f"host={entry.host}" for entry in lifted)
    planned = make_plan(session, parse_limits(sorted(hosts)), lift=frozenset(entry.path for entry in lifted))
    to_lift = {entry.path for entry in planned.plan.quarantined if entry.lifted}
    pending = [c for c in planned.plan.pending if c.resource is not Resource.PATH or c.name not in to_lift]
    if pending:
        message = f"{pending[0].host} has other changes pending: {pending[0].resource.value} {pending[0].name}"
        raise PolicyError(message, hint="apply them first: a host is changed whole", object=pending[0].host)
    return planned


def _quarantined_in_limit(planned: Planned, limit: Limit) -> list[Quarantined]:
    specs = {spec.id: spec for spec in planned.hosts}
    in_limit = {(spec.id, path.name) for spec in specs.values() for path in spec.paths if limit.takes_path(spec, path)}
    return [entry for entry in planned.plan.quarantined if (entry.host, entry.path) in in_limit]


def _ask_before_lifting(invocation: context.Invocation, planned: Planned, *, yes: bool) -> None:
    lifted = [entry for entry in planned.plan.quarantined if entry.lifted]
    for entry in lifted if not invocation.json else ():
        text = f"{entry.device} is asked again for {entry.path}, quarantined since {local_time(entry.since)}"
        click.echo(f"{entry.host}: {printable(text)}", err=True)
    if yes or planned.plan.refused:
        return
    context.refuse_unattended(invocation, "whether cameras are asked again")
    context.ask("Ask them again?")
