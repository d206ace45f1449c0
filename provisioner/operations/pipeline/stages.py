"""The stages of a session: plan, verify, keys, site packages."""

import secrets as random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import sleep
from typing import NamedTuple, TypeVar

from provisioner import __version__
from provisioner.base.errors import FrozenFacility, HostError, InventoryError, PolicyError, SecretsError, UsageError
from provisioner.base.groups import grouped
from provisioner.base.processes import without_collector
from provisioner.base.secret import Secret
from provisioner.base.text import Document, counted, did_you_mean, named
from provisioner.desired.limit import Limit, chosen_hosts, key_hosts, recorded_keys, shut_by, shut_for_site
from provisioner.desired.recovery_key import recovery_key
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.desired.render.site import SitePackage, Validity, render_closed_site, render_site, with_printed_sheets
from provisioner.desired.render.templates import Templates
from provisioner.desired.sites import closed_sites, had_tunnel, site_spec
from provisioner.desired.spec import HostSpec, LeftOutHost
from provisioner.hosts.artefact import refusal_here
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.identity import HostKeyScans
from provisioner.hosts.keys import HostKeys, make_host_keys
from provisioner.hosts.observe import observe, observe_request
from provisioner.hosts.runner import ForeignHostError, HostRunner, UnprovedHostError
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.loader.frozen import ValidPart
from provisioner.inventory.loader.frozen_secrets import valid_secrets
from provisioner.inventory.loader.secrets import carriers_apart, write_carrier_secrets, write_inventory_secrets
from provisioner.inventory.model.facility import Facility, GatewaySystem
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, InventorySecrets, Secrets
from provisioner.inventory.new_secrets import certified, completed, recorded
from provisioner.inventory.policy_rules.judge import judge
from provisioner.inventory.rules.lock import GATEWAY_KEY_MISSING, KEYS_MISSING
from provisioner.inventory.rules.logins import HOST_KEY_MISPLACED, SECRETS_GAPS, SECRETS_MISSING
from provisioner.nodes import routed_by
from provisioner.operations.pipeline.session import Observing, Session, expect_calls
from provisioner.operations.rollout.job import meant_by, planned_job
from provisioner.plan.build import Observed, build_plan, changes_of_all
from provisioner.plan.change import Change, distinct_trust
from provisioner.plan.diff import changes_of
from provisioner.plan.diff.files import frozen_on
from provisioner.plan.diff.users import with_live_logins
from provisioner.plan.guards import policy_rules
from provisioner.plan.guards.policy import TRUST, lacking_programs
from provisioner.plan.plan import HostItems, Plan, items_of
from provisioner.plan.saved.file import NOT_KNOWN, PlanMaker, saved_text
from provisioner.record.entries import Operation, Run
from provisioner.record.state_folder import who
from provisioner.verify.memory import Memories
from provisioner.verify.path_history import EVERYTHING, Timepiece, VerifyOptions, Window, last_proof
from provisioner.verify.paths import select
from provisioner.verify.requests import ObserveCall
from provisioner.verify.result import PathVerdict, VerifyResult
from provisioner.verify.run import verify
from provisioner.verify.unchecked import with_frozen, with_shut

T = TypeVar("T")

WATCH = Timepiece(lambda: datetime.now(UTC), sleep)  #: The clock for verifications.
_Asked = tuple[dict[str, T], dict[str, HostError]]


def key_askers(environment: Mapping[str, str], root: Path) -> HostRunner:
    """Return a runner that asks for host keys; or raise `UsageError`."""
    return routed_by(environment, HostKeyScans(environment), root)


