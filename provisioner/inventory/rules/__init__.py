"""What two objects have to agree on: pure rules over a whole inventory, all of them run, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from provisioner.diagnostics import Problem
from provisioner.inventory.rules import allocated, hosts, networks, orders, plans, provinces, sites
from provisioner.inventory.rules.allocated import (
    ALLOCATION_MISSING,
    GATEWAY_KEY_MISSING,
    HOST_KEYS_MISSING,
    missing_allocations,
    missing_keys,
)
from provisioner.inventory.rules.view import View

__all__ = [
    "ALLOCATION_MISSING",
    "GATEWAY_KEY_MISSING",
    "HOST_KEYS_MISSING",
    "RULES",
    "View",
    "check",
    "missing_allocations",
    "missing_keys",
]

RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    *provinces.RULES,
    *orders.RULES,
    *hosts.RULES,
    *networks.RULES,
    *sites.RULES,
    *plans.RULES,
    *allocated.RULES,
    missing_allocations,
    missing_keys,
)


def check(view: View) -> tuple[Problem, ...]:
    """Run every rule and give all problems, sorted by place."""
    return tuple(sorted(problem for rule in RULES for problem in rule(view)))
