"""`inventory.yml`: policy, limits, renamed ids, settings."""

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
        # Arithmetic with zones needs a margin at both ends of the range.
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
#: `<province>/<facility>` or `<province>/<facility>/<device>`, the start of paths.
PathPrefix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){1,2}$")]


class Limits(Model):
    """Limits of one plan. To exceed one, raise it by its name."""

    deletions: Count = 100  #: Paths that no relay serves afterwards.
    deletion_percent: Percent = 30  #: The same, as a share of all paths.
    hosts: Count = 25  #: Hosts that change.
    all_impact: Count = 1  #: Hosts on which every path reconnects.
    viewers: Count = 20  #: Live readers that are cut.
    freeze: Count = 0  #: Changes inside a window of `freeze`.


class Freeze(Model):
    """A time in which no plan is applied."""

    begin: Moment = Field(alias="from")  #: The first minute, in Vietnam's time unless a zone is written.
    until: Moment  #: The first minute after the freeze.
    reason: Text


class SignOffs(StrEnum):
    """Required proof of a party's agreement to a plan: the statement of the file's author, or a signature."""

    CLAIMED = "claimed"
    SIGNED = "signed"


class ApprovedChanges(StrEnum):
    """Changes of a host to which a rule applies."""

    ANY = "any"  #: Whatever changes there.
    PATH = "path"  #: Somebody reconnects: the impact of a change is `path` or `all`.
    ALL = "all"  #: Every reader of the relay reconnects.
    TRUST = "trust"  #: Changes of trust, except those of `policy`.
    POLICY = "policy"  #: Changes of limits, freezes, protections, signers and approvers.


class ApprovalRule(Model):
    """A number of people who have to approve certain changes before apply."""

    changes: ApprovedChanges
    role: Slug | None = None  #: The role in which they approve; any role if absent.
    people: Annotated[int, Field(ge=1, le=9)] = 1


class Approvals(Model):
    """Rules for the approval of plans. The changes of each host have to satisfy all of them."""

    valid_hours: Annotated[int, Field(ge=1, le=24 * 366)] = 168  #: The validity of an approval, in hours.
    rules: Annotated[tuple[ApprovalRule, ...], Field(min_length=1, max_length=40)]


AgreedPercent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class AgreedAvailability(Model):
    """The agreed level: the share of the measured time outside of maintenance in which pictures have to come."""

    percent: AgreedPercent | None = None  #: The level of every path without a level of its own; no level if absent.
    carriers: dict[Slug, AgreedPercent] = Field(default_factory=dict)  #: Levels of carriers' paths.
    #: Levels of facilities' paths; they take precedence over the carrier's level.
    facilities: dict[Slug, AgreedPercent] = Field(default_factory=dict)
    #: The longest time, in hours, for which one check counts. Time beyond that is not measured.
    longest_hours: Annotated[int, Field(ge=1, le=24 * 31)] = 26


class Retention(Model):
    """Retention of records of runs, in days for each class. If a class is absent, its records stay for ever."""

    #: Whole documents of verifications, which `history RUN` shows.
    document_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    #: Verdicts on single paths, from which `availability` counts.
    verdict_days: Annotated[int, Field(ge=31, le=36_500)] | None = None


class CorrectedImpact(StrEnum):
    """Impacts of drift that an agent may correct by itself: those without an effect on readers."""

    NONE = "none"
    HOT = "hot"


class DriftPolicy(Model):
    """An agent's actions on hosts that differ from the inventory."""

    #: Drift that an agent corrects by itself. It only reports all other drift.
    correct: tuple[CorrectedImpact, ...] = (CorrectedImpact.NONE, CorrectedImpact.HOT)


class WavePolicy(StrEnum):
    """Start of an apply's next wave if no reader notices the plan (impacts `none` and `hot`)."""

    WATCHED = "watched"  #: Once all hosts of the wave before have shown a good look, while that one is watched still.
    CONFIRMED = "confirmed"  #: Once the wave before is confirmed, as for every plan that cuts something.


