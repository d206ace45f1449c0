"""From a cell as people and Excel write it to values. Pure."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from provisioner.base import private_text
from provisioner.base.vietnamese import clean, fold
from provisioner.importing.contacts.fields import FieldReading, read_line
from provisioner.importing.forms.choices import NO_OBSTACLE, OBSTACLES, YES_NO, Choice, YesNo, word_key
from provisioner.importing.grid import Cell, FindingLevel, Remark, error, note, question, warning
from provisioner.inventory.explanation.problems import is_indoors

_CACHED = 8192
_PHRASES = (
    *(
        "chưa rõ",
        "không rõ",
        "chưa biết",
        "không biết",
        "chưa xác định",
        "chưa xác minh",
        "chưa chắc",
        "chưa chính xác",
    ),
    *("chưa có tên", "chưa có thông tin", "cần xác minh", "cần kiểm tra", "kiểm tra lại", "xem lại", "hỏi lại"),
    *("đang cập nhật", "cập nhật sau", "bổ sung sau", "hình như", "hoặc"),
)
_WITH_MARKS = re.compile(rf"(?<!\w)(?:{'|'.join(_PHRASES)})(?!\w)", re.IGNORECASE)
_WITHOUT_MARKS = re.compile(rf"(?:^|-)(?:{'|'.join(fold(phrase) for phrase in _PHRASES if ' ' in phrase)})(?:$|-)")
_WHOLE = re.compile(
    r"n[/.]?a\.?|#n/a|none|null|nil|tbd|todo|unknown|x{1,9}|test(?: ?[0-9]+)?|(?:trường|cơ sở) test|abc|không tên",
    re.IGNORECASE,
)
_WITHIN = re.compile(r"[?\uff1f\ufffd]|(?<!\w)x{3,}(?!\w)|(?:(?<!\.)\.{2,}|\u2026)\s*\)?$", re.IGNORECASE)
_LONGEST_NOTHING = 20
_NOTHING = frozenset({"khong", "khong-co", "khong-co-duong", "khong-co-so-nha"})
NEW_SITE = "mới"  #: The word for a new site in the column of ids; no id has marks.
_NEW_SITES = frozenset({"moi", "new", "cosomoi"})

#: A value as in the inventory's files: days and addresses are texts, a picture's size is width and height.
CellValue = str | int | float | bool | list[str] | tuple[int, int]
#: Characters that turn the order in which letters are shown.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Units of whole numbers, and of the rate of a line; another unit would be another number.
_UNITS = re.compile(
    r"\s*(?:người|phòng|tầng|camera|cam|cái|chiếc|kênh|kbps|kbit/s|kb|fps|hình/giây|khung)\s*$", re.IGNORECASE
)
_RATES = re.compile(r"\s*(?:mbps|mbit/s|mb/s|mb)\s*$", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[.][0-9]{3}){1,4}|[0-9]{1,3}(?:,[0-9]{3}){1,4}")
#: A number with another unit than the column's.
_WITH_UNIT = re.compile(r"[0-9][0-9.,]* ?[^\W\d_][^\d]*")
_RANGE = re.compile(r"[0-9]+\s*(?:-|\u2013|đến|tới|~|/)\s*[0-9]+")
_QUOTED = re.compile(r"'+[=+\-@]")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]*")
_LONGEST_ID = 63
_IN_ROOM = re.compile(
    r"(?:trong-|ben-trong-)?(?:phong-(?:o|ngu|cach-ly|benh|tam)|nha-tam|nha-ve-sinh|toilet|wc)(?:-|$)"
)
_WRITTEN_DAY = re.compile(
    r"(?:ngày\s*)?([0-9]{1,2})\s*(?:[-/.]|tháng)\s*([0-9]{1,2})\s*(?:[-/.]|năm)\s*([0-9]{2}|[0-9]{4})"
)
_ISO_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_CLOCK = re.compile(r"[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:\.0+)?$")
_SERIAL = re.compile("[0-9]{5}")
_EXCEL_BEGINS = date(1899, 12, 30)
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 73_050  # 2000-01-01 and 2099-12-31
_FIRST_YEAR, _LAST_YEAR = 2000, 2099
_MONTHS = 12
_SHORT_YEAR = 2
_RTSP_PATH = re.compile(r"/[\x21-\x7e]*")
_SIZE = re.compile(r"([0-9]{2,4})\s*[x\u00d7*]\s*([0-9]{2,4})(?:\s*p(?:ixels?|x)?)?", re.IGNORECASE)
_SIZES = {  # names that mean one size; 2K, 4MP and 5MP are several
    **dict.fromkeys(("1080p", "fullhd", "fhd", "2mp"), (1920, 1080)),
    **dict.fromkeys(("720p", "hd", "1mp"), (1280, 720)),
    **dict.fromkeys(("4k", "uhd", "8mp", "2160p"), (3840, 2160)),
    "d1": (704, 576),
    "cif": (352, 288),
    "vga": (640, 480),
}
_LEAST_WIDTH, _MOST_WIDTH, _MOST_HEIGHT = 16, 7680, 4320


@dataclass(frozen=True, slots=True)
class CellReading:
    """A cell's value, if any, with one error or other remarks."""

    value: CellValue | None
    remarks: tuple[Remark, ...] = ()


