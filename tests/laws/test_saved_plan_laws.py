"""Laws of saved plans and their form: one text for one plan, and no bit of one that can be changed unnoticed."""

import copy
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import StalePlanError
from provisioner.base.secret import Secret
from provisioner.base.text import canonical_json
from provisioner.plan.saved.file import moved_hosts, read_saved
from tests.plans import KEY, World, of

RELAY = "relay-viettel-1"
Path = tuple[str | int, ...]


@cache
def saved() -> str:
    """A plan with something of everything in it."""
    world = World()
    world.apply(of({"kcl-bg-001": 2, "kcl-bg-002": 3}))
    world.watch(RELAY, {"bac-giang/kcl-bg-002/cam-01/sub": 3})
    world.hosts.hosts["centre"].units.discard("provisioner-revert.service")
    return world.plan(of({"kcl-bg-001": 3}), allow={}).text(KEY)


def leaves(value: Any, path: Path = ()) -> list[Path]:
    """The way to every value of a document."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, child in below for leaf in leaves(child, (*path, key)))][0 if path else 1 :]


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def test_a_saved_plan_can_be_read_and_is_canonical() -> None:
    reviewed = read_saved(saved(), "plan.json", KEY)
    whole = json.loads(saved())
    assert reviewed.basis.digest == whole["digest"]
    assert reviewed.hosts == ("centre", RELAY)
    assert {row[1] for row in reviewed.rows[RELAY]} >= {
        "bac-giang/kcl-bg-002/cam-01/sub",
        "bac-giang/kcl-bg-001/cam-03/sub",
    }
    assert whole["refused"]
    assert saved() == json.dumps(whole, sort_keys=True, ensure_ascii=False, indent=1) + "\n"


def other(value: Any) -> Any:
    """A value of the same kind that is another one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("1" if value[-1:] != "1" else "2")
    return [*value, "more"] if isinstance(value, list) else {**value, "more": 1} if isinstance(value, dict) else 0


@settings(max_examples=80)
@given(data=st.data())
def test_nothing_in_a_saved_plan_can_be_changed_unnoticed(data: st.DataObject) -> None:
    whole = json.loads(saved())
    path = data.draw(st.sampled_from(leaves(whole)))
    holder = at(whole, path[:-1])
    if data.draw(st.booleans()):
        del holder[path[-1]]
    else:
        holder[path[-1]] = other(holder[path[-1]])
    with pytest.raises(StalePlanError):
        read_saved(json.dumps(whole), "plan.json", KEY)


def test_a_changed_plan_with_its_own_digest_made_right_is_noticed_too() -> None:
    whole = json.loads(saved())
    changed = copy.deepcopy(whole)
    changed["allow"] = {"deletions": 1000}
    reviewed = read_saved(saved(), "plan.json", KEY)
    with pytest.raises(StalePlanError, match="was changed after it was made"):
        read_saved(json.dumps(changed), "plan.json", KEY)
    with pytest.raises(StalePlanError, match="another vault's key"):
        read_saved(saved(), "plan.json", Secret("another"))
    assert reviewed.basis.allow == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "1",
        '{"schema": "provisioner/plan"}',
        "[" * 100_000,
        '{"a": 1, "a": 2}',
        '{"a": 1.5}',
        "NaN",
    ],
)
def test_what_is_no_saved_plan_is_told_so(text: str) -> None:
    with pytest.raises(StalePlanError, match="is not a saved plan"):
        read_saved(text, "plan.json", KEY)


def test_a_key_that_stands_twice_is_no_way_around_the_seal() -> None:
    doubled = saved().replace('"version": 1', '"version": 2,\n "version": 1', 1)
    with pytest.raises(StalePlanError, match="is not a saved plan"):
        read_saved(doubled, "plan.json", KEY)


