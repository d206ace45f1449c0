"""A plan in a file: sealed, unsealed, or as a warrant. Pure.

A saved plan is canonical JSON with a seal, so that exactly the reviewed plan is applied.

An approver, or somebody who compares two plans, may not have the vault's password and cannot check the seal. Desired
content and changes are bound by digests without a key. Readers, and reasons of refusals, are claims of the file's
author.

A node gets a warrant with a change: the plan's meaning, and its approvals. A warrant contains no secret: the plan's
digest binds a host's content, and anybody with the files and the key that came with them can compute it.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.document import Row
from provisioner.base.errors import StalePlanError, raised_as
from provisioner.base.secret import Secret
from provisioner.base.text import Document, canonical_json, canonical_text, strict_json
from provisioner.plan.change import Action, Audience, Change, Impact, Resource
from provisioner.plan.document import SCHEMA, plan_document
from provisioner.plan.guards.approvals import Approval, ApprovalFormError, approval_in, approval_text
from provisioner.plan.plan import Basis, HostItems, Plan, moved_items, planned_digest, saved_items

MAX_PLAN_BYTES: Final = 256 * 2**20  #: Larger than a plan of a whole new country, with 200,000 changes.
_MOST_CHANGES: Final = 1_000_000
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

MAX_WARRANT_BYTES: Final = 8 * 2**20  #: Larger than a fully approved plan of all relays of a country.
_SCHEMA: Final = "provisioner/warrant"
_WARRANT_VERSION: Final = 2
_MOST_APPROVALS: Final = 100

_AGAIN = "make a new plan, and have it reviewed: provisioner plan --out FILE"
ChangeRow = tuple[str, str, str, str]  #: A change for comparison: resource, name, action, reason.


class PlanMaker(Row):
    """The maker of a plan, by the machine, its pipeline and Git; no digest includes it."""

    user: str = ""
    machine: str = ""
    job: str = ""  #: The pipeline's job, as `system:project#number`; empty outside a pipeline.
    approvers: tuple[str, ...] = ()  #: Ids of approvers with a name that is connected to this plan.


NOT_KNOWN: Final = PlanMaker()


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """A plan in a file."""

    basis: Basis  #: Its basis, with the file's digest.
    changes: tuple[Change, ...]
    commit: str = ""  #: The inventory's commit; empty outside Git.
    refused: tuple[tuple[str, str, str], ...] = ()  #: Its refusals: policy, host and sentence.
    unreadable: Mapping[str, str] = field(default_factory=dict)
    maker: PlanMaker = NOT_KNOWN


class WarrantError(ValueError):
    """Bytes are no warrant; the message is a sentence's end."""


@dataclass(frozen=True, slots=True)
class Warrant:
    """A plan's meaning with its approvals, whose signatures are unchecked here."""

    inventory: str
    basis: Basis
    approvals: tuple[Approval, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved plan."""

    rows: Mapping[str, frozenset[ChangeRow]]  #: Its pending changes by host.
    seen: Mapping[str, HostItems]
    refused: tuple[str, ...]  #: The policies that refused it.
    written: WrittenPlan

    @property
    def basis(self) -> Basis:
        """Its basis."""
        return self.written.basis

    @property
    def hosts(self) -> tuple[str, ...]:
        """Its hosts."""
        return tuple(sorted(self.basis.live))


def written_plan(data: bytes, origin: str) -> WrittenPlan:
    """Parse a plan of `--out` or `--output json`, or raise `StalePlanError`."""
    plan, digest, meaning = whole_plan(data, origin)
    if plan.basis.digest != digest or (meaning and plan.basis.meaning != meaning) or not _is_of_its_changes(plan):
        message = f"{origin} was changed after it was made: its changes are not those of its digest"
        raise StalePlanError(message, hint="make a new plan: provisioner plan --out FILE")
    return plan


def whole_plan(data: bytes, origin: str) -> tuple[WrittenPlan, str, str]:
    """Return a plan with unchecked digest and meaning, or raise `StalePlanError`."""
    hint = "name a file that provisioner plan --out FILE wrote"
    error = StalePlanError(f"{origin} is not a saved plan", hint=hint)
    with raised_as(error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        document = strict_json(data.decode())
        return plan_in(document), str(document["digest"]), str(document.get("meaning", ""))


def plan_in(document: Document) -> WrittenPlan:
    """Return a document's unchecked plan, or raise `TypeError`, `ValueError`, `LookupError`."""
    if document["schema"] != SCHEMA or len(document["changes"]) > _MOST_CHANGES:
        raise ValueError("another document")
    basis = Basis(
        inventory=document["inventory"]["digest"],
        templates=document["templates"],
        live=dict(document["live"]),
        version=document["tool"],
        desired=dict(document["desired"]),
        planned=dict(document["planned"]),
        allow=dict(document["allow"]),
        held=tuple(str(row["facility"]) for row in document.get("held", ())),
        requests={_text(host): _texts(request) for host, request in document.get("requests", {}).items()},
    )
    texts = (basis.inventory, basis.templates, basis.version, document["inventory"]["commit"])
    digests = (basis.live, basis.desired, basis.planned)
    if not all(
        isinstance(text, str) for text in (*texts, *(t for entry in digests for t in (*entry, *entry.values())))
    ):
        raise TypeError("a text is none")
    if not all(_DIGEST.fullmatch(digest) for digest in basis.planned.values()):
        raise ValueError("a digest is none")
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in basis.allow.values()):
        raise TypeError("an allowance is no number")
    return WrittenPlan(
        basis=basis,
        changes=tuple(change for row in document["changes"] if (change := _change_in(row)).pending),
        commit=document["inventory"]["commit"],
        refused=tuple(
            (str(entry["policy"]), str(entry["host"]), str(entry["message"])) for entry in document["refused"]
        ),
        unreadable={str(host): str(reason) for host, reason in document["unreadable"].items()},
        maker=_maker_in(document),
    )


