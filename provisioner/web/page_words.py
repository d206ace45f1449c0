"""The words of one page: what templates call to say a number, a time, a verdict or a name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Final

from markupsafe import Markup

from provisioner.availability.measured import Measured
from provisioner.base.clock import VIETNAM
from provisioner.base.language import Language, Translator
from provisioner.geography import ProvinceError, by_slug
from provisioner.lifecycle.pictures import STALE
from provisioner.report.availability import percent
from provisioner.web.actions import next_action
from provisioner.web.board import WORST_FIRST, Board, GroupRow, SeenPath
from provisioner.web.links import Links
from provisioner.web.past import NightSquare
from provisioner.web.strips import strip
from provisioner.web.texts import age, at_time, page_translator, words_of

_MANY: Final = 0.1
_SOME: Final = 0.02


@dataclass(frozen=True)
class PageWords:
    """What one page says, in its language and of its moment.

    Attributes:
        board: what its reader may see.
        links: where its pages are.
        now: the moment at which it is made.
    """

    board: Board
    links: Links
    now: datetime

    @cached_property
    def t(self) -> Translator:
        """Whoever speaks the page's language."""
        return page_translator(self.links.language)

    @cached_property
    def words(self) -> Mapping[str, Mapping[str, str]]:
        """Every value that pages show, by the name of its list."""
        return words_of(self.links.language)

    @property
    def is_stale(self) -> bool:
        """Whether what was seen says nothing of now any more."""
        verified = self.board.verified_at
        return verified is None or self.now - verified > STALE

    @property
    def freshness(self) -> str:
        """How old the page's facts are."""
        verified, oldest = self.board.verified_at, self.board.oldest_at
        if verified is None:
            return self.t("Nothing was verified yet.")
        said = self.t("Verified {time}, {age} ago.", time=self.time(verified), age=self.age(verified))
        if self.is_stale:
            said += " " + self.t("That is too long ago to say anything of now: run provisioner verify.")
        if oldest is not None and verified - oldest > STALE:
            said += " " + self.t("The oldest word on a path is of {time}.", time=self.time(oldest))
        return said

    def number(self, number: int) -> str:
        """A number with its thousands apart."""
        return f"{number:,}".replace(",", "." if self.links.language is Language.VI else ",")

    def time(self, moment: datetime | None) -> str:
        """A moment."""
        return at_time(moment, self.links.language)

    def age(self, moment: datetime | None) -> str:
        """How long ago a moment is."""
        return age(moment, self.now, self.t)

    @property
    def today(self) -> date:
        """The day in Vietnam."""
        return self.now.astimezone(VIETNAM).date()

    def next(self, cause: str) -> str:
        """What to do about a cause."""
        return next_action(cause, self.t)

    def paths(self, number: int) -> str:
        """So many paths."""
        return self.t.plural("{number} path", "{number} paths", number, number=self.number(number))

    def numbers(self, counts: Mapping[str, int]) -> Sequence[tuple[str, int]]:
        """A number for each verdict; those that are rare only where there are some."""
        always = {"up", "down", "unknown", "degraded"}
        return [(verdict, counts.get(verdict, 0)) for verdict in WORST_FIRST if verdict in always or verdict in counts]

    def count_not_up(self, group: GroupRow) -> int:
        """How many paths of a group are not up; what is in maintenance is measured, and nobody's trouble."""
        return group.paths - group.counts.get("up", 0) - group.counts.get("maintenance", 0)

    def not_up(self, group: GroupRow) -> str:
        """How many paths of a group are not up, in words."""
        number = self.count_not_up(group)
        if not group.paths:
            return self.t("nothing is carried yet")
        return self.t("{number} not up", number=self.number(number)) if number else self.t("all up")

    def weight(self, group: GroupRow) -> str:
        """How full a tile's colour is."""
        share = self.count_not_up(group) / group.paths if group.paths else 0
        return "many-of" if share >= _MANY else "some" if share >= _SOME else "few"

    def province_name(self, slug: str) -> str:
        """A province's name, whether it has a facility or not."""
        try:
            return by_slug(slug, self.board.scheme).name
        except ProvinceError:
            return slug

    def group_name(self, slug: str) -> str:
        """The name of a facility's province."""
        group = self.board.provinces.get(slug)
        return group.name if group else slug

    def carrier_names(self, carriers: Iterable[str]) -> str:
        """The names of carriers."""
        groups = self.board.carriers
        return ", ".join(groups[one].name if one in groups else one for one in carriers)

    def facility_name(self, id_: str) -> str:
        """A facility's name."""
        facility = self.board.by_id.get(id_)
        return facility.name if facility else id_

    def proof(self, path: SeenPath) -> str:
        """When a path was last proved to be up, and when it was looked at."""
        looked = self.t("Checked {time}.", time=self.time(path.checked_at)) if path.checked_at else ""
        if path.verdict == "up":
            return looked
        if path.proved_at is None:
            return " ".join(filter(None, (looked, self.t("No earlier proof is remembered."))))
        proved = self.t(
            "Last proved to level {level} on {time}.", level=path.proved_level, time=self.time(path.proved_at)
        )
        return " ".join(filter(None, (looked, proved)))

    def ladder_words(self, path: SeenPath) -> str:
        """The levels that a path passed, in words."""
        levels = ", ".join(map(str, path.passed))
        return self.t("levels {levels} passed", levels=levels) if levels else self.t("no level passed")

    def available(self, measured: Measured | None) -> str:
        """The share of the measured time in which pictures came; empty where nothing was measured."""
        share = measured.available if measured else None
        return "" if share is None else self.percent(share)

    def percent(self, share: float) -> str:
        """A share."""
        shown = percent(share)
        return shown.replace(".", ",") if self.links.language is Language.VI else shown

    def strip(self, squares: Sequence[NightSquare]) -> Markup:
        """A path's last nights."""
        return strip(tuple(squares), self.links.language)
