"""Facilities in words and documents: states, devices, keys, site packages. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Final, Protocol

from pydantic import Field

from provisioner.base.document import Count, Day, Known, Moment, MomentText, Printed, Row, Said, absent, form, of
from provisioner.base.groups import gathered
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import VIETNAM, Document, local_iso
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.makes import MAKES
from provisioner.inventory.model.devices import Camera, Make, Recorder
from provisioner.inventory.model.facility import Blocked, ClaimedConnection, Facility, Operating, Survey
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.signed import Worth
from provisioner.record.lifecycle.evidence import KeyAge, KeyKind, KeyOrigin
from provisioner.record.lifecycle.site_packages import PackageState, PackageStatus
from provisioner.record.lifecycle.state import STEPS, FacilityState, Since
from provisioner.record.lifecycle.status import FacilityStatus, OpeningRisk
from provisioner.report.tables import some_of, text_table

_KINDS: Final = {
    KeyKind.GATEWAY: marked("gateway's key"),
    KeyKind.SHARED: marked("pre-shared key"),
    KeyKind.RELAY: marked("relay's key"),
    KeyKind.PUBLISH: marked("publish key"),
}
_ORIGINS: Final = {
    KeyOrigin.SITE: marked("born on the gateway"),
    KeyOrigin.CONTROLLER: marked("drawn here, handed over"),
    KeyOrigin.RELAY: marked("born on the relay"),
}
_NOT_RECORDED: Final = marked("not recorded")
_MOST_KEYS: Final = 8
_MOST_SITES: Final = 5


class FacilityReader(Protocol):
    """Reads the parts of a facility's file that its outline lacks."""

    def name(self, facility: str, /) -> str:
        """Return its name."""

    def survey(self, facility: str, /) -> Survey | None:
        """Return its survey."""

    def facility(self, facility: str, /) -> Facility:
        """Return the whole facility."""


