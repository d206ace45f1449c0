"""What `relay drain` says, as text and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.inventory.operations.relay_drain import DrainEdits
from provisioner.report.names import some_of
from provisioner.runs.drain.course import DrainEnd, DrainOutcome
from provisioner.runs.drain.look import DrainLook
from provisioner.runs.drain.proof import SiteProof

_MOST_PATHS = 5


def begun_lines(look: DrainLook, begun: DrainEdits, say: Translator = ENGLISH) -> Iterator[str]:
    """What a drain does and whom it cuts, before somebody is asked."""
    relay, to = look.order.relay, look.order.to
    sites, paths = say.counted(len(look.paths), "site"), say.counted(sum(look.paths.values()), "path")
    yield say("{relay} is emptied onto {to}: it carries {sites}, {paths}", relay=relay, to=to, sites=sites, paths=paths)
    yield from _standing(look, say)
    yield from (f"  {line}" for line in _stays(begun, say))
    readers = say.counted(sum(look.viewers.values()), "reader")
    cut = marked(
        "cut: nothing before a site is proved at {to}; then its readers at {relay}, once ({readers} there now)"
    )
    yield say(cut, to=to, relay=relay, readers=readers)
    address = look.read_on
    there = marked("they read on at {address}, which has their paths by then, under the same names")
    yield "  " + say(there, address=address)
    yield "  " + say("until a site is let go both relays pull its devices: twice the line, two sessions each")


def _stays(begun: DrainEdits, say: Translator) -> Iterator[str]:
    for facility, reason in begun.stays.items():
        yield say("stays: {facility}: {reason}", facility=facility, reason=say.restated(reason))


def _standing(look: DrainLook, say: Translator) -> Iterator[str]:
    relay, to = look.order.relay, look.order.to
    groups = (
        (look.unsigned, say("to be signed by all parties")),
        (look.waiting, say("to be carried by {to} as well", to=to)),
        (look.unseen, say("carried by both, and their gateways were never seen at {to}", to=to)),
        (look.both, say("carried by both, with the gateway at both")),
        (look.leaving, say("of {to} by their files, and still held by {relay}", to=to, relay=relay)),
    )
    for names, what in groups:
        if names:
            yield f"  {what}: {say.counted(len(names), 'site')}: {some_of(names, say)}"


def letting_go_lines(look: DrainLook, waves: Sequence[Sequence[str]], say: Translator = ENGLISH) -> Iterator[str]:
    """Who is cut when the old relay lets sites go, before somebody is asked."""
    relay, to = look.order.relay, look.order.to
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
        yield "  " + say("nobody reads them at {relay} now", relay=relay)


def proof_lines(proofs: Mapping[str, SiteProof], to: str, say: Translator = ENGLISH) -> Iterator[str]:
    """What a verification over both relays says of each site."""
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


def drain_ending(outcome: DrainOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    """The last lines: the worst first, each with what to do next."""
    look, begun = outcome.look, outcome.begun
    relay, to = look.order.relay, look.order.to
    again = f"provisioner relay drain {relay} --to {to}"
    if dry_run:
        yield say("nothing was changed; to do it: {command}", command=again)
        return
    yield from _stopped(outcome, again, say)
    if outcome.moved:
        sites = say.counted(len(outcome.moved), "site")
        yield say("{relay} has let go of {sites}: {names}", relay=relay, sites=sites, names=some_of(outcome.moved, say))
        yield "  " + say("their gateways still know it, which hurts nobody: their next site package leaves it out")
    yield from _next_steps(outcome, again, say)
    if look.is_over and not begun.stays and not outcome.stopped:
        yield say("{relay} carries nothing any more", relay=relay)
        yield say("next: {command}", command=f"provisioner hosts decommission {relay}")


def _stopped(outcome: DrainOutcome, again: str, say: Translator) -> Iterator[str]:
    look = outcome.look
    relay, to = look.order.relay, look.order.to
    back = f"provisioner facility move FACILITY --to {relay}"
    match outcome.end:
        case DrainEnd.FAILED:
            line = marked("a relay was not changed, see above; nothing of it is lost; mend that, then {command}")
            yield say(line, command=again)
        case DrainEnd.WORSE:
            look_at = f"provisioner verify --limit host={to}"
            yield say("paths came worse after {relay} had let go: look at {command}", relay=relay, command=look_at)
            rollback = f"provisioner rollback {relay}"
            yield "  " + say("{rollback} has them back there; {command}", rollback=rollback, command=back)
        case DrainEnd.UNPROVED:
            line = marked("{relay} keeps what it has: not all that {to} is to have alone is proved: {names}")
            yield say(line, relay=relay, to=to, names=some_of(look.leaving, say))
            yield "  " + say("let it come, and {command}; or give it back: {back}", command=again, back=back)
        case DrainEnd.REFUSED:
            line = marked("a step was refused, see above; what was done before it stays; mend that, then {command}")
            yield say(line, command=again)
        case DrainEnd.INTERRUPTED:
            yield say("interrupted between two steps: {command} goes on", command=again)
        case DrainEnd.DONE:
            pass


def _next_steps(outcome: DrainOutcome, again: str, say: Translator) -> Iterator[str]:
    look = outcome.look
    yield from _stays(outcome.begun, say)
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
        "read_on_at": f"{look.address}:{look.port}",
        "runs": [applied.run for applied in outcome.runs],
    }
