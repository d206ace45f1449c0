"""`plan`, `drift` and `apply PLAN` as they are called, on hosts in memory."""

import json
from pathlib import Path

import pytest

from tests.example_terminal import EXAMPLE, ExampleTerminal, applied, git
from tests.simulated import SimulatedHost

RELAY = "relay-viettel-1"
WATCHED = "bac-giang/kcl-bg-001/cam-03/sub"


class Terminal(ExampleTerminal):
    """Somebody who edits the example as the tests here need it."""

    def other_channel(self, facility: str = "kcl-bg-001") -> None:
        """Let a recorder's camera come from another channel, agreed by all."""
        self.edit(f"facilities/bac-giang/{facility}.yml", "channel: 17", "channel: 18")
        parties = ["--by", "dic", "--by", "health", "--by", "carrier"]
        assert self("sign-off", facility, *parties, "--on", "2021-06-01", "--source", "02/BB")[0] == 0

    def close(self, path: str) -> None:
        self.edit(f"facilities/{path}.yml", "operating: open", "operating: closed")
        assert self("allocate")[0] == 0

    def limit_viewers(self) -> None:
        """Let a plan cut one viewer, and no more."""
        self.edit("inventory.yml", "viewers: 20", "viewers: 1")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    terminal = applied(Terminal, tmp_path, monkeypatch, capsys)
    terminal.hosts.hosts[RELAY].viewers = {WATCHED: 2}
    return terminal


# --- exit codes -----------------------------------------------------------------------------------


def test_a_refused_plan_ends_with_6_is_shown_all_the_same_and_not_applied(call: Terminal) -> None:
    call.limit_viewers()
    call.other_channel()
    code, printed = call.document("plan", "--exit-code")
    assert code == 6
    assert len(printed["changes"]) == 2
    assert printed["refused"] == [
        {
            "policy": "viewers",
            "limit": 1,
            "value": 2,
            "host": "",
            "message": "2 viewers would be cut; the limit is 1",
            "hint": "make the change smaller, e.g. by --limit; or, if this is meant, add --allow viewers=2",
        }
    ]
    assert call("plan", "--allow", "viewers=2")[0] == 0
    assert call("drift")[0] == 10
    code, out, _ = call("plan")
    assert (code, "refused, for 1 reason:" in out) == (6, True)
    writes = call.hosts.hosts[RELAY].writes
    code, _, err = call("apply")
    assert (code, "2 viewers would be cut" in err, "Apply this plan" in err) == (6, True, False)
    assert call("apply", "--yes")[0] == 6
    assert call.hosts.hosts[RELAY].writes == writes
    assert call("apply", "--yes", "--allow", "viewers=2")[0] == 0


def test_a_limit_that_leaves_changes_of_a_chosen_host_out_is_6_with_their_names(call: Terminal) -> None:
    call.other_channel()
    call.close("hai-duong/kcl-hd-001")
    code, printed = call.document("plan", "--limit", "facility=kcl-bg-001", "--allow", "deletion_percent=100")
    assert code == 6
    assert {item["name"] for item in printed["outside_limit"]} >= {"hai-duong/kcl-hd-001/cam-01/sub"}
    assert printed["left_out"] == ["centre-hn", "relay-vnpt-1"]
    code, out, _ = call("plan", "--limit", f"host={RELAY}", "--allow", "deletion_percent=100")
    assert (code, "left out by --limit: 2 hosts, not read: centre-hn, relay-vnpt-1" in out) == (0, True)


# --- saved plans ----------------------------------------------------------------------------------
def test_a_saved_plan_is_private_and_applies_as_it_was_reviewed(call: Terminal) -> None:
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 0
    assert Path("plan.json").stat().st_mode & 0o077 == 0
    code, done = call.document("apply", "plan.json")
    assert (code, done["outcome"]) == (0, "applied")
    assert done["plan"] == json.loads(Path("plan.json").read_text(encoding="utf-8"))["digest"]


