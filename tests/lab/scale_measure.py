"""Runs on a lab host, in namespaces of its own: times what the host's own program does with a very large relay.

`python3 - FOLDER` under `unshare --net --mount`; the folder has `before/` and `after/`, each with a relay's files, and
`peer.key`, the private key of the one site that is real here. One line of JSON tells what was seen.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = "/usr/local/lib/provisioner/provisioner-host"
OURS = ("/etc/provisioner", "/run/provisioner", "/var/lib/provisioner", "/run/wireguard")
PORT = 51820
SITE = "198.18.0.2"
HOST = "198.18.0.1"


def run(*argv: str, given: str = "") -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, input=given).stdout


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return round(time.monotonic() - begun, 3)


def aside() -> None:
    """Folders of our own, so that nothing of the host's is touched, and a socket of its tunnel is not ours."""
    for folder in OURS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "none", folder)
    run("mount", "-t", "sysfs", "none", "/sys")  # it shows the interfaces of whoever mounted it
    run("ip", "link", "set", "lo", "up")


def put(folder: Path) -> None:
    for file in folder.iterdir():
        shutil.copy(file, Path("/etc/provisioner") / file.name)


class Site:
    """The one site that is real: a WireGuard of its own in a network namespace beside."""

    def __init__(self, key: str, address: str, relay: str) -> None:
        """Bring it up and have it shake hands with the relay at `relay`, inside the tunnel."""
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        time.sleep(0.5)  # it is in its own namespace by then
        run("ip", "link", "add", "to-site", "type", "veth", "peer", "name", "outside", "netns", str(self.process.pid))
        run("ip", "address", "add", f"{HOST}/30", "dev", "to-site")
        run("ip", "link", "set", "to-site", "up")
        for line in (f"address add {SITE}/30 dev outside", "link set dev outside up", "link set dev lo up"):
            self.inside("ip", *line.split())
        public = run("wg", "show", "wg-prov", "public-key").strip()
        psk = next(
            line.split()[1]
            for line in Path("/etc/provisioner/wg-prov.psk").read_text().splitlines()
            if line.startswith(run("wg", "pubkey", given=key).strip())
        )
        conf = Path("/run/provisioner/site.conf")
        conf.write_text(
            f"[Interface]\nPrivateKey = {key}\n[Peer]\nPublicKey = {public}\nPresharedKey = {psk}\n"
            f"Endpoint = {HOST}:{PORT}\nAllowedIPs = {relay}/32\nPersistentKeepalive = 5\n"
        )
        self.inside("wireguard-go", "wg-site")
        self.inside("wg", "setconf", "wg-site", str(conf))
        self.inside("ip", "address", "add", f"{address}/32", "dev", "wg-site")
        self.inside("ip", "link", "set", "wg-site", "up")
        self.inside("ip", "route", "add", f"{relay}/32", "dev", "wg-site")
        self.relay = relay

    def inside(self, *argv: str) -> str:
        return run("nsenter", "--net", "--target", str(self.process.pid), *argv)

    def pinging(self, seconds: int) -> subprocess.Popen[str]:
        words = ["nsenter", "--net", "--target", str(self.process.pid)]
        ping = ["ping", "-i", "0.05", "-w", str(seconds), "-q", self.relay]
        return subprocess.Popen([*words, *ping], stdout=subprocess.PIPE, text=True)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    folder = Path(sys.argv[1])
    sys.path.insert(0, PROGRAM)
    from provisioner_host.firewall import firewall  # noqa: PLC0415 (it is on the host alone)
    from provisioner_host.machine import paths  # noqa: PLC0415 (it is on the host alone)
    from provisioner_host.tunnel import tunnel  # noqa: PLC0415 (it is on the host alone)

    def equal() -> int:
        return len(firewall.differences(firewall.intended(paths.NFT_FILE), firewall.live()))

    def peers() -> int:
        live = tunnel.live("key")
        return len(live["peers"]) if live else 0

    aside()
    put(folder / "before")
    paths.KEYS.mkdir(mode=0o700)
    paths.WG_KEY.write_text(run("wg", "genkey"))
    seen: dict[str, Any] = {
        "tunnel_first_s": timed(tunnel.up),
        "rules_first_s": timed(lambda: firewall.load(paths.NFT_FILE)),
    }
    described = json.loads((folder / "site.json").read_text())
    site = Site(described["key"], described["address"], described["relay"])
    try:
        site.inside("ping", "-c", "1", "-w", "15", described["relay"])
        before = handshake(described["public"])
        shutil.rmtree(paths.KNOWN, ignore_errors=True)
        seen["equal_first_s"] = timed(equal)
        seen["equal_again_s"] = timed(equal)
        seen["differences_before"] = equal()
        seen["tunnel_read_s"] = timed(peers)
        ping = site.pinging(20)
        time.sleep(1)
        put(folder / "after")
        seen["differences_change"] = equal()
        shutil.rmtree(paths.KNOWN, ignore_errors=True)
        steps: dict[str, Callable[[], object]] = {
            "check_tunnel_s": lambda: tunnel.check(paths.WG_FILE, paths.PSK_FILE),
            "check_rules_s": lambda: firewall.intended(paths.NFT_FILE),
            "load_rules_s": lambda: firewall.load(paths.NFT_FILE),
            "change_tunnel_s": tunnel.up,
        }
        seen |= {name: timed(work) for name, work in steps.items()}
        seen["change_s"] = round(sum(seen[name] for name in steps), 3)
        time.sleep(1)
        seen["differences_after"] = equal()
        ping.send_signal(2)
        seen["ping"] = ping.communicate()[0].splitlines()[-2]
        seen["same_handshake"] = before == handshake(described["public"]) and before > 0
        seen["peers"] = peers()
    finally:
        site.end()
        tunnel.down()
    print(json.dumps(seen))  # noqa: T201 - its answer


def handshake(public: str) -> int:
    listed = run("wg", "show", "wg-prov", "latest-handshakes").splitlines()
    return next(int(line.split()[1]) for line in listed if line.startswith(public))


if __name__ == "__main__":
    main()
