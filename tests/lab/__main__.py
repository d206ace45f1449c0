"""Work with a lab by hand: `python -m tests.lab up|down|status|reap|exec`."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from .docker_cli import RUN_LABEL, docker
from .errors import LabError
from .lab import Lab
from .owner import Owner
from .reaper import reap
from .record import recorded
from .topology import BEHIND_JUMP, HOSTS, JUMP, MANAGED_HOSTS, SSH_USER, Network


def say(line: str, stream: TextIO | None = None) -> None:
    """Print a line."""
    print(line, file=stream or sys.stdout, flush=True)


def up(_options: argparse.Namespace) -> int:
    """Start a lab that stays."""
    started = time.monotonic()
    lab = Lab.start(keep=True)
    say(f"lab {lab.run} is up after {time.monotonic() - started:.1f} s; its SSH key: {lab.ssh_key}")
    for host in MANAGED_HOSTS:
        over = f"-J {SSH_USER}@{lab.address(JUMP.name, Network.MGMT)} " if host in BEHIND_JUMP else ""
        say(f"  ssh {over}{SSH_USER}@{lab.address(host, Network.MGMT)}  # {host}")
    return 0


def down(options: argparse.Namespace) -> int:
    """Remove a lab."""
    lab = Lab.attach(options.run)
    lab.stop()
    say(f"lab {lab.run} is gone")
    return 0


def status(_options: argparse.Namespace) -> int:
    """List the labs of this machine."""
    for record in recorded():
        owner = "kept" if record.keep else "its process is gone" if Owner.parse(record.owner).is_gone else "in use"
        say(f"{record.run}  {owner}")
        shown = docker(
            "ps", "--all", "--filter", f"label={RUN_LABEL}={record.run}", "--format", "  {{.Names}}  {{.Status}}"
        )
        say(shown.stdout.rstrip())
    return 0


def clean(_options: argparse.Namespace) -> int:
    """Remove the labs whose process is gone."""
    for run in reap():
        say(f"lab {run} is gone")
    return 0


def execute(options: argparse.Namespace) -> int:
    """Run a command in a host, on this terminal."""
    container = Lab.attach(options.run).container(options.host)
    terminal = ["--tty"] if sys.stdin.isatty() else []
    command = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    return subprocess.run(
        ["docker", "exec", "--interactive", *terminal, container, *(command or ["bash"])], check=False
    ).returncode


_COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "up": up,
    "down": down,
    "status": status,
    "reap": clean,
    "exec": execute,
}


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, action in _COMMANDS.items():
        command = commands.add_parser(name, help=action.__doc__)
        if name in {"down", "exec"}:
            command.add_argument("--run", help="id of the lab, where there are several")
        if name == "exec":
            command.add_argument("host", choices=HOSTS)
            command.add_argument("argv", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        return _COMMANDS[options.command](options)
    except LabError as error:
        say(f"{error}", sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
