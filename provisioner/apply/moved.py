"""What moved on a host since a plan was made, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.facts import HostFacts, parse_facts
from provisioner.plan import seen
from provisioner.plan.seen import seen_of


def moved(then: HostFacts, now: Mapping[str, Any]) -> list[str]:
    """Name what moved on a host, with what the plan had and what is there now."""
    return seen.moved(seen_of(then), seen_of(parse_facts(then.host, dict(now))))
