"""`inventory.yml`: policy, limits, renamed ids, settings."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, PlainValidator, StringConstraints

from provisioner.base.text import VIETNAM, msg
from provisioner.inventory.model.base import Count, Day, FileSlug, Model, Port, PublicKey, Sha256, Slug, Text, Version
from provisioner.inventory.model.hosts import LONGEST_PREFIX, SHORTEST_PREFIX

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200


def _moment(value: object) -> datetime:
    """Parse a time to the minute; without a zone it is Vietnam's."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        moment = datetime.fromisoformat(value)
        # Arithmetic with zones needs room at both ends of what there is.
        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            raise ValueError(msg("a moment lies between {first_year} and {last_year}", _FIRST_YEAR, _LAST_YEAR - 1))
        return moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)
    raise ValueError("a moment is written YYYY-MM-DDTHH:MM, in Vietnam's time")


_Written = Annotated[str, Field(pattern=f"^{_MOMENT.pattern}$", examples=["2021-05-22T06:00"])]
Moment = Annotated[
    datetime,
    PlainValidator(_moment, json_schema_input_type=_Written),
    PlainSerializer(lambda moment: moment.isoformat(timespec="minutes"), return_type=str, when_used="json"),
]
Percent = Annotated[int, Field(ge=0, le=100)]
PathPrefix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){1,2}$")]
"""`<province>/<facility>` or `<province>/<facility>/<device>`, the start of paths."""


class Limits(Model):
    """How much one plan may do before somebody has to raise a limit by its name."""

    deletions: Count = 100
    """Paths that no relay serves afterwards."""
    deletion_percent: Percent = 30
    """The same, as a share of all paths."""
    hosts: Count = 25
    """Hosts that change."""
    all_impact: Count = 1
    """Hosts on which every path reconnects."""
    viewers: Count = 20
    """Live readers that are cut."""
    freeze: Count = 0
    """Changes inside a window of `freeze`."""


class Freeze(Model):
    """A time in which nothing changes."""

    begin: Moment = Field(alias="from")
    """Its first minute, in Vietnam's time unless a zone is written."""
    until: Moment
    """The first minute in which changes are free again."""
    reason: Text


class SignOffs(StrEnum):
    """What an agreed plan needs of each party: its author's word that it agreed, or the party's own signature."""

    CLAIMED = "claimed"
    SIGNED = "signed"


class ApprovedChanges(StrEnum):
    """The changes of a host that a rule is about."""

    ANY = "any"
    """Whatever changes there."""
    PATH = "path"
    """Somebody reconnects: the impact of a change is `path` or `all`."""
    ALL = "all"
    """Every reader of the relay reconnects."""
    TRUST = "trust"
    """Who and what is trusted changes, but for what `policy` is about."""
    POLICY = "policy"
    """What holds plans back changes: limits, freezes, protections, who signs and who approves."""


class ApprovalRule(Model):
    """How many people have to approve what, before it is applied."""

    changes: ApprovedChanges
    role: Slug | None = None
    """As what they approve; left out, whatever their roles are."""
    people: Annotated[int, Field(ge=1, le=9)] = 1


class Approvals(Model):
    """Who approves plans: each host's changes by rules that have to hold all at once."""

    valid_hours: Annotated[int, Field(ge=1, le=24 * 366)] = 168
    """How long an approval counts."""
    rules: Annotated[tuple[ApprovalRule, ...], Field(min_length=1, max_length=40)]


AgreedPercent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class AgreedAvailability(Model):
    """For what share of the measured time outside of maintenance pictures have to come: the agreed level."""

    percent: AgreedPercent | None = None
    """Of every path for which nothing else is agreed; left out, nothing is."""
    carriers: dict[Slug, AgreedPercent] = Field(default_factory=dict)
    """Of a carrier's paths."""
    facilities: dict[Slug, AgreedPercent] = Field(default_factory=dict)
    """Of a facility's paths, whatever its carrier's level is."""
    longest_hours: Annotated[int, Field(ge=1, le=24 * 31)] = 26
    """How long a look stands for at most; what is beyond is not measured."""


class Retention(Model):
    """How long what is kept of runs stays, by class; left out, it stays for ever."""

    document_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """The whole documents of verifications, which `history RUN` shows."""
    verdict_days: Annotated[int, Field(ge=31, le=36_500)] | None = None
    """The verdicts on single paths, which `availability` counts by."""


class CorrectedImpact(StrEnum):
    """The impacts of drift that may be corrected without anybody: nobody notices. `path` and `all` are none."""

    NONE = "none"
    HOT = "hot"


class DriftPolicy(Model):
    """What an agent does about hosts that are not as the inventory says."""

    correct: tuple[CorrectedImpact, ...] = (CorrectedImpact.NONE, CorrectedImpact.HOT)
    """Which drift it corrects by itself; all other drift it only tells."""


class WavePolicy(StrEnum):
    """When a wave of an apply begins whose plan nobody notices (impacts `none` and `hot`)."""

    WATCHED = "watched"
    """Once all hosts of the wave before have shown a good look, while that one is watched still."""
    CONFIRMED = "confirmed"
    """Once the wave before is confirmed, as for every plan that cuts something."""


class Policy(Model):
    """What holds a plan back, and what is agreed of operation."""

    limits: Limits = Limits()
    freeze: tuple[Freeze, ...] = ()
    sign_offs: SignOffs = SignOffs.CLAIMED
    """Whether agreed plans need the parties' signatures (`signed`), or who edits the file may say that they agreed."""
    approvals: Approvals | None = None
    """Who has to approve a plan; without it nobody has to."""
    availability: AgreedAvailability = AgreedAvailability()
    drift: DriftPolicy = DriftPolicy()
    retention: Retention = Retention()
    next_wave: WavePolicy = WavePolicy.WATCHED
    """When the next wave begins of a plan that nobody notices; all others wait for a confirmation."""
    key_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """How old a key of the tunnels is to become: `keys status` says when the next one is due."""


class Move(Model):
    """An id that became another one: a facility's, or that of a device in it.

    Addresses, ports and keys stay with the site. While the entry is there, relays serve the paths under
    both names, so that nobody who reads the old one is cut.
    """

    old: PathPrefix = Field(alias="from")
    """The old beginning of the paths, e.g. `bac-giang/kcl-bg-001` or `bac-giang/kcl-bg-001/cam-03`."""
    new: PathPrefix = Field(alias="to")
    """The new one, as long as the old."""
    until: Day
    """The day from which on the entry should be removed, and the old names with it."""


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
    id: FileSlug
    province_scheme: ProvinceScheme
    pools: Pools
    mediamtx: MediamtxArtefact
    policy: Policy = Policy()
    """How much one plan may do; what is left out has limits that are safe for a small fleet."""
    recovery: Recovery | None = None
    """To whom relays seal their tunnel's private key; without it, sites need new packages when a relay is lost."""
    moved: tuple[Move, ...] = ()
    """Ids that became others; remove an entry when nobody reads its old names any more."""
