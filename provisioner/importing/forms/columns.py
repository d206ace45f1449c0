"""Columns of sheets: shared ones, privacy of cells, template texts. Pure.

Cells contain anything; `provisioner.base.private_text` decides which texts may be taken over. Reports appear in logs
and merge requests, so a report shows a value only if its form excludes passwords and personal data. Row and column
identify it anyway.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TypedDict, Unpack

from provisioner.base.vietnamese import clean, fold
from provisioner.importing.forms import values
from provisioner.importing.forms.choices import Choice, word_key
from provisioner.importing.forms.values import CellReader, read_day
from provisioner.inventory.model.base import Model

_PASSWORD_HEADERS = ("matkhau", "password", "passwd", "passcode", "pwd", "matma", "maxacminh", "safetycode")
_SAFE_NUMBER = re.compile(r"[+-]?[0-9]{1,5}(?:[.,][0-9]{1,4})?")
_SAFE_ADDRESS = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{0,3}){1,4}(?:/[0-9]{1,2})?")
_SAFE_DAY = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}")
_SAFE_ID = re.compile(r"[a-z]{2,5}(?:-[a-z]{2,4})?-[0-9]{1,4}", re.IGNORECASE)
_MOST_SHOWN = 60
PROVINCE = "Tỉnh|Tỉnh/TP|Tỉnh thành|Tỉnh, TP|Tỉnh, thành phố|Thành phố|Tên tỉnh|Địa phương"
FACILITY_NAMES = (
    "Cơ sở|Tên cơ sở cách ly|Cơ sở cách ly|Tên khu cách ly|Khu cách ly|Tên khu cách ly tập trung"
    "|Khu cách ly tập trung|Tên đơn vị|Đơn vị|Tên cơ sở cách ly tập trung|Cơ sở cách ly tập trung|facility"
)
FACILITY_IDS = "Mã CS|Mã khu cách ly|Mã KCL|Mã cơ sở cách ly"
VERSION = 1
VERSION_MARK = "provisioner/import/"  #: The prefix of the version in a sheet's hidden row.
EXAMPLE_MARK = "Ví dụ"  #: The text in the first column of the template's example row.
GUIDE = (
    "1. Mỗi dòng một cơ sở, một đầu mối, một lần khảo sát, một camera hoặc một đầu ghi. Không gộp ô, không ẩn dòng.",
    "2. Mã cơ sở, mã camera, mã đầu ghi để trống nếu là mới: hệ thống cấp mã và báo lại. Mã đã cấp không bao giờ đổi.",
    "3. Ô để trống nghĩa là không thay đổi điều đã có; xóa nội dung đã có thì báo đơn vị vận hành.",
    "4. Ngày ghi ngày/tháng/năm, ví dụ 07/05/2021. Số điện thoại ghi đủ số 0 ở đầu, mỗi ô một số.",
    "5. KHÔNG ghi mật khẩu vào tệp này dưới bất kỳ hình thức nào. Tài khoản thiết bị gửi theo kênh riêng.",
    "6. Tên, số điện thoại, thư điện tử của người chỉ ghi ở trang Đầu mối; dữ liệu ở trang này được mã hóa khi lưu.",
    "7. Camera chỉ quan sát khu vực chung (công văn 4403/CV-BCĐ); không lắp trong phòng ở, nhà tắm, nhà vệ sinh.",
    "8. Đầu ghi ghi thành một dòng ở trang Camera (Loại thiết bị: Đầu ghi); mỗi kênh của nó là một dòng Kênh đầu ghi.",
    "9. Dòng Ví dụ không được đọc; có thể để nguyên hoặc xóa.",
    "10. Ghi đủ Quận/Huyện, Xã/Phường và Địa chỉ để không nhầm các cơ sở trùng tên. Chưa chắc chắn thì hỏi lại trước.",
    "11. Khi hệ thống hỏi về một dòng thì trả lời ở cột Mã cơ sở: ghi mã của cơ sở đã có, hoặc chữ “mới”.",
)


class FormKind(StrEnum):
    """The subject of a table's rows."""

    FACILITIES = "facilities"
    CONTACTS = "contacts"
    SURVEYS = "surveys"
    CAMERAS = "cameras"


class ColumnOptions(TypedDict, total=False):
    """Options of a shared column, named as attributes of `Column`."""

    own: bool
    required: bool
    stored: bool
    asked: bool
    tells: bool
    advice: str


