"""Whose a host is, as its door tells it and its program marks it; and what goes to one that is somebody else's."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.secret import Secret, identity_key, owner_fingerprint
from provisioner.desired.owner import UNMARKED, Owner, owner_in
from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.runner import CallOutcome, HostCall
from provisioner_host import bundle
from provisioner_host.machine import files, paths
from provisioner_host.machine.shell import Failed
from provisioner_host.state import dead_man, keys, leases
from tests import fleets
from tests.hostile import NODE, RELAY
from tests.unit.hosts.test_proof import STRANGER
from tests.unit.operations.rollout.world import state

SPEC = state({}).hosts["centre"]
CANARY = "canary-secret-of-a-bundle"
OBSERVE = HostCall(SPEC, {"operation": "observe", "secret": CANARY}, {"file": CANARY.encode()})
OWN: Any = {"inventory": "example", "key": "0" * 32, "host": "relay-1"}
THEIRS = {"inventory": "other", "key": "1" * 32, "at": "2021-05-20T01:30:00Z", "host": "relay-9", "who": "noc@one"}
OTHER = owner_in(json.dumps(THEIRS))


# --- the door -------------------------------------------------------------------------------------
@pytest.fixture
def door(tmp_path: Path) -> Path:
    """The folder in which what lies on a host is looked for."""
    return tmp_path


def told(door: Path) -> str:
    """What the door's text says of whose the host is; no bundle and nothing else is read."""
    places = {"OWNER_FILE": door / "owner.json", "IDENTITY": door / "identity", "MANIFEST": door / "manifest.json"}
    text = Path(bundle.__file__).read_text(encoding="utf-8")
    text += "".join(f"{name} = {str(place)!r}\n" for name, place in places.items()) + "tell_owner()\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", text], input=b"\n", capture_output=True, check=True)
    (line,) = done.stdout.decode().split("\n")[1:-1]
    assert line.startswith(bundle.OWNER)
    return line.removeprefix(bundle.OWNER)


def test_a_host_with_nothing_of_ours_is_nobodys(door: Path) -> None:
    assert told(door) == "nothing"
    assert list(door.iterdir()) == []


@pytest.mark.parametrize("left", ["identity", "manifest.json", "owner.json"])
def test_whatever_of_ours_lies_there_makes_it_somebodys(door: Path, left: str) -> None:
    (door / left).touch()
    assert told(door) == "unmarked"
    (door / "owner.json").write_text(json.dumps(THEIRS))
    assert owner_in(told(door)) == OTHER


@RELAY
@pytest.mark.parametrize(
    "mark", [b"\xff\xfe", b'{"inventory"\n: "other"}\nPROVISIONER-PROOF 0', b"[" * 100_000, b"x" * 100_000]
)
def test_a_mark_that_is_none_is_one_line_of_bounded_length(door: Path, mark: bytes) -> None:
    (door / "owner.json").write_bytes(mark)
    said = told(door)
    assert len(said) <= 4096
    assert owner_in(said) == UNMARKED


# --- the program ----------------------------------------------------------------------------------
@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's folder of state, written to without owners of files."""
    for name in ("OWNER", "MANIFEST"):
        monkeypatch.setattr(paths, name, tmp_path / getattr(paths, name).name)
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    monkeypatch.setattr(paths, "LOCK", tmp_path / "run/lock")
    monkeypatch.setattr(files, "write_json", lambda path, document: path.write_text(json.dumps(document)))
    monkeypatch.setattr(files, "folder", lambda path, _mode: path.mkdir(exist_ok=True))
    monkeypatch.setattr(dead_man, "armed", lambda: None)
    monkeypatch.setattr(leases, "holder", lambda: None)
    return tmp_path


def mark() -> Owner | None:
    return owner_in(paths.OWNER.read_text()) if paths.OWNER.exists() else None


def test_first_keys_mark_a_host_and_leave_another_ones_mark(host: Path) -> None:
    assert host.exists()
    keys.claim_first(None, who="")
    assert mark() is None, "one that is taken over is marked by its apply"
    keys.claim_first(OWN, who="noc@two")
    first = mark()
    assert first is not None
    assert (first.inventory, first.host, first.who, first.released) == ("example", "relay-1", "noc@two", False)
    paths.OWNER.write_text(json.dumps(THEIRS))
    keys.claim_first(OWN, who="noc@two")
    assert mark() == OTHER


