"""Sign-offs by the parties' keys: nobody agrees for somebody else, and no agreement is used twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import Problem, Severity
from provisioner.base.ssh_signature import public_key_of
from provisioner.cli.main import run
from provisioner.inventory.loader.load import check, load
from provisioner.inventory.model.facility import Facility, Party
from tests import inventories as make
from tests import signatures
from tests.hostile import MERGE_REQUEST
from tests.prepared import prepared
from tests.simulated import SimulatedHosts

SITE = "facilities/bac-giang/kcl-bg-001.yml"
OTHER = "facilities/bac-giang/kcl-bg-002.yml"
PARTIES = ("dic", "health", "carrier")
ON = ("--on", "2021-05-08", "--source", "12/BB")


def key(party: str, kind: str = "ed25519", **changes: Any) -> dict[str, Any]:
    whose = {"carrier": "viettel"} if party == "carrier" else {"province": "bac-giang"}
    plain = {"office": f"office of {party}", "key": signatures.public_line(party, kind), "since": "2021-05-01"}
    return plain | whose | {"source": "01/QD"} | changes


def signers(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "dic": [key("dic")], "health": [key("health")], "carriers": [key("carrier")]} | changes


def unsigned(name: str = "kcl-bg-001", **changes: Any) -> dict[str, Any]:
    plain = make.facility(name, **changes)
    plain["plan"].pop("sign_offs")
    return plain


def inventory(root: Path, files: dict[str, Any] | None = None, *, policy: str = "signed") -> Path:
    """An inventory of one facility whose plan is agreed and signed by nobody."""
    plain = {"inventory.yml": make.settings(policy={"sign_offs": policy}), "signers.yml": signers(), SITE: unsigned()}
    return make.write_inventory(root, plain | (files or {}))


def sign(root: Path, party: str, *, facility: str = "kcl-bg-001", office: str = "", kind: str = "ed25519") -> int:
    """Let an office sign, by default the party's own."""
    path = str(signatures.key_file(office or party, kind))
    return run(["-i", str(root), "sign-off", facility, "--by", party, *ON, "--key", path], {"PATH": "/usr/bin:/bin"})


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """An inventory whose one plan is signed by all three."""

    def sign_all() -> None:
        root = inventory(tmp_path)
        assert [sign(root, party) for party in PARTIES] == [0, 0, 0]

    prepared(tmp_path, SimulatedHosts(), "signed-plan", sign_all)
    return tmp_path


def problems(root: Path) -> list[Problem]:
    listed = check(load(root, today=make.TODAY))
    return [p for p in listed if p.code.startswith(("sign", "key", "value", "carrier-u", "province-u"))]


def codes(root: Path) -> list[str]:
    return [p.code for p in problems(root)]


def site(root: Path, name: str = SITE) -> Any:
    """What a facility's file says, to be changed and written back by `put`."""
    facility = load(root, today=make.TODAY).facilities()[Path(name).stem]
    return json.loads(facility.model_dump_json(exclude_none=True, exclude_unset=True))


def put(root: Path, plain: Any, name: str = SITE) -> None:
    make.write_files(root, {name: plain})


def resign(plain: Any) -> str:
    """The hash of what a facility says now."""
    return str(make.signed(plain)["plan"]["sign_offs"][0]["content"])


# --- the way of a signature -----------------------------------------------------------------------
def test_a_plan_that_three_keys_signed_is_agreed(signed: Path) -> None:
    assert problems(signed) == []
    (facility,) = load(signed, today=make.TODAY).facilities().values()
    assert facility.plan
    assert all(sign_off.signature for sign_off in facility.plan.sign_offs)


def test_a_rate_keeps_signatures_and_another_size_does_not(signed: Path) -> None:
    plain = site(signed)
    stream = plain["cameras"][0]["streams"]["sub"]
    stream |= {"fps": 15, "kbps": 512, "least_kbps": 64}
    put(signed, plain)
    assert problems(signed) == []
    stream["width"] = 704
    put(signed, plain)
    assert codes(signed) != []


