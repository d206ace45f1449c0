"""A bare host made ready on real systems: what it lacks is installed, and all else goes by the user it was given."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from .__main__ import say
from .engine import Engine
from .lab import Lab
from .patience import stretched
from .topology import CENTRE, RELAYS, SSH_USER, Network

RELAY: Final = RELAYS[0].name
USER: Final = "provisioning"
# A root whom a key lets in, as an installer leaves it; the lab's own user goes, and what it may do.
_LET_ROOT_IN: Final = f"""set -e
install -d -m 0700 /root/.ssh
cp /home/{SSH_USER}/.ssh/authorized_keys /root/.ssh/authorized_keys
chown root:root /root/.ssh/authorized_keys
sed -i 's/^PermitRootLogin .*/PermitRootLogin prohibit-password/' /etc/ssh/sshd_config.d/lab.conf
systemctl reload ssh
rm /etc/sudoers.d/{SSH_USER}
userdel --remove {SSH_USER} 2>/dev/null
"""
# Python goes last: what removes packages runs scripts of it.
_PURGE: Final = (
    "SUDO_FORCE_REMOVE=yes DEBIAN_FRONTEND=noninteractive apt-get -y -q purge --autoremove"
    " sudo nftables wireguard-tools dbus python3 python3-minimal python3.11 python3.11-minimal"
)
LACKING: Final = {"dbus", "nftables", "python3", "sudo", "wireguard-tools"}
_INSTALLED: Final = "dpkg-query -W -f '${Package}\\n' | sort"
_REPOSITORY: Final = "/srv/packages"


class Desk:
    """Somebody who calls the program, by an inventory that `init` has made.

    Attributes:
        transcript: all that was printed.
    """

    def __init__(self, lab: Lab, engine: Engine, home: Path) -> None:
        self.home = home
        self.transcript: list[str] = []
        (home / "run").mkdir(mode=0o700)
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}},
            "HOME": str(home),
            "PROVISIONER_ARTEFACTS": str(engine.path.resolve().parent),
            "PROVISIONER_SSH_KEY": str(lab.ssh_key),
            "XDG_RUNTIME_DIR": str(home / "run"),
        }

    def __call__(self, *words: str, code: int = 0, timeout_s: float = 600) -> str:
        """Call it: what it printed."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("provisioner")), *words],
            cwd=self.home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=stretched(timeout_s),
            check=False,
        )
        self.transcript.append(done.stdout + done.stderr)
        assert done.returncode == code, f"provisioner {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def document(self, *words: str, code: int = 0) -> Any:
        """Call it for its document."""
        return json.loads(self("--output", "json", *words, code=code))


def shell(lab: Lab, host: str, script: str, *, timeout: float = 240) -> str:
    return lab.exec(host, ["sh", "-c", script], timeout=timeout).stdout


def packages_of(lab: Lab, host: str) -> set[str]:
    return set(shell(lab, host, _INSTALLED).split())


def downloaded(names: Iterable[str], folder: Path) -> list[Path]:
    """Packages of this machine's own Debian; none where they cannot be had."""
    folder.mkdir()
    words = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=stretched(240), check=False)
    if done.returncode:
        say(f"prepare: no packages can be had here: {done.stderr.strip()[-300:]}")
        return []
    return sorted(folder.glob("*.deb"))


def as_a_source(lab: Lab, host: str, files: Iterable[Path], folder: Path) -> None:
    """Let a host have packages, and no other ones, from a folder of its own."""
    index = []
    for file in files:
        fields = subprocess.run(["dpkg-deb", "-f", str(file)], capture_output=True, text=True, check=True).stdout
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        index.append(f"{fields.strip()}\nFilename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(index), encoding="utf-8")
    lab.copy_in(host, folder, _REPOSITORY)
    source = f"deb [trusted=yes] file:{_REPOSITORY} ./"
    shell(lab, host, f"rm -rf /etc/apt/sources.list.d/*; echo '{source}' > /etc/apt/sources.list; chmod -R a+rX /srv")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[Lab, Path]]:
    """A lab of its own, and an empty home."""
    with Lab.start() as lab:
        yield lab, tmp_path


def made_bare(lab: Lab, folder: Path) -> set[str]:
    """Leave of a relay what an installer leaves: the packages that went, as far as they can be had again."""
    before = packages_of(lab, RELAY)
    shell(lab, RELAY, f"{_PURGE} -s >/dev/null")
    simulated = shell(lab, RELAY, f"{_PURGE} -s | sed -n 's/^Purg \\([^ ]*\\).*/\\1/p'").split()
    files = downloaded(simulated, folder)
    if files:
        shell(lab, RELAY, _PURGE)
        as_a_source(lab, RELAY, files, folder)
    return before - packages_of(lab, RELAY)


