"""`keys rotate --relay`: a relay's own key changed beside its present one; nobody is told one that does not answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import keys_rotate
from provisioner.inventory.files.yaml import parse
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from tests.example_terminal import applied
from tests.simulated import go_back
from tests.unit.cli.test_plan import Terminal

RELAY, CENTRE, PORT = "relay-viettel-1", "centre-hn", 51999
RELAY_WORDS = ("keys", "rotate", "--relay", RELAY)
BEGIN = (*RELAY_WORDS, "--port", str(PORT), "--yes")
FINISH = (*RELAY_WORDS, "--finish", "--yes")
CANCEL = (*RELAY_WORDS, "--cancel", "--yes")
FILE = "carriers/viettel.yml"


class RelayKeyTerminal(Terminal):
    """Somebody who changes a relay's own key, and the gateways and centres at the other end."""

    @property
    def lock(self) -> dict[str, Any]:
        document = parse(self.file("allocations.lock.yml").read_bytes()).value
        assert isinstance(document, dict)
        return dict(document["relays"][RELAY])

    @property
    def relay(self) -> Any:
        return self.hosts.hosts[RELAY]

    def keys_of(self, kind: str) -> dict[str, str]:
        """The relay's peers of a kind, by name."""
        trust = json.loads(self.relay.files["/etc/provisioner/trust.json"][0])
        keys = trust["keys"]
        return {name: value.split(" ")[0] for name, value in keys.items() if name.startswith(kind)}

    def centre_knows(self) -> tuple[str, str]:
        """The key and the place under which the centre has the relay."""
        trust = json.loads(self.hosts.hosts[CENTRE].files["/etc/provisioner/trust.json"][0])
        key = trust["keys"][f"relay/{RELAY}"].split(" ")[0]
        return key, self.hosts.hosts[CENTRE].peers[key]["endpoint"]

    def speak(self, *sites: str) -> None:
        """Sites that have installed their packages are heard with the next key."""
        keys = self.keys_of("site/")
        for site in sites or [name.removeprefix("site/") for name in keys]:
            self.relay.moved[keys[f"site/{site}"]] = 100 + len(self.relay.moved)

    def follow(self) -> None:
        """The centre greets the relay under the key that it has of it."""
        own = self.keys_of("centre/")[f"centre/{CENTRE}"]
        following = (self.relay.link or {}).get("following")
        if following and self.centre_knows()[0] == following["public_key"]:
            self.relay.moved[own] = 50
        else:
            self.relay.moved.pop(own, None)

    def relay_paths(self) -> list[str]:
        """The paths of the relay, by the plan."""
        return [c["name"] for c in self.document("plan", "--all")[1]["changes"] if c["resource"] == "path"]

    def texts(self) -> str:
        """All that was written outside of the hosts, in one text."""
        files = (path for path in sorted(self.root.rglob("*")) if path.is_file() and ".git/" not in str(path))
        return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RelayKeyTerminal:
    terminal = applied(RelayKeyTerminal, tmp_path, monkeypatch, capsys)
    quick = RolloutOptions(gate=GateRules(settle_s=0))
    monkeypatch.setattr(keys_rotate, "RunOptions", lambda **words: RunOptions(quick, **words))
    monkeypatch.setattr("provisioner.cli.keys_rotate.time.sleep", lambda _: terminal.follow())
    terminal.hosts.after = lambda operation, host: terminal.follow() if (operation, host) == ("confirm", CENTRE) else 0
    terminal.hosts.calls.clear()
    return terminal


def begun(call: RelayKeyTerminal) -> dict[str, Any]:
    code, document = call.document(*BEGIN)
    assert code == 0, document
    return dict(document)


# --- the whole way --------------------------------------------------------------------------------
def test_a_relay_changes_its_key_in_two_calls_and_nobody_gets_a_dead_key(call: RelayKeyTerminal) -> None:
    former = call.lock["public_key"]
    was, place = call.centre_knows()
    assert was == former
    first = begun(call)
    following = first["next_key"]
    assert (first["stage"], first["answers"], first["port"]) == ("moving", True, PORT)
    assert call.changed() == [RELAY, CENTRE], "the relay answers before anybody is told"
    assert call.centre_knows() == (following, f"{place.rpartition(':')[0]}:{PORT}")
    assert list(first["moved"]) == [f"centre/{CENTRE}"]
    assert call.relay.link["following"] == {"public_key": following, "port": PORT}
    assert call.lock["public_key"] == former
    assert call("drift")[0] == 0
    assert call("validate")[0] == 0

    code, out, err = call(*FINISH)
    sites = sorted(call.keys_of("site/"))
    assert (code, call.lock["next_key"]["stage"]) == (6, "moving"), out + err
    assert all(site in err for site in sites)
    call.speak(*[site.removeprefix("site/") for site in sites[1:]])
    code, _, err = call(*FINISH)
    assert code == 6
    assert f"1 of {RELAY} were not seen with its next key: {sites[0]}" in err
    shown = call.document("keys", "status", "--relay", RELAY)[1]
    assert (shown["waiting"], len(shown["moved"])) == ([sites[0]], len(sites))

    call.speak()
    call.hosts.calls.clear()
    code, done = call.document(*FINISH)
    assert (code, done["over"], done["unfinished"]) == (0, True, False), done
    assert call.changed() == [RELAY]
    assert (call.relay.public_key, call.relay.link["port"], "following" in call.relay.link) == (following, PORT, False)
    assert call.lock["public_key"] == following
    assert "next_key" not in call.lock
    assert f"wireguard_port: {PORT}" in call.file(FILE).read_text()
    assert call("validate")[0] == 0
    assert call("drift")[0] == 0, call("drift")
    assert call.document("plan")[1]["changes"] == []
    assert call(*FINISH)[0] == 2


