"""The faults that are seeded, as data. Which may be seeded at the same time: `batches`."""

from typing import Final

from tests.lab.cameras import Picture
from tests.lab.topology import CENTRE, GATEWAYS, RELAYS, Network, StreamKind, place

from .fault import Expected, Fault
from .steps import (
    CUT_PULLS,
    KEYS,
    SITE_AGAIN,
    Answers,
    Command,
    Cut,
    During,
    Password,
    Readers,
    RedirectsTo,
    Shows,
    Step,
    Unplugged,
    camera_unit,
    dropped,
    edited,
    few_files,
    kept,
    killed,
    path_added,
    unit,
    within,
)

_VIETTEL, _VNPT = (relay.name for relay in RELAYS)
_BG1, _BG2, _HD, _QN = (gateway.facility for gateway in GATEWAYS)
_GATEWAY: Final = {gateway.facility: gateway for gateway in GATEWAYS}
_UP: Final = Expected(("up",), incidents=0)
_AT_CAMERA: Final = ("camera", "stream", "picture")
_WAN: Final = "eth0"
_RELAY_WAN: Final = "eth1"


# --- cameras --------------------------------------------------------------------------------------
def _camera(
    name: str, camera: str, *how: Step, expected: Expected, kind: str = "*", real: bool = False, settle_s: float = 18
) -> Fault:
    found = place(camera)
    claim = (found.gateway.relay, found.gateway.facility, found.device.id)
    paths = (f"*/{camera}/{kind}",)
    return Fault(name, f"camera {camera}", paths, how, expected, claim, real, settle_s)


def _down(camera: str, *causes: str, layers: tuple[str, ...] = ("camera",)) -> Expected:
    return Expected(("down",), causes, layers, camera)


def _shows(name: str, camera: str, picture: Picture, *verdicts: str, causes: tuple[str, ...]) -> Fault:
    expected = Expected(verdicts, causes, ("picture", "camera", "stream"), camera)
    return _camera(name, camera, Shows(camera, picture), expected=expected)


def _during(camera: str, before: str, then: str) -> During:
    return During(place(camera).gateway.name, unit(camera, before), 2.5, unit(camera, then), unit(camera, "start"))


def _soft(name: str, camera: str, picture: Picture, word: str) -> Fault:
    """A corridor that a person accepted, and what measures alone do not prove: a suspicion, once it has lasted."""
    found = place(camera)
    return Fault(
        name=f"soft: {name}",
        where=f"camera {camera}",
        paths=(f"*/{camera}/*",),
        how=(Shows(camera, picture),),
        expected=Expected(("suspect",), (word,), ("picture",), camera, 0),
        claim=(found.gateway.relay, found.gateway.facility, found.device.id),
        accepted=(Shows(camera, Picture.CORRIDOR),),
    )


def _healthy(name: str, camera: str, picture: Picture) -> Fault:
    return _camera(f"healthy: {name}", camera, Shows(camera, picture), expected=_UP)


