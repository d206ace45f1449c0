"""A monitoring centre in memory that several inventories share, each with a side of its own."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provisioner.desired.names import HostNames
from provisioner.hosts.runner import HostAnswer, HostCall, call_digest
from tests.simulated import SimulatedHost, SimulatedHosts, refuse_strange, spec_of

_OF_A_SIDE = re.compile(
    r"(?<=/)provisioner(?=/)|\bprovisioner(?=-(?:nft|wg|revert)\.service)|(?<=table inet )provisioner\b"
)


class SharedHosts(SimulatedHosts):
    """A `HostRunner` over hosts in memory: each side of a host is one by itself, whose names are its own.

    `hosts` has a side as `HOST.SIDE`. What a side sees of the others is who they are.
    """

    def _answer(self, call: HostCall) -> HostAnswer:
        if not call.spec.side:
            return super()._answer(call)
        name, ours = f"{call.spec.id}.{call.spec.side}", HostNames(call.spec.side).ours
        refuse_strange(call)
        request = json.loads(json.dumps(call.request).replace(ours, HostNames().ours))
        if "meant" in request:
            request["meant"] = call_digest(request, call.files)
        plain = replace(call, spec=replace(spec_of(call), id=name, side=""), request=request)
        answer = super()._answer(plain)
        document: dict[str, Any] = json.loads(_OF_A_SIDE.sub(ours, json.dumps(answer.document)))
        others = self.beside(call.spec.id, name)
        if call.request["operation"] == "observe" and others:
            document["beside"] = others
        return replace(answer, host=call.spec.id, document=document)

    def beside(self, host: str, side: str) -> list[Mapping[str, Any]]:
        """The marks of the other sides of a host."""
        others = (of for name, of in sorted(self.hosts.items()) if name.startswith(f"{host}.") and name != side)
        return [of.owner for of in others if of.owner]

    def side(self, host: str, inventory: str) -> SimulatedHost:
        """What an inventory has on a host."""
        return self.hosts[f"{host}.{inventory}"]
