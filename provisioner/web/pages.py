"""Every page as HTML, made of the board of one reader: what is not on that board is on no page. Pure.

No script and no style stands in a page, nothing comes from elsewhere, and every value is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import jinja2
from markupsafe import Markup

from provisioner.availability.measured import Span, total_of
from provisioner.base.language import Language
from provisioner.base.printable import printable
from provisioner.verify.levels import LEVELS
from provisioner.web.board import WORST_FIRST, Board, FacilityRow
from provisioner.web.filters import (
    NOT_CARRIED,
    PAGE_SIZE,
    Filters,
    choose_facilities,
    choose_incidents,
    layers_of,
    part_of,
)
from provisioner.web.links import FACILITIES, INCIDENTS, OVERVIEW, Links
from provisioner.web.page_words import PageWords
from provisioner.web.past import NIGHTS, Past, days_until
from provisioner.web.past import NightSquare as _Square
from provisioner.web.tiles import tiles

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'"
)
"""The Content-Security-Policy that a page itself names; a server's answer forbids frames on top of that."""
_FIRST_INCIDENTS: Final = 12
_LANGUAGES: Final = {Language.EN: "English", Language.VI: "Tiếng Việt"}


@dataclass(frozen=True)
class PageSheet:
    """What all pages of one answer share.

    Attributes:
        board: what the reader may see.
        links: where the page is.
        now: the moment.
        past: how paths were.
        live: whether the page hears of what is recorded while it is open.
        sees_facilities: whether the reader sees more than numbers.
        reader_name: who reads, as the page says it; empty where there is one reader only.
        leave: where a reader signs out; empty where nobody signed in.
        calls: whether the reader may see who is to be called for the facility that is shown.
        trouble: why nothing newer can be read; empty where all can.
    """

    board: Board
    links: Links
    now: datetime
    past: Past
    live: bool = False
    sees_facilities: bool = True
    reader_name: str = ""
    leave: str = ""
    calls: bool = False
    trouble: str = ""

    def made(self, template: str, title: str, here: str = "", **values: object) -> str:
        """A page."""
        wording = PageWords(self.board, self.links, self.now)
        other = next(language for language in Language if language is not self.links.language)
        t = wording.t
        named = [(t("Overview"), OVERVIEW), (t("Incidents"), INCIDENTS), (t("Facilities"), FACILITIES)]
        shown = named if self.sees_facilities else named[:1]
        return _template(template).render(
            board=self.board,
            links=self.links,
            live=self.live,
            c=wording,
            t=t,
            policy=POLICY,
            language=self.links.language.value,
            other=other,
            other_name=_LANGUAGES[other],
            navigation=[(name, self.links.to(page)) for name, page in shown],
            here=here,
            title=title,
            freshness=wording.freshness,
            trouble=self.trouble,
            stale=wording.is_stale or bool(self.trouble),
            sees_facilities=self.sees_facilities,
            reader_name=self.reader_name,
            leave=self.leave,
            **values,
        )


def overview_page(sheet: PageSheet) -> str:
    """The first page: incidents first, counts, the map, the carriers."""
    board, c = sheet.board, PageWords(sheet.board, sheet.links, sheet.now)
    total, up = sum(board.counts.values()), board.counts.get("up", 0)
    if not total:
        sentence = c.t("No path was verified yet")
    elif up == total:
        sentence = c.t("All {paths} are up", paths=c.paths(total))
    else:
        sentence = c.t("{up} of {paths} are up", up=c.number(up), paths=c.paths(total))
    placed = tiles(board.scheme)

    def address(verdict: str) -> str:
        return sheet.links.to(FACILITIES, verdict=verdict)

    return sheet.made(
        "overview",
        sentence,
        c.t("Overview"),
        sentence=sentence,
        numbers=c.numbers(board.counts),
        address=None if sheet.links.is_file or not sheet.sees_facilities else address,
        incidents=board.incidents[:_FIRST_INCIDENTS],
        incidents_total=len(board.incidents),
        tiles=[(tile, board.provinces.get(tile.slug)) for tile in placed.values()],
        elsewhere=[group for slug, group in board.provinces.items() if slug not in placed],
    )


def incidents_page(sheet: PageSheet, choice: Filters, size: int = PAGE_SIZE) -> str:
    """The incidents that were asked for."""
    c = PageWords(sheet.board, sheet.links, sheet.now)
    part, shown = part_of(choose_incidents(sheet.board, choice), choice.page, size)
    return sheet.made(
        "incidents",
        c.t("Incidents"),
        c.t("Incidents"),
        choice=choice,
        part=part,
        shown=shown,
        verdicts=_verdicts(c),
        layers=[(layer, c.words["Layer"].get(layer, layer)) for layer in layers_of(sheet.board.incidents)],
        **_lists(sheet),
        page_address=lambda number: sheet.links.to(INCIDENTS, **choice.at(number)),
    )


