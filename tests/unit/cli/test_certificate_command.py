"""`certificate`: relays' certificates listed, renewed, asked for and set; what is not theirs is refused."""

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
    code, printed = encrypted.document("certificate", "renew", RELAY)
    assert code == 0, printed
    (after,) = listed(encrypted)
    assert before["fingerprint"] != after["fingerprint"] == printed["fingerprint"]
    assert encrypted.file(VAULT).read_bytes().startswith(b"$ANSIBLE_VAULT")
    assert b"PRIVATE" not in encrypted.file(LOCK).read_bytes()
    assert encrypted("validate")[0] == 0


def test_a_ca_signs_what_is_asked_for_and_nothing_else_is_taken(encrypted: Terminal, tmp_path: Path) -> None:
    from provisioner.operations.hosts import certificates  # noqa: PLC0415
    from tests.unit.base.test_certificate import NOW  # noqa: PLC0415

    request = encrypted.document("certificate", "request", RELAY)[1]["request"]
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    file = tmp_path / "signed.pem"
    file.write_bytes(Authority().signed(request))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "datetime", type("Then", (), {"now": staticmethod(lambda _zone: NOW)}))
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


def test_readers_names_both_addresses(encrypted: Terminal) -> None:
    code, out, err = encrypted("readers", "--limit", "facility=kcl-bg-001")
    assert code == 0, err
    assert "  rtsp://10.91.0.1:8554 or rtsps://10.91.0.1:8322\n" in out.replace(" \n", "\n")
    _, out, _ = encrypted("--output", "json", "readers", "--limit", "facility=kcl-qn-001")
    assert "encrypted_url" not in out


def test_a_relay_without_encryption_and_one_that_is_not_there_have_none(encrypted: Terminal) -> None:
    for relay, words in (("relay-vnpt-1", "no reader_tls"), ("relay-viettel-9", "there is no relay")):
        for verb in ("renew", "request"):
            code, _, err = encrypted("certificate", verb, relay)
            assert code == 2
            assert words in err


@pytest.fixture
def hub(call: Terminal) -> Terminal:  # noqa: F811
    """The example's centre as a hub, with what `keys init` makes for that."""
    file = call.file("centres/centre-hn.yml")
    viewers = "viewers: [{ id: dic-bg, reads: [bac-giang], networks: [192.0.2.0/27] }]\n"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}hub: {{ address: 203.0.113.31 }}\n{viewers}", encoding="utf-8")
    code, out, err = call("keys", "init")
    assert code == 0, out + err
    return call


def test_a_hub_is_made_planned_applied_and_proved_with_the_rest(hub: Terminal) -> None:
    assert hub("validate")[0] == 0
    (row,) = listed(hub)
    assert (row["relay"], row["carrier"], row["self_signed"]) == ("centre-hn", "", True)
    code, out, err = hub("--output", "json", "plan", "--all")
    assert code in {0, 6}, err
    changes = [c for c in json.loads(out)["changes"] if c["host"] == "centre-hn" and c["action"] != "noop"]
    names = {change["name"] for change in changes}
    assert {"/etc/provisioner/mediamtx.yml", "/etc/provisioner/readers.pem", "provisioner-mediamtx.service"} <= names
    assert "reader viewer-dic-bg of bac-giang" in names
    assert {change["resource"] for change in changes} & {"path"} == set()
    code, out, err = hub("apply", "--yes", "--allow", "trust=9", "--allow", "all_impact=9", "--allow", "viewers=9")
    assert code == 0, out + err
    code, out, err = hub("--output", "json", "plan")
    assert [c for c in json.loads(out)["changes"] if c["action"] != "noop"] == [], out
    assert hub("prove")[0] == 0


@LOCAL_USER
def test_a_hub_s_certificate_is_renewed_by_its_id_and_cuts_nobody(hub: Terminal) -> None:
    allowed = ("--allow", "trust=9", "--allow", "all_impact=9", "--allow", "viewers=9")
    assert hub("apply", "--yes", *allowed)[0] == 0
    (before,) = listed(hub)
    code, out, err = hub("certificate", "renew", "centre-hn")
    assert code == 0, err
    assert "secrets/inventory.yml" in out
    (after,) = listed(hub)
    assert after["fingerprint"] != before["fingerprint"]
    _, out, _ = hub("--output", "json", "plan")
    (change,) = [c for c in json.loads(out)["changes"] if c["action"] != "noop"]
    assert (change["host"], change["name"], change["impact"]) == ("centre-hn", "/etc/provisioner/readers.pem", "hot")
    assert hub.file("secrets/inventory.yml").read_bytes().startswith(b"$ANSIBLE_VAULT")
