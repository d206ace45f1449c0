"""All problems of an inventory; allocations of new objects in the lock."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from provisioner.base.errors import RECEIVERS, FrozenFacility, Problem, Severity
from provisioner.base.processes import without_collector
from provisioner.inventory.allocation import allocate as allocations_for
from provisioner.inventory.explanation.problems import listed, number_of
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.loader.cache import Cache, cache_of
from provisioner.inventory.loader.frozen import valid_part
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.model.hosts import Allocations, Tombstone
from provisioner.inventory.rules.logins import login_sites
from provisioner.inventory.rules.plans import UNFINISHED
from provisioner.inventory.signed import Worth

COUNTED = ("provinces", "carriers", "relays", "facilities", "cameras", "paths")  #: Counts in documents, in order.

SECRETS_NOT_CHECKED = "secrets-not-checked"
_PASSWORDS = ("ANSIBLE_VAULT_IDENTITY_LIST", "ANSIBLE_VAULT_PASSWORD_FILE")


@dataclass(frozen=True, slots=True)
class Validation:
    """Result of a full check, with problems sorted by position."""

    problems: tuple[Problem, ...]  #: Those that are listed; `errors` and `warnings` count the others, too.
    errors: int
    warnings: int
    counts: Mapping[str, int]  #: Numbers of declared objects; `paths` are those that hosts are to carry.
    sign_offs: Mapping[str, int]  #: Of agreed plans: how many are `signed` with a key, how many `claimed`.
    has_signers: bool

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class AllocatedItem:
    """A lock entry: an object with its address, prefix or port."""

    object: str
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """Recorded changes of the lock."""

    path: Path | None  #: The lock's file; `None` if unchanged.
    assigned: tuple[AllocatedItem, ...]
    retired: tuple[AllocatedItem, ...]  #: Removed entries, never reused.
    held: tuple[FrozenFacility, ...] = ()


def validate(root: Path, environment: Mapping[str, str], *, today: date, cached: bool = True) -> Validation:
    """Check an inventory, without password not its secrets; or raise `InventoryError`."""
    cache = cache_of(root, environment) if cached else None
    loaded = load(root, today=today, cache=cache)
    problems = problems_of(root, loaded, environment, cache)
    numbers = Counter[Severity]()
    for problem in problems:
        numbers[problem.severity] += number_of(problem)
    has_signers = bool(loaded.frame and loaded.frame.signers)
    return Validation(
        listed(problems),
        numbers[Severity.ERROR],
        numbers[Severity.WARNING],
        _counts_in_inventory(loaded),
        _sign_offs(loaded),
        has_signers,
    )


def _counts_in_inventory(loaded: Loaded) -> dict[str, int]:
    if loaded.frame is None:
        return dict.fromkeys(COUNTED, 0)
    facilities = loaded.outlines.values()
    one_a_province = {(facility.province, facility.province_scheme): facility for facility in facilities}.values()
    return {
        "provinces": len({loaded.frame.province_counted(facility) for facility in one_a_province}),
        "carriers": len(loaded.frame.carriers),
        "relays": len(loaded.frame.relays),
        "facilities": len(facilities),
        "cameras": sum(facility.cameras for facility in facilities),
        "paths": sum(facility.paths for facility in facilities if facility.rendered),
    }


def _sign_offs(loaded: Loaded) -> dict[str, int]:
    plans = (plan for facility in loaded.outlines.values() for plan in (facility.plan, facility.successor))
    worths = Counter(proof.worth for plan in plans if plan and plan.agreed for proof in plan.proofs)
    return {"signed": worths[Worth.SIGNED], "claimed": worths[Worth.CLAIMED]}


def problems_of(root: Path, loaded: Loaded, environment: Mapping[str, str], cache: Cache | None) -> tuple[Problem, ...]:
    """Return all problems of a loaded inventory, sorted by position."""
    with without_collector():
        problems = [*check(loaded), *_problems_of_rego(root, loaded)]
        return tuple(sorted([*problems, *_problems_of_secrets(root, loaded, environment, cache)]))


def _problems_of_rego(root: Path, loaded: Loaded) -> tuple[Problem, ...]:
    files = loaded.frame.rego if loaded.frame else ()
    if not files:
        return ()
    from provisioner.inventory.policy_rules.judge import rego_problems  # noqa: PLC0415 (most inventories have no such rules)

    return rego_problems(files, root)


def _problems_of_secrets(
    root: Path, loaded: Loaded, environment: Mapping[str, str], cache: Cache | None
) -> tuple[Problem, ...]:
    if not any(environment.get(name, "").strip() for name in _PASSWORDS):
        return (_not_checked(),)
    # Without passwords the libraries behind the vault are not needed, and they take their time.
    from provisioner.base.vault import VaultPasswords, outside_of  # noqa: PLC0415
    from provisioner.inventory.loader import receivers, secrets  # noqa: PLC0415

    passwords = outside_of(VaultPasswords.from_environment(environment).for_secrets(), root)
    if not passwords:
        return (_not_checked(),)
    if loaded.frame is None:
        return ()
    sites = login_sites(loaded.outlines.values())
    names = secrets.read_names(root, passwords, loaded.frame, sites, cache)
    of_receivers = receivers.check_receivers(
        loaded.frame.receivers, receivers.open_receivers(root, passwords), loaded.places
    )
    of_hosts = secrets.check_sites(
        root, names, loaded.frame, sites, lambda name: loaded.facility(name).cameras, unread=loaded.broken
    )
    return (*of_hosts, *(of_receivers if RECEIVERS not in loaded.broken else ()))


def _not_checked() -> Problem:
    hint = "set ANSIBLE_VAULT_PASSWORD_FILE or ANSIBLE_VAULT_IDENTITY_LIST to check them as well"
    message = "secrets not checked: no vault password is set"
    return Problem("", 0, 0, SECRETS_NOT_CHECKED, message, hint, "secrets", Severity.WARNING)


def allocate(root: Path, environment: Mapping[str, str], *, today: date) -> Allocation:
    """Update the lock of an otherwise valid inventory, or raise `InventoryError`."""
    part = valid_part(load(root, today=today, cache=cache_of(root, environment)), root, tolerate=UNFINISHED)
    old, new = part.inventory.allocations, allocations_for(part.inventory, part.names)
    path = write_lock(root, new) if new != old else None
    return Allocation(path, tuple(_new_items(old, new)), tuple(_retired_items(old, new)), tuple(part.held.values()))


def _new_items(old: Allocations, new: Allocations) -> Iterator[AllocatedItem]:
    previous = set(_locked_items(old))
    return (item for item in _locked_items(new) if item not in previous)


def _locked_items(lock: Allocations) -> Iterator[AllocatedItem]:
    for kind, hosts in (("relay", lock.relays), ("centre", lock.centres), ("site", lock.sites)):
        for name, host in hosts.items():
            yield AllocatedItem(f"{kind}/{name}", str(host.tunnel_address))
    for name, site in lock.sites.items():
        if site.successor:
            yield AllocatedItem(f"site/{name}", str(site.successor.tunnel_address))
        for prefix in site.prefixes:
            yield AllocatedItem(f"site/{name}", str(prefix))
            for device, number in site.device_numbers.items():
                yield AllocatedItem(f"site/{name}/{device}", str(prefix[number]))
        for device, port in site.ports.items():
            yield AllocatedItem(f"site/{name}/{device}", port=port)
        for device, port in site.device_onvif_ports.items():
            yield AllocatedItem(f"site/{name}/{device}/onvif", port=port)


def _retired_items(old: Allocations, new: Allocations) -> Iterator[AllocatedItem]:
    previous = set(old.tombstones)
    for tombstone in new.tombstones:
        if tombstone not in previous:
            yield AllocatedItem(tombstone.object, _address_of(tombstone, new), tombstone.port or 0)


def _address_of(tombstone: Tombstone, lock: Allocations) -> str:
    """Return a retired address; a device's follows from its site's prefix."""
    if tombstone.number:
        site = lock.sites.get(tombstone.pool.partition("/")[2])
        return ", ".join(str(prefix[tombstone.number]) for prefix in site.prefixes) if site else ""
    return str(tombstone.tunnel_address or tombstone.prefix or "")
