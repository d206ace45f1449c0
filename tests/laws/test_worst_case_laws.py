"""The laws of foreign bytes: a file of at most 1 MiB takes 2 s and 300 MiB at most, or is refused in as much.

Each case is a file that is as slow as somebody could make one, by a generator with a seed. It goes to what reads such
files, in a process of its own; the processor time and the memory of that process and of what it starts are measured.
"""

import gzip
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from datetime import UTC, date, datetime
from hashlib import sha1
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple
from unittest import mock
from xml.sax.saxutils import quoteattr

import pytest
from openpyxl.utils import get_column_letter

from provisioner.base.errors import NoticeError, ProvisionerError, UnreadableError, UsageError
from provisioner.base.http import HttpAnswer, HttpLimits, ReachError, ServerLogin
from provisioner.base.secret import Secret
from provisioner.hosts import answers
from provisioner.importing.dcim import DcimClient, DcimMapping, read_server
from provisioner.importing.proposal.build import propose
from provisioner.importing.proposal.proposal import Baseline
from provisioner.importing.tables.files import read_input_files
from provisioner.integrations.forge.client import ForgeClient, ForgeKind, ForgeProject, post_comment
from provisioner.integrations.notify.delivery import post
from provisioner.integrations.notify.mail import Letter, MailServer, mail_of, send_mail
from provisioner.inventory.files.layout import File
from provisioner.inventory.files.revision import keys_since, revision
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import site_of
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.receivers import MailSecurity
from provisioner.inventory.policy_rules.file import MOST_FILES, RegoFile
from provisioner.inventory.policy_rules.judge import rego_problems
from provisioner.operations.apply.silences import Silence, SilencedServer, SilenceText, renew_silence
from provisioner.plan.saved.file import written_plan
from provisioner_host.look.media_units import Unfit
from provisioner_host.look.rtsp_talk import Refused, Talk
from provisioner_host.onvif import messages
from tests import inventories as make
from tests.hostile import CAMERA, MERGE_REQUEST

MIB: Final = 2**20
MOST_BYTES: Final = MIB
MOST_CPU_S: Final = 2.0
MOST_MIB: Final = 300
#: A row that is a new facility is a file, and takes 1 ms. A file of rules has a share of 5 s, and is ended there.
_MOST_CPU_S: Final = {"import": 8.0, "rego": 7.0}
_ENDED_AT_S: Final = 20  #: Where a case is ended that has no end.
_SEED: Final = 20210509
Case = Callable[[Random], bytes]


class Cost(NamedTuple):
    """What a case took."""

    form: str
    name: str
    size: int
    cpu_s: float
    mib: int
    answer: str

    @property
    def is_miss(self) -> bool:
        """Whether it took more than it may."""
        return self.cpu_s > _MOST_CPU_S.get(self.form, MOST_CPU_S) or self.mib > MOST_MIB


# --- what readers make of bytes ----------------------------------------------------------------------
def read_sheet(data: bytes, folder: Path) -> object:
    """As `import` does, up to records."""
    path = folder / "province.xlsx"
    path.write_bytes(data)
    inputs = read_input_files([path])
    return [finding.remark.code for finding in inputs.findings][:3], len(inputs.records)


def propose_sheet(data: bytes, folder: Path) -> object:
    """As `import` does, up to the edits that it proposes."""
    path = folder / "province.csv"
    path.write_bytes(data)
    inputs = read_input_files([path])
    files = {"kcl-bg-001": json.dumps(make.facility()).encode()}
    baseline = Baseline(make.inventory(), frozenset(), files.__getitem__, None, date(2021, 5, 9))
    proposal = propose(inputs.records, baseline, {"bac-giang": ()}, inputs.findings)
    return [finding.remark.code for finding in proposal.findings][:3], len(proposal.edits)


def read_yaml(data: bytes, _folder: Path) -> object:
    """As every command does."""
    return [fault.code for fault in parse(data).faults][:2]


def read_facility(data: bytes, folder: Path) -> object:
    """As every command does, with the model of a facility and the rules on one."""
    file = File(folder, "facilities/bac-giang/kcl-bg-001.yml", "facility/kcl-bg-001", Facility)
    site = site_of(file, data, date(2021, 5, 9))
    return [one.code for one in (*site.faults, *site.problems)][:3], bool(site.outline)


def read_json(data: bytes, _folder: Path) -> object:
    """As `apply` does a saved plan, and the controller a host's answer."""
    readers: tuple[Callable[[], object], ...] = (
        lambda: written_plan(data, "plan.json"),
        lambda: answers.read_json(data),
    )
    said = []
    for read in readers:
        try:
            said.append(type(read()).__name__)
        except (ProvisionerError, UnreadableError) as error:
            said.append(type(error).__name__)
    return said


def read_netbox(data: bytes, _folder: Path, kind: str = "netbox") -> object:
    """As `import --from` does, where each page is the same."""
    columns = {"facility_id": "site.slug", "camera_id": "name", "make": "role.name", "address": "primary_ip.address"}
    mapping = DcimMapping.model_validate(
        {"version": 1, "kind": kind, "url": "https://x.example", "devices": {"columns": columns}}, strict=False
    )
    server = DcimClient(mapping, Secret("t"), HttpLimits())
    with mock.patch.object(DcimClient, "_answer_to", return_value=HttpAnswer(200, data)):
        inputs = read_server(server)
    return [finding.remark.code for finding in inputs.findings][:3], len(inputs.records)


def read_forge(data: bytes, _folder: Path) -> object:
    """As a comment on a merge request does, where each page of a forge's comments is the same."""
    place = ForgeProject(ForgeKind.GITLAB, "https://git.example/api/v4", "a/b")
    client = ForgeClient(place, Secret("t"), HttpLimits())
    with mock.patch.object(ForgeClient, "_send_call", return_value=HttpAnswer(200, data)):
        try:
            return str(post_comment(client, 1, "x", "text", client.account() or "ours"))
        except NoticeError as error:
            return str(error)[:100]


@contextmanager
def _said(data: bytes) -> Iterator[int]:
    """A server that says the same to whoever connects, whatever it is asked; its port."""

    def say() -> None:
        while listener.fileno() >= 0:
            with suppress(OSError), listener.accept()[0] as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(MIB):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=say, daemon=True).start()
        yield listener.getsockname()[1]


_ONCE: Final = HttpLimits(attempts=1, named=frozenset({"127.0.0.1"}))


def send_notice(data: bytes, _folder: Path) -> object:
    """As `nightly` does at a webhook: a receiver's answer, its head among it."""
    with _said(data) as port:
        return _tried(lambda: post(f"http://127.0.0.1:{port}/", b"{}", {}, seconds=10.0))


def ask_alertmanager(data: bytes, _folder: Path) -> object:
    """As `apply` does, which asks how a silence of its own is and renews it."""
    with _said(data) as port:
        server, silence = SilencedServer("noc", f"http://127.0.0.1:{port}", None, _ONCE), Silence("a-silence", ())
        return _tried(lambda: renew_silence(server, silence, SilenceText("", ""), datetime.now(UTC)))


def send_letter(data: bytes, _folder: Path) -> object:
    """As `nightly` does at a mail server, with a login."""
    letter = mail_of(Letter("a", "b", "c"), Secret("a@x.example"), [Secret("b@x.example")], datetime.now(UTC), "d" * 32)
    login = ServerLogin(Secret("a"), Secret("b"))
    with _said(data) as port:
        server = MailServer("127.0.0.1", port, MailSecurity.NONE, login, named=_ONCE.named)
        return _tried(lambda: send_mail(letter, server, ["b@x.example"], seconds=10.0))


