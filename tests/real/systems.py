"""The systems of others that this program works with: a declaration each, which also makes the page's table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.postgresql import server_programs
from tests.real.programs import GO2RTC, make_go2rtc, make_root, root_of


def nothing() -> None:
    """Make nothing: the program is of this machine."""


@dataclass(frozen=True, slots=True)
class RealSystem:
    """A system that a public registry has."""

    name: str
    proves: str  #: What its story does, as the page says it.
    asks: tuple[str, ...]  #: The command that prints its version.
    story: tuple[str, ...]  #: Arguments of pytest.
    make: Callable[[], None] = nothing  #: Makes it if this machine's packages do not have it.


def _player(name: str, word: str, *asks: str, make: Callable[[], None] = nothing) -> RealSystem:
    story = ("tests/contract/test_players.py", "-k", f"MediaMTX and {word}")
    return RealSystem(name, "reads a path with a login over RTSP and RTSPS", asks, story, make)


def _root(number: int, suite: str, arch: str) -> RealSystem:
    story = ("tests/real/test_roots.py", "-k", f"{suite} and {arch}")
    proves = "our script prepares it, our program starts" + ("" if arch == "amd64" else " (under qemu)")
    asks = ("tar", "-xOf", str(root_of(suite, arch)), "./etc/debian_version")
    return RealSystem(f"Debian {number}, {arch}", proves, asks, story, partial(make_root, suite, arch))


_CONTRACT: Final = "tests/contract"
_HISTORY: Final = f"{_CONTRACT}/history"
_ALERTING: Final = "tests/unit/integrations/alerting"
_BROKER: Final = "jetstream or test_leaf or brokers_folder"
_RECORDED: Final = ("history", "migrations", "lease", "two_controllers")

SYSTEMS: Final = (
    RealSystem(
        "MediaMTX",
        "takes relays' files, reloads them, and is read by API",
        ("mediamtx", "--version"),
        (f"{_CONTRACT}/test_config.py", f"{_CONTRACT}/test_reload.py", f"{_CONTRACT}/test_api.py", "-k", "MediaMTX"),
    ),
    RealSystem(
        "PostgreSQL",
        "holds the record: migrations, leases, two controllers",
        (f"{server_programs() or '.'}/postgres", "--version"),
        (*(f"{_HISTORY}/test_{name}.py" for name in _RECORDED), "-k", "PostgreSQL"),
    ),
    RealSystem(
        "Prometheus",
        "runs the files of `monitoring`; a lost watch is an alert",
        ("prometheus", "--version"),
        (
            f"{_ALERTING}/test_rules.py::test_promtool_takes_configuration_and_rules",
            f"{_ALERTING}/test_rules.py::test_prometheus_takes_every_question_of_the_dashboard",
            f"{_ALERTING}/test_live_alerts.py::test_alerts_stay_when_the_watch_is_gone_and_that_is_an_alert",
        ),
    ),
    RealSystem(
        "Alertmanager",
        "takes a night's alerts and silences",
        ("prometheus-alertmanager", "--version"),
        tuple(f"tests/unit/integrations/notify/test_{name}.py" for name in ("alertmanager", "silences")),
    ),
    RealSystem(
        "nats-server",
        "carries calls between a controller and nodes",
        ("nats-server", "--version"),
        (*(f"tests/nodes/test_{name}.py" for name in ("contract", "leaf", "command")), "-k", _BROKER),
    ),
    RealSystem(
        "Git over HTTP",
        "`git http-backend` serves an agent; its notes are pushed",
        ("git", "--version"),
        ("tests/agent/test_command.py", "-k", "over_http"),
    ),
    RealSystem(
        "OpenSSH server",
        "serves Git to an agent; another host key is refused",
        ("/usr/sbin/sshd", "-V"),
        ("tests/agent/test_over_ssh.py",),
    ),
    _player("ffmpeg", "ffmpeg", "ffmpeg", "-version"),
    _player("mpv", "mpv", "mpv", "--version"),
    _player("GStreamer", "gstreamer", "gst-launch-1.0", "--version"),
    _player("go2rtc", "go2rtc", str(GO2RTC), "--version", make=make_go2rtc),
    _root(12, "bookworm", "amd64"),
    _root(13, "trixie", "amd64"),
    _root(12, "bookworm", "arm64"),
)
