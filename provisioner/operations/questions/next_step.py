"""A facility's next step, and its command."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from provisioner.base.errors import Problem
from provisioner.desired.limit import Limit
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.model.facility import Operating, Party, SurveyVerdict, relays_of
from provisioner.inventory.model.policy import SignOffs
from provisioner.inventory.outline import Outline, PlanOutline
from provisioner.inventory.rules.lock import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING, LOCK_GAPS
from provisioner.inventory.rules.logins import LOGIN_MISSING, SECRETS_GAPS, SECRETS_MISSING
from provisioner.inventory.rules.plans import UNFINISHED
from provisioner.operations.edit.validate import SECRETS_NOT_CHECKED, problems_of
from provisioner.operations.questions.overview import Overview, overview
from provisioner.operations.questions.packages import waiting_package
from provisioner.record.lifecycle.site_packages import PackageState
from provisioner.record.lifecycle.state import ConnectionProgress, FacilityState
from provisioner.record.lifecycle.status import FacilityStatus

_HAS_NO_LOGIN = " has no login"
_STEPS = UNFINISHED | SECRETS_GAPS
_BEFORE_A_PLAN = frozenset({FacilityState.REGISTERED, FacilityState.CONTACT_CONFIRMED, FacilityState.SUSPENDED})


class Placeholder(NamedTuple):
    """A word of a command that only a person knows."""

    name: str
    question: str
    listed: tuple[str, ...] = ()  #: The command instead, if the answer is the file of a list.


Command = tuple["str | Placeholder", ...]


@dataclass(frozen=True, slots=True)
class FacilityStep:
    """A facility's next step, as a sentence."""

    facility: str
    state: str
    sentence: str
    command: Command = ()
    afterwards: Command = ()  #: The command after others have done their part, with words to fill in.
    unchecked: bool = False  #: Whether secrets are unknown without a vault password.


def facility_step(root: Path, facility: str, environment: Mapping[str, str], now: datetime) -> FacilityStep:
    """Return a facility's next step."""
    whole = overview(root, environment, now)
    status = whole.statuses([facility], Limit())[0]
    problems = problems_of(root, whole.loaded, environment, cache_of(root, environment))
    unchecked = any(problem.code == SECRETS_NOT_CHECKED for problem in problems)
    sentence, command, afterwards = _next_step(whole, status, [p for p in problems if p.stops])
    return FacilityStep(facility, status.standing.state.words, sentence, command, afterwards, unchecked)


def has_accepted_successor(root: Path, facility: str, environment: Mapping[str, str], now: datetime) -> bool:
    """Return whether the successor was up in two verifications, a day apart."""
    return _is_accepted(overview(root, environment, now).statuses([facility], Limit())[0])


_Step = tuple[str, Command, Command]


def _next_step(overview: Overview, status: FacilityStatus, errors: Collection[Problem]) -> _Step:
    site = status.facility
    problems = [problem for problem in errors if site.id in problem.facilities]
    if broken := [problem for problem in problems if problem.code not in _STEPS]:
        return f"correct its file: {broken[0].message} ({broken[0].position})", (), ()
    if site.operating.is_carried and not _is_waiting(status):
        signed = overview.inventory.settings.policy.sign_offs is SignOffs.SIGNED
        step = _plan_step(site, signed=signed) or _lock_step(overview, site, problems, errors)
        step = step or _secrets_step(site, problems) or _gateway_step(site, problems) or _package_step(overview, site)
        if step:
            return step
        if _is_accepted(status):
            return "the successor's connection is accepted", ("facility", "move", site.id, "--finish"), ()
    elif any(problem.code == ALLOCATION_MISSING for problem in problems):
        return "its addresses are to be given back", ("allocate",), ()
    step = _hosts_step(overview, status)
    of_all = [problem for problem in errors if not problem.facilities and problem.code not in LOCK_GAPS]
    if of_all and "apply" in step[1]:
        first = of_all[0]
        return f"correct first what stops every plan: {first.message} ({first.position}): {first.hint}", (), ()
    return step


def _is_waiting(status: FacilityStatus) -> bool:
    """Return whether people have to act before there can be a plan."""
    site = status.facility
    if status.is_blocked or site.plan is not None:
        return status.is_blocked
    if site.survey_verdict is None:
        # Described cameras have been seen: a plan may be proposed, and `validate` names missing parts.
        return not site.cameras and status.standing.state in _BEFORE_A_PLAN
    return site.survey_verdict is not SurveyVerdict.READY


def _is_accepted(status: FacilityStatus) -> bool:
    successor = status.facility.successor
    if successor is None:
        return False
    return FacilityState.ACCEPTED in ConnectionProgress(status.facility, successor, status.evidence).steps


