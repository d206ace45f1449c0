"""What moved on a host since a plan was made, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.facts import HostFacts
from provisioner.render import NFT_FILE


def moved(then: HostFacts, now: Mapping[str, Any]) -> list[str]:
    """Name what moved on a host, with what the plan had and what is there now."""
    found = [
        f"file {path}"
        for path in sorted(set(then.files) | set(now["files"]))
        if then.files.get(path) != now["files"].get(path)
    ]
    for name in sorted(set(then.units) | set(now["units"])):
        before, after = then.units.get(name, {}), now["units"].get(name, {})
        found += [
            f"unit {name} {key} was {before.get(key)} and is {after.get(key)}"
            for key in ("active", "enabled", "drop_ins")
            if before.get(key) != after.get(key)
        ]
    live_then, live_now = (then.tunnel or {}).get("peers", {}), (now["tunnel"] or {}).get("peers", {})
    found += [f"peer {key}" for key in sorted(set(live_then) ^ set(live_now))]
    if then.firewall["differences"] != now["firewall"]["differences"]:
        found.append(f"table inet provisioner in {NFT_FILE}")
    if then.armed != now["armed"]:
        found.append("a change that waits for its confirmation")
    return found
