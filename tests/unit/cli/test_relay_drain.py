"""`relay drain`: a living relay emptied onto another one; nothing is cut before its proof, and no half step is lost."""

import copy
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import Problem, StateError
from provisioner.base.files import write_atomic
from provisioner.cli import relay_drain
from provisioner.cli.support.context import Stop
from provisioner.inventory.files.yaml import parse
from provisioner.operations.apply.apply import StepwiseRun
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.drain import drain
from provisioner.operations.edit import file_edit
from provisioner.operations.edit.relay_drain import drain_finished
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.verify.result import Cause, Finding, PathVerdict, Verdict, VerifyResult
from tests.example_terminal import applied, git
from tests.prepared import prepared
from tests.unit.cli.test_plan import Terminal

OLD, NEW = "relay-viettel-1", "relay-viettel-2"
SITES = ["kcl-bg-001", "kcl-bg-002"]  #: Sites that hosts carry over the old relay, and that go to no other carrier.
DRAIN = ("relay", "drain", OLD, "--to", NEW)
SIGNED = ("--source", "03/BB", "--on", "2021-06-10")
_ALLOW = ("--allow", "trust=9", "--allow", "all_impact=9", "--allow", "viewers=99")


@dataclass
class Pictures:
    """What verifications see: every path is up, but those that are named."""

    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    dark: set[tuple[str, str]] = field(default_factory=set)
    asked: list[frozenset[str]] = field(default_factory=list)
    unrecorded: bool = False
    then: Callable[[], None] = lambda: None

    def verify(self, session: Any, limit: Any, _orders: Any) -> VerifyResult:
        names = limit.wanted["facility"]
        self.asked.append(names)
        now = datetime(2021, 6, 11, tzinfo=UTC)
        paths = tuple(
            self._verdict(host, path) for host, path in session.state.paths if path.facility in names and host.relay
        )
        self.then()
        return VerifyResult("mediamtx", now, now, paths, ())

    def _verdict(self, host: Any, path: Any) -> PathVerdict:
        is_dark = (host.id, path.facility) in self.dark
        verdict = Verdict.DOWN if is_dark else self.verdicts.get((host.id, path.name), Verdict.UP)
        is_up = verdict is Verdict.UP
        passed = () if is_dark else ((1, 2, 3, 4, 5, 6, 7) if is_up else (1, 2))
        return PathVerdict(
            *(path.name, "viettel", path.province, path.facility, path.camera, host.id, verdict),
            level=7 if is_up else 2,
            finding=Finding(Cause.NONE if is_up else Cause.CAMERA_UNPLUGGED),
            checked_at=None,
            passed=passed,
        )

    def record(self, *_arguments: Any) -> str:
        if self.unrecorded:
            raise StateError("the history is locked")
        return "run"


class DrainTerminal(Terminal):
    """Somebody who empties a relay."""

    pictures: Pictures

    def knock(self, *sites: str) -> None:
        """The gateways of sites have the package with both relays, and are seen at the new one."""
        inventory = self.plans()
        keys = {inventory[site]["gateway"]["public_key"] for site in sites}
        for key, peer in self.hosts.hosts[NEW].peers.items():
            if key in keys:
                peer["endpoint"] = "203.0.113.99:51820"

    def plans(self) -> dict[str, Any]:
        documents = (parse(path.read_bytes()).value for path in self.file("facilities").rglob("*.yml"))
        return {document["id"]: document for document in documents if isinstance(document, dict)}

    def relays_of(self, site: str) -> tuple[str, str | None]:
        document = self.plans()[site]
        return document["plan"]["relay"], (document.get("successor") or {}).get("relay")

    def carried(self, host: str) -> set[str]:
        """The facilities of which a relay pulls something."""
        text = self.hosts.hosts[host].files["/etc/provisioner/mediamtx.yml"][0].decode()
        return {site for site in self.plans() if f"/{site}/" in text}

    def both(self) -> None:
        """Bring it to where both relays carry every site and every gateway is at both."""

        def drain() -> None:
            assert self(*DRAIN, "--yes", *SIGNED)[0] == 0

        prepared(self.root, self.hosts, "over-both-relays", drain)
        self.knock(*SITES)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> DrainTerminal:
    terminal = applied(DrainTerminal, tmp_path, monkeypatch, capsys)
    prepared(tmp_path, terminal.hosts, "two-relays", lambda: _add_relay(terminal))
    terminal.pictures = Pictures()
    monkeypatch.setattr(relay_drain, "_WAIT_S", 0.0)
    quick = RolloutOptions(gate=GateRules(settle_s=0))
    monkeypatch.setattr(relay_drain, "RunOptions", lambda **words: RunOptions(quick, **words))
    monkeypatch.setattr(drain, "verify_with_memory", terminal.pictures.verify)
    monkeypatch.setattr(drain, "record_verification", terminal.pictures.record)
    terminal.hosts.calls.clear()
    return terminal


