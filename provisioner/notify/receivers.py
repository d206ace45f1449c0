"""The receivers of an inventory: who of them can be told, and what the vault holds for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.loader.receivers import ReceiversVault, faults_in_vault
from provisioner.inventory.model import Frame, Receiver, ReceiverSecrets
from provisioner.inventory.rules import View
from provisioner.inventory.rules.receivers import faults_of


@dataclass(frozen=True)
class ReceiverDoors:
    """What opens the ways to receivers, and what is wrong with each."""

    loaded: Loaded = field(repr=False)
    vault: ReceiversVault = field(repr=False)

    @property
    def frame(self) -> Frame:
        """The inventory without its facilities."""
        if self.loaded.frame is None:
            raise TypeError("an inventory that is gone on with has settings")
        return self.loaded.frame

    def fault(self, receiver: Receiver) -> tuple[str, str] | None:
        """Why a receiver cannot be told, and what to do; None where it can."""
        loaded = self.loaded
        view = View(self.frame, loaded.outlines, loaded.places, loaded.today, loaded.broken)
        for fault in faults_of(receiver, view):
            return fault.message, fault.hint
        if self.vault.shut:
            return self.vault.shut, "add its vault id to ANSIBLE_VAULT_IDENTITY_LIST"
        for problem in self.vault.problems:
            return problem.message, problem.hint
        for message, what in faults_in_vault(receiver, self.vault.secrets.get(receiver.id)):
            return message, f"ansible-vault edit secrets/receivers.yml: {what}"
        return None

    def secrets(self, receiver: Receiver) -> ReceiverSecrets:
        """What opens the way to a receiver."""
        return self.vault.secrets.get(receiver.id, ReceiverSecrets())
