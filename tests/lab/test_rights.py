"""Least right on real hosts: a program that was swapped, a decoder that was taken over, who reaches a centre."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest

from provisioner.desired.limit import Limit
from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import HostAnswer, HostCall, HostRunner
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.pipeline.stages import make_plan
from provisioner.operations.rollout.result import HostOutcome
from tests.hostile import CAMERA, GATEWAY, LOCAL_USER, MERGE_REQUEST, RELAY

from .deployment import Deployment
from .direct import DirectRunner
from .patience import stretched
from .test_apply import replace_program, session
from .topology import CENTRE, MANAGED_HOSTS, Network
from .tunnels import renew_tunnels

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
VIETTEL, VNPT = "relay-viettel-1", "relay-vnpt-1"
# What a program tries that means harm: a word for each thing that it could do, after who it is.
_GRASPS = r"""#!/bin/sh
word() { said="$said $1"; }
said="ERR $(id -un)"
for f in /etc/provisioner/mediamtx.yml /etc/provisioner/keys/* /var/lib/provisioner/*.json /etc/shadow /tmp/plant; do
  head -c 1 $f >/dev/null 2>&1 && word READ:$f
done
for f in /proc/1/environ /proc/$PPID/mem /proc/$PPID/environ; do head -c 1 $f >/dev/null 2>&1 && word PROC:$f; done
for d in /run/provisioner/lock /run/dbus /run/systemd/private; do ls $d >/dev/null 2>&1 && word SEEN:$d; done
for d in /tmp /var/tmp /dev/shm /etc /usr/local/lib /home /run; do
  ( : > $d/c4nary ) 2>/dev/null && word WROTE:$d
done
sudo -n true 2>/dev/null && word SUDO
unshare -rn true 2>/dev/null && word NAMESPACE
setpriv --reuid 0 true 2>/dev/null && word ROOT
# ptrace, process_vm_readv, bpf, add_key, io_uring_setup, userfaultfd: not one of them gets as far as the kernel.
python3 -c "
import ctypes, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = {'x86_64': (101, 310, 321, 248, 425, 323)}.get(platform.machine(), ())
sys.exit(any(libc.syscall(n, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1 for n in numbers))
" || word CALL
%s
"""
_REACHES = "python3 -c \"import socket; socket.create_connection(('{}', {}), 2)\" 2>/dev/null"


def decoders_said(deployment: Deployment, host: str) -> set[str]:
    """Return the last words of a host's decoders, whether they were taken for an answer or for no start.

    A test before may have made a relay's tunnel anew: its gateways are silent until they notice. On a busy machine a
    decoder has no time for its words. So a few paths are read after the other ones, until a decoder was run.
    """
    renew_tunnels(deployment.lab)
    until = time.monotonic() + stretched(120)
    for first, last in cycle(((0, 4), (4, 8), (8, 12), (0, 1), (4, 5), (7, 8))):
        answer = answer_past_the_controller(deployment, host, first, last)
        words = {str(read.get("not_run") or read.get("error")) for read in _reads_in(answer)}
        if said := {word for word in words if word.startswith("ERR ")}:
            return said
        if time.monotonic() > until:
            break
    quarantined = deployment.document("quarantine", "list")["quarantined"]
    pytest.fail(
        f"no decoder was run: {_reads_in(answer)}; quarantined: {quarantined}; {answer.get('relay', {}).get('tunnel')}"
    )


def _reads_in(answer: Any) -> list[dict[str, Any]]:
    if "relay" in answer:
        return [path["read"] for path in answer["relay"]["paths"].values()]
    return list(answer["centre"]["relays"][VIETTEL].values())


def answer_past_the_controller(deployment: Deployment, host: str, first: int, last: int) -> Any:
    """Return what a host answers if some of the paths are read that its relay always pulls.

    A path on demand would have its camera started first, which takes longer than a busy machine has.
    """
    work = session(deployment)
    spec = work.state.hosts[host]
    observed = {"operation": "observe", "digest_key": "x", "files": list[str](), "units": list[str](), "program": None}
    limits = {"deadline_s": 40, "max_readers": 8, "sample_s": 0, "read_s": 15}
    request: dict[str, Any] = {"operation": "probe", "observe": observed, **limits}
    if spec.relay:
        paths = [
            {"name": name, "on_demand": False, "address": "127.0.0.1", "port": 1, "peer": ""}
            for name in _pulled(spec)[first:last]
        ]
        request["relay"] = {"address": str(spec.tunnel.address), "paths": paths}
    else:
        relay = work.state.hosts[VIETTEL]
        secret = spec.readers[relay.carriers[0]].reveal()
        reads = {"relay": relay.id, "address": str(relay.tunnel.address), "user": "centre-centre", "secret": secret}
        request["centre"] = {"relays": [reads | {"paths": _pulled(relay)[first:last]}]}
    answered = DirectRunner(deployment.lab, work.templates).call([HostCall(spec, request)], timeout_s=120)[host]
    assert answered.document, answered.error
    return answered.document


def _pulled(relay: HostSpec) -> list[str]:
    return [path.name for path in relay.paths if not path.on_demand]


@contextmanager
def ffmpeg_is(deployment: Deployment, host: str, script: str) -> Iterator[None]:
    """What an ffmpeg does that a stream has taken over."""
    deployment.lab.exec(host, ["mv", "/usr/bin/ffmpeg", "/usr/bin/ffmpeg.true"])
    deployment.lab.exec(host, ["sh", "-c", "echo plant > /tmp/plant; chmod 644 /tmp/plant"])
    try:
        deployment.lab.exec(host, ["sh", "-ec", "cat > /usr/bin/ffmpeg; chmod 755 /usr/bin/ffmpeg"], stdin=script)
        yield
    finally:
        deployment.lab.exec(host, ["mv", "/usr/bin/ffmpeg.true", "/usr/bin/ffmpeg"])


def reaches(deployment: Deployment, host: str, address: object, port: int) -> bool:
    """Whether a host's root gets a connection."""
    return deployment.lab.exec(host, ["sh", "-c", _REACHES.format(address, port)], check=False).returncode == 0


@CAMERA
def test_a_decoder_that_a_stream_has_taken_over_gets_nothing_of_a_relay(deployment: Deployment) -> None:
    with ffmpeg_is(deployment, VIETTEL, _GRASPS % 'echo "$said" >&2; exit 127'):
        assert decoders_said(deployment, VIETTEL) == {"ERR provisioner-probe"}


@CAMERA
@pytest.mark.soak
def test_a_decoder_that_was_taken_over_on_a_centre_reaches_relays_and_nothing_else(deployment: Deployment) -> None:
    relay = session(deployment).state.hosts[VIETTEL]
    beyond = [(relay.address, 22), ("127.0.0.1", 22), (deployment.lab.address("gw-1", Network.WAN), 22)]
    tries = "\n".join(f"{_REACHES.format(a, p)} && word REACHED:{a}:{p}" for a, p in beyond)
    allowed = f"{_REACHES.format(relay.tunnel.address, 8554)} && word relay"
    with ffmpeg_is(deployment, CENTRE.name, _GRASPS % f'{tries}\n{allowed}\necho "$said" >&2; exit 127'):
        assert decoders_said(deployment, CENTRE.name) == {"ERR provisioner-probe relay"}


@MERGE_REQUEST
def test_a_program_that_a_pin_was_changed_to_gets_nothing_of_a_relay_on_trial(deployment: Deployment) -> None:
    deployment.lab.exec(VNPT, ["sh", "-c", "echo plant > /tmp/plant; chmod 644 /tmp/plant"])
    replace_program(deployment, _GRASPS % 'echo "$said"; exit 1')
    deployment.edit_facility("kcl-qn-001", r"(make: dahua\n)", r"\g<1>    channel: 2\n")
    applied = deployment.document("apply", "--yes", "--limit", f"host={VNPT}", "--allow", "trust=9", codes=(7,))
    (host,) = applied["hosts"]
    assert host["outcome"] == "not-started"
    assert host["cause"].endswith("MediaMTX refuses its new file: ERR provisioner-probe"), host
    ran = "find / -xdev -name c4nary -not -path '/proc/*'"
    assert deployment.lab.exec(VNPT, ["sh", "-c", ran], check=False).stdout == ""


@MERGE_REQUEST
def test_a_program_that_a_pin_was_changed_to_never_runs_as_root(deployment: Deployment) -> None:
    """Not to be tried, not for its version, not by a fresh plan after it was refused."""
    replace_program(deployment, "#!/bin/sh\nid -u >> /dev/shm/ran || echo ERR; echo ERR no\nexit 1\n")
    deployment.document("apply", "--yes", "--limit", f"host={VNPT}", "--allow", "trust=9", codes=(7,))
    deployment.document("plan", "--limit", f"host={VNPT}", "--allow", "trust=9")
    assert deployment.lab.exec(VNPT, ["sh", "-c", "cat /dev/shm/ran"], check=False).stdout == ""


@GATEWAY
def test_no_gateway_opens_ssh_of_a_centre_and_its_other_services_are_left_alone(deployment: Deployment) -> None:
    address = deployment.lab.address(CENTRE.name, Network.WAN)
    service = ["systemd-run", "--quiet", "--collect", "--unit=vms", "python3", "-m", "http.server", "8080"]
    deployment.lab.exec(CENTRE.name, service)
    try:
        deployment.lab.exec(
            CENTRE.name, ["sh", "-c", f"until {_REACHES.format('127.0.0.1', 8080)}; do sleep 0.2; done"]
        )
        assert reaches(deployment, "gw-1", address, 8080)
        assert not reaches(deployment, "gw-1", address, 22)
    finally:
        deployment.lab.exec(CENTRE.name, ["systemctl", "stop", "vms"])


@RELAY
@pytest.mark.soak
def test_a_relay_that_was_taken_over_opens_nothing_of_a_centre_through_the_tunnel(deployment: Deployment) -> None:
    hosts = session(deployment).state.hosts
    address = hosts[CENTRE.name].tunnel.address
    service = ["systemd-run", "--quiet", "--collect", "--unit=vms", "python3", "-m", "http.server", "8080"]
    deployment.lab.exec(CENTRE.name, service)
    # Whoever has the relay asks its rules nothing.
    deployment.lab.exec(VIETTEL, ["nft", "delete", "table", "inet", "provisioner"])
    try:
        assert deployment.lab.exec(VIETTEL, ["ping", "-c1", "-W3", str(address)], check=False).returncode == 0
        assert [port for port in (22, 8080) if reaches(deployment, VIETTEL, address, port)] == []
    finally:
        deployment.lab.exec(CENTRE.name, ["systemctl", "stop", "vms"])


@LOCAL_USER
@pytest.mark.parametrize("host", MANAGED_HOSTS)
def test_nobody_but_root_reads_anything_of_ours(deployment: Deployment, host: str) -> None:
    places = "/etc/provisioner /var/lib/provisioner /run/provisioner /run/provisioner-*"
    for user, may in (("nobody", []), ("provisioner-probe", []), ("mediamtx", ["/etc/provisioner/mediamtx.yml"])):
        command = f"runuser -u {user} -- find {places} -readable -type f 2>/dev/null"
        read = deployment.lab.exec(host, ["sh", "-c", command], check=False).stdout.split()
        assert read == (may if host != CENTRE.name else []), user


@LOCAL_USER
def test_nobody_but_root_keeps_a_host_from_its_way_back(deployment: Deployment) -> None:
    held = "runuser -u nobody -- flock -n /run/provisioner/lock true"
    assert deployment.lab.exec(VNPT, ["sh", "-c", held], check=False).returncode != 0


# On a full disk a saved copy goes back as a second name of the same file: its mounts must allow that.
_LOOK = """
pid=$(systemctl show -p MainPID --value provisioner-revert)
cat /proc/$pid/status
for d in /etc/provisioner /etc/systemd/system /usr/local/lib/provisioner; do
  nsenter -m -t $pid sh -c "ln /var/lib/provisioner/last-good/state.json $d/.c4nary" || echo "shut:\t$d"
  rm -f $d/.c4nary
done
for d in /usr/bin /usr/lib /etc/ssh /home; do
  nsenter -m -t $pid sh -c ": > $d/.c4nary" 2>/dev/null && echo "open:\t$d"
done
true
"""


class LookingRunner:
    """A carrier that looks at the watcher of a change before the change is confirmed, and confirms nothing."""

    def __init__(self, inner: HostRunner, deployment: Deployment, host: str) -> None:
        self._inner, self._deployment, self._host = inner, deployment, host
        self.status = ""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Pass calls on; at a confirmation look, and pass it on."""
        if any(call.request["operation"] == "confirm" for call in calls):
            self.status = self._deployment.lab.exec(self._host, ["sh", "-c", _LOOK]).stdout
        return self._inner.call(calls, timeout_s=timeout_s)


@pytest.mark.soak
def test_what_returns_a_host_has_few_rights_while_it_watches(deployment: Deployment) -> None:
    deployment.edit_facility("kcl-qn-001", r"  - id: cam-02(?:.*\n)+", "")
    deployment.run("allocate")
    work = session(deployment)
    looking = LookingRunner(work.runner, deployment, VNPT)
    planned = make_plan(work, Limit({"host": frozenset({VNPT})}))
    vars(work)["runner"] = looking
    (result,) = apply_plan(work, planned).results
    assert result.outcome is HostOutcome.APPLIED
    status = dict(line.split(":\t", 1) for line in looking.status.splitlines() if ":\t" in line)
    # CHOWN, DAC_OVERRIDE, FOWNER, NET_ADMIN, SYS_ADMIN; no new privileges; a filter of system calls.
    assert int(status["CapBnd"], 16) == 1 << 0 | 1 << 1 | 1 << 3 | 1 << 12 | 1 << 21
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert not {"shut", "open"} & status.keys(), status


def test_units_are_as_little_exposed_as_they_may_be_and_come_up_with_the_host(deployment: Deployment) -> None:
    for host in (VNPT, CENTRE.name):
        deployment.lab.reboot(host)
        names = [f"provisioner-{name}.service" for name in ("nft", "wg", "revert")]
        said = deployment.lab.exec(host, ["systemd-analyze", "security", "--no-pager", *names]).stdout
        rates = dict(re.findall(r"Overall exposure level for (\S+): ([0-9.]+)", said))
        assert rates.keys() == set(names)
        assert {name: rate for name, rate in rates.items() if float(rate) > 3} == {}
    assert deployment.document("plan")["changes"] == []
