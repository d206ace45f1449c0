"""A fleet in memory that is planned and applied: what the laws of plans go over."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from provisioner.base.errors import FrozenFacility
from provisioner.base.secret import Secret
from provisioner.desired.limit import Limit, chosen_hosts
from provisioner.desired.render.host import MEDIAMTX_FILE, RenderedFile
from provisioner.desired.spec import DesiredState
from provisioner.desired.state import NOTHING_HELD, desired_state
from provisioner.hosts.observe import observe
from provisioner.inventory.allocation import devices_of
from provisioner.inventory.model.facility import Access
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import NextPsk, Secrets
from provisioner.inventory.renamed_ids import moved_secrets
from provisioner.operations.pipeline.stages import Planned
from provisioner.operations.rollout.job import Job, RolloutOptions
from provisioner.operations.rollout.result import HostOutcome
from provisioner.plan.build import Observed, build_plan
from provisioner.plan.plan import Basis
from provisioner_host.relay import relay as host_relay
from tests import fleets, inventories
from tests.simulated import SimulatedHost, SimulatedHosts, apply

NOW = datetime(2021, 5, 9, 3, 0, tzinfo=UTC)
KEY = Secret("key-of-seals")
PASSWORD = "mật khẩu@:/#?%$G1"
_MANY = 10**6
#: Allowances for a test that is about something else.
EVERYTHING: Mapping[str, int] = {
    "deletions": _MANY,
    "deletion_percent": 100,
    "hosts": _MANY,
    "all_impact": _MANY,
    "viewers": _MANY,
    "freeze": _MANY,
    "trust": _MANY,
}


@dataclass
class World:
    """Hosts in memory, and the lock and secrets of the inventory that they hold."""

    hosts: SimulatedHosts = field(default_factory=SimulatedHosts)
    lock: Allocations = field(default_factory=Allocations)
    secrets: Secrets | None = None
    runs: int = 0

    def complete(self, inventory: Inventory, held: Collection[str] = ()) -> Inventory:
        """An inventory with the lock as `allocate` would leave it after what was recorded before."""
        return fleets.complete(inventories.with_lock(inventory, self.lock), held)

    def state(
        self, inventory: Inventory, password: str = PASSWORD, held: Mapping[str, FrozenFacility] = NOTHING_HELD
    ) -> tuple[Inventory, Secrets, DesiredState]:
        """The complete inventory, its secrets and what hosts should hold."""
        whole = self.complete(inventory, {name for one in held.values() for name in one.names})
        secrets = self._secrets(whole, password)
        return whole, secrets, desired_state(whole, secrets, held)

    def _secrets(self, inventory: Inventory, password: str) -> Secrets:
        new = fleets.secrets_of(inventory, password)
        if self.secrets is None:
            return new
        devices = {name: devices_of(facility) for name, facility in inventory.facilities.items()}
        old = moved_secrets(self.secrets, inventory.settings.moved, devices)
        carriers = {
            name: carrier.model_copy(
                update={
                    "site_psks": carrier.site_psks | _psks(old, name),
                    "next_psks": _next_psks(old, name) | carrier.next_psks,
                }
            )
            for name, carrier in new.carriers.items()
        }
        return new.model_copy(update={"carriers": carriers})

    def plan(
        self,
        inventory: Inventory,
        *,
        limit: Limit | None = None,
        allow: Mapping[str, int] = EVERYTHING,
        now: datetime = NOW,
        password: str = PASSWORD,
        held: Mapping[str, FrozenFacility] = NOTHING_HELD,
    ) -> Planned:
        """The plan that makes hosts what an inventory says, but for what is held."""
        whole, _, state = self.state(inventory, password, held)
        files = fleets.files_of(state)
        hosts = chosen_hosts(state, limit or Limit())
        facts, errors = observe(hosts, files, self.hosts)
        unreadable = {host: error.message for host, error in errors.items()}
        observed = Observed(whole, state, hosts, files, facts, unreadable)
        plan = build_plan(observed, Basis("inventory", "templates", {}, allow=allow), limit or Limit(), now)
        return Planned(plan, hosts, facts, errors)

    def apply(
        self, inventory: Inventory, *, password: str = PASSWORD, held: Mapping[str, FrozenFacility] = NOTHING_HELD
    ) -> Planned:
        """Bring all hosts to what an inventory says, and give the plan that was applied."""
        whole, secrets, state = self.state(inventory, password, held)
        planned = self.plan(inventory, password=password, held=held)
        files = fleets.files_of(state)
        jobs = [
            Job(state.hosts[host], files[host], planned.facts[host], planned.facts[host].live_digest)
            for host in planned.plan.hosts
        ]
        self.runs += 1
        options = RolloutOptions(gate=None, sleep=lambda _seconds: None)
        results = apply(jobs, f"run-{self.runs}", self.hosts, options) if jobs else ()
        assert {result.outcome for result in results} <= {HostOutcome.APPLIED}, results
        self.lock, self.secrets = whole.allocations, secrets
        return planned

    def watch(self, relay: str, viewers: Mapping[str, int]) -> None:
        """Let people read paths at a relay."""
        self.hosts.hosts[relay].viewers = dict(viewers)


def _next_psks(secrets: Secrets, carrier: str) -> dict[str, NextPsk]:
    known = secrets.carriers.get(carrier)
    return dict(known.next_psks) if known else {}


def _psks(secrets: Secrets, carrier: str) -> dict[str, Secret]:
    return secrets.carriers[carrier].site_psks if carrier in secrets.carriers else {}


def of(sites: Mapping[str, int], **changes: object) -> Inventory:
    """An inventory of one carrier: facilities with so many cameras."""
    facilities = [fleets.facility(name, cameras) for name, cameras in sites.items()]
    return inventories.inventory(**({"facilities": facilities} | changes))


def of_modes(sites: Mapping[str, int]) -> Inventory:
    """The same with an access mode each, by its number; gateways of some dial a further port."""
    modes = [mode.value for mode in Access]
    # 1, 2, 10 and 100 have one each.
    of = {name: modes[int(name.rpartition("-")[2]) * 7 // 3 % len(modes)] for name in sites}
    facilities = [
        fleets.of_mode(of[name], name, cameras, **(_dialling(name) if _dials(name, of[name]) else {}))
        for name, cameras in sites.items()
    ]
    relay = inventories.relay("relay-viettel-1", 11, further_wireguard_ports=[443, 53])
    carriers = [inventories.carrier(routed_networks=["10.120.0.0/16"], relays=[relay], publishers={})]
    return inventories.inventory(carriers=carriers, facilities=facilities)


def _dials(name: str, mode: str) -> bool:
    return Access(mode).has_tunnel and name[-1] in "02"


def _dialling(name: str) -> dict[str, object]:
    return {"gateway": inventories.facility(name)["gateway"] | {"relay_port": 443}}


def paths_in(host: SimulatedHost) -> set[str]:
    """The names of the paths in a host's relay file."""
    return set(host_relay.describe(host.files[MEDIAMTX_FILE][0].decode(), "")["paths"])


def rendered(state: DesiredState) -> dict[str, tuple[RenderedFile, ...]]:
    """Every host's rendered files."""
    return fleets.files_of(state)