CellReader = Callable[[Cell], CellReading]


@lru_cache(maxsize=_CACHED)
def is_doubtful(written: str) -> bool:
    """Return whether a clean text declares doubt, or is only a placeholder."""
    if not any(map(str.isalnum, written)) or _WHOLE.fullmatch(written) or _WITHIN.search(written):
        return True
    # Without marks a phrase may be a name's own words: it counts only where no word has any.
    return bool(_WITHOUT_MARKS.search(fold(written)) if written.isascii() else _WITH_MARKS.search(written))


@lru_cache(maxsize=_CACHED)
def is_nothing(text: str) -> bool:
    """Return whether a text means absence: a dash, or `không có`."""
    if len(text) > _LONGEST_NOTHING:
        return False
    written = clean(text)
    return bool(written) and (not written.strip("-\u2013\u2014/_ ") or fold(written) in _NOTHING)


def unquoted(text: str) -> str:
    """Return a text without the quote that prevents a formula."""
    return text[1:] if _QUOTED.match(text) else text


def line(cell: Cell) -> CellReading:
    """Read one line for a facility's file: no password, phone, or e-mail."""
    if isinstance(cell.value, bool | date | timedelta):
        return CellReading(None, (error("text-not-text"),))
    text = unquoted(cell.text)
    reading = as_shown(cell, reading_from(read_line(text)))
    if reading.value is None:
        return reading
    code = _unfit_reason(text)
    return CellReading(None, (error(code),)) if code else reading


def as_shown(cell: Cell, reading: CellReading) -> CellReading:
    """Add a remark on invisible characters and reversed text."""
    if reading.value is None or not isinstance(cell.value, str):
        return reading
    if _DIRECTION.search(cell.value):
        return replace(reading, remarks=(*reading.remarks, question("text-direction")))
    hidden = dict.fromkeys(f"U+{ord(c):04X}" for c in cell.value if unicodedata.category(c) == "Cf")
    remark = (warning("text-hidden", characters=", ".join(hidden)),) if hidden else ()
    return replace(reading, remarks=(*reading.remarks, *remark))


def _unfit_reason(text: str) -> str:
    """Return why a text must not be taken over, or empty."""
    if private_text.states_login(text):
        return "password-in-text"
    if private_text.holds_personal_data(text):
        return "personal-in-text"
    if private_text.holds_markup(text):
        return "markup-in-text"
    return "text-like-a-password" if private_text.holds_login(text) else ""


def certain(cell: Cell) -> CellReading:
    """Read a part of a site's identity; a doubtful text is refused."""
    reading = line(cell)
    doubtful = isinstance(reading.value, str) and is_doubtful(reading.value)
    return CellReading(None, (error("text-doubtful"),)) if doubtful else reading


def address_part(cell: Cell) -> CellReading:
    """Read a district, ward or street; a dash means absence."""
    if isinstance(cell.value, str) and is_nothing(cell.value):
        return CellReading(None, (note("place-none"),))
    return certain(cell)


def location(cell: Cell) -> CellReading:
    """Read a camera's place; order 4403/CV-BCĐ forbids the inside of rooms."""
    reading = line(cell)
    if not isinstance(reading.value, str):
        return reading
    if is_indoors(reading.value):
        return CellReading(None, (error("zone-forbidden"),))
    return CellReading(reading.value, (warning("location-room"),)) if _IN_ROOM.match(fold(reading.value)) else reading


def reading_from(reading: FieldReading) -> CellReading:
    """Convert a reading of `contacts`, without its personal suggestion."""
    value = None if reading.value is None else reading.value.reveal()
    return CellReading(value, tuple(Remark(p.code, FindingLevel(p.severity.value)) for p in reading.problems))


