"""Faults drawn from a grammar by a seed: object, kind, degree, moment, one or two at a time.

What has to be said follows from the grammar: from where the fault is and what it does to a picture. Nobody tunes to a
drawn fault, as each seed draws others. `scripts/seeded --draw SEED --count N` seeds them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.lab.cameras import Picture
from tests.lab.topology import GATEWAYS, PLACES, RELAYS, Gateway, Network, Place, StreamKind

from .fault import Expected, Fault
from .steps import (
    CUT_PULLS,
    SITE_AGAIN,
    Answers,
    Command,
    Cut,
    During,
    Password,
    Shows,
    Step,
    Unplugged,
    camera_unit,
    dropped,
    edited,
    few_files,
    killed,
    path_added,
    unit,
    within,
)

UP: Final = Expected(("up",), incidents=0)
_SETTLES_S: Final = 25.0
# A relay gives up on a stream after ten seconds and asks again after five, some times over.
_COMES_AGAIN_S: Final = 60.0
_OF_STREAM: Final = ("camera", "stream", "picture")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A kind with its degree, on one object."""

    words: str  #: Kind and degree, for the table.
    how: tuple[Step, ...]  #: What is done to the lab.
    expected: Expected  #: What has to be said of the paths.
    kind: StreamKind | None = None  #: The stream that is touched; both if `None`.
    settle_s: float = _SETTLES_S  #: Seconds until the relay notices.


# --- a camera -------------------------------------------------------------------------------------
def _says(at: Place, verdicts: tuple[str, ...], *causes: str, layers: tuple[str, ...] = _OF_STREAM) -> Expected:
    return Expected(verdicts, causes, layers, at.id if not at.device.is_recorder else at.gateway.facility)


def _off(_draw: Random, at: Place) -> Drawn:
    return Drawn(
        "off", (camera_unit(at.id, "stop", "start"),), _says(at, ("down",), "camera refuses", layers=("camera",))
    )


def _unplugged(_draw: Random, at: Place) -> Drawn:
    return Drawn("unplugged", (Unplugged(at.id),), _says(at, ("down",), "camera unplugged", layers=("camera",)))


def _password(_draw: Random, at: Place) -> Drawn:
    expected = _says(at, ("down", "quarantined"), "wrong password", layers=("camera",))
    return Drawn("has another password", (Password(at.id),), expected)


_STATUSES: Final = (
    *("400 Bad Request", "403 Forbidden", "404 Not Found", "415 Unsupported Media Type", "429 Too Many Requests"),
    *("451 Parameter Not Understood", "453 Not Enough Bandwidth", "454 Session Not Found"),
    *("461 Unsupported Transport", "500 Internal Server Error", "501 Not Implemented", "503 Service Unavailable"),
)


def _status(draw: Random, at: Place) -> Drawn:
    status = draw.choice(_STATUSES)
    # 451 is a parameter that it does not know, which the path is one of.
    stream = ("no such stream",) if status[:3] in {"404", "451"} else ()
    causes = stream if status.startswith("404") else ("wrong answer", "camera refuses", *stream)
    return Drawn(f"answers {status[:3]}", (Answers(at.id, "status", status),), _says(at, ("down",), *causes))


def _answers(draw: Random, at: Place) -> Drawn:
    way, causes = draw.choice(
        (
            ("hang", ("camera hung",)),
            ("close", ("wrong answer", "camera hung")),
            ("http", ("wrong answer",)),
            ("garbage", ("wrong answer",)),
            ("stale", ("wrong answer", "camera refuses")),
            ("slow", ("camera hung", "wrong answer")),
        )
    )
    return Drawn(f"answers: {way}", (Answers(at.id, way),), _says(at, ("down",), *causes))


def _redirects(draw: Random, at: Place) -> Drawn:
    to = draw.choice(
        ("rtsp://192.168.1.250:554/x", "rtsp://127.0.0.1:9997/x", "rtsp://203.0.113.9/x", "rtsps://192.168.1.250/x")
    )
    expected = _says(at, ("down",), "camera redirects", layers=("camera",))
    return Drawn(f"redirects to {to.partition('//')[2]}", (Answers(at.id, "redirect", to),), expected)


def _shut(draw: Random, at: Place) -> Drawn:
    rule = draw.choice(("tcp dport {port} drop", "tcp dport {port} tcp flags syn drop", "ip protocol tcp drop"))
    port = at.device.port
    # A connection that was open before lives on if only new ones are refused: its stream still flows.
    verdicts = ("down", "degraded") if "syn" in rule else ("down",)
    table = 'nft add table ip drawn; nft "add chain ip drawn in { type filter hook input priority 0; }"; '
    how = within(at.id, f"{table}nft add rule ip drawn in {rule.format(port=port)}", "nft delete table ip drawn")
    return Drawn(
        f"drops {rule.format(port=port)}",
        (how,),
        _says(at, verdicts, "camera firewall", "camera hung", layers=("camera",)),
    )


