"""Site packages: the record of who got which, and their state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from provisioner.base.errors import InventoryError, SecretsError, UsageError
from provisioner.base.secret import Secret
from provisioner.base.text import Document, did_you_mean, endpoint_text, msg, printable
from provisioner.desired.readers import push_places
from provisioner.desired.sites import had_tunnel, link_ends, package_digest
from provisioner.inventory.loader.load import load_settings
from provisioner.inventory.model.facility import Facility, Operating, relays_of
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.outline import Outline
from provisioner.inventory.rules.lock import GATEWAY_KEY_MISSING
from provisioner.inventory.rules.logins import SECRETS_GAPS
from provisioner.record import read_history
from provisioner.record.entries import Operation, of_facilities
from provisioner.record.lifecycle import site_packages
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, Evidence
from provisioner.record.state_folder import StateFolder, state_folder_of

if TYPE_CHECKING:
    from provisioner.operations.pipeline.session import Session
    from provisioner.operations.pipeline.stages import SitePackages

_SHUT = "the vault's own file stayed shut, by whose key the record is sealed"
S = TypeVar("S", Facility, Facility | Outline)

NOT_RECORDED_HINT = msg("status shows the earlier record; make it again once the history can be written")


def record_handed(session: Session, packages: SitePackages) -> str:
    """Record written packages without secrets; return why that failed, or empty."""
    inventory = packages.inventory
    if inventory is None or not packages.files:
        return ""
    documents = {
        name: _package_document(inventory, name, takes_down=package.takes_down, until=package.until)
        for name, package in packages.files.items()
        if not package.is_sheet
    }
    if not documents:
        return ""
    key = packages.digest_key or _digest_key_or_none(session)
    if key is None:
        return f"this is done, and not recorded: {_SHUT}"
    return _recorded(session, Operation.SITE_PACKAGE, documents, key)


def _package_document(inventory: Inventory, name: str, *, takes_down: bool, until: date | None = None) -> Document:
    facility = inventory.facilities.get(name)
    if takes_down or facility is None:
        return {"relays": [], "digest": _TAKEN_DOWN, "takes_down": True}
    relays = [relay._asdict() for relay in _named(inventory, facility)]
    document: Document = {"relays": relays, "digest": package_digest(inventory, facility), "takes_down": False}
    return document | ({"valid_until": until.isoformat()} if until else {})


_TAKEN_DOWN = "taken-down"


def _named(inventory: BaseInventory, facility: Facility | Outline) -> tuple[site_packages.NamedRelay, ...]:
    tunnels = [
        site_packages.NamedRelay(
            end.relay, end.public_key, endpoint_text(*end.endpoint), str(end.relay_address), str(end.address)
        )
        for end in link_ends(inventory, facility)
    ]
    pushed = push_places(inventory, facility)
    return (
        *tunnels,
        *(site_packages.NamedRelay(end.relay, end.fingerprint, endpoint_text(*end.endpoint), "", "") for end in pushed),
    )


def _digest_key_or_none(session: Session) -> Secret | None:
    from provisioner.inventory.loader.frozen_secrets import valid_secrets  # noqa: PLC0415 (`status` opens no vault)

    try:
        part = session.part({GATEWAY_KEY_MISSING})
        tolerate = SECRETS_GAPS | {GATEWAY_KEY_MISSING}
        return valid_secrets(session.root, session.passwords, part, tolerate=tolerate)[1].digest_key
    except (SecretsError, InventoryError):
        return None


# --- what somebody says ---------------------------------------------------------------------------
def record_installed(session: Session, facilities: Sequence[str], *, as_desired: bool) -> str:
    """Record that packages were installed; return why that failed, or empty.

    With `as_desired` the gateways have the present package, else the last one handed out. Raises `UsageError` if there
    is no such facility, or none of its packages is recorded; `InventoryError` if it has no package; `SecretsError`
    without the vault's key, which seals the record.
    """
    inventory = session.part({GATEWAY_KEY_MISSING}).inventory
    records = read_packages(state_folder_of(session.environment, inventory.settings.id))
    documents: dict[str, Document] = {}
    for name in facilities:
        if name not in inventory.facilities and name not in records:
            hint = did_you_mean(name, inventory.facilities, "name the id in its file")
            raise UsageError(f"there is no facility {printable(name, 80)}", hint=hint, object=name)
        handed = records.get(name, site_packages.NO_RECORD).handed
        if not handed and not as_desired:
            hint = (
                f"hand one out: provisioner site-package {name} --out DIR; or, if it has what the inventory says now:"
            )
            hint += f" provisioner gateway installed {name} --as-desired"
            raise UsageError(f"no package of {name} is recorded as handed out", hint=hint, object=name)
        desired = _package_document(inventory, name, takes_down=_takes_down(inventory, name)) if as_desired else None
        documents[name] = desired or {"digest": handed[-1].digest}
    key = _digest_key_or_none(session)
    if key is None:
        hint = "set its password: ANSIBLE_VAULT_PASSWORD_FILE or ANSIBLE_VAULT_IDENTITY_LIST"
        raise SecretsError(f"nothing is recorded: {_SHUT}", hint=hint)
    # If the handed-out package was never recorded, record it here.
    failure = _recorded(session, Operation.SITE_PACKAGE, documents, key) if as_desired else ""
    return failure or _recorded(session, Operation.INSTALLED, documents, key)


def _recorded(session: Session, operation: Operation, packages: Mapping[str, Document], key: Secret) -> str:
    from provisioner.operations.hosts.decommission import record_run  # noqa: PLC0415 (`status` reads packages alone)

    document: Document = {"schema": "provisioner/site-packages", "version": 1, "packages": dict(packages)}
    return record_run(session, operation, of_facilities(packages), document, key)


def _takes_down(inventory: Inventory, name: str) -> bool:
    facility = inventory.facilities.get(name)
    return facility is None or facility.operating is Operating.CLOSED or had_tunnel(inventory, facility)


# --- how they stand -------------------------------------------------------------------------------
def read_packages(folder: StateFolder) -> Mapping[str, site_packages.PackageRecord]:
    """Return the record of packages by facility."""
    return read_history(folder, lambda history: history.packages(), {})


def package_statuses(
    inventory: BaseInventory,
    records: Mapping[str, site_packages.PackageRecord],
    evidence: Evidence,
    facilities: Iterable[Facility | Outline],
    *,
    today: date | None = None,
) -> tuple[site_packages.PackageStatus, ...]:
    """Compare facilities' recorded packages with the desired, by their relays.

    Facilities without a need for a package, or not ready for one, are left out. `today` checks expiry, if given.
    """
    wanted = ((facility.id, _wanted_package(inventory, facility, lambda _: "")) for facility in facilities)
    return _package_statuses(wanted, records, evidence, today)


def _full_package_statuses(
    inventory: Inventory,
    records: Mapping[str, site_packages.PackageRecord],
    evidence: Evidence,
    facilities: Iterable[Facility],
) -> tuple[site_packages.PackageStatus, ...]:
    def digest_of(facility: Facility) -> str:
        return package_digest(inventory, facility) if records.get(facility.id, site_packages.NO_RECORD).handed else ""

    wanted = ((facility.id, _wanted_package(inventory, facility, digest_of)) for facility in facilities)
    return _package_statuses(wanted, records, evidence, None)


def _package_statuses(
    wanted_packages: Iterable[tuple[str, site_packages.WantedPackage | None]],
    records: Mapping[str, site_packages.PackageRecord],
    evidence: Evidence,
    today: date | None,
) -> tuple[site_packages.PackageStatus, ...]:
    standings = []
    for name, wanted in wanted_packages:
        record = records.get(name, site_packages.NO_RECORD)
        if wanted is None or (not wanted.relays and not record.handed):
            continue
        checks, connected = evidence.checks.get(name, ()), evidence.connected.get(name)
        standings.append(site_packages.package_status(name, record, wanted, checks, connected, today=today))
    return tuple(standings)


def _wanted_package(
    inventory: BaseInventory, facility: S, digest_of: Callable[[S], str]
) -> site_packages.WantedPackage | None:
    """Return a facility's desired package; `None` if it cannot have one yet."""
    if facility.operating is Operating.CLOSED:
        return site_packages.WantedPackage(())
    # The relays of a carrier with an unreadable file are unknown.
    if not inventory.relays.keys() >= {relay for _, relay in relays_of(facility.carried_plans)}:
        return None
    try:
        if had_tunnel(inventory, facility):
            return site_packages.WantedPackage(())
        relays = _named(inventory, facility)
        return site_packages.WantedPackage(relays, digest_of(facility)) if relays else None
    except InventoryError:
        return None