def test_a_saved_plan_takes_its_own_hosts_and_no_others(call: Terminal) -> None:
    call.other_channel()
    assert call("plan", "--limit", f"host={RELAY}", "--out", "plan.json")[0] == 0
    call.hosts.calls.clear()
    assert call("apply", "plan.json")[0] == 0
    assert {host for _, host in call.hosts.calls} == {RELAY}
    code, _, err = call("apply", "plan.json", "--limit", f"host={RELAY}")
    assert (code, "applied as it was reviewed" in err) == (2, True)


def test_what_was_allowed_is_in_the_plan_and_can_neither_be_added_nor_edited(call: Terminal) -> None:
    call.limit_viewers()
    call.other_channel()
    _, without = call.document("plan")
    assert call("plan", "--allow", "viewers=2", "--out", "plan.json")[0] == 0
    _, allowed = call.document("plan", "--allow", "viewers=2")
    assert (allowed["allow"], allowed["digest"] == without["digest"]) == ({"viewers": 2}, False)
    code, _, err = call("apply", "plan.json", "--allow", "viewers=99")
    assert (code, "applied as it was reviewed" in err) == (2, True)
    text = Path("plan.json").read_text(encoding="utf-8")
    Path("plan.json").write_text(text.replace('"viewers": 2\n', '"viewers": 9\n', 1), encoding="utf-8")
    code, _, err = call("apply", "plan.json")
    assert (code, "was changed after it was made" in err) == (8, True)
    Path("plan.json").write_text(text, encoding="utf-8")
    call.hosts.hosts[RELAY].viewers = {WATCHED: 3}
    code, _, err = call("apply", "plan.json")
    assert (code, "3 viewers would be cut; the limit is 2" in err) == (6, True)
    call.hosts.hosts[RELAY].viewers = {WATCHED: 2}
    assert call("apply", "plan.json")[0] == 0


def test_hosts_that_moved_are_named_with_what_moved_and_the_others_apply(call: Terminal) -> None:
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 0
    call.hosts.hosts["relay-vnpt-1"].units.discard("provisioner-nft.service")
    code, done = call.document("apply", "plan.json")
    outcomes = {host["host"]: host for host in done["hosts"]}
    assert code == 8
    assert outcomes[RELAY]["outcome"] == "applied"
    assert outcomes["relay-vnpt-1"]["outcome"] == "not-started"
    moved = "unit provisioner-nft.service was active, enabled and is inactive, absent"
    assert moved in outcomes["relay-vnpt-1"]["cause"]


