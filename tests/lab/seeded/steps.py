"""How something is broken in the lab and mended again: what faults are made of."""

import threading
from dataclasses import dataclass, field
from typing import Final, Protocol

from tests.lab.cameras import Picture
from tests.lab.deployment import Deployment
from tests.lab.held_readers import HeldReaders
from tests.lab.hostile_camera import answer, answer_no_more
from tests.lab.topology import Network, StreamKind, place

_OTHER_PASSWORD: Final = "Somebody-changed-it-1"
SITE_AGAIN: Final = "systemctl restart provisioner-site"
CUT_PULLS: Final = "ss -K dport = 10554 >/dev/null || true; ss -K dport = 10555 >/dev/null || true"
KEYS: Final = "/etc/provisioner/keys"
_RELAY_FILE: Final = "/etc/provisioner/mediamtx.yml"
_RELAY: Final = "provisioner-mediamtx"
_DROP_INS: Final = f"/run/systemd/system/{_RELAY}.service.d"
_RELAY_AGAIN: Final = f"systemctl daemon-reload; systemctl restart {_RELAY}"


class Step(Protocol):
    """One thing that is done to the lab, and undone."""

    def do(self, deployment: Deployment) -> None:
        """Break it."""

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""


@dataclass(frozen=True, slots=True)
class Command:
    """Commands of a shell in a host, as root."""

    host: str
    broken: str
    mended: str = "true"

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        deployment.lab.exec(self.host, ["sh", "-ec", self.broken])

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        deployment.lab.exec(self.host, ["sh", "-c", self.mended])


@dataclass(frozen=True, slots=True)
class Shows:
    """A camera shows something else, in one of its streams or in both."""

    camera: str
    picture: Picture
    kind: StreamKind | None = None
    degree: str = ""

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        deployment.lab.camera(self.camera).show(self.picture, self.kind, self.degree)

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        deployment.lab.camera(self.camera).show(Picture.MOVING)


@dataclass(frozen=True, slots=True)
class Password:
    """Somebody gave a device another password."""

    camera: str
    _own: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        camera = deployment.lab.camera(self.camera)
        self._own[self.camera] = camera.password
        camera.change_password(_OTHER_PASSWORD)

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        deployment.lab.camera(self.camera).change_password(self._own[self.camera])


@dataclass(frozen=True, slots=True)
class Answers:
    """A device answers in another way than a camera does; `{relay source of CAMERA}` in `what` is filled in."""

    camera: str
    way: str
    what: str = ""

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        answer(deployment.lab, self.camera, self.way, self.what)

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        answer_no_more(deployment.lab, self.camera)


@dataclass(frozen=True, slots=True)
class RedirectsTo:
    """A device sends its relay to where another path of the relay comes from."""

    camera: str
    path: str

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        gateway = place(self.camera).gateway
        line = deployment.lab.exec(gateway.relay, ["grep", f'{self.path}"', "/etc/provisioner/mediamtx.yml"]).stdout
        answer(deployment.lab, self.camera, "redirect", "rtsp://" + line.partition("@")[2].partition('"')[0])

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        answer_no_more(deployment.lab, self.camera)


@dataclass(frozen=True, slots=True)
class Unplugged:
    """A device's network cable is pulled."""

    camera: str

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        deployment.lab.camera(self.camera).unplug()

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        deployment.lab.camera(self.camera).plug()


@dataclass(frozen=True, slots=True)
class Cut:
    """A host's cable to one of the networks is pulled."""

    host: str
    network: Network

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        deployment.lab.cut(self.host, self.network)

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        deployment.lab.mend(self.host, self.network)


@dataclass(frozen=True, slots=True)
class Readers:
    """So many readers at the centre play paths of a relay all the time."""

    relay: str
    paths: tuple[str, ...]
    _held: list[HeldReaders] = field(default_factory=list, compare=False, repr=False)

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        held = HeldReaders(deployment, self.relay, self.paths)
        held.__enter__()
        self._held.append(held)

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        del deployment
        while self._held:
            self._held.pop().__exit__(None, None, None)


