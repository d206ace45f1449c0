"""Recording and alert rules for Prometheus (2.42 or later). Pure.

Alertmanager decides which alert inhibits which (`kit`); `scope` is an alert's extent. A watch dampens its results
already (two looks a minute apart), so its alerts do not wait.
"""

from collections.abc import Iterator
from typing import Final

import yaml

from provisioner.base.text import Document
from provisioner.integrations.alerting.metric_catalogue import VERDICT_STATES
from provisioner.verify.result import Verdict

#: The age of a full verification at which a night was missed: one day, and two hours for its duration.
NIGHT_LATE_S: Final = 26 * 3600
LEAST_UP: Final = 0.95
_BACK: Final = "10m"  #: The time for which alerts of a lost watch stay; the loss itself is another alert.
_KEPT: Final = "30s"  #: The time for which an inhibiting alert outlasts its fault, since its cameras return one by one.

CRITICAL: Final = "critical"
WARNING: Final = "warning"
TICKET: Final = "ticket"

_FRESH = f"and on (inventory) provisioner:night_age_seconds < {NIGHT_LATE_S}"
_CAUSE = (
    "{{{{ with printf \"{metric}{{inventory='%s',layer='%s',object='%s'}} > 0\" $labels.inventory $labels.layer"
    ' $labels.object | query }}}}{{{{ . | first | label "cause" }}}}{{{{ end }}}}'
).format(metric="provisioner_watch_incident_paths")
_PATHS = "{{ $value }} path{{ if ne $value 1.0 }}s{{ end }}"


def rules_file() -> str:
    """Return the file of all rules."""
    groups: list[Document] = [
        {"name": "provisioner-watch", "interval": "5s", "rules": [*_watch_records(), *_watch_alerts()]},
        {"name": "provisioner-night", "interval": "1m", "rules": [*_night_records(), *_night_alerts()]},
        {"name": "provisioner-agent", "interval": "1m", "rules": [*_agent_alerts()]},
    ]
    return "# Written by `provisioner monitoring`.\n" + yaml.safe_dump(
        {"groups": groups}, sort_keys=False, width=120, allow_unicode=True
    )


def _record(name: str, expr: str) -> Document:
    return {"record": name, "expr": expr}


def _alert(
    name: str,
    expr: str,
    severity: str,
    *texts: str,
    wait: str = "0s",
    keep_firing: str = "",
    labels: Document | None = None,
) -> Document:
    return {
        "alert": name,
        "expr": expr,
        "for": wait,
        **({"keep_firing_for": keep_firing} if keep_firing else {}),
        "labels": {"severity": severity, **(labels or {})},
        "annotations": dict(zip(("summary", "description", "action"), texts, strict=True)),
    }


# --- what a watch tells -----------------------------------------------------------------------------
def _watch_records() -> Iterator[Document]:
    # A cause may change while a thing is broken: the alert stays the same one.
    yield _record(
        "provisioner:watch_incident_paths",
        f"max without (cause, instance, job) (last_over_time(provisioner_watch_incident_paths[{_BACK}]))",
    )
    yield _record(
        "provisioner:watch_path_state",
        f"max without (instance, job) (last_over_time(provisioner_watch_path_state[{_BACK}]))",
    )


def _watch_alerts() -> Iterator[Document]:
    """Yield alerts, widest scope first, since they inhibit the others."""
    look = "provisioner -i DIR verify --limit"
    yield _alert(
        "ProvisionerHostDown",
        'provisioner:watch_incident_paths{scope="host"} > 0',
        CRITICAL,
        f"{{{{ $labels.object }}}}: {_CAUSE}, {_PATHS}",
        "The relay does not answer, serves nothing, or reaches none of its sites.",
        f"Reach the relay by another way, then {look} host={{{{ $labels.host }}}}",
        keep_firing=_KEPT,
    )
    yield _alert(
        "ProvisionerSiteDown",
        'provisioner:watch_incident_paths{scope="site"} > 0',
        CRITICAL,
        f"site {{{{ $labels.object }}}}: {_CAUSE}, {_PATHS}",
        "The site's tunnel, line, gateway or network is broken; its cameras hang on it.",
        f"Call the site and its line's carrier, then {look} facility={{{{ $labels.facility }}}}",
        keep_firing=_KEPT,
    )
    yield _alert(
        "ProvisionerDeviceDown",
        'provisioner:watch_incident_paths{scope="device"} > 0',
        WARNING,
        f"{{{{ $labels.object }}}}: {_CAUSE}, {_PATHS}",
        "One camera or recorder sends nothing, while its site is reached.",
        f"See its power, cable and login, then {look} facility={{{{ $labels.facility }}}}",
    )
    down, quarantined = VERDICT_STATES[Verdict.DOWN], VERDICT_STATES[Verdict.QUARANTINED]
    yield _alert(
        "ProvisionerPathDown",
        f"provisioner:watch_path_state == {down} or provisioner:watch_path_state == {quarantined}",
        WARNING,
        "{{ $labels.path }} does not flow",
        "Nothing comes from its camera into the relay, for a minute at least.",
        f"{look} facility={{{{ $labels.facility }}}}",
        labels={"scope": "path"},
    )
    yield _alert(
        "ProvisionerPathsUnknown",
        'sum without (instance, job, state) (provisioner_watch_paths{state="unknown"}) > 0',
        TICKET,
        f"{{{{ $labels.carrier }}}}, {{{{ $labels.province }}}}: of {_PATHS} nobody knows whether they flow",
        "Their relay does not tell of them: it is away, or was not applied since the inventory changed.",
        "provisioner -i DIR drift --limit province={{ $labels.province }}",
        wait="15m",
    )
    yield from _alerts_of_the_watch()


