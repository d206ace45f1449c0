"""The script for a bare host's shell: what reaches it, what it says, and that it is of one mind with our program."""

import fcntl
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.base.errors import HostError
from provisioner.desired.names import ALONE, HostNames
from provisioner.hosts.answers import read, wire
from provisioner.hosts.bare_host import PROGRAMS, BareHost, Deeds, bare_host_in, looking, making, proving
from provisioner.hosts.preparation import FAMILIES, rule_for_program
from provisioner_host import bundle
from provisioner_host.machine import paths, shell
from provisioner_host.observe import machine
from tests.bare_machine import BareMachine
from tests.hostile import MERGE_REQUEST, RELAY
from tests.unit.hosts.test_packages import DECODERS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI"


@pytest.fixture
def bare(tmp_path: Path) -> BareMachine:
    """A Debian with all packages."""
    return BareMachine.whole(tmp_path / "machine")


def seen(of: BareMachine, text: str = "") -> BareHost:
    return bare_host_in(read(wire.BareAnswer, json.loads(of.run(text or looking("deploy", [KEY]).text))["answer"]))


def test_it_looks_for_the_programs_that_ours_needs_and_for_what_a_first_contact_goes_by() -> None:
    assert set(PROGRAMS) == {*machine.NEEDED, "sudo"}
    assert str(paths.HOST_PROGRAM) == ALONE.host_program
    assert f"PATH={shell.PATH}\n" in looking("deploy", [KEY]).text
    text = (Path(__file__).parents[3] / "playbooks/prepare.sh").read_text(encoding="ascii")
    for word in (machine.NEEDED_WITHOUT_KERNEL, machine.NEEDED_FOR_UNITS, machine.NEEDED_OF_FFMPEG):
        assert word in text


@pytest.mark.parametrize("system", sorted(FAMILIES))
def test_every_system_has_a_package_of_what_a_first_contact_needs(system: str) -> None:
    assert {"sudo", "python3"} <= FAMILIES[system].packages.keys()


@pytest.mark.parametrize("without", ["nft", "wg", "ip", "ss", "ffmpeg", "systemd-run", "sudo", "wireguard-go"])
def test_a_program_that_is_not_there_is_missing(bare: BareMachine, without: str) -> None:
    assert seen(bare).missing == ()
    (bare.root / "bin" / without).unlink()
    assert seen(bare).missing == (without,)


def test_a_kernel_with_wireguard_needs_no_other_one(bare: BareMachine) -> None:
    (bare.root / "bin/wireguard-go").unlink()
    (bare.root / "sys/module/wireguard").mkdir(parents=True)
    assert seen(bare).missing == ()


def test_a_python_without_what_our_program_takes_of_it_is_none(bare: BareMachine) -> None:
    bare.program(bare.root / "usr/bin/python3", "echo 'ModuleNotFoundError' >&2; exit 1")
    assert (seen(bare).python, seen(bare).missing) == (None, ("python3",))


@pytest.mark.parametrize(
    "listed",
    [
        DECODERS,
        DECODERS.replace(" VFS..D hevc ", " VFS..D vc1 "),
        DECODERS.replace(" VFS..D h264 ", " V....D libopenh264 "),
        "",
    ],
)
def test_ffmpegs_decoders_are_told_apart_as_our_program_does(bare: BareMachine, listed: str) -> None:
    bare.program(bare.root / "bin/ffmpeg", f"cat <<'E'\n{listed}E")
    assert ("ffmpeg-decoders" not in seen(bare).missing) == machine.decodes(listed)


@pytest.mark.parametrize(
    "release",
    [
        '# a comment\n\nNAME="X"\nVERSION_ID="21.3"\nID=\'linuxmint\'\nID_LIKE="ubuntu debian"\n',
        "ID=debian\nVERSION_ID=12",
        "",
    ],
)
def test_a_system_is_told_as_our_program_does(bare: BareMachine, monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    bare.write("etc/os-release", release)
    monkeypatch.setattr(machine, "_OS_RELEASE", bare.root / "etc/os-release")
    assert seen(bare).system == machine._system_release()  # noqa: SLF001


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"var/lib/provisioner/owner.json": '{"inventory": "x",\n "key": "y"}\n\n'},
        {"var/lib/provisioner/owner.json": ""},
        {"var/lib/provisioner/manifest.json": "{}"},
        {"etc/provisioner/keys/identity": "x"},
        {"var/lib/provisioner/owner.json": "  \x1b[2J\tthere\x00x"},
    ],
)
def test_whose_a_host_is_is_said_as_its_door_says_it(
    bare: BareMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], files: dict[str, str]
) -> None:
    for name, text in files.items():
        bare.write(name, text)
    for name in ("OWNER_FILE", "IDENTITY", "MANIFEST"):
        monkeypatch.setattr(bundle, name, f"{bare.root}{getattr(bundle, name)}")
    bundle.tell_owner()
    told = capsys.readouterr().out.strip().removeprefix(bundle.OWNER).replace("\x00", "")
    assert seen(bare).said_owner.decode().strip() == told.strip()


