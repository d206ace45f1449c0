"""Laws of incidents and of what drift touches: one a cause and a device, and nobody is blamed for another's."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify.incidents import incidents_of, paths_by_incident, with_specific_causes
from provisioner.verify.paths import HostDrift, PathToCheck, select
from provisioner.verify.result import NO_FINDING, Cause, Finding, Layer, PathVerdict, Verdict

from .world import CENTRE, PATHS, RELAY, centre_spec, relay_spec, state

TARGETS = select(state())
_LAYERS: dict[Layer, Callable[[PathToCheck], str]] = {
    Layer.SITE: lambda t: f"{t.path.facility}/{t.path.device}",
    Layer.RECORDER: lambda t: f"{t.path.facility}/{t.path.device}",
    Layer.CAMERA: lambda t: f"{t.path.facility}/{t.path.camera}",
    Layer.STREAM: lambda t: t.path.name,
    Layer.PICTURE: lambda t: t.path.name,
    Layer.RELAY: lambda _: RELAY,
}
_CAUSES = st.sampled_from(
    [Cause.SILENT, Cause.UNKNOWN, Cause.WRONG_PASSWORD, Cause.CAMERA_HUNG, Cause.NO_SUCH_STREAM, Cause.PORT_MAP_MISSING]
)


@st.composite
def verdicts(draw: st.DrawFn) -> tuple[PathVerdict, ...]:
    """Verdicts on the world's paths, each up or broken in any way."""
    return tuple(_verdict(draw, target) for target in TARGETS)


def _verdict(draw: st.DrawFn, target: PathToCheck) -> PathVerdict:
    verdict = draw(st.sampled_from([Verdict.UP, Verdict.DOWN, Verdict.DOWN, Verdict.DEGRADED, Verdict.UNKNOWN]))
    layer = draw(st.sampled_from(sorted(_LAYERS)))
    up = verdict is Verdict.UP
    return PathVerdict(
        *target.names,
        verdict=verdict,
        level=draw(st.integers(0, 5)),
        finding=NO_FINDING
        if up
        else Finding(draw(_CAUSES), layer, _LAYERS[layer](target), draw(st.sampled_from(["", "a", "b"]))),
        checked_at=None,
    )


@given(verdicts())
def test_a_cameras_faults_are_one_incident_and_the_worst_speaks_for_it(given_verdicts: tuple[PathVerdict, ...]) -> None:
    incidents = incidents_of(given_verdicts)
    broken = {v.path: v for v in given_verdicts if v.verdict is not Verdict.UP}
    assert sorted(path for incident in incidents for path in incident.paths) == sorted(broken)
    for incident in incidents:
        of_incident = [broken[path] for path in incident.paths]
        worst = [v for v in of_incident if v.verdict is Verdict.DOWN] or of_incident
        assert incident.cause in {v.cause for v in worst}
        assert all(v.cause in "; ".join(incident.details) for v in of_incident if v.cause is not incident.cause)
        if incident.layer is not Layer.CAMERA:
            assert {v.cause for v in of_incident} == {incident.cause}
    cameras = [incident.object for incident in incidents if incident.layer is Layer.CAMERA]
    assert len(cameras) == len(set(cameras))


@given(verdicts(), st.data())
def test_an_incident_says_which_of_its_paths_are_up_over_another_relay(
    given_verdicts: tuple[PathVerdict, ...], data: st.DataObject
) -> None:
    """And says nothing of others; nobody is made well by it."""
    names = [verdict.path for verdict in given_verdicts]
    up = data.draw(st.sets(st.sampled_from(names)))
    beside = [
        replace(one, relay="relay-2", verdict=Verdict.UP, finding=NO_FINDING)
        for one in given_verdicts
        if one.path in up
    ]
    alone, both = incidents_of(given_verdicts), incidents_of([*given_verdicts, *beside])
    for before, after in zip(alone, both, strict=True):
        served = len(up & set(before.paths))
        more = (f"up over relay-2: {served} path{'s' if served > 1 else ''}",) if served else ()
        assert after == replace(before, more=before.more + more)