def _add_relay(terminal: DrainTerminal) -> None:
    """Give the carrier a second relay, and apply it."""
    # What hangs on another carrier already stands in the way of no test here but its own.
    terminal.file("facilities/hai-duong/kcl-hd-001.yml").unlink()
    file = terminal.file("carriers/viettel.yml")
    text = file.read_text(encoding="utf-8")
    block = text[text.index(f"  - id: {OLD}") :]
    for old, new in ((OLD, NEW), ("203.0.113.11", "203.0.113.14"), ("203.0.113.12", "203.0.113.15")):
        block = block.replace(old, new)
    file.write_text(text + block.replace("IFmpfCFrQd8e", "IFmpfCFrQd8f"), encoding="utf-8")
    for words in (("allocate",), ("keys", "init", "--allow", "trust=1"), ("apply", "--yes", *_ALLOW)):
        code, out, err = terminal(*words)
        assert code == 0, out + err
    git(terminal.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qam", "B")


# --- the whole way --------------------------------------------------------------------------------
def test_a_relay_is_emptied_by_the_same_command_and_what_waits_is_listed_each_time(call: DrainTerminal) -> None:
    code, first = call.document(*DRAIN, "--yes", *SIGNED)
    assert (code, first["unseen"], first["moved"], first["done"]) == (0, SITES, [], False)
    assert call.relays_of("kcl-bg-001") == (OLD, NEW)
    assert call.relays_of("kcl-bg-003") == (NEW, None), "no host carries it: it is moved at once"
    assert (call.carried(OLD) & set(SITES), call.carried(NEW) & set(SITES)) == (set(SITES), set(SITES))
    assert call.changed() == [NEW]

    call.knock("kcl-bg-002")
    code, second = call.document(*DRAIN, "--yes")
    assert (code, second["moved"], second["unseen"]) == (0, ["kcl-bg-002"], ["kcl-bg-001"])
    assert (call.relays_of("kcl-bg-002"), call.relays_of("kcl-bg-001")) == ((NEW, None), (OLD, NEW))
    assert call.carried(OLD) & set(SITES) == {"kcl-bg-001"}

    assert "commit them" not in call(*DRAIN, "--yes")[1], "this call writes no file"
    call.knock("kcl-bg-001")
    code, out, _ = call(*DRAIN, "--yes")
    assert (code, out.splitlines()[-1]) == (0, "files were written: commit them")
    code, third = call.document(*DRAIN, "--yes")
    assert (code, third["moved"], third["done"], call.carried(OLD)) == (0, [], True, set())
    calls = len(call.changed())
    code, out, _ = call(*DRAIN, "--yes")
    assert (code, len(call.changed())) == (0, calls)
    assert out.splitlines() == [f"{OLD} has no sites any more", f"next: provisioner hosts decommission {OLD}"]
    assert call("hosts", "decommission", OLD, "--yes")[0] == 0


def test_sites_keep_their_address_and_their_package_names_both_relays(call: DrainTerminal) -> None:
    before = call.file("allocations.lock.yml").read_bytes()
    call.both()
    assert call("allocate")[1] == "nothing to allocate\n"
    assert call.file("allocations.lock.yml").read_bytes() == before
    folder = call.root / "sites"
    assert call("site-package", "kcl-bg-001", "--out", str(folder))[0] == 0
    assert {p.name for p in (folder / "kcl-bg-001/peers").iterdir()} == {
        f"{r}.{e}" for r in (OLD, NEW) for e in ("conf", "psk")
    }
    up = (folder / "kcl-bg-001/site-up").read_text(encoding="utf-8")
    assert "10.91.0.1/32" in up
    assert "10.91.0.7/32" in up


def test_status_tells_of_a_drain_that_is_half_done_and_how_it_goes_on(call: DrainTerminal) -> None:
    assert "is being emptied" not in call("status")[1]
    call(*DRAIN, "--yes", *SIGNED)
    out = call("status")[1]
    assert f"{OLD} is being emptied onto {NEW}: 2 sites still there, 2 of them over both; go on: provisioner" in out
    call.knock("kcl-bg-002")
    call(*DRAIN, "--yes")
    assert f"{NEW}: 1 site still there" in call("status")[1]
    code, document = call.document("status")
    assert (code, document["drains"][0]["remaining"], document["drains"][0]["over"]) == (0, ["kcl-bg-001"], False)
    call.knock("kcl-bg-001")
    call(*DRAIN, "--yes")
    assert f"next: provisioner hosts decommission {OLD}" in call("status")[1]


@pytest.mark.soak
def test_without_the_minutes_all_three_have_to_sign_first(call: DrainTerminal) -> None:
    code, out, _ = call(*DRAIN, "--yes")
    assert code == 0
    assert "to be signed: provisioner sign-off kcl-bg-001 --successor --all-parties --source SOURCE" in out
    assert call.changed() == []
    assert call.plans()["kcl-hd-002"]["plan"]["state"] == "proposed", "signed was another relay"
    for site in SITES:
        assert call("sign-off", site, "--successor", "--all-parties", "--source", "03/BB")[0] == 0
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["unseen"], call.changed()) == (0, SITES, [NEW])


