"""A plan's JSON document, without secrets, and its last lines. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Literal

from provisioner.base import document as documents
from provisioner.base.document import of
from provisioner.base.errors import Severity
from provisioner.base.text import Document, LongList, counted, msg, named, printable
from provisioner.inventory.model.policy import ApprovedChanges
from provisioner.inventory.policy_rules.engine import RegoVerdict
from provisioner.plan.change import Action, Impact, Resource, distinct_trust
from provisioner.plan.diff.packages import SitePackageNeed
from provisioner.plan.diff.paths import Quarantined
from provisioner.plan.guards.policy import ALLOWANCES, PlanRefusal
from provisioner.plan.plan import Against, FrozenInPlan, Plan, totals_of

SCHEMA = "provisioner/plan"
DRIFT_SCHEMA = "provisioner/drift"
COMPARE_SCHEMA = "provisioner/compare"

_WARNINGS: Final = [
    *("adoption-spent", "host-clock-off", "host-disk-full", "host-mtu-small", "host-other-firewall"),
    *("host-port-taken", "pool-routed-elsewhere", "rego-warns"),
]
Readers = dict[str, dict[str, documents.Positive]]  #: Live readers by relay and path.


class ImpactCounts(documents.Row):
    """Changes by impact."""

    none: documents.Count
    hot: documents.Count
    path: documents.Count
    all: documents.Count


class PlanSummary(documents.Row):
    """The counts of a plan."""

    create: documents.Count
    update: documents.Count
    delete: documents.Count
    noop: documents.Count
    trust: documents.Count  #: Changes of trust, each counted once.
    hosts: documents.Count  #: Hosts that change.
    viewers_dropped: documents.Count  #: Live readers that are cut, each counted once.
    impact: ImpactCounts
    viewers_unknown: tuple[str, ...]  #: Hosts whose viewers are not known.


class _CarrierKey(documents.Row):
    carrier: str


class _ProvinceKey(documents.Row):
    province: str


class _FacilityKey(_ProvinceKey):
    facility: str


class ChangeCounts(documents.Row):
    """Changes of one carrier, province or facility."""

    create: documents.Count
    update: documents.Count
    delete: documents.Count
    hosts: documents.Count  #: Hosts that change.
    #: Affected readers: `hot` of no path, `path` of one path, `all` of the relay; `none` changes no running program.
    impact: Impact
    viewers: documents.Count  #: Live readers that are cut.


class CarrierCounts(ChangeCounts, _CarrierKey):
    """Changes of one carrier."""


class ProvinceCounts(ChangeCounts, _ProvinceKey):
    """Changes of one province."""


class FacilityCounts(ChangeCounts, _FacilityKey):
    """Changes of one facility."""


class PlanTotals(documents.Row):
    """Changes by carrier, province and facility."""

    carriers: tuple[CarrierCounts, ...]  #: Centres, which belong to no single carrier, have the row `centres`.
    provinces: tuple[ProvinceCounts, ...]
    facilities: tuple[FacilityCounts, ...]


class PlannedRow(documents.Row):
    """A resource of a host."""

    host: str  #: The relay or centre.
    resource: Resource  #: The kind of the resource; `trust` is a trusted key, name or network.
    name: str  #: The path's, peer's, rule's, file's or unit's name.
    action: Action
    #: Affected readers: `hot` of no path, `path` of one path, `all` of the relay; `none` changes no running program.
    impact: Impact
    viewers: documents.Count  #: Live readers that the change cuts.
    viewers_by_path: Readers = of("cut")  #: Live readers that are cut, by relay and path.
    reason: documents.Said  #: The reason, also of a no-op.
    province: str  #: The facility's province; empty unless the change is of one facility.
    facility: str  #: The facility.


class OutsideRow(documents.Row):
    """A pending change outside `--limit`."""

    host: str
    resource: Resource  #: The kind of the resource; `trust` is a trusted key, name or network.
    name: str


class WarningRow(documents.ProblemRow):
    """A warning from facts of a host."""

    severity: Literal[Severity.WARNING]
    code: Annotated[str, documents.form(enum=_WARNINGS)]
    message: str


class HeldInPlanRow(documents.HeldRow):
    """A frozen facility: hosts keep its last state, and all other facilities go on."""

    hosts: tuple[str, ...]  #: Hosts, of those read, that have parts of it.
    chosen: bool  #: Whether it is within `--limit`. Otherwise the command does not exit with 3 because of it.


class NeedRow(documents.Row):
    """A number of different people with a role (empty: any role), for hosts of a carrier (empty: of no carrier)."""

    changes: ApprovedChanges = of("rule", "changes")
    role: str = of("rule", "role")
    people: documents.Positive = of("rule", "people")
    carrier: str
    hosts: tuple[str, ...]


class PlanInventory(documents.Row):
    """The planned revision."""

    commit: str  #: Empty outside Git.
    digest: documents.Digest


class PlanDocument(documents.Printed, name="plan", title="A plan"):
    """Output of `provisioner plan --output json`, and the file of `--out`."""

    digest: (
        documents.Digest
    )  #: The digest of everything that the plan depends on. Commit, times and viewers are not in it.
    #: The digest of the plan's effect: desired states of the changing hosts, changes, raised limits and frozen
    #: facilities. Approvals sign it. An edit without an effect there leaves it the same.
    meaning: documents.Digest
    inventory: PlanInventory
    templates: documents.Digest
    tool: str  #: This program's version.
    live: dict[str, documents.KeyedDigest]  #: The live digest of each host in the plan.
    desired: dict[str, documents.KeyedDigest]  #: The digest of each host's desired state.
    planned: dict[str, documents.Digest]  #: The digest of each host's changes.
    allow: dict[Annotated[str, documents.form(enum=ALLOWANCES)], documents.Count]  #: Limits raised for this plan.
    #: By changing host: digests of its calls, by operation, and of its address. Approvals sign them, too.
    requests: dict[str, dict[str, documents.Digest]]
    summary: PlanSummary
    totals: PlanTotals
    viewers_by_path: Readers  #: Live readers that are cut, by relay and path.
    changes: tuple[PlannedRow, ...] = ()  #: The changes; with `--all` also resources without a change.
    left_out: tuple[str, ...]  #: Hosts outside `--limit`; they were not read.
    outside_limit: tuple[OutsideRow, ...]  #: Pending changes of chosen hosts, outside `--limit`.
    refused: tuple[PlanRefusal, ...]
    unreadable: dict[str, str]  #: Hosts that could not be read, with the reason. Their changes are not in the plan.
    #: Unreadable hosts that did not prove that they were managed before. No data was sent to them.
    unproved: tuple[str, ...]
    site_packages: tuple[SitePackageNeed, ...]  #: Sites whose gateways need a new site package after this change.
    notes: tuple[str, ...]  #: Notes for the reader.
    warnings: tuple[WarningRow, ...]  #: Warnings from facts of hosts, each with its place in the inventory's files.
    held: tuple[HeldInPlanRow, ...]
    quarantined: tuple[Quarantined, ...]
    approvals: tuple[NeedRow, ...]  #: Approvals that the plan needs before apply.
    rego: RegoVerdict | None  #: Null without Rego rules. Their denials are in `refused`, their warnings in `warnings`.


class DriftDocument(PlanDocument, name="drift", title="A drift"):
    """Output of `provisioner drift --output json`: a plan under another name."""


class ComparedSummary(PlanSummary, without=("viewers_dropped", "viewers_unknown")):
    """The counts of two revisions compared."""


class ComparedCarrier(CarrierCounts, without=("viewers",)):
    """Changes of one carrier."""


class ComparedProvince(ProvinceCounts, without=("viewers",)):
    """Changes of one province."""


class ComparedFacility(FacilityCounts, without=("viewers",)):
    """Changes of one facility."""


class ComparedTotals(PlanTotals):
    """Changes by carrier, province and facility."""

    carriers: tuple[ComparedCarrier, ...]
    provinces: tuple[ComparedProvince, ...]
    facilities: tuple[ComparedFacility, ...]


class ComparedRow(PlannedRow, without=("viewers", "viewers_by_path")):
    """A resource of a host."""


class CompareDocument(
    PlanDocument,
    name="compare",
    title="Two revisions compared",
    without=(
        *("digest", "meaning", "live", "desired", "planned", "requests", "unreadable", "unproved", "viewers_by_path"),
        *("quarantined", "warnings"),
    ),
):
    """Output of `provisioner plan --offline --against REF --output json`.

    It has no viewers, since no host was read.
    """

    summary: ComparedSummary
    totals: ComparedTotals
    changes: tuple[ComparedRow, ...] = ()
    against: Against


def plan_document(plan: Plan, *, everything: bool = False, model: type[PlanDocument] = PlanDocument) -> Document:
    """Return the plan's document; `everything` lists no-ops, too."""
    document = plan_in_parts(plan, everything=everything, model=model)
    return document | {"changes": list(document["changes"])}


