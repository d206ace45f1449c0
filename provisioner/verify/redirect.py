"""Checks that a path's picture is its own camera's, and the words of a redirect. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address

from provisioner.base.printable import printable
from provisioner.verify.case import PASSED, Case, Check, failed, not_checked
from provisioner.verify.evidence import Device
from provisioner.verify.origins import Origins
from provisioner.verify.result import Cause

# MediaMTX's words for whom it calls, or whose address it asks for (measured on 1.20.1).
_DIALLED = re.compile(r"\b(?:dial|read|write) tcp (?:\S+->)?(\[[^\]\s]+\]|[^\s:\[\]]*):(\d{1,5}): ")
_LOOKED_UP = re.compile(r"\blookup (\S+?)(?: on \S+)?: ")
_REFUSED = re.compile(r"^bad status code: 40[13]\b")
_STRANGE_LETTER = re.compile(r"[^A-Za-z0-9._-]")
_SHOWN = 80
_NAMED = 3


def origin_check(case: Case) -> Check:
    """Check that a path that gives a picture gets it from its own device's address and port."""
    if not case.asks_origin:
        return PASSED
    return _on_demand_check(case) if case.target.path.on_demand else _pulled_check(case)


def _pulled_check(case: Case) -> Check:
    if case.origins is None:
        return _not_told(case)
    if case.device in case.origins.short:
        return _redirected(case, f"no connection to {_shown(case.device)} brings it{_seen(case.origins)}")
    first = case.relay.samples[case.target.path.name][0]
    if first is None or not first.available:
        return not_checked(case.target.relay.id, "it came up while the relay was looked at, and was not counted yet")
    if case.device in case.origins.unsure:
        return not_checked(case.target.relay.id, f"its picture may be another camera's{_seen(case.origins)}")
    return PASSED


def _on_demand_check(case: Case) -> Check:
    on_demand = case.relay.pulled(case.target.path.name)
    if on_demand is None or on_demand.connected is None or not on_demand.pulled:
        return _not_told(case)
    if on_demand.connected < on_demand.pulled:
        return _redirected(case, f"no connection to {_shown(case.device)} brought it")
    return PASSED


def _not_told(case: Case) -> Check:
    return not_checked(case.target.relay.id, "the relay did not tell where its sources are connected")


def _redirected(case: Case, detail: str) -> Check:
    return failed(case.device_layer, case.device_name, Cause.REDIRECTED, f"the camera redirects: {detail}")


def _seen(origins: Origins) -> str:
    named = ", ".join(map(_shown, origins.strange[:_NAMED]))
    return f"; the relay pulls a picture from {named} that is no path's of there" if named else ""


def redirect_check(case: Case) -> Check | None:
    """The failure of a path whose relay was sent elsewhere, by the device's own word or the log's last ones; else None.

    The camera chose the words: of them a host and a port are shown, never a login or a path.
    """
    said = case.relay.errors.get(case.target.path.name, ())
    if place := _answered(case) or next(filter(None, (_elsewhere(line, case.device) for line in said)), ""):
        return failed(case.device_layer, case.device_name, Cause.REDIRECTED, f"the camera redirects to {place}")
    # One that refuses its password is halted as well, until its paths are out; one that redirects says nothing.
    refused = _REFUSED.search(next(iter(case.relay.errors.get(case.target.path.name, ())), ""))
    if case.relay.sources is not None and case.device in case.relay.sources.halted and not refused:
        detail = f"the camera redirects: it makes the relay connect to {_shown(case.device)} again and again"
        return failed(case.device_layer, case.device_name, Cause.REDIRECTED, detail)
    return None


def _answered(case: Case) -> str:
    """Where the device itself sends its relay, if that is not to itself."""
    place = printable(case.said.redirect if case.said else "", _SHOWN)
    return "" if place == _shown(case.device) else place


def _elsewhere(line: str, device: Device) -> str:
    if looked_up := _LOOKED_UP.search(line):
        return _host(looked_up[1])
    dialled = _DIALLED.search(line)
    if dialled is None or (dialled[1].strip("[]"), int(dialled[2])) == device:
        return ""
    return f"{_host(dialled[1])}:{dialled[2]}"


def _shown(place: Device) -> str:
    address = printable(place[0], _SHOWN)
    return f"[{address}]:{place[1]}" if ":" in address else f"{address}:{place[1]}"


def _host(text: str) -> str:
    """A host in a stranger's words: an address, or the letters of a name."""
    bare = text.strip("[]")
    try:
        address = ip_address(bare)
    except ValueError:
        return printable(_STRANGE_LETTER.sub("?", bare.rpartition("@")[2]), _SHOWN)
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 (IPv6)
