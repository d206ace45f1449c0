"""`relay drain` and `relay keep`: a relay's sites moved to another."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import click

from provisioner.base.document import InOrder, Known, Printed, Row, of
from provisioner.base.errors import INTERRUPTED, InventoryError, worst_of
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.cli.keys_rotate import StepTerminal
from provisioner.cli.support import texts
from provisioner.cli.support.attendance import FirstAnswerClock
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import Invocation, Stop, print_error, show, stoppable, today
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import DAY
from provisioner.operations.apply.run import RunOptions, approval_of
from provisioner.operations.drain import drain as draining
from provisioner.operations.edit.file_edit import FileEdit
from provisioner.operations.edit.relay_drain import DrainEdits, DrainRequest, DrainUndone, drain_taken_back
from provisioner.operations.pipeline.stages import Planned
from provisioner.operations.rollout.result import exit_code
from provisioner.plan.guards.policy import parse_allowances
from provisioner.report.tables import some_of
from provisioner.verify.path_history import VerifyOptions

_MOST_PATHS = 5
_WAIT_S: Final = 5.0
_NOT_UP: Final = 1


def _start_lines(look: draining.DrainLook, edits: DrainEdits, say: Translator = ENGLISH) -> Iterator[str]:
    relay, to = look.request.relay, look.request.to
    sites, paths = say.counted(len(look.paths), "site"), say.counted(sum(look.paths.values()), "path")
    yield say("{relay} is emptied onto {to}: it carries {sites}, {paths}", relay=relay, to=to, sites=sites, paths=paths)
    yield from _progress_lines(look, say)
    yield from (f"  {line}" for line in _unchanged_lines(edits, say))
    readers = say.counted(sum(look.viewers.values()), "reader")
    cut = marked(
        "cut: no reader before a site is proved at {to}; then its readers at {relay}, once ({readers} there now)"
    )
    yield say(cut, to=to, relay=relay, readers=readers)
    address = look.read_on
    sentence = marked("they continue at {address}, which has the same paths by then")
    yield "  " + say(sentence, address=address)
    yield "  " + say("until a site is released both relays pull its devices: twice the traffic, two sessions each")


def _progress_lines(look: draining.DrainLook, say: Translator) -> Iterator[str]:
    relay, to = look.request.relay, look.request.to
    groups = (
        (look.unsigned, say("to be signed by all parties")),
        (look.waiting, say("to be carried by {to} as well", to=to)),
        (look.unseen, say("carried by both, and their gateways were never seen at {to}", to=to)),
        (look.both, say("carried by both, with the gateway at both")),
        (look.leaving, say("of {to} by their files, and still held by {relay}", to=to, relay=relay)),
    )
    for names, state in groups:
        if names:
            yield f"  {state}: {say.counted(len(names), 'site')}: {some_of(names, say)}"


def letting_go_lines(
    look: draining.DrainLook, waves: Sequence[Sequence[str]], say: Translator = ENGLISH
) -> Iterator[str]:
    """Yield the readers to be cut, before the question."""
    relay, to = look.request.relay, look.request.to
    sites = {name for wave in waves for name in wave}
    of_waves = ", ".join(str(len(wave)) for wave in waves)
    line = marked("{relay} lets go of {sites} in waves of {waves}; {to} serves all of their paths")
    yield say(line, relay=relay, sites=say.counted(len(sites), "site"), waves=of_waves, to=to)
    cut = {path: number for path, number in look.viewers.items() if path.split("/")[1] in sites}
    for path, number in list(cut.items())[:_MOST_PATHS]:
        values = {"readers": say.counted(number, "reader"), "path": path}
        address = f"{look.read_on}/{path}"
        yield "  " + say("{readers} of {path} there: read on at {address}", address=address, **values)
    if len(cut) > _MOST_PATHS:
        yield "  " + say("and those of {paths}", paths=say.counted(len(cut) - _MOST_PATHS, "more path"))
    if not cut:
        yield "  " + say("no reader has them at {relay} now", relay=relay)


def _proof_lines(proofs: Mapping[str, draining.SiteProof], to: str, say: Translator = ENGLISH) -> Iterator[str]:
    for facility, proof in sorted(proofs.items()):
        values = {"facility": facility, "to": to}
        if proof.is_given and proof.not_up:
            paths = say.counted(len(proof.not_up), "path")
            yield say("{facility}: proved over {to}; {paths} not up, as before", paths=paths, **values)
        elif proof.is_given:
            yield say("{facility}: proved over {to}", **values)
        elif not proof.reached:
            yield say("{facility}: its gateway does not reach {to} now", **values)
        else:
            worse = [f"{path} ({say.restated(why)})" for path, why in proof.worse.items()]
            paths = say.counted(len(worse), "path")
            yield say("{facility}: {paths} worse over {to}: {worse}", paths=paths, worse=some_of(worse, say), **values)


def _drain_ending(outcome: draining.DrainOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    look, edits = outcome.look, outcome.begun
    relay, to = look.request.relay, look.request.to
    again = f"provisioner relay drain {relay} --to {to}"
    if dry_run:
        yield say("no changes were made; to make them: {command}", command=again)
        return
    yield from _stop_lines(outcome, again, say)
    if outcome.moved:
        sites = say.counted(len(outcome.moved), "site")
        yield say("{relay} has let go of {sites}: {names}", relay=relay, sites=sites, names=some_of(outcome.moved, say))
        yield "  " + say("their gateways still know it, which does no harm: their next site package leaves it out")
    yield from _next_step_lines(outcome, again, say)
    if look.is_over and not edits.stays and not outcome.stopped:
        yield say("{relay} has no sites any more", relay=relay)
        yield say("next: {command}", command=f"provisioner hosts decommission {relay}")


def _stop_lines(outcome: draining.DrainOutcome, again: str, say: Translator) -> Iterator[str]:
    look = outcome.look
    relay, to = look.request.relay, look.request.to
    back = f"provisioner facility move FACILITY --to {relay}"
    match outcome.end:
        case draining.DrainEnd.FAILED:
            line = marked("a relay was not changed, see above; it is as before; correct the cause, then {command}")
            yield say(line, command=again)
        case draining.DrainEnd.WORSE:
            look_at = f"provisioner verify --limit host={to}"
            yield say("paths came worse after {relay} had let go: look at {command}", relay=relay, command=look_at)
            rollback = f"provisioner rollback {relay}"
            yield "  " + say("{rollback} has them back there; {command}", rollback=rollback, command=back)
        case draining.DrainEnd.UNPROVED:
            line = marked("{relay} keeps its sites: not all paths that {to} would serve alone are proved: {names}")
            yield say(line, relay=relay, to=to, names=some_of(look.leaving, say))
            yield "  " + say("let it come, and {command}; or give it back: {back}", command=again, back=back)
        case draining.DrainEnd.REFUSED:
            line = marked("a step was refused, see above; earlier steps stay; correct the cause, then {command}")
            yield say(line, command=again)
        case draining.DrainEnd.INTERRUPTED:
            yield say("interrupted between two steps: {command} goes on", command=again)
        case draining.DrainEnd.DONE:
            pass


def _next_step_lines(outcome: draining.DrainOutcome, again: str, say: Translator) -> Iterator[str]:
    look = outcome.look
    yield from _unchanged_lines(outcome.begun, say)
    for facility in look.unsigned[:_MOST_PATHS]:
        command = f"provisioner sign-off {facility} --successor --all-parties --source SOURCE"
        yield say("to be signed: {command}", command=command)
    if len(look.unsigned) > _MOST_PATHS:
        more = len(look.unsigned) - _MOST_PATHS
        yield "  " + say("and {count} more; or all at once: {command} --source SOURCE", count=more, command=again)
    if look.unseen:
        sites, names = say.counted(len(look.unseen), "site"), some_of(look.unseen, say)
        yield say("a package with both relays, without a cut: {sites}: {names}", sites=sites, names=names)
        yield f"  provisioner site-package {' '.join(look.unseen[:_MOST_PATHS])} --out DIR"
    unproved = [name for name in look.both if name in outcome.proofs]
    if unproved:
        yield say("stay on both relays until they are proved: {names}", names=some_of(unproved, say))
    if not look.is_over:
        yield say("afterwards: {command}", command=again)


def _unchanged_lines(edits: DrainEdits, say: Translator) -> Iterator[str]:
    for facility, reason in edits.stays.items():
        yield say("stays: {facility}: {reason}", facility=facility, reason=say.restated(reason))


class DrainedFile(Row):
    """A file that a drain edits."""

    file: Path = of("path")
    diff: tuple[str, ...]
    written: bool


class ProofRow(Row):
    """The result of a verification of a site over the new relay."""

    given: bool = of("is_given")
    reached: bool
    worse: dict[str, str]  #: By path that is worse there, the fault.


class DrainDocument(Printed, name="relay-drain", title="A drain of a relay"):
    """Output of `provisioner relay drain --output json`."""

    relay: str = of("look", "request", "relay")
    to: str = of("look", "request", "to")
    dry_run: bool
    end: draining.DrainEnd
    refusal: str | None = of("refusal", "message", or_none=True)
    done: bool
    files: tuple[DrainedFile, ...]
    stays: dict[str, str] = of("begun", "stays")
    unsigned: tuple[str, ...] = of("look", "unsigned")
    waiting: tuple[str, ...] = of("look", "waiting")
    unseen: tuple[str, ...] = of("look", "unseen")
    both: tuple[str, ...] = of("look", "both")
    leaving: tuple[str, ...] = of("look", "leaving")
    moved: tuple[str, ...]
    proofs: Annotated[dict[str, ProofRow], InOrder]
    viewers: dict[str, int] = of("look", "viewers")
    read_on_at: str
    runs: tuple[str, ...]


def _drain_document(outcome: draining.DrainOutcome, *, dry_run: bool) -> DrainDocument:
    look, edits = outcome.look, outcome.begun
    return DrainDocument.made_of(
        outcome,
        dry_run=dry_run,
        done=look.is_over and not edits.stays and not (dry_run and edits.edits),
        files=[DrainedFile.made_of(edit, written=not dry_run) for edit in edits.edits],
        read_on_at=f"{look.address}:{look.port}",
        runs=[applied.run for applied in outcome.runs],
    )


@click.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--to", required=True, metavar="RELAY", shell_complete=hosts_like, help="The relay that takes the sites.")
@click.option("--source", default="", metavar="TEXT", help="The minutes in which all parties agreed.")
@click.option("--on", "day", type=DAY, help="The day of those minutes. Default: today.")
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@click.option("--unproved", multiple=True, metavar="FACILITY", help="Move this site before it is proved.")
@click.option("--approval", default="", metavar="TEXT", help="The reference of the approval, for the record.")
@texts.commit_option
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def drain(
    invocation: Invocation,
    relay: str,
    to: str,
    source: str,
    day: datetime | None,
    *,
    allows: tuple[str, ...],
    unproved: tuple[str, ...],
    approval: str,
    commits: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Move all sites of a living relay to another one of its carrier.

    Each call does all steps that are possible now; run the same command again to go on. Every site gets the other relay
    as its successor (--source: all parties have signed that). The other relay carries the sites too, and each gateway
    gets a package with both relays. Once a site's gateway is connected to the other relay, the command verifies the
    site over both, and removes it from RELAY if no path is worse: one site first, then a tenth, a half and the rest,
    with a check after each. Sites that wait (for a signature, a package, a gateway) stay on both relays and are listed.
    A site's readers at RELAY are cut once, when the site leaves RELAY; they read on at the other relay.

    Exit code 6: a step was refused, because of a limit of the policy or because it would cut other viewers; files and
    hosts stay as they were. 1: a path got worse.

    Example: provisioner -i DIR relay drain relay-viettel-1 --to relay-viettel-2 --source 02/BB
    """
    texts.refuse_both(dry_run=dry_run, commits=commits)
    request = DrainRequest(relay, to, source, day.date() if day else today())
    allowed = parse_allowances(allows)
    texts.checkout_for(invocation, commits=commits)
    with stoppable() as stop:
        options = RunOptions(approval=approval_of(approval, invocation.env), stop=stop)
        terms = draining.DrainTerms(allowed, options, dry_run=dry_run, unproved=frozenset(unproved))
        attendant = _Terminal(invocation, request, stop, dry_run=dry_run, commits=commits, yes=yes)
        outcome = draining.drain_relay(
            lambda: session_of(invocation), texts.edits_of(invocation), request, terms, attendant
        )
    if outcome.refusal is not None:
        print_error(outcome.refusal)
    document = _drain_document(outcome, dry_run=dry_run)
    show(invocation, document, chain(_drain_ending(outcome, invocation.say, dry_run=dry_run), attendant.reminder()))
    return _exit_code_of(outcome)


