"""Rules on plans: freezes, protected objects, renamed ids, surveys and sign-offs."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import counted, msg
from provisioner.inventory.model.facility import ConnectionPlan, Facility, GatewaySystem, Operating, Party, SignOff
from provisioner.inventory.model.policy import Move
from provisioner.inventory.outline import Outline
from provisioner.inventory.renamed_ids import old_names
from provisioner.inventory.rules.lock import ALLOCATION_MISSING, LOCK_GAPS, RUN_ALLOCATE
from provisioner.inventory.rules.sites import SiteRule, SiteView
from provisioner.inventory.rules.view import View
from provisioner.inventory.signed import Worth, missing_parties

SIGN_OFFS = frozenset({"sign-off-stale", "sign-off-missing"})
UNFINISHED = LOCK_GAPS | SIGN_OFFS  #: Problems that other commands solve, not edits of a file.

Fault = tuple[str, str, str]  #: Key of the entry, message, hint.

_GONE: Fault = ("to", "does not exist", "write the id that it has now, or remove the entry")
_STILL: Fault = ("from", "is still there", "rename it, or remove the entry")
_UNREAD: Fault = ("from", "has a file still, which cannot be read", "correct that file, rename it, or remove the entry")


def windows_have_an_end(view: View) -> Iterator[Problem]:
    """A freeze ends after it begins."""
    for index, window in enumerate(view.inventory.settings.policy.freeze):
        if window.until <= window.begin:
            message = msg(
                "the freeze ends at {until}, which is not after its beginning", f"{window.until:%Y-%m-%dT%H:%M}"
            )
            path = ("policy", "freeze", index, "until")
            yield view.problem("inventory", path, "freeze-in-disorder", message, "correct one of the two moments")


def protected_objects_stay(view: View) -> Iterator[Problem]:
    """A protected object is not deleted; the lock remembers the protection."""
    protected = _protected(view)
    # Files of facilities and centres are named by their ids; a relay may be in any carrier's.
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    moved = {f"facility/{_parts(move.old)[1]}" for move in view.inventory.settings.moved}
    for index, mark in enumerate(view.inventory.allocations.protected):
        kind, _, name = mark.partition("/")
        if mark in protected or mark in view.broken or (kind == "relay" and unread) or mark in moved:
            continue
        message = msg("{mark} is protected, and it is not in the inventory any more", mark.replace("/", " ", 1))
        hint = (
            "take it back from Git; to remove it, first write `protected: false` into its block, run `provisioner"
            " allocate`, and have that reviewed"
        )
        named = (name,) if kind == "facility" else ()
        yield view.problem("allocations", ("protected", index), "protected-removed", message, hint, concerns=named)


def _protected(view: View) -> dict[str, bool]:
    protected = {f"facility/{name}": facility.protected for name, facility in view.outlines.items()}
    protected |= {f"relay/{name}": relay.protected for name, (_, relay) in view.relays_by_id.items()}
    return protected | {f"centre/{name}": centre.protected for name, centre in view.inventory.centres.items()}


def protections_are_recorded(view: View) -> Iterator[Problem]:
    """The lock records each protection: a deleted block cannot."""
    marks = set(view.inventory.allocations.protected)
    for name, is_protected in sorted(_protected(view).items()):
        if is_protected == (name in marks):
            continue
        label = name.replace("/", " ", 1)
        message = msg("{label} is protected, and the lock does not know it", label)
        if not is_protected:
            message = msg("{label} is not protected any more, and the lock says that it is", label)
        concerns = (label.partition(" ")[2],) if name.startswith("facility/") else ()
        yield view.problem("allocations", (), ALLOCATION_MISSING, message, RUN_ALLOCATE, concerns=concerns)


def _parts(prefix: str) -> list[str]:
    return prefix.split("/")


def moves_are_sound(view: View) -> Iterator[Problem]:
    """A moved id becomes another, existing id of its kind."""
    olds = Counter(m.old for m in view.inventory.settings.moved)
    news = Counter(m.new for m in view.inventory.settings.moved)
    for index, move in enumerate(view.inventory.settings.moved):
        fault = _shape_fault(move) or _target_fault(view, move) or _source_fault(view, move) or _circle(view, move)
        if fault is None and (olds[move.old] > 1 or news[move.new] > 1):
            fault = ("from" if olds[move.old] > 1 else "to", "is named by two entries", "one id becomes one other id")
        if fault is not None:
            key, message, hint = fault
            named = move.old if key == "from" else move.new
            text = msg("moved: {named} {message}", named, message)
            about_them = fault in {_UNREAD, _STILL} or (fault == _GONE and view.once_here(_parts(move.new)[1]))
            both = _facilities(move) if about_them else ()
            yield view.problem("inventory", ("moved", index, key), "move-unsound", text, hint, concerns=both)


def _facilities(move: Move) -> tuple[str, ...]:
    return tuple(sorted({_parts(move.old)[1], _parts(move.new)[1]}))


def _shape_fault(move: Move) -> Fault | None:
    old, new = _parts(move.old), _parts(move.new)
    if len(old) != len(new):
        return "to", msg("is not of the kind of {old}", move.old), "a facility becomes a facility, a device a device"
    if len(old) == 3 and old[:2] != new[:2]:  # noqa: PLR2004 (province, facility, device)
        return (
            "to",
            msg("is in another facility than {old}", move.old),
            "a device that went elsewhere is a new device there",
        )
    return None


def _target_fault(view: View, move: Move) -> Fault | None:
    province, facility, *_ = _parts(move.new)
    outline = view.outlines.get(facility)
    if outline is None and f"facility/{facility}" not in view.broken:
        return _GONE
    if outline is not None and outline.province != province:
        hint = msg("write {province}/{facility}", outline.province, facility)
        return "to", msg("does not exist: facility {facility} is in {province}", facility, outline.province), hint
    return None


def _source_fault(view: View, move: Move) -> Fault | None:
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
    """Two names end some day: each costs a session with the camera."""
    for index, move in enumerate(view.inventory.settings.moved):
        if move.until <= view.today:
            message = msg(
                "moved: {old} is still served beside {new}; that was meant until {until}",
                move.old,
                move.new,
                move.until,
            )
            hint = "see with `provisioner plan` who still reads the old names; then remove the entry"
            yield view.warning("inventory", ("moved", index, "until"), "move-over", message, hint)


def relays_hold_both_names(view: View) -> Iterator[Problem]:
    """A relay has capacity for the paths of old and new names."""
    moves = view.inventory.settings.moved
    if not moves:
        return
    once: Counter[str] = Counter()
    more: Counter[str] = Counter()
    for facility in view.outlines.values():
        for carrying in facility.relays:
            once[carrying] += facility.paths
            more[carrying] += _more_paths(moves, facility)
    for _, relay in view.relays_by_id.values():
        both = once[relay.id] + more[relay.id]
        if once[relay.id] <= relay.max_paths < both:
            carried = counted(both, "path")
            message = msg(
                "relay {id} would carry {carried} with both names; its max_paths is {max_paths}",
                relay.id,
                carried,
                relay.max_paths,
            )
            hint = "move fewer ids at a time, or raise max_paths if the host was measured to bear it"
            owner, path = view.relay_places[relay.id]
            yield view.problem(owner, (*path, "max_paths"), "relay-over-capacity", message, hint)


def _more_paths(moves: tuple[Move, ...], facility: Outline) -> int:
    prefix = f"{facility.province}/{facility.id}"
    total = len(old_names(moves, prefix)) * facility.paths
    return total + sum(2 for move in moves if move.new.startswith(f"{prefix}/"))


def agreed_plans_are_complete(site: SiteView) -> Iterator[Problem]:
    """An agreed plan has a gateway and cameras to connect."""
    for key, plan in site.plans():
        if not plan.agreed:
            continue
        for part in ("gateway", "cameras"):
            if not getattr(site.facility, part):
                message = msg("the {key} is agreed, but the file has no {what}", key, part)
                hint = msg("add {what}, or write {key}.state: proposed", part, key)
                yield site.problem((key, "state"), "plan-incomplete", message, hint)


def gateways_have_an_interface(site: SiteView) -> Iterator[Problem]:
    """A gateway, unless the carrier's own router, has a LAN interface."""
    gateway = site.facility.gateway
    if gateway is None or gateway.lan_interface is not None:
        return
    plans = [plan for _, plan in site.plans()]
    if not plans or any(plan.access.has_tunnel for plan in plans):
        message = "the gateway has no lan_interface: its package could not say where the cameras are"
        hint = "write gateway.lan_interface, e.g. br-lan: the router's interface in the cameras' network"
        yield site.problem(("gateway",), "gateway-interface-missing", message, hint)