def test_where_the_policy_asks_for_signatures_minutes_are_no_word(call: DrainTerminal) -> None:
    call.edit("inventory.yml", "policy:", "policy:\n  sign_offs: signed")
    before = call.files()
    code, _, err = call(*DRAIN, "--yes", *SIGNED)
    assert code in {2, 3}, err
    assert (call.files(), call.changed()) == (before, [])


# --- taken back ---------------------------------------------------------------------------------------
def test_a_drain_that_is_half_done_is_taken_back_and_what_moved_stays(call: DrainTerminal) -> None:
    before = call.files()
    assert call("relay", "keep", OLD)[1] == f"{OLD} is not being emptied: it has no drain to cancel\n"
    assert call.files() == before
    call.both()
    call.pictures.dark = {(relay, "kcl-bg-002") for relay in (OLD, NEW)}
    assert call(*DRAIN, "--yes")[0] == 0
    assert (call.carried(OLD) & set(SITES), call.relays_of("kcl-bg-001")) == ({"kcl-bg-002"}, (NEW, None))
    half, calls = call.files(), len(call.hosts.calls)
    code, out, _ = call("relay", "keep", OLD, "--dry-run")
    assert (code, call.files()) == (0, half)
    assert out.splitlines()[-1] == "dry run: no files were written; repeat without --dry-run"
    code, document = call.document("relay", "keep", OLD)
    assert (code, document["to"], document["sites"], document["stays"]) == (0, NEW, ["kcl-bg-002"], {})
    assert len(call.hosts.calls) == calls, "no host is called"
    assert (call.relays_of("kcl-bg-002"), call.relays_of("kcl-bg-001")) == ((OLD, None), (NEW, None))
    assert "drain_to" not in call.file("carriers/viettel.yml").read_text(encoding="utf-8")
    assert "is being emptied" not in call("status")[1]
    allowed = ("--allow", "deletions=99", "--allow", "deletion_percent=100", "--allow", "viewers=9")
    code, out, err = call("apply", "--yes", "--limit", f"host={NEW}", *allowed)
    assert code == 0, out + err
    assert (call.carried(OLD) & set(SITES), call.carried(NEW) & set(SITES)) == ({"kcl-bg-002"}, {"kcl-bg-001"})
    assert call("plan", "--exit-code")[0] == 0, "nothing else has moved"


