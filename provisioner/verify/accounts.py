"""What devices told a relay of themselves by ONVIF, as evidence: parsed strictly, judged elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.hosts.document import Fields, UnreadableError

TOLD, SILENT, NO_ANSWER = "told", "silent", "wrong answer"
REFUSED, REFUSED_BEFORE, NOT_ASKED, NOT_RUN = "login refused", "login refused before", "not asked", "not run"
_OUTCOMES = frozenset({TOLD, SILENT, NO_ANSWER, REFUSED, REFUSED_BEFORE, NOT_ASKED, NOT_RUN})
_MOST_NAMES = 8
# The years 1970 to 2200, and no picture is larger.
_LATEST, _LARGEST = 7_258_118_400, 65_535


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """A device's clock as it was told between two moments of the relay's, in seconds since 1970.

    Attributes:
        utc: what it says of UTC; None where it does not.
        shown: what it shows people, as in its picture, as if that were UTC.
    """

    before: float
    after: float
    utc: int | None
    shown: int | None


@dataclass(frozen=True, slots=True)
class MediaProfileThere:
    """Whether a device has the media profile that it has to have, its size, and the names of those that it has."""

    there: bool
    size: tuple[int, int]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceAccount:
    """What came of asking one device; `detail` is what it did instead of telling."""

    outcome: str
    detail: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    clock: DeviceClock | None = None
    profile: MediaProfileThere | None = None


def accounts_in(relay: Fields) -> Mapping[str, DeviceAccount]:
    """The accounts in a relay's answer, by the devices' names; none where nobody was asked.

    Raises:
        UnreadableError: they cannot be read.
    """
    return {name: _account(one) for name, one in relay.named("onvif")} if relay.has("onvif") else {}


def _account(one: Fields) -> DeviceAccount:
    outcome = one.text("outcome")
    if outcome not in _OUTCOMES:
        raise UnreadableError(f"{one.place_of('outcome')} is none that is known")
    model, serial, firmware = (one.sentence(name, "").strip() for name in ("model", "serial", "firmware"))
    clock, profile = one.below_or_none("clock"), one.below_or_none("profile")
    return DeviceAccount(
        outcome=outcome,
        detail=one.sentence("detail", ""),
        model=model,
        serial=serial,
        firmware=firmware,
        clock=_clock(clock) if clock else None,
        profile=_profile(profile) if profile else None,
    )


def _clock(clock: Fields) -> DeviceClock:
    utc, shown = (_moment(clock, name) for name in ("utc", "shown"))
    before, after = clock.measure("before"), clock.measure("after")
    if not 0 <= before <= after <= _LATEST:
        raise UnreadableError(f"{clock.place} is no span of time")
    return DeviceClock(before, after, utc, shown)


def _moment(clock: Fields, name: str) -> int | None:
    moment = clock.number_or_none(name)
    if moment is not None and not 0 <= moment <= _LATEST:
        raise UnreadableError(f"{clock.place_of(name)} is in no year of this program's")
    return moment


def _profile(profile: Fields) -> MediaProfileThere:
    width, height = (min(profile.amount(side), _LARGEST) for side in ("width", "height"))
    return MediaProfileThere(profile.flag("there"), (width, height), profile.sentences("names", _MOST_NAMES))