class _Terminal(StepTerminal):
    def __init__(
        self, invocation: Invocation, request: DrainRequest, stop: Stop, *, dry_run: bool, commits: bool, yes: bool
    ) -> None:
        super().__init__(invocation, stop, dry_run=dry_run, commits=commits, yes=yes)
        self._request = request
        self._is_waiting = False

    def begins(self, look: draining.DrainLook, begun: DrainEdits) -> None:
        self._say(_start_lines(look, begun, self._invocation.say))
        self._say(line for edit in begun.edits for line in texts.diff_lines(edit))
        if begun.edits and not self._dry_run:
            self._ask_for_decision("Write these files?", "whether to write these files")

    def written(self, edits: Sequence[FileEdit], message: str) -> None:
        self._commit_files({edit.path: edit.after for edit in edits}, message)

    def applies(self, planned: Planned) -> None:
        self._show_plan(planned)
        self._ask_for_decision(f"Apply this to {self._request.to}?", "whether to apply this plan")

    def waits(self, unseen: Sequence[str]) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            say = self._invocation.say
            self._say((say("waiting for gateways at {to}: {names}", to=self._request.to, names=some_of(unseen, say)),))
        time.sleep(_WAIT_S)

    def proved(self, proofs: Mapping[str, draining.SiteProof]) -> None:
        self._say(_proof_lines(proofs, self._request.to, self._invocation.say))

    def lets_go(self, look: draining.DrainLook, waves: Sequence[Sequence[str]]) -> None:
        self._say(letting_go_lines(look, waves, self._invocation.say))
        self._ask_for_decision("Let them go?", "whether to let these sites go")

    def cuts(self, planned: Planned) -> None:
        self._show_plan(planned)

    @cached_property
    def verify_options(self) -> VerifyOptions:
        """All levels of every path; failures are checked again in the run."""
        return VerifyOptions(say=lambda sentence: self._say((sentence,)), onlooker=FirstAnswerClock())