def test_a_confirmed_apply_marks_a_host_whoever_had_it(host: Path) -> None:
    paths.OWNER.write_text(json.dumps(THEIRS))
    keys.claim(OWN, run="run-1", who="ư" * 500)
    now = mark()
    assert now is not None
    assert (now.inventory, now.run, now.who) == ("example", "run-1", "ư" * 120)
    assert len(told_line(host)) <= 4096


def told_line(host: Path) -> str:
    return (host / "owner.json").read_text()


def release_request(run: str = "") -> Any:
    """What lets the host go, as it is marked now."""
    now = mark()
    return {"operation": "release", "owner": OWN, "who": "noc@two", "run": run, "marked": now.at if now else ""}


@NODE
def test_a_release_that_somebody_kept_is_not_done_again(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(10)
    monkeypatch.setattr(leases, "moment", lambda: f"2021-05-31T00:00:{next(seconds)}Z")

    def confirm(run: str) -> None:
        paths.MANIFEST.write_text(json.dumps({"run": run}))
        keys.claim(OWN, run=run, who="noc@two")

    confirm("run-7")
    kept = release_request("run-7")
    keys.release(kept, host)
    released = mark()
    with pytest.raises(Failed, match="look again"):
        keys.release(kept, host)
    assert mark() == released
    for run in ("run-8", "run-7"):
        confirm(run)
        owned = mark()
        with pytest.raises(Failed, match="look again"):
            keys.release(kept, host)
        assert mark() == owned
    keys.release(release_request("run-7"), host)
    now = mark()
    assert now is not None
    assert now.released, "who sees it as it is lets it go"


def test_only_its_owner_lets_a_host_go_and_never_amid_a_change(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.OWNER.write_text(json.dumps(THEIRS))
    with pytest.raises(Failed, match="another inventory"):
        keys.release(release_request(), host)
    assert mark() == OTHER
    paths.OWNER.unlink()
    paths.MANIFEST.write_text(json.dumps({"run": "run-7"}))
    request = release_request("run-7")
    monkeypatch.setattr(dead_man, "armed", lambda: {"run": "run-8"})
    with pytest.raises(Failed, match="run-8 waits"):
        keys.release(request, host)
    monkeypatch.setattr(dead_man, "armed", lambda: None)
    keys.release(request, host)
    gone = mark()
    assert gone is not None
    assert (gone.released, gone.inventory, gone.run) == (True, "example", "run-7")


def test_a_fingerprint_is_of_one_key_and_leads_to_no_other() -> None:
    one, other = Secret("one"), Secret("other")
    assert owner_fingerprint(one) != owner_fingerprint(other)
    assert owner_fingerprint(one) not in identity_key(one).reveal()


# --- the carrier ----------------------------------------------------------------------------------
@pytest.fixture
def runtime() -> Iterator[Path]:
    """A private folder on tmpfs, empty at the end."""
    folder = Path("/dev/shm") / f"owner-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    folder.mkdir(mode=0o700)
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.mark.parametrize("unproved", [False, True], ids=["challenged", "taken for new"])
@pytest.mark.parametrize(
    ("says", "named"),
    [
        (f"PROVISIONER-OWNER {json.dumps(THEIRS)}\n", "inventory other"),
        ("PROVISIONER-OWNER unmarked\n", "somebody unknown"),
        (f"PROVISIONER-OWNER {'x' * 10_000}\x1b[2J\n", "somebody unknown"),
    ],
    ids=["another one's", "unmarked", "made up"],
)
def test_a_host_of_somebody_else_is_sent_no_bundle_even_where_it_may_be_new(
    tmp_path: Path, runtime: Path, says: str, named: str, *, unproved: bool
) -> None:
    (tmp_path / "ssh").write_text(STRANGER)
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "sent").touch()
    (tmp_path / "says").write_text(says)
    environment = {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    runner = AnsibleRunner(fleets.templates(), environment)
    (answer,) = runner.call([replace(OBSERVE, unproved=unproved)], timeout_s=60).values()
    runner.close()
    assert (answer.outcome, answer.foreign) == (CallOutcome.UNPROVED, True), answer
    assert named in answer.error
    assert answer.error.isprintable()
    assert len(answer.error) < 700
    sent, commands = (tmp_path / "sent").read_text(), (tmp_path / "commands").read_text()
    assert CANARY not in sent + commands
    challenges = [line.removeprefix("PROVISIONER-STAY ").split()[0] for line in sent.split("\n") if line]
    assert len(challenges) == (0 if unproved else 2), "ends of lines, and the challenge of a program that stays or not"
    assert len(set(challenges)) == (0 if unproved else 1)
    assert ("provisioner-host call" in commands) is not unproved
    assert "\nreceive(" not in commands
