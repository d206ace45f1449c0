"""Rules on secrets: what is rendered has its logins and keys, and no login is a factory's.

Messages name devices and places, never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.private_text import path_as_read
from provisioner.inventory.allocate import carrier_of, devices_of, next_carrier_of
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model import Credentials, Facility, Inventory, Operating, Secrets

SECRETS_MISSING = "secrets-missing"
HOST_KEY_MISPLACED = "host-key-misplaced"

_FACTORY = frozenset(
    {
        *("", "0000", "000000", "00000000", "1111", "111111", "1234", "12345", "123456", "1234567", "12345678"),
        *("123456789", "54321", "666666", "888888", "88888888", "9999", "4321", "abc123", "abcd1234", "a1234567"),
        *("admin", "admin123", "admin1234", "admin12345", "admin@123", "admin123456", "camera", "default", "ikwb"),
        *("fliradmin", "hik12345", "hikvision", "dahua", "kbvision", "meinsm", "pass", "password", "root", "system"),
        *("supervisor", "tljwpbo6", "ubnt", "user", "guest", "service", "xc3511", "vizxv", "juantech", "wbox123"),
    }
)
"""Passwords that makes ship with, or that installers leave behind (domain reference: vendors' documents)."""

_SHARED_DEPTH = 3
_SHORTEST_SOUGHT = 4
"""A shorter password is part of any path."""

_RUN_KEYS = "run `provisioner keys init`: it makes them and writes them encrypted"


@dataclass(frozen=True)
class SecretsView:
    """The arguments of every rule on secrets.

    Attributes:
        inventory: what the secrets have to serve.
        secrets: what could be read.
        places: where it stands, by file: the owner of a file is e.g. `secrets/cameras/bac-giang`.
        owners: which file holds a facility's logins, by carrier for those that are a carrier's own.
        broken: files that could not be understood, or stayed shut: what they lack is not known.
        root: the inventory's folder, for naming files that do not exist yet.
        carriers: the carrier whose vault id a file is under, by file.
    """

    inventory: Inventory
    secrets: Secrets
    places: Places
    owners: Mapping[str, Mapping[str, str]]
    broken: Collection[str]
    root: Path
    carriers: Mapping[str, str]

    def problem(
        self, owner: str, path: tuple[str, ...], code: str, message: str, hint: str, *, facility: str = ""
    ) -> Problem:
        """A problem in a file under secrets/, with its place; there need be no such file yet.

        `facility` is the one that it is about alone.
        """
        place = self.places.at(owner, *path, key=True)
        file = place.file or str(self.root / f"{owner}.yml")
        concerns = (facility,) if facility else ()
        return Problem(file, place.line, place.column, code, message, hint, owner, concerns=concerns)


def check_secrets(view: SecretsView) -> tuple[Problem, ...]:
    """Run every rule on secrets for all problems, sorted by place."""
    return tuple(sorted(problem for rule in RULES for problem in rule(view)))


def logins_are_complete(view: SecretsView) -> Iterator[Problem]:
    """Each device of a rendered facility has a login."""
    for facility in view.inventory.rendered_facilities:
        devices = devices_of(facility)
        for connection in facility.connections:
            carrier = connection.plan.carrier
            known = view.secrets.logins(carrier, facility.id)
            owner = _owner_of_logins(view, carrier, facility)
            missing = [device for device in devices if device not in known]
            if not missing or owner is None:
                continue
            for device in missing:
                message = f"facility {facility.id}: {device} has no login"
                hint = (
                    f"add it with `ansible-vault edit {view.root / owner}.yml`:"
                    f" {facility.id}: {{ {device}: {{ username: …, password: … }} }}"
                )
                yield view.problem(owner, (facility.id,), "login-missing", message, hint, facility=facility.id)
            break


def _owner_of_logins(view: SecretsView, carrier: str, facility: Facility) -> str | None:
    """The file in which a facility's logins belong for a carrier; None where one that may have them was not read."""
    shared, own = f"secrets/cameras/{facility.province}", f"secrets/cameras/{carrier}/{facility.province}"
    if shared in view.broken or own in view.broken:
        return None
    return own if own in view.places.sources and facility.id not in view.secrets.cameras else shared


def _all(view: SecretsView) -> Iterator[tuple[str, str, Credentials, str]]:
    for whose, owners in view.owners.items():
        cameras = view.secrets.carrier_cameras.get(whose, {}) if whose else view.secrets.cameras
        for facility, logins in cameras.items():
            for device, login in logins.items():
                yield facility, device, login, owners[facility]


def logins_are_changed(view: SecretsView) -> Iterator[Problem]:
    """A factory password is everybody's password, and so is one that repeats the user's name."""
    for facility, device, login, owner in _all(view):
        plain = login.password.reveal().casefold()
        if plain in _FACTORY or plain == login.username.casefold():
            message = f"facility {facility}: the password of {device} is a factory's or repeats the user's name"
            hint = "change it on the device, then here"
            path = (facility, device, "password")
            yield view.problem(owner, path, "password-factory", message, hint, facility=facility)


def paths_repeat_no_login(view: SecretsView) -> Iterator[Problem]:
    """A password of the vault stands in no RTSP path, however it is written there: plans show the path."""
    for facility, device, login, owner in _all(view):
        known = view.inventory.facilities.get(facility)
        password = login.password.reveal()
        if known is None or len(password) < _SHORTEST_SOUGHT:
            continue
        for camera in known.cameras:
            streams = (camera.streams.sub, camera.streams.main)
            if any(s and s.rtsp_path and password in path_as_read(s.rtsp_path) for s in streams):
                message = f"facility {facility}: an RTSP path of {camera.id} repeats the password of {device}"
                hint = "write {password} in its place, and change the password on the device if it was committed"
                path = (facility, device, "password")
                yield view.problem(owner, path, "password-in-path", message, hint, facility=facility)


def logins_are_used(view: SecretsView) -> Iterator[Problem]:
    """A login belongs to a device of a facility of that province; one of nobody, or of a closed one, should go."""
    for facility, device, _, owner in _all(view):
        known = view.inventory.facilities.get(facility)
        province = owner.rpartition("/")[2]
        if known is None or device not in devices_of(known):
            message = f"facility {facility}: the login of {device} belongs to no device"
            path = (facility, device)
            problem = view.problem(owner, path, "login-unused", message, "remove it")
            yield replace(problem, severity=Severity.WARNING)
        elif known.province != province:
            message = f"facility {facility} is of {known.province}, not of {province}"
            hint = f"move its logins to {owner.rpartition('/')[0]}/{known.province}.yml"
            yield view.problem(owner, (facility, device), "login-misplaced", message, hint, facility=facility)
        elif (whose := _carrier_of_file(view, owner)) not in {None, carrier_of(known), next_carrier_of(known)}:
            message = f"facility {facility} is not {whose}'s to serve, and {whose} can open the login of {device}"
            hint = "move its logins to a file of its own carrier, or to one that all share, and change the passwords"
            yield view.problem(owner, (facility, device), "login-misplaced", message, hint, facility=facility)
        elif known.operating is Operating.CLOSED:
            message = f"facility {facility} is closed, and the login of {device} is still there"
            hint = "remove it once every host was seen without the facility: see provisioner status"
            problem = view.problem(owner, (facility, device), "login-unused", message, hint)
            yield replace(problem, severity=Severity.WARNING)


def _carrier_of_file(view: SecretsView, owner: str) -> str | None:
    """The carrier that a file is for, by its folder or its vault id; None where all share it."""
    parts = owner.split("/")
    return parts[2] if len(parts) > _SHARED_DEPTH else view.carriers.get(owner)


def host_keys_are_the_carriers(view: SecretsView) -> Iterator[Problem]:
    """A carrier's file has keys of no host but its own: whoever has a host's key can seal what is said of it."""
    for name, secrets in view.secrets.carriers.items():
        carrier = view.inventory.carriers.get(name)
        own = view.inventory.hosts_of_one(carrier) if carrier else ()
        for host in sorted(set(secrets.host_keys) - set(own)):
            message = f"carrier {name}: {host} is no host of this carrier alone"
            hint = "remove its key, or run `provisioner keys init`, which does"
            yield view.problem(f"secrets/carriers/{name}", ("host_keys", host), HOST_KEY_MISPLACED, message, hint)


def keys_are_made(view: SecretsView) -> Iterator[Problem]:
    """The digest key, the readers' secrets and the pre-shared keys are there."""
    owner = "secrets/inventory"
    if view.secrets.digest_key is None and owner not in view.broken:
        yield view.problem(owner, (), SECRETS_MISSING, "there is no digest key", _RUN_KEYS)
    for carrier, lacking, site in _lacking(view):
        owner = f"secrets/carriers/{carrier}"
        if owner in view.broken:
            continue
        message = f"carrier {carrier}: there is no {lacking}"
        yield view.problem(owner, (), SECRETS_MISSING, message, _RUN_KEYS, facility=site)


def _lacking(view: SecretsView) -> Iterator[tuple[str, str, str]]:
    """What lacks: the carrier, the secret in words, and the facility that it is of; of none where it is a host's."""
    for name, carrier in view.inventory.carriers.items():
        known = view.secrets.carriers.get(name)
        readers = known.readers if known else {}
        site_psks = known.site_psks if known else {}
        centre_psks = known.centre_psks if known else {}
        for centre in carrier.centres:
            if centre not in readers:
                yield name, f"reader secret for centre {centre}", ""
            for relay in carrier.relays:
                if centre not in centre_psks.get(relay.id, {}):
                    yield name, f"pre-shared key between relay {relay.id} and centre {centre}", ""
        for facility in _sites_of(view, name):
            if facility.id not in site_psks:
                yield name, f"pre-shared key for facility {facility.id}", facility.id


def _sites_of(view: SecretsView, carrier: str) -> Iterator[Facility]:
    for _, facility in sorted(view.inventory.facilities.items()):
        if carrier in {carrier_of(facility), next_carrier_of(facility)}:
            yield facility


RULES: tuple[Callable[[SecretsView], Iterator[Problem]], ...] = (
    logins_are_complete,
    logins_are_changed,
    paths_repeat_no_login,
    logins_are_used,
    host_keys_are_the_carriers,
    keys_are_made,
)