WITHDRAWN = {"facility": "kcl-bg-001", "before": "2021-05-09", "source": "5/BB"}


@pytest.mark.parametrize("parties", [("--by", "dic"), ("--all-parties",)])
@pytest.mark.parametrize(
    ("own_signers", "is_replaced"),
    [
        (signers(), False),
        # What does not count any more may give way to a claim.
        (signers(dic=[], health=[], carriers=[]), True),
        (signers(withdrawn=[WITHDRAWN]), True),
    ],
)
def test_a_claim_takes_the_place_of_no_signature_that_counts(
    signed: Path,
    parties: tuple[str, ...],
    own_signers: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    *,
    is_replaced: bool,
) -> None:
    claims = make.settings(policy={"sign_offs": "claimed"})
    make.write_files(signed, {"inventory.yml": claims, "signers.yml": own_signers})
    before = (signed / SITE).read_bytes()
    code = run(["-i", str(signed), "sign-off", "kcl-bg-001", *parties, "--source", "99/BB", "--on", "2021-05-09"], {})
    assert (code, (signed / SITE).read_bytes() != before) == (0 if is_replaced else 2, is_replaced)
    own = public_key_of(signatures.public_line("dic")).fingerprint
    said = f"the DIC signed the plan of kcl-bg-001 itself, with {own} on 2021-05-08"
    assert (said in capsys.readouterr().err) == (not is_replaced)


def test_an_agreement_of_all_three_keeps_a_valid_signature(tmp_path: Path) -> None:
    from provisioner.operations.edit.sign_off import claimed_by_all  # noqa: PLC0415

    root = inventory(tmp_path, policy="claimed")
    assert sign(root, "dic") == 0
    loaded = load(root, today=make.TODAY)
    facility = loaded.facility("kcl-bg-001")
    assert loaded.frame
    assert facility.plan
    written = claimed_by_all(loaded.frame, facility, facility.plan, make.TODAY, "99/BB")
    signed_by = [("signature" in sign_off, sign_off["source"]) for sign_off in written]
    assert signed_by == [(True, "12/BB"), (False, "99/BB"), (False, "99/BB")]


@pytest.mark.parametrize("kind", signatures.KINDS)
def test_every_kind_of_key_signs(tmp_path: Path, kind: str) -> None:
    root = inventory(tmp_path, {"signers.yml": signers(dic=[key("dic", kind)])})
    assert sign(root, "dic", kind=kind) == 0
    assert codes(root) == ["sign-off-missing"]


def test_a_party_without_git_signs_the_printed_statement(tmp_path: Path, capsysbinary: Any) -> None:
    root = inventory(tmp_path)
    command = ["-i", str(root), "sign-off", "kcl-bg-001", "--by", "dic", *ON]
    before = (root / SITE).read_bytes()
    assert run([*command, "--statement"], {}) == 0
    statement = capsysbinary.readouterr().out
    assert (root / SITE).read_bytes() == before
    assert statement.decode().splitlines()[:7] == [
        "provisioner plan sign-off, version 1",
        *("party: dic", "signed on: 2021-05-08", "document: 12/BB"),
        *("inventory: test", "province: bac-giang", "facility: kcl-bg-001"),
    ]
    (tmp_path / "made.sig").write_bytes(signatures.armoured(statement, "dic"))
    assert run([*command, "--signature", str(tmp_path / "made.sig")], {}) == 0
    assert codes(root) == ["sign-off-missing"]


