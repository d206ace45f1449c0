"""`facility` and `camera`: the smallest edit of one file, shown, and held against all rules before it is written."""

import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.inventory.files.yaml import parse
from tests import inventories as make
from tests.hostile import MERGE_REQUEST
from tests.unit.base.test_git import git

SITE = "facilities/bac-giang/kcl-bg-001.yml"
ROUTER = {"lan": "192.168.1.0/24", "lan_interface": "br-lan", "public_key": make.public_key("site")}

SURVEY = (
    *("facility", "survey", "kcl-bg-001", "--by", "dic", "--by", "health", "--by", "carrier"),
    *("--uplink", "fibre", "--present", "3", "--verdict", "ready"),
)

Call = Callable[..., tuple[int, str, str]]

TEXT = """\
# Who wrote this cares.
version: 1
id: kcl-bg-001
province: bac-giang
name: Trường THPT Ví Dụ 1
kind: school
managing_body: ubnd_tinh
operating: open
opened_on: 2021-05-01
survey:
  surveyed_on: 2021-04-28
  by: [dic, health, carrier]
  uplink: { kind: fibre, upload_mbps: 40 }
  cameras: { present: 3, fit: 3, missing: 0 }
  verdict: ready
plan: # as the three agreed it
  state: proposed
  carrier: viettel
  relay: relay-viettel-1
gateway: { lan: 192.168.1.0/24, lan_interface: br-lan }
recorders:
  - { id: nvr-01, make: hikvision, address: 192.168.1.20, analog_channels: 16, ip_channels: 8 } # in the office
cameras:
  - id: cam-01
    zone: cong
    recorder: nvr-01
    channel: 1
    streams: { sub: { width: 640, height: 360 } }
  # the gate's own
  - id: cam-02
    zone: san
    make: axis
    address: 192.168.1.31
    streams:
      sub: { width: 640, height: 360 }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    both = [make.designation(carrier=carrier) for carrier in ("viettel", "vnpt")]
    others = {"designations.yml": {"version": 1, "designations": both}}
    return make.write_inventory(tmp_path, {SITE: TEXT, **others})


@pytest.fixture
def call(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def answer(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        code = run(["-i", str(root), *words], {"XDG_STATE_HOME": str(root.parent / "state")})
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return answer


def values(root: Path, place: str = SITE) -> dict[str, object]:
    document = parse((root / place).read_bytes())
    assert isinstance(document.value, dict)
    return document.value


def test_a_new_facility_has_a_file_of_its_own_under_the_next_id(root: Path, call: Call) -> None:
    words = ("--province", "bac-giang", "--name", "Trường Ví Dụ 2", "--kind", "school", "--managing-body", "ubnd_tinh")
    code, out, err = call("facility", "add", *words, "--people", "120", "--opens-on", "2030-01-02")
    assert code == 0, err
    assert values(root, "facilities/bac-giang/kcl-bg-002.yml") == {
        "version": 1,
        "id": "kcl-bg-002",
        "province": "bac-giang",
        "name": "Trường Ví Dụ 2",
        "kind": "school",
        "managing_body": "ubnd_tinh",
        "operating": "preparing",
        "opens_on": "2030-01-02",
        "capacity": {"people": 120},
    }
    assert out.splitlines()[-1] == "next: provisioner facility next kcl-bg-002"
    code, _, err = call("facility", "add", *[w.replace("Trường", "TRUONG") for w in words])
    assert (code, "kcl-bg-002 in bac-giang has this name already" in err) == (2, True)
    code, _, err = call("facility", "add", "kcl-bg-009", *words, "--same-name", "--dry-run")
    assert (code, (root / "facilities/bac-giang/kcl-bg-009.yml").exists()) == (0, False)


def test_every_missing_option_of_a_new_facility_is_named_at_once(call: Call) -> None:
    code, _, err = call("facility", "add", "--province", "bac-giang")
    assert code == 2
    assert "error: a new facility needs --name, --kind, --managing-body\n" in err
    assert "hint: add --name, --kind, --managing-body; in a terminal it is asked for" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--province", "bac-gian"), 3, "did you mean bac-giang?"),
        (("--province", "../../etc"), 2, "is no province"),
        (("--name", ""), 2, "add --name"),
        (("--name", "gọi 0912 345 678"), 3, "phone number"),
        (("kcl-bg-001",), 2, "there is a facility kcl-bg-001 already"),
        (("../x",), 2, "is no id"),
        (("--kind", "scool"), 2, "did you mean school?"),
    ],
    ids=str,
)
def test_a_facility_that_cannot_be_is_refused_and_nothing_is_written(
    root: Path, call: Call, words: tuple[str, ...], code: int, said: str
) -> None:
    before = sorted(root.rglob("*"))
    given = ["--province", "bac-giang", "--name", "Trường Ví Dụ 2", "--kind", "school", "--managing-body", "ubnd_tinh"]
    got, out, err = call("facility", "add", *given, *words)
    assert (got, said in err, sorted(root.rglob("*"))) == (code, True, before), out + err
    assert "0912" not in out + err


NEW = ("--province", "bac-giang", "--name", "Trường Ví Dụ 2", "--kind", "school", "--managing-body", "ubnd_tinh")


@MERGE_REQUEST
@pytest.mark.parametrize("place", ["facilities", "facilities/bac-giang"])
@pytest.mark.parametrize("kind", ["link out", "dangling link", "file"])
def test_a_new_facility_is_written_into_its_folder_or_nowhere(root: Path, call: Call, place: str, kind: str) -> None:
    outside, folder = root.parent / f"{root.name}-outside", root / place
    if kind == "file":
        shutil.rmtree(folder)
        folder.write_text("x\n", encoding="utf-8")
    else:
        if kind == "link out":
            folder.rename(outside)
        else:
            shutil.rmtree(folder)
        folder.symlink_to(outside)
    before = sorted(outside.rglob("*"))
    code, _, err = call("facility", "add", "kcl-bg-002", *NEW)
    assert (code, "hint: " in err, sorted(outside.rglob("*"))) == (3, True, before), err


def test_what_the_loader_does_not_read_is_not_written_over(root: Path, call: Call) -> None:
    (root / "facilities/bac-giang/kcl-bg-002.yml").symlink_to(root / "nowhere")
    code, _, err = call("facility", "add", "kcl-bg-002", *NEW)
    assert (code in {2, 3}, "already" in err) == (True, True), err
    assert (root / "facilities/bac-giang/kcl-bg-002.yml").is_symlink()


def test_no_id_is_given_out_while_nobody_knows_which_there_were(root: Path, call: Call) -> None:
    (root / "allocations.lock.yml").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    code, _, err = call("facility", "add", *NEW)
    assert (code, "the lock cannot be understood" in err) == (3, True), err
    assert not (root / "facilities/bac-giang/kcl-bg-002.yml").exists()


@pytest.mark.parametrize(
    ("words", "place", "after"),
    [
        (("camera", "move", "kcl-bg-001/cam-01", "--channel", "5"), ("cameras", 0, "channel"), 5),
        (("camera", "move", "kcl-bg-001/cam-01", "--ip-channel", "2"), ("cameras", 0, "ip_channel"), 2),
        (("camera", "move", "kcl-bg-001/cam-02", "--zone", "hanh_lang"), ("cameras", 1, "zone"), "hanh_lang"),
        (
            ("camera", "replace", "kcl-bg-001/cam-02", "--sub", "1280x720@15"),
            ("cameras", 1, "streams", "sub", "fps"),
            15,
        ),
        (
            ("camera", "replace", "kcl-bg-001/nvr-01", "--address", "192.168.1.21"),
            ("recorders", 0, "address"),
            "192.168.1.21",
        ),
        (("camera", "replace", "kcl-bg-001/nvr-01", "--serial", "A1"), ("recorders", 0, "onvif", "serial"), "A1"),
        (("facility", "plan", "kcl-bg-001", "--lan", "192.168.0.0/16"), ("gateway", "lan"), "192.168.0.0/16"),
        (("facility", "plan", "kcl-bg-001", "--system", "openwrt"), ("gateway", "system"), "openwrt"),
        (("facility", "plan", "kcl-bg-001", "--relay-port", "51820"), ("gateway", "relay_port"), 51820),
        (("facility", "plan", "kcl-bg-001", "--access", "pull_nat_map"), ("plan", "access"), "pull_nat_map"),
        (("facility", "move", "kcl-bg-001", "--to", "relay-vnpt-1"), ("successor", "carrier"), "vnpt"),
        (("facility", "contact", "kcl-bg-001", "--on", "2021-05-02"), ("contact_confirmed_on",), "2021-05-02"),
        ((*SURVEY, "--on", "2021-05-03", "--upload", "30"), ("survey", "uplink", "upload_mbps"), 30.0),
        ((*SURVEY, "--on", "2021-04-28", "--fit", "2"), ("survey", "cameras", "fit"), 2),
    ],
    ids=lambda part: "-".join(map(str, part[:3])) if isinstance(part, tuple) else str(part),
)
def test_an_edit_is_one_place_of_one_file_and_its_comments_stay(
    root: Path, call: Call, words: tuple[str, ...], place: tuple[str | int, ...], after: object
) -> None:
    shown = call(*words, "--dry-run")
    assert ((root / SITE).read_text(encoding="utf-8"), shown[0]) == (TEXT, 0), shown
    code, out, err = call(*words)
    assert code == 0, err
    value: object = values(root)
    for part in place:
        value = value[part]  # type: ignore[index]
    assert value == after
    text = (root / SITE).read_text(encoding="utf-8")
    for comment in ("# Who wrote this cares.", "# as the three agreed it", "# in the office", "# the gate's own"):
        assert comment in text
    changed = Counter(row.strip()[1:].strip() for row in out.splitlines() if row.startswith("  +"))
    now, was = (Counter(map(str.strip, lines.splitlines())) for lines in (text, TEXT))
    assert changed
    assert changed == now - was
    assert call(*words)[1] == f"{root / SITE}: kcl-bg-001 is so already\n"


def test_a_gateway_dials_what_its_relay_offers_and_its_first_port_again(root: Path, call: Call) -> None:
    code, out, err = call("facility", "plan", "kcl-bg-001", "--relay-port", "443")
    assert (code, (root / SITE).read_text(encoding="utf-8")) == (3, TEXT)
    assert "dial port 443 of relay-viettel-1, which takes WireGuard at 51820" in out + err
    assert call("facility", "plan", "kcl-bg-001", "--relay-port", "51820")[0] == 0
    assert call("facility", "plan", "kcl-bg-001", "--relay-port", "0")[0] == 0
    assert (root / SITE).read_text(encoding="utf-8") == TEXT
    assert call("facility", "plan", "kcl-bg-001", "--relay-port", "0")[1].endswith("is so already\n")
    assert call("facility", "plan", "kcl-bg-001", "--relay-port", "70000")[0] == 2


def test_a_camera_goes_over_to_a_recorder_and_back(root: Path, call: Call) -> None:
    assert call("camera", "move", "kcl-bg-001/cam-02", "--recorder", "nvr-01", "--channel", "3")[0] == 0
    camera = values(root)["cameras"][1]  # type: ignore[index]
    assert camera == {"id": "cam-02", "zone": "san", "streams": camera["streams"], "recorder": "nvr-01", "channel": 3}
    assert call("camera", "move", "kcl-bg-001/cam-02", "--address", "192.168.1.31", "--make", "axis")[0] == 0
    camera = values(root)["cameras"][1]  # type: ignore[index]
    assert "recorder" not in camera
    assert camera["address"] == "192.168.1.31"


def test_cameras_come_with_a_recorder_and_go_without(root: Path, call: Call) -> None:
    words = ("--zone", "san", "--recorder", "nvr-02", "--channel", "1", "--sub", "640x360")
    code, _, err = call("camera", "add", "kcl-bg-001", *words)
    assert (code, "nvr-02" in err) == (3, True), err
    new = ("--recorder-address", "192.168.1.22", "--make", "dahua")
    assert call("camera", "add", "kcl-bg-001", *words, *new)[0] == 0
    assert [camera["id"] for camera in values(root)["cameras"]] == ["cam-01", "cam-02", "cam-03"]  # type: ignore[attr-defined]
    assert values(root)["recorders"][1] == {"id": "nvr-02", "make": "dahua", "address": "192.168.1.22"}  # type: ignore[index]
    code, _, err = call("camera", "remove", "kcl-bg-001/nvr-02")
    assert (code, "cam-03" in err) == (2, True)
    assert call("camera", "remove", "kcl-bg-001/cam-03")[0] == 0
    assert call("camera", "remove", "kcl-bg-001/nvr-02")[0] == 0
    assert parse((root / SITE).read_bytes()).value == parse(TEXT.encode()).value


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("camera", "move", "kcl-bg-001/cam-09", "--zone", "san"), 2, "did you mean "),
        (("camera", "move", "kcl-bg-001", "--zone", "san"), 2, "names no device"),
        (("camera", "move", "kcl-bg-001/cam-01"), 2, "the new place of"),
        (("camera", "move", "kcl-bg-001/nvr-01", "--zone", "san"), 2, "is a recorder"),
        (("camera", "move", "kcl-bg-001/cam-01", "--recorder", "nvr-01", "--address", "192.168.1.9"), 2, "either"),
        (("camera", "replace", "kcl-bg-001/cam-02"), 2, "no value of"),
        (("camera", "replace", "kcl-bg-001/nvr-01", "--sub", "640x360"), 2, "streams are those of its channels"),
        (("camera", "replace", "kcl-bg-001/cam-02", "--sub", "640*360"), 2, "is no stream"),
        (("camera", "replace", "kcl-bg-001/cam-02", "--address", "192.168.9.1"), 3, "outside the LAN"),
        (("camera", "replace", "kcl-bg-001/cam-01", "--make", "axis"), 3, "recorder's make"),
        (("camera", "add", "kcl-bg-001/cam-01", "--zone", "san", "--sub", "640x360"), 2, "has a camera cam-01"),
        (("camera", "add", "kcl-bg-001", "--zone", "san"), 2, "--sub"),
        (("facility", "move", "kcl-bg-001", "--to", "relay-vnpt-2"), 2, "did you mean relay-vnpt-1"),
        (("facility", "move", "kcl-bg-001", "--finish"), 2, "no successor"),
        (("facility", "move", "kcl-bg-001"), 2, "either"),
        (("facility", "plan", "kcl-bg-001", "--relay", "relay-vnpt-1"), 2, "has a plan over relay-viettel-1"),
        (("facility", "close", "kcl-bg-001", "--on", "2021-04-01"), 3, "before opened_on"),
        (("facility", "close", "kcl-bg-001", "--on", "2999-01-01"), 2, "a day to come"),
        (("camera", "add", "kcl-bg-001", "--zone", "san", "--sub", "640x360"), 2, "--address 192.168.1.31 --make axis"),
        ((*SURVEY, "--fit", "4"), 3, "4 cameras that will do, but only 3"),
        ((*SURVEY, "--on", "2999-01-01"), 3, "a day to come"),
        (("facility", "close", "kcl-bg-00"), 2, "did you mean kcl-bg-001?"),
        (("facility", "reopen", "kcl-bg-001", "--on", "2021-05-01", "--opens-on", "2021-06-01"), 2, "exclude"),
        (("facility", "close", "kcl-bg-001", "--dry-run", "--commit"), 2, "exclude"),
        (("facility", "close", "kcl-bg-001", "--commit"), 2, "under no Git"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    root: Path, call: Call, words: tuple[str, ...], code: int, said: str
) -> None:
    got, out, err = call(*words)
    assert (got, said in err) == (code, True), out + err
    assert "hint: " in err
    assert (root / SITE).read_text(encoding="utf-8") == TEXT


def test_a_facility_closes_and_opens_again(root: Path, call: Call) -> None:
    assert call("facility", "close", "kcl-bg-001", "--on", "2021-06-30")[0] == 0
    assert (values(root)["operating"], values(root)["closed_on"]) == ("closed", "2021-06-30")
    assert call("facility", "reopen", "kcl-bg-001", "--opens-on", "2030-08-01")[0] == 0
    assert (values(root)["operating"], values(root)["opens_on"], "closed_on" in values(root)) == (
        *("preparing", "2030-08-01"),
        False,
    )
    assert call("facility", "reopen", "kcl-bg-001", "--opens-on", "2030-09-01")[0] == 0
    assert values(root)["opens_on"] == "2030-09-01"
    code, out, _ = call("facility", "reopen", "kcl-bg-001", "--opens-on", "2030-09-01")
    assert (code, "is so already" in out) == (0, True)
    assert call("facility", "close", "kcl-bg-001", "--on", "2021-07-30")[0] == 0
    assert "opens_on" not in values(root)
    assert call("facility", "reopen", "kcl-bg-001", "--on", "2021-08-01")[0] == 0
    assert (values(root)["operating"], values(root)["opened_on"]) == ("open", "2021-08-01")
    (root / SITE).write_text(TEXT.replace("operating: open", "protected: true\noperating: open"), encoding="utf-8")
    code, _, err = call("facility", "close", "kcl-bg-001")
    assert (code, "is protected" in err) == (2, True)


def test_a_plan_follows_from_what_is_known(root: Path, call: Call) -> None:
    bare = TEXT.partition("plan:")[0] + TEXT[TEXT.index("recorders:") :]
    (root / SITE).write_text(bare, encoding="utf-8")
    code, _, err = call("facility", "plan", "kcl-bg-001")
    assert (code, "--relay: relay-viettel-1, relay-vnpt-1" in err) == (2, True), err
    (root / "designations.yml").write_text(json.dumps({"version": 1, "designations": [make.designation()]}), "utf-8")
    assert call("facility", "plan", "kcl-bg-001")[0] == 0
    assert values(root)["plan"] == {"state": "proposed", "carrier": "viettel", "relay": "relay-viettel-1"}
    assert values(root)["gateway"] == {"lan": "192.168.1.0/24", "lan_interface": "br-lan"}
    (root / SITE).write_text(bare.replace("192.168.1.31", "192.168.2.31"), encoding="utf-8")
    code, _, err = call("facility", "plan", "kcl-bg-001")
    assert (code, "several networks" in err, "--lan" in err) == (2, True, True)


OF_RELAYS = {
    "no carrier": ((), "provisioner designation add bac-giang CARRIER --source TEXT"),
    "a day of the past": ((make.designation(since="2021-01-01", until="2021-01-02"),), "designation add bac-giang"),
    "a carrier without a relay": (
        (make.designation("bac-giang", "mobifone"),),
        "add a relay to carriers/mobifone.yml first",
    ),
}


@pytest.mark.parametrize("held", OF_RELAYS)
def test_without_a_relay_that_may_serve_it_a_plan_names_what_is_lacking(root: Path, call: Call, held: str) -> None:
    designations, hint = OF_RELAYS[held]
    (root / SITE).write_text(TEXT.partition("plan:")[0] + TEXT[TEXT.index("recorders:") :], encoding="utf-8")
    (root / "designations.yml").write_text(json.dumps({"version": 1, "designations": designations}), "utf-8")
    (root / "carriers/mobifone.yml").write_text("version: 1\nid: mobifone\nname: MobiFone\nrelays: []\n", "utf-8")
    code, _, err = call("facility", "plan", "kcl-bg-001")
    assert (code, hint in err, "--relay" in err) == (2, True, False), err


def test_the_last_of_three_sign_offs_agrees_the_plan_and_an_edit_holds_it(root: Path, call: Call) -> None:
    assert call("sign-off", "kcl-bg-001", "--by", "dic", "--by", "health", "--source", "01/BB")[0] == 0
    assert values(root)["plan"]["state"] == "proposed"  # type: ignore[index]
    code, out, _ = call("sign-off", "kcl-bg-001", "--all-parties", "--source", "01/BB")
    assert (code, out.splitlines()[-2]) == (0, "all three have signed: the plan of kcl-bg-001 is agreed")
    assert values(root)["plan"]["state"] == "agreed"  # type: ignore[index]
    assert "plan: # as the three agreed it" in (root / SITE).read_text(encoding="utf-8")
    code, _, err = call("sign-off", "kcl-bg-001", "--all-parties", "--by", "dic", "--source", "01/BB")
    assert (code, "either --by or --all-parties" in err) == (2, True)
    for words in (("camera", "move", "kcl-bg-001/cam-01", "--channel", "5"), ("camera", "remove", "kcl-bg-001/cam-02")):
        code, out, _ = call(*words)
        assert (code, "is held until its present content is signed: hosts keep their state" in out) == (0, True), out
    code, out, _ = call("--output", "json", "camera", "move", "kcl-bg-001/cam-01", "--channel", "6", "--dry-run")
    document = json.loads(out)
    assert (document["written"], document["to_be_signed"], document["commit"]) == (False, True, None)


def test_a_plan_that_all_have_signed_is_agreed_with_its_gateway(root: Path, call: Call) -> None:
    router = "gateway: { lan: 192.168.1.0/24, lan_interface: br-lan }\n"
    for parties, state in ((("--by", "dic"), "proposed"), (("--all-parties",), "agreed")):
        (root / SITE).write_text(TEXT.replace(router, ""), encoding="utf-8")
        assert call("sign-off", "kcl-bg-001", *parties, "--source", "01/BB")[0] == 0
        assert values(root)["plan"]["state"] == "proposed"  # type: ignore[index]
        code, _, err = call("facility", "plan", "kcl-bg-001")
        assert (code, values(root)["plan"]["state"]) == (0, state), err  # type: ignore[index]


def next_of(call: Call) -> list[str]:
    code, out, err = call("--output", "json", "facility", "next", "kcl-bg-001")
    assert code == 0, err
    command = json.loads(out)["command"]
    assert isinstance(command, list)
    return command


def test_the_next_step_leads_from_a_survey_to_the_gateway(root: Path, call: Call) -> None:
    whole = TEXT.partition("plan:")[0] + TEXT[TEXT.index("recorders:") :]
    (root / SITE).write_text(whole.partition("recorders:")[0], encoding="utf-8")
    code, out, _ = call("facility", "next", "kcl-bg-001")
    words = "--zone ZONE --sub 640x360 --address ADDRESS --make MAKE"
    assert (code, out.splitlines()[-2:]) == (
        0,
        ["next: it has no camera yet", f"  when that is so: provisioner camera add kcl-bg-001 {words}"],
    )
    (root / SITE).write_text(whole, encoding="utf-8")
    (root / "designations.yml").write_text(json.dumps({"version": 1, "designations": [make.designation()]}), "utf-8")
    steps = []
    for _ in range(4):
        steps.append(next_of(call)[0])
        if steps[-1] == "keys":
            break
        assert call(*(word.replace("<SOURCE>", "01/BB") for word in next_of(call)))[0] == 0
    assert steps == ["facility", "sign-off", "allocate", "keys"]
    (root / SITE).write_text(
        (root / SITE).read_text(encoding="utf-8").replace("zone: san", "zone: sann"), encoding="utf-8"
    )
    code, _, err = call("facility", "next", "kcl-bg-001")
    assert (code, "cannot be read" in err) == (3, True)


def test_what_is_written_and_not_committed_is_said(root: Path, call: Call) -> None:
    git(root, "init", "-q")
    git(root, "config", "user.name", "P")
    git(root, "config", "user.email", "p@example.com")
    (root / ".git/index").mkdir()  # as where the disk or its rights keep Git from writing it
    code, _, err = call("facility", "contact", "kcl-bg-001", "--on", "2021-05-02", "--commit")
    assert (code, f"{root / SITE} is written, and not committed: " in err) == (2, True), err
    assert values(root)["contact_confirmed_on"] == "2021-05-02"


def test_what_all_have_signed_is_agreed_by_one_more_command(root: Path, call: Call) -> None:
    assert call("sign-off", "kcl-bg-001", "--all-parties", "--source", "01/BB")[0] == 0
    text = (root / SITE).read_text(encoding="utf-8")
    (root / SITE).write_text(text.replace("state: agreed", "state: proposed"), encoding="utf-8")
    assert next_of(call) == ["facility", "plan", "kcl-bg-001"]
    assert call("facility", "plan", "kcl-bg-001")[0] == 0
    assert (root / SITE).read_text(encoding="utf-8") == text


def test_a_day_that_was_named_is_written_and_none_is_made_up(root: Path, call: Call) -> None:
    assert call("facility", "close", "kcl-bg-001", "--on", "2021-06-30")[0] == 0
    assert call("facility", "close", "kcl-bg-001")[1].endswith("is so already\n")
    assert call("facility", "close", "kcl-bg-001", "--on", "2021-06-29")[0] == 0
    assert values(root)["closed_on"] == "2021-06-29"
    code, _, err = call("facility", "reopen", "kcl-bg-001", "--opens-on", "2021-07-01")
    assert (code, "--opens-on 2021-07-01 is over" in err) == (2, True)
    assert call("facility", "reopen", "kcl-bg-001", "--on", "2021-08-01")[0] == 0
    assert call("facility", "reopen", "kcl-bg-001")[1].endswith("is so already\n")
    assert call("facility", "reopen", "kcl-bg-001", "--on", "2021-08-02")[0] == 0
    assert values(root)["opened_on"] == "2021-08-02"


def test_a_move_keeps_how_the_devices_are_reached(root: Path, call: Call) -> None:
    assert call("facility", "plan", "kcl-bg-001", "--access", "pull_nat_map")[0] == 0
    assert call("facility", "move", "kcl-bg-001", "--to", "relay-vnpt-1")[0] == 0
    assert accesses(root) == ["pull_nat_map"] * 2
    assert call("facility", "plan", "kcl-bg-001", "--access", "pull_portmap")[0] == 0
    assert accesses(root) == ["pull_portmap"] * 2


def accesses(root: Path) -> list[object]:
    plans = [values(root)[key] for key in ("plan", "successor")]
    return [plan["access"] for plan in plans if isinstance(plan, dict)]
