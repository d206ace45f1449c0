"""Tables: lines of text, spreadsheet pages, page templates, shortened names. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from provisioner.base.language import ENGLISH, Translator
from provisioner.base.text import printable
from provisioner.record.labels import TOTAL_LABEL

if TYPE_CHECKING:
    import jinja2

TOTAL_NAME = "all"  #: The name of a row of totals.
SheetRow = Sequence[str | float]  #: A row's cells: texts, counts, and shares as floats.

T = TypeVar("T")
SheetColumn = tuple[str, int, Callable[[T], str | float]]  #: A sheet's column: header, width, and the cell of an item.

_MANY: Final = 5


@dataclass(frozen=True)
class Page:
    """One sheet: title, headers with widths, rows, optional bold total."""

    title: str
    columns: Sequence[tuple[str, int]]
    rows: Sequence[SheetRow]
    total: SheetRow = ()


def page_of(
    title: str,
    columns: Sequence[SheetColumn[T]],
    items: Sequence[T],
    total: T | None = None,
    *,
    is_numbered: bool = False,
) -> Page:
    """Make a sheet, one row per item; `total` replaces the first cell."""
    number = [("STT", 6)] if is_numbered else []
    rows = [
        (*([count] if is_numbered else ()), *(cell(item) for *_, cell in columns))
        for count, item in enumerate(items, 1)
    ]
    sums = () if total is None else (TOTAL_LABEL, *(cell(total) for *_, cell in columns[1:]))
    return Page(title, [*number, *((name, width) for name, width, _ in columns)], rows, sums)


def text_table(names: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool) -> Iterator[str]:
    """Yield a table's lines; `numbers` aligns later columns to the right."""
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    # A whole line at once: a country has ten thousand of them.
    cells = [
        f"{{:{'>' if numbers and column else '<'}{width}}}" if width else "{}" for column, width in enumerate(widths)
    ]
    line = "  ".join(cells).format
    for row in (names, *rows):
        yield line(*row).rstrip()


def some_of(names: Sequence[str], say: Translator = ENGLISH) -> str:
    """Return the first names, and how many more follow."""
    listed = ", ".join(names[:_MANY])
    more = len(names) - _MANY
    return say("{names} and {count} more", names=listed, count=more) if more > 0 else listed


@lru_cache
def page_template(name: str) -> "jinja2.Template":
    """Return a page's template, by its file in this folder."""
    import jinja2  # noqa: PLC0415 (most commands print text)

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("provisioner.report", "."),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
    )
    return environment.get_template(name)
