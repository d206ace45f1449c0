"""One facility's file is wrong: what every command says of it, and that nothing of it changes on hosts."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from provisioner.base.vault import VaultPasswords, decrypt, encrypt
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, PSK_FILE, TRUST_FILE, WG_FILE
from provisioner.operations.pipeline import stages
from provisioner_host.state import frozen as host_held
from tests.example_terminal import ExampleTerminal, applied

RELAY, OTHER_RELAY = "relay-viettel-1", "relay-vnpt-1"
HELD, OTHER = "kcl-bg-001", "kcl-bg-002"
FILE = f"facilities/bac-giang/{HELD}.yml"
FILES = (MEDIAMTX_FILE, WG_FILE, PSK_FILE, NFT_FILE, TRUST_FILE)
SIGNERS = ["--by", "dic", "--by", "health", "--by", "carrier", "--on", "2021-06-01", "--source", "02/BB"]


class Terminal(ExampleTerminal):
    """Somebody who breaks a facility of the example, and looks at what its relay has of it."""

    def misspell(self) -> None:
        self.edit(FILE, "operating: open", "operating: opne")

    def change_other(self) -> None:
        """Let another facility of the same relay have another port of its own."""
        text = self.file(f"facilities/bac-giang/{OTHER}.yml").read_text(encoding="utf-8")
        assert "sub: {" in text
        self.edit(f"facilities/bac-giang/{OTHER}.yml", "sub: {", 'sub: { rtsp_path: "/other", ')
        assert self("sign-off", OTHER, *SIGNERS)[0] == 0

    def held_parts(self, relay: str = RELAY, facility: str = HELD) -> host_held.FrozenLines:
        files = self.hosts.hosts[relay].files
        return host_held.taken({path: files[path][0].decode() for path in FILES}, {facility}, "")[1]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return applied(Terminal, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("carrier", ["vnpt", "viettel"])
def test_a_carrier_whose_file_cannot_be_read_keeps_no_facility_out_of_status(call: Terminal, carrier: str) -> None:
    file = call.file(f"carriers/{carrier}.yml")
    file.write_text(re.sub("host_key: .*", "host_key: nonsense", file.read_text(encoding="utf-8")), encoding="utf-8")
    code, document = call.document("status")
    assert code == 0, document
    assert len(document["facilities"]) == 9


def test_one_wrong_word_holds_its_facility_and_nothing_else(call: Terminal) -> None:
    before = call.held_parts()
    assert before.paths
    call.misspell()
    call.change_other()
    code, plan = call.document("plan", "--exit-code")
    assert code == 3
    assert {change["facility"] for change in plan["changes"] if change["resource"] != "file"} == {OTHER}
    [held] = plan["held"]
    line = call.file(FILE).read_text().splitlines().index("operating: opne") + 1
    assert (held["facility"], held["line"], held["hosts"]) == (HELD, line, [RELAY])
    assert held["file"].endswith(FILE)
    assert "opne" in held["reason"]
    code, applied = call.document("apply", "--yes")
    assert (code, applied["outcome"]) == (3, "applied")
    assert [one["facility"] for one in applied["held"]] == [HELD]
    assert call.held_parts() == before
    assert "/other" in call.hosts.hosts[RELAY].files[MEDIAMTX_FILE][0].decode()
    call.edit(FILE, "operating: opne", "operating: open")
    assert call("plan", "--exit-code")[0] == 0


BROKEN: dict[str, Callable[[str], str | None]] = {
    "no text at all": lambda _text: "",
    "no YAML": lambda text: text[:200] + "\n\t: [",
    "another id": lambda text: text.replace(f"id: {HELD}", "id: kcl-bg-900", 1),
    "a neighbour's id": lambda text: text.replace(f"id: {HELD}", f"id: {OTHER}", 1),
    "a field is missing": lambda text: text.replace("operating: open\n", "", 1),
    "closed without a word to the lock": lambda text: text.replace("operating: open", "operating: closed", 1),
    "a carrier that is not designated": lambda text: text.replace("carrier: viettel", "carrier: vnpt", 1),
    "gone": lambda _text: None,
}


def test_however_it_is_broken_the_others_are_planned_and_nothing_of_it_changes(call: Terminal) -> None:
    call.change_other()
    file, before = call.file(FILE), call.held_parts()
    text = file.read_text(encoding="utf-8")
    intact = call.document("plan")[1]
    for way, broken in BROKEN.items():
        new = broken(text)
        assert new != text, way
        if new is None:
            file.unlink()
        else:
            file.write_text(new, encoding="utf-8")
        code, plan = call.document("plan", "--exit-code")
        assert (code, plan["changes"]) == (3, intact["changes"]), way
        assert HELD in {one["facility"] for one in plan["held"]}, way
        assert plan["totals"] == intact["totals"], way
    assert call("apply", "--yes")[0] == 3
    assert call.held_parts() == before
    file.write_text(text, encoding="utf-8")
    assert call("plan", "--exit-code")[0] == 0


def test_a_key_that_is_that_of_a_broken_file_changes_nothing_on_their_relay(call: Terminal) -> None:
    """The file cannot say any more that the key is its own: the relay knows it."""
    key = re.search(r"public_key: .*", call.file(FILE).read_text(encoding="utf-8"))
    assert key is not None
    call.file(FILE).write_text("", encoding="utf-8")
    other = call.file(f"facilities/bac-giang/{OTHER}.yml")
    other.write_text(re.sub(r"public_key: .*", key[0], other.read_text(encoding="utf-8")), encoding="utf-8")
    before = dict(call.hosts.hosts[RELAY].files)
    code, plan = call.document("plan")
    assert (code, list(plan["unreadable"])) == (5, [RELAY])
    assert f"site/{OTHER} has the key of site/{HELD}, which is held" in plan["unreadable"][RELAY]
    assert call("apply", "--yes")[0] == 5
    assert call.hosts.hosts[RELAY].files == before


def test_it_is_said_first_and_last(call: Terminal) -> None:
    call.misspell()
    code, out, _ = call("plan")
    lines = out.splitlines()
    assert code == 3
    assert lines[0] == "HELD: 1 facility with errors: hosts keep their state"
    said = f"1 facility is held: {HELD}; hosts keep their state: correct the errors of provisioner validate"
    assert " ".join(line.strip() for line in lines[lines.index("") :]).endswith(f"{said} {lines[-1]}")
    assert lines[-1].startswith("no change")
    assert any(f"{FILE}:" in line for line in lines)
    code, out, _ = call("apply", "--yes")
    assert (code, out.splitlines()[-2:]) == (3, [said, "nothing to do for all others"])
    code, out, _ = call("--output", "markdown", "plan")
    assert code == 3
    assert "**HELD: 1 facility with errors**" in out


def test_a_limit_that_takes_it_says_that_it_is_held_and_one_that_does_not_goes_on(call: Terminal) -> None:
    call.misspell()
    code, error = call.document("plan", "--limit", f"facility={HELD}")
    assert (code, error["schema"]) == (3, "provisioner/error")
    assert HELD in error["message"]
    assert error["problems"]
    code, plan = call.document("plan", "--limit", "carrier=vnpt")
    assert (code, [one["chosen"] for one in plan["held"]]) == (0, [False])
    assert any(HELD in note for note in plan["notes"])
    assert call("plan", "--limit", f"host={OTHER_RELAY}")[0] == 0
    assert call("plan", "--limit", f"host={RELAY}")[0] == 3
    assert call("plan", "--limit", "province=quang-nam")[0] == 0
    assert call("plan", "--limit", f"facility={HELD}", "--limit", f"facility={OTHER}")[0] == 3


def test_a_login_that_is_missing_holds_its_facility(call: Terminal) -> None:
    passwords = VaultPasswords((("default", call.file(".vault-password")),))
    file = call.file("secrets/cameras/bac-giang.yml")
    text = decrypt(file.read_bytes(), passwords, name="it").decode()
    lines = text.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{OTHER}:"))
    rest = [n for n in range(start + 1, len(lines)) if not lines[n].startswith((" ", "#"))]
    without = "".join(lines[:start] + lines[rest[0] if rest else len(lines) :])
    password = call.file(".vault-password").read_bytes().strip()
    file.write_text(encrypt(without.encode(), password, "secrets"))
    before = call.held_parts(facility=OTHER)
    code, plan = call.document("plan", "--exit-code")
    assert (code, plan["changes"], [one["facility"] for one in plan["held"]]) == (3, [], [OTHER])
    assert "no login" in plan["held"][0]["reason"]
    call.hosts.hosts[RELAY].units.discard("provisioner-nft.service")
    assert call("apply", "--yes")[0] == 3
    assert call.held_parts(facility=OTHER) == before
    code, out, _ = call("site-package", OTHER, "--out", str(call.root / "packages"))
    assert (code, OTHER in out) == (0, True)


def _logins_edited(call: Terminal, old: str, new: str) -> None:
    """Edit the logins of a province, which are encrypted."""
    passwords = VaultPasswords((("default", call.file(".vault-password")),))
    file = call.file("secrets/cameras/bac-giang.yml")
    text = decrypt(file.read_bytes(), passwords, name="it").decode()
    assert old in text
    password = call.file(".vault-password").read_bytes().strip()
    file.write_text(encrypt(text.replace(old, new, 1).encode(), password, "secrets"))


def test_a_wrong_entry_among_the_logins_of_many_holds_its_facility(call: Terminal) -> None:
    before = call.held_parts(facility=OTHER)
    _logins_edited(call, f"{OTHER}:\n  cam-01:\n    username:", f"{OTHER}:\n  cam-01:\n    c4nary-name:")
    code, plan = call.document("plan", "--exit-code")
    assert (code, plan["changes"], [one["facility"] for one in plan["held"]]) == (3, [], [OTHER])
    assert plan["held"][0]["file"].endswith("secrets/cameras/bac-giang.yml")
    assert "'username' is missing" in plan["held"][0]["reason"]
    call.hosts.hosts[RELAY].units.discard("provisioner-nft.service")
    code, out, err = call("apply", "--yes")
    assert code == 3
    assert call.held_parts(facility=OTHER) == before
    code, said, errors = call("validate")
    assert (code, "invalid: 2 errors" in said + errors) == (3, True)
    assert "c4nary" not in out + err + said + errors, "a key that nobody knows may be a mistyped password"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{OTHER}:\n  cam-01:\n    username:", "kcl-zz-999:\n  cam-01:\n    user:"),
        (f"{OTHER}:\n", "KCL BG 2:\n"),
        (f"{OTHER}:\n", f"{OTHER}: [\n"),
    ],
    ids=["of nobody here", "an id that is none", "not YAML"],
)
def test_wrong_logins_of_no_facility_hold_all_who_have_theirs_there(call: Terminal, old: str, new: str) -> None:
    before = call.held_parts(), call.held_parts(facility=OTHER)
    _logins_edited(call, old, new)
    call.hosts.hosts[OTHER_RELAY].units.discard("provisioner-nft.service")
    code, plan = call.document("plan")
    assert (code, {change["host"] for change in plan["changes"]}) == (3, {OTHER_RELAY})
    assert {HELD, OTHER} <= {one["facility"] for one in plan["held"]}
    assert {one["province"] for one in plan["held"]} == {"bac-giang"}
    assert all(one["file"].endswith("secrets/cameras/bac-giang.yml") for one in plan["held"])
    assert call("apply", "--yes")[0] == 3
    assert (call.held_parts(), call.held_parts(facility=OTHER)) == before
    assert "provisioner-nft.service" in call.hosts.hosts[OTHER_RELAY].units
    assert call("validate")[0] == 3


def test_logins_that_are_wrong_and_of_a_province_without_anybody_stop_all(call: Terminal) -> None:
    """Nobody can say whom they are for: a province's name may be the mistake."""
    password = call.file(".vault-password").read_bytes().strip()
    file = call.file("secrets/cameras/ha-noi.yml")
    assert not file.exists()
    file.write_text(encrypt(b"kcl-hn-001: [", password, "secrets"))
    code, error = call.document("plan")
    assert (code, error["schema"]) == (3, "provisioner/error")
    assert any(problem["file"].endswith("secrets/cameras/ha-noi.yml") for problem in error["problems"])


