"""The rendered rules on packets, for whole networks at once. Pure.

The firewall's file is read back: its sets, its chains, and the statements of its rules. It knows the statements of our
own templates and no others. A statement that it does not know makes the whole file one of which nothing can be said,
never one that passes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, NamedTuple

from provisioner.base.errors import RenderError

Network = IPv4Network | IPv6Network

_SET = re.compile(r"^\tset (\w+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_CHAIN = re.compile(r"^\tchain (\w+) \{\n\t\ttype (.*?); policy (\w+);\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(r"^\t\telements = \{ (.*) \}$", re.MULTILINE)
_RULE = re.compile(r'^(?P<matches>.*?)(?: (?P<verdict>accept|drop|dnat to :\d+))?(?: comment "(?P<comment>[^"]*)")?$')
_MATCHES = re.compile(
    r'(?P<ct>ct state (?P<states>[a-z,]+))|(?P<iif>iifname (?P<interface>"[^"]+"|\{[^}]+\}))|'
    r'(?P<past>iifname != (?P<other_than>"[^"]+"|\{[^}]+\}))|(?P<oif>oifname (?P<out>"[^"]+"|\{[^}]+\}))'
    r"|(?P<icmp>(?P<icmp_family>icmp|icmpv6) type \{(?P<types>[^}]*)\})|(?P<l4>meta l4proto (?P<l4_protocol>\w+))"
    r"|(?P<pair>ip daddr \. tcp dport @(?P<pairs>\w+))|(?P<to>ip daddr (?P<address>[0-9.]+))"
    r"|(?P<member>ip daddr @(?P<members>\w+))"
    r"|(?P<from>(?P<family>ip6?) saddr @(?P<set>\w+))|(?P<port>(?P<protocol>tcp|udp) dport (?P<number>\d+))"
    r"|(?P<near>ip6 saddr (?P<link>[0-9a-f:]+/[0-9]+))|(?P<datagram>udp sport \d+)"
    r'|(?P<direction>ct direction (?P<side>original|reply))|(?P<uid>meta skuid "(?P<user>[^"]+)")'
    r"|(?P<local>fib daddr type local)"
    r"|(?P<admit>meta mark set meta mark \| \d+)|(?P<admitted>meta mark & \d+ == \d+)"
    r"|(?P<limit>add @(?P<limited>\w+) \{[^}]*\})|(?P<count>counter)| +"
)

Statement = re.Match[str]
"""One statement of a rule; `lastgroup` says which kind it is of, and is None of a space."""

_FAMILIES: Final = {"ip": 4, "ip6": 6}
_BEFORE: Final = "prerouting"
_LEADS: Final = "dnat to :"
_LOOPBACK: Final = "lo"
_NEIGHBOURS: Final = ("nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert")


class Networks(tuple[Network, ...]):  # noqa: SLOT001 (what is worked out once is kept in it)
    """Networks of one family or of both, of which it is asked again and again what lies around them."""

    @cached_property
    def around(self) -> Networks:
        """The smallest network that holds them all; they themselves where they are of both families, or none."""
        if len(self) == 1 or len({network.version for network in self}) != 1:
            return self
        last = max(int(network.broadcast_address) for network in self)
        around = min(self, key=lambda network: int(network.network_address))
        while int(around.broadcast_address) < last:
            around = around.supernet()
        return Networks((around,))


@dataclass(frozen=True)
class Rule:
    """A rule: what has to match, its verdict and its comment."""

    matches: str
    verdict: str
    comment: str

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """What has to match, one statement after the other.

        Raises:
            RenderError: one of them is not known here.
        """
        return tuple(self._statements())

    def _statements(self) -> Iterator[Statement]:
        position = 0
        while position < len(self.matches):
            statement = _MATCHES.match(self.matches, position)
            if statement is None:
                raise unknown(self.matches[position:])
            position = statement.end()
            if statement.lastgroup is not None:
                yield statement


class RuleChain(NamedTuple):
    """A base chain with its rules in order."""

    hook: str
    policy: str
    rules: tuple[Rule, ...]


class PortMembers:
    """The addresses of a set of pairs that have one port, in order."""

    def __init__(self, addresses: Sequence[int]) -> None:
        self._addresses = sorted(addresses)

    def within(self, network: Network) -> int:
        """How many of them lie in a network."""
        if network.version != 4:  # noqa: PLR2004 (IPv4)
            return 0
        first, last = int(network.network_address), int(network.broadcast_address)
        return bisect_left(self._addresses, last + 1) - bisect_left(self._addresses, first)


@dataclass(frozen=True)
class Ruleset:
    """Our table: set elements as texts, and chains."""

    sets: Mapping[str, tuple[str, ...]]
    chains: Mapping[str, RuleChain]

    @cached_property
    def _networks(self) -> dict[str, tuple[Network, ...]]:
        return {}

    @cached_property
    def _pairs(self) -> dict[str, dict[int, PortMembers]]:
        return {}

    def networks(self, name: str) -> tuple[Network, ...]:
        """A set's elements as networks; none where there is no such set."""
        if name not in self._networks:
            self._networks[name] = tuple(ip_network(element) for element in self.sets.get(name, ()))
        return self._networks[name]

    def pairs(self, name: str) -> Mapping[int, PortMembers]:
        """The addresses of a set of pairs, by their port."""
        if name not in self._pairs:
            by_port: dict[int, list[int]] = defaultdict(list)
            for element in self.sets.get(name, ()):
                address, _, port = element.partition(" . ")
                by_port[int(port)].append(int(IPv4Address(address)))
            self._pairs[name] = {port: PortMembers(addresses) for port, addresses in by_port.items()}
        return self._pairs[name]