def _change_in(row: Document) -> Change:
    texts = [row[key] for key in ("host", "name", "reason", "province", "facility")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    host, name, reason, province, facility = texts
    kinds = Resource(row["resource"]), Action(row["action"]), Impact(row["impact"])
    return Change(
        host, kinds[0], name, kinds[1], kinds[2], reason, _cut_readers_in(row["viewers_by_path"]), province, facility
    )


def _cut_readers_in(plain: Document) -> Audience:
    cut = {str(relay): {str(path): int(number) for path, number in paths.items()} for relay, paths in plain.items()}
    if any(number < 0 for paths in cut.values() for number in paths.values()):
        raise ValueError("less than nobody")
    return cut


def _maker_in(document: Document) -> PlanMaker:
    plain = document.get("made_by", NOT_KNOWN.plain)
    names = [plain[name] for name in ("user", "machine", "job")]
    approvers = tuple(plain["approvers"])
    if not all(isinstance(name, str) for name in (*names, *approvers)):
        raise TypeError("a name is none")
    return PlanMaker(user=plain["user"], machine=plain["machine"], job=plain["job"], approvers=approvers)


def _is_of_its_changes(plan: WrittenPlan) -> bool:
    by_host: dict[str, list[Change]] = {host: [] for host in plan.basis.planned}
    for change in plan.changes:
        if change.host not in by_host:
            return False
        by_host[change.host].append(change)
    hosts = plan.basis.live.keys() == plan.basis.planned.keys() == plan.basis.desired.keys()
    return hosts and all(planned_digest(changes) == plan.basis.planned[host] for host, changes in by_host.items())


def warrant_bytes(inventory: str, basis: Basis, approvals: Iterable[Approval]) -> bytes:
    """Return a warrant of a plan's basis and its approvals."""
    changing = basis.changing
    document: Document = {
        "schema": _SCHEMA,
        "version": _WARRANT_VERSION,
        "inventory": inventory,
        "templates": basis.templates,
        "by": basis.version,
        "desired": {host: basis.desired.get(host, "") for host in changing},
        "planned": changing,
        "allow": dict(basis.allow),
        "held": list(basis.held),
        "requests": {host: dict(request) for host, request in basis.requests.items()},
        "approvals": [approval_text(approval) for approval in approvals],
    }
    return canonical_json(document)


def warrant_in(data: bytes) -> Warrant:
    """Parse a warrant, or raise `WarrantError`."""
    if len(data) > MAX_WARRANT_BYTES:
        raise WarrantError("is larger than any is")
    try:
        document = strict_json(data)
        is_one = (
            document["schema"] == _SCHEMA
            and document["version"] == _WARRANT_VERSION
            and len(document["approvals"]) <= _MOST_APPROVALS
        )
        basis = Basis(
            inventory="",
            templates=_text(document["templates"]),
            live={},
            version=_text(document["by"]),
            desired=_texts(document["desired"]),
            planned=_texts(document["planned"]),
            allow={_text(name): _checked_number(value) for name, value in document["allow"].items()},
            held=tuple(map(_text, document["held"])),
            requests={_text(host): _texts(request) for host, request in document["requests"].items()},
        )
        approvals = tuple(approval_in(_text(text).encode()) for text in document["approvals"])
        warrant = Warrant(_text(document["inventory"]), basis, approvals)
    except ApprovalFormError as error:
        raise WarrantError(f"has an approval that {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WarrantError("is not as such are") from None
    if not is_one:
        raise WarrantError("is of another form")
    return warrant


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _checked_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("it is no whole number")
    return value


def _texts(values: Mapping[object, object]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}


def seal_key(digest_key: Secret) -> Secret:
    """Derive the key of saved plans' seals from the vault's digest key."""
    return Secret(hmac.new(digest_key.reveal().encode(), b"provisioner/plan-seal", hashlib.sha256).hexdigest())


def saved_text(plan: Plan, facts: Mapping[str, HostItems], key: Secret, maker: PlanMaker = NOT_KNOWN) -> str:
    """Return a saved plan: the same bytes for the same input."""
    extra = {"seen": {host: dict(items) for host, items in facts.items()}, "made_by": maker.plain}
    document = plan_document(plan) | extra
    sealed = document | {"seal": _seal(document, key)}
    return json.dumps(sealed, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _seal(document: Document, key: Secret) -> str:
    """Return the seal: an HMAC of the rest of the document."""
    return "hmac-sha256:" + hmac.digest(key.reveal().encode(), canonical_text(document).encode(), "sha256").hex()


def read_saved(text: str, origin: str, key: Secret) -> Saved:
    """Parse a saved plan and check its seal, or raise `StalePlanError`."""
    error = StalePlanError(f"{origin} is not a saved plan", hint="make one: provisioner plan --out FILE")
    with raised_as(error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        document = strict_json(text)
        seal = document.pop("seal")
        genuine = document["schema"] == SCHEMA and hmac.compare_digest(str(seal), _seal(document, key))
        saved = _saved_plan_in(document) if genuine else None
    if saved is None or saved.basis.digest != document["digest"]:
        message = f"{origin} was changed after it was made, or it was made with another vault's key"
        raise StalePlanError(message, hint=_AGAIN)
    return saved


def _saved_plan_in(document: Document) -> Saved:
    written = plan_in(document)
    by_host: dict[str, set[ChangeRow]] = {host: set() for host in written.basis.live}
    for change in document["changes"]:
        by_host[change["host"]].add((change["resource"], change["name"], change["action"], change["reason"]))
    rows = {host: frozenset(of_host) for host, of_host in by_host.items()}
    refused = tuple(str(refusal["policy"]) for refusal in document["refused"])
    return Saved(rows, saved_items(document["seen"]), refused, written)


# --- stale ----------------------------------------------------------------------------------------
def refuse_other(saved: Basis, now: Basis, origin: str) -> None:
    """Raise `StalePlanError` for another inventory, other templates or another version."""
    if differences := moved_basis(saved, now):
        raise StalePlanError(f"{origin} is stale: {'; '.join(differences)}", hint=_AGAIN)


def moved_basis(saved: Basis, now: Basis) -> list[str]:
    """Return differences of the common basis since a plan was made."""
    compared = (
        ("the inventory", saved.inventory, now.inventory),
        ("the templates", saved.templates, now.templates),
        ("this tool", saved.version, now.version),
    )
    moved = [f"{part} was {old} when the plan was made and is {new} now" for part, old, new in compared if old != new]
    if saved.held != now.held:
        frozen_then, frozen_now = (", ".join(frozen) or "nothing" for frozen in (saved.held, now.held))
        moved.append(f"held was {frozen_then} when the plan was made and is {frozen_now} now")
    return moved


def moved_hosts(saved: Saved, now: Plan, facts: Mapping[str, HostItems]) -> dict[str, list[str]]:
    """Return differences by host between a plan and a newer one."""
    fresh = rows_of(now)
    return {
        host: _moved_on(saved, host, fresh.get(host, frozenset()), facts.get(host, {}))
        for host in saved.hosts
        if host not in now.unreadable and _digests(saved.basis, host) != _digests(now.basis, host)
    }


def _digests(basis: Basis, host: str) -> tuple[object, ...]:
    return basis.live.get(host), basis.desired.get(host), basis.planned.get(host), basis.requests.get(host)


def _moved_on(saved: Saved, host: str, rows: frozenset[ChangeRow], facts: HostItems) -> list[str]:
    items = moved_items(saved.seen.get(host, {}), facts)
    covered = {item.partition(" was ")[0] for item in items}
    reviewed = saved.rows.get(host, frozenset())
    for resource, name, action, reason in sorted(rows - reviewed):
        if f"{resource} {name}" not in covered:
            items.append(
                f"{resource} {name} was {_intended(reviewed, resource, name)} and is now to {action} ({reason})"
            )
    named = {(resource, name) for resource, name, _, _ in rows}
    for resource, name, action, _ in sorted(reviewed - rows):
        if (resource, name) not in named and f"{resource} {name}" not in covered:
            items.append(f"{resource} {name} was to {action} and needs nothing any more")
    return items or ["something that the plan does not list"]


def _intended(rows: Iterable[ChangeRow], resource: str, name: str) -> str:
    row = next((row for row in rows if row[:2] == (resource, name)), None)
    return f"to {row[2]} ({row[3]})" if row else "as desired"


def rows_of(plan: Plan) -> dict[str, frozenset[ChangeRow]]:
    """Return a plan's pending changes by host, for comparison."""
    by_host: dict[str, set[ChangeRow]] = {host: set() for host in plan.basis.live}
    for change in plan.pending:
        row = (change.resource.value, change.name, change.action.value, change.reason)
        by_host.setdefault(change.host, set()).add(row)
    return {host: frozenset(rows) for host, rows in by_host.items()}
