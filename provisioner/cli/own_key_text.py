"""What `keys rotate --relay` and `keys status --relay` say, as text and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from provisioner.apply import HostOutcome
from provisioner.base.clock import local_iso
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.inventory.model import OwnKeyStage
from provisioner.report.names import some_of
from provisioner.runs.rotation.own_key import OwnKeyOutcome
from provisioner.runs.rotation.own_key_look import OwnKeyLook

_FINE: Final = frozenset({HostOutcome.APPLIED, HostOutcome.UNCHANGED})
_STAGES: Final = {
    OwnKeyStage.BEGUN: marked("packages and centres have the present key"),
    OwnKeyStage.MOVING: marked("packages and centres have the next key"),
    OwnKeyStage.ENDING: marked("the next key becomes the relay's only one"),
}
_ASKED: Final = {
    "begin": marked(
        "{relay} answers with a next key beside its own one, and then its centres have that; nobody is cut"
    ),
    "finish": marked("{relay} has its next key alone from now on; who was not seen with it is dark"),
    "cancel": marked("packages and centres of {relay} have its present key again, and then the next one goes"),
}
_SHOWN: Final = 8


def asked_lines(look: OwnKeyLook, what: str, say: Translator = ENGLISH) -> Iterator[str]:
    """How far a change is, and what comes now."""
    yield from own_key_lines(look, say)
    yield "  " + say(_ASKED[what], relay=look.relay)


def own_key_lines(look: OwnKeyLook, say: Translator = ENGLISH) -> Iterator[str]:
    """How far the change of a relay's own key is, with who has not moved."""
    following = look.following
    if following is None:
        line = marked("{relay} answers with a next key of which the lock knows nothing: --cancel ends that")
        none = marked("no change of the key of {relay} is under way")
        yield "  " + say(line if look.remains else none, relay=look.relay)
        return
    line = marked("{relay} changes its own key since {day}: next key {key}, at port {port}; {stage}")
    yield "  " + say(
        line,
        relay=look.relay,
        day=following.since.isoformat(),
        key=f"{following.public_key[:_SHOWN]}…",
        port=str(following.port),
        stage=say(_STAGES[following.stage]),
    )
    if not look.answers:
        yield "  " + say("the relay does not answer with it yet: the same command goes on")
        return
    yield "  " + say("seen with the next key: {names}", names=some_of(sorted(look.moved), say) or say("nobody"))
    if look.waiting:
        yield "  " + say("not seen with it: {names}", names=some_of(sorted(look.waiting), say))


def own_key_ending(outcome: OwnKeyOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    """The last lines, the worst first: what failed, what waits for whom, what is done."""
    look = outcome.look
    failed = [r.host for run in outcome.runs for r in run.results if r.outcome not in _FINE]
    if failed:
        yield say("not applied: {names}; the same command goes on from there", names=some_of(failed, say))
    elif outcome.is_unfinished:
        yield say("not at its end: the same command goes on from there")
    if dry_run:
        yield from own_key_lines(look, say)
        yield say("nothing was changed: leave --dry-run out to do it")
        return
    if outcome.is_over:
        yield say("no change of the key of {relay} is under way any more", relay=look.relay)
    elif look.following is not None and not outcome.is_unfinished:
        yield from own_key_lines(look, say)
        if sites := look.sites_waiting:
            line = marked(
                "{sites} to be moved: make their packages (provisioner site-package FACILITY --out DIR), have them"
                " installed, then: provisioner keys rotate --relay {relay} --finish"
            )
            yield say(line, sites=say.counted(len(sites), "site"), relay=look.relay)
        elif not look.waiting:
            yield say("all have moved: provisioner keys rotate --relay {relay} --finish", relay=look.relay)
    if outcome.written:
        yield say("files were written: commit them")


def own_key_document(outcome: OwnKeyOutcome, *, dry_run: bool) -> Document:
    """The document of a call."""
    return {
        "schema": "provisioner/keys-rotate-relay",
        "version": 1,
        "dry_run": dry_run,
        **look_document(outcome.look),
        "over": outcome.is_over,
        "unfinished": outcome.is_unfinished,
        "runs": [{"run": run.run, "hosts": {r.host: r.outcome.value for r in run.results}} for run in outcome.runs],
        "written": sorted({str(path) for path in outcome.written}),
        "interrupted": outcome.interrupted,
    }


def look_document(look: OwnKeyLook) -> Document:
    """How far the change of a relay's own key is, as a part of documents."""
    following = look.following
    return {
        "relay": look.relay,
        "stage": following.stage.value if following else None,
        "next_key": following.public_key if following else None,
        "port": following.port if following else None,
        "since": following.since.isoformat() if following else None,
        "answers": look.answers,
        "moved": {
            name: local_iso(datetime.fromtimestamp(at, UTC)) if at else None for name, at in sorted(look.moved.items())
        },
        "waiting": sorted(look.waiting),
    }
