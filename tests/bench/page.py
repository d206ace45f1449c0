"""The part `page`: what pages of a whole country cost, with a generated verification of every path.

A country is written and loaded as for `national`; one night of it is recorded. Then: how long it takes to load a board,
to make each page, to answer a filter, to write all files; and in Debian's Chromium, where it is there, the first paint
and a filter as a reader sees them, from a server of its own process.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.operations.apply.run import Intent
from provisioner.operations.questions.overview import Overview, overview
from provisioner.operations.questions.work import read_changes, read_work
from provisioner.operations.rollout.waves import Wave
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.plan import Basis
from provisioner.record.entries import Ending, Event, Operation, Run
from provisioner.record.event_log import EventLog
from provisioner.record.state_folder import StateFolder, state_folder_of
from provisioner.record.store import open_history
from provisioner.web.board import rank
from provisioner.web.filters import CHANGES, FACILITIES, HOSTS, INCIDENTS, WAITING, Filters, Links, choose_facilities
from provisioner.web.noc_pages import changes_page, hosts_page, waiting_page
from provisioner.web.pages import (
    PageSheet,
    facilities_page,
    facility_page,
    incidents_page,
    overview_page,
    province_page,
)
from provisioner.web.readers import WebUser, scoped
from provisioner.web.source import RecordedSource
from provisioner.web.static import write_pages
from tests.bench.figures import Figure, Part
from tests.inventories import load_inventory
from tests.national import TODAY, Country, generate
from tests.verified import DrawnNight

CAMERAS: Final = 100_000
_CAMERAS_A_SITE: Final = 10
_OFTEN: Final = 10
_APPLIES: Final = 5 * 365
_NOTES: Final = (
    "a board is loaded once for each run that is recorded, beside the one that is shown",
    "first paint: from the question to the first text on the screen and the whole page read, whichever is later",
    "a filter waits 80 ms for the next letter before it asks; that is in its figure",
)


@dataclass
class _Taken:
    """Seconds of each thing."""

    group: str
    values: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], object], runs: int) -> None:
        """Do something so often."""
        for _ in range(runs):
            began = time.perf_counter()
            work()
            self.add(name, time.perf_counter() - began)

    def add(self, name: str, value: float, unit: str = "s") -> None:
        self.values.setdefault(name, []).append(value)
        self.units[name] = unit

    def figures(self) -> tuple[Figure, ...]:
        """All of them."""
        return tuple(Figure(self.group, name, self.units[name], tuple(of)) for name, of in self.values.items())


def measure(cameras: int, runs: int, seed: int, say: Callable[[str], None]) -> Part:
    """Measure pages of a country of so many cameras."""
    with tempfile.TemporaryDirectory(prefix="bench-page-") as name:
        folder = Path(name)
        say(f"page: writing a country of {cameras:,} cameras")
        generate(folder / "inventory", Country(facilities=cameras // _CAMERAS_A_SITE, cameras=cameras, seed=seed))
        environment = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
        inventory = load_inventory(folder / "inventory", today=TODAY)
        now = datetime.now(UTC).replace(microsecond=0)
        place = state_folder_of(environment, inventory.settings.id)
        since: dict[str, datetime] = {}
        for back in (1, 0):
            night = DrawnNight(inventory, now - timedelta(days=back, minutes=5), seed, since)
            night.record(place, document=back == 0)
        record_year(place, sorted(inventory.relays), now)
        taken = _Taken(f"{cameras:,} cameras")
        source = RecordedSource(
            lambda: overview(folder / "inventory", environment, now), lambda: now, read_work, read_changes
        )
        say("page: loading and making pages")
        _in_one_process(taken, source, folder, now, runs)
        if shutil.which("chromium"):
            say("page: in Chromium")
            _in_a_browser(taken, folder, environment, runs)
        return Part(f"page, {cameras:,} cameras", taken.figures(), (), _NOTES)


def record_year(place: StateFolder, relays: Sequence[str], now: datetime) -> None:
    """Record five applies on each day of a year, each of two relays with 40 changes."""
    digests = dict.fromkeys(relays, "sha256:0")
    with closing(open_history(place)) as history, closing(EventLog(place)) as log:
        for number in range(_APPLIES):
            at, hosts = now - timedelta(hours=5 * (number + 1)), (relays[number % len(relays)], relays[-1])
            run = Run(f"{at:%Y%m%dT%H%M%SZ}-{number:06x}", Operation.APPLY, at, "", "", {"user": "noc"}, "1.2.3")
            changes = {
                host: tuple(Change(host, Resource.PATH, f"p{n}", Action.CREATE, Impact.HOT, "") for n in range(20))
                for host in hosts
            }
            intent = Intent(Basis("sha256:0", "sha256:0", digests, "1.2.3"), (Wave("all", hosts),), digests, changes)
            history.begin(run, hosts, "", Event("", "run", "begin", intent.plain(), at=at))
            for host in hosts:
                log.add(run.id, Event(host, "end", "applied", {"seconds": 1.0}, at=at))
            history.end(run, Ending(at + timedelta(minutes=1), "applied"))


def _in_one_process(taken: _Taken, source: RecordedSource[Overview], folder: Path, now: datetime, runs: int) -> None:
    taken.time("board, loaded", source.load, min(runs, 3))
    taken.time("whether a run was recorded", source.mark, runs)
    board = source.load()
    taken.time("board of a DIC", lambda: scoped(board, WebUser(ReaderScope(ReaderRole.DIC, "ha-noi"))), runs)
    taken.time("board of a carrier", lambda: scoped(board, WebUser(ReaderScope(ReaderRole.CARRIER, "viettel"))), runs)

    def sheet(page: str) -> PageSheet:
        return PageSheet(board, Links(Language.VI, page), now, source.past)

    largest = max(board.provinces.values(), key=lambda group: group.facilities).id
    one = min(board.facilities, key=lambda facility: rank(facility.worst))
    pages: dict[str, Callable[[], object]] = {
        "overview": lambda: overview_page(sheet("")),
        "incidents": lambda: incidents_page(sheet(INCIDENTS), Filters()),
        "facilities": lambda: facilities_page(sheet(FACILITIES), Filters()),
        "a filter by name": lambda: facilities_page(sheet(FACILITIES), Filters(q="y te vi du 7")),
        "changes": lambda: changes_page(sheet(CHANGES), Filters()),
        "hosts": lambda: hosts_page(sheet(HOSTS), Filters()),
        "waiting": lambda: waiting_page(sheet(WAITING), Filters()),
        "province, the largest": lambda: province_page(sheet("provinces/x"), largest),
        "facility, with its nights": lambda: facility_page(sheet("facilities/x"), one.id),
    }
    for name, make in pages.items():
        make()
        taken.time(f"page: {name}", make, _OFTEN)
    assert choose_facilities(board, Filters(q="y te vi du 7"))
    began = time.perf_counter()
    number = write_pages(folder / "pages", board, source.past, now)
    taken.add("all files, written", time.perf_counter() - began)
    taken.add("files", number, "")
    taken.add("their size", sum(path.stat().st_size for path in (folder / "pages").rglob("*")) / 2**20, "MiB")


@contextmanager
def _server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    program = [sys.executable, "-m", "provisioner", "-i", str(folder / "inventory"), "serve", "--port", "0"]
    with subprocess.Popen(program, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = re.search(r"http://\S+/", process.stdout.readline())
            assert address
            yield address[0]
        finally:
            process.terminate()


def _in_a_browser(taken: _Taken, folder: Path, environment: dict[str, str], runs: int) -> None:
    from tests.web.browsers import chromium, opened  # noqa: PLC0415 (only where there is a browser)

    with _server(folder, environment) as address, chromium() as browser:
        for _ in range(max(runs, 3)):
            for name, place in {
                "first paint: overview": f"{address}vi/",
                "first paint: facilities": f"{address}vi/facilities",
                "first paint: incidents": f"{address}vi/incidents",
                "file opened: overview": (folder / "pages/vi/index.html").as_uri(),
                "file opened: all facilities": (folder / "pages/vi/facilities.html").as_uri(),
                "file opened: all incidents": (folder / "pages/vi/incidents.html").as_uri(),
            }.items():
                with opened(browser) as page:
                    page.goto(place)
                    painted = page.evaluate(_PAINTED)
                    taken.add(name, painted / 1000)
            with opened(browser) as page:
                page.goto(f"{address}vi/facilities")
                taken.add("filter, typed to shown", page.evaluate(_FILTERED) / 1000)
            with opened(browser) as page:
                page.goto((folder / "pages/vi/facilities.html").as_uri())
                taken.add("filter in a file", page.evaluate(_FILTERED_ROWS) / 1000)


_PAINTED: Final = """
new Promise((tell) => requestAnimationFrame(() => setTimeout(() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const read = performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd;
  tell(Math.max(paint ? paint.startTime : 0, read));
}, 50)))
"""
_FILTERED: Final = """
new Promise((tell) => {
  const began = performance.now();
  new MutationObserver(() => requestAnimationFrame(() => tell(performance.now() - began)))
    .observe(document.querySelector("main"), { childList: true });
  const field = document.querySelector("form.filter input[name=q]");
  field.value = "y te vi du 7";
  field.dispatchEvent(new Event("input", { bubbles: true }));
})
"""
_FILTERED_ROWS: Final = """
new Promise((tell) => {
  const began = performance.now();
  const field = document.querySelector("form.filter input[name=q]");
  field.value = "y te vi du 7";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => tell(performance.now() - began));
})
"""
