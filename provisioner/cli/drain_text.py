"""What `relay drain` says, as text and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.desired.spec import RTSP_PORT
from provisioner.inventory.operations.relay_drain import DrainEdits
from provisioner.plan.guards.measures import named
from provisioner.runs.drain.course import DrainEnd, DrainOutcome
from provisioner.runs.drain.look import DrainLook
from provisioner.runs.drain.proof import SiteProof

_MOST_PATHS = 5


def begun_lines(look: DrainLook, begun: DrainEdits) -> Iterator[str]:
    """What a drain does and whom it cuts, before somebody is asked."""
    relay, to = look.order.relay, look.order.to
    sites, paths = counted(len(look.paths), "site"), counted(sum(look.paths.values()), "path")
    yield f"{relay} is emptied onto {to}: it carries {sites}, {paths}"
    yield from _standing(look)
    for facility, reason in begun.stays.items():
        yield f"  stays: {facility}: {reason}"
    readers = _readers(sum(look.viewers.values()))
    yield f"cut: nothing before a site is proved at {to}; then its readers at {relay}, once ({readers} there now)"
    yield f"  they read on at rtsp://{look.address}:{RTSP_PORT}, which has their paths by then, under the same names"
    yield "  until a site is let go both relays pull its devices: twice the line, two sessions each"


def _readers(number: int) -> str:
    return counted(number, "reader")


def _standing(look: DrainLook) -> Iterator[str]:
    relay, to = look.order.relay, look.order.to
    groups = (
        (look.unsigned, "to be signed by all parties"),
        (look.waiting, f"to be carried by {to} as well"),
        (look.unseen, f"carried by both, and their gateways were never seen at {to}"),
        (look.both, "carried by both, with the gateway at both"),
        (look.leaving, f"of {to} by their files, and still held by {relay}"),
    )
    for names, what in groups:
        if names:
            yield f"  {what}: {counted(len(names), 'site')}: {named(names)}"


def letting_go_lines(look: DrainLook, waves: Sequence[Sequence[str]]) -> Iterator[str]:
    """Who is cut when the old relay lets sites go, before somebody is asked."""
    relay, to = look.order.relay, look.order.to
    sites = {name for wave in waves for name in wave}
    of_waves = ", ".join(str(len(wave)) for wave in waves)
    yield f"{relay} lets go of {counted(len(sites), 'site')} in waves of {of_waves}; {to} serves all of their paths"
    cut = {path: number for path, number in look.viewers.items() if path.split("/")[1] in sites}
    for path, number in list(cut.items())[:_MOST_PATHS]:
        yield f"  {_readers(number)} of {path} there: read on at rtsp://{look.address}:{RTSP_PORT}/{path}"
    if len(cut) > _MOST_PATHS:
        yield f"  and those of {counted(len(cut) - _MOST_PATHS, 'more path')}"
    if not cut:
        yield f"  nobody reads them at {relay} now"


def proof_lines(proofs: Mapping[str, SiteProof], to: str) -> Iterator[str]:
    """What a verification over both relays says of each site."""
    for facility, proof in sorted(proofs.items()):
        if proof.is_given:
            rest = f"; {counted(len(proof.not_up), 'path')} not up, as before" if proof.not_up else ""
            yield f"{facility}: proved over {to}{rest}"
        elif not proof.reached:
            yield f"{facility}: its gateway does not reach {to} now"
        else:
            worse = [f"{path} ({why})" for path, why in proof.worse.items()]
            yield f"{facility}: {counted(len(worse), 'path')} worse over {to}: {named(worse)}"


def drain_ending(outcome: DrainOutcome, *, dry_run: bool) -> Iterator[str]:
    """The last lines: the worst first, each with what to do next."""
    look, begun = outcome.look, outcome.begun
    relay, to = look.order.relay, look.order.to
    again = f"provisioner relay drain {relay} --to {to}"
    if dry_run:
        yield f"nothing was changed; to do it: {again}"
        return
    yield from _stopped(outcome, again)
    if outcome.moved:
        yield f"{relay} has let go of {counted(len(outcome.moved), 'site')}: {named(outcome.moved)}"
        yield "  their gateways still know it, which hurts nobody: their next site package leaves it out"
    yield from _next_steps(outcome, again)
    if look.is_over and not begun.stays and not outcome.stopped:
        yield f"{relay} carries nothing any more"
        yield f"next: provisioner hosts decommission {relay}"


def _stopped(outcome: DrainOutcome, again: str) -> Iterator[str]:
    look = outcome.look
    relay, to = look.order.relay, look.order.to
    match outcome.end:
        case DrainEnd.FAILED:
            yield f"a relay was not changed, see above; nothing of it is lost; mend that, then {again}"
        case DrainEnd.WORSE:
            yield f"paths came worse after {relay} had let go: look at provisioner verify --limit host={to}"
            yield f"  provisioner rollback {relay} has them back there; provisioner facility move FACILITY --to {relay}"
        case DrainEnd.UNPROVED:
            yield f"{relay} keeps what it has: not all that {to} is to have alone is proved: {named(look.leaving)}"
            yield f"  let it come, and {again}; or give it back: provisioner facility move FACILITY --to {relay}"
        case DrainEnd.REFUSED:
            yield f"a step was refused, see above; what was done before it stays; mend that, then {again}"
        case DrainEnd.INTERRUPTED:
            yield f"interrupted between two steps: {again} goes on"
        case DrainEnd.DONE:
            pass


def _next_steps(outcome: DrainOutcome, again: str) -> Iterator[str]:
    look = outcome.look
    for facility, reason in outcome.begun.stays.items():
        yield f"stays: {facility}: {reason}"
    for facility in look.unsigned[:_MOST_PATHS]:
        yield f"to be signed: provisioner sign-off {facility} --successor --all-parties --source SOURCE"
    if len(look.unsigned) > _MOST_PATHS:
        yield f"  and {len(look.unsigned) - _MOST_PATHS} more; or all at once: {again} --source SOURCE"
    if look.unseen:
        yield f"a package with both relays, without a cut: {counted(len(look.unseen), 'site')}: {named(look.unseen)}"
        yield f"  provisioner site-package {' '.join(look.unseen[:_MOST_PATHS])} --out DIR"
    unproved = [name for name in look.both if name in outcome.proofs]
    if unproved:
        yield f"stay on both relays until they are proved: {named(unproved)}"
    if not look.is_over:
        yield f"afterwards: {again}"


def drain_document(outcome: DrainOutcome, *, dry_run: bool) -> Document:
    """The JSON document of a call."""
    look, begun = outcome.look, outcome.begun
    return {
        "schema": "provisioner/relay-drain",
        "version": 1,
        "relay": look.order.relay,
        "to": look.order.to,
        "dry_run": dry_run,
        "end": outcome.end.value,
        "refusal": outcome.refusal.message if outcome.refusal else None,
        "done": look.is_over and not begun.stays and not (dry_run and begun.edits),
        "files": [{"file": str(edit.path), "diff": list(edit.diff), "written": not dry_run} for edit in begun.edits],
        "stays": dict(begun.stays),
        "unsigned": list(look.unsigned),
        "waiting": list(look.waiting),
        "unseen": list(look.unseen),
        "both": list(look.both),
        "leaving": list(look.leaving),
        "moved": list(outcome.moved),
        "proofs": {
            name: {"given": proof.is_given, "reached": proof.reached, "worse": dict(proof.worse)}
            for name, proof in sorted(outcome.proofs.items())
        },
        "viewers": dict(look.viewers),
        "read_on_at": f"{look.address}:{RTSP_PORT}",
        "runs": [applied.run for applied in outcome.runs],
    }
