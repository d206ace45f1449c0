"""`keys rotate` and `keys keep`: gateways' keys changed without interruption."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import click

from provisioner.base.document import InOrder, Ordered, Printed, Row
from provisioner.base.errors import INTERRUPTED, UsageError, worst_of
from provisioner.base.git import committing
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import printable
from provisioner.cli.keys_rotate_relay import RunHosts, StepTerminal, Written, rotate_relay
from provisioner.cli.support.completion import facilities_like
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.output import print_document
from provisioner.cli.support.question import Stop, stoppable
from provisioner.cli.support.session import session_of
from provisioner.cli.support.texts import diff_lines, edits_of, refuse_both
from provisioner.operations.apply.run import RunOptions, approval_of
from provisioner.operations.edit.file_edit import EditsOfMany, FileEdit
from provisioner.operations.edit.keys import OwnKeyRequest
from provisioner.operations.keys.progress import KeyChangeProgress, KeyStage
from provisioner.operations.keys.rotation import KeyChangeRequest, KeyOutcome, KeyTerms, keep_keys, rotate_keys
from provisioner.operations.rollout.result import HostOutcome, exit_code
from provisioner.plan.guards.policy import parse_allowances
from provisioner.report.tables import some_of

_STAGE_WORDS: Final = {
    KeyStage.SEEN: marked("handshake with the next key: relays remove the former one"),
    KeyStage.ENDING: marked("the new key is in the file; a relay may still have the former one"),
    KeyStage.STAGED: marked("relays have both keys; no handshake with the next one yet"),
    KeyStage.UNSTAGED: marked("the next key is recorded; a relay does not have it yet"),
    KeyStage.UNREPORTED: marked("the gateway's next key is not recorded yet"),
    KeyStage.NONE: marked("no rotation begun yet"),
    KeyStage.UNREAD: marked("not known: a relay could not be read"),
}
_MOST_WAITING: Final = 5
_FINE: Final = frozenset({HostOutcome.APPLIED, HostOutcome.UNCHANGED})
_UNFINISHED: Final = (KeyStage.UNREPORTED, KeyStage.UNSTAGED, KeyStage.STAGED, KeyStage.SEEN, KeyStage.ENDING)
_LOOK_S: Final = 3.0
_LONGEST_WAIT_S: Final = 24 * 3600


def stage_words(stage: KeyStage, say: Translator = ENGLISH) -> str:
    """Return a key change's stage in words."""
    return say(_STAGE_WORDS[stage])


