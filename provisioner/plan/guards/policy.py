"""Limits, freeze windows, protected objects, and missing programs. Pure.

Every limit is a named number in the inventory, which `--allow NAME=NUMBER` raises for one plan. A protected object
cannot be allowed: a change of its own, which is reviewed, first removes the protection.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Annotated, Final, NamedTuple

from provisioner.base.document import Count, Said, form, unprinted
from provisioner.base.errors import HostError, UsageError
from provisioner.base.groups import grouped
from provisioner.base.text import VIETNAM, counted, msg, named, nearest, printable, which_was_meant
from provisioner.desired.render.host import program_path
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model.policy import Freeze, Limits, MediamtxArtefact, Policy
from provisioner.plan.change import Action, Change, Impact, Resource, cut_by, distinct_trust, pending

LIMITS = tuple(Limits.model_fields)
TRUST = "trust"  #: Allowance that no inventory has, since the reviewed edit could raise it. It is given for one plan.

PROTECTED = "protected"
VIEWERS_UNKNOWN = "viewers_unknown"
_NAMED = 3

#: Return why a program for an architecture is not shipped, if known.
Refusal = Callable[[MediamtxArtefact, str], HostError | None]


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of a plan, as measured by the limits."""

    changing: int  #: Number of pending changes; `hosts` is the number of changing hosts.
    hosts: int
    lost: int  #: Number of paths that no relay serves afterwards.
    paths: int  #: Number of all paths, lost and served.
    cut_whole: tuple[str, ...]  #: Hosts on which every path reconnects, sorted.
    viewers: int
    frozen: str  #: End and reason of the freeze window, or empty.


class Measure(NamedTuple):
    """Measurement for one limit: its number, and a sentence with the effect."""

    name: str
    of: Callable[[Effect], int]
    words: Callable[[Effect, int], str]


