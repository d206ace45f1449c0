"""Entries of runs: content, canonical text, hash. Pure.

A run leaves two entries: `begun` before it changes anything, and `ended` with the outcome. A run without `ended` was
killed or still runs; the content of its hosts is unknown.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NotRequired, TypedDict, cast

from provisioner.base.document import Digest, Row
from provisioner.base.text import Document, aware, canonical_text, local_time
from provisioner.record.availability.path_state import SweptPaths


class EntryKind(StrEnum):
    """The first or the last entry of a run."""

    BEGUN = "begun"
    ENDED = "ended"


class Operation(StrEnum):
    """The kind of a run."""

    APPLY = "apply"
    VERIFY = "verify"
    ROLLBACK = "rollback"
    PRUNE = "prune"
    KEYS = "keys"
    ADOPT = "adopt"
    RELEASE = "release"
    DECOMMISSION = "decommission"
    SITE_PACKAGE = "site-package"
    INSTALLED = "gateway-installed"
    ROTATE = "keys-rotate"


#: Runs that hand out site packages or report them as installed.
OF_PACKAGES = frozenset({Operation.SITE_PACKAGE, Operation.INSTALLED})
OF_KEYS = frozenset({Operation.KEYS, Operation.ROTATE})  #: Runs that draw pre-shared keys.
#: Runs about named hosts, recorded when they end: ownership of hosts, and their keys.
OF_SINGLE_HOSTS = frozenset({Operation.KEYS, Operation.ADOPT, Operation.RELEASE, Operation.DECOMMISSION})
#: Runs that take an epoch on each host they change (`record.leases`).
CHANGING = frozenset({Operation.APPLY, Operation.ROLLBACK})
_HOST = "host="


def of_facilities(facilities: Iterable[str]) -> tuple[str, ...]:
    """Return facilities as the texts of a limit."""
    return tuple(f"facility={facility}" for facility in sorted(facilities))


def of_hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    """Return hosts as the texts of a limit."""
    return tuple(f"{_HOST}{host}" for host in sorted(hosts))


@dataclass(frozen=True, slots=True)
class JournalStep:
    """A line of a run's journal."""

    host: str  #: Empty for the whole run.
    step: str  #: `run`, `wave`, `start`, `armed`, `gate`, `confirm`, `abort`, `end`, …
    state: str  #: `begin` before the step, `done` or the result after it.
    #: Plain values: causes, seconds, digests; no secrets or personal data.
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event(JournalStep):
    """A recorded step of a run."""

    at: datetime = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class FacilityCheck:
    """One verification's result for a facility's paths on one relay."""

    facility: str
    content: str  #: The hash of the facility's signed content, which defines the paths.
    relay: str
    at: datetime  #: The time of the last check of a path.
    pulled: int  #: The number of paths that are always pulled (`sub`), whatever the limit.
    checked: int  #: The number of paths with a result.
    proved: int  #: The number of paths up at level 7.


@dataclass(frozen=True, slots=True)
class Holding:
    """The facilities that one run found on a host."""

    host: str
    #: The earliest possible time of the observation. A verification that began before a change of the host ended does
    #: not overrule that change.
    at: datetime
    #: The hash of each facility's content, by the facility's id; `None` if the run left the content unknown. The hash
    #: is empty if a part of the facility differs from its file.
    held: Mapping[str, str] | None
    #: Whether everything else on the host was as desired, too, so that no other facility has remains there.
    exact: bool = False

    @property
    def frozen_digest(self) -> str | None:
        """The hash of the content, or `None` if the content is unknown."""
        return None if self.held is None else digest(canonical_text(dict(self.held)))


class RecordedApproval(Row):
    """An approval by which the plan was applied."""

    approver: str
    roles: tuple[str, ...]
    key: str  #: The fingerprint of the key that signed it.
    at: str  #: When it was signed, by the signer's clock, in UTC.
    meaning: Digest
    plan: Digest  #: The plan that was read for it.

    @property
    def local_at(self) -> str:
        """The signing time by Vietnam's clock, or the recorded text."""
        try:
            return local_time(datetime.fromisoformat(self.at))
        except ValueError:
            return self.at


