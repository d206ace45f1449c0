"""Laws of loading: what earlier runs kept, and how many processes read, change nothing of the answer."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import InventoryError, Problem
from provisioner.cli.main import run
from provisioner.inventory import rules
from provisioner.inventory.files.layout import File, layout_of
from provisioner.inventory.loader import cache as caching
from provisioner.inventory.loader import load as loading
from provisioner.inventory.loader.cache import Cache, sites_of
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.loader.site import Site, read_site, validated_text
from provisioner.inventory.model.facility import Facility, relays_of
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import Outline, outlined
from provisioner.inventory.signed import agreed_on, proofs_of, signed_content, unsigned_by
from provisioner.report.problem_catalogue import CATALOGUE
from tests import inventories as make

DAYS = [date(2021, 5, day) for day in (1, 8, 9, 20)]
NAMES = [f"kcl-bg-00{n}" for n in range(1, 5)]
BLOCKED = {
    "reason": "no_uplink",
    "owner": "carrier",
    "since": "2021-05-02",
    "next_action": "a line is laid",
    "due": "2021-05-15",
}


def path_of(name: str, province: str = "bac-giang") -> str:
    return f"facilities/{province}/{name}.yml"


# --- what a facility's file may become ------------------------------------------------------------
Change = Callable[[str], Any]
CHANGES: dict[str, Change] = {
    "right": make.facility,
    "closed": lambda name: make.facility(name, operating="closed"),
    "another camera": lambda name: make.facility(name, cameras=[make.camera(), make.camera("cam-02", 12)]),
    "blocked": lambda name: make.facility(name, blocked=BLOCKED),
    "opened later": lambda name: make.facility(name, opened_on="2021-05-09"),
    "opens soon": lambda name: make.facility(name, operating="standby", opens_on="2021-05-10"),
    "a district's": lambda name: make.facility(name, managing_body="ubnd_huyen"),
    "surveyed and claimed": lambda name: make.facility(
        name, survey=make.survey(), plan=None, claimed_connection={"connected_on": "2021-05-03", "source": "an annex"}
    ),
    "changes its carrier": lambda name: make.facility(
        name, successor={"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"}, blocked=BLOCKED
    ),
    "proposed": lambda name: make.facility(
        name, plan={"state": "proposed", "carrier": "viettel", "relay": "relay-viettel-1"}, gateway=None
    ),
    "signed otherwise": lambda name: (
        make.signed(make.facility(name)) | {"cameras": [make.camera(), make.camera("cam-02", 12)]}
    ),
    "address twice": lambda name: make.facility(name, cameras=[make.camera(), make.camera("cam-02")]),
    "unsigned": lambda name: make.facility(name) | {"kind": "hotel", "cameras": [make.camera(port=555)]},
    "unknown key": lambda name: make.facility(name, colour="red"),
    "another id": lambda name: make.facility(name + "x"),
    "not yaml": lambda _name: "a: [",
    "gone": lambda _name: None,
}
edits = st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(CHANGES)))
carriers = st.sampled_from([{}, {"carriers/viettel.yml": make.carrier(name="Viettel")}, {"carriers/vnpt.yml": "a: ["}])
steps = st.lists(st.tuples(st.lists(edits, max_size=3), carriers, st.sampled_from(DAYS)), min_size=2, max_size=5)


def everything_of(loaded: Loaded) -> tuple[tuple[Problem, ...], Inventory | None, str, Any, frozenset[str], Any]:
    """Everything that a user of what was loaded can notice."""
    apart = {name: (loaded.facility(name), loaded.survey(name)) for name in loaded.outlines}
    return check(loaded), loaded.partial, loaded.digest, dict(loaded.outlines), loaded.broken, apart


def write(root: Path, changes: list[tuple[str, str]], others: dict[str, Any]) -> None:
    for name, change in changes:
        content = CHANGES[change](name)
        (root / path_of(name)).unlink(missing_ok=True)
        make.write_files(root, {path_of(name): content})
    make.write_files(root, others)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps)
def test_after_any_edits_the_answer_is_that_of_a_run_without_a_cache(tmp_path: Path, script: list[Any]) -> None:
    shutil.rmtree(tmp_path)
    root = make.write_inventory(tmp_path / "inv", {path_of(name): make.facility(name) for name in NAMES})
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    for changes, others, today in script:
        write(root, changes, others)
        assert everything_of(load(root, today=today, cache=cache)) == everything_of(load(root, today=today))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps)
def test_an_outline_and_what_is_read_beside_it_say_what_the_whole_says(tmp_path: Path, script: list[Any]) -> None:
    shutil.rmtree(tmp_path)
    root = make.write_inventory(tmp_path / "inv", {path_of(name): make.facility(name) for name in NAMES})
    (tmp_path / "cache").mkdir()
    for changes, others, today in script:
        write(root, changes, others)
        for cache in (Cache(tmp_path / "cache", "code"), None):
            loaded = load(root, today=today, cache=cache)
            whole, outlines = loaded.partial, loaded.outlined
            assert (whole is None) == (outlines is None)
            if whole and outlines:
                assert outlines == outlined(whole)
                assert {name: loaded.facility(name) for name in outlines.facilities} == whole.facilities
                assert all(loaded.survey(name) == one.survey for name, one in whole.facilities.items())
                assert all(loaded.name(name) == one.name for name, one in whole.facilities.items())
                assert all(_of_whole(outlines.facilities[name], one) for name, one in whole.facilities.items())


def _of_whole(outline: Outline, facility: Facility) -> bool:
    """Whether an outline says of a facility's texts, carriage and agreement what the file says."""
    remarks, carried = outline.read_remarks, [(c.plan.relay, c.relay) for c in facility.connections]
    plans = [(outline.plan, facility.plan), (outline.successor, facility.successor)]
    return (
        (remarks.blocked, remarks.claimed_connection) == (facility.blocked, facility.claimed_connection)
        and [(plan.relay, relay) for plan, relay in relays_of(outline.carried_plans)] == carried
        and (outline.cameras, outline.recorders) == (len(facility.cameras), len(facility.recorders))
        and all((known is None) == (plan is None) for known, plan in plans)
        and all(
            (known.content, known.agreed_on, known.proofs, known.unsigned)
            == (
                signed_content(facility, plan),
                agreed_on(facility, plan),
                proofs_of(facility, plan),
                unsigned_by(facility, plan),
            )
            for known, plan in plans
            if known and plan
        )
    )


