"""The writer of a proposal. Every file is replaced whole; an error says what was written before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError, LockedError, ProvisionerError, UsageError
from provisioner.base.vault import VaultPasswords
from provisioner.contacts.access_log import AccessRecord, record, system_user
from provisioner.contacts.keyring import own_password
from provisioner.contacts.model import Contact
from provisioner.contacts.store import contacts_folder, file_of, valid_contacts, write_contacts
from provisioner.importing.proposal.model import Proposal
from provisioner.inventory.model import Inventory


@dataclass(frozen=True)
class FacilityFiles:
    """The facility files of an inventory."""

    root: Path
    inventory: Inventory

    def path(self, province: str, facility: str) -> Path:
        """A facility's file."""
        return self.root / "facilities" / province / f"{facility}.yml"

    def read(self, facility: str) -> bytes:
        """What a known facility's file says.

        Raises:
            InventoryError: it cannot be read.
        """
        path = self.path(self.inventory.facilities[facility].province, facility)
        try:
            return path.read_bytes()
        except OSError as error:
            raise InventoryError(f"{path} cannot be read: {error.strerror}", hint="correct its permissions") from error


@dataclass(frozen=True)
class ContactFiles:
    """The folder of contacts as an import opens it.

    Attributes:
        folder: where they are; made when the first contact is written.
        passwords: what opens them.
        state: the inventory's state folder, with the access log.
        purpose: what for, for that log.
        requester: on whose behalf; the user of this machine otherwise.
    """

    folder: Path
    passwords: VaultPasswords
    state: Path
    purpose: str
    requester: str | None

    def open(
        self, provinces: Collection[str], now: datetime, *, to_write: bool, action: str = "import"
    ) -> dict[str, tuple[Contact, ...]]:
        """The contacts of provinces; the access is recorded before anything is shown.

        Args:
            provinces: their slugs.
            now: when, in Vietnam's time.
            to_write: whether each province has to have a password of its own.
            action: what the access log calls it.

        Raises:
            SecretsError: one cannot be opened.
            InventoryError: one cannot be understood.
            PolicyError: the access cannot be recorded.
        """
        contacts: dict[str, tuple[Contact, ...]] = {}
        for province in sorted(provinces):
            if to_write:
                own_password(self.passwords, province)
            loaded = valid_contacts(self.folder, self.passwords, [province]) if self.folder.is_dir() else None
            file = loaded.files.get(province) if loaded else None
            contacts[province] = file.contacts if file else ()
        requester = self.requester or system_user()
        records = sum(map(len, contacts.values()))
        record(self.state, AccessRecord(now, action, self.purpose, requester, provinces, records))
        return contacts


def folder_for(chosen: Path | None, env: Mapping[str, str], inventory: Path) -> Path:
    """The folder of contacts; one that nobody named need not be there yet.

    Raises:
        UsageError: a folder that was named is not there.
    """
    try:
        return contacts_folder(chosen, env, inventory)
    except UsageError:
        if chosen or env.get("PROVISIONER_CONTACTS"):
            raise
        return inventory / "contacts"


def write(proposal: Proposal, files: FacilityFiles, contacts: ContactFiles) -> tuple[str, ...]:
    """Write the edits, then the contacts: a contact never names a facility that is not there.

    Before the first write every file is held against what the edits were made from, and every password is
    known to open. If a write fails all the same, the error says what is written and what is not.

    Raises:
        LockedError: a file was changed meanwhile.
        InventoryError: a file cannot be written.
        SecretsError: contacts cannot be written.
    """
    edits = {files.path(proposal.provinces[e.facility], e.facility): e for e in proposal.changed}
    drafts = {draft.province: draft for draft in proposal.contact_drafts.values() if draft.differs}
    for path, edit in edits.items():
        _refuse_moved(path, edit.before)
    planned = [str(path) for path in edits]
    planned += [str(file_of(contacts.folder, province)) for province in drafts]
    written: list[str] = []
    try:
        for path, edit in edits.items():
            _refuse_moved(path, edit.before)
            write_atomic(path, edit.after.decode(), within=files.root)
            written.append(str(path))
        for province, draft in drafts.items():
            write_contacts(contacts.folder, province, draft.contacts, contacts.passwords, known=draft.known)
            written.append(str(file_of(contacts.folder, province)))
    except ProvisionerError as failure:
        if written:
            raise _half_done(failure, written, planned) from failure
        raise
    return tuple(written)


def _refuse_moved(path: Path, before: bytes | None) -> None:
    now = path.read_bytes() if path.is_file() else None
    if now != before:
        raise LockedError(f"{path} was changed while the sheets were read", hint="run the same command again")


def _half_done(failure: ProvisionerError, written: list[str], planned: list[str]) -> ProvisionerError:
    rest = ", ".join(name for name in planned if name not in written)
    message = f"{failure.message}; written: {', '.join(written)}; not written: {rest}"
    hint = f"{failure.hint}; what is written stays right: run the same command again and the rest follows"
    return type(failure)(message, hint=hint, object=failure.object)
