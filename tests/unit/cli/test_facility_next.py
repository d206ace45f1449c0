"""From a surveyed facility to one that hosts carry: three commands, no edit by hand, and each step one question."""

import io
import sys
from pathlib import Path

import click
import pytest

from tests import inventories as make
from tests.example_terminal import ExampleTerminal, applied
from tests.prepared import prepared

SITE = "facilities/bac-giang/kcl-bg-009.yml"
TEXT = """\
version: 1
id: kcl-bg-009
province: bac-giang
name: Trường Ví Dụ 9
kind: school
managing_body: ubnd_tinh
operating: open
contact_confirmed_on: 2021-05-07
survey:
  surveyed_on: 2021-05-08
  by: [dic, carrier]
  uplink: { kind: fibre, upload_mbps: 40 }
  cameras: { present: 2, fit: 2, missing: 0 }
  verdict: ready
recorders:
  - { id: nvr-01, make: hikvision, address: 192.168.1.20 }
cameras:
  - { id: cam-01, zone: cong, recorder: nvr-01, channel: 1, streams: { sub: { width: 640, height: 360 } } }
  - { id: cam-02, zone: san, make: axis, address: 192.168.1.31, streams: { sub: { width: 640, height: 360 } } }
"""
CANARY = "Canary-4417-Password"


class Keyboard(io.StringIO):
    """Somebody who types answers at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ExampleTerminal:
    terminal = applied(ExampleTerminal, tmp_path, monkeypatch, capsys)

    def first_day() -> None:
        # The hosts' keys are their own from here on, as after any first day.
        assert terminal("keys", "init", "--allow", "trust=4")[0] == 0
        code, out, err = terminal("apply", "--yes", "--allow", "trust=20", "--allow", "all_impact=9")
        assert code == 0, out + err

    prepared(tmp_path, terminal.hosts, "first-day", first_day)
    terminal.file(SITE).write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _text: CANARY)
    return terminal


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    keyboard = Keyboard("".join(f"{answer}\n" for answer in answers))
    monkeypatch.setattr(sys, "stdin", keyboard)
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _text: keyboard.readline().rstrip("\n"))


def test_keys_are_made_for_all_hosts_without_them_also_another_carriers(example: ExampleTerminal) -> None:
    lock = example.file("allocations.lock.yml")
    lines = lock.read_text(encoding="utf-8").splitlines(keepends=True)
    lock.write_text("".join(line for line in lines if "public_key:" not in line), encoding="utf-8")
    code, out, _ = example("facility", "next", "kcl-bg-001")
    assert (code, "relay-viettel-1, relay-vnpt-1, centre-hn have no keys yet" in out) == (0, True)
    assert out.endswith("  provisioner keys init --allow trust=3\n")


@pytest.mark.parametrize("file", ["carriers/viettel.yml", "carriers/vnpt.yml"])
def test_no_apply_is_advised_while_an_error_stops_every_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    terminal = applied(ExampleTerminal, tmp_path, monkeypatch, capsys)
    (tmp_path / "state").rename(tmp_path / "another state")
    assert "provisioner apply" in terminal("facility", "next", "kcl-bg-001")[1]
    text = terminal.file(file).read_text(encoding="utf-8")
    terminal.file(file).write_text(text + "own_networks: [1.2.3.4/40]\n", encoding="utf-8")
    code, out, _ = terminal("facility", "next", "kcl-bg-001")
    assert (code, f"what stops every plan: carrier {Path(file).stem}" in out, "apply" in out) == (0, True, False)


def test_three_commands_take_a_surveyed_facility_onto_its_relay(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "packages"
    typed(monkeypatch, "y", "y", "09/BB", "y", "y", "y", "viewer", "y", str(package))
    code, out, err = example("facility", "next", "kcl-bg-009")
    assert code == 0, out + err
    assert [line.strip() for line in out.splitlines() if line.startswith("  provisioner ")] == [
        "provisioner facility plan kcl-bg-009",
        "provisioner sign-off kcl-bg-009 --all-parties --source SOURCE",
        "provisioner allocate",
        "provisioner keys init",
        "provisioner secrets set kcl-bg-009/cam-02 kcl-bg-009/nvr-01 --username NAME",
        "provisioner site-package kcl-bg-009 --out DIR",
    ]
    assert out.splitlines()[-1] == "  then: provisioner gateway set-key kcl-bg-009 KEY"
    assert (package / "kcl-bg-009/install.sh").exists()
    assert CANARY not in out + err

    assert example("gateway", "set-key", "kcl-bg-009", make.public_key("nine"))[0] == 0
    code, out, err = example("apply", "--limit", "facility=kcl-bg-009", "--yes")
    assert code == 0, out + err
    code, out, _ = example("facility", "next", "kcl-bg-009")
    assert out.splitlines() == [
        "kcl-bg-009: provisioned",
        "next: run provisioner verify: no path of it was checked yet",
        "  provisioner verify --limit facility=kcl-bg-009",
    ]


def test_a_sheet_and_a_key_take_a_facility_onto_its_relay_in_one_run(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The technician reads the key over the telephone, and logins are a list."""
    logins, key = tmp_path / "logins.csv", make.public_key("nine")
    rows = ["device,username,password", f"kcl-bg-009/nvr-01,viewer,{CANARY}", f"kcl-bg-009/cam-02,root,{CANARY}2"]
    logins.write_text("\n".join(rows) + "\n", encoding="utf-8")
    package = str(tmp_path / "packages")
    typed(monkeypatch, "y", "y", "09/BB", "y", "y", "y", str(logins), "y", package, key, "y", "y", "n")
    code, out, err = example("facility", "next", "kcl-bg-009")
    assert code == 0, out + err
    assert f'+  public_key: "{key}"' in out
    assert "1 host applied" in out
    assert out.splitlines()[-1] == "  provisioner verify --limit facility=kcl-bg-009"
    assert CANARY not in out + err