SEALED = "$ANSIBLE_VAULT;1.1;AES256\n3031\n"
LOCK = {
    "version": 1,
    "sites": {NAMES[0]: {"carrier": "viettel", "tunnel_address": "10.91.0.9", "ports": {"cam-01": 10554}}},
}
OF_ONE_LENGTH = {
    path_of(NAMES[0]): ("Trường Ví Dụ", "Trường Vì Dụ"),
    "carriers/viettel.yml": ("Viettel", "Vietteq"),
    "allocations.lock.yml": ("10554", "10564"),
    "designations.yml": ("2021-05-06", "2021-05-07"),
    "secrets/inventory.yml": ("3031", "3132"),
}


@pytest.mark.parametrize("name", OF_ONE_LENGTH)
def test_a_changed_file_is_seen_whatever_its_times_and_its_size_say(tmp_path: Path, name: str) -> None:
    root = make.write_inventory(
        tmp_path / "inv",
        {
            path_of(NAMES[0]): make.facility(NAMES[0]),
            "secrets/inventory.yml": SEALED,
            "allocations.lock.yml": LOCK,
            "carriers/viettel.yml": make.carrier(name="Viettel"),
        },
    )
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    first = everything_of(load(root, today=make.TODAY, cache=cache))
    file, (old, new) = root / name, OF_ONE_LENGTH[name]
    before, text = file.stat(), file.read_text("utf-8")
    assert old in text
    file.write_bytes(text.replace(old, new).encode())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    now = everything_of(load(root, today=make.TODAY, cache=cache))
    assert now == everything_of(load(root, today=make.TODAY))
    assert now[2] != first[2]


def test_the_lock_is_read_where_somebody_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {path_of(name): make.facility(name) for name in NAMES}
    root = make.write_inventory(tmp_path / "inv", listed | {"allocations.lock.yml": LOCK})
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    check(load(root, today=make.TODAY, cache=cache))
    wanted = load(root, today=make.TODAY).frame
    held: list[Any] = []

    def note(model: Any, text: str) -> Any:
        held.append(model)
        return validated_text(model, text)

    monkeypatch.setattr(loading, "validated_text", note)
    loaded = load(root, today=make.TODAY, cache=cache)
    check(loaded)
    assert loaded.outlined
    assert Allocations not in held
    assert loaded.frame
    assert wanted
    for _ in range(2):
        assert loaded.frame.allocations == loaded.outlined.allocations == wanted.allocations
    assert held.count(Allocations) == 1
    apart, copied = load(root, today=make.TODAY, cache=cache).frame, load(root, today=make.TODAY, cache=cache).frame
    assert apart
    assert copied
    assert dict(apart) == dict(wanted)
    assert copied.model_copy(update={"maintenance": ()}).allocations == wanted.allocations


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_to_what_was_kept_changes_no_answer_and_is_mended(tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path)
    root = make.write_inventory(tmp_path / "inv", {path_of(name): make.facility(name) for name in NAMES})
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    before = everything_of(load(root, today=make.TODAY, cache=cache))
    files = sorted((tmp_path / "cache").iterdir())
    whole = {path: path.read_bytes() for path in files}
    hit = data.draw(st.sampled_from(files))
    cut = data.draw(st.integers(0, len(whole[hit])))
    hit.write_bytes(whole[hit][:cut] + data.draw(st.binary(max_size=20)))
    assert everything_of(load(root, today=make.TODAY, cache=cache)) == before
    assert everything_of(load(root, today=make.TODAY, cache=cache)) == before
    assert hit.read_bytes() == whole[hit]


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make.write_inventory(tmp_path / "inv", {path_of(name): make.facility(name) for name in NAMES})
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    first = everything_of(load(root, today=make.TODAY, cache=cache))
    read: list[str] = []

    def note(file: File, today: date) -> Site:
        read.append(file.relative)
        return read_site(file, today)

    monkeypatch.setattr(caching, "read_site", note)
    assert everything_of(load(root, today=make.TODAY, cache=cache)) == first
    assert read == []
    write(root, [(NAMES[1], "closed")], {})
    load(root, today=make.TODAY, cache=cache)
    assert read == [path_of(NAMES[1])]
    load(root, today=date(2021, 12, 1), cache=cache)
    assert read == [path_of(NAMES[1])], "no rule's answer depends on this day"