def _stops(draw: Random, at: Place) -> Drawn:
    kind, after = draw.choice((None, *StreamKind)), draw.choice((2, 3, 5, 6, 8))
    expected = _says(at, ("down",), "silent", "stream ends")
    words = f"keeps silent {after} s after each start"
    return Drawn(words, (Shows(at.id, Picture.STALLS, kind, str(after)),), expected, kind, _COMES_AGAIN_S)


def _ends(draw: Random, at: Place) -> Drawn:
    kind, after = draw.choice((None, *StreamKind)), draw.choice((2, 3, 4, 5))
    # Between two ends a picture comes, so that either word is true of the moment.
    expected = _says(at, ("down", "degraded"), "stream ends")
    words = f"closes the connection {after} s after each start"
    return Drawn(words, (Shows(at.id, Picture.ENDS, kind, str(after)),), expected, kind, _COMES_AGAIN_S)


def _silent(draw: Random, at: Place) -> Drawn:
    kind = draw.choice((None, *StreamKind))
    return Drawn("sends no picture", (Shows(at.id, Picture.SILENT, kind),), _says(at, ("down",), "silent"), kind)


def _slower(draw: Random, at: Place) -> Drawn:
    kind, factor = draw.choice((None, *StreamKind)), draw.choice((2, 2.5, 3, 4))
    expected = _says(at, ("degraded",), "rate too low")
    return Drawn(
        f"sends 1/{factor:g} of the pictures", (Shows(at.id, Picture.HALF_RATE, kind, str(factor)),), expected, kind
    )


def _lossy(draw: Random, at: Place) -> Drawn:
    kind, share = draw.choice((None, *StreamKind)), draw.choice((0.1, 0.2, 0.3, 0.5))
    expected = _says(at, ("degraded", "down"), "corrupt picture")
    return Drawn(
        f"loses {share:.0%} of its packets", (Shows(at.id, Picture.PACKETS_MISSING, kind, str(share)),), expected, kind
    )


_PICTURES: Final = {
    Picture.FROZEN: (("down",), ("picture repeats",)),
    Picture.LOOP: (("down",), ("picture repeats",)),
    Picture.BLACK: (("down",), ("black picture",)),
    Picture.GREY: (("down",), ("flat picture",)),
    Picture.VIDEO_LOSS: (("down",), ("no video card",)),
    Picture.NO_SIGNAL: (("down",), ("no video card",)),
    Picture.SMALL: (("degraded",), ("picture differs",)),
    Picture.HEVC: (("degraded",), ("picture differs",)),
    Picture.SOUND: (("degraded",), ("sends sound",)),
    Picture.AUDIO_ONLY: (("down",), ("wrong answer",)),
    Picture.STUCK_TIME: (("degraded", "down"), ("timestamps stuck",)),
    Picture.RANDOM_SLICES: (("degraded", "down"), ("corrupt picture",)),
    Picture.KEY_30: (("degraded",), ("key frames rare",)),
    Picture.KEY_60: (("degraded",), ("key frames rare",)),
}


def _shows(draw: Random, at: Place) -> Drawn:
    kind, picture = draw.choice((None, *StreamKind)), draw.choice(tuple(_PICTURES))
    verdicts, causes = _PICTURES[picture]
    # A stream of another codec is described as such in both.
    how = Shows(at.id, picture, kind)
    return Drawn(f"shows {picture.value}", (how,), _says(at, verdicts, *causes), kind)


def _healthy(draw: Random, at: Place) -> Drawn:
    kind = draw.choice((None, *StreamKind))
    picture = draw.choice(
        (Picture.DARK, Picture.NIGHT, Picture.SNOW, Picture.STILL, Picture.CORRIDOR, Picture.RARE_KEY)
    )
    return Drawn(f"healthy: shows {picture.value}", (Shows(at.id, picture, kind),), UP, kind)


def _restarts(draw: Random, at: Place) -> Drawn:
    host, after = at.gateway.name, round(draw.uniform(0.5, 6), 1)
    how = During(host, unit(at.id, "start"), after, unit(at.id, "stop"), unit(at.id, "start"))
    expected = Expected(("down", "up"), ("camera refuses", ""), ("camera",), at.id)
    return Drawn(f"goes off {after} s into the look", (how,), expected)