def _alerts_of_the_watch() -> Iterator[Document]:
    restart = "See its log and start it again: systemctl status, or provisioner -i DIR watch --listen 9464"
    yield _alert(
        "ProvisionerWatchDown",
        'up{job="provisioner-watch"} == 0 or absent(up{job="provisioner-watch"})',
        CRITICAL,
        "the watch does not answer",
        f"Alerts of paths stay as they were for {_BACK}; nothing new is seen.",
        restart,
        wait="30s",
    )
    yield _alert(
        "ProvisionerWatchStuck",
        "time() - max by (inventory) (provisioner_watch_host_looked_timestamp_seconds) > 180",
        CRITICAL,
        "the watch answers and hears of no relay",
        "No relay told of its paths for three minutes.",
        restart,
    )
    yield _alert(
        "ProvisionerWatchOutdated",
        "provisioner_watch_inventory_current == 0",
        TICKET,
        "the watch goes by an inventory of before",
        "The inventory has changed, and cannot be loaded as it is now.",
        "provisioner -i DIR validate",
        wait="15m",
    )


# --- what the nights left -----------------------------------------------------------------------------
def _night_records() -> Iterator[Document]:
    yield _record(
        "provisioner:night_age_seconds",
        # If `nightly` runs the nights, a manual verification does not count as one; otherwise only those exist.
        'time() - (max by (inventory) (provisioner_night_end_timestamp_seconds{extent="complete"})'
        ' or max by (inventory) (provisioner_verification_end_timestamp_seconds{extent="all"}))',
    )
    in_service = 'sum by (inventory, {by}) (provisioner_paths{{verdict!="maintenance"}})'
    for by in ("carrier", "carrier, province"):
        name = by.replace(", ", "_")
        ups = f'sum by (inventory, {by}) (provisioner_paths{{verdict="up"}})'
        yield _record(f"provisioner:paths_up:ratio_by_{name}", f"{ups} / ({in_service.format(by=by)} > 0)")
    yield _record(
        "provisioner:facility_paths_up:ratio",
        "max without (instance, job) (provisioner_facility_paths_up)"
        " / max without (instance, job) (provisioner_facility_paths)",
    )