def identifier(cell: Cell) -> CellReading:
    """Read an id; capitals, spaces and underscores are normalised."""
    if not isinstance(cell.value, str):
        return CellReading(None, (error("id-number"),))
    text = clean(cell.value)
    value = fold(text)
    fits = _ID.fullmatch(text) and value and len(value) <= _LONGEST_ID
    return CellReading(value) if fits else CellReading(None, (error("id-form"),))


def site_identifier(cell: Cell) -> CellReading:
    """Read a facility's id, or the word for a new site."""
    if isinstance(cell.value, str) and word_key(cell.value) in _NEW_SITES:
        return CellReading(NEW_SITE)
    return identifier(cell)


def whole(least: int, most: int) -> CellReader:
    """Return the reader of a whole number."""

    def read_whole(cell: Cell) -> CellReading:
        number, remarks = _read_number(cell)
        if number is None:
            return CellReading(None, remarks)
        if not float(number).is_integer():
            return CellReading(None, (error("number-not-whole"),))
        if not least <= number <= most:
            return CellReading(None, (error("number-range", least=least, most=most),))
        return CellReading(int(number), remarks)

    return read_whole


def decimal(most: int) -> CellReader:
    """Return the reader of a positive decimal number."""

    def read_decimal(cell: Cell) -> CellReading:
        if isinstance(cell.value, str) and _GROUPED.fullmatch(_RATES.sub("", clean(cell.value)).strip()):
            return CellReading(None, (error("number-ambiguous"),))
        number, remarks = _read_number(cell, _RATES)
        if number is None:
            return CellReading(None, remarks)
        if not 0 < number <= most:
            return CellReading(None, (error("number-range", least=0, most=most),))
        return CellReading(int(number) if float(number).is_integer() else number, remarks)

    return read_decimal


def _read_number(cell: Cell, units: re.Pattern[str] = _UNITS) -> tuple[float | None, tuple[Remark, ...]]:
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, ()) if abs(value) < 10**12 else (None, (error("number-form"),))
    if not isinstance(value, str):
        return None, (error("number-day" if isinstance(value, date) else "number-form"),)
    text = units.sub("", clean(value)).strip()
    if _RANGE.fullmatch(text):
        return None, (error("number-several"),)
    if _GROUPED.fullmatch(text):
        number = int(re.sub("[.,]", "", text))
        return number, (warning("number-grouped", number=number),)
    if re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,6})?", text):
        return float(text.replace(",", ".")), ()
    return None, (error("number-unit" if _WITH_UNIT.fullmatch(text) else "number-form"),)


def one_of(choice: Choice) -> CellReader:
    """Return the reader of a word from a list."""

    def read_choice(cell: Cell) -> CellReading:
        value = choice.find(_word(cell))
        if value:
            return CellReading(value)
        return CellReading(None, (error("choice-unknown", allowed="; ".join(choice.labels)),))

    return read_choice


def zone(choice: Choice) -> CellReader:
    """Return the reader of a zone; insides of rooms are refused."""

    def read(cell: Cell) -> CellReading:
        if is_indoors(_word(cell)):
            return CellReading(None, (error("zone-forbidden"),))
        return one_of(choice)(cell)

    return read


def obstacle(cell: Cell) -> CellReading:
    """Read a facility's obstacle; the answer `no obstacle` is an empty text."""
    return CellReading("") if word_key(_word(cell)) in NO_OBSTACLE else one_of(OBSTACLES)(cell)


def some_of(choice: Choice) -> CellReader:
    """Return the reader of several words, split at `;`, `,` or newlines."""

    def read_choices(cell: Cell) -> CellReading:
        chosen: list[str] = []
        for part in re.split(r"[;\n\r+]|\bvà\b", _word(cell)):
            values = _comma_parts(part, choice) if part.strip() else ()
            if values is None:
                return CellReading(None, (error("choice-unknown", allowed="; ".join(choice.labels)),))
            chosen += values
        return CellReading(list(dict.fromkeys(chosen)))

    return read_choices


def _comma_parts(text: str, choice: Choice) -> tuple[str, ...] | None:
    """Split a text at commas; try the longest listed word first."""
    pieces = text.split(",")
    for length in range(len(pieces), 0, -1):
        value = choice.find(",".join(pieces[:length]))
        if value:
            rest = _comma_parts(",".join(pieces[length:]), choice) if pieces[length:] else ()
            return None if rest is None else (value, *rest)
    return None if text.strip() else ()


