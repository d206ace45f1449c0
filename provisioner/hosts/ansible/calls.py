"""Calls to hosts with ansible-runner, one round trip each.

Traps of ansible-runner are avoided with a child process, a private folder on tmpfs, the inventory's host keys and an
own `ansible.cfg`. No variable, argument, environment or artifact has a secret.
"""

import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence

from provisioner.base.errors import HostError
from provisioner.desired.render.templates import Templates
from provisioner.hosts.ansible.early_start import MAX_WORKERS, WaitingAnsible
from provisioner.hosts.ansible.play import Play, Proofs
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner

# Beyond the time of the calls themselves: for ansible-runner to start and to notice.
_MARGIN_S = 10.0
_MOMENT_S = 0.02

_Posted = dict[tuple[Play, int], HostCall]


class AnsibleRunner(OpenRunner):
    """Carries calls to hosts over SSH.

    Plays of up to fifty hosts stay open for later calls, until this object is closed or collected, or the process
    ends. The environment's `PROVISIONER_SSH_KEY` names the key; without it the agent's keys count.
    """

    def __init__(self, templates: Templates, environment: Mapping[str, str]) -> None:
        self._templates = templates
        self._started: WaitingAnsible | None = None
        self._environment = environment
        self._plays: list[Play] = []
        self._proofs = Proofs()
        self._lock = threading.Lock()
        self._closed = False
        weakref.finalize(self, _close_all, self._plays)

    def use_started(self, waiting: WaitingAnsible) -> None:
        """Use an Ansible process that was started early for the first play."""
        self._started = waiting

    def close(self) -> None:
        """End all plays and remove their files; hosts finish their operation."""
        with self._lock:
            self._closed = True
        _close_all(self._plays)

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Prepare for calls to these hosts, without a connection; or raise `HostError`."""
        with self._lock:
            self._refuse_closed()
            new = [spec for spec in specs if not any(play.takes(spec) for play in self._plays)]
            # A larger play's workers end after one call, so that it has to know its calls.
            if new and len(new) <= MAX_WORKERS:
                self._plays.append(self._play(new))

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Let expected hosts prove their identity; the first call reports a failure."""
        with self._lock:
            for spec in specs:
                for play in self._plays:
                    if play.takes(spec):
                        play.prove(spec)

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield each answer as it arrives, silent hosts last; or raise `HostError`."""
        if not calls:
            return
        posted = self._give_calls(calls)
        until = time.monotonic() + timeout_s + _MARGIN_S
        try:
            while posted and time.monotonic() < until:
                if not (answers := self._take_answers(posted)):
                    time.sleep(_MOMENT_S)
                yield from answers
            for call in posted.values():
                yield HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error=f"no answer within {timeout_s:.0f} s")
        finally:
            for play, number in posted:
                play.give_up(number)
            self._close_done()

    def _give_calls(self, calls: Sequence[HostCall]) -> _Posted:
        with self._lock:
            self._refuse_closed()
            plays = {call.spec.id: play for call in calls for play in self._plays if play.takes(call.spec)}
            if new := [call.spec for call in calls if call.spec.id not in plays]:
                self._plays.append(self._play(new))
                plays |= {spec.id: self._plays[-1] for spec in new}
            return {(play, play.post(call)): call for call in calls for play in (plays[call.spec.id],)}

    def _play(self, specs: Sequence[CallTarget]) -> Play:
        waiting = self._started if self._started is not None and self._started.is_taken(self._environment) else None
        return Play(specs, self._templates, self._environment, self._proofs, waiting=waiting)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise HostError("no host is called any more: the command ends")

    def _take_answers(self, posted: _Posted) -> list[HostAnswer]:
        """Take the new answers and remove their calls from `posted`."""
        answers = []
        for play in {play for play, _ in posted}:
            # Looked at before the answers are: a play that ended has written all that it will write.
            ended = not play.alive
            written = play.answers()
            for key in [key for key in posted if key[0] is play]:
                call, host = posted[key], posted[key].spec.id
                if key[1] in written:
                    answers.append(play.take(call, key[1]))
                elif failure := play.failure(host):
                    answers.append(failure)
                elif ended:
                    play.check()
                    answers.append(HostAnswer(host, CallOutcome.FAILED, error="Ansible ended without an answer"))
                else:
                    continue
                del posted[key]
        return answers

    def _close_done(self) -> None:
        with self._lock:
            for play in [play for play in self._plays if play.done or not play.alive]:
                self._plays.remove(play)
                play.close()


def _close_all(plays: list[Play]) -> None:
    while plays:
        plays.pop().close()
