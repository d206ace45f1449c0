"""The published JSON Schemas agree with the models.

What editors refuse, `validate` refuses, and but for a few named cases the other way round.
"""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from provisioner.base.document import DIALECT
from provisioner.inventory.explanation.schema import KINDS, schema_of
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.base import use_of
from provisioner.inventory.model.devices import Camera
from tests import inventories as make
from tests.inventories import HOST_KEY

ROOT = Path(__file__).parents[2]
INVENTORIES = [ROOT / "inventories/example", ROOT / "inventories/lab", ROOT / "tests/cases/validate/_base"]

_SIGN_OFF = [
    *make.sign_offs("sha256:" + "0" * 64)[:2],
    make.sign_offs("sha256:" + "0" * 64)[2] | {"signature": {"inventory": "test", "sshsig": "U1NI"}},
]
_SIGNING_KEY = {"office": "x", "key": HOST_KEY, "since": "2021-05-01", "source": "y"}
FULL_FACILITY = make.facility(
    province_scheme="gso-2021",
    opens_on="2021-05-06",
    claimed_connection={"connected_on": "2021-05-02", "source": "x", "carrier": "fpt", "cameras": 3, "note": "y"},
    opened_on="2021-05-06",
    location={"street": "x", "ward": "y", "district": "z"},
    capacity={"people": 10, "rooms": 3},
    notice_posted_on="2021-05-06",
    survey=make.survey(
        uplink={"kind": "fibre", "provider": "vnpt", "upload_mbps": 20.5, "address": "cgnat"},
        rtsp="enabled",
        logins="received",
        gaps=["cong"],
        obstacles="none",
    ),
    blocked={"reason": "no_uplink", "owner": "carrier", "since": "2021-05-02", "next_action": "x", "due": "2021-05-15"},
    recorders=[make.recorder(analog_channels=8, ip_channels=8, max_sessions=4, max_out_kbps=9000)],
    cameras=[
        make.camera(location="x", model="y", audio=True, port=8554),
        make.channel("cam-02", 1, streams={"sub": {"codec": "h265", "width": 64, "height": 64, "rtsp_path": "/a"}}),
    ],
) | {"successor": {"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1", "sign_offs": _SIGN_OFF}}
DOCUMENTS: dict[str, list[Any]] = {
    "inventory": [
        make.settings(
            policy={
                "limits": {"deletions": 3},
                "freeze": [{"from": "2021-05-22T06:00", "until": "2021-05-24T18:00+07:00", "reason": "x"}],
            },
            moved=[{"from": "bac-giang/a", "to": "bac-giang/b", "until": "2021-06-01"}],
        ),
        make.settings(),
    ],
    "instructions": [
        {
            "version": 1,
            "instructions": [
                {
                    "ref": "1407/BTTTT-CVT",
                    "issuer": "x",
                    "issued_on": "2021-05-06",
                    "before": "2021-05-10",
                    "scope": ["ubnd_tinh"],
                    "extends": ["a"],
                    "provinces": {"bac-giang": "2021-05-09"},
                    "facilities": {"kcl-bg-001": "2021-05-08"},
                }
            ],
        }
    ],
    "designations": [{"version": 1, "designations": [make.designation(until="2021-06-01"), make.designation()]}],
    "signers": [
        {
            "version": 1,
            "dic": [_SIGNING_KEY | {"province": "bac-giang", "province_scheme": "gso-2021", "until": "2021-12-31"}],
            "health": [_SIGNING_KEY | {"province": "bac-giang"}],
            "carriers": [_SIGNING_KEY | {"carrier": "viettel"}],
            "withdrawn": [{"facility": "kcl-bg-001", "before": "2021-06-01", "source": "x"}],
        },
        {"version": 1},
    ],
    "maintenance": [
        {
            "version": 1,
            "windows": [
                {
                    "from": "2021-05-22T06:00",
                    "until": "2021-05-22T08:00+07:00",
                    "reason": "x",
                    "facilities": ["kcl-bg-001"],
                    "hosts": ["relay-1"],
                    "carriers": ["viettel"],
                    "everything": False,
                }
            ],
        },
        {"version": 1},
    ],
    "intents": [
        {
            "version": 1,
            "intents": [
                {
                    "id": "health-watches",
                    "allow": {
                        "from": ["centre/health"],
                        "to": ["relays"],
                        "services": ["video"],
                        "programs": ["probe"],
                    },
                    "reason": "x",
                },
                {"id": "apart", "deny": {"from": ["internet", "province/bac-giang"], "to": ["site/kcl-bg-001"]}},
            ],
        },
        {"version": 1},
    ],
    "receivers": [
        {
            "version": 1,
            "receivers": [
                {
                    "id": "noc",
                    "kind": "webhook",
                    "role": "carrier",
                    "carrier": "viettel",
                    "language": "en",
                    "heartbeat": True,
                    "url": "https://noc.example.com/hook",
                },
                {
                    "id": "dic",
                    "kind": "smtp",
                    "role": "dic",
                    "province": "bac-giang",
                    "province_scheme": "gso-2021",
                    "server": "mail.example.com",
                    "port": 465,
                    "security": "implicit",
                },
                {"id": "site", "kind": "alertmanager", "role": "facility", "facility": "kcl-bg-001"},
            ],
        },
        {"version": 1},
    ],
    "carrier": [
        make.carrier(own_networks=["10.0.0.0/8"], relays=[make.relay("r", 1, endpoint="203.0.113.2", max_paths=5)]),
        make.carrier(
            management_networks=["2001:db8::/48", "198.51.100.0/27"],
            jump={"address": "jump.example.com", "inside": "2001:db8::4", "ssh": make.centre()["ssh"]},
            relays=[
                make.relay("r", 1, address="2001:DB8:0::1"),
                make.relay("q", 1, endpoint="Relay.example.com", endpoint_address="2001:db8:1:2:3:4:5:6"),
            ],
        ),
    ],
    "centre": [make.centre(), make.centre(address="centre.example.com", management_networks=["::/0"])],
    "facility": [FULL_FACILITY, make.facility()],
    "allocations": [
        {
            "version": 1,
            "relays": {"r": {"tunnel_address": "10.91.0.1", "public_key": make.public_key("r")}},
            "sites": {"s": {"carrier": "vnpt", "tunnel_address": "10.92.0.2", "ports": {"cam-01": 10554}}},
            "tombstones": [{"object": "site/x", "pool": "carriers/vnpt", "tunnel_address": "10.92.0.3"}],
        },
        {},
    ],
}

