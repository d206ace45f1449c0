"""Users of the web pages, and each one's part of the board.

Only this module decides it for pages (`base.roles`). Hidden objects are missing on a user's board. So a guessed
address gets the same answer as an address that never existed.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol

from starlette.requests import Request

from provisioner.base.errors import UsageError, raised_as
from provisioner.base.roles import Matter, Reach, ReaderRole, ReaderScope, Whereabouts
from provisioner.verify.work import NO_WORK, RunRow, WaitingPlan, Work
from provisioner.web.board import Board, BoardPath, FacilityRow, IncidentRow, with_paths
from provisioner.web.filters import with_facilities

NOC: Final = "noc"  #: The role of a network operations centre, with all that commands show.

ROLE_HEADER: Final = "X-Provisioner-Role"
NAME_HEADER: Final = "X-Provisioner-User"
_OF: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_LONGEST_NAME: Final = 200
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class WebUser:
    """A person who uses the web pages."""

    #: The role. `None` is the engineer who started the server and sees all that commands show.
    scope: ReaderScope | None = None
    who: str = ""  #: The name in the log of accesses to personal data.

    def sees(self, matter: Matter, whereabouts: Whereabouts) -> bool:
        """Return whether the user may see a matter of an object."""
        return self.scope is None or self.scope.sees(matter, whereabouts)

    def may_call(self, whereabouts: Whereabouts) -> bool:
        """Return whether the user may see contacts."""
        return self.scope is None or self.scope.may_call(whereabouts)


ENGINEER = WebUser()


class NobodyError(Exception):
    """An unknown or untrusted user's request, with the operator's next step."""


class SignInError(Exception):
    """The user has to sign in first."""


class Identification(Protocol):
    """Identifies a request's user: by session, proxy's header, or as local."""

    def user(self, request: Request) -> WebUser:
        """Return who sent the request, or raise `NobodyError` or `SignInError`."""


class LocalIdentification:
    """Treats every user as the engineer, for a server on loopback only."""

    def user(self, request: Request) -> WebUser:
        """Return the engineer; refuse proxies, which forward others' requests."""
        if any(name in request.headers for name in _FORWARDED):
            raise NobodyError("a proxy forwards to this server, which knows no roles: start it with serve --trust")
        return ENGINEER


@dataclass(frozen=True, slots=True)
class HeaderIdentification:
    """Trusts the role header of certain proxies."""

    trusted: Sequence[Network]  #: The proxies' networks.
    header: str = ROLE_HEADER  #: The name of the role header.

    def user(self, request: Request) -> WebUser:
        """Return the user that the proxy names."""
        client = _address_or_none(request.client.host if request.client else "")
        if client is None or not any(client in network for network in self.trusted):
            raise NobodyError("only the proxy of this server is answered: ask it")
        roles = request.headers.getlist(self.header)
        user = read_web_user(roles[0]) if len(roles) == 1 else None
        if user is None:
            raise NobodyError(f"the proxy has to say one role in {self.header}, e.g. noc, ministry or dic:bac-giang")
        names = request.headers.getlist(NAME_HEADER)
        if len(names) > 1:
            raise NobodyError(f"the proxy has to say one name in {NAME_HEADER}, and to drop the reader's own")
        name = "".join(names)[:_LONGEST_NAME]
        return WebUser(user.scope, name if name.isprintable() else "")


def whereabouts_of(facility: FacilityRow) -> Whereabouts:
    """Return the facility's identity for access rules."""
    return Whereabouts(facility.province, facility.id, frozenset(facility.carriers))


def scoped(board: Board, user: WebUser) -> Board:
    """Return the part of a board that a user may see."""
    scope = user.scope
    if scope is None:
        return board
    if scope.reach(Matter.STATUS) is Reach.COUNTS:
        return replace(board, facilities=(), incidents=(), unread=(), unread_reports=(), work=NO_WORK)
    if scope.reach(Matter.STATUS) is Reach.NOTHING:
        empty = Board(board.inventory, board.scheme, None, None, "", {}, {}, {}, (), (), revision=board.revision)
        return replace(empty, verified_at=board.verified_at)
    facilities = tuple(
        _facility_in_scope(f, scope) for f in board.facilities if scope.sees(Matter.STATUS, whereabouts_of(f))
    )
    visible = with_facilities(board, facilities, _findings_in_scope(board, scope))
    unread = () if scope.of else board.unread
    return replace(visible, unread=unread, unread_reports=(), work=_work_in_scope(visible, scope))