EVERYBODY: Final = Networks((IPv4Network("0.0.0.0/0"),))


@dataclass(frozen=True, slots=True)
class NetPacket:
    """Packets at one host, as a chain of its rules sees them.

    Attributes:
        sources: where they come from: any address of these networks; of what the host itself sends, everybody.
        targets: where they go: any address of these networks; to the host itself, everybody.
        port: where they go.
        protocol: `tcp`, `udp` or `icmp`.
        came_by: the interface by which they came; empty for one that no rule names.
        leaves_by: the interface by which they leave; empty for one that no rule names.
        user: whose program on the host sends them; empty where none does.
        is_reply: whether they belong to a connection that the other side opened; else each is the first of its own.
    """

    sources: Networks = EVERYBODY
    targets: Networks = EVERYBODY
    port: int = 0
    protocol: str = "tcp"
    came_by: str = ""
    leaves_by: str = ""
    user: str = ""
    is_reply: bool = False


class Ruling(NamedTuple):
    """What a chain does with a packet.

    Attributes:
        accepted: whether it goes on.
        rule: the comment of the rule that says so; `policy` where none does.
    """

    accepted: bool
    rule: str


class _Taken(NamedTuple):
    """What a rule takes, and what it leaves."""

    sources: Networks
    other_sources: Networks
    other_targets: Networks


def parse_ruleset(text: str) -> Ruleset:
    """Read a firewall file that we rendered.

    Raises:
        RenderError: it is not of the form of our templates.
    """
    sets = {name: _elements(body) for name, body in _SET.findall(text)}
    chains = {
        name: RuleChain(hook, policy, tuple(_rule(line) for line in body.splitlines()))
        for name, hook, policy, body in _CHAIN.findall(text)
    }
    if "input" not in chains:
        raise RenderError("the rendered firewall has no chain `input`", hint="compare the template with ours")
    return Ruleset(sets, chains)


def _elements(body: str) -> tuple[str, ...]:
    match = _ELEMENTS.search(body)
    return tuple(match[1].split(", ")) if match else ()


def _rule(line: str) -> Rule:
    match = _RULE.match(line.strip())
    if match is None:
        raise RenderError(f"the rendered firewall has a rule that is not understood: {line.strip()}")
    return Rule(match["matches"], match["verdict"] or "", match["comment"] or "")


def unknown(statement: str) -> RenderError:
    """The error of a statement of which nothing can be said."""
    return RenderError(f"the rendered firewall has a statement that is not known: {statement}")


def arriving(source: Network, port: int) -> NetPacket:
    """The first packet of TCP connections from anywhere in a network, through no tunnel, to a port of the host."""
    return NetPacket(Networks((source,)), port=port)


def leaving(
    user: str,
    interface: str,
    to: IPv4Address | IPv6Address,
    protocol: str = "tcp",
    port: int = 0,
    *,
    is_reply: bool = False,
) -> NetPacket:
    """A packet that a user's program on the host sends through an interface."""
    return NetPacket(
        targets=Networks((ip_network(to),)),
        port=port,
        protocol=protocol,
        leaves_by=interface,
        user=user,
        is_reply=is_reply,
    )


def accepts(ruleset: Ruleset, packet: NetPacket) -> bool:
    """Whether the chain `input` accepts a packet from every address of its source.

    Raises:
        RenderError: a rule has a statement that is not known here.
    """
    return all(ruling.accepted for ruling in rulings(ruleset, "input", packet))


