"""`keys rotate` and `keys keep`: gateways' keys changed without interruption."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import click
from pydantic import BeforeValidator

from provisioner.base.document import Day, InOrder, Moment, Ordered, OrNull, Printed, Row, of
from provisioner.base.errors import INTERRUPTED, InventoryError, UsageError
from provisioner.base.git import commit_files, committing
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import msg
from provisioner.cli.plan_text import plan_ending_lines, plan_lines
from provisioner.cli.support.completion import carriers_like, facilities_like, hosts_like
from provisioner.cli.support.context import (
    Invocation,
    Stop,
    echo_lines,
    make_sure,
    print_warning,
    show,
    stoppable,
    tell_before,
    today,
)
from provisioner.cli.support.results import applied_lines
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import stderr_of
from provisioner.cli.support.texts import checkout_for, commit_option, diff_lines, edits_of, refuse_both
from provisioner.inventory.model.hosts import OwnKeyStage
from provisioner.operations.apply.apply import StepTerms
from provisioner.operations.apply.run import Applied, RunOptions, approval_of
from provisioner.operations.edit.file_edit import EditsOfMany, FileEdit
from provisioner.operations.edit.keys import OwnKeyRequest
from provisioner.operations.keys import relay_key, rotation
from provisioner.operations.pipeline.stages import Planned
from provisioner.operations.rollout.result import HostOutcome, exit_code
from provisioner.plan.guards.policy import parse_allowances
from provisioner.report.tables import some_of

_STAGES: Final = {
    OwnKeyStage.BEGUN: marked("packages and centres have the present key"),
    OwnKeyStage.MOVING: marked("packages and centres have the next key"),
    OwnKeyStage.ENDING: marked("the next key becomes the relay's only one"),
}
_ASKED: Final = {
    "begin": marked(
        "{relay} answers with a next key beside its own one, and then its centres get the next key; no viewer is cut"
    ),
    "finish": marked("{relay} has only its next key from now on; sites without it are dark"),
    "cancel": marked("packages and centres of {relay} have its present key again, and then the next one goes"),
}
_SHOWN: Final = 8
_CENTRES_S: Final = 1.0


def _next_step_lines(progress: relay_key.OwnKeyProgress, step: str, say: Translator = ENGLISH) -> Iterator[str]:
    yield from own_key_lines(progress, say)
    yield "  " + say(_ASKED[step], relay=progress.relay)


def own_key_lines(progress: relay_key.OwnKeyProgress, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the progress, with peers that have not moved."""
    next_key = progress.following
    if next_key is None:
        line = marked("{relay} answers with a next key that is not in the lock: end that with --cancel")
        none = marked("no change of the key of {relay} is under way")
        yield "  " + say(line if progress.remains else none, relay=progress.relay)
        return
    line = marked("{relay} changes its own key since {day}: next key {key}, at port {port}; {stage}")
    yield "  " + say(
        line,
        relay=progress.relay,
        day=next_key.since.isoformat(),
        key=f"{next_key.public_key[:_SHOWN]}…",
        port=str(next_key.port),
        stage=say(_STAGES[next_key.stage]),
    )
    if not progress.answers:
        yield "  " + say("the relay does not answer with it yet: the same command goes on")
        return
    yield "  " + say("seen with the next key: {names}", names=some_of(sorted(progress.moved), say) or say("nobody"))
    if progress.waiting:
        yield "  " + say("not seen with it: {names}", names=some_of(sorted(progress.waiting), say))


