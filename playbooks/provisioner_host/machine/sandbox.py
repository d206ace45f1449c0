"""The sandbox for foreign programs and for our parsers of foreign data.

It is a transient systemd unit with its own user: no capabilities, no new privileges, few system calls, no access to
our files or other processes. If the kernel lacks cgroup v2 or its BPF support, memory and task limits are per
process, and only the firewall restricts addresses.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping, Sequence

from provisioner_host.machine import paths, units
from provisioner_host.machine.shell import run

_LIMITS = (
    f"User={paths.PROBE_USER}",
    f"Group={paths.PROBE_USER}",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    # What lies there belongs to others: our keys and states, sockets of services, files of people.
    "TemporaryFileSystem=/run:ro",
    # Without /proc nobody looks into another program of the same user, who may hold a login.
    "InaccessiblePaths=-/proc",
    f"InaccessiblePaths=-{paths.ETC} -/etc/ssh -{paths.STATE} -/var/log -/tmp -/var/tmp -/dev/shm",
    "InaccessiblePaths=-/boot -/media -/mnt -/opt -/srv",
    "LimitCORE=0",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "MemorySwapMax=0",
    "PrivateDevices=yes",
    "PrivateIPC=yes",
    "PrivateMounts=yes",
    "RemoveIPC=yes",
    "ProcSubset=pid",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
    # What io_uring does, no filter of system calls sees.
    "SystemCallFilter=~@privileged @resources @keyring @aio process_vm_readv process_vm_writev pidfd_getfd kcmp",
    "SystemCallFilter=~userfaultfd",
    "UMask=0077",
)

_NOT_STARTED = "Failed to start transient service unit"


def refusal() -> str:
    """Return why this host cannot confine programs, or an empty string."""
    try:
        pwd.getpwnam(paths.PROBE_USER)
    except KeyError:
        return f"this host has no user {paths.PROBE_USER} yet: provisioner apply makes it"
    return ""


def confined(
    argv: Sequence[str], name: str, limits: Iterable[str], environment: Mapping[str, str] | None = None
) -> list[str]:
    """Return the command that runs a program confined.

    The program has our standard streams, and the command ends with the program. `argv` must have no secret; `name` is
    part of the unit's name; `limits` are more unit settings.
    """
    settings = [f"--property={setting}" for setting in (*_LIMITS, *limits)]
    variables = [f"--setenv={key}={value}" for key, value in (environment or {}).items()]
    unit = f"--unit={paths.OURS}-{name}-{os.getpid()}-{os.urandom(4).hex()}"
    how = ["--pipe", "--wait", "--collect", "--quiet", "--no-ask-password", "--service-type=exec", unit]
    return ["systemd-run", *how, *settings, *variables, "--", *argv]


def not_started(output: str) -> str:
    """Return systemd-run's reason for a failed start, or an empty string."""
    line = next((line.strip() for line in output.splitlines() if line.startswith(_NOT_STARTED)), "")
    if line and units.selinux() == "enforcing":
        return f"{line}; SELinux decides on this host: ausearch -m avc -ts recent says what it refused"
    return line


def end(command: Sequence[str]) -> None:
    """Kill the unit of a confined command; it outlives its caller."""
    unit = next(argument.removeprefix("--unit=") for argument in command if argument.startswith("--unit="))
    run(["systemctl", "kill", "--signal=KILL", f"{unit}.service"], check=False)