#: One for each limit, in the order of refusals.
MEASURES: Final = (
    Measure(
        "deletions", lambda e: e.lost, lambda _, n: msg("{paths} would have no relay any more", counted(n, "path"))
    ),
    Measure(
        "deletion_percent",
        lambda e: -(-100 * e.lost // e.paths) if e.lost else 0,
        lambda _, n: msg("{n} % of all paths would have no relay any more", n),
    ),
    Measure("hosts", lambda e: e.hosts, lambda _, n: msg("{hosts} would change", counted(n, "host"))),
    Measure(
        "all_impact",
        lambda e: len(e.cut_whole),
        lambda e, n: msg("every path would reconnect on {hosts}: {cut_whole}", counted(n, "host"), named(e.cut_whole)),
    ),
    Measure("viewers", lambda e: e.viewers, lambda _, n: msg("{viewers} would be cut", counted(n, "viewer"))),
    Measure(
        "freeze",
        lambda e: e.changing if e.frozen else 0,
        lambda e, n: msg("frozen, {changes} {frozen}", counted(n, "change"), e.frozen),
    ),
)


#: Limits that `--allow` raises for one plan.
ALLOWANCES: Final = [*Limits.model_fields, TRUST]
_OTHERS: Final = (PROTECTED, "lock_out", "intent", "outside_limit", VIEWERS_UNKNOWN, "networks_taken", "rego")


@dataclass(frozen=True, slots=True)
class PlanRefusal:
    """A reason to refuse the plan."""

    #: A limit's name, or another reason to refuse the plan.
    policy: Annotated[str, form(enum=[*ALLOWANCES, *_OTHERS])]
    _: KW_ONLY
    limit: Count | None = None  #: The limit.
    value: Count | None = None  #: The plan's figure.
    host: str = ""  #: The host; empty if the refusal is about the whole plan.
    message: Said
    hint: Said
    allow: Annotated[str, unprinted] = ""  #: The sufficient `--allow`, if any.


@dataclass(frozen=True, slots=True)
class PlanInQuestion:
    """A plan, for the limits."""

    changes: Sequence[Change]
    served: frozenset[str]  #: All paths that relays serve in the desired state, also of hosts outside the plan.
    uncounted: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    #: Protected relays and centres by their tunnel's public key.
    protected_keys: Mapping[str, str] = field(default_factory=dict)
    unproved: frozenset[str] = frozenset()  #: Hosts that did not prove themselves and were not asked.
    served_elsewhere: int = 0  #: Number of further served paths without changes.


def parse_allowances(texts: Iterable[str]) -> dict[str, int]:
    """Parse `NAME=NUMBER` texts; an invalid one raises `UsageError`."""
    allowances: dict[str, int] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if name not in {*LIMITS, TRUST} or not equals or not (number.isascii() and number.isdigit()) or len(number) > 9:  # noqa: PLR2004 (no plan is larger)
            names = (*LIMITS, TRUST)
            question = "" if name in names else which_was_meant(nearest(name, names))
            hint = msg("{question} write --allow NAME=NUMBER, NAME one of {known}", question, ", ".join(names)).lstrip()
            raise UsageError(msg("--allow {text} is not understood", printable(text, 80)), hint=hint)
        allowances[name] = int(number)
    return dict(sorted(allowances.items()))


def refusals_of(
    policy: Policy, subject: PlanInQuestion, now: datetime, allowed: Mapping[str, int]
) -> tuple[PlanRefusal, ...]:
    """Return why a plan, with raised limits, must not be applied now."""
    limits = {name: max(getattr(policy.limits, name), allowed.get(name, 0)) for name in LIMITS}
    uncounted = () if "viewers" in allowed else _unknown_viewer_refusals(subject)
    trust = refused_trust(subject.changes, subject.unproved, allowed.get(TRUST, 0))
    return (
        *trust,
        *_limit_refusals(_effect_of(policy, subject, now), limits),
        *uncounted,
        *_protection_refusals(subject),
    )


def hint_once_saved(refusals: Sequence[PlanRefusal], allowed: Mapping[str, int]) -> str:
    """Return the next step for a refused saved plan: a new plan."""
    # The hint has the former and the missing allowances.
    hints = [refusal.hint for refusal in refusals if not refusal.allow]
    allowances = {name: f"{name}={number}" for name, number in allowed.items()}
    allowances |= {refusal.allow.partition("=")[0]: refusal.allow for refusal in refusals if refusal.allow}
    if hints or not any(refusal.allow for refusal in refusals):
        return hints[0] if hints else "make a new plan, and have it reviewed: provisioner plan --out FILE"
    options = " ".join(f"--allow {allowance}" for allowance in allowances.values())
    return msg(
        "a saved plan takes no allowance; if this is meant, plan again and have it reviewed: plan {words} --out FILE",
        options,
    )


def refused_trust(changes: Sequence[Change], unproved: Collection[str], allowed: int) -> tuple[PlanRefusal, ...]:
    """Refuse more trust changes than allowed; mention unasked (`unproved`) hosts."""
    trusted = distinct_trust(changes)
    if len(trusted) <= allowed:
        return ()
    first = "; ".join(msg("{name} on {hosts}", change.name, named(hosts)) for hosts, change in trusted[:_NAMED])
    more = ("; " + msg("and {trusted} more", len(trusted) - _NAMED)) if len(trusted) > _NAMED else ""
    message = msg(
        "{changes} of trust ({first}{more}); {allowed} allowed",
        counted(len(trusted), "change"),
        first,
        more,
        allowed or "none",
    )
    hint = msg(
        "look at each; if all are meant, and you know who asked for them, add --allow trust={trusted}", len(trusted)
    )
    if unproved:
        hint += "; " + msg(
            "trust={trusted} would also take {unproved} for new", len(trusted) + len(unproved), named(sorted(unproved))
        )
    return (
        PlanRefusal(
            TRUST, message=message, hint=hint, limit=allowed, value=len(trusted), allow=f"{TRUST}={len(trusted)}"
        ),
    )


def _limit_refusals(effect: Effect, limits: Mapping[str, int]) -> Iterator[PlanRefusal]:
    for measure in MEASURES:
        name, value, limit = measure.name, measure.of(effect), limits[measure.name]
        if value > limit:
            message = msg("{effect}; the limit is {limit}", measure.words(effect, value), limit)
            yield PlanRefusal(
                name, message=message, hint=_hint(name, value), limit=limit, value=value, allow=f"{name}={value}"
            )


def _hint(name: str, value: int) -> str:
    return msg(
        "make the change smaller, e.g. by --limit; or, if this is meant, add --allow {name}={value}", name, value
    )


# --- limits ---------------------------------------------------------------------------------------
def _effect_of(policy: Policy, subject: PlanInQuestion, now: datetime) -> Effect:
    changing, lost, freeze = pending(subject.changes), lost_paths(subject), frozen_at(policy, now)
    return Effect(
        changing=len(changing),
        hosts=len({change.host for change in changing}),
        lost=len(lost),
        paths=len(lost | subject.served) + subject.served_elsewhere,
        cut_whole=tuple(sorted({change.host for change in changing if change.impact is Impact.ALL})),
        viewers=sum(sum(paths.values()) for paths in cut_by(changing).values()),
        frozen=msg(
            "until {vietnam} (Vietnam): {reason}", f"{freeze.until.astimezone(VIETNAM):%Y-%m-%d %H:%M}", freeze.reason
        )
        if freeze
        else "",
    )


def frozen_at(policy: Policy, now: datetime) -> Freeze | None:
    """Return the longest freeze window around a time, if any."""
    windows = [window for window in policy.freeze if window.begin <= now < window.until]
    return max(windows, key=lambda window: window.until, default=None)


def lost_paths(subject: PlanInQuestion) -> set[str]:
    """Return the paths that no relay serves afterwards."""
    deleted = (c.name for c in subject.changes if c.resource is Resource.PATH and c.action is Action.DELETE)
    return set(deleted) - subject.served


# --- what no number allows ------------------------------------------------------------------------
def _unknown_viewer_refusals(subject: PlanInQuestion) -> Iterator[PlanRefusal]:
    cutting = {c.host for c in pending(subject.changes) if c.impact.rank >= Impact.PATH.rank}
    for host in sorted(cutting & subject.uncounted):
        message = msg(
            "{host}: some paths would reconnect, and who watches there is not known: its relay does not tell", host
        )
        hint = "find out why its Control API does not answer; or, if this is meant, add --allow viewers=NUMBER"
        yield PlanRefusal(VIEWERS_UNKNOWN, message=message, hint=hint, host=host, allow="viewers=NUMBER")


def _protection_refusals(subject: PlanInQuestion) -> Iterator[PlanRefusal]:
    lost = lost_paths(subject)
    owners = {c.name: c.facility for c in subject.changes if c.name in lost and c.facility in subject.protected}
    for facility in sorted(set(owners.values())):
        names = sorted(name for name, owner in owners.items() if owner == facility)
        message = msg(
            "facility {facility} is protected, and {paths} of it would go: {gone}",
            facility,
            counted(len(names), "path"),
            named(names),
        )
        hint = msg(
            "undo the edit; or first write `protected: false` into the file of {facility}, and have that reviewed",
            facility,
        )
        yield PlanRefusal(PROTECTED, message=message, hint=hint, limit=0, value=len(names))
    for change in subject.changes:
        key = change.name.removeprefix("unknown/")
        if change.resource is Resource.PEER and change.action is Action.DELETE and key in subject.protected_keys:
            owner = subject.protected_keys[key]
            message = msg("{owner} is protected, and {host} would forget it as a peer", owner, change.host)
            hint = msg("undo the edit; or first write `protected: false` for {owner}, and have that reviewed", owner)
            yield PlanRefusal(PROTECTED, message=message, hint=hint, limit=0, value=1, host=change.host)


def needs_program(spec: HostSpec, changes: Iterable[Change]) -> bool:
    """Return whether a host's changes include MediaMTX's program."""
    path = program_path(spec.media.artefact) if spec.media else ""
    return any(
        c.host == spec.id and c.resource is Resource.FILE and c.name == path and c.action is not Action.NOOP
        for c in changes
    )


def lacking_programs(
    pending: Iterable[Change], hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts], refusal: Refusal
) -> tuple[str, ...]:
    """Yield why an apply cannot ship MediaMTX, a sentence an architecture."""
    return tuple(_missing_programs(list(pending), hosts, facts, refusal))


def _missing_programs(
    pending: list[Change], hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts], refusal: Refusal
) -> Iterator[str]:
    of_host = grouped(pending, lambda change: change.host)
    needing: dict[str, list[str]] = defaultdict(list)
    artefacts: dict[str, MediamtxArtefact] = {}
    for spec in hosts:
        if spec.media and spec.id in facts and needs_program(spec, of_host[spec.id]):
            arch = facts[spec.id].machine["arch"]
            needing[arch].append(spec.id)
            artefacts[arch] = spec.media.artefact
    for arch, names in sorted(needing.items()):
        error = refusal(artefacts[arch], arch)
        if error is not None:
            yield (
                msg(
                    "MediaMTX for {arch} cannot be had here, so that an apply would refuse {hosts} "
                    "({names}): {message}; {hint}",
                    arch,
                    counted(len(names), "host"),
                    named(names),
                    error.message,
                    error.hint,
                )
            )