# --- --check --------------------------------------------------------------------------------------
@pytest.mark.parametrize("by", ["digest", "file"])
def test_check_is_0_while_the_plan_is_the_same_and_8_with_what_moved_after(call: Terminal, by: str) -> None:
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 0
    digest = json.loads(Path("plan.json").read_text(encoding="utf-8"))["digest"]
    expected = digest if by == "digest" else "plan.json"
    call.hosts.hosts[RELAY].viewers = {WATCHED: 9}
    git(call.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qam", "B")
    assert call("plan", "--check", expected)[:2] == (0, f"the plan is still {digest}\n")
    call.hosts.hosts["centre-hn"].units.discard("provisioner-wg.service")
    code, printed = call.document("plan", "--check", expected)
    assert (code, printed["same"], printed["expected"]) == (8, False, digest)
    if by == "file":
        moved = {"host": "centre-hn", "what": "unit provisioner-wg.service was active, enabled and is inactive, absent"}
        assert moved in printed["moved"]
    else:
        assert printed["moved"] == [
            {
                "host": "",
                "what": "what moved is not known from a digest alone: check the saved plan itself, --check FILE",
            }
        ]
    code, out, _ = call("plan", "--check", expected)
    assert (code, out.startswith("stale: the plan was sha256:")) == (8, True)


def test_check_names_an_edited_inventory(call: Terminal) -> None:
    assert call("plan", "--out", "plan.json")[0] == 0
    call.other_channel()
    code, printed = call.document("plan", "--check", "plan.json")
    assert code == 8
    assert printed["moved"][0]["what"].startswith("the inventory was sha256:")
    named = {item["what"].partition(" was ")[0] for item in printed["moved"] if item["host"] == RELAY}
    assert f"path {WATCHED}" in named


def test_check_of_an_unreadable_host_is_5_and_never_the_same(call: Terminal) -> None:
    assert call("plan", "--out", "plan.json")[0] == 0
    call.hosts.hosts["centre-hn"].reachable = False
    code, printed = call.document("plan", "--check", "plan.json")
    assert (code, printed["same"], set(printed["unreadable"])) == (5, False, {"centre-hn"})


WRONG = (
    ["--check", "nothing"],
    ["--check", "plan.json", "--limit", "host=centre-hn"],
    ["--check", "plan.json", "--allow", "hosts=3"],
    ["--check", "plan.json", "--out", "x"],
    ["--offline"],
    ["--against", "HEAD"],
    ["--offline", "--against", "HEAD", "--out", "x"],
    ["--offline", "--against", "no-such-branch"],
    ["--offline", "--against", "--upload-pack=x"],
    ["--allow", "hosts"],
)


def test_wrong_usage_ends_with_2(call: Terminal) -> None:
    assert call("plan", "--out", "plan.json")[0] == 0
    for words in WRONG:
        code, out, err = call("plan", *words)
        assert (code, out, "hint: " in err) == (2, "", True), words


# --- protected ------------------------------------------------------------------------------------
def test_a_protected_facility_is_not_closed_nor_deleted_until_it_is_unprotected(call: Terminal) -> None:
    path = "facilities/bac-giang/kcl-bg-002.yml"
    call.edit(path, "operating: open", "operating: open\nprotected: true")
    code, out, _ = call("plan")
    assert (code, "the lock does not know it" in out) == (3, True)
    assert call("allocate")[0] == 0
    assert "facility/kcl-bg-002" in (call.root / EXAMPLE / "allocations.lock.yml").read_text(encoding="utf-8")
    call.close("bac-giang/kcl-bg-002")
    code, printed = call.document("plan", "--allow", "deletion_percent=100", "--allow", "deletions=1000")
    assert (code, [refusal["policy"] for refusal in printed["refused"]]) == (6, ["protected"])
    (call.root / EXAMPLE / path).unlink()
    code, out, _ = call("plan")
    assert (code, "facility kcl-bg-002 is protected, and it is not in the inventory any more" in out) == (3, True)
    assert call("allocate")[0] == 3
    git(call.root, "checkout", "--", f"{EXAMPLE}/{path}")
    assert call("allocate")[0] == 0
    call.close("bac-giang/kcl-bg-002")
    assert call("plan", "--allow", "deletion_percent=100")[0] == 0


# --- moved ----------------------------------------------------------------------------------------
def test_a_facility_gets_another_id_and_nobody_is_cut(call: Terminal) -> None:
    old, new = "kcl-bg-001", "kcl-bg-101"
    folder = call.root / EXAMPLE / "facilities/bac-giang"
    (folder / f"{old}.yml").rename(folder / f"{new}.yml")
    call.edit(f"facilities/bac-giang/{new}.yml", f"id: {old}", f"id: {new}")
    with (call.root / EXAMPLE / "inventory.yml").open("a", encoding="utf-8") as stream:
        stream.write(f"moved:\n  - {{ from: bac-giang/{old}, to: bac-giang/{new}, until: 2100-01-01 }}\n")
    parties = ["--by", "dic", "--by", "health", "--by", "carrier"]
    assert call("sign-off", new, *parties, "--on", "2021-06-01", "--source", "02/BB")[0] == 0
    before = (call.root / EXAMPLE / "allocations.lock.yml").read_text(encoding="utf-8")
    assert call("allocate")[0] == 0
    after = (call.root / EXAMPLE / "allocations.lock.yml").read_text(encoding="utf-8")
    assert sorted(after.replace(new, old).splitlines()) == sorted(before.splitlines())
    code, printed = call.document("validate")
    assert (code, [problem["code"] for problem in printed["problems"]]) == (
        0, ["maintenance-name-unknown", *["move-unfinished"] * 2]
    )  # fmt: skip
    code, printed = call.document("plan")
    assert (code, printed["summary"]["viewers_dropped"], printed["summary"]["delete"]) == (0, 0, 0)
    created = {change["name"] for change in printed["changes"] if change["resource"] == "path"}
    assert f"bac-giang/{new}/cam-03/sub" in created
    assert all(name.startswith(f"bac-giang/{new}/") for name in created)
    assert {change["resource"] for change in printed["changes"]} == {"path", "file"}
    assert call("apply", "--yes")[0] == 0
    call.edit("inventory.yml", f"moved:\n  - {{ from: bac-giang/{old}, to: bac-giang/{new}, until: 2100-01-01 }}\n", "")
    code, out, _ = call("plan")
    assert (code, f"  {new}: " in out, "has no login" in out) == (3, True, True)
    code, printed = call.document("plan")
    assert (code, printed["changes"]) == (3, [])


# --- freeze ---------------------------------------------------------------------------------------
def test_a_freeze_refuses_changes_and_no_empty_plan(call: Terminal) -> None:
    call.edit(
        "inventory.yml",
        "from: 2021-05-22T00:00, until: 2021-05-24T06:00",
        "from: 2000-01-01T00:00, until: 2100-01-01T00:00",
    )
    assert call("plan")[0] == 0
    call.other_channel()
    code, out, _ = call("plan")
    assert (code, "frozen, 2 changes until 2100-01-01 00:00 (Vietnam): the days around the elections" in out) == (
        6,
        True,
    )
    assert call("plan", "--allow", "freeze=2")[0] == 0


# --- offline --------------------------------------------------------------------------------------
def test_two_revisions_are_compared_with_no_host_asked_and_no_vault(call: Terminal) -> None:
    call.other_channel()
    call.edit("secrets/cameras/bac-giang.yml", "\n", "\n\n")
    call.hosts.calls.clear()
    code, printed = call.document("plan", "--offline", "--against", "HEAD", "--exit-code", vault=False)
    assert (code, printed["schema"], call.hosts.calls) == (10, "provisioner/compare", [])
    (path,) = [change for change in printed["changes"] if change["resource"] == "path"]
    assert (path["name"], path["action"], path["impact"]) == (WATCHED, "update", "path")
    assert "viewers" not in path
    assert "viewers_dropped" not in printed["summary"]
    assert any(note.startswith("secrets/cameras/bac-giang.yml changed") for note in printed["notes"])
    assert len(printed["against"]["commit"]) == 40


def test_an_older_revision_that_is_broken_is_told_so(call: Terminal) -> None:
    def against_head(path: str, right: str, broken: str) -> tuple[int, str, str]:
        call.edit(path, right, broken)
        git(call.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qam", "broken")
        call.edit(path, broken, right)
        return call("--output", "json", "plan", "--offline", "--against", "HEAD", vault=False)

    code, out, _ = against_head("facilities/bac-giang/kcl-bg-001.yml", "kind: school", "kind: castle")
    assert code == 0
    assert "kcl-bg-001 could not be read in HEAD: what hosts had of it is not known" in json.loads(out)["notes"]
    for right, broken in (("centres:", "centers:"), ("centres: [centre-hn]", "centres: [elsewhere]")):
        code, out, err = against_head("carriers/viettel.yml", right, broken)
        assert (code, "the inventory of HEAD is invalid" in out + err) == (3, True)
        assert ("elsewhere" if "elsewhere" in broken else "centers") in out + err
        assert ("HEAD:carriers/viettel.yml" in out + err, "provisioner-revision" in out + err) == (True, False)


# --- outputs --------------------------------------------------------------------------------------
def test_markdown_is_one_comment(call: Terminal) -> None:
    call.other_channel()
    code, out, err = call("--output", "markdown", "plan")
    assert (code, err) == (0, "")
    assert out.startswith("### Plan: 2 to update on 1 host\n")
    assert f"`{WATCHED}`" in out
    assert call("--output", "markdown", "plan", "--offline", "--against", "HEAD", vault=False)[0] == 0
    code, out, err = call("--output", "markdown", "validate")
    assert (code, out, "has no Markdown" in err) == (2, "", True)


def test_details_lists_every_change_and_all_the_no_ops_too(call: Terminal) -> None:
    call.other_channel()
    short, details, everything = (call("plan", *words)[1] for words in ([], ["--details"], ["--all"]))
    assert "file /etc/provisioner/mediamtx.yml" not in short
    assert "cannot be had" not in short, "the program is on the hosts"
    assert "  ~ file /etc/provisioner/mediamtx.yml [none]: content differs" in details
    assert "  = peer site/kcl-bg-001: the tunnel has it" in everything
    assert len(short) < len(details) < len(everything)


# --- last lines -----------------------------------------------------------------------------------
def test_drift_with_an_unreadable_host_says_so_last_and_no_change_of_the_others_alone(call: Terminal) -> None:
    call.hosts.hosts[RELAY].reachable = False
    for command in ("drift", "plan"):
        code, out, _ = call(command)
        lines = out.splitlines()
        assert (code, lines[0].startswith("no change on 2 of 3 hosts: ")) == (5, True)
        assert lines[-2].startswith("1 host was not read, and what would change there is not in this plan: ")
        assert lines[-2].endswith("repair that and plan again")
        assert "no change:" not in out
    code, out, _ = call("--output", "markdown", "drift")
    assert (code, "### Plan: no change on 2 of 3 hosts" in out, "1 host was not read" in out) == (5, True, True)
    for host in call.hosts.hosts.values():
        host.reachable = False
    assert call("drift")[1].splitlines()[0] == "unknown: 3 hosts could not be read"


def test_a_partial_apply_ends_with_what_failed_and_never_with_an_empty_plan(call: Terminal) -> None:
    call.other_channel()
    call.hosts.hosts["relay-vnpt-1"].reachable = False
    code, out, _ = call("apply", "--yes")
    lines = out.splitlines()
    assert code == 5
    assert lines[-2].startswith("1 host not reached, or what became of it is not known: relay-vnpt-1; once it answers")
    assert "a fresh plan finds no change on 2 of 3 hosts" in lines[-1]
    assert "is empty" not in out
    assert call("apply", "--yes")[1].splitlines()[-1] == "nothing to do on 2 of 3 hosts"


def test_an_apply_of_some_hosts_says_nothing_of_the_others(call: Terminal) -> None:
    call.other_channel()
    _, out, _ = call("apply", "--yes", "--limit", f"host={RELAY}")
    assert "a fresh plan finds no change on 1 of 3 hosts" in out.splitlines()[-1]
    assert call("apply", "--yes", "--limit", f"host={RELAY}")[1].splitlines()[-1] == "nothing to do on 1 of 3 hosts"


def test_a_check_without_all_hosts_calls_nothing_stale(call: Terminal) -> None:
    assert call("plan", "--out", "plan.json")[0] == 0
    call.hosts.hosts["centre-hn"].reachable = False
    code, out, _ = call("plan", "--check", "plan.json")
    assert (code, out.startswith("not known: 1 host not read"), "stale" in out) == (5, True, False)


# --- a saved plan that is refused -----------------------------------------------------------------
def test_a_saved_plan_that_is_stale_and_refused_says_both_and_ends_with_8(call: Terminal) -> None:
    call.limit_viewers()
    call.other_channel()
    assert call("plan", "--allow", "viewers=2", "--out", "plan.json")[0] == 0
    call.hosts.hosts[RELAY].viewers = {WATCHED: 3}
    call.hosts.hosts["relay-vnpt-1"].units.discard("provisioner-nft.service")
    writes = call.hosts.hosts[RELAY].writes
    code, _, err = call("apply", "plan.json")
    assert code == 8
    assert "relay-vnpt-1 has moved (unit provisioner-nft.service was active, enabled" in err
    assert "and it is refused: 3 viewers would be cut; the limit is 2" in err
    assert "plan --allow viewers=3 --out FILE" in err
    assert call.hosts.hosts[RELAY].writes == writes


def test_the_hint_of_a_saved_plan_takes_the_allowance_to_a_new_plan(call: Terminal) -> None:
    call.limit_viewers()
    call.other_channel()
    assert call("plan", "--allow", "viewers=2", "--out", "plan.json")[0] == 0
    call.hosts.hosts[RELAY].viewers = {WATCHED: 3}
    code, _, err = call("apply", "plan.json")
    assert (code, "add --allow" in err, "plan --allow viewers=3 --out FILE" in err) == (6, False, True)
    assert call("apply", "--yes")[2].count("add --allow viewers=3") >= 1
    call.hosts.hosts[RELAY].viewers = {}
    call.hosts.hosts["relay-vnpt-1"].proves = False
    code, out, _ = call("apply", "plan.json")
    assert (code, "plan --allow trust=NUMBER --out FILE" in out, "for one plan: --allow" in out) == (5, True, False)


# --- what overrides units -------------------------------------------------------------------------
def test_what_overrides_a_unit_of_ours_is_planned_and_gone_after_an_apply(call: Terminal) -> None:
    call.hosts.hosts[RELAY].overriding = ["/run/systemd/system/provisioner-mediamtx.service.d/x.conf"]
    code, document = call.document("drift")
    changed = {change["name"]: (change["impact"], change["reason"]) for change in document["changes"]}
    assert code == 10
    assert changed["provisioner-mediamtx.service"][0] == "all"
    assert "provisioner-mediamtx.service.d/x.conf" in changed["provisioner-mediamtx.service"][1]
    code, out, _ = call("apply", "--yes")
    assert (code, out.splitlines()[-1].endswith("; a fresh plan is empty")) == (0, True)


def test_what_changes_every_service_of_a_machine_is_told_and_no_change_of_ours(call: Terminal) -> None:
    call.hosts.hosts[RELAY].overriding = ["/etc/systemd/system/service.d/limits.conf"]
    code, out, _ = call("drift")
    assert (code, "service.d/limits.conf on relay-viettel-1 changes units of ours, too" in out) == (0, True)
    assert call("apply", "--yes")[1].splitlines()[-1] == "nothing to do"
    assert call.hosts.hosts[RELAY].overriding


# --- a relay that hangs ---------------------------------------------------------------------------
def test_a_relay_that_does_not_answer_is_restarted_by_the_plan_that_says_so(call: Terminal) -> None:
    call.hosts.hosts[RELAY].silent = True
    code, document = call.document("drift")
    (change,) = document["changes"]
    assert (code, change["resource"], change["name"], change["impact"]) == (
        10,
        "unit",
        "provisioner-mediamtx.service",
        "all",
    )
    assert "does not answer its Control API" in change["reason"]
    assert call("apply", "--yes")[0] == 6
    assert call("apply", "--yes", "--allow", "viewers=5")[0] == 0
    assert (call.hosts.hosts[RELAY].restarts, call.hosts.hosts["relay-vnpt-1"].restarts) == (1, 0)
    assert call("drift")[0] == 0


def test_a_relay_that_hangs_after_its_plan_was_reviewed_is_not_restarted_by_it(call: Terminal) -> None:
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 0
    call.hosts.before = lambda operation, host: (
        setattr(call.hosts.hosts[RELAY], "silent", True) if (operation, host) == ("apply", RELAY) else None
    )
    code, out, _ = call("apply", "plan.json")
    assert (code, "provisioner-mediamtx.service does not answer" in out) == (8, True)
    assert call.hosts.hosts[RELAY].restarts == 0


# --- a relay that stands in for a dead one --------------------------------------------------------
def test_a_relay_in_a_dead_one_s_place_names_the_sites_that_need_a_package(call: Terminal) -> None:
    lock = call.root / EXAMPLE / "allocations.lock.yml"
    lines = lock.read_text(encoding="utf-8").splitlines(keepends=True)
    at = lines.index(f"  {RELAY}:\n")
    assert [line.split(":")[0].strip() for line in lines[at + 2 : at + 5]] == ["public_key", "api_hash", "probe_hash"]
    lock.write_text("".join([*lines[: at + 2], *lines[at + 5 :]]), encoding="utf-8")
    call.hosts.hosts[RELAY] = SimulatedHost(proves=False)
    code, out, _ = call("keys", "init", "--allow", "trust=1")
    assert (code, f"{RELAY} has a new key: " in out, "kcl-bg-001" in out) == (0, True, True)
    assert "site_packages" in call.document("keys", "init", "--allow", "trust=1")[1]
    _, plan = call.document("plan", "--allow", "trust=9")
    sites = {need["facility"] for need in plan["site_packages"]}
    assert {"kcl-bg-001", "kcl-bg-002"} <= sites
    assert {need["reason"] for need in plan["site_packages"]} == {"the relay's public key is another one than before"}
    assert [note for note in plan["notes"] if "provisioner keys recovery" in note]
    assert [c["impact"] for c in plan["changes"] if (c["host"], c["name"]) == (RELAY, "provisioner-wg.service")] == [
        "all"
    ]
    _, plan = call.document("drift", "--limit", "host=relay-vnpt-1")
    assert plan["site_packages"] == []


# --- what an apply would not have -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("source: release", "source: file:mediamtx-new", "file:mediamtx-new is in no folder of PROVISIONER_ARTEFACTS"),
        ("amd64: ", "# amd64: ", "the inventory has no checksum of MediaMTX 1.20.2 for amd64; add it to inventory.yml"),
    ],
    ids=["a file that is not here", "no checksum"],
)
def test_a_program_that_cannot_be_had_is_told_with_the_plan_and_not_by_the_apply(
    call: Terminal, old: str, new: str, why: str
) -> None:
    call.edit("inventory.yml", "version: 1.20.1", "version: 1.20.2")
    call.edit("inventory.yml", old, new)
    meant = ("plan", "--allow", "trust=1", "--allow", "all_impact=2")
    code, out, _ = call(*meant)
    (told,) = [line for line in out.splitlines() if why in line]
    assert code == 0
    assert told.startswith("MediaMTX for amd64 cannot be had here, so that an apply would refuse 2 hosts")
    # Before the numbers of changes: it comes first to who reads the last lines alone.
    assert out.rindex(told) < out.rindex(" on 2 hosts")
    assert any(why in note for note in call.document(*meant)[1]["notes"])
    assert why in call("--output", "markdown", *meant)[1]


