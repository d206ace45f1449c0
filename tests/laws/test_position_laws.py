"""Every problem of a file, of whatever kind, points at the token that is wrong, whatever stands before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import Problem
from provisioner.inventory.loader.load import check, load
from tests import inventories as make

SITE = "facilities/bac-giang/kcl-bg-001.yml"
TEXT = """\
# Một dòng chú thích 🎥
version: 1
id: kcl-bg-001
province: bac-giang
name: "Trường Ví Dụ 🎓"
kind: school
managing_body: ubnd_tinh
operating: open
capacity: { people: 300, rooms: 40 }
survey:
  surveyed_on: 2021-05-07
  by: [dic, carrier]
  uplink: { kind: fibre, provider: 'Viettel Bắc Giang', upload_mbps: 40, address: dynamic }
  cameras: { present: 2, fit: 2, missing: 0 }
  verdict: ready
blocked:
  reason: no_uplink
  owner: carrier
  since: 2021-05-01
  next_action: kéo cáp quang
  due: 2021-05-20
gateway:
  lan: 192.168.1.0/24
  lan_interface: br-lan
recorders:
  - { id: nvr-01, make: hikvision, address: 192.168.1.20, port: 554 }
cameras:
  - id: cam-01
    zone: cong   # cổng chính
    location: "Cổng số 1: lối vào"
    make: hikvision
    address: 192.168.1.11
    streams:
      sub: { codec: h264, width: 640, height: 360 }
  -   id: cam-02
      zone: hanh_lang
      recorder: nvr-01
      channel: 2
      streams:
        sub:
          width: 640
          height: 360
        main: { width: 1920, height: 1080, rtsp_path: "/a?b=c&d" }
"""


FILES: dict[str, str] = {
    SITE: TEXT,
    "inventory.yml": """\
# Những gì chung 🎥
version: 1
id: "test"
province_scheme: gso-2021
pools:
  centres: 10.90.0.0/24
  carriers: { viettel: 10.91.0.0/16, 'vnpt': 10.92.0.0/16 }
  first_site_port: 10554   # of each site
mediamtx:
  version: 1.20.1
  source: release
  sha256:
    amd64: c91ea00e80f9ce42df26af77b842c53e7b10d7b88482b8959bd284d8bf18f50d
policy:
  limits: { deletions: 3, deletion_percent: 40 }
  freeze:
    -   from: 2021-05-22T00:00
        until: 2021-05-24T06:00
        reason: "ngày bầu cử 🎓"
moved:
  - { from: bac-giang/kcl-bg-009, to: bac-giang/kcl-bg-001, until: 2021-06-01 }
""",
    "instructions.yml": """\
version: 1
instructions:
  - ref: 1407/BTTTT-CVT
    issuer: "Bộ Thông tin và Truyền thông 🎥"
    issued_on: 2021-05-06
    before: 2021-05-10
    scope: [ubnd_tinh]
  -   ref: 4403/CV-BCĐ
      issuer: Ban Chỉ đạo
      issued_on: 2021-05-30
      before: 2021-06-12
      scope:
        - ubnd_tinh
        - quan_doi
      extends: ["1407/BTTTT-CVT"]
      province_scheme: gso-2021
      provinces: { bac-giang: 2021-06-08 }
      facilities:
        kcl-bg-001: 2021-06-09   # its own
""",
    "designations.yml": """\
version: 1
designations:
  - { province: bac-giang, carrier: viettel, since: 2021-05-06, source: "văn bản 🎓, mục 4" }
  -   province: bac-ninh
      province_scheme: gso-2025
      carrier: 'vnpt'
      since: 2025-07-01
      until: 2031-07-01
      source: văn bản
""",
    "carriers/viettel.yml": """\
version: 1
id: viettel
name: "Viettel 🎥"
management_networks: [198.51.100.0/27, '198.51.100.64/27']
own_networks: [100.64.0.0/10]
centres:
  - centre
relays:
  -   id: relay-viettel-1
      address: 203.0.113.11
      endpoint: 203.0.113.12
      ssh:
        user: deploy
        port: 2222
        host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
      max_paths: 800
""",
    "centres/centre.yml": """\
version: 1
id: centre
name: Trung tâm giám sát 🎥
address: 203.0.113.31
ssh:
  user: deploy
  host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
""",
    "allocations.lock.yml": """\
version: 1
relays:
  relay-viettel-1:
    tunnel_address: "10.91.0.1"
    public_key: "2y8TvVdv0kVULOoKlK/kVv7oZnESHIcxJYCxiGOM+jE="
    api_hash: "sha256:dgHWKn8VV3depqWy5RXcQwPLZmtMSIlvw9e8qczh/K8="
centres:
  centre: { tunnel_address: "10.90.0.1" }
sites:
  kcl-bg-001:
    carrier: "viettel"
    tunnel_address: "10.91.0.2"
    ports:
      cam-01: 10554
      nvr-01: 10555
    successor: { carrier: "vnpt", tunnel_address: "10.92.0.2" }
tombstones:
  - { object: "site/kcl-bg-009", pool: "carriers/viettel", tunnel_address: "10.91.0.9" }
