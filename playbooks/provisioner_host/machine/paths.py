"""Paths and names on a host: a contract (docs/internals/host-program.md).

`SIDE` names the inventory that this program serves on a shared centre; a host of one inventory has no side. The
controller builds a side's program with another line here and in `bundle.py`
(`provisioner/desired/render/templates.py`).
"""

from __future__ import annotations

from pathlib import Path

SIDE = ""


# What everything of this side begins with; the controller has the same names in provisioner/desired/names.py.
OURS = "provisioner" + (f".{SIDE}" if SIDE else "")
ETC = Path("/etc") / OURS
KEYS = ETC / "keys"
LIB = Path("/usr/local/lib") / OURS
STATE = Path("/var/lib") / OURS
RUN = Path("/run") / OURS
UNIT_FOLDER = Path("/etc/systemd/system")

HOST_PROGRAM = LIB / "provisioner-host"
MEDIAMTX_FILE = ETC / "mediamtx.yml"
NFT_FILE = ETC / "provisioner.nft"
WG_FILE = ETC / "wg-prov.conf"
PSK_FILE = ETC / "wg-prov.psk"
TUNNEL_FILE = ETC / "tunnel.json"
WG_KEY = KEYS / "wg-prov.key"
# Of a relay that changes its own key: the one that follows, and once that took its place, the one that it had.
WG_KEY_NEXT = KEYS / "wg-prov.key.next"
WG_KEY_FORMER = KEYS / "wg-prov.key.former"
API_PASSWORD = KEYS / "api.password"
PROBE_PASSWORD = KEYS / "probe.password"
# With it the host proves that it is the one that it was, and reads who it is for: bundle.py reads it by the same name.
IDENTITY = KEYS / "identity"
# The key and the certificates that MediaMTX shows readers; it watches the file, and cuts nobody when that changes.
READERS_FILE = ETC / "readers.pem"
TRUST_FILE = ETC / "trust.json"
POLICY_FILE = ETC / "policy.json"

MANIFEST = STATE / "manifest.json"
# Whose the host is: bundle.py reads it by the same name.
OWNER = STATE / "owner.json"
# The number of the run that has begun to change the host last.
EPOCH = STATE / "epoch.json"
LAST_GOOD = STATE / "last-good"
GENERATIONS = STATE / "generations"
TOMBSTONES = STATE / "tombstones.json"
ARMED = STATE / "armed.json"
RECEIPTS = STATE / "receipts"
# A file for each login that a device takes for pictures and refuses by ONVIF, named by a keyed digest.
ONVIF_REFUSED = STATE / "onvif-refused"
# A file for each device that did not take its login by ONVIF of late, so that all tries of a login count together.
LOGIN_TRIES = RUN / "login-tries"
# The same for each device that took a login which it refuses MediaMTX.
LOGINS_TAKEN = RUN / "logins-taken"
# Where peers were seen last that are gone from the tunnel.
ENDPOINTS = RUN / "endpoints.json"
LOCK = RUN / "lock"
LEASE = RUN / "lease.json"
WATCHED = RUN / "watched"
# What was found out since the boot and holds as long as what it was found out from is the same.
KNOWN = RUN / "known"
# How streams were when the host was observed last.
STREAMS = RUN / "streams.json"

USER = "mediamtx"
# Who reads streams and tries programs: it owns nothing, and may read no file of ours.
PROBE_USER = "provisioner-probe" + (f"-{SIDE}" if SIDE else "")
# A shared centre reads, and has no MediaMTX.
USERS = (PROBE_USER,) if SIDE else (PROBE_USER, USER)
TUNNELS_OF_SIDES = "wgp-"
TUNNEL = f"{TUNNELS_OF_SIDES}{SIDE}" if SIDE else "wg-prov"
# Beside it while a relay changes its own key; a shared centre never does.
SECOND_TUNNEL = "wg-prov-next"
TABLE = ("inet", OURS)
# Marks packets of a probe for the trace, while a probe looks closer.
PROBE_TABLE = ("inet", "provisioner_probe" + (f".{SIDE}" if SIDE else ""))
API_PORT = 9997
RTSP_PORT = 8554
# Of readers whose connections are encrypted.
RTSPS_PORT = 8322
READER_PORTS = frozenset({RTSP_PORT, RTSPS_PORT})
SENTINEL_PREFIX = "cfg/"

UNIT_MEDIAMTX = f"{OURS}-mediamtx.service"
UNIT_NFT = f"{OURS}-nft.service"
UNIT_WG = f"{OURS}-wg.service"
UNIT_REVERT = f"{OURS}-revert.service"
UNIT_QUARANTINE = f"{OURS}-quarantine.service"
REVERT_UNIT_FILE = UNIT_FOLDER / UNIT_REVERT