def test_files_of_before_a_drain_are_what_they_were_after_it_was_taken_back(call: DrainTerminal) -> None:
    files = [call.file("carriers/viettel.yml"), call.file("facilities/bac-giang/kcl-bg-001.yml")]
    before = [file.read_bytes() for file in files]
    assert call(*DRAIN, "--yes", *SIGNED)[0] == 0
    assert [file.read_bytes() for file in files] != before
    git(call.root, "config", "user.name", "A")
    git(call.root, "config", "user.email", "a@example.com")
    code, out, err = call("relay", "keep", OLD, "--commit")
    assert code == 0, out + err
    words = ["git", "-C", str(call.root), "log", "-1", "--format=%s"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == f"{OLD} is not emptied\n"
    assert [file.read_bytes() for file in files] == before
    assert out.splitlines()[-1] == f"next: provisioner plan --limit host={NEW}, which shows the viewers that it cuts"
    assert call("relay", "keep", "relay-viettel-9")[0] == 2


def test_a_site_whose_file_has_errors_holds_no_other_one_and_is_not_forgotten(call: DrainTerminal) -> None:
    assert call(*DRAIN, "--yes", *SIGNED)[0] == 0
    broken = "facilities/bac-giang/kcl-bg-002.yml"
    call.edit(broken, "operating: open", "operating: ajar")
    code, out, _ = call("relay", "keep", OLD)
    assert (code, call.relays_of("kcl-bg-001"), call.relays_of("kcl-bg-002")) == (3, (OLD, None), (OLD, NEW))
    assert f"1 site still to leave {NEW}: kcl-bg-002" in out.splitlines()[-1]
    assert f"drain_to: {NEW}" in call.file("carriers/viettel.yml").read_text(encoding="utf-8")
    call.edit(broken, "operating: ajar", "operating: open")
    code, document = call.document("relay", "keep", OLD)
    assert (code, document["sites"], call.relays_of("kcl-bg-002")) == (0, ["kcl-bg-002"], (OLD, None))


# --- proof ----------------------------------------------------------------------------------------
def test_what_comes_worse_over_the_new_relay_keeps_its_site_and_no_other_one(call: DrainTerminal) -> None:
    call.both()
    call.pictures.verdicts[NEW, "bac-giang/kcl-bg-001/cam-03/sub"] = Verdict.DOWN
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["moved"], document["both"]) == (0, ["kcl-bg-002"], ["kcl-bg-001"])
    assert document["proofs"]["kcl-bg-001"]["worse"] == {"bac-giang/kcl-bg-001/cam-03/sub": "down: camera unplugged"}
    assert "kcl-bg-001" in call.carried(OLD)


@pytest.mark.soak
def test_a_camera_that_is_dead_over_both_holds_nothing_up(call: DrainTerminal) -> None:
    call.both()
    for relay in (OLD, NEW):
        call.pictures.verdicts[relay, "bac-giang/kcl-bg-001/cam-03/sub"] = Verdict.DOWN
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["done"], document["end"]) == (0, True, "done")


def test_a_site_that_is_dark_everywhere_stays_as_nobody_knows_which_relays_it_knows(call: DrainTerminal) -> None:
    call.both()
    call.pictures.dark = {(relay, "kcl-bg-002") for relay in (OLD, NEW)}
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["moved"], document["both"]) == (0, ["kcl-bg-001"], ["kcl-bg-002"])
    assert document["proofs"]["kcl-bg-002"]["reached"] is False
    assert "its gateway does not reach" in call(*DRAIN, "--yes")[2]
    quiet = call(*DRAIN, "--yes", "-q")
    assert "its gateway does not reach" not in quiet[2]
    assert "stay on both relays until they are proved" in quiet[1]
    code, document = call.document(*DRAIN, "--yes", "--unproved", "kcl-bg-002")
    assert (code, document["done"]) == (0, True)


@pytest.mark.soak
def test_paths_that_come_worse_once_a_site_is_gone_end_the_drain(call: DrainTerminal) -> None:
    call.both()

    def breaks_at_the_second_look() -> None:
        if len(call.pictures.asked) == 1:
            call.pictures.verdicts[NEW, "bac-giang/kcl-bg-002/cam-01/sub"] = Verdict.DOWN

    call.pictures.then = breaks_at_the_second_look
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["end"], document["moved"]) == (1, "worse", ["kcl-bg-002"])
    assert call.relays_of("kcl-bg-001") == (OLD, NEW), "the next wave is not begun"


@pytest.mark.soak
def test_a_verification_that_cannot_be_recorded_is_told_and_holds_nothing_up(call: DrainTerminal) -> None:
    call.both()
    call.pictures.unrecorded = True
    code, _, err = call(*DRAIN, "--yes")
    assert (code, "this verification is not recorded: the history is locked" in err) == (0, True)


# --- refused, nothing changed ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("relay", "drain", OLD, "--to", OLD), "onto itself"),
        (("relay", "drain", OLD, "--to", "relay-vnpt-1"), "of another carrier"),
        (("relay", "drain", OLD, "--to", "relay-viettel-3"), "did you mean relay-viettel-"),
        (("relay", "drain", "centre-hn", "--to", NEW), "there is no relay centre-hn"),
        ((*DRAIN, "--dry-run", "--commit"), "exclude each other"),
        ((*DRAIN, "--allow", "nothing"), "is not understood"),
        ((*DRAIN, "--source", "0912345678"), "holds a phone number"),
    ],
)
def test_what_makes_no_sense_is_refused(call: DrainTerminal, words: tuple[str, ...], said: str) -> None:
    before = call.files()
    code, _, err = call(*words, "--yes")
    assert (code, said in " ".join(err.split())) == (2, True), err
    assert (call.files(), call.changed()) == (before, [])


