"""Rows without a known facility, and facilities without a row.

Such a row is identified by its content, new, or in question. Its outcome does not depend on its position: all rows that
may be one site are in question. A site that its province's list lacks is closed or renamed: a person decides.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

from provisioner.importing.forms.values import NEW_SITE
from provisioner.importing.grid import CellPosition
from provisioner.importing.proposal.answers import Candidate, Question, QuestionKind, Why
from provisioner.importing.proposal.candidates import InventorySites, Likely, SiteIndex
from provisioner.importing.proposal.identity import Identity
from provisioner.importing.tables.files import ReadRow, RowPlace

_MOST_CANDIDATES = 5
_ROW = "row "


@dataclass(frozen=True)
class Unplaced:
    """A row with its identity, and its id's known facility, if any."""

    record: ReadRow
    identity: Identity
    facility: str = ""

    @cached_property
    def place(self) -> RowPlace:
        """The row's place."""
        return self.record.place

    @cached_property
    def wanted_id(self) -> str:
        """The row's id for a new site, or empty."""
        return self.record.required_text("facility_id") if self.record.has_facility_id else ""

    @property
    def id_for_people(self) -> str:
        """The id that is shown of it."""
        return self.facility or self.wanted_id

    @property
    def key(self) -> str:
        """Its key in an index of rows."""
        return self.facility or f"{_ROW}{self.place}"


def unlisted_sites(
    sites: InventorySites, listed: Collection[str], lists: Mapping[str, CellPosition], complete: Collection[str]
) -> Iterator[Question]:
    """Yield the questions about sites without a row.

    `listed` sites have a certain or possible row. A list is complete for provinces in `complete`, or with half of
    a province's sites. `lists` has each province's first sheet.
    """
    for province, position in lists.items():
        facilities = sites.not_closed(province)
        missing = [facility for facility in facilities if facility not in listed]
        if province in complete or 2 * (len(facilities) - len(missing)) >= len(facilities):
            for facility in missing:
                name, address = sites.identity(facility).shown
                sheet = replace(position, row=0, column=0, header="")
                yield Question(QuestionKind.MISSING, sheet, ", ".join(filter(None, (name, address))), facility)


