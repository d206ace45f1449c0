"""The inventory as typed, frozen values: what the files on disk may say (docs/design.md, part 3).

Unknown keys are errors; numbers are never taken from texts nor texts from numbers. What one file can
prove about itself is checked here; what needs two objects is in `rules`.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, model_validator

from provisioner.secret import Secret

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
"""Ids and path segments: MediaMTX allows more in a path name, but a frozen id has to survive URLs and file names."""

PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]
"""A WireGuard public key: 32 bytes in base64."""

SafeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:-]*$", max_length=128)]
"""What may reach an Ansible variable: anything else could be a template that runs code on the controller."""

HostKey = Annotated[str, StringConstraints(pattern=r"^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/]+=*$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=300)]
"""A name or a reference that people read: one line."""

Port = Annotated[int, Field(ge=1, le=65535)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _day(value: object) -> date:
    """Take a day and nothing else: pydantic reads the text `20210510` as seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return date.fromisoformat(value)
    raise ValueError("a day is written YYYY-MM-DD")


Day = Annotated[date, PlainValidator(_day, json_schema_input_type=date)]


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value:
        return Secret(value)
    raise ValueError("a secret is a text that is not empty")


SecretText = Annotated[Secret, PlainValidator(_secret)]
"""A text in a file, a masked value in memory."""


class Model(BaseModel):
    """Base of all inventory objects: frozen, and strict about keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class ProvinceScheme(StrEnum):
    """The list of provinces that an inventory's province slugs and codes are of."""

    GSO_2021 = "gso-2021"
    GSO_2025 = "gso-2025"


class Make(StrEnum):
    """Makes of cameras and recorders with an RTSP address pattern of their own."""

    HIKVISION = "hikvision"
    DAHUA = "dahua"
    KBVISION = "kbvision"
    IMOU = "imou"
    UNIVIEW = "uniview"
    AXIS = "axis"
    EZVIZ = "ezviz"
    GENERIC = "generic"


class Zone(StrEnum):
    """Where a camera may look, after the list of order 4403/CV-BCĐ; never inside a room, toilet or bath."""

    HANH_LANG = "hanh_lang"
    SANH_TANG = "sanh_tang"
    SAN = "san"
    LAY_MAU = "lay_mau"
    TIEP_DON = "tiep_don"
    KIEM_TRA_Y_TE = "kiem_tra_y_te"
    NHAN_DO = "nhan_do"
    NGOAI_NHA_TAM_VE_SINH = "ngoai_nha_tam_ve_sinh"
    CONG = "cong"
    KHAC = "khac"


class StreamName(StrEnum):
    """`sub` is always pulled, `main` on demand."""

    SUB = "sub"
    MAIN = "main"


class Codec(StrEnum):
    """Video codecs that relays forward and checks decode."""

    H264 = "h264"
    H265 = "h265"


class Access(StrEnum):
    """How a relay reaches a site's cameras."""

    PULL_PORTMAP = "pull_portmap"


class Operating(StrEnum):
    """Whether people are in the facility; only open ones are rendered."""

    OPEN = "open"
    STANDBY = "standby"
    CLOSED = "closed"


class ManagingBody(StrEnum):
    """Who runs the facility; the orders' scope is by this."""

    UBND_TINH = "ubnd_tinh"
    UBND_HUYEN = "ubnd_huyen"
    QUAN_DOI = "quan_doi"
    CONG_AN = "cong_an"
    DOANH_NGHIEP = "doanh_nghiep"


class FacilityKind(StrEnum):
    """What the building is when nobody is in quarantine."""

    SCHOOL = "school"
    DORMITORY = "dormitory"
    HOTEL = "hotel"
    BARRACKS = "barracks"
    HOSPITAL = "hospital"
    FACTORY = "factory"
    OTHER = "other"


# --- inventory.yml --------------------------------------------------------------------------------


class Pools(Model):
    """Where tunnel addresses and site ports come from.

    A carrier's pool is a setting, not a default: 100.64.0.0/10 is carrier space and may be in use
    inside that very carrier.
    """

    centres: IPv4Network
    carriers: dict[Slug, IPv4Network]
    first_site_port: Port = 10554


class MediamtxArtefact(Model):
    """The relay program to install: a pinned version, from where, and its checksums.

    `source` is `release` (the official release), an `https://` or `http://` address of a mirror with
    `{version}` and `{arch}` to be filled in, or `file:` and a path. The checksum is of the file as it
    is fetched, a `.tar.gz` of the release or the bare program, by architecture (`amd64`, `arm64`).
    """

    version: Annotated[str, StringConstraints(pattern=r"^1\.(20\.[1-9]\d*|21\.\d+)$")]
    source: Annotated[str, StringConstraints(pattern=r"^(release|https?://\S+|file:\S+)$")] = "release"
    sha256: dict[Literal["amd64", "arm64"], Sha256]


