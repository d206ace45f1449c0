"""A plan in a file: canonical JSON, sealed, so that exactly what was reviewed is what is applied. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from provisioner.base.canonical import canonical_text
from provisioner.base.errors import StalePlanError
from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.plan.basis import Basis
from provisioner.plan.document import SCHEMA, plan_document
from provisioner.plan.kept.written import NOT_KNOWN, PlanMaker, WrittenPlan, no_fraction, no_twins, plan_in
from provisioner.plan.model import Plan
from provisioner.plan.seen import HostItems, moved_items, seen_in

_AGAIN = "make a new plan, and have it reviewed: provisioner plan --out FILE"
ChangeRow = tuple[str, str, str, str]
"""A change as it can be compared: resource, name, action, reason."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A plan that was saved.

    Attributes:
        rows: its pending changes by host.
        seen: what it saw on each host.
        refused: the policies that held it back when it was made.
        written: what it says, its changes and its maker among that.
    """

    rows: Mapping[str, frozenset[ChangeRow]]
    seen: Mapping[str, HostItems]
    refused: tuple[str, ...]
    written: WrittenPlan

    @property
    def basis(self) -> Basis:
        """What it rests on."""
        return self.written.basis

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it is about."""
        return tuple(sorted(self.basis.live))


def seal_key(digest_key: Secret) -> Secret:
    """Derive the key of saved plans' seals from the vault's digest key."""
    return Secret(hmac.new(digest_key.reveal().encode(), b"provisioner/plan-seal", hashlib.sha256).hexdigest())


def saved_text(plan: Plan, seen: Mapping[str, HostItems], key: Secret, maker: PlanMaker = NOT_KNOWN) -> str:
    """A plan as it is saved: the same bytes for the same plan of the same maker."""
    beside = {"seen": {host: dict(items) for host, items in seen.items()}, "made_by": asdict(maker)}
    whole = plan_document(plan) | beside
    return _pretty(whole | {"seal": _seal(whole, key)})


def _seal(whole: Document, key: Secret) -> str:
    """The seal: an HMAC over everything else in the document."""
    return "hmac-sha256:" + hmac.digest(key.reveal().encode(), canonical_text(whole).encode(), "sha256").hex()


def _pretty(whole: Document) -> str:
    return json.dumps(whole, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_saved(text: str, origin: str, key: Secret) -> Saved:
    """A saved plan.

    Args:
        text: the file's content.
        origin: the file's name, for messages.
        key: of the seal.

    Raises:
        StalePlanError: the file is no saved plan, or anything in it was changed after it was made.
    """
    try:
        whole = json.loads(text, object_pairs_hook=no_twins, parse_float=no_fraction, parse_constant=no_fraction)
        seal = whole.pop("seal")
        genuine = whole["schema"] == SCHEMA and hmac.compare_digest(str(seal), _seal(whole, key))
        saved = _saved_in(whole) if genuine else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StalePlanError(f"{origin} is not a saved plan", hint="make one: provisioner plan --out FILE") from None
    if saved is None or saved.basis.digest != whole["digest"]:
        message = f"{origin} was changed after it was made, or it was made with another vault's key"
        raise StalePlanError(message, hint=_AGAIN)
    return saved


def _saved_in(whole: Document) -> Saved:
    written = plan_in(whole)
    by_host: dict[str, set[ChangeRow]] = {host: set() for host in written.basis.live}
    for change in whole["changes"]:
        by_host[change["host"]].add((change["resource"], change["name"], change["action"], change["reason"]))
    rows = {host: frozenset(of_host) for host, of_host in by_host.items()}
    refused = tuple(str(refusal["policy"]) for refusal in whole["refused"])
    return Saved(rows, seen_in(whole["seen"]), refused, written)


# --- stale ----------------------------------------------------------------------------------------


def refuse_other(saved: Basis, now: Basis, origin: str) -> None:
    """Refuse a saved plan of another inventory, other templates or another version of this tool.

    Hosts that moved are refused one by one.

    Raises:
        StalePlanError: it names what moved.
    """
    if other := moved_basis(saved, now):
        raise StalePlanError(f"{origin} is stale: {'; '.join(other)}", hint=_AGAIN)


def moved_basis(saved: Basis, now: Basis) -> list[str]:
    """Name what all hosts share and what moved since a plan was made."""
    compared = (
        ("the inventory", saved.inventory, now.inventory),
        ("the templates", saved.templates, now.templates),
        ("this tool", saved.version, now.version),
    )
    moved = [f"{what} was {old} when the plan was made and is {new} now" for what, old, new in compared if old != new]
    if saved.held != now.held:
        was, is_now = (", ".join(held) or "nothing" for held in (saved.held, now.held))
        moved.append(f"held was {was} when the plan was made and is {is_now} now")
    return moved


def moved_hosts(saved: Saved, now: Plan, seen: Mapping[str, HostItems]) -> dict[str, list[str]]:
    """What moved on each host of a saved plan, by host; hosts that are as they were are not in it.

    Args:
        saved: the plan that was reviewed.
        now: a fresh plan of the same hosts.
        seen: what the fresh plan saw.
    """
    fresh = rows_of(now)
    return {
        host: _moved_on(saved, host, fresh.get(host, frozenset()), seen.get(host, {}))
        for host in saved.hosts
        if host not in now.unreadable and _digests(saved.basis, host) != _digests(now.basis, host)
    }


def _digests(basis: Basis, host: str) -> tuple[str | None, ...]:
    """The digests of a basis that are one host's."""
    return basis.live.get(host), basis.desired.get(host), basis.planned.get(host)


def _moved_on(saved: Saved, host: str, rows: frozenset[ChangeRow], seen: HostItems) -> list[str]:
    """What moved on one host, each a sentence; what was seen there comes first, then what is to be done."""
    items = moved_items(saved.seen.get(host, {}), seen)
    known = {item.partition(" was ")[0] for item in items}
    reviewed = saved.rows.get(host, frozenset())
    for resource, name, action, reason in sorted(rows - reviewed):
        if f"{resource} {name}" not in known:
            items.append(
                f"{resource} {name} was {_intended(reviewed, resource, name)} and is now to {action} ({reason})"
            )
    named = {(resource, name) for resource, name, _, _ in rows}
    for resource, name, action, _ in sorted(reviewed - rows):
        if (resource, name) not in named and f"{resource} {name}" not in known:
            items.append(f"{resource} {name} was to {action} and needs nothing any more")
    return items or ["something that the plan does not list"]


def _intended(rows: Iterable[ChangeRow], resource: str, name: str) -> str:
    """What the saved plan meant to do with a resource, in words."""
    row = next((row for row in rows if row[:2] == (resource, name)), None)
    return f"to {row[2]} ({row[3]})" if row else "as desired"


def rows_of(plan: Plan) -> dict[str, frozenset[ChangeRow]]:
    """A plan's pending changes by host, as they can be compared."""
    by_host: dict[str, set[ChangeRow]] = {host: set() for host in plan.basis.live}
    for change in plan.pending:
        row = (change.resource.value, change.name, change.action.value, change.reason)
        by_host.setdefault(change.host, set()).add(row)
    return {host: frozenset(rows) for host, rows in by_host.items()}
