"""A spreadsheet of cameras that an inventory has: `python -m tests.bench.national_sheet DIR FILE.xlsx ROWS`."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import yaml
from openpyxl import Workbook

_HEADER = ("STT", "Mã cơ sở", "Mã camera", "Khu vực", "Vị trí lắp đặt")


def write_sheet(root: Path, out: Path, rows: int) -> None:
    """Write the first cameras of an inventory as the sheet `Camera` has them: importing it changes nothing."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Camera")
    sheet.append(_HEADER)
    for number, row in enumerate(islice(_rows(root), rows), start=1):
        sheet.append((number, *row))
    book.save(out)


def _rows(root: Path) -> Iterator[tuple[str, str, str, str]]:
    for path in sorted(root.glob("facilities/*/*.yml")):
        facility = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        for camera in facility.get("cameras", []):
            yield facility["id"], camera["id"], camera["zone"], camera["location"]


if __name__ == "__main__":
    write_sheet(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
