"""A command's work on one inventory: loaded once, used everywhere.

This module imports little, so that calls to hosts begin before a command's other imports. Address, keys and owner are
enough to call a host; the desired state comes later.

All operations may raise `InventoryError` or `SecretsError` (invalid inventory or edit, closed vault), `UsageError` (a
name that the inventory lacks, an empty selection), `HostError` (a host cannot be read), `PolicyError` (a host of
another inventory) and `StateError` (the record cannot be read). Docstrings name only further reasons.
"""

import secrets as random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Final

from provisioner.base.errors import FrozenFacility, HostError, InventoryError, UsageError
from provisioner.base.processes import without_collector
from provisioner.base.secret import Secret
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import did_you_mean
from provisioner.base.vault import VaultPasswords, outside_of
from provisioner.desired.limit import HostLogin, Limit, chosen_hosts, host_logins, key_hosts, names_of_frozen, shut_by
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.desired.render.templates import Templates, load_templates
from provisioner.desired.required import run_key
from provisioner.desired.spec import DesiredState, HostSpec, LeftOutHost
from provisioner.desired.state import desired_state
from provisioner.desired.trust import host_key_text
from provisioner.hosts.ansible.early_start import WaitingAnsible
from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import AttendedRunner, CallsWatcher, HostRunner, OpenRunner
from provisioner.inventory.files.revision import commit_of, tree_of
from provisioner.inventory.loader.cache import Cache, cache_of
from provisioner.inventory.loader.frozen import ValidPart, valid_part
from provisioner.inventory.loader.frozen_secrets import valid_secrets
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import Secrets
from provisioner.inventory.rules.lock import KEYS_MISSING
from provisioner.inventory.rules.logins import HOST_KEY_MISPLACED, SECRETS_GAPS
from provisioner.nodes import NODES, routed_by
from provisioner.plan.diff.users import with_live_logins
from provisioner.plan.plan import Basis
from provisioner.plan.saved.file import seal_key
from provisioner.verify.paths import select

_WITHOUT_HOSTS: Final = frozenset({"facilities", "secrets", "allocations.lock.yml"})


def introduced_hosts(inventory: Inventory, root: Path, name: str, today: date) -> dict[str, HostError]:
    """Return an error for each host whose login differs from a revision.

    Address, user, host key and jump host each suffice to lead a login and its data to another machine. `name` is the
    trusted revision, e.g. `origin/main`; `today` is the date for designations. Raises `InventoryError` if the
    revision's inventory is unreadable, `UsageError` without such a revision.
    """
    tree = tree_of(root, name)
    # A country's facilities take seconds to read, and have no SSH settings of hosts.
    with tree.laid_out([path for path in tree.objects if path.partition("/")[0] not in _WITHOUT_HOSTS]) as folder:
        base_inventory = load(folder, today=today).frame
        if base_inventory is None:
            hint = "name a revision whose carriers and centres can be read"
            raise InventoryError(f"the inventory of {name} cannot be read: no host is known by it", hint=hint)
        before = host_logins(base_inventory.with_facilities({}))
    now = host_logins(inventory)
    return {
        host: _changed_login_error(host, before.get(host), login, name)
        for host, login in now.items()
        if before.get(host) != login
    }


def _changed_login_error(host: str, before: HostLogin | None, login: HostLogin, name: str) -> HostError:
    hint = "a person merges it, and makes the first plan with it on that branch"
    if before is None:
        return HostError(f"{host} ({login.place}) is not in {name}: nobody logs in there", hint=hint, object=host)
    moved = [
        f"{field} was {old or 'none'} and is {new or 'none'}"
        for field, old, new in (
            ("its place", before.place, login.place),
            ("its host key", before.host_key, login.host_key),
            ("its jump host", before.jump, login.jump),
        )
        if old != new
    ]
    text = f"{host} is logged in to in another way than in {name}, so nobody does: {'; '.join(moved)}"
    return HostError(text, hint=hint, object=host)


Observed = tuple[dict[str, HostFacts], dict[str, HostError]]