# Its relay gives up on a stream after ten seconds and knocks again after five: until it has done so a few times, a
# stream that stalls looks like one that is slow.
_STALLED_AGAIN_S: Final = 60.0
_SILENT = ("silent",)
_HANGS = ("camera hung",)
_SHUT = ("camera firewall",)
_WRONG_ANSWER = ("wrong answer",)
CAMERAS: Final = (
    _camera(
        "camera off",
        f"{_BG1}/cam-01",
        camera_unit(f"{_BG1}/cam-01", "stop", "start"),
        expected=_down(f"{_BG1}/cam-01", "camera refuses"),
    ),
    _camera(
        "camera unplugged",
        f"{_BG1}/cam-02",
        Unplugged(f"{_BG1}/cam-02"),
        expected=_down(f"{_BG1}/cam-02", "camera unplugged"),
        settle_s=25,
    ),
    _camera(
        "wrong password",
        f"{_BG1}/cam-03",
        Password(f"{_BG1}/cam-03"),
        expected=Expected(("down", "quarantined"), ("wrong password",), ("camera",), f"{_BG1}/cam-03"),
    ),
    _camera(
        "no such stream: 404",
        f"{_BG1}/cam-04",
        Answers(f"{_BG1}/cam-04", "status", "404 Not Found"),
        expected=_down(f"{_BG1}/cam-04", "no such stream", layers=_AT_CAMERA),
    ),
    _camera(
        "hangs: takes connections, answers nothing",
        f"{_HD}/cam-01",
        Answers(f"{_HD}/cam-01", "hang"),
        expected=_down(f"{_HD}/cam-01", *_HANGS),
        settle_s=25,
    ),
    _camera(
        "hangs so long that it takes no connection any more",
        f"{_HD}/cam-02",
        # A real one's queue of connections fills up in minutes; here it holds none.
        camera_unit(f"{_HD}/cam-02", "kill -s STOP", "restart"),
        within(
            f"{_HD}/cam-02",
            "nft add table ip hung; "
            'nft "add chain ip hung in { type filter hook input priority 0; }"; '
            "nft add rule ip hung in tcp dport 554 tcp flags syn drop",
            "nft delete table ip hung",
        ),
        expected=_down(f"{_HD}/cam-02", *_HANGS, *_SHUT),
        settle_s=25,
    ),
    _camera(
        "its own firewall drops connections",
        f"{_HD}/cam-03",
        within(
            f"{_HD}/cam-03",
            "nft add table ip own; "
            'nft "add chain ip own in { type filter hook input priority 0; }"; '
            "nft add rule ip own in tcp dport 554 drop",
            "nft delete table ip own",
        ),
        expected=_down(f"{_HD}/cam-03", *_SHUT, *_HANGS),
        settle_s=25,
    ),
    _camera(
        "hangs up on every connection",
        f"{_BG1}/cam-01",
        Answers(f"{_BG1}/cam-01", "close"),
        expected=_down(f"{_BG1}/cam-01", *_WRONG_ANSWER, "camera hung"),
    ),
    _camera(
        "answers 503",
        f"{_BG1}/cam-02",
        Answers(f"{_BG1}/cam-02", "status", "503 Service Unavailable"),
        expected=_down(f"{_BG1}/cam-02", *_WRONG_ANSWER, layers=_AT_CAMERA),
    ),
    _camera(
        "answers HTTP",
        f"{_BG1}/cam-03",
        Answers(f"{_BG1}/cam-03", "http"),
        expected=_down(f"{_BG1}/cam-03", *_WRONG_ANSWER, layers=_AT_CAMERA),
    ),
    _camera(
        "answers random bytes",
        f"{_HD}/cam-01",
        Answers(f"{_HD}/cam-01", "garbage"),
        expected=_down(f"{_HD}/cam-01", *_WRONG_ANSWER, layers=_AT_CAMERA),
    ),
    _camera(
        "has no room for another reader: 453",
        f"{_HD}/cam-02",
        Answers(f"{_HD}/cam-02", "status", "453 Not Enough Bandwidth"),
        expected=_down(f"{_HD}/cam-02", *_WRONG_ANSWER, "camera refuses", layers=_AT_CAMERA),
    ),
    _camera(
        "answers 403",
        f"{_BG1}/cam-02",
        Answers(f"{_BG1}/cam-02", "status", "403 Forbidden"),
        expected=_down(f"{_BG1}/cam-02", *_WRONG_ANSWER, layers=_AT_CAMERA),
    ),
    _camera(
        "calls each challenge stale",
        f"{_HD}/cam-01",
        Answers(f"{_HD}/cam-01", "stale"),
        expected=Expected(("down", "quarantined"), _WRONG_ANSWER, ("camera",), f"{_HD}/cam-01"),
    ),
    _camera(
        "redirects to another site's camera",
        f"{_HD}/cam-03",
        RedirectsTo(f"{_HD}/cam-03", f"{_BG2}/cam-01/sub"),
        # The other camera refuses the login, which is not its own: the relay asks it no more.
        expected=Expected(("down", "quarantined"), ("camera redirects",), ("camera",), f"{_HD}/cam-03"),
    ),
    _camera(
        "redirects to an address of its LAN",
        f"{_BG1}/cam-04",
        Answers(f"{_BG1}/cam-04", "redirect", "rtsp://192.168.1.13:554/media/video2"),
        expected=_down(f"{_BG1}/cam-04", "camera redirects"),
    ),
    _camera(
        "redirects to itself",
        f"{_HD}/cam-02",
        RedirectsTo(f"{_HD}/cam-02", f"{_HD}/cam-02/sub"),
        expected=_down(f"{_HD}/cam-02", "camera redirects"),
    ),
    _camera(
        "redirects to the relay's Control API",
        f"{_QN}/cam-01",
        Answers(f"{_QN}/cam-01", "redirect", "rtsp://127.0.0.1:9997/x"),
        expected=_down(f"{_QN}/cam-01", "camera redirects"),
    ),
    _camera(
        "keep-alive without video",
        f"{_BG1}/cam-01",
        Shows(f"{_BG1}/cam-01", Picture.SILENT),
        expected=_down(f"{_BG1}/cam-01", *_SILENT, layers=_AT_CAMERA),
    ),
    _camera(
        "its sub stream alone is silent",
        f"{_BG1}/cam-03",
        Shows(f"{_BG1}/cam-03", Picture.SILENT, StreamKind.SUB),
        expected=_down(f"{_BG1}/cam-03", *_SILENT, layers=_AT_CAMERA),
        kind="sub",
    ),
    _camera(
        "freezes seconds after each connection",
        f"{_HD}/cam-02",
        Shows(f"{_HD}/cam-02", Picture.STALLS),
        expected=_down(f"{_HD}/cam-02", *_SILENT, "stream ends", layers=_AT_CAMERA),
        settle_s=_STALLED_AGAIN_S,
    ),
    _camera(
        "ends the stream seconds after each start",
        f"{_HD}/cam-03",
        Shows(f"{_HD}/cam-03", Picture.ENDS),
        expected=_down(f"{_HD}/cam-03", "stream ends"),
        settle_s=_STALLED_AGAIN_S,
    ),
    _camera(
        "a key frame a minute",
        f"{_BG1}/cam-03",
        Shows(f"{_BG1}/cam-03", Picture.KEY_60),
        expected=Expected(("degraded",), ("key frames rare",), _AT_CAMERA, f"{_BG1}/cam-03"),
    ),
    _camera(
        "sends sound alone",
        f"{_HD}/cam-01",
        Shows(f"{_HD}/cam-01", Picture.AUDIO_ONLY),
        expected=_down(f"{_HD}/cam-01", *_WRONG_ANSWER, layers=_AT_CAMERA),
    ),
    _camera(
        "sends sound that nobody asked for",
        f"{_BG1}/cam-02",
        Shows(f"{_BG1}/cam-02", Picture.SOUND),
        expected=Expected(("degraded",), ("sends sound",), _AT_CAMERA, f"{_BG1}/cam-02"),
    ),
    _shows("H.265 instead of H.264", f"{_BG1}/cam-04", Picture.HEVC, "degraded", causes=("picture differs",)),
    _shows("another size", f"{_BG1}/cam-01", Picture.SMALL, "degraded", causes=("picture differs",)),
    _shows("frozen: one picture again and again", f"{_HD}/cam-03", Picture.FROZEN, "down", causes=("picture repeats",)),
    _shows("a loop of three seconds", f"{_QN}/cam-01", Picture.LOOP, "down", causes=("picture repeats",)),
    _shows("black", f"{_BG1}/cam-03", Picture.BLACK, "down", causes=("black picture",)),
    _shows("one flat grey", f"{_HD}/cam-01", Picture.GREY, "down", causes=("flat picture",)),
    _shows("a card: white words on black", f"{_BG1}/cam-02", Picture.NO_SIGNAL, "down", causes=("no video card",)),
    _shows("a card: blue with a bar", f"{_QN}/cam-02", Picture.VIDEO_LOSS, "down", causes=("no video card",)),
    _shows(
        "slices of random bytes",
        f"{_BG1}/cam-04",
        Picture.RANDOM_SLICES,
        "degraded",
        "down",
        causes=("corrupt picture",),
    ),
    _shows(
        "one packet in four is missing",
        f"{_HD}/cam-02",
        Picture.PACKETS_MISSING,
        "degraded",
        causes=("corrupt picture",),
    ),
    _shows("half the frame rate", f"{_BG1}/cam-01", Picture.HALF_RATE, "degraded", causes=("rate too low",)),
    _shows(
        "timestamps that do not move",
        f"{_HD}/cam-03",
        Picture.STUCK_TIME,
        "degraded",
        "down",
        causes=("timestamps stuck",),
    ),
    _camera(
        "both of its streams are broken, each in its way",
        f"{_BG1}/cam-02",
        Shows(f"{_BG1}/cam-02", Picture.SILENT, StreamKind.SUB),
        Shows(f"{_BG1}/cam-02", Picture.STALLS, StreamKind.MAIN),
        expected=_down(f"{_BG1}/cam-02", *_SILENT, "stream ends", layers=_AT_CAMERA),
        settle_s=_STALLED_AGAIN_S,
    ),
    _camera(
        "comes back while it is looked at",
        f"{_QN}/cam-02",
        _during(f"{_QN}/cam-02", "stop", "start"),
        expected=Expected(("up", "down"), ("", "camera refuses"), ("camera",), f"{_QN}/cam-02", 1),
    ),
    _camera(
        "goes off while it is looked at",
        f"{_BG1}/cam-04",
        _during(f"{_BG1}/cam-04", "start", "stop"),
        expected=Expected(("down", "up"), ("camera refuses", ""), ("camera",), f"{_BG1}/cam-04", 1),
    ),
)