class Policy(Model):
    """Limits and rules of plans, and agreed levels of operation."""

    limits: Limits = Limits()
    freeze: tuple[Freeze, ...] = ()
    #: Whether agreed plans need the parties' signatures (`signed`), or the file's author may state their agreement.
    sign_offs: SignOffs = SignOffs.CLAIMED
    approvals: Approvals | None = None  #: Rules for the approval of plans. If absent, plans need no approval.
    availability: AgreedAvailability = AgreedAvailability()
    drift: DriftPolicy = DriftPolicy()
    retention: Retention = Retention()
    #: Start of the next wave of a plan without an impact on readers. All other plans wait for a confirmation.
    next_wave: WavePolicy = WavePolicy.WATCHED
    #: The longest age of a tunnel's key, in days. `keys status` prints the day of the next rotation.
    key_days: Annotated[int, Field(ge=1, le=36_500)] = 365


class Move(Model):
    """A changed id of a facility or of a device in it.

    Addresses, ports and keys stay with the site. While the entry exists, relays serve the paths under both names, so
    that readers of the old name are not cut.
    """

    #: The old prefix of the paths, e.g. `bac-giang/kcl-bg-001` or `bac-giang/kcl-bg-001/cam-03`.
    old: PathPrefix = Field(alias="from")
    new: PathPrefix = Field(alias="to")  #: The new prefix, with as many parts as the old one.
    until: Day  #: The day from which on the entry, and with it the old names, should be removed.


class ProvinceScheme(StrEnum):
    """The list of provinces that gives an inventory its province slugs and codes."""

    GSO_2021 = "gso-2021"
    GSO_2025 = "gso-2025"


class Pools(Model):
    """Pools of tunnel addresses and site ports.

    A carrier's pool has no default: 100.64.0.0/10 is carrier space, and the carrier itself may use it.
    """

    centres: IPv4Network
    carriers: dict[Slug, IPv4Network]
    first_site_port: Port = 10554
    #: The length of a new site's prefix if each device has an address of its own: 26 holds 62 devices.
    site_prefix_length: Annotated[int, Field(ge=SHORTEST_PREFIX, le=LONGEST_PREFIX)] = 26


class MediamtxArtefact(Model):
    """The relay program to install: a pinned version, its source and its checksums.

    `source` is `release` (the official release), an `https://` address of a mirror, or `file:` and a path below a
    folder that the controller's own settings name. `{version}` and `{arch}` are filled in. `sha256` has a checksum of
    the fetched file for each architecture (`amd64`, `arm64`): a `.tar.gz` of the release, or the bare program.
    """

    version: Annotated[str, StringConstraints(pattern=r"^1\.(20\.[1-9]\d*|21\.\d+)$")]
    source: Annotated[str, StringConstraints(pattern=r"^(release|https://\S+|file:\S+)$", max_length=500)] = "release"
    sha256: dict[Literal["amd64", "arm64"], Sha256]


class Recovery(Model):
    """The key to which hosts seal their tunnels' private keys, so that new hardware can get them.

    `keys recovery` writes it. `public_key` is its public half (X25519, 32 bytes in base64). `vouched` is an
    HMAC-SHA-256 in hexadecimal, which proves to `keys init` that a holder of the vault's password wrote the key.
    """

    public_key: PublicKey
    vouched: Sha256


class Settings(Model):
    """`inventory.yml`: settings of the whole inventory."""

    version: Version
    id: FileSlug
    province_scheme: ProvinceScheme
    pools: Pools
    mediamtx: MediamtxArtefact
    policy: Policy = Policy()  #: Limits of one plan. Absent limits have defaults that are safe for a small fleet.
    #: The key to which relays seal their tunnel's private key. Without it a lost relay means new site packages.
    recovery: Recovery | None = None
    moved: tuple[Move, ...] = ()  #: Changed ids. Remove an entry once no reader uses its old names.
