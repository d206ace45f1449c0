"""Checks of a picture's source: redirects, quarantine, pushing sites. Pure.

A site that pushes cannot be asked: the only evidence is its streams at the relay. One arriving stream proves the
site's line, gateway and logins. Only the gateway's log explains a missing one. Of a refused login MediaMTX reports the
address, but neither path nor user.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from provisioner.base.text import counted, msg, printable
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import ElementSet, SetElement
from provisioner.plan.diff.paths import quarantined_on
from provisioner.verify.case import PASSED, Case, Check, failed, not_checked
from provisioner.verify.devices import Device
from provisioner.verify.evidence import Origins
from provisioner.verify.result import Cause, Layer

# MediaMTX's words for whom it calls, or whose address it asks for (measured on 1.20.1).
_DIALLED = re.compile(r"\b(?:dial|read|write) tcp (?:\S+->)?(\[[^\]\s]+\]|[^\s:\[\]]*):(\d{1,5}): ")
_LOOKED_UP = re.compile(r"\blookup (\S+?)(?: on \S+)?: ")
_REFUSED = re.compile(r"^bad status code: 401\b")
_STRANGE_LETTER = re.compile(r"[^A-Za-z0-9._-]")
_SHOWN = 80
ANEW = "its stream began anew while the relay was looked at"  #: Why two samples are none of one stream.

_NAMED = 3


def origin_check(case: Case) -> Check:
    """Check that a picture comes from its own device."""
    if not case.asks_origin:
        return PASSED
    return _on_demand_check(case) if case.target.path.on_demand else _pulled_check(case)


def _pulled_check(case: Case) -> Check:
    if case.origins is None:
        return _not_reported(case)
    if case.device in case.origins.short:
        return _redirected(
            case,
            msg(
                "no connection to {device} brings it{origins}",
                _endpoint_text(case.device),
                _unknown_pulls(case.origins),
            ),
        )
    first = case.relay.samples[case.target.path.name][0]
    if first is None or not first["available"]:
        return not_checked(case.target.relay.id, "it came up while the relay was looked at, and was not counted yet")
    if case.device in case.origins.unsure:
        return not_checked(
            case.target.relay.id, msg("its picture may be another camera's{origins}", _unknown_pulls(case.origins))
        )
    return PASSED


def _on_demand_check(case: Case) -> Check:
    on_demand = case.relay.pulled(case.target.path.name)
    if on_demand is None or on_demand["connected"] is None or not on_demand["pulled"]:
        return _not_reported(case)
    if on_demand["connected"] < on_demand["pulled"]:
        return _redirected(case, msg("no connection to {device} brought it", _endpoint_text(case.device)))
    return PASSED


def _not_reported(case: Case) -> Check:
    return not_checked(case.target.relay.id, "the relay did not tell where its sources are connected")


def _redirected(case: Case, detail: str) -> Check:
    return failed(case.device_layer, case.device_name, Cause.REDIRECTED, msg("the camera redirects: {detail}", detail))


def _unknown_pulls(origins: Origins) -> str:
    named = ", ".join(map(_endpoint_text, origins.strange[:_NAMED]))
    return (", " + msg("the relay pulls an unknown picture from {named}", named)) if named else ""


def drifted_check(case: Case) -> Check | None:
    """Return the failure of a changed line in the relay's file."""
    return _drifted(case, case.path_drift.reason) if case.path_drift else None


def _drifted(case: Case, reason: str) -> Check:
    detail = msg("{path} differs in the relay's file: {reason}", case.target.path.name, reason)
    return failed(Layer.HOST, case.target.relay.id, Cause.DRIFT, detail)


def redirect_check(case: Case) -> Check | None:
    """Return the failure of a redirected path, if any.

    The camera chose the words, so only a host and a port are shown, never a login or a path.
    """
    lines = case.relay.errors.get(case.target.path.name, ())
    if redirect := _answered(case) or next(filter(None, (_elsewhere(line, case.device) for line in lines)), ""):
        return failed(
            case.device_layer, case.device_name, Cause.REDIRECTED, msg("the camera redirects to {place}", redirect)
        )
    # A device that refuses its password is halted as well, until its paths are removed; a redirect is no evidence.
    refused = _REFUSED.search(next(iter(case.relay.errors.get(case.target.path.name, ())), ""))
    if case.relay.sources is not None and case.device in case.relay.sources.halted and not refused:
        detail = msg(
            "the camera redirects: it makes the relay connect to {device} again and again", _endpoint_text(case.device)
        )
        return failed(case.device_layer, case.device_name, Cause.REDIRECTED, detail)
    return None


def _answered(case: Case) -> str:
    redirect = printable(case.reply.get("redirect", "") if case.reply else "", _SHOWN)
    return "" if redirect == _endpoint_text(case.device) else redirect


def _elsewhere(line: str, device: Device) -> str:
    if looked_up := _LOOKED_UP.search(line):
        return _host(looked_up[1])
    dialled = _DIALLED.search(line)
    if dialled is None or (dialled[1].strip("[]"), int(dialled[2])) == device:
        return ""
    return f"{_host(dialled[1])}:{dialled[2]}"


def _endpoint_text(device: Device) -> str:
    address = printable(device[0], _SHOWN)
    return f"[{address}]:{device[1]}" if ":" in address else f"{address}:{device[1]}"


