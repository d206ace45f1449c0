"""Laws of sites that push: each login pushes one path and does nothing else, and no relay has a device's login."""

import base64
import hashlib
import json
import re
from collections import Counter
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.certificate import read_certificate
from provisioner.base.secret import Secret
from provisioner.desired.readers import publish_password
from provisioner.desired.render.host import render_host
from provisioner.desired.render.site import render_site
from provisioner.desired.sites import package_digest, site_spec
from provisioner.inventory.model.inventory import Inventory
from provisioner_host.relay import relay as host_relay
from tests import fleets, inventories

CANARY = "c4nary:pa55/word@$G1"
ADDRESSES = ["198.51.100.7", "198.51.100.8"]


@st.composite
def fleets_that_push(draw: st.DrawFn) -> Inventory:
    """An inventory of sites that push, one at least, and others; from known addresses or from anywhere."""
    names = draw(st.lists(st.sampled_from([f"kcl-bg-00{n}" for n in range(1, 6)]), min_size=1, max_size=4, unique=True))
    listed: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        mode = "publish" if number == 0 else draw(st.sampled_from(["publish", "pull_portmap", "pull_nat_map"]))
        one = fleets.of_mode(mode, name, draw(st.integers(1, 3)))
        if mode == "publish":
            public = draw(st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True))
            one["gateway"] = one["gateway"] | {"public_addresses": public}
        listed.append(one)
    networks = draw(st.sampled_from([[], ["198.51.100.0/24"]]))
    tls = draw(
        st.sampled_from([{}, {"reader_tls": {"encryption": "optional"}}, {"reader_tls": {"encryption": "strict"}}])
    )
    carriers = [inventories.carrier(publishers={"networks": networks}, **tls)]  # type: ignore[arg-type]
    return fleets.complete(inventories.inventory(carriers=carriers, facilities=listed))


def rendered(inventory: Inventory) -> dict[str, str]:
    """The files of the one relay, by their names."""
    state = fleets.state_of(inventory, CANARY)
    (spec,) = (spec for spec in state.hosts.values() if spec.relay)
    files = render_host(spec, fleets.templates())
    return {f.path.rpartition("/")[2]: f.content.decode() for f in files if f.path != spec.names.host_program}


@settings(max_examples=30)
@given(inventory=fleets_that_push(), changing=st.booleans())
def test_a_gateway_knows_a_next_certificate_beside_the_present_one_and_no_other_package_is_another_one(
    inventory: Inventory, *, changing: bool
) -> None:
    (relay,) = inventory.relays
    after = fleets.with_next_certificate(inventory, relay) if changing else inventory
    secrets = fleets.secrets_of(after)
    for name, facility in after.facilities.items():
        pushes = any(connection.plan.access.is_pushed for connection in facility.connections)
        before = package_digest(inventory, inventory.facilities[name])
        assert (package_digest(after, facility) != before) == (changing and pushes)
        files = {
            file.path: file.content
            for file in render_site(site_spec(after, secrets, facility), fleets.templates(), fleets.VALID)
        }
        known = [line.split()[1:] for line in files.get("publish.yml", b"").decode().splitlines() if "#known" in line]
        entry = after.allocations.relays[relay]
        chains = (entry.certificates, entry.next_certificate.certificates if entry.next_certificate else ())
        expected = [read_certificate(chain[0]).fingerprint for chain in chains if chain]
        assert known == ([expected] if changing and pushes else [])
    # What hosts have is as it was.
    assert fleets.files_of(fleets.state_of(after)) == fleets.files_of(fleets.state_of(inventory))


@settings(max_examples=60)
@given(inventory=fleets_that_push())
def test_a_login_that_pushes_pushes_one_path_of_its_site_and_does_nothing_else(inventory: Inventory) -> None:
    file = yaml.safe_load(rendered(inventory)["mediamtx.yml"])
    users = [user for user in file["authInternalUsers"] if any(r["action"] == "publish" for r in user["permissions"])]
    pushed = [
        name for name, path in file["paths"].items() if path["source"] == "publisher" and not name.startswith("cfg/")
    ]
    assert sorted(user["permissions"][0]["path"] for user in users) == sorted(pushed)
    assert pushed
    for user in users:
        (right,) = user["permissions"]
        assert user["user"] == "publish-" + right["path"].replace("/", ".")
        assert not right["path"].startswith("~")
    assert max(Counter(user["user"] for user in file["authInternalUsers"]).values()) == 1
    assert max(Counter(user["pass"] for user in file["authInternalUsers"]).values()) == 1
    # Whoever comes later does not take a stream's place, and nobody is let in without a login.
    assert all(file["paths"][name] == {"source": "publisher", "overridePublisher": False} for name in pushed)
    assert "any" not in {user["user"] for user in file["authInternalUsers"]}


