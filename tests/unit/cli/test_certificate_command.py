"""`certificate`: relays' certificates listed, renewed, asked for and set; what is not theirs is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile import LOCAL_USER
from tests.unit.base.test_certificate import Authority
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)

LOCK, VAULT = "allocations.lock.yml", "secrets/carriers/viettel.yml"


@pytest.fixture
def encrypted(call: Terminal) -> Terminal:  # noqa: F811
    """An inventory whose first carrier wants its readers encrypted, with what `keys init` makes for that."""
    named = "centres: [centre-hn]"
    call.edit("carriers/viettel.yml", named, f"reader_tls: {{ encryption: optional }}\n{named}")
    code, out, err = call("keys", "init")
    assert code == 0, out + err
    return call


def listed(encrypted: Terminal) -> list[dict[str, object]]:
    code, out, err = encrypted("--output", "json", "certificate", "list")
    assert code == 0, err
    rows: list[dict[str, object]] = json.loads(out)["certificates"]
    return rows


def test_keys_init_makes_one_for_each_relay_that_needs_one_and_keeps_it(encrypted: Terminal) -> None:
    (row,) = listed(encrypted)
    assert (row["relay"], row["carrier"], row["self_signed"]) == (RELAY, "viettel", True)
    assert row["days_left"] in {729, 730}
    lock, vault = encrypted.file(LOCK).read_bytes(), encrypted.file(VAULT).read_bytes()
    assert encrypted("keys", "init")[0] == 0
    assert (encrypted.file(LOCK).read_bytes(), encrypted.file(VAULT).read_bytes()) == (lock, vault)
    _, out, _ = encrypted("certificate", "list")
    assert out.startswith(f"{RELAY}  {row['fingerprint']}  until ")


@LOCAL_USER
def test_renew_draws_another_key_and_no_file_has_it_in_the_clear(encrypted: Terminal) -> None:
    (before,) = listed(encrypted)
    code, out, err = encrypted("certificate", "renew", RELAY)
    assert code == 0, err
    (after,) = listed(encrypted)
    assert after["fingerprint"] != before["fingerprint"]
    assert str(after["fingerprint"]) in out
    assert encrypted.file(VAULT).read_bytes().startswith(b"$ANSIBLE_VAULT")
    assert b"PRIVATE" not in encrypted.file(LOCK).read_bytes()
    assert encrypted("validate")[0] == 0


def test_a_ca_signs_what_is_asked_for_and_nothing_else_is_taken(encrypted: Terminal, tmp_path: Path) -> None:
    import provisioner.runs.single.certificates as single  # noqa: PLC0415
    from tests.unit.base.test_certificate import NOW  # noqa: PLC0415

    _, request, _ = encrypted("certificate", "request", RELAY)
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    file = tmp_path / "signed.pem"
    file.write_bytes(Authority().signed(request))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single, "datetime", type("Then", (), {"now": staticmethod(lambda _zone: NOW)}))
        code, out, err = encrypted("certificate", "set", RELAY, str(file))
        assert code == 0, out + err
        (row,) = listed(encrypted)
        assert row["self_signed"] is False
        assert encrypted("keys", "init")[0] == 0
        assert listed(encrypted) == [row]
        # Of a former key: what was signed before is no certificate of this one.
        assert encrypted("certificate", "renew", RELAY)[0] == 0
        code, _, err = encrypted("certificate", "set", RELAY, str(file))
        assert code == 2
        assert "of another key" in err
    lock = encrypted.file(LOCK).read_bytes()
    file.write_bytes(Authority().signed(encrypted("certificate", "request", RELAY)[1]))
    code, _, err = encrypted("certificate", "set", RELAY, str(file))
    assert code == 2
    assert "and not now" in err
    for content in (b"", b"nothing"):
        file.write_bytes(content)
        code, _, err = encrypted("certificate", "set", RELAY, str(file))
        assert code == 2, err
    assert encrypted("certificate", "set", RELAY, str(tmp_path / "none.pem"))[0] == 2
    assert encrypted.file(LOCK).read_bytes() == lock


def test_a_relay_without_encryption_and_one_that_is_not_there_have_none(encrypted: Terminal) -> None:
    for relay, words in (("relay-vnpt-1", "no reader_tls"), ("relay-viettel-9", "there is no relay")):
        for verb in ("renew", "request"):
            code, _, err = encrypted("certificate", verb, relay)
            assert code == 2
            assert words in err
