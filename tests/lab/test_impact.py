"""What a plan says of viewers comes true: readers are held on every path while each kind of change is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from .deployment import Deployment, patient
from .held_readers import HeldReaders
from .test_verify import verified
from .topology import GATEWAYS, StreamKind, place

# Two minutes of readers and verifications; the laws of impact run with every merge.
pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
RELAY = "relay-viettel-1"
ONLY = ("--limit", f"host={RELAY}")
EVERY = {place(f"{g.facility}/{c.id}").path(StreamKind.SUB) for g in GATEWAYS if g.relay == RELAY for c in g.cameras}
MAIN = "bac-giang/kcl-bg-001/cam-02/main"


@dataclass(frozen=True)
class Kind:
    """A kind of change: how it is brought about, and whom it has to cut whatever the plan says."""

    name: str
    make: Callable[[Deployment], None]
    cut: frozenset[str] = frozenset()
    # Watched beside the streams that are always pulled.
    watched: frozenset[str] = frozenset()
    # An edit by hand that the relay takes at once: readers come when it has calmed down.
    settle: bool = False


def _of(*beginnings: str) -> frozenset[str]:
    return frozenset(path for path in EVERY if path.startswith(beginnings))


def _edited(facility: str, before: str, after: str) -> Callable[[Deployment], None]:
    def make(deployment: Deployment) -> None:
        deployment.edit_facility(facility, before, after)
        deployment.run("allocate")

    return make


def _undone(deployment: Deployment) -> None:
    deployment.git("reset", "--quiet", "--hard")


def _after_undoing(make: Callable[[Deployment], None]) -> Callable[[Deployment], None]:
    def both(deployment: Deployment) -> None:
        _undone(deployment)
        make(deployment)

    return both


def _closed(deployment: Deployment) -> None:
    deployment.substitute(deployment.facility_file("kcl-hd-001"), "operating: open", "operating: closed")
    deployment.run("allocate")


def _network(deployment: Deployment) -> None:
    path = deployment.root / "carriers/viettel.yml"
    deployment.substitute(path, r"(management_networks: \[)", r"\g<1>198.51.100.0/24, ")


def _by_hand(command: str) -> Callable[[Deployment], None]:
    def make(deployment: Deployment) -> None:
        deployment.lab.exec(RELAY, ["sh", "-ec", command])

    return make


_FILE = "/etc/provisioner/mediamtx.yml"
_DROP_IN = "/etc/systemd/system/provisioner-mediamtx.service.d"
_PEER = "$(wg show wg-prov allowed-ips | awk '$2 == \"10.91.0.3/32\" {print $1}')"
KINDS = (
    Kind(
        "a camera's channel",
        _edited("kcl-bg-002", r"channel: 1\n", "channel: 4\n"),
        _of("bac-giang/kcl-bg-002/cam-01/"),
    ),
    Kind(
        "the channel back, and a stream on demand that somebody watches",
        _after_undoing(_edited("kcl-bg-001", r"(make: dahua\n(?:.*\n)*?      main: \{)", r'\g<1> rtsp_path: "/none",')),
        _of("bac-giang/kcl-bg-002/cam-01/") | {MAIN},
        watched=frozenset({MAIN}),
    ),
    Kind("the stream back, and a management network", _after_undoing(_network)),
    Kind(
        "the network goes, and a camera",
        _after_undoing(_edited("kcl-bg-001", r"  - id: cam-04(?:.*\n)+", "")),
        _of("bac-giang/kcl-bg-001/cam-04/"),
    ),
    Kind("the camera comes back, and a facility closes", _after_undoing(_closed), _of("hai-duong/kcl-hd-001/")),
    Kind("the facility opens again", _undone),
    Kind("a peer's keepalive, by hand", _by_hand(f"wg set wg-prov peer {_PEER} persistent-keepalive 7")),
    Kind("a file that nothing reads until the boot, by hand", _by_hand("echo '#' >> /etc/provisioner/wg-prov.conf")),
    Kind(
        "where a user may come from, by hand",
        _by_hand(f'sed -i \'s/"ips": \\["127.0.0.1"\\]/"ips": ["127.0.0.1", "127.0.0.2"]/\' {_FILE}'),
    ),
    Kind(
        "a setting of all, by hand",
        _by_hand(f"sed -i s/logLevel:.info/logLevel:\\ warn/ {_FILE}"),
        frozenset(EVERY),
        settle=True,
    ),
    Kind(
        "the unit, by hand",
        _by_hand(
            f"mkdir -p {_DROP_IN}; printf '[Service]\\nNice=5\\n' > {_DROP_IN}/nice.conf; systemctl daemon-reload"
        ),
        frozenset(EVERY),
    ),
)


def _pictures(found: dict[str, Any]) -> bool:
    """Whether every path gives a picture, be its host as desired or not."""
    return {path["verdict"] for path in found["paths"]} <= {"up", "degraded"}


def _predicted(deployment: Deployment, allowed: tuple[str, ...]) -> set[str]:
    plan = deployment.document("plan", *ONLY, *allowed)
    return set(plan["viewers_by_path"].get(RELAY, {}))


@pytest.mark.soak
def test_a_plan_says_whom_each_kind_of_change_cuts(deployment: Deployment) -> None:
    allowed = ("--allow", f"viewers={len(EVERY) + 1}", "--allow", "all_impact=1", "--allow", "trust=9")
    wrong = []
    verified(deployment, "--limit", "carrier=viettel", until=_pictures)
    for kind in KINDS:
        kind.make(deployment)
        if kind.settle:
            verified(deployment, "--limit", "carrier=viettel", until=_pictures)
        with HeldReaders(deployment, RELAY, sorted(EVERY | kind.watched)) as readers:
            said = _predicted(deployment, allowed)
            deployment.document("apply", "--yes", "--max-lost", "1", *patient(5), *ONLY, *allowed)
            seen = readers.finish()
        held = {reader.path for reader in seen if reader.packets}
        cut = {reader.path for reader in seen if reader.packets and reader.end}
        if not said == cut == kind.cut & held:
            wrong.append(f"{kind.name}: the plan said {sorted(said)}, cut were {sorted(cut)} of {len(held)}")
        if len(held) < len(EVERY) // 2:
            wrong.append(f"{kind.name}: only {len(held)} readers had a picture")
    # The facility that was closed makes its next handshake after two minutes: later tests find it up.
    verified(deployment, "--limit", "carrier=viettel", until=_pictures, tries=12)
    assert not wrong, "\n".join(wrong)
