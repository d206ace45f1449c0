"""The path gate's curve: how often harmless changes pass and harmful ones go back, where cameras reconnect all day.

A relay of so many paths is simulated over a clock of its own: cameras, recorders and sites come and go by themselves,
before the change, while it is made and after it. What the host would answer to each look goes through the gate's own
code, as `apply` calls it. Nothing else is real, so that a cell of the table has thousands of changes.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from provisioner.base.secret import Secret
from provisioner.desired.spec import MediaPath, StreamSource
from provisioner.hosts.answers import wire
from provisioner.inventory.model.devices import StreamName
from provisioner.operations.rollout.affected_paths import Served, Touched, device_of
from provisioner.operations.rollout.answers import GateResult, Watch
from provisioner.operations.rollout.gate import Decision, GateRules, GateVerdict, decide
from tests.simulated import NO_STREAM, live_rules, peer_session, stream

SIZES: Final = (5, 20, 50, 100, 300, 1000)
RATES: Final = (0.0, 0.005, 0.01, 0.02, 0.05)
#: So many harmless and so many harmful changes a cell; a quarter of them where each takes ten times as long.
TRIALS: Final = 2000
LARGE: Final = 1000
PASSES: Final = 0.995
#: What the gate promises: this share of harmless changes is confirmed, this share of harmful ones goes back.
RETURNS: Final = 1.0

_EPOCH: Final = 1_620_000_000.0
_BYTES_A_SECOND: Final = 40_000
_RULES: Final = GateRules()
# The look before, its second half at the switch, and how long a look takes: to its list, and to its end.
_BEFORE_S: Final = -3.0
_AT_SWITCH_S: Final = -0.6
_TO_LIST_S: Final = 0.2
_CALL_S: Final = 0.4
_READ_S: Final = 1.3
# MediaMTX gives a silent camera up after 10 s and dials again after 5 s.
_SILENCE_S: Final = 10.0
_RETRY_S: Final = 5.0
_SINCE_S: Final = -1800.0
_TO_COME_S: Final = 150.0
# What ended so long before the change plays no part in it.
_RESTFUL_S: Final = -80.0
_FIRST_LOOK_S: Final = 0.3
_PORT_S: Final = 4.0
_RELAYS: Final = 10
_CHUNK: Final = 25
_LONG_AGO_S: Final = -86_400.0
_FOR_GOOD: Final = math.inf


class Cut(StrEnum):
    """What a harmful change cuts for good although its plan does not name it."""

    PEER = "a site's peer"
    ADDRESSES = "a peer's addresses"
    ELEMENT = "a camera's rule"
    RULE = "another rule"
    PATH = "a path"
    SOURCE = "a path's source"
    UNTRIED = "a source that the relay does not try any more"
    UNTRIED_SITE = "a site's sources, not tried"
    UNTRIED_SOME = "several sources, not tried"
    ROUTE = "all sites, without a trace"
    FOREIGN = "a camera, by somebody else's rules"


class Trouble(StrEnum):
    """What a camera does by itself."""

    RESET = "reset"
    SILENCE = "silence"
    REBOOT = "reboot"
    UNPLUGGED = "unplugged"
    HUNG = "hung"
    DEAF = "deaf"


# What ends a session, where other trouble leaves it silent.
_AT_ONCE: Final = frozenset({Trouble.RESET, Trouble.HUNG})


class Outage(NamedTuple):
    """A time without a stream."""

    begin_s: float
    end_s: float
    kind: Trouble | None


@dataclass(slots=True)
class Camera:
    """One path's camera: its path, its outages in the order of time, and what the change does to it."""

    path: MediaPath
    site: int
    outages: list[Outage] = field(default_factory=list)
    cut: Cut | None = None
    reconnects_at_switch: bool = False


@dataclass(slots=True)
class World:
    """A relay with its cameras and sites, and the change of which the gate has to judge."""

    cameras: list[Camera]
    site_outages: dict[int, list[Outage]]
    touched: Touched
    cut: Cut | None = None
    victims: frozenset[str] = frozenset()
    #: The cameras of which something happens around the change; the others flow all the time.
    restless: list[Camera] = field(default_factory=list)
    restful: list[str] = field(default_factory=list)


