"""The process that ansible-runner runs in.

ansible-runner replaces signal handlers and kills its process group on cancel, so it gets a process of its
own. It keeps what it learns of hosts without an answer in `outcome.json`; the answers are files already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ansible_runner


def main(private: str, playbooks: str, timeout_s: str, forks: str) -> int:
    """Run the one playbook over the private folder; 0 when ansible-runner itself worked."""
    folder = Path(private)
    failures: dict[str, dict[str, str]] = {}

    def on_event(event: dict[str, Any]) -> bool:
        kind = event.get("event", "")
        if kind in {"runner_on_unreachable", "runner_on_failed"}:
            data = event["event_data"]
            result = data.get("res") or {}
            said = str(result.get("msg") or result.get("censored") or "no reason given")
            failures[data["host"]] = {"kind": kind.removeprefix("runner_on_"), "message": said}
        return False  # nothing is kept on disk

    done = ansible_runner.run(
        private_data_dir=private,
        project_dir=playbooks,
        playbook="operation.yml",
        inventory=str(folder / "inventory/hosts.json"),
        envvars=json.loads((folder / "environment.json").read_text()),
        event_handler=on_event,
        quiet=True,
        forks=int(forks),
        timeout=int(float(timeout_s)),
    )
    (folder / "outcome.json").write_text(json.dumps({"status": done.status, "failures": failures}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