def _exit_code_of(outcome: draining.DrainOutcome) -> int:
    codes = [exit_code(applied.results) for applied in outcome.runs]
    if outcome.refusal is not None:
        codes.append(outcome.refusal.exit_code)
    if outcome.end is draining.DrainEnd.INTERRUPTED:
        codes.append(INTERRUPTED)
    if outcome.end in {draining.DrainEnd.WORSE, draining.DrainEnd.UNPROVED}:
        codes.append(_NOT_UP)
    if outcome.begun.faulty:
        codes.append(InventoryError.exit_code)
    return worst_of(0, *codes)


@click.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@texts.edit_options
def keep(invocation: Invocation, relay: str, *, dry_run: bool, commits: bool) -> int:
    """Cancel a drain: the relay keeps its remaining sites.

    The command writes files only: these sites lose their successor, and drain_to goes. It calls no host. The next apply
    removes these sites from the other relay; its plan shows the viewers it cuts there. Sites that left already stay at
    the other relay; facility move brings one back. Exit code 3: a site's file has errors and stays as it is; run the
    command again.

    Example: provisioner -i DIR relay keep relay-viettel-1
    """
    texts.refuse_both(dry_run=dry_run, commits=commits)
    undone = drain_taken_back(texts.edits_of(invocation), relay)
    commit = ""
    if undone.edits and not dry_run:
        checkout = texts.checkout_for(invocation, commits=commits)
        draining.write_all(invocation.inventory, undone.edits)
        commit = (
            texts.committed(checkout, {e.path: e.after for e in undone.edits}, f"{relay} is not emptied")
            if checkout
            else ""
        )
    files = [edit.path for edit in undone.edits]
    document = KeepDocument.made_of(undone, files=files, written=bool(files) and not dry_run, commit=commit)
    diff = chain.from_iterable(map(texts.diff_lines, undone.edits))
    show(invocation, document, chain(diff, _keep_ending(undone, invocation.say, dry_run=dry_run)))
    return InventoryError.exit_code if undone.stays else 0