def _tried(work: Callable[[], object]) -> object:
    try:
        return work()
    except ReachError as error:
        return error.reason


def check_rego(data: bytes, folder: Path) -> object:
    """As `validate` does."""
    return [one.message for one in rego_problems((RegoFile("policy/x.rego", data.decode()),), folder)][:2]


def read_soap(data: bytes, _folder: Path) -> object:
    """As a host does, of whatever a device answers by ONVIF."""
    said: list[object] = []
    for read in (messages.profiles_in, messages.nameplate_in, messages.time_in, messages.media_path_in):
        try:
            said.append(len(str(read(messages.reply_in(data[: messages.MOST_BYTES]).body))))
        except (messages.NoAnswer, messages.Unreadable, messages.RefusedLogin, messages.Silent) as error:
            said.append(type(error).__name__)
    return said


def talk_rtsp(data: bytes, _folder: Path) -> object:
    """As a host does, of what a device sends it, in the smallest pieces."""
    talk, packets = Talk("192.0.2.1:554", ("user", "password"), "path"), 0
    talk.begin()
    try:
        for place in range(0, len(data), 8):
            packets += sum(1 for _ in talk.take(data[place : place + 8]))
    except (Unfit, Refused) as error:
        return type(error).__name__
    return packets


def read_tree(data: bytes, folder: Path) -> object:
    """As `plan --since` does, of a repository whose objects are in the bytes."""
    objects = folder / ".git/objects"
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for name in packed.namelist():
            (objects / name).parent.mkdir(parents=True, exist_ok=True)
            (objects / name).write_bytes(packed.read(name))
        head = packed.comment
    (folder / ".git/refs").mkdir()
    (folder / ".git/HEAD").write_bytes(head + b"\n")
    try:
        with revision(folder, "HEAD") as laid:
            said = str(len(list(laid.root.rglob("*"))))
    except UsageError as error:
        said = str(error)[:100]
    return said, len(keys_since(folder))


READERS: Final[Mapping[str, Callable[[bytes, Path], object]]] = {
    "xlsx": read_sheet,
    "csv": read_sheet,
    "import": propose_sheet,
    "yaml": read_yaml,
    "facility": read_facility,
    "json": read_json,
    "netbox": read_netbox,
    "nautobot": lambda data, folder: read_netbox(data, folder, "nautobot"),
    "webhook": send_notice,
    "alertmanager": ask_alertmanager,
    "mail": send_letter,
    "forge": read_forge,
    "rego": check_rego,
    "onvif": read_soap,
    "rtsp": talk_rtsp,
    "git": read_tree,
}


# --- XLSX --------------------------------------------------------------------------------------------
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_PART: Final = 20 * MIB


class Parts(NamedTuple):
    """What stands in the parts of a workbook."""

    sheet: bytes = b"<row/>"
    strings: bytes = b""
    styles: bytes = b""
    workbook: bytes = b""
    types: bytes = b""
    relations: bytes = b""
    sheet_name: str = "xl/worksheets/sheet1.xml"
    strings_name: str = "xl/sharedStrings.xml"
    before: bytes = b""
    after: bytes = b""
    others: tuple[tuple[str, bytes], ...] = ()


