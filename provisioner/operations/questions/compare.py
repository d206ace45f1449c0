"""Two revisions of an inventory compared, without hosts and the vault.

An edit changes few of a country's hosts. Unchanged contents, by their Git names, are neither built, rendered nor
compared if the result is the same as of a full comparison. That requires revisions without errors that differ only in
facilities, their lock entries, orders, designations and encrypted files. Otherwise `compare_part` returns `None`, and
all is compared.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from provisioner.base.errors import FrozenFacility, InventoryError, Problem, Severity
from provisioner.base.files import read_regular
from provisioner.base.processes import without_collector
from provisioner.desired.limit import Limit, chosen_hosts, names_of_frozen
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.desired.state import NOTHING_HELD, desired_state
from provisioner.inventory import rules
from provisioner.inventory.files.layout import LOCK_NAME, File, layout_of, secret_files_of
from provisioner.inventory.files.positions import Places
from provisioner.inventory.files.revision import Tree, object_name, revision, tree_of
from provisioner.inventory.loader import site as site_loader
from provisioner.inventory.loader.frozen import partition
from provisioner.inventory.loader.load import Loaded, check, digest_of, load
from provisioner.inventory.loader.secrets import encrypted_bytes
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.orders import Designations, Instructions
from provisioner.inventory.outline import Outline
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import judged_by_rego
from provisioner.plan.build import OUTSIDE, Observed, build_plan
from provisioner.plan.diff import changes_of
from provisioner.plan.offline import comparison_gaps, facts_of_revision, placeholders, with_frozen, without
from provisioner.plan.plan import Against, Basis, Plan

_SECRETS = "secrets/"
_FACILITIES = "facilities/"
_FRAME_FILES = frozenset({LOCK_NAME, "instructions.yml", "designations.yml"})


@dataclass(frozen=True)
class _Revision:
    """The used part of a revision, with content digests by path."""

    frame: BaseInventory
    outlines: Mapping[str, Outline]
    contents: Mapping[str, str]
    facility: Callable[[str], Facility]

    def reduced_to(self, names: Collection[str]) -> Inventory:
        """Return the inventory with only some facilities."""
        facilities = {name: self.facility(name) for name in sorted(names) if name in self.outlines}
        return Inventory.model_construct(**dict(self.frame), facilities=facilities)


@dataclass(frozen=True)
class _Scope:
    """The possible effect of an edit."""

    old: _Revision
    new: _Revision
    facilities: frozenset[str]

    @cached_property
    def relays(self) -> frozenset[str]:
        listed = (r.outlines[name] for r in (self.old, self.new) for name in self.facilities if name in r.outlines)
        return frozenset(relay for outline in listed for relay in outline.relays)

    @cached_property
    def built(self) -> frozenset[str]:
        beside = (
            name
            for revision in (self.old, self.new)
            for name, outline in revision.outlines.items()
            if any(relay in self.relays for relay in outline.relays)
        )
        return self.facilities.union(beside)

    @property
    def served_elsewhere(self) -> int:
        """Number of paths of all other facilities."""
        other_outlines = (outline for name, outline in self.new.outlines.items() if name not in self.built)
        return sum(outline.paths for outline in other_outlines if outline.rendered)


@dataclass(frozen=True)
class _Rendered:
    """An inventory's hosts and files, rendered with placeholder secrets."""

    state: DesiredState
    files: dict[str, tuple[RenderedFile, ...]]

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        templates: Templates,
        held: Mapping[str, FrozenFacility] = NOTHING_HELD,
        hosts: Collection[str] | None = None,
    ) -> "_Rendered":
        """Render all hosts, or only `hosts`."""
        state = desired_state(inventory, placeholders(inventory), held)
        chosen = {host: spec for host, spec in state.hosts.items() if hosts is None or host in hosts}
        return cls(state, {host: render_host(spec, templates) for host, spec in chosen.items()})


