"""The first hour, on hosts on which nothing of ours is: from an empty folder to a picture at the centre.

The commands are those of docs/start/first-inventory.md, typed at a terminal, each as the one before it told.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pexpect  # type: ignore[import-untyped]  # it comes with ansible-runner, without types
import pytest

from provisioner.base.ssh_signature import fingerprint_of

from .__main__ import say
from .engine import Engine
from .lab import Lab
from .patience import stretched
from .topology import CENTRE, GATEWAYS, RELAYS, SSH_USER, Network, StreamKind, place

RELAY: Final = RELAYS[0].name
CAMERA: Final = place("kcl-bg-001/cam-01")
FACILITY: Final = "kcl-bn-001"
NEXT: Final = "kcl-bn-002"
NEXT_SITE: Final = next(gateway for gateway in GATEWAYS if gateway.name == "gw-3")
MOST_COMMANDS: Final = 7
MOST_COMMANDS_OF_THE_NEXT: Final = 3
MOST_MINUTES: Final = 15
Answers = Mapping[str, str | Callable[[], str]]  #: By a part of a question, the answer, or who gives it.
_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Desk:
    """A person at a terminal, who types commands and answers what they ask.

    Attributes:
        typed: the commands.
        screen: all that was printed.
    """

    def __init__(self, lab: Lab, engine: Engine, home: Path) -> None:
        self.home = home
        self.typed: list[list[str]] = []
        self.screen: list[str] = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}},
            "HOME": str(home),
            "TERM": "xterm",
            "PROVISIONER_ARTEFACTS": str(engine.path.resolve().parent),
            "PROVISIONER_SSH_KEY": str(lab.ssh_key),
        }
        (home / "run").mkdir(mode=0o700)
        self._environment["XDG_RUNTIME_DIR"] = str(home / "run")

    @property
    def told(self) -> list[str]:
        """The next command, as the last line of the last one names it."""
        lines = [line for line in self.screen[-1].splitlines() if line.strip()]
        return lines[-1].partition("provisioner ")[2].split()

    def types(self, words: list[str], answers: Answers, *, minutes: float = 4) -> str:
        """Type a command, and what it asks for; give what it printed.

        Args:
            words: the command.
            answers: by a part of a question, the answer, or what somebody else does for it.
            minutes: how long it may take.
        """
        self.typed.append(words)
        program = str(Path(sys.executable).with_name("provisioner"))
        child: Any = pexpect.spawn(
            program, words, cwd=str(self.home), env=self._environment, encoding="utf-8", dimensions=(50, 160)
        )
        child.delaybeforesend = None
        ends = [re.escape(question) + r"[^\n]*$" for question in answers]
        printed = ""
        while (came := child.expect([pexpect.EOF, *ends], timeout=stretched(60 * minutes))) != 0:
            printed += child.before + child.after
            answer = list(answers.values())[came - 1]
            child.sendline(answer() if callable(answer) else answer)
        child.close()
        printed = _COLOURS.sub("", printed + child.before).replace("\r\n", "\n")
        self.screen.append(printed)
        assert child.exitstatus == 0, f"provisioner {' '.join(words)} ended with {child.exitstatus}:\n{printed}"
        return printed


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[Lab, Path]]:
    """A lab of its own, on whose hosts nothing of ours is, and an empty home."""
    with Lab.start() as lab:
        yield lab, tmp_path


@pytest.mark.soak
def test_from_an_empty_folder_to_the_first_picture(bare: tuple[Lab, Path], engine: Engine) -> None:
    lab, home = bare
    desk, begun = Desk(lab, engine, home), time.monotonic()
    password = lab.camera(CAMERA.id).password
    for host in (RELAY, CENTRE.name):
        there = lab.exec(host, ["sh", "-c", "ls -d /etc/provisioner /usr/local/lib/provisioner 2>/dev/null || true"])
        assert there.stdout == "", "nothing of ours is on it"
    place_of = {name: f"{name}@{lab.address(name, Network.WAN)}" for name in (CENTRE.name, RELAY)}
    program = ["--mediamtx-source", f"file:{engine.path.resolve()}", "--mediamtx-sha256", f"amd64={engine.sha256}"]
    compared = {name: lab.host_key(name) for name in place_of}
    answers = {
        "The first carrier": "viettel=Viettel",
        "The first province": "bac-ninh",
        "Who logs in": SSH_USER,
        "The monitoring centre": place_of[CENTRE.name],
        "The first relay": place_of[RELAY],
        "From where SSH": str(lab.subnet(Network.WAN)),
        "Is that its own?": "y",
    }
    out = desk.types(["init", "first", "--source", "Annex 1", *program], answers)
    for name, key in compared.items():
        assert f"{name} ({lab.address(name, Network.WAN)}:22) shows ssh-ed25519 {fingerprint_of(key)}" in out
    desk.types(desk.told, {})
    building = {"The building's name": "Trường A", "The building's normal use": "school", "Who runs it": "ubnd_tinh"}
    desk.types(["facility", "add", "--province", "bac-ninh"], building)
    device = ["--zone", "san", "--address", str(CAMERA.device.address.ip), "--make", CAMERA.device.make.value]
    stream = CAMERA.camera.stream(StreamKind.SUB)
    desk.types(["camera", "add", FACILITY, *device, "--sub", f"{stream.width}x{stream.height}"], {})
    # The router here has its site behind another interface than those that are sold for it.
    desk.types(["facility", "plan", FACILITY, "--lan-interface", CAMERA.gateway.bridge], {})
    packages = home / "packages"
    known: Answers = {
        "Run it now?": "y",
        "SOURCE: the minutes": "01/BB",
        "NAME: the user": CAMERA.device.user,
        "The password": password,
        "The same again": password,
        "DIR: a new folder": str(packages),
        "KEY: what the package": lambda: lab.install_site_package(CAMERA.gateway.name, packages / FACILITY),
        "Apply this plan?": "y",
    }
    assert desk.told == ["facility", "next", FACILITY]
    desk.types(desk.told, known, minutes=8)
    minutes = (time.monotonic() - begun) / 60
    assert "the path is up" in desk.screen[-1]
    assert password not in "".join(desk.screen)
    say(f"first hour: {len(desk.typed)} commands, 0 edits by hand, {minutes:.1f} minutes")
    assert len(desk.typed) <= MOST_COMMANDS
    assert minutes <= MOST_MINUTES
    a_days_work(lab, desk)
    a_site_from_a_sheet(lab, desk)


def a_days_work(lab: Lab, desk: Desk) -> None:
    """A camera's password changes, as docs/daily/daily-work.md has it: on the device, in the vault, on the relay."""
    begun, before = time.monotonic(), len(desk.typed)
    changed = "another-canary-password"
    lab.camera(CAMERA.id).change_password(changed)
    typed = {"The password": changed, "The same again": changed}
    desk.types(["secrets", "set", f"{FACILITY}/cam-01", "--username", CAMERA.device.user], typed)
    planned = desk.types(["plan", "--limit", f"facility={FACILITY}", "--out", "plan.json"], {})
    assert f"path bac-ninh/{FACILITY}/cam-01/sub on {RELAY}" in planned
    desk.types(["apply", "plan.json"], {})
    desk.types(["verify"], {})
    minutes = (time.monotonic() - begun) / 60
    assert "the path is up" in desk.screen[-1]
    assert changed not in "".join(desk.screen)
    say(f"a day's work: {len(desk.typed) - before} commands, 0 edits by hand, {minutes:.1f} minutes")


