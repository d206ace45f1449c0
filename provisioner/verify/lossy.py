"""Whether a line loses packets: from a site to its relay, and from a relay to a centre. Pure.

TCP sends again what was lost, so that a stream may come in full over a line that loses every third packet, in one look,
and not in the next. The kernel of whoever receives counts packets that came before one that was lost: they tell of
the line, whatever one stream was like. What a line loses is one failure for all that comes over it.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.desired.spec import HostSpec
from provisioner.verify.case import Case, Check, failed
from provisioner.verify.result import Cause, Layer
from provisioner.verify.travel import Arrival

# Of a line that loses nothing, between hosts so busy that they drop packets themselves, one in twenty; of one that
# loses every third packet, or gets 40 % of what it needs, a third to a half, and of each connection there no less than
# the second (measured).
_LOSES, _LOSES_EACH = 0.2, 0.12
# So many packets say something of a line, and so few of a connection do.
_FEWEST, _FEWEST_EACH = 100, 20
# Of one device whose own cable loses packets the connections are fewer.
_MOST_OF_THEM = 2 / 3


def site_line_check(case: Case) -> Check | None:
    """The failure of a site's line that loses packets; None where it does not, or nobody counted."""
    sources = case.relay.deliveries.sources if case.relay.deliveries else ()
    share = _lost_share(one for one in sources if one.address == case.device[0])
    if share is None:
        return None
    relay = case.target.relay
    detail = f"{share:.0%} of what comes over the site's line to {relay.id} comes after a lost packet: {_HINT}"
    return failed(Layer.SITE, case.target.path.facility, Cause.STARVED, detail)


def centre_line_check(case: Case, centre: HostSpec) -> Check | None:
    """The failure of a line between a relay and a centre that loses packets; None where it does not."""
    host, relay = case.hosts.get(centre.id), case.target.relay
    incoming = host.centre.incoming if host and host.centre else ()
    share = _lost_share(one for one in incoming if one.address == str(relay.tunnel.address))
    if share is None:
        return None
    detail = f"{share:.0%} of what comes from {relay.id} to {centre.id} comes after a lost packet: {_HINT}"
    return failed(Layer.RELAY, relay.id, Cause.STARVED, detail)


_HINT = "the line loses packets, or does not bear what is watched"


def _lost_share(arrivals: Iterable[Arrival]) -> float | None:
    """The share of packets that came before a lost one, of a line where most connections have some; else None."""
    counted = [one for one in arrivals if one.segments >= _FEWEST_EACH]
    total = sum(one.segments for one in counted)
    losing = [one for one in counted if one.disordered >= _LOSES_EACH * one.segments]
    share = sum(one.disordered for one in counted) / total if total else 0.0
    if total < _FEWEST or share < _LOSES or len(losing) < _MOST_OF_THEM * len(counted):
        return None
    return share