# --- recorders ------------------------------------------------------------------------------------
_NVR = f"{_BG2}/cam-01"


def _recorder(name: str, *how: Step, expected: Expected, channels: str = "*", settle_s: float = 18) -> Fault:
    claim = (_VIETTEL, _BG2, "nvr-01")
    return Fault(name, f"recorder {_BG2}/nvr-01", (f"*/{_BG2}/{channels}",), how, expected, claim, settle_s=settle_s)


_OF_RECORDER = ("recorder",)
RECORDERS: Final = (
    _recorder(
        "recorder off",
        camera_unit(_NVR, "stop", "start"),
        expected=Expected(("down",), ("camera refuses",), _OF_RECORDER, f"{_BG2}/nvr-01"),
    ),
    _recorder(
        "recorder unplugged",
        Unplugged(_NVR),
        expected=Expected(("down",), ("camera unplugged",), _OF_RECORDER, f"{_BG2}/nvr-01"),
        settle_s=25,
    ),
    _recorder(
        "recorder has another password",
        Password(_NVR),
        expected=Expected(("down", "quarantined"), ("wrong password",), _OF_RECORDER, f"{_BG2}/nvr-01"),
    ),
    _recorder(
        "recorder hangs",
        Answers(_NVR, "hang"),
        expected=Expected(("down",), _HANGS, _OF_RECORDER, f"{_BG2}/nvr-01"),
        settle_s=25,
    ),
    _recorder(
        "all channels silent",
        *(Shows(f"{_BG2}/cam-0{n}", Picture.SILENT) for n in (1, 2, 3)),
        expected=Expected(("down",), _SILENT, _OF_RECORDER, f"{_BG2}/nvr-01"),
    ),
    _recorder(
        "one channel silent",
        Shows(f"{_BG2}/cam-02", Picture.SILENT),
        expected=_down(f"{_BG2}/cam-02", *_SILENT, layers=_AT_CAMERA),
        channels="cam-02/*",
    ),
    _recorder(
        "one channel lost its video: a card",
        Shows(f"{_BG2}/cam-03", Picture.VIDEO_LOSS),
        expected=_down(f"{_BG2}/cam-03", "no video card", layers=_AT_CAMERA),
        channels="cam-03/*",
    ),
    _recorder(
        "all channels lost their video: cards",
        *(Shows(f"{_BG2}/cam-0{n}", Picture.VIDEO_LOSS) for n in (1, 2, 3)),
        expected=Expected(("down",), ("no video card",), ("recorder", *_AT_CAMERA), _BG2, 1),
    ),
)


