"""One host to change: its desired state, its files, its calls. Pure."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from provisioner.base.secret import keyed_digest
from provisioner.desired.render.host import MEDIAMTX_FILE, RenderedFile, identity_content, path_settings, program_path
from provisioner.desired.spec import NEXT, SITE, UNIT_MEDIAMTX, HostSpec, MediaPath, units_of
from provisioner.hosts.answers import wire
from provisioner.hosts.call_target import target_digest
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.identity import owner_to_mark
from provisioner.hosts.observe import observe_request
from provisioner.hosts.runner import HostCall, call_digest
from provisioner.operations.rollout.affected_paths import Touched, touched_by
from provisioner.operations.rollout.gate import GateRules
from provisioner.plan.change import HOST, OWNER, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import sentinel_of
from provisioner.plan.diff.files import restarts_silent
from provisioner.plan.guards.policy import needs_program
from provisioner.plan.plan import program_sums

CONFIRM_S = 60.0
TRANSACTION_TIMEOUT_S = 240.0
# The longest return of a host to last-good after the confirm window.
RETURN_S = 60.0
# A look ends well before the switch that it renewed.
_LOOK_SHARE = 0.6
_READ_S = 12.0
_READERS = 8
_BEFORE_S = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One host to change."""

    spec: HostSpec
    files: tuple[RenderedFile, ...]
    facts: HostFacts | None  #: The host when the plan was made; `None` if it is finished.
    expected: str
    artefact: Path | None = None
    artefact_sha256: str = ""
    changes: tuple[Change, ...] = ()  #: The plan's changes on the host, for the gate.
    rollback: str | None = None  #: The run to undo, empty for the newest known; `None` for an apply.
    carrier: tuple[HostSpec, ...] = ()  #: The carrier's other relays: what moves to them is not revoked.
    epoch: int | None = None  #: The run's number on the host (`record.leases`); `None` without a record.
    #: Plan and approvals for a carrier that requires them (`plan.saved.file`).
    warrant: bytes = field(repr=False, default=b"")

    @property
    def unproved(self) -> bool:
        """Whether the host need not prove its owner, by the plan."""
        names = {change.name for change in self.changes if change.resource is Resource.TRUST}
        return HOST in names or (OWNER in names and self.facts is not None and not self.facts.proved)

    @property
    def touched(self) -> Touched:
        """The touched parts; a rollback may touch everything."""
        if self.rollback is None:
            return touched_by(self.spec, self.changes)
        return Touched(read=tuple(p for p in self.spec.paths if not p.on_demand), everything=True)

    @property
    def is_harmless(self) -> bool:
        """Whether neither the change nor its rollback cuts running streams.

        Only rules of single devices are harmless, and the host must have proved its owner.
        """
        if self.rollback is not None or self.unproved or not self.changes:
            return False
        touched = self.touched
        cuts = touched.everything or touched.rules or touched.link
        return not cuts and all(c.impact.rank <= Impact.HOT.rank or self._is_of_idle_path(c) for c in self.changes)

    def _is_of_idle_path(self, change: Change) -> bool:
        """Return whether it changes an on-demand path without viewers."""
        facts = self.facts
        if change.resource is not Resource.PATH or change.action is not Action.UPDATE or change.cut:
            return False
        if facts is None or facts.relay is None or facts.runtime is None or change.name in facts.runtime["viewers"]:
            return False
        old_path = facts.relay["paths"].get(change.name)
        is_now = any(path.name == change.name and path.on_demand for path in self.spec.paths)
        return is_now and old_path is not None and old_path["settings"].get("sourceOnDemand") is True


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """Options of a rollout; only tests skip lock-out check or gate."""

    confirm_s: float = CONFIRM_S  #: How long a host waits before it rolls back.
    lockout_check: bool = True
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
    clock: Callable[[], float] = field(default_factory=lambda: time.monotonic)
    gate: GateRules | None = field(default_factory=GateRules)  #: The gate's rules; `None` confirms at once.
    max_failed: int = 0  #: Number of hosts that may fail before waves stop.
    pause_after: str = ""  #: The wave after which to pause, or empty.
    apart: bool = False  #: Whether waves always wait for the last one's confirmation.
    who: str = ""
    record: wire.RecordHead | None = None  #: The run's first entry for hosts; `None` without a record.


class LookOrder(NamedTuple):
    """A requested look after the switch."""

    read: tuple[MediaPath, ...] = ()
    away: tuple[MediaPath, ...] = ()
    wait_s: float = 0.0
    early_s: float = 0.0  #: Seconds before that from which it may read.
    since: float | None = None  #: The host's time of its switch, from which to count instead.
    at_once: bool = False  #: Whether to look at sessions also when the call arrives.


