"""A loaded inventory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from provisioner.base.addresses import AnyNetwork
from provisioner.inventory.geography import Province, ProvinceError, UnknownProvinceError, by_slug, lies_in, unit_today
from provisioner.inventory.model.base import Model, Slug
from provisioner.inventory.model.facility import Connection, Facility, MaintenanceWindow
from provisioner.inventory.model.hosts import Allocations, Carrier, Centre, Relay, Viewer
from provisioner.inventory.model.orders import Designation, Instruction, ReachIntent
from provisioner.inventory.model.policy import ProvinceScheme, Settings
from provisioner.inventory.model.receivers import Approver, Receiver, Signer, Signers, signers_in, signing_facts_of
from provisioner.inventory.policy_rules.file import RegoFile

_LOCK = "allocations"
_READ_LOCK = "read_lock"

F = TypeVar("F", bound="Frame")


class InProvince(Protocol):
    """Whatever has a frozen province: a facility, or its outline."""

    @property
    def province(self) -> str:
        """The province's slug."""
        ...

    @property
    def province_scheme(self) -> ProvinceScheme | None:
        """The list that the slug is of, where it is not the inventory's."""
        ...


class Frame(Model):
    """An inventory without its facilities: what they are held against. Mappings are in the order of ids.

    The lock of a country is large, and few ask for it: it may be read when somebody does.
    """

    settings: Settings
    instructions: tuple[Instruction, ...]
    designations: tuple[Designation, ...]
    carriers: dict[Slug, Carrier]
    centres: dict[Slug, Centre]
    allocations: Allocations
    signing_keys: Signers | None = None
    """`signers.yml`, where there is one."""
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """The windows of `maintenance.yml`, where there is one."""
    intents: tuple[ReachIntent, ...] = ()
    """The statements of `intents.yml`, where there is one."""
    receivers: tuple[Receiver, ...] = ()
    """The receivers of `receivers.yml`, where there is one."""
    rego: tuple[RegoFile, ...] = ()
    """The rules of `policy/` with their tests, as far as they are texts."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            if name != _LOCK or _READ_LOCK not in self.__dict__:
                return super().__getattr__(name)
            self.__dict__[name] = self.__dict__.pop(_READ_LOCK)()
            return self.__dict__[name]

        def __iter__(self) -> Iterator[tuple[str, object]]:
            """All values by name, the lock among them: who takes a frame apart takes all of it."""
            yield _LOCK, self.allocations
            yield from ((name, value) for name, value in super().__iter__() if name != _LOCK)

    def read_later(self, read_lock: Callable[[], Allocations]) -> None:
        """Put a lock in the place of the one that is there, which is read when it is asked for first."""
        self.__dict__.pop(_LOCK, None)
        self.__dict__[_READ_LOCK] = read_lock

    def with_facilities(self, facilities: Mapping[str, Facility]) -> Inventory:
        """The inventory of these facilities, by id and in the order of ids."""
        return self.joined(Inventory, facilities)

    def joined(self, kind: type[F], facilities: Mapping[str, object]) -> F:
        """Return this frame with facilities, as another kind of frame that has them."""
        own = {"facilities": dict(facilities)}
        if _LOCK in self.__dict__:
            return cast("F", kind.model_construct(**dict(self) | own))
        joined = cast("F", kind.model_construct(**self.__dict__ | {_LOCK: Allocations()} | own))
        joined.read_later(lambda: self.allocations)
        return joined

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Every key that may sign plans, in one order."""
        return signers_in(self.signing_keys)

    @property
    def signing_facts(self) -> tuple[str, ...]:
        """All that decides whose word on a plan counts, a line each: what a plan has to tell a change of."""
        return signing_facts_of(self.signing_keys, self.settings.policy.sign_offs)

    @property
    def approvers(self) -> tuple[Approver, ...]:
        """Every key that approves plans, in an order that does not depend on the file's."""
        listed = self.signing_keys.approvers if self.signing_keys else ()
        return tuple(sorted(listed, key=lambda one: (one.id, one.key, one.since)))

    @property
    def relays(self) -> dict[str, tuple[Carrier, Relay]]:
        """Every relay by id, with its carrier."""
        return {r.id: (c, r) for c in self.carriers.values() for r in c.relays}

    def viewers_of(self, carrier: Carrier) -> tuple[Viewer, ...]:
        """Who reads from a carrier's relays with a login of his own, at any of its centres; at a hub nobody does."""
        known = (self.centres.get(centre) for centre in carrier.centres)
        return tuple(viewer for centre in known if centre and centre.hub is None for viewer in centre.viewers)

    def hosts_of_one(self, carrier: Carrier) -> tuple[str, ...]:
        """The hosts that are one carrier's alone: its relays, and the centres that read from no other."""
        others = {c for other in self.carriers.values() if other.id != carrier.id for c in other.centres}
        return (*sorted(relay.id for relay in carrier.relays), *sorted(set(carrier.centres) - others))

    def ssh_sources(self, host: str) -> tuple[AnyNetwork, ...]:
        """From where SSH to a host may come: to a centre also from where those manage who read there."""
        if host in self.relays:
            return self.relays[host][0].management_networks
        of_carriers = (n for c in self.carriers.values() if host in c.centres for n in c.management_networks)
        return (*self.centres[host].management_networks, *of_carriers)

    def scheme_of(self, own: ProvinceScheme | None) -> ProvinceScheme:
        """The list that a record's province slugs are of: its own, or the inventory's."""
        return own or self.settings.province_scheme

    def province_today(self, facility: InProvince) -> Province:
        """The province in the inventory's list in which a facility is today; its slug and paths stay.

        Raises:
            ProvinceError: the slug is not of its list, or its list is newer than the inventory's.
        """
        return unit_today(facility.province, self.scheme_of(facility.province_scheme), self.settings.province_scheme)

    def province_counted(self, facility: InProvince) -> str:
        """The slug of the province under which a facility is counted: today's, or its own if there is no such."""
        try:
            return self.province_today(facility).slug
        except ProvinceError:
            return facility.province

    def is_in(self, facility: InProvince, slug: str, own: ProvinceScheme | None) -> bool:
        """Tell whether a facility is in the province that a designation or an order names.

        Args:
            facility: the facility, by its frozen slug.
            slug: the province named.
            own: that record's `province_scheme`.
        """
        return _lies_in(facility.province, self.scheme_of(facility.province_scheme), slug, self.scheme_of(own))