def test_a_relay_that_is_being_emptied_takes_nobody_and_goes_to_no_third_one(call: DrainTerminal) -> None:
    call(*DRAIN, "--yes", *SIGNED)
    before = call.files()
    code, _, err = call("relay", "drain", NEW, "--to", OLD, "--yes")
    assert (code, f"{OLD} is itself being emptied" in err) == (2, True)
    assert call.files() == before


def test_a_dry_run_shows_everything_and_changes_nothing(call: DrainTerminal) -> None:
    before, hosts = call.files(), copy.deepcopy(call.hosts.hosts)
    code, out, err = call(*DRAIN, "--dry-run", *SIGNED)
    assert (code, err) == (0, "")
    assert "+    drain_to: relay-viettel-2" in out
    assert out.count("+successor:") == len(SITES)
    assert "they continue at rtsp://10.91.0.7:8554" in out
    assert out.splitlines()[-1] == f"no changes were made; to make them: provisioner relay drain {OLD} --to {NEW}"
    assert (call.files(), call.hosts.hosts) == (before, hosts)


def test_nobody_is_there_to_answer(call: DrainTerminal) -> None:
    before = call.files()
    assert call(*DRAIN, *SIGNED)[0] == 2
    assert (call.files(), call.changed()) == (before, [])
    call.both()
    before, known = call.files(), call.changed()
    assert call(*DRAIN)[0] == 2
    assert (call.files(), call.changed()) == (before, known)


def test_readers_beyond_the_limit_keep_the_old_relay_and_the_files_as_they_were(call: DrainTerminal) -> None:
    call.both()
    call.hosts.hosts[OLD].viewers = {"bac-giang/kcl-bg-002/cam-01/sub": 50}
    before, hosts = call.files(), copy.deepcopy(call.hosts.hosts[OLD].files)
    code, _, err = call(*DRAIN, "--yes")
    assert (code, "--allow viewers=50" in err) == (6, True), err
    assert "50 readers of bac-giang/kcl-bg-002/cam-01/sub there: read on at rtsp://10.91.0.7:8554/bac-giang" in err
    assert (call.files(), call.hosts.hosts[OLD].files) == (before, hosts)
    code, document = call.document(*DRAIN, "--yes", "--allow", "viewers=50")
    assert (code, document["done"]) == (0, True)


@pytest.mark.parametrize(
    ("why", "code", "said"),
    [
        ("other changes", 6, "would cut readers as well"),
        pytest.param("a freeze", 6, "frozen", marks=pytest.mark.soak),
        pytest.param("a stranger", 2, "no site of these relays", marks=pytest.mark.soak),
    ],
)
def test_what_may_not_be_is_refused_between_two_steps(call: DrainTerminal, why: str, code: int, said: str) -> None:
    call.both()
    if why == "other changes":
        call.other_channel("kcl-bg-001")
        assert call("sign-off", "kcl-bg-001", "--successor", "--all-parties", "--source", "4")[0] == 0
    elif why == "a freeze":
        call.edit("inventory.yml", "until: 2021-05-24T06:00", "until: 2099-05-24T06:00")
    before = call.files()
    ended, _, err = call(*DRAIN, "--yes", *(("--unproved", "kcl-qn-001") if why == "a stranger" else ()))
    assert (ended, said in " ".join(err.split()), call.files()) == (code, True, before), err


@pytest.mark.parametrize("host", [OLD, NEW])
def test_the_host_of_somebody_else_is_emptied_by_nobody_and_filled_by_nobody(call: DrainTerminal, host: str) -> None:
    one = call.hosts.hosts[host]
    one.proves = False
    one.owner = {"inventory": "other", "key": "0" * 32, "host": "r", "run": "", "at": "2021-05-20T01:00:00Z", "who": ""}
    before = call.files()
    code, _, err = call(*DRAIN, "--yes", *SIGNED, "--allow", "trust=9")
    assert (code, "belongs to inventory other" in " ".join(err.split()), call.files()) == (6, True, before)
    assert call.changed() == []


@pytest.mark.parametrize("host", [OLD, NEW])
def test_a_relay_that_cannot_be_read_is_not_drained(call: DrainTerminal, host: str) -> None:
    call.hosts.hosts[host].reachable = False
    before = call.files()
    code, _, err = call(*DRAIN, "--yes", *SIGNED)
    assert (code, call.files()) == (5, before)
    assert ("relay restore" in err) is (host == OLD), "what is dead is not drained"