def test_who_comes_back_with_the_key_makes_no_second_package(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typed(monkeypatch, "y", "y", "09/BB", "y", "y", "y", "viewer", "y", str(tmp_path / "packages"))
    assert example("facility", "next", "kcl-bg-009")[0] == 0
    typed(monkeypatch, "n", make.public_key("nine"), "n")
    code, out, err = example("facility", "next", "kcl-bg-009")
    assert code == 0, out + err
    assert out.splitlines()[-1] == "  provisioner apply --limit facility=kcl-bg-009"


def next_lines(example: ExampleTerminal) -> list[str]:
    code, out, err = example("facility", "next", "kcl-bg-009")
    assert code == 0, out + err
    return out.splitlines()[1:]


def test_a_new_package_waits_for_its_gateway_before_any_apply(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typed(monkeypatch, "y", "y", "09/BB", "y", "y", "y", "viewer", "y", str(tmp_path / "first"))
    assert example("facility", "next", "kcl-bg-009")[0] == 0
    assert example("gateway", "set-key", "kcl-bg-009", make.public_key("nine"))[0] == 0
    typed(monkeypatch)
    apply = "  provisioner apply --limit facility=kcl-bg-009"
    assert apply in next_lines(example)
    camera = ("kcl-bg-009/cam-03", "--zone", "san", "--make", "axis", "--address", "192.168.1.33", "--sub", "640x360")
    assert example("camera", "add", *camera)[0] == 0
    assert example("sign-off", "kcl-bg-009", "--all-parties", "--source", "10/BB")[0] == 0
    assert example("allocate")[0] == 0
    typed(monkeypatch, "viewer")
    assert example("secrets", "set", "kcl-bg-009/cam-03", "--username", "viewer")[0] == 0
    typed(monkeypatch)
    assert next_lines(example) == [
        "next: its gateway needs a new package",
        "  provisioner site-package kcl-bg-009 --out DIR",
        "  then: provisioner gateway installed kcl-bg-009",
    ]
    assert example("site-package", "kcl-bg-009", "--out", str(tmp_path / "second"))[0] == 0
    assert next_lines(example) == [
        "next: a technician installs its new package on the gateway; then record that",
        "  when that is so: provisioner gateway installed kcl-bg-009",
    ]
    assert example("gateway", "installed", "kcl-bg-009")[0] == 0
    assert apply in next_lines(example)


def test_who_says_no_changes_nothing(example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "n")
    code, out, _ = example("facility", "next", "kcl-bg-009")
    assert (code, "provisioner facility plan kcl-bg-009" in out) == (0, True)
    assert example.file(SITE).read_text(encoding="utf-8") == TEXT


def test_a_step_that_fails_ends_it_with_its_own_code(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    (full / "kcl-bg-009/old").mkdir(parents=True)
    typed(monkeypatch, "y", "y", "0912345678")
    code, _, err = example("facility", "next", "kcl-bg-009")
    assert (code, "--source holds a phone number" in err) == (2, True), err
    typed(monkeypatch, "y", "09/BB", "y", "y", "y", "viewer", "y", str(full))
    code, out, err = example("facility", "next", "kcl-bg-009")
    assert (code, "is not empty" in err) == (2, True), out + err


def test_without_a_password_it_says_what_it_does_not_know(example: ExampleTerminal) -> None:
    for words in (("facility", "plan"), ("sign-off",)):
        more = ("--all-parties", "--source", "09/BB") if words == ("sign-off",) else ()
        assert example(*words, "kcl-bg-009", *more)[0] == 0
    assert example("allocate")[0] == 0
    code, out, _ = example("facility", "next", "kcl-bg-009", vault=False)
    assert (code, out.splitlines()[:3]) == (
        0,
        [
            "kcl-bg-009: plan agreed",
            "secrets not checked: no vault password is set",
            "next: a technician installs its package on the gateway",
        ],
    )


def test_what_parties_sign_is_shown_and_written_in_both_languages(example: ExampleTerminal, tmp_path: Path) -> None:
    assert example("facility", "plan", "kcl-bg-009")[0] == 0
    code, out, _ = example("sign-off", "kcl-bg-009", "--show")
    content = next(line.split()[-1] for line in out.splitlines() if line.startswith("Content"))
    assert (code, content.startswith("sha256:"), "cam-02  san" in out, "nvr-01, 1" in out) == (0, True, True, True), out
    assert "Mã nội dung" in example("--language", "vi", "sign-off", "kcl-bg-009", "--show")[1]
    page, minutes = tmp_path / "plan.html", tmp_path / "plan.docx"
    for file in (page, minutes):
        assert example("sign-off", "kcl-bg-009", "--show", "--out", str(file))[0] == 0
    text = page.read_text(encoding="utf-8")
    assert content in text
    assert text.index("Phương án kết nối của Trường Ví Dụ 9") < text.index("Connection plan of Trường Ví Dụ 9")
    assert "192.168.1" not in text
    assert minutes.read_bytes()[:2] == b"PK"
    assert example("sign-off", "kcl-bg-009", "--all-parties", "--source", "09/BB")[0] == 0
    written = example.document("sign-off", "kcl-bg-009", "--show")[1]
    assert written["content"] == content
    assert content in example.file(SITE).read_text(encoding="utf-8")
    for words, said in (
        (("--show", "--by", "dic"), "nothing else"),
        (("--show", "--out", str(tmp_path / "x.pdf")), "neither .html nor .docx"),
        (("--show", "--out", str(page)), "is there already"),
        (("--by", "dic"), "names its minutes"),
        (("--show", "--successor"), "no successor"),
    ):
        code, _, err = example("sign-off", "kcl-bg-009", *words)
        assert (code, said in err) == (2, True), err


def command_of(example: ExampleTerminal, facility: str) -> tuple[str, list[str]]:
    code, document = example.document("facility", "next", facility)
    assert code == 0
    return document["next"], document["command"]


def test_what_a_relay_has_let_go_is_applied_again_when_it_opens_again(example: ExampleTerminal) -> None:
    for words in (
        ("facility", "close", "kcl-bg-002"),
        ("allocate",),
        ("apply", "--yes"),
        ("facility", "reopen", "kcl-bg-002", "--opens-on", "2030-01-01"),
        ("allocate",),
    ):
        assert example(*words)[0] == 0
    apply = ["apply", "--limit", "facility=kcl-bg-002"]
    assert command_of(example, "kcl-bg-002") == (
        "run provisioner apply: relay-viettel-1 does not hold what is signed",
        apply,
    )
    assert example(*apply, "--yes")[0] == 0
    assert command_of(example, "kcl-bg-002")[1][0] == "verify"


def test_the_relay_that_is_to_let_a_facility_go_is_applied_first(example: ExampleTerminal) -> None:
    assert example("facility", "move", "kcl-hd-001", "--finish", "--unproved")[0] == 0
    assert example("allocate")[0] == 0
    example.edit("facilities/bac-giang/kcl-bg-002.yml", "operating: open", "operating: standby")
    for facility in ("kcl-hd-001", "kcl-bg-002"):
        left = ("run provisioner apply: relay-viettel-1 still holds it", ["apply"])
        assert command_of(example, facility) == left
    assert example("apply", "--yes")[0] == 0
    assert command_of(example, "kcl-hd-001")[1][0] == "verify"
    assert command_of(example, "kcl-bg-002") == ("before people come again it is prepared", [])
