"""`--limit`: which hosts and paths a command is about. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provisioner.base.errors import UsageError
from provisioner.base.held import HeldFacility
from provisioner.base.nearest import asked, did_you_mean, nearest
from provisioner.base.printable import printable
from provisioner.geography import SCHEMES, parts_of
from provisioner.inventory.model import Inventory

if TYPE_CHECKING:
    from provisioner.desired.spec import HostSpec, LeftOutHost, LeftOutPath, MediaPath

KINDS = ("carrier", "province", "facility", "host")
_PLURAL = {"carrier": "carriers", "province": "provinces", "facility": "facilities", "host": "hosts"}
_LISTED = 20
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Limit:
    """Wanted names by kind; kinds are joined by "and", the names of a kind by "or". Empty takes everything.

    Attributes:
        wanted: the names as they were typed, by kind.
        parts: the provinces of 2021 that are in the provinces named, once `by` said of which list those are.
    """

    wanted: dict[str, frozenset[str]] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()

    def by(self, scheme: str) -> Limit:
        """Read names of provinces by an inventory's list.

        Paths keep the slug that was frozen in them; who names the province of today means all that is in it.
        """
        named = self.wanted.get("province", ())
        return replace(self, parts=frozenset(part for slug in named for part in parts_of(slug, scheme)))

    def of(self, inventory: Inventory, *others: Inventory, also: Collection[str] = ()) -> Limit:
        """Read names by an inventory: one that it has not would leave out, without a word, what was meant.

        Args:
            inventory: the inventory.
            others: what else may have the names, e.g. an older revision.
            also: names that are known, and of which nothing more is.

        Raises:
            UsageError: a name is in none of them.
        """
        for kind, names in sorted(self.wanted.items()):
            known = sorted({name for one in (inventory, *others) for name in _names(one, kind)})
            for name in sorted(names - {*known, *also}):
                if kind != "province" or not any(parts_of(name, scheme) for scheme in SCHEMES):
                    raise _unknown(kind, name, known)
        return self.by(inventory.settings.province_scheme)

    def takes(self, names: Mapping[str, Collection[str]]) -> bool:
        """Whether what has these names is chosen; kinds that are not in `names` do not count."""
        return all(
            not (wanted | self.parts if kind == "province" else wanted).isdisjoint(names[kind])
            for kind, wanted in self.wanted.items()
            if kind in names
        )

    def takes_path(self, host: HostSpec, path: MediaPath) -> bool:
        """Whether a path is chosen."""
        return self.takes(
            {
                "carrier": host.carriers,
                "province": (path.province,),
                "facility": (path.facility,),
                "host": (host.id,),
            }
        )

    def takes_left_out_path(self, host: LeftOutHost, path: LeftOutPath) -> bool:
        """Whether a path is chosen of which only the name is known."""
        return self.takes(
            {
                "carrier": host.carriers,
                "province": (path.province,),
                "facility": (path.facility,),
                "host": (host.id,),
            }
        )

    def takes_held(self, held: HeldFacility, hosts: Collection[str] = ()) -> bool:
        """Whether a held facility is chosen, by all that is known of it; `hosts` have something of it."""
        names: dict[str, Collection[str]] = {"facility": held.names or (held.id,), "host": hosts}
        names |= {"province": (held.province,)} if held.province else {}
        return self.takes(names | ({"carrier": held.carriers} if held.carriers else {}))

    def takes_host(self, host: HostSpec) -> bool:
        """Whether a host is chosen: by its own names, or because a chosen path is on it."""
        if not self.takes({"carrier": host.carriers, "host": (host.id,)}):
            return False
        if self.by_site:
            return any(self.takes_path(host, path) for path in host.paths)
        return True

    @property
    def by_site(self) -> bool:
        """Whether the limit cuts through hosts."""
        return bool({"province", "facility"} & set(self.wanted))


def names_of_held(held: Iterable[HeldFacility]) -> frozenset[str]:
    """The names by which a limit may mean facilities that are held."""
    return frozenset(name for one in held for name in (one.province, *one.names, *one.carriers))


def _names(inventory: Inventory, kind: str) -> Iterable[str]:
    """The names of a kind that an inventory has; a province has two where it was merged."""
    facilities = inventory.facilities.values()
    match kind:
        case "carrier":
            return inventory.carriers
        case "facility":
            return inventory.facilities
        case "province":
            return {name for f in facilities for name in (f.province, inventory.province_counted(f))}
    return [*inventory.centres, *(relay.id for carrier in inventory.carriers.values() for relay in carrier.relays)]


def _unknown(kind: str, name: str, known: Sequence[str]) -> UsageError:
    listed = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")
    otherwise = f"{_PLURAL[kind]} here are: {listed or 'none'}"
    shown = printable(name, _LONGEST)
    return UsageError(f"--limit {kind}={shown}: there is no such {kind}", hint=did_you_mean(name, known, otherwise))


def parse_limits(texts: Iterable[str]) -> Limit:
    """A limit from `kind=name` texts.

    Raises:
        UsageError: a text is not `carrier=…`, `province=…`, `facility=…` or `host=…`.
    """
    names_of: dict[str, frozenset[str]] = {}
    for text in texts:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            hint = f"write --limit KIND=NAME, KIND one of {', '.join(KINDS)}"
            raise UsageError(
                f"--limit {printable(text, _LONGEST)} is not understood",
                hint=f"{asked(nearest(kind, KINDS))} {hint}".lstrip() if equals and kind not in KINDS else hint,
            )
        names_of[kind] = names_of.get(kind, frozenset()) | {name}
    return Limit(names_of)