def lets_out(ruleset: Ruleset, packet: NetPacket) -> bool:
    """Whether the chain `output` lets a packet leave; sets that only fill while the host runs are empty here.

    Raises:
        RenderError: there is no such chain, or a rule has a statement that is not known here.
    """
    return all(ruling.accepted for ruling in rulings(ruleset, "output", packet))


def rulings(ruleset: Ruleset, chain: str, packet: NetPacket) -> frozenset[Ruling]:
    """What a chain does with packets: one ruling, or several where senders or receivers are not treated alike.

    Raises:
        RenderError: there is no such chain, or a rule has a statement that is not known here.
    """
    of = ruleset.chains.get(chain)
    if of is None:
        raise RenderError(f"the rendered firewall has no chain `{chain}`", hint="compare the template with ours")
    if chain == "input":
        packet = replace(packet, port=led_to(ruleset, packet))
    # A network around all of them is mostly treated as they are, and is one where they are hundreds.
    listed = any(packet.port in ruleset.pairs(s["pairs"]) for r in of.rules for s in r.statements if s["pairs"])
    targets = packet.targets if listed else packet.targets.around
    made = _rulings(ruleset, of, replace(packet, sources=packet.sources.around, targets=targets))
    return made if len(made) == 1 else _rulings(ruleset, of, packet)


def led_to(ruleset: Ruleset, packet: NetPacket) -> int:
    """The port at which the chain `input` sees what comes to a port of the host: another one where rules lead it there.

    Raises:
        RenderError: a rule has a statement that is not known here.
    """
    chain = ruleset.chains.get(_BEFORE)
    for rule in chain.rules if chain and packet.came_by != _LOOPBACK else ():
        fits = [(_fit(statement), statement) for statement in rule.statements]
        if any(fit is None for fit, _ in fits) or not rule.verdict.startswith(_LEADS):
            raise unknown(f"{rule.matches} {rule.verdict}".strip())
        if all(fit(statement, packet) for fit, statement in fits if fit is not None):
            return int(rule.verdict.removeprefix(_LEADS))
    return packet.port


def _rulings(ruleset: Ruleset, chain: RuleChain, packet: NetPacket) -> frozenset[Ruling]:
    """Each rule takes what it fits, and leaves the rest to those after it."""
    made: set[Ruling] = set()
    left = [(0, packet.sources, packet.targets)]
    while left:
        first, sources, targets = left.pop()
        for number, rule in enumerate(chain.rules[first:], first):
            taken = _taken(ruleset, rule, replace(packet, sources=sources, targets=targets))
            if taken is None:
                continue
            made.add(Ruling(rule.verdict == "accept", rule.comment))
            if taken.other_sources:
                left.append((number + 1, taken.other_sources, targets))
            if taken.other_targets:
                left.append((number + 1, taken.sources, taken.other_targets))
            break
        else:
            made.add(Ruling(chain.policy == "accept", "policy"))
    return frozenset(made)


def _taken(ruleset: Ruleset, rule: Rule, packet: NetPacket) -> _Taken | None:
    """What a rule takes of packets; None where it fits none of them."""
    if not all(fit(statement, packet) for statement in rule.statements if (fit := _fit(statement)) is not None):
        return None
    sources, targets = packet.sources, packet.targets
    other_sources: list[Network] = []
    other_targets: list[Network] = []
    for statement in rule.statements:
        kind = statement.lastgroup or ""
        if kind in _OF_SOURCES:
            holds = _OF_SOURCES[kind](ruleset, statement)
            sources, aside = _parted(sources, holds)
            other_sources += aside
        elif kind in _OF_TARGETS:
            holds = _OF_TARGETS[kind](ruleset, statement, packet.port)
            targets, aside = _parted(targets, holds)
            other_targets += aside
    return _Taken(sources, Networks(other_sources), Networks(other_targets)) if sources and targets else None


def _fit(statement: Statement) -> Callable[[Statement, NetPacket], bool] | None:
    """What says whether a statement fits all of some packets or none; None of one about addresses."""
    kind = statement.lastgroup or ""
    if kind not in _FITS and kind not in _OF_SOURCES and kind not in _OF_TARGETS:
        raise unknown(statement[0])
    return _FITS.get(kind)


_Holds = Callable[[Network], bool | None]
"""Whether something holds a network; None where it holds a part of it."""


def _parted(networks: Networks, holds: _Holds) -> tuple[Networks, list[Network]]:
    """The networks that are held, and those that are not; one that is held in part is cut in halves."""
    inside: list[Network] = []
    outside: list[Network] = []
    left = list(networks)
    while left:
        network = left.pop()
        held = holds(network)
        if held is None:
            left.extend(network.subnets())
        else:
            (inside if held else outside).append(network)
    return Networks(inside), outside


