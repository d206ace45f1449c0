"""What a person would compare on a host: owned files byte for byte, live rules, peers, relay; and what is not ours."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .lab import Lab

# One program, so that all of it is of one moment. Counters, handshakes, handles and process ids are not in it.
_OURS = r"""
import base64, hashlib, json, os, pathlib, re, subprocess, urllib.request
def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True).stdout
found = {"files": {}, "units": {}}
etc, units = pathlib.Path("/etc/provisioner"), pathlib.Path("/etc/systemd/system")
library = pathlib.Path("/usr/local/lib/provisioner")
listed = [p for root in (etc, library) for p in root.rglob("*")] + list(units.glob("provisioner*"))
for path in sorted(listed):
    if path.is_file():
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found["files"][str(path)] = [digest, oct(status.st_mode), status.st_uid, status.st_gid]
table = run("nft", "-s", "list", "table", "inet", "provisioner")
found["rules"] = re.sub(r"\s*elements = \{[^}]*(limit|timeout|expires)[^}]*\}", "", table)
found["peers"] = sorted(run("wg", "show", "wg-prov", "allowed-ips").splitlines())
psks = sorted(run("wg", "show", "wg-prov", "preshared-keys").splitlines())
found["psks"] = hashlib.sha256("".join(psks).encode()).hexdigest()
found["port"] = run("wg", "show", "wg-prov", "listen-port")
found["link"] = sorted(run("ip", "-br", "address", "show", "dev", "wg-prov").split()[2:])
found["routes"] = sorted(run("ip", "route", "show", "dev", "wg-prov").splitlines())
for name in ("nft", "wg", "mediamtx", "revert"):
    unit = f"provisioner-{name}.service"
    state = run("systemctl", "show", "-p", "ActiveState,UnitFileState", "--value", unit).split()
    found["units"][unit] = state[-1:] if name == "revert" else state
try:
    password = (etc / "keys/api.password").read_text().strip()
    login = base64.b64encode(f"api:{password}".encode()).decode()
    url = "http://127.0.0.1:9997/v3/config/paths/list?itemsPerPage=10000"
    request = urllib.request.Request(url, headers={"Authorization": "Basic " + login})
    items = json.load(urllib.request.urlopen(request, timeout=5))["items"]
    found["relay"] = sorted([i["name"], hashlib.sha256(str(i.get("source")).encode()).hexdigest()] for i in items)
    pid = run("systemctl", "show", "-p", "MainPID", "--value", "provisioner-mediamtx").strip()
    found["program"] = [a for a in pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0") if "mediamtx-" in a]
except (OSError, ValueError, KeyError) as error:
    found["relay"] = type(error).__name__
print(json.dumps(found))
"""
_FOREIGN = r"""
nft -s list table inet somebody
wg show wg-theirs allowed-ips
ip -br address show dev wg-theirs
ip -br address show dev br-theirs
cat /etc/systemd/system/theirs.service
systemctl show -p ActiveState,UnitFileState --value theirs.service
cat /etc/nftables.conf /etc/ssh/sshd_config | sha256sum
"""
_PLANT = r"""
nft delete table inet somebody 2>/dev/null
nft -f - <<'END'
table inet somebody {
  set theirs { type ipv4_addr; elements = { 192.0.2.7 } }
  chain input { type filter hook input priority 10; policy accept; ip saddr @theirs counter }
}
END
ip link show br-theirs >/dev/null 2>&1 || ip link add br-theirs type bridge
ip address replace 172.31.255.1/24 dev br-theirs
ip link set br-theirs up
if ! ip link show wg-theirs >/dev/null 2>&1; then
  ip link add wg-theirs type wireguard 2>/dev/null || wireguard-go wg-theirs
fi
key=$(mktemp); wg genkey > "$key"
wg set wg-theirs private-key "$key"
[ -n "$(wg show wg-theirs peers)" ] || wg set wg-theirs peer "$(wg genkey | wg pubkey)" allowed-ips 198.51.100.9/32
ip address replace 198.51.100.1/24 dev wg-theirs
printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
  > /etc/systemd/system/theirs.service
systemctl daemon-reload
systemctl enable --now theirs.service
"""


@dataclass(frozen=True)
class Fingerprint:
    """A host at one moment."""

    text: str

    def differences(self, other: Fingerprint) -> list[str]:
        """Name what differs."""
        ours, theirs = json.loads(self.text), json.loads(other.text)
        found = [key for key in ours if key not in {"files", "relay"} and ours[key] != theirs.get(key)]
        files = set(ours["files"]) | set(theirs["files"])
        found += [f"file {p}" for p in sorted(files) if ours["files"].get(p) != theirs["files"].get(p)]
        if ours["relay"] != theirs["relay"]:
            found.append("relay")
        return found


def fingerprint(lab: Lab, host: str) -> Fingerprint:
    """Take a host's fingerprint."""
    return Fingerprint(lab.exec(host, ["python3", "-c", _OURS]).stdout.strip())


def plant_foreign(lab: Lab, host: str) -> None:
    """Put objects of somebody else on a host: a table, a tunnel, a bridge as Docker has it, a unit."""
    lab.exec(host, ["sh", "-c", _PLANT])


def foreign(lab: Lab, host: str) -> str:
    """What is not ours on a host."""
    return lab.exec(host, ["sh", "-c", _FOREIGN], check=False).stdout