def plans_are_signed(site: SiteView) -> Iterator[Problem]:
    """DIC, Health and the carrier have signed an agreed plan's exact content.

    An edit without new sign-offs is an error, never a removal: hosts keep their configuration until the inventory is
    valid.
    """
    if site.facility.operating is Operating.CLOSED:
        return
    for key, plan in site.plans():
        yield from _sign_off_problems(site, key, plan)
        yield from _faulty_signature_problems(site, key)
        content = site.signed(key).content
        if stale := [sign_off for sign_off in plan.sign_offs if sign_off.content != content]:
            yield _stale_sign_off_problem(site, key, plan, stale)


def _stale_sign_off_problem(site: SiteView, key: str, plan: ConnectionPlan, stale: list[SignOff]) -> Problem:
    names = _listed([f"{sign_off.by.words} ({sign_off.signed_on})" for sign_off in stale])
    message = msg("edited since it was signed by {names}: carrier, relay, access, recorders, cameras or streams", names)
    command = " ".join(["--successor" if key == "successor" else "", *(f"--by {s.by.value}" for s in stale)]).strip()
    name = site.facility.id
    hint = msg(
        "undo the edit, or let them agree to it and run `provisioner sign-off {name} {command} --source …`",
        name,
        command,
    )
    severity = Severity.ERROR if plan.agreed else Severity.WARNING
    return site.problem((key, "sign_offs"), "sign-off-stale", message, hint, severity=severity)