_LEFT_OUT: ColumnOptions = {"stored": False, "asked": False}
_TELLING: ColumnOptions = {"stored": False, "asked": False, "tells": True}
TITLES: Mapping[FormKind, str] = {
    FormKind.FACILITIES: "DANH SÁCH CƠ SỞ CÁCH LY TẬP TRUNG",
    FormKind.CONTACTS: "ĐẦU MỐI LIÊN HỆ CỦA CÁC CƠ SỞ CÁCH LY",
    FormKind.SURVEYS: "KẾT QUẢ KHẢO SÁT HIỆN TRẠNG CAMERA",
    FormKind.CAMERAS: "DANH SÁCH CAMERA VÀ ĐẦU GHI",
}
#: Invented and ignored by the reader; tests check that each one would be valid.
EXAMPLES: Mapping[FormKind, Mapping[str, str]] = {
    FormKind.FACILITIES: {
        "province": "Hà Nội",
        "district": "Quận Ví Dụ",
        "ward": "Phường Ví Dụ",
        "name": "Trường THPT Ví Dụ",
        "kind": "Trường học",
        "managing_body": "UBND tỉnh",
        "street": "Số 1, đường Ví Dụ",
        "people": "200",
        "rooms": "40",
        "floors": "3",
        "operating": "Đang hoạt động",
        "opened_on": "07/05/2021",
    },
    FormKind.CONTACTS: {
        "facility_name": "Trường THPT Ví Dụ",
        "full_name": "Nguyễn Văn Ví Dụ",
        "title": "Hiệu trưởng",
        "phone": "0300 000 001",
        "email": "lien-he-01@example.com",
        "role": "Đại diện cơ sở",
        "valid_from": "07/05/2021",
        "source": "Công văn số 01 ngày 07/05/2021",
    },
    FormKind.SURVEYS: {
        "facility_name": "Trường THPT Ví Dụ",
        "surveyed_on": "08/05/2021",
        "by": "Sở TT&TT; Doanh nghiệp viễn thông",
        "uplink_kind": "Cáp quang",
        "uplink_provider": "VNPT",
        "upload_mbps": "40",
        "uplink_address": "Động",
        "router": "MikroTik hEX",
        "lan": "192.168.1.0/24",
        "rtsp": "Đã bật",
        "logins": "Đã nhận",
        "present": "6",
        "fit": "4",
        "missing": "2",
        "gaps": "Khu lấy mẫu; Cổng",
        "verdict": "Cần bổ sung camera",
        "advice": "Bổ sung 2 camera",
        "block_reason": "Chờ kinh phí",
        "block_owner": "UBND tỉnh",
        "block_next": "Phê duyệt kinh phí mua camera",
        "block_due": "15/05/2021",
    },
    FormKind.CAMERAS: {
        "facility_name": "Trường THPT Ví Dụ",
        "location": "Hành lang tầng 2, đầu phía đông",
        "zone": "Hành lang",
        "device": "Camera IP",
        "make": "Hikvision",
        "model": "DS-2CD1021-I",
        "address": "192.168.1.31",
        "port": "554",
        "sub_size": "640x360",
        "sub_fps": "15",
        "sub_codec": "H.264",
        "sub_kbps": "512",
        "main_size": "1920x1080",
        "main_fps": "25",
        "main_codec": "H.265",
        "main_kbps": "2048",
        "audio": "Không",
    },
}


def is_password_header(header: str) -> bool:
    """Return whether a column's header asks for a password."""
    key = fold(header).replace("-", "")
    words = fold(header).split("-")
    return any(part in key for part in _PASSWORD_HEADERS) or "pass" in words or "mk" in words


def safe_number(text: str) -> str:
    """Return a short number, address or day for a report; else empty."""
    written = text.strip()
    forms = (_SAFE_NUMBER, _SAFE_ADDRESS, _SAFE_DAY)
    return written if any(form.fullmatch(written) for form in forms) else ""


def safe_words(text: str) -> str:
    """Return several words of letters for a report; else empty."""
    # Passwords of letters alone are one word.
    written = clean(text)
    if len(written) > _MOST_SHOWN or not all(
        c.isalpha() or c in " ,;/()." or unicodedata.combining(c) for c in written
    ):
        return ""
    return written if len(written.split()) > 1 else ""


def safe_id(text: str) -> str:
    """Return an id such as kcl-bg-001 for a report; else empty."""
    written = clean(text)
    return written if _SAFE_ID.fullmatch(written) else ""


def masked(text: str) -> str:
    """Return a phone number's last three digits, which identify the cell."""
    digits = [c for c in text if c.isdigit()]
    letters = sum(c.isalpha() for c in text)
    return "…" + "".join(digits[-3:]) if len(digits) >= 8 and not letters else ""  # noqa: PLR2004 (a phone number's least)


def _nothing(_: str) -> str:
    return ""