def _own_key_ending(outcome: relay_key.OwnKeyOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    progress = outcome.progress
    failed = [r.host for run in outcome.runs for r in run.results if not r.is_as_desired]
    if failed:
        yield say("not applied: {names}; the same command goes on from there", names=some_of(failed, say))
    elif outcome.is_unfinished:
        yield say("not at its end: the same command goes on from there")
    if dry_run:
        yield from own_key_lines(progress, say)
        yield say("dry run: no changes were made; repeat without --dry-run")
        return
    if outcome.is_over:
        yield say("no change of the key of {relay} is under way any more", relay=progress.relay)
    elif progress.following is not None and not outcome.is_unfinished:
        yield from own_key_lines(progress, say)
        if sites := progress.sites_waiting:
            line = marked(
                "{sites} to be moved: make their packages (provisioner site-package FACILITY --out DIR), have them"
                " installed, then: provisioner keys rotate --relay {relay} --finish"
            )
            yield say(line, sites=say.counted(len(sites), "site"), relay=progress.relay)
        elif not progress.waiting:
            yield say("all have moved: provisioner keys rotate --relay {relay} --finish", relay=progress.relay)


#: Written files, without duplicates.
Written = Annotated[tuple[str, ...], BeforeValidator(lambda paths: sorted({str(path) for path in paths}))]


_BY_HOST = BeforeValidator(lambda results: {result.host: result.outcome for result in results})


class RunHosts(Row):
    """A run, with the outcome of each of its hosts."""

    run: str
    hosts: Annotated[dict[str, HostOutcome], _BY_HOST] = of("results")


class OwnKeyRow(Row):
    """The state of a change of a relay's own key."""

    relay: str
    stage: OwnKeyStage | None = of("following", "stage", or_none=True)
    next_key: str | None = of("following", "public_key", or_none=True)
    port: int | None = of("following", "port", or_none=True)
    since: Day | None = of("following", "since", or_none=True)
    answers: bool
    #: Peers with a handshake on the next key, and its time; null if the relay itself changed.
    moved: Annotated[dict[str, Annotated[Moment | None, OrNull]], InOrder]
    waiting: Ordered  #: Peers without such a handshake.


class _Rotation(Printed):
    dry_run: bool


class OwnKeyLooked(OwnKeyRow, Printed, name="keys-status-relay", title="A relay's own key"):
    """Output of `provisioner keys status --relay --output json`."""


class OwnKeyDocument(OwnKeyRow, _Rotation, name="keys-rotate-relay", title="A change of a relay's own key"):
    """Output of `provisioner keys rotate --relay --output json`."""

    over: bool
    unfinished: bool
    runs: tuple[RunHosts, ...]
    written: Written
    interrupted: bool


def rotate_relay(
    invocation: Invocation,
    request: OwnKeyRequest,
    terms: StepTerms,
    stop: Stop,
    *,
    finishes: bool,
    cancels: bool,
    commits: bool,
    yes: bool,
) -> int:
    """Begin, end or cancel a relay's key change; return the exit code."""
    if finishes and cancels:
        raise UsageError("--finish ends the change, and --cancel takes it back", hint="give one of them")
    if request.leaves and not (finishes or cancels):
        raise UsageError("--leave says who may be dark when the change ends", hint="give it with --finish or --cancel")
    if request.port and (finishes or cancels):
        raise UsageError("--port is for the beginning of a change", hint="leave it out")
    sessions = lambda: session_of(invocation)  # noqa: E731
    attendant = _OwnKeyTerminal(invocation, stop, dry_run=terms.dry_run, commits=commits, yes=yes)
    if finishes:
        outcome = relay_key.end_own_key(sessions, request, terms, attendant)
    elif cancels:
        outcome = relay_key.cancel_own_key(sessions, request, terms, attendant)
    else:
        outcome = relay_key.begin_own_key(sessions, request, terms, attendant, today())
    return _show_own_key(attendant, invocation, outcome, dry_run=terms.dry_run)


class StepTerminal:
    """Shows steps of a longer change on standard error, asks, and commits."""

    def __init__(self, invocation: Invocation, stop: Stop, *, dry_run: bool, commits: bool, yes: bool) -> None:
        self._invocation = invocation
        self._stop = stop
        self._dry_run = dry_run
        self._commits = commits
        self._yes = yes
        self._leaves_files = False

    def applies(self, planned: Planned) -> None:
        """Show a plan; ask."""
        self._show_plan(planned)
        self._ask_for_decision("Apply this?", "whether to apply this plan")

    def applied(self, applied: Applied) -> None:
        """Show the outcome of each host."""
        if not self._invocation.json:
            echo_lines(applied_lines(applied, self._invocation.say), err=True)

    def warns(self, sentence: str) -> None:
        """Print a warning on standard error."""
        print_warning(sentence, "")

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop()

    def reminder(self) -> list[str]:
        """Return the ending's line if written files are left to be committed."""
        return [self._invocation.say("files were written: commit them")] if self._leaves_files else []

    def _commit_files(self, contents: Mapping[Path, bytes], message: str) -> None:
        """Commit written files if so asked."""
        if not contents:
            return
        if not self._commits:
            self._leaves_files = True
            return
        try:
            commit = commit_files(committing(self._invocation.inventory), contents, message)
        except (UsageError, InventoryError) as error:
            self._leaves_files = True
            self.warns(msg("the written files are not committed: {message}", error.message))
        else:
            self._say((self._invocation.say("committed as {commit}: {what}", commit=commit[:12], what=message),))

    def _show_plan(self, planned: Planned) -> None:
        if not self._invocation.json:
            terminal = stderr_of(self._invocation.env)
            terminal.print(plan_lines(planned.plan, terminal, say=self._invocation.say))
            terminal.print(plan_ending_lines(planned.plan, terminal, say=self._invocation.say))

    def _say(self, lines: Iterable[str]) -> None:
        tell_before(self._invocation, lines, asks=not self._yes, dry_run=self._dry_run)

    def _ask_for_decision(self, question: str, decision: str) -> None:
        make_sure(self._invocation, question, decision, yes=self._yes)
        if not self._yes and self._stop():  # a first Ctrl-C only asks to stop, at a question as well
            raise click.Abort


class _OwnKeyTerminal(StepTerminal):
    def asks(self, progress: relay_key.OwnKeyProgress, question: str) -> None:
        self._say(_next_step_lines(progress, question, self._invocation.say))
        if not self._dry_run:
            self._ask_for_decision("Go on?", "whether to go on")

    def written(self, paths: Collection[Path], message: str) -> None:
        self._commit_files({path: path.read_bytes() for path in paths}, message)

    def waits(self) -> None:
        time.sleep(_CENTRES_S)


def _show_own_key(
    attendant: StepTerminal, invocation: Invocation, outcome: relay_key.OwnKeyOutcome, *, dry_run: bool
) -> int:
    more = {"dry_run": dry_run, "over": outcome.is_over, "unfinished": outcome.is_unfinished}
    done = {"runs": outcome.runs, "written": outcome.written, "interrupted": outcome.interrupted}
    document = OwnKeyDocument.made_of(outcome.progress, **more, **done)
    ending = _own_key_ending(outcome, invocation.say, dry_run=dry_run)
    show(invocation, document, chain(ending, attendant.reminder()))
    results = [result for applied in outcome.runs for result in applied.results]
    return exit_code(results, int(outcome.is_unfinished), INTERRUPTED * outcome.interrupted)


_STAGE_WORDS: Final = {
    rotation.KeyStage.SEEN: marked("handshake with the next key: relays remove the former one"),
    rotation.KeyStage.ENDING: marked("the new key is in the file; a relay may still have the former one"),
    rotation.KeyStage.STAGED: marked("relays have both keys; no handshake with the next one yet"),
    rotation.KeyStage.UNSTAGED: marked("the next key is recorded; a relay does not have it yet"),
    rotation.KeyStage.UNREPORTED: marked("the gateway's next key is not recorded yet"),
    rotation.KeyStage.NONE: marked("no rotation begun yet"),
    rotation.KeyStage.UNREAD: marked("not known: a relay could not be read"),
}
_MOST_WAITING: Final = 5
_UNFINISHED: Final = (
    rotation.KeyStage.UNREPORTED,
    rotation.KeyStage.UNSTAGED,
    rotation.KeyStage.STAGED,
    rotation.KeyStage.SEEN,
    rotation.KeyStage.ENDING,
)
_LOOK_S: Final = 3.0
_LONGEST_WAIT_S: Final = 24 * 3600


def progress_lines(progress: rotation.KeyChangeProgress, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield a line for each stage, and for each unchanged gateway."""
    for stage, label in _STAGE_WORDS.items():
        if names := progress.at(stage):
            yield f"  {say(label)}: {say.counted(len(names), 'site')}: {some_of(names, say)}"
    for name, why in progress.left_out.items():
        yield "  " + say("left as it is: {facility}: {reason}", facility=name, reason=say.restated(why))


def _rotation_ending(outcome: rotation.KeyOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    progress = outcome.progress
    for name, why in outcome.left_out.items():
        yield say("left as it is: {facility}: {reason}", facility=name, reason=say.restated(why))
    failed = [r.host for run in outcome.runs for r in run.results if not r.is_as_desired]
    if failed:
        yield say("not applied: {names}; the same command goes on from there", names=some_of(failed, say))
    if dry_run:
        yield from progress_lines(progress, say)
        yield say("dry run: no changes were made; repeat without --dry-run")
        return
    yield from _waiting_lines(progress, say)
    if outcome.ended:
        names = some_of(sorted(outcome.ended), say)
        yield say(
            "{sites} rotated, with the former keys removed: {names}",
            sites=say.counted(len(outcome.ended), "site"),
            names=names,
        )
    if not (outcome.written or outcome.runs or outcome.left_out or progress.at(*_UNFINISHED)):
        yield say("no rotation of a gateway's key is in progress")


def _waiting_lines(progress: rotation.KeyChangeProgress, say: Translator) -> Iterator[str]:
    if names := progress.at(rotation.KeyStage.UNREPORTED):
        package = f"provisioner site-package {' '.join(names[:_MOST_WAITING])} --out DIR"
        line = marked(
            "{sites} without a reported key: {names}; hand its package out ({package}), and record"
            " the printed key: provisioner gateway set-key FACILITY KEY --next"
        )
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say), package=package)
    if names := progress.at(rotation.KeyStage.UNSTAGED):
        line = marked("{sites} whose next key a relay has still to learn: {names}; the same command goes on")
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))
    if names := progress.at(rotation.KeyStage.STAGED):
        line = marked(
            "{sites} may change to the next key: {names}; on the gateway: change-key.sh switch, of its package; then"
            " provisioner keys rotate --finish"
        )
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))
    if names := progress.at(rotation.KeyStage.SEEN, rotation.KeyStage.ENDING):
        line = marked("{sites} with the next key, and the former one still there: {names}; the same command goes on")
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))


class SiteKeyRow(Row):
    """The state of a change of a gateway's key."""

    stage: rotation.KeyStage
    relays: tuple[str, ...]


class RotationDocument(Printed, name="keys-rotate", title="Changes of gateways' keys"):
    """Output of `provisioner keys rotate --output json`."""

    dry_run: bool
    sites: Annotated[dict[str, SiteKeyRow], InOrder]
    begun: Ordered
    ended: Ordered
    left_out: Annotated[dict[str, str], InOrder]
    runs: tuple[RunHosts, ...]
    written: Written
    interrupted: bool


@click.command()
@click.argument("facilities", nargs=-1, metavar="[FACILITY]…", shell_complete=facilities_like)
@click.option(
    "--carrier",
    "carriers",
    multiple=True,
    metavar="CARRIER",
    shell_complete=carriers_like,
    help="All sites of this carrier.",
)
@click.option(
    "--relay",
    "relay",
    default="",
    metavar="RELAY",
    shell_complete=hosts_like,
    help="This relay's own key, instead of gateways' keys.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=None,
    metavar="PORT",
    help="With --relay: the UDP port for the next key.",
)
@click.option("--finish", "finishes", is_flag=True, help="Begin no rotation; go on with present ones.")
@click.option("--cancel", "cancels", is_flag=True, help="With --relay: cancel the rotation.")
@click.option(
    "--leave",
    "leaves",
    multiple=True,
    metavar="FACILITY",
    help="With --relay: finish although this site uses the present key; it is dark until a technician is there.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, _LONGEST_WAIT_S),
    default=0,
    metavar="SECONDS",
    help="Wait this long for gateways, and finish those that change.",
)
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@click.option("--approval", default="", metavar="TEXT", help="The reference of the approval, for the record.")
@commit_option
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def rotate(
    invocation: Invocation,
    facilities: tuple[str, ...],
    carriers: tuple[str, ...],
    *,
    relay: str,
    port: int | None,
    finishes: bool,
    cancels: bool,
    leaves: tuple[str, ...],
    wait_s: int,
    allows: tuple[str, ...],
    approval: str,
    commits: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Rotate the keys and pre-shared keys of gateways without cutting pictures.

    Each call does all steps that are possible now; run the same command again to go on. It begins a rotation (the file
    gets gateway.next_key, the vault a pre-shared key). Once the next key is recorded (gateway set-key --next), relays
    accept both keys. Once the gateway uses the next key, relays drop the present one. In between a technician runs
    change-key.sh of the site's package on the gateway, twice. The relay gives the site's address to the key that spoke
    last, within one second: the picture stops for that time. A site that cannot go on does not stop the others.

    No viewer is cut. The command skips a relay if its plan is refused, or if other changes on it would cut viewers.
    Exit code 1: a site was skipped.

    --relay rotates the relay's own key, with two calls and a visit to each site. The first call (--port) adds the next
    key at a second port of the relay and sends it to the centres. New packages (site-package) have the next key; a
    gateway that installs one connects to it within a second. --finish removes the present key; the command refuses it,
    with a list, while gateways still use the present key. --cancel takes the rotation back, and is refused while
    gateways use the next key.

    Example: provisioner -i DIR keys rotate kcl-bg-001
    """
    refuse_both(dry_run=dry_run, commits=commits)
    if not relay and (port or cancels or leaves):
        raise UsageError("--port, --cancel and --leave are of a relay's own key", hint="name the relay: --relay RELAY")
    if relay and (facilities or carriers or wait_s):
        raise UsageError("a relay's own key is changed by itself", hint="leave facilities, --carrier and --wait out")
    if not (facilities or carriers or finishes or relay):
        raise UsageError("whose keys?", hint="name facilities, or --carrier CARRIER; --finish goes on with all")
    request = rotation.KeyChangeRequest(facilities, carriers, begins=not finishes)
    checkout_for(invocation, commits=commits)
    with stoppable() as stop:
        options = RunOptions(approval=approval_of(approval, invocation.env), stop=stop)
        terms = StepTerms(parse_allowances(allows), options, dry_run=dry_run)
        if relay:
            relay_request = OwnKeyRequest(relay, port or 0, leaves)
            ends = {"finishes": finishes, "cancels": cancels}
            return rotate_relay(invocation, relay_request, terms, stop, commits=commits, yes=yes, **ends)
        attendant = _Terminal(invocation, stop, terms, commits=commits, yes=yes, wait_s=wait_s)
        outcome = rotation.rotate_keys(lambda: session_of(invocation), edits_of(invocation), request, terms, attendant)
    return _show_outcome(attendant, invocation, outcome, dry_run=dry_run)


@click.command()
@click.argument("facilities", nargs=-1, required=True, metavar="FACILITY…", shell_complete=facilities_like)
@commit_option
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def keep(invocation: Invocation, facilities: tuple[str, ...], *, commits: bool, dry_run: bool, yes: bool) -> int:
    """Cancel a rotation: gateways keep their keys, relays drop the next ones.

    No viewer is cut. A gateway that uses its next key already cannot go back: finish its rotation.

    Example: provisioner -i DIR keys keep kcl-bg-001
    """
    refuse_both(dry_run=dry_run, commits=commits)
    checkout_for(invocation, commits=commits)
    with stoppable() as stop:
        terms = StepTerms(options=RunOptions(stop=stop), dry_run=dry_run)
        attendant = _Terminal(invocation, stop, terms, commits=commits, yes=yes, wait_s=0)
        request = rotation.KeyChangeRequest(facilities)
        outcome = rotation.keep_keys(lambda: session_of(invocation), edits_of(invocation), request, terms, attendant)
    return _show_outcome(attendant, invocation, outcome, dry_run=dry_run)


class _Terminal(StepTerminal):
    def __init__(
        self, invocation: Invocation, stop: Stop, terms: StepTerms, *, commits: bool, yes: bool, wait_s: int
    ) -> None:
        super().__init__(invocation, stop, dry_run=terms.dry_run, commits=commits, yes=yes)
        self._until = time.monotonic() + wait_s
        self._is_waiting = False

    def begins(self, progress: rotation.KeyChangeProgress, edits: EditsOfMany) -> None:
        self._say(progress_lines(progress, self._invocation.say))
        self._say(line for edit in edits.edits for line in diff_lines(edit))
        if edits.edits and not self._dry_run:
            self._ask_for_decision("Write these files?", "whether to write these files")

    def written(self, edits: Sequence[FileEdit], vault: Sequence[Path]) -> None:
        message = f"change of keys: {', '.join(edit.facility for edit in edits) or 'the vault'}"
        self._commit_files({edit.path: edit.after for edit in edits} | {p: p.read_bytes() for p in vault}, message)

    def waits(self, sites: Sequence[str]) -> bool:
        """Wait some seconds for gateways, within the requested time."""
        if self._stop() or time.monotonic() >= self._until:
            return False
        if not self._is_waiting:
            self._is_waiting = True
            say = self._invocation.say
            self._say((say("waiting for gateways with their next keys: {names}", names=some_of(sites, say)),))
        time.sleep(_LOOK_S)
        return not self._stop()


def _show_outcome(
    attendant: StepTerminal, invocation: Invocation, outcome: rotation.KeyOutcome, *, dry_run: bool
) -> int:
    stages, relays = outcome.progress.stages, outcome.progress.relays
    sites = {name: {"stage": stage, "relays": relays.get(name, ())} for name, stage in stages.items()}
    document = RotationDocument.made_of(outcome, dry_run=dry_run, sites=sites)
    ending = _rotation_ending(outcome, invocation.say, dry_run=dry_run)
    show(invocation, document, chain(ending, attendant.reminder()))
    results = [result for applied in outcome.runs for result in applied.results]
    return exit_code(results, int(bool(outcome.left_out)), INTERRUPTED * outcome.interrupted)
