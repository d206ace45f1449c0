"""Which verdicts are about one thing: both streams of a camera, a recorder's channels, all devices of a site. Pure.

Whoever reads a verdict is to see the same object in it as in its incident, and one incident a cause and a device.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from provisioner.verify.result import Cause, Layer, PathVerdict, Verdict
from provisioner.verify.wanted import PathToCheck

Key = tuple[Layer, str, Cause]
Groups = dict[Key, list[PathVerdict]]
Devices = Mapping[tuple[str, str], set[str]]

_OF_CAMERA = frozenset({Layer.CAMERA, Layer.STREAM, Layer.PICTURE})
_OF_DEVICE = frozenset({Layer.SITE, Layer.RECORDER, Layer.CAMERA})
# What says why a camera gives no picture, the more telling first: one that says less is the same failure.
_TELLING = (
    *(Cause.WRONG_PASSWORD, Cause.REDIRECTED, Cause.CAMERA_HUNG, Cause.WRONG_ANSWER, Cause.CAMERA_REFUSES),
    *(Cause.NO_SUCH_STREAM, Cause.SILENT),
)
_VAGUE = frozenset({Cause.SILENT, Cause.UNKNOWN})


def as_wholes(verdicts: Sequence[PathVerdict], targets: Iterable[PathToCheck]) -> tuple[PathVerdict, ...]:
    """The verdicts in their order, each with the layer and the object of what is broken as a whole."""
    groups: Groups = defaultdict(list)
    for verdict in agreed(verdicts):
        if verdict.verdict is not Verdict.UP and verdict.layer is not None:
            groups[verdict.layer, verdict.object, verdict.cause].append(verdict)
    whole: dict[tuple[str, str], set[str]] = defaultdict(set)
    for target in targets:
        whole[target.path.facility, target.path.device].add(target.path.name)
    _merge(groups, _by_camera(groups))
    _merge(groups, _by_recorder(groups, whole))
    _merge(groups, _by_site(groups, whole))
    known = {
        (one.path, one.relay): replace(one, layer=layer, object=name, cause=cause)
        for (layer, name, cause), of_group in groups.items()
        for one in of_group
    }
    return tuple(known.get((one.path, one.relay), one) for one in verdicts)


def agreed(verdicts: Sequence[PathVerdict]) -> tuple[PathVerdict, ...]:
    """The verdicts, with one cause for both streams of a camera that is down, where one of them says no more than that.

    A stream that is pulled shows its camera's failure in other words than one that is asked for when it is read.
    """
    telling: dict[tuple[str, str], PathVerdict] = {}
    for one in verdicts:
        if one.verdict is Verdict.DOWN and one.layer in {*_OF_CAMERA, Layer.RECORDER} and one.cause in _TELLING:
            known = telling.setdefault((one.facility, one.camera), one)
            if _TELLING.index(one.cause) < _TELLING.index(known.cause):
                telling[one.facility, one.camera] = one
    return tuple(_agreed(one, telling.get((one.facility, one.camera))) for one in verdicts)


def _agreed(one: PathVerdict, telling: PathVerdict | None) -> PathVerdict:
    vague = one.verdict is Verdict.DOWN and one.cause in _VAGUE and one.layer in _OF_CAMERA
    if not vague or telling is None or telling.cause is one.cause:
        return one
    name = one.path if telling.object == telling.path else telling.object
    return replace(one, cause=telling.cause, layer=telling.layer, object=name, detail=telling.detail)


def _merge(groups: Groups, merged: Mapping[Key, Collection[Key]]) -> None:
    for key, parts in merged.items():
        groups[key] = [verdict for part in sorted(parts) for verdict in groups.pop(part)]


def _by_camera(groups: Groups) -> dict[Key, list[Key]]:
    """Several streams of one camera that fail: the camera, for each cause with the groups that it is made of."""
    of_camera: dict[Key, list[Key]] = defaultdict(list)
    for key, verdicts in groups.items():
        cameras = {f"{one.facility}/{one.camera}" for one in verdicts}
        if key[0] in _OF_CAMERA and len(cameras) == 1:
            of_camera[Layer.CAMERA, cameras.pop(), key[2]].append(key)
    number: Counter[str] = Counter()
    for (_, name, _), parts in of_camera.items():
        number[name] += len(parts)
    return {key: parts for key, parts in of_camera.items() if number[key[1]] > 1}


def _by_recorder(groups: Groups, whole: Devices) -> dict[Key, list[Key]]:
    """Recorders all of whose channels fail for one cause."""
    merged = {}
    for (site, name), paths in whole.items():
        for cause, parts in _within(groups, paths, _OF_CAMERA).items():
            cameras = {one.camera for part in parts for one in groups[part]}
            if len(cameras) > 1 and {one.path for part in parts for one in groups[part]} == paths:
                merged[Layer.RECORDER, f"{site}/{name}", cause] = parts
    return merged


def _by_site(groups: Groups, whole: Devices) -> dict[Key, list[Key]]:
    """Sites with several devices, all of which fail for one cause."""
    of_site: dict[str, set[str]] = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    for (site, _), paths in whole.items():
        of_site[site] |= paths
        count[site] += 1
    merged = {}
    for site, paths in of_site.items():
        for cause, parts in _within(groups, paths, _OF_DEVICE).items() if count[site] > 1 else ():
            if len(parts) > 1 and {one.path for part in parts for one in groups[part]} == paths:
                merged[Layer.SITE, site, cause] = parts
    return merged


def _within(groups: Groups, paths: set[str], layers: Collection[Layer]) -> dict[Cause, list[Key]]:
    """The groups of those layers all of whose paths are among some paths, by cause."""
    by_cause: dict[Cause, list[Key]] = defaultdict(list)
    for key, verdicts in groups.items():
        if key[0] in layers and {one.path for one in verdicts} <= paths:
            by_cause[key[2]].append(key)
    return by_cause