def test_the_form_of_a_statement_never_changes() -> None:
    from provisioner.inventory.signed import statement  # noqa: PLC0415

    plain = make.facility(cameras=[make.camera(audio=True), make.channel("cam-02", 3)], recorders=[make.recorder()])
    facility = Facility.model_validate_json(json.dumps(plain))
    assert facility.plan
    sign_off = facility.plan.sign_offs[2]
    assert statement(facility, facility.plan, sign_off, "test").decode() == (
        "provisioner plan sign-off, version 1\n"
        "party: carrier\n"
        "signed on: 2021-05-08\n"
        "document: invented\n"
        "inventory: test\n"
        "province: bac-giang\n"
        "facility: kcl-bg-001\n"
        "carrier: viettel\n"
        "relay: relay-viettel-1\n"
        "access: pull_portmap\n"
        "recorder nvr-01: 192.168.1.20:554\n"
        "camera cam-01: zone cong, 192.168.1.11:554, sub, with sound\n"
        "camera cam-02: zone cong, recorder nvr-01, sub, no sound\n"
        f"content: {sign_off.content}\n"
    )


def test_signatures_stay_when_a_successor_becomes_the_plan(signed: Path) -> None:
    plain = site(signed)
    plain["successor"] = plain["plan"]
    plain["plan"] = {"state": "proposed", "carrier": "vnpt", "relay": "relay-vnpt-1"}
    put(signed, plain)
    assert codes(signed) == []


def test_cached_signatures_are_held_against_todays_keys(signed: Path, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    assert run(["-i", str(signed), "validate"], env) == run(["-i", str(signed), "validate"], env)
    make.write_files(signed, {"signers.yml": signers(dic=[])})
    assert run(["-i", str(signed), "validate"], env) == 3


# --- what a merge request's author tries ----------------------------------------------------------
@MERGE_REQUEST
@pytest.mark.parametrize("party", PARTIES)
def test_nobody_signs_for_a_party_by_word_alone_where_signatures_are_asked_for(signed: Path, party: str) -> None:
    plain = site(signed)
    for sign_off in plain["plan"]["sign_offs"]:
        if sign_off["by"] == party:
            del sign_off["signature"]
    put(signed, plain)
    (problem,) = problems(signed)
    assert (problem.code, problem.severity, problem.object) == (
        "sign-off-claimed",
        Severity.ERROR,
        "facility/kcl-bg-001",
    )
    assert (problem.file.endswith(SITE), problem.line > 0) == (True, True)
    before = (signed / SITE).read_bytes()
    assert run(["-i", str(signed), "sign-off", "kcl-bg-001", "--by", party, *ON], {}) == 2
    assert (signed / SITE).read_bytes() == before


@MERGE_REQUEST
def test_a_key_of_nobody_signs_for_nobody(signed: Path) -> None:
    before = (signed / SITE).read_bytes()
    assert sign(signed, "dic", office="stranger") == 3
    assert (signed / SITE).read_bytes() == before
    _swap(signed, "dic", "stranger")
    assert codes(signed) == ["sign-off-key-not-allowed"]


@MERGE_REQUEST
@pytest.mark.parametrize(("party", "office"), [("dic", "health"), ("health", "carrier"), ("carrier", "dic")])
def test_one_party_does_not_sign_for_another(signed: Path, party: str, office: str) -> None:
    _swap(signed, party, office)
    assert codes(signed) == ["sign-off-key-not-allowed"]


def _swap(root: Path, party: str, office: str) -> None:
    """Let another office sign a party's statement, and write that into the file past the command."""
    from provisioner.operations.edit.sign_off import Agreement, statement_of  # noqa: PLC0415

    agreement = Agreement("kcl-bg-001", "plan", (party,), date_of("2021-05-08"), "12/BB")
    made = signatures.armoured(statement_of(root, agreement, today=make.TODAY), office)
    plain = site(root)
    for sign_off in plain["plan"]["sign_offs"]:
        if sign_off["by"] == party:
            sign_off["signature"] = {"inventory": "test", "sshsig": signatures.bare(made)}
    put(root, plain)


def date_of(text: str) -> Any:
    return make.TODAY.fromisoformat(text)


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"dic": [key("dic", until="2021-05-08")]}, []),
        ({"dic": [key("dic", until="2021-05-08"), key("dic", "rsa-2048", since="2021-05-09")]}, []),
        # The office of a merged province signs for what was in it.
        ({"dic": [key("dic", province="bac-ninh", province_scheme="gso-2025")]}, []),
        ({"dic": [key("dic", province="bac-ninh")]}, ["sign-off-key-not-allowed"]),
        ({"dic": [key("dic", province="quang-nam")]}, ["sign-off-key-not-allowed"]),
        ({"carriers": [key("carrier", carrier="vnpt")]}, ["sign-off-key-not-allowed"]),
        ({"dic": [key("dic", until="2021-05-07")]}, ["sign-off-key-expired"]),
        ({"dic": [key("dic", since="2021-05-09")]}, ["sign-off-key-expired"]),
        ({"dic": [], "health": [], "carriers": []}, ["sign-off-key-not-allowed"] * 3),
        (None, ["sign-off-key-not-allowed"] * 3),
    ],
)
def test_a_key_signs_for_its_own_office_and_time(
    signed: Path, changes: dict[str, Any] | None, found: list[str]
) -> None:
    if changes is None:
        (signed / "signers.yml").unlink()
    else:
        make.write_files(signed, {"signers.yml": signers(**changes)})
    assert codes(signed) == found


