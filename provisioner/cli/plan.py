"""`provisioner plan` and `drift`: planned, checked, compared, pushed, fetched.

`plan --check` tells a merge queue whether the reviewed plan is unchanged. A pushed plan stays at the Git remote until
its commit is merged.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource

from provisioner.base.document import Digest, KeyedDigest, Printed, Row, Said, absent
from provisioner.base.errors import HostError, PolicyError, StalePlanError, StateError, UsageError
from provisioner.base.files import write_atomic
from provisioner.base.language import Translator
from provisioner.base.text import Document, counted, msg, printable
from provisioner.cli.plan_text import plan_ending_lines, plan_lines
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, print_document, print_error, print_warning, show
from provisioner.cli.support.options import limit_option
from provisioner.cli.support.session import read_plan, session_of
from provisioner.cli.support.terminal import Terminal, ValidPath, stdout_of
from provisioner.cli.support.texts import code_with_frozen, frozen_lines
from provisioner.desired.limit import Limit, parse_limits
from provisioner.operations.apply import saved_plan
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.operations.questions.compare import compare
from provisioner.operations.questions.packages import older_packages
from provisioner.plan.document import (
    CompareDocument,
    DriftDocument,
    HeldInPlanRow,
    PlanDocument,
    frozen_row,
    plan_in_parts,
)
from provisioner.plan.guards.policy import parse_allowances
from provisioner.plan.plan import Plan
from provisioner.plan.saved.comparison import BetweenPlans, ChangeTurn, MovedChange, between_document, compare_plans
from provisioner.plan.saved.file import PlanMaker
from provisioner.record.lifecycle.site_packages import PackageStatus
from provisioner.report import plan_markdown as markdown
from provisioner.report.facilities import PackageRow, older_lines, package_row

_LONGEST = 200
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_MOVED = 200
_SIGNS = {ChangeTurn.APPEARS: ("+", "green"), ChangeTurn.VANISHES: ("-", "red"), ChangeTurn.DIFFERS: ("~", "yellow")}
F = TypeVar("F", bound=Callable[..., object])
_MOST_CHANGES = 10
_all = click.option("--all", "everything", is_flag=True, help="List unchanged objects too.")
_known_in = click.option(
    "--known-in",
    metavar="REF",
    help="Log in only to hosts whose address, user, host key and jump host are the same in REF.",
)
_details = click.option("--details", is_flag=True, help="List every change with its reason, by host.")


class MovedRow(Row):
    """A difference, with the plan's value and the present one."""

    host: str  #: Empty for differences that all hosts share.
    what: Said


class PlanCheckDocument(Printed, name="plan-check", title="A plan checked"):
    """Output of `provisioner plan --check` with `--output json`."""

    same: bool  #: Whether the plan is still the expected one.
    expected: Digest
    digest: Digest
    moved: tuple[MovedRow, ...]
    unreadable: dict[str, str]
    held: tuple[HeldInPlanRow, ...]


class WholePlanDocument(PlanDocument, name="plan", title="A plan"):
    """Output of `provisioner plan --output json`, and the file of `--out`."""

    #: Sites of the chosen hosts whose last recorded package differs from the inventory.
    packages: tuple[PackageRow, ...] | None = absent()
    #: Only in a saved plan: values of each host, to name the differences if the host changes.
    seen: dict[str, dict[str, str]] | None = absent()
    made_by: PlanMaker | None = absent()  #: Only in a saved plan.
    seal: KeyedDigest | None = absent()  #: Only in a saved plan: the seal of all other fields, with a key of the vault.


def check(invocation: Invocation, session: Session, expected: str, limit: Limit, allow: Mapping[str, int]) -> int:
    """Compare a new plan with a digest or file; return exit code.

    Raises `UsageError` if it is neither a digest nor a file, or a file with plan options; `StalePlanError` if the file
    is no saved plan, or was changed.
    """
    if _DIGEST.fullmatch(expected):
        result = saved_plan.check_digest(session, expected, limit, allow)
    else:
        _refuse_check_options(expected, has_options=bool(limit.wanted or allow))
        result = saved_plan.check_saved(session, saved_plan.read_plan_file(session, expected))
    _show_check(invocation, result)
    if result.planned.unreadable and not (result.saved and result.moved):
        return HostError.exit_code
    return code_with_frozen(0, result.planned.plan.frozen_in_limit) if result.same else StalePlanError.exit_code


