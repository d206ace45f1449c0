"""Where a site's address is while its gateway changes its key, and which pre-shared key counts, for all orders."""

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.secret import Secret
from provisioner.desired.sites import present_psk
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model.secrets import CarrierSecrets, NextPsk, Secrets
from provisioner.inventory.new_secrets import tidied, with_next_psks
from provisioner.operations.keys.rotation import KeyStage, stage_of
from provisioner_host.machine import paths
from provisioner_host.state import frozen, revocable_texts
from provisioner_host.state.revocable_texts import RevocableTexts
from provisioner_host.tunnel import key_change
from tests import fleets, inventories
from tests.simulated import peers_in

SITES = ("kcl-a", "kcl-b", "kcl-c")
HEAD = "# Managed by provisioner. Edits are overwritten.\n[Interface]\nListenPort = 51820\n"


def key(site: str, kind: str) -> str:
    return inventories.public_key(f"{kind} of {site}")


def block(name: str, public_key: str, allowed: str) -> str:
    line = f"AllowedIPs = {allowed}\n" if allowed else ""
    return f"\n# {name}\n[Peer]\nPublicKey = {public_key}\n{line}PersistentKeepalive = off\n"


@st.composite
def tunnels(draw: st.DrawFn) -> tuple[str, frozenset[str]]:
    """A tunnel's file, and the sites in it whose gateways change their keys."""
    changing = frozenset(draw(st.sets(st.sampled_from(SITES))))
    text = HEAD + block("centre/hn", key("hn", "centre"), "10.90.0.1/32")
    for number, site in enumerate(SITES):
        text += block(f"site/{site}", key(site, "site"), f"10.91.0.{number}/32")
        if site in changing:
            text += block(f"next/{site}", key(site, "next"), "")
    return text, changing


_KEYS = [key(site, kind) for site in SITES for kind in ("site", "next")]
handshakes = st.dictionaries(st.sampled_from(_KEYS), st.integers(0, 5))


def holders(conf: str) -> dict[str, str]:
    """By address, who has it; the later block takes it, as WireGuard has it."""
    return {address: str(peer["public_key"]) for peer in peers_in(conf) for address in peer["allowed_ips"]}


@given(tunnels(), handshakes)
def test_each_address_is_with_one_of_its_site_s_peers_and_with_nobody_else(
    tunnel: tuple[str, frozenset[str]], spoke: dict[str, int]
) -> None:
    conf, changing = tunnel
    settled = key_change.settled(conf, spoke)
    assert len(peers_in(settled)) == len(peers_in(conf))
    assert holders(settled).keys() == holders(conf).keys()
    assert sum(len(peer["allowed_ips"]) for peer in peers_in(settled)) == len(holders(conf))
    for number, site in enumerate(SITES):
        holder = holders(settled)[f"10.91.0.{number}/32"]
        present, following = spoke.get(key(site, "site"), 0), spoke.get(key(site, "next"), 0)
        if site not in changing or not following or following < present:
            assert holder == key(site, "site")
        else:
            assert holder == key(site, "next")


@given(tunnels(), handshakes)
def test_what_is_settled_stays_so_and_without_a_change_nothing_is_touched(
    tunnel: tuple[str, frozenset[str]], spoke: dict[str, int]
) -> None:
    conf, changing = tunnel
    settled = key_change.settled(conf, spoke)
    assert key_change.settled(settled, spoke) == settled
    if not changing:
        assert settled == conf


@given(tunnels(), handshakes)
def test_a_saved_state_keeps_the_address_with_who_has_it_now(
    tunnel: tuple[str, frozenset[str]], spoke: dict[str, int]
) -> None:
    """After the change has ended in the file, a state of before it gives the address to the key that stays."""
    conf, changing = tunnel
    after = HEAD + block("centre/hn", key("hn", "centre"), "10.90.0.1/32")
    for number, site in enumerate(SITES):
        kind = "next" if site in changing else "site"
        after += block(f"site/{site}", key(site, kind), f"10.91.0.{number}/32")
    psks = "".join(f"{one} {'A' * 43}=\n" for one in [key("hn", "centre"), *_KEYS])
    gone = {key(site, "site"): f"site/{site}" for site in changing}
    stones = {"peers": gone, "paths": {}, "users": {}}
    saved, now = RevocableTexts(tunnel=conf, psks=psks), RevocableTexts(tunnel=after, psks=psks)
    cleaned, _ = revocable_texts.without(saved, now, stones)  # type: ignore[arg-type]
    assert holders(key_change.settled(cleaned.tunnel, spoke)) == holders(after)