@MERGE_REQUEST
@pytest.mark.parametrize(
    "edit",
    [
        {"cameras": [make.camera(host=12)]},
        {"cameras": [make.camera(), make.camera("cam-02", 12)]},
        {"cameras": [make.camera(zone="san")]},
        {"cameras": [make.camera(streams={"sub": {"width": 640, "height": 360, "rtsp_path": "/other"}})]},
        {"recorders": [make.recorder()]},
    ],
)
def test_an_edit_with_the_hash_written_anew_is_not_what_was_signed(signed: Path, edit: dict[str, Any]) -> None:
    plain = site(signed) | edit
    assert make.write_files(signed, {SITE: plain})
    assert codes(signed) == ["sign-off-stale"]
    content = resign(plain)
    for sign_off in plain["plan"]["sign_offs"]:
        sign_off["content"] = content
    put(signed, plain)
    assert codes(signed) == ["sign-off-forged"] * 3


@MERGE_REQUEST
@pytest.mark.parametrize(("field", "value"), [("signed_on", "2021-05-07"), ("source", "13/BB"), ("by", "dic")])
def test_no_word_of_a_sign_off_changes_without_its_signature(signed: Path, field: str, value: str) -> None:
    plain = site(signed)
    plain["plan"]["sign_offs"] = plain["plan"]["sign_offs"][1:]
    plain["plan"]["sign_offs"][0][field] = value
    put(signed, plain)
    assert "sign-off-forged" in codes(signed)


@MERGE_REQUEST
def test_a_signature_of_another_facility_is_none_here(signed: Path) -> None:
    plain = site(signed)
    other = unsigned("kcl-bg-002", gateway=plain["gateway"], cameras=plain["cameras"])
    other["plan"]["sign_offs"] = plain["plan"]["sign_offs"]
    content = resign(other)
    for sign_off in other["plan"]["sign_offs"]:
        sign_off["content"] = content
    put(signed, other, OTHER)
    assert codes(signed) == ["sign-off-forged"] * 3


@MERGE_REQUEST
def test_a_signature_for_another_inventory_is_none_here(signed: Path) -> None:
    make.write_files(signed, {"inventory.yml": make.settings(id="other", policy={"sign_offs": "signed"})})
    assert codes(signed) == ["sign-off-of-another-inventory"] * 3
    plain = site(signed)
    for sign_off in plain["plan"]["sign_offs"]:
        sign_off["signature"]["inventory"] = "other"
    put(signed, plain)
    assert codes(signed) == ["sign-off-forged"] * 3


@MERGE_REQUEST
def test_a_sign_off_of_an_older_content_does_not_come_back(signed: Path) -> None:
    old = site(signed)
    put(signed, old | {"cameras": [make.camera(host=12)]})
    assert [sign(signed, party) for party in PARTIES] == [0, 0, 0]
    assert codes(signed) == []
    plain = site(signed)
    plain["plan"]["sign_offs"] = old["plan"]["sign_offs"]
    put(signed, plain)
    assert codes(signed) == ["sign-off-stale"]