def test_packages_have_the_next_key_only_once_the_relay_answers_with_it(call: RelayKeyTerminal) -> None:
    site = min(call.keys_of("site/")).removeprefix("site/")

    def package() -> str:
        folder = call.root / f"out-{len(list(call.root.glob('out-*')))}"
        assert call("site-package", site, "--out", str(folder))[0] == 0
        return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())

    def refuse(operation: str, host: str) -> None:
        if (operation, host) == ("apply", RELAY):
            raise KeyboardInterrupt

    call.hosts.before = refuse
    assert call(*BEGIN)[0] != 0
    call.hosts.before = lambda *_: None
    assert call.lock["next_key"]["stage"] == "begun"
    following = call.lock["next_key"]["public_key"]
    assert call.centre_knows()[0] != following
    assert following not in package()
    again = begun(call)
    assert again["next_key"] == following, "the same key goes on"
    text = package()
    assert following in text
    assert f":{PORT}" in text


def test_a_private_key_is_nowhere_but_on_the_relay(call: RelayKeyTerminal) -> None:
    begun(call)
    private_key = call.relay.next_key
    assert len(private_key) == 44
    assert private_key not in call.texts()
    call.speak()
    assert call(*FINISH)[0] == 0
    assert call.relay.private_key == private_key
    assert private_key not in call.texts()


# --- killed, and taken up -------------------------------------------------------------------------
class Killed(BaseException):
    """The controller is no more."""


@pytest.mark.parametrize(
    ("operation", "number"),
    [("keys", 1), ("apply", 1), ("apply", 2), ("confirm", 1), ("confirm", 2), ("observe", 2), ("observe", 3)],
)
def test_a_call_killed_anywhere_goes_on_by_its_words(call: RelayKeyTerminal, operation: str, number: int) -> None:
    def kill_at(nth: int) -> None:
        seen = iter(range(1, 1000))

        def before(at: str, _: str) -> None:
            if at == operation and next(seen) == nth:
                raise Killed

        call.hosts.before = before

    def settled(*words: str) -> dict[str, Any]:
        kill_at(number)
        try:
            call(*words)
        except Killed:
            for host in call.hosts.hosts.values():
                if host.armed is not None:  # its own switch returns it
                    go_back(host, "nobody confirmed")
        call.hosts.before = lambda *_: None
        code, document = call.document(*words)
        # What a killed call had done already is done.
        assert code in {0, 2}, document
        return dict(document)

    settled(*BEGIN)
    assert call.lock["next_key"]["stage"] == "moving"
    following = call.lock["next_key"]["public_key"]
    call.follow()
    call.speak()
    settled(*FINISH)
    assert (call.lock["public_key"], call.relay.public_key, call.relay.link["port"]) == (following, following, PORT)
    assert "next_key" not in call.lock
    assert call.document("plan")[1]["changes"] == []


