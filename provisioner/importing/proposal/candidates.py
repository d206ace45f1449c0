"""Sites that a row may mean: an index, similar names, provinces. Pure.

The work is bounded. Similar names differ by abbreviations, word order, one letter or lost marks. A name has three
parts: the kind of place (`trung học cơ sở`), numbers and counting letters (`số 2`, `khu A`), and its own words. Kinds
and counts must be equal: school 1 is never a misspelt school 2. The finding of an unknown province does not repeat the
cell's text.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain, islice

from provisioner.base.vietnamese import fold
from provisioner.importing.grid import Remark, error
from provisioner.importing.proposal.answers import Why
from provisioner.importing.proposal.identity import (
    Identity,
    Sameness,
    identity_of,
    names_agree,
    places_agree,
    without_one,
)
from provisioner.importing.tables.files import ReadRow
from provisioner.inventory import geography
from provisioner.inventory.geography import by_name
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.model.inventory import Inventory

_CACHED = 65_536
_LEAST_FOR_A_TYPO = 6
_MOST_WORDS = 24
_LONGEST = 160

_ABBREVIATIONS = {
    "thcs": "trung-hoc-co-so",
    "ptcs": "trung-hoc-co-so",
    "thpt": "trung-hoc-pho-thong",
    "ptth": "trung-hoc-pho-thong",
    "th": "tieu-hoc",
    "mn": "mam-non",
    "mg": "mau-giao",
    "ptdtnt": "pho-thong-dan-toc-noi-tru",
    "ptdtbt": "pho-thong-dan-toc-ban-tru",
    "gdtx": "giao-duc-thuong-xuyen",
    "gdnn": "giao-duc-nghe-nghiep",
    "ttyt": "trung-tam-y-te",
    "tyt": "tram-y-te",
    "bv": "benh-vien",
    "bvdk": "benh-vien-da-khoa",
    "ktx": "ky-tuc-xa",
    "kcl": "khu-cach-ly",
    "ks": "khach-san",
    "dh": "dai-hoc",
    "cd": "cao-dang",
    "nvh": "nha-van-hoa",
    "tt": "trung-tam",
    "tr": "truong",
    "cs": "co-so",
}
_PHRASES = {
    "cap-1": "tieu-hoc",
    "cap-i": "tieu-hoc",
    "cap-2": "trung-hoc-co-so",
    "cap-ii": "trung-hoc-co-so",
    "cap-3": "trung-hoc-pho-thong",
    "cap-iii": "trung-hoc-pho-thong",
}
_KINDS = frozenset(_ABBREVIATIONS.values()) - {"khu-cach-ly", "truong", "co-so"} | {
    *("trung-cap", "nha-nghi", "trung-doan", "su-doan", "tieu-doan", "cong-ty", "nha-may", "khu-cong-nghiep"),
    *("phong-kham", "trung-tam-giao-duc-thuong-xuyen", "hoc-vien"),
}
#: Words that do not distinguish places.
_IGNORED_PHRASES = frozenset(
    {
        *("khu-cach-ly-tap-trung", "khu-cach-ly", "co-so-cach-ly-tap-trung", "co-so-cach-ly", "diem-cach-ly"),
        *("truong", "so", "va", "thi-tran", "thi-xa", "thanh-pho", "xa", "phuong", "huyen", "quan", "tinh"),
        *("tp", "tx", "p", "q"),
    }
)
_LONGEST_PHRASE = 6
#: A number, a counting letter (not the y of `y tế`), or a Roman number.
_COUNT = re.compile(r"[0-9]+|[a-xz]|i{2,3}|iv|vi{1,3}|ix|xi{1,3}")
_MOST_COMPARED = 50  #: For one name, and for one likeness: no province has as many close together.
_MOST_NEIGHBOURS = 20  #: For one word in one ward, and for one address.


@dataclass(frozen=True, slots=True)
class PartedName:
    """A name's parts: kind of place, counting numbers and letters, own words."""

    kinds: tuple[str, ...]
    counts: tuple[str, ...]
    own: tuple[str, ...]


@dataclass(frozen=True)
class Likely:
    """A site that an identity may be."""

    key: str  #: The index's.
    reasons: tuple[Why, ...]
    strong: bool  #: Whether its name is the reason; else it counts only if no row is that site.


@lru_cache(maxsize=_CACHED)
def parted(name: str) -> PartedName:
    """Split a name into its parts."""
    kinds: list[str] = []
    distinctive: list[str] = []
    for phrase in _phrases(fold(name[:_LONGEST]).split("-")[:_MOST_WORDS]):
        if phrase in _KINDS:
            kinds.append(phrase)
        elif phrase not in _IGNORED_PHRASES:
            distinctive.append(phrase)
    counts = tuple(sorted(word.lstrip("0") for word in distinctive if _COUNT.fullmatch(word)))
    return PartedName(tuple(sorted(kinds)), counts, tuple(word for word in distinctive if not _COUNT.fullmatch(word)))