# --- a relay --------------------------------------------------------------------------------------
@cache
def relay_of(count: int, number: int) -> tuple[tuple[MediaPath, ...], Served]:
    """So many paths at sites of one to twelve cameras, one device each; one of several such relays."""
    rng = random.Random(f"{count}/{number}")  # noqa: S311 (the same one for the same number)
    paths: list[MediaPath] = []
    site = 0
    while len(paths) < count:
        site += 1
        cameras = min(rng.randint(1, 12), count - len(paths))
        paths += [_path(site, camera) for camera in range(cameras)]
    return tuple(paths), _served_of(paths)


def _path(site: int, camera: int) -> MediaPath:
    address = IPv4Address(int(IPv4Address("100.64.0.0")) + site)
    facility, device = f"site-{site:04}", f"cam-{camera:02}"
    return MediaPath(
        name=f"bac-giang/{facility}/{device}/sub",
        province="bac-giang",
        facility=facility,
        camera=device,
        device=device,
        stream=StreamName.SUB,
        source=StreamSource(address, 10554 + camera, "/", "user", Secret("invented")),
        on_demand=False,
        codec="h264",
        width=640,
        height=360,
    )


def _served_of(paths: Iterable[MediaPath]) -> Served:
    listed = {path.name: path for path in paths}
    sites = {path.facility for path in listed.values()}
    return Served(listed, {site: f"key of {site}" for site in sites}, frozenset(map(device_of, listed.values())))