def _refuse_check_options(name: str, *, has_options: bool) -> None:
    if not _is_file(name):
        hint = "give the digest that plan printed (sha256:…), or the file that plan --out wrote"
        raise UsageError(f"--check {printable(name, _LONGEST)} is neither a digest nor a file", hint=hint)
    if has_options:
        raise UsageError(f"{name} has its own limit and allowances", hint="leave --limit and --allow out")


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # no file has so long a name
        return False


def _show_check(invocation: Invocation, result: saved_plan.PlanCheck) -> None:
    digest, planned = result.planned.plan.basis.digest, result.planned
    if invocation.json:
        document = PlanCheckDocument(
            same=result.same,
            expected=result.digest,
            digest=digest,
            moved=[{"host": host, "what": change} for host, change in result.moved],
            unreadable=dict(sorted(planned.plan.unreadable.items())),
            held=[frozen_row(site) for site in planned.plan.held],
        )
        print_document(document.plain)
        return
    terminal = stdout_of(invocation.env)
    frozen = [site.facility for site in planned.plan.frozen_in_limit]
    terminal.print(frozen_lines(frozen, say=invocation.say))
    if result.same:
        terminal.print([f"the plan is still {digest}"])
        return
    if planned.unreadable and not (result.saved and result.moved):
        # Unread hosts may be unchanged, so the plan's state is unknown.
        head = click.style("not known:", fg="red", bold=True)
        hosts = counted(len(planned.unreadable), "host")
        terminal.print([f"{head} {hosts} not read, so whether the plan is still {result.digest} cannot be told"])
    else:
        head = click.style("stale:", fg="red", bold=True)
        terminal.print([f"{head} the plan was {result.digest} and is {digest} now"])
    for host, change in result.moved:
        terminal.print(terminal.below(f"  {host or 'all hosts'}", change, 4))
    for host, error in sorted(planned.unreadable.items()):
        terminal.print(terminal.below(f"  {host}", f"{error.message}; {error.hint}", 4))


@click.command()
@click.argument("first", type=ValidPath(), metavar="FIRST")
@click.argument("second", type=ValidPath(), metavar="SECOND")
def diff(invocation: Invocation, first: Path, second: Path) -> int:
    """Show the differences between two saved plans.

    FIRST and SECOND are files of plan --out or documents of plan --output json. Exit code 0: both plans have the same
    effect. 8: a change appears, vanishes or has another impact or reason, a host gets another desired state, or other
    limits or held facilities count. Another commit, an edit without effect on changing hosts, and other viewers leave
    the plan the same; other viewers are shown. The command calls no host, opens no vault and proves no seal; apply
    does.

    Example: provisioner plan diff before.json after.json
    """
    invocation.refuse_tracked_links(first, second)
    compared = compare_plans(read_plan(first).plan, read_plan(second).plan)
    if invocation.json:
        print_document(between_document(compared).plain)
    elif invocation.markdown:
        click.echo(markdown.between_comment(compared, invocation.say), nl=False)
    else:
        terminal = stdout_of(invocation.env)
        terminal.print(between_lines(compared, terminal, invocation.say))
    return 0 if compared.is_same else StalePlanError.exit_code


def between_lines(compared: BetweenPlans, terminal: Terminal, say: Translator) -> Iterator[str]:
    """Yield a comparison of two plans."""
    yield click.style(markdown.verdict(compared, say), fg=None if compared.is_same else "red", bold=True)
    trust = [moved for moved in compared.changes if moved.is_of_trust]
    other_changes = [moved for moved in compared.changes if not moved.is_of_trust]
    if trust:
        yield click.style(say("trust:"), fg="red", bold=True)
    yield from _moved_lines(trust, terminal, say)
    yield from _moved_lines(other_changes, terminal, say)
    if compared.viewers:
        before, after = markdown.viewers_of(compared)
        yield say("viewers dropped: {before} → {after}", before=before, after=after)
        for row in compared.viewers[:_MOST_MOVED]:
            where = say("{what} on {host}", what=printable(row.path), host=row.relay)
            yield f"  {where}: {row.before} → {row.after}"
        yield from _more(len(compared.viewers), say)
    notes = [printable(line) for line in markdown.basis_lines(compared, say)]
    if notes:
        yield say("beside the changes:")
    yield from (f"  {line}" for line in notes[:_MOST_MOVED])
    yield from _more(len(notes), say)
    if not compared.is_equal:
        yield say("first plan {digest}", digest=compared.first.basis.digest)
        yield say("second plan {digest}", digest=compared.second.basis.digest)


