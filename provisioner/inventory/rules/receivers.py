"""Rules on readers at centres, and on receivers of notices."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple

from provisioner.base.errors import RECEIVERS, Problem
from provisioner.base.roles import BOUND_TO, is_read
from provisioner.base.text import counted, is_loopback, msg
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.geography import SCHEMES, ProvinceError, by_slug, provinces
from provisioner.inventory.model.facility import Operating
from provisioner.inventory.model.hosts import Centre, Viewer
from provisioner.inventory.model.receivers import MailSecurity, Receiver, ReceiverKind
from provisioner.inventory.rules.view import View

#: Keys that only this kind of receiver has.
_NEEDS: Final = {
    ReceiverKind.WEBHOOK: ("url",),
    ReceiverKind.ALERTMANAGER: ("url",),
    ReceiverKind.SMTP: ("server", "port"),
}
_Given = tuple[Centre, KeyPath, tuple[str, ...]]  #: A centre, the path in its file, and the readable prefixes.
_WIDEST: Final = 8  #: No reader owns a network of more than sixteen million addresses.
_OF_HUB: Final = (8554, 8322, 9997)  #: As in `desired.spec`, which this module must not import.


class ReceiverFault(NamedTuple):
    """A fault of one receiver, with the parts of a problem."""

    path: KeyPath
    code: str
    message: str
    hint: str


def receivers_are_in_order(view: View) -> Iterator[Problem]:
    """A receiver's role names an existing object, and its kind is complete."""
    for index, receiver in enumerate(view.inventory.receivers):
        for fault in faults_of(receiver, view):
            message = msg("receiver {id}: {message}", receiver.id, fault.message)
            yield view.problem(RECEIVERS, (RECEIVERS, index, *fault.path), fault.code, message, fault.hint)


def receivers_have_names_of_their_own(view: View) -> Iterator[Problem]:
    """Receivers' ids are unique: secrets and sent notices refer to them."""
    counts = Counter[str]()
    for index, receiver in enumerate(view.inventory.receivers):
        counts[receiver.id] += 1
        if counts[receiver.id] > 1:
            message = msg("receiver {id} stands twice", receiver.id)
            path, hint = (RECEIVERS, index, "id"), "give one of the two another id"
            yield view.problem(RECEIVERS, path, "receiver-duplicate", message, hint)


def faults_of(receiver: Receiver, view: View) -> tuple[ReceiverFault, ...]:
    """Return all faults of one receiver."""
    return (*_faults_of_role(receiver, view), *_faults_of_kind(receiver))


def _faults_of_role(receiver: Receiver, view: View) -> Iterator[ReceiverFault]:
    wanted = BOUND_TO.get(receiver.role)
    for kind in receiver.of:
        if kind != wanted:
            scope = msg("is of a {wanted}", wanted) if wanted else "is of the whole country"
            message = msg("the role {role} {whose}, and not of a {kind}", receiver.role, scope, kind)
            yield ReceiverFault(
                (kind,), "receiver-role-unfit", message, msg("leave {kind} out, or correct the role", kind)
            )
    if wanted is None:
        return
    name = receiver.of.get(wanted)
    if name is None:
        message = msg("the role {role} needs a {wanted}: name one", receiver.role, wanted)
        yield ReceiverFault((), "receiver-role-unfit", message, msg("add '{wanted}: …'", wanted))
    elif fault := _ABSENT[wanted](receiver, name, view):
        yield fault


def _absent_province(receiver: Receiver, slug: str, view: View) -> ReceiverFault | None:
    scheme = view.inventory.scheme_of(receiver.province_scheme)
    try:
        by_slug(slug, scheme)
    except ProvinceError:
        other_scheme = next(
            (candidate for candidate in SCHEMES if any(p.slug == slug for p in provinces(candidate))), None
        )
        slugs = (province.slug for province in provinces(scheme))
        hint = view.did_you_mean(slug, slugs, "write the province's slug, e.g. bac-giang")
        if other_scheme:
            hint = msg("it is one of {other}: write province_scheme: {other_2} beside it", other_scheme, other_scheme)
        message = msg("{slug} is not a province of the scheme {value}", repr(slug), scheme.value)
        return ReceiverFault(("province",), "province-unknown", message, hint)
    return None


def _absent_carrier(_receiver: Receiver, name: str, view: View) -> ReceiverFault | None:
    if view.knows(f"carrier/{name}"):
        return None
    hint = view.did_you_mean(name, view.inventory.carriers, msg("write carriers/{name}.yml, or correct the name", name))
    return ReceiverFault(("carrier",), "carrier-unknown", msg("carrier {name} has no file", name), hint)


