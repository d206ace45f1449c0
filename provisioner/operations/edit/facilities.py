"""Edits of a facility: registration, survey, plan, closing, move, reopening.

Each is the smallest edit of the file, checked against all rules. The caller shows it, then writes it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from ipaddress import IPv4Address, IPv4Network
from typing import TypedDict

from provisioner.base.errors import UsageError
from provisioner.base.language import marked
from provisioner.base.text import did_you_mean, is_between, printable
from provisioner.base.vietnamese import fold
from provisioner.inventory import rules
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model.facility import Access, ConnectionPlan, Facility, Operating, PlanState
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.renamed_ids import next_facility
from provisioner.inventory.signed import unsigned_by
from provisioner.operations.edit.file_edit import Edits, FacilityText, FileEdit, frame_of, named_values

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

NO_BACKUP = "none"  #: Value for no backup relay; no host may have this name.

_SHOWN = 80
_LAN_BITS = 24
_LAN_INTERFACE = "br-lan"


class SurveyRequest(TypedDict):
    """A survey's findings, in the words of the facility file."""

    by: Sequence[str]
    uplink: str
    upload: float | None  #: Mbit/s towards the Internet; `None` if not measured.
    present: int
    fit: int | None  #: Number of usable cameras; all present ones if `None`.
    missing: int
    verdict: str


class ConnectionPlanRequest(TypedDict):
    """A facility's relay and its site network; empty values are defaults."""

    relay: str  #: If empty, the only relay of the province's carriers.
    lan: str  #: The network of the site's devices; if empty, the one /24 of their addresses.
    lan_interface: str  #: The router's interface in that network.
    system: str | None  #: The router's system; Linux if `None`.
    backup_relay: str  #: Another relay of the carrier that has the site too; `none` removes it.
    access: str | None  #: The relay's way to the devices. `None`: the plan's own; mapped ports in a new plan.
    relay_port: int | None  #: The relay's UDP port that the router dials; 0 for the first port.


def added(edits: Edits, options: Mapping[str, object], *, identifier: str = "", same_name: bool = False) -> FileEdit:
    """Return an edit that makes the file of a new facility.

    An empty `identifier` means the province's next free id. `same_name` allows a name that the province already has.
    Raises `UsageError` for a used id or name, `InventoryError` if the file breaks a rule, or inventory.yml or the lock
    is invalid.
    """
    loaded = edits.load()
    frame_of(loaded)  # without the lock nobody knows which ids there were
    values = named_values(Facility, options)
    province = str(values["province"])
    if not _ID.fullmatch(province):
        hint = "name its slug, e.g. bac-giang: see `provisioner geography`"
        raise UsageError(f"{printable(province, _SHOWN)} is no province", hint=hint)
    name = identifier or _next_id(loaded, province)
    _refuse_used_id(loaded, name)
    if not same_name and (twin := _namesake(loaded, province, str(values["name"]))):
        hint = "if it is another building add --same-name; if it is this one, edit that"
        raise UsageError(f"{twin} in {province} has this name already", hint=hint, object=twin)
    path = edits.root / "facilities" / province / f"{name}.yml"
    text = FacilityText(path, f"version: 1\nid: {name}\n".encode())
    return edits.edit(loaded, name, None, text.with_values({(key,): value for key, value in values.items()}))


def described(edits: Edits, facility: str, options: Mapping[str, object]) -> FileEdit:
    """Return an edit of a facility's description."""
    values = named_values(Facility, options)
    if not values:
        raise UsageError("no value is named", hint="name what changed, e.g. --name; the id never changes")
    opened = edits.open(facility)
    places: dict[KeyPath, object] = {}
    for key, value in values.items():
        below = value if isinstance(value, dict) and getattr(opened.site, key) is not None else None
        places |= {(key,): value} if below is None else {(key, name): inner for name, inner in below.items()}
    return opened.edited(opened.text.with_values(places))


def _next_id(loaded: Loaded, province: str) -> str:
    owners = (owner.partition("/")[2] for owner in loaded.places.sources)
    return next_facility(province, (*loaded.outlines, *_retired(loaded), *owners))