""",
}
#: Mappings whose keys are names: there is no key that they do not know.
MAPPINGS_BY_NAME = {"carriers", "sha256", "provinces", "facilities", "relays", "centres", "sites", "ports"}


class Token(NamedTuple):
    """A scalar value of a file, with its key; items of a list have none."""

    file: str
    value: yaml.Node
    key: yaml.Node | None
    named: bool


def tokens(file: str, node: yaml.Node | None, parent: str = "") -> Iterator[Token]:
    items: list[tuple[yaml.Node | None, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        items = list(node.value)
    elif isinstance(node, yaml.SequenceNode):
        items = [(None, value) for value in node.value]
    for key, value in items:
        if isinstance(value, yaml.ScalarNode):
            yield Token(file, value, key, named=isinstance(node, yaml.MappingNode) and parent in MAPPINGS_BY_NAME)
        else:
            yield from tokens(file, value, key.value if isinstance(key, yaml.ScalarNode) else "")


TOKENS = [token for file, text in FILES.items() for token in tokens(file, yaml.compose(text, Loader=yaml.SafeLoader))]
KEYED = [token for token in TOKENS if token.key is not None]


def put_at(token: Token, node: yaml.Node, written: str) -> str:
    """The token's file with something else in the place of a node."""
    text = FILES[token.file]
    return text[: node.start_mark.index] + written + text[node.end_mark.index :]


def problems(folder: Path, text: str, file: str = SITE) -> list[Problem]:
    root = make.write_inventory(folder, FILES | {file: text})
    return [problem for problem in check(load(root, today=make.TODAY)) if problem.file.endswith(file)]


def at(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


@pytest.mark.parametrize("file", FILES)
def test_the_text_is_right(tmp_path: Path, file: str) -> None:
    codes = {problem.code for problem in problems(tmp_path, FILES[file], file)}
    assert not {code for code in codes if code.startswith(("yaml", "key", "value"))}
    assert len([token for token in TOKENS if token.file == file]) > 4


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(TOKENS), written=st.sampled_from(["[]", "{}", "[1, 2]"]))
def test_a_value_of_a_wrong_type_is_told_at_its_own_token(tmp_path: Path, token: Token, written: str) -> None:
    listed = problems(tmp_path, put_at(token, token.value, written), token.file)
    assert [(p.line, p.column) for p in listed if p.code == "value-invalid"] == [at(token.value)]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from([token for token in KEYED if not token.named]))
def test_an_unknown_key_is_told_at_the_key(tmp_path: Path, token: Token) -> None:
    assert token.key is not None
    listed = problems(tmp_path, put_at(token, token.key, "nonesuch"), token.file)
    assert [(p.line, p.column) for p in listed if p.code == "key-unknown"] == [at(token.key)]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(TOKENS), written=st.sampled_from(["&a x", "*a", "!t x"]))
def test_what_strict_yaml_refuses_is_told_at_its_own_token(tmp_path: Path, token: Token, written: str) -> None:
    listed = problems(tmp_path, put_at(token, token.value, written), token.file)
    assert [(p.line, p.column) for p in listed] == [at(token.value)]
    assert listed[0].code in {"yaml-anchor", "yaml-alias", "yaml-tag"}


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(KEYED))
def test_a_key_that_stands_twice_is_told_at_the_second(tmp_path: Path, token: Token) -> None:
    text, value, key = FILES[token.file], token.value, token.key
    assert key is not None
    before = text[: key.start_mark.index]
    column = key.start_mark.column
    flow = "{" in before.rsplit("\n", 1)[-1]
    again = f"{text[key.start_mark.index : value.end_mark.index]}" + (", " if flow else "\n" + " " * column)
    written = before + again + text[key.start_mark.index :]
    listed = [p for p in problems(tmp_path, written, token.file) if p.code == "key-duplicate"]
    line = key.start_mark.line + 1
    assert [p.line for p in listed] == [line if flow else line + 1]
    assert [p.column for p in listed] == [column + 1 + (len(again) if flow else 0)]


@pytest.mark.parametrize(
    ("old", "new", "code", "token"),
    [
        ("192.168.1.11", "192.168.2.11", "address-outside-lan", "192.168.2.11"),
        ("recorder: nvr-01", "recorder: nvr-09", "recorder-unknown", "nvr-09"),
        ("id: cam-02", "id: cam-01", "device-id-duplicate", "cam-01\n      zone"),
        ("surveyed_on: 2021-05-07", "surveyed_on: 2021-06-07", "date-in-the-future", "2021-06-07"),
        ("due: 2021-05-20", "due: 2021-04-20", "dates-in-disorder", "2021-04-20"),
        ("zone: hanh_lang", "zone: toilet", "zone-forbidden", "toilet"),
        ("province: bac-giang", "province: bac-ninh", "facility-file-misplaced", "bac-ninh"),
    ],
)
def test_a_rule_points_at_the_value_that_breaks_it(tmp_path: Path, old: str, new: str, code: str, token: str) -> None:
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    before = text[: text.index(token)]
    expected = before.count("\n") + 1, len(before.rsplit("\n", 1)[-1]) + 1
    assert expected in [(p.line, p.column) for p in problems(tmp_path, text) if p.code == code]
