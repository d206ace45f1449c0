"""A hub's paths: desired against its file, as one sentence: the changes themselves are its relays'. Pure."""

from __future__ import annotations

from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import HubPath
from provisioner.plan.changes import Audience, Impact
from provisioner.plan.diff.comparison import Comparison
from provisioner.plan.diff.relay_file import canonical
from provisioner.render.media import hub_settings

_Judged = tuple[Impact, Audience, str]
"""An impact, who is cut, and the reason."""


def with_hub_paths(at: Comparison, of_settings: _Judged, *, alone: bool) -> _Judged:
    """What a change of a hub's file does: that of its settings, and that of its paths.

    New paths are noticed by nobody; who reads a path whose source becomes another one, or that goes, is cut.

    Args:
        at: the hub.
        of_settings: the same as far as settings go.
        alone: whether no setting differs.
    """
    desired = {path.name: path for path in (at.spec.hub.paths if at.spec.hub else ())}
    live = at.live_paths
    new, gone = desired.keys() - live.keys(), live.keys() - desired.keys()
    other = {name for name, path in desired.items() if name in live and live[name].digest != _digest(at, path)}
    if not (new or gone or other):
        return of_settings
    reason = f"of the hub's paths: {len(new)} new, {len(other)} with another source, {len(gone)} gone"
    impact, cut = (Impact.PATH if other or gone else Impact.HOT), at.watching(*sorted(other | gone))
    if alone:
        return impact, cut, reason
    was, whom, why = of_settings
    both = {host: {**cut.get(host, {}), **whom.get(host, {})} for host in sorted({*whom, *cut})}
    return max(was, impact, key=lambda one: one.rank), both, f"{why}; {reason}"


def _digest(at: Comparison, path: HubPath) -> str:
    return keyed_digest(at.spec.digest_key, canonical(hub_settings(path)))
