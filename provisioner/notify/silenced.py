"""Which alerts a change of a host keeps silent: those about paths that it cuts, and about nothing else. Pure.

The alerts are those of a watch (`provisioner.monitoring.rules`). An alert speaks of paths: of one by its name, of a
device's by the device (`object`), of a site's by the facility, of a relay's by the host. It is silenced where all
that it speaks of are cut. Alerts of nights and of the watch itself have no `scope`, and are never silenced; nor is
`ProvisionerPathsUnknown`, which waits longer than a change takes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from provisioner.base.json_document import Document
from provisioner.desired.spec import MediaPath
from provisioner.plan.cuts import HostCut

LONGEST_PATTERN: Final = 8_000
"""So many letters one pattern has at most; of more names there are more silences."""

_OF_A_HOST: Final = "host|site|device|path"
_OF_A_SITE: Final = "site|device|path"
_OF_A_DEVICE: Final = "site|device"


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """What a label's value has to be: a text, or one that a pattern of Alertmanager's takes as a whole."""

    name: str
    value: str
    is_pattern: bool = False

    @property
    def document(self) -> Document:
        """The matcher as Alertmanager's API has it."""
        return {"name": self.name, "value": self.value, "isRegex": self.is_pattern, "isEqual": True}


AlertMatchers = tuple[LabelMatcher, ...]
"""Alerts that fit all of these."""


def silenced_alerts(inventory: str, cut: HostCut, paths: Iterable[MediaPath]) -> tuple[AlertMatchers, ...]:
    """The alerts that a change of a relay keeps silent, as few sets as there may be.

    Args:
        inventory: the inventory's id.
        cut: what the change cuts; of a centre no alert speaks.
        paths: those of the relay, by the desired state: a path that goes has an alert of its own as well.
    """
    pulled = [path for path in paths if not path.on_demand]
    stopped = {path.name for path in pulled if cut.takes(path.facility, path.name)}
    if cut.everything or (stopped and len(stopped) == len(pulled)):
        return (_set(inventory, cut.host, _OF_A_HOST),)
    sites = _whole(stopped, ((path.name, path.facility) for path in pulled)) | cut.facilities
    within = [path for path in pulled if path.facility not in sites]
    devices = _whole(stopped, ((path.name, name) for path in within for name in _devices(path)))
    # Of a site some of whose paths have gone the others' names say all.
    gone = cut.paths - {path.name for path in pulled}
    names = {path.name for path in within if path.name in stopped} | {one for one in gone if _site(one) not in sites}
    listed = ((_OF_A_SITE, "facility", sites), (_OF_A_DEVICE, "object", devices), ("path", "path", names))
    return tuple(
        (*_set(inventory, cut.host, scopes), LabelMatcher(label, pattern, is_pattern=True))
        for scopes, label, values in listed
        for pattern in _patterns(values)
    )


def _devices(path: MediaPath) -> Iterator[str]:
    """What alerts call the device of a path: the camera, and the recorder that it hangs on."""
    yield f"{path.facility}/{path.camera}"
    if path.device != path.camera:
        yield f"{path.facility}/{path.device}"


def _site(path: str) -> str:
    parts = path.split("/")
    return parts[1] if len(parts) > 1 else ""


def _whole(stopped: set[str], owned: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The owners all of whose paths stop."""
    by_owner: Mapping[str, set[str]] = defaultdict(set)
    for path, owner in owned:
        by_owner[owner].add(path)
    return frozenset(owner for owner, paths in by_owner.items() if paths <= stopped)


def _set(inventory: str, host: str, scopes: str) -> AlertMatchers:
    scope = LabelMatcher("scope", scopes, is_pattern="|" in scopes)
    return LabelMatcher("inventory", inventory), LabelMatcher("host", host), scope


def _patterns(values: Iterable[str]) -> Iterator[str]:
    """Patterns that together take these values, and no other: names one beside the other, in bounded length."""
    listed: list[str] = []
    length = 0
    for value in map(re.escape, sorted(values)):
        if listed and length + len(value) + 1 > LONGEST_PATTERN:
            yield "|".join(listed)
            listed, length = [], 0
        listed.append(value)
        length += len(value) + 1
    if listed:
        yield "|".join(listed)