# --- sites ----------------------------------------------------------------------------------------
def _site(name: str, site: str, *how: Step, expected: Expected, paths: str = "*", settle_s: float = 20) -> Fault:
    claim = (_GATEWAY[site].relay, site)
    return Fault(name, f"site {site}", (f"*/{site}/{paths}",), how, expected, claim, settle_s=settle_s)


def _gateway(site: str, broken: str, mended: str) -> Command:
    return Command(_GATEWAY[site].name, broken, mended)


def _cut_off(site: str, *causes: str, layers: tuple[str, ...] = ("site",)) -> Expected:
    return Expected(("down",), causes, layers, site)


_FORGET = "conntrack -F >/dev/null 2>&1 || true"
SITES: Final = (
    _site(
        "tunnel down",
        _BG2,
        _gateway(_BG2, "systemctl stop provisioner-site", "systemctl start provisioner-site"),
        expected=_cut_off(_BG2, "tunnel down", layers=("tunnel",)),
    ),
    _site(
        "uplink cut",
        _HD,
        Cut(_GATEWAY[_HD].name, Network.WAN),
        expected=_cut_off(_HD, "tunnel down", layers=("tunnel",)),
    ),
    _site(
        "gateway has another pre-shared key",
        _QN,
        _gateway(
            _QN,
            "cp -a /etc/provisioner-site /root/kept; f=$(ls /etc/provisioner-site/peers/*.psk); wg genpsk > $f; "
            f"{SITE_AGAIN}",
            f"rm -rf /etc/provisioner-site; mv /root/kept /etc/provisioner-site; {SITE_AGAIN}",
        ),
        expected=_cut_off(_QN, "tunnel down", layers=("tunnel",)),
    ),
    _site(
        "one port map missing",
        _HD,
        _gateway(_HD, f"nft delete element inet provisioner_site port_maps {{ 10554 }}; {_FORGET}", SITE_AGAIN),
        Command(_VIETTEL, "ss -K dst 10.91.0.4 dport = 10554 >/dev/null || true"),
        expected=_cut_off(f"{_HD}/cam-01", "port map missing", layers=("site", "camera")),
        paths="cam-01/*",
        settle_s=25,
    ),
    _site(
        "all port maps missing",
        _QN,
        _gateway(_QN, f"nft flush map inet provisioner_site port_maps; {_FORGET}", SITE_AGAIN),
        Command(_VNPT, "ss -K dst 10.92.0.2 >/dev/null || true"),
        expected=_cut_off(_QN, "port map missing"),
        settle_s=25,
    ),
    _site(
        "gateway's LAN down",
        _BG1,
        _gateway(_BG1, "ip link set lan0 down", "ip link set lan0 up"),
        expected=_cut_off(_BG1, "site network down"),
        settle_s=25,
    ),
    _site(
        "gateway forwards nothing",
        _HD,
        _gateway(_HD, "sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1"),
        expected=_cut_off(_HD, "gateway forwards nothing"),
        settle_s=25,
    ),
    _site(
        "gateway does not masquerade",
        _QN,
        _gateway(_QN, f"nft flush chain inet provisioner_site postrouting; {_FORGET}", SITE_AGAIN),
        Command(_VNPT, "ss -K dst 10.92.0.2 >/dev/null || true"),
        expected=_cut_off(_QN, "gateway forwards nothing"),
        settle_s=25,
    ),
    _site(
        "all cameras off",
        _BG1,
        *(camera_unit(f"{_BG1}/cam-0{n}", "stop", "start") for n in (1, 2, 3, 4)),
        expected=_cut_off(_BG1, "camera refuses", "cameras off", layers=("site",)),
    ),
    _site(
        "all cameras unplugged",
        _HD,
        *(Unplugged(f"{_HD}/cam-0{n}") for n in (1, 2, 3)),
        expected=_cut_off(_HD, "site network down", "camera unplugged", layers=("site",)),
        settle_s=25,
    ),
    _site(
        "uplink lets 40 % through",
        _BG1,
        _gateway(
            _BG1,
            f"tc qdisc add dev {_WAN} root tbf rate 800kbit burst 8kb latency 300ms",
            f"tc qdisc del dev {_WAN} root",
        ),
        expected=Expected(("degraded", "down"), ("starved",), ("site", "tunnel"), _BG1),
        settle_s=25,
    ),
    _site(
        "uplink loses every third packet",
        _HD,
        dropped(_GATEWAY[_HD].name, "numgen random mod 3 0"),
        expected=Expected(("degraded", "down"), ("starved", "tunnel down"), ("site", "tunnel"), _HD),
        settle_s=25,
    ),
    _site(
        "uplink loses large packets: MTU",
        _QN,
        dropped(_GATEWAY[_QN].name, "meta length 900-65535"),
        expected=_cut_off(_QN, "packets too large", layers=("tunnel", "site")),
        settle_s=25,
    ),
    Fault(
        name="two cameras have each other's picture",
        where=f"site {_HD}",
        paths=(f"*/{_HD}/cam-0[12]/*",),
        how=(Shows(f"{_HD}/cam-01", Picture.MOVED), Shows(f"{_HD}/cam-02", Picture.CORRIDOR)),
        expected=Expected(("suspect",), ("swapped",), ("picture",), _HD, 0),
        claim=(_GATEWAY[_HD].relay, _HD),
        accepted=(Shows(f"{_HD}/cam-01", Picture.CORRIDOR), Shows(f"{_HD}/cam-02", Picture.MOVED)),
    ),
)


