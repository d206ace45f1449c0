"""`certificate renew` of a relay to which sites push: their packages know both certificates before it shows another."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.vault import VaultPasswords
from provisioner.inventory.loader.secrets import read_secrets, write_carrier_secrets
from provisioner.operations.hosts import certificates
from tests.example_terminal import EXAMPLE
from tests.hostile import LOCAL_USER
from tests.unit.base.test_certificate import NOW, Authority
from tests.unit.cli.test_keys_rotate_relay import RELAY
from tests.unit.cli.test_relay_key_shapes import PUSHING, ShapeTerminal, call, of_shape

__all__ = ["call"]
pytestmark = of_shape("pushing")
RENEW = ("certificate", "renew", RELAY)
FINISH = (*RENEW, "--finish")
READERS = "/etc/provisioner/readers.pem"


def recorded(call: ShapeTerminal) -> tuple[str, str]:
    """The fingerprints of what a relay shows by the inventory, and of what it is to show next."""
    (row,) = call.document("certificate", "list")[1]["certificates"]
    return row["fingerprint"], row["next"]["fingerprint"] if row["next"] else ""


def live(call: ShapeTerminal) -> str:
    """The fingerprint of what the relay shows; its key and its certificate are of one pair."""
    text = call.relay.files[READERS][0].decode()
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----\n(.*?)-----END", text, re.DOTALL)
    return hashlib.sha256(base64.b64decode(blocks[0])).hexdigest()


def vault(call: ShapeTerminal) -> Any:
    """The carrier's secrets."""
    env = {"ANSIBLE_VAULT_PASSWORD_FILE": str(call.file(".vault-password"))}
    passwords = VaultPasswords.from_environment(env)
    return read_secrets(call.root / EXAMPLE, passwords).secrets.carriers["viettel"]


def known(call: ShapeTerminal) -> set[str]:
    """The certificates by which the site's gateway knows its relay."""
    (text,) = (content.decode() for name, content in call.package(PUSHING).items() if name.endswith("publish.yml"))
    pinned = set(re.findall(r'"destFingerprint": "([0-9a-f]{64})"', text))
    assert len(pinned) == 1
    return pinned | {word for line in re.findall(r"(?m)^#known (.*)$", text) for word in line.split()}


def die(*_: object) -> None:
    """End as a call does that is ended there."""
    raise KeyboardInterrupt


def test_packages_know_both_before_the_relay_shows_another_one(call: ShapeTerminal) -> None:
    present = live(call)
    assert known(call) == {present}
    out = call.done(*RENEW)
    assert f"provisioner site-package {PUSHING} --out DIR" in out
    shown, following = recorded(call)
    assert (shown, following != present, bool(following)) == (present, True, True)
    assert call.document("plan")[1]["changes"] == [], "the relay goes on with what it shows"
    assert known(call) == {present, following}

    code, _, err = call(*FINISH)
    assert (code, f"1 of {RELAY} are not known to have a package with its next certificate: {PUSHING}" in err) == (
        6,
        True,
    ), err
    assert recorded(call) == (present, following), "nothing was written"
    call.done("gateway", "installed", PUSHING)
    assert following in call.done(*FINISH)
    assert recorded(call) == (following, "")
    code, plan = call.document("plan")
    changes = [change for change in plan["changes"] if change["action"] != "noop"]
    assert [(change["name"], change["impact"]) for change in changes] == [(READERS, "hot")], "nobody is cut"
    call.done("apply", "--yes", "--limit", f"host={RELAY}")
    assert live(call) == following
    assert call.document("plan")[1]["changes"] == []
    assert call("validate")[0] == 0
    assert known(call) == {following}


@LOCAL_USER
def test_no_private_key_is_in_the_clear_and_the_former_one_is_forgotten(call: ShapeTerminal) -> None:
    former = vault(call).certificate_keys[RELAY].reveal()
    out = call.done(*RENEW)
    own = vault(call).next_certificate_keys[RELAY].reveal()
    call.package(PUSHING)
    call.done("gateway", "installed", PUSHING)
    out += call.done(*FINISH)
    assert vault(call).certificate_keys[RELAY].reveal() == own
    assert vault(call).next_certificate_keys == {}
    texts = call.texts() + out
    assert own not in texts
    assert former not in texts
    assert "next_certificate" not in call.file("allocations.lock.yml").read_text()


