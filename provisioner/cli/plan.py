"""`provisioner plan` and `provisioner drift`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import HostError, PolicyError, StateError, UsageError
from provisioner.base.json_document import Document
from provisioner.base.language import marked
from provisioner.cli.context import Invocation
from provisioner.cli.held_text import code_with_held
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document, print_error_line, print_warning
from provisioner.cli.plan_check import check
from provisioner.cli.plan_diff import diff
from provisioner.cli.plan_push import fetch, push
from provisioner.cli.plan_text import ending_lines, plan_lines
from provisioner.cli.session import session_of
from provisioner.cli.terminal import stdout_of
from provisioner.cli.word import Place
from provisioner.desired.limit import parse_limits
from provisioner.lifecycle.site_packages import PackageStanding
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned, make_plan
from provisioner.plan import DRIFT_SCHEMA, SCHEMA, Plan, compare_document, plan_document
from provisioner.plan.guards.policy import parse_allowances
from provisioner.report.packages import older_lines, packages_document
from provisioner.report.plan_markdown import plan_comment
from provisioner.runs.compare import compare
from provisioner.runs.packages import older_packages
from provisioner.runs.saved_plan import maker_here

_CHANGES = 10
_all = click.option("--all", "everything", is_flag=True, help="List what is as desired, too.")
_known_in = click.option(
    "--known-in",
    metavar="REF",
    help="Log in only to hosts that REF has so: address, user, host key, jump host.",
)
_details = click.option("--details", is_flag=True, help="List every change with its reason, by host.")


@click.group(cls=NamedGroup, invoke_without_command=True)
@limit_option
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@_details
@_all
@click.option("--out", type=Place(path_type=Path), metavar="FILE", help="Save the plan, for apply FILE.")
@click.option("--check", "expected", metavar="DIGEST|FILE", help="End with 8 if the plan is another one now.")
@click.option("--offline", is_flag=True, help="Ask no host: compare with an older revision, --against.")
@click.option("--against", metavar="REF", help="With --offline: a branch, tag or commit, e.g. origin/main.")
@_known_in
@click.option("--exit-code", "by_exit_code", is_flag=True, help="End with 10 if there are changes.")
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    *,
    limits: tuple[str, ...],
    allows: tuple[str, ...],
    out: Path | None,
    expected: str | None,
    against: str | None,
    details: bool,
    everything: bool,
    offline: bool,
    known_in: str | None,
    by_exit_code: bool,
) -> int:
    """Show what apply would change, on which host, and whom it would cut.

    Reads every chosen host and changes nothing. Ends with 6 if a policy refuses the plan, and with 5 if a
    host could not be read: its changes are not in the plan; with 3 if a facility has errors of its own: what hosts
    have of it is held as it is, and the plan is that of all others. With --check it compares instead: 0 if the plan
    is still the one of that digest or file, 8 with what moved if it is not. With --offline it says what an
    edit of the inventory means, without hosts and without the vault; such a plan cannot be applied. With --known-in,
    for merge requests, a host that the edit introduces is not logged in to, and ends it with 5.

    Example: provisioner -i DIR plan --out plan.json
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return 0
    invocation: Invocation = ctx.obj
    invocation.refuse_proposed(out)
    details = details or invocation.verbose
    session = replace(session_of(invocation), known_in=known_in or "")
    allow = parse_allowances(allows)
    if expected is not None:
        if out or by_exit_code or everything:
            raise UsageError("--check compares and shows nothing else", hint="leave --out, --all and --exit-code out")
        return check(invocation, session, expected, parse_limits(limits), allow)
    if offline or against is not None:
        if not (offline and against) or out:
            hint = "write --offline --against REF, and leave --out out: what no host was asked for is never applied"
            raise UsageError("--offline and --against go together, and save nothing", hint=hint)
        if known_in is not None:
            raise UsageError("--offline logs in nowhere: --known-in says nothing beside it", hint="leave it out")
        compared = compare(session, against, parse_limits(limits), allow=allow, everything=everything)
        _show_plan(invocation, compared, details=details, everything=everything)
        code = PolicyError.exit_code if compared.refused else 0
        code = code or (_CHANGES if by_exit_code and not compared.is_empty else 0)
        return code_with_held(code, compared.held_back)
    planned = make_plan(session, parse_limits(limits), allow=allow)
    if out is not None:
        write_atomic(out, planned.text(session.seal_key, maker_here(session)), mode=0o600)
    older = _older_packages(invocation, session, planned)
    _show(invocation, planned, SCHEMA, details=details, everything=everything, packages=older)
    if planned.plan.refused:
        return PolicyError.exit_code
    if planned.unreadable:
        return HostError.exit_code
    code = _CHANGES if by_exit_code and not planned.plan.is_empty else 0
    return code_with_held(code, planned.plan.held_back)


