"""Everything of ours taken off a host: what it refuses, in which order it goes, and how one that was cut off ends."""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.bundle import tell_owner
from provisioner_host.change import remove
from provisioner_host.machine import files, paths, units
from provisioner_host.machine.shell import Failed
from provisioner_host.state import dead_man, leases
from provisioner_host.tunnel import tunnel
from tests.hostile import NODE

OWNER = {"inventory": "example", "key": "0" * 32, "host": "relay-1"}
REQUEST: dict[str, Any] = {"operation": "remove", "owner": OWNER, "run": "run-1", "marked": "", "peers": ["centre"]}
PLACES = {
    "ETC": "etc/provisioner",
    "LIB": "usr/local/lib/provisioner",
    "STATE": "var/lib/provisioner",
    "RUN": "run/provisioner",
    "UNIT_FOLDER": "etc/systemd/system",
    "HOST_PROGRAM": "usr/local/lib/provisioner/provisioner-host",
    "WG_FILE": "etc/provisioner/wg-prov.conf",
    "IDENTITY": "etc/provisioner/keys/identity",
    "MANIFEST": "var/lib/provisioner/manifest.json",
    "OWNER": "var/lib/provisioner/owner.json",
    "ARMED": "var/lib/provisioner/armed.json",
    "LEASE": "run/provisioner/lease.json",
    "LOCK": "run/provisioner/lock",
}


class Machine:
    """A host whose disk is a folder; what programs would do is kept."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[list[str]] = []
        self.users = {paths.USER, paths.PROBE_USER}
        self.at_work: set[str] = set()
        self.peers: set[str] = {"centre"}
        self.groups: set[str] = set()
        self.tables: set[str] = {paths.TABLE[1], paths.PROBE_TABLE[1]}

    def run(self, argv: Sequence[str], *, check: bool = True, **_options: object) -> subprocess.CompletedProcess[str]:
        """What programs answer; systemd knows no failure of units that it has not loaded."""
        self.ran.append(list(argv))
        code = int("reset-failed" in argv)
        if argv[0] == "nft":
            code = int(argv[-1] not in self.tables)
            self.tables -= {argv[-1]} if argv[1] == "delete" else set()
        if argv[0] == "userdel":
            self.users.discard(argv[1])
        if argv[:2] == ["getent", "group"]:
            code = 0 if argv[2] in self.groups else 2
        if argv[0] == "groupdel":
            code = 0 if argv[1] in self.groups else 6
            self.groups.discard(argv[1])
        if check and code:
            raise Failed(" ".join(argv))
        return subprocess.CompletedProcess(list(argv), code, "", "")

    def getpwnam(self, name: str) -> pwd.struct_passwd:
        """The user."""
        if name not in self.users:
            raise KeyError(name)
        number = 990 if name == paths.USER else 991
        return pwd.struct_passwd((name, "x", number, number, "", "/home/nobody-has-it", "/usr/sbin/nologin"))

    def processes_of(self, user: int) -> list[int]:
        """What runs as a user."""
        return [4711] if user in {self.getpwnam(name).pw_uid for name in self.at_work} else []

    def tree(self) -> list[str]:
        return sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    for name, place in PLACES.items():
        monkeypatch.setattr(paths, name, tmp_path / place)
    monkeypatch.setattr(remove, "_RUN", tmp_path / "run")
    monkeypatch.setattr(remove, "_WIREGUARD", tmp_path / "run/wireguard")
    monkeypatch.setattr(remove, "_OVERRIDES", (str(tmp_path / "etc/systemd/system"),))
    monkeypatch.setattr(remove, "run", machine.run)
    monkeypatch.setattr(remove, "_processes_of", machine.processes_of)
    monkeypatch.setattr(remove, "_ENDS_S", 0.3)
    monkeypatch.setattr(units, "run", machine.run)
    monkeypatch.setattr(units, "states", lambda names: {n: {"active": "inactive", "drop_ins": []} for n in names})
    monkeypatch.setattr(tunnel, "live_peers", lambda _key: dict.fromkeys(machine.peers))
    monkeypatch.setattr(tunnel, "down", lambda: machine.ran.append(["tunnel down"]))
    monkeypatch.setattr(pwd, "getpwnam", machine.getpwnam)
    monkeypatch.setattr(leases, "lock", lambda *_arguments, **_options: contextlib.nullcontext())
    for place in (
        "etc/provisioner/keys/identity", "etc/provisioner/wg-prov.conf", "etc/systemd/system/provisioner-wg.service",
        "etc/systemd/system/theirs.service", "usr/local/lib/provisioner/provisioner-host", "usr/local/lib/theirs",
        "usr/local/lib/provisioner/mediamtx-1", "var/lib/provisioner/last-good/state.json", "run/provisioner/lock",
        "run/provisioner-program-abc/x.py", "var/lib/theirs",
    ):  # fmt: skip
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / "run/wireguard").mkdir()
    listed = [str(tmp_path / "etc/systemd/system/provisioner-wg.service")]
    paths.MANIFEST.write_text(json.dumps({"run": "run-1", "files": listed}), encoding="ascii")
    paths.OWNER.write_text(json.dumps({**OWNER, "at": "", "run": "", "who": ""}), encoding="ascii")
    return machine


def removed(request: dict[str, Any]) -> dict[str, Any]:
    answer: Any = remove.remove(request, Path())  # type: ignore[arg-type]  # a request of a test
    return dict(answer)


def test_all_of_ours_goes_and_nothing_else(machine: Machine) -> None:
    assert removed(REQUEST) == {"removed": True, "notes": []}
    assert machine.tree() == ["etc/systemd/system/theirs.service", "usr/local/lib/theirs", "var/lib/theirs"]
    assert not (machine.root / "run/wireguard").exists()
    assert machine.users == set()
    assert machine.tables == set()


@pytest.mark.parametrize("groups", [set(), {paths.USER}, {paths.USER, paths.PROBE_USER}])
def test_a_group_that_its_user_leaves_behind_goes_too(machine: Machine, groups: set[str]) -> None:
    """`userdel` removes a user's own group, unless somebody else is in it (`login.defs`, USERGROUPS_ENAB)."""
    machine.groups = {*groups, "theirs"}
    assert removed(REQUEST)["removed"]
    assert machine.groups == {"theirs"}


