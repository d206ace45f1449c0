"""A plan as its file says it, without the vault: believed as far as its own digests bear it out. Pure.

Who reads a plan to approve it, or holds two of them side by side, may not have the vault's password, by which the seal
is proved. What hosts are to hold and what is to be done on them is bound by digests that need no key; who watches, and
why a policy refused, is the word of whoever made the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, NoReturn

from provisioner.base.errors import StalePlanError
from provisioner.base.json_document import Document
from provisioner.plan.basis import Basis, planned_digest
from provisioner.plan.changes import Action, Audience, Change, Impact, Resource
from provisioner.plan.document import SCHEMA

MAX_PLAN_BYTES: Final = 256 * 2**20
"""More than the plan of a country that is built anew: it has 200,000 changes."""
_MOST_CHANGES: Final = 1_000_000
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PlanMaker:
    """Who made a plan, as far as the machine, its pipeline and Git say; nothing proves it.

    Attributes:
        job: the pipeline's job, as `system:project#number`.
        approvers: the ids of those who approve plans, and are known by a name that had to do with this one.
    """

    user: str = ""
    machine: str = ""
    job: str = ""
    approvers: tuple[str, ...] = ()


NOT_KNOWN: Final = PlanMaker()


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """A plan as its file says it.

    Attributes:
        basis: what it rests on; its digest is the file's.
        changes: those that are pending.
        commit: the inventory's commit; empty outside Git.
        refused: why it was refused when it was made, as policy, host and sentence.
        unreadable: hosts that could not be read, and why.
        maker: who made it, as far as that is known.
    """

    basis: Basis
    changes: tuple[Change, ...]
    commit: str = ""
    refused: tuple[tuple[str, str, str], ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    maker: PlanMaker = NOT_KNOWN


def written_plan(data: bytes, origin: str) -> WrittenPlan:
    """The plan of a file that `plan --out` wrote, or that `plan --output json` printed.

    Args:
        data: the file's content.
        origin: the file's name, for messages.

    Raises:
        StalePlanError: it is none, or what it says to do is not what its digest is of.
    """
    plan, digest, meaning = whole_plan(data, origin)
    if plan.basis.digest != digest or (meaning and plan.basis.meaning != meaning) or not _is_of_its_changes(plan):
        message = f"{origin} was changed after it was made: its changes are not those of its digest"
        raise StalePlanError(message, hint="make a new plan: provisioner plan --out FILE")
    return plan


def whole_plan(data: bytes, origin: str) -> tuple[WrittenPlan, str, str]:
    """A plan, the digest and the meaning that its file says it has, compared with nothing.

    Raises:
        StalePlanError: the file is no plan.
    """
    try:
        whole = json.loads(
            data.decode(), object_pairs_hook=no_twins, parse_float=no_fraction, parse_constant=no_fraction
        )
        return plan_in(whole), str(whole["digest"]), str(whole.get("meaning", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hint = "name a file that provisioner plan --out FILE wrote"
        raise StalePlanError(f"{origin} is not a saved plan", hint=hint) from None


def no_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object in which no key stands twice: two readers would take two plans for one.

    Raises:
        ValueError: one does.
    """
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document


def no_fraction(_text: str) -> NoReturn:
    """No number of a plan: it has a fraction, or is none.

    Raises:
        ValueError: always.
    """
    raise ValueError("no number of a plan has a fraction")


def basis_in(whole: Document) -> Basis:
    """What a plan's document says that it rests on."""
    return Basis(
        inventory=whole["inventory"]["digest"],
        templates=whole["templates"],
        live=dict(whole["live"]),
        version=whole["tool"],
        desired=dict(whole["desired"]),
        planned=dict(whole["planned"]),
        allow=dict(whole["allow"]),
        held=tuple(str(one["facility"]) for one in whole.get("held", ())),
    )


def plan_in(whole: Document) -> WrittenPlan:
    """A plan out of its document, compared with nothing.

    Raises:
        TypeError, ValueError, LookupError: it is none.
    """
    if whole["schema"] != SCHEMA or len(whole["changes"]) > _MOST_CHANGES:
        raise ValueError("another document")
    basis = basis_in(whole)
    texts = (basis.inventory, basis.templates, basis.version, whole["inventory"]["commit"])
    digests = (basis.live, basis.desired, basis.planned)
    if not all(isinstance(text, str) for text in (*texts, *(t for one in digests for t in (*one, *one.values())))):
        raise TypeError("a text is none")
    if not all(_DIGEST.fullmatch(digest) for digest in basis.planned.values()):
        raise ValueError("a digest is none")
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in basis.allow.values()):
        raise TypeError("an allowance is no number")
    return WrittenPlan(
        basis=basis,
        changes=tuple(change for row in whole["changes"] if (change := _change(row)).pending),
        commit=whole["inventory"]["commit"],
        refused=tuple((str(one["policy"]), str(one["host"]), str(one["message"])) for one in whole["refused"]),
        unreadable={str(host): str(why) for host, why in whole["unreadable"].items()},
        maker=_maker(whole),
    )


def _change(row: Document) -> Change:
    texts = [row[key] for key in ("host", "name", "reason", "province", "facility")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    host, name, reason, province, facility = texts
    kinds = Resource(row["resource"]), Action(row["action"]), Impact(row["impact"])
    return Change(host, kinds[0], name, kinds[1], kinds[2], reason, _cut(row["viewers_by_path"]), province, facility)


def _cut(plain: Document) -> Audience:
    cut = {str(relay): {str(path): int(number) for path, number in paths.items()} for relay, paths in plain.items()}
    if any(number < 0 for paths in cut.values() for number in paths.values()):
        raise ValueError("less than nobody")
    return cut


def _maker(whole: Document) -> PlanMaker:
    """Who made a plan; nobody that is known where its document says nothing of it."""
    plain = whole.get("made_by", asdict(NOT_KNOWN))
    names = [plain[name] for name in ("user", "machine", "job")]
    approvers = tuple(plain["approvers"])
    if not all(isinstance(name, str) for name in (*names, *approvers)):
        raise TypeError("a name is none")
    return PlanMaker(plain["user"], plain["machine"], plain["job"], approvers)


def _is_of_its_changes(plan: WrittenPlan) -> bool:
    """Whether the changes of each host are those that its digest is of, so that who reads them reads what is done."""
    by_host: dict[str, list[Change]] = {host: [] for host in plan.basis.planned}
    for change in plan.changes:
        if change.host not in by_host:
            return False
        by_host[change.host].append(change)
    hosts = plan.basis.live.keys() == plan.basis.planned.keys() == plan.basis.desired.keys()
    return hosts and all(planned_digest(of) == plan.basis.planned[host] for host, of in by_host.items())
