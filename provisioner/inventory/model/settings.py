"""`inventory.yml`: what holds for the whole inventory."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from provisioner.inventory.model.allocations import LONGEST_PREFIX, SHORTEST_PREFIX
from provisioner.inventory.model.base import Model, Port, PublicKey, Sha256, Slug, Version
from provisioner.inventory.model.policy import Move, Policy


class ProvinceScheme(StrEnum):
    """The list of provinces that an inventory's province slugs and codes are of."""

    GSO_2021 = "gso-2021"
    GSO_2025 = "gso-2025"


class Pools(Model):
    """Where tunnel addresses and site ports come from.

    A carrier's pool is a setting, not a default: 100.64.0.0/10 is carrier space and may be in use
    inside that very carrier.
    """

    centres: IPv4Network
    carriers: dict[Slug, IPv4Network]
    first_site_port: Port = 10554
    site_prefix_length: Annotated[int, Field(ge=SHORTEST_PREFIX, le=LONGEST_PREFIX)] = 26
    """How large a new site's prefix is where each device has an address of its own: 26 is for 62 devices."""


class MediamtxArtefact(Model):
    """The relay program to install: a pinned version, from where, and its checksums.

    `source` is `release` (the official release), an `https://` address of a mirror, or `file:` and a path below a
    folder that the controller's own settings name; `{version}` and `{arch}` in either are filled in. The
    checksum is of the file as it is fetched, a `.tar.gz` of the release or the bare program, by architecture
    (`amd64`, `arm64`).
    """

    version: Annotated[str, StringConstraints(pattern=r"^1\.(20\.[1-9]\d*|21\.\d+)$")]
    source: Annotated[str, StringConstraints(pattern=r"^(release|https://\S+|file:\S+)$", max_length=500)] = "release"
    sha256: dict[Literal["amd64", "arm64"], Sha256]


class Recovery(Model):
    """The key to which hosts seal their tunnels' private keys, so that new hardware can have them.

    Written by `keys recovery`. `public_key` is its public half (X25519, 32 bytes in base64); `vouched` is by what
    `keys init` sees that somebody with the vault's password wrote it, an HMAC-SHA-256 in hexadecimal.
    """

    public_key: PublicKey
    vouched: Sha256


class Settings(Model):
    """`inventory.yml`: what holds for the whole inventory."""

    version: Version
    id: Slug
    province_scheme: ProvinceScheme
    pools: Pools
    mediamtx: MediamtxArtefact
    policy: Policy = Policy()
    """How much one plan may do; what is left out has limits that are safe for a small fleet."""
    recovery: Recovery | None = None
    """To whom relays seal their tunnel's private key; without it, sites need new packages when a relay is lost."""
    moved: tuple[Move, ...] = ()
    """Ids that became others; remove an entry when nobody reads its old names any more."""
