"""Comparison of two plans: differences, and whether they do the same. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from provisioner.base.document import Count, Digest, Printed, Row, form, of
from provisioner.plan.change import Action, Change, Impact, Resource, cut_by
from provisioner.plan.saved.file import WrittenPlan

_BESIDE: Final = [
    *("tool", "templates", "inventory", "commit", "allowance", "held", "refused"),
    *("not read", "in the plan", "to hold"),
]


class ChangeTurn(StrEnum):
    """A change's difference between two plans."""

    APPEARS = "appears"
    VANISHES = "vanishes"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class MovedChange:
    """A differing change; `before` or `after` may be missing."""

    before: Change | None
    after: Change | None

    @property
    def turn(self) -> ChangeTurn:
        """Kind of the difference."""
        if self.before is None:
            return ChangeTurn.APPEARS
        return ChangeTurn.VANISHES if self.after is None else ChangeTurn.DIFFERS

    @property
    def either(self) -> Change:
        """The change in the second plan, or else in the first."""
        either = self.after or self.before
        if either is None:
            raise ValueError("a change is in one of two plans at least")
        return either

    @property
    def impact(self) -> Impact:
        """The worse of both impacts."""
        impacts = [change.impact for change in (self.before, self.after) if change]
        return max(impacts, key=lambda impact: impact.rank)

    @property
    def is_of_trust(self) -> bool:
        """Whether it is a change of trust."""
        return self.either.resource is Resource.TRUST


class MovedAudience(Row):
    """A path with a different number of live readers that are cut."""

    relay: str
    path: str
    before: Count
    after: Count


class MovedBeside(Row):
    """Another difference."""

    what: Annotated[str, form(enum=_BESIDE)]
    of: str  #: The host, facility, policy or allowance; empty if it is about all.
    before: str  #: Empty if the first plan lacks it.
    after: str