@dataclass(frozen=True, slots=True)
class Run:
    """The identity of a run."""

    id: str
    operation: Operation
    started: datetime
    commit: str  #: The inventory's commit; empty outside Git.
    digest: str  #: The digest of the inventory's content.
    who: Mapping[str, str]  #: User, machine and job.
    tool: str  #: This program's version.
    plan: str = ""  #: The plan's digest; empty without a plan.
    limit: tuple[str, ...] = ()  #: `KIND=NAME` texts; empty for everything.
    approvals: tuple[RecordedApproval, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """Times before which data leaves the history; `None` keeps a class."""

    documents: datetime | None = None
    verdicts: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """The outcome of a run."""

    finished: datetime
    outcome: str
    #: The command's JSON document, without secrets. A long list may be generated while it is written.
    document: Mapping[str, object] | None = None
    holdings: tuple[Holding, ...] = ()  #: A host that is left out keeps its last known state.
    checks: tuple[FacilityCheck, ...] = ()
    swept: SweptPaths | None = None  #: The verdict on each path.
    cut: Cut | None = None


class InventoryVersion(TypedDict):
    """The inventory's commit and the digest of its content."""

    commit: str
    digest: str


class RunContent(TypedDict):
    """The common content of a run's two entries."""

    run: str
    step: str
    at: str
    operation: str
    started: str
    inventory: InventoryVersion
    plan: str
    who: dict[str, str]
    tool: str
    limit: list[str]
    approvals: NotRequired[list[Document]]


class StartContent(RunContent):
    """The first entry's content; `intent` is the hash of the planned work."""

    hosts: list[str]
    intent: NotRequired[str]


class EndedContent(RunContent):
    """The last entry's content, with the hash of verdicts and the cut."""

    outcome: str
    document: str | None
    checks: str
    holdings: dict[str, list[str | bool | None]]
    verdicts: NotRequired[str]
    cut: NotRequired[dict[str, str | None]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run in the history; without an end: killed, or still running."""

    run: Run
    finished: datetime | None = None
    outcome: str = ""
    hosts: tuple[str, ...] = field(default=())
    intent: str = ""  #: The hash of the planned work, or empty.

    @property
    def done_to(self) -> tuple[str, ...]:
        """The hosts that the run meant to change, or that it names."""
        if self.run.operation not in OF_SINGLE_HOSTS:
            return self.hosts
        return tuple(text.removeprefix(_HOST) for text in self.run.limit)


def last_verifications(runs: Iterable[Recorded]) -> tuple[Recorded, ...]:
    """Return the newest verifications, down to the first without a limit."""
    ended = [
        (recorded.finished, recorded)
        for recorded in runs
        if recorded.finished and recorded.run.operation is Operation.VERIFY
    ]
    newest = [recorded for _, recorded in sorted(ended, key=lambda pair: (pair[0], pair[1].run.id), reverse=True)]
    last = next((index for index, recorded in enumerate(newest) if not recorded.run.limit), len(newest))
    return tuple(newest[: last + 1])


# --- text and hash --------------------------------------------------------------------------------
def digest(text: str) -> str:
    """Return a text's hash: `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def genesis(inventory: str) -> str:
    """Return the hash before the first entry, different for each inventory."""
    return digest(f"provisioner history of {inventory}")


def linked(previous: str, content: str) -> str:
    """Return an entry's hash, over its content and the previous entry's hash."""
    return digest(f"{previous}\n{content}")


def moment_text(moment: datetime) -> str:
    """Return a time as entries have it: in UTC, to the microsecond."""
    return aware(moment).astimezone(UTC).isoformat(timespec="microseconds")


def start_content(run: Run, hosts: Iterable[str], intent: str = "") -> StartContent:
    """Return the first entry's content: changing hosts, hash of the planned work."""
    content = {**_run_content(run, EntryKind.BEGUN, run.started), "hosts": sorted(hosts)}
    return cast("StartContent", content | {"intent": intent} if intent else content)


def ended_content(run: Run, ending: Ending, verdicts: str = "", document: str | None = None) -> EndedContent:
    """Return the last entry's content; large parts stand as hashes."""
    content = {
        **_run_content(run, EntryKind.ENDED, ending.finished),
        "outcome": ending.outcome,
        "document": document,
        "checks": checks_digest(ending.checks),
        "holdings": {h.host: [moment_text(h.at), h.frozen_digest, h.exact] for h in ending.holdings},
    }
    verdict_part = {"verdicts": verdicts} if verdicts else {}
    return cast("EndedContent", content | verdict_part | ({"cut": _cut_content(ending.cut)} if ending.cut else {}))


def _cut_content(cut: Cut) -> dict[str, str | None]:
    moments = {"documents": cut.documents, "verdicts": cut.verdicts}
    return {name: moment_text(at) if at else None for name, at in moments.items()}


def cut_of(content: EndedContent) -> Cut:
    """Return an entry's cut, or raise an error of `DAMAGE`."""
    plain = content.get("cut", {})
    return Cut(*(datetime.fromisoformat(at) if (at := plain[name]) else None for name in ("documents", "verdicts")))


def _run_content(run: Run, step: EntryKind, at: datetime) -> RunContent:
    content: RunContent = {
        "run": run.id,
        "step": step.value,
        "at": moment_text(at),
        "operation": run.operation.value,
        "started": moment_text(run.started),
        "inventory": {"commit": run.commit, "digest": run.digest},
        "plan": run.plan,
        "who": dict(run.who),
        "tool": run.tool,
        "limit": list(run.limit),
    }
    if run.approvals:
        content["approvals"] = [approval.plain for approval in run.approvals]
    return content


def checks_digest(checks: Iterable[FacilityCheck]) -> str:
    """Return the hash of a verification's checks, whatever their order."""
    rows = sorted([c.facility, c.relay, c.content, moment_text(c.at), c.pulled, c.checked, c.proved] for c in checks)
    return digest(canonical_text(rows))


def recorded_of(begun: StartContent | None, ended: EndedContent | None) -> Recorded:
    """Make a run from its entries; at least one is needed."""
    entry = ended or begun
    if entry is None:
        raise ValueError("a run has an entry")
    run = Run(
        id=entry["run"],
        operation=Operation(entry["operation"]),
        started=datetime.fromisoformat(entry["started"]),
        commit=entry["inventory"]["commit"],
        digest=entry["inventory"]["digest"],
        who=entry["who"],
        tool=entry["tool"],
        plan=entry["plan"],
        limit=tuple(entry["limit"]),
        approvals=tuple(map(RecordedApproval.model_validate, entry.get("approvals", ()))),
    )
    hosts, intent = (tuple(begun["hosts"]), begun.get("intent", "")) if begun else ((), "")
    if ended is None:
        return Recorded(run, hosts=hosts, intent=intent)
    return Recorded(run, datetime.fromisoformat(ended["at"]), ended["outcome"], hosts, intent)
