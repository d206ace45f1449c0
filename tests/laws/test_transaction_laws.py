"""A host's transaction by the host's own program: old or new at any end, never between; and what each end rests on."""

import dataclasses
import grp
import itertools
import json
import os
import pwd
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from provisioner.desired.render.host import POLICY_FILE, TRUST_FILE, TUNNEL_FILE, RenderedFile
from provisioner.desired.spec import HostSpec
from provisioner_host.change import switch
from provisioner_host.machine import paths
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine
from provisioner_host.state import dead_man, last_good, leases
from tests import fleets, inventories
from tests.false_host import FalseHost, false_host

HOST = "relay-viettel-1"
FIRST, SECOND = {"kcl-bg-1": 3, "kcl-bg-2": 2}, {"kcl-bg-1": 3, "kcl-bg-3": 1}
#: The live trust stays in a return (`_leave_trust_out`).
_STAYS = {path.lstrip("/") for path in (TRUST_FILE, POLICY_FILE)}


class Wanted(NamedTuple):
    """What one host should be."""

    spec: HostSpec
    files: tuple[RenderedFile, ...]

    def content(self, path: Path) -> str:
        """A file's text; paths are below a folder while a host is there."""
        return next(f.content.decode() for f in self.files if str(path).endswith(f.path))


@cache
def wanted(sites: tuple[tuple[str, int], ...], networks: tuple[str, ...] = (), password: str = "secret") -> Wanted:
    listed = [fleets.facility(name, cameras) for name, cameras in sites]
    carrier = inventories.carrier() | ({"management_networks": list(networks)} if networks else {})
    desired = fleets.state_of(inventories.inventory(carriers=[carrier], facilities=listed), password)
    # All files belong to who runs the tests.
    owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    files = tuple(dataclasses.replace(file, owner=owner, group=group) for file in fleets.files_of(desired)[HOST])
    return Wanted(desired.hosts[HOST], files)


A = wanted(tuple(FIRST.items()))
B = wanted(tuple(SECOND.items()), ("192.0.2.0/24", "198.51.100.0/24"))

#: The first state and one more site: what a return gives back of it was never revoked.
MORE = wanted((*FIRST.items(), ("kcl-bg-3", 2)))


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[FalseHost]:
    with false_host(tmp_path, A.spec) as host:
        yield host


@pytest.fixture
def host(bare: FalseHost) -> FalseHost:
    bare.apply(*A)
    return bare


def is_free(host: FalseHost) -> bool:
    """Whether no change waits and no run has the host."""
    return not paths.ARMED.exists() and not paths.LEASE.exists() and paths.UNIT_REVERT not in host.active


def without_trust(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "files": {path: file for path, file in state["files"].items() if path not in _STAYS}}


# --- the two ends ---------------------------------------------------------------------------------
@pytest.mark.parametrize("before", [None, A, B], ids=["bare", "another state", "the same state"])
def test_a_confirmed_change_leaves_what_was_wanted_and_nothing_to_plan(bare: FalseHost, before: Wanted | None) -> None:
    if before:
        bare.apply(*before, "run-0")
    bare.apply(*B)
    state = bare.state()
    assert {f.path.lstrip("/"): f.content for f in B.files}.items() <= {
        p: c for p, (c, _) in state["files"].items()
    }.items()
    assert all(state["files"][f.path.lstrip("/")][1] & 0o777 == f.mode for f in B.files)
    assert state["relay"] == B.content(paths.MEDIAMTX_FILE)
    assert {peer.public_key for peer in state["peers"]["wg-prov"]} == {peer.public_key for peer in B.spec.tunnel.peers}
    assert len(state["enabled"]) == 4
    assert state["active"] == state["enabled"]
    assert bare.job(*B).changes == ()
    manifest = json.loads(paths.MANIFEST.read_text())
    assert (manifest["run"], len(manifest["files"]), len(manifest["programs"])) == ("run-1", len(B.files), 1)
    assert is_free(bare)


