"""The faults of the matrix: what goes wrong while a host is changed, and where the host has to be afterwards."""

from typing import Final

from .faulty import Fault

_RECEIPTS: Final = "/var/lib/provisioner/receipts"
_ARMED: Final = "/var/lib/provisioner/armed.json"
# Comes before the deadline of the tests' patience, so that a host returns by itself while a test waits.
_SOON: Final = 4.0


def _full(number: int, *, stays: bool = False) -> dict[str, str]:
    """No room at the so-manieth write; with `stays` at all later ones, too."""
    comparison = ">=" if stays else "=="
    return {
        "files": f"""
_true_write, _writes = write, []
def write(path, content, **rights):
    _writes.append(path)
    if len(_writes) {comparison} {number}:
        raise OSError(28, "No space left on device")
    return _true_write(path, content, **rights)
"""
    }


def _killed(module: str, function: str, *, after: bool = False) -> dict[str, str]:
    """The on-host program is killed before or after one of its functions."""
    kill = "__import__('os').kill(__import__('os').getpid(), 9)"
    body = f"_true_{function}(*args, **more); {kill}" if after else kill
    return {module: f"_true_{function} = {function}\ndef {function}(*args, **more):\n    {body}\n"}


def _fails(
    module: str, function: str, *, times: int = 99, error: str = "Failed('put in by the test')"
) -> dict[str, str]:
    """A function fails the first times that it is called."""
    return {
        module: f"""
_true_{function}, _calls_{function} = {function}, []
def {function}(*args, **more):
    _calls_{function}.append(1)
    if len(_calls_{function}) <= {times}:
        raise {error}
    return _true_{function}(*args, **more)
"""
    }


def _clock(seconds: float) -> dict[str, str]:
    return {"files": f"import time\n_true_time = time.time\ntime.time = lambda: _true_time() + {seconds}\n"}


