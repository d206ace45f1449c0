"""Rules on intents: each has a name of its own, and is about something that is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from provisioner.base.diagnostics import Problem
from provisioner.base.nearest import did_you_mean
from provisioner.inventory.model import Service
from provisioner.inventory.rules.view import View

_OWNER = "intents"
_OF_HOSTS = frozenset({Service.SSH, Service.TUNNEL, Service.VIDEO, Service.API, Service.OTHER})
_OF_SITES = frozenset({Service.CAMERAS, Service.ONVIF, Service.OTHER})
_SITES = ("sites", "site", "province")


def intents_have_their_own_ids(view: View) -> Iterator[Problem]:
    """A refusal names an intent by its id."""
    times = Counter(intent.id for intent in view.inventory.intents)
    for index, intent in enumerate(view.inventory.intents):
        if times[intent.id] > 1:
            message, hint = f"intent {intent.id} is there {times[intent.id]} times", "give each intent an id of its own"
            yield view.problem(_OWNER, ("intents", index, "id"), "intent-twice", message, hint)


def intents_name_what_is_there(view: View) -> Iterator[Problem]:
    """What an intent names exists: a misspelt one would hold nothing back, and look as if it did."""
    for index, intent in enumerate(view.inventory.intents):
        word = "allow" if intent.allow else "deny"
        for key, places in (("from", intent.traffic.sources), ("to", intent.traffic.targets)):
            for number, place in enumerate(places):
                kind, slash, of = place.partition("/")
                if slash and not _is_there(view, kind, of):
                    message = f"intent {intent.id}: {kind} {of} does not exist"
                    hint = did_you_mean(of, sorted(_known(view, kind)), "correct the id, or leave it out")
                    path = ("intents", index, word, key, number)
                    yield view.problem(_OWNER, path, "intent-name-unknown", message, hint)


def _known(view: View, kind: str) -> set[str]:
    inventory = view.inventory
    known: dict[str, set[str]] = {
        "site": set(view.outlines),
        "province": {outline.province for outline in view.outlines.values()},
        "relay": set(inventory.relays),
        "centre": set(inventory.centres),
        "management": {*inventory.carriers, *inventory.centres},
    }
    return known[kind]


def _is_there(view: View, kind: str, of: str) -> bool:
    if of in _known(view, kind):
        return True
    # What could not be read may have it.
    broken = {"site": "facility/", "province": "facility/", "relay": "carrier/", "centre": "centre/"}.get(kind, "c")
    return any(owner.startswith(broken) for owner in view.broken)


def intents_ask_for_what_may_be_there(view: View) -> Iterator[Problem]:
    """A service that none of the targets can have is a slip of the pen: the intent would be about nothing."""
    for index, intent in enumerate(view.inventory.intents):
        word, traffic = "allow" if intent.allow else "deny", intent.traffic
        offered: set[Service] = set()
        for place in traffic.targets:
            kind = place.partition("/")[0]
            offered |= _OF_SITES if kind in _SITES else _OF_HOSTS if kind != "internet" else {Service.OTHER}
        for number, service in enumerate(traffic.services):
            if service not in offered:
                message = f"intent {intent.id}: {', '.join(traffic.targets)} has no service {service.value}"
                hint = f"services there are {', '.join(sorted(one.value for one in offered))}"
                path = ("intents", index, word, "services", number)
                yield view.problem(_OWNER, path, "intent-service-unknown", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    intents_have_their_own_ids,
    intents_name_what_is_there,
    intents_ask_for_what_may_be_there,
)
