"""Checks of paths that sites push: nothing of the site can be asked, so all evidence is what comes to the relay. Pure.

One stream that comes proves the site's line, its gateway and its logins. Why another one does not come the relay cannot
know: the gateway's own log has it. Of whoever is refused MediaMTX says an address, and neither path nor user.
"""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.counted import counted
from provisioner.hosts.elements import ElementSet, SetElement
from provisioner.verify.case import PASSED, Case, Check, failed, not_checked
from provisioner.verify.evidence import Sample
from provisioner.verify.result import Cause, Layer

_SHOWN = 3


def push_check(case: Case) -> Check:
    """Check that the path's site pushes to the relay: one of its streams that comes is proof of that."""
    relay, site = case.target.relay.id, case.target.path.facility
    listed = [second for name in _paths_of(case, site) if (second := _second(case, name)) is not None]
    if not listed:
        return not_checked(relay, "the relay did not say whether the site pushes")
    if any(second.available for second in listed):
        return PASSED
    if _is_shut(case):
        return failed(Layer.FIREWALL, relay, Cause.FIREWALL, "the relay's input rules have changed")
    if own := _refused_here(case, site):
        return _refused(case, Layer.SITE, site, own)
    if none := _nobody_pushes(case):
        detail = f"none of the {none} that push to the relay does: its own line, or its address there"
        return failed(Layer.RELAY, relay, Cause.SITE_SILENT, detail)
    detail = "nothing of the site comes: its line, its power, or its gateway is off"
    if strangers := _strangers(case):
        detail = f"{detail}; refused of late, perhaps it: {strangers}"
    return failed(Layer.SITE, site, Cause.SITE_SILENT, detail)


def pushed_check(case: Case) -> Check:
    """Check that a path's stream comes from its site, and that inbound bytes grew."""
    first, second = case.relay.samples.get(case.target.path.name, (None, None))
    if first is None or second is None:
        return not_checked(case.target.relay.id, "there are not two samples of the path")
    return PASSED if second.available and second.online and case.flowed else unpushed(case)


def unpushed(case: Case) -> Check:
    """The failure of a path that its site does not push, or pushes without a picture."""
    path = case.target.path
    second = _second(case, path.name)
    if second is not None and second.available:
        return failed(Layer.CAMERA, case.camera_name, Cause.SILENT, "its site pushes it, and nothing comes")
    site = push_check(case)
    if not site.passed:
        return site
    if own := _refused_here(case, path.facility):
        return _refused(case, Layer.CAMERA, case.camera_name, own)
    detail = "its site pushes other streams and not this one: the log of its gateway says why"
    return failed(Layer.CAMERA, case.camera_name, Cause.NOT_PUBLISHED, detail)


def _second(case: Case, name: str) -> Sample | None:
    return case.relay.samples.get(name, (None, None))[1]


def _paths_of(case: Case, site: str) -> Iterator[str]:
    return (one.name for one in case.target.relay.paths if one.facility == site and one.access.is_pushed)


def _is_shut(case: Case) -> bool:
    firewall = case.target.relay.firewall
    networks = firewall.publishers if firewall else ()
    return any(case.firewall_blocks("input", SetElement(ElementSet.PUBLISHERS, str(one))) for one in networks)


def _refused_here(case: Case, site: str) -> str:
    """The address of a site from which a login was refused of late; empty where none was, or nobody knows its own."""
    return next((one for one in sorted(_addresses_of(case, site)) if one in case.relay.publishing.refused), "")


def _addresses_of(case: Case, site: str) -> set[str]:
    """From where a site comes, as far as it is known: written down, or seen in its other sessions."""
    paths, relay = set(_paths_of(case, site)), case.target.relay.relay
    written = {one for user in relay.users if user.publishes in paths for one in user.addresses} if relay else set()
    seen = {address for path, address in (case.relay.publishing.comes_from or {}).items() if path in paths}
    return {one for one in written if "/" not in one} | seen


def _refused(case: Case, layer: Layer, name: str, address: str) -> Check:
    relay, times = case.target.relay.id, case.relay.publishing.refused[address]
    hint = f"install its newest package, or apply to {relay}"
    detail = f"{relay} refused logins from {address} of late, {counted(times, 'time')}: {hint}"
    return failed(layer, name, Cause.PUBLISHER_REFUSED, detail)


def _nobody_pushes(case: Case) -> str:
    """How many sites push to the relay, where there are several and none of them is there; else empty."""
    sites = {one.facility for one in case.target.relay.paths if one.access.is_pushed}
    known = case.relay.publishing.comes_from
    return counted(len(sites), "site") if len(sites) > 1 and known is not None and not known else ""


def _strangers(case: Case) -> str:
    """The addresses from which most was refused: one of them may be this site; empty where nobody was."""
    refused = case.relay.publishing.refused
    names = sorted(refused, key=lambda one: (-refused[one], one))[:_SHOWN]
    return ", ".join(names)
