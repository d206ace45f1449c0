"""Pages as HTML, from one user's board. Pure.

Pages have no inline script or style and load no external resource. All values are escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final

import jinja2
from markupsafe import Markup

from provisioner.base.groups import grouped
from provisioner.base.language import Language, Translator
from provisioner.base.text import VIETNAM, in_vietnam, percent, printable
from provisioner.inventory.geography import ProvinceError, by_slug
from provisioner.record.availability.measured import LONGEST_STANDING, Measured, Span, total_of
from provisioner.record.availability.path_state import WorstOfDay
from provisioner.record.lifecycle.state import STALE
from provisioner.verify.judge import LEVELS
from provisioner.verify.result import WithFinding
from provisioner.web import filters
from provisioner.web.board import OLD, WARNING, WORST_FIRST, Board, BoardPath, FacilityRow, GroupRow
from provisioner.web.source import NIGHTS, Past, days_until, strip
from provisioner.web.texts import age, at_time, day_text, page_translator, tiles, words_of

_MANY: Final = 0.1
_SOME: Final = 0.02

#: The Content-Security-Policy in a page. A server's answers also forbid frames.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'"
)

_FIRST_INCIDENTS: Final = 12
_LANGUAGES: Final = {Language.EN: "English", Language.VI: "Tiếng Việt"}


@dataclass(frozen=True)
class PageWords:
    """Formats a page's values in its language."""

    board: Board
    links: filters.Links
    now: datetime

    @cached_property
    def t(self) -> Translator:
        """The translator of the page's language."""
        return page_translator(self.links.language)

    @cached_property
    def words(self) -> Mapping[str, Mapping[str, str]]:
        """Translations of values, by the name of their enumeration."""
        return words_of(self.links.language)

    @property
    def is_stale(self) -> bool:
        """Whether the newest verification is missing or too old."""
        verified = self.board.verified_at
        return verified is None or self.now - verified > STALE

    @property
    def freshness(self) -> str:
        """The age of the page's facts, in words."""
        verified, oldest = self.board.verified_at, self.board.oldest_at
        if verified is None:
            return self.t("No verification yet.")
        sentence = self.t("Verified {time}, {age} ago.", time=self.time(verified), age=self.age(verified))
        if self.links.is_file:
            sentence += " " + self.t("Written {time}: later changes are not in these files.", time=self.time(self.now))
        if self.is_stale:
            sentence += " " + self.t("That is too long ago to say anything of now: run provisioner verify.")
        if oldest is not None and verified - oldest > STALE:
            sentence += " " + self.t("The oldest word on a path is of {time}.", time=self.time(oldest))
        return sentence

    def number(self, number: int) -> str:
        """Format a number with thousands separators."""
        return f"{number:,}".replace(",", "." if self.links.language is Language.VI else ",")

    def time(self, moment: datetime | None) -> str:
        """Format a time."""
        return at_time(moment, self.links.language)

    def second(self, moment: datetime) -> str:
        """Format a time with its second."""
        return f"{self.time(moment)}:{in_vietnam(moment):%S}"

    def day(self, day: date) -> str:
        """Format a day."""
        return day_text(day, self.links.language)

    def share(self, number: int, most: int) -> str:
        """Format a whole percentage."""
        return f"{100 * number // most} %"

    def age(self, moment: datetime | None) -> str:
        """Format the age of a time."""
        return age(moment, self.now, self.t)

    @property
    def today(self) -> date:
        """The date in Vietnam."""
        return self.now.astimezone(VIETNAM).date()

    def next(self, found: WithFinding) -> str:
        """Return the next step for a finding; empty if there is none."""
        return self.t(found.next_step) if found.next_step else ""

    def paths(self, number: int) -> str:
        """Format a number of paths."""
        return self.t.plural("{number} path", "{number} paths", number, number=self.number(number))

    def numbers(self, counts: Mapping[str, int]) -> Sequence[tuple[str, int]]:
        """Return counts by verdict; rare verdicts only if present."""
        always = {"up", "down", "unknown", "degraded"}
        return [(verdict, counts.get(verdict, 0)) for verdict in WORST_FIRST if verdict in always or verdict in counts]

    def headline(self, counts: Mapping[str, int]) -> str:
        """Return how many paths are up, in words."""
        number = sum(counts.values())
        numbers = {verdict: self.number(counts.get(verdict, 0)) for verdict in ("up", OLD)}
        is_whole = all(state == "current" for _, state, _ in self.board.sources)
        if counts.get("up", 0) == number and is_whole:
            return self.t("All {paths} are up", paths=self.paths(number))
        if OLD in counts:
            return self.t(
                "{up} of {paths} are known to be up; {old} were up more than {hours} h ago",
                paths=self.paths(number),
                hours=LONGEST_STANDING // timedelta(hours=1),
                **numbers,
            )
        return self.t("{up} of {paths} are up", up=numbers["up"], paths=self.paths(number))

    def source_word(self, state: str) -> str:
        """Return a reporting controller's state in words."""
        words = {
            "current": self.t("current"),
            "silent": self.t("silent: unknown"),
            "never reported": self.t("never reported"),
            "doubted": self.t("not trusted now: unknown"),
        }
        return words.get(state, state)

    def watched(self) -> str:
        """Return what running watches add, in words; empty without one."""
        board = self.board
        if not board.watched:
            return ""
        sentence = self.t("A watch follows {paths}.", paths=self.paths(board.watched))
        if not board.by_watch:
            return sentence
        worse = self.t("It sees {paths} worse than the last verification.", paths=self.paths(board.by_watch))
        return f"{sentence} {worse}"

    def watch_word(self, path: BoardPath) -> str:
        """Return a watch's word, if it adds to the verdict."""
        watch = path.watch
        if watch is None or (watch.verdict == path.verdict == "up"):
            return ""
        if watch.verdict == "up":
            return self.t("The watch sees it flow into the relay; it checks no picture.")
        verdict = self.words["Verdict"].get(watch.verdict, watch.verdict)
        if watch.since is None:
            return self.t("The watch: {verdict}.", verdict=verdict)
        since = {"time": self.time(watch.since), "age": self.age(watch.since)}
        return self.t("The watch: {verdict} since {time}, {age} ago.", verdict=verdict, **since)

    def verified_word(self, path: BoardPath) -> str:
        """Return the verification's verdict, if another one is shown."""
        if not path.verified:
            return ""
        verdict = self.words["Verdict"].get(path.verified, path.verified)
        at = {"time": self.time(path.checked_at), "age": self.age(path.checked_at)}
        return self.t("The last verification: {verdict}, {time}, {age} ago.", verdict=verdict, **at)

    def count_not_up(self, group: GroupRow) -> int:
        """Count a group's paths that are neither up nor in maintenance."""
        return group.paths - group.counts.get("up", 0) - group.counts.get("maintenance", 0)

    def not_up(self, group: GroupRow) -> str:
        """Format the number of paths that are not up."""
        number = self.count_not_up(group)
        if not group.paths:
            return self.t("no path is carried yet")
        if number and number == group.counts.get(OLD, 0):
            return f"{self.number(number)} {self.words['Verdict'][OLD]}"
        return self.t("{number} not up", number=self.number(number)) if number else self.t("all up")

    def weight(self, group: GroupRow) -> str:
        """Return the class for a tile's colour strength."""
        share = self.count_not_up(group) / group.paths if group.paths else 0
        return "many-of" if share >= _MANY else "some" if share >= _SOME else "few"

    def province_name(self, slug: str) -> str:
        """Return a province's name, or the slug if unknown."""
        try:
            return by_slug(slug, self.board.scheme).name
        except ProvinceError:
            return slug

    def group_name(self, slug: str) -> str:
        """Return the name of a province with facilities, or the slug."""
        group = self.board.provinces.get(slug)
        return group.name if group else slug

    def carrier_names(self, carriers: Iterable[str]) -> str:
        """Return the names of carriers."""
        groups = self.board.carriers
        return ", ".join(groups[carrier].name if carrier in groups else carrier for carrier in carriers)

    def facility_name(self, id_: str) -> str:
        """Return a facility's name, or the id if unknown."""
        facility = self.board.by_id.get(id_)
        return facility.name if facility else id_

    def proof(self, path: BoardPath) -> str:
        """Return when a path was last checked and last proved."""
        checked = self.t("Checked {time}.", time=self.time(path.checked_at)) if path.checked_at else ""
        if "up" in {path.verdict, path.verified}:
            return checked
        if path.proved_at is None:
            return " ".join(filter(None, (checked, self.t("No earlier proof is remembered."))))
        proved = self.t(
            "Last proved to level {level} on {time}.", level=path.proved_level, time=self.time(path.proved_at)
        )
        return " ".join(filter(None, (checked, proved)))

    def ladder_words(self, path: BoardPath) -> str:
        """Format the levels that a path passed."""
        levels = ", ".join(map(str, path.passed))
        return self.t("levels {levels} passed", levels=levels) if levels else self.t("no level passed")

    def available(self, measured: Measured | None) -> str:
        """Format the availability; empty without measured time."""
        share = measured.available if measured else None
        return "" if share is None else self.percent(share)

    def percent(self, share: float) -> str:
        """Format a share."""
        text = percent(share)
        return text.replace(".", ",") if self.links.language is Language.VI else text

    def strip(self, squares: Sequence[WorstOfDay]) -> Markup:
        """Render a path's last nights."""
        return strip(tuple(squares), self.links.language)