def _phrases(words: list[str]) -> Iterator[str]:
    """Join words of known phrases, and expand abbreviations."""
    spelt: list[str] = []
    index = 0
    while index < len(words):
        pair = "-".join(words[index : index + 2])
        spelt += _PHRASES.get(pair, _ABBREVIATIONS.get(words[index], words[index])).split("-")
        index += 2 if pair in _PHRASES else 1
    index = 0
    while index < len(spelt):
        phrase = _longest_phrase(spelt, index)
        yield phrase
        index += phrase.count("-") + 1


def _longest_phrase(words: list[str], index: int) -> str:
    for length in range(min(_LONGEST_PHRASE, len(words) - index), 1, -1):
        phrase = "-".join(words[index : index + length])
        if phrase in _KINDS or phrase in _IGNORED_PHRASES:
            return phrase
    return words[index]


def likeness_keys(name: str) -> frozenset[str]:
    """Return keys of a name; similar names share one."""
    # Such names have the same words in any order or abbreviation, or differ by a letter or by two swapped ones.
    parts = parted(name)
    fixed = f"{'+'.join(parts.kinds)}|{'+'.join(parts.counts)}|"
    letters = "".join(parts.own)
    typos = without_one(letters) if len(letters) >= _LEAST_FOR_A_TYPO else ()
    return frozenset({f"{fixed}{' '.join(sorted(parts.own))}", f"{fixed}{letters}", *(fixed + typo for typo in typos)})


def is_extension(first: PartedName, second: PartedName) -> bool:
    """Return whether one name extends the other, with compatible kinds and counts."""
    if first.counts != second.counts or (first.kinds and second.kinds and first.kinds != second.kinds):
        return False
    first_words, second_words = set(first.own), set(second.own)
    return bool(first_words & second_words) and (first_words <= second_words or second_words <= first_words)


@dataclass
class _ByWard:
    """Sites' keys by ward; "" for unknown wards or another list's."""

    wards: dict[str, list[str]] = field(default_factory=dict)

    def add(self, ward: str, key: str) -> None:
        self.wards.setdefault(ward, []).append(key)

    def near(self, ward: str) -> list[str]:
        """Return sites near a ward, nearest first; over the limit, one more."""
        first = [self.wards.get(ward, ()), self.wards.get("", ()) if ward else ()]
        farther: Iterable[list[str]] = ()
        if not ward or len(self.wards) <= _MOST_COMPARED:
            farther = (keys for name, keys in self.wards.items() if name not in {ward, ""})
        return list(islice(chain(*first, *farther), _MOST_COMPARED + 1))


