"""In which order hosts change: one canary a carrier, then 10 %, 50 %, the rest. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from provisioner.desired.spec import HostSpec
from provisioner.desired.wave_names import CANARY, LATER

_SHARES = tuple(zip(LATER, (0.1, 0.5, 1.0), strict=True))


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts that change together."""

    name: str
    hosts: tuple[str, ...]


def waves_of(specs: Iterable[HostSpec]) -> tuple[Wave, ...]:
    """The waves of the hosts that change; the shares count all hosts that are done by then.

    The canary of a carrier is its relay with the fewest paths. Carriers take turns, and monitoring centres
    come last: they belong to several carriers.
    """
    specs = list(specs)
    ordered = _in_turns([s for s in specs if s.relay is not None])
    carriers = len({spec.carriers[0] for spec in ordered})
    hosts = [spec.id for spec in ordered] + sorted(spec.id for spec in specs if spec.relay is None)
    waves, done = [], carriers
    if carriers:
        waves.append(Wave(CANARY, tuple(hosts[:carriers])))
    for name, share in _SHARES:
        until = max(done, math.ceil(share * len(hosts)))
        if until > done:
            waves.append(Wave(name, tuple(hosts[done:until])))
        done = until
    return tuple(waves)


def _in_turns(relays: Sequence[HostSpec]) -> list[HostSpec]:
    by_carrier: dict[str, list[HostSpec]] = defaultdict(list)
    for spec in sorted(relays, key=lambda s: (len(s.paths), s.id)):
        by_carrier[spec.carriers[0]].append(spec)
    ranked = [(turn, carrier, spec) for carrier, of in by_carrier.items() for turn, spec in enumerate(of)]
    return [spec for _, _, spec in sorted(ranked, key=lambda r: r[:2])]