@dataclass(frozen=True)
class PageSheet:
    """Common values of the pages of one answer."""

    board: Board
    links: filters.Links
    now: datetime
    past: Past
    live: bool = False  #: Whether the page listens for new records.
    sees_facilities: bool = True  #: Whether the user sees more than numbers.
    sees_operations: bool = True  #: Whether the user sees runs and hosts.
    sees_causes: bool = True  #: Whether the user sees why a host was not changed, which may name others.
    dashboard: str = ""  #: The address of a dashboard; empty without one.
    reader_name: str = ""  #: Empty if there is only one user.
    leave: str = ""  #: The sign-out address; empty without sign-in.
    calls: bool = False  #: Whether the user may see the facility's contacts.
    trouble: str = ""  #: Why no newer board can be loaded; empty if one can.

    @cached_property
    def words(self) -> PageWords:
        """The words of this answer's pages."""
        return PageWords(self.board, self.links, self.now)

    def has(self, page: str) -> bool:
        """Whether the user gets a list; a view has none of work."""
        sees = self.sees_operations if page in {filters.CHANGES, filters.HOSTS} else self.sees_facilities
        return sees and not (self.board.sources and page in filters.OF_WORK)

    def made_list(
        self, page: str, title: str, listed: Sequence[object], choice: filters.Filters, size: int, **values: object
    ) -> str:
        """Render one page of a filtered list; size 0 shows all rows."""
        part, rows = filters.part_of(listed, choice.page, size)
        groups = self.board.provinces.values()
        return self.made(
            page,
            title,
            choice=choice,
            part=part,
            shown=rows,
            page_address=lambda number: self.links.to(page, **choice.at(number)),
            provinces=sorted(((group.id, group.name) for group in groups), key=lambda pair: pair[0]),
            carriers=[(group.id, group.name) for group in self.board.carriers.values()],
            **values,
        )

    def made(self, template: str, title: str, **values: object) -> str:
        """Render a template."""
        wording = self.words
        other_language = next(language for language in Language if language is not self.links.language)
        t = wording.t
        named = [
            (t("Incidents"), filters.INCIDENTS),
            (t("Facilities"), filters.FACILITIES),
            (t("Changes"), filters.CHANGES),
            (t("Hosts"), filters.HOSTS),
            (t("Waiting"), filters.WAITING),
        ]
        menu = [(t("Overview"), filters.OVERVIEW), *(one for one in named if self.has(one[1]))]
        return _template(template).render(
            board=self.board,
            links=self.links,
            live=self.live,
            c=wording,
            t=t,
            policy=POLICY,
            language=self.links.language.value,
            other=other_language,
            other_name=_LANGUAGES[other_language],
            navigation=[(name, self.links.to(page), template == (page or "overview")) for name, page in menu],
            title=title,
            freshness=wording.freshness,
            trouble=self.trouble,
            stale=wording.is_stale or bool(self.trouble),
            sees_facilities=self.sees_facilities,
            sees_operations=self.sees_operations,
            dashboard=self.dashboard,
            reader_name=self.reader_name,
            leave=self.leave,
            **values,
        )


