"""The workbook that provinces fill in, and the writing of proposals.

The workbook has four sheets with their lists, an example that is not read, and a guide. It may contain a province's
inventory; reading that back changes nothing. A proposal replaces whole files; an error lists the files written before
it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base import spreadsheet
from provisioner.base.errors import InventoryError, LockedError, ProvisionerError, UsageError, os_errors
from provisioner.base.files import write_atomic
from provisioner.base.vault import VaultPasswords
from provisioner.importing.contacts import store
from provisioner.importing.contacts.store import AccessRecord, record, system_user
from provisioner.importing.forms import choices
from provisioner.importing.forms.choices import Choice, DeviceKind
from provisioner.importing.forms.columns import (
    EXAMPLE_MARK,
    EXAMPLES,
    GUIDE,
    TITLES,
    VERSION,
    VERSION_MARK,
    Column,
    Form,
    FormKind,
)
from provisioner.importing.forms.forms import FORM_OF, FORMS
from provisioner.importing.proposal.facilities import CLAIM
from provisioner.importing.proposal.proposal import Proposal
from provisioner.inventory.geography import by_slug, provinces
from provisioner.inventory.model.devices import Camera, Recorder, StreamName
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import Inventory

TemplateRow = Mapping[str, str]  #: A row: texts by column key.

_GROUP = 3
_KEY_ROW, _HEADER_ROW, _EXAMPLE_ROW = 3, 4, 5
_FIRST_ROW = 6
_LAST_LISTED_ROW = 2_000
_LIST_SHEET = "Danh mục"
_GUIDE_SHEET = "Hướng dẫn"
_NARROW, _WIDE = 13, 34
_TEXTS = frozenset(
    {
        *("name", "facility_name", "street", "full_name", "title", "email"),
        *("location", "obstacles", "advice", "block_next"),
    }
)
_HEADER_HEIGHT = 48
_LINE_HEIGHT = 15
_REQUIRED = " *"


@dataclass(frozen=True)
class TemplateContent:
    """The content of a filled template: an inventory's province, with contacts."""

    inventory: Inventory
    province: str
    contacts: tuple[store.Contact, ...] = ()

    @property
    def _facilities(self) -> tuple[Facility, ...]:
        return tuple(f for _, f in sorted(self.inventory.facilities.items()) if f.province == self.province)

    def rows(self, kind: FormKind) -> tuple[TemplateRow, ...]:
        """Return the rows of a sheet."""
        if kind is FormKind.CONTACTS:
            rows = [_contact(contact) for contact in self.contacts]
        elif kind is FormKind.FACILITIES:
            rows = [self._facility_row(facility) for facility in self._facilities]
        elif kind is FormKind.SURVEYS:
            rows = [_survey_row(facility) for facility in self._facilities if facility.survey]
        else:
            rows = [row for facility in self._facilities for row in _device_rows(facility)]
        return tuple(_texts(kind, row) for row in rows)

    def _facility_row(self, facility: Facility) -> dict[str, object]:
        scheme = self.inventory.scheme_of(facility.province_scheme)
        capacity = facility.capacity.model_dump() if facility.capacity else {}
        fields = {key: getattr(facility, key) for key in FORM_OF[FormKind.FACILITIES].fields_of(Facility)}
        where = facility.location.model_dump() if facility.location else {}
        named = {"facility_id": facility.id, "province": by_slug(facility.province, scheme).name}
        claim = facility.claimed_connection.model_dump() if facility.claimed_connection else {}
        claimed = {key: claim.get(name) for key, name in CLAIM.items()}
        return fields | named | where | capacity | claimed


@dataclass(frozen=True)
class FacilityFiles:
    """The facility files of an inventory."""

    root: Path
    inventory: Inventory

    def path(self, province: str, facility: str) -> Path:
        """Return a facility's file."""
        return self.root / "facilities" / province / f"{facility}.yml"

    def read(self, facility: str) -> bytes:
        """Read a known facility's file, or raise `InventoryError`."""
        path = self.path(self.inventory.facilities[facility].province, facility)
        with os_errors(f"{path} cannot be read", "correct its permissions", InventoryError):
            return path.read_bytes()


