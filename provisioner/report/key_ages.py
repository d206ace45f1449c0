"""How old keys are, as a table for people and as a document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from provisioner.base.clock import VIETNAM, local_iso
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.lifecycle.key_ages import KeyAge, KeyKind, KeyOrigin
from provisioner.report.names import some_of

_KINDS: Final = {
    KeyKind.GATEWAY: marked("gateway's key"),
    KeyKind.SHARED: marked("pre-shared key"),
    KeyKind.RELAY: marked("relay's key"),
    KeyKind.PUBLISH: marked("publish key"),
}
_ORIGINS: Final = {
    KeyOrigin.SITE: marked("born on the gateway"),
    KeyOrigin.CONTROLLER: marked("drawn here, handed over"),
    KeyOrigin.RELAY: marked("born on the relay"),
}
_NOT_RECORDED: Final = marked("not recorded")
_SHOWN: Final = 8
_DRAWS_ANEW: Final = "provisioner keys init"


def key_age_lines(ages: Sequence[KeyAge], now: datetime, say: Translator = ENGLISH) -> Iterator[str]:
    """A table of keys, and under it what is due, the worst first."""
    today = now.astimezone(VIETNAM).date()
    rows = [(say("of"), say("key"), say("origin"), say("age"), say("next due"))]
    rows += [_row(age, now, today, say) for age in ages]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from _ending(ages, today, say)


def _row(age: KeyAge, now: datetime, today: date, say: Translator) -> tuple[str, str, str, str, str]:
    days, short = age.days(now), f" {age.key[:_SHOWN]}…" if age.key else ""
    due = age.due.isoformat() if age.due else say(_NOT_RECORDED)
    if age.changing:
        due = say("being changed since {day}", day=age.changing.isoformat())
    elif age.is_due(today):
        due = say("{day}, overdue", day=due)
    grown = say(_NOT_RECORDED) if days is None else say.counted(days, "day")
    return age.owner, f"{say(_KINDS[age.kind])}{short}", say(_ORIGINS[age.origin]), grown, due


def _ending(ages: Sequence[KeyAge], today: date, say: Translator) -> Iterator[str]:
    due = [age for age in ages if age.is_due(today) and not age.changing]
    sites = sorted({age.owner for age in due if age.kind in {KeyKind.GATEWAY, KeyKind.SHARED}})
    relays = sorted({age.owner for age in due if age.kind is KeyKind.RELAY})
    if sites:
        line = marked("{sites} with a key that is overdue: {names}; change it: {command}")
        command = f"provisioner keys rotate {' '.join(sites[:5])}"
        yield say(line, sites=say.counted(len(sites), "site"), names=some_of(sites, say), command=command)
    if pushing := sorted({age.owner for age in due if age.kind is KeyKind.PUBLISH}):
        line = marked(
            "{sites} with logins to push that are overdue: {names}; take their keys out of publish_keys in the"
            " carrier's secrets, then: {command}"
        )
        yield say(line, sites=say.counted(len(pushing), "site"), names=some_of(pushing, say), command=_DRAWS_ANEW)
    if relays:
        line = marked("{relays} with a key that is overdue: {names}; change it: {command}")
        command = f"provisioner keys rotate --relay {relays[0]} --port PORT"
        yield say(line, relays=say.counted(len(relays), "relay"), names=some_of(relays, say), command=command)
    changing = sorted({age.owner for age in ages if age.changing and age.kind is not KeyKind.RELAY})
    yield from change_lines(changing, say)
    if moving := sorted({age.owner for age in ages if age.changing and age.kind is KeyKind.RELAY}):
        line = marked("{relays} with a change of its own key under way: {names}; who has moved: {command}")
        command = f"provisioner keys status --relay {moving[0]}"
        yield say(line, relays=say.counted(len(moving), "relay"), names=some_of(moving, say), command=command)
    if unknown := sum(age.since is None for age in ages):
        line = marked("of {keys} it is not recorded since when it is in use")
        yield say(line, keys=say.counted(unknown, "key"))
    if not (sites or relays or pushing or changing or moving or unknown):
        yield say("no key is overdue")


def change_lines(changing: Sequence[str], say: Translator = ENGLISH) -> Iterator[str]:
    """That changes of keys are under way at these sites, and how they go on."""
    if changing:
        line = marked("{sites} with a change of keys under way: {names}; go on: provisioner keys rotate --finish")
        yield say(line, sites=say.counted(len(changing), "site"), names=some_of(changing, say))


def key_ages_document(ages: Sequence[KeyAge], now: datetime, days: int) -> Document:
    """The document of `keys status`; what is not recorded is null, never guessed."""
    today = now.astimezone(VIETNAM).date()
    kinds = Counter(age.kind for age in ages)
    return {
        "schema": "provisioner/keys-status",
        "version": 1,
        "as_of": local_iso(now),
        "rotate_after_days": days,
        "counts": {kind.value: kinds[kind] for kind in KeyKind},
        "keys": [
            {
                "of": age.owner,
                "kind": age.kind.value,
                "origin": age.origin.value,
                "public_key": age.key or None,
                "since": local_iso(age.since) if age.since else None,
                "age_days": age.days(now),
                "due": age.due.isoformat() if age.due else None,
                "overdue": age.is_due(today),
                "changing_since": age.changing.isoformat() if age.changing else None,
            }
            for age in ages
        ],
    }
