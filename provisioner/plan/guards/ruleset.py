"""The firewall file that we render, read back: its sets and chains, and what becomes of a packet. Pure.

It knows the statements of our own template and no others. A statement that it does not know makes the
whole file one of which nothing can be said, never one that passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from provisioner.base.errors import RenderError

Network = IPv4Network | IPv6Network

_SET = re.compile(r"^\tset (\w+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_CHAIN = re.compile(r"^\tchain (\w+) \{\n\t\ttype (.*?); policy (\w+);\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(r"^\t\telements = \{ (.*) \}$", re.MULTILINE)
_RULE = re.compile(r'^(?P<matches>.*?)(?: (?P<verdict>accept|drop))(?: comment "(?P<comment>[^"]*)")?$')
_MATCHES = re.compile(
    r'(?P<ct>ct state (?P<states>[a-z,]+))|(?P<iif>iifname "(?P<interface>[^"]+)")|(?P<oif>oifname "(?P<out>[^"]+)")'
    r"|(?P<icmp>(?P<icmp_family>icmp|icmpv6) type \{(?P<types>[^}]*)\})|(?P<l4>meta l4proto (?P<l4_protocol>\w+))"
    r"|(?P<pair>ip daddr \. tcp dport @(?P<pairs>\w+))|(?P<to>ip daddr (?P<address>[0-9.]+))"
    r"|(?P<member>ip daddr @(?P<members>\w+))"
    r"|(?P<from>(?P<family>ip6?) saddr @(?P<set>\w+))|(?P<port>(?P<protocol>tcp|udp) dport (?P<number>\d+))"
    r"|(?P<near>ip6 saddr (?P<link>[0-9a-f:]+/[0-9]+))|(?P<datagram>udp sport \d+)"
    r'|(?P<direction>ct direction (?P<side>original|reply))|(?P<uid>meta skuid "(?P<user>[^"]+)")'
    r"|(?P<admit>meta mark set meta mark \| \d+)|(?P<admitted>meta mark & \d+ == \d+)"
    r"|(?P<limit>add @(?P<limited>\w+) \{[^}]*\})|(?P<count>counter)| +"
)


_FAMILIES: Final = {"ip": 4, "ip6": 6}
_NEIGHBOURS: Final = ("nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what has to match, its verdict and its comment."""

    matches: str
    verdict: str
    comment: str


@dataclass(frozen=True, slots=True)
class RuleChain:
    """A base chain with its rules in order."""

    hook: str
    policy: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Our table: set elements as texts, and chains."""

    sets: Mapping[str, tuple[str, ...]]
    chains: Mapping[str, RuleChain]


@dataclass(frozen=True, slots=True)
class NewConnection:
    """The first packet of TCP connections from anywhere in `source`, through no tunnel, to a port of the host."""

    source: Network
    port: int


@dataclass(frozen=True, slots=True)
class Departure:
    """A packet that a program on the host sends.

    Attributes:
        user: whose program it is.
        interface: through which it leaves.
        protocol: `tcp`, `udp` or `icmp`.
        is_reply: whether it belongs to a connection that the other side opened; else it is the first of its own.
    """

    user: str
    interface: str
    to: IPv4Address | IPv6Address
    protocol: str = "tcp"
    port: int = 0
    is_reply: bool = False


def parse_ruleset(text: str) -> Ruleset:
    """Read a firewall file that we rendered.

    Raises:
        RenderError: it is not of the form of our template.
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
    return Rule(match["matches"], match["verdict"], match["comment"] or "")


def accepts(ruleset: Ruleset, connection: NewConnection) -> bool:
    """Whether the chain `input` accepts a new connection from every address of its source.

    Raises:
        RenderError: a rule has a statement that is not known here.
    """
    chain = ruleset.chains["input"]
    for rule in chain.rules:
        match _matches(ruleset, rule, connection):
            case True:
                return rule.verdict == "accept"
            case None:
                # Some of its addresses match and some do not: each half is judged for itself.
                halves = connection.source.subnets()
                return all(accepts(ruleset, NewConnection(half, connection.port)) for half in halves)
    return chain.policy == "accept"


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
        answers = [_fits_neighbour(statement, kind) for statement in _each_statement(rule)]
        if False in answers:
            continue
        # What some of them match: accepted are then not all, and dropped are some.
        if rule.verdict == "drop" or None not in answers:
            return rule.verdict == "accept"
    return chain.policy == "accept"


