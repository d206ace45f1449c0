"""The transaction: check everything aside, save last-good, arm, switch, read back; else return."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner_host import dead_man, files, firewall, keys, last_good, lockout, places, relay, tunnel, units
from provisioner_host.observe import observe
from provisioner_host.shell import Failed, scrub

_GONE = "not-started"


@dataclass
class Transaction:
    """One run on this host: what is wanted, where it is staged, and what was done so far."""

    request: dict[str, Any]
    folder: Path
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.request["run"])

    @property
    def wanted(self) -> dict[str, dict[str, Any]]:
        """The desired files by path: mode, owner, group, and where in the bundle the content is."""
        return dict(self.request["files"])

    def content(self, path: str) -> bytes:
        """Give a desired file's content."""
        return self.staged(Path(path)).read_bytes()

    def staged(self, path: Path) -> Path:
        """Give where a desired file lies in the bundle, for a program to try it."""
        return self.folder / "files" / str(self.wanted[str(path)]["content"])

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a step, and write down how long it took.

        Raises:
            Failed: with the step's name in front.
        """
        started = time.monotonic()
        try:
            return work()
        except Failed as error:
            raise Failed(f"{name}: {error}") from None
        except OSError as error:
            raise Failed(f"{name}: {error.strerror or error}") from None
        finally:
            self.steps.append({"name": name, "seconds": round(time.monotonic() - started, 3)})


def apply(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Bring the host to what the request holds, and leave it armed for confirmation.

    The answer's `outcome` is `armed`, `stale`, `locked`, `refused` (nothing was touched) or `rolled-back`.
    """
    change = Transaction(request, folder)
    try:
        with dead_man.lock(change.run_id):
            return _locked(change)
    except dead_man.Locked as error:
        return _answer(change, "locked", str(error))


def _answer(change: Transaction, outcome: str, cause: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "cause": scrub(cause), "steps": change.steps, "run": change.run_id}