@pytest.mark.parametrize("stage", ["begin", "finish"])
def test_a_call_that_is_ended_between_two_files_is_taken_up(
    call: ShapeTerminal, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    present = live(call)
    if stage == "finish":
        call.done(*RENEW)
        call.package(PUSHING)
        call.done("gateway", "installed", PUSHING)
    words, second = (RENEW, "write_lock") if stage == "begin" else (FINISH, "write_carrier_secrets")
    with monkeypatch.context() as patch:
        patch.setattr(certificates, second, die)
        assert call(*words)[0] != 0
    # What is recorded is whole: the relay is applied with a key and a certificate of one pair.
    shown, following = recorded(call)
    assert (shown == present, following) == (stage == "begin", "")
    assert call("validate")[0] == 0
    call.done("apply", "--yes")
    assert live(call) == shown
    own = vault(call).next_certificate_keys[RELAY]
    call.done(*words)
    if stage == "begin":
        assert vault(call).next_certificate_keys[RELAY] == own, "it goes on with the key that was drawn"
    else:
        assert (vault(call).certificate_keys[RELAY], vault(call).next_certificate_keys) == (own, {})
        assert recorded(call) == (shown, "")


def test_keys_init_keeps_the_current_and_tidies_the_rest(call: ShapeTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    call.done(*RENEW)
    before = recorded(call), vault(call).next_certificate_keys
    call.done("keys", "init")
    assert (recorded(call), vault(call).next_certificate_keys) == before
    call.package(PUSHING)
    call.done("gateway", "installed", PUSHING)
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "write_carrier_secrets", die)
        assert call(*FINISH)[0] != 0
    call.done("keys", "init")
    assert recorded(call) == (before[0][1], ""), "no further certificate is made"
    assert vault(call).certificate_keys == before[1]


def test_it_is_taken_back_and_what_is_done_at_once_waits_for_that(call: ShapeTerminal) -> None:
    present = live(call)
    call.done(*RENEW)
    code, _, err = call(*RENEW)
    assert (code, "--finish; or take it back" in err) == (2, True), err
    assert call(*RENEW, "--at-once")[0] == 2
    call.done(*RENEW, "--cancel")
    assert (recorded(call), vault(call).next_certificate_keys) == ((present, ""), {})
    assert known(call) == {present}
    assert call(*RENEW, "--cancel")[0] == 2
    assert call(*FINISH)[0] == 2
    call.done(*RENEW, "--at-once")
    assert recorded(call)[0] != present
    assert recorded(call)[1] == ""


def test_a_next_certificate_whose_key_nobody_has_is_not_shown(call: ShapeTerminal) -> None:
    present = live(call)
    call.done(*RENEW)
    env = {"ANSIBLE_VAULT_PASSWORD_FILE": str(call.file(".vault-password"))}
    without = vault(call).model_copy(update={"next_certificate_keys": {}})
    write_carrier_secrets(call.root / EXAMPLE, "viettel", without, VaultPasswords.from_environment(env))
    code, _, err = call(*FINISH, "--leave", PUSHING)
    assert (code != 0, "the vault has no key of the certificate" in err) == (True, True), err
    assert recorded(call)[0] == present


def test_a_site_that_may_be_refused_is_left(call: ShapeTerminal) -> None:
    call.done(*RENEW)
    assert call(*FINISH, "--leave", "kcl-xx-999")[0] == 2
    call.done(*FINISH, "--leave", PUSHING)
    assert recorded(call)[1] == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--finish", "--cancel"), "each mean another thing"),
        (("--finish", "--at-once"), "each mean another thing"),
        (("--leave", PUSHING), "for the end"),
    ],
)
def test_what_makes_no_sense_is_refused(call: ShapeTerminal, words: tuple[str, ...], told: str) -> None:
    code, _, err = call(*RENEW, *words)
    assert (code, told in err) == (2, True), err


def test_a_ca_signs_the_next_one_too(call: ShapeTerminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "datetime", type("Then", (), {"now": staticmethod(lambda _zone: NOW)}))
    present, file = live(call), tmp_path / "signed.pem"
    # Of the present key: another certificate all the same, and gateways know the certificate.
    file.write_bytes(Authority().signed(call.done("certificate", "request", RELAY)))
    call.done("certificate", "set", RELAY, str(file))
    shown, following = recorded(call)
    assert (shown, vault(call).next_certificate_keys) == (present, {})
    assert known(call) == {present, following}
    call.done(*RENEW, "--cancel")
    # Of the next key, which is asked for once there is one.
    call.done(*RENEW)
    file.write_bytes(Authority().signed(call.done("certificate", "request", RELAY)))
    call.done("certificate", "set", RELAY, str(file))
    following = recorded(call)[1]
    call.package(PUSHING)
    call.done("gateway", "installed", PUSHING)
    call.done(*FINISH)
    call.done("apply", "--yes")
    assert live(call) == following