def _night_alerts() -> Iterator[Document]:
    yield _alert(
        "ProvisionerNightMissed",
        f"provisioner:night_age_seconds > {NIGHT_LATE_S}",
        CRITICAL,
        "no complete night for {{ $value | humanizeDuration }}",
        "The nightly run did not happen, did not end, or left no metrics: what is shown of paths is of before.",
        "See the timer and the last run: systemctl list-timers, provisioner -i DIR history",
    )
    yield _alert(
        "ProvisionerNightNeverSeen",
        'absent(provisioner_verification_end_timestamp_seconds{extent="all"})',
        CRITICAL,
        "there are no metrics of any verification",
        "Nothing was ever written, the text file is not collected, or its exporter is away.",
        "provisioner -i DIR metrics --out FILE into the folder of the exporter's text files",
        wait="1h",
    )
    yield _alert(
        "ProvisionerTextFileBroken",
        "node_textfile_scrape_error == 1",
        WARNING,
        "{{ $labels.instance }} cannot read a text file of metrics",
        "Another program's file may be at fault: then none of them is read.",
        "See the exporter's log",
        wait="5m",
    )
    yield _alert(
        "ProvisionerHostDrifted",
        f"max without (instance, job) (provisioner_host_drift) > 0 {_FRESH}",
        TICKET,
        "{{ $labels.host }} is not as the inventory says: {{ $value }} differences",
        "Somebody changed it by hand, or the inventory was merged and not applied.",
        "provisioner -i DIR plan --limit host={{ $labels.host }}",
    )
    yield _alert(
        "ProvisionerHostNotVerified",
        f"max without (instance, job) (provisioner_host_answered) == 0 {_FRESH}",
        TICKET,
        "{{ $labels.host }} did not answer the last verification",
        "Its paths are unknown, not up.",
        "provisioner -i DIR verify --limit host={{ $labels.host }}",
    )
    yield _alert(
        "ProvisionerFewUpAtNight",
        f"provisioner:paths_up:ratio_by_carrier_province < {LEAST_UP} {_FRESH}",
        TICKET,
        "{{ $labels.carrier }}, {{ $labels.province }}: {{ $value | humanizePercentage }} of paths are up",
        f"By the last verification fewer than {LEAST_UP:.0%} of what is in service; its incidents say why.",
        "provisioner -i DIR verify --limit province={{ $labels.province }}",
    )
    yield _alert(
        "ProvisionerSeriesLeftOut",
        "max by (inventory) (provisioner_series_left_out) > 0",
        TICKET,
        "{{ $value }} paths have no series",
        "There are more paths than one file may have series; those that are up are left out.",
        "Split the inventory by carrier, each with a metrics file of its own",
    )


# --- what agents tell ---------------------------------------------------------------------------------
def _agent_alerts() -> Iterator[Document]:
    """Yield alerts from the leading agent; other agents' data is old."""
    leading = "and on (inventory, instance) provisioner_agent_leads == 1"
    look = "provisioner -i DIR history, and the agent's journal"
    yield _alert(
        "ProvisionerAgentDown",
        'up{job="provisioner-agent"} == 0',
        WARNING,
        "the agent at {{ $labels.instance }} does not answer",
        "Where no other one leads, nothing that is merged reaches hosts.",
        "systemctl status provisioner-agent@NAME on that machine",
        wait="2m",
    )
    yield _alert(
        "ProvisionerNobodyLeads",
        "max by (inventory) (provisioner_agent_leads) == 0",
        CRITICAL,
        "no agent of {{ $labels.inventory }} leads",
        "Whoever has the lease is none of those that are asked, or hangs: nothing that is merged reaches hosts.",
        "See who has it: the agents' journals name the holder",
        wait="5m",
    )
    yield _alert(
        "ProvisionerRemoteSilent",
        f"(time() - provisioner_agent_remote_timestamp_seconds > 900) {leading}",
        WARNING,
        "the agent has not heard of its branch for {{ $value | humanizeDuration }}",
        "Its remote does not answer, or does not let it in: nothing that is merged is seen.",
        "See the agent's journal, and fetch from its machine by hand",
    )
    yield _alert(
        "ProvisionerCommitRefused",
        f'(provisioner_agent_tip{{state="refused"}} == 1) {leading}',
        TICKET,
        "the newest commit is refused: {{ $labels.cause }}",
        "Hosts stay as the commit before has them.",
        look,
    )
    yield _alert(
        "ProvisionerCommitFailed",
        f'(provisioner_agent_tip{{state="failed"}} == 1) {leading}',
        WARNING,
        "the newest commit could not be applied: {{ $labels.cause }}",
        "A host refused or returned, or was not reached: it is not tried again by itself without end.",
        look,
        wait="5m",
    )
    yield _alert(
        "ProvisionerCommitWaits",
        "(time() - provisioner_agent_tip_since_timestamp_seconds > 86400) and on (inventory, instance)"
        f' (provisioner_agent_tip{{state="waiting"}} == 1) {leading}',
        TICKET,
        "the newest commit has waited for {{ $value | humanizeDuration }}",
        "Somebody has to approve or allow it, or a freeze lasts.",
        "provisioner -i DIR plan says who has to approve",
    )
    yield _alert(
        "ProvisionerDriftStays",
        f"max without (instance, job) (provisioner_agent_drift {leading}) > 0",
        TICKET,
        "{{ $labels.host }} differs from what the agent reached, impact {{ $labels.impact }}",
        "The agent corrects by itself what `policy.drift` lets it; this it only tells.",
        "provisioner -i DIR plan --limit host={{ $labels.host }}",
        wait="1h",
    )