def key_age_lines(ages: Sequence[KeyAge], now: datetime, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield a table of keys, and the due ones below, worst first."""
    today = now.astimezone(VIETNAM).date()
    names = (say("owner"), say("key"), say("origin"), say("age"), say("next due"))
    yield from text_table(names, [_key_age_row(age, now, today, say) for age in ages], numbers=False)
    yield from _key_age_ending(ages, today, say)


def _key_age_row(age: KeyAge, now: datetime, today: date, say: Translator) -> tuple[str, str, str, str, str]:
    days, short = age.days(now), f" {age.key[:_MOST_KEYS]}…" if age.key else ""
    due = age.due.isoformat() if age.due else say(_NOT_RECORDED)
    if age.changing:
        due = say("being changed since {day}", day=age.changing.isoformat())
    elif age.is_overdue(today):
        due = say("{day}, overdue", day=due)
    grown = say(_NOT_RECORDED) if days is None else say.counted(days, "day")
    return age.owner, f"{say(_KINDS[age.kind])}{short}", say(_ORIGINS[age.origin]), grown, due


def _key_age_ending(ages: Sequence[KeyAge], today: date, say: Translator) -> Iterator[str]:
    due = [age for age in ages if age.is_overdue(today) and not age.changing]
    sites = sorted({age.owner for age in due if age.kind in {KeyKind.GATEWAY, KeyKind.SHARED}})
    relays = sorted({age.owner for age in due if age.kind is KeyKind.RELAY})
    if sites:
        values = _of_sites(sites, f"provisioner keys rotate {' '.join(sites[:5])}", say)
        yield say("{sites} with a key that is overdue: {names}; change it: {command}", **values)
    if pushing := sorted({age.owner for age in due if age.kind is KeyKind.PUBLISH}):
        line = marked(
            "{sites} with logins to push that are overdue: {names}; take their keys out of publish_keys in the"
            " carrier's secrets, then: {command}"
        )
        yield say(line, **_of_sites(pushing, "provisioner keys init", say))
    if relays:
        line = marked("{relays} with a key that is overdue: {names}; change it: {command}")
        command = f"provisioner keys rotate --relay {relays[0]} --port PORT"
        yield say(line, relays=say.counted(len(relays), "relay"), names=some_of(relays, say), command=command)
    changing = sorted({age.owner for age in ages if age.changing and age.kind is not KeyKind.RELAY})
    yield from change_lines(changing, say)
    if moving := sorted({age.owner for age in ages if age.changing and age.kind is KeyKind.RELAY}):
        line = marked("{relays} with a rotation of its own key: {names}; for the sites' progress: {command}")
        command = f"provisioner keys status --relay {moving[0]}"
        yield say(line, relays=say.counted(len(moving), "relay"), names=some_of(moving, say), command=command)
    if unknown := sum(age.since is None for age in ages):
        yield say("age not recorded: {keys}", keys=say.counted(unknown, "key"))
    if not (sites or relays or pushing or changing or moving or unknown):
        yield say("no key is overdue")


def change_lines(changing: Sequence[str], say: Translator = ENGLISH) -> Iterator[str]:
    """Yield a line about key rotations under way at these sites."""
    if changing:
        line = marked("{sites} with a change of keys under way: {names}; go on: provisioner keys rotate --finish")
        yield say(line, sites=say.counted(len(changing), "site"), names=some_of(changing, say))


class KeyAgeRow(Row):
    """A key with its age."""

    of: str = Field(validation_alias="owner")  #: The facility or relay.
    kind: KeyKind
    origin: KeyOrigin
    public_key: Known = Field(validation_alias="key")
    since: Moment | None  #: Null if it is not recorded.
    age_days: Count | None
    due: Day | None
    overdue: bool
    changing_since: Day | None = Field(validation_alias="changing")


class KeyAgesDocument(Printed, name="keys-status", title="The age of keys"):
    """Output of `provisioner keys status --output json`."""

    as_of: Moment
    rotate_after_days: Count
    counts: dict[KeyKind, Count]
    keys: tuple[KeyAgeRow, ...]


def key_ages_document(ages: Sequence[KeyAge], now: datetime, days: int) -> KeyAgesDocument:
    """Return the document of `keys status`; unrecorded values are null."""
    today = now.astimezone(VIETNAM).date()
    kinds = Counter(age.kind for age in ages)
    counts = {kind: kinds[kind] for kind in KeyKind}
    keys = [KeyAgeRow.made_of(age, age_days=age.days(now), overdue=age.is_overdue(today)) for age in ages]
    return KeyAgesDocument(as_of=now, rotate_after_days=days, counts=counts, keys=keys)


def device_words(facility: Facility, camera: Camera) -> str:
    """Return a camera's make and model, or its recorder."""
    if camera.recorder is None:
        return make_and_model(camera)
    named = {recorder.id: make_and_model(recorder) for recorder in facility.recorders}
    return f"Đầu ghi {camera.recorder} ({named.get(camera.recorder, '')})"


def make_and_model(device: Camera | Recorder) -> str:
    """Return a device's make as its maker writes it, and the model."""
    make = MAKES[device.make].words[0] if device.make and device.make is not Make.GENERIC else ""
    return " ".join(part for part in (make, device.model) if part)


SinceText = Annotated[str, form(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}\+07:00)?$")]
Step = Annotated[FacilityState, form(enum=[state.value for state in STEPS])]


class SurveyedCameras(Row):
    """Cameras in a survey."""

    present: Count
    fit: Count
    missing: Count


class DutyRow(Row):
    """An order that binds a facility."""

    order: Said = of("order", "ref")
    before: Day  #: The first day after the deadline.
    deadline: Moment  #: The first time after the deadline.


class SignedRow(Row):
    """Agreements to a facility's plan."""

    signed: Count  #: Parties that signed the plan with a key.
    claimed: Count  #: Parties that agreed by the statement of the file's author.


class OpeningRow(Row):
    """A warning about an opening."""

    code: OpeningRisk = of("risk")
    text: Said = of("words")


class FacilityRow(Row):
    """One facility: what its file says, where it stands, and how its pictures are now."""

    facility: Said = of("facility", "id")
    name: Said
    province: Said = of("facility", "province")
    managing_body: ManagingBody = of("facility", "managing_body")
    carrier: str  #: The plan's carrier; empty without a plan.
    operating: Operating = of("facility", "operating")
    opens_on: Day | None = of("facility", "opens_on")  #: The planned day of the first people.
    state: FacilityState = of("standing", "state")
    since: SinceText | None  #: A day from a file, or an observed time; null if unknown.
    reached: Step = of("standing", "reached")  #: The furthest step, whatever the facility does now.
    #: Whether hosts carry it, and one verification proved all pulled paths of the signed content at level 7. The
    #: present state is in `up_now`.
    connected: bool = of("standing", "is_connected")
    #: The time of the first such proof, also of an earlier signed content. It is compared with the deadline.
    connected_at: MomentText | None
    cameras: Count = of("pictures", "cameras")  #: The number in its file.
    #: Whether all its cameras are up, by the last verification that checked it in the last 24 hours. Null if unknown,
    #: or if no host carries it.
    up_now: bool | None = of("pictures", "is_up")
    cameras_up: Count | None  #: Cameras that are up; null without a check.
    cameras_down: Count | None  #: Checked, and not up.
    cameras_unknown: Count = of("pictures", "unknown")  #: Carried by hosts, but not checked.
    looked_at: Moment | None  #: The time of that verification.
    last_proved: Moment | None  #: The last time that all its pulled paths were up at level 7.
    down_since: Moment | None  #: The first later verification with a path that was not up; null while all are up.
    claimed_connection: ClaimedConnection | None = of("claimed")  #: Null once a run has proved a connection.
    recorders: Count = of("facility", "recorders")  #: The number in its file.
    surveyed_cameras: SurveyedCameras | None
    deadline: DutyRow | None = of("duty")  #: The earliest deadline that binds the facility.
    timeliness: Timeliness
    blocked: Blocked | None
    sign_offs: SignedRow
    warnings: tuple[OpeningRow, ...]
    next: Said  #: The next step.
    fields: Mapping[str, bool | int | str] | None = absent()  #: Values of its simple fields without a key of their own.
    #: Values of fields of each camera and recorder, by its id.
    devices: Mapping[str, Mapping[str, bool | int | str]] | None = absent()


def facility_values(status: FacilityStatus, name: str) -> Document:
    """Return the values of a facility's row that a status has differently."""
    lifecycle, facility, pictures = status.standing, status.facility, status.pictures
    worths = Counter(proof.worth for proof in facility.plan.proofs) if facility.plan else Counter[Worth]()
    return {
        "name": name,
        "since": since_text(lifecycle.since),
        "connected_at": since_text(lifecycle.connected_at),
        "cameras_up": pictures.up if pictures.look else None,
        "cameras_down": pictures.down if pictures.look else None,
        "looked_at": pictures.look and pictures.look.observed.at,
        "last_proved": pictures.last_proved and pictures.last_proved.at,
        "down_since": pictures.down_since and pictures.down_since.at,
        "surveyed_cameras": None if facility.survey_verdict is None else facility,
        "blocked": status.blocked if status.is_blocked else None,
        "sign_offs": {"signed": worths[Worth.SIGNED], "claimed": worths[Worth.CLAIMED]},
        "warnings": [status.opening] if status.opening else [],
        "fields": status.remarks.fields,
        "devices": status.remarks.devices,
    }


def since_text(since: Since) -> str | None:
    """Return a time with Vietnam's zone, a day, or `None`."""
    if isinstance(since, datetime):
        return local_iso(since)
    return str(since) if since else None


_PACKAGE_LINES: Final = {
    PackageState.HANDED_OUT: marked(
        "{sites}: a package was handed out that is not known to be installed: {names}; once it is: {command}"
    ),
    PackageState.EXPIRED: marked(
        "{sites}: the package that was handed out expired, and is not known to be installed: {names}; the next one"
        " is: {command}"
    ),
    PackageState.NOT_RECORDED: marked(
        "{sites}: which package is installed there is not recorded: {names}; the next one is: {command}"
    ),
}


def package_lines(packages: Iterable[PackageStatus], say: Translator = ENGLISH) -> Iterator[str]:
    """Yield lines about packages: outdated, uninstalled, expired, unrecorded."""
    listed = list(packages)
    yield from older_lines(listed, say)
    for state, line in _PACKAGE_LINES.items():
        names = [package.facility for package in listed if package.state is state]
        first = " ".join(names[:_MOST_SITES])
        installed = state is PackageState.HANDED_OUT
        command = f"gateway installed {first}" if installed else f"site-package {first} --out DIR"
        if names:
            yield say(line, **_of_sites(names, f"provisioner {command}", say))


def _of_sites(names: Sequence[str], command: str, say: Translator) -> dict[str, str]:
    return {"sites": say.counted(len(names), "site"), "names": some_of(names, say), "command": command}


def older_lines(packages: Iterable[PackageStatus], say: Translator = ENGLISH) -> Iterator[str]:
    """Yield lines about sites with an outdated package, by former relays."""
    outdated = (package for package in packages if package.state is PackageState.OLDER)
    older = gathered((package.former, package.facility) for package in outdated)
    for former, names in sorted(older.items()):
        values = _of_sites(names, f"provisioner site-package {' '.join(names[:_MOST_SITES])} --out DIR", say)
        if former:
            yield say(
                "{sites} may carry a package that names {relays} as it is not any more: {names}; next: {command}",
                relays=", ".join(former),
                **values,
            )
        else:
            yield say(
                "{sites} may carry a package that is older than the inventory: {names}; next: {command}", **values
            )


class HandedOutRow(Row):
    """The last package handed out."""

    at: Moment = of("observed", "at")
    run: str = of("observed", "run")
    by: str
    relays: tuple[Said, ...]
    takes_down: bool
    #: The last day on which it may be installed; null without such a day or a record of it.
    valid_until: Day | None = of("until")


class PackageRow(Row):
    """A site with the known state of its package."""

    facility: Said
    #: The package's state; `current` needs a statement of its installation, or a handshake of its tunnel.
    standing: PackageState = of("state")
    #: Relays that the package may still name, although the relay, its key or its address changed.
    former: tuple[Said, ...]
    wanted: tuple[Said, ...]  #: The relays that a new package would name; empty if the gateway has to be removed.
    handed_out: HandedOutRow | None
    installed_at: Moment | None  #: The time since which the gateway is known to have that package; null if unknown.
    command: str | None  #: The next command.


def package_row(package: PackageStatus) -> PackageRow:
    """Make the row of a site's package."""
    handed = package.handed and HandedOutRow.made_of(
        package.handed, relays=[named.relay for named in package.handed.relays]
    )
    installed = package.installed and package.installed.at
    return PackageRow.made_of(package, handed_out=handed, installed_at=installed, command=package.command or None)
