"""Units: what should run against what systemd says, and the tunnel's interface. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from provisioner.desired.names import UNITS, HostNames
from provisioner.desired.spec import SITE, HostSpec, Peer
from provisioner.desired.units import UNIT_MEDIAMTX, units_of
from provisioner.hosts.facts import HostFacts, UnitFacts
from provisioner.plan.changes import NOBODY, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison
from provisioner.plan.diff.files import file_differences

_NAMED = 5


def unit_changes(at: Comparison) -> Iterator[Change]:
    """A change for each unit."""
    for name in units_of(at.spec):
        yield _unit_change(at, name)


def _unit_change(at: Comparison, name: str) -> Change:
    names, state = at.spec.names, at.facts.units.get(name)
    path = f"{UNITS}/{name}"
    file = at.facts.files.get(path)
    if state is None or file is None:
        impact = Impact.ALL if name == names.unit_wg and _other_key(at) else Impact.HOT
        reason = "; ".join([*(_other_key(at) if name == names.unit_wg else ()), "the host does not have it"])
        return Change(at.spec.id, Resource.UNIT, name, Action.CREATE, impact, reason)
    hot: list[str] = _wrongs(names, name, state)
    cutting: list[str] = []
    left: tuple[Peer, ...] = ()
    if file_differences(at.spec, at.files[path], file):
        (cutting if name == UNIT_MEDIAMTX else hot).append("its file differs")
    if own := [path for path in state.drop_ins if overrides_ours(at.spec, path)]:
        (cutting if name == UNIT_MEDIAMTX else hot).append(f"overridden by {', '.join(own)}")
    if name == names.unit_wg:
        cutting += _interface_wrongs(at, state)
        hot += _link_wrongs(at)
        second, left = _second_wrongs(at)
        hot += second
    if name == UNIT_MEDIAMTX:
        cutting += _relay_wrongs(at)
    if not (hot or cutting):
        return at.noop(Resource.UNIT, name, _as_desired(names, name))
    everybody = at.served_here if name == UNIT_MEDIAMTX else at.everybody
    impact, cut = (Impact.ALL, everybody) if cutting else (Impact.HOT, NOBODY)
    if left:
        impact, cut = Impact.ALL, at.everybody
    reason = "; ".join([*cutting, *hot])
    return Change(at.spec.id, Resource.UNIT, name, Action.UPDATE, impact, reason, cut)


def _second_wrongs(at: Comparison) -> tuple[list[str], tuple[Peer, ...]]:
    """What is to become of the tunnel with a relay's next key, and the centres that are without the relay by it."""
    live, desired = at.facts.tunnel.following if at.facts.tunnel else None, at.spec.tunnel.following
    if at.facts.tunnel is None or (live is None and desired is None):
        return [], ()
    if live is None:
        port = desired.port if desired else 0
        return [f"the relay's next key answers beside the present one, at port {port}"], ()
    left = tuple(peer for peer in at.left_by_key if not peer.name.startswith(SITE))
    without = [f"without the relay until they are applied: {_names(left)}"] if left else []
    if at.takes_next_key:
        port = live.listen_port
        return [f"the relay's next key takes the place of the present one, at port {port}", *without], left
    if desired is None:
        return ["the relay's next key goes", *without], left
    if (live.public_key, live.listen_port) != desired:
        return ["the relay's next key is another one", *without], left
    link = (live.addresses, live.mtu) == ((f"{at.spec.tunnel.address}/32",), at.spec.tunnel.mtu)
    return ([] if live.alike and link else ["the second tunnel is not as the first one is"]), ()


def _names(left: Sequence[Peer]) -> str:
    more = ", …" if len(left) > _NAMED else ""
    return ", ".join(peer.name for peer in left[:_NAMED]) + more


def overrides_ours(spec: HostSpec, path: str) -> bool:
    """Whether a file overrides units of ours alone, so that an apply removes it; as the on-host program judges.

    What stands in `service.d` is of every service of the machine: no plan changes it.
    """
    file, ours = PurePosixPath(path), f"{spec.names.ours}-"
    return file.parent.name.startswith(ours) or file.name.startswith(ours)


def _as_desired(names: HostNames, name: str) -> str:
    running = "enabled" if name == names.unit_revert else "active and enabled"
    return running + {
        names.unit_wg: ", with the same address, port, MTU and routes",
        UNIT_MEDIAMTX: ", and has read its file",
    }.get(name, "")


def _wrongs(names: HostNames, name: str, state: UnitFacts) -> list[str]:
    wrong = []
    if name != names.unit_revert and state.active != "active":
        wrong.append(f"it is {state.active}")
    if state.enabled != "enabled":
        wrong.append(f"it is {state.enabled}")
    if state.reload:
        wrong.append("systemd has not read its file")
    return wrong


def _interface_wrongs(at: Comparison, state: UnitFacts) -> list[str]:
    """What cannot change without everybody's sessions: the interface itself, its address, its port."""
    tunnel, live = at.spec.tunnel, at.facts.tunnel
    wrong = _other_key(at)
    if live is None:
        # Restarted: and MediaMTX with it, which requires it.
        return [*wrong, "the interface is not there"] if state.active == "active" else wrong
    if live.addresses != (f"{tunnel.address}/32",):
        wrong.append(f"address {', '.join(live.addresses) or 'none'} → {tunnel.address}/32")
    if at.takes_next_key:
        return wrong
    if tunnel.listen_port is not None and live.listen_port != tunnel.listen_port:
        wrong.append(f"port {live.listen_port} → {tunnel.listen_port}")
    return wrong


def _other_key(at: Comparison) -> list[str]:
    """That the relay's own key is not the one that its sites' packages have."""
    former = at.fleet.former_keys.get(at.spec.id)
    if former is None:
        return []
    known = f"its public key {former} → another one"
    return [f"{known}: no site of it connects before it has a new package"]


def _link_wrongs(at: Comparison) -> list[str]:
    """What the interface changes under its sessions' feet."""
    tunnel, live = at.spec.tunnel, at.facts.tunnel
    if live is None:
        return []
    wrong = [] if live.mtu == tunnel.mtu else [f"MTU {live.mtu} → {tunnel.mtu}"]
    desired, routes = {str(route) for route in tunnel.routes}, set(live.routes)
    wrong += [f"route {route} is missing" for route in sorted(desired - routes)]
    return wrong + [f"route {route} is not ours" for route in sorted(routes - desired)]


def is_silent(facts: HostFacts) -> bool:
    """Whether MediaMTX runs by what systemd says, has its file, and does not answer its Control API."""
    unit = facts.units.get(UNIT_MEDIAMTX)
    return unit is not None and unit.active == "active" and facts.relay is not None and facts.runtime is None


def restarts_silent(facts: HostFacts, changes: Iterable[Change]) -> bool:
    """Whether a plan restarts MediaMTX because it does not answer: it has said so, and that all readers are cut."""
    return is_silent(facts) and any(
        c.resource is Resource.UNIT and c.name == UNIT_MEDIAMTX and c.pending and c.impact is Impact.ALL
        for c in changes
    )


def _relay_wrongs(at: Comparison) -> list[str]:
    facts = at.facts
    if is_silent(facts):
        return ["it runs and does not answer its Control API, so it is restarted"]
    if facts.relay is None or facts.runtime is None or facts.units[UNIT_MEDIAMTX].active != "active":
        return []
    if facts.runtime.sentinel != facts.relay.sentinel:
        # It runs on another file than the one that its paths were compared with.
        return ["it has not read its file"]
    return []