def test_where_nothing_changed_files_are_not_held_against_each_other_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = {path_of(name): make.facility(name, cameras=[make.camera()]) for name in NAMES}
    root = make.write_inventory(tmp_path / "inv", twice | {"carriers/vnpt.yml": make.carrier("vnpt", 21)})
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    first = check(load(root, today=make.TODAY, cache=cache))
    true_check, looked = rules.check_across, []

    def note(view: rules.View) -> tuple[Problem, ...]:
        looked.append(view.today)
        return true_check(view)

    monkeypatch.setattr(rules, "check_across", note)
    assert check(load(root, today=make.TODAY, cache=cache)) == first
    assert looked == []
    write(root, [(NAMES[1], "closed")], {})
    assert check(load(root, today=make.TODAY, cache=cache)) == check(load(root, today=make.TODAY))
    assert len(looked) == 2
    check(load(root, today=date(2021, 12, 1), cache=cache))
    assert len(looked) == 3, "another day may be judged otherwise"
    write(root, [], {"carriers/vnpt.yml": "a: ["})
    for _ in range(2):
        check(load(root, today=make.TODAY, cache=cache))
    assert len(looked) == 5, "of files with faults nothing is kept"


def test_on_a_day_on_which_a_rule_answers_otherwise_the_file_is_judged_again(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path / "inv", {path_of(NAMES[0]): make.facility(NAMES[0], blocked=BLOCKED)})
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    overdue, to_come = "block-overdue", "date-in-the-future"
    for day, expected in [(16, {overdue}), (15, set()), (8, set()), (7, {to_come}), (8, set()), (16, {overdue})]:
        problems = check(load(root, today=date(2021, 5, day), cache=cache))
        assert {problem.code for problem in problems} & {overdue, to_come} == expected, day


def test_nothing_of_secrets_and_contacts_is_kept_nor_of_files_with_faults(tmp_path: Path) -> None:
    canaries = [f"canary-{word}" for word in ("secret", "contact", "unknown", "broken", "clear")]
    secret, contact, unknown, broken, clear = canaries
    root = make.write_inventory(
        tmp_path / "inv",
        {
            "secrets/inventory.yml": f"$ANSIBLE_VAULT;1.1;AES256\n{secret}\n",
            "secrets/cameras/bac-giang.yml": f"kcl: {{ cam: {{ username: a, password: {clear} }} }}",
            "contacts/bac-giang.yml": f"- {contact}",
            path_of(NAMES[1]): make.facility(NAMES[1], password=unknown),
            path_of(NAMES[2]): f"password: [{broken}",
            "carriers/vnpt.yml": make.carrier("vnpt", 21, password=unknown),
        },
    )
    (tmp_path / "cache").mkdir()
    load(root, today=make.TODAY, cache=Cache(tmp_path / "cache", "code"))
    texts = [path.read_bytes().decode() for path in (tmp_path / "cache").iterdir()]
    assert any(NAMES[0] in text for text in texts)
    assert [canary for canary in canaries if any(canary in text for text in texts)] == []


