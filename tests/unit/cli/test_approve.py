"""`approve`, and `apply PLAN` where people approve plans, as they are called, on hosts in memory."""

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.text import VIETNAM, local_time
from tests.example_terminal import EXAMPLE, git
from tests.hostile import MERGE_REQUEST
from tests.prepared import prepared
from tests.signatures import armoured, key_file, public_line
from tests.unit.cli.test_plan import RELAY, Terminal
from tests.unit.cli.test_plan import call as asked_of_nobody

__all__ = ["asked_of_nobody"]  # the fixture

KIND = "ed25519"
RULES = """policy:
  approvals:
    rules:
      - { changes: any, role: noc }
      - { changes: all, people: 2 }
      - { changes: policy, role: security }
"""
PEOPLE = {
    "noc-1": ("noc", "viettel"),
    "noc-2": ("noc", "viettel"),
    "noc-3": ("noc", "vnpt"),
    "noc-all": ("noc", ""),
    "sec-1": ("security", ""),
}


def signer(person: str, by: str = "", **more: str) -> str:
    role, carrier = PEOPLE.get(person, ("noc", ""))
    fields = {"id": person, "roles": f"[{role}]", "key": public_line(by or person), "since": "2021-05-01"}
    fields |= {"source": "7/TB"} | ({"carriers": f"[{carrier}]"} if carrier else {}) | more
    return f"  - {{ {', '.join(f'{name}: {value}' for name, value in fields.items())} }}\n"


def write_signers(call: Terminal, *entries: str) -> None:
    call.file("signers.yml").write_text("version: 1\napprovers:\n" + "".join(entries), encoding="utf-8")


def approve(call: Terminal, person: str, plan: str = "plan.json", *words: str, by: str = "") -> tuple[int, str, str]:
    return call(
        "approve", plan, "--as", person, "--key", str(key_file(by or person, KIND)), "--yes", *words, vault=False
    )


@pytest.fixture
def call(asked_of_nobody: Terminal) -> Terminal:
    """The example, in which people approve plans: applied once, so that hosts remember it."""
    call = asked_of_nobody

    def ask() -> None:
        call.edit("inventory.yml", "policy:\n", RULES)
        write_signers(call, *map(signer, PEOPLE))
        assert call("plan", "--out", "first.json")[0] == 0
        assert approve(call, "noc-all", "first.json")[0] == 0
        assert call("apply", "first.json")[0] == 0

    prepared(call.root, call.hosts, "approving-example", ask)
    return call


def planned(call: Terminal, name: str = "plan.json", *words: str) -> dict[str, Any]:
    assert call("plan", "--out", name, *words)[0] in {0, 6}
    return dict(json.loads(Path(name).read_text(encoding="utf-8")))


# --- who is needed --------------------------------------------------------------------------------
def test_a_plan_says_who_has_to_approve_it_in_every_form(call: Terminal) -> None:
    call.other_channel()
    plan = planned(call)
    need = {"changes": "any", "role": "noc", "people": 1, "carrier": "viettel", "hosts": [RELAY]}
    assert plan["approvals"] == [need]
    out = call("plan")[1]
    assert "to be approved before it is applied, by:\n  1 approver as noc of viettel for relay-viettel-1 (any)\n" in out
    compared = call.document("plan", "--offline", "--against", "HEAD")[1]
    assert ("any", "noc", "viettel") in {(one["changes"], one["role"], one["carrier"]) for one in compared["approvals"]}
    markdown = call("--output", "markdown", "plan")[1]
    assert "**To be approved** before it is applied, by:\n  - `1 approver as noc of viettel" in markdown


