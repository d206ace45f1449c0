"""Laws of what bare hosts say: it ends in a value that can be shown and done with, or in that host's own error."""

import json
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import HostError
from provisioner.desired.names import ALONE
from provisioner.hosts.answers import parsed, wire
from provisioner.hosts.bare_host import BareHost, bare_host_in, login_proof_in, making
from provisioner.hosts.preparation import BareHostFacts, Thing, Wanted, preparation, rule_for_all, rule_for_program
from tests.unit.hosts.test_prepare_script import KEY

USER = "deploy"
WIDE, NARROW = "(root) NOPASSWD: ALL", f"(root) NOPASSWD: {ALONE.host_program} call, {ALONE.host_program} prove"
YES = st.sampled_from(["yes", "no"])
SOUND: dict[str, st.SearchStrategy[str]] = {
    "id": st.sampled_from(["debian", "ubuntu", "rocky", "arch", ""]),
    "like": st.sampled_from(["", "debian", "rhel fedora"]),
    "version": st.sampled_from(["", "12", "9.4"]),
    "arch": st.sampled_from(["x86_64", "aarch64", "riscv64", ""]),
    "systemd": YES,
    "peer": st.sampled_from(["", "198.51.100.5", "192.0.2.1", "::ffff:198.51.100.5", "fe80::1%eth0", "x"]),
    "python": st.sampled_from(["", "3.9", "3.11", "2.7"]),
    "missing": st.lists(
        st.sampled_from(["nft", "wg", "ffmpeg", "dbus", "sudo", "python3", "wireguard-go", "ffmpeg-decoders", "odd"])
    ).map(" ".join),
    "half": st.sampled_from(["", "0", "3"]),
    "fusion": st.sampled_from(["", "yes", "no"]),
    "owner": st.sampled_from(["nothing", "unmarked", "{}"]),
    "identity": YES,
    "user": st.sampled_from(["", "deploy:x:1000:1000::/home/deploy:/bin/sh", "deploy:x:0:0::/:/bin/sh"]),
    "keys": st.sampled_from(["", KEY.replace(" ", "=")]),
    "rule": st.sampled_from(["", rule_for_all(USER), rule_for_program(USER), "somebody's"]),
    "allowed": st.lists(st.sampled_from([WIDE, NARROW, "(ALL : ALL) ALL", "(root) NOPASSWD: /bin/true"])).map(
        "\n".join
    ),
    "sshd": st.lists(
        st.sampled_from(
            ["port 22", "port 2222", "pubkeyauthentication no", "passwordauthentication yes", "authorizedkeysfile none"]
        )
    ).map("\n".join),
}
HOSTS = st.fixed_dictionaries(SOUND)
ANYTHING: st.SearchStrategy[Any] = st.none() | st.integers() | st.text() | st.lists(st.text()) | st.binary().map(str)


def said(words: dict[str, str]) -> dict[str, object]:
    return {"said": "".join(f"{name} {text.encode().hex()};" for name, text in words.items())}


def read(words: dict[str, str]) -> BareHost:
    return parsed("relay-1", wire.BareAnswer, said(words), bare_host_in)


def wanted(*, are_named: bool = False, is_relay: bool = True) -> Wanted:
    return Wanted(USER, 22, (KEY,), are_named, is_relay, (IPv4Network("198.51.100.0/24"),))


def shown(text: object) -> bool:
    return all(letter.isprintable() for letter in str(text))


@given(st.dictionaries(st.sampled_from(["said", "x"]), ANYTHING) | ANYTHING)
def test_whatever_is_answered_is_one_hosts_error(document: Any) -> None:
    parsers: tuple[Callable[[wire.BareAnswer], object], ...] = (bare_host_in, login_proof_in)
    for parse in parsers:
        with pytest.raises(HostError) as raised:
            parsed("relay-1", wire.BareAnswer, document, parse)
        assert raised.value.object == "relay-1"
        assert shown(raised.value.message)


@given(st.dictionaries(st.sampled_from(sorted({*SOUND, "failed", "complaint", "login", "may", "zz"})), st.text()))
def test_words_of_any_kind_are_a_value_that_can_be_shown_or_an_error(words: dict[str, str]) -> None:
    full = dict.fromkeys(SOUND, "") | {"systemd": "yes", "identity": "no", "owner": "nothing"} | words
    for document in (words, full):
        try:
            host = read(document)
        except HostError:
            continue
        assert shown(host.complaint)
        assert shown(host.arch + host.peer + host.system["id"] + host.system["version"])
        plan = preparation(BareHostFacts(host, logs_in=False, proves=False), wanted())
        assert all(shown(step.before + (step.after or "")) for step in plan.steps)
        assert all(shown(one.message + one.hint) for one in plan.by_hand)
        assert all(map(shown, plan.notes))


@given(words=HOSTS, logs_in=st.booleans(), proves=st.booleans(), is_relay=st.booleans())
def test_what_is_to_be_done_is_said_and_may_reach_a_shell(
    words: dict[str, str], *, logs_in: bool, proves: bool, is_relay: bool
) -> None:
    host = read(words)
    plan = preparation(BareHostFacts(host, logs_in, proves and host.has_identity), wanted(is_relay=is_relay))
    pending = {step.thing for step in plan.steps if step.after}
    deeds = plan.deeds
    assert (Thing.PACKAGES in pending, Thing.BUS in pending) == (bool(deeds.packages), deeds.starts_bus)
    assert (Thing.USER in pending, Thing.KEY in pending) == (deeds.creates, bool(deeds.adds))
    assert (Thing.SUDO in pending) == bool(deeds.rule)
    assert making(USER, (KEY,), deeds).text
    assert not (deeds.packages and not deeds.installer)


@given(words=HOSTS, proves=st.booleans())
def test_no_rule_gives_more_than_the_host_needs(words: dict[str, str], *, proves: bool) -> None:
    host = read(words)
    deeds = preparation(BareHostFacts(host, logs_in=True, proves=proves and host.has_identity), wanted()).deeds
    assert deeds.rule in {"", rule_for_all(USER), rule_for_program(USER)}
    if proves and host.has_identity:
        assert deeds.rule != rule_for_all(USER), "one that proves itself needs no first contact"
    if deeds.rule == rule_for_program(USER):
        assert host.has_identity, "nothing of ours would be there to be called"


@given(HOSTS)
def test_after_it_was_done_nothing_is_to_be_done(words: dict[str, str]) -> None:
    host = read(words)
    first = preparation(BareHostFacts(host, logs_in=False, proves=False), wanted())
    deeds = first.deeds
    after = dict(words)
    installed = {"nft", "wg", "dbus", "sudo", "python3"} | ({"ffmpeg"} if "ffmpeg" in deeds.packages else set())
    installed |= {"wireguard-go"} if "wireguard-go" in deeds.packages else set()
    after["missing"] = " ".join(p for p in words["missing"].split() if p not in installed or not deeds.packages)
    after["user"] = words["user"] or "deploy:x:1000:1000::/home/deploy:/bin/sh"
    after["keys"] = words["keys"] or KEY.replace(" ", "=")
    if deeds.rule:
        after |= {"rule": deeds.rule, "allowed": f"{words['allowed']}\n{WIDE}"}
    if not first.steps:
        assert first.by_hand, "nothing is refused without a word"
        return
    second = preparation(BareHostFacts(read(after), logs_in=True, proves=False), wanted())
    assert second.deeds.are_none
    assert json.dumps([one.message for one in second.by_hand]) == json.dumps([one.message for one in first.by_hand])