# --- no input gives a traceback --------------------------------------------------------------------
OTHER_FILES = [
    *("inventory.yml", "instructions.yml", "designations.yml", "allocations.lock.yml", "carriers/viettel.yml"),
    *("centres/centre.yml", path_of("kcl-bg-001"), "secrets/inventory.yml", "contacts/bac-giang.yml", "stray.yml"),
]
garbage = st.binary(max_size=200) | st.sampled_from(
    [b"[]", b"{}", b"- a", b"a", b"version: 1", b"version: {a: [b]}", b"null"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(OTHER_FILES), noise=garbage, cut=st.integers(0, 400))
def test_whatever_stands_in_a_file_validate_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, noise: bytes, cut: int
) -> None:
    shutil.rmtree(tmp_path)
    root = make.write_inventory(tmp_path / "inv", {"allocations.lock.yml": {"version": 1}})
    whole = (root / name).read_bytes() if (root / name).exists() else b""
    make.write_files(root, {name: whole[:cut] + noise})
    code = run(["-i", str(root), "--output", "json", "validate", "--sarif", str(tmp_path / "out.sarif")], {})
    document = json.loads(capsys.readouterr().out)
    assert code in {0, 3}
    assert document["schema"] == "provisioner/validate"
    for problem in document["problems"]:
        assert problem["code"] in CATALOGUE
        assert problem["message"]
        assert problem["hint"]
    assert len(json.loads((tmp_path / "out.sarif").read_text("utf-8"))["runs"][0]["results"]) == len(
        document["problems"]
    )


# --- several processes ----------------------------------------------------------------------------
@contextmanager
def forked(*, safe: bool = True) -> Iterator[None]:
    with mock.patch.object(caching, "can_fork", return_value=safe):
        yield


def many(root: Path, count: int) -> list[File]:
    listed = {path_of(f"kcl-{n:03}"): CHANGES[sorted(CHANGES)[n % 10]](f"kcl-{n:03}") for n in range(count)}
    return [file for file in layout_of(make.write_inventory(root, listed)).files if file.model is Facility]


@pytest.mark.parametrize("safe", [True, False])
def test_several_processes_read_what_one_reads(tmp_path: Path, *, safe: bool) -> None:
    files = many(tmp_path, 150)
    with forked(safe=safe), sites_of(files, make.TODAY, workers=2) as collect:
        sites = collect()
    assert sites == {file.relative: read_site(file, make.TODAY) for file in files}


def test_several_processes_keep_what_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {path_of(f"kcl-{n:03}"): CHANGES[sorted(CHANGES)[n % 10]](f"kcl-{n:03}") for n in range(60)}
    root = make.write_inventory(tmp_path / "inv", listed)
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    alone = everything_of(load(root, today=make.TODAY))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(caching, "MANY", 10)
    assert everything_of(load(root, today=make.TODAY, cache=cache)) == alone
    read: list[str] = []

    def note(file: File, today: date) -> Site:
        read.append(file.relative)
        return read_site(file, today)

    monkeypatch.setattr(caching, "read_site", note)
    monkeypatch.setattr(caching, "MANY", 1000)
    with mock.patch.object(loading, "text_of", side_effect=AssertionError):
        assert everything_of(load(root, today=make.TODAY, cache=cache)) == alone
    assert 0 < len(read) < 40, "only files with faults are read again"


def test_what_a_killed_process_had_to_read_is_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = many(tmp_path, 150)
    expected = {file.relative: read_site(file, make.TODAY) for file in files}

    def dies(file: File, today: date) -> Site:
        if multiprocessing.parent_process() and file is not files[0]:
            os._exit(9)
        return read_site(file, today)

    monkeypatch.setattr(caching, "read_site", dies)
    with forked(), sites_of(files, make.TODAY, workers=2) as collect:
        assert collect() == expected


def test_what_no_process_could_be_given_is_read_here(tmp_path: Path) -> None:
    files = many(tmp_path, 150)
    with (
        mock.patch("concurrent.futures.ProcessPoolExecutor.submit", side_effect=BrokenProcessPool),
        sites_of(files, make.TODAY, workers=2) as collect,
    ):
        assert collect() == {file.relative: read_site(file, make.TODAY) for file in files}


def test_few_files_need_no_process_and_many_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    files = many(tmp_path, 20)
    # Whether a process may fork hangs on the threads that tests before have left.
    monkeypatch.setattr(caching, "can_fork", lambda: True)
    with mock.patch("concurrent.futures.process.ProcessPoolExecutor", side_effect=AssertionError) as pool:
        with sites_of(files, make.TODAY) as collect:
            assert len(collect()) == len(files)
        monkeypatch.setattr(caching, "MANY", 10)
        with pytest.raises(AssertionError), sites_of(files, make.TODAY):
            pass
    assert pool.call_args.args == (3,)


def test_an_inventory_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path / "inv")
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", "code")
    load(root, today=make.TODAY, cache=cache)
    for changes in ([], [("kcl-bg-001", "closed")]):
        loaded = load(root, today=make.TODAY, cache=cache)
        for path in (tmp_path / "cache").glob("texts-*"):
            path.unlink()
        write(root, changes, {})
        if not changes:
            assert loaded.facilities().keys() == {"kcl-bg-001"}
    with pytest.raises(InventoryError, match="changed while the inventory was read"):
        loaded.facilities()