def _faulty_signature_problems(site: SiteView, key: str) -> Iterator[Problem]:
    for index, proof in enumerate(site.signed(key).proofs):
        if proof.worth is Worth.FAULTY:
            message = msg("the signature of {names} {fault}", proof.party.words, proof.fault)
            hint = msg(
                "take the sign-off back from Git as it was recorded, or let the party sign what "
                "`provisioner sign-off {id} --by {value} --statement …` prints",
                site.facility.id,
                proof.party.value,
            )
            yield site.problem((key, "sign_offs", index, "signature"), "sign-off-forged", message, hint)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _sign_off_problems(site: SiteView, key: str, plan: ConnectionPlan) -> Iterator[Problem]:
    parties: set[Party] = set()
    for index, sign_off in enumerate(plan.sign_offs):
        if sign_off.by in parties:
            message = msg("{names} signed twice", sign_off.by.words)
            path = (key, "sign_offs", index, "by")
            yield site.problem(path, "sign-off-duplicate", message, "keep the newer one")
        parties.add(sign_off.by)
        if site.days.is_to_come(sign_off.signed_on):
            message = msg(
                "the sign-off of {names} is of {signed_on}, a day to come", sign_off.by.words, sign_off.signed_on
            )
            path = (key, "sign_offs", index, "signed_on")
            yield site.problem(path, "date-in-the-future", message, "write the day on which it was signed")
    if plan.agreed and (missing := missing_parties(plan)):
        names = ", ".join(party.words for party in missing)
        message = msg("the {key} is agreed, but the sign-off is missing of: {names}", key, names)
        commands = " ".join(f"--by {party.value}" for party in missing)
        name = site.facility.id
        hint = msg(
            "run `provisioner sign-off {name} {commands} …` with the minutes as --source, or write state: proposed",
            name,
            commands,
        )
        yield site.problem((key, "state"), "sign-off-missing", message, hint)