def yes_no(cell: Cell) -> CellReading:
    """Read yes or no as a bool."""
    reading = one_of(YES_NO)(cell)
    return reading if reading.value is None else CellReading(reading.value == YesNo.YES)


def _word(cell: Cell) -> str:
    return unquoted(cell.text)


def read_day(cell: Cell) -> CellReading:
    """Read a day: day before month, or Excel's serial number."""
    value = cell.value
    if isinstance(value, date):
        return _checked_day(value.year, value.month, value.day)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _day_from_serial(value)
    return _day_from_text(clean(value)) if isinstance(value, str) else CellReading(None, (error("day-form"),))


def _day_from_text(text: str) -> CellReading:
    text = _CLOCK.sub("", text).strip()
    if _SERIAL.fullmatch(text):
        return _day_from_serial(int(text))
    if iso := _ISO_DAY.fullmatch(text):
        return _checked_day(int(iso[1]), int(iso[2]), int(iso[3]))
    written = _WRITTEN_DAY.fullmatch(text.casefold())
    if written is None:
        return CellReading(None, (error("day-form"),))
    if len(written[3]) == _SHORT_YEAR:
        return CellReading(None, (error("day-short-year"),))
    if int(written[2]) > _MONTHS >= int(written[1]):
        return CellReading(None, (error("day-order"),))
    return _checked_day(int(written[3]), int(written[2]), int(written[1]))


def _checked_day(year: int, month: int, number: int) -> CellReading:
    try:
        day = date(year, month, number)
    except ValueError:
        return CellReading(None, (error("day-unreal"),))
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return CellReading(None, (error("day-unreal"),))
    return CellReading(day.isoformat())


def _day_from_serial(number: float) -> CellReading:
    if not _FIRST_SERIAL <= number <= _LAST_SERIAL:
        return CellReading(None, (error("day-form"),))
    day = _EXCEL_BEGINS + timedelta(days=int(number))
    return CellReading(day.isoformat(), (warning("day-serial", day=f"{day:%d/%m/%Y}"),))


def address(cell: Cell) -> CellReading:
    """Read an IPv4 address of a site's LAN."""
    if not isinstance(cell.value, str):
        return CellReading(None, (error("address-number"),))
    text = clean(cell.value)
    if re.fullmatch(r"[0-9]{9,12}|[0-9]{1,6}[.,][0-9]{1,6}|[0-9.,]+e\+?[0-9]+", text, re.IGNORECASE):
        return CellReading(None, (error("address-number"),))
    if re.fullmatch(r"[0-9.]+:[0-9]+", text):
        return CellReading(None, (error("address-port"),))
    if re.fullmatch(r"0*[0-9]{1,3}(?:[.]0*[0-9]{1,3}){3}", text) and re.search(r"(?:^|[.])0[0-9]", text):
        return CellReading(None, (error("address-zeros"),))
    try:
        parsed = IPv4Address(text)
    except AddressValueError:
        return CellReading(None, (error("address-form"),))
    return CellReading(str(parsed), () if parsed.is_private else (warning("address-public"),))


def network(cell: Cell) -> CellReading:
    """Read a LAN, e.g. 192.168.1.0/24."""
    text = clean(cell.value) if isinstance(cell.value, str) else ""
    try:
        lan = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return CellReading(None, (error("network-form"),))
    if "/" not in text:
        return CellReading(None, (error("network-form"),))
    if not text.startswith(f"{lan.network_address}/"):
        return CellReading(None, (error("network-host", network=lan),))
    return CellReading(str(lan))


def picture_size(cell: Cell) -> CellReading:
    """Read width and height in pixels, or a name of one size."""
    text = clean(cell.text)
    written = _SIZE.fullmatch(text)
    size = (int(written[1]), int(written[2])) if written else _SIZES.get(fold(text).replace("-", ""))
    if size is None:
        return CellReading(None, (error("size-form"),))
    if not (_LEAST_WIDTH <= size[0] <= _MOST_WIDTH and _LEAST_WIDTH <= size[1] <= _MOST_HEIGHT):
        return CellReading(None, (error("size-form"),))
    return CellReading(size)


def rtsp_path(cell: Cell) -> CellReading:
    """Read an RTSP path without login, host and port."""
    # The relay fills in `{username}` and `{password}`.
    text = cell.text.strip()
    if private_text.path_holds_login(text):
        return CellReading(None, (error("password-in-text"),))
    fits = _RTSP_PATH.fullmatch(text) and not private_text.unknown_references(text)
    return CellReading(text) if fits else CellReading(None, (error("rtsp-path-form"),))
