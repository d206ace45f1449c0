"""Statements about who reaches what, and which of them the desired state breaks. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from provisioner.inventory.model import Inventory, Program, Service
from provisioner.reach.cells import MANAGEMENT, Reachability, ReachCell, ReachQuery
from provisioner.reach.places import INTERNET
from provisioner.reach.roads import CellReach


class Origin(StrEnum):
    """Who says it."""

    BUILT_IN = "built-in"
    INVENTORY = "intents.yml"


class Statement(NamedTuple):
    """Something that has to hold.

    Attributes:
        name: what it is called, unique among those of its origin.
        allows: whether what it is about has to arrive; else it must not.
        wanted: what it is about.
        reason: why, for whoever meets it; empty where nobody says.
        place: where it stands in `intents.yml`; None of a built-in one.
    """

    name: str
    allows: bool
    wanted: ReachQuery
    reason: str = ""
    place: int | None = None

    @property
    def origin(self) -> Origin:
        """Who says it."""
        return Origin.BUILT_IN if self.place is None else Origin.INVENTORY

    @property
    def words(self) -> str:
        """What it says, e.g. `deny sites to sites`."""
        wanted = self.wanted
        services = f" ({', '.join(wanted.services)})" if wanted.services else ""
        programs = f" by {', '.join(wanted.programs)}" if wanted.programs else ""
        verb = "allow" if self.allows else "deny"
        return f"{verb} {', '.join(wanted.sources)}{programs} to {', '.join(wanted.targets)}{services}"


class StatementResult(NamedTuple):
    """What became of a statement.

    Attributes:
        cells: how many cells it is about; none where nothing of it is there.
        broken: those in which it does not hold.
    """

    statement: Statement
    cells: int
    broken: tuple[ReachCell, ...]

    @property
    def holds(self) -> bool:
        """Whether it was held against something, and holds."""
        return self.cells > 0 and not self.broken


def _deny(
    name: str,
    sources: Iterable[str],
    targets: Iterable[str],
    services: Iterable[Service] = (),
    programs: Iterable[Program] = (),
) -> Statement:
    wanted = ReachQuery(tuple(sources), tuple(targets), tuple(services), tuple(programs))
    return Statement(name, allows=False, wanted=wanted)


_OUTSIDE: Final = (INTERNET, MANAGEMENT)
BUILT_IN: Final = (
    _deny("hosts-shut-to-the-internet", [INTERNET], ["relays", "centres"], [Service.SSH]),
    _deny("relays-shut-outside", _OUTSIDE, ["relays"], [Service.VIDEO, Service.API, Service.OTHER]),
    _deny("sites-shut-outside", _OUTSIDE, ["sites"]),
    _deny("sites-apart", ["sites"], ["sites"]),
    _deny("sites-reach-nobody", ["sites"], ["centres", INTERNET]),
    _deny(
        "sites-open-nothing-at-relays", ["sites"], ["relays"], [Service.SSH, Service.VIDEO, Service.API, Service.OTHER]
    ),
    _deny("centres-only-watch", ["centres"], ["relays"], [Service.SSH, Service.PUBLISH, Service.API, Service.OTHER]),
    _deny("centres-watch-by-relays", ["centres"], ["sites"]),
    _deny("relays-open-nothing-at-centres", ["relays"], ["centres"]),
    _deny("mediamtx-stays-inside", ["relays"], [INTERNET, "centres", "relays"], (), [Program.RELAY]),
    _deny("mediamtx-pulls-cameras-alone", ["relays"], ["sites"], [Service.ONVIF, Service.OTHER], [Program.RELAY]),
    _deny("probe-stays-inside", ["relays", "centres"], [INTERNET], (), [Program.PROBE, Program.RELAY]),
    _deny("probe-pulls-no-camera", ["relays"], ["sites"], [Service.CAMERAS, Service.OTHER], [Program.PROBE]),
    _deny("api-is-root-s", ["relays"], ["relays"], [Service.API], [Program.RELAY, Program.PROBE]),
    _deny("nobody-scans-sites", ["relays"], ["sites"], [Service.OTHER]),
)
"""What holds whatever an inventory says: no plan may break it. Docs: docs/reachability.md."""


def statements_of(inventory: Inventory) -> Iterator[Statement]:
    """The built-in statements, then the inventory's own."""
    yield from BUILT_IN
    for index, intent in enumerate(inventory.intents):
        traffic = intent.traffic
        wanted = ReachQuery(traffic.sources, traffic.targets, traffic.services, traffic.programs)
        yield Statement(intent.id, intent.allow is not None, wanted, intent.reason or "", index)


def judged(
    statements: Iterable[Statement], reachability: Reachability, touching: Collection[str] | None = None
) -> Iterator[StatementResult]:
    """What becomes of each statement.

    Args:
        statements: what has to hold.
        reachability: who can reach what.
        touching: only where one of these hosts is on the road; None takes all.

    Raises:
        RenderError: rules are not of the form of our templates: nothing can be said.
    """
    for statement in statements:
        due = CellReach.YES if statement.allows else CellReach.NO
        cells = [*reachability.cells(statement.wanted._replace(touching=touching))]
        yield StatementResult(statement, len(cells), tuple(cell for cell in cells if cell.reach is not due))
