"""Boards that pages are tested with: two carriers, three provinces, names that mean harm, and a source of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final

from provisioner.desired.trust import ApprovalTerms, TermsRule
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import ApprovedChanges
from provisioner.inventory.outline import outlined
from provisioner.plan.guards.approvals import ApprovalNeed, StillNeeded
from provisioner.record.availability.measured import Measured, Span
from provisioner.record.availability.path_state import PathState, WorstOfDay
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, ProvedAt
from provisioner.record.lifecycle.site_packages import HandedPackage, NamedRelay, PackageState, PackageStatus
from provisioner.record.lifecycle.status import statuses
from provisioner.verify.document import recorded_verification
from provisioner.verify.watch_report import WatchReport
from provisioner.verify.work import Expiry, HostChanges, HostRow, RunRow, WaitingPlan, Work
from provisioner.web.board import Board, Merged, merged
from provisioner.web.source import Past, as_of, build_board, days_until
from tests import fleets, inventories
from tests.verified import DrawnNight

NOW: Final = datetime(2021, 5, 20, 1, 0, tzinfo=UTC)
AT: Final = NOW - timedelta(minutes=20)
HOSTILE: Final = "<script>alert(1)</script><img src=x onerror=alert(1)>\" ' & {{ 7*7 }}"
NAMES: Final = {
    "kcl-bg-001": "Trường THPT Đắk Lắk 1",
    "kcl-bg-002": HOSTILE,
    "kcl-hd-001": "Ký túc xá Hòa Bình",
    "kcl-qn-001": "Khách sạn Bến Tre",
    "kcl-qn-002": "Trung đoàn Quảng Nam",
}
SECRET_ADDRESS: Final = "192.168.1.77"  #: An address of a site's network: evidence that only those see who may.
_PROVINCES: Final = {"bg": "bac-giang", "hd": "hai-duong", "qn": "quang-nam"}


@cache
def inventory() -> Inventory:
    """Five facilities: three of viettel, two of vnpt, one of which is not carried yet."""
    facilities = []
    for id_, name in NAMES.items():
        province = _PROVINCES[id_.split("-")[1]]
        carrier = "vnpt" if province == "quang-nam" else "viettel"
        plan = fleets.facility(id_)["plan"] | {"carrier": carrier, "relay": f"relay-{carrier}-1"}
        facilities.append(fleets.facility(id_, 3, province=province, plan=plan) | {"name": name})
    facilities[-1]["operating"] = "standby"
    carriers = [inventories.carrier() | {"name": "Viettel"}, inventories.carrier("vnpt", 21) | {"name": "VNPT"}]
    places = [("bac-giang", "viettel"), ("hai-duong", "viettel"), ("quang-nam", "vnpt")]
    return inventories.inventory(
        carriers=carriers, facilities=facilities, designations=[inventories.designation(*place) for place in places]
    )


def document(at: datetime = AT) -> dict[str, Any]:
    """A verification: one camera of Bắc Giang unplugged, a site of Hải Dương down, all else up."""
    found = DrawnNight(inventory(), at, seed=-1, share=0).document()
    rows = {path["path"]: path for path in found["paths"]}
    camera = rows["bac-giang/kcl-bg-002/cam-01/sub"]
    site = [path for name, path in rows.items() if name.startswith("hai-duong/")]
    _break(
        camera, "camera unplugged", "camera", "kcl-bg-002/cam-01", f"the gateway finds no device at {SECRET_ADDRESS}"
    )
    for path in site:
        _break(path, "tunnel down", "tunnel", "kcl-hd-001", f"no handshake with {SECRET_ADDRESS} for 40 min")
    found["incidents"] = [_incident(camera), _incident(*site)]
    return found


def _break(path: dict[str, Any], cause: str, layer: str, what: str, detail: str) -> None:
    since = (AT - timedelta(hours=5)).isoformat()
    path |= {"verdict": "down", "cause": cause, "layer": layer, "object": what, "detail": detail, "passed": [1, 2]}
    path["failing"] = {"since": since, "looks": 3, "confirmed": True}
    path["last_proof"] = {"level": 7, "at": (AT - timedelta(days=1)).isoformat(), "age_s": 86400}


def _incident(*paths: Mapping[str, Any]) -> dict[str, Any]:
    first = {key: paths[0][key] for key in ("layer", "object", "cause", "detail")}
    return first | {"paths": [path["path"] for path in paths]}


def read(*documents: Mapping[str, Any]) -> Merged:
    """What verifications say together."""
    return merged([recorded_verification(document) for document in documents])


def _run(number: int, operation: str = "apply", **values: Any) -> RunRow:
    at = AT - timedelta(hours=number)
    return RunRow(
        id=f"{at:%Y%m%dT%H%M%SZ}-{number:06x}",
        started=at,
        finished=at + timedelta(minutes=2),
        operation=operation,
        **{"state": "done", "who": "noc-7@controller", "tool": "1.2.3"} | values,
    )


def _package(facility: str, carrier: str, state: PackageState, until: date) -> PackageStatus:
    relay = NamedRelay(f"relay-{carrier}-1", "key", "198.51.100.7:51820", "100.64.0.1", "100.64.0.2")
    handed = HandedPackage(ProvedAt(AT, "run"), "noc-7", (relay,), "sha256:1", until=until)
    return PackageStatus(facility, state, handed=handed)


def _lacking(carrier: str) -> StillNeeded:
    rule = TermsRule(ApprovedChanges.ANY, "noc", 1)
    return StillNeeded(ApprovalNeed(rule, carrier, (f"relay-{carrier}-1",), ApprovalTerms(1, (rule,), ())), ())


_BOTH: Final = ("centre-hn", "relay-viettel-1", "relay-vnpt-1")
_APPROVED: Final = (("person-3 (noc)", "2021-05-19 17:00:00 +07:00"),)
#: Runs, hosts and waiting work of both carriers.
WORK: Final = Work(
    runs=(
        _run(1, state="unfinished", hosts=("relay-vnpt-1",)),
        _run(2, state="partial", hosts=_BOTH, plan=f"sha256:{7:064x}", approvals=_APPROVED, approval="MR 7"),
        _run(9, "site-package", facilities=("kcl-bg-001", "kcl-qn-001")),
        _run(30, "prune"),
    ),
    hosts=(
        HostRow(
            "relay-viettel-1",
            "viettel",
            most_paths=1000,
            outcome="answered",
            looked_at=AT,
            drift=(),
            compared_at=AT,
            engine="mediamtx 1.20.1",
            system="debian 12",
            readers=3,
        ),
        HostRow(
            "relay-vnpt-1",
            "vnpt",
            most_paths=500,
            outcome="unreachable",
            error="no route",
            looked_at=AT,
            drift=("+ path quang-nam/kcl-qn-001/cam-01/sub",),
            compared_at=AT - timedelta(days=1),
        ),
        HostRow("centre-hn", name="Trung tâm Hà Nội"),
    ),
    due=(
        Expiry(date(2021, 5, 19), "relay-viettel-1", "certificate", "viettel"),
        Expiry(date(2021, 6, 1), "kcl-qn-002", "gateway", "vnpt", "kcl-qn-002"),
    ),
    packages=(
        _package("kcl-bg-001", "viettel", PackageState.HANDED_OUT, date(2021, 6, 1)),
        _package("kcl-qn-001", "vnpt", PackageState.EXPIRED, date(2021, 5, 1)),
    ),
    plans=(
        WaitingPlan(
            "approvals/0000.plan.json",
            f"sha256:{8:064x}",
            {"relay-viettel-1": 3, "relay-vnpt-1": 40},
            "noc-7@controller",
            is_current=True,
            lacking=(_lacking("viettel"), _lacking("vnpt")),
        ),
    ),
)


@cache
def board(revision: str = "one") -> Board:
    """What one night showed."""
    whole = inventory()
    seen = {"bac-giang/kcl-bg-001/cam-01/sub": PathState("up", "", 7, AT - timedelta(days=9), 10, AT)}
    found = read(document())
    rows = statuses(outlined(whole), NO_EVIDENCE, NOW)
    return build_board(whole, rows, found, since=seen, revision=revision, work=WORK)


def watched(words: Mapping[tuple[str, str], str | None], at: datetime = NOW) -> WatchReport:
    """What a watch reports of paths, by path and relay; `silent` is a relay's, `None` of a path that it leaves out."""
    relays: dict[tuple[str, bool], dict[str, Any]] = {}
    for (path, host), word in words.items():
        silence = "host unreachable" if word == "silent" else None
        relay: dict[str, Any] = {"host": host, "known": at, "silence": silence, "paths": [], "still": []}
        relay = relays.setdefault((host, word == "silent"), relay)
        if word in {"up", "silent"}:
            relay["paths"].append(path)
        elif word is not None:
            fault = {"cause": "camera unplugged", "layer": "camera", "object": path.rpartition("/")[0]}
            relay["still"].append({"path": path, "verdict": word, "since": at - timedelta(minutes=4), **fault})
    return WatchReport.model_validate({"at": at, "limit": {}, "relays": list(relays.values())})


