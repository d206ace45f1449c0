"""A bare host in a folder: the real script for its shell runs there, on programs that stand in for a system's.

What a program of a system would do to the machine it does below the folder. So the script is tried as it is, by the
machine's own POSIX shell, with no right and no host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from provisioner.hosts.ansible.play import answer_in, answer_of
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall

PEER: Final = "198.51.100.5"
# What the script itself is written in; all of it is there on any system that boots.
_TOOLS: Final = (
    *("cat", "chmod", "cut", "flock", "grep", "head", "mkdir", "mktemp", "mv", "od", "rm", "sed", "tail", "touch"),
    *("tr", "sh"),
)
_PROGRAMS_OF: Final = {
    "nftables": ["nft"],
    "wireguard-tools": ["wg"],
    "iproute2": ["ip", "ss"],
    "iproute": ["ip", "ss"],
    "ffmpeg": ["ffmpeg"],
    "systemd": ["systemd-run"],
    "sudo": ["sudo", "visudo"],
    "wireguard-go": ["wireguard-go"],
    "python3": ["python3"],
    "dbus": ["dbus-daemon"],
}
_MARK: Final = "\nPROVISIONER-ANSWER "
_FAKES: Final = {
    "getent": 'grep "^$2:" "$ROOT/etc/passwd"',
    "uname": 'cat "$ROOT/arch"',
    "id": 'case $1 in -u) echo 0 ;; *) echo "$AS_USER" ;; esac',
    "dpkg": 'echo "dpkg $*" >> "$ROOT/done"; case $1 in --audit) cat "$ROOT/half" ;; *) : > "$ROOT/half" ;; esac',
    "runuser": 'shift 3; exec "$@"',
    "sshd": 'cat "$ROOT/sshd"',
    "systemctl": """
case $1 in is-active) exit 3 ;; esac
echo "systemctl $*" >> "$ROOT/done"
touch "$ROOT/run/dbus/system_bus_socket"
""",
    "useradd": """
for user; do :; done
echo "useradd $*" >> "$ROOT/done"
mkdir -p "$ROOT/home/$user"
echo "$user:x:1000:1000::$ROOT/home/$user:/bin/sh" >> "$ROOT/etc/passwd"
""",
    "apt-get": """
echo "apt-get $*" >> "$ROOT/done"
case " $* " in *" update "*) exit 0 ;; esac
if [ -s "$ROOT/half" ]; then echo 'E: dpkg was interrupted'; exit 100; fi
if [ -e "$ROOT/complaint" ]; then cat "$ROOT/complaint"; exit 100; fi
for package; do [ ! -d "$ROOT/packages/$package" ] || cp -R "$ROOT/packages/$package/." "$ROOT/"; done
""",
    "dnf": """
echo "dnf $*" >> "$ROOT/done"
for package; do [ ! -d "$ROOT/packages/$package" ] || cp -R "$ROOT/packages/$package/." "$ROOT/"; done
""",
}
_OF_PACKAGES: Final = {
    "visudo": 'case $(cat "$2") in *BAD*) echo "syntax error" >&2; exit 1 ;; esac',
    "sudo": """