@MERGE_REQUEST
@pytest.mark.parametrize("policy", ["signed", "claimed"])
def test_an_old_plan_does_not_come_back_with_sign_offs_that_are_withdrawn(signed: Path, policy: str) -> None:
    withdrawn = [{"facility": "kcl-bg-001", "before": "2021-05-09", "source": "31/BB"}]
    settings = make.settings(policy={"sign_offs": policy})
    make.write_files(signed, {"inventory.yml": settings, "signers.yml": signers(withdrawn=withdrawn)})
    assert codes(signed) == ["sign-off-withdrawn"] * 3
    assert problems(signed)[0].file.endswith(SITE)
    withdrawn[0]["before"] = "2021-05-08"
    make.write_files(signed, {"signers.yml": signers(withdrawn=withdrawn)})
    assert codes(signed) == []


@MERGE_REQUEST
@pytest.mark.parametrize("sign", ["\u2028", "\u202e", "\u0085", "\u200b"])
def test_no_sign_of_a_document_makes_a_statement_another(tmp_path: Path, capsysbinary: Any, sign: str) -> None:
    root = inventory(tmp_path)
    command = ["-i", str(root), "sign-off", "kcl-bg-001", "--by", "dic", "--on", "2021-05-08", "--statement"]
    assert run([*command, "--source", f"12/BB{sign}relay: other"], {}) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert (sign in shown, f"document: 12/BB<{ord(sign):x}>relay: other\n" in shown) == (False, True)


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        ("claimed", {}),
        ("signed", {"dic": []}),
        ("signed", {"dic": [key("dic", "rsa-2048")]}),
        ("signed", {"dic": [key("dic", province="quang-nam")]}),
        ("signed", {"dic": [key("dic", until="2021-06-01")]}),
        ("signed", {"dic": [key("dic", since="2021-05-02")]}),
        ("signed", {"withdrawn": [{"facility": "kcl-bg-001", "before": "2021-05-09", "source": "31/BB"}]}),
    ],
)
def test_whatever_decides_who_counts_is_a_fact_of_trust(tmp_path: Path, policy: str, changes: dict[str, Any]) -> None:
    before = load(inventory(tmp_path / "a"), today=make.TODAY).partial
    after = load(
        inventory(tmp_path / "b", {"signers.yml": signers(**changes)}, policy=policy), today=make.TODAY
    ).partial
    assert before
    assert after
    assert before.signing_facts != after.signing_facts
    assert list(before.signing_facts) == sorted(before.signing_facts)


@MERGE_REQUEST
def test_a_facility_does_not_move_to_another_province_with_its_signatures(signed: Path) -> None:
    plain = site(signed) | {"province": "bac-ninh"}
    (signed / SITE).unlink()
    put(signed, plain, "facilities/bac-ninh/kcl-bg-001.yml")
    make.write_files(signed, {"signers.yml": signers(**{p: [key(p, province="bac-ninh")] for p in ("dic", "health")})})
    assert codes(signed) == ["sign-off-forged"] * 3


@MERGE_REQUEST
@pytest.mark.parametrize("namespace", ["git", "file", "plan@provisione"])
def test_a_signature_that_was_made_for_something_else_is_none(signed: Path, namespace: str) -> None:
    from provisioner.operations.edit.sign_off import Agreement, statement_of  # noqa: PLC0415

    agreement = Agreement("kcl-bg-001", "plan", ("dic",), date_of("2021-05-08"), "12/BB")
    statement = statement_of(signed, agreement, today=make.TODAY)
    made = signatures.bare(signatures.armoured(statement, "dic", namespace=namespace))
    plain = site(signed)
    plain["plan"]["sign_offs"][0]["signature"]["sshsig"] = made
    put(signed, plain)
    assert codes(signed) == ["sign-off-forged"]
    assert "plan@provisioner" in problems(signed)[0].message


