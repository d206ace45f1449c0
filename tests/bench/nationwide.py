"""One process that plans for a whole country without reading a file: `python -m tests.bench.nationwide`.

A hundred thousand cameras of ten thousand facilities on 130 hosts, as values in memory: what is timed is
desired state, rendering and comparison, the part of a plan that is neither loading nor asking hosts. Prints
JSON: CPU seconds of each stage of a first plan against empty hosts, of one against hosts that hold
everything but one facility's edit, and the peak of memory.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from provisioner.base.processes import without_collector
from provisioner.base.secret import Secret
from provisioner.desired.limit import Limit
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.desired.spec import DesiredState
from provisioner.desired.state import desired_state
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model.devices import device_of
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Credentials, Secrets
from provisioner.plan.build import Observed, build_plan
from provisioner.plan.offline import facts_of_revision
from provisioner.plan.plan import Basis, Plan
from tests import fleets, inventories

T = TypeVar("T")
RELAYS: Final = 129
SITES_A_RELAY: Final = 77
CAMERAS_A_SITE: Final = 10
_BOTH: Final = {"sub": {"width": 640, "height": 360}, "main": {"width": 1920, "height": 1080}}
_NOW: Final = datetime(2021, 6, 1, tzinfo=UTC)
_TEMPLATES: Final = fleets.templates()
Files = dict[str, tuple[RenderedFile, ...]]


def inventory() -> Inventory:
    """The country's inventory, complete: half of the sites have a recorder, most cameras a main stream."""
    relays = [
        inventories.relay(f"relay-{n:03}", 1, address=f"198.18.0.{n}", max_paths=3000) for n in range(1, RELAYS + 1)
    ]
    alone = [inventories.camera(f"cam-{n:02}", 10 + n, **_streams(n)) for n in range(1, CAMERAS_A_SITE + 1)]
    behind = [inventories.channel(f"cam-{n:02}", n, **_streams(n)) for n in range(1, CAMERAS_A_SITE + 1)]
    kinds = [
        fleets.facility("kcl-00000", cameras=alone),
        fleets.facility("kcl-00001", cameras=behind, recorders=[inventories.recorder()]),
    ]
    small = inventories.inventory(carriers=[inventories.carrier(relays=relays)], facilities=kinds)
    found = list(small.facilities.values())
    sites = (_site(found[n % 2], n) for n in range(RELAYS * SITES_A_RELAY))
    return fleets.complete(small.model_copy(update={"facilities": {site.id: site for site in sites}}))


def _streams(number: int) -> dict[str, Any]:
    return {"streams": _BOTH} if number % 5 else {}


def _site(like: Facility, number: int) -> Facility:
    """A facility like another one, on a relay of its own number, with a gateway of its own."""
    assert like.plan
    assert like.gateway
    plan = like.plan.model_copy(update={"relay": f"relay-{number % RELAYS + 1:03}"})
    gateway = like.gateway.model_copy(update={"public_key": inventories.public_key(str(number))})
    return like.model_copy(update={"id": f"kcl-{number:05}", "plan": plan, "gateway": gateway})


def secrets_of(found: Inventory) -> Secrets:
    """Every device a login of its own."""
    carrier = CarrierSecrets.model_construct(
        readers={"centre": Secret("reader")},
        site_psks={site: Secret(inventories.public_key(site)) for site in found.allocations.sites},
        centre_psks={relay: {"centre": Secret(inventories.public_key(relay))} for relay in found.allocations.relays},
    )
    logins = {
        site.id: {
            device: Credentials.model_construct(username="admin", password=Secret(f"{site.id}@{device}"))
            for device in {device_of(camera) for camera in site.cameras}
        }
        for site in found.facilities.values()
    }
    return Secrets.model_construct(digest_key=Secret("bench"), cameras=logins, carriers={"viettel": carrier})


def edited(found: Inventory) -> Inventory:
    """The inventory with another source for one stream of one camera."""
    site = found.facilities["kcl-00004"]
    camera = site.cameras[3]
    sub = camera.streams.sub.model_copy(update={"rtsp_path": "/other"})
    other = camera.model_copy(update={"streams": camera.streams.model_copy(update={"sub": sub})})
    changed = site.model_copy(update={"cameras": (*site.cameras[:3], other, *site.cameras[4:])})
    return found.model_copy(update={"facilities": found.facilities | {site.id: changed}})


def measure() -> dict[str, Any]:
    """Plan twice and give what each took."""
    found = inventory()
    secrets = secrets_of(found)
    state = desired_state(found, secrets)
    files = _render(state)
    empty = facts_of_revision(DesiredState({}), {}, files)
    full = facts_of_revision(state, files, files)
    del state, files
    cold, first = _plan(found, secrets, empty)
    changed, second = _plan(edited(found), secrets, full)
    assert len(first.pending) == len(first.changes)
    assert [change.resource.value for change in second.pending] == ["path", "file"]
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cold": cold, "changed": changed, "mib": mib, "changes": len(first.changes)}


def _plan(found: Inventory, secrets: Secrets, facts: Mapping[str, HostFacts]) -> tuple[dict[str, float], Plan]:
    took: dict[str, float] = {}
    state = _time(took, "state", lambda: desired_state(found, secrets))
    files = _time(took, "files", lambda: _render(state))
    observed = Observed(found, state, tuple(state.hosts.values()), files, facts)
    plan = _time(took, "compare", lambda: build_plan(observed, Basis("", "", {}), Limit(), _NOW))
    return took | {"all": sum(took.values())}, plan


def _render(state: DesiredState) -> Files:
    return {host: render_host(spec, _TEMPLATES) for host, spec in state.hosts.items()}


def _time(took: dict[str, float], name: str, action: Callable[[], T]) -> T:
    """Keep the CPU seconds of a stage."""
    started = time.process_time()
    with without_collector():
        found = action()
    took[name] = time.process_time() - started
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()))
