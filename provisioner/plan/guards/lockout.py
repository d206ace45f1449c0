"""Would the rules that are to be loaded still let the controller and the carrier's engineers in? Pure.

Each host tries the same again with packets before it loads anything; this says so while it is still a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from provisioner.reach.packets import accepts, arriving, hears_neighbours
from provisioner.reach.ruleset import Network, parse_ruleset

_SIX = 6


@dataclass(frozen=True, slots=True)
class SshOrigin:
    """Somebody who must be able to open SSH: a network, and who that is."""

    network: Network
    who: str


def required_sources(management: Iterable[Network], ssh_peer: str) -> Iterator[SshOrigin]:
    """Who must not be locked out: each management network, and the address that this run came from.

    Args:
        management: the management networks of the host's carrier.
        ssh_peer: the controller as the host saw it come; empty where the host did not say.
    """
    for network in management:
        yield SshOrigin(network, f"the management network {network}")
    if ssh_peer:
        yield SshOrigin(ip_network(ssh_peer), f"this controller, which the host sees as {ssh_peer}")


def locked_out(rules: str, ssh_port: int, sources: Iterable[SshOrigin]) -> tuple[SshOrigin, ...]:
    """Those of the sources from which a new SSH connection would not be accepted everywhere in them.

    Raises:
        RenderError: the rules hold something that is not of our template: nothing can be said.
    """
    ruleset = parse_ruleset(rules)
    return tuple(s for s in sources if not accepts(ruleset, arriving(s.network, ssh_port)))


def deaf_to_neighbours(rules: str, sources: Iterable[SshOrigin]) -> bool:
    """Whether somebody must get in over IPv6 and the rules drop neighbour discovery, by which addresses are found.

    Raises:
        RenderError: the rules hold something that is not of our template: nothing can be said.
    """
    return any(source.network.version == _SIX for source in sources) and not hears_neighbours(parse_ruleset(rules))