def _work_in_scope(visible: Board, scope: ReaderScope) -> Work:
    """Return the permitted part of runs, hosts and waiting work, without persons.

    `visible` has the permitted facilities. Packages belong to these, all other work to hosts of a carrier.
    """
    work, sites = visible.work, visible.by_id
    own = frozenset(host for host, carrier in work.carrier_of.items() if _is_own(scope, carrier))
    others = {host for host, carrier in work.carrier_of.items() if scope.of in visible.carriers and carrier != scope.of}
    packages = tuple(
        replace(
            one, handed=replace(one.handed, by="", relays=tuple(r for r in one.handed.relays if r.relay not in others))
        )
        for one in work.packages
        if one.handed and one.facility in sites
    )
    if scope.reach(Matter.OPERATIONS) is Reach.NOTHING:
        return Work(packages=packages, is_damaged=work.is_damaged)
    runs = {run.id: run for run in (_run_in_scope(run, own, sites) for run in work.runs) if run.hosts or run.facilities}
    return Work(
        runs=tuple(runs.values()),
        hosts=tuple(
            replace(host, applied=runs.get(host.applied.id) if host.applied else None)
            for host in work.hosts
            if host.id in own
        ),
        due=tuple(
            one for one in work.due if _is_own(scope, one.carrier) and (not one.facility or one.facility in sites)
        ),
        packages=packages,
        is_damaged=work.is_damaged,
        plans=tuple(plan for plan in (_plan_in_scope(plan, own, scope) for plan in work.plans) if plan.lacking),
    )


def _is_own(scope: ReaderScope, carrier: str) -> bool:
    return bool(carrier) and scope.sees(Matter.OPERATIONS, Whereabouts(carriers=frozenset({carrier})))


def _run_in_scope(run: RunRow, own: Collection[str], sites: Collection[str]) -> RunRow:
    hosts, named = (
        tuple(name for name in names if name in of) for names, of in ((run.hosts, own), (run.facilities, sites))
    )
    return replace(run, hosts=hosts, facilities=named, who="", approval="", approvals=())


def _plan_in_scope(plan: WaitingPlan, own: frozenset[str], scope: ReaderScope) -> WaitingPlan:
    return replace(
        plan,
        origin="",
        maker="",
        changes={host: number for host, number in plan.changes.items() if host in own},
        lacking=tuple(
            one for one in plan.lacking if _is_own(scope, one.need.carrier) and own.issuperset(one.need.hosts)
        ),
    )


def _facility_in_scope(facility: FacilityRow, scope: ReaderScope) -> FacilityRow:
    """Limit a facility to the paths and evidence that a scope permits."""
    visible = [path for path in facility.paths if scope.sees(Matter.STATUS, _path_whereabouts(facility, path))]
    paths = tuple(
        path if scope.sees(Matter.SITE_NETWORK, _path_whereabouts(facility, path)) else _without_evidence(path)
        for path in visible
    )
    own_carrier = (scope.of,) if scope.of in facility.carriers else facility.carriers
    return replace(with_paths(facility, paths) if facility.paths else facility, carriers=own_carrier)


def _findings_in_scope(board: Board, scope: ReaderScope) -> Iterator[IncidentRow]:
    """Yield a scope's findings; hosts' only for the whole country."""
    for one in board.incidents:
        if one.paths:
            continue
        facility = board.by_id.get(one.facilities[0]) if one.facilities else None
        where = Whereabouts(facility.province, facility.id, frozenset(one.carriers)) if facility else Whereabouts()
        if not scope.sees(Matter.STATUS, where):
            continue
        own = tuple(carrier for carrier in one.carriers if scope.of not in one.carriers or carrier == scope.of)
        shown = one if scope.sees(Matter.SITE_NETWORK, where) else replace(one, finding=replace(one.finding, detail=""))
        yield replace(shown, carriers=own)


def _path_whereabouts(facility: FacilityRow, path: BoardPath) -> Whereabouts:
    return Whereabouts(facility.province, facility.id, frozenset({path.carrier}))


def _without_evidence(path: BoardPath) -> BoardPath:
    """Remove details, which contain addresses and ports of devices."""
    suspicions = tuple(replace(suspicion, detail="") for suspicion in path.suspicions)
    return replace(path, finding=replace(path.finding, detail=""), suspicions=suspicions)


def read_web_user(text: str) -> WebUser | None:
    """Parse a role, e.g. `noc`, `dic:bac-giang`, `carrier:viettel`; `None` if invalid."""
    role, colon, owner = text.strip().partition(":")
    if role == NOC and not colon:
        return ENGINEER
    if role not in set(ReaderRole) or (colon and not _OF.fullmatch(owner)):
        return None
    try:
        return WebUser(ReaderScope(ReaderRole(role), owner))
    except ValueError:
        return None


def read_trusted_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Parse trusted addresses and networks, never all; or raise `UsageError`."""
    networks = []
    for text in texts:
        hint = "write the proxy's address, e.g. 127.0.0.1 or 198.18.0.0/28"
        with raised_as(UsageError(f"--trust {text[:60]!r} is no address and no network", hint=hint), ValueError):
            network = ip_network(text)
        if network.prefixlen == 0:
            raise UsageError(f"--trust {text} would trust everybody", hint="write the proxy's own address")
        networks.append(network)
    return tuple(networks)


def role_name(user: WebUser) -> str:
    """Return the written role, e.g. `dic:bac-giang`."""
    scope = user.scope
    return NOC if scope is None else f"{scope.role.value}:{scope.of}" if scope.of else scope.role.value


def _address_or_none(text: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(text)
    except ValueError:
        return None
    return read.ipv4_mapped or read if isinstance(read, IPv6Address) else read