# --- what is wrong with a host itself ---------------------------------------------------------------
def test_a_full_disk_a_clock_that_is_off_and_another_firewall_are_told_before_any_apply(call: Terminal) -> None:
    full = {"folder": "/var/lib/provisioner", "size": 2**30, "free": 2**20, "inodes": True, "writable": True}
    call.hosts.hosts[RELAY].disks = [full]
    call.hosts.hosts["relay-vnpt-1"].clock_off_s = -90.0
    call.hosts.hosts["relay-vnpt-1"].firewalls = ["ufw"]
    code, out, _ = call("plan")
    assert code == 0
    assert f"note: {RELAY}: /var/lib/provisioner is on a disk that is full, 1 of 1024 MiB free: make room there" in out
    assert "note: relay-vnpt-1: its clock is behind of the controller's by 90 s or more" in out
    assert "note: relay-vnpt-1: ufw filters beside our table: open our ports there too" in out
    notes = call.document("drift")[1]["notes"]
    assert [note.partition(":")[0] for note in notes] == [RELAY, "relay-vnpt-1", "relay-vnpt-1"]


def test_a_network_that_goes_another_way_already_is_told(call: Terminal) -> None:
    call.hosts.hosts[RELAY].routes_elsewhere = [{"network": "10.91.3.0/24", "device": "eth1"}]
    (note,) = call.document("plan")[1]["notes"]
    assert note.startswith(
        f"{RELAY} reaches 10.91.3.0/24 by eth1, and the tunnel would take that network: either its sites"
    )
    routes = [{"network": f"10.91.3.{n}/32", "device": "eth1"} for n in range(200)]
    call.hosts.hosts[RELAY].routes_elsewhere = routes * 9
    assert len(call.document("plan")[1]["notes"]) == 20, "a host repeats nothing thousandfold"
