"""The recovery key: made and shown once, sealed to by relays, tried, and of use for new hardware alone."""

import base64
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from provisioner.base.recovery_key import RecoveryPair, from_paper, on_paper, pair_of
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.rules.lock import is_sealed
from tests.hostile import MERGE_REQUEST
from tests.hostile import RELAY as HOSTILE_RELAY
from tests.prepared import prepared
from tests.simulated import SimulatedHost
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)

OTHER = "relay-vnpt-1"
LOCK = "allocations.lock.yml"
KEPT = pair_of(b"the tunnel's key of a relay: 32b")
THERE = pair_of(b"the tunnel's key of another one ")
NEW = ("--allow", "trust=1")


def lock(call: Terminal) -> Any:  # noqa: F811
    return parse(call.file(LOCK).read_bytes()).value


def recovery(text: str) -> Any:
    """What an inventory.yml of this text says of its recovery key."""
    document: Any = parse(text.encode()).value
    return document["recovery"]


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the next command have this on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def paper(pair: RecoveryPair) -> str:
    return "\n".join(on_paper(pair.private_key)) + "\n"


#: By the kind of inventory that `sealed` prepares, its recovery key: on no disk, as on paper.
_SEALED: dict[str, RecoveryPair] = {}


@pytest.fixture
def sealed(call: Terminal) -> tuple[Terminal, RecoveryPair]:  # noqa: F811
    """An inventory with a recovery key, and a relay that has sealed its tunnel's key to it."""
    kind = type(call).__name__  # modules that take this fixture have a `call` of their own

    def seal() -> None:
        for relay, pair in ((RELAY, KEPT), (OTHER, THERE)):
            call.edit(LOCK, lock(call)["relays"][relay]["public_key"], pair.public_key)
            call.hosts.hosts[relay].private_key = pair.private_key.reveal()
        _SEALED[kind] = from_paper(call("keys", "recovery")[1])
        code, out, err = call("keys", "init")
        assert code == 0, out + err
        assert call("apply", "--yes", "--allow", "trust=9", "--allow", "all_impact=9", "--allow", "viewers=9")[0] == 0

    prepared(call.root, call.hosts, f"sealed-{kind}", seal)
    return call, _SEALED[kind]


def die(call: Terminal) -> SimulatedHost:  # noqa: F811
    """Put new hardware into the relay's place."""
    call.hosts.hosts[RELAY] = SimulatedHost(is_new_hardware=True)
    call.hosts.calls.clear()
    return call.hosts.hosts[RELAY]


def test_status_names_the_relays_whose_key_is_on_their_disk_alone(call: Terminal) -> None:  # noqa: F811
    recorded = sorted(name for name, of in lock(call)["relays"].items() if of.get("public_key"))
    code, document = call.document("status")
    assert document["unsealed_relays"] == recorded == sorted({RELAY, OTHER})
    err = call("status")[2]
    assert f"the tunnel's key of {', '.join(recorded)} is on its disk alone" in err
    assert "provisioner keys recovery, then keys init" in err
    assert code == 0


def test_status_has_no_word_on_a_key_that_is_sealed(sealed: tuple[Terminal, RecoveryPair]) -> None:
    call, _ = sealed  # noqa: F811
    assert call.document("status")[1]["unsealed_relays"] == []
    assert "on its disk alone" not in call("status")[2]
    # To another recovery key it is no use.
    assert call("keys", "recovery", "--replace")[0] == 0
    assert call.document("status")[1]["unsealed_relays"] == sorted({RELAY, OTHER})
    assert "have it sealed: provisioner keys init" in call("status")[2]


# --- keys recovery --------------------------------------------------------------------------------
def test_a_recovery_key_is_shown_once_and_only_its_public_half_is_written(call: Terminal) -> None:  # noqa: F811
    before = call.file("inventory.yml").read_text(encoding="utf-8")
    code, out, err = call("keys", "recovery")
    assert code == 0
    lines = out.splitlines()
    assert all(re.fullmatch(r"[1-4]: [0-9A-Z]{4}( [0-9A-Z]{4}){3}", line) for line in lines)
    pair = from_paper(out)
    text = call.file("inventory.yml").read_text(encoding="utf-8")
    assert text.startswith(before.rstrip("\n")), "what stood there stays, comments and all"
    written = recovery(text)
    assert written["public_key"] == pair.public_key
    every = "".join(p.read_text(encoding="utf-8", errors="replace") for p in Path.cwd().rglob("*") if p.is_file())
    for line in lines:
        assert line[3:] not in every + err
    assert pair.private_key.reveal() not in every + err + out
    assert call("validate")[0] == 0
    assert "keys init" in err.splitlines()[-1]