@dataclass(frozen=True, slots=True)
class CallCard:
    """A contact. This is personal data, which pages never store."""

    name: str = field(repr=False)
    title: str = field(repr=False)
    phone: str = field(repr=False)
    role: str = ""


def overview_page(sheet: PageSheet) -> str:
    """Return the overview: incidents, numbers, map, carriers."""
    board, words = sheet.board, sheet.words
    sentence = words.headline(board.counts) if any(board.counts.values()) else words.t("No path was verified yet")
    placed = tiles(board.scheme)

    def address(verdict: str) -> str:
        return sheet.links.to(filters.FACILITIES, verdict=verdict)

    return sheet.made(
        "overview",
        sentence,
        sentence=sentence,
        numbers=words.numbers(board.counts),
        address=None if sheet.links.is_file or not sheet.sees_facilities else address,
        incidents=board.incidents[:_FIRST_INCIDENTS],
        incidents_total=len(board.incidents),
        tiles=[(tile, board.provinces.get(tile.slug)) for tile in placed.values()],
        elsewhere=[group for slug, group in board.provinces.items() if slug not in placed],
        current=sum(state == "current" for _, state, _ in board.sources),
    )


def incidents_page(sheet: PageSheet, choice: filters.Filters, size: int = filters.PAGE_SIZE) -> str:
    """Return the list of chosen incidents."""
    words, layers = sheet.words, sorted({incident.layer for incident in sheet.board.incidents if incident.layer})
    return sheet.made_list(
        filters.INCIDENTS,
        words.t("Incidents"),
        filters.choose_incidents(sheet.board, choice),
        choice,
        size,
        verdicts=[*_verdicts(words), (WARNING, words.words["Verdict"][WARNING])],
        layers=[(layer, words.words["Layer"].get(layer, layer)) for layer in layers],
    )


