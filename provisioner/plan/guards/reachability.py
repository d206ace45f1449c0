"""Guards of access: intents, lockout, `--limit`, and hosts' warnings. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Final

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import counted, msg
from provisioner.desired.limit import Limit
from provisioner.desired.names import is_of_a_side
from provisioner.desired.render.host import firewall_file
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import Condition, HostFacts
from provisioner.inventory.files.positions import KeyPath, Places
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Change, Resource
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.reach.packets import Network, accepts, arriving, hears_neighbours, parse_ruleset
from provisioner.plan.reach.roads import CellReach
from provisioner.plan.reach.statements import Origin, Reachability, ReachCell, StatementResult, judged, statements_of

INTENT = "intent"  #: Policy of these refusals; it has no allowance.
_OWNER = "intents"
_NAMED = 3

_SIX = 6

_ENVELOPE: Final = 60  #: WireGuard's overhead over IPv4: 20 bytes of IP, 8 of UDP, 32 of its own.
_SMALLEST_MTU: Final = 576

#: Code and hint for each fault of a host.
CONDITIONS: Final = {
    Condition.CLOCK_OFF: ("host-clock-off", "set its clock right: timedatectl set-ntp true on it"),
    Condition.DISK_FULL: ("host-disk-full", "make room before anything is applied to it"),
    Condition.ANOTHER_FIREWALL: ("host-other-firewall", "check its rules before you apply"),
    Condition.CERTIFICATE_ENDS: ("certificate-ends", "renew it before readers refuse it, and apply"),
}


@dataclass(frozen=True, slots=True)
class SshOrigin:
    """A network that must be able to open SSH, and its description."""

    network: Network
    who: str


def firewall_text(templates: Templates) -> Callable[[HostSpec], str]:
    """Return a function that renders a host's firewall file."""
    return lambda spec: firewall_file(spec, templates).content.decode()


def broken_intents(
    inventory: Inventory, specs: Mapping[str, HostSpec], rules: Callable[[HostSpec], str], changed: Collection[str]
) -> Iterator[PlanRefusal]:
    """Yield intents broken over changing hosts; unknown rules raise `RenderError`."""
    if not changed:
        return
    reachability = Reachability(inventory, specs, rules)
    for result in judged(statements_of(inventory), reachability, changed):
        if result.broken:
            yield PlanRefusal(INTENT, message=sentence(result), hint=hint_of(result), limit=0, value=len(result.broken))


def sentence(result: StatementResult) -> str:
    """Return a broken statement with its origin and cases."""
    statement = result.statement
    name, says = statement.name, statement.words
    cases = "; ".join(words_of(cell) for cell in result.broken[:_NAMED])
    if (unlisted := len(result.broken) - _NAMED) > 0:
        cases = msg("{cases}; and {more_cases}", cases, counted(unlisted, "more case"))
    if statement.origin is Origin.BUILT_IN:
        return msg("built-in statement {name} does not hold: {says}; but {cases}", name, says, cases)
    if statement.reason:
        return msg("intent {name} ({reason}) does not hold: {says}; but {cases}", name, statement.reason, says, cases)
    return msg("intent {name} does not hold: {says}; but {cases}", name, says, cases)


def words_of(cell: ReachCell) -> str:
    """Return one case in words, with the deciding rule."""
    source, service, target, rules = cell.source, cell.service.value, cell.target, ", ".join(cell.by)
    if cell.program:
        source = f"{source} ({cell.program.value})"
    match cell.reach:
        case CellReach.YES:
            return msg("{source} reaches {service} of {target}: {rules}", source, service, target, rules)
        case CellReach.NO:
            return msg("{source} does not reach {service} of {target}: {rules}", source, service, target, rules)
        case CellReach.PART:
            return msg("{source} reaches {service} of {target} in part: {rules}", source, service, target, rules)


def hint_of(result: StatementResult) -> str:
    """Return the next step for a broken statement."""
    statement = result.statement
    if statement.origin is Origin.INVENTORY:
        return msg(
            "undo the edit that breaks it; or change intent {name} in intents.yml, and have that reviewed",
            statement.name,
        )
    return "compare the templates with ours, and management networks with the pools: provisioner prove --why"


def problem_of(places: Places, result: StatementResult) -> Problem:
    """Return a broken statement as a problem, with its position."""
    statement = result.statement
    path = () if statement.place is None else (_OWNER, statement.place)
    position = places.at(_OWNER if path else "inventory", *path)
    return Problem(*position, "intent-broken", sentence(result), hint_of(result), f"intent/{statement.name}")


def required_sources(management: Iterable[Network], ssh_peer: str) -> Iterator[SshOrigin]:
    """Return required SSH sources: management networks, and this controller if known."""
    for network in management:
        yield SshOrigin(network, msg("the management network {network}", network))
    if ssh_peer:
        yield SshOrigin(ip_network(ssh_peer), msg("this controller, which the host sees as {ssh_peer}", ssh_peer))