# --- relays ---------------------------------------------------------------------------------------
def _relay(
    name: str, relay: str, *how: Step, expected: Expected, paths: str = "*", settle_s: float = 15, real: bool = False
) -> Fault:
    sites = [gateway.facility for gateway in GATEWAYS if gateway.relay == relay]
    touched = tuple(f"*/{site}/{paths}" for site in sites) if paths == "*" else (paths,)
    return Fault(name, f"relay {relay}", touched, how, expected, (relay,), real, settle_s)


def _of(relay: str, verdict: str, *causes: str, layers: tuple[str, ...]) -> Expected:
    return Expected((verdict,), causes, layers, relay)


def _foreign(host: str, hook: str, rule: str, then: str = "") -> Command:
    """Somebody else's table of rules."""
    table = (
        f"nft add table inet foreign; nft 'add chain inet foreign c {{ type filter hook {hook} priority -5; }}'; "
        f"nft 'add rule inet foreign c {rule}'{then}"
    )
    return Command(host, table, "nft delete table inet foreign")


_MORE_ADDRESSES: Final = (
    "wg set wg-prov peer $(wg show wg-prov allowed-ips | grep 10.91.0.4 | cut -f1) "
    "allowed-ips 10.91.0.4/32,10.91.0.99/32"
)
_STATE: Final = "/var/lib/provisioner"
_FULL: Final = (
    f"mkdir -p /root/full; cp -a {_STATE} /root/full/; mount -t tmpfs -o size=2m tmpfs {_STATE}; "
    f"cp -a /root/full/provisioner/. {_STATE}/ 2>/dev/null || true; cat /dev/zero > {_STATE}/zeros 2>/dev/null || true"
)
# All hosts of a lab have one kernel and its clock: only what asks Python for the time is told another one. What runs on
# hosts takes no module of a site, so that it is one of Python's own that tells it.
_OWN_MODULE: Final = "$(/usr/bin/python3 -ISc 'import json; print(json.__file__)')"
_MINUTE_LATE: Final = (
    f"cp -a {_OWN_MODULE} /root/module.kept; "
    "printf 'import time\\n_t, _n = time.time, time.time_ns\\ntime.time = lambda: _t() - 60\\n"
    f"time.time_ns = lambda: _n() - 60 * 10**9\\n' >> {_OWN_MODULE}"
)
_NFT_AGAIN = "systemctl restart provisioner-nft"
_WG_AGAIN = "systemctl restart provisioner-wg; systemctl start provisioner-mediamtx"
_CANNOT = ("cannot check",)
RELAY_FAULTS: Final = (
    _relay(
        "firewall emptied of cameras",
        _VNPT,
        Command(_VNPT, f"nft flush set inet provisioner cameras; {CUT_PULLS}", _NFT_AGAIN),
        expected=_of(_VNPT, "down", "firewall", layers=("firewall",)),
    ),
    _relay(
        "firewall emptied of centres",
        _VIETTEL,
        Command(_VIETTEL, "nft flush set inet provisioner centres; ss -K sport = 8554 >/dev/null || true", _NFT_AGAIN),
        expected=_of(_VIETTEL, "down", "firewall", layers=("firewall",)),
    ),
    _relay(
        "relay stopped",
        _VNPT,
        Command(_VNPT, "systemctl stop provisioner-mediamtx", "systemctl start provisioner-mediamtx"),
        expected=_of(_VNPT, "down", "relay stopped", layers=("relay",)),
    ),
    _relay(
        "relay hangs",
        _VIETTEL,
        Command(_VIETTEL, "systemctl kill -s STOP provisioner-mediamtx", "systemctl restart provisioner-mediamtx"),
        expected=_of(_VIETTEL, "down", "relay stopped", layers=("relay",)),
    ),
    _relay(
        "foreign table drops what goes to cameras",
        _VNPT,
        _foreign(_VNPT, "output", "ip daddr 10.92.0.2 drop", f"; {CUT_PULLS}"),
        expected=_of(_VNPT, "down", "foreign firewall", layers=("firewall",)),
        settle_s=25,
    ),
    _relay(
        "foreign table drops what comes from sites",
        _VIETTEL,
        _foreign(_VIETTEL, "input", 'iifname "wg-prov" ip saddr 10.91.0.0/16 drop'),
        expected=_of(_VIETTEL, "down", "foreign firewall", layers=("firewall",)),
        settle_s=25,
    ),
    _relay(
        "foreign table drops the tunnel's packets",
        _VNPT,
        _foreign(_VNPT, "input", "udp dport 51820 drop"),
        expected=_of(_VNPT, "down", "foreign firewall", layers=("firewall",)),
        settle_s=25,
    ),
    _relay(
        "password of the Control API changed",
        _VIETTEL,
        kept(_VIETTEL, f"{KEYS}/api.password", f"echo another-password-than-before-1 > {KEYS}/api.password"),
        expected=_of(_VIETTEL, "unknown", *_CANNOT, layers=("host", "relay")),
    ),
    _relay(
        "password of the probe changed",
        _VNPT,
        kept(_VNPT, f"{KEYS}/probe.password", f"echo another-password-than-before-1 > {KEYS}/probe.password"),
        expected=_of(_VNPT, "unknown", *_CANNOT, layers=("host", "relay")),
    ),
    _relay(
        "password of the probe lost",
        _VIETTEL,
        Command(_VIETTEL, f"mv {KEYS}/probe.password /root/kept", f"mv /root/kept {KEYS}/probe.password"),
        expected=_of(_VIETTEL, "unknown", *_CANNOT, layers=("host", "relay")),
    ),
    _relay(
        "ffmpeg is missing on the relay",
        _VNPT,
        Command(_VNPT, "mv /usr/bin/ffmpeg /root/kept-ffmpeg", "mv /root/kept-ffmpeg /usr/bin/ffmpeg"),
        expected=_of(_VNPT, "unknown", *_CANNOT, layers=("host", "relay")),
        settle_s=2,
    ),
    _relay(
        "tunnel interface down",
        _VIETTEL,
        Command(_VIETTEL, "ip link set wg-prov down", _WG_AGAIN),
        expected=_of(_VIETTEL, "down", "tunnel down", layers=("tunnel",)),
    ),
    _relay(
        "no route into the tunnel",
        _VNPT,
        Command(_VNPT, "ip route del 10.92.0.0/16", _WG_AGAIN),
        expected=_of(_VNPT, "down", "tunnel down", layers=("tunnel",)),
    ),
    _relay(
        "its uplink cut",
        _VIETTEL,
        Cut(_VIETTEL, Network.WAN),
        expected=_of(_VIETTEL, "down", "tunnel down", layers=("tunnel", "relay")),
        settle_s=25,
    ),
    _relay(
        "cannot be reached for management",
        _VNPT,
        Cut(_VNPT, Network.MGMT),
        expected=_of(_VNPT, "unknown", "host unreachable", layers=("host",)),
        settle_s=2,
    ),
    _relay(
        "eight viewers on a starved relay",
        _VIETTEL,
        Readers(
            _VIETTEL,
            tuple(
                found
                for found in (
                    "bac-giang/kcl-bg-001/cam-01/main",
                    "bac-giang/kcl-bg-001/cam-02/main",
                    "bac-giang/kcl-bg-001/cam-03/main",
                    "bac-giang/kcl-bg-001/cam-04/main",
                    "bac-giang/kcl-bg-002/cam-01/main",
                    "bac-giang/kcl-bg-002/cam-02/main",
                    "hai-duong/kcl-hd-001/cam-01/main",
                    "hai-duong/kcl-hd-001/cam-02/main",
                )
            ),
        ),
        Command(
            _VIETTEL,
            f"tc qdisc add dev {_RELAY_WAN} root tbf rate 1200kbit burst 16kb latency 200ms",
            f"tc qdisc del dev {_RELAY_WAN} root",
        ),
        expected=Expected(("degraded", "down"), ("starved",), ("relay", "tunnel", "host"), _VIETTEL),
        real=True,
        settle_s=25,
    ),
    _relay(
        "one peer drifted",
        _VIETTEL,
        Command(_VIETTEL, _MORE_ADDRESSES, _WG_AGAIN),
        expected=_of(_VIETTEL, "degraded", "drift", layers=("host",)),
        paths=f"*/{_HD}/*",
    ),
    _relay(
        "one rule drifted that no path needs",
        _VNPT,
        Command(_VNPT, "nft add element inet provisioner management { 198.51.100.7 }", _NFT_AGAIN),
        expected=Expected(("up", "degraded"), ("", "drift"), ("host",), _VNPT),
        settle_s=2,
    ),
    _relay(
        "one path's line in the relay's file drifted",
        _VIETTEL,
        edited(_VIETTEL, '/kcl-hd-001.cam-03.sub/s/}$/, "maxReaders": 7}/'),
        expected=_of(_VIETTEL, "degraded", "drift", layers=("host",)),
        paths=f"*/{_HD}/cam-03/sub",
    ),
    _relay(
        "disk full",
        _VNPT,
        Command(_VNPT, _FULL, f"umount {_STATE}"),
        expected=Expected(("finding",), ("disk full",), ("host",), _VNPT),
        settle_s=2,
    ),
    _relay(
        "clock off by a minute",
        _VIETTEL,
        Command(_VIETTEL, _MINUTE_LATE, f"cp -a /root/module.kept {_OWN_MODULE}"),
        expected=Expected(("finding",), ("clock off",), ("host",), _VIETTEL),
        settle_s=2,
    ),
    _relay(
        "one path's source in the relay's file changed",
        _VIETTEL,
        edited(_VIETTEL, '/kcl-hd-001.cam-03.sub/s/rtsp:[^"?]*/&x/'),
        expected=_of(_VIETTEL, "down", "drift", layers=("host",)),
        paths=f"*/{_HD}/cam-03/sub",
    ),
    _relay(
        "a path added through its Control API",
        _VNPT,
        path_added(_VNPT),
        expected=Expected(("finding",), ("foreign access",), ("relay",), _VNPT),
        real=True,
        settle_s=2,
    ),
    _relay(
        "killed every 12 s",
        _VIETTEL,
        killed(_VIETTEL, 12),
        expected=Expected(("down", "unknown", "degraded", "finding"), ("relay restarts",), ("relay",), _VIETTEL),
        real=True,
        settle_s=40,
    ),
    _relay(
        "no open file left",
        _VNPT,
        few_files(_VNPT, 14),
        expected=_of(_VNPT, "down", "relay lacks resources", layers=("relay",)),
        real=True,
        settle_s=25,
    ),
)