@given(tunnels(), st.sets(st.sampled_from(SITES)))
def test_what_is_held_is_taken_out_with_both_keys_and_put_back_byte_for_byte(
    tunnel: tuple[str, frozenset[str]], names: set[str]
) -> None:
    conf, _ = tunnel
    psks = "".join(f"{peer['public_key']} {'A' * 43}=\n" for peer in peers_in(conf))
    texts = {str(paths.WG_FILE): conf, str(paths.PSK_FILE): psks}
    without, parts = frozen.taken(texts, names, "k")
    rest = {str(peer["public_key"]) for peer in peers_in(without[str(paths.WG_FILE)])}
    assert rest.isdisjoint({key(site, kind) for site in names for kind in ("site", "next")})
    assert frozen.put_back(without, parts, "k") == texts


# --- which pre-shared key counts ------------------------------------------------------------------
def inventory_of(public_key: str, next_key: str | None, *, changing: bool) -> object:
    facility = fleets.facility("kcl-bg-001", 1)
    facility["gateway"]["public_key"] = public_key
    if changing:
        facility["gateway"]["next_key"] = {"since": "2021-06-01"} | ({"public_key": next_key} if next_key else {})
    return inventories.inventory(facilities=[facility])


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_the_pair_of_a_gateway_is_never_a_mixture_whenever_the_vault_is_tidied(tidies: list[bool]) -> None:
    """Change after change, the vault tidied after each or not: each key goes with a pre-shared key of its own."""
    public_key, known = inventories.public_key("0"), CarrierSecrets(site_psks={"kcl-bg-001": Secret("0" * 43 + "=")})
    pairs = {public_key: "0" * 43 + "="}
    for number, tidy in enumerate(tidies, 1):
        following = inventories.public_key(str(number))
        changing = inventory_of(public_key, None, changing=True)
        known = with_next_psks(known, changing, ["kcl-bg-001"])  # type: ignore[arg-type]
        facility = changing.facilities["kcl-bg-001"]  # type: ignore[attr-defined]
        assert present_psk(known, facility).reveal() == pairs[public_key], "the present pair stays one"
        pairs[following] = known.next_psks["kcl-bg-001"].psk.reveal()
        ended = inventory_of(following, None, changing=False)
        facility = ended.facilities["kcl-bg-001"]  # type: ignore[attr-defined]
        assert present_psk(known, facility).reveal() == pairs[following]
        if tidy:
            known = tidied(known, ended)  # type: ignore[arg-type]
            assert known.next_psks == {}
            assert present_psk(known, facility).reveal() == pairs[following]
        public_key = following
    assert len(set(pairs.values())) == len(pairs)


_PEER: wire.PeerAnswer = {
    "public_key": "",
    "psk": None,
    "endpoint": None,
    "allowed_ips": [],
    "keepalive_s": None,
    "handshake": 0,
    "received_bytes": 0,
    "sent_bytes": 0,
}


@given(st.lists(st.sampled_from(["unread", "without", "both", "holds"]), min_size=1, max_size=3), st.booleans())
def test_a_change_ends_only_where_some_relay_has_seen_the_next_key(relays: list[str], known: bool) -> None:  # noqa: FBT001
    present, following = inventories.public_key("a"), inventories.public_key("b")
    inventory = inventory_of(present, following if known else None, changing=True)
    facility = inventory.facilities["kcl-bg-001"]  # type: ignore[attr-defined]
    psks = {"kcl-bg-001": NextPsk(psk=Secret("P" * 43 + "="), follows=present)}
    secrets = Secrets(carriers={"viettel": CarrierSecrets(next_psks=psks)})

    def facts(kind: str) -> HostFacts | None:
        if kind == "unread":
            return None
        peers: dict[str, wire.PeerAnswer] = {present: _PEER} | ({following: _PEER} if kind == "both" else {})
        if kind == "holds":
            peers[following] = {**_PEER, "allowed_ips": ["10.91.0.2/32"]}
        tunnel: wire.TunnelAnswer = {
            "addresses": [],
            "routes": [],
            "mtu": 1380,
            "public_key": "",
            "listen_port": 51820,
            "peers": peers,
        }
        return HostFacts("relay", tunnel=tunnel)

    stage = stage_of(facility, secrets, map(facts, relays))
    assert (stage is KeyStage.SEEN) == (known and "holds" in relays)
    if known and "holds" not in relays:
        worst = KeyStage.UNREAD if "unread" in relays else KeyStage.UNSTAGED if "without" in relays else KeyStage.STAGED
        assert stage is worst
    assert known or stage is KeyStage.UNREPORTED