def test_a_relay_that_is_too_small_is_refused_before_anything_is_written(call: DrainTerminal) -> None:
    text = call.file("carriers/viettel.yml").read_text(encoding="utf-8")
    first, second = text.rsplit("max_paths: 800", 1)
    call.file("carriers/viettel.yml").write_text(f"{first}max_paths: 3{second}", encoding="utf-8")
    before = call.files()
    code, _, err = call(*DRAIN, "--yes", *SIGNED)
    assert (code, "its max_paths is 3" in err, call.files()) == (3, True, before), err


# --- others' facilities ---------------------------------------------------------------------------
def test_a_site_with_errors_stays_and_hides_no_other_one(call: DrainTerminal) -> None:
    call.edit("facilities/bac-giang/kcl-bg-002.yml", "operating: open", "operating: opne")
    code, document = call.document(*DRAIN, "--yes", *SIGNED)
    assert code == 3
    assert (document["unseen"], call.relays_of("kcl-bg-001")) == (["kcl-bg-001"], (OLD, NEW))
    assert "kcl-bg-002" in call.carried(OLD)


@pytest.mark.soak
def test_a_recorder_that_bears_no_second_relay_stays_and_its_way_is_named(call: DrainTerminal) -> None:
    call.edit("facilities/bac-giang/kcl-bg-001.yml", "make: hikvision", "make: hikvision, max_sessions: 5")
    assert call("sign-off", "kcl-bg-001", "--all-parties", "--source", "5")[0] == 0
    code, document = call.document(*DRAIN, "--yes", *SIGNED)
    assert (code, list(document["stays"])) == (3, ["kcl-bg-001"]), document["stays"]
    assert f"facility move kcl-bg-001 --to {NEW} --at-once" in document["stays"]["kcl-bg-001"]
    assert call.relays_of("kcl-bg-002") == (OLD, NEW)


@pytest.mark.soak
def test_a_site_that_goes_to_another_carrier_is_left_to_that(call: DrainTerminal) -> None:
    both = "source: x }\n  - { province: bac-giang, carrier: viettel, until: 2031-01-01,"
    call.edit(
        "designations.yml",
        "- { province: bac-giang, carrier: viettel,",
        f"- {{ province: bac-giang, carrier: vnpt, since: 2021-06-01, {both}",
    )
    assert call("facility", "move", "kcl-bg-002", "--to", "relay-vnpt-1")[0] == 0
    code, document = call.document(*DRAIN, "--yes", *SIGNED)
    assert (code, list(document["stays"]), document["done"]) == (0, ["kcl-bg-002"], False)
    assert call.relays_of("kcl-bg-002") == (OLD, "relay-vnpt-1")


# --- interrupted ----------------------------------------------------------------------------------
class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.mark.soak
def test_killed_anywhere_it_goes_on_from_there(call: DrainTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each write of a file and each change of a host in turn: the same command ends it, no site is ever dark."""
    start, model = call.files(), copy.deepcopy(call.hosts.hosts)
    points = 0
    while _killed_at(call, points, monkeypatch):
        _settle(call)
        for _ in range(3):
            code, document = call.document(*DRAIN, "--yes", *SIGNED)
            assert code in {0, 9}, document
            call.knock(*SITES)
        assert (code, document["done"], call.carried(OLD)) == (0, True, set()), points
        assert call.carried(NEW) >= set(SITES)
        points += 1
        for path, data in start.items():
            Path(path).write_bytes(data)
        call.hosts.hosts = copy.deepcopy(model)
    assert points >= 5 + 2 + 3 * 2, "files of the beginning, of two waves; three changes and their confirmations"


def _killed_at(call: DrainTerminal, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Drain, and be killed before that write or change of a host; false where it came to its end."""
    count = 0

    def kill() -> None:
        nonlocal count
        count += 1
        if count > number:
            raise Killed

    def changes(operation: str, _host: str) -> None:
        for site in SITES:
            assert site in call.carried(OLD) | call.carried(NEW), "a site that nobody carries"
        if operation in {"apply", "confirm"}:
            kill()

    def writes(*arguments: Any, **words: Any) -> None:
        kill()
        write_atomic(*arguments, **words)

    with monkeypatch.context() as patch:
        patch.setattr(file_edit, "write_atomic", writes)
        patch.setattr(drain, "put_back", lambda *_: None)  # whoever is killed puts nothing back
        patch.setattr(call.hosts, "before", changes)
        try:
            call(*DRAIN, "--yes", *SIGNED)
            call.knock(*SITES)
            call(*DRAIN, "--yes", *SIGNED)
        except Killed:
            call.knock(*SITES)
            return True
    return False


def _settle(call: DrainTerminal) -> None:
    """What hosts do when nobody comes back: they return to their last-good state, and runs are ended."""
    for host in call.hosts.hosts.values():
        if host.armed is not None and host.last_good is not None:
            for name in ("files", "rules", "peers", "link", "units", "manifest"):
                setattr(host, name, copy.deepcopy(host.last_good[name]))
            host.receipts[host.armed["run"]] = ("rolled-back", "nobody came")
            host.armed = None


@pytest.mark.soak
@pytest.mark.parametrize("wave", [0, 1])
def test_asked_to_stop_it_ends_between_two_waves_and_goes_on_later(
    call: DrainTerminal, monkeypatch: pytest.MonkeyPatch, wave: int
) -> None:
    call.both()
    stop = Stop()
    monkeypatch.setattr(Stop, "__call__", lambda _self: stop.asked)

    def ask() -> None:
        stop.asked = len(call.pictures.asked) == wave + 1

    call.pictures.then = ask
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["end"], len(document["moved"])) == (130, "interrupted", wave)
    stop.asked = False
    call.pictures.then = lambda: None
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["done"]) == (0, True)