def _host(text: str) -> str:
    """Return a foreign host as an address or a safe name."""
    bare = text.strip("[]")
    try:
        address = ip_address(bare)
    except ValueError:
        return printable(_STRANGE_LETTER.sub("?", bare.rpartition("@")[2]), _SHOWN)
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 (IPv6)


def quarantine_check(case: Case) -> Check | None:
    """Return the failure of a quarantined path, without asking for its picture."""
    facts = case.facts
    name = case.target.path.name
    if facts is None or name not in facts.quarantine:
        return None
    quarantined = case.of_relay("quarantined", lambda: quarantined_on(case.target.relay, facts))[name]
    if quarantined.device != case.where:
        return _drifted(case, quarantined.why)
    if redirected := redirect_check(case):
        # It was not the device that refused, but whom it sends its relay to.
        return redirected
    detail = quarantined.why if quarantined.needs_password else f"{quarantined.why}; {quarantined.next_step}"
    return failed(case.device_layer, case.device_name, Cause.WRONG_PASSWORD, detail)


def push_check(case: Case) -> Check:
    """Check that a site pushes: one arriving stream is proof."""
    relay, site = case.target.relay.id, case.target.path.facility
    listed = [second for name in _paths_of(case) if (second := _second(case, name)) is not None]
    if not listed:
        return not_checked(relay, "the relay did not say whether the site pushes")
    if any(second["available"] for second in listed):
        return PASSED
    if _is_shut(case):
        return failed(Layer.FIREWALL, relay, Cause.FIREWALL, "the relay's input rules have changed")
    if address := _refused_here(case):
        return _publisher_refused_check(case, Layer.SITE, site, address)
    if site_count := _nobody_pushes(case):
        detail = msg(
            "all {none} stopped pushing to the relay: its own line is cut, or its address is another one", site_count
        )
        return failed(Layer.RELAY, relay, Cause.SITE_SILENT, detail)
    detail = "no stream of the site arrives"
    if strangers := _strangers(case):
        detail = msg("{detail}; refused of late, perhaps it: {strangers}", detail, strangers)
    return failed(Layer.SITE, site, Cause.SITE_SILENT, detail)


def pushed_check(case: Case) -> Check:
    """Check that a pushed stream arrives and its bytes grow."""
    first, second = case.relay.samples.get(case.target.path.name, (None, None))
    if first is None or second is None:
        return not_checked(case.target.relay.id, "there are not two samples of the path")
    if began_anew(first, second):
        return not_checked(case.target.relay.id, ANEW)
    return PASSED if second["available"] and second["online"] and case.flowed else unpushed(case)


def began_anew(first: wire.SampleAnswer, second: wire.SampleAnswer) -> bool:
    """Return whether the stream began anew: its bytes count from zero."""
    return second["available"] and 0 < second["inbound_bytes"] < first["inbound_bytes"]


def unpushed(case: Case) -> Check:
    """Return the failure of a path without push or without picture."""
    second = _second(case, case.target.path.name)
    if second is not None and second["available"]:
        return failed(Layer.CAMERA, case.camera_name, Cause.SILENT, "its site pushes it, but no stream arrives")
    site = push_check(case)
    if not site.passed:
        return site
    if address := _refused_here(case):
        return _publisher_refused_check(case, Layer.CAMERA, case.camera_name, address)
    return failed(Layer.CAMERA, case.camera_name, Cause.NOT_PUBLISHED, "its site pushes other streams and not this one")


def _second(case: Case, name: str) -> wire.SampleAnswer | None:
    return case.relay.samples.get(name, (None, None))[1]


def _paths_of(case: Case) -> Iterator[str]:
    return (path.name for path in case.of_site if path.access.is_pushed)


def _is_shut(case: Case) -> bool:
    firewall = case.target.relay.firewall
    networks = firewall.publishers if firewall else ()
    return any(case.firewall_blocks("input", SetElement(ElementSet.PUBLISHERS, str(network))) for network in networks)


def _refused_here(case: Case) -> str:
    """Return a site's address with a recently refused login, if any."""
    return next((address for address in sorted(_addresses_of(case)) if address in case.relay.publishing.refused), "")


def _addresses_of(case: Case) -> set[str]:
    paths, relay = set(_paths_of(case)), case.target.relay.relay
    users = relay.users if relay else ()
    by_path = case.of_relay("publishers", lambda: {user.publishes: user.addresses for user in users})
    configured = {ip for path in paths for ip in by_path.get(path, ()) if "/" not in ip}
    sessions = case.relay.publishing.comes_from or {}
    return configured | {sessions[path] for path in paths if path in sessions}


def _publisher_refused_check(case: Case, layer: Layer, name: str, address: str) -> Check:
    relay, times = case.target.relay.id, case.relay.publishing.refused[address]
    detail = msg("{relay} refused logins from {address} {times} of late", relay, address, counted(times, "time"))
    return failed(layer, name, Cause.PUBLISHER_REFUSED, detail)


def _nobody_pushes(case: Case) -> str:
    """Return the number of sites, in words, if all are silent."""
    pushed = (path.facility for path in case.target.relay.paths if path.access.is_pushed)
    pushing, sites = case.relay.publishing.comes_from, case.of_relay("pushing_sites", lambda: len(set(pushed)))
    return counted(sites, "site") if sites > 1 and pushing is not None and not pushing else ""


def _strangers(case: Case) -> str:
    """Return the most refused addresses, one of which may be the site's."""
    refused = case.relay.publishing.refused
    names = sorted(refused, key=lambda address: (-refused[address], address))[:_NAMED]
    return ", ".join(names)