def locked_out(rules: str, ssh_port: int, sources: Iterable[SshOrigin]) -> tuple[SshOrigin, ...]:
    """Return sources whose new SSH connections fail; unknown rules raise `RenderError`."""
    ruleset = parse_ruleset(rules)
    return tuple(s for s in sources if not accepts(ruleset, arriving(s.network, ssh_port)))


def deaf_to_neighbours(rules: str, sources: Iterable[SshOrigin]) -> bool:
    """Return whether rules drop IPv6 sources' neighbour discovery, as `locked_out`."""
    return any(source.network.version == _SIX for source in sources) and not hears_neighbours(parse_ruleset(rules))


def outside_of(limit: Limit, pending: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes of chosen hosts outside a limit by province or facility."""
    # Changes without a facility (files, units, other rules) belong to the host.
    if not limit.by_site:
        return ()
    return tuple(change for change in pending if not _takes_change(limit, change))


def _takes_change(limit: Limit, change: Change) -> bool:
    if not change.facility and change.resource not in {Resource.PATH, Resource.PEER}:
        return True
    return limit.takes({"province": (change.province,), "facility": (change.facility,)})


def host_warnings(inventory: Inventory, places: Places, spec: HostSpec, facts: HostFacts) -> Iterator[Problem]:
    """Yield warnings about a host before an apply."""
    owner, block = _file_and_path(inventory, spec)

    def warning(code: str, message: str, hint: str, at: tuple[str, KeyPath] | None = None) -> Problem:
        file_owner, path = at or (owner, block)
        position = places.at(file_owner, *path)
        return Problem(*position, code, message, hint, f"host/{spec.id}", Severity.WARNING)

    for fault in facts.faults:
        code, hint = CONDITIONS[fault.condition]
        yield warning(code, f"{spec.id}: {fault.detail}", hint)
    for network, device in facts.routes_elsewhere:
        if spec.side and is_of_a_side(device):
            continue  # the plan is refused
        message = msg(
            "{id} reaches {network} by {device}, and the tunnel would take that network: either its"
            " sites or the present hosts there could not be reached",
            spec.id,
            network,
            device,
        )
        hint, pool = "move the pool, or remove the route", _pool_path(inventory, spec, network)
        yield warning("pool-routed-elsewhere", message, hint, ("inventory", pool) if pool else None)
    # An entry with a mark takes over that mark alone, so that it has no effect any more.
    unmarked = spec.adopted is not None and not spec.adopted.inventory
    if unmarked and spec.owner is not None and facts.owner and facts.owner.is_same(spec.owner):
        message = msg("{id} is this inventory's: what the lock says of taking it over is spent", spec.id)
        hint = msg("remove it: provisioner hosts adopt {id}", spec.id)
        yield warning("adoption-spent", message, hint, ("allocations", ("adopted", spec.id)))
    around, needed = facts.surroundings, spec.tunnel.mtu + _ENVELOPE
    if _SMALLEST_MTU <= around.mtu < needed:
        message = msg(
            "{id} sends packets of {mtu} bytes at most by {device}, and those of the tunnel take "
            "{needed}: large ones would not arrive, and pictures stand still",
            spec.id,
            around.mtu,
            around.device,
            needed,
        )
        yield warning(
            "host-mtu-small", message, msg("raise the MTU of {device} to {needed} at least", around.device, needed)
        )
    for port in around.taken:
        message = msg(
            "{id}: port {port}/{protocol}, which is to be ours there, is taken by a program of the user {user}",
            spec.id,
            port["port"],
            port["protocol"],
            port["user"],
        )
        at = (owner, (*block, "wireguard_port")) if port["protocol"] == "udp" and spec.relay else None
        hint = "stop that program, or give it another port"
        if at and spec.firewall and port["port"] in spec.firewall.further_ports:
            at = (owner, (*block, "further_wireguard_ports"))
            hint = "give that program another port, or take this one out: that program would get no packets any more"
        elif at:
            hint = "give that program another port, or write another wireguard_port: gateways get new packages then"
        yield warning("host-port-taken", message, hint, at)


def _file_and_path(inventory: Inventory, spec: HostSpec) -> tuple[str, KeyPath]:
    if spec.relay is None:
        return f"centre/{spec.id}", ()
    carrier = inventory.carriers[spec.carriers[0]]
    index = next((n for n, relay in enumerate(carrier.relays) if relay.id == spec.id), 0)
    return f"carrier/{carrier.id}", ("relays", index)


def _pool_path(inventory: Inventory, spec: HostSpec, network: str) -> KeyPath | None:
    """Return the path of the pool around a network, if valid."""
    try:
        within = IPv4Network(network, strict=False)
    except ValueError:
        return None
    pools = inventory.settings.pools
    if within.overlaps(pools.centres):
        return ("pools", "centres")
    carriers = (carrier for carrier in spec.carriers if carrier in pools.carriers)
    return next(
        (("pools", "carriers", carrier) for carrier in carriers if within.overlaps(pools.carriers[carrier])), None
    )
