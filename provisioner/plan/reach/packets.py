"""Evaluation of the rendered rules on packets of whole networks. Pure.

The firewall's file is parsed: sets, chains, and statements of rules. Only the statements of our own templates are
known. An unknown statement, or a missing chain, is a `RenderError` and never counts as accepted.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, NamedTuple

from provisioner.base.errors import RenderError
from provisioner.base.groups import gathered

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

Statement = re.Match[str]  #: A statement of a rule; `lastgroup` is its kind, or `None` of a space.

_FAMILIES: Final = {"ip": 4, "ip6": 6}
_BEFORE: Final = "prerouting"
_LEADS: Final = "dnat to :"
_LOOPBACK: Final = "lo"
_NEIGHBOURS: Final = ("nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert")


class Networks(tuple[Network, ...]):  # noqa: SLOT001 (what is worked out once is kept in it)
    """Networks of one or both families, with a cached surrounding network."""

    @cached_property
    def around(self) -> "Networks":
        """The smallest surrounding network; the networks themselves if impossible."""
        if len(self) == 1 or len({network.version for network in self}) != 1:
            return self
        last = max(int(network.broadcast_address) for network in self)
        around = min(self, key=lambda network: int(network.network_address))
        while int(around.broadcast_address) < last:
            around = around.supernet()
        return Networks((around,))


@dataclass(frozen=True)
class Rule:
    """A rule: statements, verdict and comment."""

    matches: str
    verdict: str
    comment: str

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The rule's statements, in order; an unknown one raises `RenderError`."""
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
    """Sorted addresses of a set of pairs with one port."""

    def __init__(self, addresses: Sequence[int]) -> None:
        self._addresses = sorted(addresses)

    def within(self, network: Network) -> int:
        """Return the number of addresses in a network."""
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
        """Return a set's elements as networks; empty without such a set."""
        if name not in self._networks:
            self._networks[name] = tuple(ip_network(element) for element in self.sets.get(name, ()))
        return self._networks[name]

    def pairs(self, name: str) -> Mapping[int, PortMembers]:
        """Return the addresses of a set of pairs, by port."""
        if name not in self._pairs:
            pairs = (element.partition(" . ") for element in self.sets.get(name, ()))
            by_port = gathered((int(port), int(IPv4Address(address))) for address, _, port in pairs)
            self._pairs[name] = {port: PortMembers(addresses) for port, addresses in by_port.items()}
        return self._pairs[name]


EVERYBODY: Final = Networks((IPv4Network("0.0.0.0/0"),))


@dataclass(frozen=True, slots=True)
class NetPacket:
    """Packets at a chain of one host."""

    sources: Networks = EVERYBODY  #: Any address of these networks; for the host's own packets, all networks.
    targets: Networks = EVERYBODY  #: Any address of these networks; for packets to the host itself, all networks.
    port: int = 0
    protocol: str = "tcp"  #: `tcp`, `udp` or `icmp`.
    came_by: str = ""  #: The incoming interface; empty for one that rules do not name.
    leaves_by: str = ""  #: The outgoing interface; empty for one that rules do not name.
    user: str = ""  #: The user of the sending program on the host, if any.
    is_reply: bool = False  #: Whether the other side opened the connection; otherwise it is a first packet.


class Ruling(NamedTuple):
    """Verdict of a chain, with the deciding rule's comment, or `policy`."""

    accepted: bool
    rule: str


class _Matched(NamedTuple):
    """Matched packets of a rule, and the rest."""

    sources: Networks
    other_sources: Networks
    other_targets: Networks


def parse_ruleset(text: str) -> Ruleset:
    """Parse a firewall file that we rendered; others raise `RenderError`."""
    sets = {name: _elements(body) for name, body in _SET.findall(text)}
    chains = {
        name: RuleChain(hook, policy, tuple(_rule_in(line) for line in body.splitlines()))
        for name, hook, policy, body in _CHAIN.findall(text)
    }
    if "input" not in chains:
        raise RenderError("the rendered firewall has no chain `input`", hint="compare the template with ours")
    return Ruleset(sets, chains)