# What JSON Schema cannot say of a value that has the right form.
BEYOND = {
    "value_error": re.compile(
        r"day|month|host bits|netmask|ip_channel|a camera|a recorder's channel|hour|minute|offset|exist|URL|https|IPv6"
        r"|an intent allows or denies"
    ),
    "int_type": re.compile(r"valid integer"),  # 554.0 is an integer to JSON Schema, and a fraction to people
}


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(_as_in_editors(schema))


def _as_in_editors(node: Any) -> Any:
    """Let `$` mean the very end, as it does in JavaScript and in the models' patterns."""
    if isinstance(node, list):
        return [_as_in_editors(item) for item in node]
    if not isinstance(node, dict):
        return node
    ended = {
        key: re.sub(r"\$\Z", r"\\Z", value) if key == "pattern" and isinstance(value, str) else value
        for key, value in node.items()
    }
    renamed = {
        re.sub(r"(?<!\A)\$\Z", r"\\Z", key) if key.startswith("^") else key: value for key, value in ended.items()
    }
    return {key: _as_in_editors(value) for key, value in renamed.items()}


def model_errors(kind: str, document: Any) -> list[Any]:
    try:
        validated(KINDS[kind][0], document)
    except ValidationError as error:
        return list(error.errors(include_url=False))
    return []


def is_beyond(error: Any) -> bool:
    if error["type"] == "literal_error":
        return bool(error["input"] == "1.0")  # to JSON Schema the same as 1
    pattern = BEYOND.get(error["type"])
    if error["type"] == "int_type" and not (isinstance(error["input"], float) and error["input"].is_integer()):
        return False
    return bool(pattern and pattern.search(error["msg"]))


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


