"""Nights as notices see them, drawn at random, and readers who look at them."""

from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.base.roles import BOUND_TO, ReaderRole, ReaderScope, Whereabouts
from provisioner.integrations.notify.news import DEVICE_ITEM, HOST_ITEM, NightItem, NightReport
from provisioner.inventory.model.receivers import Receiver, ReceiverKind
from provisioner.verify.result import Cause, Finding, Layer, Verdict

PROVINCES: Final = ("bac-giang", "hai-duong", "quang-nam")
CARRIERS: Final = ("viettel", "vnpt")
FIRST: Final = datetime(2021, 5, 20, 20, 0, tzinfo=UTC)
BAD: Final = [Verdict.DOWN, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.QUARANTINED]
CAUSES: Final = [Cause.TUNNEL_DOWN, Cause.WRONG_PASSWORD, Cause.SILENT]
FACILITIES: Final = tuple(f"kcl-{province}-{number}" for province in PROVINCES for number in (1, 2))


def province_of(facility: str) -> str:
    """The province of a facility of these nights."""
    return next(province for province in PROVINCES if province in facility)


def place_of(sight: NightItem) -> Whereabouts:
    """Whose a sight is."""
    return Whereabouts(province_of(sight.facility) if sight.facility else "", sight.facility, sight.carriers)


def path(facility: str, camera: int, carrier: str, verdict: Verdict, cause: Cause) -> NightItem:
    """A path; what it hangs on and its evidence name it, so that a leak of either is seen."""
    name = f"{province_of(facility)}/{facility}/cam-{camera}/sub"
    if verdict is Verdict.UP:
        return NightItem(name, f"relay-{carrier}", facility, frozenset({carrier}), verdict)
    layer, thing = (
        (Layer.TUNNEL, facility) if cause is Cause.TUNNEL_DOWN else (Layer.CAMERA, f"{facility}/cam-{camera}")
    )
    finding = Finding(cause, layer, thing, f"canary-{facility}-{carrier} <b>10.9.8.7</b>")
    return NightItem(name, f"relay-{carrier}", facility, frozenset({carrier}), verdict, finding)


def host(carrier: str, cause: Cause = Cause.DRIFT) -> NightItem:
    """A host that drifted."""
    name = f"relay-{carrier}"
    finding = Finding(cause, Layer.HOST, name, f"canary-{carrier} 10.9.8.7")
    return NightItem(f"{HOST_ITEM}{name}:{cause}", "", "", frozenset({carrier}), Verdict.DEGRADED, finding)


def device(facility: str, camera: int, carrier: str, cause: Cause = Cause.DEVICE_CLOCK_OFF) -> NightItem:
    """A device with which something is wrong by its own word."""
    name, whose = f"{facility}/cam-{camera}", frozenset({carrier})
    finding = Finding(cause, Layer.CAMERA, name, f"canary-{facility}-{carrier} 10.9.8.7")
    return NightItem(f"{DEVICE_ITEM}{name}:{cause}", "", facility, whose, Verdict.DEGRADED, finding)


_VERDICTS = st.sampled_from([Verdict.UP, Verdict.UP, *BAD])
_PATHS = st.builds(
    path, st.sampled_from(FACILITIES), st.integers(1, 3), st.sampled_from(CARRIERS), _VERDICTS, st.sampled_from(CAUSES)
)
SIGHTS = st.tuples(
    st.lists(_PATHS, max_size=14, unique_by=lambda sight: sight.key),
    st.lists(st.builds(host, st.sampled_from(CARRIERS)), max_size=2, unique_by=lambda sight: sight.key),
    st.lists(
        st.builds(device, st.sampled_from(FACILITIES), st.integers(1, 3), st.sampled_from(CARRIERS)),
        max_size=3,
        unique_by=lambda sight: sight.key,
    ),
).map(lambda kinds: (*kinds[0], *kinds[1], *kinds[2]))


def night(sights: tuple[NightItem, ...], number: int = 0) -> NightReport:
    """A night of some paths, hosts and devices; the later, the higher its number. All devices were asked."""
    asked = frozenset(f"{facility}/cam-{camera}" for facility in FACILITIES for camera in range(1, 10))
    at = FIRST + timedelta(days=number)
    return NightReport("example", f"run-{number}", at, sights, probed_devices=asked)


def _of(role: ReaderRole) -> st.SearchStrategy[ReaderScope]:
    names = {"province": PROVINCES, "carrier": CARRIERS, "facility": FACILITIES}
    bound = BOUND_TO.get(role)
    return st.builds(ReaderScope, st.just(role), st.sampled_from(names[bound]) if bound else st.just(""))


READERS = st.sampled_from(list(ReaderRole)).flatmap(_of)
LANGUAGES = st.sampled_from(list(Language))


def receiver(
    reader: ReaderScope, language: Language = Language.EN, kind: ReceiverKind = ReceiverKind.WEBHOOK
) -> Receiver:
    """A receiver that reads as somebody."""
    of = {BOUND_TO[reader.role]: reader.of} if reader.of else {}
    return Receiver.model_validate({"id": "noc", "kind": kind, "role": reader.role, "language": language, **of})