def compare_part(session: Session, name: str, limit: Limit, *, allow: Mapping[str, int], now: datetime) -> Plan | None:
    """Compare hosts that may differ; `None`: all; raises `UsageError` like `compare`."""
    limit_cuts_hosts = limit.by_site
    loaded = session.loaded
    if limit_cuts_hosts or loaded.frame is None or _has_errors(check(loaded)):
        return None
    tree = tree_of(session.root, name)
    objects = _objects_of(session.root, loaded, next(iter(tree.objects.values())))
    if objects is None:
        return None
    moved = {p for p in objects.keys() | tree.objects.keys() if objects.get(p) != tree.objects.get(p)}
    if not all(path.startswith((_SECRETS, _FACILITIES)) or path in _FRAME_FILES for path in moved):
        return None
    with tree.laid_out(moved & tree.objects.keys()) as folder, without_collector():
        new = _Revision(loaded.frame, loaded.outlines, loaded.contents(), loaded.facility)
        old = _older_revision(folder, new, moved, tree, session)
        if old is None:
            return None
        return _compared_hosts(session, (old, new), (tree, objects), limit, (dict(allow), now))


def _objects_of(root: Path, loaded: Loaded, like: str) -> dict[str, str] | None:
    """Return Git names of files' content; `None` if one changed since loading."""
    objects = {}
    for relative, digest in loaded.digests.items():
        try:
            data = _bytes_at(root, relative)
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            return None
        objects[relative] = object_name(data, like)
    return objects


def _older_revision(
    folder: Path, new: _Revision, moved: Collection[str], tree: Tree, session: Session
) -> _Revision | None:
    """Derive the older revision from the new; `None` if it has errors."""
    layout = layout_of(folder)
    if layout.problems or {file.relative for file in layout.files} != set(moved) & tree.objects.keys():
        return None
    sites = {f: site_loader.read_site(f, session.today) for f in layout.files if f.model is Facility}
    base_inventory = _older_frame(new.frame, [f for f in layout.files if f.relative in _FRAME_FILES], moved, tree)
    if base_inventory is None or any(site.faults or _has_errors(site.problems) for site in sites.values()):
        return None
    outlines = _older_outlines(new.outlines, sites.values(), moved)
    if outlines is None:
        return None
    view = rules.View(base_inventory, outlines, Places({}), session.today)
    if _has_errors(rules.check_across(view)):
        return None
    contents = {path: content for path, content in new.contents.items() if path not in moved}
    contents |= {file.relative: _content_at(file, sites.get(file)) for file in layout.files}
    texts = {site.outline.id: site.text for site in sites.values() if site.outline}

    def build(name: str) -> Facility:
        return site_loader.validated_text(Facility, texts[name]) if name in texts else new.facility(name)

    return _Revision(base_inventory, outlines, contents, build)


def _older_frame(
    base_inventory: BaseInventory, files: Iterable[File], moved: Collection[str], tree: Tree
) -> BaseInventory | None:
    changes: dict[str, object] = {}
    if LOCK_NAME in moved and LOCK_NAME not in tree.objects:
        changes["allocations"] = Allocations()
    for file in files:
        content = site_loader.read(file, site_loader.bytes_of(file))
        model = content.model
        if content.problems:
            return None
        if isinstance(model, Allocations):
            changes["allocations"] = model
        elif isinstance(model, Instructions):
            changes["instructions"] = model.instructions
        elif isinstance(model, Designations):
            changes["designations"] = model.designations
    if any(path in moved and path not in tree.objects for path in _FRAME_FILES - {LOCK_NAME}):
        return None
    return BaseInventory.model_construct(**(dict(base_inventory) | changes))


def _has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _older_outlines(
    outlines: Mapping[str, Outline], sites: Iterable[site_loader.Site], moved: Collection[str]
) -> dict[str, Outline] | None:
    removed = {path.rpartition("/")[2].removesuffix(".yml") for path in moved if path.startswith(_FACILITIES)}
    older = {name: outline for name, outline in outlines.items() if name not in removed}
    for site in sites:
        if site.outline is None or site.outline.id in older:
            return None
        older[site.outline.id] = site.outline
    return dict(sorted(older.items()))


