"""Debian as an installer leaves it: made ready by our own script, and our program and rules tried on what is there."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from provisioner.desired.render.templates import load_templates
from provisioner.hosts.answers import read, wire
from provisioner.hosts.bare_host import BareHost, Deeds, bare_host_in, looking, making
from provisioner.hosts.preparation import FAMILIES, rule_for_program
from tests.real.programs import root_of

pytestmark = pytest.mark.soak

KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI"
USER: Final = "deploy"
PROGRAM: Final = "/usr/local/lib/provisioner/provisioner-host"
GOLDEN: Final = Path(__file__).parents[1] / "golden"
_SHIELD: Final = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
_MOST_S: Final = 3000
#: Emulated, ffmpeg's two hundred packages would take an hour.
FEW: Final = frozenset({"ffmpeg", "ffmpeg-decoders"})
_ASK: Final = f"""
import importlib, json, pkgutil, sys
sys.path.insert(0, "{PROGRAM}")
import provisioner_host
from provisioner_host.observe import machine
found = [one.name for one in pkgutil.walk_packages(provisioner_host.__path__, "provisioner_host.")]
for name in found:
    importlib.import_module(name)
print(json.dumps([len(found), machine.machine(), machine.missing_programs()]))
"""


class Root:
    """A Debian in a folder."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["tar", "-C", str(folder), "-xf", str(archive)], check=True, timeout=_MOST_S)

    def __call__(self, *words: str, text: str = "", network: bool = False) -> str:
        """Run a program in it."""
        apart = ["unshare", "--mount", *([] if network else ["--net"]), "sh", "-c", _SHIELD, str(self.folder)]
        done = subprocess.run(
            [*apart, *words], input=text, capture_output=True, text=True, timeout=_MOST_S, check=False
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
        return done.stdout

    def bare(self, script: str) -> BareHost:
        """Let its shell read our script: its answer."""
        said = self("/bin/sh", "-s", "--", "198.51.100.5 50000 203.0.113.11 22", text=script, network=True)
        return bare_host_in(read(wire.BareAnswer, json.loads(said.rpartition("PROVISIONER-ANSWER ")[2])["answer"]))


def packages(missing: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({FAMILIES["debian"].packages[name] for name in missing}))


@pytest.mark.parametrize(
    ("suite", "number", "arch"), [("bookworm", 12, "amd64"), ("trixie", 13, "amd64"), ("bookworm", 12, "arm64")]
)
def test_a_bare_root_is_made_ready_and_runs_our_program_and_rules(
    tmp_path: Path, suite: str, number: int, arch: str
) -> None:
    archive = root_of(suite, arch)
    if not archive.exists():
        pytest.skip(f"there is no {archive}: scripts/soak real makes it")
    root = Root(archive, tmp_path)
    left_out = FEW if arch == "arm64" else frozenset()
    before = root.bare(looking(USER, [KEY]).text)
    assert (before.system["id"], before.system["version"]) == ("debian", str(number))
    assert before.arch == {"amd64": "x86_64", "arm64": "aarch64"}[arch]

    rule = rule_for_program(USER)
    wanted = [name for name in before.missing if name not in left_out]
    deeds = Deeds(before.said_owner, "apt", packages(wanted), creates=before.account is None, adds=(KEY,), rule=rule)
    after = root.bare(making(USER, [KEY], deeds).text)
    assert (after.failed, after.complaint) == ("", "")
    # No init runs in a folder, so no bus does.
    assert set(after.missing) - left_out <= {"dbus"}
    assert after.python is not None
    assert after.account is not None
    assert after.keys == {KEY}
    assert after.rule == rule
    assert any(PROGRAM in line for line in after.allowed), after.allowed

    # Our own program starts with that system's Python, and says the same.
    program = root.folder / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(load_templates().host_program)
    modules, machine, missing = _asked(root)
    assert modules > len(list((Path(__file__).parents[2] / "playbooks/provisioner_host").iterdir()))
    assert machine["os"] == after.system
    assert (machine["arch"], machine["python"].split(".")[:2]) == (arch, [str(part) for part in after.python])
    assert set(missing) - left_out <= {"dbus"}

    for user in ("mediamtx", "provisioner-probe"):
        root("/usr/sbin/useradd", "--system", user)
    for file in sorted(GOLDEN.glob("*/relay*/etc/provisioner/provisioner.nft")):
        (root.folder / "tmp/rules.nft").write_bytes(file.read_bytes())
        # qemu does not know what nft tells the kernel.
        if arch == "amd64":
            root("/usr/sbin/nft", "--check", "--file", "/tmp/rules.nft")  # noqa: S108 (in the root)


def _asked(root: Root) -> tuple[int, dict[str, Any], list[str]]:
    modules, machine, missing = json.loads(root("/usr/bin/python3", "-I", "-S", "-c", _ASK))
    return modules, machine, missing
