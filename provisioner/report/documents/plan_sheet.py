"""The plan that DIC, Health and the carrier sign, for people. Pure.

One sheet, as text and as a bilingual page. Devices' LAN addresses and RTSP paths are signed, too, but are on no sheet:
the content's digest covers them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.base.text import printable
from provisioner.inventory.model.devices import Camera, Stream
from provisioner.inventory.model.facility import Access, ConnectionPlan, Facility, Party
from provisioner.inventory.signed import signed_content
from provisioner.record.labels import label
from provisioner.report.documents.official import address_text
from provisioner.report.facilities import make_and_model
from provisioner.report.tables import page_template, text_table


@dataclass(frozen=True, slots=True)
class PlanNames:
    """The names of a plan's province and carrier."""

    province: str
    carrier: str


@dataclass(frozen=True, slots=True)
class SheetTable:
    """A table of a sheet: its title, columns, and rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class PlanSheet:
    """A plan in words of one language: facts, devices, signatures."""

    language: Language
    title: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[SheetTable]
    note: str  #: About the digest.
    parties: Sequence[tuple[str, str]]


def plan_sheet(facility: Facility, plan: ConnectionPlan, names: PlanNames, say: Translator = ENGLISH) -> PlanSheet:
    """Return a facility's plan as in its file now."""
    content = signed_content(facility, plan)
    signed = {sign_off.by: sign_off for sign_off in plan.sign_offs if sign_off.content == content}
    return PlanSheet(
        say.language,
        say("Connection plan of {name} ({facility})", name=facility.name, facility=facility.id),
        [
            (say("Place"), address_text(facility, names.province)),
            (say("Carrier"), names.carrier),
            (say("Relay"), plan.relay),
            *([(say("Backup relay"), plan.backup_relay)] if plan.backup_relay else []),
            (say("Access"), _access_text(plan.access, say)),
            (say("Cameras"), str(len(facility.cameras))),
            (say("Content"), content),
        ],
        [table for table in (_recorders(facility, say), _cameras(facility, say)) if table.rows],
        say("The content covers the devices' addresses in their own network and their RTSP paths as well."),
        [
            (_party_text(party, say), say("signed on {day}", day=signed[party].signed_on) if party in signed else "")
            for party in Party
        ],
    )


def _access_text(access: Access, say: Translator) -> str:
    match access:
        case Access.PULL_PORTMAP:
            return say("the relay pulls each device through the site's tunnel")
        case Access.PULL_NAT_MAP:
            return say("the relay pulls each device through the site's tunnel, at an address of the device's own")
        case Access.ROUTED:
            return say("the relay pulls each device through the carrier's own network, without a tunnel")
        case Access.PUBLISH:
            return say("the site's gateway pulls each device and pushes its streams to the relay, encrypted")


def _party_text(party: Party, say: Translator) -> str:
    match party:
        case Party.DIC:
            return say("Department of Information and Communications")
        case Party.HEALTH:
            return say("Department of Health")
        case Party.CARRIER:
            return say("Carrier")


def _recorders(facility: Facility, say: Translator) -> SheetTable:
    used = Counter(camera.recorder for camera in facility.cameras)
    rows = [(recorder.id, make_and_model(recorder), str(used[recorder.id])) for recorder in facility.recorders]
    return SheetTable(say("Recorders"), (say("Recorder"), say("Device"), say("Channels in use")), rows)


def _cameras(facility: Facility, say: Translator) -> SheetTable:
    columns = (say("Camera"), say("Looks at"), say("Where"), say("Device"), say("Always"), say("On demand"))
    return SheetTable(say("Cameras"), columns, [_camera_cells(camera, say) for camera in facility.cameras])


def _camera_cells(camera: Camera, say: Translator) -> tuple[str, ...]:
    channel = camera.channel if camera.ip_channel is None else camera.ip_channel
    prefix = "IP " if camera.ip_channel is not None else ""
    device = f"{camera.recorder}, {prefix}{channel}" if camera.recorder else make_and_model(camera)
    main = _stream(camera.streams.main) if camera.streams.main else "-"
    zone = label(camera.zone) if say.language is Language.VI else camera.zone.value
    return camera.id, zone, camera.location or "", device, _stream(camera.streams.sub), main


def _stream(stream: Stream) -> str:
    return f"{stream.width}x{stream.height} {stream.codec.value.upper().replace('H2', 'H.2')}"


def sheet_text(sheet: PlanSheet) -> list[str]:
    """Return a sheet for a terminal, line by line."""
    width = max(len(name) for name, _ in sheet.facts)
    lines = [printable(sheet.title), "", *(printable(f"{name:{width}}  {value}") for name, value in sheet.facts)]
    for table in sheet.tables:
        lines += ["", table.title, *map(printable, text_table(table.columns, table.rows, numbers=False))]
    lines += ["", sheet.note, ""]
    return [*lines, *(printable(f"{party}: {signed or '……………………'}") for party, signed in sheet.parties)]


def sheet_page(facility: Facility, plan: ConnectionPlan, names: PlanNames) -> str:
    """Return the sheet as a page to print, Vietnamese first, without resources."""
    sheets = [plan_sheet(facility, plan, names, translator(language)) for language in (Language.VI, Language.EN)]
    return page_template("plan_sheet.html.j2").render(sheets=sheets)