def _elements(body: str) -> tuple[str, ...]:
    match = _ELEMENTS.search(body)
    return tuple(match[1].split(", ")) if match else ()


def _rule_in(line: str) -> Rule:
    match = _RULE.match(line.strip())
    if match is None:
        raise RenderError(f"the rendered firewall has a rule that is not understood: {line.strip()}")
    return Rule(match["matches"], match["verdict"] or "", match["comment"] or "")


def unknown(statement: str) -> RenderError:
    """Return the error of an unknown statement."""
    return RenderError(f"the rendered firewall has a statement that is not known: {statement}")


def arriving(source: Network, port: int) -> NetPacket:
    """Return first TCP packets, without tunnel, from a network to a port."""
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
    """Return a packet of a user's program that leaves by an interface."""
    return NetPacket(
        targets=Networks((ip_network(to),)),
        port=port,
        protocol=protocol,
        leaves_by=interface,
        user=user,
        is_reply=is_reply,
    )


def accepts(ruleset: Ruleset, packet: NetPacket) -> bool:
    """Return whether `input` accepts a packet from all its sources."""
    return all(ruling.accepted for ruling in rulings(ruleset, "input", packet))


def rulings(ruleset: Ruleset, chain: str, packet: NetPacket) -> frozenset[Ruling]:
    """Return a chain's verdicts on packets; several if addresses are treated differently."""
    rules = ruleset.chains.get(chain)
    if rules is None:
        raise RenderError(f"the rendered firewall has no chain `{chain}`", hint="compare the template with ours")
    if chain == "input":
        packet = replace(packet, port=led_to(ruleset, packet))
    # The network around all targets usually has the same result, and is one check instead of hundreds.
    listed = any(packet.port in ruleset.pairs(s["pairs"]) for r in rules.rules for s in r.statements if s["pairs"])
    targets = packet.targets if listed else packet.targets.around
    made = _rulings(ruleset, rules, replace(packet, sources=packet.sources.around, targets=targets))
    return made if len(made) == 1 else _rulings(ruleset, rules, packet)


def led_to(ruleset: Ruleset, packet: NetPacket) -> int:
    """Return the port that `input` sees, after redirection by rules."""
    chain = ruleset.chains.get(_BEFORE)
    for rule in chain.rules if chain and packet.came_by != _LOOPBACK else ():
        fits = [(_statement_test(statement), statement) for statement in rule.statements]
        if any(fit is None for fit, _ in fits) or not rule.verdict.startswith(_LEADS):
            raise unknown(f"{rule.matches} {rule.verdict}".strip())
        if all(fit(statement, packet) for fit, statement in fits if fit is not None):
            return int(rule.verdict.removeprefix(_LEADS))
    return packet.port


def _rulings(ruleset: Ruleset, chain: RuleChain, packet: NetPacket) -> frozenset[Ruling]:
    outcomes: set[Ruling] = set()
    remaining = [(0, packet.sources, packet.targets)]
    while remaining:
        first, sources, targets = remaining.pop()
        for number, rule in enumerate(chain.rules[first:], first):
            matched = _matching_packets(ruleset, rule, replace(packet, sources=sources, targets=targets))
            if matched is None:
                continue
            outcomes.add(Ruling(rule.verdict == "accept", rule.comment))
            if matched.other_sources:
                remaining.append((number + 1, matched.other_sources, targets))
            if matched.other_targets:
                remaining.append((number + 1, matched.sources, matched.other_targets))
            break
        else:
            outcomes.add(Ruling(chain.policy == "accept", "policy"))
    return frozenset(outcomes)