class KeepDocument(Printed, name="relay-keep", title="A cancelled drain"):
    """Output of `provisioner relay keep --output json`."""

    relay: str
    to: Known
    sites: tuple[str, ...]
    stays: dict[str, str]
    files: tuple[Path, ...]
    written: bool
    commit: Known


def _keep_ending(undone: DrainUndone, say: Translator = ENGLISH, *, dry_run: bool) -> tuple[str, ...]:
    values = {"relay": undone.relay, "to": undone.to}
    if not undone.to:
        return (say("{relay} is not being emptied: it has no drain to cancel", relay=undone.relay),)
    stays = tuple(
        say("stays: {facility}: {reason}", facility=name, reason=say.restated(why))
        for name, why in undone.stays.items()
    )
    if dry_run:
        return (*stays, say("dry run: no files were written; repeat without --dry-run"))
    if stays:
        sites, names = say.counted(len(undone.stays), "site"), some_of(list(undone.stays), say)
        remaining = say("{sites} still to leave {to}: {names}", sites=sites, to=undone.to, names=names)
        again = f"provisioner relay keep {undone.relay}"
        return (*stays, f"{remaining}; {say('correct what provisioner validate lists, then {command}', command=again)}")
    if undone.sites:
        sites, names = say.counted(len(undone.sites), "site"), some_of(list(undone.sites), say)
        line = marked(
            "{relay} is not being emptied onto {to} any more: {sites} with it: {names}; what {to} took over stays there"
        )
        done = say(line, sites=sites, names=names, **values)
    else:
        line = marked(
            "{relay} is not being emptied onto {to} any more: no site with it; what {to} took over stays there"
        )
        done = say(line, **values)
    plan = f"provisioner plan --limit host={undone.to}"
    return (done, say("next: {command}, which shows the viewers that it cuts", command=plan))
