"""The firewall file that we render, read back: its sets and chains, and what becomes of a packet. Pure.

It knows the statements of our own template and no others. A statement that it does not know makes the
whole file one of which nothing can be said, never one that passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from provisioner.base.errors import RenderError

Network = IPv4Network | IPv6Network

_SET = re.compile(r"^\tset (\w+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_CHAIN = re.compile(r"^\tchain (\w+) \{\n\t\ttype (.*?); policy (\w+);\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(r"^\t\telements = \{ (.*) \}$", re.MULTILINE)
_RULE = re.compile(r'^(?P<matches>.*?)(?: (?P<verdict>accept|drop))(?: comment "(?P<comment>[^"]*)")?$')
_MATCHES = re.compile(
    r'(?P<ct>ct state (?P<states>[a-z,]+))|(?P<iif>iifname "(?P<interface>[^"]+)")|(?P<oif>oifname "[^"]+")'
    r"|(?P<icmp>(?:icmp|icmpv6) type \{[^}]*\})|(?P<l4>meta l4proto \w+)|(?P<to>ip daddr \. tcp dport @\w+)"
    r"|(?P<from>ip saddr @(?P<set>\w+))|(?P<port>(?P<protocol>tcp|udp) dport (?P<number>\d+))"
    r"|(?P<limit>add @\w+ \{[^}]*\})| +"
)


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


def _matches(ruleset: Ruleset, rule: Rule, connection: NewConnection) -> bool | None:
    """Whether a rule matches; None where it does for a part of the source only."""
    answers = [*_statements(ruleset, rule, connection)]
    if False in answers:
        return False
    return None if None in answers else True


def _statements(ruleset: Ruleset, rule: Rule, connection: NewConnection) -> Iterator[bool | None]:
    position = 0
    while position < len(rule.matches):
        statement = _MATCHES.match(rule.matches, position)
        if statement is None:
            raise RenderError(f"the rendered firewall has a statement that is not known: {rule.matches[position:]}")
        position = statement.end()
        if statement["ct"]:
            yield "new" in statement["states"].split(",")
        elif statement["from"]:
            yield _within(connection.source, ruleset.sets.get(statement["set"], ()))
        elif statement["port"]:
            yield (statement["protocol"], int(statement["number"])) == ("tcp", connection.port)
        elif (
            statement["iif"]
            or statement["icmp"]
            or statement["limit"]
            or statement["oif"]
            or statement["l4"]
            or statement["to"]
        ):
            # Not through this interface, not this protocol, and a first packet exceeds no rate.
            yield False


def _within(source: Network, elements: tuple[str, ...]) -> bool | None:
    networks = [network for network in map(ip_network, elements) if network.version == source.version]
    if any(source.subnet_of(network) for network in networks):  # type: ignore[arg-type]  # of one version
        return True
    return None if any(source.overlaps(network) for network in networks) else False
