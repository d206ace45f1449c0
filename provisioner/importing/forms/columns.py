"""What a column of a sheet is, and the columns that several sheets share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TypedDict, Unpack

from provisioner.importing.forms import values
from provisioner.importing.forms.choices import Choice, word_key
from provisioner.importing.forms.days import read_day
from provisioner.importing.forms.privacy import safe_id, safe_number, safe_words
from provisioner.importing.forms.values import CellReader


class FormKind(StrEnum):
    """What a table's rows describe."""

    FACILITIES = "facilities"
    CONTACTS = "contacts"
    SURVEYS = "surveys"
    CAMERAS = "cameras"


class ColumnOptions(TypedDict, total=False):
    """What a shared column may have of its own: attributes of `Column`, by their names."""

    own: bool
    required: bool
    stored: bool
    asked: bool
    tells: bool
    advice: str


def _nothing(_: str) -> str:
    return ""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: its name for programs; stands in the template's hidden row.
        header: in Vietnamese, as the template has it.
        aliases: other headers that are met, parted by `|`.
        read: from a cell to a value.
        show: what of a wrong value may be shown.
        choice: the list to choose from.
        own: whether each row has a value of its own, so that a merged cell is a mistake.
        required: whether a new object has to have it; the template marks it.
        stored: whether the inventory has it; others are known, and a finding says that they are left out.
        asked: whether the template has it.
        tells: whether it tells which facility is meant, although it is not kept.
        advice: what the template's guide says of it, in Vietnamese.
    """

    key: str
    header: str
    aliases: str = ""
    read: CellReader = values.line
    show: Callable[[str], str] = _nothing
    choice: Choice | None = None
    own: bool = False
    required: bool = False
    stored: bool = True
    asked: bool = True
    tells: bool = False
    advice: str = ""

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of every header by which the column is known."""
        return frozenset(map(word_key, (self.key, self.header, *filter(None, self.aliases.split("|")))))


def chosen(key: str, header: str, choice: Choice, aliases: str = "", **options: Unpack[ColumnOptions]) -> Column:
    """A column whose cells hold a word of a list."""
    return Column(key, header, aliases, values.one_of(choice), safe_words, choice, **options)


def number(
    key: str, header: str, most: int, aliases: str = "", *, least: int = 1, **options: Unpack[ColumnOptions]
) -> Column:
    """A column of whole numbers."""
    return Column(key, header, aliases, values.whole(least, most), safe_number, **options)


def day(key: str, header: str, aliases: str = "", **options: Unpack[ColumnOptions]) -> Column:
    """A column of days."""
    return Column(key, header, aliases, read_day, safe_number, **options)


@dataclass(frozen=True)
class Form:
    """A sheet: its title in the template, other titles that are met, and its columns in order."""

    kind: FormKind
    title: str
    titles: str
    columns: tuple[Column, ...]

    @cached_property
    def by_key(self) -> dict[str, Column]:
        """The columns by their keys."""
        return {column.key: column for column in self.columns}

    @cached_property
    def _by_header(self) -> dict[str, Column]:
        return {key: column for column in self.columns for key in column.keys}

    @cached_property
    def title_keys(self) -> frozenset[str]:
        """The keys of its titles."""
        return frozenset(map(word_key, (self.kind.value, self.title, *self.titles.split("|"))))

    def find(self, header: str) -> Column | None:
        """The column that a header names; brackets and numbers in it do not count."""
        return next((self._by_header[key] for key in _header_keys(header) if key in self._by_header), None)


@lru_cache(maxsize=8192)
def _header_keys(header: str) -> tuple[str, ...]:
    """The keys of a header as it stands, without what is in brackets, and without a number before it."""
    bare = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", header)
    numberless = re.sub(r"^\s*(?:[0-9]{1,2}|[ivx]{1,4}|[a-z])\s*[.)/]\s*", "", bare, flags=re.IGNORECASE)
    return tuple(dict.fromkeys(map(word_key, (header, bare, numberless))))


NUMBER = Column("number", "STT", "TT|Số TT|Số thứ tự|No", show=_nothing, advice="Số thứ tự; không dùng khi nhập")
PROVINCE = "Tỉnh|Tỉnh/TP|Tỉnh thành|Tỉnh, TP|Tỉnh, thành phố|Thành phố|Tên tỉnh|Địa phương"
FACILITY_NAMES = (
    "Cơ sở|Tên cơ sở cách ly|Cơ sở cách ly|Tên khu cách ly|Khu cách ly|Tên khu cách ly tập trung"
    "|Khu cách ly tập trung|Tên đơn vị|Đơn vị|Tên cơ sở cách ly tập trung|Cơ sở cách ly tập trung|facility"
)
FACILITY_IDS = "Mã CS|Mã khu cách ly|Mã KCL|Mã cơ sở cách ly"


def _facility_id(advice: str) -> Column:
    return Column("facility_id", "Mã cơ sở", FACILITY_IDS, values.site_identifier, safe_id, advice=advice)


def shared() -> tuple[Column, ...]:
    """The columns by which a row of the other sheets names its facility."""
    return (
        NUMBER,
        _facility_id("Mã cơ sở ở trang Cơ sở; nếu chưa có mã thì để trống và ghi Tên cơ sở"),
        Column("facility_name", "Tên cơ sở", FACILITY_NAMES, values.certain, advice="Ghi đúng như ở trang Cơ sở"),
        Column("province", "Tỉnh/Thành phố", PROVINCE, values.certain, asked=False),
    )


_LEFT_OUT: ColumnOptions = {"stored": False, "asked": False}
_TELLING: ColumnOptions = {"stored": False, "asked": False, "tells": True}


def district(**options: Unpack[ColumnOptions]) -> Column:
    """The column of the district, as it was until 2025."""
    return Column(
        "district", "Quận/Huyện", "Huyện|Huyện/TX/TP|Huyện/Thị xã|Huyện, thị xã|Quận", values.place, **options
    )


def ward(**options: Unpack[ColumnOptions]) -> Column:
    """The column of the ward or commune."""
    heads = "Xã|Phường|Xã/Phường/Thị trấn|Xã, phường|Xã/Phường/Đặc khu"
    return Column("ward", "Xã/Phường", heads, values.place, **options)


def street(**options: Unpack[ColumnOptions]) -> Column:
    """The column of number and street."""
    return Column("street", "Địa chỉ", "Địa chỉ cơ sở|Địa điểm", values.place, **options)


PLACES = (district(**_LEFT_OUT), ward(**_LEFT_OUT), street(**_LEFT_OUT))
"""Where a facility is, on sheets of other things: known, and kept from the sheet of facilities alone."""
PLACES_OF_SITES = (district(**_TELLING), ward(**_TELLING), street(**_LEFT_OUT))
"""The same where nothing else can be meant: district and ward tell sites of one name apart."""
