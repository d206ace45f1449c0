"""Traps of YAML and of habit: each is refused at its place, and what the hint says to write is accepted."""

import re
from pathlib import Path

import pytest

from provisioner.base.errors import Problem, Severity
from provisioner.inventory.explanation.problems import listed
from provisioner.inventory.loader.load import load
from tests import inventories as make

ADDRESS = "four numbers from 0 to 255 with dots between, e.g. 192.168.1.10"
SITE = "facilities/bac-giang/kcl-bg-001.yml"
TEXT = """\
version: 1
id: kcl-bg-001
province: bac-giang
name: Trường Ví Dụ
kind: school
managing_body: ubnd_tinh
operating: open
opened_on: 2021-05-06
survey:
  surveyed_on: 2021-05-07
  by: [dic]
  uplink:
    kind: fibre
    upload_mbps: 40
  cameras: { present: 1, fit: 1, missing: 0 }
  verdict: ready
gateway:
  lan: 192.168.1.0/24
  lan_interface: br-lan
cameras:
  - id: cam-01
    zone: cong
    make: hikvision
    address: 192.168.1.11
    port: 554
    audio: false
    streams:
      sub: { width: 640, height: 360 }
"""


def replaced(field: str, value: str) -> str:
    """The text with one field written otherwise."""
    text, count = re.subn(rf"^( *(?:- )?{field}:) .*$", lambda m: f"{m[1]} {value}".rstrip(), TEXT, flags=re.MULTILINE)
    assert count == 1
    return text


def problems(folder: Path, text: str) -> list[Problem]:
    return list(load(make.write_inventory(folder, {SITE: text}), today=make.TODAY).problems)


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        *(("port", "08", "8"), ("port", "0554", "554"), ("port", "010", "10"), ("port", "'554'", "554")),
        *(("port", "554.0", "554"), ("port", "1e3", "1000"), ("port", "1_000", "1000"), ("port", "554 tcp", "554")),
        *(("audio", "no", "false"), ("audio", "No", "false"), ("audio", "OFF", "false"), ("audio", "yes", "true")),
        *(("audio", "on", "true"), ("audio", "1", "true"), ("audio", "'false'", "false"), ("audio", "n", "false")),
        *(("name", "2021", '"2021"'), ("name", "1.20", '"1.20"'), ("name", "true", '"true"'), ("name", "1e5", '"1e5"')),
        *(("name", "0x1F", '"0x1F"'), ("name", "+8490123", '"+8490123"')),
        *(("opened_on", "2021-5-6", "2021-05-06"), ("opened_on", "20210506", "2021-05-06")),
        *(("opened_on", "2021-05-06 00:00:00", "2021-05-06"), ("opened_on", "25/05/2021", "2021-05-25")),
        *(("opened_on", "2021/05/06", "2021-05-06"), ("opened_on", "05/05/2021", "2021-05-05")),
        *(("operating", "Open", "open"), ("operating", "opne", "open")),
        *(("managing_body", "UBND tinh", "ubnd_tinh"), ("managing_body", "ubnd-tinh", "ubnd_tinh")),
        *(("address", "192.168.001.011", "192.168.1.11"), ("address", "192.168.1.11/24", "192.168.1.11")),
        *(("lan", "192.168.1.1/24", "192.168.1.0/24"), ("lan", "192.168.001.000/24", "192.168.1.0/24")),
        *(("upload_mbps", "20,5", "20.5"), ("upload_mbps", "'40'", "40"), ("upload_mbps", "40 Mbps", "40")),
        *(("version", "'1'", "1"), ("version", "2", "1")),
    ],
)
def test_what_the_hint_says_to_write_is_accepted(tmp_path: Path, field: str, written: str, meant: str) -> None:
    text = replaced(field, written)
    (problem,) = problems(tmp_path, text)
    assert problem.code == "value-invalid"
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :] == written
    said = re.match(r"write (\w+): (\"[^\"]*\"|[^,;]+)", problem.hint)
    assert said is not None, problem.hint
    assert said.groups() == (field, meant)
    assert problems(tmp_path, replaced(field, meant)) == []


@pytest.mark.parametrize(
    ("field", "written", "hint"),
    [
        (
            "port",
            "1:30",
            "write a whole number for port; 1:30 is a text here (older readers of YAML count it in sixties)",
        ),
        ("port", "", "write a whole number for port"),
        ("port", "5 5 4", "write a whole number for port, without quotes"),
        ("port", "70000", "write a number of 65535 or less for port"),
        ("audio", "maybe", "write true or false for audio"),
        ("name", "", "write a text for name"),
        ("opened_on", "05/06/2021", "write opened_on: 2021-06-05 or 2021-05-06, whichever is meant"),
        ("opened_on", "2021-02-30", "write opened_on as YYYY-MM-DD, a day that exists, e.g. 2021-05-10"),
        ("opened_on", "yesterday", "write opened_on as YYYY-MM-DD, a day that exists, e.g. 2021-05-10"),
        ("operating", "on", "one of open, preparing, standby, closed"),
        ("operating", "no", "one of open, preparing, standby, closed"),
        ("address", "192.168.1.300", f"write address as {ADDRESS}"),
        ("address", "3232235777", f"write address as {ADDRESS}"),
        ("lan", "192.168.1.0/33", "write lan as a network's first address and its length, e.g. 192.168.1.0/24"),
        ("upload_mbps", "0", "write a number of more than 0 for upload_mbps"),
    ],
)
def test_where_the_right_value_cannot_be_seen_the_hint_says_what_kind_it_is(
    tmp_path: Path, field: str, written: str, hint: str
) -> None:
    (problem,) = problems(tmp_path, replaced(field, written))
    assert problem.hint == hint


def test_very_many_mistakes_in_one_file_end_with_a_word_about_the_rest(tmp_path: Path) -> None:
    cameras = [make.camera(f"cam-{n}", 11, port="554") for n in range(1, 301)]
    problems = list(
        load(make.write_inventory(tmp_path, {SITE: make.facility(cameras=cameras)}), today=make.TODAY).problems
    )
    assert len(problems) == 101
    assert [p.message for p in problems if p.code == "problems-not-listed"] == [
        "facility kcl-bg-001: 200 more problems are not listed"
    ]


def test_of_many_alike_the_first_are_listed_and_the_others_are_counted() -> None:
    alike = [Problem("carriers/viettel.yml", line, 1, "unknown-province", "no such province") for line in range(1, 501)]
    other = Problem("inventory.yml", 9, 1, "unknown-centre", "no such centre", severity=Severity.WARNING)
    shown = listed([*reversed(alike), other])
    assert shown[:100] == tuple(alike[:100])
    assert (shown[100].line, shown[100].code) == (101, "problems-not-listed")
    assert shown[100].message == "carriers/viettel.yml: 400 more problems are not listed"
    assert shown[101:] == (other,)
    assert listed(shown) == shown