def progress_lines(progress: KeyChangeProgress, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield a line for each stage, and for each unchanged gateway."""
    for stage, label in _STAGE_WORDS.items():
        if names := progress.at(stage):
            yield f"  {say(label)}: {say.counted(len(names), 'site')}: {some_of(names, say)}"
    for name, why in progress.left_out.items():
        yield "  " + say("left as it is: {facility}: {reason}", facility=name, reason=say.restated(why))


def rotation_ending(outcome: KeyOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    """Yield the last lines, worst first: failures, waits, results."""
    progress = outcome.progress
    for name, why in outcome.left_out.items():
        yield say("left as it is: {facility}: {reason}", facility=name, reason=say.restated(why))
    failed = [r.host for run in outcome.runs for r in run.results if r.outcome not in _FINE]
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
    if outcome.written:
        yield say("files were written: commit them")
    if not (outcome.written or outcome.runs or outcome.left_out or progress.at(*_UNFINISHED)):
        yield say("no rotation of a gateway's key is in progress")


def _waiting_lines(progress: KeyChangeProgress, say: Translator) -> Iterator[str]:
    if names := progress.at(KeyStage.UNREPORTED):
        package = f"provisioner site-package {' '.join(names[:_MOST_WAITING])} --out DIR"
        line = marked(
            "{sites} without a reported key: {names}; hand its package out ({package}), and record"
            " the printed key: provisioner gateway set-key FACILITY KEY --next"
        )
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say), package=package)
    if names := progress.at(KeyStage.UNSTAGED):
        line = marked("{sites} whose next key a relay has still to learn: {names}; the same command goes on")
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))
    if names := progress.at(KeyStage.STAGED):
        line = marked(
            "{sites} may change to the next key: {names}; on the gateway: change-key.sh switch, of its package; then"
            " provisioner keys rotate --finish"
        )
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))
    if names := progress.at(KeyStage.SEEN, KeyStage.ENDING):
        line = marked("{sites} with the next key, and the former one still there: {names}; the same command goes on")
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))


class SiteKeyRow(Row):
    """The state of a change of a gateway's key."""

    stage: KeyStage
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
@click.option("--carrier", "carriers", multiple=True, metavar="CARRIER", help="All sites of this carrier.")
@click.option("--relay", "relay", default="", metavar="RELAY", help="This relay's own key, instead of gateways' keys.")
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
@click.option("--commit", "commits", is_flag=True, help="Commit the edited files, and no other ones.")
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
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
    request = KeyChangeRequest(facilities, carriers, begins=not finishes)
    if commits:
        committing(invocation.inventory)
    with stoppable() as stop:
        options = RunOptions(approval=approval_of(approval, invocation.env), stop=stop)
        terms = KeyTerms(parse_allowances(allows), options, dry_run=dry_run)
        if relay:
            relay_request = OwnKeyRequest(relay, port or 0, leaves)
            ends = {"finishes": finishes, "cancels": cancels}
            return rotate_relay(invocation, relay_request, terms, stop, commits=commits, yes=yes, **ends)
        attendant = _Terminal(invocation, stop, terms, commits=commits, yes=yes, wait_s=wait_s)
        outcome = rotate_keys(lambda: session_of(invocation), edits_of(invocation), request, terms, attendant)
    return _show_outcome(invocation, outcome, dry_run=dry_run)


@click.command()
@click.argument("facilities", nargs=-1, required=True, metavar="FACILITY…", shell_complete=facilities_like)
@click.option("--commit", "commits", is_flag=True, help="Commit the edited files, and no other ones.")
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def keep(invocation: Invocation, facilities: tuple[str, ...], *, commits: bool, dry_run: bool, yes: bool) -> int:
    """Cancel a rotation: gateways keep their keys, relays drop the next ones.

    No viewer is cut. A gateway that uses its next key already cannot go back: finish its rotation.

    Example: provisioner -i DIR keys keep kcl-bg-001
    """
    refuse_both(dry_run=dry_run, commits=commits)
    if commits:
        committing(invocation.inventory)
    with stoppable() as stop:
        terms = KeyTerms(options=RunOptions(stop=stop), dry_run=dry_run)
        attendant = _Terminal(invocation, stop, terms, commits=commits, yes=yes, wait_s=0)
        request = KeyChangeRequest(facilities)
        outcome = keep_keys(lambda: session_of(invocation), edits_of(invocation), request, terms, attendant)
    return _show_outcome(invocation, outcome, dry_run=dry_run)


class _Terminal(StepTerminal):
    def __init__(
        self, invocation: Invocation, stop: Stop, terms: KeyTerms, *, commits: bool, yes: bool, wait_s: int
    ) -> None:
        super().__init__(invocation, stop, dry_run=terms.dry_run, commits=commits, yes=yes)
        self._until = time.monotonic() + wait_s
        self._is_waiting = False

    def begins(self, progress: KeyChangeProgress, edits: EditsOfMany) -> None:
        """Show progress and planned edits; ask."""
        self._say(progress_lines(progress, self._invocation.say))
        self._say(line for edit in edits.edits for line in diff_lines(edit))
        if edits.edits and not self._dry_run:
            self._ask_for_decision("Write these files?", "whether to write these files")

    def written(self, edits: Sequence[FileEdit], vault: Sequence[Path]) -> None:
        """Commit written files if requested."""
        if self._commits and (edits or vault):
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


def _show_outcome(invocation: Invocation, outcome: KeyOutcome, *, dry_run: bool) -> int:
    if invocation.json:
        progress = outcome.progress
        sites = {
            name: {"stage": stage, "relays": progress.relays.get(name, ())} for name, stage in progress.stages.items()
        }
        print_document(RotationDocument.made_of(outcome, dry_run=dry_run, sites=sites).plain)
    else:
        for line in rotation_ending(outcome, invocation.say, dry_run=dry_run):
            click.echo(printable(line))
    codes = [exit_code(applied.results) for applied in outcome.runs]
    codes += [1] if outcome.left_out else []
    codes += [INTERRUPTED] if outcome.interrupted else []
    return worst_of(0, *codes)
