"""Laws of a shared centre: one side's names are nobody else's, and one table lets in whom the other does.

What becomes of packets when two tables stand beside each other is asked of the kernel, where there may be a namespace.
"""

import re
import string
import subprocess
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from provisioner.base.text import AnyAddress
from provisioner.desired.names import HostNames, is_of_a_side, side_of
from provisioner.desired.render.host import render_host
from provisioner.desired.render.templates import SIDED, with_side
from provisioner.desired.spec import Firewall, HostSpec
from provisioner.plan.guards.reachability import locked_out, required_sources
from provisioner.plan.reach.packets import accepts, arriving, parse_ruleset
from provisioner_host.state import revocable_texts
from tests import fleets, inventories
from tests.hostile import GATEWAY, MERGE_REQUEST

from .test_centre_guard_laws import SOME, guards
from .test_lockout_laws import either_address, nft_checks

#: Ids of inventories.
slugs = st.from_regex(r"[a-z0-9]{1,12}(-[a-z0-9]{1,9}){0,5}", fullmatch=True).filter(lambda text: len(text) <= 63)
#: Two of them, which often begin with the same letters.
alike = st.tuples(slugs, slugs) | slugs.flatmap(
    lambda one: st.tuples(st.just(one), st.sampled_from([*string.ascii_lowercase, "-a"]).map(lambda end: one + end))
)


def all_names(side: str) -> dict[str, str]:
    """Everything that things of ours are called by."""
    listed = {name: value for name, value in vars(HostNames(side)).items() if name != "side"}
    assert len(listed) > 10
    return listed


@MERGE_REQUEST
@given(alike)
def test_the_names_of_two_inventories_never_meet(ids: tuple[str, str]) -> None:
    one, other = ids
    assume(one != other)
    assert side_of(one) != side_of(other)
    sets = [set(all_names(side).values()) for side in (side_of(one), side_of(other), "")]
    assert sets[0] & sets[1] == set()
    assert (sets[0] | sets[1]) & sets[2] == set()


@given(slugs)
def test_a_sides_names_are_such_as_kernel_systemd_nft_and_useradd_take(inventory: str) -> None:
    names = HostNames(side_of(inventory))
    assert len(names.tunnel) <= 15
    assert is_of_a_side(names.tunnel)
    assert re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", names.probe_user)
    assert re.fullmatch(r"[a-z][a-z0-9.-]*", names.table)
    assert re.fullmatch(r"[a-z0-9.-]{1,80}\.service", names.unit_revert)
    # Of a unit's name, systemd takes what stands before a hyphen for settings of a whole family.
    assert not names.unit_wg.startswith("provisioner-")


@given(slugs)
def test_host_and_controller_call_everything_alike(inventory: str) -> None:
    side = side_of(inventory)
    there: dict[str, Any] = {"__name__": "paths"}
    source = with_side(fleets.templates().host_sources["paths.py"], side)
    exec(compile(source, "paths.py", "exec"), there)  # noqa: S102 (our own text)
    names, theirs = HostNames(side), {n: str(v) if isinstance(v, Path) else v for n, v in there.items()}
    assert {
        "ETC": names.etc, "STATE": names.state, "RUN": names.run, "RECEIPTS": names.receipts, "OURS": names.ours,
        "HOST_PROGRAM": names.host_program, "NFT_FILE": names.nft_file, "WG_FILE": names.wg_file,
        "PSK_FILE": names.psk_file, "TUNNEL_FILE": names.tunnel_file, "TRUST_FILE": names.trust_file,
        "POLICY_FILE": names.policy_file, "TUNNEL": names.tunnel, "PROBE_USER": names.probe_user,
        "UNIT_NFT": names.unit_nft, "UNIT_WG": names.unit_wg, "UNIT_REVERT": names.unit_revert,
    }.items() <= theirs.items()  # fmt: skip
    assert there["TABLE"] == ("inet", names.table)
    assert there["USERS"] == (names.probe_user,)


