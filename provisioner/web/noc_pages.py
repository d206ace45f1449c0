"""Pages of runs, hosts and waiting work, from one user's board. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from provisioner.base.language import Translator
from provisioner.verify.work import HostChanges, HostRow, RunRow
from provisioner.web import filters
from provisioner.web.board import Board
from provisioner.web.pages import PageSheet, facilities_page, incidents_page

MOST_IN_FILE: Final = 200  #: Runs in a page as a file, which has no further pages.
_PAGE: Final = 25  #: Runs on a page: the journal of each one is read.

#: A page's colour for the state of a run or host.
_TONES: Final = {
    **dict.fromkeys(("applied", "done", "pruned", "answered", "unchanged"), "up"),
    **dict.fromkeys(("rolled-back", "aborted", "stopped", "not-started", "paused", "expired"), "degraded"),
    **dict.fromkeys(("partial", "damaged", "unreachable", "failed", "rollback-failed"), "down"),
    **dict.fromkeys(("unfinished", "interrupted", "older"), "unknown"),
    "handed-out": "quarantined",
}


def work_words(t: Translator) -> Mapping[str, str]:
    """Return words of operations, states, packages and keys, by their value."""
    return {
        "applied": t("applied"),
        "rolled-back": t("rolled back"),
        "unchanged": t("unchanged"),
        "not-started": t("not started"),
        "unreachable": t("unreachable"),
        "rollback-failed": t("rollback failed"),
        "apply": t("apply"),
        "rollback": t("rollback"),
        "prune": t("old records removed"),
        "keys": t("keys of hosts"),
        "adopt": t("host adopted"),
        "release": t("host released"),
        "decommission": t("host decommissioned"),
        "site-package": t("site package made"),
        "gateway-installed": t("site package installed"),
        "keys-rotate": t("keys rotated"),
        "done": t("done"),
        "partial": t("partial"),
        "nothing-to-do": t("nothing to do"),
        "aborted": t("aborted"),
        "paused": t("paused"),
        "interrupted": t("interrupted"),
        "unfinished": t("not ended"),
        "damaged": t("record damaged"),
        "answered": t("answered"),
        "failed": t("failed"),
        "": t("not asked yet"),
        "handed-out": t("made, not known to be installed"),
        "expired": t("made, and expired"),
        "older": t("made, and older than the inventory"),
        "certificate": t("certificate"),
        "gateway": t("gateway's key"),
        "pre_shared": t("pre-shared key"),
        "relay": t("relay's key"),
        "publish": t("publish key"),
    }


def _values(sheet: PageSheet) -> Mapping[str, object]:
    return {"w": work_words(sheet.words.t), "tones": _TONES}


def changes_page(sheet: PageSheet, choice: filters.Filters, size: int = _PAGE) -> str:
    """Return the list of runs that changed something, newest first."""
    listed = choose_runs(sheet.board, choice)
    left_out = max(0, len(listed) - MOST_IN_FILE) if sheet.links.is_file else 0
    return sheet.made_list(
        filters.CHANGES,
        sheet.words.t("What was changed"),
        listed[: len(listed) - left_out],
        choice,
        size,
        left_out=left_out,
        changes_of=partial(_changes_of, sheet),
        hosts=[(host.id, host.id) for host in sheet.board.work.hosts],
        **_values(sheet),
    )


def _changes_of(sheet: PageSheet, run: RunRow) -> list[HostChanges]:
    """Return a run's changes on the hosts that the user sees."""
    changes = sheet.past.changes(run)
    visible = [changes[host] for host in run.hosts if host in changes]
    return visible if sheet.sees_causes else [replace(one, cause="") for one in visible]


def choose_runs(board: Board, choice: filters.Filters) -> Sequence[RunRow]:
    """Filter runs."""
    carrier_of, sites = board.work.carrier_of, board.by_id
    q = choice.q.strip().casefold()
    return [
        run
        for run in board.work.runs
        if (not choice.host or choice.host in run.hosts)
        and (
            not choice.carrier
            or any(carrier_of.get(host) == choice.carrier for host in run.hosts)
            or any(choice.carrier in sites[name].carriers for name in run.facilities if name in sites)
        )
        and (not q or any(q in text.casefold() for text in (run.id, run.who, run.plan, *run.hosts, *run.facilities)))
    ]


def hosts_page(sheet: PageSheet, choice: filters.Filters, size: int = filters.PAGE_SIZE) -> str:
    """Return the list of relays and centres, and what falls due."""
    work, q = sheet.board.work, choice.q.strip().casefold()
    listed: list[HostRow] = [
        host
        for host in work.hosts
        if (not choice.carrier or host.carrier == choice.carrier)
        and (not choice.host or host.id == choice.host)
        and (not q or q in host.id.casefold())
    ]
    due = [one for one in work.due if not choice.carrier or one.carrier == choice.carrier]
    return sheet.made_list(
        filters.HOSTS,
        sheet.words.t("Relays and centres"),
        listed,
        choice,
        size,
        counts=sheet.board.by_relay,
        due=due[: size or None],
        due_total=len(due),
        **_values(sheet),
    )


def waiting_page(sheet: PageSheet, choice: filters.Filters, size: int = filters.PAGE_SIZE) -> str:
    """Return the site packages and approvals that wait."""
    work, title = sheet.board.work, sheet.words.t("Waiting")
    return sheet.made_list(filters.WAITING, title, work.packages, choice, size, plans=work.plans, **_values(sheet))


#: Lists by their pages' addresses.
LISTS: Final[Mapping[str, Callable[..., str]]] = {
    filters.INCIDENTS: incidents_page,
    filters.FACILITIES: facilities_page,
    filters.CHANGES: changes_page,
    filters.HOSTS: hosts_page,
    filters.WAITING: waiting_page,
}