class SiteIndex:
    """Sites of one province, by name, likeness and place."""

    def __init__(self, sites: Iterable[tuple[str, Identity]], scheme: str) -> None:
        self.identities = dict(sites)
        self._scheme = scheme

    def _ward(self, identity: Identity) -> str:
        return identity.ward.key if identity.ward and identity.scheme == self._scheme else ""

    # --- candidates by key ------------------------------------------------------------------------
    @cached_property
    def _sites_by_key(self) -> dict[tuple[str, ...], list[str]]:
        keys: dict[tuple[str, ...], list[str]] = {}
        for key, identity in self.identities.items():
            keys.setdefault(identity.key, []).append(key)
        return keys

    @cached_property
    def _sites_by_name(self) -> dict[str, _ByWard]:
        names: dict[str, _ByWard] = {}
        for key, identity in self.identities.items():
            names.setdefault(identity.name.key, _ByWard()).add(self._ward(identity), key)
        return names

    @cached_property
    def _sites_by_likeness(self) -> dict[str, _ByWard]:
        likenesses: dict[str, _ByWard] = {}
        for key, identity in self.identities.items():
            for likeness in likeness_keys(identity.shown[0]):
                likenesses.setdefault(likeness, _ByWard()).add(self._ward(identity), key)
        return likenesses

    @cached_property
    def _by_neighbourhood(self) -> dict[tuple[str, str], list[str]]:
        places: dict[tuple[str, str], list[str]] = {}
        for key, identity in self.identities.items():
            for neighbour_key in _neighbour_keys(identity):
                places.setdefault(neighbour_key, []).append(key)
        return places

    # --- what an identity is, and may be ----------------------------------------------------------
    def same(self, identity: Identity) -> list[str]:
        """Return the sites with the same identity."""
        near = self._sites_by_name.get(identity.name.key, _ByWard()).near(self._ward(identity))
        return [
            key
            for key in dict.fromkeys([*self._sites_by_key.get(identity.key, ()), *near])
            if self._is_same(identity, key)
        ]

    def _is_same(self, identity: Identity, key: str) -> bool:
        candidate = self.identities[key]
        agreements = (names_agree(identity.name, candidate.name), *places_agree(identity, candidate))
        return max(agreements) is Sameness.SAME

    def likely(self, identity: Identity) -> Iterator[Likely]:
        """Yield possible sites, same names first, certain ones included."""
        keys: set[str] = set()
        for likely in chain(
            self._sites_of_same_name(identity), self._sites_of_like_name(identity), self._sites_nearby(identity)
        ):
            if likely.key not in keys:
                keys.add(likely.key)
                yield likely

    def by_name(self, identity: Identity, rank: Callable[[str], tuple[str, int]]) -> tuple[Iterator[Likely], ...]:
        """Return the sites of a name, and of similar names by rank."""
        return self._sites_of_same_name(identity), self._sites_of_like_name(identity, rank)

    def _sites_of_same_name(self, identity: Identity) -> Iterator[Likely]:
        near = self._sites_by_name.get(identity.name.key, _ByWard()).near(self._ward(identity))
        crowd = len(near) > _MOST_COMPARED
        for key in near[:_MOST_COMPARED]:
            candidate = self.identities[key]
            places = places_agree(identity, candidate)
            if max(places) is not Sameness.OTHER:
                same = names_agree(identity.name, candidate.name) is Sameness.SAME
                reasons = (Why.SAME_NAME if same else Why.OTHER_MARKS, *_place_reasons(identity, candidate, places))
                yield Likely(key, reasons, strong=True)
            elif _differs_in_street(identity, candidate):
                yield Likely(key, (Why.SAME_NAME, *_place_reasons(identity, candidate, places)), strong=crowd)
            elif crowd:
                yield Likely(key, (Why.SAME_NAME, Why.MANY_NAMESAKES), strong=True)

    def _sites_of_like_name(
        self, identity: Identity, rank: Callable[[str], tuple[str, int]] | None = None
    ) -> Iterator[Likely]:
        ward = self._ward(identity)
        near: dict[str, None] = {}
        for likeness in likeness_keys(identity.shown[0]):
            if likeness in self._sites_by_likeness:
                near |= dict.fromkeys(self._sites_by_likeness[likeness].near(ward))
        compared = sorted(near)[:_MOST_COMPARED]
        for key in sorted(compared, key=rank) if rank else compared:
            candidate = self.identities[key]
            places = places_agree(identity, candidate)
            if identity.name.key != candidate.name.key and Sameness.OTHER not in places[:2]:
                yield Likely(key, (Why.LIKE_NAME, *_place_reasons(identity, candidate, places)), strong=True)

    def _sites_nearby(self, identity: Identity) -> Iterator[Likely]:
        """Yield sites of the ward with an extended name, or the address."""
        near: dict[str, None] = {}
        for place in _neighbour_keys(identity):
            near |= dict.fromkeys(self._by_neighbourhood.get(place, ())[:_MOST_NEIGHBOURS])
        for key in near:
            candidate = self.identities[key]
            places = district, ward, street = places_agree(identity, candidate)
            if ward is not Sameness.SAME or district is Sameness.OTHER or identity.name.key == candidate.name.key:
                continue
            if is_extension(parted(identity.shown[0]), parted(candidate.shown[0])):
                yield Likely(key, (Why.LONGER_NAME, *_place_reasons(identity, candidate, places)), strong=False)
            elif street is Sameness.SAME and _is_numbered(identity):
                yield Likely(key, _place_reasons(identity, candidate, places), strong=False)


def _neighbour_keys(identity: Identity) -> Iterator[tuple[str, str]]:
    if identity.ward is None:
        return
    for word in parted(identity.shown[0]).own:
        yield identity.ward.key, word
    if identity.street and _is_numbered(identity):
        yield identity.ward.key, f"@{identity.street.key}"


def _differs_in_street(first: Identity, second: Identity) -> bool:
    district, ward, street = places_agree(first, second)
    return first.ward is not None and (district, ward, street) == (Sameness.SAME, Sameness.SAME, Sameness.OTHER)


def _is_numbered(identity: Identity) -> bool:
    """Return whether a street has a number; others are many sites' address."""
    return identity.street is not None and any(c.isdecimal() for c in identity.street.key)


