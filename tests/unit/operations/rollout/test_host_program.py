"""The on-host program: carried by a bundle, kept with its bytecode until the boot, installed as one file."""

import contextlib
import grp
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from provisioner.desired.render import templates as templates_module
from provisioner.desired.render.templates import Templates, load_templates
from provisioner.hosts.runner import HostCall
from provisioner_host import main
from provisioner_host.change import apply as apply_module
from provisioner_host.change import gate, preflight, switch
from provisioner_host.change.transaction import ApplyTransaction, Transaction
from provisioner_host.firewall.lockout import LockedOut, refusal_in, refusal_of
from provisioner_host.machine import paths, units
from provisioner_host.machine.files import cached, identity
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay
from provisioner_host.wire import StatusRequest
from tests.lab.direct import BOOTSTRAP, MARK, whole_bundle

from .world import state


def carried(run: Path, templates: Templates, operation: str = "nothing") -> dict[str, object]:
    """Do on this machine what a host does with a bundle, with another folder in the place of /run."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BOOTSTRAP.replace("/run", str(run))],
        input=whole_bundle(HostCall(state({}).hosts["centre"], {"operation": operation}), templates),
        capture_output=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.decode().splitlines() if line.startswith(MARK)]
    answer: dict[str, object] = json.loads(line.removeprefix(MARK))
    return answer


def test_a_program_is_kept_under_its_digest_with_bytecode_and_a_request_is_not(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    templates = load_templates()
    for _ in range(2):
        assert "asks for no operation that a host knows" in str(carried(run, templates)["error"])
        (kept,) = run.iterdir()
        assert kept.name == f"provisioner-program-{templates.host_digest}"
    assert list((kept / "provisioner_host/__pycache__").glob("main.*.pyc"))
    assert {path.stat().st_mode & 0o077 for path in (kept, *kept.rglob("*"))} == {0}


def test_a_program_of_another_version_goes_after_an_hour(tmp_path: Path) -> None:
    run = tmp_path / "run"
    old, young = run / "provisioner-program-old", run / "provisioner-program-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    templates = load_templates()
    carried(run, templates)
    assert {entry.name for entry in run.iterdir()} == {young.name, f"provisioner-program-{templates.host_digest}"}


@pytest.mark.parametrize("damage", [False, True], ids=["whole", "damaged"])
def test_the_installed_program_starts_from_its_kept_copy_and_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, damage: bool
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr(templates_module, "_MAIN", templates_module._MAIN.replace("/run", str(run)))  # noqa: SLF001
    templates = load_templates.__wrapped__()
    program = tmp_path / "provisioner-host"
    program.write_bytes(templates.host_program)

    def said() -> str:
        done = subprocess.run(
            [sys.executable, "-I", str(program), "no-such-word"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        return done.stderr

    usage = said()
    assert usage == "usage: provisioner-host {nft-up|wg-up|wg-down|revert|quarantine}\n"
    carried(run, templates)
    copy = run / f"provisioner-program-{templates.host_digest}/provisioner_host/installed.py"
    text = copy.read_text()
    copy.write_text("raise ValueError\n" if damage else text.replace("usage:", "copy:"))
    assert said() == (usage if damage else usage.replace("usage:", "copy:"))


def test_what_is_known_is_learnt_anew_when_its_source_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "KNOWN", tmp_path / "known")
    program = tmp_path / "program"
    program.write_bytes(b"one")
    asked = []

    def ask() -> str:
        def find_out() -> str:
            asked.append(program.read_text())
            return asked[-1]

        return str(cached("digest", identity(program), find_out))

    assert [ask(), ask()] == ["one", "one"]
    times = program.stat()
    program.write_bytes(b"two")
    os.utime(program, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ask() == "two", "same size, same time of change, another content"
    for kept in (tmp_path / "known").iterdir():
        kept.write_text("{damaged")
    assert ask() == "two"
    assert asked == ["one", "two", "two"]


def test_what_is_known_is_bounded_and_no_failure_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "KNOWN", tmp_path / "known")
    for number in range(50):
        assert cached("number", number, partial(int.__mul__, number, 2)) == number * 2
    assert len(list((tmp_path / "known").iterdir())) <= 21

    def fail() -> None:
        raise OSError

    for _ in range(2):
        with pytest.raises(OSError):
            cached("failing", 1, fail)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (LockedOut("lock-out: the new rules would refuse new SSH connections from 192.0.2.1"), "lock-out"),
        (Failed("no scratch network namespace: Operation not permitted"), "check"),
    ],
)
def test_a_lock_out_is_told_apart_from_a_check_that_failed(tmp_path: Path, error: Failed, refusal: str) -> None:
    request: StatusRequest = {
        "operation": "status",
        "run": "run-1",
        "who": "",
        "confirm_s": 60,
        "units": [],
        "peers": [],
        "sentinel": "",
        "program": None,
    }

    def refuse() -> None:
        raise error

    with pytest.raises(Failed) as raised:
        Transaction(request, tmp_path).step("check lock-out", refuse)
    assert str(raised.value) == f"check lock-out: {error}"
    assert refusal_of(raised.value) == refusal
    # A receipt keeps the sentence alone.
    assert refusal_in(str(raised.value)) == refusal


# --- what overrides units of ours ------------------------------------------------------------------
def _facts_of(*overriding: Path) -> Any:
    unit = {"active": "active", "enabled": "enabled", "reload": False, "drop_ins": [str(p) for p in overriding]}
    return {"units": {paths.UNIT_MEDIAMTX: unit | {"pid": 1}}, "manifest": None}


def _apply_of(folder: Path, **files: Any) -> ApplyTransaction:
    return ApplyTransaction(cast("Any", {"files": files, "units": [paths.UNIT_MEDIAMTX]}), folder)


def test_what_overrides_a_unit_of_ours_goes_wherever_it_lies_and_the_machine_s_own_stays(tmp_path: Path) -> None:
    places = ("etc/systemd/system", "run/systemd/system", "etc/systemd/system.control", "usr/lib/systemd/system")
    ours = [tmp_path / place / f"{paths.UNIT_MEDIAMTX}.d/50-a b.conf" for place in places]
    ours += [tmp_path / "etc/systemd/system/provisioner-.service.d/x.conf"]
    ours += [tmp_path / "run/systemd/transient" / paths.UNIT_MEDIAMTX]
    machine = tmp_path / "etc/systemd/system/service.d/limits.conf"
    for file in (*ours, machine):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[Service]\n")
    switch._put_files(_apply_of(tmp_path), _facts_of(*ours, machine))  # noqa: SLF001
    assert [file for file in (*ours, machine) if file.exists()] == [machine]


def test_a_former_hub_is_stopped_before_its_unit_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "UNIT_FOLDER", tmp_path)
    unit, other = tmp_path / paths.UNIT_MEDIAMTX, tmp_path / "mediamtx.yml"
    said: list[tuple[tuple[str, ...], bool]] = []
    monkeypatch.setattr(units, "systemctl", lambda *words, **_: said.append((words, unit.exists())))
    for file in (unit, other):
        file.write_text("x\n")
    facts = cast("Any", {**_facts_of(), "manifest": {"files": [str(unit), str(other)]}})
    switch._put_files(_apply_of(tmp_path), facts)  # noqa: SLF001
    assert said == [(("disable", "--now", paths.UNIT_MEDIAMTX), True)]
    assert not unit.exists()
    assert not other.exists()


def test_what_overrides_a_unit_and_cannot_be_removed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / f"{paths.UNIT_MEDIAMTX}.d/a.conf"
    folder.mkdir(parents=True)
    with pytest.raises(Failed, match=rf"{folder} overrides a unit of ours and cannot be removed"):
        switch._put_files(_apply_of(tmp_path), _facts_of(folder))  # noqa: SLF001


def test_systemd_s_list_of_what_overrides_a_unit_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    control = f"/etc/systemd/system.control/{paths.UNIT_MEDIAMTX}"
    drop_ins = '"/run/systemd/system/x.service.d/a b.conf" /etc/systemd/system/service.d/c.conf'
    shown = f"Id={paths.UNIT_MEDIAMTX}\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nMainPID=1\n"
    shown += f"FragmentPath={control}\nDropInPaths={drop_ins}\n"
    monkeypatch.setattr(units, "run", lambda _argv: subprocess.CompletedProcess([], 0, shown, ""))
    (state_of_unit,) = units.states([paths.UNIT_MEDIAMTX]).values()
    expected = [control, "/run/systemd/system/x.service.d/a b.conf", "/etc/systemd/system/service.d/c.conf"]
    assert state_of_unit["drop_ins"] == sorted(expected)
    own = shown.replace(control, f"/etc/systemd/system/{paths.UNIT_MEDIAMTX}")
    monkeypatch.setattr(units, "run", lambda _argv: subprocess.CompletedProcess([], 0, own, ""))
    assert control not in units.states([paths.UNIT_MEDIAMTX])[paths.UNIT_MEDIAMTX]["drop_ins"]


def test_a_folder_where_a_file_of_ours_belongs_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    place = tmp_path / "etc/wg-prov.conf"
    place.mkdir(parents=True)
    change = _apply_of(tmp_path, **{str(place): {"content": "0", "mode": 0o600, "owner": "root", "group": "root"}})
    with pytest.raises(Failed, match=r"check files: .*wg-prov.conf is a folder.*move it away, and plan again"):
        preflight.check(change, _facts_of())


@pytest.mark.parametrize("readers", [b"", b"key and certificates"])
@pytest.mark.parametrize("refuses", [False, True])
def test_a_relays_file_is_tried_with_a_copy_of_what_readers_are_shown_and_no_copy_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readers: bytes, *, refuses: bool
) -> None:
    """Who tries a program may read no file of ours: neither the live key nor the folder that it lies in."""
    monkeypatch.setattr(paths, "RUN", tmp_path)
    monkeypatch.setattr(paths, "PROBE_USER", grp.getgrgid(os.getgid()).gr_name)
    content = f'rtspServerKey: "{paths.READERS_FILE}"\nrtspServerCert: "{paths.READERS_FILE}"\n'
    tried: list[tuple[str, bytes]] = []

    def check(program: Path, conf: Path) -> None:
        copy = conf.with_name(paths.READERS_FILE.name)
        tried.append((conf.read_text().replace(str(copy), "COPY"), copy.read_bytes() if copy.exists() else b""))
        assert program == Path("/mediamtx")
        assert {path.stat().st_mode & 0o777 for path in conf.parent.iterdir()} == {0o640}
        if refuses:
            raise Failed("MediaMTX refuses its new file")

    monkeypatch.setattr(relay, "check", check)
    with pytest.raises(Failed) if refuses else contextlib.nullcontext():
        preflight.check_relay(Path("/mediamtx"), content.encode(), readers)
    assert tried == [(content.replace(str(paths.READERS_FILE), "COPY") if readers else content, readers)]
    assert list(tmp_path.iterdir()) == []


# --- a relay that hangs ---------------------------------------------------------------------------
def test_a_silent_relay_is_killed_before_it_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is stopped or deadlocked ends itself never: systemd would wait for it a minute and a half."""
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(units, "systemctl", lambda *words, **_options: said.append(words))
    units.restart_silent(paths.UNIT_MEDIAMTX)
    assert said == [("kill", "--signal=SIGKILL", paths.UNIT_MEDIAMTX), ("restart", paths.UNIT_MEDIAMTX)]