plan.add_command(diff)
plan.add_command(push)
plan.add_command(fetch)


def _refuse_options(ctx: click.Context) -> None:
    """Refuse options that are the plan's own beside a command that makes none.

    Raises:
        UsageError: one was given.
    """
    own = [param for param in ctx.command.params if param.expose_value and param.name]
    given = [param for param in own if ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE]
    if given:
        message = f"{given[0].opts[0]} is of plan itself, not of plan {ctx.invoked_subcommand}"
        raise UsageError(message, hint=f"leave it out: plan {ctx.invoked_subcommand} makes no plan")


@click.command()
@limit_option
@_details
@_all
@click.pass_obj
def drift(invocation: Invocation, limits: tuple[str, ...], *, details: bool, everything: bool) -> int:
    """Tell whether hosts are as the inventory says: 0 if they are, 10 if not.

    A policy that would hold the correction back is shown and does not change the exit code.

    Example: provisioner -i DIR drift --limit carrier=viettel
    """
    planned = make_plan(session_of(invocation), parse_limits(limits), is_judged=False)
    details = details or invocation.verbose
    _show(invocation, planned, DRIFT_SCHEMA, details=details, everything=everything)
    if planned.unreadable:
        return HostError.exit_code
    return code_with_held(0 if planned.plan.is_empty else _CHANGES, planned.plan.held_back)


def _older_packages(invocation: Invocation, session: Session, planned: Planned) -> tuple[PackageStanding, ...]:
    """The sites of the chosen hosts whose last package is not what is desired, by what was recorded."""
    try:
        return older_packages(session, {spec.id for spec in planned.hosts})
    except StateError as error:
        message = marked(f"which packages sites carry is not known: {error.message}")
        print_warning(message, error.hint, color=invocation.color, say=invocation.say)
        return ()


def _show(
    invocation: Invocation,
    planned: Planned,
    schema: str,
    *,
    details: bool,
    everything: bool,
    packages: Sequence[PackageStanding] | None = None,
) -> None:
    if invocation.json:
        of_sites: Document = {} if packages is None else {"packages": packages_document(packages)}
        print_document(plan_document(planned.plan, everything=everything, schema=schema) | of_sites)
        return
    _show_plan(invocation, planned.plan, details=details, everything=everything)
    if invocation.markdown:
        return
    for _, error in sorted(planned.unreadable.items()):
        print_error_line(error, color=invocation.color, margin="  ", say=invocation.say)
    terminal = stdout_of(invocation.env, color=invocation.color)
    terminal.print(older_lines(packages or (), invocation.say))
    terminal.print(ending_lines(planned.plan, terminal, judged=schema == SCHEMA, say=invocation.say))


def _show_plan(invocation: Invocation, plan: Plan, *, details: bool, everything: bool) -> None:
    if invocation.json:
        print_document(compare_document(plan, everything=everything))
    elif invocation.markdown:
        click.echo(plan_comment(plan, invocation.say), nl=False)
    else:
        terminal = stdout_of(invocation.env, color=invocation.color)
        terminal.print(plan_lines(plan, terminal, details=details, everything=everything, say=invocation.say))
