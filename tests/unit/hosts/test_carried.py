"""The table of what calls carry: it is `wire.py`'s, it takes every real call, and nothing else."""

import io
import json
import subprocess
import sys
import tarfile
import textwrap
import typing
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import pytest

from provisioner.desired.render.templates import load_templates
from provisioner.hosts.observe import observe_request
from provisioner.hosts.runner import HostCall, call_digest, call_refusal
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import Job, LookOrder, RolloutOptions, confirm_call, first_call, look_call
from provisioner.verify.paths import select
from provisioner.verify.requests import ObserveCall, ProbeLimits, look_at, probe_calls
from provisioner.verify.watch_states import flow_call
from provisioner_host import main, wire
from provisioner_host.machine import carried
from tests import fleets, inventories, plans
from tests.hostile import NODE
from tests.lab.direct import BOOTSTRAP, MARK, whole_bundle
from tests.unit.operations.rollout.world import state

MODULE = Path(carried.__file__)


def kind_of(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.NotRequired, typing.Required, typing.Annotated}:
        return kind_of(inner[0])
    if origin in {typing.Union, UnionType}:
        return "|".join(map(kind_of, inner))
    if origin is list:
        return f"[{kind_of(inner[0])}]"
    if origin is dict:
        return f"{{{kind_of(inner[1])}}}"
    if origin is typing.Literal:
        return "str"
    return "null" if annotation is NoneType else str(annotation.__name__)