@dataclass(frozen=True)
class Planned:
    """A plan, its facts, and its unreadable hosts."""

    plan: Plan
    hosts: tuple[HostSpec, ...]
    facts: Mapping[str, HostFacts]
    unreadable: Mapping[str, HostError]

    @property
    def host_items(self) -> dict[str, HostItems]:
        """The items of each host, to tell later what moved."""
        read = [spec for spec in self.hosts if spec.id in self.facts]
        names = {spec.id: {peer.public_key: peer.name for peer in spec.tunnel.peers} for spec in read}
        return {spec.id: items_of(self.facts[spec.id], names[spec.id]) for spec in read}

    def refuse_foreign(self) -> None:
        """Raise `PolicyError` if a chosen host belongs to another inventory."""
        refuse_foreign(self.unreadable)

    def refuse_host(self, host: str) -> None:
        """Refuse one host's plan as a step of a longer change (`PolicyError`)."""
        self.refuse_foreign()
        if host in self.unreadable:
            error = self.unreadable[host]
            raise HostError(error.message, hint=error.hint, object=host)
        if self.plan.refused:
            first = self.plan.refused[0]
            raise PolicyError(first.message, hint=first.hint, object=first.host or host)

    def judged_by_rego(self, session: Session, now: datetime) -> "Planned":
        """Add the Rego rules' verdict; invalid rules raise `InventoryError`."""
        specs = {spec.id: spec for spec in self.hosts}
        return replace(self, plan=judged_by_rego(session, self.plan, session.served, specs, now))

    def text(self, key: Secret, maker: PlanMaker = NOT_KNOWN) -> str:
        """Return the plan as saved, sealed with a key."""
        return saved_text(self.plan, self.host_items, key, maker)


def judged_by_rego(
    session: Session, plan: Plan, inventory: Inventory, hosts: Mapping[str, HostSpec], now: datetime
) -> Plan:
    """Add the inventory's Rego verdict to a plan, or raise `InventoryError`."""
    broken = [problem for problem in session.loaded.problems if problem.is_of_rego and problem.stops_plans]
    if not (inventory.rego or broken):
        return plan
    if len(changing := plan.pending) > policy_rules.MOST_CHANGES:
        return replace(plan, refused=(*plan.refused, policy_rules.too_large(len(changing))))
    judgement = judge(inventory.rego, session.root, rego_input_of(plan, inventory, hosts, now))
    if problems := (*broken, *judgement.problems):
        message = f"the Rego rules of {session.root} cannot judge a plan: {counted(len(problems), 'problem')}"
        raise InventoryError(message, problems=problems, hint="correct the places listed; provisioner policy test")
    verdict = judgement.verdict
    return replace(
        plan,
        refused=(*plan.refused, *policy_rules.rego_refusals(verdict)),
        warnings=(*plan.warnings, *policy_rules.rego_warnings(verdict.warned)),
        notes=(*plan.notes, verdict.words),
        rego=verdict,
    )


def rego_input_of(plan: Plan, inventory: Inventory, hosts: Mapping[str, HostSpec], now: datetime) -> Document:
    """Return the Rego rules' input for a plan; as `judged_by_rego`."""
    cameras = {name: len(facility.cameras) for name, facility in inventory.facilities.items()}
    offline = plan.against is not None
    return policy_rules.rego_input(
        policy_rules.PlanForRego(inventory.settings.id, plan.changes, hosts, cameras, offline=offline), now
    )


def refuse_foreign(errors: Mapping[str, HostError]) -> None:
    """Raise `PolicyError` if a host belongs to another inventory."""
    foreign = [error for _, error in sorted(errors.items()) if isinstance(error, ForeignHostError)]
    if foreign:
        more_hosts = sorted(error.object for error in foreign[1:])
        more = f" (and so do {named(more_hosts)})" if more_hosts else ""
        raise PolicyError(f"{foreign[0].message}{more}", hint=foreign[0].hint, object=foreign[0].object)


