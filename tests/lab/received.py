"""Whether a relay receives a path, as its own API says it: the quickest that shows that a camera is back."""

import time
from typing import Final

from .lab import Lab
from .patience import stretched

_ASK: Final = """
import base64, json, sys, urllib.parse, urllib.request
password = open("/etc/provisioner/keys/api.password").read().strip()
login = base64.b64encode(f"api:{password}".encode()).decode()
url = "http://127.0.0.1:9997/v3/paths/get/" + urllib.parse.quote(sys.argv[1])
request = urllib.request.Request(url, headers={"Authorization": "Basic " + login})
state = json.load(urllib.request.urlopen(request, timeout=5))
sys.exit(0 if state["online"] and state["inboundBytes"] else 1)
"""


def wait_until_received(lab: Lab, relay: str, path: str, seconds: float = 60) -> None:
    """Wait until a relay has a source of a path, and bytes of it."""
    until = time.monotonic() + stretched(seconds)
    while lab.exec(relay, ["python3", "-Ic", _ASK, path], check=False).returncode:
        assert time.monotonic() < until, f"{relay} does not receive {path}"
        time.sleep(0.5)