def plan_in_parts(plan: Plan, *, everything: bool = False, model: type[PlanDocument] = PlanDocument) -> Document:
    """Return the plan's document with changes generated during writing."""
    changing = plan.pending
    totals, basis = totals_of(changing, plan.carriers), plan.basis
    actions, impacts = Counter(change.action for change in changing), Counter(change.impact for change in changing)
    document = model.made_of(
        plan,
        digest=basis.digest,
        meaning=basis.meaning,
        inventory={"commit": plan.commit, "digest": basis.inventory},
        templates=basis.templates,
        tool=basis.version,
        **{key: dict(sorted(getattr(basis, key).items())) for key in ("live", "desired", "planned", "allow")},
        requests={host: dict(request) for host, request in sorted(basis.requests.items())},
        summary={
            **{action.value: actions[action] for action in Action},
            "noop": plan.resources - len(changing),
            "trust": len(distinct_trust(changing)),
            "hosts": len({change.host for change in changing}),
            "viewers_dropped": totals.viewers,
            "impact": {impact.value: impacts[impact] for impact in Impact},
            "viewers_unknown": plan.uncounted,
        },
        totals={
            "carriers": [{"carrier": name, **row.document()} for name, row in totals.carriers.items()],
            "provinces": [{"province": name, **row.document()} for name, row in totals.provinces.items()],
            "facilities": [
                {"province": province, "facility": facility, **row.document()}
                for (province, facility), row in totals.facilities.items()
            ],
        },
        viewers_by_path=totals.cut,
        changes=(),
        outside_limit=plan.outside,
        unreadable=dict(sorted(plan.unreadable.items())),
        notes=[*plan.lacking, *plan.notes, *(f"{entry.message}; {entry.hint}" for entry in plan.warnings)],
        held=[frozen_row(entry) for entry in plan.held],
        approvals=tuple(dict.fromkeys(map(NeedRow.model_validate, plan.approvals))),
    )
    row = ComparedRow if model is CompareDocument else PlannedRow
    listed = plan.changes if everything else changing
    return document.plain | {"changes": LongList(lambda: (row.model_validate(change).plain for change in listed))}


