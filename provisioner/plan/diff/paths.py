"""Paths: desired against the relay's file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import MediaPath
from provisioner.plan.changes import NOBODY, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison, owner_of_path
from provisioner.plan.diff.relay_file import canonical, without_login
from provisioner.plan.diff.reload_rules import caution, impact_of_path_settings
from provisioner.render.media import path_settings

_TOLD = frozenset({"rtspTransport", "sourceOnDemandStartTimeout", "sourceOnDemandCloseAfter"})
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
    wanted = {path.name for path in at.spec.paths}
    gone = sorted(set(at.live_paths) - wanted)
    now_called = _new_names(at) if gone else {}
    for name in gone:
        yield _gone(at, name, now_called)


def _all_same(at: Comparison) -> Iterator[Change]:
    host, path, noop, none = at.spec.id, Resource.PATH, Action.NOOP, Impact.NONE
    for p in at.spec.paths:
        yield Change(host, path, p.name, noop, none, _SAME, NOBODY, p.province, p.facility)


def _path_change(at: Comparison, path: MediaPath, found: Mapping[str, Any] | None) -> Change:
    where = (path.province, path.facility)
    if found is None:
        reason = "the relay's file does not have it"
        return Change(at.spec.id, Resource.PATH, path.name, Action.CREATE, Impact.HOT, reason, NOBODY, *where)
    settings = path_settings(path)
    if found["digest"] == keyed_digest(at.spec.digest_key, canonical(settings)):
        return at.noop(Resource.PATH, path.name, _SAME, where)
    changed = _changed_settings(at, settings, found)
    impact = impact_of_path_settings(changed)
    cut = at.watching(path.name) if impact is Impact.PATH else NOBODY
    reason = _reason(changed, settings, found)
    if impact is Impact.HOT and at.spec.relay is not None:
        reason += caution(at.spec.relay.artefact.version)
    return Change(at.spec.id, Resource.PATH, path.name, Action.UPDATE, impact, reason, cut, *where)


def _changed_settings(at: Comparison, wanted: Mapping[str, object], found: Mapping[str, Any]) -> set[str]:
    names = (set(wanted) | set(found["settings"])) - {"source"}
    changed = {name for name in names if wanted.get(name) != found["settings"].get(name)}
    if keyed_digest(at.spec.digest_key, str(wanted.get("source", "")).encode()) != found["source_digest"]:
        changed.add("source")
    return changed or {"source"}


def _reason(changed: set[str], settings: Mapping[str, object], found: Mapping[str, Any]) -> str:
    told = []
    for name in sorted(changed):
        if name != "source":
            told.append(f"{name} {_told(name, found['settings'].get(name))} → {_told(name, settings.get(name))}")
            continue
        wanted, live = without_login(str(settings["source"])), str(found["settings"].get("source", "none"))
        told.append(f"source {live} → {wanted}" if wanted != live else "credentials of the source differ")
    return "; ".join(told)


def _told(name: str, value: object) -> str:
    """Tell a setting's value, if it is one of those that we write: another may hold anything, a password too."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:20] if name in _TOLD else "set"


def _new_names(at: Comparison) -> dict[str, str]:
    """The names under which streams become paths, by their sources without login."""
    new = (path for path in at.spec.paths if path.name not in at.live_paths)
    return {without_login(str(path_settings(path)["source"])): path.name for path in new}


def _gone(at: Comparison, name: str, now_called: Mapping[str, str]) -> Change:
    others = at.fleet.served_by(name)
    renamed = now_called.get(str(at.live_paths[name]["settings"].get("source")))
    reason = "no open facility with an agreed plan has it"
    if others:
        reason = f"{', '.join(others)} serves it from now on; it is no longer served here"
    elif renamed:
        reason = f"its stream is {renamed} from now on; `moved` in inventory.yml would serve both names for a while"
    cut = at.watching(name)
    return Change(at.spec.id, Resource.PATH, name, Action.DELETE, Impact.PATH, reason, cut, *owner_of_path(name))
