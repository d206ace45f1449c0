"""The reader of CSV as Excel writes it: any Unicode encoding, and whichever separator the table is written with."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice

from provisioner.base.vietnamese import legacy_encoding
from provisioner.importing.cells import limits
from provisioner.importing.cells.findings import FileRefusedError, error
from provisioner.importing.cells.grid import Cell, Grid
from provisioner.importing.forms.all_forms import known_headers

_MARKS = (  # the longer ones first: the mark of UTF-32 begins as that of UTF-16 does
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SEPARATORS = (";", "\t", ",", "|")
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKUP = re.compile(r"\s*<(!doctype|html|head|meta|table|\?xml|workbook)\b", re.IGNORECASE)
_SAMPLE_ROWS = 2 * limits.HEADER_ROWS
_SAMPLE_CHARACTERS = 20_000


def read_delimited(data: bytes) -> Grid:
    """The one sheet of a CSV file.

    Raises:
        FileRefusedError: it is no text, its encoding is none of Unicode's, or its quotes do not close.
    """
    text = _decoded(data)
    if _MARKUP.match(text):
        raise FileRefusedError(error("file-html"))
    if _CONTROL.search(text):
        raise FileRefusedError(error("file-not-sheet"))
    first, _, rest = text.partition("\n")
    named = _NAMED_SEPARATOR.fullmatch(first.strip())
    separator = named[1] if named else _separator(text)
    return Grid("", _rows(f"\n{rest}" if named else text, separator))


def _decoded(data: bytes) -> str:
    encoding, mark = next(((name, mark) for mark, name in _MARKS if data.startswith(mark)), (_guess(data), b""))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        legacy = legacy_encoding(_one_byte_a_letter(data[:_SAMPLE_CHARACTERS]))
        if legacy:
            raise FileRefusedError(error("file-encoding", encoding=legacy)) from None
        raise FileRefusedError(error("file-encoding-unknown")) from None


def _guess(data: bytes) -> str:
    """Recognise UTF-16 without its mark by the zeros in every other byte; spaces and digits are ASCII in any table."""
    sample = data[:_SAMPLE_CHARACTERS]
    zeros = [sample[start::2].count(0) for start in (0, 1)]
    if max(zeros) * 10 > len(sample) and len(data) % 2 == 0:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8"


def _one_byte_a_letter(data: bytes) -> str:
    """Read as Windows does where it knows no better; the five bytes that it leaves out stay as they are."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in data)


def _separator(text: str) -> str:
    """The separator with which most headers are known; else that with which rows have most cells."""
    return max(_SEPARATORS, key=lambda separator: _fit(text, separator))


def _fit(text: str, separator: str) -> tuple[int, int]:
    sample: list[list[str]] = []
    with suppress(csv.Error):  # it is refused when the table is read
        sample.extend(islice(_reader(text, separator), _SAMPLE_ROWS))
    return max((known_headers(row) for row in sample), default=0), max(map(len, sample), default=0)


def _reader(text: str, separator: str) -> Iterable[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _rows(text: str, separator: str) -> dict[int, dict[int, Cell]]:
    rows: dict[int, dict[int, Cell]] = {}
    number = cells = 0
    try:
        for number, record in enumerate(_reader(text, separator), start=1):
            filled = {column: Cell(number, column, value) for column, value in enumerate(record, start=1) if value}
            if filled:
                rows[number] = filled
            _refuse_size(number, max(filled, default=0), cells := cells + len(filled))
    except csv.Error:
        raise FileRefusedError(error("file-quotes", row=number + 1)) from None
    return rows


def _refuse_size(row: int, column: int, cells: int) -> None:
    if row > limits.MAX_ROWS:
        raise FileRefusedError(error("file-too-many-rows", limit=limits.MAX_ROWS))
    if column > limits.MAX_COLUMNS:
        raise FileRefusedError(error("file-too-many-columns", limit=limits.MAX_COLUMNS))
    if cells > limits.MAX_CELLS:
        raise FileRefusedError(error("file-too-many-cells", limit=limits.MAX_CELLS))