# --- centres --------------------------------------------------------------------------------------
def _centre(name: str, *how: Step, expected: Expected, paths: str = "*", settle_s: float = 12) -> Fault:
    return Fault(name, f"centre {CENTRE.name}", (paths,), how, expected, (), settle_s=settle_s)


CENTRES: Final = (
    _centre(
        "centre's tunnel down",
        Command(CENTRE.name, "systemctl stop provisioner-wg", "systemctl start provisioner-wg"),
        expected=_of(CENTRE.name, "down", "centre cannot read", "tunnel down", layers=("tunnel", "host")),
    ),
    _centre(
        "foreign table at the centre drops what goes to relays",
        _foreign(CENTRE.name, "output", "ip daddr { 10.91.0.1, 10.92.0.1 } drop"),
        expected=_of(CENTRE.name, "down", "foreign firewall", layers=("firewall",)),
    ),
    _centre(
        "centre cannot be reached for management",
        Cut(CENTRE.name, Network.MGMT),
        expected=_of(CENTRE.name, "unknown", "host unreachable", layers=("host",)),
    ),
    _centre(
        "ffmpeg is missing at the centre",
        Command(CENTRE.name, "mv /usr/bin/ffmpeg /root/kept-ffmpeg", "mv /root/kept-ffmpeg /usr/bin/ffmpeg"),
        expected=_of(CENTRE.name, "unknown", *_CANNOT, layers=("host",)),
        settle_s=2,
    ),
)

