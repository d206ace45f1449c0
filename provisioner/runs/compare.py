"""Two revisions of an inventory compared, without hosts and without the vault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from provisioner.base.collector import without_collector
from provisioner.base.diagnostics import Severity
from provisioner.base.errors import InventoryError
from provisioner.base.held import HeldFacility
from provisioner.desired.chosen import chosen_hosts
from provisioner.desired.limit import Limit, names_of_held
from provisioner.desired.spec import DesiredState
from provisioner.desired.state import NOTHING_HELD, desired_state
from provisioner.inventory.files.layout import secret_files_of
from provisioner.inventory.files.revision import revision
from provisioner.inventory.loader.held import partition
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.loader.secrets import encrypted_bytes
from provisioner.inventory.model import Inventory
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import judged_by_rego
from provisioner.plan import Against, Basis, Plan
from provisioner.plan.build import OUTSIDE, Observed, build_plan
from provisioner.plan.offline import facts_of_revision, not_known, placeholders, with_held, without
from provisioner.render.files import RenderedFile
from provisioner.render.host import render_host
from provisioner.render.templates import Templates
from provisioner.runs.part_compared import compare_part


def compare(
    session: Session,
    name: str,
    limit: Limit,
    *,
    allow: Mapping[str, int] | None = None,
    now: datetime | None = None,
    everything: bool = False,
) -> Plan:
    """Compare the inventory with an older revision of itself: no host is contacted, no vault is opened.

    Args:
        session: the inventory as it is in its folder.
        name: the older revision, e.g. `origin/main`.
        limit: which hosts.
        allow: limits of the policy that are raised.
        now: the moment, for freeze windows.
        everything: whether no-ops are wanted by name: then all is compared, otherwise what may differ.

    Raises:
        InventoryError: one of the two is no inventory that could be rendered.
        UsageError: there is no such revision, or the limit takes no host.
    """
    now = now or datetime.now(UTC)
    part = None if everything else compare_part(session, name, limit, allow=allow or {}, now=now)
    return part or compare_whole(session, name, limit, allow=allow or {}, now=now)


def compare_whole(session: Session, name: str, limit: Limit, *, allow: Mapping[str, int], now: datetime) -> Plan:
    """As `compare`, of all that there is."""
    with revision(session.root, name) as old, without_collector():
        loaded = load(old.root, today=session.today)
        was, unknown = _readable(name, loaded)
        part = session.readable
        old_part = without(was, part.names)
        before = _rendered_all_the_same(loaded, old_part, session.templates, name)
        after = _Rendered.of(part.inventory, session.templates, part.held)
        left = sorted(before.state.hosts.keys() - after.state.hosts.keys())
        notes = (*not_known(_encrypted(old.root), _encrypted(session.root), left), *unknown)
        limit = limit.of(part.inventory, was, also=names_of_held(part.held.values()))
        hosts = chosen_hosts(after.state, limit)
        facts = facts_of_revision(before.state, before.files, after.files)
        facts = with_held(facts, was, part.names) if part.held else facts
        observed = Observed(part.inventory, after.state, hosts, after.files, facts, before=was)
        basis = Basis(session.digest, session.templates.digest, {}, allow=dict(allow))
        plan = build_plan(observed, basis, limit, now, session.commit)
        notes += tuple(note for note in plan.notes if note.startswith(OUTSIDE))
        plan = replace(plan, notes=notes, against=Against(name, old.commit, loaded.digest))
        return judged_by_rego(session, plan, part.inventory, {spec.id: spec for spec in hosts}, now)


def _readable(name: str, loaded: Loaded) -> tuple[Inventory, list[str]]:
    """An older revision without the facilities whose files could not be read then, and what is not known for that.

    Raises:
        InventoryError: what could not be read concerns all.
    """
    if loaded.inventory is not None:
        return loaded.inventory, []
    held, of_all = partition(p for p in loaded.problems if p.stops)
    if of_all or loaded.partial is None:
        raise _invalid(name, loaded)
    notes = [f"{facility} could not be read in {name}: what hosts had of it is not known" for facility in held]
    return without(loaded.partial, held), notes


def _rendered_all_the_same(loaded: Loaded, inventory: Inventory, templates: Templates, name: str) -> _Rendered:
    """An older revision's files: one that breaks rules of today is compared too, if it can be rendered.

    Raises:
        InventoryError: what it breaks is needed for that.
    """
    try:
        return _Rendered.of(inventory, templates)
    except (LookupError, ValueError):
        error = _invalid(name, loaded)
        if not error.problems:
            raise
        raise error from None


def _invalid(name: str, loaded: Loaded) -> InventoryError:
    errors = tuple(p for p in check(loaded) if p.severity is Severity.ERROR)
    hint = "compare with a revision whose files can be read"
    return InventoryError(f"the inventory of {name} is invalid", problems=errors, hint=hint)


@dataclass(frozen=True)
class _Rendered:
    """An inventory's hosts and files, with secrets that say nothing."""

    state: DesiredState
    files: dict[str, tuple[RenderedFile, ...]]

    @classmethod
    def of(
        cls, inventory: Inventory, templates: Templates, held: Mapping[str, HeldFacility] = NOTHING_HELD
    ) -> _Rendered:
        state = desired_state(inventory, placeholders(inventory), held)
        return cls(state, {host: render_host(spec, templates) for host, spec in state.hosts.items()})


def _encrypted(root: Path) -> dict[str, bytes]:
    """An inventory's encrypted files as they are."""
    return {file.relative: encrypted_bytes(file) for file in secret_files_of(root)}
