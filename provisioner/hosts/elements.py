"""Elements of our sets in a host's firewall, as the host names them: `element SET VALUE`. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"element (\S+) (.+)")
_DEVICE: Final = re.compile(r"([0-9.]+) \. ([0-9]{1,5})")


class ElementSet(StrEnum):
    """The sets of our table (docs/design.md, part 4).

    `cameras` and `onvif` hold devices (`address . port`): where a relay may pull from, and what its probe may ask about
    itself. `management`, `management_v6`, `routed` and `publishers` hold networks, `centres` and `relays` addresses
    inside the tunnel.
    """

    CAMERAS = "cameras"
    ONVIF = "onvif"
    MANAGEMENT = "management"
    MANAGEMENT_V6 = "management_v6"
    CENTRES = "centres"
    RELAYS = "relays"
    ROUTED = "routed"
    PUBLISHERS = "publishers"


_SETS: Final = frozenset(ElementSet)


class SetElement(NamedTuple):
    """An element of one of our sets; its value is as nftables writes it."""

    set: ElementSet
    value: str

    @property
    def name(self) -> str:
        """As hosts and plans name it."""
        return f"element {self.set} {self.value}"

    @property
    def device(self) -> tuple[str, int] | None:
        """The address and the port of a device; None where the value is none."""
        match = _DEVICE.fullmatch(self.value)
        return (match[1], int(match[2])) if match else None


def device_value(address: IPv4Address | str, port: int) -> str:
    """A device as the value of an element."""
    return f"{address} . {port}"


def element_of(name: str) -> SetElement | None:
    """The element that a rule's name is one of; None where it names something else, or an element of another set."""
    match = _NAME.fullmatch(name)
    return SetElement(ElementSet(match[1]), match[2]) if match and match[1] in _SETS else None