def test_a_host_without_a_mark_is_emptied_as_well(machine: Machine) -> None:
    paths.OWNER.unlink()
    assert removed(REQUEST) == {"removed": True, "notes": []}
    assert machine.tree() == ["etc/systemd/system/theirs.service", "usr/local/lib/theirs", "var/lib/theirs"]


@pytest.mark.parametrize("loaded", [set(), {paths.TABLE[1]}, {paths.PROBE_TABLE[1], "theirs"}])
def test_whichever_of_our_tables_is_loaded_goes(machine: Machine, loaded: set[str]) -> None:
    machine.tables = set(loaded)
    assert removed(REQUEST)["removed"]
    assert machine.tables == loaded & {"theirs"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"run": "run-2"}, "has moved"),
        ({"owner": OWNER | {"key": "1" * 32}}, "another inventory"),
        ({"owner": OWNER | {"inventory": "other"}}, "another inventory"),
        ({"peers": []}, "apply the inventory first"),
    ],
    ids=["a bundle of before", "another key", "another inventory", "somebody is served"],
)
def test_what_does_not_fit_is_refused_before_any_work(machine: Machine, change: dict[str, Any], words: str) -> None:
    before = machine.tree()
    with pytest.raises(Failed, match=words):
        removed(REQUEST | change)
    assert (machine.tree(), machine.ran, len(machine.users)) == (before, [], 2)


@NODE
def test_a_removal_that_somebody_kept_touches_no_host_that_was_set_up_anew(machine: Machine) -> None:
    """Neither had a run that was confirmed: only their marks differ."""
    kept = REQUEST | {"run": "", "marked": "2021-05-31T00:00:00Z"}
    paths.MANIFEST.unlink()
    paths.OWNER.write_text(json.dumps({**OWNER, "at": "2021-06-01T00:00:00Z", "run": "", "who": ""}), encoding="ascii")
    before = machine.tree()
    with pytest.raises(Failed, match="has moved"):
        removed(kept)
    assert (machine.tree(), machine.ran, len(machine.users)) == (before, [], 2)


def test_a_peer_that_the_next_boot_would_bring_up_counts(machine: Machine) -> None:
    paths.WG_FILE.write_text("[Interface]\n[Peer]\nPublicKey = site\n", encoding="ascii")
    with pytest.raises(Failed, match="apply the inventory first"):
        removed(REQUEST)
    assert machine.ran == []


