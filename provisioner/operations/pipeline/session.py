"""One command's work on one inventory: loaded once, used everywhere.

Hosts can be called before a command has imported the rest of its code, so this module imports little. A host can also
be called before there is a desired state: by its address, its keys and its owner alone.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from threading import Thread

from provisioner.base.errors import HostError, UsageError
from provisioner.base.frozen import HeldFacility
from provisioner.base.processes import without_collector
from provisioner.base.secret import Secret
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import did_you_mean
from provisioner.base.vault import VaultPasswords
from provisioner.base.vault_password import outside_of
from provisioner.desired.limit import Limit, chosen_hosts, key_hosts, names_of_held, shut_by
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.desired.render.templates import Templates, load_templates
from provisioner.desired.required import run_key
from provisioner.desired.spec import DesiredState, HostSpec, LeftOutHost
from provisioner.desired.state import desired_state
from provisioner.desired.trust import known_by
from provisioner.hosts.ansible.calls import AnsibleRunner
from provisioner.hosts.ansible.early_start import BegunAnsible
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.introduced import introduced_hosts
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import (
    AttendedRunner,
    CallsWatcher,
    HostRunner,
    OpenRunner,
)
from provisioner.inventory.files.revision import commit_of
from provisioner.inventory.loader.cache import Cache, cache_of
from provisioner.inventory.loader.frozen import ValidPart, valid_part
from provisioner.inventory.loader.frozen_secrets import valid_secrets
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.model import Inventory, Secrets
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.logins import HOST_KEY_MISPLACED, LOGIN_MISSING, SECRETS_MISSING
from provisioner.nodes import NODES, routed_by
from provisioner.plan import Basis, seal_key
from provisioner.plan.diff import with_live_logins
from provisioner.verify.paths import select

Observed = tuple[dict[str, HostFacts], dict[str, HostError]]


@dataclass(frozen=True)
class Session:
    """One command's work on one inventory: what was loaded is loaded once.

    Attributes:
        root: the inventory's folder.
        environment: the caller's environment (vault passwords, SSH key).
        today: the day on which designations have to hold.
        watcher: who is told how far calls to hosts are.
        known_in: a revision; a plan logs in only to hosts that it has so; empty trusts the inventory itself.
        begun: what calls hosts, where it was begun before.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    today: date
    watcher: CallsWatcher | None = field(default=None, repr=False, compare=False)
    known_in: str = ""
    begun: BegunAnsible | None = field(default=None, repr=False, compare=False)

    @cached_property
    def templates(self) -> Templates:
        """The templates and the on-host program."""
        return load_templates()

    @cached_property
    def runner(self) -> HostRunner:
        """The carrier of calls to hosts."""
        local = AnsibleRunner(self.templates, self.environment)
        if self.begun is not None:
            local.goes_on_with(self.begun)
        runner = routed_by(self.environment, local, self.root)
        if self.watcher is None or not isinstance(runner, OpenRunner):
            return runner
        return AttendedRunner(runner, self.watcher)

    @property
    def by_nodes(self) -> bool:
        """Whether hosts of some carriers are called by a node of theirs."""
        return bool(self.environment.get(NODES))

    @cached_property
    def passwords(self) -> VaultPasswords:
        """Where the passwords of `secrets/` come from."""
        return outside_of(VaultPasswords.from_environment(self.environment).for_secrets(), self.root)

    @cached_property
    def readable(self) -> ValidPart:
        """The inventory as far as its own files are in order, and what is held for them: no vault is opened."""
        return valid_part(self.loaded, self.root)

    def part(self, tolerate: Collection[str]) -> ValidPart:
        """As `readable`, for a command that is there to solve some problems."""
        return valid_part(self.loaded, self.root, tolerate=tolerate)

    @property
    def inventory(self) -> Inventory:
        """The inventory, valid without what is held for its files."""
        return self.readable.inventory

    @cached_property
    def _complete(self) -> tuple[ValidPart, Secrets]:
        return valid_secrets(self.root, self.passwords, self.readable)

    @property
    def served(self) -> Inventory:
        """The inventory without all that is held: valid, and with every secret that it needs."""
        return self._complete[0].inventory

    @property
    def held(self) -> Mapping[str, HeldFacility]:
        """The facilities with errors of their own, in their files or among the secrets: hosts keep what they have."""
        return self._complete[0].held

    @cached_property
    def loaded(self) -> Loaded:
        """The inventory's files, read once."""
        return load(self.root, today=self.today, cache=self.cache)

    @property
    def cache(self) -> Cache | None:
        """What earlier runs read of the inventory's files."""
        return cache_of(self.root, self.environment)

    @property
    def secrets(self) -> Secrets:
        """The vault's content, complete."""
        return self._complete[1]

    @cached_property
    def state(self) -> DesiredState:
        """What every host should hold."""
        inventory, secrets, held = self.served, self.secrets, self.held
        with without_collector(), at_stage(Stage.DESIRE):
            return desired_state(inventory, secrets, held, self.today)

    def read_limit(self, limit: Limit) -> Limit:
        """A limit, read by the inventory; what is held has its names too.

        Raises:
            UsageError: nothing has such a name.
        """
        return limit.of(self.inventory, also=names_of_held(self.held.values()))

    def left_out(self, limit: Limit) -> tuple[LeftOutHost, ...]:
        """The hosts that a limit takes, and of which nothing can be said: their secrets stayed shut."""
        return shut_by(self.state, self.read_limit(limit))

    def held_by(self, limit: Limit) -> tuple[HeldFacility, ...]:
        """What is held of what a limit takes, as far as no host is asked who has something of it."""
        limit = self.read_limit(limit)
        return tuple(one for one in self.held.values() if limit.takes_held(one, self.state.hosts))

    @cached_property
    def files(self) -> dict[str, tuple[RenderedFile, ...]]:
        """Every host's rendered files."""
        hosts, templates = self.state.hosts, self.templates
        rendered = {}
        with without_collector(), at_stage(Stage.RENDER, len(hosts)) as advanced:
            for host, spec in hosts.items():
                rendered[host] = render_host(spec, templates)
                advanced(1)
        return rendered

    def settle(self, facts: Mapping[str, HostFacts]) -> None:
        """Take it from hosts that were read by which login each relay asks a device whose login is under change.

        What hosts should hold, and their files, are from then on what that comes to; the same facts come to the same.
        """
        hosts = self.state.hosts
        for host, spec in with_live_logins(hosts.values(), facts).items():
            hosts[host], self.files[host] = spec, render_host(spec, self.templates)

    @cached_property
    def introduced(self) -> dict[str, HostError]:
        """The hosts that no plan calls, each with the error that it has instead."""
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
        """What a plan of this session rests on."""
        return Basis(self.digest, self.templates.digest, dict(live), held=tuple(self.held))

    @property
    def seal_key(self) -> Secret:
        """The key of saved plans' seals."""
        return seal_key(run_key(self.secrets))