@dataclass(frozen=True)
class ContactFiles:
    """The folder of contacts as an import opens it."""

    folder: Path  #: Made when the first contact is written.
    passwords: VaultPasswords
    state: Path  #: The inventory's state folder, with the access log.
    purpose: str  #: For that log.
    requester: str | None  #: By default the user of this machine.

    def without_own_password(self, provinces: Collection[str]) -> tuple[str, ...]:
        """Return the provinces whose contacts cannot be written, in order."""
        return tuple(p for p in sorted(provinces) if not self.passwords.only(store.vault_id(p)))

    def open(
        self,
        provinces: Collection[str],
        now: datetime,
        *,
        to_write: bool,
        action: str = "import",
        brought: Iterable[str] = (),
    ) -> dict[str, tuple[store.Contact, ...]]:
        """Return the contacts of provinces, after recording the access.

        `now` is in Vietnam's time, `action` for the access log, `brought` the names of new persons. `to_write` requires
        an own password for each province. A closed file raises `SecretsError`, a malformed one `InventoryError`, an
        unrecorded access `PolicyError`. A purpose or requester that names one of the persons raises `UsageError`.
        """
        contacts: dict[str, tuple[store.Contact, ...]] = {}
        for province in sorted(provinces):
            if to_write:
                store.own_password(self.passwords, province)
            loaded = store.valid_contacts(self.folder, self.passwords, [province]) if self.folder.is_dir() else None
            file = loaded.files.get(province) if loaded else None
            contacts[province] = file.contacts if file else ()
        requester = self.requester or system_user()
        known = (contact.full_name.reveal() for contact in chain(*contacts.values()))
        store.refuse_names((self.purpose, requester), chain(known, brought))
        records = sum(map(len, contacts.values()))
        record(self.state, AccessRecord(now, action, self.purpose, requester, provinces, records))
        return contacts


# --- the workbook ----------------------------------------------------------------------------------
def _survey_row(facility: Facility) -> dict[str, object]:
    survey, blocked = facility.survey, facility.blocked
    if survey is None:
        return {}
    row = {
        "facility_id": facility.id,
        "facility_name": facility.name,
        "surveyed_on": survey.surveyed_on,
        "by": "; ".join(choices.PARTIES.label(party) for party in survey.by),
        "uplink_kind": survey.uplink.kind,
        "uplink_provider": survey.uplink.provider,
        "upload_mbps": survey.uplink.upload_mbps,
        "uplink_address": survey.uplink.address,
        "router": survey.uplink.router,
        "lan": facility.gateway.lan if facility.gateway else None,
        **survey.cameras.model_dump(),
        "gaps": "; ".join(choices.ZONES.label(zone) for zone in survey.gaps),
        **{key: getattr(survey, key) for key in ("rtsp", "logins", "verdict", "obstacles", "advice")},
    }
    if blocked:
        row |= {"block_reason": blocked.reason, "block_owner": blocked.owner, "block_since": blocked.since}
        row |= {"block_next": blocked.next_action, "block_due": blocked.due}
    return row


def _device_rows(facility: Facility) -> Iterator[dict[str, object]]:
    shared = {"facility_id": facility.id, "facility_name": facility.name}
    for recorder in facility.recorders:
        yield shared | _recorder_row(recorder)
    for camera in facility.cameras:
        yield shared | _camera_row(camera)


def _recorder_row(recorder: Recorder) -> dict[str, object]:
    row = {"device": DeviceKind.RECORDER, "recorder_id": recorder.id}
    return row | {key: getattr(recorder, key) for key in FORM_OF[FormKind.CAMERAS].fields_of(Recorder)}


def _camera_row(camera: Camera) -> dict[str, object]:
    row: dict[str, object] = {key: getattr(camera, key) for key in FORM_OF[FormKind.CAMERAS].fields_of(Camera)}
    row |= {"camera_id": camera.id, "audio": "Có" if camera.audio else None, "recorder_id": camera.recorder}
    row["device"] = DeviceKind.CHANNEL if camera.recorder else DeviceKind.CAMERA
    for left_out in ("port", "channel") if camera.ip_channel else ("port",) if camera.recorder else ("channel",):
        del row[left_out]
    for name in StreamName:
        stream = camera.streams.sub if name is StreamName.SUB else camera.streams.main
        if stream:
            row[f"{name.value}_size"] = f"{stream.width}x{stream.height}"
            row |= {f"{name.value}_{key}": getattr(stream, key) for key in ("codec", "kbps", "fps", "rtsp_path")}
    return row


def _contact(contact: store.Contact) -> dict[str, object]:
    personal = {key: store.revealed(getattr(contact, key)) for key in store.PERSONAL_FIELDS}
    days = {"valid_from": contact.valid_from, "valid_to": contact.valid_to}
    return {"facility_id": contact.facility, "role": contact.role, **personal, **days}


def _texts(kind: FormKind, row: Mapping[str, object]) -> TemplateRow:
    columns = FORM_OF[kind].by_key
    return {key: _cell_text(columns[key].choice, value) for key, value in row.items() if value not in (None, "")}


