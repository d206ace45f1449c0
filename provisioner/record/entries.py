"""What is recorded of a run, its canonical text, and the hash that chains it to the one before. Pure.

A run leaves two entries: `begun` before it touches anything, `ended` with what became of it. A run that only began was
killed, or runs now: what its hosts hold is not known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NotRequired, TypedDict, cast

from provisioner.base.text import Document, aware, canonical_text
from provisioner.record.availability.verdict_table import SweptPaths


class EntryKind(StrEnum):
    """Which of a run's two entries it is."""

    BEGUN = "begun"
    ENDED = "ended"


class Operation(StrEnum):
    """What kind of run it is."""

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


OF_PACKAGES = frozenset({Operation.SITE_PACKAGE, Operation.INSTALLED})
"""What was done with packages of sites: handed out, or said to be installed."""
OF_KEYS = frozenset({Operation.KEYS, Operation.ROTATE})
"""What draws pre-shared keys."""
OF_SINGLE_HOSTS = frozenset({Operation.KEYS, Operation.ADOPT, Operation.RELEASE, Operation.DECOMMISSION})
"""What is done to hosts by name, and recorded once it is done: whose they are, and that they have keys."""
CHANGING = frozenset({Operation.APPLY, Operation.ROLLBACK})
"""What takes a number on each host that it changes (`record.leases`)."""
_HOST = "host="


def of_facilities(facilities: Iterable[str]) -> tuple[str, ...]:
    """Facilities as the texts of a limit, for a run that is of them alone."""
    return tuple(f"facility={facility}" for facility in sorted(facilities))


def of_hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    """Hosts as the texts of a limit, for a run that is of them alone."""
    return tuple(f"{_HOST}{host}" for host in sorted(hosts))


@dataclass(frozen=True, slots=True)
class FacilityCheck:
    """What one verification showed of a facility's pulled paths on one relay.

    Attributes:
        content: the hash of the facility's signed content, of which these are the paths.
        at: when the last of its paths was checked.
        pulled: how many paths are always pulled (`sub`), whatever a limit left out.
        checked: of how many of them this run came to know anything; a limit leaves others out.
        proved: how many were up at level 7.
    """

    facility: str
    content: str
    relay: str
    at: datetime
    pulled: int
    checked: int
    proved: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What one run showed a host to hold.

    Attributes:
        at: the earliest moment at which that may have been seen: a verification that began before a change of the
            host was over does not overrule it.
        held: the hash of each facility's content, by the facility's id; None where the run left it unknown. The hash
            is empty where something of the facility is there that is not as its file says.
        exact: whether the host was as desired in all else, too, so that of no other facility anything is left.
    """

    host: str
    at: datetime
    held: Mapping[str, str] | None
    exact: bool = False

    @property
    def held_digest(self) -> str | None:
        """The hash of what it holds; None where that is not known."""
        return None if self.held is None else digest(canonical(dict(self.held)))


@dataclass(frozen=True, slots=True)
class RecordedApproval:
    """An approval that counted when a run began.

    Attributes:
        approver: the person's id.
        roles: as what it was given.
        key: the fingerprint of the key that signed it.
        at: when it was signed, by the signer's clock, in UTC.
        meaning: what the plan does, as a digest: that is what was signed.
        plan: the digest of the plan that was read for it.
    """

    approver: str
    roles: tuple[str, ...]
    key: str
    at: str
    meaning: str
    plan: str

    @property
    def document(self) -> dict[str, object]:
        """The approval as entries and documents have it."""
        return {**asdict(self), "roles": list(self.roles)}


@dataclass(frozen=True, slots=True)
class Run:
    """A run: what it is of.

    Attributes:
        started: when it began, with its zone.
        commit: the inventory's commit, empty outside Git.
        digest: the digest of the inventory's content.
        plan: the plan's digest, empty where there is none.
        who: the user, the machine and the job.
        tool: this program's version.
        limit: `KIND=NAME` texts; empty where all was chosen.
        approvals: those that its plan needed.
    """

    id: str
    operation: Operation
    started: datetime
    commit: str
    digest: str
    who: Mapping[str, str]
    tool: str
    plan: str = ""
    limit: tuple[str, ...] = ()
    approvals: tuple[RecordedApproval, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """Up to which moment what is kept of runs leaves the history; None leaves none of the class.

    Attributes:
        documents: of documents of verifications.
        verdicts: of verdicts on paths.
    """

    documents: datetime | None = None
    verdicts: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a run.

    Attributes:
        document: the command's own JSON document, of which a long list may be made while it is written down; no secret
            is ever in one.
        holdings: what hosts were shown to hold; of a host that is not named nothing new is known.
        checks: what was shown of facilities.
        swept: what was seen of each path.
        cut: what left the history.
    """

    finished: datetime
    outcome: str
    document: Mapping[str, object] | None = None
    holdings: tuple[Holding, ...] = ()
    checks: tuple[FacilityCheck, ...] = ()
    swept: SweptPaths | None = None
    cut: Cut | None = None


