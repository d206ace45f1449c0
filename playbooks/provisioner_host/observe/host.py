"""Facts of a host for plans, without its secrets."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.firewall import firewall
from provisioner_host.machine import files, paths, sandbox, units
from provisioner_host.machine.files import cached, identity
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import PATH
from provisioner_host.observe import machine
from provisioner_host.relay import quarantine, relay, sessions, streams
from provisioner_host.state import dead_man, frozen, keys, last_good, leases
from provisioner_host.tunnel import key_change, tunnel

if TYPE_CHECKING:
    from provisioner_host import wire

_TABLE = " ".join(("table", *paths.TABLE))
_PROGRAM = pattern(r"mediamtx-(.+)-[0-9a-f]+")


def observe(request: wire.ObserveRequest, folder: Path, *, runtime: bool = True) -> wire.FactsAnswer:
    """Return the host's facts.

    The request names the desired files, units and program. `files/nft` in the folder is the intended firewall; it is
    compared here because only this host's nft can interpret its rules. Without `runtime` the relay's present state, no
    part of the live digest, is left out.
    """
    key = request["digest_key"]
    manifest: wire.Manifest | None = files.read_json(paths.MANIFEST)
    owned = sorted({*request["files"], *(manifest or {}).get("files", ())})
    facts: wire.FactsAnswer = {
        "host": machine.machine(),
        "missing_programs": machine.missing_programs(),
        "manifest": manifest,
        "files": {path: files.describe(Path(path), key) for path in owned},
        "units": units.states(request["units"]),
        "tunnel": tunnel.live(key),
        "armed": dead_man.armed(),
        "generations": last_good.generations(),
        "owner": keys.mark(),
        "epoch": leases.epoch_number(),
        "keys": {p.name: p.exists() for p in (paths.WG_KEY, paths.API_PASSWORD, paths.PROBE_PASSWORD, paths.IDENTITY)},
        "firewall": {"present": False, "differences": []},
        "trust": files.read_json(paths.TRUST_FILE),
        "policy": files.read_json(paths.POLICY_FILE),
        "live_digest": "",
    }
    live = firewall.live() if shutil.which("nft", path=PATH) else None
    frozen_parts = frozen.FrozenParts(request.get("held", ()), key)
    intended = frozen_parts.rules(folder / "files/nft")
    facts["firewall"] = {"present": live is not None, "differences": _rule_differences(intended, live)}
    if request.get("held"):
        facts["held"] = frozen_parts.answer
    if request["program"]:
        facts["firewalls"] = machine.firewalls()
        facts["program"] = program(Path(request["program"]), manifest)
        facts["relay"] = _relay_file(key, frozen_parts)
        facts["runtime"] = _relay_runtime() if runtime else None
    _add_quarantine(facts, frozen_parts, key)
    if request.get("receipts"):
        facts["receipts"] = last_good.recorded_heads()
    facts["live_digest"] = live_digest(facts, live, key)
    return facts


def observe_host(request: wire.ObserveRequest, folder: Path) -> wire.FactsAnswer:
    """Return the facts, with disks, clock, routes and ports."""
    began = time.time()
    facts = observe(request, folder)
    facts["disks"] = files.disks()
    facts["clock"] = [round(began, 1), round(time.time(), 1)]
    if other_owners := keys.beside():
        facts["beside"] = [*other_owners]
    if "ip" not in facts["missing_programs"]:
        facts["routes_elsewhere"] = tunnel.routes_elsewhere(request.get("networks", ()))
        facts["way_out"] = machine.default_route()
    if ports := request.get("ports"):
        facts["ports_taken"] = machine.taken(ports)
    return facts


def _rule_differences(intended: Path, live: firewall.Items | None) -> list[wire.DifferenceAnswer]:
    if not intended.exists():
        return [] if live is None else [{"name": _TABLE, "action": "delete"}]
    if shutil.which("nft", path=PATH) is None:
        return [{"name": _TABLE, "action": "create"}]
    if sandbox.refusal():
        # nft takes no rule that names a user who is not there; whoever applies makes the users first.
        return [{"name": _TABLE, "action": "create" if live is None else "update"}]
    return firewall.differences(firewall.intended(intended), live)


def program(path: Path, manifest: wire.Manifest | None) -> wire.ProgramAnswer:
    """Return whether MediaMTX is installed and intact, and its version."""
    if not path.exists():
        return {"present": False, "whole": False, "version": ""}
    same = [str(path), identity(path)]
    digest = cached("digest", same, lambda: files.sha256(path))
    whole = (manifest or {}).get("programs", {}).get(str(path)) == digest
    return {"present": True, "whole": whole, "version": _version(path) if whole else ""}


def _version(path: Path) -> str:
    """Return an intact program's installed version, without running it as root."""
    named = _PROGRAM.fullmatch(path.name)
    return named[1] if named else ""


def _relay_file(key: str, frozen_parts: frozen.FrozenParts) -> wire.RelayAnswer | None:
    """Return the relay's file without frozen parts, with the whole file's sentinel."""
    try:
        content = frozen_parts.relay_file(paths.MEDIAMTX_FILE.read_bytes())
    except FileNotFoundError:
        return None
    # Under a keyed digest: what is kept says no more of the file than the facts do.
    digest = files.keyed_digest(key, content)
    described: wire.RelayAnswer = cached("relay", digest, lambda: relay.describe(content.decode(errors="replace"), key))
    return {**described, "sentinel": frozen_parts.sentinel or described["sentinel"]}


def _add_quarantine(facts: wire.FactsAnswer, frozen_parts: frozen.FrozenParts, key: str) -> None:
    """Add the quarantine; other facts ignore it, so plans stay valid."""
    live, path = quarantine.live_file(), str(paths.MEDIAMTX_FILE)
    listed = quarantine.answer_of(live, key)
    if not listed:
        return
    facts["quarantine"] = listed
    if (file := facts["files"].get(path)) is not None:
        file["digest"] = files.keyed_digest(key, quarantine.whole_content(live.encode("utf-8", "surrogateescape")))
    runtime = facts.get("runtime")
    if runtime is not None and runtime["sentinel"] == quarantine.sentinel_in(live):
        runtime["sentinel"] = frozen_parts.sentinel or quarantine.sentinel_in(quarantine.whole(live))


def _relay_runtime() -> wire.RuntimeAnswer | None:
    names: list[str] = []

    def note(listed: list[dict[str, Any]]) -> None:
        streams.save_streams(listed)
        names.extend(str(path["name"]) for path in listed)

    now = relay.runtime(note)
    if now is not None:
        now["readers"] = sessions.readers()
        if (added := sessions.added(names)) and (added["paths"] or added["users"]):
            now["added"] = added
    return now


def live_digest(facts: wire.FactsAnswer, live: firewall.Items | None, key: str) -> str:
    """Return the digest of the facts that a plan depends on.

    It omits viewers, endpoints, handshakes, counters, dynamic set elements and process ids.
    """
    rests_on = {
        "files": facts["files"],
        "units": {name: {k: v for k, v in unit.items() if k != "pid"} for name, unit in facts["units"].items()},
        "tunnel": tunnel.configuration(facts["tunnel"], key_change.live_pairs()),
        "firewall": live,
        "program": facts.get("program"),
        "armed": facts["armed"],
    }
    return files.keyed_digest(key, files.canonical(rests_on))