@settings(max_examples=15)
@given(cameras=st.integers(1, 3), data=st.data())
def test_what_moved_is_named_with_what_the_plan_had_and_what_is_there(cameras: int, data: st.DataObject) -> None:
    world, inventory = World(), of({"kcl-bg-001": cameras})
    world.apply(inventory)
    reviewed = read_saved(world.plan(inventory).text(KEY), "plan.json", KEY)
    host = world.hosts.hosts[RELAY]
    name = data.draw(st.sampled_from(["file", "unit", "peer", "path", "rule", "mode"]))
    if name == "unit":
        host.units.discard("provisioner-nft.service")
        said = "unit provisioner-nft.service was active, enabled and is inactive, absent"
    elif name == "peer":
        key = next(key for key, peer in host.peers.items() if peer["allowed_ips"] == ["10.91.0.2/32"])
        host.peers[key]["allowed_ips"] = ["10.91.0.99/32"]
        said = "peer site/kcl-bg-001 was allowed IPs 10.91.0.2/32, "
    elif name == "path":
        content, mode, owner, group = host.files["/etc/provisioner/mediamtx.yml"]
        edited = content.replace(b'"rtspTransport": "tcp"', b'"rtspTransport": "udp"', 1)
        host.files["/etc/provisioner/mediamtx.yml"] = (edited, mode, owner, group)
        said = "path bac-giang/kcl-bg-001/cam-01/sub was as desired and is now to update (rtspTransport udp → tcp)"
    elif name == "rule":
        host.rules = b"table inet provisioner {}"
        said = "rule table inet provisioner was not there and is another one"
    elif name == "mode":
        content, _, owner, group = host.files["/etc/provisioner/wg-prov.psk"]
        host.files["/etc/provisioner/wg-prov.psk"] = (content, 0o644, owner, group)
        said = "0600 root:root and is content "
    else:
        del host.files["/etc/provisioner/tunnel.json"]
        said = "file /etc/provisioner/tunnel.json was content "
    now = world.plan(inventory)
    moved = moved_hosts(reviewed, now.plan, now.host_items)
    assert set(moved) == {RELAY}
    assert any(said in item for item in moved[RELAY]), moved[RELAY]


def test_hosts_that_did_not_move_are_not_named() -> None:
    world, inventory = World(), of({"kcl-bg-001": 1})
    world.apply(inventory)
    reviewed = read_saved(world.plan(of({"kcl-bg-001": 2})).text(KEY), "plan.json", KEY)
    world.watch(RELAY, {"bac-giang/kcl-bg-001/cam-01/sub": 7})
    now = world.plan(of({"kcl-bg-001": 2}))
    assert moved_hosts(reviewed, now.plan, now.host_items) == {}
    assert now.plan.basis.digest == reviewed.basis.digest


def test_what_no_file_and_no_unit_tells_moves_a_host_too() -> None:
    world, inventory = World(), of({"kcl-bg-001": 1})
    world.apply(inventory)
    planned = world.plan(inventory)
    reviewed = read_saved(planned.text(KEY), "plan.json", KEY)
    world.hosts.hosts[RELAY].sentinel = "cfg/000000000000"
    now = world.plan(inventory)
    assert now.plan.basis.live == planned.plan.basis.live
    assert now.plan.basis.digest != planned.plan.basis.digest
    assert moved_hosts(reviewed, now.plan, now.host_items) == {
        RELAY: ["unit provisioner-mediamtx.service was as desired and is now to update (it has not read its file)"]
    }


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda below: st.lists(below) | st.dictionaries(_TEXTS, below),
    max_leaves=20,
)


@given(_VALUES)
def test_nothing_is_lost_and_nothing_added(value: Any) -> None:
    text = canonical_json(value)

    assert json.loads(text) == value
    assert text == json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@given(st.integers(min_value=2**63), _TEXTS)
def test_a_number_beyond_64_bits_is_a_number_like_others(number: int, key: str) -> None:
    assert json.loads(canonical_json({key: [number, -number]})) == {key: [number, -number]}