@given(verdicts())
def test_agreement_changes_words_and_no_verdict(given_verdicts: tuple[PathVerdict, ...]) -> None:
    after = with_specific_causes(given_verdicts)
    for old, new in zip(given_verdicts, after, strict=True):
        assert (old.path, old.verdict, old.level, old.passed) == (new.path, new.verdict, new.level, new.passed)
        if old.verdict is not Verdict.DOWN or old.cause not in {Cause.SILENT, Cause.UNKNOWN}:
            assert new == old
    assert with_specific_causes(after) == after
    whole = paths_by_incident(given_verdicts, TARGETS)
    assert paths_by_incident(whole, TARGETS) == whole


@given(verdicts(), st.randoms())
def test_agreement_does_not_depend_on_order(given_verdicts: tuple[PathVerdict, ...], random: object) -> None:
    shuffled = list(given_verdicts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives random.Random as an object

    def causes(of: Iterable[PathVerdict]) -> dict[str, Cause]:
        return {one.path: one.cause for one in with_specific_causes(tuple(of))}

    assert causes(shuffled) == causes(given_verdicts)


@given(verdicts())
def test_every_broken_path_is_in_one_incident_and_no_camera_has_two(given_verdicts: tuple[PathVerdict, ...]) -> None:
    after = paths_by_incident(given_verdicts, TARGETS)
    incidents = incidents_of(after)
    listed = sorted(path for incident in incidents for path in incident.paths)
    assert listed == sorted(one.path for one in after if one.verdict is not Verdict.UP)
    assert [(one.path, one.verdict, one.level) for one in after] == [
        (one.path, one.verdict, one.level) for one in given_verdicts
    ]
    cause_of = {one.path: one.cause for one in after}
    assert all(incident.cause in {cause_of[path] for path in incident.paths} for incident in incidents)
    assert len({(i.layer, i.object, i.cause) for i in incidents}) == len(incidents)
    of_camera = [
        camera
        for i in incidents
        if i.layer in {Layer.CAMERA, Layer.STREAM, Layer.PICTURE}
        for camera in {path.rpartition("/")[0] for path in i.paths}
    ]
    assert len(of_camera) == len(set(of_camera))


def test_a_recorder_all_of_whose_channels_fail_alike_is_one_incident_and_so_is_a_whole_site() -> None:
    def broken(target: PathToCheck, layer: Layer) -> PathVerdict:
        finding = Finding(Cause.SILENT, layer, _LAYERS[layer](target))
        return PathVerdict(*target.names, Verdict.DOWN, 3, finding, None)

    recorder = [broken(t, Layer.CAMERA) for t in TARGETS if t.path.device == "nvr-1"]
    assert [(i.layer, i.object, len(i.paths)) for i in incidents_of(paths_by_incident(recorder, TARGETS))] == [
        (Layer.RECORDER, "kcl-001/nvr-1", 3)
    ]
    site = [broken(t, Layer.CAMERA) for t in TARGETS if t.path.facility == "kcl-001"]
    assert [(i.layer, i.object, len(i.paths)) for i in incidents_of(paths_by_incident(site, TARGETS))] == [
        (Layer.SITE, "kcl-001", 4)
    ]


# --- drift ----------------------------------------------------------------------------------------
def _touched(resource: Resource, name: str, host: str = RELAY, facility: str = "") -> set[str]:
    change = Change(host, resource, name, Action.UPDATE, Impact.PATH, "differs", facility=facility)
    spec = relay_spec() if host == RELAY else centre_spec()
    return {target.path.name for target in TARGETS if HostDrift([change], spec).touching(target)}


EVERY = {path.name for path in PATHS}


@given(st.sampled_from([Resource.FILE, Resource.UNIT, Resource.TRUST]), st.text())
def test_a_file_a_unit_and_trust_touch_every_path(resource: Resource, name: str) -> None:
    assert _touched(resource, name) == EVERY


@given(st.text())
def test_a_peer_touches_its_own_site_alone_and_a_rule_that_is_no_element_all(name: str) -> None:
    of_site = {path.name for path in PATHS if path.facility == name}
    assert _touched(Resource.PEER, f"site/{name}") == of_site
    assert _touched(Resource.PATH, name) == EVERY & {name}
    assert _touched(Resource.RULE, f"rule {name}") == EVERY


@pytest.mark.parametrize(
    ("resource", "name", "host", "facility", "pattern"),
    [
        (Resource.PEER, "site/kcl-002", RELAY, "", "/kcl-002/"),
        (Resource.PATH, PATHS[3].name, RELAY, "", PATHS[3].name),
        (Resource.RULE, "element cameras 100.64.0.4 . 10555", RELAY, "", "/cam-09/"),
        (Resource.RULE, "element cameras 10.9.9.9 . 10555", RELAY, "", "nowhere"),
        (Resource.RULE, "element centres 100.127.0.2", RELAY, "", "/"),
        (Resource.RULE, "element centres 100.127.0.9", RELAY, "", "nowhere"),
        (Resource.RULE, "element relays 100.64.0.1", CENTRE, "", "/"),
        (Resource.RULE, "element relays 100.64.0.9", CENTRE, "", "nowhere"),
        (Resource.PEER, f"relay/{RELAY}", CENTRE, "", "/"),
        (Resource.PEER, "relay/edge-9", CENTRE, "", "nowhere"),
        (Resource.PEER, f"centre/{CENTRE}", RELAY, "", "/"),
        (Resource.PEER, "centre/ioc-other", RELAY, "", "nowhere"),
        (Resource.PEER, "unknown/key", RELAY, "", "/"),
        (Resource.PEER, "unknown/key", RELAY, "kcl-002", "/kcl-002/"),
    ],
)
def test_drift_touches_what_hangs_on_it(resource: Resource, name: str, host: str, facility: str, pattern: str) -> None:
    assert _touched(resource, name, host, facility) == {path for path in EVERY if pattern in path}


@pytest.mark.parametrize(
    ("file", "beside", "touched"),
    [
        ("/etc/provisioner/mediamtx.yml", (Resource.PATH, PATHS[3].name), {PATHS[3].name}),
        ("/etc/provisioner/mediamtx.yml", None, EVERY),
        ("/etc/provisioner/wg-prov.conf", (Resource.PEER, "site/kcl-002"), {PATHS[4].name}),
        ("/etc/provisioner/wg-prov.conf", (Resource.PATH, PATHS[3].name), EVERY),
        ("/etc/provisioner/provisioner.nft", (Resource.PEER, "site/kcl-002"), EVERY),
    ],
)
def test_a_file_that_differs_in_listed_parts_touches_what_they_touch(
    file: str, beside: tuple[Resource, str] | None, touched: set[str]
) -> None:
    changes = [Change(RELAY, Resource.FILE, file, Action.UPDATE, Impact.NONE, "content differs")]
    if beside:
        changes.append(Change(RELAY, *beside, Action.UPDATE, Impact.PATH, "differs"))
    assert {t.path.name for t in TARGETS if HostDrift(changes, relay_spec()).touching(t)} == touched


def test_access_that_somebody_added_to_a_relays_file_touches_no_path() -> None:
    file = Change(RELAY, Resource.FILE, "/etc/provisioner/mediamtx.yml", Action.UPDATE, Impact.PATH, "settings differ")
    touched = [t for t in TARGETS if HostDrift([file._replace(of_strangers=True)], relay_spec()).touching(t)]
    assert (touched, len([t for t in TARGETS if HostDrift([file], relay_spec()).touching(t)])) == ([], len(EVERY))


def test_a_relays_settings_touch_every_path_whatever_is_beside_them() -> None:
    changes = [
        Change(RELAY, Resource.FILE, "/etc/provisioner/mediamtx.yml", Action.UPDATE, Impact.ALL, "settings differ"),
        Change(RELAY, Resource.PATH, PATHS[3].name, Action.UPDATE, Impact.PATH, "differs"),
    ]
    assert {t.path.name for t in TARGETS if HostDrift(changes, relay_spec()).touching(t)} == EVERY