class Observing:
    """Hosts that are read while the command goes on importing what it does afterwards.

    Args:
        session: whose runner calls them.
        hosts: they, as they are to be.
    """

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

        # Whoever is interrupted meanwhile waits for no host.
        self._thread = Thread(target=read, name="observation", daemon=True)
        self._thread.start()

    def wait(self) -> Observed:
        """The facts of every host that answered, and the error of each that did not.

        Raises:
            HostError: hosts could not be called.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._read is not None  # noqa: S101 (for the type checker)
        return self._read


@dataclass(frozen=True)
class CalledHost:
    """A host of an inventory.

    Attributes:
        spec: the host, with no more than is needed to call it, keys or none.
        others: all other hosts, in the same way.
        inventory: the inventory, valid without what is held.
        secrets: those of the vault.
    """

    spec: HostSpec
    others: tuple[HostSpec, ...]
    inventory: Inventory
    secrets: Secrets = field(repr=False)

    @property
    def place(self) -> str:
        """Where the host is called, and by which SSH host key it is known."""
        return f"{self.spec.place}, host key {known_by(self.spec.ssh)}"


def expect_calls(session: Session, specs: Sequence[HostSpec]) -> None:
    """Have what carries calls start for hosts, and those prove themselves meanwhile; nothing else is sent to them."""
    runner = session.runner
    if isinstance(runner, OpenRunner):
        runner.expect(specs)
        runner.prove(specs)


def expect_hosts(session: Session, limit: Limit) -> None:
    """Have calls to the hosts of some paths begin, as far as can be before it is known what they are asked.

    Raises:
        InventoryError, SecretsError, UsageError: as `verify_inventory`.
    """
    if isinstance(session.runner, OpenRunner):
        targets = select(session.state, session.read_limit(limit))
        expect_calls(session, list({s.id: s for target in targets for s in (target.relay, *target.centres)}.values()))


def begin_observing(session: Session, limit: Limit) -> Observing | None:
    """Begin to read the hosts that a plan of this session is made for.

    None where they are not read ahead: a revision says which of them may be called, or what calls them starts at once.

    Raises:
        InventoryError, SecretsError, RenderError: there is nothing to compare with.
        UsageError: the limit takes no host.
    """
    if session.known_in or not isinstance(session.runner, OpenRunner):
        return None
    hosts = chosen_hosts(session.state, session.read_limit(limit))
    session.runner.expect(hosts)
    return Observing(session, hosts)


def end_calls(session: Session) -> None:
    """Have what carries calls end beside what is still done; no call of this session comes after."""
    if isinstance(session.runner, OpenRunner):
        Thread(target=session.runner.close, name="end of calls").start()


def called_host(session: Session, host: str) -> CalledHost:
    """The host of an id.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: the inventory is invalid, or there is no key yet by which hosts know it.
    """
    return _called_host(*_readable_part(session), host)


def approached_host(session: Session, host: str) -> CalledHost:
    """The host of an id, also of an inventory whose vault has no keys yet; then no host's mark is its own.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: the inventory is invalid, or the vault cannot be opened.
    """
    part, secrets = _readable_part(session)
    if secrets.digest_key is None and not (secrets.shut or secrets.carriers):
        secrets = secrets.model_copy(update={"digest_key": Secret(random.token_urlsafe(32))})
    return _called_host(part, secrets, host)


def _readable_part(session: Session) -> tuple[ValidPart, Secrets]:
    unread = session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING})
    lacking = {SECRETS_MISSING, HOST_KEY_MISPLACED, LOGIN_MISSING}
    return valid_secrets(session.root, session.passwords, unread, tolerate=lacking)


def _called_host(part: ValidPart, secrets: Secrets, host: str) -> CalledHost:
    hosts = {spec.id: spec for spec in key_hosts(part.inventory, secrets)}
    if host not in hosts:
        raise UsageError(
            f"{host} is no host of this inventory",
            hint=did_you_mean(host, sorted(hosts), f"hosts are: {', '.join(hosts)}"),
            object=host,
        )
    others = tuple(spec for name, spec in hosts.items() if name != host)
    return CalledHost(hosts[host], others, part.inventory, secrets)
