"""How a centre reads: at relays as its reader there, at its own hub as the hub's probe; and a relay itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.base.certificate import new_certificate_key, read_certificate, self_signed, server_file
from provisioner.desired.spec import RTSPS_PORT
from provisioner_host.firewall import firewall
from provisioner_host.look import probe, readers
from provisioner_host.relay import pinned_tls, relay
from tests.unit.base.test_certificate import ADDRESS, NOW

if TYPE_CHECKING:
    from provisioner_host.look.rtsp_talk import Login
    from provisioner_host.wire import RelayToRead

RELAY: RelayToRead = {
    "relay": "relay-1",
    "address": "10.91.0.1",
    "user": "centre-hn",
    "secret": "s3cret",
    "paths": ["a/b/c/sub"],
}


def test_a_relay_is_read_as_its_reader_encrypted_where_a_fingerprint_is_named() -> None:
    plain = probe._reads_by(RELAY)  # noqa: SLF001
    assert (plain.address, plain.port, plain.user, plain.password, plain.fingerprint) == (
        "10.91.0.1",
        8554,
        "centre-hn",
        "s3cret",
        "",
    )
    assert probe._reads_by({**RELAY, "fingerprint": "ab"}).port == RTSPS_PORT  # noqa: SLF001


def test_a_hub_is_read_in_the_relay_s_place_by_the_password_that_was_born_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "probe.password"
    password.write_text("born-here\n")
    monkeypatch.setattr(probe, "PROBE_PASSWORD", password)
    hub = {"address": "203.0.113.31", "port": 8322, "fingerprint": "cd"}
    login = probe._reads_by({**RELAY, "fingerprint": "ab", "through": hub})  # type: ignore[typeddict-item]  # noqa: SLF001
    assert (login.address, login.port, login.user, login.password, login.fingerprint) == (
        "203.0.113.31",
        8322,
        "probe",
        "born-here",
        "cd",
    )


@pytest.mark.parametrize(("setting", "port"), [("no", 8554), ("optional", 8554), ("strict", 8322)])
def test_a_relay_reads_itself_encrypted_where_nobody_may_read_without(
    setting: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_certificate_key()
    certificate = self_signed(key, "relay-1", ADDRESS, NOW, 30)
    shown, password = tmp_path / "readers.pem", tmp_path / "probe.password"
    shown.write_text(server_file(key, [certificate]).reveal())
    password.write_text("born-here\n")
    fingerprint = read_certificate(certificate).fingerprint
    assert pinned_tls.own(shown) == fingerprint
    monkeypatch.setattr(pinned_tls, "own", lambda: fingerprint)
    monkeypatch.setattr(probe, "PROBE_PASSWORD", password)
    monkeypatch.setattr(relay, "read_file", lambda: f'logLevel: info\nrtspEncryption: "{setting}"\n')
    installed = firewall.InstalledEndpoints(own=frozenset({("10.91.0.1", port)}))
    monkeypatch.setattr(firewall, "installed_places", lambda: installed)
    logins: list[Login] = []
    monkeypatch.setattr(readers, "read_all", lambda by_name, *_: logins.extend(by_name.values()))
    limits = probe.ProbeBudget({"deadline_s": 20, "max_readers": 2, "sample_s": 2, "read_s": 5})
    probe.reads_of_relay("10.91.0.1", {}, ({}, {}), limits)
    (login,) = logins
    assert (login.port, login.fingerprint) == (port, fingerprint if setting == "strict" else "")
