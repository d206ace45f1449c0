"""The record against those who can write its database, and against what hosts and Git notes hold of it."""

import copy
import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import zlib
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provisioner.base.text import canonical_text
from provisioner.record.entries import genesis, linked
from provisioner.record.heads import REF
from provisioner.record.leases import TakenLease
from provisioner.record.state_folder import FILE, SIGNING_KEY
from tests.hostile import LOCAL_USER, MERGE_REQUEST, RELAY
from tests.recorded import Printed, RecordingController, recording_controller

RELAY_1, RELAY_2 = "relay-viettel-1", "relay-vnpt-1"


class KilledError(BaseException):
    """The controller is killed."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecordingController:
    """A controller that has applied, verified, and changed one relay since; each test takes a copy."""
    controller = recording_controller(tmp_path_factory.mktemp("recorded"))
    assert controller.run("apply", "--yes", "--allow", "trust=9").code == 0
    assert controller.run("verify").code == 0
    close_facility(controller)
    assert controller.run("apply", "--yes", "--allow", "trust=9").code == 0
    return controller


@pytest.fixture
def controller(recorded: RecordingController, tmp_path: Path) -> RecordingController:
    return recorded.copy(tmp_path / "copy")


def close_facility(controller: RecordingController, name: str = "bac-giang/kcl-bg-002") -> None:
    path = controller.root / f"facilities/{name}.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("operating: open", "operating: closed"), encoding="utf-8")
    assert controller.run("allocate").code == 0


def kill_at(controller: RecordingController, operation: str) -> None:
    """Let the controller die before an operation of its next apply."""

    def die(called: str, _host: str) -> None:
        if called == operation:
            raise KilledError

    controller.hosts.before = die
    with pytest.raises(KilledError):
        controller.run("apply", "--yes", "--allow", "trust=9")
    controller.hosts.before = lambda *_of: None


def cut(connection: sqlite3.Connection, after: int) -> None:
    """Cut entries off the end, with all that hangs on them."""
    for table in ("documents", "events"):
        runs = "SELECT run FROM provisioner_entries WHERE number > ?"
        connection.execute(f"DELETE FROM provisioner_{table} WHERE run IN ({runs})", (after,))  # noqa: S608
    for table in ("entries", "seals", "checks", "holdings", "verdicts"):
        connection.execute(f"DELETE FROM provisioner_{table} WHERE number > ?", (after,))  # noqa: S608


def hash_anew(connection: sqlite3.Connection, change: Callable[[str], str]) -> None:
    """Rewrite every entry and chain them again, as anybody can who has read this program."""
    previous = genesis("example")
    rows = connection.execute("SELECT number, content FROM provisioner_entries ORDER BY number").fetchall()
    for number, old in rows:
        content = change(old)
        hashed = linked(previous, content)
        connection.execute(
            "UPDATE provisioner_entries SET content = ?, previous = ?, hash = ? WHERE number = ?",
            (content, previous, hashed, number),
        )
        previous = hashed


def unkeyed(content: str) -> str:
    """An entry as versions before keys wrote it."""
    plain = json.loads(content)
    return canonical_text({name: value for name, value in plain.items() if name not in {"history", "keyed"}})


def forget_here(controller: RecordingController) -> None:
    """Remove what this machine remembers, as who can write the folder can."""
    (controller.state / "head.json").unlink()


# --- what nobody touched ----------------------------------------------------------------------------
def test_a_record_that_nobody_touched_is_whole_and_keyed(controller: RecordingController) -> None:
    checked = controller.check("--hosts")
    assert (checked.code, checked.faults) == (0, [])
    document = checked.document
    assert (document["seals"]["keyed"], document["seals"]["unkeyed"]) == (document["entries"], 0) == (5, 0)
    assert document["hosts"] == sorted(controller.hosts.hosts)
    assert document["unanswered"] == []


def test_without_hosts_the_last_line_says_that_they_were_not_asked(controller: RecordingController) -> None:
    assert "hosts were not asked" in controller.run("history", "verify").out.splitlines()[-1]
    assert "hosts were not asked" not in controller.run("history", "verify", "--hosts").out


def test_with_a_closed_vault_seals_are_not_checked_and_that_is_said(controller: RecordingController) -> None:
    checked = controller.check(**controller.without_key())
    assert (checked.code, checked.document["seals"]["checked"]) == (0, False)
    assert "the seals of entries were not checked" in checked.err
    assert controller.check("--hosts", **controller.without_key()).code == 12


def test_entries_of_an_older_version_are_counted_and_no_fault(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        connection.execute("DROP TABLE provisioner_seals")
        connection.execute("DROP TABLE provisioner_migrations")
        connection.execute("DROP TABLE provisioner_host_epochs")
        hash_anew(connection, unkeyed)
    forget_here(controller)
    checked = controller.check()
    assert (checked.code, checked.document["seals"]["unkeyed"]) == (0, 5)
    assert "no entry is keyed" in controller.run("history", "verify").out
    assert controller.run("verify").code == 0
    checked = controller.check()
    assert (checked.code, checked.document["seals"]["unkeyed"], checked.document["seals"]["keyed"]) == (0, 5, 1)


# --- who can write the database ---------------------------------------------------------------------
@LOCAL_USER
def test_a_record_that_is_rewritten_with_fresh_hashes_is_not_whole(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        hash_anew(connection, lambda content: content.replace('"user":"', '"user":"not-'))
    faults = controller.check().faults
    assert sum("not by the vault's key" in fault for fault in faults) >= 5


@LOCAL_USER
def test_a_rewrite_that_passes_for_an_older_versions_record_is_missed_by_hosts(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        hash_anew(connection, lambda content: unkeyed(content).replace('"user":"', '"user":"not-'))
        connection.execute("DELETE FROM provisioner_seals")
    forget_here(controller)
    assert controller.check().code == 0  # nobody here can tell it from a record of an older version
    checked = controller.check("--hosts")
    assert checked.code == 1
    assert any(RELAY_1 in fault and "genuine by the vault's key" in fault for fault in checked.faults)


@LOCAL_USER
def test_seals_that_are_taken_away_alone_are_missed(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        connection.execute("DELETE FROM provisioner_seals")
    forget_here(controller)
    assert sum("its seal is gone" in fault for fault in controller.check().faults) == 5
    assert any("without one" in fault for fault in controller.check("--hosts").faults)


@LOCAL_USER
@pytest.mark.parametrize(
    ("said", "statements"),
    [
        ("it is missing", ["DELETE FROM provisioner_entries WHERE number = 3"]),
        ("unkeyed, and an entry before it is keyed", ["DELETE FROM provisioner_seals WHERE number = 4"]),
        (
            "by another key than the vault's",
            ["UPDATE provisioner_seals SET seal = replace(seal, 'hmac-sha256:', 'hmac-sha256:0') WHERE number = 5"],
        ),
        (  # A check that hangs on an entry which is no verification's.
            "no ended run's (4)",
            [
                "UPDATE provisioner_checks SET number = 4 WHERE rowid = (SELECT min(rowid) FROM provisioner_checks)",
                "INSERT INTO provisioner_checks SELECT inventory, 3, facility, relay, content, at, pulled,"  # noqa: ISC004
                " checked, proved FROM provisioner_checks WHERE number = 4",
            ],
        ),
    ],
)
def test_rows_that_somebody_changed_or_removed_are_named(
    controller: RecordingController, said: str, statements: list[str]
) -> None:
    with controller.tampered() as connection:
        for statement in statements:
            connection.execute(statement)
    assert any(said in fault for fault in controller.check().faults)


@LOCAL_USER
def test_an_end_that_is_cut_off_is_missed_by_this_machine_and_by_hosts(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        cut(connection, after=3)
    faults = controller.check().faults
    assert any("this machine" in fault and "ends with entry 3" in fault for fault in faults)
    forget_here(controller)
    assert any("a number on a host of a run that has no entry" in fault for fault in controller.check().faults)
    with controller.tampered() as connection:
        connection.execute("DELETE FROM provisioner_host_epochs")
    assert controller.check().code == 0
    checked = controller.check("--hosts")
    assert checked.code == 1
    (fault,) = [fault for fault in checked.document["faults"] if "manifest" in fault["message"]]
    assert (fault["host"], fault["number"]) == (RELAY_1, 4)
    assert fault["run"] in fault["message"]
    assert "backup" in fault["hint"]
    assert "who could write it" in fault["hint"]


@LOCAL_USER
@pytest.mark.parametrize("how", ["rows", "file"])
def test_an_emptied_record_is_missed_by_hosts(controller: RecordingController, how: str) -> None:
    if how == "rows":
        with controller.tampered() as connection:
            cut(connection, after=0)
    else:
        shutil.rmtree(controller.state)
    checked = controller.check("--hosts")
    assert checked.code == 1
    assert any("is empty: it was emptied or removed" in fault for fault in checked.faults)


@LOCAL_USER
def test_a_missing_database_is_told_where_this_machine_remembers_it(controller: RecordingController) -> None:
    (controller.state / FILE).unlink()
    assert any("this machine" in fault for fault in controller.check().faults)
    forget_here(controller)
    assert controller.check().code == 2  # nothing here tells that there ever was one


@LOCAL_USER
def test_what_is_cut_stays_missed_after_the_next_run(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        cut(connection, after=3)
    assert controller.run("verify").code == 0
    assert any("this machine" in fault for fault in controller.check().faults)


def test_a_backup_that_people_know_of_is_no_fault(controller: RecordingController) -> None:
    kept = sqlite3.connect(controller.folder / "backup.db")
    with closing(kept), closing(sqlite3.connect(controller.state / FILE)) as connection:
        connection.backup(kept)
    close_facility(controller, "quang-nam/kcl-qn-001")
    assert controller.run("apply", "--yes", "--allow", "trust=9").code == 0
    with closing(sqlite3.connect(controller.folder / "backup.db")) as kept, controller.tampered() as connection:
        kept.backup(connection)
    checked = controller.check("--hosts")
    assert checked.code == 1
    assert {fault["number"] for fault in checked.document["faults"]} == {6, 7}
    assert controller.check("--hosts", "--lost", "6-7").code == 0
    assert controller.check("--hosts", "--lost", "8-9").code == 1


@LOCAL_USER
def test_two_entries_that_are_swapped_do_not_follow(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        for old, new in ((3, -1), (2, 3), (-1, 2)):
            connection.execute("UPDATE provisioner_entries SET number = ? WHERE number = ?", (new, old))
    numbers = [fault["number"] for fault in controller.check().document["faults"]]
    assert {2, 3} <= set(numbers)


@LOCAL_USER
def test_anothers_record_does_not_pass_for_this_one_s(controller: RecordingController, tmp_path: Path) -> None:
    """It is chained and sealed by the same vault's digest key, under another id."""
    other = recording_controller(tmp_path / "other")
    settings = other.root / "inventory.yml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("id: example", "id: another", 1), encoding="utf-8")
    assert other.run("verify").code == 1
    shutil.rmtree(controller.state)
    controller.state.mkdir()
    shutil.copy(other.folder / "state/provisioner/another" / FILE, controller.state / FILE)
    with controller.tampered() as connection:
        for table in ("entries", "seals", "documents", "checks", "holdings", "held", "events", "verdicts"):
            connection.execute(f"UPDATE provisioner_{table} SET inventory = 'example'")  # noqa: S608
    assert any("another inventory" in fault for fault in controller.check().faults)
    with controller.tampered() as connection:
        hash_anew(connection, lambda content: content.replace('"history":"another"', '"history":"example"'))
    assert any("another record than ours" in fault for fault in controller.check().faults)