def shapes_of_wire() -> str:
    """The shapes of all requests as `carried.py` has them."""
    shapes: dict[str, str] = {}
    waiting = list(typing.get_args(wire.Request))
    while waiting:
        annotation = waiting.pop(0)
        waiting += typing.get_args(annotation)
        if not typing.is_typeddict(annotation) or annotation.__name__ in shapes:
            continue
        words = []
        for key, hint in typing.get_type_hints(annotation, include_extras=True).items():
            left_out = "?" if typing.get_origin(hint) is typing.NotRequired else ""
            kind = kind_of(hint)
            words.append(f"{key}{left_out}" + ("" if kind == "str" else f":{kind}"))
            waiting.append(hint)
        text = " ".join([annotation.__name__, *words])
        shapes[annotation.__name__] = textwrap.fill(
            text, 110, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    return "\n\n".join(shapes.values())


def test_the_shapes_are_those_of_wire(request: pytest.FixtureRequest) -> None:
    text = MODULE.read_text(encoding="utf-8")
    before, _, rest = text.partition('SHAPES = """\n')
    _, _, after = rest.partition('"""\n')
    wanted = f'{before}SHAPES = """\n{shapes_of_wire()}\n"""\n{after}'
    if request.config.getoption("--update-golden"):
        MODULE.write_text(wanted, encoding="utf-8")
    assert MODULE.read_text(encoding="utf-8") == wanted, "run pytest --update-golden and read the diff of carried.py"


def test_each_operation_of_a_host_stands_in_the_table_with_its_own_request_files_and_sizes() -> None:
    hints = {one.__name__: typing.get_type_hints(one) for one in typing.get_args(wire.Request)}
    shapes = {typing.get_args(of["operation"])[0]: shape for shape, of in hints.items()}
    assert {operation: shape for operation, (shape, _, _) in carried.CALLS.items()} == shapes
    assert shapes.keys() == main._OPERATIONS.keys()  # noqa: SLF001
    assert {name for _, files, _ in carried.CALLS.values() for name in files} == carried.SIZES.keys()
    assert all(0 < most <= carried.LARGEST_REQUEST for _, _, most in carried.CALLS.values())
    assert {shape for shape, _ in carried._FORMS} <= carried._parsed_shapes().keys()  # noqa: SLF001


# --- a bundle -------------------------------------------------------------------------------------
def entry(
    name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, len(content), 0o777
    return info, content


HOSTILE_ENTRIES = {
    "above": entry("files/../../outside"),
    "far above": entry("files/../../../../../../../../tmp/outside"),
    "absolute": entry("/tmp/outside"),  # noqa: S108 (it has to stay away)
    "deeper": entry("files/folder/outside"),
    "beside": entry("outside"),
    "a backslash": entry("files/..\\outside"),
    "a leading dot": entry("files/.outside"),
    "a link": entry("files/outside", b"", tarfile.SYMTYPE, "/etc/passwd"),
    "a link to a folder": entry("files/nft", b"", tarfile.SYMTYPE, "/etc"),
    "a hard link": entry("files/outside", b"", tarfile.LNKTYPE, "/etc/passwd"),
    "a device": entry("files/outside", b"", tarfile.CHRTYPE),
    "a pipe": entry("files/outside", b"", tarfile.FIFOTYPE),
    "a folder": entry("files/outside", b"", tarfile.DIRTYPE),
    "a second request": entry("request.json", b"{}"),
    "a module that is none": entry("provisioner_host/../outside.py"),
    "a module in a folder": entry("provisioner_host/state/keys.py"),
    "what is no module": entry("provisioner_host/outside.so"),
}


@NODE
@pytest.mark.parametrize("hostile", HOSTILE_ENTRIES.values(), ids=HOSTILE_ENTRIES)
def test_nothing_but_a_bundle_s_own_files_is_unpacked(tmp_path: Path, hostile: tuple[tarfile.TarInfo, bytes]) -> None:
    folder = tmp_path / "within" / "run"
    folder.mkdir(parents=True)
    bundle = tmp_path / "bundle.tar"
    bundle.write_bytes(whole_bundle(HostCall(state({}).hosts["centre"], {"operation": "observe"}), load_templates()))
    with tarfile.open(bundle, "a") as archive:
        archive.addfile(hostile[0], io.BytesIO(hostile[1]))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BOOTSTRAP.replace("/run", str(folder))],
        input=bundle.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert b"the bundle has something in it that none has: nothing of it was done" in done.stderr
    assert MARK.encode() not in done.stdout
    assert list(folder.iterdir()) == [], "nothing stays"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bundle.tar", "run", "within"]
    assert not Path("/tmp/outside").exists()  # noqa: S108 (the same)


# --- a request ------------------------------------------------------------------------------------
OBSERVE: dict[str, Any] = {
    "operation": "observe",
    "digest_key": "k",
    "files": ["/etc/provisioner/mediamtx.yml", "/etc/systemd/system/provisioner-wg.service"],
    "units": ["provisioner-wg.service"],
    "program": None,
}
STATUS: dict[str, Any] = {
    "operation": "status",
    "run": "20210531T000000Z-abcdef",
    "who": "noc",
    "confirm_s": 60.0,
    "units": ["provisioner-wg.service"],
    "peers": [],
    "sentinel": "",
    "program": None,
}
PUBLIC_KEY = "A" * 43 + "="
OWNER: dict[str, Any] = {"inventory": "example", "key": "0" * 32, "host": "relay-1"}
SEAL: dict[str, Any] = {"recovery": PUBLIC_KEY, "inventory": "example", "host": "relay-1"}
KEYS: dict[str, Any] = {"operation": "keys", "relay": True, "owner": OWNER, "who": "noc", "seal": SEAL, "following": ""}
RELEASE: dict[str, Any] = {
    "operation": "release",
    "owner": OWNER,
    "run": "",
    "marked": "2021-05-31T00:00:00Z",
    "who": "noc",
}
STRANGE: dict[str, Any] = {
    "no object": [],
    "no operation": {},
    "another operation": {"operation": "shell"},
    "an operation that is no text": {"operation": ["observe"]},
    "another key": OBSERVE | {"shell": "id"},
    "a key less": {key: value for key, value in OBSERVE.items() if key != "units"},
    "a number for a text": OBSERVE | {"digest_key": 1},
    "a text for a list": OBSERVE | {"files": "/etc/shadow"},
    "a file that is none of ours": OBSERVE | {"files": ["/etc/shadow"]},
    "a file above ours": OBSERVE | {"files": ["/etc/provisioner/../shadow"]},
    "a key of ours": OBSERVE | {"files": ["/etc/provisioner/keys/identity"]},
    "a unit that is none of ours": OBSERVE | {"units": ["ssh.service"]},
    "a program that is none of ours": OBSERVE | {"program": "/bin/sh"},
    "a port that is no number": OBSERVE | {"ports": {"tcp": ["22"], "udp": []}},
    "a number without end": STATUS | {"confirm_s": float("inf")},
    "a number that is none": STATUS | {"confirm_s": float("nan")},
    "a number below nothing": STATUS | {"confirm_s": -1},
    "a run that is a path": STATUS | {"run": "../../etc/cron.d/x"},
    "no run": STATUS | {"run": ""},
    "a text with a NUL": STATUS | {"who": "noc\0"},
    "a text without end": STATUS | {"who": "a" * 5000},
    "true for a number": STATUS | {"epoch": True},
    "a program of another kind": STATUS | {"program": "mediamtx"},
    "a list without end": OBSERVE | {"files": ["/etc/provisioner/a"] * 200_001},
    "a peer that is no key": STATUS | {"peers": ["relay-1"]},
    "a path that shows nothing": STATUS | {"sentinel": "../cfg"},
    "an owner without a name": RELEASE | {"owner": OWNER | {"inventory": ""}},
    "an owner of two lines": RELEASE | {"owner": OWNER | {"host": "relay-1\nrelay-2"}},
    "an owner's key that is none": RELEASE | {"owner": OWNER | {"key": "0" * 31}},
    "a release of any mark": {key: value for key, value in RELEASE.items() if key != "marked"},
    "a mark of no time": RELEASE | {"marked": "now"},
    "a release with peers": RELEASE | {"peers": []},
    "keys for an owner of another form": KEYS | {"owner": OWNER | {"host": "../relay"}},
    "a recovery key that is none": KEYS | {"seal": SEAL | {"recovery": "A" * 44}},
    "a next key that is none": KEYS | {"following": "next"},
    "a key that is not brought": KEYS | {"restores": PUBLIC_KEY},
}


@NODE
@pytest.mark.parametrize("request_", STRANGE.values(), ids=STRANGE)
def test_a_request_that_no_host_takes_is_refused(request_: Any) -> None:
    assert not call_refusal(OBSERVE, {}, "")
    assert not call_refusal(STATUS, {}, "")
    assert not call_refusal(RELEASE, {}, "")
    assert not call_refusal(KEYS, {"program": 1}, "")
    is_keys = isinstance(request_, dict) and request_.get("operation") == "keys"
    refusal = call_refusal(request_, {"program": 1} if is_keys else {}, "")
    assert refusal
    assert len(refusal) < 200
    assert refusal.isprintable()


@NODE
@pytest.mark.parametrize(
    ("operation", "name", "size"),
    [
        ("observe", "program", 1),
        ("observe", "identity", 1),
        ("observe", "0", 1),
        ("observe", "../nft", 1),
        ("observe", "nft", (16 << 20) + 1),
        ("status", "nft", 1),
        ("status", "artefact", 1),
        ("status", carried.REQUEST, (4 << 20) + 1),
        ("release", "identity", 1),
        ("release", carried.REQUEST, (64 << 10) + 1),
        ("keys", "artefact", 1),
        ("keys", "program", (8 << 20) + 1),
        ("keys", "identity", (1 << 10) + 1),
        ("keys", "next-key", 1),
        ("keys", "tunnel-key", 1),
        ("keys", carried.REQUEST, (64 << 10) + 1),
    ],
)
def test_a_call_brings_no_file_that_its_operation_does_not_have(operation: str, name: str, size: int) -> None:
    request = {"observe": OBSERVE, "status": STATUS, "release": RELEASE, "keys": KEYS}[operation]
    sizes = {"program": 1} if operation == "keys" else {}
    assert not call_refusal(request, sizes, "")
    assert call_refusal(request, sizes | {name: size}, "")


@NODE
def test_a_key_comes_along_only_if_the_request_names_it() -> None:
    both = KEYS | {"restores": PUBLIC_KEY, "following": PUBLIC_KEY}
    assert not call_refusal(both, {"program": 1, "tunnel-key": 45, "next-key": 45}, "")
    assert call_refusal(both, {"program": 1, "next-key": 45}, "") == "does not bring tunnel-key"
    assert call_refusal(both, {"program": 1, "tunnel-key": 45}, "") == "does not bring next-key"


@NODE
def test_a_side_names_its_own_things_alone() -> None:
    of_side = OBSERVE | {"files": ["/etc/provisioner.hai/mediamtx.yml"], "units": ["provisioner.hai-wg.service"]}
    assert not call_refusal(of_side, {}, "hai")
    assert call_refusal(of_side, {}, "ha")
    assert call_refusal(of_side, {}, "")
    assert call_refusal(OBSERVE, {}, "hai")


def test_a_digest_is_of_all_but_what_may_differ() -> None:
    request = STATUS | {"observe": OBSERVE, "program": {"path": "p", "artefact": True, "sha256": "0"}}
    digest = call_digest(request, {"nft": b"a", "artefact": b"b"})
    same = request | {"run": "other", "who": "x", "program": {"path": "p", "artefact": False, "sha256": "0"}}
    assert call_digest(same, {"nft": b"a"}) == digest
    for other, files in (
        (request | {"peers": ["a"]}, {"nft": b"a"}),
        (request | {"observe": OBSERVE | {"digest_key": "l"}}, {"nft": b"a"}),
        (request, {"nft": b"b"}),
        (request, {}),
        (request, {"nft": b"a", "identity": b""}),
        (request | {"program": {"path": "p", "artefact": True, "sha256": "1"}}, {"nft": b"a"}),
    ):
        assert call_digest(other, files) != digest


# --- what is large --------------------------------------------------------------------------------
@pytest.mark.soak
def test_calls_for_ten_thousand_cameras_of_six_hundred_facilities_are_far_below_each_bound() -> None:
    carrier = inventories.carrier(relays=[inventories.relay("relay-viettel-1", 11, max_paths=40_000)])
    inventory = plans.of({f"kcl-bg-{n:03}": 17 for n in range(1, 601)}, carriers=[carrier])
    world, options = plans.World(), RolloutOptions(gate=GateRules())
    world.apply(inventory)
    planned = world.plan(inventory, password="another")
    _, _, state = world.state(inventory, "another")
    files, checked = fleets.files_of(state), select(state)
    observed = {host: ObserveCall(*observe_request(spec, files[host])) for host, spec in state.hosts.items()}
    looks = {one.path.name: look_at(one.path, full=True) for one in checked}
    calls = [*probe_calls(checked, observed, ProbeLimits(looks=looks)), flow_call({o.path.name: o for o in checked})]
    for host, spec in state.hosts.items():
        job = Job(spec, files[host], facts := planned.facts[host], facts.live_digest, changes=planned.plan.changes)
        order = LookOrder(spec.paths if spec.media else (), ())
        calls += [first_call(one, "run-1", options) for one in (job, replace(job, rollback="run-0"))]
        calls += [look_call(job, "run-1", options, order), confirm_call(job, "run-1", options)]
    assert {call.request["operation"] for call in calls} >= {"apply", "rollback", "look", "confirm", "probe", "flow"}
    largest = 0
    for call in calls:
        sizes = {name: len(content) for name, content in call.files.items()}
        assert not call_refusal(call.request, sizes, call.spec.side)
        assert all(4 * size < carried.SIZES.get(name, 64 << 20) for name, size in sizes.items())
        largest = max(largest, len(json.dumps(call.request)))
    assert 1_000_000 < largest < carried.LARGEST_REQUEST // 4