def _place_reasons(
    first: Identity, second: Identity, agreements: tuple[Sameness, Sameness, Sameness]
) -> tuple[Why, ...]:
    _, ward, street = agreements
    reasons: list[Why] = []
    if first.ward and ward is Sameness.SAME:
        reasons.append(Why.SAME_WARD)
    if first.street and street is Sameness.SAME:
        reasons.append(Why.SAME_STREET)
    parts = ((first.district, second.district), (first.ward, second.ward), (first.street, second.street))
    pairs = [pair for a, pair in zip(agreements, parts, strict=True) if a is Sameness.OPEN]
    if first.is_bare or any(None in pair for pair in pairs):
        reasons.append(Why.PLACE_MISSING)
    if any(None not in pair for pair in pairs):
        reasons.append(Why.PLACE_LIKE)
    return tuple(reasons)


class InventorySites:
    """The sites of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._scheme = inventory.settings.province_scheme
        self._indexes: dict[str, SiteIndex] = {}

    @cached_property
    def provinces(self) -> dict[str, str]:
        """The slug of each facility's province today, or its recorded one."""
        return {facility.id: self._today(facility) for facility in self._inventory.facilities.values()}

    def _today(self, facility: Facility) -> str:
        try:
            return self._inventory.province_today(facility).slug
        except geography.ProvinceError:
            return facility.province

    @cached_property
    def by_name(self) -> dict[str, tuple[str, ...]]:
        """The facilities of each name, by its key."""
        names: dict[str, list[str]] = {}
        for facility in self._inventory.facilities.values():
            names.setdefault(fold(facility.name), []).append(facility.id)
        return {name: tuple(facilities) for name, facilities in names.items()}

    def identity(self, facility: str) -> Identity:
        """Return a facility's identity."""
        entry = self._inventory.facilities[facility]
        place = entry.location
        return identity_of(
            self.provinces[facility],
            entry.name,
            district=place.district if place else None,
            ward=place.ward if place else None,
            street=place.street if place else None,
            scheme=self._inventory.scheme_of(entry.province_scheme),
        )

    def index(self, province: str) -> SiteIndex:
        """Return the index of a province's sites."""
        if province not in self._indexes:
            members = (
                (facility, self.identity(facility))
                for facility in sorted(self._facilities_by_province.get(province, ()))
            )
            self._indexes[province] = SiteIndex(members, self._scheme)
        return self._indexes[province]

    @cached_property
    def _facilities_by_province(self) -> dict[str, list[str]]:
        provinces: dict[str, list[str]] = {}
        for facility, province in self.provinces.items():
            provinces.setdefault(province, []).append(facility)
        return provinces

    def not_closed(self, province: str) -> tuple[str, ...]:
        """Return the facilities that a list of the province should have."""
        facilities = self._facilities_by_province.get(province, ())
        return tuple(f for f in sorted(facilities) if self._inventory.facilities[f].operating is not Operating.CLOSED)


def province_of(row: ReadRow, inventory: Inventory) -> tuple[str | None, Remark | None]:
    """Return a row's province slug, if named, and any remark."""
    text, code = row.text("province"), row.text("province_code")
    named = code if text is None else text
    if named is None:
        return None, None
    existing = inventory.facilities.get(row.text("facility_id") or "")
    own_scheme = existing.province_scheme if existing else None
    schemes = dict.fromkeys([*([own_scheme] if own_scheme else []), inventory.settings.province_scheme])
    remark: Remark | None = None
    for scheme in schemes:
        try:
            return geography.read_province(named, scheme, code if text else None).slug, None
        except geography.ContradictoryProvinceError:
            remark = _contradiction(named, code or "", scheme)
        except geography.ProvinceError:
            remark = _unknown_province(named, scheme)
    return None, remark


def _contradiction(text: str, code: str, scheme: str) -> Remark:
    name = by_name(text, scheme) if _is_name(text, scheme) else "?"
    return error("province-contradiction", name=name, coded=geography.by_code(code, scheme), scheme=scheme)


def _is_name(text: str, scheme: str) -> bool:
    try:
        return bool(by_name(text, scheme))
    except geography.ProvinceError:
        return False


def _unknown_province(text: str, scheme: str) -> Remark:
    if scheme != geography.SCHEMES[0] and _is_name(text, geography.SCHEMES[0]):
        old = by_name(text, geography.SCHEMES[0])
        return error(
            "province-merged", scheme=scheme, old=old, older=geography.SCHEMES[0], now=geography.merged_into(old)
        )
    close: list[geography.Province] = list(geography.similar(text, scheme))
    coded = _coded(text.zfill(2), scheme)
    if coded:  # Excel took the zero
        close = [coded]
    if not close:
        return error("province-unknown", scheme=scheme)
    return error("province-similar", scheme=scheme, similar="; ".join(map(str, close)))


def _coded(code: str, scheme: str) -> geography.Province | None:
    try:
        return geography.by_code(code, scheme)
    except geography.ProvinceError:
        return None
