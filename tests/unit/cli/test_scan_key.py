"""`hosts scan-key`: the key that a host shows comes into its file once somebody has compared it, and nothing else."""

import json
import os
import re
import shutil
import subprocess
from difflib import ndiff
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from provisioner.base.ssh_signature import fingerprint_of
from provisioner.cli.main import run as command
from tests.example_terminal import EXAMPLE
from tests.nodes.test_host_keys import Shown, key_of

SOURCE = Path(__file__).parents[3] / EXAMPLE
NEW = key_of(77)
PRINT = fingerprint_of(NEW)
RELAY, ADDRESS = "relay-viettel-1", "203.0.113.11"


class Ended(NamedTuple):
    """How the command ended."""

    code: int
    out: str
    err: str


class Hosts:
    """A copy of the example inventory, and hosts that show keys."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = folder / "inventory", capsys
        shutil.copytree(SOURCE, self.root)
        self.shown = Shown(folder)
        self._programs = folder / "programs"

    def call(self, *words: str) -> Ended:
        env = {
            "PROVISIONER_CONFIG": "",
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "HOME": str(self.root.parent),
        }
        code = command(["-i", str(self.root), "hosts", "scan-key", *words], env)
        return Ended(code, *self._capsys.readouterr())

    @property
    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in self.root.rglob("*") if p.is_file()}


@pytest.fixture
def hosts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Hosts:
    return Hosts(tmp_path, capsys)


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, list[str]]:
    """The lines that differ, by file."""
    assert set(before) == set(after)
    return {
        name: [line for line in ndiff(was.decode().splitlines(), after[name].decode().splitlines()) if line[0] in "+-"]
        for name, was in before.items()
        if was != after[name]
    }


@pytest.mark.parametrize(
    ("host", "address", "file"),
    [(RELAY, ADDRESS, "carriers/viettel.yml"), ("centre-hn", "203.0.113.31", "centres/centre-hn.yml")],
)
def test_a_key_that_was_compared_comes_into_its_file_and_nothing_else_does(
    hosts: Hosts, host: str, address: str, file: str
) -> None:
    hosts.shown.says(ip_address(address), f"x {NEW}\n")
    before = hosts.files
    done = hosts.call(host, "--host-key", f"{host}={PRINT}")
    assert done.code == 0, done
    (lines,) = changed(before, hosts.files).values()
    assert [line.split()[:2] for line in lines if "host_key" in line] == [["-", "host_key:"], ["+", "host_key:"]]
    assert list(changed(before, hosts.files)) == [file]
    assert [line for line in lines if line.startswith("+ ") and NEW in line]
    assert f"next: provisioner plan --limit host={host}" in done.out
    again = hosts.call(host, "--host-key", f"{host}={PRINT}")
    assert (again.code, "has this key already" in again.out) == (0, True)


def test_another_key_than_the_host_has_is_never_written(hosts: Hosts) -> None:
    hosts.shown.says(ip_address(ADDRESS), f"x {key_of(78)}\n")
    before = hosts.files
    done = hosts.call(RELAY, "--host-key", f"{RELAY}={PRINT}")
    assert (done.code, "shows another key than the one that was named" in done.err) == (6, True), done
    assert hosts.files == before


def test_nobody_takes_a_key_that_nobody_compared(hosts: Hosts) -> None:
    hosts.shown.says(ip_address(ADDRESS), f"x {NEW}\n")
    before = hosts.files
    for words in ((), ("--commit",), ("--output", "json")):
        done = hosts.call(RELAY, *words)
        assert (done.code, f"nobody is here to compare the key of {RELAY}: {PRINT}" in done.err + done.out) == (2, True)
    seen = hosts.call(RELAY, "--dry-run")
    assert (seen.code, PRINT in seen.out, "no files were written" in seen.out) == (0, True, True), seen
    assert hosts.files == before


@pytest.mark.parametrize("agrees", [True, False])
def test_a_person_compares_it_with_the_one_that_was_known(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, *, agrees: bool
) -> None:
    asked = list[str]()

    def answered(text: str, **_: object) -> bool:
        asked.append(text)
        return agrees

    monkeypatch.setattr("provisioner.cli.hosts.is_attended", lambda _: True)
    monkeypatch.setattr(click, "confirm", answered)
    hosts.shown.says(ip_address(ADDRESS), f"x {NEW}\n")
    before = hosts.files
    done = hosts.call(RELAY)
    assert f"{RELAY} ({ADDRESS}:22) shows ssh-ed25519 {PRINT}" in done.err
    assert "carriers/viettel.yml names ssh-ed25519 SHA256:" in done.err
    assert len(asked) == 1
    assert (done.code, hosts.files != before) == ((0, True) if agrees else (130, False))
    # What it shows already is no question.
    hosts.shown.says(ip_address("203.0.113.31"), f"x {key_in(hosts, 'centres/centre-hn.yml')}\n")
    assert hosts.call("centre-hn").code == 0
    assert len(asked) == 1


def key_in(hosts: Hosts, file: str) -> str:
    (line,) = (line for line in hosts.files[file].decode().splitlines() if "host_key: " in line)
    return line.partition("host_key: ")[2]


def test_who_is_behind_a_jump_host_is_named_whole(hosts: Hosts) -> None:
    done = hosts.call("relay-vnpt-1", "--host-key", f"relay-vnpt-1={PRINT}")
    assert (done.code, "is behind a jump host" in done.err, hosts.shown.asked) == (5, True, [])
    before = hosts.files
    done = hosts.call("relay-vnpt-1", "--host-key", f"relay-vnpt-1={NEW}")
    assert done.code == 0, done
    assert NEW in "".join(changed(before, hosts.files)["carriers/vnpt.yml"])
    assert hosts.shown.asked == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("relay-vietel-1",), 2, "relay-vietel-1 is no host of this inventory"),
        ((RELAY, "--host-key", PRINT), 2, "names no key of relay-viettel-1"),
        ((RELAY, "--host-key", f"centre-hn={PRINT}"), 2, "names no key of relay-viettel-1"),
        ((RELAY, "--host-key", f"{RELAY}=ssh-ed25519 x"), 2, "names no key of relay-viettel-1"),
        ((RELAY, "--dry-run", "--commit"), 2, "exclude each other"),
        ((RELAY,), 5, f"{ADDRESS}:22 shows this machine no SSH host key"),
    ],
)
def test_the_wrong_is_said_and_nothing_written(hosts: Hosts, words: tuple[str, ...], code: int, said: str) -> None:
    before = hosts.files
    done = hosts.call(*words)
    assert (done.code, said in done.err, "hint: " in done.err) == (code, True, True), done
    assert hosts.files == before


def test_a_host_that_is_known_by_who_signs_has_no_key_to_be_written(hosts: Hosts) -> None:
    file = hosts.root / "centres/centre-hn.yml"
    file.write_text(file.read_text().replace("  host_key: ", "  host_ca: "))
    done = hosts.call("centre-hn", "--host-key", f"centre-hn={NEW}")
    assert (done.code, "centre-hn is known by host_ca" in done.err) == (3, True), done


def test_it_is_committed_alone(hosts: Hosts) -> None:
    person = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    (hosts.root.parent / ".gitconfig").write_text("[user]\nname = x\nemail = x@example.com\n")
    for line in (("init", "-q"), ("add", "-A"), (*person, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", hosts.root, *line], check=True, timeout=30)
    mine = hosts.root / "inventory.yml"
    mine.write_text(mine.read_text() + "# mine\n")
    done = hosts.call(RELAY, "--host-key", f"{RELAY}={NEW}", "--commit", "--output", "json")
    assert done.code == 0, done
    document = json.loads(done.out)
    assert (document["schema"], document["fingerprint"], document["written"]) == (
        "provisioner/hosts-scan-key", PRINT, True,
    )  # fmt: skip
    shown = subprocess.run(
        ["git", "-C", hosts.root, "show", "--stat", "--format=%s", document["commit"]],
        check=True, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert shown.splitlines()[0] == f"Host key of {RELAY}"
    assert "1 file changed" in shown


def test_the_next_command_is_the_one_that_the_host_lacks(hosts: Hosts) -> None:
    hosts.shown.says(ip_address(ADDRESS), f"x {NEW}\n")
    words = (RELAY, "--host-key", f"{RELAY}={PRINT}", "--dry-run")
    whole = (RELAY, "--host-key", f"{RELAY}={NEW}")
    assert hosts.call(*words).out.splitlines()[-1].startswith("dry run")
    assert hosts.call(*whole).out.splitlines()[-1] == f"next: provisioner plan --limit host={RELAY}"
    lock = hosts.root / "allocations.lock.yml"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(re.sub(r"(?m)^    public_key: .*\n", "", text), encoding="utf-8")
    again = (RELAY, "--host-key", f"{RELAY}={key_of(79)}")
    assert hosts.call(*again).out.splitlines()[-1] == "next: provisioner keys init --allow trust=3"
    lock.write_text("version: 1\n", encoding="utf-8")
    assert hosts.call(*whole).out.splitlines()[-1] == "next: provisioner allocate"