class Settings(Model):
    """`inventory.yml`: what holds for the whole inventory."""

    version: Literal[1]
    id: Slug
    province_scheme: ProvinceScheme
    pools: Pools
    mediamtx: MediamtxArtefact


# --- instructions.yml, designations.yml -----------------------------------------------------------


class Instruction(Model):
    """An order: `before` is strict (before 10 May means until the last moment of 9 May, Vietnam time)."""

    ref: Text
    issuer: Text
    issued_on: Day
    before: Day
    scope: Annotated[tuple[ManagingBody, ...], Field(min_length=1)]


class Instructions(Model):
    """`instructions.yml`."""

    version: Literal[1]
    instructions: tuple[Instruction, ...]


class Designation(Model):
    """Which carrier serves a province, from when to when, and which document says so."""

    province: Slug
    carrier: Slug
    since: Day
    until: Day | None = None
    source: Text


class Designations(Model):
    """`designations.yml`."""

    version: Literal[1]
    designations: tuple[Designation, ...]


# --- carriers/*.yml, centres/*.yml ----------------------------------------------------------------


class Ssh(Model):
    """How the controller logs in: a normal user with sudo, and the host key that it must see."""

    user: SafeName
    port: Port = 22
    host_key: HostKey


class Relay(Model):
    """A host of a carrier that pulls cameras through tunnels and serves the centres.

    `address` is where the controller's SSH goes; `endpoint` is where gateways and centres send
    WireGuard (the same, unless the relay has a second interface).
    """

    id: Slug
    address: IPv4Address
    endpoint: IPv4Address | None = None
    wireguard_port: Port = 51820
    ssh: Ssh
    max_paths: Annotated[int, Field(ge=1)] = 1000

    @property
    def wireguard_endpoint(self) -> IPv4Address:
        """Where peers send WireGuard."""
        return self.endpoint or self.address


class Carrier(Model):
    """`carriers/<carrier>.yml`: a designated enterprise, its management networks and its relays."""

    version: Literal[1]
    id: Slug
    name: Text
    management_networks: Annotated[tuple[IPv4Network, ...], Field(min_length=1)]
    own_networks: tuple[IPv4Network, ...] = ()
    centres: Annotated[tuple[Slug, ...], Field(min_length=1)]
    relays: Annotated[tuple[Relay, ...], Field(min_length=1)]


class Centre(Model):
    """`centres/<centre>.yml`: a monitoring centre; it reads from every carrier that names it."""

    version: Literal[1]
    id: Slug
    name: Text
    address: IPv4Address
    ssh: Ssh


# --- facilities/<province>/<facility>.yml ---------------------------------------------------------


class Stream(Model):
    """What a stream has to be; level 5 holds the decoded frame against it."""

    codec: Codec = Codec.H264
    width: Annotated[int, Field(ge=16, le=7680)]
    height: Annotated[int, Field(ge=16, le=4320)]
    rtsp_path: Annotated[str, StringConstraints(pattern=r"^/[\x21-\x7e]*$")] | None = None


class Streams(Model):
    """A camera's streams: `sub` always, `main` if it is wanted."""

    sub: Stream
    main: Stream | None = None


class Recorder(Model):
    """A recorder (NVR, DVR): one address, several channels, one failure."""

    id: Slug
    make: Make
    address: IPv4Address
    port: Port = 554


class Camera(Model):
    """A camera: an IP camera with an address of its own, or a channel of a recorder."""

    id: Slug
    zone: Zone
    make: Make | None = None
    address: IPv4Address | None = None
    port: Port = 554
    recorder: Slug | None = None
    channel: Annotated[int, Field(ge=1, le=256)] = 1
    streams: Streams

    @model_validator(mode="after")
    def _own_address_or_recorder(self) -> Camera:
        if (self.address is None) == (self.recorder is None):
            raise ValueError("a camera has either an address of its own or a recorder")
        if self.address is not None and self.make is None:
            raise ValueError("a camera with an address of its own needs its make")
        if self.recorder is not None and self.make is not None:
            raise ValueError("a recorder's channel takes the recorder's make: leave out make")
        return self


class PlanState(StrEnum):
    """Whether DIC, Health and the carrier have agreed the connection plan."""

    PROPOSED = "proposed"
    AGREED = "agreed"