def test_a_second_one_is_refused_unless_it_replaces_the_first(call: Terminal) -> None:  # noqa: F811
    first = from_paper(call("keys", "recovery")[1])
    text = call.file("inventory.yml").read_text(encoding="utf-8")
    code, out, err = call("keys", "recovery")
    assert (code, out) == (2, "")
    assert first.public_key[:8] in err
    assert call.file("inventory.yml").read_text(encoding="utf-8") == text
    code, document = call.document("keys", "recovery", "--replace")
    assert (code, document["before"]) == (0, first.public_key)
    second = from_paper("\n".join(document["private_key"]))
    assert second.public_key == document["public_key"] != first.public_key
    written = recovery(call.file("inventory.yml").read_text(encoding="utf-8"))
    assert written["public_key"] == second.public_key


def test_nothing_is_made_without_the_vault(call: Terminal) -> None:  # noqa: F811
    text = call.file("inventory.yml").read_text(encoding="utf-8")
    code, out, _ = call("keys", "recovery", vault=False)
    assert (code, out) == (12, "")
    assert call.file("inventory.yml").read_text(encoding="utf-8") == text


# --- keys init ------------------------------------------------------------------------------------
def test_relays_seal_and_centres_do_not(call: Terminal) -> None:  # noqa: F811
    call("keys", "recovery")
    code, document = call.document("keys", "init")
    assert code == 0
    assert document["sealed"] == [RELAY, OTHER]
    now = lock(call)
    assert all("sealed_key" in relay for relay in now["relays"].values())
    assert all("sealed_key" not in centre for centre in now["centres"].values())


def test_a_box_that_fits_stays_and_another_recovery_key_gets_a_new_one(sealed: tuple[Terminal, RecoveryPair]) -> None:
    terminal, pair = sealed
    text = terminal.file(LOCK).read_text(encoding="utf-8")
    code, document = terminal.document("keys", "init")
    assert (code, document["written"], document["sealed"]) == (0, [], [])
    assert terminal.file(LOCK).read_text(encoding="utf-8") == text
    terminal("keys", "recovery", "--replace")
    _, document = terminal.document("keys", "init")
    assert document["sealed"] == [RELAY, OTHER]
    assert lock(terminal)["relays"][RELAY]["sealed_key"]["recovery"] != pair.public_key


def test_who_has_not_sealed_is_a_warning_of_validate(call: Terminal) -> None:  # noqa: F811
    assert "sealed-key-missing" not in codes(call)
    call("keys", "recovery")
    assert codes(call).count("sealed-key-missing") == 2
    call("keys", "init")
    assert "sealed-key-missing" not in codes(call)
    call("keys", "recovery", "--replace")
    assert codes(call).count("sealed-key-missing") == 2
    assert call("validate")[0] == 0


def codes(call: Terminal) -> list[str]:  # noqa: F811
    return [problem["code"] for problem in call.document("validate")[1]["problems"]]


@MERGE_REQUEST
def test_nobody_seals_to_a_key_that_nobody_with_the_vault_wrote(call: Terminal) -> None:  # noqa: F811
    call("keys", "recovery")
    honest = recovery(call.file("inventory.yml").read_text(encoding="utf-8"))["public_key"]
    call.edit("inventory.yml", honest, pair_of(b"\x07" * 32).public_key)
    before = call.file(LOCK).read_text(encoding="utf-8")
    call.hosts.calls.clear()
    code, out, err = call("keys", "init")
    assert code == 6, out
    assert "was not written by anybody with this vault" in err
    assert (call.hosts.calls, call.file(LOCK).read_text(encoding="utf-8")) == ([], before)


