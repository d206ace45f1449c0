"""`keys rotate`: a gateway's key changed beside the present one; nothing is cut, and no half step is lost."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.base.files import write_atomic
from provisioner.base.vault import VaultPasswords
from provisioner.cli import keys_rotate
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader import secrets as secrets_loader
from provisioner.inventory.loader.load import load
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.edit import file_edit
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from tests.example_terminal import EXAMPLE, applied, git
from tests.inventories import public_key
from tests.signatures import key_file, public_line
from tests.unit.cli.test_plan import Terminal

RELAY = "relay-viettel-1"
SITES = ["kcl-bg-001", "kcl-bg-002"]
NEXT = {site: public_key(f"the next key of {site}") for site in SITES}
PATHS = {site: f"facilities/bac-giang/{site}.yml" for site in SITES}
ROTATE = ("keys", "rotate")
FINISH = ("keys", "rotate", "--finish", "--yes")


class KeyTerminal(Terminal):
    """Somebody who changes keys, and the gateways at the other end."""

    def gateway(self, site: str) -> dict[str, Any]:
        document = parse(self.file(PATHS[site]).read_bytes()).value
        assert isinstance(document, dict)
        return dict(document["gateway"])

    def note(self, *sites: str) -> None:
        """Technicians report the next keys."""
        for site in sites:
            code, out, err = self("gateway", "set-key", site, NEXT[site], "--next")
            assert code == 0, out + err

    def speak(self, *sites: str) -> None:
        """Gateways change to their next keys: the relay hears them, and its unit moves the addresses."""
        host = self.hosts.hosts[RELAY]
        for site in sites:
            host.handshakes[NEXT[site]] = max(host.handshakes.values(), default=0) + 1
        host.settle()

    def holders(self) -> dict[str, str]:
        """By address, the key that has it on the relay."""
        peers = self.hosts.hosts[RELAY].peers.items()
        return {address: key for key, peer in peers for address in peer["allowed_ips"]}

    def psks(self) -> dict[str, str]:
        """The live pre-shared keys by public key."""
        return {key: peer["psk"] for key, peer in self.hosts.hosts[RELAY].peers.items()}

    def vault(self) -> Any:
        passwords = VaultPasswords.from_environment(
            {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.file(".vault-password"))}
        ).for_secrets()
        return secrets_loader.read_secrets(self.root / EXAMPLE, passwords).secrets.carriers["viettel"]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> KeyTerminal:
    terminal = applied(KeyTerminal, tmp_path, monkeypatch, capsys)
    monkeypatch.setattr(keys_rotate, "_LOOK_S", 0.0)
    quick = RolloutOptions(gate=GateRules(settle_s=0))
    monkeypatch.setattr(keys_rotate, "RunOptions", lambda **words: RunOptions(quick, **words))
    terminal.hosts.calls.clear()
    return terminal


def stages(document: dict[str, Any]) -> dict[str, str]:
    return {name: site["stage"] for name, site in document["sites"].items()}


# --- the whole way --------------------------------------------------------------------------------
def test_a_key_is_changed_step_by_step_and_the_site_s_address_goes_where_its_gateway_is(call: KeyTerminal) -> None:
    site, before = SITES[0], call.holders()
    old, old_psk = call.gateway(site)["public_key"], call.psks()
    code, first = call.document(*ROTATE, site, "--yes")
    assert (code, first["begun"], stages(first)) == (0, [site], {site: "unreported"})
    assert set(call.gateway(site)["next_key"]) == {"since"}
    assert call.changed() == []
    told = f"1 site with a change of keys under way: {site}; go on: provisioner keys rotate --finish"
    assert told in call("status")[1]
    assert call.document("status")[1]["key_changes"] == {site: False}
    call.note(site)
    assert call.document("status")[1]["key_changes"] == {site: True}
    call.hosts.calls.clear()
    code, second = call.document(*FINISH)
    assert (code, stages(second), call.changed()) == (0, {site: "staged"}, [RELAY])
    operations = [operation for operation, _ in call.hosts.calls]
    assert operations[: operations.index("apply")] == ["observe"], "the look that said what is due is what is applied"
    assert call.holders() == before, "until the gateway is seen with it nothing is another one's"
    assert call.psks()[NEXT[site]] not in old_psk.values()
    assert call("drift")[0] == 0
    code, again = call.document(*FINISH)
    assert (code, stages(again), again["runs"]) == (0, {site: "staged"}, [])

    call.speak(site)
    assert {a: k for a, k in call.holders().items() if before[a] != k} == {
        a: NEXT[site] for a, k in before.items() if k == old
    }
    assert call("drift")[0] == 0, "which of the two has the address is the relay's to know"
    new_psk = call.psks()[NEXT[site]]
    code, third = call.document(*FINISH)
    assert (code, third["ended"], third["left_out"]) == (0, [site], {})
    assert call.gateway(site)["public_key"] == NEXT[site]
    assert "next_key" not in call.gateway(site)
    peers = call.hosts.hosts[RELAY].peers
    assert (old in peers, peers[NEXT[site]]["psk"]) == (False, new_psk)
    assert call.vault().site_psks[site].reveal() == new_psk
    assert call.vault().next_psks == {}
    assert call("drift")[0] == 0
    assert call(*FINISH)[1] == "no rotation of a gateway's key is in progress\n"


def test_only_files_that_no_commit_has_are_left_to_be_committed(call: KeyTerminal) -> None:
    told = "files were written: commit them"
    for name, value in (("name", "A"), ("email", "a@example.com")):
        git(call.root, "config", f"user.{name}", value)
    code, out, err = call(*ROTATE, SITES[0], "--yes", "--commit")
    assert (code, told in out, "committed as" in err) == (0, False, True), out + err
    code, out, _ = call(*ROTATE, SITES[1], "--yes")
    assert (code, out.splitlines()[-1]) == (0, told)


def test_one_call_waits_for_gateways_and_ends_those_seen(call: KeyTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(*ROTATE, *SITES, "--yes")[0] == 0
    call.note(*SITES)
    clock = iter(range(1000))
    passing = SimpleNamespace(sleep=lambda _: call.speak(SITES[0]), monotonic=lambda: float(next(clock)))
    monkeypatch.setattr(keys_rotate, "time", passing)
    code, document = call.document(*FINISH, "--wait", "4")
    assert (code, document["ended"]) == (0, [SITES[0]])
    assert stages(document)[SITES[1]] == "staged"


def test_all_sites_of_a_carrier_begin_and_a_broken_one_stops_no_other(call: KeyTerminal) -> None:
    call.edit(PATHS[SITES[1]], "operating: open", "operating: ajar")
    code, document = call.document(*ROTATE, "--carrier", "viettel", "--yes")
    assert SITES[0] in document["begun"]
    assert SITES[1] not in document["begun"]
    assert code in {0, 1}
    call.note(SITES[0])
    assert stages(call.document(*FINISH)[1])[SITES[0]] == "staged"


def test_a_relay_with_a_change_that_would_cut_is_left_as_it_is(call: KeyTerminal) -> None:
    assert call(*ROTATE, SITES[0], "--yes")[0] == 0
    call.note(SITES[0])
    call.edit(PATHS[SITES[1]], "operating: open", "operating: closed")
    assert call("allocate")[0] == 0
    code, document = call.document(*FINISH)
    assert (code, call.changed()) == (1, [])
    assert "would cut readers" in document["left_out"][SITES[0]]


def test_a_package_of_a_changing_gateway_changes_nothing_by_its_first_step(call: KeyTerminal) -> None:
    folder = call.root / "sites"
    call(*ROTATE, SITES[0], "--yes")
    assert call("site-package", SITES[0], "--out", str(folder))[0] == 0
    package = folder / SITES[0]
    following = call.vault().next_psks[SITES[0]].psk.reveal()
    assert (package / f"peers/{RELAY}.psk").read_text("utf-8").strip() == following
    assert "CHANGE_KEY" in (package / "install.sh").read_text("utf-8")
    assert NEXT[SITES[0]] not in (package / "change-key.sh").read_text("utf-8")
    call.note(SITES[0])
    assert call("site-package", SITES[0], "--out", str(call.root / "again"))[0] == 0
    assert NEXT[SITES[0]] in (call.root / f"again/{SITES[0]}/change-key.sh").read_text("utf-8")


# --- taken back, and refused ----------------------------------------------------------------------
def test_a_change_is_taken_back_as_long_as_the_gateway_has_its_present_key(call: KeyTerminal) -> None:
    before, file = call.holders(), call.file(PATHS[SITES[0]]).read_bytes()
    code, out, err = call(*ROTATE, SITES[0], "--yes")
    assert code == 0, out + err
    call.note(SITES[0])
    call(*FINISH)
    code, out, err = call("keys", "keep", SITES[0], "--yes")
    assert code == 0, out + err
    assert call.file(PATHS[SITES[0]]).read_bytes() == file
    assert (call.holders(), NEXT[SITES[0]] in call.hosts.hosts[RELAY].peers) == (before, False)
    assert call.vault().next_psks == {}
    call(*ROTATE, SITES[0], "--yes")
    call.note(SITES[0])
    call(*FINISH)
    call.speak(SITES[0])
    code, _, err = call("keys", "keep", SITES[0], "--yes")
    assert (code, "has its next key already" in err) == (2, True)


def test_what_cannot_be_a_next_key_is_refused_and_nothing_is_written(call: KeyTerminal) -> None:
    files = call.files()
    for site, key, words in (
        (SITES[0], NEXT[SITES[0]], "no change of the key"),
        (SITES[0], "qwertz-4711", "no WireGuard public key"),
    ):
        code, _, err = call("gateway", "set-key", site, key, "--next")
        assert (code, words in err, key in err) == (2, True, False), err
    assert call.files() == files
    call(*ROTATE, SITES[0], "--yes")
    files = call.files()
    present, other = (call.gateway(site)["public_key"] for site in SITES)
    assert call("gateway", "set-key", SITES[0], present, "--next")[0] == 2
    assert call("gateway", "set-key", SITES[0], other, "--next")[0] == 3
    assert call("gateway", "set-key", SITES[0], NEXT[SITES[1]], "--replace")[0] == 2
    assert call.files() == files
    assert call(*ROTATE)[0] == 2
    assert call(*ROTATE, "kcl-bg-999")[0] == 2
    assert call(*ROTATE, SITES[0], "--dry-run")[0] == 0
    assert call.files() == files


# --- interrupted ----------------------------------------------------------------------------------
class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.mark.soak
def test_killed_anywhere_it_goes_on_from_there(call: KeyTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each write and each change of a host in turn: the address is never with nobody, and the end is one."""
    site, start, model = SITES[0], call.files(), copy.deepcopy(call.hosts.hosts)
    old = call.gateway(site)["public_key"]
    address = next(a for a, key in call.holders().items() if key == old)
    points = 0
    while _killed_at(call, points, monkeypatch):
        for _ in range(4):
            _settle(call)
            begun = "next_key" in call.gateway(site) or call.gateway(site)["public_key"] != old
            code, document = call.document(*(FINISH if begun else (*ROTATE, site, "--yes")))
            assert address in call.holders()
            if stages(document).get(site) == "unreported":
                call.note(site)
            elif stages(document).get(site) == "staged":
                call.speak(site)
        assert code in {0, 1}, document
        assert call.gateway(site)["public_key"] == NEXT[site], (points, document)
        peers = call.hosts.hosts[RELAY].peers
        assert peers[NEXT[site]]["psk"] == call.vault().site_psks[site].reveal(), points
        assert call.vault().next_psks == {}
        assert call("drift")[0] == 0
        points += 1
        for path, data in start.items():
            Path(path).write_bytes(data)
        call.hosts.hosts = copy.deepcopy(model)
    assert points >= 6, "two writes of the beginning, one change, one write, one change, and the vault"


