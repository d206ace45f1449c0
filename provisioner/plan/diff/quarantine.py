"""Paths that are out of a relay's file since their devices refuse the password: as desired until that changes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from provisioner.base.json_document import Document
from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.facts import HostFacts
from provisioner.plan.changes import NOBODY, Action, Change, Impact
from provisioner.plan.diff.comparison import Comparison, owner_of_path
from provisioner.render.quote import source_head


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A path that a relay does not pull, since its device refuses the password.

    Attributes:
        device: the address and port in the tunnel that refused.
        since: the moment, by the host's clock.
        renewed: whether the inventory has another login for it by now: the next apply brings it back.
        lifted: whether somebody asks for it to be tried again with the same one.
        until: where that other login is the new one of a change, the last day on which the old one is taken as well.
    """

    host: str
    path: str
    province: str
    facility: str
    device: str
    since: datetime
    renewed: bool = False
    lifted: bool = False
    until: date | None = None

    @property
    def why(self) -> str:
        """What is so, in words."""
        return f"quarantined since {self.since_text}: {self.device} refuses its password, and is not asked any more"

    @property
    def since_text(self) -> str:
        """Since when, as documents have it."""
        return self.since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def next_step(self) -> str:
        """What is to be done about it."""
        if self.renewed and self.until:
            return f"its login is under change until {self.until}: provisioner apply tries the new one"
        if self.renewed:
            return "the inventory has another login for it: provisioner apply brings it back"
        if self.lifted:
            return "it is asked again"
        return "correct the password in secrets/ and apply, or have it tried again: provisioner quarantine lift"

    @property
    def document(self) -> Document:
        """The path as documents have it."""
        return {
            "host": self.host,
            "path": self.path,
            "province": self.province,
            "facility": self.facility,
            "device": self.device,
            "since": self.since_text,
            "renewed": self.renewed,
        }


def quarantined_on(spec: HostSpec, facts: HostFacts) -> dict[str, Quarantined]:
    """The paths that a host has in quarantine, by name."""
    if not facts.quarantine:
        return {}
    wanted = {path.name: path for path in spec.paths if path.name in facts.quarantine}
    asked_again = {facts.quarantine[name].login for name in spec.lifted if name in facts.quarantine}
    listed = {}
    for name, one in sorted(facts.quarantine.items()):
        path = wanted.get(name)
        province, facility = (path.province, path.facility) if path else owner_of_path(name)
        renewed = path is not None and _login_digest(spec, path) != one.login
        lifted = not renewed and one.login in asked_again
        change = path.login_change if path else None
        until = change.until if change and renewed else None
        listed[name] = Quarantined(spec.id, name, province, facility, one.device, one.since, renewed, lifted, until)
    return listed


def _login_digest(spec: HostSpec, path: MediaPath) -> str:
    """The digest of what a device is asked with, as the on-host program computes it; empty where none is asked."""
    if path.source is None:
        return ""
    return keyed_digest(spec.digest_key, source_head(path.source).partition("://")[2].encode())


def with_quarantine(at: Comparison, changes: Iterator[Change]) -> Iterator[Change]:
    """Changes of paths, those of quarantined ones with what they mean there: nobody watches what is not pulled."""
    out = quarantined_on(at.spec, at.facts)
    for change in changes:
        one = out.get(change.name)
        yield change if one is None else _meant(change, one)


def _meant(change: Change, one: Quarantined) -> Change:
    if not change.pending and one.lifted:
        reason = f"its quarantine since {one.since_text} is lifted: {one.device} is asked again with the same password"
        return change._replace(action=Action.UPDATE, impact=Impact.HOT, reason=reason)
    if not change.pending:
        return change._replace(reason=f"{one.why}; {one.next_step}")
    if change.action is not Action.UPDATE:
        return change._replace(reason=f"{change.reason}; it is {one.why}", cut=NOBODY)
    back = one.renewed or one.lifted
    after = "it comes back from quarantine" if back else f"it stays {one.why}"
    return change._replace(impact=Impact.HOT if back else Impact.NONE, reason=f"{change.reason}; {after}", cut=NOBODY)
