"""`site-publish`, which runs MediaMTX at a site that pushes: what it learns out of its log, and what it writes then."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.desired.render.site import render_site
from provisioner.desired.sites import site_spec
from provisioner.inventory.model.inventory import Inventory
from tests import fleets, inventories
from tests.hostile import GATEWAY

RELAY, SITE = "relay-viettel-1", "kcl-bg-001"
PROGRAM = "/usr/local/lib/provisioner-publish/mediamtx"


class Publishing:
    """A gateway's script, whose MediaMTX says what a test lets it say."""

    def __init__(self, folder: Path, inventory: Inventory) -> None:
        spec = site_spec(inventory, fleets.secrets_of(inventory), inventory.facilities[SITE])
        package = {file.path: file.content.decode() for file in render_site(spec, fleets.templates(), fleets.VALID)}
        self.conf, self._said = folder / "mediamtx.yml", folder / "said"
        (folder / "publish.yml").write_text(package["publish.yml"])
        (folder / "mediamtx").write_text(f"#!/bin/sh\nexec tail -n +1 -f {self._said}\n")
        (folder / "mediamtx").chmod(0o755)
        self._said.touch()
        script = folder / "site-publish"
        # The program stands in; and nobody waits two seconds for each step here.
        text = package["site-publish"].replace(PROGRAM, str(folder / "mediamtx")).replace("sleep 2", "sleep 0.1")
        script.write_text(text)
        self._log = (folder / "log").open("w+")
        env = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(folder)}
        self._running = subprocess.Popen(
            ["sh", str(script)], env=env, stdout=self._log, stderr=self._log, start_new_session=True
        )
        self.until(self.conf.exists)

    def close(self) -> None:
        """End it, with all that it started."""
        os.killpg(self._running.pid, 9)
        self._running.wait(10)
        self._log.close()

    def say(self, path: str, words: str, level: str = "ERR") -> None:
        """Let MediaMTX write a line."""
        with self._said.open("a") as said:
            said.write(f'{{"timestamp":"2026-01-01T00:00:00Z","level":"{level}","message":"[path {path}] {words}"}}\n')

    def pins(self) -> dict[str, str]:
        """By path, the certificate by which MediaMTX is to know the relay."""
        lines = [line for line in self.conf.read_text().splitlines() if line.startswith('  "')]
        return {line.split('"')[1]: line.split('"destFingerprint": "')[1][:64] for line in lines}

    def until(self, what: object) -> None:
        """Wait for it."""
        assert callable(what)
        until = time.monotonic() + 10
        while not what():
            assert time.monotonic() < until, self.log()
            time.sleep(0.02)

    def log(self) -> str:
        """What it has written."""
        self._log.seek(0)
        return self._log.read()


@pytest.fixture
def inventory() -> Inventory:
    carrier = inventories.carrier(publishers={})
    sites = [fleets.pushing(SITE, 2)]
    return fleets.with_next_certificate(
        fleets.complete(inventories.inventory(carriers=[carrier], facilities=sites)), RELAY
    )


@pytest.fixture
def gateway(tmp_path: Path, inventory: Inventory) -> Iterator[Publishing]:
    running = Publishing(tmp_path, inventory)
    yield running
    running.close()


def certificates(inventory: Inventory) -> tuple[str, str]:
    (end,) = site_spec(inventory, fleets.secrets_of(inventory), inventory.facilities[SITE]).pushed[0].ends
    return end.at.fingerprint, end.at.following


def refused(expected: str, seen: str) -> str:
    return f"[RTSPS dest 1 0259e8b5] source fingerprint does not match: expected {expected}, got {seen}"


def test_a_path_to_which_the_relay_showed_its_next_certificate_goes_on_by_that_and_no_other_path(
    gateway: Publishing, inventory: Inventory
) -> None:
    present, following = certificates(inventory)
    first, second = sorted(gateway.pins())
    assert set(gateway.pins().values()) == {present}
    gateway.say(second, refused(present, following))
    gateway.until(lambda: gateway.pins() == {first: present, second: following})
    assert f"the relay of {second} shows its other certificate" in gateway.log()
    # MediaMTX may have lost that write.
    written = gateway.conf.stat().st_ino
    gateway.until(lambda: gateway.conf.stat().st_ino != written)
    # And back, where the relay goes back.
    gateway.say(second, refused(following, present))
    gateway.until(lambda: set(gateway.pins().values()) == {present})


@GATEWAY
def test_nobody_else_is_taken_for_the_relay(gateway: Publishing, inventory: Inventory) -> None:
    present, following = certificates(inventory)
    first, second = sorted(gateway.pins())
    for seen in ("0" * 64, "", following[:63], f"{following}0"):
        gateway.say(first, refused(present, seen))
    gateway.say(first, refused("0" * 64, following))
    gateway.say(second, refused(present, following))
    gateway.until(lambda: gateway.pins()[second] == following)
    assert gateway.pins()[first] == present


def test_without_a_next_certificate_there_is_one_and_no_line_of_a_pair(tmp_path: Path, inventory: Inventory) -> None:
    lock = inventory.allocations
    entry = lock.relays[RELAY].model_copy(update={"next_certificate": None})
    usual = inventories.with_lock(inventory, lock.model_copy(update={"relays": {RELAY: entry}}))
    gateway = Publishing(tmp_path, usual)
    try:
        assert "#known" not in (tmp_path / "publish.yml").read_text()
        assert set(gateway.pins().values()) == {certificates(inventory)[0]}
    finally:
        gateway.close()
