"""What an upgrade of a node asks for before it changes anything, and when the newer version is proved. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.errors import HostError, PolicyError, ProvisionerError, UsageError
from provisioner.base.printable import printable
from provisioner.nodes.node_rules import fits

PACKAGE: Final = "provisioner"
_FIELDS: Final = ("Package", "Version", "Architecture")
_SHOWN: Final = 80
INSTALLED: Final = "ii "
"""What `dpkg-query` says of a package that is whole."""
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+~:-]{0,79}")


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A Debian package of provisioner.

    Attributes:
        file: where it lies.
        version: as dpkg has it.
        architecture: for which machines it is.
    """

    file: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class DpkgState:
    """What dpkg says of this machine.

    Attributes:
        architecture: its own.
        status: of the package, as `dpkg-query` abbreviates it; empty where it knows none.
        version: the installed one.
        unfinished: what `dpkg --audit` says.
    """

    architecture: str
    status: str
    version: str
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """How a node's unit stands at one moment.

    Attributes:
        unit: its name.
        state: what systemd says of it, e.g. `active (running)`.
        process: its main process; 0 where none runs.
        reaches: whether it reaches its broker; None where it does not say.
        line: what it says itself.
    """

    unit: str
    state: str
    process: int
    reaches: bool | None
    line: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it runs."""
        return self.state.startswith("active ") and self.process > 0


def package_in(said: str, file: str) -> NodePackage:
    """The package that `dpkg-deb --field` tells of.

    Raises:
        UsageError: it is another one.
    """
    values = dict(line.partition(": ")[::2] for line in said.splitlines())
    name, version, architecture = (values.get(one, "").strip() for one in _FIELDS)
    if name != PACKAGE or not architecture or not _VERSION.fullmatch(version):
        is_of = f"of {printable(name, _SHOWN)}" if name and name != PACKAGE else "without a version or an architecture"
        raise UsageError(f"{file} is a package {is_of}", hint="name a Debian package of provisioner")
    return NodePackage(file, version, architecture)


def refusal(new: NodePackage, back: NodePackage, state: DpkgState) -> ProvisionerError | None:
    """Why a machine's package is not exchanged; None where nothing speaks against it."""
    return _of_machine(state) or _of_files(new, back, state)


def _of_machine(state: DpkgState) -> ProvisionerError | None:
    if state.unfinished.strip():
        lines = state.unfinished.splitlines()
        names = [line.split()[0] for line in lines if line.startswith(" ") and line.strip()]
        first = printable(", ".join(names) or " ".join(state.unfinished.split()), 200)
        hint = "let dpkg finish first (its own audit says how), and call this again"
        return HostError(f"dpkg has not finished with packages of this machine: {first}", hint=hint)
    if state.status != INSTALLED:
        hint = "this upgrades a node that the package runs: one from an image has another tag instead"
        return HostError("the Debian package provisioner is not installed on this machine", hint=hint)
    return None


def _of_files(new: NodePackage, back: NodePackage, state: DpkgState) -> ProvisionerError | None:
    for one in (new, back):
        if one.architecture not in {state.architecture, "all"}:
            is_for = f"{one.file} is for {printable(one.architecture, _SHOWN)}"
            hint = f"take the package for {state.architecture}"
            return UsageError(f"{is_for}, and this machine is {state.architecture}", hint=hint)
    if back.version != state.version:
        differs = f"{back.file} is of {back.version}, and {state.version} is installed"
        return UsageError(differs, hint="name the package of the installed version: it is what comes back")
    if new.version == back.version:
        return UsageError(f"{new.file} is of {new.version}, which is installed", hint="name the package of another one")
    if not fits(upstream(new.version), upstream(back.version)):
        apart = f"{new.file} is of {new.version}, more than one minor apart from {back.version}, which is installed"
        hint = "controllers of one do not work with nodes of the other: take the minor versions one by one"
        return PolicyError(apart, hint=hint)
    return None


def missing(simulated: str) -> str:
    """What else apt would install or remove with the package, of what it simulates; empty where nothing."""
    words = [line.split() for line in simulated.splitlines()]
    turns = {"Inst": "needs", "Remv": "takes away"}
    others = [f"it {turns[one[0]]} {printable(one[1], _SHOWN)}" for one in words if one[:1] and one[0] in turns]
    return ", ".join(one for one in others if not one.endswith(f" {PACKAGE}"))


def upstream(version: str) -> str:
    """The program's version, of a package's."""
    return version.rpartition("-")[0] or version


@dataclass
class UpgradeProof:
    """Whether a newer version does what the one before did, as its nodes are looked at again and again.

    Attributes:
        before: how they stood before.
        stay_s: so long all has to be well, with the same processes.
    """

    before: Sequence[NodeStanding]
    stay_s: float
    _since: float | None = None
    _processes: Mapping[str, int] = field(default_factory=dict)
    lacks: str = "nothing was seen of its nodes"

    def is_proved(self, at: float, now: Sequence[NodeStanding]) -> bool:
        """Take one more look into account.

        Args:
            at: the moment, in seconds.
            now: how the same units stand.
        """
        standing = {one.unit: one for one in now}
        self.lacks = next((text for one in self.before if (text := _lacks(one, standing.get(one.unit)))), "")
        processes = {one.unit: one.process for one in now}
        if self.lacks or self._since is None or processes != self._processes:
            self._since = None if self.lacks else at
            self._processes = processes
        if self._since is None or at - self._since < self.stay_s:
            self.lacks = self.lacks or "its nodes did not run long enough in one go"
            return False
        return True


def _lacks(before: NodeStanding, now: NodeStanding | None) -> str:
    """What a node lacks that it had; a broker that was not reached before is nobody's fault."""
    if now is None or not now.is_active:
        return f"{before.unit} does not run: {now.state if now is not None else 'systemd does not know it'}"
    if before.reaches is not False and not now.reaches:
        return f"{before.unit} runs and does not reach its broker" + (f" ({now.line})" if now.line else "")
    return ""
