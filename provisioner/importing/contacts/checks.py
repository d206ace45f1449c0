"""Rules of contacts, and the ministry's list; problems hold no personal data."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.header_footer import HeaderFooterItem
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.errors import Problem, Severity
from provisioner.base.spreadsheet import HEADER, PLAIN, REMARK, TITLE, CellStyle, landscape, put, saved
from provisioner.base.vietnamese import fold
from provisioner.importing.contacts import fields
from provisioner.importing.contacts.store import ROLE_LABELS, Contact, ContactsFile, Role, file_of, revealed
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model.facility import Facility, Operating

_COLUMNS = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Họ và tên", 26),
    ("Chức danh", 24),
    ("Số điện thoại", 18),
    ("Thư điện tử", 30),
    ("Vai trò", 22),
    ("Từ ngày", 12),
    ("Đến ngày", 12),
)
_LAST = get_column_letter(len(_COLUMNS))
_HEADING = CellStyle(bold=True, border=False)
_READERS: dict[str, Callable[[object], fields.FieldReading]] = {
    "full_name": fields.read_name,
    "title": fields.read_line,
    "phone": fields.read_phone,
    "email": fields.read_email,
    "note": fields.read_line,
    "source": fields.read_line,
}
_FORMS = {"phone": "phone-form", "email": "email-form"}
_WORDS = {"full_name": "full name", "title": "title", "phone": "phone", "email": "e-mail"}


@dataclass(frozen=True)
class ListRequest:
    """The heading of the list: Vietnamese province name, time in Vietnam."""

    province: str
    as_of: datetime
    requester: str
    purpose: str


@dataclass(frozen=True)
class ContactsView:
    """The input of the rules."""

    files: Mapping[str, ContactsFile]
    facilities: Mapping[str, Facility]
    provinces: frozenset[str]
    places: Places
    broken: frozenset[str]  #: Provinces with unreadable contacts, which are not checked.
    today: date
    folder: Path
    unread: Collection[str] = frozenset()  #: Facilities with unreadable files; their contacts are not orphans.


# --- the list --------------------------------------------------------------------------------------
def consolidated_list(
    request: ListRequest, contacts: Iterable[Contact], facilities: Mapping[str, str], without: Iterable[str]
) -> bytes:
    """Return the list as XLSX, with text cells only.

    Otherwise a value could become a formula, or lose a zero or a plus. Open facilities in `without`, which have no
    complete representative, are below the list.
    """
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Đầu mối"
    stamp = f"{request.as_of:%H:%M ngày %d/%m/%Y} (giờ Việt Nam)"
    header = _write_title(sheet, request, stamp)
    last = header
    for last, row in enumerate(_contact_rows(contacts, facilities), start=header + 1):
        for column, text in enumerate(row, start=1):
            put(sheet, last, column, text)
    _write_missing(sheet, last + 2, [f"{name} - {facilities.get(name, '')}".strip(" -") for name in without])
    _set_page_layout(sheet, header, last, f"{request.requester} - {stamp}")
    book.properties.created = request.as_of.astimezone(UTC).replace(tzinfo=None)
    return saved(book)


def _contact_rows(contacts: Iterable[Contact], facilities: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    for number, contact in enumerate(contacts, start=1):
        personal = (revealed(c) for c in (contact.full_name, contact.title, contact.phone, contact.email))
        days = (_day(contact.valid_from), _day(contact.valid_to))
        name = facilities.get(contact.facility, "")
        yield (str(number), contact.facility, name, *personal, ROLE_LABELS[contact.role], *days)


def _day(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day else ""


def _write_title(sheet: Worksheet, request: ListRequest, stamp: str) -> int:
    lines = (
        "DANH SÁCH ĐẦU MỐI LIÊN HỆ CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
        f"Tỉnh/Thành phố: {request.province}",
        f"Thời điểm lập: {stamp}",
        f"Người yêu cầu: {request.requester}. Mục đích: {request.purpose}",
        "Có dữ liệu cá nhân: chỉ dùng cho mục đích trên, không chuyển tiếp, hủy khi không còn cần.",
    )
    looks = {1: TITLE, len(lines): REMARK}
    for row, line in enumerate(lines, start=1):
        put(sheet, row, 1, line, looks.get(row, PLAIN))
        sheet.merge_cells(f"A{row}:{_LAST}{row}")
    header = len(lines) + 2
    for column, (title, width) in enumerate(_COLUMNS, start=1):
        put(sheet, header, column, title, HEADER)
        sheet.column_dimensions[get_column_letter(column)].width = width
    return header


def _write_missing(sheet: Worksheet, row: int, missing: list[str]) -> None:
    if not missing:
        return
    title = f"Cơ sở đang hoạt động chưa có đầu mối đại diện đủ thông tin ({len(missing)}):"
    for number, line in enumerate((title, *missing)):
        put(sheet, row + number, 1, line, PLAIN if number else _HEADING)
        sheet.merge_cells(f"A{row + number}:{_LAST}{row + number}")


def _set_page_layout(sheet: Worksheet, header: int, last: int, mark: str) -> None:
    sheet.freeze_panes = f"A{header + 1}"
    sheet.auto_filter.ref = f"A{header}:{_LAST}{max(last, header)}"
    landscape(sheet, header)
    footer = HeaderFooterItem()
    footer.left.text, footer.right.text = mark.replace("&", "&&"), "&P/&N"
    sheet.oddFooter = footer


# --- the rules -------------------------------------------------------------------------------------
def check_contacts(view: ContactsView) -> tuple[Problem, ...]:
    """Return every problem of the contacts, sorted by position."""
    problems: list[Problem] = []
    for province in view.provinces:
        file = view.files.get(province)
        for number, contact in enumerate(file.contacts if file else ()):
            contact_rules = _ContactRules(view, province, number, contact)
            problems += [*contact_rules.field_problems(), *contact_rules.days(), *contact_rules.facility_problems()]
        if file:
            problems += _duplicate_problems(view, province, file)
        if province not in view.broken:
            problems += _representatives(view, province)
    return tuple(sorted(problems))


def lacks_representative(contacts: tuple[Contact, ...], facility: str, day: date) -> bool:
    """Return whether no current representative fulfils clause 1 of letter 1407/BTTTT-CVT."""
    return not any(not contact.lacking for contact in _current_representatives(contacts, facility, day))


@dataclass(frozen=True)
class _ContactRules:
    view: ContactsView
    province: str
    number: int
    contact: Contact

    def field_problems(self) -> Iterator[Problem]:
        for name, read in _READERS.items():
            secret = getattr(self.contact, name)
            if secret is None:
                continue
            reading = read(secret.reveal())
            for problem in reading.problems:
                yield self._problem(name, problem.code, *problem.wording(), problem.severity)
            if reading.value is not None and reading.value != secret:
                code = _FORMS.get(name, "text-form")
                yield self._problem(name, code, *fields.FieldProblem(code).wording())
        if self.contact.phone is None and self.contact.email is None:
            message = "there is neither a phone number nor an e-mail address"
            yield self._problem("full_name", "contact-unreachable", message, "add one of them, or remove the contact")

    def days(self) -> Iterator[Problem]:
        if self.contact.valid_to is not None and self.contact.valid_to < self.contact.valid_from:
            hint = "valid_to is the last day of the duty: correct one of the two"
            yield self._problem("valid_to", "contact-days", "the day is before valid_from", hint)

    def facility_problems(self) -> Iterator[Problem]:
        facility = self.view.facilities.get(self.contact.facility)
        if facility is None and self.contact.facility in self.view.unread:
            return
        if facility is None:
            hint = "correct the id, or register the facility first"
            yield self._problem("facility", "contact-facility-unknown", "there is no such facility", hint)
        elif facility.province != self.province:
            hint = f"move the contact to contacts/{facility.province}.yml"
            message = f"{facility.id} is a facility of {facility.province}"
            yield self._problem("facility", "contact-facility-misplaced", message, hint)
        elif facility.operating is Operating.CLOSED:
            hint = "personal data is kept no longer than it is needed: remove the contact, or erase the person"
            message = f"{facility.id} is closed"
            yield self._problem("facility", "contact-outlived", message, hint, Severity.WARNING)

    def _problem(self, name: str, code: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Problem:
        owner = f"contacts/{self.province}"
        position = self.view.places.at(owner, "contacts", self.number, name)
        text = f"contacts {self.province}: contact {self.number + 1} ({self.contact.facility}): {name}: {message}"
        return Problem(*position, code, text, hint, owner, severity)


def _duplicate_problems(view: ContactsView, province: str, file: ContactsFile) -> Iterator[Problem]:
    first_numbers: dict[tuple[str, ...], int] = {}
    for number, contact in enumerate(file.contacts):
        until = contact.valid_to or date.max
        key = (contact.facility, contact.role, fold(contact.full_name.reveal()))
        first = first_numbers.setdefault(key, number)
        earlier = file.contacts[first]
        if first != number and contact.valid_from <= (earlier.valid_to or date.max) and earlier.valid_from <= until:
            position = view.places.at(f"contacts/{province}", "contacts", number, "full_name")
            message = (
                f"contacts {province}: contact {number + 1} ({contact.facility}): the same person has the same role"
                f" in contact {first + 1}, at the same time"
            )
            yield Problem(*position, "contact-duplicate", message, "keep one of the two", f"contacts/{province}")


def _representatives(view: ContactsView, province: str) -> Iterator[Problem]:
    """Yield the facilities without a complete current representative."""
    file = view.files.get(province)
    contacts = file.contacts if file else ()
    file_name = str(file_of(view.folder, province))
    for facility in sorted(view.facilities.values(), key=lambda f: f.id):
        if facility.province != province or not facility.operating.is_carried:
            continue
        current = _current_representatives(contacts, facility.id, view.today)
        if not current:
            has_others = any(c.facility == facility.id and c.role is Role.REPRESENTATIVE for c in contacts)
            message = "there is no current representative" + (
                "; the days of those listed are over or to come" * has_others
            )
            hint = "add one with full name, title, phone and e-mail (clause 1 of letter 1407/BTTTT-CVT)"
            yield _of_facility(file_name, facility, "representative-missing", message, hint)
        elif all(contact.lacking for contact in current):
            least = min(current, key=lambda contact: len(contact.lacking))
            lacking = ", ".join(_WORDS[name] for name in least.lacking)
            message = f"the representative lacks: {lacking}"
            hint = "add it: the consolidated list has to have full name, title, phone and e-mail"
            yield _of_facility(file_name, facility, "representative-incomplete", message, hint)


def _of_facility(file_name: str, facility: Facility, code: str, message: str, hint: str) -> Problem:
    return Problem(file_name, 0, 0, code, f"facility {facility.id}: {message}", hint, f"facility/{facility.id}")


def _current_representatives(contacts: tuple[Contact, ...], facility: str, day: date) -> tuple[Contact, ...]:
    return tuple(c for c in contacts if c.facility == facility and c.role is Role.REPRESENTATIVE and c.is_current(day))
