"""The two ways in: a bundle over standard input, and a word on the command line of the installed program."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from provisioner_host import apply, dead_man, firewall, keys, observe, probe, tunnel
from provisioner_host.shell import Failed, scrub

ANSWER = "PROVISIONER-ANSWER "


def serve(folder: str) -> None:
    """Do the bundle's one operation and print its answer as the last line."""
    # The controller may die or its connection be cut: what was begun is finished, and returns by itself.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    place = Path(folder)
    request = json.loads((place / "request.json").read_text())
    try:
        answer = {"ok": True, "answer": _operation(request, place)}
    except Failed as error:
        answer = {"ok": False, "error": scrub(str(error))}
    sys.stdout.write("\n" + ANSWER + json.dumps(answer) + "\n")
    sys.stdout.flush()


def _operation(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    match request["operation"]:
        case "observe":
            return observe.observe(request, folder)
        case "keys":
            return keys.make(request)
        case "apply":
            return apply.apply(request, folder)
        case "confirm":
            return apply.confirm(request, folder)
        case "renew":
            dead_man.renew(request["run"], float(request["confirm_s"]))
            return {}
        case "probe":
            return probe.probe(request, folder)
        case other:
            raise Failed(f"this host program knows no operation {other}")


def command(words: list[str]) -> int:
    """Do what a unit asks for; give the exit code."""
    actions = {
        "nft-up": firewall.load_installed,
        "wg-up": tunnel.up,
        "wg-down": tunnel.down,
        "revert-at-boot": dead_man.revert_at_boot,
        "revert-when-due": dead_man.revert_when_due,
    }
    if len(words) != 1 or words[0] not in actions:
        sys.stderr.write(f"usage: provisioner-host {{{'|'.join(actions)}}}\n")
        return 2
    try:
        actions[words[0]]()
    except (Failed, OSError) as error:
        sys.stderr.write(f"{words[0]}: {scrub(str(error))}\n")
        return 1
    return 0
