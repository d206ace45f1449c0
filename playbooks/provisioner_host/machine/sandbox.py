"""The one way in which a program that is not ours, or that reads what is not ours, is run on a host.

A transient unit of systemd, as a user of its own that owns nothing: no capabilities, no new privileges, few
system calls, no file of ours, no other process. Where the kernel has no cgroup v2, or no BPF in it, the limits
of memory and tasks are the processes' own, and which addresses they may reach is the firewall's matter alone.
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
    """Why nothing can be confined on this host; empty where it can."""
    try:
        pwd.getpwnam(paths.PROBE_USER)
    except KeyError:
        return f"this host has no user {paths.PROBE_USER} yet: provisioner apply makes it"
    return ""


def confined(
    argv: Sequence[str], name: str, limits: Iterable[str], environment: Mapping[str, str] | None = None
) -> list[str]:
    """The command that runs a program confined, with our standard streams as its own, and ends as it ends.

    Args:
        argv: the program by its path, and its arguments: they hold no secret.
        name: what it is for, in the unit's name.
        limits: unit settings on top: addresses, files, memory, time.
        environment: variables that it gets.
    """
    settings = [f"--property={setting}" for setting in (*_LIMITS, *limits)]
    variables = [f"--setenv={key}={value}" for key, value in (environment or {}).items()]
    unit = f"--unit={paths.OURS}-{name}-{os.getpid()}-{os.urandom(4).hex()}"
    how = ["--pipe", "--wait", "--collect", "--quiet", "--no-ask-password", "--service-type=exec", unit]
    return ["systemd-run", *how, *settings, *variables, "--", *argv]


def not_started(said: str) -> str:
    """Why a confined program was never started, from what systemd-run said; empty where it was."""
    line = next((line.strip() for line in said.splitlines() if line.startswith(_NOT_STARTED)), "")
    if line and units.selinux() == "enforcing":
        return f"{line}; SELinux decides on this host: ausearch -m avc -ts recent says what it refused"
    return line


def end(command: Sequence[str]) -> None:
    """End the unit of a confined command: who waits for it may be killed, and it goes on."""
    unit = next(word.removeprefix("--unit=") for word in command if word.startswith("--unit="))
    run(["systemctl", "kill", "--signal=KILL", f"{unit}.service"], check=False)
