"""Rules on receivers: each names what is there, has what its kind needs, and nothing that another kind needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from provisioner.base.diagnostics import RECEIVERS, Problem
from provisioner.base.nearest import did_you_mean
from provisioner.base.roles import BOUND_TO
from provisioner.base.url import is_loopback
from provisioner.geography import SCHEMES, ProvinceError, by_slug, provinces
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import MailSecurity, Receiver, ReceiverKind
from provisioner.inventory.rules.view import View

_NEEDS: Final = {
    ReceiverKind.WEBHOOK: ("url",),
    ReceiverKind.ALERTMANAGER: ("url",),
    ReceiverKind.SMTP: ("server", "port"),
}
"""The keys that a kind of receiver has, and no other kind."""


class ReceiverFault(NamedTuple):
    """What is wrong with one receiver: the key that it is about, and what any problem says."""

    path: KeyPath
    code: str
    message: str
    hint: str


def receivers_are_in_order(view: View) -> Iterator[Problem]:
    """A receiver reads in the name of somebody who is there, and can be told."""
    for index, receiver in enumerate(view.inventory.receivers):
        for fault in faults_of(receiver, view):
            message = f"receiver {receiver.id}: {fault.message}"
            yield view.problem(RECEIVERS, (RECEIVERS, index, *fault.path), fault.code, message, fault.hint)


def receivers_have_names_of_their_own(view: View) -> Iterator[Problem]:
    """Two receivers have two names: their secrets, and what they were told last, stand under them."""
    counts = Counter[str]()
    for index, receiver in enumerate(view.inventory.receivers):
        counts[receiver.id] += 1
        if counts[receiver.id] > 1:
            message = f"receiver {receiver.id} stands twice"
            path, hint = (RECEIVERS, index, "id"), "give one of the two another id"
            yield view.problem(RECEIVERS, path, "receiver-duplicate", message, hint)


def faults_of(receiver: Receiver, view: View) -> tuple[ReceiverFault, ...]:
    """All that is wrong with a receiver by itself; one that has none may be told."""
    return (*_faults_of_role(receiver, view), *_faults_of_kind(receiver))


def _faults_of_role(receiver: Receiver, view: View) -> Iterator[ReceiverFault]:
    wanted = BOUND_TO.get(receiver.role)
    for kind in receiver.of:
        if kind != wanted:
            whose = f"is of a {wanted}" if wanted else "is of the whole country"
            message = f"the role {receiver.role} {whose}, and not of a {kind}"
            yield ReceiverFault((kind,), "receiver-role-unfit", message, f"leave {kind} out, or correct the role")
    if wanted is None:
        return
    name = receiver.of.get(wanted)
    if name is None:
        message = f"the role {receiver.role} is of a {wanted}, and none is named"
        yield ReceiverFault((), "receiver-role-unfit", message, f"add '{wanted}: …'")
    elif fault := _ABSENT[wanted](receiver, name, view):
        yield fault


def _absent_province(receiver: Receiver, slug: str, view: View) -> ReceiverFault | None:
    scheme = view.inventory.scheme_of(receiver.province_scheme)
    try:
        by_slug(slug, scheme)
    except ProvinceError:
        other = next((one for one in SCHEMES if any(p.slug == slug for p in provinces(one))), None)
        known = (province.slug for province in provinces(scheme))
        hint = did_you_mean(slug, known, "write the province's slug, e.g. bac-giang")
        if other:
            hint = f"it is one of {other}: write province_scheme: {other} beside it"
        message = f"{slug!r} is not a province of the scheme {scheme.value}"
        return ReceiverFault(("province",), "province-unknown", message, hint)
    return None


def _absent_carrier(_receiver: Receiver, name: str, view: View) -> ReceiverFault | None:
    if view.knows(f"carrier/{name}"):
        return None
    hint = did_you_mean(name, view.inventory.carriers, f"write carriers/{name}.yml, or correct the name")
    return ReceiverFault(("carrier",), "carrier-unknown", f"carrier {name} has no file", hint)


def _absent_facility(_receiver: Receiver, name: str, view: View) -> ReceiverFault | None:
    if name in view.outlines or f"facility/{name}" in view.broken:
        return None
    hint = did_you_mean(name, view.outlines, "correct the id, or take the receiver out with its facility")
    return ReceiverFault(("facility",), "facility-unknown", f"facility {name} does not exist", hint)


_ABSENT: Final[dict[str, Callable[[Receiver, str, View], ReceiverFault | None]]] = {
    "province": _absent_province,
    "carrier": _absent_carrier,
    "facility": _absent_facility,
}


def _faults_of_kind(receiver: Receiver) -> Iterator[ReceiverFault]:
    needed = _NEEDS[receiver.kind]
    for key in needed:
        if getattr(receiver, key) is None:
            message = f"a receiver of the kind {receiver.kind} needs {key!r}"
            yield ReceiverFault((), "receiver-incomplete", message, f"add '{key}: …'")
    for key in sorted({key for keys in _NEEDS.values() for key in keys} - {*needed}):
        if getattr(receiver, key) is not None:
            message = f"a receiver of the kind {receiver.kind} has no {key!r}"
            yield ReceiverFault((key,), "receiver-incomplete", message, f"leave {key} out, or correct the kind")
    is_open = receiver.security is MailSecurity.NONE
    if receiver.kind is ReceiverKind.SMTP and is_open and not is_loopback(receiver.server or ""):
        message = "its mails would go over a network in the clear"
        hint = "write security: starttls or implicit; none is for a mail server on this machine"
        yield ReceiverFault(("security",), "receiver-in-the-clear", message, hint)


def secret_faults_of(receiver: Receiver, has: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What a receiver lacks in `secrets/receivers.yml`: what is missing, and what to write.

    Args:
        receiver: the receiver.
        has: the names of what stands there for it.
    """
    held = frozenset(has)
    if receiver.kind is ReceiverKind.WEBHOOK and "key" not in held:
        yield "its webhook has no key to sign with", "key: …, 32 random characters or more"
    if receiver.kind is ReceiverKind.SMTP:
        for name, what in (("sender", "no sender's address"), ("addresses", "no address to write to")):
            if name not in held:
                yield f"its mail has {what}", f"{name}: …"
    if ("username" in held) != ("password" in held):
        yield "its login is half a login", "username: … and password: …"


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (receivers_are_in_order, receivers_have_names_of_their_own)