def frozen_row(frozen: FrozenInPlan) -> HeldInPlanRow:
    """Return the row of a frozen facility."""
    return HeldInPlanRow.made_of(frozen.facility, hosts=frozen.hosts, chosen=frozen.chosen)


def no_change(plan: Plan, since: str = "") -> str:
    """Return the sentence that the readable hosts have no change (`since`)."""
    read = len(plan.basis.live)
    all_of_them = read + len(plan.unreadable) + len(plan.left_out)
    if all_of_them and not read:
        return msg("unknown: {hosts} could not be read", counted(all_of_them, "host"))
    where = (" " + msg("on {read} of {hosts}", read, counted(all_of_them, "host"))) if all_of_them > read else ""
    return msg("no change{where}{since}: {resources} as desired", where, since, counted(plan.resources, "resource"))


def packages_by_cause(needs: Iterable[SitePackageNeed]) -> dict[tuple[str, str], list[str]]:
    """Return sites that need a new package, by relay and reason."""
    by_cause: dict[tuple[str, str], list[str]] = {}
    for need in needs:
        by_cause.setdefault((need.relay, need.reason), []).append(need.facility)
    return by_cause


def plan_ending(plan: Plan, *, judged: bool = True) -> tuple[str, ...]:
    """Return a plan's last sentences, by exit codes; unjudged refusals come last."""
    of_hosts = (
        *_unproved_sentence(plan),
        *_unreadable_sentence(plan),
        *plan.lacking,
        *_frozen_sentence(plan),
        _changes_sentence(plan),
    )
    refused = tuple(_refusal_sentence(plan))
    return (*refused, *of_hosts) if judged else (*of_hosts, *refused)


def _refusal_sentence(plan: Plan) -> Iterator[str]:
    if plan.refused:
        policies = named(sorted({refusal.policy for refusal in plan.refused}))
        reasons = counted(len(plan.refused), "reason")
        yield msg(
            "refused, for {reasons} ({policies}): the plan cannot be applied until each reason is"
            " settled as its hint says",
            reasons,
            policies,
        )


def _unproved_sentence(plan: Plan) -> Iterator[str]:
    if plan.unproved:
        hosts = msg("{hosts} did not prove that it was managed before", counted(len(plan.unproved), "host"))
        next_step = "its changes are not in this plan; find out why, or if it is new say so: --allow trust=NUMBER"
        yield f"{hosts}: {named(plan.unproved)}; {next_step}"


def _unreadable_sentence(plan: Plan) -> Iterator[str]:
    hosts = sorted(set(plan.unreadable) - set(plan.unproved))
    if not hosts:
        return
    first = printable(plan.unreadable[hosts[0]])
    were = "was" if len(hosts) == 1 else "were"
    reason = first if first.startswith(hosts[0]) else f"{hosts[0]}: {first}"
    yield (
        msg(
            "{hosts} {were} not read, and what would change there is not in this plan: {others} "
            "({why}); repair that and plan again",
            counted(len(hosts), "host"),
            were,
            named(hosts),
            reason,
        )
    )


def _frozen_sentence(plan: Plan) -> Iterator[str]:
    if plan.frozen_in_limit:
        yield frozen_ending([entry.facility.id for entry in plan.frozen_in_limit])


def frozen_ending(names: Sequence[str]) -> str:
    """Return the last sentence about frozen facilities, with the next step."""
    facilities, are = counted(len(names), "facility"), "is" if len(names) == 1 else "are"
    return msg(
        "{facilities} {are} held: {names}; hosts keep their state: correct the errors of provisioner validate",
        facilities,
        are,
        named(names),
    )


def _changes_sentence(plan: Plan) -> str:
    changing = plan.pending
    if not changing:
        return no_change(plan)
    actions = Counter(change.action for change in changing)
    counts = ", ".join(f"{actions[action]} to {action.value}" for action in Action if actions[action])
    return msg("{words} on {hosts}", counts, counted(len(plan.hosts), "host"))
