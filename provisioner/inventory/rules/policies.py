"""Rules on what holds a plan back: freeze windows, protected objects, ids that became others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.model import Move
from provisioner.inventory.moves import old_names
from provisioner.inventory.outline import Outline
from provisioner.inventory.rules.allocated import ALLOCATION_MISSING
from provisioner.inventory.rules.view import View

_RUN_ALLOCATE = "run `provisioner allocate` and commit allocations.lock.yml"


def windows_have_an_end(view: View) -> Iterator[Problem]:
    """A freeze ends after it begins."""
    for index, window in enumerate(view.inventory.settings.policy.freeze):
        if window.until <= window.begin:
            message = f"the freeze ends at {window.until:%Y-%m-%dT%H:%M}, which is not after its beginning"
            path = ("policy", "freeze", index, "until")
            yield view.problem("inventory", path, "freeze-in-disorder", message, "correct one of the two moments")


# --- protected objects ----------------------------------------------------------------------------


def _protected(view: View) -> dict[str, bool]:
    """What could be protected, and whether it is."""
    protected = {f"facility/{name}": facility.protected for name, facility in view.outlines.items()}
    protected |= {f"relay/{name}": relay.protected for name, (_, relay) in view.inventory.relays.items()}
    return protected | {f"centre/{name}": centre.protected for name, centre in view.inventory.centres.items()}


def protected_objects_stay(view: View) -> Iterator[Problem]:
    """What is protected is not deleted: its block says no more what it was, the lock does."""
    there = _protected(view)
    # Files of facilities and centres are named by their ids; a relay may be in any carrier's.
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    moved = {f"facility/{_parts(m.old)[1]}" for m in view.inventory.settings.moved}
    for index, mark in enumerate(view.inventory.allocations.protected):
        kind, _, name = mark.partition("/")
        if mark in there or mark in view.broken or (kind == "relay" and unread) or mark in moved:
            continue
        message = f"{mark.replace('/', ' ', 1)} is protected, and it is not in the inventory any more"
        hint = (
            "take it back from Git; to remove it, first write `protected: false` into its block, run `provisioner"
            " allocate`, and have that reviewed"
        )
        named = (name,) if kind == "facility" else ()
        yield view.problem("allocations", ("protected", index), "protected-removed", message, hint, concerns=named)


def protections_are_recorded(view: View) -> Iterator[Problem]:
    """The lock knows what is protected: a block that is deleted cannot say it."""
    marks = set(view.inventory.allocations.protected)
    for name, is_protected in sorted(_protected(view).items()):
        if is_protected == (name in marks):
            continue
        label = name.replace("/", " ", 1)
        message = f"{label} is protected, and the lock does not know it"
        if not is_protected:
            message = f"{label} is not protected any more, and the lock says that it is"
        concerns = (label.partition(" ")[2],) if name.startswith("facility/") else ()
        yield view.problem("allocations", (), ALLOCATION_MISSING, message, _RUN_ALLOCATE, concerns=concerns)


# --- ids that became others -----------------------------------------------------------------------


def _parts(prefix: str) -> list[str]:
    return prefix.split("/")


def moves_are_sound(view: View) -> Iterator[Problem]:
    """An id becomes another one of its kind, that is there; the old one is not there any more."""
    olds, news = (
        Counter(m.old for m in view.inventory.settings.moved),
        Counter(m.new for m in view.inventory.settings.moved),
    )
    for index, move in enumerate(view.inventory.settings.moved):
        fault = _shape(move) or _target(view, move) or _source(view, move) or _circle(view, move)
        if fault is None and (olds[move.old] > 1 or news[move.new] > 1):
            fault = ("from" if olds[move.old] > 1 else "to", "is named by two entries", "one id becomes one other id")
        if fault is not None:
            key, message, hint = fault
            named = move.old if key == "from" else move.new
            text = f"moved: {named} {message}"
            about_them = fault in {_UNREAD, _STILL} or (fault == _GONE and view.once_here(_parts(move.new)[1]))
            both = _facilities(move) if about_them else ()
            yield view.problem("inventory", ("moved", index, key), "move-unsound", text, hint, concerns=both)


def _facilities(move: Move) -> tuple[str, ...]:
    return tuple(sorted({_parts(move.old)[1], _parts(move.new)[1]}))


Fault = tuple[str, str, str]
"""A key of the entry, what is wrong, what to do."""

_GONE: Fault = ("to", "does not exist", "write the id that it has now, or remove the entry")
_STILL: Fault = ("from", "is still there", "rename it, or remove the entry")
_UNREAD: Fault = ("from", "has a file still, which cannot be read", "correct that file, rename it, or remove the entry")


def _shape(move: Move) -> Fault | None:
    old, new = _parts(move.old), _parts(move.new)
    if len(old) != len(new):
        return "to", f"is not of the kind of {move.old}", "a facility becomes a facility, a device a device"
    if len(old) == 3 and old[:2] != new[:2]:  # noqa: PLR2004 (province, facility, device)
        return "to", f"is in another facility than {move.old}", "a device that went elsewhere is a new device there"
    return None


def _target(view: View, move: Move) -> Fault | None:
    province, facility, *_ = _parts(move.new)
    outline = view.outlines.get(facility)
    if outline is None and f"facility/{facility}" not in view.broken:
        return _GONE
    if outline is not None and outline.province != province:
        hint = f"write {outline.province}/{facility}"
        return "to", f"does not exist: facility {facility} is in {outline.province}", hint
    return None


def _source(view: View, move: Move) -> Fault | None:
    province, facility, *device = _parts(move.old)
    outline, owner = view.outlines.get(facility), f"facility/{facility}"
    if not device and outline is None and owner in view.broken and owner in view.places.sources:
        return _UNREAD
    still = outline is not None and outline.province == province and (not device or device[0] in outline.devices)
    return _STILL if still else None


def _circle(view: View, move: Move) -> Fault | None:
    before = old_names(view.inventory.settings.moved, move.new)
    return (
        ("from", "comes from itself", "remove the older entry") if move.new in before or move.old == move.new else None
    )


def moves_end(view: View) -> Iterator[Problem]:
    """Two names are for a time: each costs a session with the camera."""
    for index, move in enumerate(view.inventory.settings.moved):
        if move.until <= view.today:
            message = f"moved: {move.old} is still served beside {move.new}; that was meant until {move.until}"
            hint = "see with `provisioner plan` who still reads the old names; then remove the entry"
            path = ("moved", index, "until")
            yield view.problem("inventory", path, "move-over", message, hint, severity=Severity.WARNING)


def relays_hold_both_names(view: View) -> Iterator[Problem]:
    """While two names are served, each is a path: a relay has to hold both."""
    moves = view.inventory.settings.moved
    if not moves:
        return
    once: Counter[str] = Counter()
    more: Counter[str] = Counter()
    for facility in view.outlines.values():
        for carrying in facility.relays:
            once[carrying] += facility.paths
            more[carrying] += _more_paths(moves, facility)
    for carrier, relay in view.inventory.relays.values():
        both = once[relay.id] + more[relay.id]
        if once[relay.id] <= relay.max_paths < both:
            carried = counted(both, "path")
            message = f"relay {relay.id} would carry {carried} with both names; its max_paths is {relay.max_paths}"
            hint = "move fewer ids at a time, or raise max_paths if the host was measured to bear it"
            path = ("relays", carrier.relays.index(relay), "max_paths")
            yield view.problem(f"carrier/{carrier.id}", path, "relay-over-capacity", message, hint)


def _more_paths(moves: tuple[Move, ...], facility: Outline) -> int:
    """How many paths a facility has more under its old names, at most: a device counts as one camera."""
    own = f"{facility.province}/{facility.id}"
    whole = len(old_names(moves, own)) * facility.paths
    return whole + sum(2 for move in moves if move.new.startswith(f"{own}/"))


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    windows_have_an_end,
    protected_objects_stay,
    protections_are_recorded,
    moves_are_sound,
    moves_end,
    relays_hold_both_names,
)