def waiting_package(
    inventory: BaseInventory, folder: StateFolder, evidence: Evidence, facility: Facility, today: date
) -> site_packages.PackageStatus | None:
    """Return a site's recorded package that its gateway waits for, if any.

    The first package needs no report: the key that its gateway printed proves it. A package that only lacks a relay of
    the installed one can wait.
    """
    record = read_packages(folder).get(facility.id)
    wanted = _wanted_package(inventory, facility, lambda site: package_digest(inventory, site))
    if record is None or not record.handed or wanted is None or not wanted.relays:
        return None
    (status,) = _package_statuses([(facility.id, wanted)], {facility.id: record}, evidence, today)
    is_first = len({package.digest for package in record.handed}) == 1 and facility.id not in evidence.connected
    if status.state is site_packages.PackageState.CURRENT or (
        status.state is site_packages.PackageState.HANDED_OUT and is_first
    ):
        return None
    return None if set(wanted.relays) < set(record.handed[-1].relays) else status


def packages_naming(session: Session, relay: str) -> tuple[site_packages.PackageStatus, ...]:
    """Return sites whose gateways may still name a relay, or are unknown."""
    inventory = session.part({GATEWAY_KEY_MISSING}).inventory
    carrier, _ = inventory.relays[relay]
    records, evidence = _known_packages(session)
    statuses = package_statuses(inventory, records, evidence, inventory.facilities.values())
    removed = [
        site_packages.package_status(name, record, site_packages.WantedPackage(()), (), None)
        for name, record in records.items()
        if name not in inventory.facilities and record.handed
    ]
    plans = {name: site.plan for name, site in inventory.facilities.items()}
    return tuple(
        status
        for status in (*statuses, *removed)
        if relay in status.former
        or (
            status.state is site_packages.PackageState.NOT_RECORDED
            and (plan := plans[status.facility])
            and plan.carrier == carrier.id
        )
    )


