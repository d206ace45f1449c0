"""What runs on hosts has no more rights than it needs: units as systemd itself weighs them, files, users, programs."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from provisioner.desired.render.host import render_host
from provisioner.desired.render.site import render_site
from provisioner.desired.sites import site_spec
from provisioner_host.look import readers
from provisioner_host.look.readers import ReadTimes
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.machine import files as host_files
from provisioner_host.machine import paths, sandbox, shell
from provisioner_host.machine.shell import Failed
from provisioner_host.observe import host
from provisioner_host.onvif import onvif
from provisioner_host.relay import relay
from provisioner_host.state import keys, leases
from tests import fleets, inventories
from tests.hostile import CAMERA, GATEWAY, LOCAL_USER, MERGE_REQUEST

CANARY = "c4nary-of-a-reader"
# At most so much of 10, by systemd's own measure.
MOST = {
    "provisioner-nft": 2.0,
    "provisioner-wg": 2.6,
    "provisioner-revert": 3.0,
    "provisioner-quarantine": 2.6,
    "provisioner-mediamtx": 1.8,
}


def exposure(unit: str, text: str, folder: Path) -> float:
    """How exposed a unit is by `systemd-analyze security`."""
    file = folder / f"{unit}.service"
    file.write_text(re.sub(r"^(ExecSt\w+=).*", r"\1/bin/true", text, flags=re.MULTILINE))
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    (said,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    return float(said)


def confined_settings(argv: list[str]) -> str:
    settings = [word.removeprefix("--property=") for word in argv if word.startswith("--property=")]
    return "\n".join(["[Service]", "ExecStart=/bin/true", *settings, ""])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize("unit", sorted(MOST))
def test_a_unit_is_no_more_exposed_than_it_must_be(unit: str, tmp_path: Path) -> None:
    spec = fleets.state_of(inventories.inventory()).hosts["relay-viettel-1"]
    files = {Path(f.path).name: f.content for f in render_host(spec, fleets.templates())}
    assert exposure(unit, files[f"{unit}.service"].decode(), tmp_path) <= MOST[unit]


@GATEWAY
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_the_units_of_a_gateway_are_no_more_exposed_than_they_must_be(tmp_path: Path) -> None:
    named = inventories.relay("relay-viettel-1", 11, endpoint="a.example.com", endpoint_address="2001:db8::b")
    carrier = inventories.carrier(relays=[named])
    inventory = fleets.complete(inventories.inventory(carriers=[carrier], facilities=[fleets.facility()]))
    site = site_spec(inventory, fleets.secrets_of(inventory), inventory.facilities["kcl-bg-001"])
    files = {f.path: f.content.decode() for f in render_site(site, fleets.templates(), fleets.VALID)}
    assert exposure("provisioner-site", files["provisioner-site.service"], tmp_path) <= 2.5
    assert exposure("provisioner-site-names", files["provisioner-site-names.service"], tmp_path) <= 2.5


@CAMERA
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_what_reads_streams_is_the_least_exposed_of_all(tmp_path: Path) -> None:
    argv = readers.command({"probe": Login("10.91.0.1", 8554, "probe", CANARY)}, ReadTimes(4, 10, 1e9))
    assert exposure("provisioner-probe", confined_settings(argv), tmp_path) <= 1.4


@CAMERA
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_what_asks_devices_is_as_little_exposed_as_what_reads_streams(tmp_path: Path) -> None:
    argv = onvif.command(["10.91.0.4", "10.91.0.5"], 1e9)
    assert exposure("provisioner-onvif", confined_settings(argv), tmp_path) <= 1.4


@CAMERA
@pytest.mark.parametrize(
    "setting",
    [
        *("User=provisioner-probe", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "IPAddressDeny=any"),
        *("IPAddressAllow=10.91.0.1 10.91.0.2", "RestrictAddressFamilies=AF_INET", "InaccessiblePaths=-/proc"),
        "LimitCORE=0",
    ],
)
def test_a_reader_is_held_to(setting: str) -> None:
    logins = {name: Login(f"10.91.0.{name}", 8554, "probe", CANARY) for name in "21"}
    assert f"--property={setting}" in readers.command(logins, ReadTimes(4, 10, 1e9))


@LOCAL_USER
def test_no_password_stands_in_the_command_of_a_reader() -> None:
    argv = readers.command({"probe": Login("10.91.0.1", 8554, "probe", CANARY)}, ReadTimes(4, 10, 1e9))
    assert [word for word in argv if CANARY in word or "--setenv" in word] == []


@MERGE_REQUEST
def test_a_fetched_program_is_not_run_to_learn_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "KNOWN", tmp_path / "known")
    ran, program = tmp_path / "ran", tmp_path / "mediamtx-1.20.1-0123456789ab"
    program.write_text(f"#!/bin/sh\ntouch {ran}\necho v9.9.9\n")
    program.chmod(0o755)
    digest = host_files.sha256(program)
    seen = host.program(program, {"files": [], "programs": {str(program): digest}})
    assert seen == {"present": True, "whole": True, "version": "1.20.1"}
    # One that is not what was installed has no version, whatever its name says.
    assert host.program(program, {"files": [], "programs": {}})["version"] == ""
    assert not ran.exists()


@MERGE_REQUEST
def test_a_program_on_trial_sees_the_tried_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "refusal", str)
    conf = tmp_path / "stage-1" / "mediamtx.yml"
    scratch = type("Scratch", (), {"path": "/proc/1/task/1/ns/net"})()
    command = ["/usr/local/lib/provisioner/mediamtx", str(conf)]
    argv = relay._trial_command(command, conf.parent, scratch)  # noqa: SLF001
    shown = {word.partition("=")[2] for word in argv if word.startswith("--property=")}
    assert {f"BindReadOnlyPaths={conf.parent}", "NetworkNamespacePath=/proc/1/task/1/ns/net"} <= shown
    assert {"User=provisioner-probe", "TemporaryFileSystem=/run:ro", "NoNewPrivileges=yes"} <= shown
    assert any(s.startswith("InaccessiblePaths=") and "/etc/provisioner" in s for s in shown)
    assert argv[argv.index("--") + 1 :] == command


@LOCAL_USER
def test_nobody_but_root_can_hold_the_lock_of_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        pytest.skip("folders of ours are root's")
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    monkeypatch.setattr(paths, "LOCK", tmp_path / "run/lock")
    # As a unit had made them that ran without an umask of its own.
    (tmp_path / "run").mkdir(mode=0o755)
    (tmp_path / "run/lock").touch(mode=0o644)
    with leases.lock("somebody"):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (paths.RUN, paths.LOCK)}
    assert modes == {"run": 0o700, "lock": 0o600}


@LOCAL_USER
def test_a_user_of_ours_that_is_root_by_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert argv[0] == "getent", "nothing is made"
        return subprocess.CompletedProcess(argv, 0, f"{argv[2]}:x:0:0::/:/bin/sh\n", "")

    monkeypatch.setattr(keys, "run", run)
    with pytest.raises(Failed, match="is root"):
        keys.prepare()


@LOCAL_USER
def test_no_program_of_a_host_inherits_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_PRELOAD_", "PYTHONPATH", "BASH_ENV", "NFT_", CANARY.replace("-", "_")):
        monkeypatch.setenv(name, "/home/theirs")
    monkeypatch.setenv("PATH", f"/home/theirs:{os.environ['PATH']}")
    said = shell.run(["env"]).stdout.splitlines()
    assert sorted(said) == ["LC_ALL=C.UTF-8", f"PATH={shell.PATH}"]
    assert all(folder in {"/usr/sbin", "/usr/bin", "/sbin", "/bin"} for folder in shell.PATH.split(":"))


def test_rules_are_not_tried_before_their_users_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "nft"
    rules.write_text('add rule inet provisioner output meta skuid "provisioner-probe" drop\n')
    monkeypatch.setattr(paths, "PROBE_USER", "nobody-of-that-name")
    assert host._rule_differences(rules, None)[0]["action"] == "create"  # noqa: SLF001
    assert host._rule_differences(rules, {})[0]["action"] == "update"  # noqa: SLF001
    assert host_files.read_json(rules) is None


def test_a_unit_of_a_confined_program_has_a_name_of_its_own() -> None:
    one, other = (sandbox.confined(["/bin/true"], "trial", ()) for _ in range(2))
    assert one != other
    assert all("--wait" in argv and "--collect" in argv for argv in (one, other))