class ConnectionPlan(Model):
    """What DIC, Health and the carrier agreed: who carries the site, over which relay, and how."""

    state: PlanState
    carrier: Slug
    relay: Slug
    access: Access = Access.PULL_PORTMAP


class Gateway(Model):
    """The site's router into the tunnel. The private key is born on it and stays there."""

    public_key: PublicKey | None = None
    lan: IPv4Network
    lan_interface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,14}$")]


class Facility(Model):
    """One quarantine facility, one file: `facilities/<province>/<id>.yml`."""

    version: Literal[1]
    id: Slug
    province: Slug
    name: Text
    kind: FacilityKind
    managing_body: ManagingBody
    operating: Operating
    plan: ConnectionPlan
    gateway: Gateway
    recorders: tuple[Recorder, ...] = ()
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]

    @property
    def rendered(self) -> bool:
        """Whether hosts carry this facility: an agreed plan, and people in it."""
        return self.plan.state is PlanState.AGREED and self.operating is Operating.OPEN


# --- allocations.lock.yml -------------------------------------------------------------------------

HashedSecret = Annotated[str, StringConstraints(pattern=r"^sha256:[A-Za-z0-9+/]{43}=$")]


class RelayAllocation(Model):
    """What `allocate` and `keys init` recorded of a relay."""

    tunnel_address: IPv4Address
    public_key: PublicKey | None = None
    api_hash: HashedSecret | None = None
    probe_hash: HashedSecret | None = None


class CentreAllocation(Model):
    """What `allocate` and `keys init` recorded of a centre."""

    tunnel_address: IPv4Address
    public_key: PublicKey | None = None


class SiteAllocation(Model):
    """A site's tunnel address and the port of each of its devices (a camera of its own, or a recorder)."""

    carrier: Slug
    tunnel_address: IPv4Address
    ports: dict[Slug, Port]


class Tombstone(Model):
    """An address or a port that was in use and is not given out again."""

    object: str
    pool: str
    tunnel_address: IPv4Address | None = None
    port: Port | None = None


class Allocations(Model):
    """`allocations.lock.yml`: written by `allocate` and `keys init` alone, reviewed in Git."""

    version: Literal[1] = 1
    relays: dict[Slug, RelayAllocation] = {}
    centres: dict[Slug, CentreAllocation] = {}
    sites: dict[Slug, SiteAllocation] = {}
    tombstones: tuple[Tombstone, ...] = ()


# --- secrets/ -------------------------------------------------------------------------------------


class Credentials(Model):
    """A camera's or recorder's RTSP login."""

    username: Text
    password: SecretText


class CarrierSecrets(Model):
    """`secrets/carriers/<carrier>.yml`: made by `keys init`.

    `readers` is by centre; `site_psks` by facility; `centre_psks` by relay, then centre.
    """

    readers: dict[Slug, SecretText] = {}
    site_psks: dict[Slug, SecretText] = {}
    centre_psks: dict[Slug, dict[Slug, SecretText]] = {}


class InventorySecrets(Model):
    """`secrets/inventory.yml`: made by `keys init`; the key from which each host's digest key is derived."""

    digest_key: SecretText


class Secrets(Model):
    """All that the vault holds: the digest key, camera logins by facility and device, carriers' secrets."""

    digest_key: SecretText | None = None
    cameras: dict[Slug, dict[Slug, Credentials]] = {}
    carriers: dict[Slug, CarrierSecrets] = {}


# --- the whole ------------------------------------------------------------------------------------


class Inventory(Model):
    """A loaded inventory. Mappings are by id and in the order of ids."""

    settings: Settings
    instructions: tuple[Instruction, ...]
    designations: tuple[Designation, ...]
    carriers: dict[Slug, Carrier]
    centres: dict[Slug, Centre]
    facilities: dict[Slug, Facility]
    allocations: Allocations

    @property
    def relays(self) -> dict[str, tuple[Carrier, Relay]]:
        """Every relay by id, with its carrier."""
        return {r.id: (c, r) for c in self.carriers.values() for r in c.relays}

    @property
    def rendered_facilities(self) -> tuple[Facility, ...]:
        """The facilities that hosts carry, in the order of their ids."""
        return tuple(f for _, f in sorted(self.facilities.items()) if f.rendered)


def path_name(facility: Facility, camera: Camera, stream: StreamName) -> str:
    """Give a media path's name, e.g. `bac-giang/kcl-001/cam-03/sub`."""
    return f"{facility.province}/{facility.id}/{camera.id}/{stream.value}"


def device_of(camera: Camera) -> str:
    """Give the id of the device that answers for a camera: its recorder's, or its own."""
    return camera.recorder or camera.id
