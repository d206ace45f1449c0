"""What a controller calls hosts by where some carriers have nodes, and a node as a service: their files opened."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.own_folder import make_own_folder
from provisioner.base.proposed_files import is_proposed
from provisioner.base.regular_file import read_regular
from provisioner.base.sd_notify import ServiceNotice
from provisioner.hosts.ansible.door import AnsibleRunner
from provisioner.hosts.ansible.private import make_private_folder
from provisioner.hosts.attended import OpenRunner
from provisioner.hosts.host_key_scan import HostKeyScans
from provisioner.nodes.approved_moments import ApprovedMoments, NodeApprovals
from provisioner.nodes.begun_units import BegunUnits
from provisioner.nodes.broker_line import place_of, standing_line
from provisioner.nodes.controller import NodeRunner
from provisioner.nodes.exchange_key import read_exchange_key
from provisioner.nodes.jetstream import controller_mailbox, node_mailbox
from provisioner.nodes.kept_artefacts import KeptArtefacts
from provisioner.nodes.node import Node, NodeParts
from provisioner.nodes.routed import RoutedRunner
from provisioner.nodes.settings import NodeSettings, read_controller_settings, read_node_settings
from provisioner.render.templates import load_templates

_MOST_SETTINGS: Final = 256 * 1024
_BEGUN: Final = "begun-units"
_ARTEFACTS: Final = "artefacts"
_APPROVED: Final = "approved-moments"


def routed(local: OpenRunner, file: Path, inventory: Path) -> OpenRunner:
    """What carries calls where a file names nodes.

    Args:
        local: carries calls from here.
        file: it, as `PROVISIONER_NODES` names it.
        inventory: its folder: nothing that is proposed there says which way calls go.

    Raises:
        UsageError: the file cannot be read, is not as such files are, or is a part of the inventory's checkout.
    """
    if is_proposed(file, inventory):
        raise UsageError(
            f"{file} is a part of the inventory's checkout: whoever proposes a change would choose the nodes",
            hint="keep the file of nodes outside of the checkout, and take this one out of Git",
        )
    settings = read_controller_settings(_text(file), str(file))
    key = read_exchange_key(settings.key)
    remote = NodeRunner(controller_mailbox(settings.broker, sorted(settings.nodes)), key, settings.nodes)
    atexit.register(remote.close)
    return RoutedRunner(local, remote, settings.nodes)


@dataclass(frozen=True)
class NodeService:
    """A node by its file.

    Attributes:
        settings: what the file says.
        environment: the caller's.
        tell: takes a line for the log.
    """

    settings: NodeSettings
    environment: Mapping[str, str]
    tell: Callable[[str], None]

    def run(self, stop: threading.Event) -> None:
        """Work until somebody says stop; systemd is told how it is.

        Raises:
            StateError, UsageError: its key or its folder cannot be used.
        """
        settings, notice = self.settings, ServiceNotice(self.environment)
        key, begun = read_exchange_key(settings.key), self._begun()
        mailbox = node_mailbox(settings.broker, settings.rules.carrier)
        parts = NodeParts(
            mailbox=mailbox,
            key=key,
            controllers={one.name: one for one in settings.controllers},
            rules=settings.rules,
            begun=begun,
            approvals=NodeApprovals(settings.approvals, ApprovedMoments(settings.state / _APPROVED))
            if settings.approvals
            else None,
            runner=self._runner,
            folder=lambda: make_private_folder(self.environment),
            tell=self.tell,
            artefacts=KeptArtefacts(settings.state / _ARTEFACTS),
            scans=HostKeyScans(self.environment, f"the node of {settings.rules.carrier}"),
            reaches=lambda reaches: notice.status(standing_line(settings.broker.url, reaches=reaches)),
        )
        try:
            self.tell(f"the node of {settings.rules.carrier} works, with {settings.broker.url}")
            # It is ready to be started whether the broker is or not; its line says later whether it reaches it.
            notice.ready(f"dials the broker {place_of(settings.broker.url)}")
            Node(parts).run(stop, notice.alive)
        finally:
            notice.leaving()
            mailbox.close()
            begun.close()

    def _begun(self) -> BegunUnits:
        folder = self.settings.state
        try:
            make_own_folder(folder)
        except OSError as error:
            hint = "name a folder in `state` that is the node's own"
            raise UsageError(f"{folder} cannot be made: {error.strerror}", hint=hint) from None
        return BegunUnits(folder / _BEGUN, time.time())

    def _runner(self) -> OpenRunner:
        own = {name: value for name, value in self.environment.items() if name in _OF_CALLER}
        ssh_key = self.settings.ssh_key
        return AnsibleRunner(load_templates(), own | ({"PROVISIONER_SSH_KEY": str(ssh_key)} if ssh_key else {}))


_OF_CALLER: Final = frozenset({"PATH", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"})


def node_settings(file: Path) -> NodeSettings:
    """What a node's file says.

    Raises:
        UsageError: it cannot be read, or is not as such files are.
    """
    return read_node_settings(_text(file), os.fspath(file))


def _text(file: Path) -> str:
    try:
        return read_regular(file, most=_MOST_SETTINGS).decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{file} cannot be read", hint="name the file that says what nodes there are") from None