class StripedPast:
    """A past of which every path has one bad night, five days ago."""

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[WorstOfDay]]:
        """The last days of each path whose name begins so."""
        days = days_until(last, number)
        squares = [WorstOfDay(day, "down" if (last - day).days == _BAD else "up" if number else "") for day in days]
        return {path: squares for path in {row.name for row in board().paths} if path.startswith(prefix)}

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        """Of each path one day in ten was bad, and as long nobody looked."""
        tenth = int((span.until - span.begin).total_seconds() * 1_000_000) // 10
        shares = Measured(up=8 * tenth, down=tenth, unmeasured=tenth, outages=1)
        return {path: shares for path in {row.name for row in board().paths} if path.startswith(prefix)}

    def changes(self, run: RunRow) -> Mapping[str, HostChanges]:
        """Of each host of an apply two new paths, and a cause that names another host."""
        if run.operation != "apply":
            return {}
        cause = f"not started: 1 failed ({run.hosts[-1]}) before wave fleet"
        return {host: HostChanges(host, "not-started", cause, "path +2 ~1") for host in run.hosts}


_BAD: Final = 5


@dataclass
class GivenSource:
    """A source of boards that a test changes."""

    now_shown: Board = field(default_factory=board)
    past: Past = field(default_factory=StripedPast)
    reports: tuple[WatchReport, ...] = ()
    now: datetime = NOW

    def mark(self) -> str:
        """The board's revision."""
        return self.now_shown.revision

    def load(self) -> Board:
        """The board."""
        return self.now_shown

    def joined(self, recorded: Board, shown: Board | None) -> Board:
        """The board with the reports."""
        return as_of(recorded, self.now, self.reports, (), shown)
