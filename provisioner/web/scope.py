"""What of a board one reader may see (`base.roles`): the only place where that is decided for pages. Pure.

Pages are made of the board that comes from here. What a reader may not see is not in it, so that whoever guesses its
address gets the same answer as for what never was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from provisioner.base.roles import Matter, Reach, ReaderScope, Whereabouts
from provisioner.web.board import Board, FacilityRow, SeenPath, total, worst_of
from provisioner.web.groups import by_carrier, by_province
from provisioner.web.incidents import incidents_of


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
    hosts = () if scope.of else (replace(one, detail="") for one in board.incidents if not one.paths)
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


def _path_place(facility: FacilityRow, path: SeenPath) -> Whereabouts:
    return Whereabouts(facility.province, facility.id, frozenset({path.carrier}))


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


def _without_evidence(path: SeenPath) -> SeenPath:
    """A path without what names a site's devices: addresses and ports stand in the evidence."""
    return replace(path, detail="", suspicions=tuple(replace(one, detail="") for one in path.suspicions))
