"""The table of seeded faults: the page has what is stored, and what is stored is of the faults that there are."""

import itertools

import pytest

from provisioner.verify.result import Cause, Layer
from tests.lab.seeded.__main__ import DRAWN, read, read_drawn, stored
from tests.lab.seeded.draw import drawn
from tests.lab.seeded.fault import PATHS, Expected, Fault
from tests.lab.seeded.faults import FAULTS, SAMPLE, batches
from tests.lab.seeded.outcome import Judgement, Look, Outcome, Said
from tests.lab.seeded.page import page
from tests.lab.seeded.table import last_lines, wrongs
from tests.unit.docs.pages import ROOT, text_of

PAGE = ROOT / "docs/reference/verdicts.md"
_FAULT = Fault(
    "a fault",
    "camera kcl-bg-001/cam-01",
    ("*/kcl-bg-001/cam-01/*",),
    (),
    Expected(("down",), ("camera refuses",), ("camera",), "kcl-bg-001/cam-01"),
    ("relay-viettel-1", "kcl-bg-001", "cam-01"),
)
_WELL = Fault("healthy", "camera", _FAULT.paths, (), Expected(("up",), incidents=0), _FAULT.claim)
_RIGHT = Said("down", "camera refuses", "camera", "kcl-bg-001/cam-01", 2)
_UP = Said("up", paths=2)


def judged(*looks: Look, fault: Fault = _FAULT, elsewhere: tuple[str, ...] = ()) -> Judgement:
    return Judgement(fault, Outcome(fault.name, looks, elsewhere))


def test_there_are_seventy_faults_and_more_and_each_has_its_name() -> None:
    broken = [fault for fault in FAULTS if not fault.is_healthy]
    assert len(broken) >= 70
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert set(SAMPLE) <= {fault.name for fault in FAULTS}


def test_no_fault_is_seeded_beside_one_that_could_mask_it() -> None:
    made = batches(FAULTS)
    assert sorted(fault.name for batch in made for fault in batch) == sorted(fault.name for fault in FAULTS)
    for batch in made:
        for one, other in itertools.combinations(batch, 2):
            assert not set(one.touched) & set(other.touched), (one.name, other.name)
            shorter = min(len(one.claim), len(other.claim))
            assert one.claim[:shorter] != other.claim[:shorter], (one.name, other.name)


def test_faults_at_once_leave_a_device_of_each_site_alone() -> None:
    for batch in batches(FAULTS):
        of_devices = [fault for fault in batch if len(fault.claim) == 3 and "nvr" not in fault.claim[2]]
        for site in {fault.claim[1] for fault in of_devices}:
            touched = {path for fault in of_devices if fault.claim[1] == site for path in fault.touched}
            assert touched < {path for path in PATHS if f"/{site}/" in path}


def test_seventy_faults_and_more_were_tried() -> None:
    assert sum(not one.fault.is_healthy for one in read(stored("real"))) >= 70


def test_what_the_standin_cannot_show_is_not_stored_of_it() -> None:
    found = {one.fault.name for one in read(stored("standin"))}
    assert not found & {fault.name for fault in FAULTS if fault.real_only}


def test_the_page_has_what_is_stored(request: pytest.FixtureRequest) -> None:
    written = page(read(stored("real")), read(stored("standin")), read_drawn(DRAWN))
    if request.config.getoption("--update-golden"):
        PAGE.write_text(written, encoding="utf-8")
    assert text_of("docs/reference/verdicts.md") == written, "run pytest --update-golden and read the diff"


def test_what_is_stored_is_read_back() -> None:
    outcome = Outcome("a fault", (Look((_RIGHT, _UP), 1), Look((), 0)), ("elsewhere",), mended=False)
    assert Outcome.from_json("a fault", outcome.to_json()) == outcome


