"""Paths: desired against the relay's file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.base.private_text import address_without_login
from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import MediaPath
from provisioner.hosts.facts import PathFacts
from provisioner.plan.changes import NOBODY, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison, owner_of_path
from provisioner.plan.diff.relay_file import canonical
from provisioner.plan.diff.reload_rules import caution, impact_of_path_settings
from provisioner.render.media import path_settings

_SHOWN = frozenset({"rtspTransport", "sourceOnDemandStartTimeout", "sourceOnDemandCloseAfter"})
_SAME = "the relay's file has it with the same settings"


def path_changes(at: Comparison) -> Iterator[Change]:
    """A change for each path that is desired or live."""
    if at.spec.relay is None:
        return
    if at.same_relay_file:
        yield from _all_same(at)
        return
    for path in at.spec.paths:
        yield _path_change(at, path, at.live_paths.get(path.name))
    desired = {path.name for path in at.spec.paths}
    gone = sorted(set(at.live_paths) - desired)
    now_called = _new_names(at) if gone else {}
    for name in gone:
        yield _gone(at, name, now_called)


def _all_same(at: Comparison) -> Iterator[Change]:
    host, path, noop, none = at.spec.id, Resource.PATH, Action.NOOP, Impact.NONE
    for p in at.spec.paths:
        yield Change(host, path, p.name, noop, none, _SAME, NOBODY, p.province, p.facility)


def _path_change(at: Comparison, path: MediaPath, live: PathFacts | None) -> Change:
    where = (path.province, path.facility)
    if live is None:
        reason = "the relay's file does not have it"
        return Change(at.spec.id, Resource.PATH, path.name, Action.CREATE, Impact.HOT, reason, NOBODY, *where)
    settings = path_settings(path)
    if live.digest == keyed_digest(at.spec.digest_key, canonical(settings)):
        pushed = at.pushes_changed.get(path.name)
        if pushed is None:
            return at.noop(Resource.PATH, path.name, _SAME, where)
        cut = at.watching(path.name)
        return Change(at.spec.id, Resource.PATH, path.name, Action.UPDATE, Impact.PATH, pushed.reason, cut, *where)
    changed = _changed_settings(at, settings, live)
    impact = impact_of_path_settings(changed)
    cut = at.watching(path.name) if impact is Impact.PATH else NOBODY
    reason = _reason(changed, settings, live)
    if impact is Impact.HOT and at.spec.relay is not None:
        reason += caution(at.spec.relay.artefact.version)
    return Change(at.spec.id, Resource.PATH, path.name, Action.UPDATE, impact, reason, cut, *where)


def _changed_settings(at: Comparison, desired: Mapping[str, object], live: PathFacts) -> set[str]:
    names = (set(desired) | set(live.settings)) - {"source"}
    changed = {name for name in names if desired.get(name) != live.settings.get(name)}
    if keyed_digest(at.spec.digest_key, str(desired.get("source", "")).encode()) != live.source_digest:
        changed.add("source")
    return changed or {"source"}


def _reason(changed: set[str], settings: Mapping[str, object], live: PathFacts) -> str:
    reasons = []
    for name in sorted(changed):
        if name != "source":
            was, desired = _value_text(name, live.settings.get(name)), _value_text(name, settings.get(name))
            reasons.append(f"{name} {was} → {desired}")
            continue
        was, desired = live.source or "none", address_without_login(str(settings["source"]))
        reasons.append(f"source {was} → {desired}" if desired != was else _hidden(desired))
    return "; ".join(reasons)


def _hidden(source: str) -> str:
    """What differs where nothing does that is shown: a path or query that holds the login is not."""
    return "path or credentials of the source differ" if source.endswith("/***") else "credentials of the source differ"


def _value_text(name: str, value: object) -> str:
    """A setting's value in words, if it is one of those that we write: another may hold anything, a password too."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:20] if name in _SHOWN else "set"


def _new_names(at: Comparison) -> dict[str, str]:
    """The names under which streams become paths, by their sources without login."""
    new = (path for path in at.spec.paths if path.name not in at.live_paths)
    named = ((address_without_login(str(path_settings(path)["source"])), path.name) for path in new)
    # What is left of several addresses may be the same, where a path is not shown; what is pushed has none.
    return {source: name for source, name in named if "://" in source and not source.endswith("/***")}


def _gone(at: Comparison, name: str, now_called: Mapping[str, str]) -> Change:
    others = at.fleet.served_by(name)
    renamed = now_called.get(at.live_paths[name].source or "")
    reason = "no open facility with an agreed plan has it"
    if others:
        reason = f"{', '.join(others)} serves it from now on; it is no longer served here"
    elif renamed:
        reason = f"its stream is {renamed} from now on; `moved` in inventory.yml would serve both names for a while"
    cut = at.watching(name)
    return Change(at.spec.id, Resource.PATH, name, Action.DELETE, Impact.PATH, reason, cut, *owner_of_path(name))
