"""The life of an agent: it leads or stands by, and reports.

A round begins when remote or hosts are to be read, or on a wake-up. A failed round is reported, and the next one tried:
no state is only in memory.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric as Family

from provisioner.base import errors
from provisioner.base.http import HttpLimits
from provisioner.base.secret import Secret
from provisioner.base.service import ServiceNotice
from provisioner.integrations.alerting.metrics import AgentView, agent_sheet
from provisioner.operations.agent.actions import CommitReports, moment
from provisioner.operations.agent.branch import secret_in
from provisioner.operations.agent.decision import Act, CommitCause, CommitState
from provisioner.operations.agent.rounds import AgentRounds, RoundEnd
from provisioner.operations.agent.settings import MOST_BODY, PATH, AgentSettings, is_genuine
from provisioner.operations.watch.endpoint import HttpReply, endpoint_of, served
from provisioner.record.leases import LeaseHolder, TakenLease, agent_lease, this_process
from provisioner.record.state_folder import state_folder_of

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_STAND_BY_S: Final = 5.0  #: Interval at which a standby tries to get the lease.
_LONGEST_ROUND_S: Final = 3 * 3600.0  #: After this time a round hangs, and the watchdog gets no more signs of life.
_FORGE_S: Final = 100.0  #: The longest wait of a single round for the forge, at its end.


@dataclass
class Agent:
    """One agent, with the journal's function `tell`."""

    settings: AgentSettings
    environment: Mapping[str, str]
    tell: Callable[[str], None]
    patience: HttpLimits = field(default_factory=HttpLimits)
    again: bool = False

    def __post_init__(self) -> None:
        self._place = state_folder_of(self.environment, self.settings.inventory)
        self._notice = ServiceNotice(self.environment)
        self._view = AgentView(self.settings.inventory)
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._begun: float | None = None
        self._said = ""

    # --- a single round ---------------------------------------------------------------------------
    def once(self) -> RoundEnd:
        """Do a round under the lease, or raise `LockedError` or `ProvisionerError`."""
        with agent_lease(self._place, self._holder()) as lease:
            rounds, tidings = self._begin(lease)
            end = rounds.round(due=True, again=self.again)
            self._note_round(end)
            tidings.tell()
            tidings.finish(_FORGE_S)
        return end

    # --- for ever ---------------------------------------------------------------------------------
    def run(self, stop: threading.Event) -> None:
        """Follow the branch, stopping at safe points; or raise `UsageError`."""
        self._stop = stop
        with self._web_server(), self._watchdog():
            self._notice.ready("begins")
            try:
                while not stop.is_set():
                    self._lead_or_stand_by(stop)
            finally:
                self._notice.leaving()

    def families(self) -> Iterable[Family]:
        """Return the present state as metrics."""
        return agent_sheet(self._view).families()

    def wake(self) -> None:
        """Make it read the remote now."""
        self._woken.set()

    def _lead_or_stand_by(self, stop: threading.Event) -> None:
        try:
            with agent_lease(self._place, self._holder()) as lease:
                if lease.before is not None:
                    self._mention(f"takes over: the agent of {lease.before.text} ended without a word")
                self._lead_until_stopped(lease, stop)
        except errors.LockedError as error:
            self._view = replace(self._view, leads=False)
            self._mention(f"stands by: {error.message}")
        except errors.ProvisionerError as error:
            self._note_failure(error)
        self._pause(stop, _STAND_BY_S)

    def _lead_until_stopped(self, lease: TakenLease, stop: threading.Event) -> None:
        rounds, tidings = self._begin(lease)
        self._view = replace(self._view, leads=True)
        self._mention("leads")
        next_look = 0.0
        while not stop.is_set():
            if not lease.is_held():
                self._mention("has lost its lease, and does nothing until it has it again")
                return
            self._woken.clear()
            self._begun = time.monotonic()
            try:
                end = rounds.round(due=time.monotonic() >= next_look, again=self.again)
                self.again = False
                if end.looked:
                    next_look = time.monotonic() + self.settings.hosts_every
                self._note_round(end)
                tidings.tell()
            except errors.ProvisionerError as error:
                self._note_failure(error)
            finally:
                self._begun = None
            self._pause(stop, self.settings.remote_every)
        tidings.finish(_STAND_BY_S)

    def _begin(self, lease: TakenLease) -> tuple[AgentRounds, CommitReports]:
        rounds = AgentRounds(
            self.settings, self.environment, tell=self.tell, stop=self._stop.is_set, still_leads=lease.is_held
        )
        return rounds, CommitReports(self.settings, self._place, rounds.branch, self.tell, self.patience)

    def _holder(self) -> LeaseHolder:
        return this_process(self.environment, moment())

    def _pause(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not stop.is_set() and not self._woken.is_set() and (remaining_s := until - time.monotonic()) > 0:
            self._woken.wait(min(remaining_s, 0.5))

    # --- how it is --------------------------------------------------------------------------------
    def _note_round(self, end: RoundEnd) -> None:
        now = moment()
        row = end.row
        is_reached = row is not None and row.state == CommitState.REACHED
        self._view = replace(
            self._view,
            leads=True,
            state=row.state if row else "",
            cause=row.cause if row else "",
            since=row.at if row else None,
            looked=now if end.tip else self._view.looked,
            hosts_looked=now if end.looked else self._view.hosts_looked,
            reached_at=row.at if row is not None and is_reached else self._view.reached_at,
            drifted=_drifted(end, self._view),
        )
        for problem in end.problems:
            self._mention(problem)
        self._notice.status(status_line(end))
        if end.step.act is Act.REPORT and end.step.reason:
            self._mention(f"of drift from {end.reached[:12]} not all is known: {end.step.reason}")
        if end.drifted:
            self._mention(f"drift from {end.reached[:12]} that is left to people: {', '.join(sorted(end.drifted))}")

    def _note_failure(self, error: errors.ProvisionerError) -> None:
        self._view = replace(self._view, failures=self._view.failures + 1)
        hint = f"; {error.hint}" if error.hint else ""
        self._mention(f"this round could not be done: {error.message}{hint}")
        self._notice.status(error.message)

    def _mention(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self.tell(line)
            self._notice.status(line)

    # --- what listens -----------------------------------------------------------------------------
    @contextmanager
    def _web_server(self) -> Iterator[None]:
        if not self.settings.listen:
            yield
            return
        endpoint = endpoint_of(self.settings.listen)
        secret = secret_in(self.settings.webhook_secret, "secret") if self.settings.webhook_secret else None
        with served(endpoint, self.families, lambda environ: self._webhook_reply(environ, secret)) as port:
            self.tell(f"listens on {endpoint[0]}:{port}")
            yield

    def _webhook_reply(self, environ: "WSGIEnvironment", secret: Secret | None) -> HttpReply | None:
        """Answer a webhook; the right secret wakes the agent."""
        if environ["PATH_INFO"] != PATH or secret is None:
            return None
        if environ["REQUEST_METHOD"] != "POST":
            return HttpReply(HTTPStatus.METHOD_NOT_ALLOWED, b"a webhook is posted\n")
        size = str(environ.get("CONTENT_LENGTH", ""))
        if not size.isdecimal() or int(size) > MOST_BODY:
            return HttpReply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"no webhook is that long\n")
        if not is_genuine(environ, environ["wsgi.input"].read(int(size)), secret):
            return HttpReply(HTTPStatus.FORBIDDEN, b"it is not signed with the secret\n")
        self.wake()
        return HttpReply(HTTPStatus.ACCEPTED, b"the remote is looked at\n")

    @contextmanager
    def _watchdog(self) -> Iterator[None]:
        """Signal systemd until the block ends or a round hangs."""
        ended = threading.Event()

        def report_alive() -> None:
            while not ended.wait(self._notice.watchdog_s / 3):
                started_s = self._begun
                if started_s is None or time.monotonic() - started_s < _LONGEST_ROUND_S:
                    self._notice.alive()

        with ExitStack() as running:
            if self._notice.watchdog_s:
                thread = threading.Thread(target=report_alive, daemon=True)
                thread.start()
                running.callback(thread.join)
                running.callback(ended.set)
            yield


def _drifted(end: RoundEnd, before: AgentView) -> Mapping[str, str]:
    if end.step.act is Act.REPORT:
        return {host: impacts[-1].value for host, impacts in end.drifted.items()}
    return before.drifted


def status_line(end: RoundEnd) -> str:
    """Return the branch's state in a line."""
    if end.step.act is Act.STAND_BY:
        return "stands by"
    if end.row is None:
        return f"commit {end.tip[:12]} is not judged yet" if end.tip else "nothing is known of the branch"
    detail = end.row.reason or end.row.proof
    return f"{end.row.state} {end.row.commit[:12]}" + (f": {detail}" if detail else "")


#: Exit codes of unreached commits by cause; `PolicyError`'s for others.
_CODES: Final[Mapping[str, int]] = {
    CommitCause.INVENTORY: errors.InventoryError.exit_code,
    CommitCause.HOSTS: errors.HostError.exit_code,
    CommitCause.RUN: errors.LockedError.exit_code,
    CommitCause.APPLY: errors.ApplyError.exit_code,
}
_DRIFTED: Final = 10


def code_of(end: RoundEnd) -> int:
    """Return the exit code of a single round."""
    row = end.row
    if end.step.act is Act.STAND_BY or end.step.cause is CommitCause.RUN:
        return errors.LockedError.exit_code
    if row is None:
        return errors.NoticeError.exit_code
    if row.state != CommitState.REACHED:
        return _CODES.get(row.cause, errors.PolicyError.exit_code)
    is_unknown = end.step.cause is CommitCause.HOSTS
    if end.step.cause is CommitCause.SIGNATURE:
        return errors.PolicyError.exit_code
    not_up = end.proof is not None and not end.proof.good
    frozen_code = errors.InventoryError.exit_code * bool(row.held)
    return errors.worst_of(
        frozen_code, errors.HostError.exit_code * is_unknown, _DRIFTED * bool(end.drifted), int(not_up)
    )
