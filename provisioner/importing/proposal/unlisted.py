"""Sites of the inventory that a list of their province does not have: closed, or under another name? A person says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from provisioner.importing.cells.findings import CellPosition
from provisioner.importing.proposal.inventory_sites import InventorySites
from provisioner.importing.proposal.questions import Question, QuestionKind


def unlisted_sites(
    sites: InventorySites, listed: Collection[str], lists: Mapping[str, CellPosition], whole: Collection[str]
) -> Iterator[Question]:
    """The questions about sites that no row is about.

    A list is taken for a province's whole one where somebody says so, or where it has half of its sites.

    Args:
        sites: what there is.
        listed: facilities that rows are about, or may be about.
        lists: the sheet in which each province first stands.
        whole: provinces whose whole list the sheets are.
    """
    for province, position in lists.items():
        there = sites.not_closed(province)
        missing = [facility for facility in there if facility not in listed]
        if province in whole or 2 * (len(there) - len(missing)) >= len(there):
            for facility in missing:
                name, address = sites.identity(facility).shown
                sheet = replace(position, row=0, column=0, header="")
                yield Question(QuestionKind.MISSING, sheet, ", ".join(filter(None, (name, address))), facility)
