"""Laws of what is kept of encrypted files: nothing is found otherwise by it, and nobody finds anything in it."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import Problem, SecretsError
from provisioner.base.vault import VaultPasswords, encrypt
from provisioner.inventory.loader import secrets
from provisioner.inventory.loader.cached_secrets import CachedFile
from provisioner.inventory.loader.load import check, load
from provisioner.operations.edit.validate import validate
from tests import inventories as make

CANARY = "Canary-9-Kv"
LOGINS = {
    "good": {"username": "viewer", "password": CANARY},
    "factory": {"username": "viewer", "password": "hik12345"},
    "named": {"username": "Same", "password": "same"},
    "wrong": {"username": "viewer"},
}
FACILITIES = ("kcl-bg-001", "kcl-bg-002", "kcl-qn-001")
CAMERAS = ("cam-01", "cam-02")
FILES = (
    *("cameras/bac-giang.yml", "cameras/viettel/bac-giang.yml", "cameras/vnpt/bac-giang.yml", "cameras/quang-nam.yml"),
    *("carriers/viettel.yml", "carriers/vnpt.yml", "inventory.yml"),
)
IDS = ("secrets", "secrets-viettel", "secrets-vnpt")

paths = st.sampled_from([None, "/live", f"/x/{CANARY}", "/x/%43anary-9-Kv", "/hik12345"])
logins = st.dictionaries(
    st.sampled_from([*FACILITIES, "kcl-bg-old", "kcl-none"]),
    st.dictionaries(st.sampled_from(["cam-01", "cam-02", "cam-09"]), st.sampled_from(sorted(LOGINS)), max_size=3),
    max_size=3,
)


@dataclass(frozen=True)
class Case:
    """An inventory with secrets, as it is drawn."""

    facilities: Mapping[str, tuple[str | None, str, bool]]
    files: Mapping[str, tuple[str, Any]]
    moved: bool


def facility(name: str, path: str | None, operating: str, *, two: bool) -> dict[str, Any]:
    province, carrier = ("quang-nam", "vnpt") if "-qn-" in name else ("bac-giang", "viettel")
    streams = {"sub": {"width": 640, "height": 360} | ({"rtsp_path": path} if path else {})}
    cameras = [make.camera(f"cam-0{n}", 10 + n, streams=streams) for n in range(1, 3 if two else 2)]
    plan = {"state": "agreed", "carrier": carrier, "relay": f"relay-{carrier}-1"}
    closed = {"closed_on": "2021-05-08"} if operating == "closed" else {}
    return make.facility(name, province=province, operating=operating, cameras=cameras, plan=plan, **closed)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    states = st.tuples(paths, st.sampled_from(["open", "open", "closed"]), st.booleans())
    drawn = {name: draw(states) for name in FACILITIES}
    files: dict[str, tuple[str, Any]] = {}
    for name in FILES:
        if not draw(st.integers(0, 3)):
            continue
        vault_id = draw(st.sampled_from(["secrets", "secrets", "secrets", *IDS]))
        if name.startswith("cameras"):
            value: Any = {f: {d: LOGINS[kind] for d, kind in below.items()} for f, below in draw(logins).items()}
        elif name.startswith("carriers"):
            hosts = draw(st.sampled_from([{}, {"relay-viettel-1": CANARY}]))
            value = {"readers": {"centre": CANARY}, "site_psks": {"kcl-bg-001": CANARY}, "host_keys": hosts}
        else:
            value = draw(st.sampled_from([{"digest_key": CANARY}, {"digest_keys": CANARY}, "{{ x }}"]))
        files[name] = vault_id, value
    return Case(drawn, files, draw(st.booleans()))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name in IDS:
        (tmp_path / name).write_text(f"password of {name}", encoding="utf-8")
    return tmp_path


def written(root: Path, case: Case) -> Path:
    entry = {"from": "bac-giang/kcl-bg-old", "to": "bac-giang/kcl-bg-001", "until": "2021-07-01"}
    files: dict[str, Any] = {
        "inventory.yml": make.settings(moved=[entry] if case.moved else []),
        "designations.yml": {"version": 1, "designations": [make.designation(), make.designation("quang-nam", "vnpt")]},
        "facilities/bac-giang/kcl-bg-001.yml": None,
    }
    for name, (path, operating, two) in case.facilities.items():
        built = facility(name, path, operating, two=two)
        files[f"facilities/{built['province']}/{name}.yml"] = built
    make.write_inventory(root, files)
    for name, (vault_id, value) in case.files.items():
        put(root, name, vault_id, value)
    return root


def put(root: Path, name: str, vault_id: str, value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    make.write_files(root, {f"secrets/{name}": encrypt(text.encode(), f"password of {vault_id}".encode(), vault_id)})


def everything(root: Path, env: Mapping[str, str]) -> list[Problem] | str:
    """What reading every file and building every facility finds."""
    passwords = VaultPasswords.from_environment(env).for_secrets()
    loaded = load(root, today=make.TODAY)
    assert loaded.partial
    try:
        listed = secrets.check(root, secrets.read_secrets(root, passwords), loaded.partial)
    except SecretsError as error:
        return error.message
    return sorted([*check(loaded), *listed])


def quickly(root: Path, env: Mapping[str, str], *, cached: bool = True) -> list[Problem] | str:
    try:
        return list(validate(root, env, today=make.TODAY, cached=cached).problems)
    except SecretsError as error:
        return error.message


def environment(keys: Path, known: list[str], number: int) -> dict[str, str]:
    listed = ",".join(f"{name}@{keys / name}" for name in known)
    return {"ANSIBLE_VAULT_IDENTITY_LIST": listed, "XDG_CACHE_HOME": str(keys / f"cache-{number}")}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    case=cases(),
    known=st.sampled_from([["secrets"], ["secrets"], list(IDS), ["secrets-viettel"], ["secrets-vnpt", "secrets"]]),
    later=st.tuples(paths, st.sampled_from(FILES), st.sampled_from(IDS)),
    number=st.integers(0, 10**9),
)
def test_nothing_is_found_otherwise(
    keys: Path, case: Case, known: list[str], later: tuple[str | None, str, str], number: int
) -> None:
    root = written(keys / f"inv-{number}", case)
    env = environment(keys, known, number)
    wanted = everything(root, env)
    assert quickly(root, env, cached=False) == wanted
    assert quickly(root, env) == wanted
    assert quickly(root, env) == wanted
    # Another path at a camera, and another file: what was known of the others has to hold for these.
    path, name, vault_id = later
    make.write_files(root, {"facilities/bac-giang/kcl-bg-001.yml": facility("kcl-bg-001", path, "open", two=True)})
    if name.startswith("cameras"):
        put(root, name, vault_id, {"kcl-bg-001": {"cam-01": LOGINS["good"], "cam-02": LOGINS["factory"]}})
    assert quickly(root, env) == everything(root, env)
    # The passwords of another person, with the same folder: nothing is opened by what somebody else could open.
    other = environment(keys, [name for name in IDS if name not in known] or ["secrets"], number)
    assert quickly(root, other) == everything(root, other)
    assert canaries(keys / f"cache-{number}") == []


def canaries(folder: Path) -> list[str]:
    """The kept files that hold anything of what only the vault may."""
    words = (CANARY, "hik12345", "password of", "kcl-none")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    of_sites = ("texts-", "details-", "outlines-")  # an RTSP path of the clear half may repeat a password: an error
    return [
        path.name
        for path in files
        if not path.name.startswith(of_sites) and any(word.encode() in path.read_bytes() for word in words)
    ]


GOOD = Case(
    dict.fromkeys(FACILITIES, ("/live", "open", True)),
    {
        "cameras/bac-giang.yml": ("secrets", dict.fromkeys(FACILITIES[:2], dict.fromkeys(CAMERAS, LOGINS["good"]))),
        "cameras/quang-nam.yml": ("secrets", {"kcl-qn-001": {"cam-01": LOGINS["factory"], "cam-02": LOGINS["good"]}}),
    },
    moved=False,
)


def test_a_warm_run_opens_no_file(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, env = written(keys / "inv", GOOD), environment(keys, ["secrets"], 1)
    first = quickly(root, env)
    opened: list[str] = []

    def refuse(*_: bytes, name: str) -> None:
        opened.append(name)

    monkeypatch.setattr(secrets, "opened_with", refuse)
    # The one with the factory password is opened for the place of that problem, by another way.
    assert quickly(root, env) == first
    assert opened == []


@pytest.mark.parametrize("path", [f"/x/{CANARY}", "/x/%43anary-9-Kv"])
def test_a_path_that_comes_later_is_held_against_what_is_known(keys: Path, path: str) -> None:
    root, env = written(keys / "inv", GOOD), environment(keys, ["secrets"], 1)
    quickly(root, env)
    make.write_files(root, {"facilities/bac-giang/kcl-bg-001.yml": facility("kcl-bg-001", path, "open", two=True)})
    for _ in range(2):
        listed = quickly(root, env)
        assert listed == everything(root, env)
        assert not isinstance(listed, str)
        assert "password-in-path" in {problem.code for problem in listed}


def test_a_password_that_does_not_fit_is_refused_on_every_run(keys: Path) -> None:
    root, env = written(keys / "inv", GOOD), environment(keys, ["secrets"], 1)
    assert not isinstance(quickly(root, env), str)
    (keys / "secrets").write_text("another password", encoding="utf-8")
    for _ in range(2):
        assert "no vault password fits" in str(quickly(root, env))


def test_a_file_that_was_changed_without_the_password_is_opened_and_refused(keys: Path) -> None:
    root, env = written(keys / "inv", GOOD), environment(keys, ["secrets"], 1)
    quickly(root, env)
    path = root / "secrets/cameras/bac-giang.yml"
    data = path.read_bytes()
    path.write_bytes(data[:-3] + (b"0" if data[-3:-2] != b"0" else b"1") + data[-2:])
    assert isinstance(quickly(root, env), str)


def test_what_is_kept_does_not_tell_how_many_passwords_are_a_factorys(keys: Path) -> None:
    sizes = set()
    for number, kind in enumerate(["good", "factory"]):
        logins_of_all = dict.fromkeys(FACILITIES[:2], dict.fromkeys(CAMERAS, LOGINS[kind]))
        case = Case(GOOD.facilities, {"cameras/bac-giang.yml": ("secrets", logins_of_all)}, moved=False)
        quickly(written(keys / f"inv-{number}", case), environment(keys, ["secrets"], number))
        (kept,) = (keys / f"cache-{number}").rglob("secrets-of-*")
        sizes.add(kept.stat().st_size)
        assert b"cam-01" not in kept.read_bytes()
    assert len(sizes) == 1


def test_what_somebody_planted_is_no_good_news(keys: Path) -> None:
    """Whoever can write into the folder, without the password, makes nothing be taken for checked."""
    root, env = written(keys / "inv", GOOD), environment(keys, ["secrets"], 1)
    wanted = quickly(root, env)
    (kept,) = (keys / "cache-1").rglob("secrets-of-*")
    head, _, body = kept.read_bytes().partition(b"\n")
    for planted in (b"", body[:-1], bytes(len(body)), body[:20] + b"x" + body[21:]):
        kept.write_bytes(head + b"\n" + planted)
        assert quickly(root, env) == wanted


def test_what_is_known_goes_from_process_to_process() -> None:
    """A country's files are opened side by side: what each is known for comes back whole, what it lacks too."""
    for known in (CachedFile(), CachedFile(digest_key=True), CachedFile(logins={"kcl-1": ["cam-01"]})):
        assert pickle.loads(pickle.dumps(known)) == known  # noqa: S301 (our own)