def _absent_facility(_receiver: Receiver, name: str, view: View) -> ReceiverFault | None:
    if name in view.outlines or f"facility/{name}" in view.broken:
        return None
    hint = view.did_you_mean(name, view.outlines, "correct the id, or take the receiver out with its facility")
    return ReceiverFault(("facility",), "facility-unknown", msg("facility {name} does not exist", name), hint)


_ABSENT: Final[dict[str, Callable[[Receiver, str, View], ReceiverFault | None]]] = {
    "province": _absent_province,
    "carrier": _absent_carrier,
    "facility": _absent_facility,
}


def _faults_of_kind(receiver: Receiver) -> Iterator[ReceiverFault]:
    needed = _NEEDS[receiver.kind]
    for key in needed:
        if getattr(receiver, key) is None:
            message = msg("a receiver of the kind {kind} needs {key}", receiver.kind, repr(key))
            yield ReceiverFault((), "receiver-incomplete", message, msg("add '{key}: …'", key))
    for key in sorted({key for keys in _NEEDS.values() for key in keys} - {*needed}):
        if getattr(receiver, key) is not None:
            message = msg("a receiver of the kind {kind} has no {key}", receiver.kind, repr(key))
            yield ReceiverFault(
                (key,), "receiver-incomplete", message, msg("leave {key} out, or correct the kind", key)
            )
    is_open = receiver.security is MailSecurity.NONE
    if receiver.kind is ReceiverKind.SMTP and is_open and not is_loopback(receiver.server or ""):
        message = "its mails would go over a network in the clear"
        hint = "write security: starttls or implicit; `none` is for a mail server on this machine"
        yield ReceiverFault(("security",), "receiver-in-the-clear", message, hint)


