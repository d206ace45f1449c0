"""A relay's own key is changed under readers at the centre, site by site; what is killed goes on where it was."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from .deployment import Deployment
from .held_readers import HeldReaders
from .patience import stretched
from .test_key_change import RELAY_SITES, SITE, longest, subs_of
from .test_verify import all_up, verified
from .topology import CENTRE, Gateway

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
LONGEST_GAP = 2.0  #: Seconds; what a change of a relay's key may keep a picture.
RELAY = SITE.relay
USUAL_PORT, OTHER_PORT = 51820, 51999
ROTATE = ("keys", "rotate", "--relay", RELAY)


@pytest.fixture
def noted(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment; the relay keeps the key that a test left it with, and so does the inventory."""
    yield deployment
    deployment.commit("the relay's key was changed")


def rotated(deployment: Deployment, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Go on with the change, and give the document."""
    return deployment.document(*ROTATE, *words, "--yes", codes=codes)


def tunnels_of(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """The live tunnels of the relay: public key and port by interface."""
    shown = {}
    for name in deployment.lab.exec(RELAY, ["wg", "show", "interfaces"]).stdout.split():
        key = deployment.lab.exec(RELAY, ["wg", "show", name, "public-key"]).stdout.strip()
        shown[name] = (key, deployment.lab.exec(RELAY, ["wg", "show", name, "listen-port"]).stdout.strip())
    return shown


def installed(deployment: Deployment, gateways: Sequence[Gateway]) -> None:
    """Do the technicians' part: the packages as they are now."""
    folder = deployment.lab.directory / f"moving-{time.monotonic_ns()}"
    deployment.run("site-package", *(gateway.facility for gateway in gateways), "--out", str(folder))
    for gateway in gateways:
        deployment.lab.install_site_package(gateway.name, folder / gateway.facility)


def port_beside(tunnel: tuple[str, str]) -> int:
    """The port of the two that a relay's tunnel has not: the tests of this file come in any order."""
    return USUAL_PORT if tunnel[1] == str(OTHER_PORT) else OTHER_PORT


def test_a_relay_gets_another_key_and_no_picture_rests_for_long(noted: Deployment) -> None:
    deployment, lab = noted, noted.lab
    own = ("--limit", f"host={RELAY}")
    before = tunnels_of(deployment)["wg-prov"]
    port = port_beside(before)
    first, *others = RELAY_SITES
    paths = subs_of(RELAY_SITES)
    with HeldReaders(deployment, RELAY, paths) as readers:
        begun = rotated(deployment, "--port", str(port))
        gap_of_begin = longest(readers.finish())
    following = begun["next_key"]
    assert (begun["stage"], begun["answers"]) == ("moving", True), begun
    assert tunnels_of(deployment) == {"wg-prov": before, "wg-prov-next": (following, str(port))}
    assert [name for name in begun["moved"] if name.startswith("centre/")] == [f"centre/{CENTRE.name}"], begun
    refused = deployment.run(*ROTATE, "--finish", "--yes", check=False)
    assert refused.returncode == 6, refused
    assert all(f"site/{gateway.facility}" in refused.stderr for gateway in RELAY_SITES)
    assert deployment.run("drift", check=False).returncode == 0

    with HeldReaders(deployment, RELAY, paths) as readers:
        installed(deployment, [first])
        time.sleep(stretched(3))
        gap_of_first = longest(readers.finish())
    routes = json.loads(lab.exec(RELAY, ["ip", "-j", "route", "show", "dev", "wg-prov-next"]).stdout)
    assert routes, "the site is reached where it is"
    shown = deployment.document("keys", "status", "--relay", RELAY)
    assert f"site/{first.facility}" in shown["moved"], shown
    assert sorted(shown["waiting"]) == sorted(f"site/{gateway.facility}" for gateway in others), shown
    assert deployment.run("drift", check=False).returncode == 0, "where a site is, is no drift"
    assert deployment.run("prove", check=False).returncode == 0
    assert all_up(verified(deployment, *own, until=all_up, tries=6))

    # The host's programs end and begin anew with both: the sites go on where they are.
    lab.exec(RELAY, ["systemctl", "restart", "provisioner-wg"])
    assert set(tunnels_of(deployment)) == {"wg-prov", "wg-prov-next"}
    assert all_up(verified(deployment, *own, until=all_up, tries=20))

    if others:
        installed(deployment, others)
        time.sleep(stretched(3))
    with HeldReaders(deployment, RELAY, paths) as readers:
        done = rotated(deployment, "--finish")
        time.sleep(stretched(2))
        gap_of_end = longest(readers.finish())
    assert done["over"], done
    assert tunnels_of(deployment) == {"wg-prov": (following, str(port))}
    keys = lab.exec(RELAY, ["ls", "/etc/provisioner/keys"]).stdout.split()
    assert "wg-prov.key" in keys
    assert not [name for name in keys if name.endswith((".next", ".former"))], keys
    assert deployment.run("drift", check=False).returncode == 0
    assert all_up(verified(deployment, *own, until=all_up, tries=6))
    print(  # noqa: T201
        f"the longest gap of {len(paths)} held paths: {gap_of_begin:.2f} s at the beginning, {gap_of_first:.2f} s where"
        f" a site moved, {gap_of_end:.2f} s at the end"
    )
    assert max(gap_of_begin, gap_of_first, gap_of_end) < stretched(LONGEST_GAP)


def test_it_is_killed_half_way_and_goes_on_and_is_taken_back_before_that(noted: Deployment) -> None:
    deployment = noted
    paths = subs_of(RELAY_SITES)
    before = tunnels_of(deployment)
    port = port_beside(before["wg-prov"])
    with HeldReaders(deployment, RELAY, paths) as readers:
        rotated(deployment, "--port", str(port))
        back = rotated(deployment, "--cancel")
        assert back["over"], back
        assert tunnels_of(deployment) == before
        _killed_after(deployment, 4.0, "--port", str(port))
        begun = rotated(deployment, "--port", str(port))
        assert (begun["stage"], begun["answers"]) == ("moving", True), begun
        gap_of_begin = longest(readers.finish())
    with HeldReaders(deployment, RELAY, paths) as readers:
        installed(deployment, RELAY_SITES)
        time.sleep(stretched(3))
        gap_of_sites = longest(readers.finish())
    with HeldReaders(deployment, RELAY, paths) as readers:
        _killed_after(deployment, 5.0, "--finish")
        # Whatever it had done by then, the lock says how it goes on: it waits for what is not confirmed. What it had
        # ended already is ended.
        done = deployment.run(*ROTATE, "--finish", "--yes", check=False)
        assert done.returncode in {0, 2}, done
        gap_of_end = longest(readers.finish())
    assert tunnels_of(deployment) == {"wg-prov": (begun["next_key"], str(port))}
    assert deployment.run("drift", check=False).returncode == 0
    assert all_up(verified(deployment, "--limit", f"host={RELAY}", until=all_up, tries=6))
    print(  # noqa: T201
        f"the longest gap of {len(paths)} held paths, two calls killed: {gap_of_begin:.2f} s, {gap_of_sites:.2f} s,"
        f" {gap_of_end:.2f} s"
    )
    assert max(gap_of_begin, gap_of_sites, gap_of_end) < stretched(LONGEST_GAP)


def test_a_return_from_the_end_rests_no_path_for_long(noted: Deployment) -> None:
    """The call that ends the change is killed once the relay has the next key alone, and before its word."""
    deployment = noted
    paths = subs_of(RELAY_SITES)
    port = port_beside(tunnels_of(deployment)["wg-prov"])
    begun = rotated(deployment, "--port", str(port))
    installed(deployment, RELAY_SITES)
    time.sleep(stretched(3))
    both, gaps = tunnels_of(deployment), []
    for _ in range(2):
        with HeldReaders(deployment, RELAY, paths) as readers:
            _killed_once(deployment, lambda: "wg-prov-next" not in _interfaces(deployment), "--finish")
            until = time.monotonic() + stretched(110)
            reached = ["ip", "route", "show", "dev", "wg-prov-next"]
            while not deployment.lab.exec(RELAY, reached, check=False).stdout.strip():
                assert time.monotonic() < until, "it returns by itself"
                time.sleep(0.5)
            time.sleep(stretched(5))
            assert tunnels_of(deployment) == both
            gaps.append(longest(readers.finish()))
    assert rotated(deployment, "--finish")["over"]
    assert tunnels_of(deployment) == {"wg-prov": (begun["next_key"], str(port))}
    print(f"the longest gap of {len(paths)} held paths, {len(gaps)} returns: {max(gaps):.2f} s")  # noqa: T201
    assert max(gaps) < stretched(LONGEST_GAP), gaps


def _interfaces(deployment: Deployment) -> list[str]:
    return deployment.lab.exec(RELAY, ["wg", "show", "interfaces"]).stdout.split()


def _killed_once(deployment: Deployment, is_so: Callable[[], bool], *words: str) -> None:
    program = str(Path(sys.executable).with_name("provisioner"))
    call = [program, *ROTATE, *words, "--yes"]
    with subprocess.Popen(call, env=deployment.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while not is_so():
            assert running.poll() is None, running.communicate()
        running.send_signal(signal.SIGKILL)
        running.communicate()


def _killed_after(deployment: Deployment, seconds: float, *words: str) -> None:
    program = str(Path(sys.executable).with_name("provisioner"))
    call = [program, *ROTATE, *words, "--yes"]
    with subprocess.Popen(call, env=deployment.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        time.sleep(stretched(seconds))
        running.send_signal(signal.SIGKILL)
        running.communicate()
    _until_free(deployment)


def _until_free(deployment: Deployment) -> None:
    """Wait until no host is held by the run that was killed: each returns by itself, or its lease ends."""
    end = time.monotonic() + stretched(240)
    while held := [host for host in (RELAY, CENTRE.name) if _is_held(deployment, host)]:
        assert time.monotonic() < end, held
        time.sleep(1)


def _is_held(deployment: Deployment, host: str) -> bool:
    state = "cat /run/provisioner/lease.json 2>/dev/null || echo null; echo; cut -d' ' -f1 /proc/uptime"
    lease, uptime = deployment.lab.exec(host, ["sh", "-c", state]).stdout.rsplit("\n", 2)[:2]
    is_armed = deployment.lab.exec(host, ["test", "-e", "/var/lib/provisioner/armed.json"], check=False).returncode == 0
    document = json.loads(lease)
    return is_armed or (document is not None and document["due"] > float(uptime))
