"""A night's path results and own faults of hosts and devices. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Final

from provisioner.base.text import VIETNAM
from provisioner.verify.document import HostRow, IncidentRow, PathRow, VerifyDocument, finding_of
from provisioner.verify.result import NO_FINDING, Cause, Finding, Layer, Verdict, WithFinding

HOST_ITEM: Final = "host:"
"""The prefix of hosts' names."""
DEVICE_ITEM: Final = "device:"
"""The prefix of names of devices with own findings."""
ITSELF: Final = (HOST_ITEM, DEVICE_ITEM)
"""The prefixes of all names except paths'."""
_OF_DEVICES: Final = frozenset({Layer.CAMERA, Layer.RECORDER})
_SILENT: Final = frozenset({Verdict.MAINTENANCE})
_ANSWERED: Final = "answered"
Since = Callable[[str, Verdict], datetime | None]


def _by_nobody(_path: str, _verdict: Verdict) -> None:
    """The default without a record."""


@dataclass(frozen=True, slots=True)
class NightItem(WithFinding):
    """A path's result, or a fault of a host or device itself.

    Attributes:
        name: a path, or `host:` or `device:` with the id and the cause.
        relay: the path's relay, since a facility that changes its carrier has two; empty for a host or device.
        facility: of the path or device; empty for a host.
        carriers: the path's or device's carrier, or all with paths on the host.
        since: the start of the verdict in Vietnam, if known.
    """

    name: str
    relay: str
    facility: str
    carriers: frozenset[str]
    verdict: Verdict
    finding: Finding = NO_FINDING
    since: date | None = None

    @property
    def key(self) -> str:
        """The key in notices."""
        return path_key(self.name, self.relay) if self.relay else self.name

    @property
    def is_path(self) -> bool:
        """Whether it is a path."""
        return not self.name.startswith(ITSELF)

    @property
    def is_device(self) -> bool:
        """Whether it is a device's own fault, whatever its paths."""
        return self.name.startswith(DEVICE_ITEM)


@dataclass(frozen=True)
class NightReport:
    """A night's results for notices.

    Attributes:
        run: empty if it could not be recorded.
        sights: measured paths, and faults of hosts and devices themselves.
        silent: keys of paths without a result: not asked for, or in a maintenance window.
        unasked: hosts of the inventory that were not asked.
        probed_devices: devices asked about themselves, each `FACILITY/DEVICE`.
    """

    inventory: str
    run: str
    at: datetime
    sights: tuple[NightItem, ...]
    silent: frozenset[str] = field(default_factory=frozenset)
    unasked: frozenset[str] = field(default_factory=frozenset)
    probed_devices: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all items."""
        return frozenset(item.key for item in self.sights)

    @cached_property
    def by_owner(self) -> Mapping[tuple[str, frozenset[str]], tuple[NightItem, ...]]:
        """Items by facility and carriers, so readers check owners, not each path."""
        owners: dict[tuple[str, frozenset[str]], list[NightItem]] = defaultdict(list)
        for item in self.sights:
            owners[item.facility, item.carriers].append(item)
        return {owner: tuple(items) for owner, items in owners.items()}

    def is_unverified(self, key: str) -> bool:
        """Return whether the night has no result for a key."""
        if key.startswith(HOST_ITEM):
            return host_in(key) in self.unasked
        if key.startswith(DEVICE_ITEM):
            device = device_in(key)
            return device not in self.probed_devices and device.partition("/")[0] in self._facilities
        return key in self.silent

    @cached_property
    def _facilities(self) -> frozenset[str]:
        names = (*self.silent, *(item.name for item in self.sights if item.is_path))
        return frozenset(parts[1] for name in names if len(parts := name.split("/")) > 1)

    @property
    def day(self) -> date:
        """The date in Vietnam."""
        return self.at.astimezone(VIETNAM).date()


def night_of(
    document: VerifyDocument,
    carriers: Mapping[str, frozenset[str]],
    *,
    inventory: str,
    run: str = "",
    listed: Iterable[str] = (),
    drifted: Iterable[str] | None = None,
    since: Since = _by_nobody,
) -> NightReport:
    """Convert a verification's document for notices.

    `carriers` are those with paths, by host. `listed` are keys of the inventory's paths; those not verified are silent.
    `drifted` are hosts with drift from another comparison; `None` takes the verification's. `since` returns the
    recorded start of a path's verdict, if known.
    """
    path_items = [_of_path(path, since) for path in document.paths]
    visited = {host.host for host in document.hosts}
    by_comparison = frozenset(drifted) if drifted is not None else None
    host_items = [item for host in document.hosts for item in _host_items(host, carriers, by_comparison)]
    devices = _carriers_by_device(document)
    device_items = list(_of_devices(document, devices))
    drifted_only = sorted((by_comparison or frozenset()) - visited)
    host_items += [_host_item(host, carriers, Verdict.DEGRADED, Cause.DRIFT) for host in drifted_only]
    silent = {item.key for item in path_items if (item.verdict in _SILENT or item.cause is Cause.NOT_ASKED)} | (
        frozenset(listed) - {path_item.key for path_item in path_items}
    )
    return NightReport(
        inventory=inventory,
        run=run,
        at=document.finished_at,
        sights=(*(item for item in path_items if item.key not in silent), *host_items, *device_items),
        silent=frozenset(silent),
        unasked=frozenset(carriers.keys() - visited - frozenset(drifted_only)),
        probed_devices=frozenset(devices),
    )


def path_key(path: str, relay: str) -> str:
    """Return the key of a path on a relay."""
    return f"{path}@{relay}"


def host_in(name: str) -> str:
    """Return the host's id in an item's name."""
    return name.removeprefix(HOST_ITEM).partition(":")[0]


def device_in(name: str) -> str:
    """Return the device in an item's name, as `FACILITY/DEVICE`."""
    return name.removeprefix(DEVICE_ITEM).partition(":")[0]


