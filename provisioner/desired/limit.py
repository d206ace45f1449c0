"""`--limit`: which hosts and paths a command is about. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from provisioner.base.errors import UsageError
from provisioner.desired.spec import DesiredState, HostSpec, MediaPath
from provisioner.geography import parts_of

KINDS = ("carrier", "province", "facility", "host")


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


def parse_limits(texts: Iterable[str]) -> Limit:
    """A limit from `kind=name` texts.

    Raises:
        UsageError: a text is not `carrier=…`, `province=…`, `facility=…` or `host=…`.
    """
    names_of: dict[str, frozenset[str]] = {}
    for text in texts:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            raise UsageError(f"--limit {text} is not understood", hint=f"write --limit KIND=NAME, KIND of {KINDS}")
        names_of[kind] = names_of.get(kind, frozenset()) | {name}
    return Limit(names_of)


def chosen_hosts(state: DesiredState, limit: Limit) -> tuple[HostSpec, ...]:
    """The hosts that a limit takes.

    Raises:
        UsageError: it takes none.
    """
    chosen = tuple(host for host in state.hosts.values() if limit.takes_host(host))
    if not chosen:
        raise UsageError("--limit selects nothing", hint=f"hosts are: {', '.join(state.hosts)}")
    return chosen
