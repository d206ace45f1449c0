"""Readers, and the part of a board that each may see.

This is the only place that decides it for pages (`base.roles`). Hidden things are not on a reader's board: a guessed
address gets the same answer as one that never existed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol

from starlette.requests import Request

from provisioner.base.errors import UsageError
from provisioner.base.roles import Matter, Reach, ReaderRole, ReaderScope, Whereabouts
from provisioner.web.board import Board, FacilityRow, SeenPath, by_carrier, by_province, total, worst_of
from provisioner.web.filters import incidents_of

NOC: Final = "noc"
"""The role of a network operations centre: it sees what the commands show."""

ROLE_HEADER: Final = "X-Provisioner-Role"
NAME_HEADER: Final = "X-Provisioner-User"
_OF: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_LONGEST_NAME: Final = 200
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads.

    Attributes:
        scope: in whose name; None is the engineer who started the server, who sees what the commands show.
        who: how a log of accesses to personal data names this reader.
    """

    scope: ReaderScope | None = None
    who: str = ""

    def sees(self, matter: Matter, place: Whereabouts) -> bool:
        """Tell whether all that a matter has of one thing may be shown."""
        return self.scope is None or self.scope.sees(matter, place)

    def may_call(self, place: Whereabouts) -> bool:
        """Tell whether who is to be called may be shown."""
        return self.scope is None or self.scope.may_call(place)


ENGINEER = Reader()


class NobodyError(Exception):
    """A request of which it is not known, or not believed, who reads.

    Attributes:
        sentence: why, and what whoever set it up does.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class SignInError(Exception):
    """A request of a reader who has to sign in first."""


class Door(Protocol):
    """Tells who sends a request."""

    def reader(self, request: Request) -> Reader:
        """Who reads.

        Raises:
            NobodyError: that is not known.
            SignInError: the reader has to sign in.
        """
        ...


class LocalDoor:
    """Everybody is the engineer: only for a server that nobody but this machine can reach."""

    def reader(self, request: Request) -> Reader:
        """The engineer; what came through a proxy came from elsewhere."""
        if any(name in request.headers for name in _FORWARDED):
            raise NobodyError("a proxy forwards to this server, which knows no roles: start it with serve --trust")
        return ENGINEER


@dataclass(frozen=True, slots=True)
class HeaderDoor:
    """Believes the header of a proxy at certain addresses.

    Attributes:
        trusted: the addresses that may say who reads.
        header: the header that says the role.
    """

    trusted: Sequence[Network]
    header: str = ROLE_HEADER

    def reader(self, request: Request) -> Reader:
        """Whom the proxy names."""
        client = _address(request.client.host if request.client else "")
        if client is None or not any(client in network for network in self.trusted):
            raise NobodyError("only the proxy of this server is answered: ask it")
        roles = request.headers.getlist(self.header)
        reader = read_role(roles[0]) if len(roles) == 1 else None
        if reader is None:
            raise NobodyError(f"the proxy has to say one role in {self.header}, e.g. noc, ministry or dic:bac-giang")
        names = request.headers.getlist(NAME_HEADER)
        if len(names) > 1:
            raise NobodyError(f"the proxy has to say one name in {NAME_HEADER}, and to drop the reader's own")
        name = "".join(names)[:_LONGEST_NAME]
        return Reader(reader.scope, name if name.isprintable() else "")


def place_of(facility: FacilityRow) -> Whereabouts:
    """What decides who may see a facility."""
    return Whereabouts(facility.province, facility.id, frozenset(facility.carriers))


def scoped(board: Board, reader: Reader) -> Board:
    """The board of what a reader may see."""
    scope = reader.scope
    if scope is None:
        return board
    if scope.reach(Matter.STATUS) is Reach.COUNTS:
        return replace(board, facilities=(), incidents=(), unread=())
    if scope.reach(Matter.STATUS) is Reach.NOTHING:
        empty = Board(board.inventory, board.scheme, None, None, "", {}, {}, {}, (), (), revision=board.revision)
        return replace(empty, verified_at=board.verified_at)
    names = {group.id: group.name for group in (*board.provinces.values(), *board.carriers.values())}
    facilities = tuple(_facility(f, scope) for f in board.facilities if scope.sees(Matter.STATUS, place_of(f)))
    hosts = (
        ()
        if scope.of
        else (replace(one, finding=replace(one.finding, detail="")) for one in board.incidents if not one.paths)
    )
    incidents = incidents_of(facilities, hosts)
    return replace(
        board,
        counts=total(facility.counts for facility in facilities),
        provinces=by_province(facilities, incidents, names),
        carriers=by_carrier(facilities, incidents, names),
        facilities=facilities,
        incidents=incidents,
        unread=() if scope.of else board.unread,
    )


def _facility(facility: FacilityRow, scope: ReaderScope) -> FacilityRow:
    """A facility with the paths that may be seen, and without evidence that is not for this reader."""
    own = [path for path in facility.paths if scope.sees(Matter.STATUS, _path_place(facility, path))]
    paths = tuple(
        path if scope.sees(Matter.SITE_NETWORK, _path_place(facility, path)) else _without_evidence(path)
        for path in own
    )
    counts = total([Counter(path.verdict for path in paths)])
    worst = worst_of(counts)
    since = min((path.since for path in paths if path.verdict == worst and path.since), default=None)
    own_carrier = (scope.of,) if scope.of in facility.carriers else facility.carriers
    return replace(facility, paths=paths, counts=counts, worst=worst, since=since, carriers=own_carrier)


def _path_place(facility: FacilityRow, path: SeenPath) -> Whereabouts:
    return Whereabouts(facility.province, facility.id, frozenset({path.carrier}))


def _without_evidence(path: SeenPath) -> SeenPath:
    """A path without what names a site's devices: addresses and ports stand in the evidence."""
    suspicions = tuple(one.model_copy(update={"detail": ""}) for one in path.suspicions)
    return replace(path, finding=replace(path.finding, detail=""), suspicions=suspicions)


def read_role(text: str) -> Reader | None:
    """The reader of a role, e.g. `noc`, `ministry`, `dic:bac-giang` or `carrier:viettel`; None for what is none."""
    role, colon, of = text.strip().partition(":")
    if role == NOC and not colon:
        return ENGINEER
    if role not in set(ReaderRole) or (colon and not _OF.fullmatch(of)):
        return None
    try:
        return Reader(ReaderScope(ReaderRole(role), of))
    except ValueError:
        return None


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks that are trusted.

    Raises:
        UsageError: one is none, or is everybody.
    """
    networks = []
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError:
            hint = "write the proxy's address, e.g. 127.0.0.1 or 198.18.0.0/28"
            raise UsageError(f"--trust {text[:60]!r} is no address and no network", hint=hint) from None
        if network.prefixlen == 0:
            raise UsageError(f"--trust {text} would trust everybody", hint="write the proxy's own address")
        networks.append(network)
    return tuple(networks)


def role_name(reader: Reader) -> str:
    """The role as it is written, e.g. `dic:bac-giang`."""
    scope = reader.scope
    return NOC if scope is None else f"{scope.role.value}:{scope.of}" if scope.of else scope.role.value


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(text)
    except ValueError:
        return None
    return read.ipv4_mapped or read if isinstance(read, IPv6Address) else read