def _locked(change: Transaction) -> dict[str, Any]:
    armed = files.read_json(places.ARMED)
    if armed is not None:
        return _answer(change, "locked", f"run {armed['run']} waits for its confirmation")
    keys.prepare()
    facts = change.step("observe", lambda: observe(change.request["observe"], change.folder))
    if facts["live_digest"] != change.request["expected_live_digest"]:
        return {**_answer(change, "stale"), "facts": facts}
    try:
        _install_program(change)
        _check_aside(change, facts)
    except Failed as error:
        last_good.receipt(change.run_id, "refused", str(error), change.steps)
        return _answer(change, "refused", str(error))
    change.step("save last-good", lambda: last_good.save(_owned(change, facts)))
    try:
        change.step("arm", lambda: _arm(change))
        _switch(change, facts)
        change.step("health", lambda: health(change.request))
    except Failed as error:
        return _back(change, str(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the host must not stay between two states
        return _back(change, f"{type(error).__name__}: {error}")
    return _answer(change, "armed")


def _owned(change: Transaction, facts: dict[str, Any]) -> list[str]:
    return sorted({*change.wanted, *((facts["manifest"] or {}).get("files", ()))})


def _back(change: Transaction, cause: str) -> dict[str, Any]:
    cause = scrub(cause)
    try:
        change.step("return to last-good", last_good.restore)
    except Failed as error:
        dead_man.disarm()
        last_good.receipt(change.run_id, "rollback-failed", f"{cause}; then: {error}", change.steps)
        return _answer(change, "rollback-failed", f"{cause}; then: {error}")
    dead_man.disarm()
    last_good.receipt(change.run_id, "rolled-back", cause, change.steps)
    return _answer(change, "rolled-back", cause)


# --- aside ----------------------------------------------------------------------------------------


def _install_program(change: Transaction) -> None:
    program = change.request.get("program")
    if program is None or program["artefact"] is None:
        return
    change.step("install MediaMTX", lambda: install(change.folder / "files/artefact", program))


def install(artefact: Path, program: dict[str, Any]) -> None:
    """Install MediaMTX from the artefact in the bundle: a release archive or the bare program.

    Raises:
        Failed: the checksum differs, or the archive holds no program.
    """
    with artefact.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != program["sha256"]:
        raise Failed(f"the artefact's checksum is {digest}, the inventory says {program['sha256']}")
    content = artefact.read_bytes()
    if tarfile.is_tarfile(artefact):
        with tarfile.open(artefact) as archive:
            member = archive.extractfile("mediamtx")
            if member is None:
                raise Failed("the archive holds no mediamtx")
            content = member.read()
    target = Path(program["path"])
    files.write(target, content, mode=0o755)
    manifest = files.read_json(places.MANIFEST) or {"files": []}
    programs = manifest.get("programs", {}) | {str(target): hashlib.sha256(content).hexdigest()}
    files.write_json(places.MANIFEST, manifest | {"programs": programs})


def _check_aside(change: Transaction, facts: dict[str, Any]) -> None:
    wanted = change.wanted
    if str(places.NFT_FILE) in wanted:
        rules = change.staged(places.NFT_FILE)
        change.step("check rules", lambda: firewall.check(rules))
        if _must_load(facts) and change.request["lockout"]["check"]:
            ssh = change.request["lockout"]
            change.step("check lock-out", lambda: lockout.check(rules, ssh["ssh_port"], ssh["networks"]))
    if str(places.WG_FILE) in wanted and _tunnel_moves(change, facts):
        conf, psk = change.staged(places.WG_FILE), change.staged(places.PSK_FILE)
        change.step("check tunnel", lambda: tunnel.check(conf, psk))
    if str(places.MEDIAMTX_FILE) in wanted and _differs(change, places.MEDIAMTX_FILE):
        program = Path(change.request["program"]["path"])
        change.step("check relay", lambda: _check_relay(program, change.content(str(places.MEDIAMTX_FILE))))


def _check_relay(program: Path, content: bytes) -> None:
    folder = places.RUN / f"stage-{os.getpid()}"
    files.folder(places.RUN, 0o755)
    files.folder(folder, 0o750, group=places.USER)
    try:
        files.write(folder / "mediamtx.yml", content, mode=0o640, group=places.USER)
        relay.check(program, folder / "mediamtx.yml")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _must_load(facts: dict[str, Any]) -> bool:
    return bool(facts["firewall"]["differences"])


def _tunnel_moves(change: Transaction, facts: dict[str, Any]) -> bool:
    moved = any(_differs(change, p) for p in (places.WG_FILE, places.PSK_FILE, places.TUNNEL_FILE))
    return moved or facts["tunnel"] is None


def _differs(change: Transaction, path: Path) -> bool:
    wanted = change.wanted[str(path)]
    try:
        rights = stat.S_IMODE(path.stat().st_mode)
        return rights != wanted["mode"] or path.read_bytes() != change.content(str(path))
    except FileNotFoundError:
        return True


# --- the switch -----------------------------------------------------------------------------------
# systemd is asked for as little as can be: a daemon-reload costs more than all the rest of a small change.


def _arm(change: Transaction) -> None:
    # The code that returns is the code that saved: it comes before the switch, whatever else differs.
    reload = _differs(change, places.REVERT_UNIT_FILE)
    for path in last_good.CARRIERS:
        if _differs(change, path):
            _put(change, path)
    if reload:
        units.systemctl("daemon-reload")
    dead_man.arm(change.run_id, float(change.request["confirm_s"]))


def _put(change: Transaction, path: Path) -> None:
    wanted = change.wanted[str(path)]
    content = change.content(str(path))
    files.write(path, content, mode=wanted["mode"], owner=wanted["owner"], group=wanted["group"])


def _switch(change: Transaction, facts: dict[str, Any]) -> None:
    restart_relay = _differs_unit(change, facts)
    reload = any(_differs(change, Path(path)) for path in change.wanted if path.endswith(".service"))
    reload = reload or any(unit["reload"] or unit["drop_ins"] for unit in facts["units"].values())
    change.step("files", lambda: _put_files(change, facts))
    if reload:
        change.step("units", lambda: units.systemctl("daemon-reload"))
    if str(places.NFT_FILE) in change.wanted:
        change.step("rules", lambda: firewall.load(places.NFT_FILE) if _must_load(facts) else None)
        change.step("firewall unit", lambda: _on(places.UNIT_NFT, facts))
    change.step("tunnel", lambda: _switch_tunnel(facts))
    if str(places.MEDIAMTX_FILE) in change.wanted:
        change.step("relay", lambda: _switch_relay(change, facts, restart=restart_relay))


def _on(name: str, facts: dict[str, Any]) -> None:
    """Enable and start a unit, where it is not so already."""
    state = facts["units"].get(name, {})
    if state.get("enabled") != "enabled":
        units.systemctl("enable", name)
    if state.get("active") != "active":
        units.systemctl("start", name)


def _switch_tunnel(facts: dict[str, Any]) -> None:
    state = facts["units"].get(places.UNIT_WG, {})
    if state.get("active") == "active" and tunnel.exists():
        tunnel.up()
    else:
        # The unit starts it, so that a user-space WireGuard lives in the unit and not in this session.
        units.systemctl("restart", places.UNIT_WG)
    if state.get("enabled") != "enabled":
        units.systemctl("enable", places.UNIT_WG)


def _differs_unit(change: Transaction, facts: dict[str, Any]) -> bool:
    unit = places.UNIT_FOLDER / places.UNIT_MEDIAMTX
    if str(unit) not in change.wanted:
        return False
    return _differs(change, unit) or bool(facts["units"].get(places.UNIT_MEDIAMTX, {}).get("drop_ins"))


def _put_files(change: Transaction, facts: dict[str, Any]) -> None:
    for text in change.wanted:
        path = Path(text)
        if path != places.MEDIAMTX_FILE and (_differs(change, path) or _misowned(change, path)):
            _put(change, path)
    listed = set((facts["manifest"] or {}).get("files", ()))
    for text in sorted(listed - set(change.wanted)):
        Path(text).unlink(missing_ok=True)
    for unit in change.request["units"]:
        for drop_in in facts["units"].get(unit, {}).get("drop_ins", ()):
            if drop_in.startswith("/etc/systemd/system/"):
                Path(drop_in).unlink(missing_ok=True)


def _misowned(change: Transaction, path: Path) -> bool:
    wanted = change.wanted[str(path)]
    return (path.owner(), path.group()) != (wanted["owner"], wanted["group"])


def _switch_relay(change: Transaction, facts: dict[str, Any], *, restart: bool) -> None:
    if _differs(change, places.MEDIAMTX_FILE) or _misowned(change, places.MEDIAMTX_FILE):
        relay.wait_for_gap()
        _put(change, places.MEDIAMTX_FILE)
    if restart:
        units.systemctl("restart", places.UNIT_MEDIAMTX)
    _on(places.UNIT_MEDIAMTX, facts)
    sentinel = str(change.request["sentinel"])
    if relay.wait_for(sentinel, 5):
        return
    relay.wait_for_gap()
    _put(change, places.MEDIAMTX_FILE)  # a write within a second of the last reload is lost: once more
    if not relay.wait_for(sentinel, 5):
        raise Failed("MediaMTX has not read its new file")


# --- health ---------------------------------------------------------------------------------------


def health(request: dict[str, Any]) -> None:
    """Read back: units run, rules and tunnel are as intended, MediaMTX has read its file.

    Raises:
        Failed: something is not as it was meant, by name.
    """
    for name, state in units.states(request["units"]).items():
        if name != places.UNIT_REVERT and (state["active"] != "active" or state["enabled"] != "enabled"):
            raise Failed(f"{name} is {state['active']} and {state['enabled']}")
    if str(places.NFT_FILE) in request["files"]:
        wrong = firewall.differences(firewall.intended(places.NFT_FILE), firewall.live())
        if wrong:
            raise Failed(f"the live rules differ from the file: {wrong[0]['name']}")
    found = tunnel.live("")
    if found is None:
        raise Failed("the tunnel is not up")
    missing = set(request["peers"]) ^ set(found["peers"])
    if missing:
        raise Failed(f"the tunnel's peers differ: {min(missing)}")
    if request.get("sentinel") and not relay.wait_for(str(request["sentinel"]), 5):
        raise Failed("MediaMTX does not hold the file that was written")


def confirm(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make a change persistent: the controller has come back over a new connection.

    Another run's change is not confirmed, and a change that is not healthy any more goes back. The answer
    brings the host's facts as they are now, for the fresh plan.
    """
    change = Transaction(request, folder)
    with dead_man.lock(change.run_id, wait_s=20):
        armed = files.read_json(places.ARMED)
        if armed is None or armed["run"] != change.run_id:
            told = files.read_json(places.RECEIPTS / f"{change.run_id}.json") or {}
            return _answer(change, told.get("outcome", _GONE), told.get("cause", "the change is not waiting any more"))
        try:
            change.step("health", lambda: health(request))
        except Failed as error:
            return _back(change, str(error))
        manifest = files.read_json(places.MANIFEST) or {}
        _forget_programs(manifest, request)
        files.write_json(places.MANIFEST, manifest | {"files": sorted(request["files"]), "run": change.run_id})
        dead_man.disarm()
        change.step("save last-good", lambda: last_good.save(sorted(request["files"])))
        last_good.receipt(change.run_id, "applied", "", change.steps)
        receipt = str(places.RECEIPTS / f"{change.run_id}.json")
        return {**_answer(change, "applied"), "receipt": receipt, "facts": observe(request["observe"], folder)}


def _forget_programs(manifest: dict[str, Any], request: dict[str, Any]) -> None:
    """Remove older MediaMTX programs that we installed; a rollback beyond the last confirmed change brings its own."""
    wanted = (request.get("program") or {}).get("path")
    for text in sorted(set(manifest.get("programs", {})) - {wanted}):
        Path(text).unlink(missing_ok=True)
        del manifest["programs"][text]