def a_site_from_a_sheet(lab: Lab, desk: Desk) -> None:
    """A site comes as a province's sheets, and its devices' logins as a list, as docs/daily/facilities.md has it."""
    begun, before = time.monotonic(), len(desk.typed)
    name, packages, logins = "Trường B", desk.home / "more-packages", desk.home / "logins.csv"
    sites = ["Mã cơ sở;Tỉnh;Xã;Tên cơ sở;Loại cơ sở;Cơ quan quản lý;Tình trạng"]
    sites.append(f"{NEXT};Bắc Ninh;Xã Hai;{name};Trường học;UBND tỉnh;Đang hoạt động")
    cameras, secret = (
        ["Mã cơ sở;Mã camera;Khu vực;Hãng;Địa chỉ IP LAN;Độ phân giải luồng phụ"],
        ["device,username,password"],
    )
    for device in NEXT_SITE.devices:
        size = device.cameras[0].stream(StreamKind.SUB)
        address, password = device.address.ip, lab.camera(f"{NEXT_SITE.facility}/{device.id}").password
        cameras.append(f"{NEXT};{device.id};Sân;{device.make.value};{address};{size.width}x{size.height}")
        secret.append(f"{NEXT}/{device.id},{device.user},{password}")
    for file, lines in {"sites.csv": sites, "cameras.csv": cameras, logins.name: secret}.items():
        (desk.home / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    desk.types(["import", "sites.csv", "cameras.csv", "--write", "--language", "en"], {})
    assert desk.told == ["facility", "next", NEXT]
    desk.types(["facility", "plan", NEXT, "--lan-interface", NEXT_SITE.bridge], {})
    answers: Answers = {
        "Run it now?": "y",
        "SOURCE: the minutes": "02/BB",
        "NAME: the user": str(logins),
        "DIR: a new folder": str(packages),
        "KEY: what the package": lambda: lab.install_site_package(NEXT_SITE.name, packages / NEXT),
        "Apply this plan?": "y",
    }
    desk.types(desk.told, answers, minutes=8)
    minutes = (time.monotonic() - begun) / 60
    assert f"{len(NEXT_SITE.devices)} paths are up" in desk.screen[-1].replace("all ", "")
    assert len(desk.typed) - before <= MOST_COMMANDS_OF_THE_NEXT
    say(f"a site from a sheet: {len(desk.typed) - before} commands, 0 edits by hand, {minutes:.1f} minutes")