def _moved_lines(changes: list[MovedChange], terminal: Terminal, say: Translator) -> Iterator[str]:
    for moved in changes[:_MOST_MOVED]:
        sign, colour = _SIGNS[moved.turn]
        change = f"{printable(markdown.head_of(moved, say))} [{markdown.impact_of(moved, say)}]"
        head = f"  {click.style(sign, fg=colour, bold=True)} {change}"
        yield from terminal.below(head, printable(markdown.reason_of(moved, say)), 6)
    yield from _more(len(changes), say)


def _more(number: int, say: Translator) -> Iterator[str]:
    if number > _MOST_MOVED:
        yield "  " + say("… and {number} more; --output json has all", number=number - _MOST_MOVED)


def _remote_options(command: F) -> F:
    command = click.option(
        "--refs",
        "place",
        default=saved_plan.REFERENCES,
        metavar="PREFIX",
        help=f"The refs of plans on the remote.  [default: {saved_plan.REFERENCES}]",
    )(command)
    return click.option("--remote", default="origin", metavar="NAME", help="The Git remote.  [default: origin]")(
        command
    )


@click.command()
@click.argument("file", type=ValidPath(), metavar="PLAN")
@_remote_options
def push(invocation: Invocation, file: Path, *, remote: str, place: str) -> None:
    """Push a saved plan to a Git remote, for `plan fetch` after the merge.

    The plan's name there is the digest of the inventory's content. A merge makes a new commit and leaves the content
    the same if no other change was merged. The plan replaces one of the same content. It belongs to no branch and has
    no secret; its seal shows every edit. Exit code 8: the plan has another content than the inventory; 14: the remote
    refuses it.

    Example: provisioner -i DIR plan push plan.json
    """
    invocation.refuse_tracked_links(file)
    plan, content = read_plan(file)
    _show_pushed(
        invocation, saved_plan.push_plan(session_of(invocation), plan, content, remote, place), remote, "pushed to"
    )


@click.command()
@click.option("--out", type=ValidPath(), required=True, metavar="FILE", help="The file to write.")
@_remote_options
def fetch(invocation: Invocation, *, out: Path, remote: str, place: str) -> None:
    """Fetch the plan that was pushed for this revision, for apply FILE.

    Exit code 8: no plan was pushed for this content, e.g. because another change was merged since the review. 14: the
    remote does not answer. apply checks the plan's origin, and that it fits the hosts.

    Example: provisioner -i DIR plan fetch --out plan.json
    """
    invocation.refuse_tracked_links(out)
    _show_pushed(invocation, saved_plan.fetch_plan(session_of(invocation), out, remote, place), remote, "fetched from")


class PushedDocument(Printed, name="plan-pushed", title="A plan at a remote"):
    """Output of `provisioner plan push` and `plan fetch` with `--output json`."""

    remote: str
    reference: str
    digest: Digest


def _show_pushed(invocation: Invocation, plan: saved_plan.PushedPlan, remote: str, done: str) -> None:
    document = PushedDocument.made_of(plan, remote=remote)
    show(invocation, document, [f"plan {plan.digest} {done} {remote} as {plan.reference}"])


