"""A loaded inventory."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from provisioner.base.text import AnyNetwork
from provisioner.inventory import geography
from provisioner.inventory.model.base import Model, Slug
from provisioner.inventory.model.facility import Connection, Facility, MaintenanceWindow
from provisioner.inventory.model.hosts import Allocations, Carrier, Centre, Relay, Viewer
from provisioner.inventory.model.orders import Designation, Instruction, ReachIntent
from provisioner.inventory.model.policy import ProvinceScheme, Settings
from provisioner.inventory.model.receivers import Approver, Receiver, Signer, Signers, signers_in, signing_facts_of
from provisioner.inventory.policy_rules.file import RegoFile

_LOCK = "allocations"
_READ_LOCK = "read_lock"
_RELAYS = "_relays"

F = TypeVar("F", bound="BaseInventory")


class InProvince(Protocol):
    """A facility, or its outline, with its frozen province."""

    @property
    def province(self) -> str:
        """The province's slug."""

    @property
    def province_scheme(self) -> ProvinceScheme | None:
        """The slug's list, if it is not the inventory's."""


class BaseInventory(Model):
    """An inventory without its facilities. Mappings are sorted by id.

    The lock of a country is large, so it can be parsed on first use (`read_later`).
    """

    settings: Settings
    instructions: tuple[Instruction, ...]
    designations: tuple[Designation, ...]
    carriers: dict[Slug, Carrier]
    centres: dict[Slug, Centre]
    allocations: Allocations
    signing_keys: Signers | None = None  #: `signers.yml`, if it exists.
    maintenance: tuple[MaintenanceWindow, ...] = ()  #: The windows of `maintenance.yml`.
    intents: tuple[ReachIntent, ...] = ()  #: The statements of `intents.yml`.
    receivers: tuple[Receiver, ...] = ()  #: The receivers of `receivers.yml`.
    rego: tuple[RegoFile, ...] = ()  #: The readable rules and tests of `policy/`.

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            if name != _LOCK or _READ_LOCK not in self.__dict__:
                return super().__getattr__(name)
            self.__dict__[name] = self.__dict__.pop(_READ_LOCK)()
            return self.__dict__[name]

        def __iter__(self) -> Iterator[tuple[str, object]]:
            """Yield all values by name, with the lock."""
            yield _LOCK, self.allocations
            yield from ((name, value) for name, value in super().__iter__() if name != _LOCK)

    def read_later(self, read_lock: Callable[[], Allocations]) -> None:
        """Replace the lock by one that is read on first use."""
        self.__dict__.pop(_LOCK, None)
        self.__dict__[_READ_LOCK] = read_lock

    def with_facilities(self, facilities: Mapping[str, Facility]) -> "Inventory":
        """Return the inventory with these facilities, which are sorted by id."""
        return self.with_facilities_as(Inventory, facilities)

    def with_facilities_as(self, kind: type[F], facilities: Mapping[str, object]) -> F:
        """Return this inventory with facilities, as an inventory of another class."""
        # The lock is not parsed for that: the result reads it from this inventory on first use.
        fields = {"facilities": dict(facilities)}
        if _LOCK in self.__dict__:
            return cast("F", kind.model_construct(**dict(self) | fields))
        inventory = cast("F", kind.model_construct(**self.__dict__ | {_LOCK: Allocations()} | fields))
        inventory.read_later(lambda: self.allocations)
        return inventory

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Keys that may sign plans, sorted."""
        return signers_in(self.signing_keys)

    @property
    def signing_facts(self) -> tuple[str, ...]:
        """Facts that decide whose sign-offs count, a line each."""
        return signing_facts_of(self.signing_keys, self.settings.policy.sign_offs)

    @property
    def approvers(self) -> tuple[Approver, ...]:
        """Keys that may approve plans, sorted."""
        listed = self.signing_keys.approvers if self.signing_keys else ()
        return tuple(sorted(listed, key=lambda approver: (approver.id, approver.key, approver.since)))

    @property
    def relays(self) -> dict[str, tuple[Carrier, Relay]]:
        """Relays by id, with their carriers."""
        # A country's commands ask for them once a facility; a changed copy has other carriers.
        kept: tuple[object, dict[str, tuple[Carrier, Relay]]] = self.__dict__.get(_RELAYS, (None, {}))
        if kept[0] is not self.carriers:
            kept = self.carriers, {r.id: (c, r) for c in self.carriers.values() for r in c.relays}
            self.__dict__[_RELAYS] = kept
        return kept[1]

    def viewers_of(self, carrier: Carrier) -> tuple[Viewer, ...]:
        """Return viewers that read from a carrier's relays, without hubs'."""
        centres = (self.centres.get(centre) for centre in carrier.centres)
        return tuple(viewer for centre in centres if centre and centre.hub is None for viewer in centre.viewers)

    def hosts_of_carrier(self, carrier: Carrier) -> tuple[str, ...]:
        """Return a carrier's relays, and its centres without another carrier."""
        foreign = {centre for other in self.carriers.values() if other.id != carrier.id for centre in other.centres}
        return (*sorted(relay.id for relay in carrier.relays), *sorted(set(carrier.centres) - foreign))

    def ssh_sources(self, host: str) -> tuple[AnyNetwork, ...]:
        """Return the networks that SSH to a host may come from."""
        # At a centre these include its carriers' management networks.
        if found := self.relays.get(host):
            return found[0].management_networks
        of_carriers = (n for c in self.carriers.values() if host in c.centres for n in c.management_networks)
        return (*self.centres[host].management_networks, *of_carriers)

    def scheme_of(self, scheme: ProvinceScheme | None) -> ProvinceScheme:
        """Return a record's list of provinces: its own, or the inventory's."""
        return scheme or self.settings.province_scheme

    def province_today(self, facility: InProvince) -> geography.Province:
        """Return a facility's province in the inventory's list, or raise `ProvinceError`."""
        return geography.unit_today(
            facility.province, self.scheme_of(facility.province_scheme), self.settings.province_scheme
        )

    def province_counted(self, facility: InProvince) -> str:
        """Return the slug for counting: today's province, or else the frozen one."""
        try:
            return self.province_today(facility).slug
        except geography.ProvinceError:
            return facility.province

    def is_in(self, facility: InProvince, slug: str, scheme: ProvinceScheme | None) -> bool:
        """Return whether a facility is in a province of that `scheme`."""
        return _is_inside(facility.province, self.scheme_of(facility.province_scheme), slug, self.scheme_of(scheme))


@lru_cache(maxsize=32768)
def _is_inside(part: str, scheme: str, whole: str, whole_scheme: str) -> bool:
    """Return whether one province is in another; cached for a country's facilities."""
    try:
        return geography.is_inside(geography.by_slug(part, scheme), geography.by_slug(whole, whole_scheme))
    except geography.ProvinceError:
        return False


class Inventory(BaseInventory):
    """A loaded inventory. Mappings are sorted by id."""

    facilities: dict[Slug, Facility]

    def province_of_folder(self, slug: str) -> geography.Province:
        """Return a folder's province, or raise `UnknownProvinceError`."""
        try:
            return geography.by_slug(slug, self.settings.province_scheme)
        except geography.UnknownProvinceError:
            frozen = next((f.province_scheme for f in self.facilities.values() if f.province == slug), None)
            if frozen is None:
                raise
            return geography.by_slug(slug, frozen)

    @property
    def rendered_facilities(self) -> tuple[Facility, ...]:
        """The facilities that hosts carry, sorted by id."""
        return tuple(f for _, f in sorted(self.facilities.items()) if f.rendered)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Connections on hosts, sorted by facility; two during a change of carrier."""
        return tuple(c for _, f in sorted(self.facilities.items()) for c in f.connections)