allowed() { cat "$ROOT"/etc/sudoers.d/* 2>/dev/null | sed -n "s/^$1 ALL=\\((.*\\)/    \\1/p"; }
case $* in
  "-n -l -U "*) allowed "$4" ;;
  "-n true") allowed "$AS_USER" | grep -q 'NOPASSWD: ALL$' ;;
  "-n -l "*) allowed "$AS_USER" | grep -q -e 'NOPASSWD: ALL$' -e 'provisioner-host prove' ;;
esac
""",
    "python3": "echo 3.11",
    "ffmpeg": "printf ' VFS..D h264    x\\n VFS..D hevc    x\\n'",
}
_SSHD: Final = (
    "port 22\npubkeyauthentication yes\npasswordauthentication no\nkbdinteractiveauthentication no\n"
    "authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\nusedns no\n"
)


@dataclass
class BareMachine:
    """A host.

    Attributes:
        root: its folder.
        logins: who is logged in beside users with a key among theirs.
        keys: the keys that the machine which calls has.
        scripts: the scripts that it was fed, each with as whom.
        moves: what happens there after a script was fed so often, by how often.
    """

    root: Path
    logins: set[str] = field(default_factory=lambda: {"root"})
    keys: set[str] = field(default_factory=set)
    scripts: list[tuple[str, str]] = field(default_factory=list)
    reply: str | None = None

    @classmethod
    def debian(cls, root: Path, *, has: tuple[str, ...] = ()) -> BareMachine:
        """A bare Debian with some packages."""
        machine = cls(root)
        for folder in ("etc/ssh", "run/systemd/system", "run/dbus", "tmp", "bin", "usr/bin", "packages", "home"):
            (root / folder).mkdir(parents=True)
        machine.write("etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
        machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        machine.write("arch", "x86_64\n")
        machine.write("half", "")
        machine.write("sshd", _SSHD)
        for name in _TOOLS:
            found = shutil.which(name)
            assert found is not None
            (root / "bin" / name).symlink_to(found)
        (root / "bin" / "cp").symlink_to(str(shutil.which("cp")))
        for name, text in _FAKES.items():
            machine.program(root / "bin" / name, text)
        for package, programs in _PROGRAMS_OF.items():
            for name in programs:
                machine.program(root / "packages" / package / "bin" / name, _OF_PACKAGES.get(name, ":"))
                if name in {"sudo", "python3"}:
                    machine.program(root / "packages" / package / "usr/bin" / name, _OF_PACKAGES[name])
        machine.install(*has)
        return machine

    @classmethod
    def whole(cls, root: Path) -> BareMachine:
        """A Debian with all packages."""
        machine = cls.debian(root, has=tuple(_PROGRAMS_OF))
        machine.write("run/dbus/system_bus_socket", "")
        return machine

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        """What a file holds; nothing where there is none."""
        return (self.root / path).read_text(encoding="utf-8") if (self.root / path).exists() else ""

    def program(self, path: Path, text: str) -> None:
        """Put a program there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def install(self, *packages: str) -> None:
        """Install packages, as the system's own program would."""
        for package in packages:
            shutil.copytree(self.root / "packages" / package, self.root, dirs_exist_ok=True)

    def files(self) -> dict[str, str]:
        """All that lies there, but for what counts the calls."""
        return {
            str(path.relative_to(self.root)): path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name != "done" and path.parent.name != "bin"
        }

    @property
    def done(self) -> list[str]:
        """What changed it, in order."""
        return self.read("done").splitlines()

    # --- as a carrier of calls sees it --------------------------------------------------------------
    def read_script(self, call: HostCall) -> HostAnswer:
        """Let a login's shell read a script."""
        assert call.script is not None
        user = call.spec.ssh.user
        if not self._lets_in(user):
            return answer_of(call.spec.id, {"kind": "unreachable", "error": "Permission denied (publickey)."})
        self.scripts.append((user, call.script.text))
        if self.reply is not None:
            return answer_in(call.spec.id, self.reply.encode())
        if call.script.as_root and user != "root" and not self._is_allowed(user):
            return HostAnswer(call.spec.id, CallOutcome.FAILED, error="sudo: a password is required")
        return answer_in(call.spec.id, self.run(call.script.text, user).encode())

    def run(self, text: str, user: str = "root") -> str:
        """What a script answers."""
        text = text.replace("root=''\n", f"root={self.root}\n", 1)
        text = text.replace("PATH=/usr/sbin:/usr/bin:/sbin:/bin\n", f"PATH={self.root}/bin\n", 1)
        done = subprocess.run(
            ["/bin/sh", "-s", "--", f"{PEER} 50000 203.0.113.11 22"],
            input=text,
            env={"ROOT": str(self.root), "AS_USER": user, "PATH": f"{self.root}/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        assert _MARK in done.stdout, (done.stdout, done.stderr)
        return done.stdout.rpartition(_MARK)[2].strip()

    def _lets_in(self, user: str) -> bool:
        kept = self.read(f"home/{user}/.ssh/authorized_keys").splitlines()
        return user in self.logins or any(key in kept for key in self.keys)

    def _is_allowed(self, user: str) -> bool:
        rules = (path.read_text(encoding="utf-8") for path in (self.root / "etc/sudoers.d").glob("*"))
        return os.access(self.root / "usr/bin/sudo", os.X_OK) and any(
            f"{user} ALL=" in x and x.strip().endswith("ALL") for x in rules
        )