_DISK: Final = (
    *(Fault(f"no room at write {n}", _full(n), expected="either") for n in range(1, 11)),
    *(Fault(f"no room from write {n} on", _full(n, stays=True), expected="either") for n in range(2, 9)),
    *(Fault(f"no room at write {n} of a look", _full(n), of="look", expected="either") for n in (1, 2)),
    *(
        Fault(f"no room at write {n} of the confirmation", _full(n), of="confirm", expected="either")
        for n in range(1, 6)
    ),
    Fault("no room for anything in the confirmation", _full(1, stays=True), of="confirm"),
)
_KILLS: Final = (
    Fault("killed while it looks", _killed("host", "observe")),
    Fault("killed before last-good is saved", _killed("last_good", "save")),
    Fault("killed after last-good is saved", _killed("last_good", "save", after=True)),
    Fault("killed after arming", _killed("dead_man", "arm", after=True)),
    Fault("killed before the rules", _killed("firewall", "load")),
    Fault("killed after the rules", _killed("firewall", "load", after=True)),
    Fault("killed before the tunnel", _killed("tunnel", "up"), only="relay-viettel-1"),
    Fault("killed after the tunnel", _killed("tunnel", "up", after=True)),
    Fault("killed before MediaMTX's file", _killed("relay", "wait_for_gap", after=True)),
    Fault("killed while MediaMTX reads", _killed("relay", "wait_for")),
    Fault("killed before the switch waits", _killed("dead_man", "renew")),
    Fault("killed when all is switched", _killed("dead_man", "renew", after=True), expected="new"),
    Fault("killed in a look", _killed("gate", "look"), of="look", confirm_s=_SOON),
    Fault("killed before it is disarmed", _killed("dead_man", "disarm"), of="confirm", confirm_s=_SOON),
    Fault("killed after it is disarmed", _killed("dead_man", "disarm", after=True), of="confirm", expected="new"),
    Fault("killed before the new last-good", _killed("last_good", "keep"), of="confirm", expected="new"),
)
_PROGRAMS: Final = (
    Fault("nft fails at load, once", _fails("firewall", "load", times=1)),
    Fault("nft fails at load, and on the way back", _fails("firewall", "load")),
    Fault("the tunnel cannot be brought up, once", _fails("tunnel", "up", times=1)),
    Fault("the tunnel cannot be brought up, nor back", _fails("tunnel", "up")),
    Fault("MediaMTX does not read its file", _fails("relay", "wait_for", times=2, error="Failed('no answer')")),
    Fault("a defect in the switch", _fails("switch", "_switch_tunnel", error="KeyError('a defect')")),
    Fault("the unit that returns does not start", _fails("dead_man", "_watch")),
    Fault(
        "the unit that returns cannot say what it watches",
        before="rm -f /run/provisioner/watched; mkdir /run/provisioner/watched",
        after="rmdir /run/provisioner/watched",
    ),
    Fault("nft is not to be had", _fails("firewall", "intended", error="OSError(2, 'No such file')")),
    Fault("the clock jumps forward", _clock(3e8), expected="new"),
    Fault("the clock jumps back", _clock(-3e8), expected="new"),
    Fault(
        "a peer's key is malformed",
        edit=("/etc/provisioner/wg-prov.conf", lambda text: text.replace(b"PublicKey = ", b"PublicKey = !", 1)),
        only="relay-viettel-1",
    ),
    Fault(
        "a rule that nft does not take",
        edit=(
            "/etc/provisioner/provisioner.nft",
            lambda text: text + b"table inet provisioner { chain x { nonsense } }\n",
        ),
    ),
    Fault(
        "MediaMTX's file passes the parse and cannot bind",
        meanwhile="""
python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 9996)); open("/run/blocked", "w").close(); time.sleep(25)' >/dev/null 2>&1 &
until [ -e /run/blocked ]; do sleep 0.1; done""",
        at="apply",
        edit=("/etc/provisioner/mediamtx.yml", lambda text: text.replace(b"127.0.0.1:9997", b"127.0.0.1:9996")),
        after="rm -f /run/blocked",
    ),
)
_STEPS: Final = (
    Fault("new paths come one by one", {"switch": "STAGGER = 1\n"}, expected="new"),
    Fault("new paths come one by one, or go", {"switch": "STAGGER = 1\n"}, expected="new"),
    Fault(
        "killed between two steps of new paths",
        {"switch": "STAGGER = 1\n"} | _killed("leases", "extend"),
        confirm_s=_SOON,
    ),
    Fault("no room between two steps of new paths", {"switch": "STAGGER = 1\n"} | _full(9), expected="either"),
)
_MEANWHILE: Final = (
    Fault("the relay dies", meanwhile="systemctl kill -s KILL provisioner-mediamtx"),
    Fault("the relay is stopped", meanwhile="systemctl stop provisioner-mediamtx", at="confirm"),
    Fault("the table is taken away", meanwhile="nft delete table inet provisioner", at="confirm"),
    Fault(
        "a peer is taken away", meanwhile="wg set wg-prov peer $(wg show wg-prov peers | head -1) remove", at="confirm"
    ),
    Fault("the receipt is damaged", meanwhile=f"for f in {_RECEIPTS}/*; do echo '{{' > $f; done", expected="new"),
    Fault("the lease is damaged", meanwhile="echo '{' > /run/provisioner/lease.json", expected="new"),
    Fault("the record of the switch is damaged", meanwhile=f"echo '{{' > {_ARMED}"),
    Fault("the record of the switch is empty", meanwhile=f": > {_ARMED}"),
    Fault("the watcher is killed", meanwhile="systemctl kill -s KILL provisioner-revert", expected="new"),
)
_CONTROLLER: Final = (
    Fault("the controller dies before it begins", dies="before apply"),
    Fault("the controller dies after the switch", dies="after apply", confirm_s=_SOON),
    Fault("the controller dies after a look", dies="after look", confirm_s=_SOON),
    Fault("the controller dies before it confirms", dies="before confirm", confirm_s=_SOON),
    Fault("the controller dies after it confirmed", dies="after confirm", expected="new"),
    Fault(
        "the watcher is killed and the controller dies",
        meanwhile="systemctl kill -s KILL provisioner-revert",
        dies="before confirm",
        at="look",
        confirm_s=_SOON,
    ),
    Fault("SSH is cut for longer than the window", lost=3, confirm_s=_SOON),
    Fault("SSH is cut for a moment", lost=1, expected="new"),
)

_FAMILIES: Final = (_DISK, _KILLS, _PROGRAMS, _STEPS, _MEANWHILE, _CONTROLLER)
FAULTS: Final = tuple(fault for family in _FAMILIES for fault in family)
#: What a merge waits for: one of each family, which can go wrong on every host.
SAMPLE: Final = tuple(family[0] for family in _FAMILIES)