# --- plan and apply -------------------------------------------------------------------------------
def make_plan(
    session: Session,
    limit: Limit,
    *,
    allow: Mapping[str, int] | None = None,
    now: datetime | None = None,
    lift: Collection[str] = (),
    is_judged: bool = True,
    observing: Observing | None = None,
) -> Planned:
    """Observe hosts, compare them with the desired state, judge the difference.

    `now` is the time for freeze windows. `lift` are paths whose quarantine is lifted. Without `is_judged` Rego rules do
    not apply: for mere display.
    """
    limit = session.read_limit(limit)
    hosts = chosen_hosts(session.state, limit)
    now, allowed = now or datetime.now(UTC), dict(allow or {})
    called = [spec for spec in hosts if spec.id not in session.introduced]
    facts, errors = _facts_and_errors(session, called, allowed.get(TRUST, 0), now, observing)
    errors |= {spec.id: session.introduced[spec.id] for spec in hosts if spec.id in session.introduced}
    session.settle(facts)
    hosts = tuple(_with_lifted(session.state.hosts[spec.id], lift) for spec in hosts)
    errors = errors | {host.id: _not_opened(host) for host in shut_by(session.state, limit)}
    planned = _judged_plan(session, _ReadHosts(limit, hosts, facts, errors), allowed, now)
    return planned.judged_by_rego(session, now) if is_judged else planned


def plan_of_some(session: Session, planned: Planned, hosts: Collection[str], *, allow: Mapping[str, int]) -> Planned:
    """Return the plan of some hosts from a plan's facts."""
    looked = _ReadHosts(
        Limit({"host": frozenset(hosts)}).by(session.inventory.settings.province_scheme),
        tuple(spec for spec in planned.hosts if spec.id in hosts),
        {host: facts for host, facts in planned.facts.items() if host in hosts},
        {host: error for host, error in planned.unreadable.items() if host in hosts},
    )
    now = datetime.now(UTC)
    return _judged_plan(session, looked, dict(allow), now).judged_by_rego(session, now)


class _ReadHosts(NamedTuple):
    limit: Limit
    hosts: tuple[HostSpec, ...]
    facts: dict[str, HostFacts]
    errors: dict[str, HostError]


def _judged_plan(session: Session, looked: _ReadHosts, allowed: dict[str, int], now: datetime) -> Planned:
    limit, hosts, facts, errors = looked
    unreadable = {host: error.message for host, error in errors.items()}
    unproved = frozenset(host for host, error in errors.items() if isinstance(error, UnprovedHostError))
    observed = Observed(
        session.served,
        session.state,
        hosts,
        session.files,
        facts,
        unreadable,
        unproved=unproved,
        places=session.loaded.places,
    )
    basis = replace(session.basis({}), allow=allowed)
    with without_collector():
        plan = build_plan(observed, basis, limit, now, session.commit)
        plan = replace(plan, basis=replace(plan.basis, requests=_call_digests(session, plan, hosts, facts)))
    lacking = lacking_programs(plan.pending, hosts, facts, partial(refusal_here, environment=session.environment))
    return Planned(replace(plan, lacking=lacking), hosts, facts, errors)


def _call_digests(
    session: Session, plan: Plan, hosts: Sequence[HostSpec], facts: Mapping[str, HostFacts]
) -> dict[str, dict[str, str]]:
    changes = grouped(plan.pending, lambda change: change.host)
    all_hosts = session.state.hosts.values()
    return {
        spec.id: meant_by(planned_job(spec, session.files[spec.id], facts[spec.id], changes[spec.id], all_hosts))
        for spec in hosts
        if spec.id in changes and spec.id in facts
    }


def _with_lifted(spec: HostSpec, lift: Collection[str]) -> HostSpec:
    lifted = frozenset(path.name for path in spec.paths if path.name in lift) if lift else frozenset()
    return replace(spec, lifted=lifted) if lifted else spec


def _not_opened(host: LeftOutHost) -> HostError:
    hint = "set a password for its vault id in ANSIBLE_VAULT_IDENTITY_LIST, or leave the host out with --limit"
    return HostError(host.reason, hint=hint, object=host.id)


def _facts_and_errors(
    session: Session, hosts: Sequence[HostSpec], trusted: int, now: datetime, observing: Observing | None
) -> tuple[dict[str, HostFacts], dict[str, HostError]]:
    """Return hosts' facts; unproved hosts are read only if trusted.

    The allowed number covers all kinds of trust, so that a number meant for another kind never reaches a stranger.
    """
    if observing is not None and observing.hosts == tuple(hosts):
        first = facts, errors = observing.wait()
    else:
        # While their files are rendered.
        expect_calls(session, hosts)
        first = facts, errors = observe(hosts, session.files, session.runner)
    unproved = _unproved(hosts, errors)
    if not unproved or _number_trusted_anew(session, hosts, facts, now) + len(unproved) > trusted:
        return first
    return _joined(first, observe(unproved, session.files, session.runner, unproved=True))