def _matching_packets(ruleset: Ruleset, rule: Rule, packet: NetPacket) -> _Matched | None:
    if not all(
        fit(statement, packet) for statement in rule.statements if (fit := _statement_test(statement)) is not None
    ):
        return None
    sources, targets = packet.sources, packet.targets
    other_sources: list[Network] = []
    other_targets: list[Network] = []
    for statement in rule.statements:
        kind = statement.lastgroup or ""
        if kind in _OF_SOURCES:
            holds = _OF_SOURCES[kind](ruleset, statement)
            sources, aside = _split_networks(sources, holds)
            other_sources += aside
        elif kind in _OF_TARGETS:
            holds = _OF_TARGETS[kind](ruleset, statement, packet.port)
            targets, aside = _split_networks(targets, holds)
            other_targets += aside
    return _Matched(sources, Networks(other_sources), Networks(other_targets)) if sources and targets else None


def _statement_test(statement: Statement) -> Callable[[Statement, NetPacket], bool] | None:
    """Return a statement's test for all packets; `None` if about addresses."""
    kind = statement.lastgroup or ""
    if kind not in _FITS and kind not in _OF_SOURCES and kind not in _OF_TARGETS:
        raise unknown(statement[0])
    return _FITS.get(kind)


_Holds = Callable[[Network], bool | None]  #: Whether a network is contained; `None` if only a part is.


def _split_networks(networks: Networks, holds: _Holds) -> tuple[Networks, list[Network]]:
    """Split networks into contained and other ones, halving partial ones."""
    inside: list[Network] = []
    outside: list[Network] = []
    remaining = list(networks)
    while remaining:
        network = remaining.pop()
        is_inside = holds(network)
        if is_inside is None:
            remaining.extend(network.subnets())
        else:
            (inside if is_inside else outside).append(network)
    return Networks(inside), outside


def _of_family(ruleset: Ruleset, statement: Statement) -> _Holds:
    version = _FAMILIES[statement["family"]]
    return _in_networks([network for network in ruleset.networks(statement["set"]) if network.version == version])


_OF_SOURCES: Final[Mapping[str, Callable[[Ruleset, Statement], _Holds]]] = {
    "from": _of_family,
    "near": lambda _, s: _in_networks([IPv6Network(s["link"])]),
}


def _in_networks(elements: Sequence[Network]) -> _Holds:
    def holds_network(network: Network) -> bool | None:
        comparable = [element for element in elements if element.version == network.version]
        if any(network.subnet_of(element) for element in comparable):  # type: ignore[arg-type]  # of one version
            return True
        return None if any(network.overlaps(element) for element in comparable) else False

    return holds_network


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
#: A pair's port and addresses are tested separately.
_FITS: Final[Mapping[str, Callable[[Statement, NetPacket], bool]]] = {
    "ct": lambda s, p: ("established" if p.is_reply else "new") in s["states"].split(","),
    "direction": lambda s, p: p.is_reply == (s["side"] == "reply"),
    "uid": lambda s, p: s["user"] == p.user,
    "iif": lambda s, p: f'"{p.came_by}"' in s["interface"],
    "past": lambda s, p: f'"{p.came_by}"' not in s["other_than"],
    "oif": lambda s, p: f'"{p.leaves_by}"' in s["out"],
    "pair": lambda _, p: p.protocol == "tcp",
    "port": lambda s, p: (s["protocol"], int(s["number"])) == (p.protocol, p.port),
    # The sender chooses its source port.
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


# --- neighbour discovery --------------------------------------------------------------------------
def hears_neighbours(ruleset: Ruleset) -> bool:
    """Return whether `input` accepts neighbour discovery from any sender."""
    # Without it the host is unreachable over IPv6.
    return all(_accepts_neighbours(ruleset, kind) for kind in _NEIGHBOURS)


def _accepts_neighbours(ruleset: Ruleset, kind: str) -> bool:
    chain = ruleset.chains["input"]
    for rule in chain.rules:
        answers = [_fits_neighbour(statement, kind) for statement in rule.statements]
        if False in answers:
            continue
        # Only some packets match: then not all are accepted, and some are dropped.
        if rule.verdict == "drop" or None not in answers:
            return rule.verdict == "accept"
    return chain.policy == "accept"


def _fits_neighbour(statement: Statement, kind: str) -> bool | None:
    """Return whether a statement fits neighbour discovery; `None` if partly."""
    # Such packets have no tracked state and no ports.
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