def workbook(parts: Parts) -> bytes:
    """A workbook of such parts; it need not be a good one."""
    kinds = {"xl/workbook.xml": "sheet.main", parts.sheet_name: "worksheet", parts.strings_name: "sharedStrings"}
    declared = "".join(
        f'<Override PartName="/{name}" ContentType="{_TYPE}{kind}+xml"/>' for name, kind in kinds.items()
    )
    sheets = '<sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets>'
    relation = f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="/{parts.sheet_name}"/>'
    written = {
        "[Content_Types].xml": _element(f"Types xmlns={quoteattr(f'{_PACKAGE}/content-types')}", declared, parts.types),
        "xl/workbook.xml": _element(f'workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"', sheets, parts.workbook),
        "xl/_rels/workbook.xml.rels": _element(
            f'Relationships xmlns="{_PACKAGE}/relationships"', relation, parts.relations
        ),
        parts.sheet_name: _element(
            f'worksheet xmlns="{_MAIN}"',
            "",
            parts.before + b"<sheetData>" + parts.sheet + b"</sheetData>" + parts.after,
        ),
        parts.strings_name: _element(f'sst xmlns="{_MAIN}"', "", parts.strings),
        "xl/styles.xml": _element(f'styleSheet xmlns="{_MAIN}"', "", parts.styles),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (*written.items(), *parts.others):
            archive.writestr(name, content)
    return out.getvalue()


def overlapping(name: str) -> bytes:
    """A workbook whose directory leads to one packed part by many entries; `name` is theirs, with a number for #."""
    out = io.BytesIO(workbook(Parts(sheet=b"<row/>" * 1_000_000)))
    with zipfile.ZipFile(out, "a") as archive:
        sheet = archive.getinfo("xl/worksheets/sheet1.xml")
        for number in range(5_000):
            entry = copy(sheet)
            entry.filename = name.replace("#", str(number))
            archive.filelist.append(entry)
        archive._didModify = True  # type: ignore[attr-defined]  # noqa: SLF001 (nobody else writes such a file)
    return out.getvalue()


def _element(head: str, text: str, content: bytes) -> bytes:
    return f"<{head}>{text}".encode() + content + f"</{head.partition(' ')[0]}>".encode()


def cells(number: int, content: str, *, a_row: int = 100) -> bytes:
    """Rows of cells that all hold the same."""
    letters = [get_column_letter(column) for column in range(1, a_row + 1)]
    rows = (
        f'<row r="{row}">' + "".join(f'<c r="{letter}{row}">{content}</c>' for letter in letters) + "</row>"
        for row in range(1, number // a_row + 1)
    )
    return "".join(rows).encode()


def _numbered(number: int, text: str) -> bytes:
    return "".join(text.replace("#", str(count)) for count in range(number)).encode()


def _sheet(content: Callable[[], bytes]) -> Case:
    return lambda _: workbook(Parts(sheet=content()))


def _parts(make: Callable[[], Parts]) -> Case:
    return lambda _: workbook(make())


XLSX: Final[dict[str, Case]] = {
    "a long attribute": _sheet(lambda: b'<row a="' + b"a" * _PART + b'"/>'),
    "a long comment": _sheet(lambda: b"<!--" + b"a" * _PART + b"-->"),
    "a long instruction": _sheet(lambda: b"<?a " + b"a" * _PART + b"?>"),
    "a long name": _sheet(lambda: b"<" + b"a" * _PART + b"/>"),
    "a tag without end": _sheet(lambda: b'<row a="' + b"a" * _PART),
    "a long text": _sheet(lambda: cells(1, f"<is><t>{'a' * _PART}</t></is>", a_row=1)),
    "a long text in CDATA": _sheet(lambda: cells(1, f"<is><t><![CDATA[{'a' * _PART}]]></t></is>", a_row=1)),
    "characters by name": _sheet(lambda: cells(1, f"<is><t>{'&lt;' * (_PART // 4)}</t></is>", a_row=1)),
    "a huge number": _sheet(lambda: cells(1, f"<v>{'9' * _PART}</v>", a_row=1)),
    "huge numbers": _sheet(lambda: cells(5_000, f"<v>{'9' * 4000}</v>")),
    "a number beyond all": _sheet(lambda: cells(10_000, "<v>1e999999</v>")),
    "a long reference": _sheet(lambda: b'<row><c r="' + b"A" * 200_000 + b'1"><v>1</v></c></row>'),
    "a row far down": _sheet(lambda: b'<row r="' + b"9" * 4000 + b'"><c><v>1</v></c></row>'),
    "many cells": _sheet(lambda: cells(195_000, "<v>1</v>")),
    "many texts": _sheet(lambda: cells(195_000, "<is><t>ab</t></is>")),
    "many formulas": _sheet(lambda: cells(195_000, "<f>A1</f>")),
    "many formulas a cell": _sheet(lambda: cells(40_000, "<f/>" * 20)),
    "many empty cells": _sheet(lambda: cells(800_000, "")),
    "one cell a row": _sheet(lambda: _numbered(800_000, "<row><c><v>1</v></c></row>")),
    "empty cells without a place": _sheet(lambda: b"<row>" + b"<c/>" * 1_400_000 + b"</row>"),
    "empty cells without a place in rows": _sheet(lambda: (b"<row>" + b"<c/>" * 90_000 + b"</row>") * 9),
    "many rows": _sheet(lambda: b"<row/>" * 1_400_000),
    "many hidden rows": _sheet(lambda: b'<row hidden="1"/>' * 1_000_000),
    "many other elements": _sheet(lambda: b"<a/>" * 99_000),
    "deep elements": _sheet(lambda: b"<c>" * 700_000 + b"</c>" * 700_000),
    "many attributes": _sheet(lambda: b"<row " + _numbered(1_000_000, ' a#="1"') + b"/>"),
    "attributes of many names": _sheet(
        lambda: b"".join(b"<c " + _numbered(500, f' a{row}_#=""') + b"/>" for row in range(2_500))
    ),
    "many namespaces": _sheet(lambda: b"<row " + _numbered(600_000, ' xmlns:a#="u"') + b"/>"),
    "a long namespace": _sheet(lambda: b'<row xmlns:a="' + b"u" * 60_000 + b'">' + b"<a:b/>" * 90_000 + b"</row>"),
    "a long namespace of many names": _sheet(
        lambda: b'<row xmlns:a="' + b"u" * 60_000 + b'">' + _numbered(50_000, '<c a:b#=""/>') + b"</row>"
    ),
    "merged over all": _parts(
        lambda: Parts(
            sheet=cells(2_000, "<is><t>ab</t></is>"),
            after=b"<mergeCells>" + b'<mergeCell ref="A1:XFD1048576"/>' * 19_000 + b"</mergeCells>",
        )
    ),
    "columns hidden from far left": _parts(
        lambda: Parts(before=b"<cols>" + b'<col hidden="1" min="-999999999" max="200"/>' * 10 + b"</cols>")
    ),
    "columns hidden often": _parts(
        lambda: Parts(before=b"<cols>" + b'<col hidden="1" min="1" max="200"/>' * 90_000 + b"</cols>")
    ),
    "a long attribute among texts": _parts(lambda: Parts(strings=b'<si a="' + b"a" * _PART + b'"/>')),
    "a long shared text": _parts(lambda: Parts(strings=b"<si><t>" + b"a" * _PART + b"</t></si>")),
    "many shared texts": _parts(lambda: Parts(strings=b"<si><t>a</t></si>" * 390_000)),
    "many empty shared texts": _parts(lambda: Parts(strings=b"<si/>" * 790_000)),
    "a shared text of many pieces": _parts(lambda: Parts(strings=b"<si>" + b"<r><t>a</t></r>" * 390_000 + b"</si>")),
    "shared texts and cells": _parts(
        lambda: Parts(strings=b"<si><t>a</t></si>" * 200_000, sheet=cells(195_000, "<v>1</v>"))
    ),
    "texts as a picture": _parts(
        lambda: Parts(strings=b"<si><t>a</t></si>" * 1_200_000, strings_name="xl/media/a.png")
    ),
    "a sheet as a picture": _parts(lambda: Parts(sheet=b"a" * (200 * MIB), sheet_name="xl/media/a.png")),
    "many fonts": _parts(lambda: Parts(styles=b"<fonts>" + b"<font/>" * 280_000 + b"</fonts>")),
    "some fonts": _parts(lambda: Parts(styles=b"<fonts>" + b"<font/>" * 39_000 + b"</fonts>")),
    "many formats": _parts(lambda: Parts(styles=b"<cellXfs>" + b"<xf/>" * 390_000 + b"</cellXfs>")),
    "some formats": _parts(lambda: Parts(styles=b"<cellXfs>" + b"<xf/>" * 39_000 + b"</cellXfs>")),
    "a long format": _parts(
        lambda: Parts(styles=b'<numFmts><numFmt numFmtId="170" formatCode="' + b"[h" * 100_000 + b'"/></numFmts>')
    ),
    "many sheets": _parts(
        lambda: Parts(workbook=b"<sheets>" + b'<sheet name="a" sheetId="1"/>' * 39_000 + b"</sheets>")
    ),
    "many names": _parts(
        lambda: Parts(workbook=b"<definedNames>" + b'<definedName name="a"/>' * 39_000 + b"</definedNames>")
    ),
    "many views": _parts(lambda: Parts(workbook=b"<bookViews>" + b"<workbookView/>" * 39_000 + b"</bookViews>")),
    "many types": _parts(lambda: Parts(types=b'<Override PartName="/x" ContentType="y"/>' * 39_000)),
    "many relations": _parts(lambda: Parts(relations=b'<Relationship Id="a" Type="b" Target="c"/>' * 39_000)),
    "many parts": _parts(lambda: Parts(others=tuple((f"a/{number}.xml", b"") for number in range(6_000)))),
    "parts that overlap": lambda _: overlapping("xl/worksheets/sheet#.xml"),
    "parts that overlap under one name": lambda _: overlapping("xl/worksheets/sheet1.xml"),
    "pictures that overlap": lambda _: overlapping("xl/media/#.png"),
    "parts that differ by case": _parts(
        lambda: Parts(others=tuple((f"xl/{'aA'[n % 2]}{'bB'[n % 3 % 2]}.xml", b"a" * MIB) for n in range(300)))
    ),
    "random parts": lambda random: workbook(Parts(sheet=random.randbytes(300_000), strings=random.randbytes(300_000))),
    "no end of a directory": lambda random: workbook(Parts())[:-22] + random.randbytes(MIB - 4096),
}


# --- CSV ---------------------------------------------------------------------------------------------
_HEADER: Final = "Mã cơ sở,Mã camera,Khu vực,Hãng,Địa chỉ IP,Độ phân giải luồng phụ\n"
_CONTACTS: Final = "Mã cơ sở,Họ và tên,Chức vụ,SĐT,Email\n"


def _rows(header: str, row: str, number: int = 9_990) -> Case:
    """A header, and a row as often as it goes into a file."""
    return lambda _: (header + row * min(number, (MOST_BYTES - 400) // len(row.encode()))).encode()


def _text(make: Callable[[], str]) -> Case:
    return lambda _: make().encode()[:MOST_BYTES]


_LONG: Final = {
    "letters": "a" * 1_900,
    "digits": "9" * 1_900,
    "spaces": "a" + " " * 1_800 + "b",
    "dots": "." * 1_900,
    "at signs": "a@" * 900,
    "addresses": "a." * 900 + "@",
    "phone numbers": "+84 0 " * 300,
    "brackets": "(" * 1_900,
    "angles": "<a " * 600,
    "x": "x" * 1_900,
    "marks": "Tổng cộng " * 150,
    "words": "kp ql tdp tl ix vi " * 90,
    "vietnamese": "trường tiểu học số " * 80,
    "of another encoding": "á»Ä" * 500,
    "minus": "-" * 1_900,
    "percent": "%41" * 600,
    "slashes": "/" * 1_900,
    "keys": "user=pass" * 200,
}
CSV: Final[dict[str, Case]] = {
    "one line": _text(lambda: "a" * MOST_BYTES),
    "separators": _text(lambda: ";,|\t" * (MOST_BYTES // 4)),
    "commas": _text(lambda: "," * MOST_BYTES),
    "lines": _text(lambda: "\n" * MOST_BYTES),
    "carriage returns": _text(lambda: "\r" * MOST_BYTES),
    "quotes": _text(lambda: '"' * MOST_BYTES),
    "quotes that do not close": _text(lambda: 'a\n"' * (MOST_BYTES // 3)),
    "spaces": _text(lambda: " " * MOST_BYTES),
    "a named separator": _text(lambda: "sep=;" + " " * (MOST_BYTES - 10) + "x"),
    "markup": _text(lambda: "\t" * (MOST_BYTES - 10) + "<"),
    "headers": _rows("", _HEADER),
    "headers in one line": _text(lambda: (_HEADER.strip() + ",") * (MOST_BYTES // len(_HEADER.encode()) - 1)),
    "headers apart": _rows(_HEADER, "a,b,c,d,e,f\n\n" + _HEADER),
    "two numbers": _rows(_HEADER, "1,2\n", 200_000),
    "many columns": _rows("", "a," * 190 + "a\n"),
    "many names": lambda random: (
        "STT,Tên cơ sở,Tỉnh/TP,Loại cơ sở\n"
        + "".join(f"{n},Trường Mẫu {random.randrange(10**6)},Bắc Giang,Trường học\n" for n in range(9_900))
    ).encode(),
    "names that are alike": lambda random: (
        "STT,Tên cơ sở,Tỉnh/TP,Loại cơ sở\n"
        + "".join(
            f"{n},{' '.join(random.sample(['Trường', 'Tiểu', 'Học', 'Mẫu', 'Số', 'Một'], 6))},Bắc Giang,Trường học\n"
            for n in range(9_900)
        )
    ).encode(),
    "cameras": lambda _: (
        _HEADER
        + "".join(f"kcl-bg-001,cam-{n},Sân,Hikvision,192.168.{n % 256}.{n // 256},640x360\n" for n in range(9_990))
    ).encode(),
    "zeros": lambda _: b"\0" * MOST_BYTES,
    "random": lambda random: random.randbytes(MOST_BYTES),
    "random letters": lambda random: bytes(random.choices(b'ab,";\n\t |1', k=MOST_BYTES)),
    **{f"cells of {name}": _rows(_HEADER, ",".join([text] * 6) + "\n") for name, text in _LONG.items()},
    **{
        f"contacts of {name}": _rows(_CONTACTS, "kcl-bg-001," + ",".join([text] * 4) + "\n")
        for name, text in _LONG.items()
    },
}


def _camera_rows(row: str, header: str = _HEADER) -> Case:
    return lambda _: (header + "".join(row.format(n, n % 256, n // 256, n % 250 + 2) for n in range(9_990))).encode()


_SITES: Final = "Tên cơ sở,Tỉnh/TP,Loại cơ sở,Cơ quan quản lý,Tình trạng\n"
_NEW_SITE: Final = "Bắc Giang,Trường học,UBND tỉnh,Đang hoạt động\n"


def _sites(name: Callable[[Random, int], str]) -> Case:
    """New facilities, by their names."""
    return lambda random: (_SITES + "".join(f"{name(random, n)},{_NEW_SITE}" for n in range(5_000))).encode()


_WORDS: Final = ("Trường", "Tiểu", "Học", "Mẫu", "Số", "Một")
IMPORT: Final[dict[str, Case]] = {
    **CSV,
    "cameras without ids": _camera_rows("kcl-bg-001,,Sân,Hikvision,192.168.{1}.{2},640x360\n"),
    "cameras of a LAN": _camera_rows("kcl-bg-001,cam-{0},Sân,Hikvision,192.168.1.{3},640x360\n"),
    "cameras of one address": _camera_rows("kcl-bg-001,cam-{0},Sân,Hikvision,192.168.1.9,640x360\n"),
    "channels": _camera_rows(
        "kcl-bg-001,cam-{0},Sân,nvr-{1},{3},640x360,Dahua,192.168.1.{3}\n",
        "Mã cơ sở,Mã camera,Khu vực,Mã đầu ghi,Kênh,Độ phân giải luồng phụ,Hãng,Địa chỉ IP\n",
    ),
    "new facilities": _sites(lambda random, _: f"Trường Mẫu {random.randrange(10**6)}"),
    "new facilities of one name": _sites(lambda *_: "Trường Mẫu"),
    "new facilities that are alike": _sites(lambda random, _: " ".join(random.sample(_WORDS, 6))),
    "new facilities of the same words": _sites(lambda random, _: " ".join(random.sample([*_WORDS, "Hai", "Ba"], 8))),
    "new facilities in an order": _sites(lambda _, n: f"Trường Mẫu {n}"),
    "new facilities of letters": _sites(lambda random, _: "Trường " + "".join(random.sample("abcdeghiklmnop", 8))),
}


# --- YAML --------------------------------------------------------------------------------------------
_HEAD: Final = "version: 1\nid: kcl-bg-001\nprovince: bac-giang\n"


def _filled(begin: str, piece: str, end: str = "") -> Case:
    """A piece as often as it goes into a file."""
    return _text(lambda: begin + piece * ((MOST_BYTES - len(begin) - len(end)) // len(piece.encode())) + end)


YAML: Final[dict[str, Case]] = {
    "a long text": _filled("name: ", "x"),
    "spaces before a colon": _filled("name: b", " ", ": c"),
    "spaces in brackets": _filled("name: {b: c", " ", "}x"),
    "pairs with spaces": _filled("name: {", "b: c" + " " * 1_000 + ",", "x"),
    "pairs with some spaces": _filled("name: {", "b: c" + " " * 60 + ",", "x"),
    "pairs before a slip": lambda _: b"name: {" + _numbered(30, "b#: c ,") + b"x",
    "lines with some spaces": _filled("", "name: b" + " " * 60 + ": c\n"),
    "many items": _filled("cameras: [", "b,", "]"),
    "many maps": _filled("cameras: [", "{},", "]"),
    "many maps with a key": _filled("cameras: [", "{a: },", "]"),
    "many lines of items": _filled("cameras:\n", "- b\n"),
    "many lines of maps": _filled("cameras:\n", "- b: 1\n"),
    "many cameras": _text(
        lambda: (
            _HEAD
            + "cameras:\n"
            + "".join(
                f"- {{id: cam-{n}, zone: san, make: hikvision, address: 10.0.{n % 256}.{n // 256}}}\n"
                for n in range(14_000)
            )
        )
    ),
    "many nested": _filled("name:\n", "- [[[[]]]]\n"),
    "deep brackets": _filled("name: ", "["),
    "deep braces": _filled("", "{a: "),
    "deep lines": _text(lambda: "\n".join(" " * depth + "a:" for depth in range(1_400))),
    "deep dashes": _filled("name:\n", "- "),
    "many keys": lambda _: _numbered(80_000, "k#: 1\n"),
    "one key": _filled("", "a: 1\n"),
    "keys that are alike": lambda random: "".join(
        f"{random.getrandbits(64):064b}: 1\n" for _ in range(15_000)
    ).encode(),
    "a long key": _filled("", "x", ": 1"),
    "long keys": lambda _: _numbered(1_000, "k" * 1_000 + "#: 1\n"),
    "keys of questions": _filled("", "? a\n"),
    "questions": _filled("", "? "),
    "questions in braces": _filled("{", "? "),
    "pairs in brackets": _filled("[", "a: b, "),
    "quotes": _filled("name: ", '"a'),
    "a quote that does not close": _filled('name: "', "x"),
    "escapes": _filled('name: "', "\\x41", '"'),
    "hashes": _filled("name: ", " #"),
    "colons": _filled("name: b", ":b", ": "),
    "colons and hashes": _filled("name: b", "b#", ": "),
    "aliases": lambda _: b"name: &a [x]\n" + _numbered(25_000, "b#: &b# [*a,*a]\n"),
    "anchors": lambda _: _numbered(40_000, "a#: &b# x\n"),
    "merges": _filled("", "<<: {a: 1}\n"),
    "tags": _filled("", "name: !!python/object:x y\n"),
    "a long tag": _filled("name: !<", "x", "> y"),
    "directives of tags": lambda _: _numbered(40_000, "%TAG !a#! tag:x:\n") + b"---\nname: 1",
    "a directive of tags that is long": lambda _: (
        f"%TAG !a! tag:{'x' * 500_000}\n---\n".encode() + _numbered(30_000, "a#: !a!b 1\n")
    ),
    "directives": _filled("", "%YAML 1.1\n"),
    "documents": _filled("", "---\na: 1\n"),
    "comments": _filled("", "#\n"),
    "lines": _filled("", "\n"),
    "a text of lines": _filled("name: |\n", " b\n"),
    "a text of indented lines": _filled("name: |\n", " " * 900 + "\n", "  x"),
    "a folded text": _filled("name: >\n", "  b\n\n"),
    "a whole number": _filled("version: ", "9"),
    "a number with lines": _filled("version: 1", "_1"),
    "a number beyond all": lambda _: b"version: 1e99999999",
    "a number with fractions": _filled("version: 1.", "9"),
    "sixties": _filled("version: 1", ":1"),
    "a number of base 16": _filled("version: 0x", "f"),
    "moments": _filled("", "name: 2001-12-14t21:59:43.10-05:00\n"),
    "random": lambda random: random.randbytes(MOST_BYTES),
    "random signs": lambda random: bytes(random.choices(b"ab:- {}[],\"'#&*!|>%\n1", k=MOST_BYTES)),
    **{f"a name of {name}": _filled(f"{_HEAD}name: '", text, "'\n") for name, text in _LONG.items()},
    **{f"cameras of {name}": _filled(f"{_HEAD}cameras:\n", f"- {{id: '{text}'}}\n") for name, text in _LONG.items()},
}


# --- facilities ----------------------------------------------------------------------------------------
_SITE: Final = f"{_HEAD}name: A\nkind: school\nmanaging_body: ubnd_tinh\noperating: open\n"
_CAMERA: Final = (
    "id: cam-{0}, zone: san, make: hikvision, address: 10.0.{1}.{2}, streams: {{sub: {{width: 64, height: 36}}}}"
)


def _cameras(number: int, *changes: str, end: str = "") -> Case:
    """Cameras, each with the same slip."""
    camera = f"- {{{{{_CAMERA}}}}}\n"
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        camera = camera.replace(old, new)
    listed = (camera.format(n, n % 256, n // 256) for n in range(number))
    return lambda _: (f"{_SITE}cameras:\n{''.join(listed)}"[: MOST_BYTES - len(end)] + end).encode()


_WRONG: Final = {"texts": "b,", "numbers": "1,", "maps": "{},", "keys": "{a: },", "lists": "[],"}
FACILITY: Final[dict[str, Case]] = {
    **YAML,
    "cameras": _cameras(9_000),
    "cameras of one address": _cameras(9_000, "10.0.{1}.{2}", "10.0.0.1"),
    "cameras of one id": _cameras(9_000, "cam-{0}", "cam"),
    "cameras with a wrong address": _cameras(9_000, "10.0", "x"),
    "cameras in a room": _cameras(9_000, "san", "wc"),
    "cameras of a recorder that is not there": _cameras(9_000, "make: hikvision, address: 10.0.{1}.{2}", "recorder: x"),
    "cameras with keys that are not known": _cameras(30_000, _CAMERA, "a: 1, b: 2, c: 3, d: 4, e: 5"),
    "cameras before wrong ones": _cameras(8_000, end="\n" + "- {id: 5}\n" * 5_000),
    **{
        f"{key} of wrong {name}": _filled(f"{_SITE}{key}: [", piece, "]\n")
        for key in ("cameras", "recorders", "name", "kind", "unknown")
        for name, piece in _WRONG.items()
    },
    **{
        f"as many wrong {name} as may be": _filled(f"{_SITE}cameras: [", piece + " " * width, "]\n")
        for name, piece, width in (
            ("texts", "b,", 3),
            ("maps", "{},", 14),
            ("keys", "{a: },", 15),
            ("lists", "[],", 14),
        )
    },
    "unknown keys": lambda _: _SITE.encode() + _numbered(70_000, "k#: 1\n"),
}


# --- JSON, and pages of a NetBox -----------------------------------------------------------------------
JSON: Final[dict[str, Case]] = {
    "deep lists": _filled("", "["),
    "deep objects": _filled("", '{"a":'),
    "a whole number": _filled("", "9"),
    "many whole numbers": _filled("[", "9" * 4_000 + ",", "9]"),
    "a number beyond all": lambda _: b'{"version": 1e999999}',
    "many numbers beyond all": _filled("[", "1e999999,", "1]"),
    "a long fraction": _filled("0.", "9"),
    "many fractions": _filled("[", "0." + "9" * 800 + "e-300,", "1]"),
    "one key": _filled("{", '"a":1,', '"a":1}'),
    "many keys": lambda _: b"{" + _numbered(70_000, '"k#":1,') + b'"a":1}',
    "many lists": _filled("[", "[],", "[]]"),
    "many objects": _filled("[", "{},", "{}]"),
    "many numbers": _filled("[", "1,", "1]"),
    "escapes": _filled('"', "\\u0041", '"'),
    "halves of letters": _filled('"', "\\ud800", '"'),
    "a text without end": _filled('"', "a"),
    "backslashes": _filled('"', "\\\\"),
    "spaces": _filled("", " "),
    "no numbers": _filled("[", "NaN,", "1]"),
    "random": lambda random: random.randbytes(MOST_BYTES),
    "a plan of many changes": _filled('{"schema": "provisioner/plan", "version": 2, "changes": [', "{},", "{}]}"),
}


def _page(results: str, count: int = 1) -> bytes:
    return f'{{"count": {count}, "results": [{results}]}}'.encode()


NETBOX: Final[dict[str, Case]] = {
    **JSON,
    "a page without end": lambda _: _page(",".join(f'{{"id": {n}}}' for n in range(100)), 10**9),
    "objects without a name": lambda _: _page("{}," * 99 + "{}", 10**6),
    "a huge count": lambda _: b'{"count": ' + b"9" * 4_000 + b', "results": [{"id": 1}]}',
    "a huge id": lambda _: _page('{"id": ' + "9" * 4_000 + "}"),
    "a long id": lambda _: _page('{"id": "' + "a" * 1_000_000 + '"}'),
    **{
        f"names of {name}": lambda _, text=text: _page(  # type: ignore[misc]
            ",".join(
                json.dumps({"id": n, "name": text * 5, "site": {"slug": text * 5}, "primary_ip": {"address": text}})
                for n in range(20)
            ),
            20,
        )
        for name, text in _LONG.items()
    },
}


def _comments(number: int, body: str, **parts: object) -> Case:
    """A page of somebody else's comments."""
    return lambda _: json.dumps(
        [{"id": n, "author": {"username": "x"}, "body": body, **parts} for n in range(number)]
    ).encode()


FORGE: Final[dict[str, Case]] = {
    **JSON,
    "comments": _comments(100, "a" * 10_000),
    "comments of signs": _comments(100, "\u0001" * 1_700),
    "comments of many parts": _comments(100, "a", **{f"k{n}": [] for n in range(1_000)}),
    "more comments than a page has": _comments(15_000, "a"),
}


# --- Rego ----------------------------------------------------------------------------------------------
_REGO: Final = "package provisioner.x\n\nimport rego.v1\n\n"
_RULE: Final = 'deny contains m if {{\n\t{}\n\tm := "x"\n}}\n'
LOOP: Final = _RULE.format(f'regex.match("^(a+)+$", "{"a" * 40}b")')  #: A rule that never ends.


def _rego(make: Callable[[], str]) -> Case:
    return lambda _: (_REGO + make()).encode()[: 64 * 1024]


REGO: Final[dict[str, Case]] = {
    "a text": _rego(lambda: f'deny contains m if m := "{"a" * 60_000}"\n'),
    "a text that does not close": _rego(lambda: f'deny contains m if m := "{"a" * 60_000}'),
    "backslashes": _rego(lambda: 'deny contains m if m := "' + "\\\\" * 30_000),
    "a sum": _rego(lambda: _RULE.format("input.version == 1" + " + 1" * 14_000)),
    "a number": _rego(lambda: _RULE.format("input.version == " + "9" * 60_000)),
    "brackets": _rego(lambda: "(" * 60_000),
    "brackets side by side": _rego(lambda: _RULE.format("x := [" + "[]," * 18_000 + "[]]")),
    "deep brackets": _rego(lambda: _RULE.format("x := " + "[" * 38 + "]" * 38)),
    "rules": _rego(lambda: "".join(f"a{n} := a{n + 1}\n\n" for n in range(3_500))),
    "rules that judge": _rego(lambda: _RULE.format("input.version == 1") * 1_100),
    "names": _rego(lambda: _RULE.format("; ".join(f"a{n} := {n}" for n in range(4_500)))),
    "indexes": _rego(lambda: _RULE.format("input" + "[0]" * 19_000)),
    "steps": _rego(lambda: _RULE.format("input" + ".changes" * 7_000)),
    "commas": _rego(lambda: _RULE.format("some " + "a, " * 19_000 + "b in input.changes")),
    "comments": _rego(lambda: "#\n" * 30_000),
    "lines": _rego(lambda: "\n" * 60_000),
    "withs": _rego(lambda: _RULE.format("input.version == 1" + " with input as {}" * 3_500)),
    "elses": _rego(lambda: "deny := 1 if false" + " else := 1 if false" * 3_000),
    "functions": _rego(lambda: _RULE.format("f(" * 39 + "1" + ")" * 39)),
    "random": lambda random: bytes(random.choices(b'ab{}[]()"`\n :=|,.1#', k=64_000)),
}


# --- what receivers of notices answer ------------------------------------------------------------------
def _headed(head: bytes, piece: bytes, end: bytes = b"\r\n\r\n{}") -> Case:
    """An answer whose head has a piece as often as it goes into the answer."""
    return lambda _: b"HTTP/1.1 " + head + b"\r\n" + piece * ((MOST_BYTES - 100) // len(piece)) + end


def _answered(case: Case) -> Case:
    return lambda random: b"HTTP/1.1 200 OK\r\n\r\n" + case(random)[: MOST_BYTES - 100]


def _packed() -> bytes:
    return b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(900 * MIB), 9)[: MOST_BYTES - 100]


HTTP: Final[dict[str, Case]] = {
    "a long line": lambda _: b"HTTP/1.1 200 " + b"a" * (MOST_BYTES - 100),
    "a long field": _headed(b"200 OK", b"a"),
    "fields": _headed(b"200 OK", b"a: b\r\n"),
    "fields without a name": _headed(b"200 OK", b": b\r\n"),
    "long fields": lambda _: b"HTTP/1.1 200 OK\r\n" + (b"a: " + b" " * 65_000 + b"b\r\n") * 15 + b"\r\n{}",
    "fields on many lines": lambda _: b"HTTP/1.1 200 OK\r\na: b\r\n" + b" c\r\n" * 90 + b"\r\n{}",
    "cookies": lambda _: (
        b"HTTP/1.1 200 OK\r\n" + (b"Set-Cookie: a=b; expires=" + b"1-" * 32_000 + b"\r\n") * 15 + b"\r\n{}"
    ),
    "cookies of spaces": lambda _: (
        b"HTTP/1.1 200 OK\r\n" + (b"Set-Cookie: a=b; expires=1" + b" " * 64_000 + b"x\r\n") * 15 + b"\r\n{}"
    ),
    "cookies of parts": lambda _: (
        b"HTTP/1.1 200 OK\r\n" + (b"Set-Cookie: " + b'a="\\"";' * 9_000 + b"\r\n") * 15 + b"\r\n{}"
    ),
    "more and more": lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * (MOST_BYTES // 25),
    "a place elsewhere": _headed(b"307 No\r\nLocation: /" + b"a" * 60_000 + b"\r\n", b"a"),
    "a place of signs": lambda _: b"HTTP/1.1 307 No\r\nLocation: http://[" + b"\xff%:@[" * 10_000 + b"\r\n\r\n{}",
    "a long length": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 60_000 + b"\r\n\r\n{}",
    "pieces": lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 170_000,
    "pieces with a name": lambda _: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"a" * 60_000 + b"\r\na\r\n") * 16
    ),
    "a challenge": lambda _: b"HTTP/1.1 401 No\r\nWWW-Authenticate: " + b"Basic a=b, " * 5_900 + b"\r\n\r\n",
    "packed": lambda _: b"HTTP/1.1 200 OK\r\n" + _packed(),
    "packed elsewhere": lambda _: b"HTTP/1.1 307 No\r\nLocation: /a\r\n" + _packed(),
    "random": lambda random: b"HTTP/1.1 200 OK\r\n" + random.randbytes(MOST_BYTES - 100),
}

_HELLO: Final = b"220 a\r\n"
_OFFER: Final = b"250 AUTH CRAM-MD5\r\n"
SMTP: Final[dict[str, Case]] = {
    "a long line": _filled("220 ", "a"),
    "lines": _filled("", "220-\r\n"),
    "long lines": _filled("", "220-" + "a" * 8_000 + "\r\n"),
    "greetings": _filled("", "220 a\r\n"),
    "offers": lambda _: _HELLO + b"250-AUTH LOGIN\r\n" * 14_000 + _OFFER + b"334 a\r\n",
    "offers of ways": lambda _: _HELLO + (b"250-AUTH " + b"LOGIN " * 1_300 + b"\r\n") * 30 + _OFFER,
    "offers of spaces": lambda _: _HELLO + (b"250-AUTH" + b" " * 8_000 + b"x\r\n") * 30 + _OFFER,
    "offers of names": lambda _: _HELLO + _numbered(15_000, "250-K#=\r\n") + _OFFER,
    "challenges": _filled("220 a\r\n250-a\r\n250 AUTH CRAM-MD5\r\n", "334 " + "QUJD" * 2_000 + "\r\n"),
    "challenges of signs": _filled("220 a\r\n250-a\r\n250 AUTH CRAM-MD5\r\n", "334 " + "=" * 8_000 + "\r\n"),
    "more challenges": _filled("220 a\r\n250-a\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"),
    "answers": _filled("220 a\r\n250-a\r\n250 AUTH LOGIN\r\n235 a\r\n", "250 a\r\n"),
    "other numbers": _filled("220 a\r\n", "9" * 8_000 + "\r\n"),
    "zeros": lambda _: b"\0" * MOST_BYTES,
    "random": lambda random: _HELLO + random.randbytes(MOST_BYTES - 100),
}


# --- what devices send -----------------------------------------------------------------------------------
_OK: Final = b"HTTP/1.1 200 OK\r\n\r\n"
_PROFILES: Final = b"<Envelope><Body><GetProfilesResponse>"


def _soap(make: Callable[[], bytes]) -> Case:
    return lambda _: _OK + make()


ONVIF: Final[dict[str, Case]] = {
    "a long name": _soap(lambda: b"<" + b"a" * 260_000),
    "a long attribute": _soap(lambda: b'<a b="' + b"a" * 260_000),
    "a long text": _soap(lambda: _PROFILES + b"a" * 260_000),
    "a text of pieces": _soap(lambda: _PROFILES + b"&amp;\n" * 42_000),
    "a text between elements": _soap(lambda: _PROFILES + b"a<b/>" * 19_000),
    "many attributes": _soap(lambda: _PROFILES + b"<a " + _numbered(18_000, ' a#="1"') + b"/>"),
    "many elements": _soap(lambda: _PROFILES + b"<a/>" * 60_000),
    "many profiles": _soap(lambda: _PROFILES + b'<Profiles token="a"><Name>b</Name></Profiles>' * 5_000),
    "deep elements": _soap(lambda: b"<a>" * 80_000),
    "deep elements side by side": _soap(lambda: _PROFILES + (b"<a>" * 28 + b"</a>" * 28) * 700),
    "namespaces": _soap(lambda: b"<a " + _numbered(14_000, ' xmlns:a#="u"') + b">"),
    "a long namespace": _soap(lambda: b'<a xmlns:b="' + b"u" * 120_000 + b'">' + b"<b:c/>" * 19_000 + b"</a>"),
    "entities": _soap(lambda: b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>'),
    "a fault": _soap(lambda: b"<Envelope><Body><Fault>" + b"<a>not" + b" " * 390 + b"</a>" + b"<a>not a</a>" * 19_000),
    "spaces": _soap(lambda: b" " * 260_000),
    "fields": lambda _: b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000 + b"\r\n<a/>",
    "pieces": lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 40_000,
    "pieces that are long": lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 260_000,
    "a challenge": lambda _: b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest " + b"a=b," * 60_000 + b"\r\n\r\n",
    "a challenge of spaces": lambda _: b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest" + b" a " * 80_000 + b"\r\n\r\n",
    "a challenge of letters": lambda _: b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest " + b"a" * 250_000 + b"\r\n\r\n",
    "random": lambda random: _OK + random.randbytes(MOST_BYTES - 100),
}


def _answer(body: bytes, fields: bytes = b"") -> bytes:
    return b"RTSP/1.0 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (fields, len(body)) + body


def _described(piece: bytes) -> bytes:
    return _answer(b"v=0\r\nm=video 0 RTP/AVP 96\r\n" + piece * (64_000 // len(piece)))


RTSP: Final[dict[str, Case]] = {
    "a head without end": lambda _: b"RTSP/1.0 200 OK\r\n" + b"a" * MIB,
    "fields": lambda _: b"RTSP/1.0 200 OK\r\n" + b"a:\r\n" * 4_000,
    "a long head and a long body": lambda _: _answer(b"a" * 65_000, b"a:\r\n" * 4_000),
    "challenges": lambda _: (b"RTSP/1.0 401 No\r\n" + b"WWW-Authenticate: Digest a=b\r\n" * 500 + b"\r\n") * 60,
    "answers": lambda _: b"RTSP/1.0 200 OK\r\n\r\n" * 50_000,
    "empty packets": lambda _: b"$\0\0\0" * (MIB // 4),
    "packets": lambda _: (b"$\0\xff\xff" + b"a" * 65_535) * 15,
    "medias": lambda _: _described(b"m=a 1 b 1\n"),
    "medias of spaces": lambda _: _described(b"m=a" + b" " * 60 + b"\n"),
    "medias of words": lambda _: _described(b"m=" + b"a" * 16_000 + b"\n"),
    "formats": lambda _: _described(b"a=rtpmap:1 H264/90000\n"),
    "formats of spaces": lambda _: _described(b"a=rtpmap:1" + b" " * 16_000 + b"\n"),
    "controls": lambda _: _described(b"a=control:x" + b" " * 20_000 + b"y\n"),
    "controls of letters": lambda _: _described(b"a=control:" + b"x" * 16_000 + b"\n"),
    "controls of lines": lambda _: _described(b"a=control:x\n" + b"\n" * 100 + b"y"),
    "parameters": lambda _: _described(b"a=fmtp:96 " + b"a=b;" * 2_900 + b"\n"),
    "parameter sets": lambda _: _described(b"a=fmtp:96 sprop-parameter-sets=" + b"QUJD," * 2_300 + b"\n"),
    "random": lambda random: random.randbytes(MIB),
}


# --- Git's trees -------------------------------------------------------------------------------------------
class _Objects:
    """Loose objects of a repository, packed into a zip."""

    def __init__(self) -> None:
        self.written: dict[str, bytes] = {}

    def add(self, kind: bytes, content: bytes) -> bytes:
        """Keep an object; its name."""
        whole = kind + b" %d\0" % len(content) + content
        name = sha1(whole).digest()  # noqa: S324 (Git's own)
        self.written[f"{name.hex()[:2]}/{name.hex()[2:]}"] = zlib.compress(whole, 9)
        return name

    def tree(self, *entries: tuple[bytes, bytes, bytes]) -> bytes:
        """A tree of modes, names and objects."""
        return self.add(b"tree", b"".join(mode + b" " + name + b"\0" + one for mode, name, one in entries))

    def packed(self, tree: bytes) -> bytes:
        """All of them, with a commit of a tree."""
        who = b"a <a@example.com> 1620000000 +0000"
        head = self.add(b"commit", b"tree %s\nauthor %s\ncommitter %s\n\na\n" % (tree.hex().encode(), who, who))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.written.items():
                archive.writestr(name, content)
            archive.comment = head.hex().encode()
        return out.getvalue()


def _repository(make: Callable[[_Objects, bytes], tuple[bytes, bytes, bytes]]) -> Case:
    """A repository with an inventory.yml, and what is made beside it."""

    def case(_: Random) -> bytes:
        objects = _Objects()
        small = objects.add(b"blob", b"version: 1\n")
        return objects.packed(objects.tree((b"100644", b"inventory.yml", small), make(objects, small)))

    return case


def _wide(number: int, name: bytes) -> Callable[[_Objects, bytes], tuple[bytes, bytes, bytes]]:
    return lambda objects, small: (
        b"40000",
        b"z",
        objects.tree(*((b"100644", name % count, small) for count in range(number))),
    )


def _bomb(levels: int, width: int) -> Callable[[_Objects, bytes], tuple[bytes, bytes, bytes]]:
    def make(objects: _Objects, small: bytes) -> tuple[bytes, bytes, bytes]:
        tree = objects.tree((b"100644", b"a.yml", small))
        for _ in range(levels):
            tree = objects.tree(*((b"40000", b"%03d" % number, tree) for number in range(width)))
        return b"40000", b"z", tree

    return make


def _deep(levels: int, name: bytes) -> Callable[[_Objects, bytes], tuple[bytes, bytes, bytes]]:
    def make(objects: _Objects, small: bytes) -> tuple[bytes, bytes, bytes]:
        tree = objects.tree((b"100644", b"a.yml", small))
        for _ in range(levels):
            tree = objects.tree((b"40000", name, tree))
        return b"40000", b"z", tree

    return make


def _blob(content: Callable[[], bytes]) -> Callable[[_Objects, bytes], tuple[bytes, bytes, bytes]]:
    return lambda objects, _: (b"100644", b"z.yml", objects.add(b"blob", content()))


def _in_facilities(content: Callable[[], bytes]) -> Callable[[_Objects, bytes], tuple[bytes, bytes, bytes]]:
    return lambda objects, _: (
        b"40000",
        b"facilities",
        objects.tree((b"100644", b"a.yml", objects.add(b"blob", content()))),
    )


GIT: Final[dict[str, Case]] = {
    "many files": _repository(_wide(2_000, b"%06d.yml")),
    "names without end": _repository(_wide(900, b"a" * 1_000 + b"%06d.yml")),
    "a bomb of trees": _repository(_bomb(7, 60)),
    "a bomb of few files": _repository(_bomb(3, 36)),
    "a bomb of files": _repository(_bomb(3, 45)),
    "a bomb that is deep": _repository(_bomb(40, 2)),
    "deep trees": _repository(_deep(1_000, b"a")),
    "deep trees of long names": _repository(_deep(1_000, b"a" * 250)),
    "a large file": _repository(_blob(lambda: b"a" * (200 * MIB))),
    "a file of lines": _repository(_blob(lambda: b"a\n" * (7 * MIB))),
    "a file of keys": _repository(_in_facilities(lambda: b"public_key: " + b"A" * 43 + b"=\n" + b"a\n" * (60 * MIB))),
    "a line of keys": _repository(_in_facilities(lambda: b"public_key: " * (5 * MIB))),
    "links": _repository(lambda _, small: (b"120000", b"z.yml", small)),
    "a tree of another kind": _repository(lambda _, small: (b"40000", b"z", small)),
    "a submodule": _repository(lambda _, small: (b"160000", b"z", small)),
}

CASES: Final[Mapping[str, Mapping[str, Case]]] = {
    "xlsx": XLSX,
    "csv": CSV,
    "import": IMPORT,
    "yaml": YAML,
    "facility": FACILITY,
    "json": JSON,
    "netbox": NETBOX,
    "nautobot": NETBOX,
    "webhook": HTTP,
    "alertmanager": {**HTTP, **{f"JSON: {name}": _answered(case) for name, case in JSON.items()}},
    "mail": SMTP,
    "forge": FORGE,
    "rego": REGO,
    "onvif": ONVIF,
    "rtsp": RTSP,
    "git": GIT,
}


# --- how they are measured ---------------------------------------------------------------------------------
def measured(form: str, name: str) -> Cost:
    """What a case takes in a process that is forked for it."""
    data = CASES[form][name](Random(_SEED))  # noqa: S311 (it draws examples)
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        _measure(form, name, data, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return Cost(*json.loads(said)) if said else Cost(form, name, len(data), float("inf"), 0, "it was ended")


def _measure(form: str, name: str, data: bytes, out: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_ENDED_AT_S, _ENDED_AT_S))
    read = READERS[form]
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    with tempfile.TemporaryDirectory(prefix="worst-") as folder:
        before, cpu = _status("VmRSS"), _cpu()
        try:
            answer = str(read(data, Path(folder)))
        except Exception as error:  # noqa: BLE001 (a traceback is a miss as well, and is shown)
            answer = f"TRACEBACK {error!r}"
        taken, peak = _cpu() - cpu, _status("VmHWM") - before
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    cost = Cost(form, name, len(data), round(taken, 2), max(peak, started if form == "rego" else 0), answer[:120])
    os.write(out, json.dumps(cost).encode())
    os._exit(0)


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(field))


def costs(form: str, *names: str) -> Iterator[Cost]:
    """What the cases of a format take, in an interpreter that has read one good file."""
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-W", "ignore", "-m", __name__, form, *names]
    environment = os.environ | {"PYTHONPATH": str(root / "playbooks")}
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, check=True)
    for line in done.stdout.splitlines():
        yield Cost(*json.loads(line))


def _main(form: str, *names: str) -> None:
    if form in {"xlsx", "csv"}:
        with tempfile.TemporaryDirectory(prefix="worst-") as folder:
            read_sheet(workbook(Parts()), Path(folder))  # what is imported then is no case's
    for name in names or CASES[form]:
        sys.stdout.write(json.dumps(measured(form, name)) + "\n")
        sys.stdout.flush()


def _misses(*forms: str) -> list[Cost]:
    return [cost for form in forms for cost in costs(form) if cost.is_miss or cost.answer.startswith("TRACEBACK")]


@MERGE_REQUEST
@pytest.mark.soak
@pytest.mark.parametrize(
    "form", ["xlsx", "csv", "import", "yaml", "facility", "json", "netbox", "nautobot", "forge", "rego", "git"]
)
def test_no_file_takes_more_than_its_length_explains(form: str) -> None:
    assert _misses(form) == []


@MERGE_REQUEST
@pytest.mark.soak
@pytest.mark.parametrize("form", ["webhook", "alertmanager", "mail"])
def test_no_answer_of_a_receiver_takes_more_than_its_length_explains(form: str) -> None:
    assert _misses(form) == []


@CAMERA
@pytest.mark.parametrize("form", ["onvif", "rtsp"])
def test_no_answer_of_a_device_takes_more_than_its_length_explains(form: str) -> None:
    assert _misses(form) == []


@MERGE_REQUEST
def test_a_workbook_with_one_long_tag_is_refused_at_once() -> None:
    found = list(costs("xlsx", "a long attribute", "a long comment", "a tag without end"))
    assert len(found) == 3
    for cost in found:
        assert cost.size < 64 * 1024
        assert not cost.is_miss, cost
        assert "file-damaged" in cost.answer


@MERGE_REQUEST
def test_a_slip_in_a_file_of_yaml_is_named_at_once() -> None:
    found = list(costs("yaml", "pairs before a slip", "spaces before a colon", "directives of tags"))
    assert len(found) == 3
    for cost in found:
        assert not cost.is_miss, cost
        assert "yaml-" in cost.answer


@MERGE_REQUEST
@pytest.mark.soak
def test_forty_files_of_rules_that_never_end_take_twenty_seconds_in_all(tmp_path: Path) -> None:

    files = [
        RegoFile(f"policy/x{number}.rego", (_REGO + LOOP).replace("provisioner.x", f"provisioner.x{number}"))
        for number in range(MOST_FILES - 1)
    ]
    wrong = RegoFile("policy/y.rego", _REGO.replace("provisioner.x", "provisioner.y") + "deny contains m if m := 1 +\n")
    before = _cpu()
    found: list[Any] = [one for one in rego_problems((*files, wrong), tmp_path) if one.stops_plans]
    assert _cpu() - before < 20
    assert {one.object for one in found} == {one.path for one in (*files, wrong)}


if __name__ == "__main__":
    _main(*sys.argv[1:])
