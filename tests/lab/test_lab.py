"""The lab itself: it boots, its cameras play, what is broken on purpose is broken in the way it should be."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .cameras import CameraControl, Picture
from .docker_cli import RUN_LABEL, listed
from .errors import LabError
from .lab import Lab
from .looking import Look, knock, look
from .patience import stretched
from .reaper import reap
from .record import recorded
from .topology import (
    BEHIND_JUMP,
    GATEWAYS,
    HOSTS,
    JUMP,
    MACHINES,
    MANAGED_HOSTS,
    PLACES,
    SSH_USER,
    Network,
    Place,
    StreamKind,
)

pytestmark = pytest.mark.lab

_ROOT = Path(__file__).parents[2]
_HOLD = "import sys; from tests.lab.lab import Lab; print(Lab.start().run, flush=True); sys.stdin.read()"

_FORMS = ("kcl-bg-001/cam-01", "kcl-bg-001/cam-02", "kcl-bg-001/cam-04", "kcl-bg-002/cam-02")
# An ordinary camera, one on another port, one channel of a recorder.
_VICTIMS = ("kcl-bg-001/cam-01", "kcl-bg-001/cam-04", "kcl-bg-002/cam-02")


def ssh(lab: Lab, host: str, *command: str, user: str = SSH_USER, options: tuple[str, ...] = ()) -> tuple[int, str]:
    ways = (host, JUMP.name) if host in BEHIND_JUMP else (host,)
    address, *over = (lab.address(name, Network.MGMT) for name in ways)
    written = lab.directory / secrets.token_hex(4)
    known = [f"{lab.address(name, Network.MGMT)} {lab.host_key(name)}\n" for name in ways]
    written.with_suffix(".known").write_text("".join(known), encoding="ascii")
    lines = (f"UserKnownHostsFile {written}.known", f"IdentityFile {lab.ssh_key}", "IdentitiesOnly yes")
    settings = (*lines, "BatchMode yes", "StrictHostKeyChecking yes", "ConnectTimeout 5")
    written.with_suffix(".config").write_text("\n".join(settings), encoding="ascii")
    jumps = [word for jump in over for word in ("-J", f"{SSH_USER}@{jump}")]
    done = subprocess.run(
        ["ssh", "-F", f"{written}.config", *jumps, *options, f"{user}@{address}", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=stretched(30),
    )
    return done.returncode, done.stdout + done.stderr


def view(lab: Lab, place: Place, kind: StreamKind = StreamKind.SUB) -> Look:
    """Look at a stream; a camera that is busy on a slow machine says so (503), and is asked again."""
    deadline = time.monotonic() + stretched(15)
    seen = _look(lab, place, kind)
    while "5XX" in seen.error and time.monotonic() <= deadline:
        seen = _look(lab, place, kind)
    return seen


def listen(lab: Lab, place: Place) -> Look:
    """Look at a stream of which nothing is expected, no longer than it takes on a quiet machine."""
    return _look(lab, place, StreamKind.SUB, 12)


def _look(lab: Lab, place: Place, kind: StreamKind, seconds: float | None = None) -> Look:
    return look(lab, place.gateway, lab.camera(place.id).url(place.camera.stream(kind)), seconds)


def knock_at(lab: Lab, place: Place) -> str:
    return knock(lab, place.gateway, str(place.device.address.ip), place.device.port)


@pytest.fixture(params=_VICTIMS)
def victim(lab: Lab, request: pytest.FixtureRequest) -> Iterator[CameraControl]:
    """A camera that may be broken."""
    control = lab.camera(request.param)
    yield control
    control.plug()
    control.start()
    control.show(Picture.MOVING)


@pytest.mark.soak
def test_every_camera_plays_both_streams_as_declared(lab: Lab) -> None:
    wanted = [(place, stream) for place in PLACES for stream in place.camera.streams]
    with ThreadPoolExecutor(4) as pool:
        looks = list(pool.map(lambda each: view(lab, each[0], each[1].kind), wanted))
    for (place, stream), seen in zip(wanted, looks, strict=True):
        assert seen.frames, f"{place.id} {stream.kind}: {seen.error.replace(lab.camera(place.id).password, '…')}"
        assert seen.frames[0] == (True, stream.width, stream.height), f"{place.id} {stream.kind}"
        assert (seen.codec, seen.profile) == ("h264", "Constrained Baseline")


def test_twelve_cameras_in_four_sites_with_one_recorder() -> None:
    assert len(PLACES) == len({place.camera.picture for place in PLACES}) == 12
    assert [len(gateway.cameras) for gateway in GATEWAYS] == [4, 3, 3, 2]
    assert [gateway.name for gateway in GATEWAYS if any(device.is_recorder for device in gateway.devices)] == ["gw-2"]
    assert {gateway.lan for gateway in GATEWAYS} == {GATEWAYS[0].lan}


@pytest.mark.soak
def test_the_image_moves_and_no_two_cameras_show_the_same(lab: Lab) -> None:
    seen = [_key_frames(lab, place) for place in PLACES[:2]]
    assert len({frame for frames in seen for frame in frames}) == 6


@pytest.mark.parametrize(
    "place",
    # One of each form of URL: an ordinary camera, one that has a query, one with another user and port, a recorder.
    [pytest.param(p, id=p.id, marks=() if p.id in _FORMS else pytest.mark.soak) for p in PLACES],
)
def test_wrong_password_is_401_and_wrong_channel_404(lab: Lab, place: Place) -> None:
    stream = place.camera.stream(StreamKind.SUB)
    wrong = look(lab, place.gateway, place.device.url(stream, "wrong"))
    assert "401" in wrong.error
    url = lab.camera(place.id).url(stream)
    elsewhere = look(lab, place.gateway, url.removesuffix(stream.target) + stream.target.replace("1", "7") + "x")
    assert "404" in elsewhere.error


def test_a_camera_has_no_way_out_of_its_lan(lab: Lab) -> None:
    routes = lab.exec("gw-1", ["ip", "netns", "exec", "cam-01", "ip", "-4", "route"]).stdout
    assert "default" not in routes
    assert "192.168.1.0/24" in routes


def test_stopped_camera_refuses(lab: Lab, victim: CameraControl) -> None:
    victim.stop()
    assert knock_at(lab, victim.place) == "ECONNREFUSED"
    victim.start()
    assert knock_at(lab, victim.place) == "connected"


def test_unplugged_camera_is_unreachable(lab: Lab, victim: CameraControl) -> None:
    victim.unplug()
    assert knock_at(lab, victim.place) == "EHOSTUNREACH"
    victim.plug()
    assert knock_at(lab, victim.place) == "connected"


@pytest.mark.soak
def test_silent_cameras_answer_and_send_nothing(lab: Lab) -> None:
    # Two of the recorder's channels; its third plays on.
    silent = [lab.camera(name) for name in (*_VICTIMS, "kcl-bg-002/cam-03")]
    playing = lab.camera("kcl-bg-002/cam-01")
    for control in silent:
        control.show(Picture.SILENT)
    try:
        with ThreadPoolExecutor() as pool:
            looks = list(pool.map(lambda control: listen(lab, control.place), silent))
        for control, seen in zip(silent, looks, strict=True):
            assert knock_at(lab, control.place) == "connected"
            assert not seen.plays
            assert "401" not in seen.error
            assert "404" not in seen.error
        assert view(lab, playing.place).plays
    finally:
        for control in silent:
            control.show(Picture.MOVING)
    with ThreadPoolExecutor() as pool:
        assert all(seen.plays for seen in pool.map(lambda control: view(lab, control.place), silent))


@pytest.mark.soak
def test_still_pictures_are_identical(lab: Lab) -> None:
    stills = (Picture.FROZEN, Picture.BLACK, Picture.VIDEO_LOSS)
    shown = [(lab.camera(f"kcl-hd-001/cam-0{number}"), still) for number, still in enumerate(stills, start=1)]
    for control, still in shown:
        control.show(still)
    try:
        with ThreadPoolExecutor() as pool:
            places = [control.place for control, _ in shown] * 2
            frames = list(pool.map(lambda place: _key_frames(lab, place), places))
        assert [len({*first, *second}) for first, second in zip(frames[:3], frames[3:], strict=True)] == [1, 1, 1]
    finally:
        for control, _ in shown:
            control.show(Picture.MOVING)


def test_changed_password_shuts_out_the_old_one_and_is_known_to_whoever_attaches(lab: Lab) -> None:
    control = lab.camera("kcl-qn-001/cam-02")
    stream = control.place.camera.stream(StreamKind.SUB)
    old, new, before = control.url(stream), "mới@/:#?%$G1", control.password
    control.change_password(new)
    try:
        assert "401" in look(lab, control.place.gateway, old).error
        assert view(lab, control.place).plays
        assert Lab.attach(lab.run).camera("kcl-qn-001/cam-02").password == new
    finally:
        control.change_password(before)


def test_ssh_takes_the_key_of_the_run_and_nothing_else(lab: Lab) -> None:
    for host in MANAGED_HOSTS:
        assert ssh(lab, host, "sudo", "-n", "id", "-u") == (0, "0\n")
    code, answer = ssh(lab, "centre", "true", user="root")
    assert (code, "Permission denied" in answer) == (255, True)
    code, answer = ssh(lab, "centre", "true", options=("-o", "PubkeyAuthentication=no", "-v"))
    assert code == 255
    assert "password" not in answer.partition("Authentications that can continue:")[2].splitlines()[0]
    assert len({lab.host_key(host) for host in MANAGED_HOSTS}) == len(MANAGED_HOSTS)
    assert all(lab.host_key(host).startswith("ssh-ed25519 AAAA") for host in MANAGED_HOSTS)


def test_hosts_have_what_the_product_needs(lab: Lab) -> None:
    for host in HOSTS:
        lab.exec(host, ["sh", "-c", "command -v nft wg wg-quick ip conntrack ffmpeg ffprobe python3"])
    script = (
        "ip link add wg-t type wireguard 2>/dev/null || wireguard-go wg-t; wg show wg-t public-key; ip link del wg-t"
    )
    lab.exec("relay-viettel-1", ["sh", "-c", script])
    lab.exec("relay-viettel-1", ["unshare", "-n", "nft", "-f", "-"], stdin="table inet t { chain c { }; }")
    lab.exec("relay-viettel-1", ["systemd-run", "--wait", "--quiet", "-p", "ProtectSystem=strict", "true"])


def test_networks_join_who_they_should(lab: Lab) -> None:
    for host in MACHINES:
        assert lab.address(host, Network.WAN) in lab.subnet(Network.WAN)
    for host in (*MANAGED_HOSTS, JUMP.name):
        assert lab.address(host, Network.MGMT) in lab.subnet(Network.MGMT)
    with pytest.raises(LabError, match="not attached"):
        lab.address("gw-1", Network.MGMT)
    relay = str(lab.address("relay-vnpt-1", Network.WAN))
    lab.exec("gw-4", ["ping", "-c", "1", "-W", "2", relay])


def test_files_go_in_and_out(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("mẫu", encoding="utf-8")
    lab.copy_in("centre", folder, "/run/from-test/renamed")
    lab.copy_out("centre", "/run/from-test/renamed", tmp_path / "back")
    assert (tmp_path / "back" / "a").read_text(encoding="utf-8") == "mẫu"
    lab.copy_in("centre", folder / "a", "/tmp/file")  # noqa: S108 - in the host
    lab.copy_out("centre", "/tmp/file", tmp_path / "file")  # noqa: S108 - in the host
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mẫu"


def test_site_package_is_run_as_root_and_its_key_returned(lab: Lab, tmp_path: Path) -> None:
    script = "#!/bin/sh\nset -e\ntest $(id -u) = 0\ntest -e site.conf\necho key: $(wg genkey | wg pubkey)\n"
    (tmp_path / "install.sh").write_text(script, encoding="ascii")
    (tmp_path / "site.conf").touch()
    assert len(lab.install_site_package("gw-2", tmp_path)) == 44
    (tmp_path / "install.sh").write_text("#!/bin/sh\necho no key\n", encoding="ascii")
    with pytest.raises(LabError, match="no public key"):
        lab.install_site_package("gw-2", tmp_path)


@pytest.mark.parametrize("network", list(Network))
def test_cut_host_is_unreachable_until_mended(lab: Lab, network: Network) -> None:
    asking = "relay-vnpt-1"
    address = str(lab.address("relay-viettel-1", network))
    ping = ["ping", "-c", "1", "-W", "1", address]
    routes = lab.exec("relay-viettel-1", ["ip", "-4", "route"]).stdout
    assert lab.exec(asking, ping, check=False).returncode == 0
    lab.cut("relay-viettel-1", network)
    lab.cut("relay-viettel-1", network)
    assert lab.exec(asking, ping, check=False).returncode != 0
    lab.mend("relay-viettel-1", network)
    lab.mend("relay-viettel-1", network)
    assert lab.exec(asking, ping, check=False).returncode == 0
    assert sorted(lab.exec("relay-viettel-1", ["ip", "-4", "route"]).stdout.split("\n")) == sorted(routes.split("\n"))


@pytest.mark.soak
def test_reboot_restores_a_site_with_everything_that_was_broken(lab: Lab) -> None:
    first, second = lab.camera("kcl-bg-001/cam-01"), lab.camera("kcl-bg-001/cam-02")
    first.unplug()
    second.stop()
    second.show(Picture.SILENT)
    address = lab.address("gw-1", Network.WAN)
    lab.reboot("gw-1")
    assert lab.address("gw-1", Network.WAN) == address
    assert all(view(lab, place).plays for place in PLACES if place.gateway.name == "gw-1")


def test_reboot_keeps_who_a_relay_is(lab: Lab) -> None:
    def identity() -> tuple[str, ...]:
        addresses = [str(lab.address("relay-viettel-1", network)) for network in Network]
        links = lab.exec("relay-viettel-1", ["ip", "-br", "-4", "addr", "show", "dev", "eth1"]).stdout.split()[-1]
        return (*addresses, links, lab.host_key("relay-viettel-1"))

    boot_id = ["cat", "/proc/1/stat"]
    before, first = identity(), lab.exec("relay-viettel-1", boot_id).stdout.split()[21]
    lab.reboot("relay-viettel-1")
    assert identity() == before
    assert lab.exec("relay-viettel-1", boot_id).stdout.split()[21] != first
    assert ssh(lab, "relay-viettel-1", "true") == (0, "")


def test_failed_unit_at_boot_is_an_error_that_names_it(lab: Lab) -> None:
    unit = "[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
    lab.exec("relay-vnpt-1", ["sh", "-c", "cat > /etc/systemd/system/bad.service"], stdin=unit)
    lab.exec("relay-vnpt-1", ["systemctl", "enable", "bad"])
    try:
        with pytest.raises(LabError, match=r"relay-vnpt-1.*bad\.service"):
            lab.reboot("relay-vnpt-1")
    finally:
        lab.exec("relay-vnpt-1", ["sh", "-c", "systemctl disable bad; rm /etc/systemd/system/bad.service"])
        lab.reboot("relay-vnpt-1")


@pytest.mark.soak
def test_killed_run_is_reaped_and_a_running_one_is_not(lab: Lab) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        assert len(listed("container", f"{RUN_LABEL}={run}")) == len(HOSTS)
        assert run not in reap()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=stretched(10))
    assert run in reap()
    assert_nothing_is_left_of(run)
    assert len(listed("container", f"{RUN_LABEL}={lab.run}")) == len(HOSTS)


@pytest.mark.soak
def test_lab_is_up_in_time_and_leaves_nothing_behind() -> None:
    started = time.monotonic()
    with Lab.start() as second:
        assert time.monotonic() - started < stretched(60)
        directory = second.directory
        assert directory.stat().st_mode & 0o777 == 0o700
        assert second.ssh_key.stat().st_mode & 0o777 == 0o600
    assert not directory.exists()
    assert_nothing_is_left_of(second.run)


@pytest.mark.soak
def test_kept_lab_outlives_its_process_until_it_is_told_to_go() -> None:
    code = "from tests.lab.lab import Lab; print(Lab.start(keep=True).run)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=stretched(90),
    ).stdout.strip()
    assert run not in reap()
    assert view(Lab.attach(run), PLACES[0]).plays
    command = [sys.executable, "-m", "tests.lab", "down", "--run", run]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, timeout=stretched(60))
    assert_nothing_is_left_of(run)


def assert_nothing_is_left_of(run: str) -> None:
    label = f"{RUN_LABEL}={run}"
    assert not listed("container", label)
    assert not listed("network", label)
    assert run not in {record.run for record in recorded()}


def _key_frames(lab: Lab, place: Place) -> list[str]:
    """Return digests of three key pictures in a row, a second between them."""
    url = lab.camera(place.id).url(place.camera.stream(StreamKind.SUB))
    playlist = f"ffconcat version 1.0\nfile '{url}'\noption rtsp_transport tcp\n"
    arguments = ["-v", "error", "-f", "concat", "-safe", "0", "-protocol_whitelist", "pipe,fd,file,rtsp,rtp,tcp,udp"]
    arguments += ["-skip_frame", "nokey", "-i", "pipe:0", "-frames:v", "3", "-an", "-f", "framemd5", "-"]
    lines = lab.exec(
        place.gateway.name, ["timeout", f"{stretched(15):.0f}", "ffmpeg", *arguments], stdin=playlist
    ).stdout.splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]
