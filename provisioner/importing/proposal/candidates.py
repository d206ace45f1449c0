"""Sites in an index: which one an identity is, and which ones it may be. Pure, and bounded in its work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice

from provisioner.importing.proposal.identity import Identity, Sameness, names_agree, places_agree
from provisioner.importing.proposal.likeness import holds_the_other, likeness_keys, parted
from provisioner.importing.proposal.questions import Why

_MOST_COMPARED = 50
"""Of one name, and of one likeness: no province has as many that are near each other."""
_MOST_NEIGHBOURS = 20
"""Of one word in one ward, and of one address."""


@dataclass(frozen=True)
class Likely:
    """A site that an identity may be.

    Attributes:
        key: its key in the index.
        reasons: why.
        strong: whether its name says so; otherwise it counts only where no row of the sheets is that site.
    """

    key: str
    reasons: tuple[Why, ...]
    strong: bool


@dataclass
class _ByWard:
    """Keys of sites by the keys of their wards; sites whose ward is not known, or of another list, under none."""

    wards: dict[str, list[str]] = field(default_factory=dict)

    def add(self, ward: str, key: str) -> None:
        self.wards.setdefault(ward, []).append(key)

    def near(self, ward: str) -> list[str]:
        """The sites that may be in a ward, nearest first; one more than are compared, where there are too many."""
        first = [self.wards.get(ward, ()), self.wards.get("", ()) if ward else ()]
        others: Iterable[list[str]] = ()
        if not ward or len(self.wards) <= _MOST_COMPARED:
            others = (keys for name, keys in self.wards.items() if name not in {ward, ""})
        return list(islice(chain(*first, *others), _MOST_COMPARED + 1))


class SiteIndex:
    """Sites of one province, by name, likeness and place."""

    def __init__(self, sites: Iterable[tuple[str, Identity]], scheme: str) -> None:
        self.identities = dict(sites)
        self._scheme = scheme

    def _ward(self, identity: Identity) -> str:
        return identity.ward.key if identity.ward and identity.scheme == self._scheme else ""

    # --- what is there under which key ------------------------------------------------------------

    @cached_property
    def _by_key(self) -> dict[tuple[str, ...], list[str]]:
        keys: dict[tuple[str, ...], list[str]] = {}
        for key, identity in self.identities.items():
            keys.setdefault(identity.key, []).append(key)
        return keys

    @cached_property
    def _by_name(self) -> dict[str, _ByWard]:
        names: dict[str, _ByWard] = {}
        for key, identity in self.identities.items():
            names.setdefault(identity.name.key, _ByWard()).add(self._ward(identity), key)
        return names

    @cached_property
    def _by_likeness(self) -> dict[str, _ByWard]:
        likenesses: dict[str, _ByWard] = {}
        for key, identity in self.identities.items():
            for likeness in likeness_keys(identity.shown[0]):
                likenesses.setdefault(likeness, _ByWard()).add(self._ward(identity), key)
        return likenesses

    @cached_property
    def _by_neighbourhood(self) -> dict[tuple[str, str], list[str]]:
        """Sites by ward and each word of their names, and by ward and street."""
        places: dict[tuple[str, str], list[str]] = {}
        for key, identity in self.identities.items():
            for place in _neighbourhoods(identity):
                places.setdefault(place, []).append(key)
        return places

    # --- what an identity is, and may be ----------------------------------------------------------

    def same(self, identity: Identity) -> list[str]:
        """The sites whose whole identity is the same."""
        near = self._by_name.get(identity.name.key, _ByWard()).near(self._ward(identity))
        return [
            key for key in dict.fromkeys([*self._by_key.get(identity.key, ()), *near]) if self._is_same(identity, key)
        ]

    def _is_same(self, identity: Identity, key: str) -> bool:
        other = self.identities[key]
        agreements = (names_agree(identity.name, other.name), *places_agree(identity, other))
        return max(agreements) is Sameness.SAME

    def likely(self, identity: Identity) -> Iterator[Likely]:
        """The sites that an identity may be, those of its name first; those that it certainly is among them."""
        seen: set[str] = set()
        for likely in chain(self._namesakes(identity), self._alike(identity), self._neighbours(identity)):
            if likely.key not in seen:
                seen.add(likely.key)
                yield likely

    def _namesakes(self, identity: Identity) -> Iterator[Likely]:
        near = self._by_name.get(identity.name.key, _ByWard()).near(self._ward(identity))
        crowd = len(near) > _MOST_COMPARED
        for key in near[:_MOST_COMPARED]:
            other = self.identities[key]
            places = places_agree(identity, other)
            if max(places) is not Sameness.OTHER:
                same = names_agree(identity.name, other.name) is Sameness.SAME
                reasons = (Why.SAME_NAME if same else Why.OTHER_MARKS, *_of_place(identity, other))
                yield Likely(key, reasons, strong=True)
            elif _is_street_apart(identity, other):
                yield Likely(key, (Why.SAME_NAME, *_of_place(identity, other)), strong=crowd)
            elif crowd:
                yield Likely(key, (Why.SAME_NAME, Why.MANY_NAMESAKES), strong=True)

    def _alike(self, identity: Identity) -> Iterator[Likely]:
        ward = self._ward(identity)
        near: dict[str, None] = {}
        for likeness in likeness_keys(identity.shown[0]):
            if likeness in self._by_likeness:
                near |= dict.fromkeys(self._by_likeness[likeness].near(ward))
        for key in sorted(near)[:_MOST_COMPARED]:
            other = self.identities[key]
            district, in_ward, _ = places_agree(identity, other)
            if identity.name.key != other.name.key and Sameness.OTHER not in (district, in_ward):
                yield Likely(key, (Why.LIKE_NAME, *_of_place(identity, other)), strong=True)

    def _neighbours(self, identity: Identity) -> Iterator[Likely]:
        """Sites of the same ward whose name holds this one, or is held by it; and those at the same address."""
        near: dict[str, None] = {}
        for place in _neighbourhoods(identity):
            near |= dict.fromkeys(self._by_neighbourhood.get(place, ())[:_MOST_NEIGHBOURS])
        for key in near:
            other = self.identities[key]
            district, ward, street = places_agree(identity, other)
            if ward is not Sameness.SAME or district is Sameness.OTHER or identity.name.key == other.name.key:
                continue
            if holds_the_other(parted(identity.shown[0]), parted(other.shown[0])):
                yield Likely(key, (Why.LONGER_NAME, *_of_place(identity, other)), strong=False)
            elif street is Sameness.SAME and _is_numbered(identity):
                yield Likely(key, _of_place(identity, other), strong=False)


def _neighbourhoods(identity: Identity) -> Iterator[tuple[str, str]]:
    if identity.ward is None:
        return
    for word in parted(identity.shown[0]).own:
        yield identity.ward.key, word
    if identity.street and _is_numbered(identity):
        yield identity.ward.key, f"@{identity.street.key}"


def _is_street_apart(one: Identity, other: Identity) -> bool:
    """Tell whether two sites of one name are in one ward: the address of one may have been written otherwise."""
    district, ward, street = places_agree(one, other)
    return one.ward is not None and (district, ward, street) == (Sameness.SAME, Sameness.SAME, Sameness.OTHER)


def _is_numbered(identity: Identity) -> bool:
    """Tell whether a street has a number: a village or a road alone is the address of many."""
    return identity.street is not None and any(c.isdecimal() for c in identity.street.key)


def _of_place(one: Identity, other: Identity) -> tuple[Why, ...]:
    """What two places have in common, and what is not known of them."""
    district, ward, street = places_agree(one, other)
    reasons: list[Why] = []
    if one.ward and ward is Sameness.SAME:
        reasons.append(Why.SAME_WARD)
    if one.street and street is Sameness.SAME:
        reasons.append(Why.SAME_STREET)
    pairs = ((one.district, other.district), (one.ward, other.ward), (one.street, other.street))
    agreements = (district, ward, street)
    if one.is_bare or any(a is Sameness.OPEN and None in pair for a, pair in zip(agreements, pairs, strict=True)):
        reasons.append(Why.PLACE_MISSING)
    if any(a is Sameness.OPEN and None not in pair for a, pair in zip(agreements, pairs, strict=True)):
        reasons.append(Why.PLACE_LIKE)
    return tuple(reasons)