def days_have_passed(site: SiteView) -> Iterator[Problem]:
    """Dates of surveys, openings and sign-offs are not in the future."""
    facility = site.facility
    for path, day in _past_days(facility):
        if day and site.days.is_to_come(day):
            message = msg("{path} is {day}, a day to come", path[-1], day)
            yield site.problem(path, "date-in-the-future", message, "write the day on which it was done")
    if facility.opened_on and facility.closed_on and facility.closed_on < facility.opened_on:
        message = msg("closed_on {closed_on} is before opened_on {opened_on}", facility.closed_on, facility.opened_on)
        yield site.problem(("closed_on",), "dates-in-disorder", message, "correct one of the two days")
    if facility.closed_on and facility.operating is not Operating.CLOSED:
        message = msg(
            "closed_on is {closed_on}, but operating is {value}", facility.closed_on, facility.operating.value
        )
        hint = "write operating: closed to remove it from every host, or remove closed_on"
        yield site.problem(("closed_on",), "dates-in-disorder", message, hint)


def _past_days(facility: Facility) -> Iterator[tuple[tuple[str, ...], date | None]]:
    yield ("opened_on",), facility.opened_on
    yield ("notice_posted_on",), facility.notice_posted_on
    yield ("contact_confirmed_on",), facility.contact_confirmed_on
    if facility.survey:
        yield ("survey", "surveyed_on"), facility.survey.surveyed_on
    if facility.claimed_connection:
        yield ("claimed_connection", "connected_on"), facility.claimed_connection.connected_on
    if facility.blocked:
        yield ("blocked", "since"), facility.blocked.since


def openings_are_written_down(site: SiteView) -> Iterator[Problem]:
    """opens_on fits the facility's state, and is set during preparation."""
    facility = site.facility
    if facility.operating is Operating.PREPARING and facility.opens_on is None:
        message = "operating is preparing, but the file does not say when it opens (opens_on)"
        hint = "add opens_on, the day on which people are to come; its cameras are to be connected before"
        yield site.problem(("operating",), "opening-missing", message, hint)
    if facility.operating is Operating.STANDBY and facility.opens_on and site.days.is_to_come(facility.opens_on):
        message = msg("opens_on is {opens_on}, but operating is standby, so that no host carries it", facility.opens_on)
        hint = "write operating: preparing, so that it is connected before people come, or remove opens_on"
        yield site.problem(("opens_on",), "dates-in-disorder", message, hint)
    if facility.opens_on and facility.closed_on and facility.closed_on < facility.opens_on:
        message = msg("closed_on {closed_on} is before opens_on {opens_on}", facility.closed_on, facility.opens_on)
        yield site.problem(("closed_on",), "dates-in-disorder", message, "correct one of the two days")


def surveys_add_up(site: SiteView) -> Iterator[Problem]:
    """A survey has at most as many fit cameras as present cameras."""
    survey = site.facility.survey
    if survey and survey.cameras.fit > survey.cameras.present:
        counts = survey.cameras
        message = msg(
            "the survey has {fit} cameras that will do, but only {present} that are there", counts.fit, counts.present
        )
        yield site.problem(("survey", "cameras", "fit"), "survey-counts", message, "correct one of the two counts")


def surveys_come_before_plans(site: SiteView) -> Iterator[Problem]:
    """Cameras are surveyed before a plan is agreed (letter 1407/BTTTT-CVT, item 2)."""
    survey = site.facility.survey
    if site.facility.operating is Operating.CLOSED:
        return
    for key, plan in site.plans():
        if not plan.agreed:
            continue
        if survey is None:
            message = msg("the {key} is agreed, but there is no survey", key)
            hint = "add survey: what DIC, Health and the carrier found there"
            yield site.warning((key, "state"), "survey-missing", message, hint)
            continue
        early = [sign_off for sign_off in plan.sign_offs if sign_off.signed_on < survey.surveyed_on]
        if early and key == "plan":
            message = msg(
                "the plan was signed on {signed_on}, before the survey of {surveyed_on}",
                early[0].signed_on,
                survey.surveyed_on,
            )
            path = ("survey", "surveyed_on")
            hint = "correct one of the two days"
            yield site.warning(path, "dates-in-disorder", message, hint)


