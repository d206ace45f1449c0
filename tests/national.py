"""A seeded generator of a country's inventory: `python -m tests.national DIR`, with options as `--help` has them.

All 63 provinces of 2021, of very uneven size, two carriers, facilities in every stage from registered to
connected: surveys, plans with the sign-offs of all three (those of some provinces' offices signed by keys of
signers.yml, the others claimed), recorders of several makes, hybrid ones as well, the lock that `allocate` and
`keys init` would have written, and (with a vault password) the encrypted files with a login for each device. On
TODAY nothing is wrong with it. Everything is invented.
"""

import argparse
import base64
import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.geography import provinces
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.facility import Facility, Party, SignOff
from provisioner.inventory.rules.lock import ALLOCATION_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.signed import signed_content, statement
from tests import fleets, inventories, signatures
from tests.inventories import load_inventory
from tests.national_vault import write_vault

TODAY: Final = date(2021, 6, 15)
FACILITIES: Final = 10_000
CAMERAS: Final = 100_000
_CARRIERS: Final = ("viettel", "vnpt")
_LARGE: Final = {"ho-chi-minh": 9, "ha-noi": 8, "bac-giang": 7, "bac-ninh": 5, "hai-duong": 4, "da-nang": 3}
_ROOM: Final = 250  #: So many paths more than its share a relay may carry.
_ID: Final = "national"


@dataclass(frozen=True, kw_only=True)
class Country:
    """What country is wanted; the same values write the same files, but for the salts of encrypted ones."""

    facilities: int = FACILITIES  #: How many, and `cameras` as well.
    cameras: int = CAMERAS
    seed: int = 1  #: Of all that is drawn.
    signed: float = 0.3  #: The share of provinces whose offices sign by keys of signers.yml; all else is claimed.
    recorded: float = 0.3  #: The share of facilities whose cameras stand behind recorders: those have fewer logins.
    password: bytes | None = None  #: Of the vault; without one there are no encrypted files.
    #: Whether logins stand in files of carriers, under vault ids of their own, all with that password.
    apart: bool = False
    streams_a_relay: int = 1150  #: How many streams, of cameras of every stage, a province has a further relay for.


@dataclass(frozen=True)
class Province:
    """A province's share: how many facilities, with how many cameras, and whose relays carry them."""

    number: int
    slug: str
    sizes: tuple[int, ...]
    carrier: str
    relays: tuple[str, ...]


def generate(root: Path, country: Country | None = None) -> None:
    """Write an inventory; the same one for the same country."""
    country = country or Country()
    shares = list(_shares(_drawn(country.seed), country))
    _write_settings(root, shares, country)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write_province, [root] * len(shares), shares, [country] * len(shares)))
    bare = load_inventory(root, today=TODAY, tolerate={ALLOCATION_MISSING, HOST_KEYS_MISSING})
    whole = fleets.complete(bare)
    write_lock(root, whole.allocations)
    if country.password is not None:
        write_vault(root, whole, country.password, country.seed, apart=country.apart)


def _drawn(*words: object) -> random.Random:
    """What chance gives, the same for the same words."""
    return random.Random("/".join(map(str, words)))  # noqa: S311 (nothing is kept secret by it)


def _shares(chance: random.Random, country: Country) -> Iterator[Province]:
    slugs = [province.slug for province in provinces("gso-2021")]
    weights = [_LARGE.get(slug, 0) + min(chance.paretovariate(1.3), 8) for slug in slugs]
    counts = _parts(country.facilities, weights)
    drawn = range(country.facilities)
    sizes = _parts(
        country.cameras, [0 if chance.random() < _SHARE_WITHOUT else chance.lognormvariate(0, 0.5) for _ in drawn]
    )
    start = 0
    for number, (slug, count) in enumerate(zip(slugs, counts, strict=True)):
        own = tuple(sizes[start : start + count])
        start += count
        relays = max(1, ceil(2 * sum(own) / country.streams_a_relay))
        carrier = _CARRIERS[number % 2]
        yield Province(number, slug, own, carrier, tuple(f"relay-{slug}-{n}" for n in range(1, relays + 1)))