def _settle(call: KeyTerminal) -> None:
    """What was armed and waits for its confirmation goes back by itself."""
    for host in call.hosts.hosts.values():
        if host.armed:
            host.armed = None
            for name, value in (host.last_good or {}).items():
                setattr(host, name, copy.deepcopy(value))
            host.settle()


def _killed_at(call: KeyTerminal, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Change a key, and be killed before that write or change of a host; false where it came to its end."""
    count = 0

    def kill() -> None:
        nonlocal count
        count += 1
        if count > number:
            raise Killed

    def before(operation: str, _host: str) -> None:
        if operation in {"apply", "confirm"}:
            kill()

    def write(*arguments: Any, **words: Any) -> None:
        kill()
        write_atomic(*arguments, **words)

    with monkeypatch.context() as patch:
        patch.setattr(file_edit, "write_atomic", write)
        patch.setattr(secrets_loader, "write_atomic", write)
        patch.setattr(call.hosts, "before", before)
        try:
            call(*ROTATE, SITES[0], "--yes")
            edited = parse(call.file(PATHS[SITES[0]]).read_bytes()).value
            assert isinstance(edited, dict)
            call("gateway", "set-key", SITES[0], NEXT[SITES[0]], "--next")
            call(*FINISH)
            call.speak(SITES[0])
            call(*FINISH)
        except Killed:
            return True
    return False


def test_what_a_relay_holds_counts_once_it_cannot_go_back_any_more(call: KeyTerminal) -> None:
    """Its controller was killed: it has the next key now, and returns to what it had if nobody confirms."""
    site, host = SITES[0], call.hosts.hosts[RELAY]
    call(*ROTATE, site, "--yes")
    call.note(site)
    call(*FINISH)
    host.armed = {"run": "20210601-1", "kind": "apply", "target": ""}
    for speaks in ([], SITES[:1]):
        call.speak(*speaks)
        before = call.files()
        code, document = call.document(*FINISH)
        assert (code, stages(document)) == (1, {site: "unread"})
        assert document["left_out"][site].startswith(f"{RELAY} may go back to what was there before")
        assert call.files() == before
    host.armed = None
    assert stages(call.document(*FINISH)[1]) == {site: "none"}


def test_the_inventory_is_valid_at_each_step(call: KeyTerminal) -> None:
    for step in (lambda: call(*ROTATE, SITES[0], "--yes"), lambda: call.note(SITES[0]), lambda: call(*FINISH)):
        step()
        assert call("validate")[0] == 0
        assert load(call.root / EXAMPLE, today=keys_rotate_today()).outlines[SITES[0]].next_key is not None


def keys_rotate_today() -> Any:
    from provisioner.cli.support.context import today  # noqa: PLC0415 (as the command has it)

    return today()


def test_no_other_key_is_trusted_because_a_next_one_is(call: KeyTerminal) -> None:
    """An edit beside it that gives somebody else a site's key waits for an allowance of its own."""
    call(*ROTATE, *SITES, "--yes")
    call.note(SITES[0])
    present = call.gateway(SITES[1])["public_key"]
    call.edit(PATHS[SITES[1]], present, public_key("somebody else's"))
    call.edit(PATHS[SITES[1]], "  next_key:", "  # next_key:")
    call.edit(PATHS[SITES[1]], "    since:", "  #   since:")
    code, document = call.document(*FINISH, SITES[0])
    assert (code, call.changed()) == (1, [])
    assert "changes of trust" in document["left_out"][SITES[0]]


def test_where_people_approve_plans_a_change_of_keys_goes_on_once_its_plan_was_approved(call: KeyTerminal) -> None:
    call.edit("inventory.yml", "policy:", "policy:\n  approvals:\n    rules: [{ changes: any }]")
    key = f"key: {public_line('noc-1', 'ed25519')}"
    entry = f"{{ id: noc-1, roles: [noc], {key}, since: 2021-05-01, source: 7/TB }}"
    call.file("signers.yml").write_text(f"version: 1\napprovers: [{entry}]\n", encoding="utf-8")
    site = SITES[0]
    assert call(*ROTATE, site, "--yes")[0] == 0
    call.note(site)
    code, _, err = call(*FINISH)
    assert (code, "a plan has to be approved before it is applied, and this one is in no file" in err) == (6, True)
    assert call.changed() == []
    assert call("plan", "--allow", "trust=9", "--out", "plan.json")[0] == 0
    signed = ["--key", str(key_file("noc-1", "ed25519")), "--yes"]
    assert call("approve", "plan.json", "--as", "noc-1", *signed)[0] == 0
    assert call("apply", "plan.json")[0] == 0
    code, document = call.document(*FINISH)
    assert (code, stages(document), document["runs"]) == (0, {site: "staged"}, [])