def blocks_are_in_order(site: SiteView) -> Iterator[Problem]:
    """A block is due after its start, and not overdue."""
    blocked = site.facility.blocked
    if blocked is None:
        return
    if blocked.due < blocked.since:
        message = msg("blocked: due {due} is before since {since}", blocked.due, blocked.since)
        yield site.problem(("blocked", "due"), "dates-in-disorder", message, "correct one of the two days")
    elif site.facility.operating is not Operating.CLOSED and site.days.has_passed(blocked.due):
        message = msg(
            "blocked ({value}): {value_2} was due on {due}", blocked.reason.value, blocked.owner.value, blocked.due
        )
        hint = "write the next step and its date, or remove blocked if it is solved"
        yield site.warning(("blocked", "due"), "block-overdue", message, hint)


def successors_are_over_another_relay(site: SiteView) -> Iterator[Problem]:
    """A successor follows a plan over another relay, with the same access."""
    plan, successor = site.facility.plan, site.facility.successor
    if successor is None:
        return
    if plan is None:
        message, hint = "a successor needs a plan that it follows", "write the carrier's plan as plan"
        yield site.problem(("successor",), "successor-without-plan", message, hint)
    elif successor.relay == plan.relay:
        message = msg("the successor has the same relay as the plan, {relay}", plan.relay)
        hint = "name the relay that the site moves to, or remove successor"
        yield site.problem(("successor", "relay"), "successor-same-relay", message, hint)
    if plan is not None and successor.access is not plan.access:
        message = msg(
            "the successor reaches the devices by {value}, and the plan by {value_2}",
            successor.access.value,
            plan.access.value,
        )
        hint = "write the same access in both: one package of one gateway serves both relays"
        yield site.problem(("successor", "access"), "successor-other-access", message, hint)


def pushing_sites_can_push(site: SiteView) -> Iterator[Problem]:
    """A pushing site has a Linux gateway and no backup relay."""
    gateway = site.facility.gateway
    pushed = [(key, plan) for key, plan in site.plans() if plan.access.is_pushed]
    if pushed and gateway is not None and gateway.system is not GatewaySystem.LINUX:
        message = msg("the gateway runs {value}, which cannot push: MediaMTX runs on Linux", gateway.system.value)
        hint = "put a Linux machine into the cameras' network and write gateway.system: linux, or agree another access"
        yield site.problem(("gateway", "system"), "publish-gateway-unfit", message, hint)
    for key, plan in pushed:
        if plan.backup_relay is not None:
            message = msg(
                "the site pushes to {relay}, and would have to push all again to {backup_relay}",
                plan.relay,
                plan.backup_relay,
            )
            hint = "remove backup_relay: only relays that pull can wait until somebody reads"
            yield site.problem((key, "backup_relay"), "publish-with-backup", message, hint)
    if gateway is not None and gateway.public_addresses and site.facility.plan and not pushed:
        message = "public_addresses is of sites that push, and the plan of this one says otherwise"
        hint = "remove it, or agree access: publish"
        yield site.warning(("gateway", "public_addresses"), "public-addresses-unused", message, hint)


def pushing_sites_have_no_onvif(site: SiteView) -> Iterator[Problem]:
    """A pushing site has no ONVIF settings: relays cannot reach its devices."""
    if not any(plan.access.is_pushed for _, plan in site.plans()):
        return
    facility = site.facility
    with_onvif = [
        (("recorders", index, "onvif"), source.id) for index, source in enumerate(facility.recorders) if source.onvif
    ]
    with_onvif += [
        (("cameras", index, "onvif"), source.id) for index, source in enumerate(facility.cameras) if source.onvif
    ]
    for path, device in with_onvif:
        message = msg("{device} cannot be asked: no relay reaches a device of a site that pushes", device)
        yield site.warning(path, "publish-not-asked", message, "remove onvif, or agree another access")


SITE_RULES: tuple[SiteRule, ...] = (
    agreed_plans_are_complete,
    gateways_have_an_interface,
    plans_are_signed,
    days_have_passed,
    openings_are_written_down,
    surveys_add_up,
    surveys_come_before_plans,
    blocks_are_in_order,
    successors_are_over_another_relay,
    pushing_sites_can_push,
    pushing_sites_have_no_onvif,
)
RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    windows_have_an_end,
    protected_objects_stay,
    protections_are_recorded,
    moves_are_sound,
    moves_end,
    relays_hold_both_names,
)