def test_an_unsigned_plan_is_held_until_it_is_signed_off(call: Terminal) -> None:
    call.edit(FILE, "channel: 17", "channel: 18")
    assert call.document("plan", "--exit-code")[1]["changes"] == []
    assert call("plan")[0] == 3
    assert call("sign-off", HELD, *SIGNERS)[0] == 0
    code, plan = call.document("plan", "--exit-code")
    assert (code, {change["facility"] for change in plan["changes"] if change["facility"]}) == (10, {HELD})


def test_a_saved_plan_is_stale_once_something_else_is_held(call: Terminal) -> None:
    call.change_other()
    assert call("plan", "--out", "plan.json")[0] == 0
    assert call("plan", "--check", "plan.json")[0] == 0
    call.misspell()
    code, out, _ = call("plan", "--check", "plan.json")
    assert code == 8
    assert f"held was nothing when the plan was made and is {HELD} now" in " ".join(out.split())
    assert call("apply", "plan.json")[0] == 8
    assert call("plan", "--out", "new.json")[0] == 3
    assert call("plan", "--check", "new.json")[0] == 3
    assert call("apply", "new.json")[0] == 3


def test_verify_does_not_check_what_is_held_and_says_so(call: Terminal) -> None:
    call.misspell()
    code, result = call.document("verify", "--limit", "province=bac-giang")
    assert code == 3
    of_held = [path for path in result["paths"] if path["facility"] == HELD]
    assert {path["path"] for path in of_held} == set(call.held_parts().paths)
    assert {(path["verdict"], path["cause"], path["checked_at"]) for path in of_held} == {("unknown", "held", None)}
    assert [incident["object"] for incident in result["incidents"] if incident["cause"] == "held"] == [HELD]
    # The relay is as desired: its other paths are judged by themselves.
    assert [host["drift"] for host in result["hosts"] if host["host"] == RELAY] == [[]]
    assert all(path["cause"] != "drift" for path in result["paths"])
    assert [one["facility"] for one in result["held"]] == [HELD]
    code, out, _ = call("verify", "--limit", f"facility={OTHER}", "--html", "report.html")
    assert (code == 3, HELD in out) == (False, False)
    code, out, _ = call("verify", "--html", "report.html")
    assert (code, f"{HELD} is held: " in " ".join(out.split())) == (3, True)
    assert "Held, not checked (1)" in Path("report.html").read_text(encoding="utf-8")
    code, error = call.document("verify", "--limit", f"facility={HELD}")
    assert (code, error["schema"]) == (3, "provisioner/error")


