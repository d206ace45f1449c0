"""The systemd units of an inventory's night, without any secret. Pure."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_STATE: Final = "/var/lib/provisioner"
_CACHE: Final = "/var/cache"
_VAULT: Final = PurePosixPath("/etc/provisioner/vault-password")
_KEY: Final = PurePosixPath("/etc/provisioner/ssh-key")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_AT_HOME: Final = ("/home", "/root", "/run/user")
_OWN: Final = ("/tmp", "/var/tmp")  # noqa: S108 (the service has its own)
_WRITES: Final = """\
# Its metrics; where the folder is missing the night says so.
ReadWritePaths={folder}
"""

_SERVICE: Final = """\
# {file}
# Written by `provisioner nightly --print-units service`.
[Unit]
Description=Night of the inventory {inventory}: verify, drift, report, notify
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
ExecStart={words}
# 1 and 10 say that something is down or drifted: the night itself did its work.
SuccessExitStatus=1 10
TimeoutStartSec=8h
LoadCredential=vault-password:{vault}
LoadCredential=ssh-key:{key}
Environment=ANSIBLE_VAULT_PASSWORD_FILE=%d/vault-password
Environment=PROVISIONER_SSH_KEY=%d/ssh-key
Environment=PROVISIONER_STATE={state}
Environment=XDG_CACHE_HOME={cache}
StateDirectory=provisioner
StateDirectoryMode=0700
CacheDirectory=provisioner
CacheDirectoryMode=0700
UMask=0027
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
{writes}"""
_TIMER: Final = """\
# {file}
# Written by `provisioner nightly --print-units timer`.
[Unit]
Description=Every night: the inventory {inventory}

[Timer]
OnCalendar=*-*-* {time}:00 Asia/Ho_Chi_Minh
# A night that was missed, since the machine was off, is made up for.
Persistent=true
# Inventories of one machine do not begin in the same second; each begins at the same time every night.
RandomizedDelaySec=15min
FixedRandomDelay=true
AccuracySec=1min
Unit={service}

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True, slots=True)
class NightUnits:
    """The input of one inventory's units."""

    inventory: str
    folder: PurePosixPath
    program: PurePosixPath  #: The path of `provisioner`.
    user: str = "provisioner"
    time: str = "01:30"  #: In Vietnam, e.g. `01:30`.
    vault: PurePosixPath = _VAULT  #: The file with the vault's password, readable by root alone.
    key: PurePosixPath = _KEY  #: The file with the SSH key, likewise.
    metrics: PurePosixPath | None = None  #: The file of metrics that the night writes, if any.
    publish: PurePosixPath | None = None  #: The settings of reports to the ministry, if any.

    def __post_init__(self) -> None:
        if not _USER.fullmatch(self.user):
            raise ValueError(f"{self.user!r} is no name of a user")
        if not _TIME.fullmatch(self.time):
            raise ValueError(f"{self.time!r} is no time of day: write HH:MM, in Vietnam's time")
        for path in (self.folder, self.program, self.vault, self.key, *self._read, *self._written):
            if not path.is_absolute() or not str(path).isprintable():
                raise ValueError(f"{str(path)!r} is no absolute path that a unit can hold")
        if any(path.is_relative_to(private) for path in self._written for private in _OWN):
            raise ValueError(f"{str(self.metrics)!r} is a path of the service alone, where no exporter sees a file")

    @property
    def _read(self) -> tuple[PurePosixPath, ...]:
        return () if self.publish is None else (self.publish,)

    @property
    def _written(self) -> tuple[PurePosixPath, ...]:
        return () if self.metrics is None else (self.metrics,)

    @property
    def name(self) -> str:
        """The units' name, without suffix."""
        return f"provisioner-nightly-{self.inventory}"

    @property
    def service(self) -> str:
        """The text of the service."""
        arguments = ["-i", str(self.folder), "nightly", "--report", f"{_STATE}/reports/{self.inventory}"]
        arguments += [argument for file in self._written for argument in ("--metrics", str(file))]
        arguments += ["--publish", str(self.publish)] if self.publish else []
        places = (self.folder, self.program, *self._read, *self._written)
        is_at_home = any(path.is_relative_to(home) for path in places for home in _AT_HOME)
        return _SERVICE.format(
            file=f"/etc/systemd/system/{self.name}.service",
            inventory=self.inventory,
            user=self.user,
            words=" ".join([unit_word(str(self.program)), *map(unit_word, arguments)]),
            vault=_specifier_free(str(self.vault)),
            key=_specifier_free(str(self.key)),
            state=_STATE,
            cache=_CACHE,
            home="read-only" if is_at_home else "yes",
            writes="".join(_WRITES.format(folder=_quoted_word(f"-{file.parent}")) for file in self._written),
        )

    @property
    def timer(self) -> str:
        """The text of the timer."""
        file, service = f"/etc/systemd/system/{self.name}.timer", f"{self.name}.service"
        return _TIMER.format(file=file, inventory=self.inventory, time=self.time, service=service)


def unit_word(text: str) -> str:
    """Quote a word of a command, without specifiers and variables."""
    return _quoted_word(text.replace("$", "$$"))


def _quoted_word(text: str) -> str:
    plain = _specifier_free(text)
    if re.fullmatch(r"[A-Za-z0-9/_.,:=%+@$-]+", plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _specifier_free(text: str) -> str:
    return text.replace("%", "%%")