def _touched(paths: Sequence[MediaPath], served: Served, rng: random.Random) -> Touched:
    """A change as they are made: some paths, a site's peer, or a rule that is no camera's."""
    match rng.random():
        case share if share < 0.7:
            named = rng.sample(paths, rng.randint(1, max(1, min(5, len(paths) // 5))))
            return _naming(named, served)
        case share if share < 0.8:
            site = rng.choice(paths).facility
            touched = _naming([path for path in paths if path.facility == site], served)
            return replace(touched, named=frozenset(), peers=frozenset({served.peers[site]}))
        case share:
            # Three in four are of who may come in, one is of what is let out.
            bars = share >= 0.95
            return Touched(read=tuple(_sample(paths)), rules=True, bars=bars, served=served)


def _naming(paths: list[MediaPath], served: Served) -> Touched:
    names = frozenset(path.name for path in paths)
    return Touched(read=tuple(paths), named=names, direct=names, shared=frozenset(map(device_of, paths)), served=served)


def _sample(paths: Sequence[MediaPath]) -> list[MediaPath]:
    first = {path.facility: path for path in reversed(paths)}
    return [*first.values(), *(path for path in paths if path is not first[path.facility])][:48]


def _outages(rate: float, rng: random.Random) -> list[Outage]:
    """What a camera does by itself in the half hour before the change, and in the minutes after it."""
    found: list[Outage] = []
    at = _SINCE_S
    while rate and (at := at + rng.expovariate(rate / 60)) < _TO_COME_S:
        kind, seconds = _trouble(rng)
        found.append(Outage(at, at + seconds, kind))
        at += seconds
    return found


def _trouble(rng: random.Random) -> tuple[Trouble, float]:
    match rng.random():
        case share if share < 0.5:
            return Trouble.RESET, rng.uniform(2, 20)
        case share if share < 0.95:
            return Trouble.SILENCE, rng.uniform(2, 20)
        case share if share < 0.97:
            return Trouble.REBOOT, rng.uniform(30, 180)
        case share if share < 0.98:
            return Trouble.UNPLUGGED, _FOR_GOOD
        case share if share < 0.997:
            return Trouble.HUNG, rng.uniform(30, 600)
        case _:
            return Trouble.DEAF, rng.uniform(30, 600)


def _site_outages(rate: float, rng: random.Random) -> list[Outage]:
    """A site's uplink is lost ten times as seldom as a camera's stream, for five seconds to ten minutes."""
    found: list[Outage] = []
    at = _SINCE_S
    while rate and (at := at + rng.expovariate(rate / 600)) < _TO_COME_S:
        seconds = rng.uniform(5, 60) if rng.random() < 0.7 else rng.uniform(60, 600)
        found.append(Outage(at, at + seconds, None))
        at += seconds
    return found


def world_of(count: int, rate: float, seed: int, *, harmful: bool) -> World:
    """A relay and a change of it, by number. One in five is made within two minutes of an incident."""
    rng = random.Random(f"{count}/{rate}/{seed}/{harmful}")  # noqa: S311 (the same one for the same number)
    paths, served = relay_of(count, seed % _RELAYS)
    touched = _touched(paths, served, rng)
    sites = {site: number for number, site in enumerate(sorted(served.peers))}
    cameras = [Camera(p, sites[p.facility], _outages(rate, rng)) for p in paths]
    site_outages = {number: _site_outages(rate, rng) for number in sites.values()}
    if rate and rng.random() < 0.2:
        _incident(cameras, rng)
    for camera in cameras:
        camera.reconnects_at_switch = camera.path.name in touched.named
    world = World(cameras, site_outages, touched)
    if harmful:
        _harm(world, rng)
    return world_around(world)


def world_around(world: World) -> World:
    """The same, with the cameras divided into those of which something happens and the others."""
    world.restless, world.restful = [], []
    for camera in world.cameras:
        outages = (*camera.outages, *world.site_outages.get(camera.site, ()))
        happens = any(o.end_s > _RESTFUL_S for o in outages) or camera.cut or camera.reconnects_at_switch
        if happens:
            world.restless.append(camera)
        else:
            world.restful.append(camera.path.name)
    return world


def _incident(cameras: list[Camera], rng: random.Random) -> None:
    """Most of the relay was away, and comes back within a minute and a half before the change and during it."""
    begin, share = rng.uniform(-600, -120), rng.uniform(0.3, 0.9)
    for camera in cameras:
        if rng.random() < share:
            back = rng.uniform(-90, 20)
            kept = [outage for outage in camera.outages if outage.begin_s > back or outage.end_s < begin]
            camera.outages = sorted([*kept, Outage(begin, back, Trouble.REBOOT)], key=_begin)


def _harm(world: World, rng: random.Random) -> None:
    """Cut something for good that the plan does not name.

    It is cut off cameras that are well and do no more than reconnect: one that dies in the same minute would not give a
    picture without the change either, and nobody can tell the two apart.
    """
    unnamed = [c for c in world.cameras if c.path.name not in world.touched.direct]
    well = [c for c in unnamed if _flows(world, c)]
    if not well:
        return
    cut, victim = rng.choice(list(Cut)), rng.choice(well)
    if cut in {Cut.PEER, Cut.ADDRESSES, Cut.UNTRIED_SITE}:
        victims = [c for c in unnamed if c.site == victim.site]
    elif cut is Cut.UNTRIED_SOME:
        victims = [victim, *rng.sample(well, min(len(well), rng.randint(2, 10)))]
    else:
        victims = world.cameras if cut is Cut.ROUTE else [victim]
    for camera in victims:
        camera.cut = cut
        camera.outages = [_brief(outage, rng) for outage in camera.outages]
    for number in {c.site for c in victims}:
        world.site_outages[number] = [o for o in world.site_outages[number] if o.end_s < _RESTFUL_S]
    world.cut, world.victims = cut, frozenset(c.path.name for c in victims)


def _brief(outage: Outage, rng: random.Random) -> Outage:
    if outage.end_s < _RESTFUL_S:
        return outage
    return Outage(outage.begin_s, outage.begin_s + rng.uniform(2, 20), Trouble.RESET)


# --- what a host answers --------------------------------------------------------------------------
def _flows(world: World, camera: Camera) -> bool:
    """Whether a camera's stream flows from before the first look to the switch."""
    outages = (*camera.outages, *world.site_outages[camera.site])
    return not any(o.begin_s < 0 and o.end_s + _RETRY_S + _SILENCE_S > _BEFORE_S for o in outages)


@dataclass(frozen=True, slots=True)
class Stream:
    """A path's stream at one moment."""

    available: bool  #: What MediaMTX says of it.
    flows: bool  #: Whether anything comes.
    since_s: float  #: When the session began.
    quiet_s: float = 0.0  #: For how long nothing has come since then.
    said: bool = False  #: Whether MediaMTX has said lately why there is none.
    port: str = "ok"  #: How its device answers.

    def received(self, now_s: float) -> int:
        """The bytes of the session until now."""
        return int(max(0.0, now_s - self.since_s - self.quiet_s) * _BYTES_A_SECOND) + 1


def stream_of(world: World, camera: Camera, now_s: float) -> Stream:
    """A camera's stream: what it does by itself, and what the change did to it at 0."""
    by_itself = _by_itself(world, camera, now_s)
    if camera.cut is None or now_s < 0:
        if camera.reconnects_at_switch and now_s >= 0 and by_itself.available and by_itself.since_s < 0:
            ready = 0.3
            return replace(by_itself, since_s=ready, available=now_s >= ready, flows=now_s >= ready)
        return by_itself
    was = _by_itself(world, camera, 0.0)
    if camera.cut in {Cut.PEER, Cut.ADDRESSES, Cut.ELEMENT, Cut.RULE, Cut.ROUTE, Cut.FOREIGN}:
        # What it sends stays unanswered: nothing comes any more, and MediaMTX notices in its time.
        stands = was.available and now_s < _SILENCE_S
        return replace(was, available=stands, flows=False, quiet_s=now_s, said=now_s > _SILENCE_S, port="timeout")
    said = camera.cut is Cut.SOURCE
    return Stream(available=False, flows=False, since_s=0.0, said=said, port=by_itself.port)


def _by_itself(world: World, camera: Camera, now_s: float) -> Stream:
    since, quiet = _LONG_AGO_S, 0.0
    silences = [Outage(o.begin_s, o.end_s, None) for o in world.site_outages.get(camera.site, ())]
    for outage in sorted((*camera.outages, *silences), key=_begin) if silences else camera.outages:
        if outage.begin_s > now_s:
            break
        silent = outage.kind not in _AT_ONCE
        short = silent and outage.end_s - outage.begin_s < _SILENCE_S
        back = outage.end_s + (0.0 if short else _RETRY_S / 2)
        if now_s < back:
            away = now_s - outage.begin_s
            stands = silent and away < _SILENCE_S
            port = _port(outage, away, now_s)
            return Stream(stands, flows=False, since_s=since, quiet_s=quiet + away, said=not stands, port=port)
        if short:
            quiet += outage.end_s - outage.begin_s
        else:
            since, quiet = back, 0.0
    return Stream(available=True, flows=True, since_s=since, quiet_s=quiet)


def _begin(outage: Outage) -> float:
    return outage.begin_s


def _port(outage: Outage, away_s: float, now_s: float) -> str:
    if now_s >= outage.end_s:
        return "ok"
    match outage.kind:
        case None | Trouble.DEAF:
            return "timeout"
        case Trouble.UNPLUGGED | Trouble.REBOOT:
            # A gateway sends on until its neighbour entry ages.
            return "timeout" if away_s < 4 else "no-route"
        case _:
            return "ok"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(_EPOCH + at_s, UTC).isoformat()


_LONG_AGO: Final = _time(_LONG_AGO_S)
_REST: Final = Stream(available=True, flows=True, since_s=_LONG_AGO_S)
Streams = dict[str, Stream]


def _sessions(
    world: World, now_s: float, earlier: Mapping[str, Stream] | None = None
) -> tuple[wire.SessionsAnswer, Streams]:
    """What a host says of its sessions at a moment, and how the streams of the restless cameras are."""
    streams = {camera.path.name: stream_of(world, camera, now_s) for camera in world.restless}
    restful = stream(_LONG_AGO, _REST.received(now_s), flowed=earlier is not None)
    paths = dict.fromkeys(world.restful, restful)
    for name, one in streams.items():
        was = (earlier or {}).get(name)
        flowed = was is not None and was.flows and one.flows and was.since_s == one.since_s
        paths[name] = _session(one, now_s, flowed=flowed)
    if now_s >= 0 and world.cut is Cut.PATH:
        paths = {name: path for name, path in paths.items() if name not in world.victims}
    peers, rules = _peers(world, now_s), _live_rules(world, now_s)
    told: wire.SessionsAnswer = {
        "at": _EPOCH + now_s,
        "over_s": _AT_SWITCH_S - _BEFORE_S if earlier is not None else 0.0,
        "started": "started",
        "paths": paths,
        "peers": peers,
        "rules": rules,
        "changed": sorted(world.victims) if now_s >= 0 and world.cut is Cut.SOURCE else [],
        "quarantined": [],
    }
    return told, streams


def _session(one: Stream, now_s: float, *, flowed: bool) -> wire.SessionAnswer:
    if not one.available:
        return NO_STREAM
    since = _LONG_AGO if one.since_s == _LONG_AGO_S else _time(one.since_s)
    return stream(since, one.received(now_s), flowed=flowed)


def _peers(world: World, now_s: float) -> dict[str, wire.PeerSessionAnswer]:
    served = world.touched.served
    peers = {
        key: peer_session(1, _heard_of(world, number, now_s), "100.64.0.0/32")
        for number, (_, key) in enumerate(sorted(served.peers.items()))
    }
    cut = {served.peers[served.paths[name].facility] for name in world.victims}
    match world.cut:
        case Cut.PEER if now_s >= 0:
            return {key: peer for key, peer in peers.items() if key not in cut}
        case Cut.ADDRESSES if now_s >= 0:
            return {key: {**peer, "allowed_ips": []} if key in cut else peer for key, peer in peers.items()}
        case _:
            return peers


def _live_rules(world: World, now_s: float) -> wire.RulesAnswer:
    devices = world.touched.served.devices
    if now_s < 0:
        return live_rules(devices, "rules", "doors", "around")
    rest = "new rules" if world.touched.bars else "rules"
    doors = "new doors" if world.touched.rules and not world.touched.bars else "doors"
    rules = live_rules(devices, rest, doors, "around")
    match world.cut:
        case Cut.ELEMENT:
            gone = {device_of(world.touched.served.paths[name]) for name in world.victims}
            return live_rules(devices - gone, rest, doors, "around")
        case Cut.RULE:
            return {**rules, "rest": "broken rules"}
        case Cut.FOREIGN if not world.touched.bars:
            return {**rules, "around": "other"}
        case _:
            return rules


def _heard_of(world: World, site: int, now_s: float) -> int:
    """The bytes that came from a site, its keepalives among them; none while its uplink is lost."""
    until = next((o.begin_s for o in world.site_outages.get(site, ()) if o.begin_s <= now_s < o.end_s), now_s)
    return int((until - _LONG_AGO_S) // 25) + 1


# --- a change -------------------------------------------------------------------------------------
def confirmed(world: World, rules: GateRules = _RULES) -> bool:
    """Whether the gate lets a change pass."""
    return decision_of(world, rules).verdict is GateVerdict.PASS


def decision_of(world: World, rules: GateRules = _RULES) -> Decision:
    """What the gate says in the end."""
    _, earlier = _sessions(world, _BEFORE_S)
    sessions, _ = _sessions(world, _AT_SWITCH_S, earlier)
    read, away = tuple(path.name for path in world.touched.read), tuple[str, ...]()
    up = frozenset(name for name in read if name not in earlier or earlier[name].flows)
    watch, begun = Watch.since(GateResult(up, sessions=sessions), world.touched.served), _FIRST_LOOK_S
    asked = begun
    while True:
        seen, ended = _look(world, asked, read, away)
        watch = watch.after(seen, asked - begun)
        decision = decide(world.touched, watch, ended - begun, rules)
        if decision.verdict is not GateVerdict.WAIT:
            return decision
        read, away = decision.read, decision.away
        asked = ended + decision.again_s


def _look(world: World, now_s: float, read: Sequence[str], away: Iterable[str]) -> tuple[GateResult, float]:
    """One look: its list first, then reads, and how devices answer; and when it is over."""
    sessions, streams = _sessions(world, now_s + _TO_LIST_S)
    asked = {name: streams.get(name, _REST) for name in read}
    good = {name for name, stream in asked.items() if stream.available and stream.flows}
    paths, tried = world.touched.served.paths, {name: streams.get(name, _REST) for name in away}
    ports = {device_of(paths[name]): stream.port for name, stream in tried.items()}
    said = {name: "it does not answer" for name, stream in tried.items() if stream.said}
    took = _CALL_S + (_READ_S if read else 0)
    took += _PORT_S if "timeout" in ports.values() else 0
    why = dict.fromkeys(asked.keys() - good, "no frame")
    return GateResult(frozenset(good), why, sessions, ports, said), now_s + took


# --- the curve ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Cell:
    """What became of the changes of relays of one size and one rate."""

    paths: int
    rate: float
    harmless: int = 0
    passed: int = 0
    harmful: int = 0
    returned: int = 0

    def __add__(self, other: Cell) -> Cell:
        """Both as one."""
        counts = (self.harmless + other.harmless, self.passed + other.passed)
        return Cell(self.paths, self.rate, *counts, self.harmful + other.harmful, self.returned + other.returned)

    @property
    def holds(self) -> bool:
        """Whether the gate does what it promises."""
        return self.passed >= PASSES * self.harmless and self.returned >= RETURNS * self.harmful

    def __str__(self) -> str:
        """Both shares in percent; what is less than the whole never reads as the whole."""
        return f"{_percent(self.passed, self.harmless)} / {_percent(self.returned, self.harmful)}"


def _percent(part: int, of: int) -> str:
    return "100" if part == of else f"{math.floor(10_000 * part / of) / 100:.2f}"


def measure(count: int, rate: float, numbers: Iterable[int]) -> Cell:
    """What becomes of changes by their numbers: a harmless and a harmful one each."""
    cell = Cell(count, rate)
    for number in numbers:
        passed = confirmed(world_of(count, rate, number, harmful=False))
        world = world_of(count, rate, number, harmful=True)
        # On a small relay that was just away there may be nothing left that could be cut.
        harmful = world.cut is not None
        returned = harmful and not confirmed(world)
        cell += Cell(count, rate, 1, int(passed), int(harmful), int(returned))
    return cell


def table(cells: Iterable[Cell]) -> list[str]:
    """The curve as a table in Markdown: a row a size, a column a rate."""
    by_place = {(cell.paths, cell.rate): cell for cell in cells}
    sizes, rates = sorted({paths for paths, _ in by_place}), sorted({rate for _, rate in by_place})
    rows = [["paths", *(f"{100 * rate:g} % a minute" for rate in rates)], ["---:"] * (1 + len(rates))]
    rows += [[f"{paths:,}", *(str(by_place[paths, rate]) for rate in rates)] for paths in sizes]
    return [f"| {' | '.join(row)} |" for row in rows]


def _measured(work: tuple[int, float, range]) -> Cell:
    return measure(*work)


def main() -> int:
    """Print the table; 1 where the gate does not do what it promises."""
    parser = argparse.ArgumentParser(prog="scripts/gate", description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=TRIALS, metavar="N", help=f"changes of each kind a cell ({TRIALS})"
    )
    parser.add_argument("--seed", type=int, default=1, help="another one gives other changes (1)")
    parser.add_argument("--paths", type=int, action="append", metavar="N", help="size of the relays; may be repeated")
    options = parser.parse_args()
    first = options.seed * 1_000_000
    work = [
        (size, rate, range(at, min(at + _CHUNK, first + trials)))
        for size in options.paths or SIZES
        for rate in RATES
        for trials in [options.trials // 4 if size >= LARGE else options.trials]
        for at in range(first, first + trials, _CHUNK)
    ]
    cells: dict[tuple[int, float], Cell] = {}
    with ProcessPoolExecutor() as workers:
        for number, part in enumerate(workers.map(_measured, work), 1):
            place = part.paths, part.rate
            cells[place] = cells.get(place, Cell(*place)) + part
            if number == len(work) or work[number][:2] != place:
                sys.stderr.write(f"{part.paths} paths, {100 * part.rate:g} % a minute: {cells[place]}\n")
    sys.stdout.write("\n".join(table(cells.values())) + "\n")
    missed = [cell for cell in cells.values() if not cell.holds]
    for cell in missed:
        sys.stderr.write(f"{cell.paths} paths, {100 * cell.rate:g} % a minute: {cell} is less than promised\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