@MERGE_REQUEST
@pytest.mark.parametrize("sshsig", ["AAAA", "U1NIU0lH", "U1NIU0lHAAAAAf////8=", "A" * 8000, "c2ln", "YQ="])
def test_a_malformed_signature_is_an_error_at_its_place(signed: Path, sshsig: str) -> None:
    plain = site(signed)
    plain["plan"]["sign_offs"][1]["signature"]["sshsig"] = sshsig
    text = json.dumps(plain, indent=1, ensure_ascii=False)
    put(signed, text + "\n")
    (problem,) = problems(signed)
    assert (problem.code, problem.severity) == ("sign-off-forged", Severity.ERROR)
    lines = text.splitlines()
    assert lines[problem.line - 1].strip().startswith(('"signature"', "{")) or sshsig in lines[problem.line]
    assert "take the sign-off back from Git" in problem.hint
    assert run(["-i", str(signed), "validate"], {}) == 3


@MERGE_REQUEST
def test_a_signature_with_text_of_its_own_is_refused_as_a_value(signed: Path) -> None:
    plain = site(signed)
    plain["plan"]["sign_offs"][1]["signature"]["sshsig"] = "{{ lookup('pipe', 'id') }}"
    put(signed, plain)
    assert load(signed, today=make.TODAY).problems


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"health": [key("health"), key("health", office="b", key=signatures.public_line("dic"))]},
            "signer-key-shared",
        ),
        ({"dic": [key("dic"), key("dic", key="ssh-ed25519 AAAA")]}, "signer-key-unusable"),
        ({"dic": [key("dic"), key("dic", key=signatures.rsa_line(b"\x03", b"\x7f" * 128))]}, "signer-key-unusable"),
        ({"dic": [key("dic"), key("dic", "rsa-2048", until="2021-04-30")]}, "signer-period"),
        ({"dic": [key("dic"), key("dic", "rsa-2048", province="nowhere")]}, "province-unknown"),
        ({"carriers": [key("carrier"), key("carrier", "rsa-2048", carrier="nobody")]}, "carrier-unknown"),
    ],
)
def test_a_list_of_keys_that_makes_no_sense_is_an_error(signed: Path, changes: dict[str, Any], code: str) -> None:
    make.write_files(signed, {"signers.yml": signers(**changes)})
    assert codes(signed) == [code]
    assert problems(signed)[0].file.endswith("signers.yml")


@MERGE_REQUEST
def test_a_key_is_written_without_the_comment_that_names_a_person(signed: Path) -> None:
    named = f"{signatures.public_line('dic')} canary@example.com"
    make.write_files(signed, {"signers.yml": signers(dic=[key("dic", key=named)])})
    (problem,) = [p for p in load(signed, today=make.TODAY).problems if p.object == "signers"]
    assert "without its comment" in problem.hint


@MERGE_REQUEST
@pytest.mark.parametrize(
    "extra", [("--key", "K", "--statement"), ("--signature", "S", "--key", "K"), ("--by", "health", "--key", "K")]
)
def test_one_party_signs_at_a_time_and_in_one_way(tmp_path: Path, extra: tuple[str, ...]) -> None:
    root = inventory(tmp_path)
    (tmp_path / "made.sig").write_bytes(b"x")
    real = {"K": str(signatures.key_file("dic")), "S": str(tmp_path / "made.sig")}
    command = ["-i", str(root), "sign-off", "kcl-bg-001", "--by", "dic", *ON, *(real.get(e, e) for e in extra)]
    before = (root / SITE).read_bytes()
    assert run(command, {"PATH": "/usr/bin:/bin"}) == 2
    assert (root / SITE).read_bytes() == before