def planned_job(
    spec: HostSpec,
    files: tuple[RenderedFile, ...],
    facts: HostFacts,
    changes: Iterable[Change],
    hosts: Iterable[HostSpec],
) -> Job:
    """Return a plan's job on a host, without MediaMTX's program file."""
    changes = tuple(changes)
    sha256 = program_sums(spec).get(facts.machine["arch"], "") if needs_program(spec, changes) else ""
    sibling_relays = relays_beside(spec, hosts)
    return Job(spec, files, facts, facts.live_digest, artefact_sha256=sha256, changes=changes, carrier=sibling_relays)


def meant_by(job: Job) -> dict[str, str]:
    """Return digests of the changing and confirming calls, and the host's."""
    first, confirm = first_call(job, "", RolloutOptions()), confirm_call(job, "", RolloutOptions())
    return {
        "apply": str(first.request["meant"]),
        "confirm": call_digest(confirm.request, confirm.files),
        "host": target_digest(job.spec),
    }


# --- the calls ------------------------------------------------------------------------------------
def first_call(job: Job, run_id: str, options: RolloutOptions) -> HostCall:
    """Return the call that changes the host and leaves it armed."""
    if job.rollback is not None:
        return HostCall(job.spec, _rollback_request(job, job.rollback, run_id, options), shares=True)
    observed, contents = observe_request(job.spec, job.files)
    contents |= {str(number): file.content for number, file in enumerate(job.files)}
    existing = [path for path in job.touched.read if path.name not in job.touched.new]
    if job.unproved:
        # It stays on the host whatever the result; a proved host has it and does not get it again.
        contents["identity"] = identity_content(job.spec)
    request: wire.ApplyRequest = {
        "operation": "apply",
        **_common_request(job, run_id, options, begins=True),
        "files": {file.path: _file(number, file) for number, file in enumerate(job.files)},
        "observe": observed,
        "expected_live_digest": job.expected,
        "lockout": _lockout(job, options),
        "gate": _look(job, existing, (), _BEFORE_S) if options.gate else None,
        "elsewhere": _moved_parts(job, job.facts) if job.facts else [],
        "restart": [UNIT_MEDIAMTX] if job.facts and restarts_silent(job.facts, job.changes) else [],
        "lift": sorted(job.spec.lifted),
        "meant": "",
    }
    request["meant"] = call_digest(request, contents)
    return HostCall(job.spec, request, contents, job.artefact, shares=True, unproved=job.unproved, warrant=job.warrant)


def _rollback_request(job: Job, target: str, run_id: str, options: RolloutOptions) -> wire.RollbackRequest:
    return {
        "operation": "rollback",
        **_common_request(job, run_id, options, begins=True),
        "target": target,
        "bare": True,
        "digest_key": job.spec.digest_key.reveal(),
        "wanted": dict(sorted({**_served_digests(job, job.carrier), **_wanted_digests(job)}.items())),
        "lockout": _lockout(job, options),
        "gate": _look(job, job.touched.read, (), _BEFORE_S) if options.gate else None,
        "held": sorted(job.spec.frozen_names),
    }


def look_call(job: Job, run_id: str, options: RolloutOptions, order: LookOrder) -> HostCall:
    """Return the call that renews the switch and looks at paths."""
    order_fields = _look(job, order.read, order.away, options.confirm_s * _LOOK_SHARE)
    if order.wait_s:
        order_fields |= {"wait_s": order.wait_s, "early_s": order.early_s}
    if order.since is not None:
        order_fields |= {"since": order.since, "first": order.at_once}
    request: wire.LookRequest = {"operation": "look", **_common_request(job, run_id, options), "gate": order_fields}
    return HostCall(job.spec, request, shares=True, unproved=job.unproved, since=run_id)


def confirm_call(job: Job, run_id: str, options: RolloutOptions, *, anew: bool = False) -> HostCall:
    """Return the confirming call, over a new connection (`anew`: after the looks)."""
    observed, contents = observe_request(job.spec, job.files)
    files = [file.path for file in job.files]
    request: wire.ConfirmRequest = {
        "operation": "confirm",
        **_common_request(job, run_id, options),
        "files": files,
        "observe": observed,
    }
    return HostCall(job.spec, request, contents, shares=not anew, unproved=job.unproved, since=run_id)


def abort_call(job: Job, run_id: str, options: RolloutOptions, cause: str) -> HostCall:
    """Return the call that rolls the host back at once."""
    request: wire.AbortRequest = {"operation": "abort", **_common_request(job, run_id, options), "cause": cause}
    return HostCall(job.spec, request, unproved=job.unproved)


def status_call(job: Job, run_id: str, options: RolloutOptions) -> HostCall:
    """Return the call that asks for the run's outcome."""
    request: wire.StatusRequest = {"operation": "status", **_common_request(job, run_id, options)}
    return HostCall(job.spec, request, unproved=job.unproved)