CAMERA_KINDS: Final = (
    *(_off, _unplugged, _password, _status, _answers, _redirects, _shut, _stops, _ends),
    *(_silent, _slower, _lossy, _shows, _shows, _shows, _restarts, _healthy),
)


# --- a recorder -----------------------------------------------------------------------------------
def _of_recorder(at: Place, drawn: Drawn) -> Drawn:
    """The same of a whole recorder: its name, and its layer."""
    expected = replace(drawn.expected, layers=("recorder",), object=f"{at.gateway.facility}/{at.device.id}")
    return replace(drawn, expected=expected)


RECORDER_KINDS: Final = (_off, _unplugged, _password, _answers, _shut)


# --- a site ---------------------------------------------------------------------------------------
def _at_site(site: Gateway, verdicts: tuple[str, ...], *causes: str, layers: tuple[str, ...]) -> Expected:
    return Expected(verdicts, causes, layers, site.facility)


def _tunnel(draw: Random, site: Gateway) -> Drawn:
    words, how = draw.choice(
        (
            (
                "its tunnel is stopped",
                Command(site.name, "systemctl stop provisioner-site", "systemctl start provisioner-site"),
            ),
            (
                "its tunnel's interface is down",
                Command(site.name, "ip link set $(wg show interfaces) down", SITE_AGAIN),
            ),
            ("its packets to the relay are dropped", dropped(site.name, "")),
        )
    )
    return Drawn(words, (how,), _at_site(site, ("down",), "tunnel down", layers=("tunnel",)))


def _uplink(_draw: Random, site: Gateway) -> Drawn:
    return Drawn(
        "its uplink is cut",
        (Cut(site.name, Network.WAN),),
        _at_site(site, ("down",), "tunnel down", layers=("tunnel",)),
    )


def _narrow(draw: Random, site: Gateway) -> Drawn:
    streams = 2 * len(site.cameras)
    # A look opens every stream: a sub takes 55, a main 140 kbit/s, and what wraps them a fifth.
    needed = 1.2 * (55 + 140) * streams / 2
    share = draw.choice((0.3, 0.4, 0.5, 4))
    rate = round(needed * share)
    how = Command(
        site.name,
        f"tc qdisc add dev eth0 root tbf rate {rate}kbit burst 8kb latency 300ms",
        "tc qdisc del dev eth0 root",
    )
    expected = UP if share > 1 else _at_site(site, ("degraded", "down", "up"), "starved", layers=("site", "tunnel"))
    words = f"its uplink lets {share:.0%} of what is needed through"
    return Drawn(f"healthy: {words}" if share > 1 else words, (how,), expected)


def _loss(draw: Random, site: Gateway) -> Drawn:
    every = draw.choice((2, 3, 4, 200))
    how = dropped(site.name, f"numgen random mod {every} 0")
    if every == 200:
        return Drawn("healthy: its uplink loses one packet in 200", (how,), UP)
    expected = _at_site(site, ("degraded", "down"), "starved", "tunnel down", layers=("site", "tunnel"))
    return Drawn(f"its uplink loses one packet in {every}", (how,), expected)


def _mtu(draw: Random, site: Gateway) -> Drawn:
    least = draw.choice((600, 800, 1000))
    how = dropped(site.name, f"meta length {least}-65535")
    expected = _at_site(site, ("down",), "packets too large", layers=("tunnel", "site"))
    return Drawn(f"its uplink loses packets from {least} bytes on", (how,), expected)


def _lan(_draw: Random, site: Gateway) -> Drawn:
    how = Command(site.name, f"ip link set {site.bridge} down", f"ip link set {site.bridge} up")
    # Behind one device the LAN and the device cannot be told apart.
    causes = ("site network down", "camera unplugged") if len(site.devices) == 1 else ("site network down",)
    return Drawn("its LAN is down", (how,), _at_site(site, ("down",), *causes, layers=("site", "recorder")))


def _forwards(_draw: Random, site: Gateway) -> Drawn:
    how = Command(site.name, "sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1")
    return Drawn("forwards nothing", (how,), _at_site(site, ("down",), "gateway forwards nothing", layers=("site",)))


def _all_off(draw: Random, site: Gateway) -> Drawn:
    if draw.random() < 0.5:
        firsts = (f"{site.facility}/{device.cameras[0].id}" for device in site.devices)
        how = tuple(camera_unit(camera, "stop", "start") for camera in firsts)
        expected = _at_site(site, ("down",), "camera refuses", "cameras off", layers=("site", "recorder"))
        return Drawn("all its devices are off", how, expected)
    pulled = tuple(Unplugged(f"{site.facility}/{device.cameras[0].id}") for device in site.devices)
    expected = _at_site(site, ("down",), "site network down", "camera unplugged", layers=("site", "recorder"))
    return Drawn("all its devices are unplugged", pulled, expected)