def _of_path(path: PathRow, since: Since) -> NightItem:
    started = since(path.path, path.verdict) or (path.failing.since if path.failing else None)
    return NightItem(
        name=path.path,
        relay=path.relay,
        facility=path.facility,
        carriers=frozenset({path.carrier}),
        verdict=path.verdict,
        finding=finding_of(path),
        since=started.astimezone(VIETNAM).date() if started else None,
    )


def _host_items(
    host: HostRow, carriers: Mapping[str, frozenset[str]], drifted: frozenset[str] | None
) -> Iterator[NightItem]:
    if host.outcome != _ANSWERED:
        yield _host_item(host.host, carriers, Verdict.UNKNOWN, Cause.HOST_UNREACHABLE, host.error)
    if host.drift if drifted is None else host.host in drifted:
        yield _host_item(host.host, carriers, Verdict.DEGRADED, Cause.DRIFT)
    for finding in host.findings:
        yield _host_item(host.host, carriers, Verdict.DEGRADED, Cause(finding.cause), finding.detail)


def _carriers_by_device(document: VerifyDocument) -> dict[str, frozenset[str]]:
    """Return carriers of asked devices, except those in maintenance."""
    incidents = {(row.object, row.cause) for row in _of_themselves(document)}
    carriers: dict[str, frozenset[str]] = {}
    for row in document.devices or ():
        name = f"{row.facility}/{row.device}"
        # A finding that is no incident is one inside a maintenance window.
        if all((name, finding.cause) in incidents for finding in row.findings):
            carriers[name] = carriers.get(name, frozenset()) | {row.carrier}
    return carriers


def _of_themselves(document: VerifyDocument) -> list[IncidentRow]:
    """Return the incidents of devices without paths."""
    return [incident for incident in document.incidents if not incident.paths and incident.layer in _OF_DEVICES]


def _of_devices(document: VerifyDocument, devices: Mapping[str, frozenset[str]]) -> Iterator[NightItem]:
    for incident in _of_themselves(document):
        if incident.object in devices:
            yield NightItem(
                name=f"{DEVICE_ITEM}{incident.object}:{incident.cause}",
                relay="",
                facility=incident.object.partition("/")[0],
                carriers=devices[incident.object],
                verdict=Verdict.DEGRADED,
                finding=finding_of(incident),
            )


def _host_item(
    host: str, carriers: Mapping[str, frozenset[str]], verdict: Verdict, cause: Cause, detail: str = ""
) -> NightItem:
    whose = carriers.get(host, frozenset())
    finding = Finding(cause, Layer.HOST, host, detail)
    return NightItem(f"{HOST_ITEM}{host}:{cause}", "", "", whose, verdict, finding)
