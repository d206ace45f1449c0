"""The calls of a watch: a look that costs a relay next to nothing, and a visit that asks why something stands still."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from provisioner.desired.limit import Limit
from provisioner.hosts.observe import observe_request
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, StreamingRunner
from provisioner.monitoring.flow import FlowLook, flow_call, flow_in
from provisioner.monitoring.watch_view import LEVEL
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import windows_of
from provisioner.plan.diff import changes_of
from provisioner.render.files import RenderedFile
from provisioner.render.host import render_host
from provisioner.runs.meanwhile.windows import changes_since
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import judge
from provisioner.verify.maintenance import Window
from provisioner.verify.requests import ObserveCall, ProbeLimits, probe_calls
from provisioner.verify.result import PathVerdict
from provisioner.verify.wanted import PathToCheck, select, with_logins_in_use

LOOK_TIMEOUT_S = 20.0
"""A relay that has not answered for so long is silent; a dead connection is noticed after 15 s."""
_VISIT = ProbeLimits(deadline_s=40.0, sample_s=4.0)
_VISIT_TIMEOUT_S = 60.0


@dataclass
class Watched:
    """What an inventory gives to watch, and how its relays are asked.

    Attributes:
        targets: the paths that are always pulled.
    """

    session: Session
    runner: HostRunner
    targets: tuple[PathToCheck, ...]
    windows: tuple[Window, ...]
    _files: dict[str, tuple[RenderedFile, ...]] = field(default_factory=dict)

    @property
    def inventory(self) -> str:
        """The inventory's id."""
        return self.session.inventory.settings.id

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return self.session.digest

    def changes(self) -> tuple[Window, ...]:
        """A window over what each change of a relay cuts at the moment."""
        relays = {target.relay.id for target in self.targets}
        windows = changes_since(self.session, datetime.now(UTC))
        # What a centre loses meanwhile flows into its relay all the same, which is all that is watched.
        return tuple(window for window in windows if window.cut is not None and window.cut.host in relays)

    def look(self, targets: Mapping[str, Mapping[str, PathToCheck]]) -> Iterator[FlowLook]:
        """Look at relays, all at once; each look as soon as it is there.

        Args:
            targets: by relay, its paths by name.

        Raises:
            HostError: what carries calls did not work.
        """
        calls = [flow_call(of) for of in targets.values()]
        at, begun = datetime.now(UTC), time.monotonic()
        for answer in _answers(self.runner, calls, LOOK_TIMEOUT_S):
            yield flow_in(answer, targets[answer.host].keys(), at, time.monotonic() - begun)

    def visit(self, targets: Sequence[PathToCheck]) -> tuple[PathVerdict, ...]:
        """Ask one relay why paths of its sites stand still: `verify --level 4` of these sites, from that relay alone.

        Raises:
            HostError: what carries calls did not work.
        """
        relay, at = targets[0].relay, datetime.now(UTC)
        asked = [replace(target, centres=(), shut=()) for target in targets]
        if relay.id not in self._files:
            self._files[relay.id] = render_host(relay, self.session.templates)
        files = self._files[relay.id]
        observe = {relay.id: ObserveCall(*observe_request(relay, files))}
        calls = probe_calls(asked, observe, _VISIT, read=False)
        answer = self.runner.call(calls, timeout_s=_VISIT_TIMEOUT_S)[relay.id]
        if answer.outcome is not CallOutcome.ANSWERED:
            return ()
        evidence = parse_evidence(answer)
        if evidence.facts is None:
            return judge(asked, {relay.id: evidence}, {}, at, asked=LEVEL)
        pulled = with_logins_in_use(asked, {relay.id: evidence.facts})
        live = pulled[0].relay
        files = files if live is relay else render_host(live, self.session.templates)
        drift = {relay.id: changes_of(live, files, evidence.facts)}
        return judge(pulled, {relay.id: evidence}, drift, at, asked=LEVEL)


def _answers(runner: HostRunner, calls: Sequence[HostCall], timeout_s: float) -> Iterable[HostAnswer]:
    if isinstance(runner, StreamingRunner):
        return runner.stream(calls, timeout_s=timeout_s)
    return runner.call(calls, timeout_s=timeout_s).values()


def watched(session: Session, limit: Limit, runner: HostRunner) -> Watched:
    """What there is to watch of an inventory.

    Raises:
        InventoryError, SecretsError: there is nothing to go by.
        UsageError: no path is chosen.
    """
    targets = select(session.state, session.read_limit(limit))
    pulled = tuple(target for target in targets if not target.path.on_demand)
    return Watched(session, runner, pulled, windows_of(session))
