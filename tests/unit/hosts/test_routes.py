"""Routes of other interfaces inside of the tunnel's networks, as the kernel of a network namespace has them."""

import json
import os
import subprocess
from pathlib import Path

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
_ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from provisioner_host.tunnel import tunnel
print(json.dumps(tunnel.routes_elsewhere(sys.argv[2:])))
"""


def elsewhere(routes: list[str], networks: list[str]) -> list[list[str]]:
    """What is said of a namespace with these routes by the loopback interface."""
    script = ["ip link set lo up", *(f"ip route add {route} dev lo" for route in routes)]
    script.append('exec /usr/bin/python3 -I -c "$@"')
    apart = "-n" if os.geteuid() == 0 else "-rn"
    argv = ["unshare", apart, "sh", "-ec", "\n".join(script), "sh", _ASK, str(PLAYBOOKS), *networks]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return [[route["network"], route["device"]] for route in json.loads(done.stdout)]


def test_a_route_that_is_as_wide_or_narrower_is_told_and_a_wider_one_is_not() -> None:
    routes = ["10.0.0.0/8", "10.91.0.0/16", "10.91.3.0/24", "10.91.4.7", "10.92.0.0/24", "192.0.2.0/24"]
    said = elsewhere(routes, ["10.91.0.0/16", "10.90.0.0/16"])
    assert said == [["10.91.0.0/16", "lo"], ["10.91.3.0/24", "lo"], ["10.91.4.7/32", "lo"]]


def test_a_default_route_is_none_of_them() -> None:
    assert elsewhere(["default"], ["10.91.0.0/16"]) == []


def test_of_many_some_are_told() -> None:
    assert len(elsewhere([f"10.91.{n}.0/24" for n in range(40)], ["10.91.0.0/16"])) == 20