# --- two at once ----------------------------------------------------------------------------------
DOUBLES: Final = (
    _site(
        "a camera is off behind a tunnel that is down",
        _BG1,
        camera_unit(f"{_BG1}/cam-01", "stop", "start"),
        _gateway(_BG1, "systemctl stop provisioner-site", "systemctl start provisioner-site"),
        expected=_cut_off(_BG1, "tunnel down", layers=("tunnel",)),
    ),
    _relay(
        "a camera is unplugged, and the relay is stopped",
        _VNPT,
        Unplugged(f"{_QN}/cam-01"),
        Command(_VNPT, "systemctl stop provisioner-mediamtx", "systemctl start provisioner-mediamtx"),
        expected=_of(_VNPT, "down", "relay stopped", layers=("relay",)),
    ),
    _camera(
        "black, and with sound",
        f"{_QN}/cam-01",
        Shows(f"{_QN}/cam-01", Picture.SOUND, StreamKind.SUB),
        Shows(f"{_QN}/cam-01", Picture.BLACK, StreamKind.MAIN),
        expected=Expected(("down", "degraded"), ("black picture", "sends sound"), _AT_CAMERA, f"{_QN}/cam-01"),
    ),
)

# --- healthy --------------------------------------------------------------------------------------
HEALTHY: Final = (
    _healthy("a dark room", f"{_BG1}/cam-01", Picture.DARK),
    _healthy("a still corridor with its noise", f"{_BG1}/cam-02", Picture.CORRIDOR),
    _healthy("a corridor at night", f"{_HD}/cam-01", Picture.NIGHT),
    _healthy("much noise, as in rain and snow", f"{_HD}/cam-02", Picture.SNOW),
    _healthy("a key frame every 12 s", f"{_QN}/cam-01", Picture.RARE_KEY),
    _healthy("nothing moves but the clock", f"{_BG1}/cam-03", Picture.STILL),
    _camera(
        "healthy: back after a restart a moment ago",
        f"{_BG1}/cam-04",
        camera_unit(f"{_BG1}/cam-04", "restart", "start"),
        expected=_UP,
    ),
    _relay(
        "healthy: a foreign table that concerns none of it",
        _VNPT,
        _foreign(_VNPT, "input", "tcp dport 8080 drop"),
        expected=_UP,
        settle_s=2,
    ),
    _relay(
        "healthy: eight viewers",
        _VIETTEL,
        Readers(_VIETTEL, ("bac-giang/kcl-bg-001/cam-01/sub",) * 8),
        expected=_UP,
        settle_s=2,
    ),
    _soft("another picture than before: moved", f"{_HD}/cam-03", Picture.MOVED, "moved"),
    _soft("a blurred picture", f"{_QN}/cam-02", Picture.BLURRED, "blurred"),
    _soft("a covered lens", f"{_BG1}/cam-02", Picture.COVERED, "covered"),
)

