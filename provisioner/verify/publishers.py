"""What a relay says of sites that push to it: whose streams come, from where, and who was refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.hosts.document import Fields


@dataclass(frozen=True, slots=True)
class Publishing:
    """Who pushes to a relay.

    Attributes:
        comes_from: by path, the address that pushes it; None where the relay could not list its sessions.
        refused: the addresses from which somebody wanted to push of late, and was refused, each with how often.
    """

    comes_from: Mapping[str, str] | None = None
    refused: Mapping[str, int] = field(default_factory=dict)


NOBODY_SEEN = Publishing()


def publishing_in(relay: Fields) -> Publishing:
    """What a relay's answer says of sites that push.

    Raises:
        UnreadableError: it cannot be read.
    """
    if not relay.has("publishing"):
        return NOBODY_SEEN
    said = relay.below("publishing")
    listed = said.each("sessions") if said.has("sessions") else None
    return Publishing(
        None if listed is None else {one.sentence("path"): one.sentence("address") for one in listed},
        {address: said.below("refused").amount(address) for address in said.below("refused").values},
    )