def _plan_step(site: Outline, *, signed: bool) -> _Step | None:
    if not site.cameras:
        command: Command = ("camera", "add", site.id)
        zone_options = (
            "--zone",
            Placeholder("ZONE", "the zone that it shows"),
            "--sub",
            Placeholder("640x360", "the size of its sub stream"),
        )
        device_options = (
            "--address",
            Placeholder("ADDRESS", "its address in the site's network"),
            "--make",
            Placeholder("MAKE", "its make"),
        )
        return "it has no camera yet", (), (*command, *zone_options, *device_options)
    if site.plan is None or not site.has_gateway:
        lack = "no plan yet" if site.plan is None else "a plan, and no gateway is described"
        return f"it has {lack}", ("facility", "plan", site.id), ()
    for plan in filter(None, (site.plan, site.successor)):
        if missing := plan.unsigned:
            return _signing_step(site, plan, missing[:1] if signed else missing, signed=signed)
        if not plan.agreed:
            return "all three have signed: it is agreed", ("facility", "plan", site.id), ()
    return None


def _signing_step(site: Outline, plan: PlanOutline, missing: tuple[Party, ...], *, signed: bool) -> _Step:
    by = [argument for party in missing for argument in ("--by", party.value)]
    by = ["--all-parties"] if len(missing) == len(Party) else by
    extra = ["--successor"] if plan is site.successor else []
    *most, last = (party.words for party in missing)
    names = f"{', '.join(most)} and {last}" if most else last
    subject = "the plan of its successor" if extra else "its plan"
    command: Command = (
        "sign-off",
        site.id,
        *by,
        *extra,
        "--source",
        Placeholder("SOURCE", "the minutes or letter that holds it"),
    )
    if signed:
        signature = ("--signature", Placeholder("FILE", "what ssh-keygen wrote"))
        return f"{names} has to sign {subject}, by a key", (*command, "--statement"), (*command, *signature)
    if len(missing) > 1:
        return f"{names} have to agree to {subject}", command, ()
    return f"{names} has to agree to {subject}", command, ()


def _lock_step(
    overview: Overview, site: Outline, problems: Collection[Problem], errors: Collection[Problem]
) -> _Step | None:
    carriers = {f"carrier/{plan.carrier}" for plan in (site.plan, site.successor) if plan}
    of_hosts = [problem for problem in errors if problem.object in carriers or problem.object.startswith("centre/")]
    if any(problem.code == ALLOCATION_MISSING for problem in (*problems, *of_hosts)):
        return "its tunnel address and ports are not recorded", ("allocate",), ()
    new = list(_without_keys(overview)) if any(p.code == HOST_KEYS_MISSING for p in of_hosts) else []
    if new:
        return f"{', '.join(new)} have no keys yet", ("keys", "init", "--allow", f"trust={len(new)}"), ()
    return None


def _without_keys(overview: Overview) -> Iterator[str]:
    """Yield all hosts without keys, as `keys init` counts them."""
    lock = overview.inventory.allocations
    yield from (name for hosts in (lock.relays, lock.centres) for name, host in hosts.items() if not host.public_key)


def _secrets_step(site: Outline, problems: Collection[Problem]) -> _Step | None:
    if any(problem.code == SECRETS_MISSING for problem in problems):
        return "its key in the vault is not drawn yet", ("keys", "init"), ()
    lead = f"facility {site.id}: "
    messages = [problem.message for problem in problems if problem.code == LOGIN_MISSING]
    devices = [message.removeprefix(lead).removesuffix(_HAS_NO_LOGIN) for message in messages]
    if devices:
        name = Placeholder("NAME", "the user on these devices")
        if devices[1:]:
            question = "the user on these devices, or the file of a list of their logins"
            name = Placeholder("NAME", question, ("secrets", "set", "--from"))
        command: Command = ("secrets", "set", *(f"{site.id}/{device}" for device in devices), "--username", name)
        lack = f"{', '.join(devices)} {'has' if len(devices) == 1 else 'have'} no login in the vault"
        differ = "; one for all, or a list if they differ: secrets set --from FILE" if devices[1:] else ""
        return f"{lack}{differ}", command, ()
    return None


def _gateway_step(site: Outline, problems: Collection[Problem]) -> _Step | None:
    if not any(problem.code == GATEWAY_KEY_MISSING for problem in problems):
        return None
    folder = Placeholder("DIR", "a new folder for its package")
    key = Placeholder("KEY", "what the package printed on the gateway")
    return (
        "a technician installs its package on the gateway",
        ("site-package", site.id, "--out", folder),
        ("gateway", "set-key", site.id, key),
    )