def _number_trusted_anew(
    session: Session, hosts: Sequence[HostSpec], facts: Mapping[str, HostFacts], now: datetime
) -> int:
    read = [spec for spec in hosts if spec.id in facts]
    with without_collector():
        return len(distinct_trust(changes_of_all(read, session.files, facts, now)))


def _unproved(hosts: Sequence[HostSpec], errors: Mapping[str, HostError]) -> list[HostSpec]:
    return [spec for spec in hosts if isinstance(errors.get(spec.id), UnprovedHostError)]


def _joined(first: _Asked[T], second: _Asked[T]) -> _Asked[T]:
    answered, errors = second
    return first[0] | answered, {host: error for host, error in first[1].items() if host not in answered} | errors


def new_run_id(started: datetime) -> str:
    """Return a run's id: its start, and random digits."""
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{random.token_hex(3)}"


def new_run(
    session: Session,
    operation: Operation,
    *,
    run: str = "",
    started: datetime | None = None,
    plan: str = "",
    approval: str = "",
    limit: tuple[str, ...] = (),
) -> Run:
    """Return a run of the session's inventory and caller, now by default."""
    started = started or datetime.now(UTC)
    return Run(
        id=run or new_run_id(started),
        operation=operation,
        started=started,
        commit=session.commit,
        digest=session.digest,
        who=who(session.environment) | ({"approval": approval} if approval else {}),
        tool=__version__,
        plan=plan,
        limit=limit,
    )


def rendered_files(session: Session, limit: Limit) -> dict[str, tuple[RenderedFile, ...]]:
    """Return every file of the chosen hosts."""
    return {spec.id: session.files[spec.id] for spec in chosen_hosts(session.state, session.read_limit(limit))}


# --- verify ---------------------------------------------------------------------------------------
class PathsToVerify(NamedTuple):
    """Names of a verification's paths, and of their memories."""

    names: tuple[str, ...]
    memories: tuple[str, ...]


def paths_to_verify(session: Session, limit: Limit) -> PathsToVerify:
    """Return a verification's paths, those of hosts with closed secrets included."""
    limit = session.read_limit(limit)
    closed = [p.name for h in session.left_out(limit) for p in h.paths if limit.takes_path(h, p)]
    targets = select(session.state, limit)
    names = (*(target.path.name for target in targets), *closed)
    return PathsToVerify(names, (*(target.remembered_as for target in targets), *closed))


def windows_of(session: Session) -> tuple[Window, ...]:
    """Return the inventory's maintenance windows for verdicts."""
    windows = session.inventory.maintenance
    return tuple(Window(w.begin, w.until, w.reason, w.names, everything=w.everything) for w in windows)


def verify_inventory(session: Session, limit: Limit, options: VerifyOptions = EVERYTHING) -> VerifyResult:
    """Check the chosen paths at their relays and centres."""
    read: dict[str, HostFacts] = {}
    limit = session.read_limit(limit)
    targets = select(session.state, limit)
    specs = {spec.id: spec for target in targets for spec in (target.relay, *target.centres)}
    # A limit's hosts alone: of a country all others would take longer than these.
    files = {host: render_host(spec, session.templates) for host, spec in specs.items()}

    def compare(facts: HostFacts) -> tuple[Change, ...]:
        # Only frozen facilities need facts later on: a country's facts are released, host by host.
        if session.held:
            read[facts.host] = facts
        for host, spec in with_live_logins([specs[facts.host]], {facts.host: facts}).items():
            specs[host], files[host] = spec, render_host(spec, session.templates)
        return changes_of(specs[facts.host], files[facts.host], facts)

    result = verify(
        targets,
        session.runner,
        observe={host: ObserveCall(*observe_request(spec, files[host])) for host, spec in specs.items()},
        compare=compare,
        watch=WATCH,
        options=replace(options, windows=windows_of(session)),
    )
    left_out = [(h, [p.name for p in h.paths if limit.takes_path(h, p)]) for h in session.left_out(limit)]
    with_closed = with_shut(result, left_out)
    proved = replace(with_closed, paths=tuple(_with_last_proof(path, options.memories) for path in with_closed.paths))
    return _with_frozen(session, limit, proved, read)