@click.group(cls=NamedGroup, invoke_without_command=True)
@limit_option
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@_details
@_all
@click.option("--out", type=ValidPath(), metavar="FILE", help="Save the plan, for apply FILE.")
@click.option("--check", "expected", metavar="DIGEST|FILE", help="Exit with code 8 if the plan has changed.")
@click.option("--offline", is_flag=True, help="Call no host: compare with the revision of --against.")
@click.option("--against", metavar="REF", help="With --offline: a branch, tag or commit, e.g. origin/main.")
@_known_in
@click.option("--exit-code", "by_exit_code", is_flag=True, help="Exit with code 10 if there are changes.")
@click.pass_context
def plan(
    ctx: click.Context,
    invocation: Invocation,
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
    """Show the changes of the next apply by host, and the viewers they cut.

    The command reads every chosen host and changes none. Exit code 6: a policy refuses the plan. 5: a host could not be
    read, and its changes are not in the plan. 3: a facility has errors; hosts keep its present state, and the plan has
    all other facilities.

    --check compares instead: 0 if the plan still has that digest or equals that file, 8 with the differences if not.
    --offline shows the effects of an edit without hosts and vault; such a plan cannot be applied. --known-in is for
    merge requests: the command does not log in to hosts that the edit introduces, and ends with 5 if there are any.

    Example: provisioner -i DIR plan --out plan.json
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return 0
    invocation.refuse_tracked_links(out)
    details = details or invocation.verbose
    session = replace(session_of(invocation), known_in=known_in or "")
    allow = parse_allowances(allows)
    if expected is not None:
        if out or by_exit_code or everything:
            raise UsageError("--check compares and shows nothing else", hint="leave --out, --all and --exit-code out")
        return check(invocation, session, expected, parse_limits(limits), allow)
    if offline or against is not None:
        if not (offline and against) or out:
            hint = "write --offline --against REF, without --out: such a comparison is never applied"
            raise UsageError("--offline and --against go together, and save nothing", hint=hint)
        if known_in is not None:
            raise UsageError("--offline logs in nowhere: --known-in says nothing beside it", hint="leave it out")
        compared = compare(session, against, parse_limits(limits), allow=allow, everything=everything)
        _show_plan(invocation, compared, details=details, everything=everything)
        code = PolicyError.exit_code if compared.refused else 0
        code = code or (_MOST_CHANGES if by_exit_code and not compared.is_empty else 0)
        return code_with_frozen(code, compared.frozen_in_limit)
    planned = make_plan(session, parse_limits(limits), allow=allow)
    if out is not None:
        write_atomic(out, planned.text(session.seal_key, saved_plan.maker_here(session)), mode=0o600)
    older = _older_packages(session, planned)
    _show_planned(invocation, planned, PlanDocument, details=details, everything=everything, packages=older)
    if planned.plan.refused:
        return PolicyError.exit_code
    if planned.unreadable:
        return HostError.exit_code
    code = _MOST_CHANGES if by_exit_code and not planned.plan.is_empty else 0
    return code_with_frozen(code, planned.plan.frozen_in_limit)


plan.add_command(diff)
plan.add_command(push)
plan.add_command(fetch)


def _refuse_options(ctx: click.Context) -> None:
    """Raise `UsageError` for options of `plan` itself with a subcommand."""
    options = [param for param in ctx.command.params if param.expose_value and param.name]
    passed = [param for param in options if ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE]
    if passed:
        message = f"{passed[0].opts[0]} is of plan itself, not of plan {ctx.invoked_subcommand}"
        raise UsageError(message, hint=f"leave it out: plan {ctx.invoked_subcommand} makes no plan")


def _show_plan(invocation: Invocation, plan: Plan, *, details: bool, everything: bool) -> None:
    if invocation.json:
        print_document(plan_in_parts(plan, everything=everything, model=CompareDocument))
    elif invocation.markdown:
        click.echo(markdown.plan_comment(plan, invocation.say), nl=False)
    else:
        terminal = stdout_of(invocation.env)
        terminal.print(plan_lines(plan, terminal, details=details, everything=everything, say=invocation.say))


def _older_packages(session: Session, planned: Planned) -> tuple[PackageStatus, ...]:
    try:
        return older_packages(session, {spec.id for spec in planned.hosts})
    except StateError as error:
        print_warning(msg("which packages sites carry is not known: {message}", error.message), error.hint)
        return ()


@click.command()
@limit_option
@_details
@_all
def drift(invocation: Invocation, limits: tuple[str, ...], *, details: bool, everything: bool) -> int:
    """Check whether hosts match the inventory: exit code 0 yes, 10 no.

    The command shows a policy that would refuse the correction. This does not change the exit code.

    Example: provisioner -i DIR drift --limit carrier=viettel
    """
    planned = make_plan(session_of(invocation), parse_limits(limits), is_judged=False)
    details = details or invocation.verbose
    _show_planned(invocation, planned, DriftDocument, details=details, everything=everything)
    if planned.unreadable:
        return HostError.exit_code
    return code_with_frozen(0 if planned.plan.is_empty else _MOST_CHANGES, planned.plan.frozen_in_limit)


def _show_planned(
    invocation: Invocation,
    planned: Planned,
    model: type[PlanDocument],
    *,
    details: bool,
    everything: bool,
    packages: Sequence[PackageStatus] | None = None,
) -> None:
    if invocation.json:
        of_sites: Document = (
            {} if packages is None else {"packages": [package_row(package).plain for package in packages]}
        )
        print_document(plan_in_parts(planned.plan, everything=everything, model=model) | of_sites)
        return
    _show_plan(invocation, planned.plan, details=details, everything=everything)
    if invocation.markdown:
        return
    for _, error in sorted(planned.unreadable.items()):
        print_error(error, "  ")
    terminal = stdout_of(invocation.env)
    terminal.print(older_lines(packages or (), invocation.say))
    terminal.print(plan_ending_lines(planned.plan, terminal, judged=model is PlanDocument, say=invocation.say))