def test_files_that_are_final_wait_for_their_proof_before_the_old_relay_is_touched(call: DrainTerminal) -> None:
    """As after a kill between the files and the relay, with the site gone dark since."""
    call.both()
    for site in SITES:
        assert call("facility", "move", site, "--finish", "--unproved")[0] == 0
    known = call.changed()
    call.pictures.dark = {(NEW, "kcl-bg-002")}
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["end"], document["leaving"], call.changed()) == (1, "unproved", SITES, known)
    assert set(SITES) <= call.carried(OLD)
    call.pictures.dark = set()
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["moved"], document["done"]) == (0, SITES, True)


def test_a_wave_that_is_refused_does_not_hide_the_one_before(call: DrainTerminal) -> None:
    call.both()

    def come_to_read() -> None:
        """Many come to read what the second wave would cut, after the first."""
        if len(call.pictures.asked) > 1:
            call.hosts.hosts[OLD].viewers = {"bac-giang/kcl-bg-001/cam-01/sub": 50}

    call.pictures.then = come_to_read
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["end"], document["moved"], document["both"]) == (
        6,
        "refused",
        ["kcl-bg-002"],
        ["kcl-bg-001"],
    )
    assert "50 viewers would be cut" in document["refusal"]
    assert call.relays_of("kcl-bg-001") == (OLD, NEW), "the file is as it was"
    assert call.document(*DRAIN, "--yes", "--allow", "viewers=50")[1]["done"] is True