def test_right_is_what_is_expected_in_every_look() -> None:
    assert judged(Look((_RIGHT,), 1), Look((_RIGHT,), 1)).is_right
    assert judged(Look((_UP,), 0), fault=_WELL).is_right


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (judged(Look((_RIGHT,), 1), Look((_UP,), 0)), "false up, incidents, not stable"),
        (judged(Look((Said("up", paths=1), _RIGHT), 1)), "false up"),
        (judged(Look((_RIGHT,), 2)), "incidents"),
        (judged(Look((Said("down", "silent", "camera", "kcl-bg-001/cam-01"),), 1)), "cause or place"),
        (judged(Look((Said("down", "camera refuses", "site", "kcl-bg-001/cam-01"),), 1)), "cause or place"),
        (judged(Look((Said("down", "camera refuses", "camera", "kcl-bg-001/cam-02"),), 1)), "cause or place"),
        (judged(Look((Said("unknown", "not checked", "host", "x"),), 1)), "verdict"),
        (judged(Look((_RIGHT,), 1), elsewhere=("another path: down",)), "false down"),
        (judged(Look((_RIGHT,), 1), fault=_WELL), "false down, incidents"),
        (judged(), "verdict, incidents"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(one: Judgement, words: str) -> None:
    assert not one.is_right
    assert wrongs([one])[0].startswith(f"- {one.fault.name} ({words}): ")


def test_less_than_all_is_never_printed_as_all() -> None:
    right, wrong = judged(Look((_RIGHT,), 1)), judged(Look((_UP,), 0))
    lines = last_lines([right] * 1999 + [wrong])
    assert "- right cause and place: 1999 of 2000 (99.9 %)" in lines
    assert "- false up: 1" in lines


def test_a_healthy_path_counts_among_no_faults() -> None:
    assert last_lines([judged(Look((_UP,), 0), fault=_WELL)])[0] == "- faults: 0, healthy states: 1, looks: 1"


def test_what_one_look_suspects_is_up_and_what_lasted_is_a_suspect() -> None:
    path = {"path": _FAULT.touched[0], "verdict": "up", "cause": "", "layer": None, "object": ""}
    for words, verdict in (([], "up"), ([{"word": "moved"}], "suspect")):
        document = {"paths": [path | {"picture": {"suspects": ["moved"]}, "to_look_at": words}], "incidents": []}
        assert [one.verdict for one in Look.at(_FAULT, document).said] == [verdict]


def test_what_is_found_of_a_host_counts_where_the_fault_is_of_it() -> None:
    expected = Expected(("finding",), ("disk full",), ("host",), "relay-vnpt-1")
    fault = Fault("disk full", "relay relay-vnpt-1", _FAULT.paths, (), expected, _FAULT.claim)
    path = {"path": fault.touched[0], "verdict": "up", "cause": "", "layer": None, "object": ""}
    incident = {"layer": "host", "object": "relay-vnpt-1", "cause": "disk full", "paths": []}
    other = incident | {"object": "relay-viettel-1"}
    assert judged(Look.at(fault, {"paths": [path], "incidents": [incident, other]}), fault=fault).is_right
    assert judged(Look.at(fault, {"paths": [path], "incidents": [other]}), fault=fault).false_up


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_draws_the_same_faults_again_and_fewer_are_the_first_of_more(seed: int) -> None:
    def words(faults: tuple[Fault, ...]) -> list[tuple[str, tuple[str, ...], str]]:
        return [(fault.name, fault.touched, str(fault.expected)) for fault in faults]

    many = words(drawn(seed, 60))
    assert words(drawn(seed, 20)) == many[:20]
    assert len({name for name, *_ in many}) == 60
    assert many[:20] != words(drawn(seed + 1, 20))


def test_seeds_draw_every_kind_of_the_grammar() -> None:
    names = " ".join(fault.name for seed in range(20) for fault in drawn(seed, 60))
    kinds = ("off", "answers 403", "stale", "key-60", "closes the connection", "nvr-01", "map leads", "may publish")
    assert [kind for kind in kinds if kind not in names] == []


def test_a_drawn_fault_is_expected_with_words_that_verify_says() -> None:
    said = {*map(str, Cause), "", "cameras off"}
    for fault in drawn(3, 200):
        assert set(fault.expected.causes) <= said, fault.name
        assert set(fault.expected.layers) <= set(map(str, Layer)), fault.name
