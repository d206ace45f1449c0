"""Settings files of controllers and nodes, and the node service."""

import atexit
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Final, NoReturn

from provisioner.base.errors import UsageError, os_errors
from provisioner.base.files import is_tracked_path, make_own_folder, read_regular
from provisioner.base.service import ServiceNotice, toml_settings
from provisioner.base.ssh_signature import SignatureFormError, public_key_of
from provisioner.base.text import Document, counted, is_host_name, is_loopback, printable
from provisioner.desired.render.templates import load_templates
from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.ansible.private_folder import make_private_folder
from provisioner.hosts.identity import HostKeyScans
from provisioner.hosts.runner import OpenRunner
from provisioner.nodes.approvals import ApprovalMemory, ApprovalRules, NodeApprovals, NodeApprover
from provisioner.nodes.broker import broker_address, broker_status_line
from provisioner.nodes.controller import NodeRunner, RoutedRunner
from provisioner.nodes.envelope import PublicExchangeKey, is_carrier, public_exchange_key, read_exchange_key
from provisioner.nodes.jetstream import Broker, controller_mailbox, node_mailbox
from provisioner.nodes.node import ArtefactCache, Node, NodeParts, NodeRules, StartedUnits
from provisioner.nodes.unit import is_sha256

_URL: Final = re.compile(r"(tls|nats)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_BROKER: Final = ("broker", "ca", "certificate", "certificate_key")
_OF_CONTROLLER: Final = {*_BROKER, "key", "nodes"}
_OF_NODE: Final = {
    *_BROKER,
    "key",
    "carrier",
    "controllers",
    "networks",
    "names",
    "changes",
    "scripts",
    "mediamtx",
    "recovery",
    "ssh_key",
    "state",
    "approvals",
}
_OF_APPROVALS: Final = {"inventory", "people", "valid_hours", "approvers", "new_hosts"}
_MOST_HOURS: Final = 24 * 366
_WEEK: Final = 168
_PUBLIC_KEY: Final = re.compile(r"[A-Za-z0-9+/]{43}=")
_SHOWN: Final = 80
_EXAMPLE: Final = 'e.g. broker = "tls://broker.example.com:4222"'
_LINE: Final = "write the line that `provisioner node key FILE` prints there"
_MOST_SETTINGS: Final = 256 * 1024
BEGUN: Final = "begun-units"  #: The file of begun units in a node's state folder.
_ARTEFACTS: Final = "artefacts"
_APPROVED: Final = "approved-moments"
_OF_CALLER: Final = frozenset({"PATH", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"})


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The carriers with nodes, the broker, and the controller's own key."""

    broker: Broker
    key: Path
    nodes: Mapping[str, PublicExchangeKey]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """A node's settings."""

    broker: Broker
    key: Path  #: File with the node's own keys.
    controllers: tuple[PublicExchangeKey, ...]  #: Accepted controllers.
    rules: NodeRules  #: The permitted calls.
    ssh_key: Path | None  #: The key for hosts; `None` if the agent has it.
    state: Path  #: The folder of its records.
    approvals: ApprovalRules | None = None  #: Required approvals of the carrier's people, or `None`.


@dataclass(frozen=True)
class NodeService:
    """A node from its settings file; `tell` logs a line."""

    settings: NodeSettings
    environment: Mapping[str, str]
    tell: Callable[[str], None]

    def run(self, stop: threading.Event) -> None:
        """Run until `stop`, for systemd, or raise `StateError` or `UsageError`."""
        settings, notice = self.settings, ServiceNotice(self.environment)
        key, started = read_exchange_key(settings.key), self._open_started()
        mailbox = node_mailbox(settings.broker, settings.rules.carrier)
        parts = NodeParts(
            mailbox=mailbox,
            key=key,
            controllers={controller.name: controller for controller in settings.controllers},
            rules=settings.rules,
            begun=started,
            approvals=NodeApprovals(settings.approvals, ApprovalMemory(settings.state / _APPROVED, datetime.now(UTC)))
            if settings.approvals
            else None,
            runner=self._runner,
            folder=lambda: make_private_folder(self.environment),
            tell=self.tell,
            artefacts=ArtefactCache(settings.state / _ARTEFACTS),
            scans=HostKeyScans(self.environment, f"the node of {settings.rules.carrier}"),
            reaches=lambda reaches: notice.status(broker_status_line(settings.broker.url, reaches=reaches)),
        )
        try:
            self.tell(f"the node of {settings.rules.carrier} works, with {settings.broker.url}")
            # It is ready to be started whether the broker is or not; its line says later whether it reaches it.
            notice.ready(f"dials the broker {broker_address(settings.broker.url)}")
            Node(parts).run(stop, notice.alive)
        finally:
            notice.leaving()
            mailbox.close()
            started.close()

    def _open_started(self) -> StartedUnits:
        folder = self.settings.state
        with os_errors(f"{folder} cannot be made", "name a folder in `state` that is the node's own"):
            make_own_folder(folder)
        return StartedUnits(folder / BEGUN, time.time())

    def _runner(self) -> OpenRunner:
        caller_env = {name: value for name, value in self.environment.items() if name in _OF_CALLER}
        ssh_key = self.settings.ssh_key
        return AnsibleRunner(load_templates(), caller_env | ({"PROVISIONER_SSH_KEY": str(ssh_key)} if ssh_key else {}))


def read_controller_settings(text: str, file: str) -> ControllerSettings:
    """Parse a controller's settings, file names by its folder; or raise `UsageError`."""
    values = _read_table(text, file, _OF_CONTROLLER, ("broker", "key", "nodes"))
    nodes = values["nodes"]
    if not isinstance(nodes, dict) or not nodes:
        _refuse(f"{file}: nodes names no node", 'write [nodes] and below it e.g. vnpt = "provisioner-exchange-1 …"')
    listed = {}
    for carrier, line in nodes.items():
        if not is_carrier(carrier):
            _refuse(f"{file}: nodes.{printable(carrier, _SHOWN)} is no carrier's id", "write ids of the inventory")
        listed[carrier] = _public(line, f"{file}: nodes.{carrier}", "at that node")
    if len({node.name for node in listed.values()}) < len(listed):
        _refuse(f"{file}: two carriers have one node's key", "each carrier has a node of its own")
    return ControllerSettings(_broker_setting(values, file), _path_setting(values, file, "key"), listed)


def read_node_settings(text: str, file: str) -> NodeSettings:
    """Parse a node's settings, file names by its folder; or raise `UsageError`."""
    values = _read_table(text, file, _OF_NODE, ("broker", "key", "carrier", "controllers", "networks", "state"))
    carrier = values["carrier"]
    if not isinstance(carrier, str) or not is_carrier(carrier):
        _refuse(f"{file}: carrier is no carrier's id", 'write the id of the inventory, e.g. carrier = "vnpt"')
    controllers = tuple(
        _public(line, f"{file}: controllers", "at the controller")
        for line in _text_list_setting(values, file, "controllers")
    )
    if not controllers:
        _refuse(f"{file}: controllers names none", _LINE)
    networks = []
    for text_of in _text_list_setting(values, file, "networks"):
        try:
            networks.append(ip_network(text_of))
        except ValueError:
            _refuse(f"{file}: {printable(text_of, _SHOWN)} is no network", 'write e.g. networks = ["10.20.0.0/24"]')
    names = _text_list_setting(values, file, "names") if "names" in values else []
    if unsound := [name for name in names if not is_host_name(name)]:
        _refuse(f"{file}: {printable(unsound[0], _SHOWN)} is no host name", 'write e.g. names = ["relay.example.com"]')
    rules = NodeRules(
        carrier,
        tuple(networks),
        frozenset(names),
        changes=_boolean_setting(values, file, "changes", default=True),
        scripts=_boolean_setting(values, file, "scripts", default=False),
        mediamtx=_checksums_setting(values, file),
        recovery=_recovery_setting(values, file),
        approved="approvals" in values,
    )
    ssh_key = _path_setting(values, file, "ssh_key") if "ssh_key" in values else None
    return NodeSettings(
        _broker_setting(values, file),
        _path_setting(values, file, "key"),
        controllers,
        rules,
        ssh_key,
        _path_setting(values, file, "state"),
        _approval_rules(values["approvals"], file) if "approvals" in values else None,
    )


def _read_table(text: str, file: str, allowed: set[str], required: tuple[str, ...]) -> Document:
    values = toml_settings(text, file, allowed, _EXAMPLE)
    for name in required:
        if name not in values:
            _refuse(f"{file}: {name} is missing", f"the settings are: {', '.join(sorted(allowed))}; {_EXAMPLE}")
    return values


def _public(line: object, place: str, where: str) -> PublicExchangeKey:
    try:
        return public_exchange_key(line if isinstance(line, str) else "")
    except ValueError:
        _refuse(f"{place} is no public exchange key", f"{_LINE}, {where}")


def _boolean_setting(values: Document, file: str, name: str, *, default: bool) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        _refuse(f"{file}: {name} is neither true nor false", f"write {name} = true, or false")
    return value


def _broker_setting(values: Document, file: str) -> Broker:
    url = values["broker"]
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None or not 0 < int(match[3]) < 1 << 16:
        _refuse(f"{file}: broker is no address of a broker", f"write tls://HOST:PORT, {_EXAMPLE}")
    files = {name: _path_setting(values, file, name) if name in values else None for name in _BROKER[1:]}
    if match[1] == "nats":
        if not is_loopback(match[2].strip("[]")):
            _refuse(f"{file}: broker is reached without encryption", f"write tls://HOST:PORT, {_EXAMPLE}")
        return Broker(url)
    for name, path in files.items():
        if path is None:
            _refuse(f"{file}: {name} is missing", "write the file, beside this one or whole: PEM, by the broker's CA")
    return Broker(url, **files)


def _checksums_setting(values: Document, file: str) -> frozenset[str]:
    sums = _text_list_setting(values, file, "mediamtx") if "mediamtx" in values else []
    if unsound := [checksum for checksum in sums if not is_sha256(checksum)]:
        hint = "write the SHA-256 of each MediaMTX that may be installed, as the inventory has it"
        _refuse(f"{file}: {printable(unsound[0], _SHOWN)} is no SHA-256", hint)
    return frozenset(sums)


def _recovery_setting(values: Document, file: str) -> str:
    key = values.get("recovery", "")
    if not isinstance(key, str) or (key and not _PUBLIC_KEY.fullmatch(key)):
        _refuse(f"{file}: recovery is no recovery key", "write the public one, as the inventory has it")
    return key


def _path_setting(values: Document, file: str, name: str) -> Path:
    text = values[name]
    if not isinstance(text, str) or not text or not text.isprintable():
        _refuse(f"{file}: {name} is no file's name", f'write {name} = "…", beside this file or whole')
    return Path(file).absolute().parent / text


def _approval_rules(values: object, file: str) -> ApprovalRules:
    if not isinstance(values, dict) or not {"inventory", "approvers"} <= set(values) <= _OF_APPROVALS:
        names = ", ".join(sorted(_OF_APPROVALS))
        _refuse(f"{file}: [approvals] is not as it should be", f"it has {names}; inventory and approvers are needed")
    inventory = values["inventory"]
    if not isinstance(inventory, str) or not is_carrier(inventory):
        _refuse(f"{file}: approvals.inventory is no inventory's id", 'write it, e.g. inventory = "example"')
    approvers = tuple(_approver_in(line, file) for line in _text_list_setting(values, file, "approvers"))
    keys, ids = {entry.key.blob for entry in approvers}, {entry.id for entry in approvers}
    if len(keys) < len(approvers):
        _refuse(f"{file}: approvals.approvers has one key twice", "each person has keys of his or her own")
    people = _count_setting(values, file, "people", 1)
    if people > len(ids):
        message = f"{file}: approvals.people is {people}, of {counted(len(ids), 'approver')}"
        _refuse(message, "name more of them, or ask for fewer")
    new_hosts = _text_list_setting(values, file, "new_hosts") if "new_hosts" in values else []
    if unsound := [entry for entry in new_hosts if not is_carrier(entry)]:
        _refuse(f"{file}: {printable(unsound[0], _SHOWN)} is no host's id", 'write e.g. new_hosts = ["relay-vnpt-2"]')
    hours = _count_setting(values, file, "valid_hours", _WEEK)
    return ApprovalRules(inventory, people, hours, approvers, frozenset(new_hosts))


def _approver_in(line: str, file: str) -> NodeApprover:
    person, _, key = line.partition(" ")
    try:
        public = public_key_of(" ".join(key.split()[:2]))
    except SignatureFormError:
        public = None
    if public is None or not is_carrier(person):
        hint = 'write the id and the key of signers.yml, e.g. approvers = ["noc-vnpt-1 ssh-ed25519 AAAA…"]'
        _refuse(f"{file}: {printable(line, _SHOWN)} is no approver", hint)
    return NodeApprover(person, public)


def _text_list_setting(values: Document, file: str, name: str) -> list[str]:
    listed = values[name]
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        _refuse(f"{file}: {name} is no list of texts", f'write {name} = ["…"]')
    return listed


def _count_setting(values: Document, file: str, name: str, default: int) -> int:
    value = values.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MOST_HOURS:
        _refuse(f"{file}: approvals.{name} is no such number", f"write a whole one, e.g. {name} = {default}")
    return value


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint)


def routed(local: OpenRunner, file: Path, inventory: Path) -> OpenRunner:
    """Return a runner that routes calls by a nodes file.

    Raises `UsageError` if the file is unreadable, invalid, or in the inventory's checkout, where proposals could change
    it.
    """
    if is_tracked_path(file, inventory):
        raise UsageError(
            f"{file} is a part of the inventory's checkout: whoever proposes a change would choose the nodes",
            hint="keep the file of nodes outside of the checkout, and take this one out of Git",
        )
    settings = read_controller_settings(_read_text(file), str(file))
    key = read_exchange_key(settings.key)
    remote = NodeRunner(controller_mailbox(settings.broker, sorted(settings.nodes)), key, settings.nodes)
    atexit.register(remote.close)
    return RoutedRunner(local, remote, settings.nodes)


def node_settings(file: Path) -> NodeSettings:
    """Read a node's settings file, or raise `UsageError`."""
    return read_node_settings(_read_text(file), os.fspath(file))


def _read_text(file: Path) -> str:
    try:
        return read_regular(file, most=_MOST_SETTINGS).decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{file} cannot be read", hint="name the file that says what nodes there are") from None