def _with_last_proof(path: PathVerdict, memories: Memories) -> PathVerdict:
    if path.checked_at is not None or path.last_proof is not None or path.path not in memories:
        return path
    return replace(path, last_proof=last_proof(memories[path.path]))


def _with_frozen(session: Session, limit: Limit, result: VerifyResult, read: Mapping[str, HostFacts]) -> VerifyResult:
    relays = [(session.state.hosts[host], facts) for host, facts in sorted(read.items())]
    ids_on = {spec.id: frozen_on(spec, facts) for spec, facts in relays}
    frozen = [
        candidate
        for candidate in session.held.values()
        if limit.takes_frozen(candidate, [host for host, ids in ids_on.items() if candidate.id in ids])
    ]
    names = frozenset(name for facility in frozen for name in facility.names)
    chosen = {
        relay.id: frozenset(path for path, facility_name in host_facts.held["paths"].items() if facility_name in names)
        for relay, host_facts in relays
    }
    return with_frozen(result, relays, chosen, frozen)


# --- keys and site packages -----------------------------------------------------------------------
@dataclass(frozen=True)
class KeysMade:
    """Result of `keys init`: written files, hosts, failures, closed files."""

    written: tuple[Path, ...]
    hosts: tuple[str, ...]
    unreadable: Mapping[str, HostError]
    shut: Mapping[str, str]
    #: By relay with a new key, sites installed with the former one.
    site_packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: tuple[FrozenFacility, ...] = ()  #: Frozen facilities, whose keys stay.
    foreign: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    recoverable: bool = False
    unvouched: bool = False  #: Whether relays sealed no key, since the recovery key lacks proof.
    #: The vault's, for the record; `None` if its file stayed closed.
    digest_key: Secret | None = field(default=None, repr=False)
    drawn: tuple[str, ...] = ()
    drawn_to_push: tuple[str, ...] = ()  #: Pushing facilities with new logins.


def init_keys(session: Session, *, allow: Mapping[str, int] | None = None, actor: str = "") -> KeysMade:
    """Let hosts make keys, record public halves, generate the vault's secrets.

    `trust` in `allow` is the number of hosts that need not prove their owner. `who` goes into hosts' marks. Raises
    `PolicyError` if this vault does not vouch for the recovery key.
    """
    unread, tolerate = session.part(KEYS_MISSING), SECRETS_GAPS | {HOST_KEY_MISPLACED}
    part, old = valid_secrets(session.root, session.passwords, unread, tolerate=tolerate)
    inventory = part.inventory
    recovery = recovery_key(inventory.settings, old)
    carriers_with_own_logins = carriers_apart(session.root, session.passwords, inventory.carriers)
    new = completed(inventory, old, carriers_with_own_logins, frozen=unread.names)
    hosts = key_hosts(inventory, new)
    written = []
    if new.digest_key is not None and write_inventory_secrets(
        session.root, InventorySecrets(digest_key=new.digest_key, hubs=new.hubs), session.passwords
    ):
        written.append(session.root / "secrets/inventory.yml")
    for carrier, secrets in new.carriers.items():
        if write_carrier_secrets(session.root, carrier, secrets, session.passwords):
            written.append(session.root / f"secrets/carriers/{carrier}.yml")
    # Only now: marks on hosts depend on the digest key, which has to outlive this call.
    known, trusted = recorded_keys(inventory), (allow or {}).get(TRUST, 0)
    made, errors = _keys_of(session, hosts, known, trusted, who=actor, recovery=recovery)
    errors = {host: _with_restoration(inventory, error) for host, error in errors.items()}
    lock = recorded(certified(inventory, new, datetime.now(UTC)), {host: k.recorded for host, k in made.items()})
    if lock != inventory.allocations:
        written.append(write_lock(session.root, lock))
    packages = _packages_before(inventory, made)
    before = inventory.allocations.relays
    sealed = tuple(
        sorted(relay for relay, entry in lock.relays.items() if entry.sealed_key != before[relay].sealed_key)
    )
    frozen = tuple(part.held.values())
    foreign = tuple(sorted(host for host, error in errors.items() if isinstance(error, ForeignHostError)))
    recoverable = inventory.settings.recovery is not None
    return KeysMade(
        tuple(written),
        tuple(sorted(made)),
        errors,
        dict(sorted(old.shut.items())),
        packages,
        frozen,
        foreign,
        sealed,
        recoverable,
        unvouched=recoverable and not recovery,
        digest_key=new.digest_key,
        drawn=_facilities_with_new_keys(old, new, lambda entry: entry.site_psks),
        drawn_to_push=_facilities_with_new_keys(old, new, lambda entry: entry.publish_keys),
    )