@LOCAL_USER
def test_a_run_that_is_replayed_at_the_end_is_not_genuine(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        (content,) = connection.execute("SELECT content FROM provisioner_entries WHERE number = 3").fetchone()
        (last,) = connection.execute("SELECT hash FROM provisioner_entries WHERE number = 5").fetchone()
        again = canonical_text(json.loads(content) | {"number": 6, "run": "20210601T000000Z-aaaaaa"})
        connection.execute(
            "INSERT INTO provisioner_entries SELECT inventory, 6, '20210601T000000Z-aaaaaa', step, operation, at,"
            " ?, ?, ? FROM provisioner_entries WHERE number = 3", (again, last, linked(last, again)),
        )  # fmt: skip
        connection.execute("INSERT INTO provisioner_seals SELECT inventory, 6, seal, signature FROM provisioner_seals"
                           " WHERE number = 3")  # fmt: skip
    assert any("not by the vault's key" in fault for fault in controller.check().faults)
    applied = controller.run("verify")
    assert "is damaged: its newest entry (6) is not as it was recorded" in applied.err


# --- who has the vault, and not the key that signs --------------------------------------------------
@pytest.fixture
def signing(tmp_path: Path) -> tuple[Path, Path]:
    """A key that signs, and its public half."""
    return write_keys(tmp_path / "record")


def write_keys(path: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    public = path.with_suffix(".pub")
    ssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    public.write_bytes(key.public_key().public_bytes(*ssh))
    return path, public


@LOCAL_USER
def test_an_entry_by_who_has_the_vault_alone_is_not_signed(
    controller: RecordingController, signing: tuple[Path, Path]
) -> None:
    private, public = signing
    assert controller.run("verify", **{SIGNING_KEY: str(private)}).code == 0
    checked = controller.check("--public-key", str(public))
    assert (checked.code, checked.document["seals"]["signed"], checked.document["seals"]["proved"]) == (0, 1, 1)
    assert controller.run("verify").code == 0
    assert controller.check().code == 0
    assert any("not signed" in fault for fault in controller.check("--public-key", str(public)).faults)


@LOCAL_USER
def test_a_signature_of_another_entry_or_another_key_is_a_fault(
    controller: RecordingController, signing: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = signing
    other, _ = write_keys(tmp_path / "other")
    for key in (private, private, other):
        assert controller.run("verify", **{SIGNING_KEY: str(key)}).code == 0
    assert any("not signed by a key" in fault for fault in controller.check("--public-key", str(public)).faults)
    with controller.tampered() as connection:
        (one,) = connection.execute("SELECT signature FROM provisioner_seals WHERE number = 6").fetchone()
        connection.execute("UPDATE provisioner_seals SET signature = ? WHERE number = 7", (one,))
    faults = controller.check("--public-key", str(public)).faults
    assert any("not by the key that it names" in fault for fault in faults)


@pytest.mark.parametrize("content", [None, b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_a_key_that_cannot_sign_lets_nothing_begin(
    controller: RecordingController, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    close_facility(controller, "quang-nam/kcl-qn-001")
    controller.hosts.calls.clear()
    applied = controller.run("apply", "--yes", "--allow", "trust=9", **{SIGNING_KEY: str(file)})
    assert applied.code == 13
    assert SIGNING_KEY in applied.err
    assert {operation for operation, _ in controller.hosts.calls} == {"observe"}


def test_neither_the_signing_key_nor_the_vault_s_is_in_the_record(
    controller: RecordingController, signing: tuple[Path, Path]
) -> None:
    assert controller.run("verify", **{SIGNING_KEY: str(signing[0])}).code == 0
    secret = signing[0].read_bytes().splitlines()[2]
    for file in controller.state.iterdir():
        assert secret not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


# --- hosts in other hands ---------------------------------------------------------------------------
@RELAY
@pytest.mark.parametrize(
    ("told", "said", "hint"),
    [
        ({"sequence": 99, "head": "sha256:" + "0" * 64}, "made up there", "the record is not doubted"),
        ({"sequence": 99, "seal": ""}, "", "its holder may have made it up"),
        (None, "", ""),  # A version before records told of its run alone.
    ],
)
def test_a_run_that_a_relay_makes_up_is_named_and_the_record_is_not_doubted(
    controller: RecordingController, told: dict[str, object] | None, said: str, hint: str
) -> None:
    manifest = controller.hosts.hosts[RELAY_2].manifest
    assert manifest is not None
    record = manifest.pop("record")
    manifest |= {"run": "20210601T000000Z-aaaaaa"} if told is None else {"record": {**record, **told}}
    (fault,) = controller.check("--hosts").document["faults"]
    assert fault["host"] == RELAY_2
    assert (fault["run"] == "20210601T000000Z-aaaaaa") if told is None else (fault["number"] == 99)
    assert said in fault["message"]
    assert hint in fault["hint"]


@RELAY
def test_a_relay_that_rewrites_its_receipts_is_named(controller: RecordingController) -> None:
    relay = controller.hosts.hosts[RELAY_1]
    relay.heads[0] = {**relay.heads[0], "run": "20210601T000000Z-aaaaaa"}
    (fault,) = controller.check("--hosts").document["faults"]
    assert (fault["host"], "receipt" in fault["message"], "made up there" in fault["message"]) == (RELAY_1, True, True)


@RELAY
def test_an_entry_of_another_relay_shows_nothing(controller: RecordingController) -> None:
    one, other = (controller.hosts.hosts[name].manifest for name in (RELAY_1, RELAY_2))
    assert one is not None
    assert other is not None
    other["record"] = one["record"]
    assert controller.check("--hosts").code == 0


@RELAY
@pytest.mark.parametrize(
    "word", [None, 7, [], {"run": 1}, {"run": "x", "sequence": "y", "head": "z", "seal": ""}, {"run": "\x1b[31m"}]
)
def test_a_relay_that_answers_nonsense_or_nothing_is_that_relay_s_error(
    controller: RecordingController, word: object
) -> None:
    relay = controller.hosts.hosts[RELAY_2]
    assert relay.manifest is not None
    if word is None:
        relay.reachable = False
    else:
        relay.manifest["record"] = word
    checked = controller.check("--hosts")
    assert checked.code == 5
    assert [one["host"] for one in checked.document["unanswered"]] == [RELAY_2]


def test_a_rolled_back_host_holds_the_entry_of_the_rollback(controller: RecordingController) -> None:
    assert controller.run("rollback", RELAY_1, "--yes").code == 0
    checked = controller.check("--hosts")
    assert (checked.code, checked.faults) == (0, [])


# --- a run that is taken up again -------------------------------------------------------------------
@pytest.fixture
def killed(controller: RecordingController) -> RecordingController:
    """A controller that was killed when its first host waited for its confirmation."""
    close_facility(controller, "quang-nam/kcl-qn-001")
    kill_at(controller, "confirm")
    return controller


@MERGE_REQUEST
def test_a_run_that_goes_on_leaves_a_foreign_host_and_says_so_by_its_code(killed: RecordingController) -> None:
    foreign = killed.hosts.hosts[RELAY_2]
    assert foreign.owner is not None
    # It has returned by itself, and somebody has taken it over.
    foreign.armed, foreign.identity = None, "somebody else's"
    foreign.owner = foreign.owner | {"inventory": "other", "key": "0" * 32}
    before = copy.deepcopy(foreign)
    resumed = killed.run("apply", "--resume")
    assert resumed.code == 6, resumed
    assert "belongs to inventory other" in resumed.out + resumed.err
    assert "provisioner hosts adopt" in resumed.out + resumed.err
    assert foreign == before


def test_a_run_that_nobody_touched_goes_on(killed: RecordingController) -> None:
    assert killed.check().code == 0
    assert killed.run("apply", "--resume").code == 0
    assert killed.check("--hosts").code == 0


def at_call(controller: RecordingController, number: int, *commands: str) -> list[Printed]:
    """Run commands of a second process before the call of a number; what they printed comes later."""
    calls, printed = itertools.count(), list[Printed]()

    def beside(*_of: str) -> None:
        if next(calls) == number:
            controller.hosts.before = lambda *_of: None
            printed.extend(controller.run("apply", command) for command in commands)

    controller.hosts.before = beside
    return printed


@pytest.mark.parametrize("number", [0, 2, 5, *(pytest.param(number, marks=pytest.mark.soak) for number in (1, 3, 4))])
def test_a_run_is_carried_out_by_one_process_at_a_time(killed: RecordingController, number: int) -> None:
    beside = at_call(killed, number, "--resume", "--abort", "--resume")
    assert killed.run("apply", "--resume").code == 0
    assert [other.code for other in beside] == [9, 9, 9]
    assert all("is being carried out, by " in other.err and str(os.getpid()) in other.err for other in beside)
    assert killed.check("--hosts").faults == []
    assert killed.run("apply", "--resume").code == 2
    assert not [*killed.state.glob("run-*")]


@pytest.mark.parametrize("first", ["--yes", "--abort"])
def test_a_run_that_lives_is_neither_resumed_nor_aborted(killed: RecordingController, first: str) -> None:
    words = ["apply", first]
    if first == "--yes":
        assert killed.run("apply", "--resume").code == 0
        close_facility(killed, "bac-giang/kcl-bg-001")
        words += ["--allow", "trust=9", "--allow", "deletion_percent=99"]
    calls = {"status", "apply", "look", "confirm", "abort"}
    beside: list[Printed] = []

    def while_it_changes(called: str, _host: str) -> None:
        if called in calls:
            killed.hosts.before = lambda *_of: None
            beside.extend(killed.run("apply", option) for option in ("--resume", "--abort"))

    killed.hosts.before = while_it_changes
    assert killed.run(*words).code in {0, 7}
    assert [other.code for other in beside] == [9, 9]
    assert killed.check("--hosts").faults == []


def test_a_run_whose_lease_a_database_let_go_starts_no_further_host(
    killed: RecordingController, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = TakenLease(is_held=lambda: False)
    killed.hosts.calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr("provisioner.operations.apply.execution.carried_out_here", lambda *_of: nullcontext(lost))
        stopped = killed.run("apply", "--resume")
    assert stopped.code == 7
    assert "another process may carry the run out" in stopped.out + stopped.err
    assert "apply" not in {called for called, _ in killed.hosts.calls}
    assert killed.run("apply", "--resume").code == 0
    assert killed.check("--hosts").faults == []


def test_a_run_that_two_processes_of_an_older_version_resumed_is_no_tampering(
    killed: RecordingController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "provisioner.operations.apply.execution.carried_out_here", lambda *_of: nullcontext(TakenLease())
    )
    at_call(killed, 1, "--resume")
    killed.run("apply", "--resume")
    checked = killed.check("--hosts")
    assert (checked.code, checked.faults) == (0, [])
    assert [remark["message"] for remark in checked.document["remarks"] if "two processes" in remark["message"]]
    with killed.tampered() as connection:
        connection.execute(
            "DELETE FROM provisioner_events WHERE rowid = (SELECT max(rowid) - 3 FROM provisioner_events)"
        )
    assert any("journal of run" in fault for fault in killed.check().faults)


@LOCAL_USER
def test_a_journal_with_another_intent_is_not_gone_on_with(killed: RecordingController) -> None:
    """An apply that would become a rollback, on hosts of the attacker's choice."""
    with killed.tampered() as connection:
        ((row, text),) = connection.execute(
            "SELECT rowid, before FROM provisioner_events WHERE step = 'run' AND run = (SELECT run FROM"
            " provisioner_entries ORDER BY number DESC LIMIT 1)"
        )
        changed = json.loads(text) | {"rollback": {RELAY_2: ""}, "max_failed": 9}
        connection.execute("UPDATE provisioner_events SET before = ? WHERE rowid = ?", (canonical_text(changed), row))
    killed.hosts.calls.clear()
    resumed = killed.run("apply", "--resume")
    assert resumed.code == 13
    assert "step 1 of run" in resumed.err
    assert killed.hosts.calls == []
    assert killed.check().code == 1


@LOCAL_USER
def test_a_host_is_not_taken_for_through_by_a_step_that_somebody_wrote(killed: RecordingController) -> None:
    with killed.tampered() as connection:
        connection.execute("UPDATE provisioner_events SET step = 'end', after = '{\"state\":\"applied\"}'"
                           " WHERE rowid = (SELECT max(rowid) FROM provisioner_events)")  # fmt: skip
    assert killed.run("apply", "--resume").code == 13


@LOCAL_USER
def test_a_run_that_somebody_without_the_key_began_is_not_gone_on_with(killed: RecordingController) -> None:
    with killed.tampered() as connection:
        connection.execute("DELETE FROM provisioner_seals")
        hash_anew(connection, lambda content: content)
    resumed = killed.run("apply", "--resume")
    assert resumed.code == 13
    assert "not by the vault's key" in resumed.err
    assert "apply --abort" in resumed.err


@LOCAL_USER
def test_an_ended_run_is_not_brought_back_by_cutting_its_end_off(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        connection.execute("DELETE FROM provisioner_entries WHERE number = 5")
    resumed = controller.run("apply", "--resume")
    assert resumed.code == 13
    assert "the record lost entry 5" in resumed.err


@LOCAL_USER
@pytest.mark.parametrize("left", [1, 2, 3])
def test_steps_that_are_cut_off_a_journal_leave_no_host_half_changed(killed: RecordingController, left: int) -> None:
    with killed.tampered() as connection:
        connection.execute(
            "DELETE FROM provisioner_events WHERE sequence > ? AND run = (SELECT run FROM provisioner_entries"
            " ORDER BY number DESC LIMIT 1)", (left,),
        )  # fmt: skip
    resumed = killed.run("apply", "--resume")
    assert resumed.code == 0, resumed
    assert all(host.armed is None for host in killed.hosts.hosts.values())
    assert killed.run("--output", "json", "plan").document["summary"]["hosts"] == 0


@LOCAL_USER
def test_a_damaged_run_can_be_ended_by_hand(killed: RecordingController) -> None:
    with killed.tampered() as connection:
        connection.execute("DELETE FROM provisioner_seals")
    assert killed.run("apply", "--resume").code == 13
    aborted = killed.run("apply", "--abort")
    assert aborted.code == 0, "a host that returns as asked has not failed"
    assert re.search(r"host.? returned to last-good, as the run was ended: ", aborted.out), aborted
    assert "failed" not in aborted.out
    assert all(host.armed is None for host in killed.hosts.hosts.values())


# --- damaged rows -----------------------------------------------------------------------------------
@LOCAL_USER
def test_a_damaged_entry_is_named_and_the_others_are_shown(controller: RecordingController) -> None:
    with controller.tampered() as connection:
        connection.execute("UPDATE provisioner_entries SET content = '{' WHERE number = 3")
    listed = controller.run("history")
    assert (listed.code, len(listed.out.splitlines())) == (0, 2)
    assert "entry 3 cannot be read" in listed.err
    assert controller.run("--output", "json", "history").document["damaged"] == ["3"]
    assert {fault["number"] for fault in controller.check().document["faults"]} >= {3}
    assert controller.run("apply", "--resume").code == 13


@LOCAL_USER
def test_a_packed_document_that_never_ends_fills_no_memory(
    controller: RecordingController, monkeypatch: pytest.MonkeyPatch
) -> None:
    from provisioner.record import tables  # noqa: PLC0415

    monkeypatch.setattr(tables, "LARGEST_DOCUMENT", 2**20)
    with controller.tampered() as connection:
        bomb = zlib.compress(b" " * 2**22)
        connection.execute("UPDATE provisioner_documents SET packed = ?", (bomb,))
        (run,) = connection.execute("SELECT run FROM provisioner_documents LIMIT 1").fetchone()
    assert controller.check().code == 1
    shown = controller.run("--output", "json", "history", run)
    assert shown.code == 13
    assert run in shown.err + shown.out


@LOCAL_USER
@pytest.mark.parametrize("table", ["entries", "checks", "holdings", "all entries"])
def test_nothing_in_the_database_writes_to_a_terminal(controller: RecordingController, table: str) -> None:
    column = {"entries": "run", "checks": "relay", "holdings": "host"}.get(table)
    with controller.tampered() as connection:
        if column:
            connection.execute(f"UPDATE provisioner_{table} SET {column} = {column} || char(27) || '[2J'")  # noqa: S608
        else:
            hash_anew(connection, lambda content: content.replace('"user":"', '"user":"\\u001b[2J\\u202e'))
    for arguments in (("history",), ("history", "verify"), ("status", "--why", "kcl-bg-001"), ("apply", "--resume")):
        printed = controller.run(*arguments)
        assert printed.code != 70
        assert not {"\x1b", "\u202e"} & set(printed.out + printed.err)


@LOCAL_USER
@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"history":"example","run":1,"number":2,"hash":3,"seal":4}',
        "x" * 9999,
        '{"history":"example","run":"r","number":99999999999999999999,"hash":"","seal":""}',
    ],
)
def test_what_this_machine_remembers_may_be_damaged(controller: RecordingController, content: str) -> None:
    (controller.state / "head.json").write_text(content, encoding="utf-8")
    assert controller.check().code == 0
    assert controller.run("verify").code == 0
    assert controller.check().code == 0


@RELAY
def test_a_relay_that_sends_receipts_without_end_is_cut_short(controller: RecordingController) -> None:
    relay = controller.hosts.hosts[RELAY_2]
    relay.heads = [{**relay.heads[0], "sequence": number + 100, "run": "r" * 9000} for number in range(2000)]
    checked = controller.check("--hosts")
    assert checked.code == 1
    assert len(checked.faults) == 100
    assert max(map(len, checked.faults)) < 400


# --- Git notes --------------------------------------------------------------------------------------
NOTE = {"PROVISIONER_RECORD_NOTE": "1"}


@pytest.fixture
def in_git(tmp_path: Path) -> RecordingController:
    """A controller whose inventory is in Git, with hooks that would tell that they ran."""
    controller = recording_controller(tmp_path)
    git(controller, "init", "-q", ".")
    for name in ("reference-transaction", "post-commit", "pre-commit", "post-rewrite"):
        hook = controller.root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/canary-hook'\n", encoding="utf-8")
        hook.chmod(0o755)
    git(controller, "config", "core.fsmonitor", f"touch '{tmp_path}/canary-monitor'")
    git(controller, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "add", "-A", "-f", "inventory.yml")
    git(controller, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "commit", "-qm", "begin")
    return controller


def git(controller: RecordingController, *arguments: str) -> str:
    person = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    argv = ["git", "-C", str(controller.root), *person, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_note_is_written_on_wish_alone(in_git: RecordingController) -> None:
    assert in_git.run("apply", "--yes", "--allow", "trust=9").code == 0
    assert in_git.check().document["notes"] == 0
    assert in_git.run("verify", **NOTE).code == 0
    checked = in_git.check()
    assert (checked.code, checked.document["notes"]) == (0, 1)
    assert git(in_git, "for-each-ref", REF)


@MERGE_REQUEST
def test_no_hook_and_no_monitor_of_the_repository_is_run_for_a_note(in_git: RecordingController) -> None:
    assert in_git.run("verify", **NOTE).code in {0, 1}
    assert in_git.check().document["notes"] == 1
    assert not list(in_git.folder.glob("canary-*"))


@LOCAL_USER
def test_a_verification_that_is_cut_off_is_missed_by_its_note(in_git: RecordingController) -> None:
    assert in_git.run("apply", "--yes", "--allow", "trust=9", **NOTE).code == 0
    assert in_git.run("verify", **NOTE).code == 0
    with in_git.tampered() as connection:
        cut(connection, after=2)
    (in_git.state / "head.json").unlink()
    (fault,) = in_git.check("--hosts").faults
    assert "the Git note on " in fault
    assert "genuine by the vault's key" in fault
    shutil.rmtree(in_git.state)
    assert in_git.check().code == 1


@MERGE_REQUEST
def test_a_note_that_somebody_made_up_is_told_as_such(in_git: RecordingController) -> None:
    assert in_git.run("verify", **NOTE).code in {0, 1}
    line = git(in_git, "notes", f"--ref={REF}", "show").strip()
    forged = json.dumps(json.loads(line) | {"number": 77})
    hooks = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
    git(in_git, *hooks, "notes", f"--ref={REF}", "append", "-m", f"{forged}\n\nnot a head\n{{\n[]")
    (fault,) = in_git.check().faults
    assert "made up there" in fault


def test_a_note_that_cannot_be_written_is_a_warning(controller: RecordingController) -> None:
    close_facility(controller, "quang-nam/kcl-qn-001")
    applied = controller.run("apply", "--yes", "--allow", "trust=9", **NOTE)
    assert applied.code == 0
    assert "warning: no Git note was written" in applied.out
    verified = controller.run("verify", **NOTE)
    assert "this verification is recorded, and no Git note was written" in verified.err