def _of_family(ruleset: Ruleset, statement: Statement) -> _Holds:
    version = _FAMILIES[statement["family"]]
    return _in_networks([network for network in ruleset.networks(statement["set"]) if network.version == version])


_OF_SOURCES: Final[Mapping[str, Callable[[Ruleset, Statement], _Holds]]] = {
    "from": _of_family,
    "near": lambda _, s: _in_networks([IPv6Network(s["link"])]),
}


def _in_networks(elements: Sequence[Network]) -> _Holds:
    def holds(network: Network) -> bool | None:
        known = [element for element in elements if element.version == network.version]
        if any(network.subnet_of(element) for element in known):  # type: ignore[arg-type]  # of one version
            return True
        return None if any(network.overlaps(element) for element in known) else False

    return holds


def _in_pairs(ruleset: Ruleset, statement: Statement, port: int) -> _Holds:
    members = ruleset.pairs(statement["pairs"]).get(port)

    def holds(network: Network) -> bool | None:
        inside = members.within(network) if members else 0
        return True if inside == network.num_addresses else None if inside else False

    return holds


_OF_TARGETS: Final[Mapping[str, Callable[[Ruleset, Statement, int], _Holds]]] = {
    "pair": _in_pairs,
    "member": lambda r, s, _: _in_networks(r.networks(s["members"])),
    "to": lambda _, s, __: _in_networks([IPv4Network(s["address"])]),
}
_FITS: Final[Mapping[str, Callable[[Statement, NetPacket], bool]]] = {
    "ct": lambda s, p: ("established" if p.is_reply else "new") in s["states"].split(","),
    "direction": lambda s, p: p.is_reply == (s["side"] == "reply"),
    "uid": lambda s, p: s["user"] == p.user,
    "iif": lambda s, p: f'"{p.came_by}"' in s["interface"],
    "past": lambda s, p: f'"{p.came_by}"' not in s["other_than"],
    "oif": lambda s, p: f'"{p.leaves_by}"' in s["out"],
    "pair": lambda _, p: p.protocol == "tcp",
    "port": lambda s, p: (s["protocol"], int(s["number"])) == (p.protocol, p.port),
    # Whoever sends chooses the port that he sends from.
    "datagram": lambda _, p: p.protocol == "udp",
    "l4": lambda s, p: s["l4_protocol"] == p.protocol,
    "count": lambda *_: True,
    # Only what comes to the host itself is asked about.
    "local": lambda *_: True,
    "admit": lambda *_: True,
    # A first packet exceeds no rate, no packet here is of ICMP's types, and who gets in by another inventory's rules
    # alone does not count.
    "limit": lambda *_: False,
    "icmp": lambda *_: False,
    "admitted": lambda *_: False,
}
"""Of a pair the port and the addresses are judged beside this."""


# --- neighbour discovery --------------------------------------------------------------------------


def hears_neighbours(ruleset: Ruleset) -> bool:
    """Whether the chain `input` accepts neighbour discovery from whoever sends it.

    Without it nobody reaches the host over IPv6, whatever else is accepted.

    Raises:
        RenderError: a rule has a statement that is not known here.
    """
    return all(_hears(ruleset, kind) for kind in _NEIGHBOURS)


def _hears(ruleset: Ruleset, kind: str) -> bool:
    chain = ruleset.chains["input"]
    for rule in chain.rules:
        answers = [_fits_neighbour(statement, kind) for statement in rule.statements]
        if False in answers:
            continue
        # What some of them match: accepted are then not all, and dropped are some.
        if rule.verdict == "drop" or None not in answers:
            return rule.verdict == "accept"
    return chain.policy == "accept"


def _fits_neighbour(statement: Statement, kind: str) -> bool | None:
    """Whether one statement fits neighbour discovery, which is in no state that is tracked and has no ports."""
    match statement.lastgroup:
        case "icmp":
            return statement["icmp_family"] == "icmpv6" and kind in re.split(r"[ ,]+", statement["types"].strip())
        case "near" | "past":
            return None
        case "from":
            return None if statement["family"] == "ip6" else False
        case "l4":
            return statement["l4_protocol"] == "icmpv6"
        case "count":
            return True
        case "ct" | "iif" | "oif" | "pair" | "limit" | "port" | "datagram" | "local" | "admit" | "admitted":
            return False
        case _:
            raise unknown(statement[0])