def _facilities_with_new_keys(
    old: Secrets, new: Secrets, keys_of: Callable[[CarrierSecrets], Mapping[str, Secret]]
) -> tuple[str, ...]:
    old_keys = {
        (carrier, name) for carrier, carrier_secrets in old.carriers.items() for name in keys_of(carrier_secrets)
    }
    new_keys = {
        (carrier, name) for carrier, carrier_secrets in new.carriers.items() for name in keys_of(carrier_secrets)
    }
    return tuple(sorted({name for _, name in new_keys - old_keys}))


def _with_restoration(inventory: Inventory, error: HostError) -> HostError:
    """Hint an unproved relay's error at its sealed key."""
    relay = inventory.allocations.relays.get(error.object)
    if not isinstance(error, UnprovedHostError) or relay is None or relay.sealed_key is None or not relay.public_key:
        return error
    hint = f"if it is new hardware in a dead relay's place: provisioner relay restore {error.object} --allow trust=1"
    return UnprovedHostError(error.message, hint=hint, object=error.object)


def _packages_before(inventory: Inventory, made: Mapping[str, HostKeys]) -> dict[str, tuple[str, ...]]:
    """Return gateways' sites whose packages have their relay's former key."""
    recorded, sites = inventory.allocations.relays, defaultdict[str, list[str]](list)
    for connection in inventory.connections:
        relay, gateway = connection.relay, connection.gateway
        new = relay in made and relay in recorded and not recorded[relay].public_key
        if new and gateway.public_key and connection.plan.access.has_tunnel:
            sites[relay].append(connection.facility.id)
    return {relay: tuple(sorted(names)) for relay, names in sorted(sites.items())}


def _keys_of(
    session: Session, specs: Sequence[HostSpec], known: Mapping[str, str], trusted: int, *, who: str, recovery: str
) -> tuple[dict[str, HostKeys], dict[str, HostError]]:
    """Return hosts' keys; unproved hosts are asked only if trusted."""
    make = partial(make_host_keys, recorded=known, who=who, recovery=recovery)
    first = make(specs, session.runner, session.templates)
    # One whose key is recorded was managed before: what does not prove that is no new host.
    unproved = [spec for spec in _unproved(specs, first[1]) if spec.id not in known.values()]
    if not 0 < len(unproved) <= trusted:
        return first
    return _joined(first, make(unproved, session.runner, session.templates, unproved=True))


@dataclass(frozen=True)
class SitePackages:
    """Site packages, and facilities without one: closed files, or frozen."""

    files: Mapping[str, SitePackage]
    shut: Mapping[str, tuple[str, ...]]
    held: tuple[FrozenFacility, ...] = ()
    inventory: Inventory | None = None
    digest_key: Secret | None = field(default=None, repr=False)


