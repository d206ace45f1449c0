"""Factories of contacts; no operator has the prefix of these phone numbers, and example.com receives no mail."""

import json
from pathlib import Path
from typing import Any

from provisioner.base.vault import VaultPasswords, encrypt
from provisioner.importing.contacts.store import Contact, render_contacts
from tests import inventories

NAME = "Nguyễn Thị Hoàng Yến Canary"
PHONE = "+84300777001"
EMAIL = "canary-yen@example.com"
TITLE = "Hiệu trưởng Canary"
NOTE = "Ghi chú canary"
#: What no output may hold, in the forms in which it could get there.
CANARIES = (NAME, PHONE, PHONE[3:], EMAIL, TITLE, NOTE, "Hoàng Yến", "Yến Canary", "canary-yen", "chú canary")


def contact(facility: str = "kcl-bg-001", **changes: Any) -> Contact:
    """A complete representative; None leaves a field out."""
    plain: dict[str, Any] = {
        "facility": facility,
        "role": "representative",
        "full_name": NAME,
        "title": TITLE,
        "phone": PHONE,
        "email": EMAIL,
        "valid_from": "2021-05-07",
        "note": NOTE,
    }
    filled = {key: value for key, value in (plain | changes).items() if value is not None}
    return Contact.model_validate_json(json.dumps(filled))


def other(number: int = 2, facility: str = "kcl-bg-001", **changes: Any) -> Contact:
    """A contact of somebody else."""
    plain = {
        "full_name": f"Trần Văn Mẫu {'Ký' * number}",
        "title": "Kỹ thuật viên",
        "phone": f"+8430000{number:04}",
        "email": f"lien-he-{number}@example.com",
        "role": "technician",
        "note": None,
    }
    return contact(facility, **(plain | changes))


def key(folder: Path, name: str, text: str = "") -> Path:
    """Write a password's file."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"{text or 'password of ' + name}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def environment(folder: Path, *ids: str) -> dict[str, str]:
    """An environment with a password file for each vault id."""
    entries = (f"{vault_id}@{key(folder, vault_id)}" for vault_id in ids)
    return {"ANSIBLE_VAULT_IDENTITY_LIST": ",".join(entries), "PATH": "/usr/bin:/bin"}


def passwords(folder: Path, *ids: str) -> VaultPasswords:
    """Passwords, one of its own for each vault id."""
    return VaultPasswords.from_environment(environment(folder, *ids))


def put(folder: Path, province: str, content: str | list[Contact], vault_id: str = "", password: str = "") -> Path:
    """Write a province's file as it is, encrypted as `environment` lets it be opened."""
    vault_id = vault_id or f"contacts-{province}"
    text = content if isinstance(content, str) else render_contacts(province, content)
    folder.mkdir(exist_ok=True)
    path = folder / f"{province}.yml"
    path.write_text(
        encrypt(text.encode(), (password or f"password of {vault_id}").encode(), vault_id), encoding="utf-8"
    )
    return path


def inventory(root: Path, *facilities: dict[str, Any]) -> Path:
    """Write an inventory of some facilities; of two in Bắc Giang where none is named."""
    listed = facilities or (inventories.facility(), inventories.facility("kcl-bg-002"))
    files = {f"facilities/{f['province']}/{f['id']}.yml": f for f in listed}
    return inventories.write_inventory(root, {"facilities/bac-giang/kcl-bg-001.yml": None} | files)