def _parts(total: int, weights: Sequence[float]) -> list[int]:
    """Split a number by weights into whole parts that add up to it; what has weight gets one at least."""
    least = [1 if weight else 0 for weight in weights]
    left, whole = total - sum(least), sum(weights)
    if left < 0:
        raise ValueError(f"{total} cannot be split into {sum(least)} parts")
    edges, reached = [0], 0.0
    for weight in weights:
        reached += weight
        edges.append(round(left * reached / whole))
    return [low + after - before for low, before, after in zip(least, edges, edges[1:], strict=False)]


# --- one facility ---------------------------------------------------------------------------------
_STAGES_WITH_CAMERAS: Final = (*("connected",) * 14, "proposed", "standby", "closed")
_STAGES_WITHOUT: Final = ("registered", "surveyed", "blocked")
_SHARE_WITHOUT: Final = 0.15
_KINDS: Final = {
    "school": "Trường THPT Ví Dụ",
    "dormitory": "Ký túc xá Ví Dụ",
    "hotel": "Khách sạn Ví Dụ",
    "barracks": "Trung đoàn Ví Dụ",
    "hospital": "Trung tâm y tế Ví Dụ",
}
_BODIES: Final = ("ubnd_tinh", "ubnd_tinh", "ubnd_tinh", "ubnd_huyen", "quan_doi", "doanh_nghiep")
_MAKES: Final = ("hikvision", "hikvision", "dahua", "dahua", "kbvision", "uniview", "ezviz", "imou", "axis")
_RECORDER_MAKES: Final = ("hikvision", "dahua", "kbvision", "uniview")
_LANS: Final = ("192.168.1", "192.168.1", "192.168.1", "192.168.0", "192.168.100", "172.16.5")
_ZONES: Final = {
    "hanh_lang": "Hành lang tầng",
    "sanh_tang": "Sảnh tầng",
    "san": "Sân khu",
    "lay_mau": "Khu lấy mẫu số",
    "tiep_don": "Bàn tiếp đón số",
    "nhan_do": "Điểm nhận đồ số",
    "cong": "Cổng số",
}
_SUBS: Final = ("{ width: 640, height: 360, kbps: 512, fps: 12 }", "{ width: 704, height: 576, kbps: 640, fps: 15 }")
_MAINS: Final = (
    "{ width: 1920, height: 1080, kbps: 2048, fps: 20 }",
    "{ codec: h265, width: 2560, height: 1440, kbps: 3072, fps: 20 }",
)
_BLOCKED: Final = """\
blocked:
  reason: no_cameras
  owner: province
  since: 2021-06-01
  next_action: cameras are to be bought
  due: 2021-07-01
"""
_UNSIGNED: Final = "  sign_offs: []\n"


def _write_province(root: Path, share: Province, country: Country) -> None:
    folder = root / "facilities" / share.slug
    folder.mkdir(parents=True, exist_ok=True)
    chance = _drawn(country.seed, share.slug)
    load = dict.fromkeys(share.relays, 0)
    keys = _signing_keys(share, country)
    for number, cameras in enumerate(share.sizes, start=1):
        relay = min(load, key=lambda name: load[name])
        load[relay] += 2 * cameras
        site = _Site(chance, share, number, relay, country.recorded)
        (folder / f"{site.id}.yml").write_text(_signed(site.text(), keys), encoding="utf-8")


