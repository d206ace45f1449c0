"""The place of the state, a folder or a database; who runs."""

import os
import platform
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.base.service import JOB_NAMES, job_system
from provisioner.record.seal import NO_KEYS, RecordKeys

VARIABLE = "PROVISIONER_STATE"
FILE = "state.db"
_HEAD = "head.json"
_LONGEST = 120


@dataclass(frozen=True)
class StateFolder:
    """The place of one inventory's history."""

    inventory: str
    file: Path | None  #: The SQLite file; `None` for a database server.
    url: str = field(default="", repr=False)  #: The server's URL with its login; empty for a file.
    keys: RecordKeys = field(default=NO_KEYS, repr=False, compare=False)
    #: The file with the newest entry that this machine wrote, if any.
    remembered: Path | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The place in words; of a URL only the kind of server."""
        return str(self.file) if self.file else f"the database that {VARIABLE} names"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the program's state, even beside a database URL."""
    named = environment.get(VARIABLE, "")
    if named and "://" not in named:
        return Path(named)
    base = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(base) / "provisioner"


def state_folder_of(environment: Mapping[str, str], inventory: str) -> StateFolder:
    """Return the place of an inventory's history."""
    named = environment.get(VARIABLE, "")
    folder = state_folder(environment) / inventory
    if "://" in named:
        return StateFolder(inventory, None, named, remembered=folder / _HEAD)
    return StateFolder(inventory, folder / FILE, remembered=folder / _HEAD)


def who(environment: Mapping[str, str]) -> dict[str, str]:
    """Return user, machine and job (`system:project#number`; empty outside a pipeline)."""
    return {"user": _user(), "machine": _clean(platform.node()), "job": _job_name(environment)}


def login(environment: Mapping[str, str]) -> str:
    """Return the forge login that started the pipeline's job, or empty."""
    system = job_system(environment)
    return _clean(environment.get(JOB_NAMES[system].login, "")) if system else ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _job_name(environment: Mapping[str, str]) -> str:
    system = job_system(environment)
    if system is None:
        return "ci:unnamed" if environment.get("CI") else ""
    names = JOB_NAMES[system]
    return f"{system}:{'#'.join(_clean(environment.get(name, '')) for name in (names.project, names.number))}"


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_LONGEST]


def who_text(actor: Mapping[str, str]) -> str:
    """Return who changes hosts in one line, for leases and receipts."""
    job = f" ({actor['job']})" if actor.get("job") else ""
    return f"{actor.get('user', '')}@{actor.get('machine', '')}{job}"