@HOSTILE_RELAY
def test_a_box_of_another_key_than_was_asked_for_is_that_hosts_error(
    call: Terminal,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call("keys", "recovery")
    own = pair_of(b"\x09" * 32).public_key
    real = call.hosts.call

    def lying(calls: Any, *, timeout_s: float) -> Any:
        answers = real(calls, timeout_s=timeout_s)
        sealed: Any = answers[RELAY].document.get("sealed", {})
        sealed["recovery"] = own
        return answers

    monkeypatch.setattr(call.hosts, "call", lying)
    code, document = call.document("keys", "init")
    assert (code, list(document["unreadable"]), document["sealed"]) == (5, [RELAY], [OTHER])
    assert own not in call.file(LOCK).read_text(encoding="utf-8")


# --- keys recovery --check ------------------------------------------------------------------------
def test_a_paper_is_tried_without_a_vault_and_without_a_host(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    terminal.hosts.calls.clear()
    give(monkeypatch, paper(pair))
    code, document = terminal.document("keys", "recovery", "--check", vault=False)
    assert (code, document["opens"], document["errors"]) == (0, [RELAY, OTHER], {})
    give(monkeypatch, paper(pair_of(b"\x07" * 32)))
    code, document = terminal.document("keys", "recovery", "--check", vault=False)
    assert (code, document["opens"]) == (12, [])
    assert terminal.hosts.calls == []


def test_who_types_it_is_asked_line_by_line_and_again_for_a_mistyped_one(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    first, *others = on_paper(pair.private_key)
    typed = iter([first[:-1], first, *(line[3:].lower() for line in others), *["nothing"] * 3])
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, *, hide_input: bool, err: bool) -> str:
        assert err
        asked.append((text, hide_input))
        return next(typed)

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "prompt", prompt)
    code, out, err = terminal("keys", "recovery", "--check")
    assert (code, out) == (0, f"it opens the box of 2 relays: {RELAY}, {OTHER}; nothing was written\n")
    assert "line 1 has 15 signs where 16 were printed" in err
    assert asked == [(f"Recovery key, line {number} of 4", True) for number in (1, 1, 2, 3, 4)]
    code, _, err = terminal("keys", "recovery", "--check")
    assert (code, err.count("line 1 has 7 signs")) == (2, 3)


# --- relay restore --------------------------------------------------------------------------------
def test_new_hardware_has_the_key_again_and_the_next_apply_brings_every_path_back(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    before, host = lock(terminal), die(terminal)
    give(monkeypatch, paper(pair))
    code, document = terminal.document("relay", "restore", RELAY, "--yes", *NEW)
    assert (code, document["restored"], document["new_hardware"]) == (0, True, True)
    assert host.private_key == KEPT.private_key.reveal()
    (run, *_) = terminal.document("history")[1]["runs"]
    assert (run["operation"], run["hosts"]) == ("keys", [RELAY])
    assert terminal.document("history", run["run"])[1]["document"]["schema"] == "provisioner/relay-restore"
    now = lock(terminal)
    assert now["relays"][RELAY]["public_key"] == KEPT.public_key
    assert now["relays"][RELAY]["sealed_key"] == before["relays"][RELAY]["sealed_key"]
    assert now["relays"][RELAY]["api_hash"] != before["relays"][RELAY]["api_hash"], "passwords are made anew"
    assert {**now, "relays": None} == {**before, "relays": None}
    code, done = terminal.document("apply", "--yes", *NEW)
    assert (code, done["outcome"]) == (0, "applied")
    _, plan = terminal.document("plan")
    assert (plan["site_packages"], plan["summary"]["create"] + plan["summary"]["update"]) == ([], 0)


def test_it_says_before_what_goes_on_and_what_is_cut_and_changes_nothing(sealed: tuple[Terminal, RecoveryPair]) -> None:
    terminal, _ = sealed
    text, host = terminal.file(LOCK).read_text(encoding="utf-8"), die(terminal)
    code, out, err = terminal("relay", "restore", RELAY, "--dry-run")
    assert (code, err) == (0, "")
    assert "connected again without a visit: 3 sites: kcl-bg-001" in out
    assert "cut until the next apply: " in out
    assert "host key ssh-ed25519 SHA256:" in out
    assert out.splitlines()[-1] == (
        f"no changes were made; to make them: provisioner relay restore {RELAY} --allow trust=1"
    )
    assert terminal.file(LOCK).read_text(encoding="utf-8") == text
    assert (host.private_key, host.identity) == ("", "")
    assert RELAY not in {name for _, name in terminal.hosts.calls}


def test_one_that_moved_is_said_to_need_new_packages(sealed: tuple[Terminal, RecoveryPair]) -> None:
    terminal, _ = sealed
    peers = terminal.hosts.hosts["centre-hn"].peers
    peers[KEPT.public_key]["endpoint"] = "198.51.100.99:51820"
    die(terminal)
    _, document = terminal.document("relay", "restore", RELAY, "--dry-run")
    assert document["address_moved"].startswith("198.51.100.99:51820 → ")
    assert document["address_known_by"] == "centre-hn"
    _, out, _ = terminal("relay", "restore", RELAY, "--dry-run")
    assert out.startswith("gateways send to another address: 198.51.100.99:51820 → ")


def test_it_is_repeated_without_harm_and_one_that_lives_is_let_be(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    code, out, _ = terminal("relay", "restore", RELAY, "--yes")
    assert (code, "a restore is not needed" in out) == (0, True)
    die(terminal)
    for words in (NEW, ()):
        give(monkeypatch, paper(pair))
        assert terminal("relay", "restore", RELAY, "--yes", *words)[0] == 0
    assert lock(terminal)["relays"][RELAY]["public_key"] == KEPT.public_key


def test_one_that_is_cut_off_before_the_lock_is_written_ends_where_a_whole_one_ends(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    text = terminal.file(LOCK).read_text(encoding="utf-8")
    die(terminal)
    give(monkeypatch, paper(pair))
    assert terminal("relay", "restore", RELAY, "--yes", *NEW)[0] == 0
    whole = terminal.file(LOCK).read_text(encoding="utf-8")
    terminal.file(LOCK).write_text(text, encoding="utf-8")
    give(monkeypatch, paper(pair))
    assert terminal("relay", "restore", RELAY, "--yes")[0] == 0
    assert terminal.file(LOCK).read_text(encoding="utf-8") == whole


def test_each_thing_that_does_not_fit_has_its_own_words_and_changes_nothing(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    good = terminal.file(LOCK).read_text(encoding="utf-8")
    here, there = (lock(terminal)["relays"][relay]["sealed_key"] for relay in (RELAY, OTHER))
    damaged = bytearray(base64.b64decode(here["box"]))
    damaged[40] ^= 1
    swapped = good.replace(here["box"], there["box"])
    lines = paper(pair).splitlines()
    mistyped = "\n".join([lines[0], lines[1][:-1] + ("A" if lines[1][-1] != "A" else "B"), *lines[2:]])
    for name, text, typed, expected, words in [
        ("another recovery key", good, paper(pair_of(b"\x07" * 32)), 12, "this is another recovery key"),
        ("a typing mistake", good, mistyped, 2, "line 2 has a typing mistake"),
        ("nothing typed", good, "", 2, "standard input has no recovery key"),
        ("a damaged box", good.replace(here["box"], base64.b64encode(damaged).decode()), paper(pair), 12, "is damaged"),
        ("another's box", swapped, paper(pair), 12, f"is that of {OTHER}"),
        (
            "another key in the lock",
            good.replace(f'public_key: "{KEPT.public_key}"', 'public_key: "' + "A" * 43 + '="', 1),
            paper(pair),
            3,
            "allocations.lock.yml says that it has",
        ),
        ("no box", re.sub(r"    sealed_key:\n(      .*\n)+", "", good), paper(pair), 3, "never sealed"),
    ]:
        terminal.file(LOCK).write_text(text, encoding="utf-8")
        host = die(terminal)
        give(monkeypatch, typed)
        code, out, err = terminal("relay", "restore", RELAY, "--yes", *NEW)
        assert (code, words in err) == (expected, True), (name, out, err)
        assert terminal.file(LOCK).read_text(encoding="utf-8") == text, name
        assert (host.private_key, host.identity) == ("", ""), name
        assert ("keys", RELAY) not in terminal.hosts.calls, name


@MERGE_REQUEST
def test_a_stranger_gets_no_key_before_somebody_said_that_it_is_new(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    host = die(terminal)
    give(monkeypatch, paper(pair))
    code, _, err = terminal("relay", "restore", RELAY, "--yes")
    assert (code, "--allow trust=1" in err) == (5, True)
    assert RELAY not in {name for _, name in terminal.hosts.calls}
    assert host.private_key == ""


@MERGE_REQUEST
def test_another_inventorys_host_gets_no_key_whatever_is_allowed(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pair = sealed
    host = die(terminal)
    host.owner = {
        "inventory": "other",
        "key": "0" * 32,
        "host": "r",
        "run": "",
        "at": "2021-05-20T01:00:00Z",
        "who": "",
    }
    give(monkeypatch, paper(pair))
    code, out, err = terminal("relay", "restore", RELAY, "--yes", *NEW)
    assert (code, "belongs to inventory other" in " ".join((out + err).split())) == (6, True)
    assert host.private_key == ""


def test_one_that_runs_with_another_key_stands_in_for_nobody(sealed: tuple[Terminal, RecoveryPair]) -> None:
    terminal, _ = sealed
    terminal.hosts.hosts[RELAY].public_key = pair_of(b"\x07" * 32).public_key
    code, _, err = terminal("relay", "restore", RELAY, "--yes")
    assert (code, "stands in for nobody" in err) == (6, True)


@pytest.mark.parametrize("stage", ["moving", "ending"])
def test_a_relay_that_died_while_it_changed_its_key_gets_what_it_answered_with(
    sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    terminal, pair = sealed
    code, out, err = terminal("keys", "rotate", "--relay", RELAY, "--port", "51999", "--yes")
    assert code == 0, out + err
    assert lock(terminal)["relays"][RELAY]["next_key"]["stage"] == "moving"
    terminal.edit(LOCK, '"moving"', f'"{stage}"')
    following = terminal.hosts.hosts[RELAY].next_key
    host = die(terminal)
    give(monkeypatch, paper(pair))
    code, out, err = terminal("relay", "restore", RELAY, "--yes", *NEW)
    assert code == 0, out + err
    if stage == "moving":
        assert (host.private_key, host.next_key) == (KEPT.private_key.reveal(), following)
    else:
        assert host.private_key == following
    said = out + err
    assert following not in said
    assert KEPT.private_key.reveal() not in said


def test_a_centre_has_nothing_to_be_restored(sealed: tuple[Terminal, RecoveryPair]) -> None:
    terminal, _ = sealed
    code, _, err = terminal("relay", "restore", "centre-hn", "--yes")
    assert (code, "is a centre" in err) == (2, True)


def test_keys_init_names_the_way_back_of_a_relay_that_is_lost(sealed: tuple[Terminal, RecoveryPair]) -> None:
    terminal, _ = sealed
    die(terminal)
    code, _, err = terminal("keys", "init", "--allow", "trust=9")
    assert code == 5
    assert f"provisioner relay restore {RELAY} --allow trust=1" in err


def test_no_output_has_a_private_half(sealed: tuple[Terminal, RecoveryPair], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pair = sealed
    die(terminal)
    said = "".join(terminal("relay", "restore", RELAY, "--dry-run")[1:])
    for output in ((), ("--output", "json")):
        give(monkeypatch, paper(pair))
        said += json.dumps(terminal(*output, "relay", "restore", RELAY, "--yes", *NEW))
        give(monkeypatch, paper(pair))
        said += json.dumps(terminal(*output, "keys", "recovery", "--check"))
    secrets = [KEPT.private_key.reveal(), pair.private_key.reveal(), *(x[3:] for x in on_paper(pair.private_key))]
    assert not [secret for secret in secrets if secret in said]


@pytest.mark.parametrize("recovery", ["", "R" * 43 + "=", "S" * 43 + "="])
@pytest.mark.parametrize("sealed", [None, ("R", "A"), ("R", "B"), ("S", "A")])
def test_a_key_is_sealed_if_it_is_the_relays_own_to_todays_recovery_key(
    recovery: str, sealed: tuple[str, str] | None
) -> None:
    box = SimpleNamespace(recovery=sealed[0] * 43 + "=", public_key=sealed[1] * 43 + "=") if sealed else None
    relay: Any = SimpleNamespace(sealed_key=box, public_key="A" * 43 + "=")
    today: Any = SimpleNamespace(public_key=recovery) if recovery else None
    assert is_sealed(relay, today) is (bool(recovery) and sealed == (recovery[0], "A"))
