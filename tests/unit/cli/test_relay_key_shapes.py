"""`keys rotate --relay` where sites have a backup relay, map addresses or push, and where a centre is a hub."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import keys_rotate
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from tests.example_terminal import applied, git
from tests.prepared import prepared
from tests.unit.cli.test_keys_rotate_relay import BEGIN, CANCEL, CENTRE, FINISH, PORT, RELAY, RelayKeyTerminal

BACKUP = "relay-viettel-2"
BACKED, MAPPED, PUSHING, HUB = "kcl-bg-001", "kcl-bg-002", "kcl-bg-002", "203.0.113.31"
_ALLOW = ("--allow", "trust=9", "--allow", "all_impact=9", "--allow", "viewers=99", "--allow", "deletions=99")
#: What the hosts of a shape hold once it was applied, by the folder that tests of a process copy.


class ShapeTerminal(RelayKeyTerminal):
    """Somebody who changes a relay's own key in an inventory of another shape."""

    def done(self, *words: str) -> str:
        code, out, err = self(*words)
        assert code == 0, out + err
        return out

    def replan(self, site: str, *words: str) -> None:
        self.done("facility", "plan", site, *words)
        self.done("sign-off", site, "--all-parties", "--source", "5")

    def package(self, site: str) -> dict[str, bytes]:
        """All that a site's package says."""
        folder = self.root / f"out-{len(list(self.root.glob('out-*')))}"
        self.done("site-package", site, "--out", str(folder))
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def moved_on(self, relay: str = RELAY) -> None:
        """Every site of a relay has its new package, and is heard there."""
        trust = json.loads(self.hosts.hosts[relay].files["/etc/provisioner/trust.json"][0])
        sites = [value.split(" ")[0] for name, value in trust["keys"].items() if name.startswith("site/")]
        self.hosts.hosts[relay].moved |= dict.fromkeys(sites, 100)

    def over(self) -> None:
        """A change ends, and nothing is left to be done by anybody."""
        code, document = self.document(*FINISH)
        assert (code, document["over"]) == (0, True), document
        assert self.document("plan")[1]["changes"] == []
        assert self("drift")[0] == 0
        assert self("validate")[0] == 0


def _backup(call: ShapeTerminal) -> None:
    # What hangs on another carrier already stands in the way of no test here.
    call.file("facilities/hai-duong/kcl-hd-001.yml").unlink()
    file = call.file("carriers/viettel.yml")
    text = file.read_text(encoding="utf-8")
    block = text[text.index(f"  - id: {RELAY}") :]
    for old, new in ((RELAY, BACKUP), ("203.0.113.11", "203.0.113.14"), ("203.0.113.12", "203.0.113.15")):
        block = block.replace(old, new)
    file.write_text(text + block.replace("IFmpfCFrQd8e", "IFmpfCFrQd8f"), encoding="utf-8")
    call.done("allocate")
    call.done("keys", "init", "--allow", "trust=1")
    call.replan(BACKED, "--backup-relay", BACKUP)


def _mapped(call: ShapeTerminal) -> None:
    call.replan(MAPPED, "--access", "pull_nat_map")
    call.done("allocate")


def _pushing(call: ShapeTerminal) -> None:
    call.edit("carriers/viettel.yml", "centres: [", "publishers: {}\ncentres: [")
    call.replan(PUSHING, "--access", "publish")
    call.done("allocate")
    call.done("keys", "init")


def _hub(call: ShapeTerminal) -> None:
    file = call.file(f"centres/{CENTRE}.yml")
    viewers = "viewers:\n  - id: dic\n    name: DIC\n    reads: [bac-giang]\n    networks: [192.0.2.0/27]\n"
    file.write_text(f"{file.read_text('utf-8')}hub: {{ address: {HUB} }}\n{viewers}", encoding="utf-8")
    call.done("keys", "init")


