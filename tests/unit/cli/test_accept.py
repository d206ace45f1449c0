"""A login or a picture under change: either is taken until a day, and relays ask with one login alone."""

import io
import sys
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from provisioner.base.text import VIETNAM
from provisioner.base.vault import VaultPasswords, decrypt
from provisioner.cli.support.context import today
from provisioner_host.relay import quarantine
from tests.example_terminal import applied
from tests.unit.cli.test_quarantine import Terminal as QuarantineTerminal

SITE = "facilities/bac-giang/kcl-bg-001.yml"
VAULT = "secrets/cameras/bac-giang.yml"
DEVICE = "kcl-bg-001/nvr-01"
PATH = "bac-giang/kcl-bg-001/cam-01/sub"
OLD, NEW = "example-2-only", "C4nary-new-word"
UNTIL = today() + timedelta(days=20)


class Terminal(QuarantineTerminal):
    """Somebody who changes the login of a recorder."""

    def type(self, monkeypatch: pytest.MonkeyPatch, *words: str, typed: str = f"{NEW}\n") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        code, out, err = self("secrets", "set", *words)
        assert NEW not in out + err
        assert OLD not in out + err
        return code, out + err

    @property
    def password(self) -> str:
        """The password with which the relay asks the recorder."""
        [login] = {one.login for one in quarantine.lines_in(self.text) if one.name == PATH}
        return login.partition("@")[0].partition(":")[2]

    @property
    def vault(self) -> str:
        path = self.file(VAULT)
        env = {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.file(".vault-password"))}
        return decrypt(path.read_bytes(), VaultPasswords.from_environment(env), name=VAULT).decode()

    def codes(self) -> set[str]:
        return {problem["code"] for problem in self.document("validate")[1]["problems"]}


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return applied(Terminal, tmp_path, monkeypatch, capsys)