def _cell_text(choice: Choice | None, value: object) -> str:
    if choice is not None and isinstance(value, str) and value in choice.words:
        return choice.label(value)
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return decimal_text(value) if isinstance(value, float) else str(value)


def decimal_text(value: float) -> str:
    """Return a number with a comma, never with exactly three decimals."""
    # Three would be read as grouped thousands, so there are four.
    whole, _, rest = f"{value:f}".rstrip("0").rstrip(".").partition(".")
    return f"{whole},{rest}{'0' if len(rest) == _GROUP else ''}" if rest else whole


def filled_template(scheme: str, content: TemplateContent | None = None) -> bytes:
    """Return the template as XLSX, with `content`, for a list of provinces."""
    book = spreadsheet.in_times(Workbook())
    _write_guide(book.worksheets[0])
    lists = _Lists(book, tuple(province.name for province in provinces(scheme)))
    for form in FORMS:
        _write_form(book.create_sheet(form.title), form, lists, content.rows(form.kind) if content else ())
    book.move_sheet(_LIST_SHEET, len(FORMS))
    return spreadsheet.saved(book)


class _Lists:
    """The hidden sheet of choices; a rule's own list excludes commas."""

    def __init__(self, book: Workbook, names: tuple[str, ...]) -> None:
        self._sheet = book.create_sheet(_LIST_SHEET)
        self._sheet.sheet_state = "hidden"
        self._names = names
        self._places: dict[tuple[str, ...], str] = {}

    def choice_rule(self, column: Column) -> DataValidation | None:
        labels = self._names if column.key == "province" else column.choice.labels if column.choice else ()
        if not labels:
            return None
        rule = DataValidation(type="list", formula1=self._list_range(labels, column.header), allow_blank=True)
        rule.errorTitle, rule.error = column.header[:30], "Chọn một giá trị trong danh sách"
        rule.showErrorMessage = True
        return rule

    def _list_range(self, labels: tuple[str, ...], header: str) -> str:
        if labels not in self._places:
            column = len(self._places) + 1
            for row, label in enumerate((header, *labels), start=1):
                spreadsheet.put(self._sheet, row, column, label)
            name = get_column_letter(column)
            self._places[labels] = f"'{_LIST_SHEET}'!${name}$2:${name}${len(labels) + 1}"
        return self._places[labels]


def _write_form(sheet: Worksheet, form: Form, lists: _Lists, rows: tuple[TemplateRow, ...]) -> None:
    columns = [column for column in form.columns if column.asked]
    spreadsheet.put(sheet, 1, 1, TITLES[form.kind], spreadsheet.TITLE)
    spreadsheet.put(
        sheet, 2, 1, f"Cột có dấu{_REQUIRED} là bắt buộc. Cách ghi: xem trang {_GUIDE_SHEET}.", spreadsheet.REMARK
    )
    spreadsheet.put(sheet, _KEY_ROW, 1, f"{VERSION_MARK}{VERSION}")
    for column_number, column in enumerate(columns, start=1):
        if column.key != "number":
            spreadsheet.put(sheet, _KEY_ROW, column_number, column.key)
        spreadsheet.put(
            sheet,
            _HEADER_ROW,
            column_number,
            column.header + (_REQUIRED if column.required else ""),
            spreadsheet.HEADER,
        )
        spreadsheet.put(
            sheet, _EXAMPLE_ROW, column_number, EXAMPLES[form.kind].get(column.key, ""), spreadsheet.EXAMPLE
        )
        _format_column(sheet, column_number, column, lists)
    spreadsheet.put(sheet, _EXAMPLE_ROW, 1, EXAMPLE_MARK, spreadsheet.EXAMPLE)
    for number, row in enumerate(rows, start=1):
        for column_number, column in enumerate(columns, start=1):
            text = str(number) if column.key == "number" else row.get(column.key, "")
            spreadsheet.put(sheet, _FIRST_ROW + number - 1, column_number, text, spreadsheet.BODY)
    sheet.row_dimensions[_KEY_ROW].hidden = True
    sheet.freeze_panes = f"{'D' if form.kind is FormKind.FACILITIES else 'C'}{_EXAMPLE_ROW}"
    sheet.row_dimensions[_HEADER_ROW].height = _HEADER_HEIGHT
    sheet.row_dimensions[_EXAMPLE_ROW].height = 2 * _LINE_HEIGHT
    spreadsheet.landscape(sheet, _HEADER_ROW, [_width_of(column) for column in columns], repeated=3)


def _width_of(column: Column) -> int:
    longest = max(map(len, column.choice.labels)) if column.choice else _WIDE if column.key in _TEXTS else 0
    return 7 if column.key == "number" else min(max(longest, _NARROW), _WIDE)