def _content_at(file: File, site: site_loader.Site | None) -> str:
    if site is not None:
        return site.content
    data = _bytes_at(file.root, file.relative)
    digest = hashlib.sha256(data).hexdigest()
    return site_loader.content_of(site_loader.read(file, data).text, digest) if file.model else digest


def _bytes_at(root: Path, relative: str) -> bytes:
    most = site_loader.MAX_ENCRYPTED_BYTES if relative.startswith(_SECRETS) else site_loader.MAX_LOCK_BYTES
    return read_regular(root / relative, most=most)


def _compared_hosts(
    session: Session,
    revisions: tuple[_Revision, _Revision],
    recorded: tuple[Tree, Mapping[str, str]],
    limit: Limit,
    how: tuple[dict[str, int], datetime],
) -> Plan | None:
    """Compare only hosts that changed files concern; `None` if impossible."""
    (old, new), (tree, objects), (allow, now) = revisions, recorded, how
    moved = {p for p in objects.keys() | tree.objects.keys() if objects.get(p) != tree.objects.get(p)}
    scope = _scope_of_changes(old, new, moved)
    if scope is None:
        return None
    before, after = (revision.reduced_to(scope.built) for revision in revisions)
    relays = new.frame.relays.items()
    samples = {carrier.id: relay.id for name, (carrier, relay) in relays if name not in scope.relays}
    rendered = {*scope.relays, *new.frame.centres, *samples.values()}
    old_hosts, new_hosts = (_Rendered.of(part, session.templates, hosts=rendered) for part in (before, after))
    facts = facts_of_revision(old_hosts.state, old_hosts.files, new_hosts.files)
    bare = {carrier: _bare_noops(new_hosts.state.hosts[host], new_hosts, facts) for carrier, host in samples.items()}
    if None in bare.values():
        return None
    limit = limit.of(after)
    hosts = chosen_hosts(new_hosts.state, limit)
    differing = {
        host: host_facts for host, host_facts in facts.items() if host in scope.relays or host in new.frame.centres
    }
    observed = Observed(
        after,
        new_hosts.state,
        hosts,
        new_hosts.files,
        differing,
        before=before,
        served_elsewhere=scope.served_elsewhere,
    )
    basis = Basis(digest_of(new.contents), session.templates.digest, {}, allow=allow)
    plan = build_plan(observed, basis, limit, now, session.commit)
    unchanged = {spec.id for spec in hosts if spec.id not in differing}
    plan = replace(
        plan,
        notes=tuple(comparison_gaps(_named_contents(tree.objects), _named_contents(objects), ())),
        against=Against(tree.name, tree.commit, digest_of(old.contents)),
        noops_elsewhere=_unchanged_count(new, unchanged, {c: count or 0 for c, count in bare.items()}),
    )
    return judged_by_rego(session, plan, after, {spec.id: spec for spec in hosts}, now)


def _scope_of_changes(old: _Revision, new: _Revision, moved: Iterable[str]) -> _Scope | None:
    """Return the changed facilities and their relays; `None` if more changed."""
    old_lock, new_lock = old.frame.allocations, new.frame.allocations
    if (old_lock.relays, old_lock.centres, old_lock.protected) != (
        new_lock.relays,
        new_lock.centres,
        new_lock.protected,
    ):
        return None
    if any(centre.hub for revision in (old, new) for centre in revision.frame.centres.values()):
        # A hub has something of every facility.
        return None
    names = {path.rpartition("/")[2].removesuffix(".yml") for path in moved if path.startswith(_FACILITIES)}
    if old_lock is not new_lock:
        names |= {
            n for n in old_lock.sites.keys() | new_lock.sites.keys() if old_lock.sites.get(n) != new_lock.sites.get(n)
        }
    # Renamed paths are served under their older names, too: count them with those.
    names |= {move.new.split("/")[1] for move in new.frame.settings.moved if "/" in move.new}
    return _Scope(old, new, frozenset(names))