def test_what_a_killed_call_left_unconfirmed_is_not_told_to_anybody_before_it_is_settled(
    call: RelayKeyTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(operation: str, host: str) -> None:
        if (operation, host) == ("confirm", RELAY):
            raise Killed

    call.hosts.before = kill
    with pytest.raises(Killed):
        call(*BEGIN)
    call.hosts.before = lambda *_: None
    assert call.relay.armed is not None
    assert call.relay.link["following"], "it is live, and nobody confirmed it"
    stages: list[str] = []

    def wait(_: float) -> None:
        stages.append(call.lock["next_key"]["stage"])
        if len(stages) == 3 and call.relay.armed is not None:
            go_back(call.relay, "nobody confirmed")
        call.follow()

    monkeypatch.setattr("provisioner.cli.keys_rotate.time.sleep", wait)
    code, document = call.document(*BEGIN)
    assert (code, document["stage"], document["answers"]) == (0, "moving", True)
    assert stages[:3] == ["begun"] * 3
    assert (call.relay.armed, "following" in call.relay.link) == (None, True)


# --- taken back -----------------------------------------------------------------------------------
def test_it_is_taken_back_unless_somebody_is_there_with_the_next_key(call: RelayKeyTerminal) -> None:
    before = call.lock
    begun(call)
    site = min(call.keys_of("site/")).removeprefix("site/")
    call.speak(site)
    code, _, err = call(*CANCEL)
    assert code == 6
    assert f"1 of {RELAY} are there with its next key: site/{site}" in err
    assert call.lock["next_key"]["stage"] == "begun", "packages have the present key again"
    assert call.centre_knows()[0] == before["public_key"]
    call.relay.moved.clear()
    code, document = call.document(*CANCEL)
    assert (code, document["over"]) == (0, True)
    assert call.lock == before
    assert "following" not in call.relay.link
    assert call.document("plan")[1]["changes"] == []
    assert call(*CANCEL)[0] == 2


def test_a_site_that_may_be_dark_is_left(call: RelayKeyTerminal) -> None:
    begun(call)
    first, *others = sorted(name.removeprefix("site/") for name in call.keys_of("site/"))
    call.speak(*others)
    paths = {name for name in call.relay_paths() if first in name}
    assert paths
    # Its pictures end with its relay's former key: that is what was asked for, and takes nothing back.
    call.hosts.after = lambda operation, host: (
        call.relay.dark.update(paths) if (operation, host) == ("apply", RELAY) else 0
    )
    call.hosts.calls.clear()
    code, document = call.document(*FINISH, "--leave", first)
    assert (code, document["over"]) == (0, True), document
    assert call.lock["public_key"] == document["next_key"] or document["next_key"] is None
    assert call(*RELAY_WORDS, "--finish", "--leave", "kcl-xx-999", "--yes")[0] == 2


# --- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*RELAY_WORDS, "--yes"), "at which port"),
        ((*RELAY_WORDS, "--port", "51820", "--yes"), "it is its wireguard_port"),
        ((*RELAY_WORDS, "--port", "22", "--yes"), "it is the number of its SSH"),
        ((*RELAY_WORDS, "--port", "8554", "--yes"), "relay's RTSP"),
        (FINISH, "no change of the key"),
        (CANCEL, "no change of the key"),
        (("keys", "rotate", "--relay", "relay-nowhere", "--port", "5", "--yes"), "there is no relay relay-nowhere"),
        (("keys", "rotate", "--relay", RELAY, "kcl-bg-001", "--yes"), "by itself"),
        (("keys", "rotate", "kcl-bg-001", "--port", "51999", "--yes"), "of a relay's own key"),
        ((*BEGIN, "--leave", "kcl-bg-001"), "--leave"),
        ((*FINISH, "--cancel"), "takes it back"),
        ((*FINISH, "--port", "51999"), "beginning"),
    ],
)
def test_what_makes_no_sense_changes_nothing(call: RelayKeyTerminal, words: tuple[str, ...], told: str) -> None:
    before = call.file("allocations.lock.yml").read_bytes()
    code, out, err = call(*words)
    assert code == 2, out + err
    assert told in err
    assert call.file("allocations.lock.yml").read_bytes() == before
    assert call.changed() == []


def test_a_line_that_passes_another_port_alone_cannot_be_asked_to_move_elsewhere(call: RelayKeyTerminal) -> None:
    call.edit(FILE, "    max_paths: 800", "    further_wireguard_ports: [443]\n    max_paths: 800")
    path = "facilities/bac-giang/kcl-bg-001.yml"
    text = call.file(path).read_text()
    line = next(one for one in text.splitlines() if one.strip().startswith("public_key:"))
    call.edit(path, line, f"{line}\n  relay_port: 443")
    assert "nobody said that they pass 51999" in call(*BEGIN)[2]
    assert "gateways dial port 443" in call(*RELAY_WORDS, "--port", "443", "--yes")[2]
    call.edit(FILE, "[443]", "[443, 4500]")
    assert call("apply", "--yes")[0] == 0
    code, document = call.document(*RELAY_WORDS, "--port", "4500", "--yes")
    assert (code, document["stage"]) == (0, "moving")
    rules = call.relay.rules.decode()
    assert "udp dport 4500 dnat" not in rules
    assert "udp dport 443 dnat" in rules
    call.speak()
    assert call(*FINISH)[0] == 0
    assert "further_wireguard_ports: [443]" in call.file(FILE).read_text()


def test_a_relay_that_changes_its_key_is_not_emptied_or_out_and_gateways_keep_theirs(call: RelayKeyTerminal) -> None:
    begun(call)
    code, _, err = call("hosts", "decommission", RELAY, "--yes")
    assert (code, "changes its own key since" in err) == (6, True), err
    code, document = call.document("keys", "rotate", "kcl-bg-001", "--yes")
    assert (code, document["begun"]) == (1, [])
    assert document["left_out"] == {"kcl-bg-001": f"{RELAY} changes its own key: let that end first"}
    code, out, err = call(*RELAY_WORDS, "--port", "52000", "--yes")
    assert (code, f"at port {PORT} since" in err) == (2, True), out + err


def test_a_gateway_that_changes_its_key_is_waited_for(call: RelayKeyTerminal) -> None:
    assert call("keys", "rotate", "kcl-bg-001", "--yes")[0] == 0
    code, _, err = call(*BEGIN)
    assert (code, "just changing their own keys: kcl-bg-001" in err) == (2, True), err


def test_a_dry_run_changes_nothing(call: RelayKeyTerminal) -> None:
    before = call.files()
    assert call(*RELAY_WORDS, "--port", str(PORT), "--dry-run")[0] == 0
    assert (call.changed(), call.files()) == ([], before)