def site_packages(session: Session, facilities: Sequence[str], valid: Validity) -> SitePackages:
    """Return packages of named or all rendered facilities.

    A closed facility's package takes its gateway down. `valid` are the days of installation. Raises `UsageError` if a
    facility is unknown, or neither rendered nor closed; `SecretsError` if a named facility's secrets, or all, stayed
    closed; `InventoryError` if a named one is frozen.
    """
    part = session.part({GATEWAY_KEY_MISSING})
    _refuse_frozen(part, facilities)
    inventory = part.inventory
    rendered = {facility.id: facility for facility in inventory.rendered_facilities}
    unknown = sorted(set(facilities) - set(rendered) - (closed_sites(inventory) - part.names))
    if unknown:
        raise UsageError(
            f"{unknown[0]} is no facility with an agreed plan that is open, nor a closed one",
            hint=did_you_mean(
                unknown[0],
                sorted(rendered),
                f"open are: {', '.join(rendered) or 'none'}; the package of a closed one takes its gateway down",
            ),
            object=unknown[0],
        )
    chosen = tuple(facilities) or tuple(rendered)
    # A package that takes a gateway down, or is a sheet, holds no secret: the vault stays closed.
    with_secrets = [name for name in chosen if name in rendered and _holds_secrets(rendered[name])]
    secrets, checked_part = Secrets(), part
    if with_secrets or not facilities:
        checked_part, secrets = valid_secrets(session.root, session.passwords, part)
        # A package has no login of a camera, but where its site pushes: without one there it can be made all the same.
        pushing = {name for name, site in rendered.items() if _pushes(site)}
        checked_part = replace(
            checked_part,
            held={
                n: frozen
                for n, frozen in checked_part.held.items()
                if n in part.held or any(problem.code == SECRETS_MISSING for problem in frozen.problems) or n in pushing
            },
        )
        _refuse_frozen(checked_part, facilities)
    closed = {name: files for name in with_secrets if (files := shut_for_site(secrets, rendered[name]))}
    if closed and (facilities or len(closed) == len(chosen)):
        name, files = next(iter(closed.items()))
        hint = "set a password for its vault id in ANSIBLE_VAULT_IDENTITY_LIST"
        raise SecretsError(f"{name}: {', '.join(files)} stayed shut", hint=hint, object=name)
    packages = {
        name: with_printed_sheets(
            _site_package(inventory, secrets, rendered[name], session.templates, valid)
            if name in rendered
            else render_closed_site(name, session.templates, _system_of(inventory, name))
        )
        for name in chosen
        if name not in closed and name not in checked_part.held
    }
    left_out = () if facilities else tuple(checked_part.held.values())
    return SitePackages(packages, closed, left_out, inventory, secrets.digest_key)


def _site_package(
    inventory: Inventory, secrets: Secrets, facility: Facility, templates: Templates, valid: Validity
) -> SitePackage:
    spec = site_spec(inventory, secrets, facility)
    # The former tunnel is removed. The carrier's network now leads to the devices; the sheet says so.
    takes_down = had_tunnel(inventory, facility)
    files = render_site(spec, templates, valid, takes_down=takes_down)
    return SitePackage(files, takes_down, spec.system, spec.changes_key, valid.until)


def _holds_secrets(facility: Facility) -> bool:
    return any(plan.access.has_tunnel for plan in facility.carried_plans) or _pushes(facility)


def _pushes(facility: Facility) -> bool:
    return any(plan.access.is_pushed for plan in facility.carried_plans)


def _system_of(inventory: Inventory, facility: str) -> GatewaySystem:
    """Return a gateway's system; Linux for facilities not in the inventory."""
    entry = inventory.facilities.get(facility)
    return entry.gateway.system if entry and entry.gateway else GatewaySystem.LINUX


def _refuse_frozen(part: ValidPart, facilities: Sequence[str]) -> None:
    for name in facilities:
        if name in part.held:
            message = f"facility {name} is held: its own files have errors"
            raise InventoryError(
                message, problems=part.held[name].problems, hint="correct the places listed", object=name
            )