def _bare_noops(spec: HostSpec, hosts: _Rendered, facts: Mapping[str, object]) -> int | None:
    """Return a relay's no-ops beside paths and sites; `None` if it differs."""
    changes = changes_of(spec, hosts.files[spec.id], facts[spec.id])  # type: ignore[arg-type]
    if any(change.pending for change in changes):
        return None
    sites = sum(peer.name.startswith("site/") for peer in spec.tunnel.peers)
    return len(changes) - len(spec.paths) - sites


def _named_contents(objects: Mapping[str, str]) -> dict[str, bytes]:
    """Return Git names instead of encrypted files' bytes, for comparison."""
    return {path: name.encode() for path, name in objects.items() if path.startswith(_SECRETS)}


def _unchanged_count(revision: _Revision, hosts: Collection[str], bare: Mapping[str, int]) -> int:
    """Return the no-ops of unchanged relays: their own, peers and paths."""
    outlines = revision.outlines.values()
    listed = (outline.paths + 1 for outline in outlines for relay in outline.relays if relay in hosts)
    carriers = (carrier.id for name, (carrier, _) in revision.frame.relays.items() if name in hosts)
    return sum(listed) + sum(bare[carrier] for carrier in carriers)


def compare(
    session: Session,
    name: str,
    limit: Limit,
    *,
    allow: Mapping[str, int] | None = None,
    now: datetime | None = None,
    everything: bool = False,
) -> Plan:
    """Compare the inventory with an older revision, without hosts or vault.

    `everything` lists no-ops, so that all is compared. Raises `InventoryError` if one of the two cannot be rendered;
    `UsageError` if there is no such revision, or the limit selects no host.
    """
    now = now or datetime.now(UTC)
    part = None if everything else compare_part(session, name, limit, allow=allow or {}, now=now)
    return part or compare_all(session, name, limit, allow=allow or {}, now=now)


def compare_all(session: Session, name: str, limit: Limit, *, allow: Mapping[str, int], now: datetime) -> Plan:
    """Compare all hosts; as `compare`."""
    with revision(session.root, name) as old, without_collector():
        loaded = load(old.root, today=session.today)
        old_inventory, unknown = _readable_part(name, loaded)
        part = session.readable
        old_part = without(old_inventory, part.names)
        before = _rendered_all_the_same(loaded, old_part, session.templates, name)
        after = _Rendered.of(part.inventory, session.templates, part.held)
        removed = sorted(before.state.hosts.keys() - after.state.hosts.keys())
        notes = (*comparison_gaps(_encrypted_files(old.root), _encrypted_files(session.root), removed), *unknown)
        limit = limit.of(part.inventory, old_inventory, also=names_of_frozen(part.held.values()))
        hosts = chosen_hosts(after.state, limit)
        facts = facts_of_revision(before.state, before.files, after.files)
        facts = with_frozen(facts, old_inventory, part.names) if part.held else facts
        observed = Observed(part.inventory, after.state, hosts, after.files, facts, before=old_inventory)
        basis = Basis(session.digest, session.templates.digest, {}, allow=dict(allow))
        plan = build_plan(observed, basis, limit, now, session.commit)
        notes += tuple(note for note in plan.notes if note.startswith(OUTSIDE))
        plan = replace(plan, notes=notes, against=Against(name, old.commit, loaded.digest))
        return judged_by_rego(session, plan, part.inventory, {spec.id: spec for spec in hosts}, now)


def _readable_part(name: str, loaded: Loaded) -> tuple[Inventory, list[str]]:
    """Return an older revision's readable part, with notes, or raise `InventoryError`."""
    if loaded.inventory is not None:
        return loaded.inventory, []
    frozen, of_all = partition(p for p in loaded.problems if p.stops)
    if of_all or loaded.partial is None:
        raise _invalid(name, loaded)
    notes = [f"{facility} could not be read in {name}: what hosts had of it is not known" for facility in frozen]
    return without(loaded.partial, frozen), notes


def _rendered_all_the_same(loaded: Loaded, inventory: Inventory, templates: Templates, name: str) -> _Rendered:
    """Render an older revision, even if it breaks rules of today."""
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


def _encrypted_files(root: Path) -> dict[str, bytes]:
    return {file.relative: encrypted_bytes(file) for file in secret_files_of(root)}