@given(slugs)
def test_a_sides_program_says_so_in_its_door_and_everywhere_else_is_the_same(inventory: str) -> None:
    side = side_of(inventory)
    own, usual = fleets.templates().for_side(side), fleets.templates()
    assert {n for n, source in own.host_sources.items() if source != usual.host_sources[n]} == set(SIDED)
    door: dict[str, Any] = {"__name__": "door"}
    exec(compile(own.host_sources["bundle.py"], "bundle.py", "exec"), door)  # noqa: S102 (our own text)
    names = HostNames(side)
    assert door["IDENTITY"] == f"{names.etc}/keys/identity"
    assert (door["OWNER_FILE"], door["MANIFEST"]) == (f"{names.state}/owner.json", f"{names.state}/manifest.json")
    assert own.host_program != usual.host_program


@pytest.mark.parametrize("name", SIDED)
def test_a_module_that_does_not_say_once_of_which_side_it_is_is_none(name: str) -> None:
    source = fleets.templates().host_sources[name]
    for wrong in (source.replace(b"SIDE =", b"SIDES ="), source + b'\nSIDE = ""\n'):
        with pytest.raises(ValueError, match="has to say once"):
            with_side(wrong, "viettel")


# --- the rules ------------------------------------------------------------------------------------
def shared(inventory: str = "viettel", **more: Any) -> HostSpec:
    """A shared centre as one inventory has it."""
    plain = inventories.inventory(
        settings=inventories.settings(id=inventory), centres=[inventories.centre(shared=True, **more)]
    )
    return fleets.state_of(plain).hosts["centre"]


BASE = shared()
assert BASE.side == "viettel"


def rules(firewall: Firewall, side: str = "viettel") -> str:
    """What is loaded on a side."""
    spec = replace(BASE, firewall=firewall, side=side)
    files = render_host(spec, fleets.templates())
    return next(file.content.decode() for file in files if file.path == spec.names.nft_file)


@GATEWAY
@SOME
@given(firewall=guards, stranger=either_address)
def test_each_plan_counts_on_its_own_rules_alone(firewall: Firewall, stranger: AnyAddress) -> None:
    text = rules(firewall)
    assert locked_out(text, firewall.ssh_port, required_sources(firewall.management_networks, "")) == ()
    inside = any(stranger in network for network in firewall.management_networks)
    assert accepts(parse_ruleset(text), arriving(ip_network(stranger), firewall.ssh_port)) == inside


@SOME
@given(firewall=guards)
def test_a_table_speaks_of_nobody_elses_interface_or_user(firewall: Firewall) -> None:
    text = rules(firewall)
    assert set(re.findall(r'(?:iifname|oifname) "([^"]+)"', text)) == {"lo", "wgp-viettel"}
    assert set(re.findall(r'skuid "([^"]+)"', text)) == {"provisioner-probe-viettel"}
    assert set(re.findall(r"table (inet \S+)", text)) == {"inet provisioner.viettel"}
    assert "flush" not in text


@SOME
@given(firewall=guards, now=guards)
def test_a_saved_state_gets_the_networks_of_now_in_both_of_its_chains(firewall: Firewall, now: Firewall) -> None:
    saved, present = rules(firewall), rules(replace(now, ssh_port=firewall.ssh_port, relays=firewall.relays))
    text = revocable_texts.with_ipv6_of(saved, present)
    networks = revocable_texts.elements_in(present)
    text = "".join(revocable_texts.with_elements(text, {"management": networks["management"]}))
    assert text == present


@pytest.mark.skipif(not nft_checks(), reason="nft cannot be asked here")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=guards, other=guards)
def test_nft_takes_two_tables_and_one_that_is_loaded_anew_leaves_the_other(one: Firewall, other: Firewall) -> None:
    texts = [re.sub(r'skuid "[^"]+"', 'skuid "root"', rules(*side)) for side in ((one,), (other, "vnpt"))]
    script = (
        'set -e; nft -f "$1"; nft -s list table inet provisioner.viettel >"$3"; nft -f "$2"; nft -f "$2"; '
        'nft -s list table inet provisioner.viettel | cmp - "$3"; nft delete table inet provisioner.vnpt; '
        'nft -s list table inet provisioner.viettel | cmp - "$3"; nft list tables'
    )
    with TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, str(number)).write_text(text, encoding="ascii")
        words = ["unshare", "-rn", "sh", "-c", script, "sh", *(f"{folder}/{name}" for name in ("0", "1", "listed"))]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "table inet provisioner.viettel\n"), done.stderr
