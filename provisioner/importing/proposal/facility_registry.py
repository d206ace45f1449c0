"""The facility of each row, and new ids; doubts become questions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from provisioner.base.vietnamese import fold
from provisioner.importing.forms.values import NEW_SITE
from provisioner.importing.grid import Finding, Remark, error, note, warning
from provisioner.importing.proposal.answers import Question
from provisioner.importing.proposal.candidates import province_of
from provisioner.importing.proposal.identity import Identity, Sameness, identity_of, places_agree, units_agree
from provisioner.importing.proposal.proposal import Baseline
from provisioner.importing.proposal.unmatched import Unplaced, UnplacedRows
from provisioner.importing.tables.files import ReadRow, RowPlace
from provisioner.inventory.renamed_ids import facility_prefix, next_facility

_REQUIRED = ("province", "name", "kind", "managing_body", "operating")


@dataclass
class FacilityRegistry:
    """The facilities of the inventory and of the sheets."""

    baseline: Baseline
    #: Rows with only a name that would change something, which need an answer.
    unsure: frozenset[RowPlace] = frozenset()
    new: dict[str, str] = field(default_factory=dict)  #: The provinces of new facilities, by id.
    bare: dict[str, ReadRow] = field(default_factory=dict)  #: Rows that only a name identifies, by facility.
    listed: set[str] = field(default_factory=set)  #: Facilities of the inventory with a certain or possible row.
    findings: list[Finding] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    _new_names: dict[str, set[str]] = field(default_factory=dict)
    _identities: dict[str, Identity] = field(default_factory=dict)
    _unsound: set[str] = field(default_factory=set)
    _last_ids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _questioned: dict[str, ReadRow] = field(default_factory=dict)

    # --- rows of the sheet of facilities ----------------------------------------------------------
    def register(self, rows: Iterable[ReadRow]) -> Iterator[tuple[ReadRow, str]]:
        """Yield each valid row with its facility; given ids come first."""
        first_rows: dict[str, ReadRow] = {}
        for row, facility in sorted(self._rows_with_facility(rows), key=lambda pair: pair[0].position):
            first = first_rows.setdefault(facility, row)
            if first is not row:
                self._say(row, error("site-duplicate", row=first.number), "facility_id", facility)
            elif row.is_valid:
                yield row, facility

    def _rows_with_facility(self, rows: Iterable[ReadRow]) -> Iterator[tuple[ReadRow, str]]:
        """Yield rows with their facility, rows with an id first."""
        unplaced: list[Unplaced] = []
        identified: list[Unplaced] = []
        for row in sorted(rows, key=lambda row: row.position):
            province = self._province(row)
            facility = self._facility_by_own_id(row, province) if province is not None else None
            if province is None or facility is None:
                self._remember_refused(row)
            elif facility:
                self.listed.add(facility)
                if row.get("name"):
                    identified.append(
                        Unplaced(row, self._row_identity(row, self._province_of_facility(facility)), facility)
                    )
                yield row, facility
            elif row.get("name") is None:
                self._report_missing(row, "name")
                self._remember_refused(row)
            elif not province:
                self._require_cells(row, province, "")
                self._remember_refused(row)
            else:
                unplaced.append(Unplaced(row, self._row_identity(row, province)))
        yield from self._identified_rows(UnplacedRows(self.baseline.sites, unplaced, identified, self.unsure))

    def _identified_rows(self, rows: UnplacedRows) -> Iterator[tuple[ReadRow, str]]:
        """Yield identified and new rows without an id; others become questions."""
        for row, facility in rows.matched():
            self.listed.add(facility)
            if row.identity.is_bare:
                self.bare.setdefault(facility, row.record)
            self._say(row.record, _match_remark(row, facility), "facility_id", facility)
            yield row.record, facility
        for question, record in rows.questions(self.listed):
            self.questions.append(question)
            self.listed |= {candidate.facility for candidate in question.candidates}
            self._questioned |= {
                fold(str(record.get(key))): record for key in ("name", "facility_id") if record.get(key)
            }
        proposed: dict[RowPlace, str] = {}
        for row in rows.new():
            first = rows.first_of(row)
            if not self._require_cells(row.record, row.identity.province, row.wanted_id):
                self._remember_refused(row.record)
            elif first.place in proposed:
                yield row.record, proposed[first.place]
            else:
                proposed[row.place] = proposed[first.place] = self._add(row)
                yield row.record, proposed[row.place]

    def _province_of_facility(self, facility: str) -> str:
        return self.baseline.sites.provinces[facility]

    def _row_identity(self, row: ReadRow, province: str) -> Identity:
        return identity_of(
            province,
            row.required_text("name"),
            district=row.text("district"),
            ward=row.text("ward"),
            street=row.text("street"),
            scheme=self.baseline.inventory.settings.province_scheme,
        )

    def _facility_by_own_id(self, row: ReadRow, province: str) -> str | None:
        """Return a row's facility by id, "", or `None` if refused."""
        facility = row.text("facility_id")
        if facility is None or not row.has_facility_id:
            return ""
        if f"facility/{facility}" in self.baseline.broken:
            self._say(row, error("facility-unreadable", facility=facility), "facility_id", facility)
            return None
        inventory = self.baseline.inventory
        existing = inventory.facilities.get(facility)
        if existing is None:
            if any(facility in tombstone.object.split("/") for tombstone in inventory.allocations.tombstones):
                self._say(row, error("id-retired", facility=facility), "facility_id", facility)
                return None
            return ""
        if province not in ("", existing.province, self._province_of_facility(facility)):
            remark = error("facility-province", facility=facility, province=existing.province)
            self._say(row, remark, "province", facility)
            return None
        return facility if self._may_be_facility(row, facility, "facility_id") else None

    def _may_be_facility(self, row: ReadRow, facility: str, key: str) -> bool:
        """Return whether a row may mean a facility: never in another district."""
        district = row.text("district")
        identity = self._identity(facility)
        scheme = self.baseline.inventory.settings.province_scheme
        elsewhere = units_agree(district, identity.district, eras=identity.scheme != scheme) is Sameness.OTHER
        if elsewhere:
            self._say(row, error("facility-elsewhere", facility=facility), key, facility)
        return not elsewhere

    def _identity(self, facility: str) -> Identity:
        return self._identities.get(facility) or self.baseline.sites.identity(facility)

    def _require_cells(self, row: ReadRow, province: str, facility: str) -> bool:
        """Return whether a row is complete; report each missing cell."""
        missing = [key for key in _REQUIRED if row.get(key) is None and not (key == "province" and province)]
        for key in missing:
            self._report_missing(row, key, facility)
        return row.is_valid and not missing

    def _add(self, row: Unplaced) -> str:
        """Register a new facility; return the row's id or a free one."""
        province = row.identity.province
        facility = row.wanted_id
        if not facility:
            prefix = facility_prefix(province)
            facility = next_facility(province, self._last_ids.get(prefix) or self._used_ids())
            self._last_ids[prefix] = (facility,)
            self._say(row.record, note("id-proposed", facility=facility), "facility_id", facility)
        self.new[facility] = province
        self._identities[facility] = row.identity
        self._new_names.setdefault(row.identity.name.key, set()).add(facility)
        return facility

    def _used_ids(self) -> Iterator[str]:
        yield from self.baseline.inventory.facilities
        yield from self.new
        yield from (owner.removeprefix("facility/") for owner in self.baseline.broken)
        for tombstone in self.baseline.inventory.allocations.tombstones:
            yield from tombstone.object.split("/")

    def _province(self, row: ReadRow) -> str | None:
        """Return a row's province slug, "" if not needed, `None` if unknown."""
        slug, remark = province_of(row, self.baseline.inventory)
        if remark is not None:
            self._say(row, remark, "province" if row.get("province") else "province_code")
            return None
        if slug is None and self.baseline.default is not None:
            return self.baseline.default.slug
        if slug is None and row.get("facility_id") is None:
            self._report_missing(row, "province")
            return None
        return slug or ""

    def _report_missing(self, row: ReadRow, key: str, facility: str = "") -> None:
        if key in row.filled:
            return
        column = row.table.form.by_key[key].header
        if key in row.table.places:
            self._say(row, error("required-missing", column=column), key, facility)
        else:
            self.findings.append(Finding(row.table.at(row.table.header_row), error("column-missing", column=column)))

    def _remember_refused(self, row: ReadRow) -> None:
        self._unsound |= {fold(str(row.get(key))) for key in ("facility_id", "name") if row.get(key)}

    # --- rows of the other sheets -----------------------------------------------------------------
    def find(self, row: ReadRow) -> str | None:
        """Return the facility of another sheet's row; `None` with a finding."""
        facility_id, name = row.text("facility_id"), row.text("facility_name")
        if facility_id is None and name is None:
            if not {"facility_id", "facility_name"} & row.filled:
                key = "facility_id" if "facility_id" in row.table.places else "facility_name"
                self._say(row, error("facility-missing"), key)
            return None
        if facility_id is not None and row.has_facility_id:
            facility = self._facility_by_id(row, facility_id)
        elif name is not None:
            facility = self._facility_by_name(row, name)
        else:
            self._say(row, error("facility-missing"), "facility_id")
            return None
        if facility is None or not self._may_be_facility(
            row, facility, "facility_id" if facility_id else "facility_name"
        ):
            return None
        if name and facility_id and fold(name) != self._identity(facility).name.key:
            self._say(row, warning("facility-name-differs", facility=facility), "facility_name", facility)
        return facility

    def _facility_by_id(self, row: ReadRow, facility_id: str) -> str | None:
        if facility_id in self.baseline.inventory.facilities or facility_id in self.new:
            return facility_id
        if f"facility/{facility_id}" in self.baseline.broken:
            remark = error("facility-unreadable", facility=facility_id)
        else:
            remark = self._unknown_remark(facility_id)
        self._say(row, remark, "facility_id")
        return None

    def _unknown_remark(self, text: str) -> Remark:
        pending = self._questioned.get(fold(text))
        if pending is not None:
            return note("facility-asked", row=pending.number)
        return error("facility-row-bad" if fold(text) in self._unsound else "facility-unknown")

    def _facility_by_name(self, row: ReadRow, name: str) -> str | None:
        province, remark = province_of(row, self.baseline.inventory)
        if remark is not None:
            self._say(row, remark, "province")
            return None
        province = province or (self.baseline.default.slug if self.baseline.default else None)
        fitting = [] if fold(name) in self._questioned else list(self._namesakes(row, name, province))
        if len(fitting) == 1:
            return fitting[0]
        ambiguous = error("facility-ambiguous", facilities=", ".join(fitting))
        self._say(row, ambiguous if fitting else self._unknown_remark(name), "facility_name")
        return None

    def _namesakes(self, row: ReadRow, name: str, province: str | None) -> Iterator[str]:
        """Yield the facilities of a name; district and ward exclude some."""
        sites = self.baseline.sites
        existing = (f for f in sites.by_name.get(fold(name), ()) if province in (None, sites.provinces[f]))
        new = (f for f in self._new_names.get(fold(name), ()) if province in (None, self.new[f]))
        fitting = sorted({*existing, *new})
        if len(fitting) == 1:
            return iter(fitting)
        return (facility for facility in fitting if self._may_be(row, name, facility))

    def _may_be(self, record: ReadRow, name: str, facility: str) -> bool:
        site = self._identity(facility)
        row = identity_of(
            site.province,
            name,
            district=record.text("district"),
            ward=record.text("ward"),
            street=None,
            scheme=self.baseline.inventory.settings.province_scheme,
        )
        return max(places_agree(row, site)[:2]) is not Sameness.OTHER

    def _say(self, row: ReadRow, remark: Remark, key: str, facility: str = "") -> None:
        self.findings.append(row.finding(remark, key, facility))


def _match_remark(row: Unplaced, facility: str) -> Remark:
    """Return a remark how a row was identified, even if called new."""
    if row.record.text("facility_id") != NEW_SITE:
        return note("facility-matched", facility=facility)
    return (warning if row.identity.is_bare else note)("new-is-there", facility=facility)