SITE_KINDS: Final = (_tunnel, _uplink, _narrow, _loss, _mtu, _lan, _forwards, _all_off)


# --- a relay --------------------------------------------------------------------------------------
def _at_relay(relay: str, verdicts: tuple[str, ...], *causes: str, layers: tuple[str, ...]) -> Expected:
    return Expected(verdicts, causes, layers, relay)


_RELAY_UNIT: Final = "provisioner-mediamtx"


def _stopped(draw: Random, relay: str) -> Drawn:
    words, broken, mended = draw.choice(
        (
            ("MediaMTX is stopped", f"systemctl stop {_RELAY_UNIT}", f"systemctl start {_RELAY_UNIT}"),
            ("MediaMTX hangs", f"systemctl kill -s STOP {_RELAY_UNIT}", f"systemctl restart {_RELAY_UNIT}"),
        )
    )
    expected = _at_relay(relay, ("down",), "relay stopped", layers=("relay",))
    return Drawn(words, (Command(relay, broken, mended),), expected)


def _killed(draw: Random, relay: str) -> Drawn:
    every = draw.choice((6, 12, 20))
    verdicts = ("down", "degraded", "finding", "unknown")
    expected = _at_relay(relay, verdicts, "relay restarts", "relay stopped", layers=("relay", "host"))
    return Drawn(f"MediaMTX is killed every {every} s", (killed(relay, every),), expected, settle_s=45)


def _files(draw: Random, relay: str) -> Drawn:
    most = draw.choice((12, 13, 14))
    verdicts = ("down", "degraded", "finding", "unknown")
    expected = _at_relay(relay, verdicts, "relay lacks resources", layers=("relay", "host"))
    return Drawn(f"MediaMTX may open {most} files", (few_files(relay, most),), expected, settle_s=_COMES_AGAIN_S)


def _user(draw: Random, relay: str) -> Drawn:
    right = draw.choice(("read", "publish", "api"))
    user = f'{{"user": "drawn", "pass": "drawn-1", "ips": [], "permissions": [{{"action": "{right}"}}]}}'
    edit = f"s|^authInternalUsers: \\[|&{user}, |"
    expected = _at_relay(relay, ("finding",), "foreign access", layers=("relay", "host"))
    words = f"its file has one more user, who may {right}"
    return Drawn(words, (edited(relay, edit),), expected, settle_s=5)


def _path(_draw: Random, relay: str) -> Drawn:
    expected = _at_relay(relay, ("finding",), "foreign access", layers=("relay", "host"))
    return Drawn("its Control API has one more path", (path_added(relay),), expected, settle_s=5)


def _crossed(draw: Random, site: Gateway) -> Drawn:
    """The gateway's map leads from one camera's port to another camera."""
    first, second = draw.sample(site.devices, 2)
    program = (
        "import json, sys; "
        f"one, other = '{first.address.ip}', '{second.address.ip}'; "
        "rows = [e for o in json.load(sys.stdin)['nftables'] for e in o.get('map', {}).get('elem', ())]; "
        "name = lambda value: value['concat'][0] if isinstance(value, dict) else value; "
        "port, to = [next(row for row in rows if name(row[1]) == at) for at in (one, other)]; "
        "form = lambda value: ' . '.join(map(str, value['concat'])) if isinstance(value, dict) else str(value); "
        "print(f'delete element inet provisioner_site port_maps {{ {form(port[0])} }}'); "
        "print(f'add element inet provisioner_site port_maps {{ {form(port[0])} : {form(to[1])} }}')"
    )
    listed = "nft -j list map inet provisioner_site port_maps"
    broken = f'{listed} | python3 -c "{program}" | nft -f -; conntrack -F >/dev/null 2>&1 || true'
    how = (Command(site.name, broken, SITE_AGAIN), Command(site.relay, CUT_PULLS))
    camera = f"{site.facility}/{first.cameras[0].id}"
    expected = Expected(("down", "degraded", "quarantined"), ("port map wrong",), ("site",), site.facility)
    return Drawn(f"its map leads from {camera} to {second.id}", how, expected)


