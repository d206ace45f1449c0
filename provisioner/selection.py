"""`--limit`: which hosts and paths a command is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from provisioner.changes import Change, Resource
from provisioner.desired.spec import DesiredState, HostSpec, MediaPath
from provisioner.errors import PolicyError, UsageError

KINDS = ("carrier", "province", "facility", "host")


@dataclass(frozen=True, slots=True)
class Limit:
    """Wanted names by kind; kinds are joined by "and", the names of a kind by "or". Empty takes everything."""

    wanted: dict[str, frozenset[str]] = field(default_factory=dict)

    def takes_path(self, host: HostSpec, path: MediaPath) -> bool:
        """Whether a path is chosen."""
        found = {
            "carrier": set(host.carriers),
            "province": {path.province},
            "facility": {path.facility},
            "host": {host.id},
        }
        return all(names & found[kind] for kind, names in self.wanted.items())

    def takes_host(self, host: HostSpec) -> bool:
        """Whether a host is chosen: by its own names, or because a chosen path is on it."""
        own = {"carrier": set(host.carriers), "host": {host.id}}
        if not all(names & own[kind] for kind, names in self.wanted.items() if kind in own):
            return False
        if self.by_site:
            return any(self.takes_path(host, path) for path in host.paths)
        return True

    @property
    def by_site(self) -> bool:
        """Whether the limit cuts through hosts."""
        return bool({"province", "facility"} & set(self.wanted))


def parse_limits(texts: Iterable[str]) -> Limit:
    """Give a limit from `kind=name` texts.

    Raises:
        UsageError: a text is not `carrier=…`, `province=…`, `facility=…` or `host=…`.
    """
    wanted: dict[str, frozenset[str]] = {}
    for text in texts:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            raise UsageError(f"--limit {text} is not understood", hint=f"write --limit KIND=NAME, KIND of {KINDS}")
        wanted[kind] = wanted.get(kind, frozenset()) | {name}
    return Limit(wanted)


def chosen_hosts(state: DesiredState, limit: Limit) -> tuple[HostSpec, ...]:
    """Give the hosts that a limit takes.

    Raises:
        UsageError: it takes none.
    """
    chosen = tuple(host for host in state.hosts.values() if limit.takes_host(host))
    if not chosen:
        raise UsageError("--limit selects nothing", hint=f"hosts are: {', '.join(state.hosts)}")
    return chosen


def refuse_outside(limit: Limit, hosts: Sequence[HostSpec], pending: Iterable[Change]) -> None:
    """Refuse a change of a chosen host that the limit does not name: a host changes whole or not at all.

    Raises:
        PolicyError: it names what is outside.
    """
    if not limit.by_site:
        return
    inside = {(h.id, p.name) for h in hosts for p in h.paths if limit.takes_path(h, p)}
    sites = {f"site/{p.facility}" for h in hosts for p in h.paths if limit.takes_path(h, p)}
    outside = [
        c
        for c in pending
        if (c.resource is Resource.PATH and (c.host, c.name) not in inside)
        or (c.resource is Resource.PEER and c.name not in sites)
    ]
    if outside:
        named = ", ".join(f"{c.resource.value} {c.name} on {c.host}" for c in outside[:5])
        more = f" and {len(outside) - 5} more" if len(outside) > 5 else ""  # noqa: PLR2004 (what fits a line)
        raise PolicyError(
            f"changes outside the limit are pending on a chosen host: {named}{more}",
            hint="apply without --limit, or with --limit host=…: a host is changed whole",
            object=outside[0].host,
        )