def facilities_page(sheet: PageSheet, choice: Filters, size: int = PAGE_SIZE) -> str:
    """The facilities that were asked for."""
    c = PageWords(sheet.board, sheet.links, sheet.now)
    part, shown = part_of(choose_facilities(sheet.board, choice), choice.page, size)
    return sheet.made(
        "facilities",
        c.t("Facilities"),
        c.t("Facilities"),
        choice=choice,
        part=part,
        shown=shown,
        verdicts=[*_verdicts(c), (NOT_CARRIED, c.t("not carried"))],
        sorts=[("worst", c.t("worst first")), ("name", c.t("name")), ("since", c.t("longest first"))],
        **_lists(sheet),
        page_address=lambda number: sheet.links.to(FACILITIES, **choice.at(number)),
    )


def _verdicts(c: PageWords) -> list[tuple[str, str]]:
    return [(verdict, c.words["Verdict"][verdict]) for verdict in WORST_FIRST]


def _lists(sheet: PageSheet) -> Mapping[str, Sequence[tuple[str, str]]]:
    board = sheet.board
    return {
        "provinces": sorted(((one.id, one.name) for one in board.provinces.values()), key=lambda pair: pair[0]),
        "carriers": [(one.id, one.name) for one in board.carriers.values()],
    }


def province_page(sheet: PageSheet, slug: str, size: int = PAGE_SIZE) -> str | None:
    """A province's page; None where the reader has no such province."""
    group = sheet.board.provinces.get(slug)
    if group is None:
        return None
    choice = Filters(province=slug)
    incidents = choose_incidents(sheet.board, choice)
    facilities = choose_facilities(sheet.board, choice)
    return sheet.made(
        "province",
        group.name,
        group=group,
        numbers=PageWords(sheet.board, sheet.links, sheet.now).numbers(group.counts),
        incidents=incidents[: size or None],
        incidents_total=len(incidents),
        facilities=facilities[: size or None],
        facilities_total=len(facilities),
    )


def facility_page(sheet: PageSheet, id_: str) -> str | None:
    """A facility's page; None where the reader has no such facility."""
    one = sheet.board.by_id.get(id_)
    if one is None:
        return None
    c = PageWords(sheet.board, sheet.links, sheet.now)
    up = one.counts.get("up", 0)
    summary = c.t("{up} of {paths} are up", up=up, paths=c.paths(len(one.paths))) if one.paths else ""
    strips = _strips(sheet.past, one, c)
    span = Span(sheet.now - timedelta(days=NIGHTS), sheet.now)
    shares = sheet.past.measured(f"{one.folder}/{one.id}/", span) if strips else {}
    whole = total_of(shares[name] for name in {path.name for path in one.paths} if name in shares)
    return sheet.made(
        "facility",
        one.name,
        one=one,
        summary=summary,
        paths=[(path, strips.get(path.name), c.available(shares.get(path.name))) for path in one.paths],
        available=c.available(whole),
        unmeasured=c.percent(whole.unmeasured_share),
        has_nights=bool(strips),
        levels=LEVELS,
        may_call=sheet.calls,
    )


def _strips(past: Past, facility: FacilityRow, c: PageWords) -> Mapping[str, Sequence[_Square]]:
    """The strip of each path; those of which nothing is kept are blank where others are not."""
    if not facility.paths:
        return {}
    strips = past.nights(f"{facility.folder}/{facility.id}/", c.today, NIGHTS)
    blank = [_Square(day) for day in days_until(c.today, NIGHTS)]
    return {path.name: strips.get(path.name, blank) for path in facility.paths} if strips else {}


def sentence_page(sheet: PageSheet, title: str, sentence: str) -> str:
    """A page that says one thing, e.g. that there is no such page."""
    return sheet.made("sentence", title, sentence=sentence)


@dataclass(frozen=True, slots=True)
class CallCard:
    """Who is to be called: personal data, which is kept nowhere by pages."""

    name: str = field(repr=False)
    title: str = field(repr=False)
    phone: str = field(repr=False)
    role: str = ""


def contacts_page(sheet: PageSheet, id_: str, cards: Sequence[CallCard]) -> str | None:
    """Who is to be called for a facility; None where the reader has no such facility."""
    one = sheet.board.by_id.get(id_)
    if one is None:
        return None
    t = PageWords(sheet.board, sheet.links, sheet.now).t
    return sheet.made("contacts", t("Who to call"), one=one, cards=cards)


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
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """Make a value fit to be shown; what a template itself made is as it should be."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
