"""One path with all the evidence about it, and what a check of one level gives. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioner.plan.changes import Change
from provisioner.verify.evidence import Device, HostEvidence, RelayEvidence
from provisioner.verify.result import Cause, Layer, effective
from provisioner.verify.wanted import PathToCheck


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a level failed, or could not be checked."""

    layer: Layer
    object: str
    cause: Cause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one level: passed, failed, or not checked (`passed` is None)."""

    level: int
    passed: bool | None
    finding: Shortfall | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A path, its relay's evidence, and that of every host by id.

    Attributes:
        siblings: the devices of the same site that were tried.
    """

    wanted: PathToCheck
    relay: RelayEvidence
    hosts: Mapping[str, HostEvidence]
    drift: Mapping[str, Sequence[Change]]
    siblings: frozenset[Device]

    @property
    def device(self) -> Device:
        """Where the relay connects to."""
        return str(self.wanted.path.source.address), self.wanted.path.source.port

    @property
    def device_layer(self) -> Layer:
        """The layer of the device that answers: a recorder's failure is one for all its channels."""
        path = self.wanted.path
        return Layer.CAMERA if path.device == path.camera else Layer.RECORDER

    @property
    def device_name(self) -> str:
        """The device that answers for the path, within its facility."""
        return f"{self.wanted.path.facility}/{self.wanted.path.device}"

    @property
    def camera_name(self) -> str:
        """The camera, within its facility."""
        return f"{self.wanted.path.facility}/{self.wanted.path.camera}"

    @property
    def flowed(self) -> bool | None:
        """Whether the path's bytes grew between the two samples; None where there are not two."""
        first, second = self.relay.samples.get(self.wanted.path.name, (None, None))
        if first is None or second is None:
            return None
        return second.inbound_bytes > first.inbound_bytes

    def drift_of(self, host: str) -> tuple[Change, ...] | None:
        """What differs on a host, or None where that could not be read."""
        changes = self.drift.get(host)
        return None if changes is None else effective(changes)

    def firewall_blocks(self, chain: str, elements: str = "", element: str = "") -> bool:
        """Tell whether the relay's own firewall stands in the way.

        A table that is not loaded at all lets everything through, so it explains nothing.

        Args:
            chain: `input` or `output`: any change of its rules may be the reason.
            elements: the set that the rule asks, e.g. `cameras`.
            element: the element that has to be in it.
        """
        facts = self.hosts[self.wanted.relay.id].facts
        if facts is None or not facts.firewall.present:
            return False
        names = {difference.name for difference in facts.firewall.differences}
        missing = {f"element {elements} {element}", f"set {elements}"} & names
        return bool(missing) or any(n.startswith((f"rule {chain}/", f"chain {chain}", f"order {chain}")) for n in names)


def passed(level: int) -> Check:
    """The outcome of a level that passed."""
    return Check(level, passed=True)


def failed(level: int, layer: Layer, name: str, cause: Cause, detail: str = "") -> Check:
    """The outcome of a level that failed."""
    return Check(level, passed=False, finding=Shortfall(layer, name, cause, detail))


def not_checked(level: int, host: str, detail: str, cause: Cause = Cause.NOT_CHECKED) -> Check:
    """The outcome of a level about which there is no evidence: never a pass."""
    return Check(level, passed=None, finding=Shortfall(Layer.HOST, host, cause, detail))
