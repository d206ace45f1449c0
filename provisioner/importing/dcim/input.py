"""All that an import reads of a server, as the files of an import are read."""

from __future__ import annotations

from provisioner.importing.cells.findings import CellPosition, FileRefusedError, Finding
from provisioner.importing.dcim.client import LISTS, DcimClient
from provisioner.importing.dcim.objects import table_of
from provisioner.importing.tables.input_files import InputFiles
from provisioner.importing.tables.records import read_records
from provisioner.importing.tables.table import SheetTables


def read_server(client: DcimClient) -> InputFiles:
    """Read what the mapping chooses; a list that cannot be read is a finding, and the other one is read."""
    server = client.server
    sheets: list[SheetTables] = []
    for number, (kind, chosen) in enumerate(client.mapping.mappings.items(), start=1):
        position = CellPosition(server, number, LISTS[client.mapping.kind][kind])
        try:
            sheets.append(SheetTables([table_of(position, kind, chosen, client.objects(kind, chosen))]))
        except FileRefusedError as refused:
            sheets.append(SheetTables(findings=[Finding(position, refused.remark)]))
    records, findings = read_records(sheets)
    tables = tuple(table for sheet in sheets for table in sheet.tables)
    return InputFiles((server,), tables, tuple(records), tuple(findings))