def facilities_page(sheet: PageSheet, choice: filters.Filters, size: int = filters.PAGE_SIZE) -> str:
    """Return the list of chosen facilities."""
    words = sheet.words
    return sheet.made_list(
        filters.FACILITIES,
        words.t("Facilities"),
        filters.choose_facilities(sheet.board, choice),
        choice,
        size,
        verdicts=[*_verdicts(words), (filters.NOT_CARRIED, words.t("not carried"))],
        sorts=[("worst", words.t("worst first")), ("name", words.t("name")), ("since", words.t("longest first"))],
    )


def _verdicts(words: PageWords) -> list[tuple[str, str]]:
    return [(verdict, words.words["Verdict"][verdict]) for verdict in WORST_FIRST]


def province_page(sheet: PageSheet, slug: str, size: int = filters.PAGE_SIZE) -> str | None:
    """Return a province's page; `None` if the board lacks the province."""
    group = sheet.board.provinces.get(slug)
    if group is None:
        return None
    choice = filters.Filters(province=slug)
    incidents = filters.choose_incidents(sheet.board, choice)
    facilities = filters.choose_facilities(sheet.board, choice)
    return sheet.made(
        "province",
        group.name,
        group=group,
        numbers=sheet.words.numbers(group.counts),
        incidents=incidents[: size or None],
        incidents_total=len(incidents),
        facilities=facilities[: size or None],
        facilities_total=len(facilities),
    )


def facility_page(sheet: PageSheet, id_: str) -> str | None:
    """Return a facility's page; `None` if the board lacks the facility."""
    facility = sheet.board.by_id.get(id_)
    if facility is None:
        return None
    words = sheet.words
    summary = words.headline(facility.counts) if facility.paths else ""
    strips = _night_strips(sheet.past, facility, words)
    span = Span(sheet.now - timedelta(days=NIGHTS), sheet.now)
    shares = sheet.past.measured(f"{facility.folder}/{facility.id}/", span) if strips else {}
    measured = total_of(shares[name] for name in {path.name for path in facility.paths} if name in shares)
    return sheet.made(
        "facility",
        facility.name,
        one=facility,
        summary=summary,
        findings=[one for one in sheet.board.incidents if not one.paths and id_ in one.facilities],
        faults=[
            (
                min((path.since for path in paths if path.since), default=None),
                [(path, strips.get(path.name), words.available(shares.get(path.name))) for path in paths],
            )
            for paths in grouped(facility.paths, _fault_of).values()
        ],
        available=words.available(measured),
        unmeasured=words.percent(measured.unmeasured_share),
        has_nights=bool(strips),
        levels=LEVELS,
        may_call=sheet.calls,
    )


def _fault_of(path: BoardPath) -> tuple[str, ...]:
    """Return a key that paths with one fault share."""
    if not (path.object and path.cause) or path.until:
        return (path.name, path.relay)
    return path.relay, path.verdict, path.verified, path.cause, path.layer or "", path.object


def _night_strips(past: Past, facility: FacilityRow, words: PageWords) -> Mapping[str, Sequence[WorstOfDay]]:
    if not facility.paths:
        return {}
    strips = past.nights(f"{facility.folder}/{facility.id}/", words.today, NIGHTS)
    blank = [WorstOfDay(day) for day in days_until(words.today, NIGHTS)]
    return {path.name: strips.get(path.name, blank) for path in facility.paths} if strips else {}


def sentence_page(sheet: PageSheet, title: str, sentence: str) -> str:
    """Return a page with one sentence, e.g. for a missing page."""
    return sheet.made("sentence", title, sentence=sentence)


def contacts_page(sheet: PageSheet, id_: str, cards: Sequence[CallCard]) -> str | None:
    """Return a facility's contacts; `None` if the board lacks the facility."""
    facility = sheet.board.by_id.get(id_)
    if facility is None:
        return None
    t = sheet.words.t
    return sheet.made("contacts", t("Who to call"), one=facility, cards=cards)


@lru_cache(maxsize=16)
def _template(name: str) -> jinja2.Template:
    return _environment().get_template(f"{name}.html.j2")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("provisioner.web"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