@pytest.fixture
def changing(call: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    assert call.type(monkeypatch, DEVICE, "--accept-old-until", UNTIL.isoformat())[0] == 0
    return call


def test_a_change_is_announced_and_no_host_changes_for_it(changing: Terminal) -> None:
    assert f"accept: {{ old: {{ login: vault }}, until: {UNTIL} }}" in changing.file(SITE).read_text()
    assert OLD not in changing.file(SITE).read_text() + changing.file(VAULT).read_text()
    assert OLD in changing.vault
    assert NEW in changing.vault
    assert changing.codes() == set()
    # What was signed is signed: nobody is held.
    code, plan = changing.document("plan", "--exit-code")
    assert (code, plan["changes"], plan["held"]) == (0, [], [])
    assert changing.password == OLD


def test_once_the_old_login_is_refused_the_next_apply_brings_the_new_one(changing: Terminal) -> None:
    out = changing.refuse(PATH)
    plan = changing.document("plan")[1]
    named = {change["name"] for change in plan["changes"] if change["resource"] == "path"}
    assert named == set(out) == {one["path"] for one in plan["quarantined"]}
    assert f"its login is under change until {UNTIL}: provisioner apply tries the new one" in changing("verify")[1]
    code, done = changing.document("apply", "--yes", "--allow", "viewers=99")
    assert (code, done["outcome"], done["remaining"]) == (0, "applied", [])
    assert (changing.out, changing.password) == ([], NEW)
    # It stays with the new one: what was seen of a host is asked of that host again.
    assert changing.document("plan")[1]["changes"] == []


def test_a_plan_of_before_the_refusal_is_stale(changing: Terminal) -> None:
    changing.other_channel()
    assert changing("plan", "--out", "plan.json")[0] == 0
    changing.refuse(PATH)
    assert changing("apply", "plan.json")[0] == 8
    assert changing.password == OLD


def test_there_is_no_way_back_from_a_new_login_that_is_refused_as_well(changing: Terminal) -> None:
    changing.refuse(PATH)
    assert changing("apply", "--yes", "--allow", "viewers=99")[0] == 0
    out = changing.refuse(PATH)
    plan = changing.document("plan")[1]
    assert plan["changes"] == []
    assert {one["path"]: one["renewed"] for one in plan["quarantined"]} == dict.fromkeys(out, False)


def test_a_day_later_only_the_new_login_counts(changing: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = changing("plan", "--out", "plan.json")
    assert saved[0] == 0
    noon = datetime.combine(UNTIL, time(12), VIETNAM)
    monkeypatch.setattr("provisioner.cli.support.context.now", lambda: noon)
    assert changing.document("plan")[1]["changes"] == []
    monkeypatch.setattr("provisioner.cli.support.context.now", lambda: noon + timedelta(days=1))
    [problem] = changing.document("validate")[1]["problems"]
    assert (problem["code"], problem["severity"]) == ("accept-over", "warning")
    assert problem["file"].endswith(SITE)
    assert problem["line"] == 36
    assert "provisioner camera accept kcl-bg-001/nvr-01 --finish" in problem["hint"]
    names = {c["name"] for c in changing.document("plan")[1]["changes"] if c["resource"] == "path"}
    assert {name for name in names if "/kcl-bg-001/" in name}
    # What was reviewed was an empty plan; the day has made it another one.
    assert changing("apply", "plan.json")[0] == 8
    assert changing.password == OLD


def test_a_change_is_finished_in_the_file_and_then_in_the_vault(changing: Terminal) -> None:
    before = changing.file(SITE).read_text()
    assert changing("secrets", "forget", DEVICE)[0] == 2
    assert OLD in changing.vault
    assert changing("camera", "accept", DEVICE, "--finish", "--dry-run")[0] == 0
    assert changing.file(SITE).read_text() == before
    assert changing("camera", "accept", DEVICE, "--finish")[0] == 0
    assert "accept" not in changing.file(SITE).read_text()
    assert changing.codes() == {"login-old-unused"}
    code, out, err = changing("secrets", "forget", DEVICE)
    assert (code, f"the old login of {DEVICE} is gone" in out) == (0, True)
    assert OLD not in changing.vault + out + err
    assert changing.codes() == set()
    assert changing("camera", "accept", DEVICE, "--finish")[0] == 2


def test_a_change_may_last_until_another_day(changing: Terminal) -> None:
    later = UNTIL + timedelta(days=5)
    assert changing("camera", "accept", DEVICE, "--accept-old-until", later.isoformat())[0] == 0
    assert f"until: {later}" in changing.file(SITE).read_text()
    assert changing("camera", "accept", DEVICE, "--accept-old-until", "2021-01-01")[0] == 2
    assert changing("camera", "accept", DEVICE)[0] == 2
    assert changing("camera", "accept", DEVICE, "--accept-old-until", (UNTIL + timedelta(days=300)).isoformat())[0] == 0
    assert changing.codes() == {"accept-too-long"}


def test_what_makes_no_sense_changes_nothing(call: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: call.file(name).read_bytes() for name in (SITE, VAULT)}
    until = ("--accept-old-until", UNTIL.isoformat())
    assert call.type(monkeypatch, DEVICE, "--accept-old-until", "2021-01-01")[0] == 2
    assert call.type(monkeypatch, DEVICE, *until, typed=f"{OLD}\n")[0] == 2
    assert call("camera", "replace", DEVICE, "--model", "X", *until)[0] == 2
    assert call("camera", "replace", "kcl-bg-001/cam-01", "--sub", "640x360", *until)[0] == 2
    assert {name: call.file(name).read_bytes() for name in files} == files
    assert call.type(monkeypatch, DEVICE, *until)[0] == 0
    files = {name: call.file(name).read_bytes() for name in files}
    code, said = call.type(monkeypatch, DEVICE, *until, typed="C4nary-third\n")
    assert (code, "under change already" in said, "C4nary-third" in said) == (2, True, False)
    assert {name: call.file(name).read_bytes() for name in files} == files


def test_without_the_old_login_in_the_vault_the_facility_is_held(changing: Terminal) -> None:
    text = changing.file(SITE).read_text()
    assert changing("camera", "accept", DEVICE, "--finish")[0] == 0
    assert changing("secrets", "forget", DEVICE)[0] == 0
    changing.file(SITE).write_text(text)
    assert changing.codes() == {"login-old-missing"}
    assert changing("plan")[0] == 3


def test_a_camera_that_becomes_a_channel_has_no_login_left(call: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call.type(monkeypatch, "kcl-bg-001/cam-04", "--accept-old-until", UNTIL.isoformat())[0] == 0
    assert "accept" in call.file(SITE).read_text()
    assert call("camera", "move", "kcl-bg-001/cam-04", "--recorder", "nvr-01", "--channel", "20")[0] == 0
    assert "accept" not in call.file(SITE).read_text()


# --- pictures -------------------------------------------------------------------------------------
def test_the_picture_of_before_is_kept_beside_the_new_one_and_needs_no_signature(call: Terminal) -> None:
    words = ("--sub", "1280x720/h265@20", "--accept-old-until", UNTIL.isoformat())
    assert call("camera", "replace", "kcl-bg-001/cam-01", *words)[0] == 0
    text = call.file(SITE).read_text()
    assert f"accept: {{ old: {{ codec: h264, width: 640, height: 360 }}, until: {UNTIL} }}" in text
    # The new picture has to be signed; what it was before has not, nor has the end of that.
    assert call.document("plan")[1]["held"] != []
    signed = ("sign-off", "kcl-bg-001", "--all-parties", "--on", "2021-06-01", "--source", "02/BB")
    assert call(*signed)[0] == 0
    code, plan = call.document("plan")
    assert (code, plan["held"], plan["changes"]) == (0, [], [])
    assert call("camera", "accept", "kcl-bg-001/cam-01", "--finish")[0] == 0
    assert "accept" not in call.file(SITE).read_text()
    assert call.document("plan")[1]["held"] == []
