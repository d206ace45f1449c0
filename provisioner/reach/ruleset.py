"""The firewall file that we render, read back: its sets, its chains, and the statements of its rules. Pure.

It knows the statements of our own templates and no others. A statement that it does not know makes the
whole file one of which nothing can be said, never one that passes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from provisioner.base.errors import RenderError

Network = IPv4Network | IPv6Network


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