def test_a_change_that_waits_and_a_lease_that_runs_are_waited_for(machine: Machine) -> None:
    held = {"run": "run-2", "who": "somebody", "since": "now", "due": leases.now() + 60}
    paths.LEASE.write_text(json.dumps(held), encoding="ascii")
    with pytest.raises(Failed, match="somebody"):
        removed(REQUEST)
    paths.LEASE.write_text(json.dumps(held | {"due": 0.0}), encoding="ascii")
    paths.ARMED.write_text(json.dumps({"run": "run-2", "due": 0.0}), encoding="ascii")
    with pytest.raises(Failed, match="waits for its confirmation"):
        removed(REQUEST)
    assert machine.ran == []
    assert dead_man.armed() is not None


def test_a_user_of_somebody_elses_making_stays_and_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine.getpwnam

    def theirs(name: str) -> pwd.struct_passwd:
        known = real(name)
        return known if name != paths.USER else pwd.struct_passwd((*known[:5], "/home", "/bin/bash"))

    monkeypatch.setattr(pwd, "getpwnam", theirs)
    assert removed(REQUEST)["notes"] == ["the user mediamtx is not of our making: it stays"]
    assert machine.users == {paths.USER}


def test_somebody_at_work_stops_it_and_the_same_call_goes_on(machine: Machine) -> None:
    machine.at_work.add(paths.PROBE_USER)
    with pytest.raises(Failed, match="still runs process 4711 here; nothing is undone: the same command goes on"):
        removed(REQUEST)
    assert machine.users == {paths.USER, paths.PROBE_USER}
    assert paths.IDENTITY.exists()
    assert paths.HOST_PROGRAM.exists(), "the next call comes as this one did"
    machine.at_work.clear()
    assert removed(REQUEST)["removed"] is True
    assert machine.tree() == ["etc/systemd/system/theirs.service", "usr/local/lib/theirs", "var/lib/theirs"]


class CutOffError(Exception):
    """The power went."""


def removal(monkeypatch: pytest.MonkeyPatch, most: int) -> str:
    """Cut a removal off after so many files and folders went."""
    left = iter(range(most))
    for kind, name in ((Path, "unlink"), (shutil, "rmtree"), (Path, "rmdir")):
        real = getattr(kind, name)

        def cut(*arguments: Any, real: Any = real, **options: Any) -> Any:
            if next(left, None) is None:
                raise CutOffError
            return real(*arguments, **options)

        monkeypatch.setattr(kind, name, cut)
    with contextlib.suppress(CutOffError):
        removed(REQUEST | {"run": str((files.read_json(paths.MANIFEST) or {}).get("run") or "")})
        return "whole"
    return "cut off"


@pytest.mark.parametrize("most", range(25))
def test_wherever_it_is_cut_off_the_host_is_ours_or_bare_and_the_next_call_ends_it(
    machine: Machine, capsys: pytest.CaptureFixture[str], most: int
) -> None:
    """Never is anything of ours there on a host that says that nothing is, and never is it a stranger's."""
    with pytest.MonkeyPatch.context() as patch:
        ended = removal(patch, most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provisioner_host.bundle.OWNER_FILE", str(paths.OWNER))
        patch.setattr("provisioner_host.bundle.IDENTITY", str(paths.IDENTITY))
        patch.setattr("provisioner_host.bundle.MANIFEST", str(paths.MANIFEST))
        tell_owner()
    said = capsys.readouterr().out.strip().removeprefix("PROVISIONER-OWNER ")
    ours = [p for p in machine.tree() if "provisioner" in p]
    if said == "nothing":
        assert ours == []
    else:
        assert ended == "cut off"
        assert json.loads(said)["inventory"] == "example"
        assert removed(REQUEST | {"run": str((files.read_json(paths.MANIFEST) or {}).get("run") or "")})["removed"]
    assert machine.tree() == ["etc/systemd/system/theirs.service", "usr/local/lib/theirs", "var/lib/theirs"]


def test_who_runs_something_is_seen_in_the_kernels_own_list() -> None:
    processes = remove._processes_of(os.getuid())  # noqa: SLF001 (what the others stand in for)
    assert os.getpid() in processes
    assert remove._processes_of(4_294_967_000) == []  # noqa: SLF001 (the same)