class _Site:
    """One facility's file, without its signatures."""

    def __init__(self, chance: random.Random, share: Province, number: int, relay: str, recorded: float) -> None:
        self.id = f"kcl-{share.slug}-{number:04}"
        self._chance = chance
        self._share = share
        self._number = number
        cameras = self._count = share.sizes[number - 1]
        self._relay = relay
        self._recorders = recorded
        self._stage = chance.choice(_STAGES_WITH_CAMERAS if cameras else _STAGES_WITHOUT)
        self._lan = chance.choice(_LANS)

    def text(self) -> str:
        """The file's text."""
        parts = [self._head()]
        if self._stage != "registered":
            parts.append(self._survey())
        if self._stage == "blocked":
            parts.append(_BLOCKED)
        if self._count:
            state = "proposed" if self._stage == "proposed" else "agreed"
            key = inventories.public_key(self.id)
            parts += [
                f"plan:\n  state: {state}\n  carrier: {self._share.carrier}\n  relay: {self._relay}\n",
                _UNSIGNED if state == "agreed" else "",
                f"gateway:\n  public_key: {key}\n  lan: {self._lan}.0/24\n  lan_interface: br-lan\n",
                *(self._recorded() if self._chance.random() < self._recorders else self._alone()),
            ]
        return "".join(parts)

    def _head(self) -> str:
        kind, people = self._chance.choice(list(_KINDS)), self._chance.randrange(40, 900)
        operating = self._stage if self._stage in {"standby", "closed"} else "open"
        closed = "closed_on: 2021-06-10\n" if self._stage == "closed" else ""
        return (
            f"version: 1\nid: {self.id}\nprovince: {self._share.slug}\nname: {_KINDS[kind]} {self._number}\n"
            f"kind: {kind}\nmanaging_body: {self._chance.choice(_BODIES)}\noperating: {operating}\n"
            f"opened_on: 2021-05-0{self._chance.randint(1, 9)}\n{closed}"
            f"capacity: {{ people: {people}, rooms: {people // 4}, floors: {self._chance.randint(1, 9)} }}\n"
            f"notice_posted_on: 2021-05-1{self._chance.randint(0, 9)}\n"
        )

    def _survey(self) -> str:
        fit, missing = (self._count, 0) if self._count else (self._chance.randint(0, 3), self._chance.randint(2, 12))
        return (
            f"survey:\n  surveyed_on: 2021-05-{self._chance.randint(10, 25)}\n  by: [dic, health, carrier]\n"
            f"  uplink:\n    kind: fibre\n    provider: {self._share.carrier}\n    upload_mbps: {20 + self._count}\n"
            "    address: dynamic\n  rtsp: enabled\n  logins: received\n"
            f"  cameras: {{ present: {fit}, fit: {fit}, missing: {missing} }}\n"
            f"  verdict: {'ready' if self._count else 'needs_cameras'}\n"
        )

    def _recorded(self) -> Iterator[str]:
        """Recorders with up to 32 channels each, hybrid ones as well, and their cameras."""
        yield "recorders:\n"
        recorders = [(f"nvr-{n:02}", self._chance.choice([0, 0, 8])) for n in range(1, ceil(self._count / 32) + 1)]
        for host, (name, analog) in enumerate(recorders, start=10):
            channels = f"analog_channels: {analog}, ip_channels: {32 - analog}" if analog else "ip_channels: 32"
            make = self._chance.choice(_RECORDER_MAKES)
            yield f"  - {{ id: {name}, make: {make}, address: {self._lan}.{host}, {channels}, max_sessions: 128 }}\n"
        yield "cameras:\n"
        for number in range(self._count):
            name, analog = recorders[number // 32]
            channel = number % 32 + 1
            key, value = ("ip_channel", channel - analog) if channel > analog > 0 else ("channel", channel)
            yield self._camera(number, f"    recorder: {name}\n    {key}: {value}\n")

    def _alone(self) -> Iterator[str]:
        """Cameras with an address of their own."""
        yield "cameras:\n"
        for number in range(self._count):
            make = self._chance.choice(_MAKES)
            yield self._camera(number, f"    make: {make}\n    address: {self._lan}.{30 + number}\n")

    def _camera(self, number: int, reached: str) -> str:
        zone = self._chance.choice(list(_ZONES))
        main = f"      main: {self._chance.choice(_MAINS)}\n" if self._chance.random() < 0.8 else ""
        return (
            f"  - id: cam-{number + 1:02}\n    zone: {zone}\n    location: {_ZONES[zone]} {number % 7 + 1}\n{reached}"
            f"    streams:\n      sub: {self._chance.choice(_SUBS)}\n{main}"
        )


_SOURCE: Final = "invented minutes of {}"


def _signed(text: str, keys: dict[Party, Ed25519PrivateKey]) -> str:
    """Put the three sign-offs in, over exactly what the text says; those of parties with a key are signed."""
    if _UNSIGNED not in text:
        return text
    found: Facility = validated(Facility, parse(text.encode()).value)
    assert found.plan
    content = signed_content(found, found.plan)
    listed = []
    for party, day in ((Party.DIC, "2021-06-02"), (Party.HEALTH, "2021-06-02"), (Party.CARRIER, "2021-06-03")):
        source = _SOURCE.format(found.id)
        signature = ""
        if party in keys:
            bare = SignOff(by=party, signed_on=date.fromisoformat(day), content=content, source=source)
            made = signatures.by_hand(statement(found, found.plan, bare, _ID), keys[party])
            signature = f', signature: {{ inventory: {_ID}, sshsig: "{made}" }}'
        listed.append(
            f'    - {{ by: {party}, signed_on: {day}, content: "{content}", source: "{source}"{signature} }}\n'
        )
    return text.replace(_UNSIGNED, "  sign_offs:\n" + "".join(listed))


def signing_key(seed: int, office: str) -> Ed25519PrivateKey:
    """An office's key, e.g. of `dic/bac-giang`: it is worth nothing, since everybody can make it."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{seed}/{office}".encode()).digest())


def _signing_keys(share: Province, country: Country) -> dict[Party, Ed25519PrivateKey]:
    """The keys of a province's offices, if they sign by keys."""
    if _drawn(country.seed, share.slug, "signs").random() >= country.signed:
        return {}
    return {party: signing_key(country.seed, f"{party}/{share.slug}") for party in (Party.DIC, Party.HEALTH)}


# --- the rest of the folder -----------------------------------------------------------------------
def _write_settings(root: Path, shares: Sequence[Province], country: Country) -> None:
    relays = {carrier: list(_relays(carrier, shares, country.streams_a_relay + _ROOM)) for carrier in _CARRIERS}
    documents: dict[str, Any] = {
        "inventory.yml": inventories.settings(id=_ID),
        "instructions.yml": {"version": 1, "instructions": list(_orders(shares))},
        "designations.yml": {
            "version": 1,
            "designations": [inventories.designation(share.slug, share.carrier) for share in shares],
        },
        "signers.yml": {"version": 1} | _signers(shares, country),
        "centres/centre.yml": inventories.centre(),
        **{f"carriers/{name}.yml": inventories.carrier(name, relays=relays[name]) for name in _CARRIERS},
    }
    inventories.write_files(root, documents)


def _signers(shares: Sequence[Province], country: Country) -> dict[str, Any]:
    """The keys by which offices sign."""
    listed: dict[str, list[dict[str, str]]] = {"dic": [], "health": []}
    for share in shares:
        for party, key in _signing_keys(share, country).items():
            blob = base64.b64encode(signatures.ed25519_blob(key)).decode()
            office = {"office": f"{party} of {share.slug}", "since": "2021-05-01", "source": "invented"}
            listed[party].append({"province": share.slug, "key": f"ssh-ed25519 {blob}"} | office)
    return listed


def _relays(carrier: str, shares: Sequence[Province], most: int) -> Iterator[dict[str, Any]]:
    second = 18 + _CARRIERS.index(carrier)
    names = [name for share in shares if share.carrier == carrier for name in share.relays]
    for number, name in enumerate(names):
        address = f"198.{second}.{number // 250}.{number % 250 + 1}"
        yield inventories.relay(name, number, address=address, max_paths=most)


def _orders(shares: Sequence[Province]) -> Iterator[dict[str, Any]]:
    first = {"ref": "1407/BTTTT-CVT", "issuer": "Ministry", "issued_on": "2021-05-06", "before": "2021-05-10"}
    yield first | {"scope": ["ubnd_tinh"]}
    days = {share.slug: f"2021-06-{20 + share.number % 10}" for share in shares}
    second = {"ref": "4403/CV-BCD", "issuer": "Steering committee", "issued_on": "2021-05-30", "before": "2021-06-30"}
    yield second | {"scope": ["ubnd_tinh", "ubnd_huyen", "quan_doi"], "extends": [first["ref"]], "provinces": days}


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.national", description=__doc__)
    parser.add_argument("folder", type=Path, help="the inventory's folder, which is made")
    parser.add_argument("--facilities", type=int, default=FACILITIES)
    parser.add_argument("--cameras", type=int, default=CAMERAS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signed", type=float, default=0.3, help="share of provinces that sign by keys (0.3)")
    parser.add_argument("--recorded", type=float, default=0.3, help="share of facilities with recorders (0.3)")
    parser.add_argument("--password", type=Path, metavar="FILE", help="the vault's password, for the encrypted files")
    parser.add_argument("--apart", action="store_true", help="logins in files of carriers, under their vault ids")
    options = vars(parser.parse_args())
    folder, password = options.pop("folder"), options.pop("password")
    generate(folder, Country(**options, password=password.read_bytes().strip() if password else None))


if __name__ == "__main__":
    _main()
