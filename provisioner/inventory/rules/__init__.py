"""Rules of the inventory beyond one file's model. Pure.

All rules run, so that all problems are found at once. A rule on one facility's file (`SITE_RULES`) reads that file
alone; its result is cached, so that only changed files are checked again. A rule across files (`RULES`) reads all
facilities' outlines and the rest of the inventory.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import date

from provisioner.base.errors import Problem
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import outline_of
from provisioner.inventory.rules import approvals, hosts, lock, logins, networks, orders, plans, receivers, sites, texts
from provisioner.inventory.rules.sites import Days, SiteRule, SiteView
from provisioner.inventory.rules.view import View

__all__ = ["RULES", "SITE_RULES", "Days", "SiteView", "View", "check", "check_across", "check_site"]

SITE_RULES: tuple[SiteRule, ...] = (*sites.SITE_RULES, *plans.SITE_RULES, *logins.SITE_RULES, *texts.SITE_RULES)

RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    *orders.RULES,
    *hosts.RULES,
    *networks.RULES,
    *lock.RULES,
    *plans.RULES,
    *receivers.RULES,
    *sites.RULES,
    *texts.RULES,
    *approvals.RULES,
)


def check_site(site: SiteView) -> tuple[Problem, ...]:
    """Run all rules on one facility's file."""
    return tuple(problem for rule in SITE_RULES for problem in rule(site))


def check_across(view: View) -> tuple[Problem, ...]:
    """Run all rules across files."""
    return tuple(texts.unquoted(view, (problem for rule in RULES for problem in rule(view))))


def check(
    inventory: Inventory, places: Places, today: date, broken: Collection[str] = frozenset()
) -> tuple[Problem, ...]:
    """Run all rules on an inventory in memory; sort problems by position."""
    problems: list[Problem] = []
    outlines = {name: outline_of(facility) for name, facility in inventory.facilities.items()}
    for name, facility in inventory.facilities.items():
        source = places.sources.get(f"facility/{name}")
        problems += check_site(SiteView(facility, Days(today), source, outlines[name]))
    problems += check_across(View(inventory, outlines, places, today, broken))
    return tuple(sorted(problems))
