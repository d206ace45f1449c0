"""Every problem of a file points at the token that is wrong, whatever stands before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.diagnostics import Problem
from provisioner.inventory.load import check, load
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


def tokens(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node | None]]:
    """Give every scalar value with its key; items of a list have none."""
    items: list[tuple[yaml.Node | None, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        items = list(node.value)
    elif isinstance(node, yaml.SequenceNode):
        items = [(None, value) for value in node.value]
    for key, value in items:
        if isinstance(value, yaml.ScalarNode):
            yield value, key
        else:
            yield from tokens(value)


TOKENS = list(tokens(yaml.compose(TEXT, Loader=yaml.SafeLoader)))
KEYED = [token for token in TOKENS if token[1] is not None]


def with_token(node: yaml.Node, token: str) -> str:
    return TEXT[: node.start_mark.index] + token + TEXT[node.end_mark.index :]


def problems(folder: Path, text: str) -> list[Problem]:
    root = make.write_inventory(folder, {SITE: text})
    return [problem for problem in check(load(root, today=make.TODAY)) if problem.file.endswith(SITE)]


def at(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def test_the_text_is_right(tmp_path: Path) -> None:
    assert {problem.code for problem in problems(tmp_path, TEXT)} <= {"block-overdue"}
    assert len(TOKENS) > 40


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(TOKENS), written=st.sampled_from(["[]", "{}", "[1, 2]"]))
def test_a_value_of_a_wrong_type_is_told_at_its_own_token(tmp_path: Path, token: Any, written: str) -> None:
    value, _ = token
    found = problems(tmp_path, with_token(value, written))
    assert [(p.line, p.column) for p in found if p.code == "value-invalid"] == [at(value)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(KEYED))
def test_an_unknown_key_is_told_at_the_key(tmp_path: Path, token: Any) -> None:
    _, key = token
    found = problems(tmp_path, with_token(key, "nonesuch"))
    assert [(p.line, p.column) for p in found if p.code == "key-unknown"] == [at(key)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(TOKENS), written=st.sampled_from(["&a x", "*a", "!t x"]))
def test_what_strict_yaml_refuses_is_told_at_its_own_token(tmp_path: Path, token: Any, written: str) -> None:
    value, _ = token
    found = problems(tmp_path, with_token(value, written))
    assert [(p.line, p.column) for p in found] == [at(value)]
    assert found[0].code in {"yaml-anchor", "yaml-alias", "yaml-tag"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(KEYED))
def test_a_key_that_stands_twice_is_told_at_the_second(tmp_path: Path, token: Any) -> None:
    value, key = token
    before = TEXT[: key.start_mark.index]
    column = key.start_mark.column
    flow = "{" in before.rsplit("\n", 1)[-1]
    again = f"{TEXT[key.start_mark.index : value.end_mark.index]}" + (", " if flow else "\n" + " " * column)
    found = [p for p in problems(tmp_path, before + again + TEXT[key.start_mark.index :]) if p.code == "key-duplicate"]
    line = key.start_mark.line + 1
    assert [p.line for p in found] == [line if flow else line + 1]
    assert [p.column for p in found] == [column + 1 + (len(again) if flow else 0)]


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