def older_packages(session: Session, hosts: Collection[str]) -> tuple[site_packages.PackageStatus, ...]:
    """Return the sites of some hosts with an outdated package."""
    records, evidence = _known_packages(session)
    facilities = [site for name, site in session.served.facilities.items() if name in records]
    statuses = _full_package_statuses(session.served, records, evidence, facilities)
    return tuple(
        status
        for status in statuses
        if status.state is site_packages.PackageState.OLDER and not {*status.wanted, *status.former}.isdisjoint(hosts)
    )


def facilities_up_to_date(session: Session, inventory: Inventory, facilities: Collection[str]) -> frozenset[str]:
    """Return facilities whose gateways are known to have the present package."""
    records, evidence = _known_packages(session)
    sites = [inventory.facilities[name] for name in sorted(facilities) if name in records]
    statuses = _full_package_statuses(inventory, records, evidence, sites)
    return frozenset(status.facility for status in statuses if status.state is site_packages.PackageState.CURRENT)


def _known_packages(session: Session) -> tuple[Mapping[str, site_packages.PackageRecord], Evidence]:
    folder = state_folder_of(session.environment, load_settings(session.root).id)
    records = read_packages(folder)
    evidence = read_history(folder, lambda history: history.evidence(), NO_EVIDENCE) if records else NO_EVIDENCE
    return records, evidence