@dataclass(frozen=True, slots=True)
class During:
    """What happens to a host while `verify` looks: a shell's commands, so many seconds after it began.

    It is done before each look, from then on by itself.
    """

    host: str
    before: str
    after_s: float
    then: str
    mended: str = "true"

    def do(self, deployment: Deployment) -> None:
        """Break it."""
        deployment.lab.exec(self.host, ["sh", "-c", self.before])

    def begin(self, deployment: Deployment) -> None:
        """A look begins."""
        self.do(deployment)
        act = threading.Timer(
            self.after_s, lambda: deployment.lab.exec(self.host, ["sh", "-c", self.then], check=False)
        )
        act.daemon = True
        act.start()

    def undo(self, deployment: Deployment) -> None:
        """Mend it."""
        deployment.lab.exec(self.host, ["sh", "-c", self.mended])


def unit(camera: str, verb: str) -> str:
    """A command about the unit of a camera's device."""
    return f"systemctl {verb} camera@{place(camera).device.id}"


def camera_unit(camera: str, broken: str, mended: str) -> Command:
    """Something is done to the unit of a camera's device."""
    return Command(place(camera).gateway.name, unit(camera, broken), unit(camera, mended))


def within(camera: str, broken: str, mended: str) -> Command:
    """Commands in a device's own network."""
    device = place(camera).device.id
    enter = f"ip netns exec {device} sh -c"
    return Command(place(camera).gateway.name, f"{enter} '{broken}'", f"{enter} '{mended}'")


def kept(host: str, file: str, change: str, after: str = "true") -> Command:
    """A file that is changed, and put back as it was."""
    copy = f"/root/kept-{file.rpartition('/')[2]}"
    return Command(host, f"cp -a {file} {copy}; {change}; {after}", f"mv {copy} {file}; {after}")


def edited(relay: str, program: str) -> Command:
    """Somebody's edit of the relay's file, as a program of sed."""
    change = f"sed '{program}' {_RELAY_FILE} > /root/new; cat /root/new > {_RELAY_FILE}"
    return kept(relay, _RELAY_FILE, change, "sleep 2")


def dropped(gateway: str, rule: str) -> Command:
    """What a gateway sends to its relay is dropped where a rule fits."""
    table = "nft add table inet lossy; nft 'add chain inet lossy out { type filter hook output priority 0; }'"
    broken = f"{table}; nft add rule inet lossy out udp dport 51820 {rule} drop"
    return Command(gateway, broken, "nft delete table inet lossy")


def path_added(relay: str) -> Command:
    """A path that came through the relay's Control API."""
    return Command(relay, _paths_call("add/zz/camera"), _paths_call("delete/zz/camera", "DELETE"))


def _paths_call(call: str, method: str = "POST") -> str:
    return (
        'python3 -c "import base64, urllib.request as r; '
        f"login = base64.b64encode(b'api:' + open('{KEYS}/api.password', 'rb').read().strip()).decode(); "
        f"r.urlopen(r.Request('http://127.0.0.1:9997/v3/config/paths/{call}', b'{{}}', "
        f"{{'Authorization': 'Basic ' + login}}, method='{method}'))\""
    )


def killed(relay: str, every_s: int) -> Command:
    """Its MediaMTX is killed again and again."""
    loop = f"while :; do systemctl kill -s KILL {_RELAY}; sleep {every_s}; done"
    mended = f"systemctl stop killer; systemctl reset-failed {_RELAY}; systemctl start {_RELAY}"
    return Command(relay, f"systemd-run --quiet --collect --unit killer sh -c '{loop}'", mended)


def few_files(relay: str, most: int) -> Command:
    """Its MediaMTX may open no more than so many files."""
    limit = f"mkdir -p {_DROP_INS}; printf '[Service]\\nLimitNOFILE={most}\\n' > {_DROP_INS}/few.conf"
    return Command(relay, f"{limit}; {_RELAY_AGAIN}", f"rm -r {_DROP_INS}; {_RELAY_AGAIN}")