def test_what_a_plan_does_not_change_is_neither_written_nor_restarted(host: FalseHost) -> None:
    """A new site costs no viewer of another one a restart."""
    before = {file.path: Path(f"{host.root}{file.path}").stat().st_ino for file in A.files}
    host.ran.clear()
    host.apply(*B, "run-2")
    kept = {file.path for file in A.files if file.content == next(f for f in B.files if f.path == file.path).content}
    same = {path for path, inode in before.items() if Path(f"{host.root}{path}").stat().st_ino == inode}
    assert same == kept
    told = [words for words in host.ran if words.startswith("systemctl") and " show " not in words]
    assert told == [f"systemctl restart {paths.UNIT_REVERT}", f"systemctl stop --no-block {paths.UNIT_REVERT}"]
    assert not [words for words in host.ran if words.startswith(("wg setconf wg-prov ", "ip link"))]


@pytest.mark.parametrize("before", [None, A], ids=["a bare host", "a state"])
def test_whichever_program_fails_the_host_is_the_old_one_and_free_again(bare: FalseHost, before: Wanted | None) -> None:
    """Each program that a change runs fails once; then the same change is made from the host as it is left."""
    if before:
        bare.apply(*before, "run-0")
    # The kernel keeps a oneshot unit active that has no file any more.
    bare.active.add(paths.UNIT_NFT)
    state, job = bare.state(), bare.job(*B)
    ends = set()
    for number in range(1, 200):
        run, bare.failing = f"run-{number}", len(bare.ran) + number
        answer = bare.start(job, run)
        if len(bare.ran) < bare.failing:
            break
        failed = bare.ran[bare.failing - 1]
        if answer["outcome"] == "armed":
            answer = bare.later("abort", job, run, cause="a person")
        assert bare.state() == state, failed
        assert is_free(bare), failed
        ends.add(answer["outcome"])
    assert ends >= {"refused", "rolled-back"}
    bare.failing = 0
    assert (answer["outcome"], bare.confirm(job, run)["outcome"]) == ("armed", "applied")
    assert bare.job(*B).changes == ()


def test_a_relay_without_the_next_key_that_its_file_names_refuses_it_before_the_switch(host: FalseHost) -> None:
    """Gateways would be told of a key that nobody has: keys are made by a call of their own, before a plan."""

    def following(file: RenderedFile) -> RenderedFile:
        link = json.loads(file.content) | {"following": {"public_key": "N" * 43 + "=", "port": 51999}}
        return dataclasses.replace(file, content=json.dumps(link).encode())

    files = tuple(following(file) if file.path == TUNNEL_FILE else file for file in B.files)
    before = host.state()
    answer = host.start(host.job(B.spec, files), "run-2")
    assert answer["outcome"] == "refused"
    assert answer["cause"].startswith(
        "check next key: the next key of this relay is not the one that the inventory has"
    )
    assert host.state() == before


def test_a_defect_of_ours_in_the_switch_returns_the_host_too(host: FalseHost, monkeypatch: pytest.MonkeyPatch) -> None:
    before, job = host.state(), host.job(*B)
    monkeypatch.setattr(switch, "_switch_tunnel", lambda *_: 1 / 0)
    answer = host.start(job, "run-2")
    assert (answer["outcome"], answer["cause"]) == ("rolled-back", "ZeroDivisionError: division by zero")
    assert host.state() == before
    assert is_free(host)


@pytest.mark.parametrize("step", ["_put_files", "_switch_tunnel", "_switch_relay", "_switch_quarantine"])
@pytest.mark.parametrize("made", [False, True], ids=["before the step", "after it"])
def test_a_change_that_is_cut_off_in_its_switch_goes_back_as_soon_as_somebody_asks(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch, step: str, *, made: bool
) -> None:
    """The program is killed; nobody is there to go on, so the host must not wait for its confirmation."""
    before, job = host.state(), host.job(*B)
    real = getattr(switch, step)

    def killed(*arguments: Any, **options: Any) -> None:
        if made:
            real(*arguments, **options)
        raise CutOffError

    with monkeypatch.context() as patch:
        patch.setattr(switch, step, killed)
        with pytest.raises(CutOffError):
            host.start(job, "run-2")
    answer = host.confirm(job, "run-2")
    assert (answer["outcome"], answer["cause"]) == ("rolled-back", "the change was cut off in the middle of its switch")
    assert host.state() == before
    assert is_free(host)


