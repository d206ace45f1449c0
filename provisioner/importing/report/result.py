"""The result of an import: what was read, what it asks for, what was written. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.importing.proposal.model import Proposal
from provisioner.importing.tables.input_files import InputFiles


@dataclass(frozen=True)
class ImportResult:
    """What an import came to.

    Attributes:
        inputs: what was read.
        proposal: what it asks for.
        write: whether it was to be written.
        written: the files that were.
    """

    inputs: InputFiles
    proposal: Proposal
    write: bool
    written: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.proposal.changed or any(draft.differs for draft in self.proposal.contact_drafts.values()))
