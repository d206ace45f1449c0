"""A gateway whose key is changed: its tunnel is judged by the key that has the address, whichever that is."""

from dataclasses import replace
from typing import Any

import pytest

from provisioner.base.secret import Secret
from provisioner.desired.spec import DesiredState, Peer
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import judge
from provisioner.verify.paths import select
from provisioner.verify.result import Cause, PathVerdict, Verdict

from .world import FINISHED, RELAY, answers, documents, state

SITE = "kcl-002"
PRESENT, FOLLOWING = f"key of site/{SITE}", f"key of next/{SITE}"


def verdict(present: dict[str, Any], following: dict[str, Any] | None) -> PathVerdict:
    """The verdict on the site's path where its two peers are as given, beside what is well."""
    hosts = dict(state().hosts)
    tunnel = hosts[RELAY].tunnel
    peers = (*tunnel.peers, Peer(f"next/{SITE}", FOLLOWING, Secret("psk"), ()))
    hosts[RELAY] = replace(hosts[RELAY], tunnel=replace(tunnel, peers=peers))
    document = documents()[RELAY]
    live = document["relay"]["tunnel"]["peers"]
    well = live[PRESENT]
    live[PRESENT] = well | present
    if following is not None:
        live[FOLLOWING] = well | following
    given = {host: parse_evidence(answer) for host, answer in answers({RELAY: document}).items()}
    verdicts = judge(select(DesiredState(hosts)), given, dict.fromkeys(given, ()), FINISHED)
    (one,) = [one for one in verdicts if one.facility == SITE]
    return one


DARK = {"handshake_age_s": 4000.0, "received_bytes": [100, 100], "sent_bytes": [10, 20]}
NEVER = {"handshake_age_s": None, "allowed_ips": [], "received_bytes": [0, 0], "sent_bytes": [0, 0]}


@pytest.mark.parametrize(
    ("present", "following"), [({}, NEVER), ({}, None), (DARK | {"allowed_ips": []}, {}), ({"allowed_ips": []}, {})]
)
def test_it_is_up_by_the_key_that_has_the_address(present: dict[str, Any], following: dict[str, Any] | None) -> None:
    assert verdict(present, following).verdict is Verdict.UP


def test_where_neither_has_the_address_it_is_not_up_for_that() -> None:
    one = verdict({"allowed_ips": []}, NEVER)
    assert (one.verdict, one.cause, 2 in one.passed) == (Verdict.DEGRADED, Cause.TUNNEL_DOWN, False)
    assert "tunnel lacks 100.64.0.5 of the site" in one.detail