@pytest.mark.lab
@pytest.mark.soak
def test_a_bare_relay_is_made_ready_and_planned_and_applied_by_its_own_user(
    bare: tuple[Lab, Path], engine: Engine
) -> None:
    lab, home = bare
    desk = Desk(lab, engine, home)
    gone = made_bare(lab, home / "packages")
    if gone:
        assert gone >= LACKING
        assert lab.exec(RELAY, ["/usr/bin/python3", "--version"], check=False).returncode != 0
    for host in (RELAY, CENTRE.name):
        shell(lab, host, _LET_ROOT_IN)
    begin(desk, lab, engine)
    looked = desk.document("hosts", "prepare", RELAY, "--user", "root", "--dry-run")
    say(f"prepare: it lacks {', '.join(looked['packages']) or 'no package'}")
    assert set(looked["packages"]) == (LACKING if gone else set())
    assert [one["thing"] for one in looked["steps"] if one["after"]][-3:] == ["user", "key", "sudo"]
    assert lab.exec(RELAY, ["id", USER], check=False).returncode != 0, "looking changes nothing"

    begun = time.monotonic()
    said = desk("hosts", "prepare", RELAY, "--user", "root", "--yes")
    say(f"prepare: made ready in {time.monotonic() - begun:.1f} s")
    assert f"{RELAY} is ready: {USER} was logged in from here" in said
    assert said.splitlines()[-1] == "next: provisioner keys init --allow trust=2"
    desk("hosts", "prepare", CENTRE.name, "--user", "root", "--yes")
    as_it_should_be(lab, gone)
    again = desk.document("hosts", "prepare", RELAY)
    assert (again["ready"], again["changed"], again["notes"]) == (True, False, [])

    desk("keys", "init", "--allow", "trust=2")
    said = desk("hosts", "prepare", RELAY, "--yes")
    assert said.splitlines()[-1] == "next: provisioner plan"
    rule = shell(lab, RELAY, f"sudo -n -l -U {USER}")
    assert "provisioner-host prove" in rule
    assert "NOPASSWD: ALL" not in rule
    assert desk.document("hosts", "prepare", RELAY)["ready"], "also where its user may do no more than call the program"
    assert desk.document("apply", "--yes", "--allow", "trust=2")["outcome"] == "applied"
    assert desk.document("plan")["summary"]["create"] == 0
    assert desk.document("hosts", "prepare", RELAY, "--user", "root")["ready"], "our rules let root in as before"
    key = lab.ssh_key.read_text(encoding="ascii").splitlines()[1]
    assert key not in "".join(desk.transcript) + shell(lab, RELAY, "journalctl --no-pager | tail -n 2000")
    another_inventorys(desk, lab)


def begin(desk: Desk, lab: Lab, engine: Engine) -> None:
    """Write the inventory."""
    places: Mapping[str, str] = {name: f"{name}@{lab.address(name, Network.WAN)}" for name in (CENTRE.name, RELAY)}
    keys = [word for name in places for word in ("--host-key", f"{name}={lab.host_key(name)}")]
    program = ["--mediamtx-source", f"file:{engine.path.resolve()}", "--mediamtx-sha256", f"amd64={engine.sha256}"]
    words = ["--carrier", "viettel=Viettel", "--province", "bac-ninh", "--source", "Annex 1", "--user", USER]
    words += ["--management", str(lab.subnet(Network.WAN)), "--centre", places[CENTRE.name], "--relay", places[RELAY]]
    said = desk("init", "first", *words, *keys, *program)
    assert "hosts prepare HOST --user root" in said


def as_it_should_be(lab: Lab, gone: set[str]) -> None:
    """What is there now, as the host's own programs say it."""
    if gone:
        assert packages_of(lab, RELAY) >= LACKING
        assert shell(lab, RELAY, "dpkg --audit") == "", "nothing is left half installed"
    home = shell(lab, RELAY, f"stat -c '%a %U:%G' /home/{USER}/.ssh /home/{USER}/.ssh/authorized_keys").splitlines()
    assert home == [f"700 {USER}:{USER}", f"600 {USER}:{USER}"]
    assert shell(lab, RELAY, f"getent shadow {USER} | cut -d: -f2").strip() == "*"
    assert shell(lab, RELAY, "stat -c '%a %U' /etc/sudoers.d/provisioner").strip() == "440 root"
    assert "parsed OK" in shell(lab, RELAY, "visudo -c")
    assert shell(lab, RELAY, "ls /tmp /run | grep -c provisioner-prepare || true").strip() == "0"


def another_inventorys(desk: Desk, lab: Lab) -> None:
    """One that somebody else manages is left alone, whoever asks."""
    before = shell(lab, RELAY, "find /etc -xdev -type f -exec sha256sum {} + | sort -k2")
    mark = {"inventory": "other", "key": "0" * 32, "at": "2021-05-20T01:30:00Z"}
    owner = "/var/lib/provisioner/owner.json"
    shell(lab, RELAY, f"cp -p {owner} /root/owner; echo '{json.dumps(mark)}' > {owner}; rm /etc/sudoers.d/provisioner")
    without = before.replace(
        next(line for line in before.splitlines(keepends=True) if "sudoers.d/provisioner" in line), ""
    )
    desk("hosts", "prepare", RELAY, "--user", "root", "--yes", code=6)
    assert shell(lab, RELAY, "find /etc -xdev -type f -exec sha256sum {} + | sort -k2") == without
    shell(lab, RELAY, f"mv /root/owner {owner}")
