"""`provisioner geography`, and the designations of provinces."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click

from provisioner.base.document import Day, Printed, Row, absent
from provisioner.base.errors import UsageError
from provisioner.base.text import counted, msg
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import carriers_like, provinces_like
from provisioner.cli.support.context import Invocation, show, today
from provisioner.cli.support.terminal import DAY, ListedWord, ValidPath
from provisioner.cli.support.texts import EditedWithNext, edits_file, edits_of
from provisioner.importing.grid import Cell, FileRefusedError, letter
from provisioner.inventory.geography import SCHEMES, Province, convert, find, provinces, read_province
from provisioner.operations.edit import shared_files

_scheme = ListedWord(SCHEMES)
#: Words in the headers of an annex: of provinces, of carriers.
_ANNEX = re.compile("tinh|dia-phuong"), re.compile("doanh-nghiep|nha-mang")


@click.group(cls=NamedGroup)
def geography() -> None:
    """Look up provinces, and convert between the lists of 2021 and 2025.

    The command needs no inventory. A name has to match except for case, marks, spaces and the words for province and
    city. The command does not guess.
    """


@geography.command()
@click.argument("text")
@click.option("--scheme", type=_scheme, help="The text's list. Default: both.")
def lookup(invocation: Invocation, text: str, scheme: str | None) -> None:
    """Show the province of a name, slug or code.

    Seven codes mean another province in the other list: for these, exit code 2 without --scheme.

    Example: provisioner geography lookup "TP. HCM"
    """
    matches = find(text, scheme)
    lines = (line for province in matches for line in _province_lines(province))
    show(invocation, GeographyDocument(provinces=_entries(matches)), lines)


@geography.command("convert")
@click.argument("text")
@click.option("--from", "source", type=_scheme, required=True, help="The text's list.")
@click.option("--to", "target", type=_scheme, help="The target list. Default: the other one.")
def convert_command(invocation: Invocation, text: str, source: str, target: str | None) -> None:
    """Show a province in the other list.

    Each province of 2021 is in exactly one of 2025; one of 2025 has one or several of 2021.

    Example: provisioner geography convert bac-giang --from gso-2021
    """
    province = read_province(text, source)
    units = convert(province, target or next(scheme for scheme in SCHEMES if scheme != source))
    (source_entry,) = _entries([province])
    document = GeographyDocument(provinces=_entries(units), from_=source_entry)
    show(invocation, document, [_line(province), *(f"  → {_line(unit)}" for unit in units)])


@geography.command("list")
@click.option("--scheme", type=_scheme, required=True, help="The list.")
def list_command(invocation: Invocation, scheme: str) -> None:
    """List all provinces of a list.

    The columns are: code, slug, name, phone area codes, and the 2021 codes of a merged province.

    Example: provisioner geography list --scheme gso-2025
    """
    listed = provinces(scheme)
    head = f"{scheme}: {counted(len(listed), 'province')}"
    show(invocation, GeographyDocument(provinces=_entries(listed)), [head, *map(_row, listed)])


def _line(province: Province) -> str:
    return f"{province.scheme} {province.code} {province.slug}: {province.name}"


def _row(province: Province) -> str:
    merged = f"  from {', '.join(province.merged_from)}" if len(province.merged_from) > 1 else ""
    return (
        f"{province.code}  {province.slug:16} {province.name:18} {', '.join(province.area_codes):17}{merged}".rstrip()
    )


def _province_lines(province: Province) -> Iterator[str]:
    yield _line(province)
    if province.aliases:
        yield f"  also written {', '.join(province.aliases)}"
    yield f"  phone {', '.join(province.area_codes)}"
    yield f"  since {province.valid_from}" + (f", until {province.valid_to}" if province.valid_to else "")
    related = _others(province)
    verb = "made of" if province.merged_from else "went into"
    yield f"  {verb} {', '.join(map(str, related))} of {related[0].scheme}"


def _others(province: Province) -> tuple[Province, ...]:
    return convert(province, SCHEMES[0] if province.scheme == SCHEMES[1] else SCHEMES[1])


class UnitRow(Row):
    """A province."""

    scheme: str
    code: str
    slug: str
    name: str


class ProvinceRow(UnitRow):
    """A province with the provinces of the other list that contain it or that it consists of."""

    aliases: tuple[str, ...]
    area_codes: tuple[str, ...]
    valid_from: Day
    valid_to: Day | None
    other: tuple[UnitRow, ...]


class GeographyDocument(Printed, name="geography", title="Provinces"):
    """Output of `provisioner geography` with `--output json`."""

    provinces: tuple[ProvinceRow, ...]
    from_: ProvinceRow | None = absent(alias="from")  #: Only for `convert`: the province in the request.


def _entries(listed: Iterable[Province]) -> list[ProvinceRow]:
    return [ProvinceRow.made_of(province, other=_others(province)) for province in listed]


# --- designations ----------------------------------------------------------------------------------
@click.group(cls=NamedGroup)
def designation() -> None:
    """Record which carrier serves a province, from and until which day."""


@designation.command()
@click.argument("province", metavar="PROVINCE", shell_complete=provinces_like)
@click.argument("carrier", metavar="CARRIER", shell_complete=carriers_like)
@click.option("--since", type=DAY, help="The first day. Default: today.")
@click.option("--until", type=DAY, help="The last day. Default: open.")
@click.option("--source", required=True, metavar="TEXT", help="The document that designates.")
@click.option("--scheme", type=_scheme, help="The list of provinces with this slug. Default: the inventory's.")
@edits_file
def add(
    invocation: Invocation,
    province: str,
    carrier: str,
    *,
    since: datetime | None,
    until: datetime | None,
    source: str,
    scheme: str | None,
) -> EditedWithNext:
    """Designate a carrier for a province.

    A province may have two carriers for a time. No path is cut on the first or last day. Facilities change their
    carrier one by one (`facility move`), and `validate` warns of those that are late.

    Example: provisioner -i DIR designation add hai-duong vnpt --since 2021-06-07 --source "letter 12"
    """
    first = since.date() if since else today()
    days = {"since": first.isoformat(), "until": until and until.date().isoformat()}
    values = {"province": province, "province_scheme": scheme, "carrier": carrier, **days, "source": source}
    edit = shared_files.designated(edits_of(invocation), province, values)
    return edit, f"{province}: {carrier} from {first}", _then(invocation)


@designation.command("import")
@click.argument("file", type=ValidPath(dir_okay=False, exists=True), metavar="FILE")
@click.option("--since", type=DAY, required=True, help="The first day, as in the document.")
@click.option("--source", required=True, metavar="TEXT", help="The document that designates.")
@click.option("--scheme", type=_scheme, help="The sheet's list of provinces. Default: the inventory's.")
@edits_file
def import_(invocation: Invocation, file: Path, *, since: datetime, source: str, scheme: str | None) -> EditedWithNext:
    """Import a document's annex: a sheet of provinces and their carriers.

    The command reads XLSX and CSV. A column has the provinces, another one (Doanh nghiệp) ids or names of carriers;
    several stand in one cell, with commas. What is in force already is left out. If a cell is unknown, no file is
    written.

    Example: provisioner -i DIR designation import annex.xlsx --since 2021-05-06 --source "1407/BTTTT-CVT"
    """
    # Its modules read contacts, too: only this command imports them.
    from provisioner.importing.report.messages import wording  # noqa: PLC0415
    from provisioner.importing.tables.files import columns_of, grids_of, read_file  # noqa: PLC0415

    values = {"province_scheme": scheme, "since": since.date().isoformat(), "source": source}
    try:
        cells = columns_of(grids_of(read_file(file)), _ANNEX)
        rows = [(_named_cell(province), _named_cell(carrier)) for province, carrier in cells]
    except FileRefusedError as refused:
        hint = wording(refused.remark, invocation.language).hint
        raise UsageError(msg("{file} cannot be read as a sheet", str(file)), hint=hint) from None
    edit = shared_files.annexed(edits_of(invocation), file, rows, values)
    return edit, msg("designations of {source}", source), _then(invocation)


def _named_cell(cell: Cell) -> shared_files.Place:
    return f"{letter(cell.column)}{cell.row}", cell.text


@designation.command()
@click.argument("province", metavar="PROVINCE", shell_complete=provinces_like)
@click.argument("carrier", metavar="CARRIER", shell_complete=carriers_like)
@click.option("--on", "day", type=DAY, help="The last day. Default: today.")
@edits_file
def end(invocation: Invocation, province: str, carrier: str, day: datetime | None) -> EditedWithNext:
    """Set the last day of a carrier in a province.

    Example: provisioner -i DIR designation end hai-duong viettel --on 2021-06-30
    """
    last = day.date() if day else today()
    edit = shared_files.designation_ended(edits_of(invocation), province, carrier, last)
    return edit, f"{province}: {carrier} until {last}", _then(invocation)


def _then(invocation: Invocation) -> str:
    return invocation.say("next: {command}", command="provisioner validate")
