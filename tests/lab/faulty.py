"""Faults put into a change: into the on-host program that travels, onto the host, or into the controller."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from provisioner.desired.render.templates import Templates
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall

from .direct import DirectRunner
from .lab import Lab
from .patience import stretched


class ControllerDied(BaseException):
    """The controller is gone: nothing of it comes after this."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    name: str  #: What goes wrong, in words.
    #: Added to modules of the on-host program of this one change, by the module's name. What lies on the host and
    #: returns it is the program as it is.
    code: dict[str, str] = field(default_factory=dict)
    before: str = ""  #: A script on the host before the change.
    meanwhile: str = ""  #: A script on the host while the controller is about to make the call named by `at`.
    after: str = ""  #: A script that takes the fault away, before the host is compared.
    dies: str = ""  #: The call before or after which the controller dies, e.g. `before confirm`.
    at: str = "look"  #: The call before which `meanwhile` is run.
    expected: str = "old"  #: `old`, `new` or `either`.
    confirm_s: float = field(default_factory=lambda: stretched(20))  #: How long the host waits for a word.
    of: str = "apply"  #: The call that carries the changed on-host program.
    lost: int = 0  #: So many looks and confirmations do not reach the host.
    edit: tuple[str, Callable[[bytes], bytes]] | None = None  #: A file of the change, and what is made of it.
    only: str = ""  #: The one host on which this can go wrong.


class FaultyRunner:
    """Carries calls as the direct runner does, with one fault."""

    def __init__(self, lab: Lab, templates: Templates, fault: Fault) -> None:
        """Take the lab, the true on-host program, and what goes wrong."""
        sources = dict(templates.host_sources)
        for name, code in fault.code.items():
            sources[f"{name}.py"] += b"\n\n" + code.encode()
        self._lab, self._fault = lab, fault
        self._true = DirectRunner(lab, templates)
        self._changed = DirectRunner(lab, replace(templates, host_sources=sources))
        self._done = False
        self._lost = fault.lost

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Carry the calls; what the fault is about gets it."""
        operation = str(calls[0].request["operation"])
        self._die(f"before {operation}")
        if self._fault.meanwhile and operation == self._fault.at and not self._done:
            self._done = True
            for call in calls:
                self._lab.exec(call.spec.id, ["sh", "-c", self._fault.meanwhile], check=False)
        if operation in {"look", "confirm"} and self._lost:
            self._lost -= 1
            return {c.spec.id: HostAnswer(c.spec.id, CallOutcome.UNREACHABLE, error="cut") for c in calls}
        runner = self._changed if operation == self._fault.of else self._true
        answers = runner.call([self._edited(call) for call in calls], timeout_s=timeout_s)
        self._die(f"after {operation}")
        return answers

    def _edited(self, call: HostCall) -> HostCall:
        if self._fault.edit is None or call.request["operation"] != "apply":
            return call
        wanted = str(call.request["files"][self._fault.edit[0]]["content"])
        content = self._fault.edit[1](call.files[wanted])
        return replace(call, files={**call.files, wanted: content})

    def _die(self, at: str) -> None:
        if self._fault.dies == at:
            raise ControllerDied(at)