FAULTS: Final = (*CAMERAS, *RECORDERS, *SITES, *RELAY_FAULTS, *CENTRES, *DOUBLES, *HEALTHY)
#: What of them a merge tries.
SAMPLE: Final = ("camera off", "black", "one port map missing", "relay stopped", "healthy: a dark room", "recorder off")
#: So many of a site's devices may be broken at once by faults of a device, so that it is never taken for the site.
MOST_OF_A_SITE: Final = {_BG1: 2, _BG2: 1, _HD: 2, _QN: 1}


def batches(faults: tuple[Fault, ...]) -> list[list[Fault]]:
    """Faults that may be seeded at the same time: none is a part of what another one claims."""
    made: list[list[Fault]] = []
    for fault in faults:
        home = next((batch for batch in made if _fits(fault, batch)), None)
        if home is None:
            made.append([fault])
        else:
            home.append(fault)
    return made


def _fits(fault: Fault, batch: list[Fault]) -> bool:
    if any(_nested(fault.claim, other.claim) for other in batch):
        return False
    if any((fault.accepted is None) != (other.accepted is None) for other in batch):
        return False
    same_site = [other for other in batch if len(other.claim) == 3 and other.claim[:2] == fault.claim[:2]]
    return len(fault.claim) < 3 or len(same_site) < MOST_OF_A_SITE[fault.claim[1]]


def _nested(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