def _fits_neighbour(statement: re.Match[str], kind: str) -> bool | None:
    """Whether one statement fits neighbour discovery, which is in no state that is tracked and has no ports."""
    match statement.lastgroup:
        case "icmp":
            return statement["icmp_family"] == "icmpv6" and kind in re.split(r"[ ,]+", statement["types"].strip())
        case "near":
            return None
        case "from":
            return None if statement["family"] == "ip6" else False
        case "l4":
            return statement["l4_protocol"] == "icmpv6"
        case "count" | None:
            return True
        case "ct" | "iif" | "oif" | "pair" | "limit" | "port" | "datagram" | "admit" | "admitted":
            return False
        case _:
            raise _unknown(statement[0])


def lets_out(ruleset: Ruleset, packet: Departure) -> bool:
    """Whether the chain `output` lets a packet leave; sets that only fill while the host runs are empty here.

    Raises:
        RenderError: there is no such chain, or a rule has a statement that is not known here.
    """
    chain = ruleset.chains.get("output")
    if chain is None:
        raise RenderError("the rendered firewall has no chain `output`", hint="compare the template with ours")
    for rule in chain.rules:
        if all(_fits(ruleset, statement, packet) for statement in _each_statement(rule)):
            return rule.verdict == "accept"
    return chain.policy == "accept"


def _fits(ruleset: Ruleset, statement: re.Match[str], packet: Departure) -> bool:
    """Whether one statement of a rule fits a packet that leaves."""
    if statement.lastgroup is None:
        return True
    fit = _LEAVING.get(statement.lastgroup)
    if fit is None:
        raise _unknown(statement[0])
    return fit(ruleset, statement, packet)


def _is_pair(ruleset: Ruleset, statement: re.Match[str], packet: Departure) -> bool:
    pair = f"{packet.to} . {packet.port}"
    return packet.protocol == "tcp" and pair in ruleset.sets.get(statement["pairs"], ())


_LEAVING: Final[Mapping[str, Callable[[Ruleset, re.Match[str], Departure], bool]]] = {
    "ct": lambda _, s, p: ("established" if p.is_reply else "new") in s["states"].split(","),
    "direction": lambda _, s, p: p.is_reply == (s["side"] == "reply"),
    "uid": lambda _, s, p: s["user"] == p.user,
    "oif": lambda _, s, p: s["out"] == p.interface,
    "pair": _is_pair,
    "member": lambda r, s, p: any(p.to in ip_network(e) for e in r.sets.get(s["members"], ())),
    "to": lambda _, s, p: ip_address(s["address"]) == p.to,
    "port": lambda _, s, p: (s["protocol"], int(s["number"])) == (p.protocol, p.port),
    "l4": lambda _, s, p: s["l4_protocol"] == p.protocol,
    "count": lambda *_: True,
    "limit": lambda *_: False,  # a first packet exceeds no rate
}


def _each_statement(rule: Rule) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(rule.matches):
        statement = _MATCHES.match(rule.matches, position)
        if statement is None:
            raise _unknown(rule.matches[position:])
        position = statement.end()
        yield statement


def _unknown(statement: str) -> RenderError:
    return RenderError(f"the rendered firewall has a statement that is not known: {statement}")


def _matches(ruleset: Ruleset, rule: Rule, connection: NewConnection) -> bool | None:
    """Whether a rule matches; None where it does for a part of the source only."""
    answers = [*_statements(ruleset, rule, connection)]
    if False in answers:
        return False
    return None if None in answers else True


def _statements(ruleset: Ruleset, rule: Rule, connection: NewConnection) -> Iterator[bool | None]:
    for statement in _each_statement(rule):
        match statement.lastgroup:
            case "ct":
                yield "new" in statement["states"].split(",")
            case "from":
                is_family = connection.source.version == _FAMILIES[statement["family"]]
                yield is_family and _within(connection.source, ruleset.sets.get(statement["set"], ()))
            case "near":
                yield _within(connection.source, (statement["link"],))
            case "port":
                yield (statement["protocol"], int(statement["number"])) == ("tcp", connection.port)
            case "count" | "admit" | None:
                pass
            case "iif" | "oif" | "icmp" | "l4" | "pair" | "limit" | "datagram" | "admitted":
                # Not through this interface, not this protocol, a first packet exceeds no rate, and who gets in by
                # another inventory's rules alone does not count.
                yield False
            case _:
                raise _unknown(statement[0])


def _within(source: Network, elements: tuple[str, ...]) -> bool | None:
    networks = [network for network in map(ip_network, elements) if network.version == source.version]
    if any(source.subnet_of(network) for network in networks):  # type: ignore[arg-type]  # of one version
        return True
    return None if any(source.overlaps(network) for network in networks) else False
