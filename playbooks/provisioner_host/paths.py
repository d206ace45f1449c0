"""Where things lie on a host, and what they are called. The names are a contract: docs/design.md, part 4."""

from __future__ import annotations

from pathlib import Path

ETC = Path("/etc/provisioner")
KEYS = ETC / "keys"
LIB = Path("/usr/local/lib/provisioner")
STATE = Path("/var/lib/provisioner")
RUN = Path("/run/provisioner")
UNIT_FOLDER = Path("/etc/systemd/system")

HOST_PROGRAM = LIB / "provisioner-host"
MEDIAMTX_FILE = ETC / "mediamtx.yml"
NFT_FILE = ETC / "provisioner.nft"
WG_FILE = ETC / "wg-prov.conf"
PSK_FILE = ETC / "wg-prov.psk"
TUNNEL_FILE = ETC / "tunnel.json"
WG_KEY = KEYS / "wg-prov.key"
API_PASSWORD = KEYS / "api.password"
PROBE_PASSWORD = KEYS / "probe.password"
# With it the host proves that it is the one that it was, and reads who it is for: bundle.py reads it by the same name.
IDENTITY = KEYS / "identity"
TRUST_FILE = ETC / "trust.json"
POLICY_FILE = ETC / "policy.json"

MANIFEST = STATE / "manifest.json"
# Whose the host is: bundle.py reads it by the same name.
OWNER = STATE / "owner.json"
LAST_GOOD = STATE / "last-good"
GENERATIONS = STATE / "generations"
TOMBSTONES = STATE / "tombstones.json"
ARMED = STATE / "armed.json"
RECEIPTS = STATE / "receipts"
# A file for each login that a device takes for pictures and refuses by ONVIF, named by a keyed digest.
ONVIF_REFUSED = STATE / "onvif-refused"
# A file for each device that did not take its login by ONVIF of late, so that all tries of a login count together.
LOGIN_TRIES = RUN / "login-tries"
LOCK = RUN / "lock"
LEASE = RUN / "lease.json"
WATCHED = RUN / "watched"
# What was found out since the boot and holds as long as what it was found out from is the same.
KNOWN = RUN / "known"

USER = "mediamtx"
# Who reads streams and tries programs: it owns nothing, and may read no file of ours.
PROBE_USER = "provisioner-probe"
TUNNEL = "wg-prov"
TABLE = ("inet", "provisioner")
# Marks packets of a probe for the trace, while a probe looks closer.
PROBE_TABLE = ("inet", "provisioner_probe")
API_PORT = 9997
RTSP_PORT = 8554
SENTINEL_PREFIX = "cfg/"

UNIT_MEDIAMTX = "provisioner-mediamtx.service"
UNIT_NFT = "provisioner-nft.service"
UNIT_WG = "provisioner-wg.service"
UNIT_REVERT = "provisioner-revert.service"
UNIT_QUARANTINE = "provisioner-quarantine.service"
REVERT_UNIT_FILE = UNIT_FOLDER / UNIT_REVERT