_SHAPES = {"backup": _backup, "mapped": _mapped, "pushing": _pushing, "hub": _hub}


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> ShapeTerminal:
    terminal = applied(ShapeTerminal, tmp_path, monkeypatch, capsys)

    def shape() -> None:
        _SHAPES[request.param](terminal)
        terminal.done("apply", "--yes", *_ALLOW)
        git(terminal.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qam", "B")

    prepared(tmp_path, terminal.hosts, f"shape-{request.param}", shape)
    quick = RolloutOptions(gate=GateRules(settle_s=0))
    monkeypatch.setattr(keys_rotate, "RunOptions", lambda **words: RunOptions(quick, **words))
    monkeypatch.setattr("provisioner.cli.keys_rotate.time.sleep", lambda _: terminal.follow())
    terminal.hosts.after = lambda operation, host: terminal.follow() if (operation, host) == ("confirm", CENTRE) else 0
    terminal.hosts.calls.clear()
    return terminal


def begun(call: ShapeTerminal, *words: str) -> dict[str, Any]:
    code, document = call.document(*(words or BEGIN))
    assert code == 0, document
    assert (code, document["stage"], document["answers"]) == (0, "moving", True), document
    return dict(document)


def of_shape(name: str) -> pytest.MarkDecorator:
    """That a test is of an inventory of this shape."""
    return pytest.mark.parametrize("call", [name], indirect=True)


# --- a backup relay -------------------------------------------------------------------------------
@of_shape("backup")
def test_a_site_with_a_backup_relay_has_one_key_of_each_and_the_other_relay_is_not_touched(call: ShapeTerminal) -> None:
    before, other = call.package(BACKED), copy.deepcopy(call.hosts.hosts[BACKUP].files)
    first = begun(call)
    assert call.changed() == [RELAY, CENTRE]
    after = call.package(BACKED)
    differing = {Path(name).name for name in before if before[name] != after.get(name)} - {"SHA256SUMS", "setup.html"}
    assert f"{RELAY}.conf" in differing
    assert not [name for name in differing if BACKUP in name]
    assert first["next_key"].encode() in b"".join(after.values())
    assert f"site/{BACKED}" in first["waiting"]
    call.moved_on()
    call.over()
    assert call.hosts.hosts[BACKUP].files == other
    assert call.package(BACKED) == after


@of_shape("backup")
def test_both_relays_of_a_site_change_their_keys_at_once_and_each_waits_for_its_own_sites(call: ShapeTerminal) -> None:
    backup = ("keys", "rotate", "--relay", BACKUP)
    own = begun(call)["next_key"]
    other = call.document(*backup, "--port", str(PORT), "--yes")[1]["next_key"]
    text = b"".join(call.package(BACKED).values())
    assert own.encode() in text
    assert other.encode() in text
    call.moved_on()
    code, _, err = call(*backup, "--finish", "--yes")
    assert (code, f"site/{BACKED}" in err) == (6, True), err
    assert MAPPED not in err, "that site has no backup relay"
    call.moved_on(BACKUP)
    trust = json.loads(call.hosts.hosts[BACKUP].files["/etc/provisioner/trust.json"][0])
    centres = [value.split(" ")[0] for name, value in trust["keys"].items() if name.startswith("centre/")]
    call.hosts.hosts[BACKUP].moved |= dict.fromkeys(centres, 100)
    call.done(*backup, "--finish", "--yes")
    assert call.hosts.hosts[BACKUP].public_key == other
    call.over()
    assert call.hosts.hosts[RELAY].public_key == own


# --- an address of each device's own --------------------------------------------------------------
@of_shape("mapped")
def test_a_site_that_maps_addresses_moves_with_all_of_its_prefix(call: ShapeTerminal) -> None:
    first = begun(call)
    assert f"site/{MAPPED}" in first["waiting"]
    following = first["next_key"].encode()
    assert following in b"".join(call.package(MAPPED).values())
    call.moved_on()
    pulled = call.relay.files["/etc/provisioner/mediamtx.yml"]
    call.over()
    assert call.relay.files["/etc/provisioner/mediamtx.yml"] == pulled, "no picture is asked for elsewhere"


# --- sites that push ------------------------------------------------------------------------------
@of_shape("pushing")
def test_nothing_happens_to_a_site_that_pushes(call: ShapeTerminal) -> None:
    before = call.package(PUSHING)
    call.done("gateway", "installed", PUSHING)
    shown = {name: call.relay.files[f"/etc/provisioner/{name}"] for name in ("mediamtx.yml", "readers.pem")}

    def unchanged(stage: str) -> None:
        assert call.package(PUSHING) == before, stage
        assert {name: call.relay.files[f"/etc/provisioner/{name}"] for name in shown} == shown, stage
        plan = call.document("plan")[1]
        assert [one for one in plan["site_packages"] if one["facility"] == PUSHING] == [], stage
        (standing,) = [one for one in call.document("status")[1]["packages"] if one["facility"] == PUSHING]
        assert standing["standing"] in {"current", "handed-out"}, stage

    first = begun(call)
    unchanged("moving")
    assert [name for name in (*first["waiting"], *first["moved"]) if PUSHING in name] == []
    call.done(*CANCEL)
    unchanged("taken back")
    begun(call)
    call.moved_on()
    call.over()
    unchanged("over")


# --- a hub ----------------------------------------------------------------------------------------
@of_shape("hub")
def test_a_hub_reads_on_by_the_same_file_and_its_viewers_are_not_cut(call: ShapeTerminal) -> None:
    hub = call.hosts.hosts[CENTRE]
    before = {name: hub.files[f"/etc/provisioner/{name}"] for name in ("mediamtx.yml", "readers.pem")}
    restarts = hub.restarts
    first = begun(call)
    assert call.changed() == [RELAY, CENTRE]
    assert list(first["moved"]) == [f"centre/{CENTRE}"]
    call.done(*CANCEL)
    assert call.centre_knows()[0] != first["next_key"]
    first = begun(call)
    call.moved_on()
    call.over()
    assert {name: hub.files[f"/etc/provisioner/{name}"] for name in before} == before
    assert hub.restarts == restarts
    assert call.centre_knows() == (first["next_key"], f"203.0.113.12:{PORT}")
