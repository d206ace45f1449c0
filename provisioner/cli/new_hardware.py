"""What commands say alike of hosts that prove nothing: new hardware, and what is taken out of service."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.base.errors import HostError
from provisioner.base.language import ENGLISH, Translator
from provisioner.report.names import some_of

IF_NEW = "if it is the new hardware, and that address and host key are its own, add --allow trust=1"
"""What to do about new hardware that was not announced."""


def unproved(host: str, hint: str) -> HostError:
    """The error of a host that proved nothing, and was not announced as one that cannot."""
    message = f"{host} has not proved that it is the host that was managed before; it was sent nothing"
    return HostError(message, hint=hint, object=host)


def proof_line(place: str, say: Translator = ENGLISH, *, is_new: bool) -> str:
    """Where new keys or old ones go: the hardware's place, and what it proves."""
    if is_new:
        return say("to {place}, which proves nothing, as new hardware does:", place=place)
    return say("to {place}, which has this inventory's key already:", place=place)


def listed(names: Sequence[str], say: Translator = ENGLISH) -> str:
    """Names behind their number; nothing where there are none."""
    return f": {some_of(list(names), say)}" if names else ""