def secret_faults_of(receiver: Receiver, present: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield a receiver's missing secrets, with the values to write."""
    names = frozenset(present)
    if receiver.kind is ReceiverKind.WEBHOOK and "key" not in names:
        yield "its webhook has no key to sign with", "key: …, 32 random characters or more"
    if receiver.kind is ReceiverKind.SMTP:
        for name, fault in (("sender", "no sender's address"), ("addresses", "no address to write to")):
            if name not in names:
                yield msg("its mail has {what}", fault), f"{name}: …"
    if ("username" in names) != ("password" in names):
        yield "its login is half a login", "username: … and password: …"


def viewers_have_their_own_ids(view: View) -> Iterator[Problem]:
    """Viewers' ids are unique: a viewer is one MediaMTX user everywhere."""
    first: dict[str, tuple[str, KeyPath]] = {}
    for owner, path, _, viewer in _viewers(view):
        first_owner, first_path = first.setdefault(viewer.id, (owner, path))
        if (first_owner, first_path) != (owner, path):
            position = view.where(first_owner, *first_path, "id")
            message = msg("the viewer {id} is there twice; first in {place}", viewer.id, position)
            yield view.problem(owner, (*path, "id"), "viewer-duplicate", message, "give one of the two another id")


def _viewers(view: View) -> Iterator[tuple[str, KeyPath, Centre, Viewer]]:
    for owner, centre in view.centres():
        for index, viewer in enumerate(centre.viewers):
            yield owner, ("viewers", index), centre, viewer


def read_prefixes_exist(view: View) -> Iterator[Problem]:
    """A read prefix is an existing province or province/facility."""
    facilities = {f"{facility.province}/{name}" for name, facility in view.outlines.items()}
    facilities |= {part for move in view.inventory.settings.moved for part in (move.old, move.new)}
    unread = any(owner.startswith("facility/") for owner in view.broken)
    for centre, path, prefixes in _read_prefixes(view):
        every, earlier = frozenset(prefixes), set[str]()
        for index, prefix in enumerate(prefixes):
            position, owner = (*path, index), f"centre/{centre.id}"
            choices = facilities if "/" in prefix else _slugs()
            if prefix not in choices and not ("/" in prefix and unread):
                message = msg("reads names {prefix}, and there is no such facility", prefix)
                if "/" not in prefix:
                    message = msg("reads names {prefix}, which is no province", prefix)
                hint = view.did_you_mean(prefix, choices, "write a province's slug, or province/facility")
                yield view.problem(owner, position, "read-prefix-unknown", message, hint)
            is_covered = "/" in prefix and prefix.partition("/")[0] in every
            if is_covered or prefix in earlier:
                message, hint = msg("{prefix} may be read by another line already", prefix), "leave one of the two out"
                yield view.warning(owner, position, "read-prefix-twice", message, hint)
            earlier.add(prefix)


def _read_prefixes(view: View) -> Iterator[_Given]:
    for centre in view.inventory.centres.values():
        yield centre, ("reads",), centre.reads
        for index, viewer in enumerate(centre.viewers):
            yield centre, ("viewers", index, "reads"), viewer.reads


@cache
def _slugs() -> frozenset[str]:
    return frozenset(province.slug for scheme in SCHEMES for province in provinces(scheme))


def viewers_read_what_their_centre_reads(view: View) -> Iterator[Problem]:
    """A viewer reads at most what its centre may read."""
    for centre in view.inventory.centres.values():
        readable = frozenset(centre.reads)
        for number, viewer in enumerate(centre.viewers if centre.reads else ()):
            for index, prefix in enumerate(viewer.reads):
                if readable.isdisjoint({prefix, prefix.partition("/")[0]}):
                    message = msg("viewer {id} would read {prefix}, which the centre itself may not", viewer.id, prefix)
                    hint = msg("add {prefix} to the centre's reads, or take it from the viewer's", prefix)
                    path = ("viewers", number, "reads", index)
                    yield view.problem(f"centre/{centre.id}", path, "viewer-beyond-centre", message, hint)


def facilities_are_read_by_a_centre(view: View) -> Iterator[Problem]:
    """A centre may read each facility: `verify` proves paths at centres."""
    reading = {
        carrier.id: [view.inventory.centres[c] for c in carrier.centres if c in view.inventory.centres]
        for carrier in view.inventory.carriers.values()
    }
    partly = {name for name, centres in reading.items() if centres and all(centre.reads for centre in centres)}
    unread: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, _, facility, plan in view.plans() if partly else ():
        if plan.carrier in partly and plan.agreed and facility.operating is not Operating.CLOSED:
            beginning = f"{facility.province}/{facility.id}"
            if not any(is_read(beginning, centre.reads) for centre in reading[plan.carrier]):
                unread[plan.carrier, facility.province].append(facility.id)
    for (carrier, province), names in sorted(unread.items()):
        message = msg(
            "no centre of {carrier} may read {facilities} of {province}",
            carrier,
            counted(len(names), "facility"),
            province,
        )
        hint = msg(
            "add {province} to reads of one of its centres, or `verify` cannot prove these paths at a centre", province
        )
        centre = reading[carrier][0].id
        yield view.warning(f"centre/{centre}", ("reads",), "facility-read-by-nobody", message, hint)


def viewers_come_from_somewhere(view: View) -> Iterator[Problem]:
    """Viewers have networks at a hub; elsewhere they read from the centre."""
    for owner, path, centre, viewer in _viewers(view):
        if centre.hub is not None and not viewer.networks:
            message = msg("viewer {id} reads at a hub, but has no source network", viewer.id)
            hint = "write networks: the networks that it comes from"
            yield view.problem(owner, path, "viewer-without-networks", message, hint)
        if centre.hub is None and viewer.networks:
            message = msg(
                "viewer {id} has networks, and the centre is no hub: it comes from the centre itself", viewer.id
            )
            hint = "take networks out, or write hub"
            yield view.problem(owner, (*path, "networks"), "viewer-networks-unused", message, hint)
        for number, network in enumerate(viewer.networks):
            if network.prefixlen < _WIDEST:
                message = msg("viewer {id} may come from {network}, which is nearly anybody", viewer.id, network)
                hint = msg("write the networks that it really has, /{widest} or narrower", _WIDEST)
                yield view.problem(owner, (*path, "networks", number), "viewer-network-open", message, hint)


def hubs_can_serve(view: View) -> Iterator[Problem]:
    """A hub has its own host, a carrier, and free ports."""
    named = {centre for carrier in view.inventory.carriers.values() for centre in carrier.centres}
    unread = any(name.startswith("carrier/") for name in view.broken)
    for owner, centre in view.centres():
        if centre.hub is None:
            continue
        if centre.shared:
            message = "a hub's MediaMTX has one set of names and ports: the host cannot be shared"
            hint = "remove shared, or give the hub a host of its own"
            yield view.problem(owner, ("hub",), "hub-shared", message, hint)
        if centre.id not in named and not unread:
            message = "no carrier names it, so that its hub would have no paths"
            hint = "name it under centres of a carrier"
            yield view.problem(owner, ("hub",), "hub-without-carriers", message, hint)
        if centre.ssh.port in _OF_HUB:
            message = msg("port {port} is the hub's MediaMTX's, so that SSH cannot have it", centre.ssh.port)
            hint = "let sshd listen on another port, and write that"
            yield view.problem(owner, ("ssh", "port"), "ssh-port-taken", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    viewers_have_their_own_ids,
    read_prefixes_exist,
    viewers_read_what_their_centre_reads,
    facilities_are_read_by_a_centre,
    viewers_come_from_somewhere,
    hubs_can_serve,
    receivers_are_in_order,
    receivers_have_names_of_their_own,
)
