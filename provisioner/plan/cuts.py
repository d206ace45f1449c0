"""Which paths a plan cuts: whose camera's stream stops while a host changes, or reconnects. Pure.

A plan says it change by change (`Impact`); here it is said once a host, as narrowly as its changes name it. Who loses
no stream but only a reader's session is not cut: that path goes on flowing into its relay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner.desired.spec import LEFT, NEXT, SITE, HostKind, HostSpec
from provisioner.plan.changes import Change, Impact, Resource, pending

_FORMER = "former/"
_RELAY = "relay/"


@dataclass(frozen=True, slots=True)
class HostCut:
    """What a change of one host cuts.

    Attributes:
        host: a relay, or a centre that reads paths of relays.
        everything: whether it may cut every path of a relay, or all that a centre reads.
        facilities: those all of whose paths at the relay it cuts.
        paths: names of further paths of the relay.
        relays: of a centre, the relays whose paths it reads no more for a while.
    """

    host: str
    everything: bool = False
    facilities: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    relays: frozenset[str] = frozenset()

    def takes(self, facility: str, path: str) -> bool:
        """Whether it cuts a path of this relay."""
        return self.everything or facility in self.facilities or path in self.paths

    def takes_reading(self, relay: str) -> bool:
        """Whether it cuts what this centre reads of a relay."""
        return self.everything or relay in self.relays

    def plain(self) -> dict[str, object]:
        """The cut as plain values for the journal."""
        return {
            "everything": self.everything,
            "facilities": sorted(self.facilities),
            "paths": sorted(self.paths),
            "relays": sorted(self.relays),
        }


def cut_from(host: str, plain: Mapping[str, object]) -> HostCut:
    """A cut as the journal has it.

    Raises:
        TypeError: it is none.
    """
    everything = plain.get("everything")
    if not isinstance(everything, bool):
        raise TypeError("a cut says whether it is of everything")
    return HostCut(
        host, everything, _names(plain.get("facilities")), _names(plain.get("paths")), _names(plain.get("relays"))
    )


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise TypeError("a cut names paths, facilities and relays")
    return frozenset(value)


def cut_whole(host: str) -> HostCut:
    """The cut of a change of which nobody knows what it cuts: a return to a state that the host alone knows."""
    return HostCut(host, everything=True)


def cut_of(spec: HostSpec, changes: Iterable[Change]) -> HostCut | None:
    """What a host's changes cut; None where they cut nothing."""
    paths, facilities, relays = set[str](), set[str](), set[str]()
    everything = False
    for change in pending(changes):
        if change.host != spec.id or change.impact.rank < Impact.PATH.rank:
            continue
        if change.resource is Resource.PATH:
            paths.add(change.name)
        elif change.resource is Resource.PEER and (relay := _relay_of(spec, change)):
            relays.add(relay)
        elif change.resource is Resource.PEER and change.impact is Impact.PATH:
            site = site_of_peer(change.name) or change.facility
            facilities |= {site} - {""}
            everything = everything or not site
        else:
            # A file that says `path` ends sessions of readers: nothing stops on its way from a camera.
            everything = everything or change.impact is Impact.ALL
    cut = HostCut(spec.id, everything, frozenset(facilities), frozenset(paths), frozenset(relays))
    return cut if everything or facilities or paths or relays else None


def site_of_peer(name: str) -> str:
    """The facility of a peer as a plan names it: by its key, that which follows, a former one, or as one left."""
    rest = next((name.removeprefix(kind) for kind in (SITE, NEXT, LEFT, _FORMER) if name.startswith(kind)), "")
    return rest.partition("/")[0]


def _relay_of(spec: HostSpec, change: Change) -> str:
    is_read = spec.kind is HostKind.CENTRE and change.name.startswith(_RELAY)
    return change.name.removeprefix(_RELAY) if is_read else ""