READS: dict[str, Callable[[Terminal], list[str]]] = {
    "status": lambda _call: ["status"],
    "export": lambda _call: ["export", "progress"],
    "render": lambda call: ["render", "--out", str(call.root / "rendered")],
    "allocate": lambda _call: ["allocate"],
    "site-package": lambda call: ["site-package", "--out", str(call.root / "packages")],
    "compare": lambda _call: ["plan", "--offline", "--against", "HEAD"],
    "plan --check": lambda _call: ["plan", "--check", "sha256:" + "0" * 64],
}


@pytest.mark.parametrize("name", READS)
def test_every_command_names_what_is_held_with_its_place(call: Terminal, name: str) -> None:
    call.misspell()
    words = READS[name](call)
    code, document = call.document(*words)
    assert code == (8 if name == "plan --check" else 3)
    [held] = document["held"]
    assert (held["facility"], held["line"] > 0) == (HELD, True)
    if name != "render":
        shutil.rmtree(call.root / "packages", ignore_errors=True)
        code, out, err = call(*words)
        assert code == (8 if name == "plan --check" else 3)
        assert HELD in out + err
        assert FILE in out + err


def test_a_spreadsheet_says_who_is_not_counted(call: Terminal) -> None:
    call.misspell()
    assert call("export", "progress", "--out", "progress.xlsx")[0] == 3
    sheets = openpyxl.load_workbook("progress.xlsx")
    cells = [str(cell.value) for sheet in sheets for row in sheet.iter_rows() for cell in row if cell.value]
    assert any(f"chưa tính các cơ sở có dữ liệu đang được rà soát: {HELD}" in cell for cell in cells)
    assert HELD not in cells


