"""One path with all the evidence about it, and what comes of one check. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from provisioner.desired.spec import MediaPath
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import SetElement
from provisioner.plan.change import Change, pending
from provisioner.verify.devices import Device
from provisioner.verify.evidence import HostEvidence, Origins, Read, RelayEvidence, device_of
from provisioner.verify.memory import NOTHING, PathMemory
from provisioner.verify.paths import PathToCheck, touching
from provisioner.verify.reference import References
from provisioner.verify.result import Cause, Finding, Layer


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check: passed, failed, or not checked (`passed` is None).

    Which level it stands for is known to the table of levels alone. A check that was not due, or cannot be made of such
    a picture, does not apply: its level is left out, and the next one follows.
    """

    passed: bool | None
    finding: Finding | None = None
    applies: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A path to check, its relay's evidence, and that of every host by id.

    Attributes:
        siblings: the devices of the same site that were tried.
        origins: where the pictures of the relay come from; None where it did not tell.
        asks_origin: whether it matters where a picture comes from.
        once: whether the path was to be read by its centres alone.
        memory: what earlier verifications left of the path; never evidence of how it is now.
        at: when the evidence was gathered; None in the looks of a change.
        references: what a person accepted of this path's picture.
        others: the same of the facility's other cameras, by name.
    """

    target: PathToCheck
    relay: RelayEvidence
    hosts: Mapping[str, HostEvidence]
    drift: Mapping[str, Sequence[Change]]
    siblings: frozenset[Device]
    origins: Origins | None
    asks_origin: bool = True
    once: bool = False
    memory: PathMemory = NOTHING
    at: datetime | None = None
    references: References = ()
    others: Mapping[str, References] = field(default_factory=dict)

    @property
    def device(self) -> Device:
        """Where the relay connects to."""
        return device_of(self.target.path)

    @property
    def read(self) -> Read | None:
        """The read that the picture is judged by: the relay's own; of a path that is read once, a centre's look."""
        return self._read_of_centre or self.relay.reads.get(self.target.path.name)

    @property
    def _read_of_centre(self) -> Read | None:
        """Of a path that is read once what a centre saw; None where the relay looked itself."""
        own = self.relay.reads.get(self.target.path.name)
        if not self.once or (own is not None and own.looked):
            return None
        hosts = (self.hosts.get(centre.id) for centre in self.target.centres)
        every = (host.centre.reads.get(self.target.relay.id, {}) for host in hosts if host and host.centre)
        reads = [read for of in every if (read := of.get(self.target.path.name)) is not None and read.run]
        # A relay that was only to try to read did not look.
        reads = reads if own is None else [read for read in reads if read.looked]
        return next((read for read in reads if read.frame), reads[0] if reads else None)

    @property
    def is_of_centre(self) -> bool:
        """Whether that read is a centre's."""
        return self._read_of_centre is not None

    @property
    def frame(self) -> tuple[str, int, int] | None:
        """What a reader decoded: codec, width, height; None where that was nothing."""
        return self.read.frame if self.read else None

    @property
    def path_as_seen(self) -> MediaPath:
        """What was agreed of the picture that came: while a setting is under change the former one is taken as well."""
        return self.target.path.as_seen(self.frame) if self.frame else self.target.path

    @property
    def where(self) -> str:
        """The same in words."""
        return f"{self.device[0]}:{self.device[1]}"

    @property
    def device_layer(self) -> Layer:
        """The layer of the device that answers: a recorder's failure is one for all its channels."""
        path = self.target.path
        return Layer.CAMERA if path.device == path.camera else Layer.RECORDER

    @property
    def device_name(self) -> str:
        """The device that answers for the path, within its facility."""
        return f"{self.target.path.facility}/{self.target.path.device}"

    @property
    def camera_name(self) -> str:
        """The camera, within its facility."""
        return f"{self.target.path.facility}/{self.target.path.camera}"

    @property
    def flowed(self) -> bool | None:
        """Whether the path's bytes grew between the two samples; None where there are not two."""
        first, second = self.relay.samples.get(self.target.path.name, (None, None))
        if first is None or second is None:
            return None
        return second["inbound_bytes"] > first["inbound_bytes"]

    @property
    def stalls(self) -> int:
        """How often its source stopped sending of late while it was connected."""
        return self.relay.stalls.get(self.target.path.name, 0)

    @property
    def said(self) -> wire.SaidAnswer | None:
        """What its device answered when it was asked for its picture; None where it was not asked, or not heard."""
        return self.relay.closer.said.get(self.device)

    @property
    def gateway(self) -> wire.GatewayEvidenceAnswer | None:
        """How the other end of the site's tunnel answers; None where it was not asked, or there is no tunnel."""
        if not self.target.path.access.has_tunnel:
            return None
        return self.relay.closer.gateways.get(self.device[0])

    def drift_of(self, host: str) -> tuple[Change, ...] | None:
        """What differs on a host that can touch the path, or None where that could not be read."""
        changes = self.drift.get(host)
        if changes is None:
            return None
        spec = next(h for h in (self.target.relay, *self.target.centres) if h.id == host)
        return touching(pending(changes), spec, self.target)

    def firewall_blocks(self, chain: str, element: SetElement | None = None) -> bool:
        """Whether the relay's own firewall stands in the way.

        A table that is not loaded at all lets everything through, so it explains nothing.

        Args:
            chain: `input` or `output`: any change of its rules may be the reason.
            element: what has to be in the set that the rule asks.
        """
        facts = self.hosts[self.target.relay.id].facts
        if facts is None or not facts.firewall["present"]:
            return False
        names = {difference["name"] for difference in facts.firewall["differences"]}
        missing = {element.name, f"set {element.set}"} & names if element else set[str]()
        return bool(missing) or any(n.startswith((f"{chain}/", f"chain {chain}", f"order {chain}")) for n in names)


PASSED = Check(passed=True)
"""The outcome of a check that passed."""


NOT_DUE = Check(passed=None, applies=False)
"""The outcome of a check that does not apply."""


def failed(layer: Layer, name: str, cause: Cause, detail: str = "") -> Check:
    """The outcome of a check that failed."""
    return Check(passed=False, finding=Finding(cause, layer, name, detail))


def not_checked(host: str, detail: str, cause: Cause = Cause.NOT_CHECKED) -> Check:
    """The outcome of a check for which there is no evidence: never a pass."""
    return Check(passed=None, finding=Finding(cause, Layer.HOST, host, detail))