def look_seconds(options: RolloutOptions) -> float:
    """Return the timeout of a look: slow hosts are given up."""
    return options.confirm_s * _LOOK_SHARE + 20


def relays_beside(spec: HostSpec, hosts: Iterable[HostSpec]) -> tuple[HostSpec, ...]:
    """Return the other relays of a relay's carrier."""
    siblings = (
        sibling for sibling in hosts if sibling.relay and sibling.id != spec.id and sibling.carriers == spec.carriers
    )
    return tuple(siblings) if spec.relay else ()


def _served_digests(job: Job, relays: Iterable[HostSpec]) -> dict[str, str]:
    """Return relays' peers and paths, with digests by this host's key.

    Centres are left out: a relay may revoke a centre that another serves.
    """
    relays = tuple(relays)
    sites = (peer for spec in relays for peer in spec.tunnel.peers if peer.name.startswith((SITE, NEXT)))
    served = {peer.public_key: _digest(job, peer.psk.reveal()) for peer in sites}
    return served | {
        path.name: _digest(job, str(path_settings(path)["source"])) for spec in relays for path in spec.paths
    }


def _wanted_digests(job: Job) -> dict[str, str]:
    peers = {peer.public_key: _digest(job, peer.psk.reveal()) for peer in job.spec.tunnel.peers}
    if job.spec.media is None:
        return peers
    users = {user.name: _digest(job, user.secret_hash) for user in job.spec.media.users}
    offered = job.spec.hub.paths if job.spec.hub else ()
    pulled = {path.name: _digest(job, path.source.reveal()) for path in offered}
    return peers | users | pulled | (_served_digests(job, [job.spec]) if job.spec.relay else {})


def _moved_parts(job: Job, facts: HostFacts) -> list[str]:
    """Return what the host loses to another relay, with equal secrets."""
    peers = {key: peer["psk"] for key, peer in facts.tunnel["peers"].items()} if facts.tunnel else {}
    paths = {name: path["source_digest"] for name, path in facts.relay["paths"].items()} if facts.relay else {}
    desired = {*(peer.public_key for peer in job.spec.tunnel.peers), *(path.name for path in job.spec.paths)}
    lost = {name: digest for name, digest in {**peers, **paths}.items() if name not in desired}
    served = _served_digests(job, job.carrier) if lost else {}
    return sorted(name for name, digest in lost.items() if served.get(name) == digest)


def _digest(job: Job, secret: str) -> str:
    return keyed_digest(job.spec.digest_key, secret.encode())


def _lockout(job: Job, options: RolloutOptions) -> wire.LockoutCheck:
    firewall = job.spec.firewall
    return {
        "check": options.lockout_check,
        "ssh_port": job.spec.ssh.port,
        "networks": [str(n) for n in firewall.management_networks] if firewall else [],
    }


def _look(job: Job, read: Iterable[MediaPath], absent: Iterable[MediaPath], deadline_s: float) -> wire.GateRequest:
    return {
        "address": str(job.spec.tunnel.address),
        "paths": [_path(path) for path in read],
        "away": [_path(path) for path in absent],
        "deadline_s": deadline_s,
        "sample_s": 1,
        "read_s": min(_READ_S, deadline_s),
        "max_readers": _READERS,
    }


def _path(path: MediaPath) -> wire.PathToRead:
    source = path.source
    return {
        "name": path.name,
        "on_demand": path.on_demand,
        "address": str(source.address) if source else "",
        "port": source.port if source else 0,
    }


def _file(number: int, file: RenderedFile) -> wire.FileToPut:
    return {"content": str(number), "mode": file.mode, "owner": file.owner, "group": file.group}


def _common_request(job: Job, run_id: str, options: RolloutOptions, *, begins: bool = False) -> wire.ChangeRequest:
    spec = job.spec
    relay_file = next((file.content for file in job.files if file.path == MEDIAMTX_FILE), b"")
    program: wire.ProgramToInstall | None = None
    if spec.media is not None:
        program = {
            "path": program_path(spec.media.artefact),
            "artefact": job.artefact is not None,
            "sha256": job.artefact_sha256,
        }
    request: wire.ChangeRequest = {
        "run": run_id,
        "who": options.who,
        "confirm_s": options.confirm_s,
        "units": list(units_of(spec)),
        "peers": [peer.public_key for peer in spec.tunnel.peers],
        "sentinel": sentinel_of(relay_file),
        "program": program,
        "record": options.record,
    }
    if (owner := owner_to_mark(spec)) is not None:
        request["owner"] = owner
    if begins and job.epoch is not None:
        request["epoch"] = job.epoch
    return request