def test_compare_keeps_what_is_held_out_of_the_edit(call: Terminal) -> None:
    call.misspell()
    call.change_other()
    code, compared = call.document("plan", "--offline", "--against", "HEAD")
    assert code == 3
    assert {change["facility"] for change in compared["changes"] if change["facility"]} == {OTHER}
    assert compared["held"][0]["hosts"] == [RELAY]


def test_allocate_leaves_the_lock_of_what_is_held_alone(call: Terminal) -> None:
    lock = call.file("allocations.lock.yml").read_bytes()
    call.misspell()
    code, document = call.document("allocate")
    assert (code, document["changed"], document["retired"]) == (3, False, [])
    assert call.file("allocations.lock.yml").read_bytes() == lock


def test_a_file_that_is_deleted_is_held_until_allocate_has_retired_it(call: Terminal) -> None:
    before = call.held_parts()
    call.file(FILE).unlink()
    code, plan = call.document("plan")
    assert (code, plan["changes"], plan["held"][0]["facility"]) == (3, [], HELD)
    assert call.held_parts() == before
    assert call("allocate")[0] == 0
    deleted = {change["action"] for change in call.document("plan")[1]["changes"] if change["facility"] == HELD}
    assert deleted == {"delete"}


def test_keys_init_loses_nothing_of_what_is_held(call: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "make_host_keys", lambda *_arguments, **_options: ({}, {}))
    passwords = VaultPasswords((("default", call.file(".vault-password")),))

    def psks() -> list[str]:
        text = decrypt(call.file("secrets/carriers/viettel.yml").read_bytes(), passwords, name="it").decode()
        return sorted(line for line in text.splitlines() if HELD in line)

    assert call("keys", "init")[0] == 0
    before = psks()
    call.misspell()
    code, document = call.document("keys", "init")
    assert (code, [one["facility"] for one in document["held"]]) == (3, [HELD])
    assert before
    assert psks() == before


def test_a_rollback_keeps_what_is_held(call: Terminal) -> None:
    call.edit(FILE, "channel: 17", "channel: 18")
    assert call("sign-off", HELD, *SIGNERS)[0] == 0
    call.change_other()
    assert call("apply", "--yes")[0] == 0
    call.misspell()
    before = call.held_parts()
    code, document = call.document("rollback", "--yes", RELAY)
    assert (code, document["outcome"]) == (3, "returned")
    assert call.held_parts() == before
    assert "/other" not in call.hosts.hosts[RELAY].files[MEDIAMTX_FILE][0].decode()