@dataclass
class UnplacedRows:
    """The rows without a known facility, by place."""

    sites: InventorySites
    rows: list[Unplaced]
    named: list[Unplaced]  #: Rows with a facility's id; its name may change.
    unsure: frozenset[RowPlace]  #: Rows that would change something by a name alone.
    _questioned: set[RowPlace] = field(default_factory=set)

    def matched(self) -> Iterator[tuple[Unplaced, str]]:
        """Yield the rows that are a known site, with its id."""
        return ((row, same[0]) for row, same in self._same if self._is_matched(row, same))

    def _is_matched(self, row: Unplaced, same: list[str]) -> bool:
        return len(same) == 1 and not row.wanted_id and row.place not in self.unsure

    @cached_property
    def _same(self) -> list[tuple[Unplaced, list[str]]]:
        return [(row, self.sites.index(row.identity.province).same(row.identity)) for row in self.rows]

    @cached_property
    def _others(self) -> list[Unplaced]:
        return [row for row, same in self._same if not self._is_matched(row, same)]

    def questions(self, listed: Collection[str]) -> Iterator[tuple[Question, ReadRow]]:
        """Yield the questions, each with its row; `listed` have other rows."""
        used = frozenset(listed)
        same = {row.place: ids for row, ids in self._same}
        for row in self._others:
            if row.record.get("facility_id") == NEW_SITE and not same[row.place]:
                continue
            candidates = sorted(self._candidates_for(row, used), key=_rank)[:_MOST_CANDIDATES]
            if candidates:
                self._questioned.add(row.place)
                yield _question_about(row, tuple(candidates)), row.record

    def _candidates_for(self, row: Unplaced, listed: Collection[str]) -> Iterator[Candidate]:
        index = self.sites.index(row.identity.province)
        yielded: set[str] = set()
        for likely in index.likely(row.identity):
            if likely.strong or likely.key not in listed:
                yielded.add(likely.key)
                yield Candidate(likely.key, *index.identities[likely.key].shown, _reasons_of(row, likely, listed))
        namesakes, alike = self._indexes_by_province[row.identity.province].by_name(row.identity, self._rank_of)
        yield from self._row_candidates(row, namesakes, yielded)
        # Thousands of rows may be alike: only the first ones are shown, and no more are compared.
        yield from islice(self._row_candidates(row, alike, yielded), _MOST_CANDIDATES)

    def _row_candidates(
        self, row: Unplaced, likelies: Iterable[Likely], yielded: Collection[str]
    ) -> Iterator[Candidate]:
        group = self.first_of(row).place
        for likely in likelies:
            similar = self._by_key[likely.key]
            ids = {row.wanted_id, similar.wanted_id} - {""}
            twin = not similar.facility and self.first_of(similar).place == group and len(ids) < 2  # noqa: PLR2004
            if likely.strong and not twin and similar.facility not in yielded:
                yield Candidate(similar.id_for_people, *similar.identity.shown, likely.reasons, similar.record.position)

    def _rank_of(self, key: str) -> tuple[str, int]:
        """The part of `_rank` in which candidates of one name's likeness differ."""
        row = self._by_key[key]
        return row.id_for_people, row.record.number

    @cached_property
    def _by_key(self) -> dict[str, Unplaced]:
        return {row.key: row for row in (*self._others, *self._renamed)}

    @cached_property
    def _renamed(self) -> list[Unplaced]:
        return [row for row in self.named if self.sites.identity(row.facility).key != row.identity.key]

    @cached_property
    def _indexes_by_province(self) -> dict[str, SiteIndex]:
        provinces: dict[str, list[tuple[str, Identity]]] = {}
        for row in (*self._others, *self._renamed):
            provinces.setdefault(row.identity.province, []).append((row.key, row.identity))
        return {province: SiteIndex(members, members[0][1].scheme) for province, members in provinces.items()}

    def first_of(self, row: Unplaced) -> Unplaced:
        """Return the first row of the same site, perhaps the row itself."""
        return self._first_rows[row.place]

    @cached_property
    def _first_rows(self) -> dict[RowPlace, Unplaced]:
        by_identity: dict[Identity, dict[str, Unplaced]] = {}
        firsts: dict[RowPlace, Unplaced] = {}
        for row in self._others:
            if row.identity not in by_identity:
                by_identity[row.identity] = self._first_by_id(row.identity)
            first = by_identity[row.identity]
            wanted = ("", row.wanted_id) if row.wanted_id else (next(iter(first)),)
            fitting = (first[name] for name in wanted if name in first)
            firsts[row.place] = min(fitting, key=lambda candidate: candidate.record.position)
        return firsts

    def _first_by_id(self, identity: Identity) -> dict[str, Unplaced]:
        first: dict[str, Unplaced] = {}
        same = [self._by_key[key] for key in self._indexes_by_province[identity.province].same(identity)]
        for candidate in sorted((row for row in same if not row.facility), key=lambda row: row.record.position):
            first.setdefault(candidate.wanted_id, candidate)
        return first

    def new(self) -> Iterator[Unplaced]:
        """Yield the rows of new sites; those with an id first."""
        fresh = [row for row in self._others if row.place not in self._questioned]
        return iter(sorted(fresh, key=lambda row: not row.wanted_id))


def _reasons_of(row: Unplaced, likely: Likely, listed: Collection[str]) -> tuple[Why, ...]:
    reasons = [*likely.reasons, Why.LISTED if likely.key in listed else Why.NOT_LISTED]
    if row.wanted_id:
        reasons.append(Why.NOT_THIS_ID)
    return tuple(reasons)


def _rank(candidate: Candidate) -> tuple[bool, bool, bool, str, int]:
    """Sort key of candidates: known sites, same names, unlisted ones first."""
    number = candidate.row.row if candidate.row else 0
    listed = Why.NOT_LISTED not in candidate.reasons
    return candidate.row is not None, Why.SAME_NAME not in candidate.reasons, listed, candidate.facility, number


def _question_about(row: Unplaced, candidates: tuple[Candidate, ...]) -> Question:
    twin = any(Why.SAME_NAME in candidate.reasons for candidate in candidates)
    of_name = {Why.SAME_NAME, Why.OTHER_MARKS, Why.LIKE_NAME, Why.LONGER_NAME}
    alike = any(of_name & set(candidate.reasons) for candidate in candidates)
    kind = QuestionKind.TWIN if twin else QuestionKind.RENAME
    return Question(
        kind, row.record.at("facility_id"), row.identity.shown[0] if alike else "", "", candidates, row.identity.is_bare
    )