def test_whichever_program_fails_a_return_leaves_the_host_of_before_it(host: FalseHost) -> None:
    """A return is a change like any other: it is made whole, or not at all."""
    host.apply(*MORE, "run-2")
    state, job = host.state(), host.job(*MORE, "run-2")
    ends = set()
    for number in range(3, 200):
        run, host.failing = f"run-{number}", len(host.ran) + number - 2
        answer = host.start(job, run)
        if len(host.ran) < host.failing:
            break
        failed = host.ran[host.failing - 1]
        if answer["outcome"] == "armed":
            answer = host.later("abort", job, run, cause="a person")
        assert host.state() == state, failed
        assert is_free(host), failed
        ends.add(answer["outcome"])
    assert ends == {"refused", "rolled-back"}
    host.failing = 0
    assert (answer["outcome"], host.confirm(job, run)["outcome"]) == ("armed", "applied")


def test_a_return_that_fails_is_said_to_have_failed_and_the_watcher_tries_on(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, job = host.state(), host.job(*B)
    assert host.start(job, "run-2")["outcome"] == "armed"
    with monkeypatch.context() as patch:
        patch.setattr(last_good, "_restore_file", _refuse)
        answer = host.later("abort", job, "run-2", cause="a person")
    assert answer["outcome"] == "rollback-failed"
    assert answer["cause"].startswith("a person; then: return to last-good: ")
    assert dead_man.armed() is not None
    assert (last_good.receipt_of("run-2") or {})["outcome"] == "rollback-failed"
    dead_man.revert_at_deadline()
    host.active.discard(paths.UNIT_REVERT)
    assert host.state() == before
    assert is_free(host)
    assert host.later("status", job, "run-2")["outcome"] == "rolled-back"


def test_a_record_of_a_change_that_cannot_be_read_is_one_whose_time_is_over(host: FalseHost) -> None:
    before, job = host.state(), host.job(*B)
    host.start(job, "run-2")
    paths.ARMED.write_text("{damaged")
    answer = host.later("status", job, "run-2")
    assert (answer["outcome"], host.state()) == ("rolled-back", before)
    assert not paths.ARMED.exists()


def test_a_host_returns_to_the_state_before_its_first_run_only_if_that_was_asked_for(bare: FalseHost) -> None:
    first = bare.state()
    bare.apply(*A)
    applied, job = bare.state(), bare.job(*A, "run-1")
    refused = bare.start(job, "run-2", bare=False)
    assert refused["outcome"] == "refused"
    assert "nobody approved" in refused["cause"]
    assert bare.state() == applied
    assert bare.start(job, "run-3")["outcome"] == "armed"
    assert bare.confirm(job, "run-3")["outcome"] == "applied"
    # The kernel keeps a oneshot unit active that has no file any more; a program goes with the first state without it.
    bare.active.discard(paths.UNIT_NFT)
    now = without_trust(bare.state())
    kept = {path for path in now["files"] if "/mediamtx-" in path or path.endswith("/provisioner-host")}
    assert {**now, "files": {path: file for path, file in now["files"].items() if path not in kept}} == first


# --- between the two calls ------------------------------------------------------------------------
def _stopped(host: FalseHost) -> None:
    host.active.discard(paths.UNIT_QUARANTINE)


def _disabled(host: FalseHost) -> None:
    host.enabled.discard(paths.UNIT_NFT)


def _other_rules(host: FalseHost) -> None:
    host.rules = f"{host.rules}another line\nand one more\n"


def _no_tunnel(host: FalseHost) -> None:
    host._ip("link", "del", "wg-prov", stdin="")  # noqa: SLF001 (somebody's own command)


def _another_peer(host: FalseHost) -> None:
    host.interfaces["wg-prov"] += "[Peer]\nPublicKey = AAAA\nPresharedKey = BBBB\n"


def _peer_missing(host: FalseHost) -> None:
    host.interfaces["wg-prov"] = host.interfaces["wg-prov"].rpartition("[Peer]")[0]


def _silent_relay(host: FalseHost) -> None:
    host.answers = False


DAMAGE: list[tuple[Callable[[FalseHost], None], str]] = [
    (_stopped, "provisioner-quarantine.service is inactive and enabled"),
    (_disabled, "provisioner-nft.service is active and disabled"),
    (_other_rules, "the live rules differ from the file: input/and one more"),
    (_no_tunnel, "the tunnel is not up"),
    (_another_peer, "the tunnel's peers differ: AAAA"),
    (_peer_missing, "the tunnel's peers differ: "),
    (_silent_relay, "MediaMTX does not hold the file that was written"),
]


@pytest.mark.parametrize(("damage", "cause"), DAMAGE)
def test_what_is_not_as_it_was_left_is_not_confirmed_but_returned(
    host: FalseHost, damage: Callable[[FalseHost], None], cause: str
) -> None:
    before, job = host.state(), host.job(*B)
    assert host.start(job, "run-2")["outcome"] == "armed"
    damage(host)
    answer = host.confirm(job, "run-2")
    assert answer["outcome"] == "rolled-back"
    assert answer["cause"].startswith(f"health: {cause}")
    assert host.state() == before
    assert is_free(host)
    assert last_good.receipt_of("run-2")["cause"] == answer["cause"]  # type: ignore[index]  # it is there


@pytest.mark.parametrize(("damage", "cause"), DAMAGE)
def test_a_return_to_an_earlier_run_is_held_to_the_same(
    host: FalseHost, damage: Callable[[FalseHost], None], cause: str
) -> None:
    host.apply(*B, "run-2")
    before, job = host.state(), host.job(*B, "run-2")
    assert host.start(job, "run-3")["outcome"] == "armed"
    damage(host)
    answer = host.confirm(job, "run-3")
    assert answer["outcome"] == "rolled-back"
    # A disabled unit is not what was saved either: it is left out of what should run.
    assert answer["cause"].startswith("persist: ")
    assert cause
    assert host.state() == before


@pytest.mark.parametrize("path", ["WG_FILE", "MEDIAMTX_FILE", "NFT_FILE", "PSK_FILE"])
def test_a_return_is_not_confirmed_once_a_file_differs_from_the_saved_one(host: FalseHost, path: str) -> None:
    host.apply(*B, "run-2")
    before, job = host.state(), host.job(*B, "run-2")
    assert host.start(job, "run-3")["outcome"] == "armed"
    file: Path = getattr(paths, path)
    file.write_text(file.read_text() + "# by hand\n")
    answer = host.confirm(job, "run-3")
    assert answer["outcome"] == "rolled-back"
    assert answer["cause"].endswith(f"/{file.name} is not as it was saved")
    assert host.state() == before


def test_a_return_undoes_a_change_and_itself_can_be_undone(host: FalseHost) -> None:
    first = host.state()
    host.apply(*MORE, "run-2")
    second = host.state()
    new = sorted({path.name for path in MORE.spec.paths} - {path.name for path in A.spec.paths})
    job = host.job(*MORE, "run-2")
    answer = host.start(job, "run-3")
    assert (answer["outcome"], answer["affected"], answer["removed"]) == ("armed", new, new)
    assert host.later("status", job, "run-3")["affected"] == new
    assert host.later("abort", job, "run-3", cause="a person")["outcome"] == "rolled-back"
    assert host.state() == second
    assert host.start(job, "run-4")["outcome"] == "armed"
    assert host.confirm(job, "run-4")["outcome"] == "applied"
    assert without_trust(host.state()) == without_trust(first)
    assert json.loads(paths.MANIFEST.read_text())["run"] == "run-4"
    assert is_free(host)


def test_a_return_without_a_name_is_one_to_the_newest_state(host: FalseHost) -> None:
    host.apply(*MORE, "run-2")
    host.apply(*B, "run-3")
    job = host.job(*B, "")
    assert host.start(job, "run-4")["outcome"] == "armed"
    assert host.confirm(job, "run-4")["outcome"] == "applied"
    # What run 3 took away was revoked, and run 4 gives back none of it.
    assert [generation["run"] for generation in last_good.generations()] == ["run-4", "run-2", "run-1"]
    answer = host.start(host.job(*B, "run-3"), "run-5")
    assert (answer["outcome"], answer["cause"]) == ("refused", "this host keeps no state of before run-3")
    assert is_free(host)


def test_a_host_that_keeps_no_state_returns_to_none(bare: FalseHost) -> None:
    answer = bare.start(bare.job(*A, ""), "run-1")
    assert (answer["outcome"], answer["cause"]) == ("refused", "this host keeps no state of before any run")


# --- who asks later -------------------------------------------------------------------------------
def test_a_run_s_status_is_that_of_its_last_step(host: FalseHost) -> None:
    job = host.job(*B)

    def status(run: str) -> str:
        return str(host.later("status", job, run)["outcome"])

    assert [status("run-1"), status("run-2")] == ["applied", "not-started"]
    host.start(job, "run-2")
    assert [status("run-1"), status("run-2"), status("run-3")] == ["applied", "armed", "not-started"]
    host.confirm(job, "run-2")
    assert [status("run-1"), status("run-2")] == ["applied", "applied"]
    # A receipt that is lost leaves the manifest's word.
    for kept in paths.RECEIPTS.iterdir():
        kept.unlink()
    assert [status("run-1"), status("run-2")] == ["not-started", "applied"]


def test_only_a_refused_run_s_status_says_what_it_was_refused_for(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = host.job(*B)
    with monkeypatch.context() as patch:
        patch.setattr("provisioner_host.change.preflight.check", _refuse)
        assert host.start(job, "run-2")["outcome"] == "refused"
    assert host.later("status", job, "run-2")["refusal"] == "check"
    host.start(job, "run-3")
    host.later("abort", job, "run-3", cause="a person")
    answer = host.later("status", job, "run-3")
    assert (answer["outcome"], answer["cause"], "refusal" in answer) == ("rolled-back", "a person", False)


def _refuse(*_: object) -> None:
    raise Failed("check rules: nft: syntax error")


def test_sessions_that_a_change_ended_are_in_its_receipt(host: FalseHost, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ["ended 1 session of viewer, who may not read any more"]
    monkeypatch.setattr("provisioner_host.relay.sessions.end_revoked", lambda _before, _now: ended)
    job = host.job(*B)
    assert host.start(job, "run-2")["notes"] == ended
    assert host.confirm(job, "run-2")["outcome"] == "applied"
    assert (last_good.receipt_of("run-2") or {})["sessions"] == ended


def test_a_look_renews_the_switch_and_a_change_that_waited_for_too_long_is_not_renewed(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a controller renews it: 15 minutes after the arming a change is confirmed or gone."""
    before, job = host.state(), host.job(*B)
    host.start(job, "run-2")
    armed = json.loads(paths.ARMED.read_text())
    monkeypatch.setattr(dead_man, "now", lambda: armed["since"] + 870)
    answer = host.later("look", job, "run-2", gate=None)
    assert (answer["outcome"], answer["after"]["relay"]) == ("armed", None)
    assert json.loads(paths.ARMED.read_text())["due"] == armed["since"] + 900
    monkeypatch.setattr(dead_man, "now", lambda: armed["since"] + 900)
    answer = host.later("look", job, "run-2", gate=None)
    assert (answer["outcome"], answer["cause"]) == ("rolled-back", "900 s are over: this host returns to last-good")
    assert host.state() == before
    assert host.later("look", job, "run-2", gate=None)["outcome"] == "rolled-back"


def test_a_host_at_work_is_locked_to_a_run_and_busy_to_who_asks(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = host.job(*B)
    monkeypatch.setattr("provisioner_host.change.confirm._LOCK_S", 0.0)
    with leases.lock("another"):
        assert host.start(job, "run-2")["outcome"] == "locked"
        assert host.later("status", job, "run-2")["outcome"] == "busy"
        with pytest.raises(leases.Locked):
            host.later("abort", job, "run-2", cause="a person")
    leases.take("run-9", "somebody", 60)
    answer = host.start(job, "run-2")
    assert answer["outcome"] == "locked"
    assert answer["cause"].startswith("held by somebody, run run-9, since ")
    assert host.later("status", job, "run-2")["outcome"] == "not-started"


def test_a_receipt_that_cannot_be_read_leaves_what_the_host_records(host: FalseHost) -> None:
    job = host.job(*B)
    host.start(job, "run-2")
    host.confirm(job, "run-2")
    for run in ("run-1", "run-2"):
        (paths.RECEIPTS / f"{run}.json").write_text("{damaged")
    answers = [host.later("status", job, run) for run in ("run-1", "run-2")]
    assert [answer["outcome"] for answer in answers] == ["rolled-back", "applied"]
    assert all("is damaged" in answer["cause"] for answer in answers)


def test_a_host_that_waits_for_one_run_is_locked_to_others_and_names_who_has_it(host: FalseHost) -> None:
    job = host.job(*B)
    assert host.start(job, "run-2")["outcome"] == "armed"
    waits = host.state()
    answer = host.start(job, "run-3")
    assert answer["outcome"] == "locked"
    waits_for = "run run-2 waits for its confirmation"
    assert re.fullmatch(rf"{waits_for}: noc, run run-2, since \S+, for \d+ s more", answer["cause"])
    paths.LEASE.unlink()
    assert host.start(job, "run-3")["cause"] == waits_for
    assert host.state() == waits


@pytest.mark.parametrize(("late_s", "outcome"), [(4.5, "locked"), (5.5, "armed")])
def test_a_change_that_nobody_confirmed_is_returned_by_the_next_run(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch, late_s: float, outcome: str
) -> None:
    """The watcher returns it; five seconds after its time the next run no longer waits for it."""
    job = host.job(*B)
    host.start(job, "run-2")
    due = json.loads(paths.ARMED.read_text())["due"]
    monkeypatch.setattr(leases, "now", lambda: due + late_s)
    monkeypatch.setattr(dead_man, "now", lambda: due + late_s)
    answer = host.start(job, "run-3")
    assert answer["outcome"] == outcome
    if outcome == "armed":
        assert "run run-2 was returned to last-good: nobody confirmed the change in time" in answer["notes"]


def test_a_change_that_nobody_confirmed_is_returned_at_its_time_and_after_a_boot(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, job = host.state(), host.job(*B)
    host.start(job, "run-2")
    due = json.loads(paths.ARMED.read_text())["due"]
    monkeypatch.setattr(dead_man, "now", lambda: due + 1)
    dead_man.revert_at_deadline()
    host.active.discard(paths.UNIT_REVERT)
    assert host.state() == before
    assert host.later("status", job, "run-2")["outcome"] == "rolled-back"
    monkeypatch.undo()
    assert host.start(job, "run-3")["outcome"] == "armed"
    dead_man.revert_at_boot()
    assert paths.ARMED.exists(), "the boot is the same one"
    monkeypatch.setattr(dead_man, "boot_id", lambda: "another boot")
    dead_man.revert_at_boot()
    assert host.state() == before
    assert host.later("confirm", job, "run-3", files=[], observe={})["outcome"] == "rolled-back"


def test_a_host_that_cannot_be_observed_after_its_confirmation_is_confirmed_all_the_same(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = host.job(*B)
    host.start(job, "run-2")
    for error in (Failed("no"), OSError(5, "no")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("provisioner_host.change.confirm.observe", fails)
        answer = host.confirm(job, "run-2")
        assert answer["outcome"] == "applied"
        assert answer.get("facts") is None


@pytest.mark.parametrize("step", ["_store_generation", "last_good.renew_keys", "last_good.keep", "keys.claim"])
def test_a_confirmation_that_was_cut_off_is_finished_by_whoever_asks_next(
    host: FalseHost, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The power goes after the switch was disarmed: the change is confirmed, and the saved states follow."""
    job = host.job(*MORE)
    host.start(job, "run-2")
    changed = host.state()
    with monkeypatch.context() as patch:
        patch.setattr(f"provisioner_host.change.confirm.{step}", _cut_off)
        with pytest.raises(CutOffError):
            host.confirm(job, "run-2")
    assert host.later("status", job, "run-2")["outcome"] == "applied"
    assert host.state() == changed
    assert {file["path"] for file in last_good.state_of(paths.LAST_GOOD)["files"]} == {
        f"{host.root}{file.path}" for file in MORE.files
    }
    assert [generation["run"] for generation in last_good.generations()] == ["run-2", "run-1"]
    assert host.start(host.job(*MORE, "run-2"), "run-3")["outcome"] == "armed"
    assert host.confirm(job, "run-3")["outcome"] == "applied"
    assert {change.name for change in host.job(*A).changes} == {TRUST_FILE}


class CutOffError(BaseException):
    """The power went."""


def _cut_off(*_: object, **__: object) -> None:
    raise CutOffError


def test_steps_are_told_to_the_millisecond(host: FalseHost) -> None:
    for step in host.start(host.job(*B), "run-2")["steps"]:
        assert step["seconds"] >= 0
        assert step["seconds"] == round(step["seconds"], 3)


# --- MediaMTX and the units -----------------------------------------------------------------------
@pytest.mark.parametrize(("lost", "outcome"), [(1, "armed"), (100, "rolled-back")])
def test_a_write_that_mediamtx_did_not_see_is_made_once_more(host: FalseHost, lost: int, outcome: str) -> None:
    before = host.state()
    host.lost_writes = lost
    answer = host.start(host.job(*B), "run-2")
    host.lost_writes = 0
    assert answer["outcome"] == outcome
    if outcome == "rolled-back":
        assert answer["cause"] == "relay: MediaMTX has not read its new file"
        assert host.state()["files"] == before["files"]


def test_a_relay_gets_its_new_paths_a_few_at_a_time(host: FalseHost) -> None:
    """Cameras all dial at once after a reload: 50 new ones at most, until the last file has the others."""
    many = wanted((*FIRST.items(), ("kcl-bg-4", 60), ("kcl-bg-5", 70)))
    before = host.read
    host.reads.clear()
    assert host.start(host.job(*many), "run-2")["outcome"] == "armed"
    assert host.reads[-1] == many.content(paths.MEDIAMTX_FILE)
    names = [{name for name, _ in quarantine.pulled_in(text)} for text in (before, *host.reads)]
    steps = [len(now - then) for then, now in itertools.pairwise(names)]
    assert (steps, len(names[-1])) == ([50, 50, 30], 5 + 130)


def test_a_step_that_mediamtx_did_not_see_is_written_once_more(host: FalseHost) -> None:
    many = wanted((*FIRST.items(), ("kcl-bg-4", 60)))
    host.lost_writes = 1
    assert host.start(host.job(*many), "run-2")["outcome"] == "armed"
    assert host.read == many.content(paths.MEDIAMTX_FILE)
    host.later("abort", host.job(*many), "run-2", cause="a person")
    host.lost_writes = 2
    answer = host.start(host.job(*many), "run-3")
    assert (answer["outcome"], answer["cause"]) == (
        "rolled-back",
        "relay: MediaMTX has not read a step of its new file",
    )


def test_a_relay_that_does_not_answer_is_killed_if_its_plan_says_so_and_left_alone_otherwise(host: FalseHost) -> None:
    """Only a restart helps, and it cuts all viewers: a plan has to announce it."""
    host.answers = False
    job = host.job(*B)
    stale = host.start(job, "run-2", restart=[])
    assert (stale["outcome"], stale["cause"]) == (
        "stale",
        "provisioner-mediamtx.service does not answer its Control API any more",
    )
    host.ran.clear()
    assert host.start(job, "run-3", restart=[paths.UNIT_MEDIAMTX])["outcome"] == "armed"
    assert f"systemctl kill --signal=SIGKILL {paths.UNIT_MEDIAMTX}" in host.ran
    assert host.confirm(job, "run-3")["outcome"] == "applied"
    assert host.read == B.content(paths.MEDIAMTX_FILE)


def test_a_relay_that_does_not_run_is_started_with_its_new_file_and_nothing_is_tried(bare: FalseHost) -> None:
    bare.apply(*recorder("old"), "run-0")
    bare.active.discard(paths.UNIT_MEDIAMTX)
    bare.reads.clear()
    after = recorder("new")
    job = bare.job(*after)
    assert bare.start(job, "run-1")["outcome"] == "armed"
    assert bare.reads == [after.content(paths.MEDIAMTX_FILE)]
    assert bare.confirm(job, "run-1")["outcome"] == "applied"


def test_systemd_reads_units_anew_if_it_says_that_it_should(host: FalseHost) -> None:
    host.unread_units = {paths.UNIT_WG}
    job = host.job(*B)
    host.ran.clear()
    assert host.start(job, "run-2")["outcome"] == "armed"
    assert "systemctl daemon-reload" in host.ran


@pytest.mark.parametrize("unit", [paths.UNIT_MEDIAMTX, paths.UNIT_QUARANTINE])
def test_a_unit_whose_file_differs_is_restarted_and_no_other(host: FalseHost, unit: str) -> None:
    (paths.UNIT_FOLDER / unit).write_text("[Service]\nExecStart=/bin/true x\n")
    job = host.job(*A)
    host.ran.clear()
    assert host.start(job, "run-2")["outcome"] == "armed"
    restarted = [words for words in host.ran if words.startswith("systemctl restart")]
    assert restarted == [f"systemctl restart {paths.UNIT_REVERT}", f"systemctl restart {unit}"]
    assert "systemctl daemon-reload" in host.ran


def test_a_file_that_should_belong_to_somebody_else_is_written_anew(host: FalseHost) -> None:
    job = host.job(*A)
    before = paths.PSK_FILE.stat().st_ino
    host.owners = {"group": "another"}
    assert host.start(job, "run-2")["outcome"] == "armed"
    assert paths.PSK_FILE.stat().st_ino != before


def test_programs_that_no_state_needs_are_removed_and_the_others_stay(host: FalseHost) -> None:
    spare = paths.LIB / "mediamtx-0.9.0-000000"
    spare.write_bytes(b"old")
    manifest = json.loads(paths.MANIFEST.read_text())
    manifest["programs"][str(spare)] = "sum"
    paths.MANIFEST.write_text(json.dumps(manifest))
    for number in range(2, 7):
        host.apply(*(A, B)[number % 2], f"run-{number}")
    runs = [path for path in paths.LIB.iterdir() if path.name.startswith("mediamtx-")]
    assert list(json.loads(paths.MANIFEST.read_text())["programs"]) == [str(path) for path in runs]
    assert runs == [paths.LIB / "mediamtx-1.20.1-000000"]


# --- new logins ------------------------------------------------------------------------------------
def recorder(password: str) -> Wanted:
    """The first state, with the three cameras of its first site as channels of one recorder."""
    spec, files = wanted(tuple(FIRST.items()), (), password)
    [address, *_] = [path.source.address for path in spec.paths if "/kcl-bg-1/" in path.name and path.source]
    port = re.compile(rf"(@{re.escape(str(address))}):\d+/".encode())
    return Wanted(spec, tuple(dataclasses.replace(f, content=port.sub(rb"\1:10554/", f.content)) for f in files))


@pytest.mark.parametrize("answer", ["accepts", "refuses", "is silent"])
def test_a_new_login_is_tried_by_two_paths_of_a_device_before_all_use_it(bare: FalseHost, answer: str) -> None:
    """A device counts refusals and locks out: its other channels wait until it has answered, at most five seconds."""
    before, after = recorder("old"), recorder("new")
    channels = sorted(path.name for path in after.spec.paths if "/kcl-bg-1/" in path.name)
    others = sorted(path.name for path in after.spec.paths if "/kcl-bg-2/" in path.name)
    bare.apply(*before, "run-0")
    bare.reads.clear()
    bare.dark = set() if answer == "accepts" else set(channels)
    said = [f"[path {name}] [RTSP source] bad status code: 401 (Unauthorized)" for name in channels[:2]] * 2
    bare.log = "\n".join(json.dumps({"level": "ERR", "message": text}) for text in said) if answer == "refuses" else ""
    job, began = bare.job(*after), bare.clock.monotonic()
    assert bare.start(job, "run-1")["outcome"] == "armed"
    waited_s = bare.clock.monotonic() - began
    trial, last = (sorted(name for name, _ in quarantine.pulled_in(text)) for text in (bare.reads[0], bare.reads[-1]))
    assert trial == sorted([*channels[:2], *others])
    assert last == sorted([*others, *(channels if answer != "refuses" else [])])
    assert quarantine.names() == (channels if answer == "refuses" else [])
    assert (waited_s >= 5) is (answer == "is silent")
    assert bare.confirm(job, "run-1")["outcome"] == "applied"
    assert quarantine.whole(paths.MEDIAMTX_FILE.read_text()) == after.content(paths.MEDIAMTX_FILE)