@pytest.mark.soak
def test_a_run_that_cannot_begin_leaves_the_files_alone(call: DrainTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    call.both()

    def shut(*_arguments: Any, **_words: Any) -> Any:
        raise StateError("the history cannot be written")

    before = call.files()
    with monkeypatch.context() as patch:
        patch.setattr(StepwiseRun, "apply_shown", shut)
        code, _, err = call(*DRAIN, "--yes")
    assert (code, "cannot be written" in err, call.files()) == (13, True, before)


@pytest.mark.soak
def test_where_the_last_look_fails_what_was_done_is_told(call: DrainTerminal) -> None:
    call.both()

    def goes_away() -> None:
        if len(call.pictures.asked) == 1 + len(SITES):
            call.hosts.hosts[NEW].reachable = False

    call.pictures.then = goes_away
    code, document = call.document(*DRAIN, "--yes")
    assert (code, sorted(document["moved"]), document["both"]) == (0, SITES, []), document


@pytest.mark.soak
def test_an_old_relay_that_cannot_be_changed_loses_nothing(call: DrainTerminal) -> None:
    call.both()

    def unreachable(operation: str, host: str) -> None:
        if (operation, host) == ("apply", OLD):
            call.hosts.hosts[host].reachable = False

    call.hosts.before = unreachable
    code, document = call.document(*DRAIN, "--yes")
    assert code == 5, document
    assert set(SITES) <= call.carried(OLD)


def test_a_file_that_somebody_edits_meanwhile_is_theirs(call: DrainTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    call.both()
    path, known = call.file("facilities/bac-giang/kcl-bg-002.yml"), call.changed()

    def finished(*arguments: Any) -> Any:
        edits = drain_finished(*arguments)
        path.write_bytes(path.read_bytes() + b"# mine\n")
        return edits

    with monkeypatch.context() as patch:
        patch.setattr(drain, "drain_finished", finished)
        before = call.files()
        code, _, err = call(*DRAIN, "--yes")
    after = {**before, str(path): before[str(path)] + b"# mine\n"}
    assert (code, "was changed meanwhile" in err, call.files(), call.changed()) == (9, True, after, known)
    assert call.document(*DRAIN, "--yes")[1]["done"] is True
    assert path.read_bytes().endswith(b"# mine\n")


def test_a_site_whose_file_cannot_be_made_final_stays_and_is_not_counted(
    call: DrainTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.both()
    problem = Problem("f", 1, 1, "x", "facility kcl-bg-002: cannot be so", "", "facility/kcl-bg-002")

    def finished(edits: Any, names: Any) -> Any:
        judged = drain_finished(edits, [name for name in names if name != "kcl-bg-002"])
        return replace(judged, refused={name: (problem,) for name in names if name == "kcl-bg-002"})

    monkeypatch.setattr(drain, "drain_finished", finished)
    code, document = call.document(*DRAIN, "--yes")
    assert (code, document["moved"], document["both"]) == (0, ["kcl-bg-001"], ["kcl-bg-002"])
    assert "kcl-bg-002 stays: facility kcl-bg-002: cannot be so" in call(*DRAIN, "--yes")[2]


@pytest.mark.soak
def test_with_commit_each_step_is_one_commit_of_its_files(call: DrainTerminal) -> None:
    git(call.root, "config", "user.name", "A")
    git(call.root, "config", "user.email", "a@example.com")
    code, out, err = call(*DRAIN, "--yes", *SIGNED, "--commit")
    assert code == 0, out + err
    call.knock(*SITES)
    assert call(*DRAIN, "--yes", "--commit")[0] == 0
    log = subprocess.run(
        ["git", "log", "--format=%s", "-3"], cwd=call.root, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert log == [f"{NEW} has kcl-bg-001", f"{NEW} has kcl-bg-002", f"{OLD} is emptied onto {NEW}"]
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "inventories"], cwd=call.root, check=True, capture_output=True, text=True
    )
    assert dirty.stdout == ""


def test_a_site_whose_backup_relay_is_to_go_stays_and_is_named(call: DrainTerminal) -> None:
    """And one that moves keeps a backup relay that goes on: the other relay itself is none any more."""
    first, *rest = SITES
    for site, backup in ((first, NEW), *((one, NEW) for one in rest)):
        assert call("facility", "plan", site, "--backup-relay", backup)[0] == 0
        assert call("sign-off", site, "--all-parties", "--source", "5")[0] == 0
    _, out, _ = call("relay", "drain", NEW, "--to", OLD, "--dry-run")
    for site in SITES:
        assert f"{site}: {NEW} is its backup relay: name another one first, or remove it" in out
    assert call(*DRAIN, "--dry-run")[0] == 0
    assert call("facility", "move", first, "--to", NEW)[0] == 0
    plan = call.plans()[first]
    assert plan["plan"]["backup_relay"] == NEW
    assert "backup_relay" not in plan["successor"]


def test_a_site_whose_gateway_dials_a_port_that_the_other_relay_lacks_stays_and_is_named(call: DrainTerminal) -> None:
    first, second = SITES
    block = f"- id: {OLD}\n"
    call.edit("carriers/viettel.yml", block, f"{block}    further_wireguard_ports: [443]\n")
    assert call("facility", "plan", first, "--relay-port", "443")[0] == 0
    before = call.plans()
    code, out, err = call(*DRAIN, "--yes", *SIGNED)
    assert code != 0
    assert f"dial port 443 of {NEW}, which takes WireGuard at 51820" in out + err
    after = call.plans()
    assert after[first] == before[first]
    assert "successor" in after[second], "one that cannot move stops no other"


def test_where_people_approve_plans_no_host_is_changed_by_a_plan_that_is_in_no_file(call: DrainTerminal) -> None:
    call.edit("inventory.yml", "policy:", "policy:\n  approvals:\n    rules: [{ changes: any }]")
    hosts = {name: copy.deepcopy(host.files) for name, host in call.hosts.hosts.items()}
    code, _, err = call(*DRAIN, "--yes", *SIGNED)
    assert (code, "a plan has to be approved before it is applied, and this one is in no file" in err) == (6, True)
    assert (call.changed(), {name: host.files for name, host in call.hosts.hosts.items()}) == ([], hosts)
    assert call("validate")[0] == 0
