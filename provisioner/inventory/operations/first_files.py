"""The files of a new inventory: commented, and valid as far as they go. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from provisioner.inventory.files.plain_yaml import scalar

RELEASE: Final = "1.20.1"
RELEASE_SHA256: Final[Mapping[str, str]] = {
    "amd64": "81b143f55a5d23d4a8c028d52869c14ea4a59919900528698fcc97a747fd69c6",
    "arm64": "d1689f0bfefb1864e5ed3dcc8495eb2d7ec0a654f90bf3cd48980cb3bd08718a",
}
"""The release that a new inventory pins, and the checksums of its archives, as its publisher has them."""

ATTRIBUTES: Final = """\
# The same bytes everywhere: digests and signatures are of bytes.
* -text
# Encrypted: no line of it means anything in a diff.
secrets/** -diff
contacts/** -diff
"""
IGNORED: Final = """\
# What is made of an inventory and holds secrets, or is of one machine alone.
/rendered/
/sites/
/packages/
/plan*.json
/state/
*.db
"""


@dataclass(frozen=True, slots=True)
class FirstHost:
    """A host of a new inventory.

    Attributes:
        id: its id.
        address: where SSH goes.
        user: who logs in: a normal user with sudo.
        port: where its sshd listens.
        host_key: the key that it has to show.
        carrier: of a relay, whose it is.
    """

    id: str
    address: str
    user: str
    port: int
    host_key: str
    carrier: str = ""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new inventory begins with.

    Attributes:
        id: the inventory's id; frozen.
        scheme: the list that province slugs are of.
        carriers: each carrier's name, by its id.
        provinces: the carrier that serves each province, by its slug.
        source: the document that designates them.
        since: since when.
        management_networks: from where SSH to the hosts comes.
        centre: the monitoring centre.
        centre_name: what it is called.
        relays: the first relays, at least one a carrier.
        mediamtx: version, source and checksums of the relay program.
    """

    id: str
    scheme: str
    carriers: Mapping[str, str]
    provinces: Mapping[str, str]
    source: str
    since: date
    management_networks: Sequence[str]
    centre: FirstHost
    centre_name: str
    relays: Sequence[FirstHost]
    version: str = RELEASE
    artefact: str = "release"
    sha256: Mapping[str, str] = field(default_factory=lambda: dict(RELEASE_SHA256))


def first_files(beginning: Beginning) -> dict[str, str]:
    """Each file of the inventory, by its path in the inventory's folder."""
    files = {
        "inventory.yml": _settings(beginning),
        "instructions.yml": _INSTRUCTIONS,
        "designations.yml": _designations(beginning),
        "maintenance.yml": _MAINTENANCE,
        "intents.yml": _INTENTS,
        f"centres/{beginning.centre.id}.yml": _centre(beginning),
    }
    return files | {f"carriers/{carrier}.yml": _carrier(beginning, carrier) for carrier in beginning.carriers}


_INSTRUCTIONS: Final = """\
# The orders that facilities are held against. `before` is strict, by Vietnam's clock: before 2021-05-10 means until
# the last moment of 2021-05-09. For example:
#   - ref: 1407/BTTTT-CVT
#     issuer: Ministry of Information and Communications
#     issued_on: 2021-05-06
#     before: 2021-05-10
#     scope: [ubnd_tinh]
version: 1
instructions: []
"""
_INTENTS: Final = """\
# Who has to reach what, and who must not: a plan that breaks one of these is refused, and prove shows them all. What is
# built in (sites apart, nothing open to the internet but WireGuard) holds without being written. For example:
#   - id: health-watches
#     allow: { from: [centre/health], to: [relays], services: [video] }
#     reason: the watching duty of the Health department
version: 1
intents: []
"""
_MAINTENANCE: Final = """\
# Announced work, whose outages raise no alarm. For example:
#   - { from: 2021-06-01T22:00, until: 2021-06-02T02:00, reason: the line is moved, facilities: [kcl-bg-001] }
version: 1
windows: []
"""


def _settings(beginning: Beginning) -> str:
    pools = "\n".join(f"    {carrier}: 10.{91 + number}.0.0/16" for number, carrier in enumerate(beginning.carriers))
    sums = "\n".join(f"    {arch}: {digest}" for arch, digest in beginning.sha256.items())
    return f"""\
# What holds for the whole inventory.
version: 1
id: {beginning.id} # frozen: it is part of the history, of hosts' marks and of signatures
province_scheme: {beginning.scheme} # the list that province slugs are of

# Tunnel addresses come from here and nowhere else. Choose networks that no carrier uses: a relay sends a whole pool
# into its tunnel. Once addresses are recorded, a pool cannot move. On a centre that another inventory shares, choose
# none that it has, either.
pools:
  centres: 10.90.0.0/24
  carriers:
{pools}
  first_site_port: 10554 # the first device of each site; the next one gets 10555

# The relay program: pinned, and never installed with another checksum.
mediamtx:
  version: {beginning.version}
  source: {scalar(beginning.artefact)}
  sha256:
{sums}
# How much one plan may do before somebody has to allow it by name and number stands in `policy`; what is left out has
# limits that are safe for a small fleet.
"""


def _designations(beginning: Beginning) -> str:
    since, source = beginning.since.isoformat(), scalar(beginning.source)
    rows = "\n".join(
        f"  - {{ province: {province}, carrier: {carrier}, since: {since}, source: {source} }}"
        for province, carrier in beginning.provinces.items()
    )
    return f"""\
# Which carrier serves which province, since when, and which document says so. A facility whose province has no
# designated carrier is an error, not a default.
version: 1
designations:
{rows}
"""


def _carrier(beginning: Beginning, carrier: str) -> str:
    relays = "\n".join(line for relay in beginning.relays if relay.carrier == carrier for line in _relay(relay))
    return f"""\
version: 1
id: {carrier} # frozen: it is part of file names, the lock and secrets
name: {scalar(beginning.carriers[carrier])}
# From where SSH to the relays is allowed. Keep it narrow; every change is checked against locking these out.
management_networks: [{", ".join(map(_plain, beginning.management_networks))}]
# Networks of the carrier itself that a tunnel pool must not cover go into own_networks, e.g. [100.64.0.0/10].
centres: [{beginning.centre.id}]
relays:
{relays}
"""


def _relay(relay: FirstHost) -> Iterator[str]:
    yield f"  - id: {relay.id}"
    yield f"    address: {_plain(relay.address)} # where SSH goes; `endpoint` beside it, where WireGuard goes elsewhere"
    yield "    ssh:"
    yield from (f"      {line}" for line in _ssh(relay))


def _plain(address: str) -> str:
    """An address or a network as it is written; of IPv6 in quotes, since a colon means something to YAML."""
    return scalar(address) if ":" in address else address


def _ssh(host: FirstHost) -> Iterator[str]:
    yield f"user: {host.user} # a normal user with sudo"
    if host.port != 22:  # noqa: PLR2004 (what is left out)
        yield f"port: {host.port}"
    yield f"host_key: {host.host_key}"


def _centre(beginning: Beginning) -> str:
    ssh = "\n".join(f"  {line}" for line in _ssh(beginning.centre))
    return f"""\
# A monitoring centre reads from every carrier that names it. SSH to it comes from the management networks of those
# carriers, and from its own (management_networks).
version: 1
id: {beginning.centre.id}
name: {scalar(beginning.centre_name)}
address: {_plain(beginning.centre.address)}
ssh:
{ssh}
"""