def _refuse_used_id(loaded: Loaded, name: str) -> None:
    """Refuse an id that was used: paths, addresses and history contain it."""
    if not _ID.fullmatch(name):
        hint = "an id is of small letters, digits and single hyphens, e.g. kcl-bg-003"
        raise UsageError(f"{printable(name, _SHOWN)} is no id", hint=hint)
    if name in loaded.outlines or f"facility/{name}" in loaded.places.sources:
        raise UsageError(f"there is a facility {name} already", hint="name another id", object=name)
    if name in _retired(loaded):
        hint = "name another id; to open that one again take its file back from Git"
        raise UsageError(f"{name} was a facility's id, and is not given out again", hint=hint, object=name)


def _retired(loaded: Loaded) -> set[str]:
    stones = loaded.frame.allocations.tombstones if loaded.frame else ()
    return {tombstone.object.split("/")[1] for tombstone in stones if tombstone.object.startswith("site/")}


def _namesake(loaded: Loaded, province: str, name: str) -> str:
    wanted = fold(name)
    here = (facility for facility, outline in loaded.outlines.items() if outline.province == province)
    return next((facility for facility in here if fold(loaded.facility(facility).name) == wanted), "")


def contact_confirmed(edits: Edits, facility: str, day: date) -> FileEdit:
    """Return an edit that records the day of the contact's confirmation."""
    opened = edits.open(facility)
    return opened.edited(opened.text.with_values({("contact_confirmed_on",): day.isoformat()}))


def claimed(edits: Edits, facility: str, values: Mapping[str, object], *, withdrawn: bool) -> FileEdit:
    """Return an edit of a connection from before this program."""
    opened = edits.open(facility)
    if withdrawn == bool(values):
        raise UsageError(marked("name the claim's day and source, or --remove alone"), object=facility)
    key = "claimed_connection"
    if withdrawn:
        return opened.edited(opened.text.without((key,)))
    if opened.site.claimed_connection is None:
        return opened.edited(opened.text.with_values({(key,): values}))
    return opened.edited(opened.text.with_values({(key, name): value for name, value in values.items()}))


def surveyed(edits: Edits, facility: str, day: date, request: SurveyRequest) -> FileEdit:
    """Return an edit that sets the survey; other findings stay."""
    opened = edits.open(facility)
    fit = request["present"] if request["fit"] is None else request["fit"]
    counts: dict[str, object] = {"present": request["present"], "fit": fit, "missing": request["missing"]}
    line: dict[str, object] = {"kind": request["uplink"]}
    line |= {} if request["upload"] is None else {"upload_mbps": request["upload"]}
    values: dict[str, object] = {
        "surveyed_on": day.isoformat(),
        "by": list(request["by"]),
        "uplink": Flow(line),
        "cameras": Flow(counts),
        "verdict": request["verdict"],
    }
    if opened.site.survey is None:
        return opened.edited(opened.text.with_values({("survey",): values}))
    below = {"uplink": line, "cameras": counts}
    places: dict[KeyPath, object] = {("survey", key): value for key, value in values.items() if key not in below}
    places |= {("survey", part, key): value for part, inner in below.items() for key, value in inner.items()}
    return opened.edited(opened.text.with_values(places))