class InventoryVersion(TypedDict):
    """Of which inventory a run is: its commit, and the digest of its content."""

    commit: str
    digest: str


class RunContent(TypedDict):
    """What both entries of a run say."""

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


class BegunContent(RunContent):
    """What the first entry of a run says; `intent` is the hash of all that the run is about to do."""

    hosts: list[str]
    intent: NotRequired[str]


class EndedContent(RunContent):
    """What the last entry of a run says.

    `verdicts` is the hash of what is kept of each path, `cut` up to which moments what is kept of runs has left.
    """

    outcome: str
    document: str | None
    checks: str
    holdings: dict[str, list[str | bool | None]]
    verdicts: NotRequired[str]
    cut: NotRequired[dict[str, str | None]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as the history has it; without an ending it was killed, or runs now.

    Attributes:
        intent: the hash of what it was about to do; empty where it was recorded without one.
    """

    run: Run
    finished: datetime | None = None
    outcome: str = ""
    hosts: tuple[str, ...] = field(default=())
    intent: str = ""

    @property
    def done_to(self) -> tuple[str, ...]:
        """The hosts that it was about to change, or that it is of by name."""
        if self.run.operation not in OF_SINGLE_HOSTS:
            return self.hosts
        return tuple(text.removeprefix(_HOST) for text in self.run.limit)


def last_verifications(runs: Iterable[Recorded]) -> tuple[Recorded, ...]:
    """The verifications that together have the last word on every path, the newest first, down to one of all.

    Args:
        runs: the newest runs, in any order.
    """
    ended = [(one.finished, one) for one in runs if one.finished and one.run.operation is Operation.VERIFY]
    newest = [one for _, one in sorted(ended, key=lambda pair: (pair[0], pair[1].run.id), reverse=True)]
    whole = next((place for place, one in enumerate(newest) if not one.run.limit), len(newest))
    return tuple(newest[: whole + 1])


# --- text and hash --------------------------------------------------------------------------------


def canonical(value: object) -> str:
    """A plain value as one text, the same for equal values."""
    return canonical_text(value)


def digest(text: str) -> str:
    """The hash of a text, as `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def genesis(inventory: str) -> str:
    """What stands for the entry before the first: a chain cannot pass for another inventory's."""
    return digest(f"provisioner history of {inventory}")


def linked(previous: str, content: str) -> str:
    """An entry's hash: over its content and the hash of the entry before."""
    return digest(f"{previous}\n{content}")


def moment_text(moment: datetime) -> str:
    """A moment as entries have it, to the microsecond, in UTC."""
    return aware(moment).astimezone(UTC).isoformat(timespec="microseconds")


def begun_content(run: Run, hosts: Iterable[str], intent: str = "") -> BegunContent:
    """What the first entry of a run says: `hosts` are those that it is about to change, `intent` a hash of how."""
    content = {**_run_content(run, EntryKind.BEGUN, run.started), "hosts": sorted(hosts)}
    return cast("BegunContent", content | {"intent": intent} if intent else content)


def ended_content(run: Run, ending: Ending, verdicts: str = "", document: str | None = None) -> EndedContent:
    """What the last entry of a run says; large parts stand elsewhere, and their hashes here."""
    content = {
        **_run_content(run, EntryKind.ENDED, ending.finished),
        "outcome": ending.outcome,
        "document": document,
        "checks": checks_digest(ending.checks),
        "holdings": {h.host: [moment_text(h.at), h.held_digest, h.exact] for h in ending.holdings},
    }
    kept = {"verdicts": verdicts} if verdicts else {}
    return cast("EndedContent", content | kept | ({"cut": _cut_content(ending.cut)} if ending.cut else {}))


def _cut_content(cut: Cut) -> dict[str, str | None]:
    moments = {"documents": cut.documents, "verdicts": cut.verdicts}
    return {name: moment_text(at) if at else None for name, at in moments.items()}


def cut_of(content: EndedContent) -> Cut:
    """What an entry says that left.

    Raises:
        TypeError, ValueError, LookupError: it is not as entries are.
    """
    plain = content["cut"]
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
        content["approvals"] = [one.document for one in run.approvals]
    return content


def checks_digest(checks: Iterable[FacilityCheck]) -> str:
    """The hash of a verification's checks, in whatever order they come."""
    rows = sorted([c.facility, c.relay, c.content, moment_text(c.at), c.pulled, c.checked, c.proved] for c in checks)
    return digest(canonical(rows))


def recorded_of(begun: BegunContent | None, ended: EndedContent | None) -> Recorded:
    """A run out of its entries, of which there is one at least."""
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
        approvals=tuple(RecordedApproval(**one | {"roles": tuple(one["roles"])}) for one in entry.get("approvals", ())),
    )
    hosts, intent = (tuple(begun["hosts"]), begun.get("intent", "")) if begun else ((), "")
    if ended is None:
        return Recorded(run, hosts=hosts, intent=intent)
    return Recorded(run, datetime.fromisoformat(ended["at"]), ended["outcome"], hosts, intent)
