"""The official documents of `provisioner export`: which is made, of whom, and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.counted import counted
from provisioner.base.errors import UsageError
from provisioner.base.held import HeldFacility
from provisioner.base.stage import Stage, at_stage
from provisioner.cli.files import write_report, write_tree
from provisioner.lifecycle.pictures import Freshness
from provisioner.lifecycle.status import FacilityStatus
from provisioner.render.files import RenderedFile
from provisioner.report.documents import (
    MINUTES,
    REPORT_LETTERS,
    DocumentBasis,
    Letterhead,
    MinutesForm,
    OfficialDocument,
    letterhead_of,
)
from provisioner.report.documents.words import short_digest
from provisioner.report.exports import FacilityList
from provisioner.runs.overview import Overview


@dataclass(frozen=True, slots=True)
class DocumentOrder:
    """What a person asked for.

    Attributes:
        what: the report.
        file: where one document goes; None where none was asked for.
        folder: where documents of one facility each go.
        letterhead: what the person filled in.
        force: whether a file that is there is overwritten.
    """

    what: str
    file: Path | None
    folder: Path | None
    letterhead: Letterhead
    force: bool


def document_order(
    what: str, file: Path | None, folder: Path | None, filled: Sequence[str], *, force: bool
) -> DocumentOrder | None:
    """What was asked for, as far as it can be; None where no document was.

    Raises:
        UsageError: it cannot be.
    """
    if file is None and folder is None:
        if filled:
            raise UsageError("--fill fills in a document, and none is asked for", hint="add --docx FILE")
        return None
    if what not in REPORT_LETTERS and what not in MINUTES:
        hint = f"these have one: {', '.join([*REPORT_LETTERS, *MINUTES])}; --out FILE.xlsx is for every report"
        raise UsageError(f"{what} has no official document", hint=hint)
    if folder is not None and (file is not None or what in REPORT_LETTERS):
        hint = "write --docx FILE; --docx-dir DIR is for many minutes, a file a facility"
        raise UsageError(f"{what} goes into one file" if file is None else "--docx and --docx-dir exclude", hint=hint)
    return DocumentOrder(what, file, folder, letterhead_of(filled), force)


def write_documents(
    order: DocumentOrder, listing: FacilityList, whole: Overview, proof: Freshness, held: Sequence[HeldFacility]
) -> list[str]:
    """Make what was asked for, and write it: a line for each thing that was written or could not be.

    Args:
        order: what was asked for.
        listing: the facilities that were chosen.
        whole: the inventory that they are of.
        proof: how old their proof is.
        held: who is left out.

    Raises:
        UsageError: there is no such document of what was chosen, or the place cannot be written to.
    """
    source = f"{whole.inventory.settings.id}, {short_digest(whole.loaded.digest)}"
    left_out = tuple(one.id for one in held)
    basis = DocumentBasis(whole.now, proof, whole.evidence.runs, source, order.letterhead, left_out)
    letter = REPORT_LETTERS.get(order.what)
    if letter and order.file:
        write_report(order.file, _bytes(letter(listing, basis), basis), force=order.force)
        return [f"wrote {order.file}"]
    form = MINUTES[order.what]
    refused = {one.facility.id: reason for one in listing.statuses if (reason := form.refusal(one, listing))}
    if order.file:
        status = _only(form, listing.statuses)
        name = status.facility.id
        if name in refused:
            hint = f"provisioner status {name} --why says what is left to do"
            raise UsageError(f"there is no {form.words} of {name}: {refused[name]}", hint=hint, object=name)
        write_report(order.file, _bytes(form.make(status, listing, basis), basis), force=order.force)
        return [f"wrote {order.file}"]
    if order.folder is None:
        raise TypeError("a document goes somewhere")
    chosen = [one for one in listing.statuses if one.facility.id not in refused]
    if not chosen:
        name, reason = next(iter(refused.items()))
        message = f"there is no {form.words} of any of {counted(len(refused), 'facility')}; of {name}: {reason}"
        raise UsageError(message, hint=f"provisioner export {order.what} says why of each")
    with at_stage(Stage.DOCUMENTS, len(chosen)) as advanced:
        count = len(write_tree(order.folder, _files(chosen, form, listing, basis, advanced)))
    lines = [f"wrote {counted(count, 'file')} into {order.folder}"]
    return [*lines, *(f"no {form.words} of {name}: {reason}" for name, reason in refused.items())]


def _only(form: MinutesForm, statuses: Sequence[FacilityStatus]) -> FacilityStatus:
    if len(statuses) != 1:
        hint = "choose one: --limit facility=ID; or --docx-dir DIR for a file a facility"
        raise UsageError(f"{form.rule}, and {len(statuses)} are chosen", hint=hint)
    return statuses[0]


def _files(
    chosen: Sequence[FacilityStatus],
    form: MinutesForm,
    listing: FacilityList,
    basis: DocumentBasis,
    advanced: Callable[[int], None],
) -> Iterator[RenderedFile]:
    """Each facility's file, made when it is written: a country's are not held at once."""
    for one in chosen:
        document = form.make(one, listing, basis)
        yield RenderedFile(f"{one.facility.id}.docx", _bytes(document, basis), mode=0o600)
        advanced(1)


def _bytes(document: OfficialDocument, basis: DocumentBasis) -> bytes:
    # The library of documents is imported where there is one to write.
    from provisioner.report.documents.docx_file import official_docx  # noqa: PLC0415

    return official_docx(document, basis.as_of)