def closed(edits: Edits, facility: str, day: date | None) -> FileEdit:
    """Return an edit that closes a facility, or raise `UsageError`.

    The default day is today, or the day in the file of a closed facility.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    if site.operating is Operating.CLOSED and day is None:
        return opened.unchanged
    day = day or edits.today
    if site.protected and site.operating is not Operating.CLOSED:
        hint = "remove `protected: true` in a change of its own, have it reviewed and applied, then close it"
        raise UsageError(f"facility {facility} is protected", hint=hint, object=facility)
    if day > edits.today:
        hint = "close it on that day: the next apply takes its pictures off, whatever day the file names"
        raise UsageError(f"--on {day} is a day to come", hint=hint, object=facility)
    if site.opens_on and site.opens_on > day:
        text = text.without(("opens_on",))
    changes: dict[KeyPath, object] = {("operating",): Operating.CLOSED.value, ("closed_on",): day.isoformat()}
    return opened.edited(text.with_values(changes))


def reopened(edits: Edits, facility: str, operating: Operating, day: date | None) -> FileEdit:
    """Return an edit that opens a facility, or raise `UsageError`.

    The default day is today, or the day in the file of an open facility. With `operating` the facility prepares for a
    day.
    """
    if not operating.is_carried:
        raise UsageError(f"{operating.value} is no opening", hint="open or preparing")
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    if site.operating is operating and day is None:
        return opened.unchanged
    day = day or edits.today
    if operating is Operating.PREPARING and day < edits.today:
        hint = "name the day on which they are to come; if they have come leave --opens-on out, or name it with --on"
        raise UsageError(f"--opens-on {day} is over", hint=hint, object=facility)
    key = "opened_on" if operating is Operating.OPEN else "opens_on"
    text = text.without(("closed_on",)).with_values({("operating",): operating.value, (key,): day.isoformat()})
    return opened.edited(text)


def planned(edits: Edits, facility: str, request: ConnectionPlanRequest) -> FileEdit:
    """Return an edit of plan (signed: agreed) and gateway; or raise `UsageError`."""
    opened = edits.open(facility)
    loaded, site, text = opened.loaded, opened.site, opened.text
    base_inventory = frame_of(loaded)
    relay, access, backup = request["relay"], request["access"] or "", request["backup_relay"]
    if site.plan is None:
        relay = relay or _only_relay(loaded, base_inventory, facility)
        plan = {"state": "proposed", "carrier": _carrier_of(base_inventory, relay), "relay": relay, **_access(access)}
        text = text.with_values({("plan",): plan})
    elif relay and relay != site.plan.relay:
        hint = f"provisioner facility move {facility} --to {relay}"
        raise UsageError(f"facility {facility} has a plan over {site.plan.relay}", hint=hint, object=facility)
    elif access and access != site.plan.access.value:
        plans = (("plan", site.plan), ("successor", site.successor))
        text = text.with_values({(key, "access"): access for key, plan in plans if plan})
    if backup == NO_BACKUP:
        text = text.without(("plan", "backup_relay")) if site.plan and site.plan.backup_relay else text
    elif backup:
        _carrier_of(base_inventory, backup)
        text = text.with_values({("plan", "backup_relay"): backup})
    text = _with_gateway(text, site, request)
    # A sign-off before the gateway, or by hand, counts too.
    for key, current in (("plan", site.plan), ("successor", site.successor)):
        if current and site.cameras and not unsigned_by(site, current):
            text = text.with_values({(key, "state"): PlanState.AGREED.value})
    return opened.edited(text)


def _only_relay(loaded: Loaded, base_inventory: BaseInventory, facility: str) -> str:
    view = rules.View(base_inventory, loaded.outlines, loaded.places, loaded.today, loaded.broken)
    today, designations = loaded.today, view.designations_of(loaded.outlines[facility])
    carriers = {d.carrier for d in designations if is_between(today, d.since, d.until)}
    relays = sorted(relay for relay, carrier in _carriers_by_relay(base_inventory).items() if carrier in carriers)
    if len(relays) == 1:
        return relays[0]
    served = f"{', '.join(sorted(carriers)) or 'no carrier'} may serve its province"
    hint = f"name one with --relay: {', '.join(relays)}"
    if not carriers:
        province = base_inventory.province_counted(loaded.outlines[facility])
        hint = f"designate one first: provisioner designation add {province} CARRIER --source TEXT"
    elif not relays:
        carrier = min(carriers)
        hint = f"add a relay to carriers/{carrier}.yml first"
    raise UsageError(f"no one relay follows for {facility}: {served}", hint=hint, object=facility)


def _with_gateway(text: FacilityText, site: Facility, request: ConnectionPlanRequest) -> FacilityText:
    values = {key: request[key] for key in ("lan", "lan_interface", "system", "relay_port")}
    named = {key: value for key, value in values.items() if value}
    if site.gateway is None:
        usual = {"lan": request["lan"] or _lan_of(site), "lan_interface": _LAN_INTERFACE}
        return text.with_values({("gateway",): usual | named})
    text = text.with_values({("gateway", key): value for key, value in named.items()})
    return text.without(("gateway", "relay_port")) if request["relay_port"] == 0 else text


def _lan_of(site: Facility) -> str:
    addresses = set(_addresses(site))
    networks = {IPv4Network((int(address) & ~0xFF, _LAN_BITS)) for address in addresses}
    if len(networks) != 1:
        fault = "has devices in several networks" if networks else "has no device with an address"
        raise UsageError(f"facility {site.id} {fault}", hint="name the site's network: --lan 192.168.1.0/24")
    return str(networks.pop())


def _addresses(site: Facility) -> Iterator[IPv4Address]:
    yield from (recorder.address for recorder in site.recorders)
    yield from (camera.address for camera in site.cameras if camera.address)


def moved(edits: Edits, facility: str, relay: str, *, at_once: bool = False) -> FileEdit:
    """Return an edit that changes a facility's relay, or raise `UsageError`.

    If hosts carry the facility, the other relay becomes its successor, and both serve until its connection is accepted.
    If not, a relay of the same carrier replaces it in the plan. Naming the present relay removes a successor. `at_once`
    replaces a relay of the same carrier at once: pictures stop until the site's new package is installed.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    carrier = _carrier_of(frame_of(opened.loaded), relay)
    if site.plan is None:
        hint = f"provisioner facility plan {facility} --relay {relay}"
        raise UsageError(f"facility {facility} has no plan yet", hint=hint, object=facility)
    if at_once and carrier != site.plan.carrier:
        hint = "leave --at-once out: both carriers serve until the new connection is accepted"
        raise UsageError(f"{relay} is of another carrier, {carrier}", hint=hint, object=facility)
    if relay == site.plan.relay:
        text = text.without(("successor",))
    elif carrier == site.plan.carrier and (at_once or not site.carried_plans):
        text = text.with_values({("plan", "relay"): relay})
    elif site.successor is None:
        access = _access(site.plan.access.value)
        successor = {"state": "proposed", "carrier": carrier, "relay": relay, **access}
        successor |= backup_beside(site.plan, carrier, relay)
        text = text.with_values({("successor",): successor})
    else:
        text = text.with_values({("successor", "carrier"): carrier, ("successor", "relay"): relay})
    return opened.edited(text)