@MERGE_REQUEST
@pytest.mark.parametrize("content", [b"", b"x", b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"])
def test_a_file_that_is_no_signature_is_not_recorded(tmp_path: Path, content: bytes) -> None:
    root = inventory(tmp_path)
    (tmp_path / "made.sig").write_bytes(content)
    before = (root / SITE).read_bytes()
    command = ["-i", str(root), "sign-off", "kcl-bg-001", "--by", "dic", *ON, "--signature", str(tmp_path / "made.sig")]
    assert run(command, {}) == 3
    assert (root / SITE).read_bytes() == before


def test_the_program_that_signs_is_told_no_password_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, spy, office = inventory(tmp_path / "i"), tmp_path / "bin", signatures.key_file("dic")
    spy.mkdir()
    (spy / "ssh-keygen").write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n", encoding="utf-8")
    (spy / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy}:/usr/bin:/bin")
    env = {"PATH": f"{spy}:/usr/bin:/bin", "ANSIBLE_VAULT_PASSWORD_FILE": "canary", "SSH_AUTH_SOCK": "/agent"}
    command = ["-i", str(root), "sign-off", "kcl-bg-001", "--by", "dic", *ON, "--key", str(office)]
    assert run(command, env) == 2
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    assert ("canary" in seen, "SSH_AUTH_SOCK=/agent" in seen) == (False, True)


# --- claimed --------------------------------------------------------------------------------------


@MERGE_REQUEST
def test_a_claim_for_a_party_with_a_key_does_not_go_unsaid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Of the others only another province's office and another carrier have a key.
    elsewhere = {"health": [key("health", province="quang-nam")], "carriers": [key("carrier", carrier="vnpt")]}
    files = {
        "signers.yml": {"version": 1, "dic": [key("dic")], **elsewhere},
        "carriers/vnpt.yml": make.carrier("vnpt", 21),
    }
    root = inventory(tmp_path, files, policy="claimed")
    for party in ("dic", "health", "carrier"):
        assert run(["-i", str(root), "sign-off", "kcl-bg-001", "--by", party, *ON], {}) == 0
    (problem,) = problems(root)
    assert (problem.code, problem.severity) == ("sign-off-claimed", Severity.WARNING)
    assert "without a signature of: the DIC;" in problem.message
    capsys.readouterr()
    run(["-i", str(root), "validate"], {})
    assert "; sign-offs: 0 signed, 3 claimed" in capsys.readouterr().out


def test_documents_tell_signed_from_claimed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = inventory(tmp_path, policy="claimed")
    assert [sign(root, "dic"), run(["-i", str(root), "sign-off", "kcl-bg-001", "--by", "health", *ON], {})] == [0, 0]
    capsys.readouterr()
    run(["-i", str(root), "--output", "json", "validate"], {})
    expected = {"signed": 1, "claimed": 1}
    assert json.loads(capsys.readouterr().out)["sign_offs"] == expected
    env = {"PROVISIONER_STATE": str(tmp_path / "state")}
    run(["-i", str(root), "--output", "json", "status", "--why"], env)
    (facility,) = json.loads(capsys.readouterr().out)["facilities"]
    assert facility["sign_offs"] == expected
    assert sign(root, "carrier") == 0
    capsys.readouterr()
    run(["-i", str(root), "status", "--why"], env)
    assert "without a key: the Health department" in capsys.readouterr().out


def test_a_proposed_plan_may_be_claimed_until_it_is_agreed(tmp_path: Path) -> None:
    root = inventory(tmp_path, {SITE: make.facility()})
    assert codes(root) == ["sign-off-claimed"] * 3
    plain = make.facility()
    plain["plan"]["state"] = "proposed"
    put(root, plain)
    assert codes(root) == []
    put(root, make.facility() | {"operating": "closed"})
    assert codes(root) == []


def test_the_keys_of_an_inventory_are_listed_in_one_order(tmp_path: Path) -> None:
    root = inventory(tmp_path)
    loaded = load(root, today=make.TODAY).partial
    assert loaded
    assert [signer.party for signer in loaded.signers] == [Party.CARRIER, Party.DIC, Party.HEALTH]
    assert [signer.signs_by.key for signer in loaded.signers] == [
        signatures.public_line(p) for p in ("carrier", "dic", "health")
    ]