def test_a_restart_does_not_wait_for_a_program_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []

    def systemctl(*words: str, check: bool = True, timeout_s: float = 30) -> None:
        said.append(words)
        assert timeout_s <= 30
        if len(said) == 1:
            raise Failed(f"systemctl: no answer within {timeout_s:g} s, {check}")

    monkeypatch.setattr(units, "systemctl", systemctl)
    units.restart(paths.UNIT_MEDIAMTX)
    assert [words[0] for words in said] == ["restart", "kill", "restart"]


def test_a_relay_that_is_known_to_hang_is_asked_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    answer: dict[str, Any] = {"paths": None}

    def sessions(*, answers: bool = True) -> dict[str, Any]:
        asked.append(answers)
        return answer

    def evidence(request: object, *, switched: bool) -> None:
        asked.append((request, switched))

    monkeypatch.setattr(gate, "sessions", sessions)
    monkeypatch.setattr(gate, "_gather_evidence", evidence)
    request = {"paths": [1], "away": []}
    change = ApplyTransaction(cast("Any", {"restart": [paths.UNIT_MEDIAMTX], "gate": request}), tmp_path)
    hung = apply_module._look(change)  # noqa: SLF001
    hung.wait()
    assert asked == [False]
    change.request["restart"] = []
    apply_module._look(change).wait()  # noqa: SLF001
    # What is read takes longest: it begins first.
    assert asked[1:] == [(request, False), True]
    facts = _facts_of() | {"relay": {}}
    assert apply_module._relay_hangs(facts, hung)  # noqa: SLF001
    answer = {"paths": {}}
    well = apply_module._look(change)  # noqa: SLF001
    assert not apply_module._relay_hangs(facts, well)  # noqa: SLF001
    facts["units"][paths.UNIT_MEDIAMTX]["active"] = "inactive"
    assert not apply_module._relay_hangs(facts, hung)  # noqa: SLF001


#: Modules that take a call longer to import than its own ones take.
_SLOW = {
    *("ast", "asyncio", "ctypes", "dataclasses", "email", "http", "inspect", "logging", "platform", "ssl"),
    *("traceback", "unittest", "urllib.request", "uuid", "xml.etree", "zoneinfo"),
}


def test_an_operation_imports_no_slow_module_that_it_does_without() -> None:
    def slow_of(module: str) -> set[str]:
        code = (
            f"import sys; sys.path.insert(0, {str(Path(paths.__file__).parents[2])!r});"
            f"import provisioner_host.installed, provisioner_host.main, provisioner_host.{module};"
            f"print(*sorted({_SLOW!r} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    modules = {module for module, _ in main._OPERATIONS.values()}  # noqa: SLF001
    assert {module: slow for module in modules if (slow := slow_of(module))} == {
        "look.probe": {"logging", "traceback"}  # by concurrent.futures
    }


def test_no_module_compiles_a_pattern_before_its_first_use() -> None:
    sources = load_templates().host_sources
    # The controller loads `carried` by itself, and every call needs most of its patterns.
    assert {name for name, text in sources.items() if b"re.compile(" in text} == {"carried.py", "patterns.py"}
