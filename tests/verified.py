"""What verifications of an inventory might have found, drawn by chance: documents as runs record them, and nights."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from provisioner.inventory.model.devices import StreamName
from provisioner.inventory.model.facility import path_name
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.signed import signed_content
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.entries import Ending, FacilityCheck, Operation, Run
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history

_LEVELS: Final = {"up": (1, 2, 3, 4, 5, 6, 7), "degraded": (2, 3, 4, 5, 6, 7), "unknown": (), "quarantined": (1, 2)}
_SITES: Final = (
    ("down", "tunnel down", "tunnel", "no handshake with the site's gateway for 40 min", (1,)),
    ("down", "site network down", "site", "the gateway answers and reaches none of its devices", (1, 2)),
    ("degraded", "starved", "site", "3 s came of 10 s", (1, 2, 3, 4, 5)),
)
_CAMERAS: Final = (
    ("down", "camera refuses", "100.64.3.7:10554 refuses the connection: the device runs, and its RTSP is off", (1, 2)),
    ("down", "camera unplugged", "the gateway finds no device at 192.168.1.33", (1, 2)),
    ("down", "black picture", "the mean of all points is 2 of 255", (1, 2, 3, 4, 5)),
    ("degraded", "picture differs", "h264 352x288 instead of h264 640x360", (1, 2, 3, 4, 5, 6, 7)),
    ("quarantined", "wrong password", "the device refuses the login", (1, 2, 3)),
    ("unknown", "not checked", "there was no time left for it", ()),
)


@dataclass
class DrawnNight:
    """One verification of all paths."""

    inventory: Inventory  #: Of what.
    at: datetime  #: When it ended.
    seed: int = 1  #: Of all that is drawn.
    #: Since when what is broken is so, by path; of those that are not here, since `at`.
    since: Mapping[str, datetime] = field(default_factory=dict)
    share: float = 0.015  #: How many of all cameras are broken, and two thirds as many sites.

    def document(self) -> dict[str, Any]:
        """The document, as `provisioner verify --output json` prints it."""
        paths = [path for part in self._facilities() for path in part]
        groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
        for path in paths:
            if path["cause"]:
                groups[path["layer"], path["object"], path["cause"]].append(path)
        counts: dict[str, int] = defaultdict(int)
        for path in paths:
            counts[path["verdict"]] += 1
        return {
            "schema": "provisioner/verify",
            "version": 1,
            "engine": "mediamtx 1.20.1",
            "started_at": _time(self.at - timedelta(minutes=4)),
            "finished_at": _time(self.at),
            "summary": {"paths": len(paths), **counts},
            "paths": paths,
            "incidents": [
                {"layer": layer, "object": name, "cause": cause, "detail": own[0]["detail"]}
                | {"paths": [path["path"] for path in own]}
                for (layer, name, cause), own in sorted(groups.items())
            ],
        }

    def _facilities(self) -> Iterator[list[dict[str, Any]]]:
        for connection in self.inventory.connections:
            facility = connection.facility
            chance = random.Random(f"{self.seed}/{facility.id}")  # noqa: S311 (nothing is kept secret by it)
            whole = _SITES[chance.randrange(3)] if chance.random() < self.share * 2 / 3 else None
            rows = []
            for camera in facility.cameras:
                name = path_name(facility, camera, StreamName.SUB)
                broken: tuple[str, str, str, str, str, tuple[int, ...]] = ("up", "", "", "", "", _LEVELS["up"])
                if whole:
                    verdict, cause, layer, detail, passed = whole
                    broken = verdict, cause, layer, facility.id, detail, passed
                elif chance.random() < self.share:
                    verdict, cause, detail, levels = _CAMERAS[chance.randrange(len(_CAMERAS))]
                    broken = verdict, cause, "camera", f"{facility.id}/{camera.id}", detail, levels
                rows.append(self._path(name, connection.plan.carrier, connection.plan.relay, broken))
            yield rows

    def _path(
        self, name: str, carrier: str, relay: str, broken: tuple[str, str, str, str, str, tuple[int, ...]]
    ) -> dict[str, Any]:
        verdict, cause, layer, what, detail, passed = broken
        province, facility, camera, _ = name.split("/")
        fails = verdict not in {"up", "unknown"}
        since = self.since.get(name, self.at)
        return {
            "path": name,
            "carrier": carrier,
            "province": province,
            "facility": facility,
            "camera": camera,
            "relay": relay,
            "verdict": verdict,
            "level": max(passed, default=0),
            "cause": cause,
            "checked_at": _time(self.at) if verdict != "unknown" else None,
            "passed": list(passed),
            "layer": layer or None,
            "object": what,
            "detail": detail,
            "failing": {"since": _time(since), "looks": 2, "confirmed": True} if fails else None,
            "last_proof": {"level": 7, "at": _time(since - timedelta(days=1)), "age_s": 86400} if fails else None,
            "maintenance": None,
            "picture": None,
            "to_look_at": [],
            "reference": None,
        }

    def record(self, place: StateFolder, *, document: bool = True) -> str:
        """Record it as a run: the run's id."""
        found = self.document()
        run = Run(f"{self.at:%Y%m%dT%H%M%SZ}-{self.seed:04d}", Operation.VERIFY, self.at, "", "", {}, "test")
        kept = {one["path"]: StoredVerdict(one["verdict"], one["cause"], one["level"]) for one in found["paths"]}
        carriers = {one["path"]: one["carrier"] for one in found["paths"]}
        ending = Ending(
            self.at,
            "not-up",
            document=found if document else None,
            checks=tuple(self._checks(found)),
            swept=SweptPaths(kept, carriers),
        )
        with closing(open_history(place)) as history:
            history.end(run, ending)
        return run.id

    def _checks(self, found: Mapping[str, Any]) -> Iterator[FacilityCheck]:
        proved: dict[str, list[bool]] = defaultdict(list)
        for path in found["paths"]:
            proved[path["facility"]].append(path["verdict"] == "up")
        for connection in self.inventory.connections:
            facility, looks = connection.facility, proved[connection.facility.id]
            content = signed_content(facility, connection.plan)
            yield FacilityCheck(
                facility.id, content, connection.plan.relay, self.at, len(looks), len(looks), sum(looks)
            )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
