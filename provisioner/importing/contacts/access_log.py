"""Log of accesses to contacts, one line each, written beforehand."""

import json
import os
import pwd
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from provisioner.base.errors import PolicyError
from provisioner.base.files import make_own_folder

NAME = "contacts-access.log"


@dataclass(frozen=True)
class AccessRecord:
    """One access, without personal data and without the search terms."""

    at: datetime  #: In Vietnam's time.
    action: str  #: `list`, `find`, `show`, `export`, `erase`, `check` or `import`.
    purpose: str
    requester: str  #: By default the user of this machine.
    provinces: Collection[str]
    records: int  #: The number of records shown, written or removed.


def record(folder: Path, access: AccessRecord) -> None:
    """Append a line to the log; after `PolicyError` show no contact."""
    line = {
        "at": access.at.isoformat(timespec="seconds"),
        "user": system_user(),
        "requester": access.requester,
        "action": access.action,
        "purpose": access.purpose,
        "provinces": sorted(access.provinces),
        "records": access.records,
    }
    path = folder / NAME
    try:
        make_own_folder(folder)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, (json.dumps(line, ensure_ascii=False) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise PolicyError(
            f"the access cannot be recorded in {path}: {error.strerror}",
            hint="contacts are opened only with a record of it: correct the folder, or set PROVISIONER_STATE",
        ) from None


def system_user() -> str:
    """Return this machine's user by id; the environment could be forged."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