@dataclass(frozen=True)
class Session:
    """A command's work on one inventory, each part loaded once."""

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    today: date
    #: Receives progress of calls to hosts.
    watcher: CallsWatcher | None = field(default=None, repr=False, compare=False)
    known_in: str = ""  #: A revision; a plan logs in only to its hosts. Empty trusts the inventory itself.
    begun: WaitingAnsible | None = field(default=None, repr=False, compare=False)

    @cached_property
    def templates(self) -> Templates:
        """The templates and the on-host program."""
        return load_templates()

    @cached_property
    def runner(self) -> HostRunner:
        """The carrier of calls to hosts."""
        local = AnsibleRunner(self.templates, self.environment)
        if self.begun is not None:
            local.use_started(self.begun)
        runner = routed_by(self.environment, local, self.root)
        if self.watcher is None or not isinstance(runner, OpenRunner):
            return runner
        return AttendedRunner(runner, self.watcher)

    @property
    def by_nodes(self) -> bool:
        """Whether carriers' nodes call some hosts."""
        return bool(self.environment.get(NODES))

    @cached_property
    def passwords(self) -> VaultPasswords:
        """Sources of the passwords for `secrets/`."""
        return outside_of(VaultPasswords.from_environment(self.environment).for_secrets(), self.root)

    @cached_property
    def readable(self) -> ValidPart:
        """The valid part of the inventory, without the vault."""
        return valid_part(self.loaded, self.root)

    def part(self, tolerate: Collection[str]) -> ValidPart:
        """As `readable`, for a command that solves some problems."""
        return valid_part(self.loaded, self.root, tolerate=tolerate)

    @property
    def inventory(self) -> Inventory:
        """The inventory without facilities frozen for their files."""
        return self.readable.inventory

    @cached_property
    def _complete(self) -> tuple[ValidPart, Secrets]:
        return valid_secrets(self.root, self.passwords, self.readable)

    @property
    def served(self) -> Inventory:
        """The inventory without frozen facilities, with all of its secrets."""
        return self._complete[0].inventory

    @property
    def held(self) -> Mapping[str, FrozenFacility]:
        """Frozen facilities, for errors in files or secrets."""
        return self._complete[0].held

    @cached_property
    def loaded(self) -> Loaded:
        """The inventory's files."""
        return load(self.root, today=self.today, cache=self.cache)

    @property
    def cache(self) -> Cache | None:
        """The cache of earlier reads."""
        return cache_of(self.root, self.environment)

    @property
    def secrets(self) -> Secrets:
        """The vault's content."""
        return self._complete[1]

    @cached_property
    def state(self) -> DesiredState:
        """The hosts' desired state."""
        inventory, secrets, frozen = self.served, self.secrets, self.held
        with without_collector(), at_stage(Stage.DESIRE):
            return desired_state(inventory, secrets, frozen, self.today)

    def read_limit(self, limit: Limit) -> Limit:
        """Resolve a limit's names, also frozen ones; unknown ones raise `UsageError`."""
        return limit.of(self.inventory, also=names_of_frozen(self.held.values()))

    def left_out(self, limit: Limit) -> tuple[LeftOutHost, ...]:
        """Return a limit's hosts whose secrets stayed closed."""
        return shut_by(self.state, self.read_limit(limit))

    def frozen_by(self, limit: Limit) -> tuple[FrozenFacility, ...]:
        """Return a limit's frozen facilities, as known without asking hosts."""
        limit = self.read_limit(limit)
        return tuple(facility for facility in self.held.values() if limit.takes_frozen(facility, self.state.hosts))

    @cached_property
    def files(self) -> dict[str, tuple[RenderedFile, ...]]:
        """Each host's rendered files."""
        hosts, templates = self.state.hosts, self.templates
        rendered = {}
        with without_collector(), at_stage(Stage.RENDER, len(hosts)) as advanced:
            for host, spec in hosts.items():
                rendered[host] = render_host(spec, templates)
                advanced(1)
        return rendered

    def settle(self, facts: Mapping[str, HostFacts]) -> None:
        """Set logins that relays now use for devices under change; idempotent."""
        hosts = self.state.hosts
        for host, spec in with_live_logins(hosts.values(), facts).items():
            hosts[host], self.files[host] = spec, render_host(spec, self.templates)

    @cached_property
    def introduced(self) -> dict[str, HostError]:
        """Hosts that a plan does not call, with the error."""
        if not self.known_in:
            return {}
        return introduced_hosts(self.inventory, self.root, self.known_in, self.today)

    @cached_property
    def digest(self) -> str:
        """The digest of the inventory's content."""
        return self.loaded.digest

    @cached_property
    def commit(self) -> str:
        """The inventory's commit, empty outside Git."""
        return commit_of(self.root)

    def basis(self, live: Mapping[str, str]) -> Basis:
        """Return the basis of this session's plans."""
        return Basis(self.digest, self.templates.digest, dict(live), held=tuple(self.held))

    @property
    def seal_key(self) -> Secret:
        """The key of saved plans' seals."""
        return seal_key(run_key(self.secrets))