@dataclass(frozen=True)
class Column:
    """One column."""

    key: str  #: Its name for programs, in the template's hidden row.
    header: str  #: The template's header, in Vietnamese.
    aliases: str = ""  #: Other common headers, separated by `|`.
    read: CellReader = values.line
    show: Callable[[str], str] = _nothing  #: Returns the part of a wrong value that may be shown.
    choice: Choice | None = None
    own: bool = False  #: Whether each row has its own value, so that a merged cell is a mistake.
    required: bool = False  #: Whether a new object needs it; the template marks it.
    stored: bool = True  #: Whether the inventory keeps it; a finding reports other columns.
    asked: bool = True  #: Whether the template has it.
    tells: bool = False  #: Whether it identifies the facility, although it is not kept.
    advice: str = ""  #: Its text in the template's guide, in Vietnamese.

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all its headers."""
        return frozenset(map(word_key, (self.key, self.header, *filter(None, self.aliases.split("|")))))


def chosen(key: str, header: str, choice: Choice, aliases: str = "", **options: Unpack[ColumnOptions]) -> Column:
    """Return a column with words of a list."""
    return Column(key, header, aliases, values.one_of(choice), safe_words, choice, **options)


def number(
    key: str, header: str, most: int, aliases: str = "", *, least: int = 1, **options: Unpack[ColumnOptions]
) -> Column:
    """Return a column of whole numbers."""
    return Column(key, header, aliases, values.whole(least, most), safe_number, **options)


def day(key: str, header: str, aliases: str = "", **options: Unpack[ColumnOptions]) -> Column:
    """Return a column of days."""
    return Column(key, header, aliases, read_day, safe_number, **options)


@dataclass(frozen=True)
class Form:
    """A sheet: its titles, and its columns in order."""

    kind: FormKind
    title: str
    titles: str
    columns: tuple[Column, ...]

    @cached_property
    def by_key(self) -> dict[str, Column]:
        """The columns by key."""
        return {column.key: column for column in self.columns}

    @cached_property
    def _by_header(self) -> dict[str, Column]:
        return {key: column for column in self.columns for key in column.keys}

    @cached_property
    def title_keys(self) -> frozenset[str]:
        """The keys of its titles."""
        return frozenset(map(word_key, (self.kind.value, self.title, *self.titles.split("|"))))

    def fields_of(self, model: type[Model]) -> tuple[str, ...]:
        """Return the columns that are fields of a model, in order."""
        return tuple(column.key for column in self.columns if column.stored and column.key in model.model_fields)

    def find(self, header: str) -> Column | None:
        """Return the column of a header; brackets and numbers are ignored."""
        return next((self._by_header[key] for key in _header_keys(header) if key in self._by_header), None)


@lru_cache(maxsize=8192)
def _header_keys(header: str) -> tuple[str, ...]:
    bare = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", header)
    numberless = re.sub(r"^\s*(?:[0-9]{1,2}|[ivx]{1,4}|[a-z])\s*[.)/]\s*", "", bare, flags=re.IGNORECASE)
    return tuple(dict.fromkeys(map(word_key, (header, bare, numberless))))


NUMBER = Column("number", "STT", "TT|Số TT|Số thứ tự|No", show=_nothing, advice="Số thứ tự; không dùng khi nhập")


def shared() -> tuple[Column, ...]:
    """Return the columns that name a row's facility."""
    return (
        NUMBER,
        _facility_id("Mã cơ sở ở trang Cơ sở; nếu chưa có mã thì để trống và ghi Tên cơ sở"),
        Column("facility_name", "Tên cơ sở", FACILITY_NAMES, values.certain, advice="Ghi đúng như ở trang Cơ sở"),
        Column("province", "Tỉnh/Thành phố", PROVINCE, values.certain, asked=False),
    )


def _facility_id(advice: str) -> Column:
    return Column("facility_id", "Mã cơ sở", FACILITY_IDS, values.site_identifier, safe_id, advice=advice)


def district(**options: Unpack[ColumnOptions]) -> Column:
    """Return the column of the district, which existed until 2025."""
    return Column(
        "district", "Quận/Huyện", "Huyện|Huyện/TX/TP|Huyện/Thị xã|Huyện, thị xã|Quận", values.address_part, **options
    )


def ward(**options: Unpack[ColumnOptions]) -> Column:
    """Return the column `Xã/Phường` (ward or commune) by any heading."""
    heads = "Xã|Phường|Xã/Phường/Thị trấn|Xã, phường|Xã/Phường/Đặc khu"
    return Column("ward", "Xã/Phường", heads, values.address_part, **options)


def street(**options: Unpack[ColumnOptions]) -> Column:
    """Return the column of number and street."""
    return Column("street", "Địa chỉ", "Địa chỉ cơ sở|Địa điểm", values.address_part, **options)


#: A facility's place on other sheets: known, but only the sheet of facilities keeps it.
PLACES = (district(**_LEFT_OUT), ward(**_LEFT_OUT), street(**_LEFT_OUT))
#: The same if it can only be the facility's: district and ward distinguish sites of one name.
PLACES_OF_SITES = (district(**_TELLING), ward(**_TELLING), street(**_LEFT_OUT))
