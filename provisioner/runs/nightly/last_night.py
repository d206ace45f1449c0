"""When the last night was, and the last complete one: a small file beside the record, for whatever watches nights.

Metrics and timers read it without the vault: it holds moments, ids and words of ours, and no verdict of any path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import replace_file
from provisioner.base.clock import local_iso
from provisioner.base.errors import StateError
from provisioner.base.json_document import Document
from provisioner.base.own_folder import make_own_folder, refuse_link
from provisioner.base.regular_file import read_regular
from provisioner.history.place import state_folder
from provisioner.runs.nightly.night import NightRun

FILE: Final = "night.json"
_MOST_BYTES: Final = 64 * 1024
_SCHEMA: Final = "provisioner/night"


def night_file(environment: Mapping[str, str], inventory: str) -> Path:
    """Where it is; where machines share a database, each has its own."""
    return state_folder(environment) / inventory / FILE


def keep_night(environment: Mapping[str, str], night: NightRun) -> None:
    """Write down that a night is over.

    Raises:
        StateError: it cannot be written.
    """
    file = night_file(environment, night.inventory)
    last = _moments(night) if night.is_complete else last_night(file).get("last_complete")
    document = {"schema": _SCHEMA, "version": 1, "inventory": night.inventory, **_moments(night)}
    document |= {"complete": night.is_complete, "exit_code": night.code, "last_complete": last}
    document |= {"steps": {step.step.value: step.outcome.state.value for step in night.steps}}
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    try:
        make_own_folder(file.parent)
        refuse_link(file)
        replace_file(file, text.encode())
    except OSError as error:
        hint = "make room, or give yourself the folder; until then this night counts as one that did not happen"
        raise StateError(f"{file} cannot be written: {error.strerror}", hint=hint) from None


def _moments(night: NightRun) -> Document:
    finished = local_iso(night.finished) if night.finished else None
    return {"started_at": local_iso(night.started), "finished_at": finished, "run": night.run}


def last_night(file: Path) -> Document:
    """What is written there; nothing where nothing is, or nothing that is ours."""
    try:
        document = json.loads(read_regular(file, most=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) and document.get("schema") == _SCHEMA else {}
