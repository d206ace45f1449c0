"""What a document rests on: the moment, the proof, and the inventory it was made from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from provisioner.lifecycle.pictures import Freshness
from provisioner.report.documents.official import Letterhead
from provisioner.report.documents.words import moment_in_words
from provisioner.report.freshness import freshness_label


@dataclass(frozen=True, slots=True)
class DocumentBasis:
    """What a document rests on.

    Attributes:
        as_of: its moment, with its zone.
        proof: how old the proof is of the facilities that it is about.
        runs: how many runs are recorded.
        source: the inventory, and the digest of its files.
        letterhead: what a person filled in.
        held: the facilities that are left out, since their files have errors.
    """

    as_of: datetime
    proof: Freshness
    runs: int
    source: str
    letterhead: Letterhead
    held: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The basis in words, as it stands at the end of a document's content."""
        held = f" Chưa tính, do tệp dữ liệu có lỗi: {', '.join(self.held)}." if self.held else ""
        return (
            f"Số liệu tính đến {moment_in_words(self.as_of)} (giờ Việt Nam), theo {self.runs} lần chạy đã ghi nhận;"
            f" {freshness_label(self.proof)}. Dữ liệu: {self.source}.{held}"
        )