def _package_step(overview: Overview, site: Outline) -> _Step | None:
    """Return the step of a new package; it precedes an apply."""
    if site.public_key is None or site.id in overview.unreadable:
        return None
    facility, today = overview.loaded.facility(site.id), overview.now.date()
    package = waiting_package(overview.inventory, overview.place, overview.evidence, facility, today)
    if package is None:
        return None
    installed = ("gateway", "installed", site.id)
    if package.state is PackageState.HANDED_OUT:
        return "a technician installs its new package on the gateway; then record that", (), installed
    folder = Placeholder("DIR", "a new folder for its package")
    return "its gateway needs a new package", ("site-package", site.id, "--out", folder), installed


def _of_people(site: Outline, state: FacilityState) -> _Step | None:
    """Return what people do before a plan, or before people come again."""
    if state is FacilityState.REGISTERED:
        return "the province names a representative (contacts list)", (), ("facility", "contact", site.id)
    if state is FacilityState.CONTACT_CONFIRMED:
        counts = ("--present", Placeholder("N", "how many cameras are there"), "--verdict", "ready")
        command: Command = (
            "facility",
            "survey",
            site.id,
            "--by",
            "dic",
            "--by",
            "carrier",
            "--uplink",
            "fibre",
            *counts,
        )
        return "DIC, Health and the carrier survey the cameras", (), command
    if state is FacilityState.SUSPENDED:
        day = Placeholder("DAY", "when people come")
        return "before people come again it is prepared", (), ("facility", "reopen", site.id, "--opens-on", day)
    return None


def _never_applied(overview: Overview, site: Outline) -> tuple[str, ...]:
    """Return relay and centres that were never applied.

    A first apply is complete. A centre counts as applied if one of its relays was.
    """
    applied = {relay for by_host in overview.evidence.carried.values() for relay in by_host}
    if site.plan is None or site.plan.relay in applied:
        return ()
    carriers = overview.inventory.carriers.values()
    centres = next((carrier.centres for carrier in carriers if carrier.id == site.plan.carrier), ())
    applied_centres = {
        centre for carrier in carriers if applied & {relay.id for relay in carrier.relays} for centre in carrier.centres
    }
    return (site.plan.relay, *(centre for centre in centres if centre not in applied_centres))


def _hosts_step(overview: Overview, status: FacilityStatus) -> _Step:
    """Return the step with a complete inventory: apply, verify, or wait."""
    site, state = status.facility, status.standing.state
    limited = ("--limit", f"facility={site.id}")
    if holders := _relays_still_holding(overview, site):
        return f"run provisioner apply: {', '.join(holders)} still holds it", ("apply",), ()
    if people_step := _of_people(site, state):
        return people_step
    if state is FacilityState.PLAN_AGREED and (new := _never_applied(overview, site)):
        return f"{', '.join(new)} were never applied", ("apply", "--allow", f"trust={len(new)}"), ()
    without = _without_it(overview, site)
    if without or state in {FacilityState.PLAN_AGREED, FacilityState.DECOMMISSIONING}:
        sentence = (
            f"run provisioner apply: {', '.join(without)} does not hold what is signed" if without else status.next
        )
        return sentence, ("apply", *(limited if site.operating is not Operating.CLOSED else ())), ()
    if state is FacilityState.PROVISIONED:
        return status.next, ("verify", *limited), ()
    return status.next, (), ()


def _signed_on(site: Outline) -> dict[str, str]:
    """Return what each relay should hold of a carried facility."""
    plans = (site.plan, site.successor) if site.operating.is_carried else ()
    agreed = [plan for plan in plans if plan and plan.agreed]
    return {relay: plan.content for plan, relay in relays_of(agreed)}


def _reported_contents(overview: Overview) -> dict[str, Mapping[str, str]]:
    reports = overview.evidence.words
    relays = overview.inventory.allocations.relays
    return {host: report.held for host, report in reports.items() if host in relays and report.held is not None}


def _relays_still_holding(overview: Overview, site: Outline) -> list[str]:
    """Return relays that still hold a facility, unless it is closed."""
    if site.operating is Operating.CLOSED:
        return []
    own_relays = _signed_on(site)
    return [
        host
        for host, contents in _reported_contents(overview).items()
        if site.id in contents and host not in own_relays
    ]


def _without_it(overview: Overview, site: Outline) -> list[str]:
    """Return relays that lack a facility, or hold an older signed content."""
    reported = _reported_contents(overview)
    signed = {relay: content for relay, content in _signed_on(site).items() if relay in reported}
    # The empty content is a drift: that is looked at before anything is applied over it.
    return [relay for relay, content in signed.items() if reported[relay].get(site.id) not in {content, ""}]