def _format_column(sheet: Worksheet, column_number: int, column: Column, lists: _Lists) -> None:
    name = get_column_letter(column_number)
    dimension = sheet.column_dimensions[name]
    dimension.width = _width_of(column)
    dimension.number_format = spreadsheet.TEXT_FORMAT  # what is typed stays as it is typed: phones keep their zero
    rule = lists.choice_rule(column)
    if rule is not None:
        sheet.add_data_validation(rule)
        rule.add(f"{name}{_EXAMPLE_ROW}:{name}{_LAST_LISTED_ROW}")


def _write_guide(sheet: Worksheet) -> None:
    sheet.title = _GUIDE_SHEET
    spreadsheet.put(sheet, 1, 1, "HƯỚNG DẪN ĐIỀN BIỂU MẪU CAMERA CƠ SỞ CÁCH LY TẬP TRUNG", spreadsheet.TITLE)
    spreadsheet.put(sheet, 2, 1, f"Phiên bản mẫu: {VERSION}", spreadsheet.REMARK)
    row = 4
    for line in GUIDE:
        spreadsheet.put(sheet, row, 1, line, spreadsheet.REMARK)
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=5)
        row += 1
    row += 1
    for column_number, title in enumerate(("Trang", "Cột", "Bắt buộc", "Cách ghi", "Chọn một trong"), start=1):
        spreadsheet.put(sheet, row, column_number, title, spreadsheet.HEADER)
    for form in FORMS:
        for column in (column for column in form.columns if column.asked):
            row += 1
            chosen = "; ".join(column.choice.labels) if column.choice else ""
            texts = (form.title, column.header, "có" if column.required else "", column.advice, chosen)
            for column_number, text in enumerate(texts, start=1):
                spreadsheet.put(sheet, row, column_number, text)
            lines = max(-(-len(column.advice) // 55), -(-len(chosen) // 65), 1)
            sheet.row_dimensions[row].height = lines * _LINE_HEIGHT
    for name, width in zip("ABCDE", (12, 34, 10, 60, 70), strict=True):
        sheet.column_dimensions[name].width = width
    spreadsheet.landscape(sheet, 1)


# --- the proposal ----------------------------------------------------------------------------------
def folder_for(chosen: Path | None, env: Mapping[str, str], inventory: Path) -> Path:
    """Return the folder of contacts; a missing named one raises `UsageError`."""
    try:
        return store.contacts_folder(chosen, env, inventory)
    except UsageError:
        if chosen or env.get("PROVISIONER_CONTACTS"):
            raise
        return inventory / "contacts"


def write(proposal: Proposal, files: FacilityFiles, contacts: ContactFiles) -> tuple[str, ...]:
    """Write the edits, then the contacts, which need their facilities.

    Before the first write every file is compared with the edits' basis, and every password is known to open. If a
    write still fails, the error lists written and unwritten files: `LockedError` for a file changed meanwhile,
    `InventoryError` for an unwritable one, `SecretsError` for contacts.
    """
    edits = {files.path(proposal.provinces[e.facility], e.facility): e for e in proposal.changed}
    drafts = {draft.province: draft for draft in proposal.contact_drafts.values() if draft.differs}
    for path, edit in edits.items():
        _refuse_moved(path, edit.before)
    planned = [str(path) for path in edits]
    planned += [str(store.file_of(contacts.folder, province)) for province in drafts]
    written: list[str] = []
    try:
        for path, edit in edits.items():
            _refuse_moved(path, edit.before)
            write_atomic(path, edit.after.decode(), within=files.root)
            written.append(str(path))
        for province, draft in drafts.items():
            store.write_contacts(contacts.folder, province, draft.contacts, contacts.passwords, expected=draft.known)
            written.append(str(store.file_of(contacts.folder, province)))
    except ProvisionerError as failure:
        if written:
            raise _half_done_error(failure, written, planned) from failure
        raise
    return tuple(written)


def _refuse_moved(path: Path, before: bytes | None) -> None:
    now = path.read_bytes() if path.is_file() else None
    if now != before:
        raise LockedError(f"{path} was changed while the sheets were read", hint="run the same command again")


def _half_done_error(failure: ProvisionerError, written: list[str], planned: list[str]) -> ProvisionerError:
    rest = ", ".join(name for name in planned if name not in written)
    message = f"{failure.message}; written: {', '.join(written)}; not written: {rest}"
    hint = f"{failure.hint}; what is written stays right: run the same command again and the rest follows"
    return type(failure)(message, hint=hint, object=failure.object)
