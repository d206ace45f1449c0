"""Sites with a backup relay: when the first one dies, their readers have every picture at the other one soon."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .deployment import Deployment
from .held_readers import HeldReaders
from .one_carrier import NEW, OLD, SITES, SUBS, install, of_one_carrier
from .patience import stretched
from .test_verify import all_up, verified
from .topology import Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
LONGEST_CUT = 5.0  #: Seconds; what a relay's death may cost a path of a site with a backup relay.
SILENCE = 2.0
_PULLED = """
import base64, json, urllib.request
password = open("/etc/provisioner/keys/api.password").read().strip()
request = urllib.request.Request("http://127.0.0.1:9997/v3/paths/list?itemsPerPage=1000")
request.add_header("Authorization", "Basic " + base64.b64encode(f"api:{password}".encode()).decode())
items = json.load(urllib.request.urlopen(request, timeout=5))["items"]
print(json.dumps(sorted(item["name"] for item in items if item["source"] and item["inboundBytes"])))
"""


@pytest.fixture
def backed(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with one carrier, and the second relay as the backup relay of every site."""
    with of_one_carrier(deployment) as changed:
        for site in SITES:
            changed.run("facility", "plan", site, "--backup-relay", NEW)
            changed.run("sign-off", site, "--all-parties", "--source", "minutes 8")
        planned = changed.document("plan")
        assert planned["viewers_by_path"] == {}, planned["summary"]
        changed.run("apply", "--yes")
        install(changed, *SITES)
        changed.commit("a backup relay for every site")
        assert all_up(verified(changed, until=all_up, tries=30))
        yield changed


def pulled(deployment: Deployment, relay: str) -> list[str]:
    """The paths that a relay pulls now."""
    names: list[str] = json.loads(deployment.lab.exec(relay, ["python3", "-c", _PULLED]).stdout)
    return [name for name in names if not name.startswith("cfg/")]


@pytest.mark.soak
def test_the_death_of_a_relay_costs_seconds_of_picture_and_nothing_flaps_back(backed: Deployment) -> None:
    lab, box = backed.lab, "relay-vnpt-1"
    whole: dict[str, Any] = verified(backed, until=all_up)
    assert whole["summary"]["paths"] == 48
    time.sleep(stretched(12))  # what was read for the check is let go
    assert pulled(backed, box) == []
    with HeldReaders(backed, OLD, SUBS, then=NEW, silence=SILENCE) as readers:
        time.sleep(stretched(3))
        lab.cut(OLD, Network.WAN)
        time.sleep(stretched(12))
        assert pulled(backed, box) == sorted(SUBS)
        seen = verified(backed, until=lambda one: one["summary"]["down"] == 24, tries=2)
        first, *_ = (i for i in seen["incidents"] if len(i["paths"]) == 24)
        assert f"up over {NEW}: 24 paths" in first["detail"], seen["incidents"]
        lab.mend(OLD, Network.WAN)
        readers.mark()
        time.sleep(stretched(15))
        gone = readers.finish()
    assert len(gone) == len(SUBS)
    assert all(reader.moved and not reader.end for reader in gone), gone
    longest = max(reader.gap_before for reader in gone)
    print(f"a relay died: the longest cut of {len(gone)} held paths: {longest:.2f} s")  # noqa: T201
    assert longest < stretched(LONGEST_CUT), gone
    assert max(reader.longest_gap for reader in gone) < stretched(2.0), gone
    assert all_up(verified(backed, until=all_up, tries=12))