def test_without_enough_people_nothing_is_touched_and_who_is_needed_is_said(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    writes = call.hosts.hosts[RELAY].writes
    code, out, err = call("apply", "plan.json")
    assert (code, out) == (6, "")
    assert "error: the plan still has to be approved: 1 approver as noc of viettel for relay-viettel-1 (any)" in err
    assert "hint: let them read it and sign: provisioner approve FILE --as ID --key KEY (looked for in " in err
    assert call.hosts.hosts[RELAY].writes == writes
    assert approve(call, "noc-3")[0] == 0
    code, _, err = call("apply", "plan.json")
    assert code == 6
    assert "-noc-3.json is of noc-3, who approves for other carriers than viettel" in err
    assert approve(call, "noc-1")[0] == 0
    code, done = call.document("apply", "plan.json")
    assert code == 0
    assert [one["approver"] for one in done["approvals"]] == ["noc-1"]


def test_without_a_saved_plan_nothing_is_applied_and_it_is_said_how(call: Terminal) -> None:
    call.other_channel()
    code, _, err = call("apply", "--yes")
    assert code == 6
    assert "error: a plan has to be approved before it is applied, and this one is in no file: 1 approver as noc" in err
    assert "save the plan, have that file approved, and apply it: provisioner plan --out plan.json" in err
    code, _, err = call("apply", "--yes", "--allow", "viewers=5", "--allow", "hosts=30")
    assert code == 6
    assert "apply it: provisioner plan --allow hosts=30 --allow viewers=5 --out plan.json, provisioner approve" in err
    code, _, err = call("quarantine", "lift", "bac-giang/kcl-bg-001/cam-03/sub", "--yes")
    assert code != 0


# --- what was approved ----------------------------------------------------------------------------
def test_an_approval_outlives_a_rebase_that_leaves_the_plan_equal(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    assert approve(call, "noc-1")[0] == 0
    call.edit("facilities/hai-duong/kcl-hd-001.yml", "name: ", "name: Khu ")
    git(call.root, "add", "inventories")
    git(call.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "B")
    code, _, err = call("apply", "plan.json")
    assert (code, "plan.json is stale: the inventory was sha256:" in err) == (8, True)
    planned(call, "again.json")
    assert call("apply", "again.json")[0] == 0


def test_an_approval_is_lost_once_a_change_moves_and_what_moved_is_said(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    # That of the first plan may be of the same second.
    later = f"{datetime.now(VIETNAM) + timedelta(minutes=2):%Y-%m-%dT%H:%M}"
    assert approve(call, "noc-1", "plan.json", "--keep-plan", "--at", later)[0] == 0
    call.edit("facilities/bac-giang/kcl-bg-001.yml", "channel: 18", "channel: 19")
    parties = ["--by", "dic", "--by", "health", "--by", "carrier"]
    assert call("sign-off", "kcl-bg-001", *parties, "--on", "2021-06-02", "--source", "03/BB")[0] == 0
    planned(call, "again.json")
    code, _, err = call("apply", "again.json")
    assert code == 6
    assert "of another plan: 2 approvals, the newest by noc-1 at 20" in err
    assert "since then 2 things moved: update path bac-giang/kcl-bg-001/cam-03/sub on relay-viettel-1 differs" in err
    for kept in call.file("approvals").glob("*.plan.json"):
        kept.unlink()
    assert "that plan is not kept beside the approvals" in call("apply", "again.json")[2]


def test_the_record_says_who_approved_which_plan_when_and_by_which_key(call: Terminal) -> None:
    call.other_channel()
    plan = planned(call)
    assert approve(call, "noc-1")[0] == 0
    assert call("apply", "plan.json")[0] == 0
    run = call.document("history")[1]["runs"][0]
    (one,) = run["approvals"]
    assert (one["approver"], one["roles"], one["plan"]) == ("noc-1", ["noc"], plan["digest"])
    assert one["meaning"] == plan["meaning"]
    assert one["key"].startswith("SHA256:")
    at = local_time(datetime.fromisoformat(one["at"]))
    line = f"approved by noc-1 as noc with {one['key']} at {at}, plan {plan['digest']}"
    assert line in call("history", run["run"])[1]
    assert call("history", "verify")[0] == 0


@MERGE_REQUEST
def test_what_was_taken_back_is_not_applied_again_by_the_old_approval(call: Terminal) -> None:
    call.other_channel()
    first = planned(call)
    assert approve(call, "noc-1")[0] == 0
    assert call("apply", "plan.json")[0] == 0
    run = call.document("history")[1]["runs"][0]["run"]
    assert call("rollback", RELAY, "--yes")[0] in {0, 7}
    again = planned(call, "again.json")
    assert again["meaning"] == first["meaning"]
    code, _, err = call("apply", "again.json")
    assert code == 6
    assert f"and run {run} has used it up" in err
    assert approve(call, "noc-2", "again.json")[0] == 0
    assert call("apply", "again.json")[0] == 0


@MERGE_REQUEST
def test_an_approval_that_was_held_back_from_the_run_is_used_up_as_well(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    early = f"{datetime.now(VIETNAM) - timedelta(minutes=2):%Y-%m-%dT%H:%M}"
    assert approve(call, "noc-1")[0] == 0
    (approvals,) = call.root.rglob("approvals")
    shown = {path for path in approvals.iterdir() if not path.name.endswith(".plan.json")}
    assert approve(call, "noc-2", "plan.json", "--at", early)[0] == 0
    (frozen_in_limit,) = {path for path in approvals.iterdir() if not path.name.endswith(".plan.json")} - shown
    kept = frozen_in_limit.rename(call.root / "kept")
    assert call("apply", "plan.json")[0] == 0
    run = call.document("history")[1]["runs"][0]["run"]
    assert call("rollback", RELAY, "--yes")[0] in {0, 7}
    planned(call, "again.json")
    kept.rename(frozen_in_limit)
    code, _, err = call("apply", "again.json")
    assert code == 6
    assert err.count(f"and run {run} has used it up") == len({"noc-1", "noc-2"})


@MERGE_REQUEST
def test_a_run_that_was_taken_back_does_not_go_on(call: Terminal) -> None:
    for host in call.hosts.hosts.values():
        host.units.discard("provisioner-nft.service")
    planned(call)
    assert approve(call, "noc-all")[0] == 0
    call("apply", "plan.json", "--pause-after", "canary")
    run = call.document("history")[1]["runs"][0]["run"]
    assert call("rollback", run, "--yes")[0] in {0, 7}
    code, _, err = call("apply", "--resume")
    assert code == 6
    assert f"run {run} cannot go on: run" in err
    assert "took it back, and its approvals with it" in err
    assert call("apply", "--abort", "--yes")[0] in {0, 7}


def test_two_people_are_needed_where_every_reader_reconnects(call: Terminal) -> None:
    call.hosts.hosts[RELAY].overriding = ["/run/systemd/system/provisioner-mediamtx.service.d/x.conf"]
    plan = planned(call, "plan.json", "--allow", "viewers=99")
    assert {(one["changes"], one["people"]) for one in plan["approvals"]} == {("any", 1), ("all", 2)}
    assert approve(call, "noc-1")[0] == 0
    code, _, err = call("apply", "plan.json")
    assert (code, "2 different approvers of viettel for relay-viettel-1 (all): only noc-1 approved" in err) == (6, True)
    assert approve(call, "noc-2")[0] == 0
    assert call("apply", "plan.json")[0] == 0


# --- the rules themselves -------------------------------------------------------------------------
@MERGE_REQUEST
@pytest.mark.parametrize(
    "edit",
    [
        lambda call: call.edit("inventory.yml", RULES, "policy:\n"),
        lambda call: call.edit("inventory.yml", "      - { changes: any, role: noc }\n", ""),
        lambda call: call.edit("inventory.yml", "role: security", "role: noc"),
        lambda call: write_signers(call, *map(signer, PEOPLE), signer("mallory")),
        lambda call: write_signers(call, *(signer(p) for p in PEOPLE if p != "noc-1"), signer("noc-1", by="mallory")),
        lambda call: call.edit("inventory.yml", "  approvals:\n", "  approvals:\n    valid_hours: 8000\n"),
        lambda call: call.edit("inventory.yml", "viewers: 20", "viewers: 2000"),
    ],
    ids=["none", "a rule less", "another role", "an approver", "another key", "longer", "a limit"],
)
def test_a_merge_request_cannot_lower_the_rules_by_itself(call: Terminal, edit: Callable[[Terminal], None]) -> None:
    edit(call)
    assert call("plan", "--out", "plan.json")[0] == 6, "a change of trust, which somebody has to allow by number"
    number = call.document("plan")[1]["summary"]["trust"]
    plan = planned(call, "plan.json", "--allow", f"trust={number}")
    assert {(one["changes"], one["role"]) for one in plan["approvals"]} >= {("any", "noc"), ("policy", "security")}
    signers = call.file("signers.yml").read_text(encoding="utf-8")
    if "mallory" in signers:
        assert approve(call, "mallory" if "id: mallory" in signers else "noc-1", by="mallory")[0] == 0
    assert approve(call, "noc-all")[0] == 0
    code, _, err = call("apply", "plan.json")
    assert (code, "1 approver as security" in err) == (6, True)
    assert approve(call, "sec-1")[0] == 0
    assert call("apply", "plan.json")[0] == 0


def test_hosts_remember_who_approves_once_it_is_applied(call: Terminal) -> None:
    remembered = json.loads(call.hosts.hosts[RELAY].files["/etc/provisioner/policy.json"][0])["approvals"]
    assert [one["id"] for one in remembered["approvers"]] == sorted(PEOPLE)
    assert {one["changes"] for one in remembered["rules"]} == {"any", "all", "policy"}
    write_signers(call, *(signer(person) for person in PEOPLE if person != "noc-2"))
    changes = planned(call)["changes"]
    assert {change["name"] for change in changes} == {"/etc/provisioner/policy.json"}
    assert {change["impact"] for change in changes} == {"none"}


# --- who made the plan ----------------------------------------------------------------------------
def test_who_made_the_plan_is_known_by_an_account_and_is_not_the_only_one(call: Terminal) -> None:
    git(call.root, "-c", "user.name=A", "-c", "user.email=noc.one@example.com", "commit", "-qm", "B", "--allow-empty")
    write_signers(call, *(signer(p, accounts="[noc.one]") if p == "noc-1" else signer(p) for p in PEOPLE))
    call.other_channel()
    plan = planned(call, "plan.json")
    assert plan["made_by"]["approvers"] == ["noc-1"]
    assert "noc.one" not in json.dumps(plan["made_by"])
    code, _, err = approve(call, "noc-1")
    assert (code, "warning: noc-1 made this plan" in err) == (0, True)
    assert approve(call, "noc-3")[0] == 0
    code, _, err = call("apply", "plan.json")
    assert (code, "noc-1 made the plan, and nobody else approved it" in err) == (6, True)
    assert approve(call, "noc-2")[0] == 0
    assert call("apply", "plan.json")[0] == 0


# --- approve itself -------------------------------------------------------------------------------
def test_a_plan_that_is_refused_or_changes_nothing_is_not_approved(call: Terminal) -> None:
    approvals = sorted(call.file("approvals").iterdir())
    planned(call)
    code, _, err = approve(call, "noc-1")
    assert (code, "changes nothing" in err) == (2, True)
    assert call("apply", "--yes")[0] == call("apply", "plan.json")[0] == 0, "nobody is asked"
    call.edit("facilities/bac-giang/kcl-bg-001.yml", "operating: open", "operating: closed")
    assert call("allocate")[0] == 0
    refused = planned(call)["refused"]
    code, _, err = approve(call, "noc-1")
    assert code == 6
    assert str(refused[0]["message"]) in err
    assert approvals == sorted(call.file("approvals").iterdir())


def test_it_shows_what_the_plan_does_before_it_is_signed(call: Terminal) -> None:
    call.other_channel()
    plan = planned(call)
    code, out, _ = approve(call, "noc-1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "2 changes on 1 host; worst impact: path; viewers dropped as it was made: 2"
    assert lines[1].startswith(
        "  update path bac-giang/kcl-bg-001/cam-03/sub on relay-viettel-1 [path]: source rtsp://"
    )
    assert f"plan {plan['digest']}" in lines
    assert lines[-1].startswith(
        f"{EXAMPLE}/approvals/{plan['meaning'][7:23]}-noc-1.json: noc-1 approves as noc with SHA256:"
    )


def test_what_was_signed_elsewhere_is_taken(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    words = ["approve", "plan.json", "--as", "noc-1", "--at", "2021-06-01T09:00"]
    code, statement, _ = call(*words, "--statement", vault=False)
    assert code == 0
    assert statement.splitlines()[0] == "provisioner plan approval, version 1"
    assert "at: 2021-06-01T02:00:00Z" in statement.splitlines()
    assert not list(call.file("approvals").glob("*-noc-1.json"))
    Path("text.sig").write_bytes(armoured(statement.encode(), "noc-1", KIND, "approval@provisioner"))
    code, made = call.document(*words, "--signature", "text.sig", vault=False)
    assert (code, made["approver"], made["at"]) == (0, "noc-1", "2021-06-01T02:00:00Z")
    assert "is of 2021-06-01 09:00:00 +07:00: an approval counts for 168 h" in call("apply", "plan.json")[2]
    for wrong in ("2021-06-01T09:01", "2021-06-02T09:00"):
        code, _, err = call(*words[:-1], wrong, "--signature", "text.sig", vault=False)
        assert (code, "is of another text" in err) == (2, True)
    Path("text.sig").write_bytes(armoured(statement.encode(), "noc-1", KIND))
    code, _, err = call(*words, "--signature", "text.sig", vault=False)
    assert (code, "was made for something else than approval@provisioner" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--as", "nobody", "--statement"], "there is no approver nobody"),
        (["--as", "noc-2", "--role", "security", "--statement"], "noc-2 does not approve as security"),
        (["--as", "noc-1"], "an approval is signed in one way"),
        (["--as", "noc-1", "--statement", "--key", "plan.json"], "an approval is signed in one way"),
        (["--as", "noc-1", "--signature", "plan.json"], "--signature needs the moment that was signed"),
        (["--as", "noc-1", "--at", "2021-06-01", "--signature", "plan.json"], "is no file that `ssh-keygen -Y sign`"),
        (["--as", "noc\x1b[2J", "--statement"], "there is no approver"),
    ],
)
def test_wrong_usage_is_said_and_writes_nothing(call: Terminal, words: list[str], said: str) -> None:
    call.other_channel()
    planned(call)
    before = sorted(call.file("approvals").iterdir())
    code, _, err = call("approve", "plan.json", *words, vault=False)
    assert (code, said in err, "\x1b" in err) == (2, True, False)
    assert sorted(call.file("approvals").iterdir()) == before


def test_another_person_s_key_is_refused_and_so_is_a_key_without_a_person(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    code, _, err = approve(call, "noc-1", by="noc-2")
    assert (code, "is no key of noc-1 in signers.yml" in err) == (2, True)
    code, _, err = call("approve", "plan.json", "--as", "noc-1", "--key", str(key_file("noc-1", KIND)))
    assert (code, "nobody is here to answer whether to approve this plan" in err) == (2, True)


# --- what lies in the folder ----------------------------------------------------------------------
@MERGE_REQUEST
def test_what_lies_in_the_folder_stops_nothing_is_not_followed_and_is_said(call: Terminal, tmp_path: Path) -> None:
    canary = "Hoa5mai-of-the-canary"
    (tmp_path / "outside.json").write_text(canary, encoding="utf-8")
    call.other_channel()
    planned(call)
    folder = call.file("approvals")
    (folder / "a-link.json").symlink_to(tmp_path / "outside.json")
    (folder / "a-huge-one.json").write_bytes(b'{"schema": "' + b"x" * 10_000_000)
    (folder / "a-tag.json").write_text("!!python/object/apply:os.system [touch canary]", encoding="utf-8")
    (folder / "an-\x1b[2J\u202eodd-one.json").write_text("{}", encoding="utf-8")
    (folder / "words.txt").write_text(canary, encoding="utf-8")
    os.mkfifo(folder / "a-pipe.json")
    (folder / "a-folder.json").mkdir()
    code, _, err = call("apply", "plan.json")
    assert code == 6
    assert "a-link.json is a link, which is not followed" in err
    assert "a-tag.json is no approval" in err
    assert "a-pipe.json cannot be read" in err
    assert not any(word in err for word in (canary, "\x1b", "\u202e"))
    assert call("validate")[0] == 0
    assert approve(call, "noc-1")[0] == 0
    assert call("apply", "plan.json")[0] == 0


@MERGE_REQUEST
def test_a_folder_that_leads_elsewhere_is_no_folder_of_approvals(call: Terminal, tmp_path: Path) -> None:
    call.other_channel()
    planned(call)
    assert approve(call, "noc-1")[0] == 0
    call.file("approvals").rename(tmp_path / "moved")
    call.file("approvals").symlink_to(tmp_path / "moved")
    code, _, err = call("apply", "plan.json")
    assert (code, "there is no approvals/ in the inventory" in err) == (6, True)
    assert approve(call, "noc-2")[0] == 2, "nor is anything written over the link"
    assert call("apply", "plan.json", "--approvals-dir", str(tmp_path / "moved"))[0] == 0


@MERGE_REQUEST
def test_more_files_than_anybody_needs_are_refused(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    for number in range(1001):
        (call.file("approvals") / f"{number}.json").touch()
    code, _, err = call("apply", "plan.json")
    assert (code, "has more than 1000 approvals" in err) == (2, True)


def test_approvals_come_from_a_folder_that_is_named(call: Terminal, tmp_path: Path) -> None:
    call.other_channel()
    planned(call)
    assert approve(call, "noc-1", "plan.json", "--approvals-dir", str(tmp_path / "artefact"))[0] == 0
    assert call("apply", "plan.json")[0] == 6
    assert call("apply", "plan.json", "--approvals-dir", str(tmp_path / "nowhere"))[0] == 2
    assert call("apply", "--approvals-dir", str(tmp_path / "artefact"))[0] == 2
    assert call("apply", "plan.json", "--approvals-dir", str(tmp_path / "artefact"))[0] == 0


# --- validate -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("entries", "code", "found"),
    [
        ([signer("noc-1"), signer("noc-2", by="noc-1")], 3, "approver-key-shared"),
        ([signer("noc-1", until="2021-01-01")], 3, "signer-period"),
        ([signer("noc-all", carriers="[nobody]")], 3, "carrier-unknown"),
        ([signer("noc-1", key="ssh-ed25519 AAAA")], 3, "signer-key-unusable"),
        ([signer("noc-1")], 0, "approvers-lacking"),
        ([*map(signer, PEOPLE), signer("noc-1", by="second")], 0, ""),
    ],
)
def test_validate_says_what_is_wrong_with_approvers(call: Terminal, entries: list[str], code: int, found: str) -> None:
    write_signers(call, *entries)
    ended, document = call.document("validate")
    assert ended == code
    codes = {one["code"] for one in document["problems"]}
    assert codes == ({found} if found else set()) or (code == 3 and found in codes)
