"""A path with its evidence, and the outcome of a check. Pure."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar, cast

from provisioner.base.groups import grouped
from provisioner.desired.spec import MediaPath
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, SetElement
from provisioner.plan.change import Change, Impact, pending
from provisioner.verify.devices import Device
from provisioner.verify.evidence import HostEvidence, Origins, Read, RelayEvidence, device_of
from provisioner.verify.memory import NOTHING, PathMemory
from provisioner.verify.paths import HostDrift, PathToCheck, peer_keys
from provisioner.verify.reference import References
from provisioner.verify.result import Cause, Finding, Layer

#: The ends of a stream that goes on.
NO_ENDS: Final[wire.StreamEndsAnswer] = {"stopped": 0, "closed": 0, "lasted_s": None}

READ_TIMEOUT_S: Final = 10.0  #: The time without a packet after which MediaMTX ends a stream (`readTimeout`).

# A stream that goes on for so much longer than those that ended has recovered.
_STEADY_S: Final = 5.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check; `passed` is `None` if not checked.

    Only the table of levels knows a check's level. A check that is not due, or impossible for this picture, does not
    apply: its level is skipped.
    """

    passed: bool | None
    finding: Finding | None = None
    applies: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A path to check, with its relay's and all hosts' evidence."""

    target: PathToCheck
    relay: RelayEvidence
    hosts: Mapping[str, HostEvidence]
    drift: Mapping[str, Sequence[Change]]
    siblings: frozenset[Device]  #: The tried devices of the same site.
    origins: Origins | None  #: The sources of the relay's pictures; `None` if unknown.
    asks_origin: bool = True  #: Whether the source of a picture matters.
    once: bool = False  #: Whether only centres read the path.
    memory: PathMemory = NOTHING  #: Results of earlier verifications; never evidence of the present.
    at: datetime | None = None  #: The time of the evidence; `None` in the looks of a change.
    references: References = ()  #: Accepted views of this path.
    others: Mapping[str, References] = field(default_factory=dict)  #: Those of the facility's other cameras, by name.
    illness: tuple[Cause, str] | None = None  #: What ails the relay itself, with the words; looked for once a relay.
    line_drift: Change | None = None  #: The change of the path's line in the relay's file, if it differs.
    #: What `of_relay` found; all its cases share it.
    found: dict[Hashable, object] = field(default_factory=dict, repr=False)

    def of_relay(self, name: Hashable, find: Callable[[], _T]) -> _T:
        """Return what holds for the whole relay, found once."""
        if name not in self.found:
            self.found[name] = find()
        return cast("_T", self.found[name])

    @property
    def peer_keys(self) -> Mapping[str, str]:
        """The public keys of the relay's peers, by name."""
        return self.of_relay("peer_keys", lambda: peer_keys(self.target.relay))

    @property
    def of_site(self) -> Sequence[MediaPath]:
        """The relay's paths of the same site."""
        return self.of_relay("by_site", lambda: grouped(self.target.relay.paths, lambda path: path.facility))[
            self.target.path.facility
        ]

    @property
    def of_device(self) -> Sequence[MediaPath]:
        """The relay's paths of the same device."""
        return self.of_relay("by_device", lambda: grouped(self.target.relay.paths, device_of))[self.device]

    @property
    def device(self) -> Device:
        """The address and port to which the relay connects."""
        return device_of(self.target.path)

    @property
    def read(self) -> Read | None:
        """The read for the picture's check, of the relay or a centre."""
        return self._read_of_centre or self.relay.reads.get(self.target.path.name)

    @property
    def _read_of_centre(self) -> Read | None:
        relay_read = self.relay.reads.get(self.target.path.name)
        if not self.once or (relay_read is not None and relay_read.looked):
            return None
        hosts = (self.hosts.get(centre.id) for centre in self.target.centres)
        every = (host.centre.reads.get(self.target.relay.id, {}) for host in hosts if host and host.centre)
        reads = [read for by_path in every if (read := by_path.get(self.target.path.name)) is not None and read.run]
        # A relay that was only to try to read did not look.
        reads = reads if relay_read is None else [read for read in reads if read.looked]
        return next((read for read in reads if read.frame), reads[0] if reads else None)

    @property
    def is_of_centre(self) -> bool:
        """Whether that read is a centre's."""
        return self._read_of_centre is not None

    @property
    def frame(self) -> tuple[str, int, int] | None:
        """The decoded codec, width and height, if any."""
        return self.read.frame if self.read else None

    @property
    def reads(self) -> list[Read]:
        """All reads of the path, at the relay and at its centres."""
        name, relay = self.target.path.name, self.target.relay.id
        centres = (host.centre for c in self.target.centres if (host := self.hosts.get(c.id)) and host.centre)
        reads = (self.relay.reads.get(name), *(centre.reads.get(relay, {}).get(name) for centre in centres))
        return [read for read in reads if read is not None and read.run]

    @property
    def path_as_decoded(self) -> MediaPath:
        """The path, with former settings if its picture shows them."""
        return self.target.path.with_former_picture(self.frame) if self.frame else self.target.path

    @property
    def where(self) -> str:
        """The device's address and port in words."""
        return f"{self.device[0]}:{self.device[1]}"

    @property
    def device_layer(self) -> Layer:
        """The layer of the device: a recorder's failure affects all its channels."""
        path = self.target.path
        return Layer.CAMERA if path.device == path.camera else Layer.RECORDER

    @property
    def device_name(self) -> str:
        """The device within its facility."""
        return f"{self.target.path.facility}/{self.target.path.device}"

    @property
    def camera_name(self) -> str:
        """The camera within its facility."""
        return f"{self.target.path.facility}/{self.target.path.camera}"

    @property
    def flowed(self) -> bool | None:
        """Whether the bytes grew between two samples; `None` without two samples."""
        first, second = self.relay.samples.get(self.target.path.name, (None, None))
        if first is None or second is None:
            return None
        return second["inbound_bytes"] > first["inbound_bytes"]

    @property
    def ends(self) -> wire.StreamEndsAnswer:
        """Recent ends of the stream; none if it outlived those."""
        ends = self.relay.ends.get(self.target.path.name, NO_ENDS)
        since_s, longest_s = ends.get("since_s"), ends.get("longest_s")
        if not self.flowed or since_s is None or longest_s is None:
            return ends
        silent_s = 0.0 if ends["closed"] else READ_TIMEOUT_S
        return NO_ENDS if since_s > max(0.0, longest_s - silent_s) + _STEADY_S else ends

    @property
    def reply(self) -> wire.DeviceReplyAnswer | None:
        """The device's answer to a request for its picture, if any."""
        return self.relay.closer.said.get(self.device)

    @property
    def gateway(self) -> wire.GatewayEvidenceAnswer | None:
        """The gateway's answers to pings, if asked over a tunnel."""
        if not self.target.path.access.has_tunnel:
            return None
        return self.relay.closer.gateways.get(self.device[0])

    @property
    def facts(self) -> HostFacts | None:
        """The relay's facts, if read."""
        return self.hosts[self.target.relay.id].facts

    @property
    def path_drift(self) -> Change | None:
        """A change of the path's line in the relay's file, if harmful."""
        return self.line_drift if self.line_drift and self.line_drift.impact is Impact.PATH else None

    def drift_of(self, host: str) -> tuple[Change, ...] | None:
        """Return a host's drift that affects the path; `None` if unknown."""
        changes = self.drift.get(host)
        if changes is None:
            return None
        spec = next(h for h in (self.target.relay, *self.target.centres) if h.id == host)
        return self.of_relay(("drift", host), lambda: HostDrift(pending(changes), spec)).touching(self.target)

    def firewall_blocks(self, chain: str, element: SetElement | None = None) -> bool:
        """Return whether the relay's own firewall may block the path.

        Any change of the chain's rules (`input` or `output`) may be the reason, or a missing `element`. A table that is
        not loaded blocks no packet, so it explains no failure.
        """
        facts = self.facts
        if facts is None or not facts.firewall["present"]:
            return False
        differences = facts.firewall["differences"]
        names = self.of_relay("rules", lambda: {difference["name"] for difference in differences})
        if element and {element.name, f"set {element.set}"} & names:
            return True
        begins = (f"{chain}/", f"chain {chain}", f"order {chain}")
        return self.of_relay(("rules", chain), lambda: any(name.startswith(begins) for name in names))


PASSED = Check(passed=True)  #: A passed check.
NOT_DUE = Check(passed=None, applies=False)  #: A check that does not apply.


def failed(layer: Layer, name: str, cause: Cause, detail: str = "") -> Check:
    """Return a failed check."""
    return Check(passed=False, finding=Finding(cause, layer, name, detail))


def not_checked(host: str, detail: str, cause: Cause = Cause.NOT_CHECKED) -> Check:
    """Return a check without evidence, which never passes."""
    return Check(passed=None, finding=Finding(cause, Layer.HOST, host, detail))
