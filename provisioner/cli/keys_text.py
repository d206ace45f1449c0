"""What `keys rotate` and `keys keep` say, as text and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from provisioner.apply import HostOutcome
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.report.names import some_of
from provisioner.runs.rotation.course import KeyOutcome
from provisioner.runs.rotation.look import KeyLook, KeyStage

_WORDS: Final = {
    KeyStage.SEEN: marked("seen with the next key: the present one goes"),
    KeyStage.ENDING: marked("the new key is in the file, and the former one may be on a relay still"),
    KeyStage.STAGED: marked("relays know both keys, and the gateway was not seen with the next one"),
    KeyStage.UNSTAGED: marked("the next key is noted, and a relay has still to learn it"),
    KeyStage.UNREPORTED: marked("the gateway's next key is not reported yet"),
    KeyStage.NONE: marked("no change of keys under way"),
    KeyStage.UNREAD: marked("not known: a relay could not be read"),
}
_MOST: Final = 5


def stage_words(stage: KeyStage, say: Translator = ENGLISH) -> str:
    """How far a change of keys is, in a few words."""
    return say(_WORDS[stage])


def look_lines(look: KeyLook, say: Translator = ENGLISH) -> Iterator[str]:
    """How far changes are, before something is done."""
    for stage, words in _WORDS.items():
        if names := look.at(stage):
            yield f"  {say(words)}: {say.counted(len(names), 'site')}: {some_of(names, say)}"
    for name, why in look.left_out.items():
        yield "  " + say("left as it is: {facility}: {reason}", facility=name, reason=say.restated(why))


def rotation_ending(outcome: KeyOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    """The last lines, the worst first: what failed, what waits for whom, what is done."""
    look = outcome.look
    for name, why in outcome.left_out.items():
        yield say("left as it is: {facility}: {reason}", facility=name, reason=say.restated(why))
    failed = [r.host for run in outcome.runs for r in run.results if r.outcome not in _FINE]
    if failed:
        yield say("not applied: {names}; the same command goes on from there", names=some_of(failed, say))
    if dry_run:
        yield from look_lines(look, say)
        yield say("nothing was changed: leave --dry-run out to do it")
        return
    yield from _waiting(look, say)
    if outcome.ended:
        names = some_of(sorted(outcome.ended), say)
        yield say("{sites} with new keys alone: {names}", sites=say.counted(len(outcome.ended), "site"), names=names)
    if outcome.written:
        yield say("files were written: commit them")
    if not (outcome.written or outcome.runs or outcome.left_out or look.at(*_UNFINISHED)):
        yield say("nothing to do: no change of a gateway's key is under way")


_FINE: Final = frozenset({HostOutcome.APPLIED, HostOutcome.UNCHANGED})
_UNFINISHED: Final = (KeyStage.UNREPORTED, KeyStage.UNSTAGED, KeyStage.STAGED, KeyStage.SEEN, KeyStage.ENDING)


def _waiting(look: KeyLook, say: Translator) -> Iterator[str]:
    if names := look.at(KeyStage.UNREPORTED):
        package = f"provisioner site-package {' '.join(names[:_MOST])} --out DIR"
        line = marked(
            "{sites} without a reported key: {names}; hand its package out ({package}), and note what it prints:"
            " provisioner gateway set-key FACILITY KEY --next"
        )
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say), package=package)
    if names := look.at(KeyStage.UNSTAGED):
        line = marked("{sites} whose next key a relay has still to learn: {names}; the same command goes on")
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))
    if names := look.at(KeyStage.STAGED):
        line = marked(
            "{sites} may change to the next key: {names}; on the gateway: change-key.sh switch, of its package; then"
            " provisioner keys rotate --finish"
        )
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))
    if names := look.at(KeyStage.SEEN, KeyStage.ENDING):
        line = marked("{sites} with the next key, and the former one still there: {names}; the same command goes on")
        yield say(line, sites=say.counted(len(names), "site"), names=some_of(names, say))


def rotation_document(outcome: KeyOutcome, *, dry_run: bool) -> Document:
    """The document of a call."""
    look = outcome.look
    return {
        "schema": "provisioner/keys-rotate",
        "version": 1,
        "dry_run": dry_run,
        "sites": {
            name: {"stage": stage.value, "relays": list(look.relays.get(name, ()))}
            for name, stage in sorted(look.stages.items())
        },
        "begun": sorted(outcome.begun),
        "ended": sorted(outcome.ended),
        "left_out": dict(sorted(outcome.left_out.items())),
        "runs": [{"run": run.run, "hosts": {r.host: r.outcome.value for r in run.results}} for run in outcome.runs],
        "written": sorted({str(path) for path in outcome.written}),
        "interrupted": outcome.interrupted,
    }