def _carrier_of(base_inventory: BaseInventory, relay: str) -> str:
    relays = _carriers_by_relay(base_inventory)
    if relay not in relays:
        hint = did_you_mean(relay, relays, f"relays are: {', '.join(sorted(relays)) or 'none'}")
        raise UsageError(f"there is no relay {printable(relay, _SHOWN)}", hint=hint, object=relay)
    return relays[relay]


def _carriers_by_relay(base_inventory: BaseInventory) -> dict[str, str]:
    return {relay: carrier.id for relay, (carrier, _) in base_inventory.relays.items()}


def _access(access: str) -> dict[str, str]:
    return {"access": access} if access not in {"", Access.PULL_PORTMAP.value} else {}


def backup_beside(plan: ConnectionPlan, carrier: str, relay: str) -> dict[str, str]:
    """Return the backup relay that a successor keeps: same carrier, other relay."""
    backup = plan.backup_relay
    return {"backup_relay": backup} if backup and carrier == plan.carrier and relay != backup else {}


def succeeded(edits: Edits, facility: str) -> FileEdit:
    """Return an edit that makes the successor the plan, or raise `UsageError`."""
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    if site.successor is None or not site.successor.agreed:
        fault = "no successor" if site.successor is None else "a successor that is not agreed"
        hint = f"provisioner facility next {facility} says what it waits for"
        raise UsageError(f"facility {facility} has {fault}", hint=hint, object=facility)
    return opened.edited(text.without(("plan",)).with_key(("successor",), "plan"))