TRAPS = [
    *("", "no", "08", "1:30", "2021-02-30", "2021-5-6", "20210506", "2021-05-06\n", "192.168.1.1/24", "192.168.001.1"),
    "a b",
]
SIXES = [
    "::",
    "::1",
    "::/0",
    "1::",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "fe80::1%eth0",
    "::ffff:1.2.3.4",
    "::ffff:102:304",
    "::ffff:0:0/96",
    "64:ff9b::1.2.3.4",
    "2001:db8::/129",
    "2001:db8::1/32",
    "[2001:db8::1]",
    "2001:db8::12345",
    "a.example",
    "A-b.example.com",
    "a_b.example.com",
    "a.example.",
    "10.1",
    "localhost",
    f"{'a' * 64}.example",
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70_000)
    | st.sampled_from([0.5, 1.0, 554.0, -1.0, 1e9])
    | st.sampled_from(
        [*TRAPS, "192.168.1.0", "10.0.0.0/8", "10.0.0.0/255.0.0.0", "1.2.3.4/33", "256.1.1.1", "kcl-bg-001"]
    )
    | st.sampled_from(SIXES)
    | st.text(max_size=4)
)
values = (
    leaves
    | st.lists(leaves, max_size=2)
    | st.dictionaries(st.sampled_from(["id", "x", "sub", "A b"]), leaves, max_size=2)
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS[kind])))
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(sorted(places(document), key=str)))
        if not path:
            continue
        parent = document
        for part in path[:-1]:
            parent = parent[part]
        action = draw(st.sampled_from(["set", "set", "set", "drop", "add"]))
        if action == "drop":
            del parent[path[-1]]
        elif action == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(["colour", "Id", "kcl-bg-009", "port"]))] = draw(values)
        else:
            parent[path[-1]] = draw(values)
    return kind, document


@given(mutated())
def test_schema_and_model_accept_and_refuse_the_same(drawn: tuple[str, Any]) -> None:
    kind, document = drawn
    schema_says = [f"{list(e.absolute_path)}: {e.message}" for e in validator(kind).iter_errors(document)]
    model_says = model_errors(kind, document)
    if schema_says:
        assert model_says, schema_says
    elif model_says:
        beyond = [error["loc"] for error in model_says if is_beyond(error)]
        # What has a part that is not taken is too short without it.
        around = [
            e for e in model_says if e["type"] == "too_short" and any(x[: len(e["loc"])] == e["loc"] for x in beyond)
        ]
        assert [error for error in model_says if not is_beyond(error) and error not in around] == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_document_here_is_right(kind: str) -> None:
    for document in DOCUMENTS[kind]:
        assert model_errors(kind, document) == []
        assert list(validator(kind).iter_errors(document)) == []


@given(mutated())
def test_what_is_read_is_written_as_json_and_read_back(drawn: tuple[str, Any]) -> None:
    kind, document = drawn
    if model_errors(kind, document):
        return
    value = validated(KINDS[kind][0], document)
    assert validated(KINDS[kind][0], value.model_dump(mode="json", by_alias=True, exclude_unset=True)) == value


@pytest.mark.parametrize("root", INVENTORIES, ids=lambda root: str(root.name))
def test_editors_accept_the_inventories_of_the_repository(root: Path) -> None:
    count = 0
    for kind, (_, pattern) in KINDS.items():
        for path in root.glob(pattern):
            document = parse(path.read_bytes()).value
            assert [error.message for error in validator(kind).iter_errors(document)] == [], path
            count += 1
    assert count > 5


def described(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if "$defs" in node or "properties" in node:
            yield node
        for key, value in node.items():
            yield from described(value if key != "examples" else None)
    elif isinstance(node, list):
        for item in node:
            yield from described(item)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_schema_speaks_to_people(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["$schema"] == DIALECT
    assert schema["title"].startswith(KINDS[kind][1])
    for node in described(schema):
        assert node.get("description"), node.get("title")
        assert node.get("additionalProperties") is False
    assert json.loads(json.dumps(schema)) == schema


def test_a_field_is_described_by_its_note_or_by_the_help_of_its_option() -> None:
    fields = schema_of("facility")["$defs"]["Camera"]["properties"]
    assert fields["make"]["description"] == use_of(Camera.model_fields["make"]).option
    assert fields["location"]["description"] == "The camera's place in words, without the name of a person."
