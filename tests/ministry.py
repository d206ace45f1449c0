"""Controllers that report to a view: their keys, their reports, and chains of these."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provisioner.base.text import canonical_json
from provisioner.inventory.model.facility import FacilityKind, Operating
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.ministry import bundle
from provisioner.ministry.bundle import PathCount, ReportedFacility, ReportKind
from provisioner.record.lifecycle.state import FacilityState
from provisioner.verify.result import Cause, Layer

NOW: Final = datetime(2021, 6, 15, 2, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DOWN: Final = (Cause.CAMERA_UNPLUGGED, Layer.CAMERA)


def key_of(name: str) -> Ed25519PrivateKey:
    """A controller's key; everybody can make it."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public_line(name: str) -> str:
    """The line of that key's `.pub` file."""
    return key_of(name).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def names_of(*owners: str) -> dict[str, Any]:
    """The public keys of these owners, by the key's name."""
    return {bundle.key_name(public): public for public in (key_of(owner).public_key() for owner in owners)}


def facility(id_: str = "kcl-bg-001", *, up: int = 4, down: int = 0, **changes: Any) -> ReportedFacility:
    """A facility with so many paths up and down, checked an hour before `NOW`."""
    at = NOW - HOUR
    counts = [PathCount("up", up, Cause.NONE, None, at)] if up else []
    counts += [PathCount("down", down, *DOWN, at)] if down else []
    connected = NOW - timedelta(days=20)
    plain: dict[str, Any] = {
        "id": id_,
        "name": f"Trường THPT {id_}",
        "province": "bac-giang",
        "scheme": ProvinceScheme.GSO_2021,
        "kind": FacilityKind.SCHOOL,
        "managing_body": ManagingBody.UBND_TINH,
        "operating": Operating.OPEN,
        "opens_on": None,
        "carrier": "viettel",
        "carriers": ("viettel",),
        "state": FacilityState.ACTIVE,
        "since": connected,
        "steps": {
            FacilityState.REGISTERED: None,
            FacilityState.PLAN_AGREED: date(2021, 5, 8),
            FacilityState.CONNECTED: connected,
        },
        "connected_at": connected,
        "signed": 1,
        "claimed": 2,
        "duty": bundle.DutyRow("1407/BTTTT-CVT", date(2021, 5, 10)),
        "blocked": None,
        "claim": None,
        "survey": None,
        "cameras": up + down,
        "recorders": 0,
        "carried": True,
        "seen": bundle.CameraCount(up, down, at),
        "last_proved": at,
        "down_since": None,
        "paths": tuple(counts),
        "checked_at": at if up else None,
        "times": bundle.TimesRow(100, 0, 10, 0, 5, 1),
    }
    return ReportedFacility(**(plain | changes))


@dataclass
class Reporter:
    """A controller that reports; each report follows its last one."""

    inventory: str = "north"
    carrier: str = "viettel"
    key: str = ""  #: The owner of its key; empty for the inventory's name.
    sequence: int = 0
    hash: str | None = None
    digests: dict[str, str] = field(default_factory=dict)

    def report(
        self, facilities: Iterable[ReportedFacility], at: datetime = NOW - HOUR, *, changes: bool = False, **other: Any
    ) -> bytes:
        """The next bundle; `other` replaces values of the report before it is signed."""
        rows = sorted(facilities, key=lambda row: row.id)
        plain = bundle.ROWS.dump_python(rows, mode="json")
        digests = {row["id"]: bundle.row_digest(row) for row in plain}
        chosen = [row for row in rows if not changes or self.digests.get(row.id) != digests[row.id]]
        values: dict[str, Any] = {
            "inventory": self.inventory,
            "software": "provisioner test",
            "scheme": "gso-2021",
            "carriers": ({"id": self.carrier, "name": self.carrier.title()},),
            "orders": (
                {"ref": "1407/BTTTT-CVT", "issuer": "x", "issued_on": date(2021, 5, 6), "before": date(2021, 5, 10)},
            ),
            "sequence": self.sequence + 1,
            "previous": self.hash,
            "kind": ReportKind.CHANGES if changes else ReportKind.WHOLE,
            "at": at,
            "verified_at": at,
            "span_begin": NOW - timedelta(days=30),
            "span_until": NOW,
            "runs": 3,
            "unread": (),
            "facilities": tuple(chosen),
            "removed": tuple(sorted(self.digests.keys() - digests.keys())) if changes else (),
            "content": bundle.content_hash(digests),
        }
        canonical = canonical_json(bundle.ControllerReport(**values | other).plain)
        self.sequence, self.hash, self.digests = values["sequence"], bundle.report_hash(canonical), digests
        return bundle.sealed(canonical, key_of(self.key or self.inventory))


def signed(document: Mapping[str, Any], owner: str) -> bytes:
    """A bundle of whatever a document says."""
    return bundle.sealed(canonical_json(document), key_of(owner))


def opened(made: bytes, *owners: str) -> bundle.OpenedReport:
    """A bundle of one of these owners, read."""
    return bundle.opened(made, names_of(*owners))