def test_nothing_of_it_stays(bare: BareMachine) -> None:
    before = bare.files()
    seen(bare)
    bare.run(proving("deploy").text, "deploy")
    seen(bare, making("deploy", [KEY], Deeds(b"nothing")).text)
    assert bare.files() == before


def test_two_at_a_time_are_one_after_the_other(bare: BareMachine) -> None:
    folder = os.open(bare.root / "etc/ssh", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        assert seen(bare, making("deploy", [KEY], Deeds(b"nothing", creates=True)).text).failed == "lock"
    finally:
        os.close(folder)
    assert bare.done == ["dpkg --audit"]


def test_a_program_that_reads_what_is_fed_to_it_gets_nothing_of_the_script(bare: BareMachine) -> None:
    bare.program(bare.root / "bin/uname", "cat; echo x86_64")
    assert seen(bare).arch == "x86_64"


# --- what means harm --------------------------------------------------------------------------------
WORDS_OF_HARM = ["x; touch /c4nary", "$(touch c4nary)", "`id`", "x\ny", "x y", "-x", "", "Ä", "a" * 33, "root:x"]


@MERGE_REQUEST
@pytest.mark.parametrize("word", WORDS_OF_HARM)
def test_no_word_of_an_inventory_reaches_roots_shell_but_names_and_keys(word: str) -> None:
    texts: tuple[Callable[[], object], ...] = (
        lambda: looking(word, [KEY]),
        lambda: looking("deploy", [f"ssh-ed25519 {word}"]),
        lambda: making("deploy", [KEY], Deeds(b"", adds=(f"{word} AAAA",))),
        lambda: making("deploy", [KEY], Deeds(b"", installer="apt", packages=(word.replace("a" * 33, "A"),))),
        lambda: proving(word),
    )
    for text in texts:
        with pytest.raises(HostError, match="may not reach a host's shell"):
            text()


@RELAY
@pytest.mark.parametrize("mark", ["'; touch $ROOT/c4nary; '", "$(touch $ROOT/c4nary)", "\\047\n`touch $ROOT/c4nary`"])
def test_what_a_host_says_of_its_owner_goes_back_to_it_as_figures(bare: BareMachine, mark: str) -> None:
    bare.write("var/lib/provisioner/owner.json", mark)
    text = making("deploy", [KEY], Deeds(seen(bare).said_owner)).text
    assert "c4nary" not in text
    assert seen(bare, text).failed == "", "the same mark is the same"
    assert not (bare.root / "c4nary").exists()


@RELAY
@pytest.mark.parametrize("name", ["etc/os-release", "etc/passwd", "sshd", "arch", "etc/sudoers.d/provisioner"])
def test_what_lies_on_a_host_is_never_run(bare: BareMachine, name: str) -> None:
    harm = "ID=$(touch $ROOT/c4nary)\ndeploy:$(touch $ROOT/c4nary):`touch $ROOT/c4nary`\nport `touch $ROOT/c4nary`\n"
    bare.write(name, harm)
    answer = json.loads(bare.run(looking("deploy", [KEY]).text))["answer"]
    assert set(answer) == {"said"}
    assert not (bare.root / "c4nary").exists()


def test_a_rule_stands_there_as_it_was_written(bare: BareMachine) -> None:
    rule = "# it's `x` $y\ndeploy ALL=(root) NOPASSWD: ALL"
    text = making("deploy", [KEY], Deeds(b"nothing", rule=rule)).text
    assert shlex.quote(rule) in text
    assert seen(bare, text).rule == rule
    assert bare.read(ALONE.rule_file.lstrip("/")) == f"{rule}\n"
    assert (bare.root / ALONE.rule_file.lstrip("/")).stat().st_mode & 0o777 == 0o440


@MERGE_REQUEST
def test_sides_of_a_shared_centre_are_told_apart_and_each_has_a_rule_of_its_own(bare: BareMachine) -> None:
    """As the door judges: a side is asked for its own mark, and the other shape is said before anybody's."""
    viettel, vnpt, alone = HostNames("viettel"), HostNames("vnpt"), ALONE

    def owner(names: HostNames) -> bytes:
        return seen(bare, looking("deploy", [KEY], names=names).text).said_owner

    assert owner(viettel) == owner(alone) == b"nothing"
    bare.write("var/lib/provisioner.vnpt/owner.json", '{"inventory": "vnpt"}')
    assert (owner(viettel), owner(alone)) == (b"nothing", b'shared {"inventory": "vnpt"}')
    bare.write("var/lib/provisioner/manifest.json", "")
    assert owner(viettel) == b"alone unmarked"
    (bare.root / "var/lib/provisioner/manifest.json").unlink()
    for names in (viettel, vnpt):
        deeds = Deeds(owner(names), rule=rule_for_program("deploy", names))
        assert seen(bare, making("deploy", [KEY], deeds, names=names).text).failed == ""
    written = [bare.read(names.rule_file.lstrip("/")) for names in (viettel, vnpt)]
    assert all(f"{names.host_program} call" in text for names, text in zip((viettel, vnpt), written, strict=True))
    assert "." not in viettel.rule_file.rpartition("/")[2], "sudo reads no such file"