@settings(max_examples=60)
@given(inventory=fleets_that_push())
def test_a_package_has_the_passwords_that_its_relay_takes_and_nobody_elses(inventory: Inventory) -> None:
    relay = yaml.safe_load(rendered(inventory)["mediamtx.yml"])
    hashes = {user["user"]: user["pass"] for user in relay["authInternalUsers"]}
    secrets, everybody = fleets.secrets_of(inventory, CANARY), set[str]()
    for facility in inventory.rendered_facilities:
        package = render_site(site_spec(inventory, secrets, facility), fleets.templates(), fleets.VALID)
        if facility.plan is None or not facility.plan.access.is_pushed:
            continue
        (secret,) = (file for file in package if file.secret)
        assert (secret.path, secret.mode) == ("publish.yml", 0o600)
        paths = yaml.safe_load(secret.content)["paths"]
        assert {name.split("/")[1] for name in paths} == {facility.id}
        for name, path in paths.items():
            (end,) = path["forward"]
            login = re.fullmatch(r"rtsps://([^:@/]+):([A-Za-z0-9_-]{43})@203\.0\.113\.\d+:8322/(.+)", end["dest"])
            assert login
            assert login[3] == name
            assert re.fullmatch(r"[0-9a-f]{64}", end["destFingerprint"])
            made = base64.b64encode(hashlib.sha256(login[2].encode()).digest()).decode()
            assert hashes[login[1]] == f"sha256:{made}"
            everybody.add(login[2])
        plain = b"\n".join(file.content for file in package if not file.secret).decode()
        assert not any(password in plain for password in everybody)
        assert "c4nary" not in plain
    assert not any(password in text for password in everybody for text in rendered(inventory).values())


@given(inventory=fleets_that_push())
def test_a_relay_knows_no_login_of_a_site_that_pushes_and_reaches_nothing_of_it(inventory: Inventory) -> None:
    pushing = {f.id for f in inventory.facilities.values() if f.plan and f.plan.access.is_pushed}
    state = fleets.state_of(inventory, CANARY)
    (spec,) = (spec for spec in state.hosts.values() if spec.relay)
    assert spec.firewall
    devices = {path.device for path in spec.paths if path.facility not in pushing}
    assert len(spec.firewall.cameras) <= sum(1 for path in spec.paths if path.facility not in pushing)
    assert devices or not spec.firewall.cameras
    text = rendered(inventory)["mediamtx.yml"]
    lines = [line for line in text.splitlines() if any(f"/{name}/" in line for name in pushing)]
    assert not any("c4nary" in line for line in lines if line.startswith('  "'))
    assert not {f"site/{name}" for name in pushing} & {peer.name for peer in spec.tunnel.peers}


@given(inventory=fleets_that_push())
def test_the_port_is_open_outside_of_the_tunnel_alone_and_from_where_sites_may_come(inventory: Inventory) -> None:
    rules = rendered(inventory)["provisioner.nft"]
    (carrier,) = inventory.carriers.values()
    assert carrier.publishers
    (elements,) = re.findall(r"set publishers \{[^}]*elements = \{ ([^}]+) \}", rules)
    assert elements == (", ".join(map(str, carrier.publishers.networks)) or "0.0.0.0/0")
    opened = [line for line in rules.splitlines() if "@publishers" in line]
    assert [line.strip().startswith('iifname != "wg-prov" ip saddr @publishers') for line in opened] == [True, True]
    assert "limit rate over" in opened[0]
    assert opened[0].endswith('drop comment "publisher-limit"')


@given(key=st.text(min_size=8, max_size=60), one=st.text(min_size=1), other=st.text(min_size=1))
def test_who_knows_one_password_of_a_site_knows_no_other_one(key: str, one: str, other: str) -> None:
    made = publish_password(Secret(key), one).reveal()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made)
    assert (made == publish_password(Secret(key), other).reveal()) == (one == other)


@given(inventory=fleets_that_push())
def test_a_host_describes_what_is_pushed_without_a_secret_and_as_the_plan_does(inventory: Inventory) -> None:
    text = rendered(inventory)["mediamtx.yml"]
    said = host_relay.describe(text, "key")
    assert said["foreign"] == 0
    pushed = [path for path in said["paths"].values() if path["settings"]["source"] == "publisher"]
    assert pushed
    assert all(path["settings"] == {"source": "publisher", "overridePublisher": False} for path in pushed)
    hashes = re.findall(r'"pass": "(sha256:[^"]+)"', text)
    assert hashes
    assert not any(one in json.dumps(said) for one in hashes)