@dataclass(frozen=True, slots=True)
class BetweenPlans:
    """Differences of two plans, `first` and `second` in the caller's order."""

    first: WrittenPlan
    second: WrittenPlan
    changes: tuple[MovedChange, ...]  #: Differing changes: trust first, then the worst first.
    viewers: tuple[MovedAudience, ...]  #: Differing numbers of cut readers, which are in no digest.
    beside: tuple[MovedBeside, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the digests are equal: the same plan, even of another commit."""
        return self.first.basis.digest == self.second.basis.digest

    @property
    def is_same(self) -> bool:
        """Whether both do the same, so that approvals count for both."""
        return self.first.basis.meaning == self.second.basis.meaning

    @property
    def turns(self) -> Mapping[ChangeTurn, int]:
        """Numbers of appearing, vanishing and differing changes."""
        counts = Counter(moved.turn for moved in self.changes)
        return {difference: counts[difference] for difference in ChangeTurn}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts with a differing change, sorted."""
        return tuple(sorted({moved.either.host for moved in self.changes}))

    @property
    def worst(self) -> Impact:
        """Worst impact of the differing changes."""
        return max((moved.impact for moved in self.changes), key=lambda impact: impact.rank, default=Impact.NONE)


def compare_plans(first: WrittenPlan, second: WrittenPlan) -> BetweenPlans:
    """Return the differences of two plans."""
    moved = tuple(sorted(_moved_changes(first.changes, second.changes), key=_worst_first))
    return BetweenPlans(
        first, second, moved, tuple(_moved_viewers(first, second)), tuple(_other_differences(first, second))
    )


_Key = tuple[str, str, str]


def _moved_changes(first: Iterable[Change], second: Iterable[Change]) -> Iterator[MovedChange]:
    first_changes, second_changes = _by_resource(first), _by_resource(second)
    for key in first_changes.keys() | second_changes.keys():
        before, after = list(first_changes.get(key, ())), list(second_changes.get(key, ()))
        # A resource usually has one change; of several, equal ones are no difference.
        for change in first_changes.get(key, ()):
            twin = next((candidate for candidate in after if _acts(candidate) == _acts(change)), None)
            if twin is not None:
                before.remove(change)
                after.remove(twin)
        for index in range(max(len(before), len(after))):
            yield MovedChange(_at(before, index), _at(after, index))


def _by_resource(changes: Iterable[Change]) -> dict[_Key, list[Change]]:
    grouped: dict[_Key, list[Change]] = {}
    for change in sorted(changes, key=_acts):
        grouped.setdefault((change.host, change.resource.value, change.name), []).append(change)
    return grouped


def _acts(change: Change) -> tuple[str, str, str]:
    return change.action.value, change.impact.value, change.reason


def _at(changes: list[Change], index: int) -> Change | None:
    return changes[index] if index < len(changes) else None


def _worst_first(moved: MovedChange) -> tuple[bool, int, str, str, str, str]:
    either = moved.either
    return (
        not moved.is_of_trust,
        -moved.impact.rank,
        either.host,
        either.resource.value,
        either.name,
        str(_acts(either)),
    )


def _moved_viewers(first: WrittenPlan, second: WrittenPlan) -> Iterator[MovedAudience]:
    first_cuts, second_cuts = (cut_by(plan.changes) for plan in (first, second))
    for relay in sorted(first_cuts.keys() | second_cuts.keys()):
        before, after = first_cuts.get(relay, {}), second_cuts.get(relay, {})
        for path in sorted(before.keys() | after.keys()):
            if before.get(path, 0) != after.get(path, 0):
                yield MovedAudience(relay=relay, path=path, before=before.get(path, 0), after=after.get(path, 0))


# --- what else moved ------------------------------------------------------------------------------
def _other_differences(first: WrittenPlan, second: WrittenPlan) -> Iterator[MovedBeside]:
    old, new = first.basis, second.basis
    for subject, before, after in (
        ("tool", old.version, new.version),
        ("templates", old.templates, new.templates),
        ("inventory", old.inventory, new.inventory),
        ("commit", first.commit, second.commit),
    ):
        if before != after:
            yield MovedBeside(what=subject, of="", before=before, after=after)
    yield from _moved_texts("allowance", _texts(old.allow), _texts(new.allow))
    yield from _moved_texts("held", _named(old.held), _named(new.held))
    yield from _moved_texts("refused", _refusals_by_subject(first), _refusals_by_subject(second))
    yield from _moved_texts("not read", first.unreadable, second.unreadable)
    yield from _moved_texts("in the plan", _named(old.live), _named(new.live))
    shared = sorted(old.desired.keys() & new.desired.keys())
    yield from (
        MovedBeside(what="to hold", of=host, before=old.desired[host], after=new.desired[host])
        for host in shared
        if old.desired[host] != new.desired[host]
    )


def _moved_texts(subject: str, first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[MovedBeside]:
    for name in sorted(first.keys() | second.keys()):
        before, after = first.get(name, ""), second.get(name, "")
        if before != after:
            yield MovedBeside(what=subject, of=name, before=before, after=after)


def _texts(allow: Mapping[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in allow.items()}


def _named(names: Collection[str]) -> dict[str, str]:
    return dict.fromkeys(names, "yes")


def _refusals_by_subject(plan: WrittenPlan) -> dict[str, str]:
    refusals: dict[str, str] = {}
    for policy, host, message in sorted(plan.refused):
        subject = f"{policy} on {host}" if host else policy
        refusals[subject] = f"{refusals[subject]}; {message}" if subject in refusals else message
    return refusals


# --- the document ---------------------------------------------------------------------------------
class PlanRow(Row):
    """One of the two plans."""

    digest: Digest
    meaning: Digest
    commit: str  #: Empty outside Git.
    changes: Count
    viewers_dropped: Count  #: Live readers that it cut when it was made. No digest includes them.


class MovedSummary(Row):
    """Counts of the differences."""

    appears: Count
    vanishes: Count
    differs: Count
    hosts: tuple[str, ...]  #: Hosts on which a change differs.
    trust: Count  #: The number of them that are changes of trust.
    impact: Impact


class SideRow(Row):
    """A change as one of two plans has it."""

    action: Annotated[Action, form(enum=["create", "update", "delete"])]
    impact: Impact
    reason: str


class MovedChangeRow(Row):
    """A change that differs between the plans."""

    host: str = of("either", "host")
    resource: Resource = of("either", "resource")
    name: str = of("either", "name")
    province: str = of("either", "province")
    facility: str = of("either", "facility")
    turn: ChangeTurn
    before: SideRow | None
    after: SideRow | None


class PlanDiffDocument(Printed, name="plan-diff", title="Two plans side by side"):
    """Output of `provisioner plan diff` with `--output json`."""

    same: bool  #: Whether both have the same effect, so that approvals of the first are valid for the second.
    equal: bool  #: Whether both have the same digest: the same plan, even of another commit.
    first: PlanRow
    second: PlanRow
    summary: MovedSummary
    changes: tuple[MovedChangeRow, ...]  #: Changes that differ between the plans: trust first, then worst first.
    viewers: tuple[MovedAudience, ...]
    beside: tuple[MovedBeside, ...]


def between_document(compared: BetweenPlans) -> PlanDiffDocument:
    """Return the differences of two plans as a document."""
    return PlanDiffDocument(
        same=compared.is_same,
        equal=compared.is_equal,
        first=_of_plan(compared.first),
        second=_of_plan(compared.second),
        summary={
            **compared.turns,
            "hosts": compared.hosts,
            "trust": sum(moved.is_of_trust for moved in compared.changes),
            "impact": compared.worst,
        },
        changes=compared.changes,
        viewers=compared.viewers,
        beside=compared.beside,
    )


def _of_plan(plan: WrittenPlan) -> PlanRow:
    viewers = sum(sum(paths.values()) for paths in cut_by(plan.changes).values())
    return PlanRow(
        digest=plan.basis.digest,
        meaning=plan.basis.meaning,
        commit=plan.commit,
        changes=len(plan.changes),
        viewers_dropped=viewers,
    )