@lru_cache(maxsize=32768)
def _lies_in(part: str, scheme: str, whole: str, whole_scheme: str) -> bool:
    """Tell whether one province is in another; a country's facilities ask the same few thousand times over."""
    try:
        return lies_in(by_slug(part, scheme), by_slug(whole, whole_scheme))
    except ProvinceError:
        return False


class Inventory(Frame):
    """A loaded inventory. Mappings are by id and in the order of ids."""

    facilities: dict[Slug, Facility]

    def province_of_folder(self, slug: str) -> Province:
        """The province that folders and files are named by: of the inventory's list, or frozen in a facility.

        Raises:
            UnknownProvinceError: the inventory's list has no such province, and no facility was registered in it.
        """
        try:
            return by_slug(slug, self.settings.province_scheme)
        except UnknownProvinceError:
            frozen = next((f.province_scheme for f in self.facilities.values() if f.province == slug), None)
            if frozen is None:
                raise
            return by_slug(slug, frozen)

    @property
    def rendered_facilities(self) -> tuple[Facility, ...]:
        """The facilities that hosts carry, in the order of their ids."""
        return tuple(f for _, f in sorted(self.facilities.items()) if f.rendered)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """What hosts carry, in the order of facilities' ids; a change of carrier has two of one facility."""
        return tuple(c for _, f in sorted(self.facilities.items()) for c in f.connections)