def _source(draw: Random, at: Place) -> Drawn:
    """Somebody edited the relay's file: the path's source is a port that no camera has."""
    kind, port = draw.choice(tuple(StreamKind)), draw.randrange(20000, 30000)
    name = at.path(kind).replace("/", "\\/")
    how = edited(at.gateway.relay, f'/"{name}"/s/\\(@[0-9.]*\\):[0-9]*/\\1:{port}/')
    expected = Expected(("down", "degraded"), ("drift",), ("host", "relay"), at.gateway.relay)
    return Drawn(f"its {kind} stream's source was edited at the relay", (how,), expected, kind, _COMES_AGAIN_S)


RELAY_KINDS: Final = (_stopped, _killed, _files, _user, _path)


# --- the draw -------------------------------------------------------------------------------------
def drawn(seed: int, count: int) -> tuple[Fault, ...]:
    """Draw faults; the same for the same seed, and the first of more are those of fewer."""
    draw = Random(f"faults {seed}")  # noqa: S311 - no secret
    return tuple(_one(draw, f"{seed}/{number:03}") for number in range(1, count + 1))


def _one(draw: Random, number: str) -> Fault:
    kinds: dict[str, Callable[[Random, str], Fault]] = {
        "camera": _camera_fault,
        "recorder": _recorder_fault,
        "site": _site_fault,
        "relay": _relay_fault,
        "masked": _masked,
    }
    weights = (10, 2, 4, 4, 2)
    [kind] = draw.choices(tuple(kinds), weights)
    return kinds[kind](draw, number)


_ALONE: Final = tuple(found for found in PLACES if not found.device.is_recorder)
_RECORDER: Final = next(found for found in PLACES if found.device.is_recorder)


def _fault(number: str, where: str, paths: tuple[str, ...], found: Drawn, claim: tuple[str, ...]) -> Fault:
    name = f"{number} {where.partition(' ')[2]} {found.words}"
    return Fault(name, where, paths, found.how, found.expected, claim, real_only=True, settle_s=found.settle_s)


def _camera_fault(draw: Random, number: str) -> Fault:
    at = draw.choice(_ALONE)
    found = draw.choice((*CAMERA_KINDS, _source))(draw, at)
    claim: tuple[str, ...] = (at.gateway.relay, at.gateway.facility, at.device.id)
    if any(isinstance(step, Command) and step.host == at.gateway.relay for step in found.how):
        claim = (at.gateway.relay,)
    return _fault(number, f"camera {at.id}", (f"*/{at.id}/{found.kind or '*'}",), found, claim)


def _recorder_fault(draw: Random, number: str) -> Fault:
    found = _of_recorder(_RECORDER, draw.choice(RECORDER_KINDS)(draw, _RECORDER))
    site = _RECORDER.gateway
    where = f"recorder {site.facility}/{_RECORDER.device.id}"
    return _fault(number, where, (f"*/{site.facility}/*",), found, (site.relay, site.facility, _RECORDER.device.id))


def _site_fault(draw: Random, number: str) -> Fault:
    site = draw.choice(GATEWAYS)
    kinds = SITE_KINDS if len(site.devices) == 1 else (*SITE_KINDS, _crossed)
    kind = draw.choice(kinds)
    found = kind(draw, site)
    if kind is not _crossed:
        return _fault(number, f"site {site.facility}", (f"*/{site.facility}/*",), found, (site.relay, site.facility))
    camera = found.words.partition("from ")[2].partition(" to")[0]
    return _fault(number, f"site {site.facility}", (f"*/{camera}/*",), found, (site.relay,))


def _relay_fault(draw: Random, number: str) -> Fault:
    relay = draw.choice(RELAYS).name
    found = draw.choice(RELAY_KINDS)(draw, relay)
    paths = tuple(f"*/{site.facility}/*" for site in GATEWAYS if site.relay == relay)
    return _fault(number, f"relay {relay}", paths, found, (relay,))


def _masked(draw: Random, number: str) -> Fault:
    """Two at a time: what is above a camera is broken, and the camera is; what is above explains both."""
    site = draw.choice(GATEWAYS)
    at = draw.choice([found for found in PLACES if found.gateway is site])
    below = draw.choice((_off, _unplugged, _silent))(draw, at)
    claim: tuple[str, ...] = (site.relay,)
    sites = [other.facility for other in GATEWAYS if other.relay == site.relay]
    above, where = _stopped(draw, site.relay), f"relay {site.relay}"
    if draw.random() < 0.5:
        above, where = draw.choice((_tunnel, _uplink))(draw, site), f"site {site.facility}"
        claim, sites = (site.relay, site.facility), [site.facility]
    both = replace(above, words=f"{above.words}, and {at.id} {below.words}", how=(*below.how, *above.how))
    return _fault(number, where, tuple(f"*/{name}/*" for name in sites), both, claim)