class Observing:
    """Reads hosts while the command imports its later parts."""

    def __init__(self, session: Session, hosts: tuple[HostSpec, ...]) -> None:
        self.hosts = hosts
        self._read: Observed | None = None
        self._error: BaseException | None = None
        files, runner = session.files, session.runner

        def read() -> None:
            try:
                self._read = observe(hosts, files, runner)
            except BaseException as error:  # noqa: BLE001 (it is raised where somebody waits for the facts)
                self._error = error

        # An interrupt does not wait for hosts.
        self._thread = Thread(target=read, name="observation", daemon=True)
        self._thread.start()

    def wait(self) -> Observed:
        """Return facts and errors of hosts, or raise `HostError`."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._read is not None  # noqa: S101 (for the type checker)
        return self._read


@dataclass(frozen=True)
class CalledHost:
    """A host of an inventory."""

    spec: HostSpec  #: Only what a call needs.
    others: tuple[HostSpec, ...]
    inventory: Inventory
    secrets: Secrets = field(repr=False)

    @property
    def place(self) -> str:
        """Address and SSH host key."""
        return f"{self.spec.ssh.login_at(self.spec.address)}, host key {host_key_text(self.spec.ssh)}"


def expect_calls(session: Session, specs: Sequence[HostSpec]) -> None:
    """Start connections and proofs of hosts, before their calls."""
    runner = session.runner
    if isinstance(runner, OpenRunner):
        runner.expect(specs)
        runner.prove(specs)


def expect_hosts(session: Session, limit: Limit) -> None:
    """Start connections to paths' hosts; errors as `verify_inventory`."""
    if isinstance(session.runner, OpenRunner):
        targets = select(session.state, session.read_limit(limit))
        expect_calls(session, list({s.id: s for target in targets for s in (target.relay, *target.centres)}.values()))


def begin_observing(session: Session, limit: Limit) -> Observing | None:
    """Start to read a plan's hosts; `None` if that brings no gain."""
    if session.known_in or not isinstance(session.runner, OpenRunner):
        return None
    hosts = chosen_hosts(session.state, session.read_limit(limit))
    session.runner.expect(hosts)
    return Observing(session, hosts)


def end_calls(session: Session) -> None:
    """Close connections in the background, after the session's last call."""
    if isinstance(session.runner, OpenRunner):
        Thread(target=session.runner.close, name="end of calls").start()


def called_host(session: Session, host: str) -> CalledHost:
    """Return the host of an id."""
    return _called_host(*_readable_part(session), host)


def approached_host(session: Session, host: str) -> CalledHost:
    """Return a host even before the vault has keys (no own mark)."""
    part, secrets = _readable_part(session)
    if secrets.digest_key is None and not (secrets.shut or secrets.carriers):
        secrets = secrets.model_copy(update={"digest_key": Secret(random.token_urlsafe(32))})
    return _called_host(part, secrets, host)


def _readable_part(session: Session) -> tuple[ValidPart, Secrets]:
    unread = session.part(KEYS_MISSING)
    return valid_secrets(session.root, session.passwords, unread, tolerate=SECRETS_GAPS | {HOST_KEY_MISPLACED})


def _called_host(part: ValidPart, secrets: Secrets, host: str) -> CalledHost:
    hosts = {spec.id: spec for spec in key_hosts(part.inventory, secrets)}
    if host not in hosts:
        raise UsageError(
            f"{host} is no host of this inventory",
            hint=did_you_mean(host, sorted(hosts), f"hosts are: {', '.join(hosts)}"),
            object=host,
        )
    other_specs = tuple(spec for name, spec in hosts.items() if name != host)
    return CalledHost(hosts[host], other_specs, part.inventory, secrets)
