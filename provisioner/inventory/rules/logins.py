"""Rules on secrets, and on logins and pictures during a change.

Messages name devices and positions, never a value. The rules use `LoginSite`, so that a country's facilities need not
be built. A stand-in may replace a login that an earlier run checked (`STANDS_IN`).

During a change, the old and the new setting are both accepted until a day in the file.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Final, NamedTuple

from provisioner.base.errors import Problem, Severity
from provisioner.base.private_text import path_as_read
from provisioner.base.secret import Secret
from provisioner.base.text import msg
from provisioner.inventory.allocation import carrier_of, devices_of, next_carrier_of
from provisioner.inventory.files.positions import KeyPath, Places
from provisioner.inventory.model.devices import Camera
from provisioner.inventory.model.facility import ConnectionPlan, Facility, Operating
from provisioner.inventory.model.hosts import Carrier
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.model.secrets import CarrierSecrets, Credentials, FormerCredentials, Secrets
from provisioner.inventory.outline import Outline, PlanOutline, changing_logins_of, rtsp_paths_of
from provisioner.inventory.rules.sites import SiteRule, SiteView

SECRETS_MISSING = "secrets-missing"
LOGIN_MISSING = "login-missing"
HOST_KEY_MISPLACED = "host-key-misplaced"
SECRETS_GAPS = frozenset({SECRETS_MISSING, LOGIN_MISSING})

#: Passwords of makes and installers (domain reference: vendors' documents).
_FACTORY = frozenset(
    {
        *("", "0000", "000000", "00000000", "1111", "111111", "1234", "12345", "123456", "1234567", "12345678"),
        *("123456789", "54321", "666666", "888888", "88888888", "9999", "4321", "abc123", "abcd1234", "a1234567"),
        *("admin", "admin123", "admin1234", "admin12345", "admin@123", "admin123456", "camera", "default", "ikwb"),
        *("fliradmin", "hik12345", "hikvision", "dahua", "kbvision", "meinsm", "pass", "password", "root", "system"),
        *("supervisor", "tljwpbo6", "ubnt", "user", "guest", "service", "xc3511", "vizxv", "juantech", "wbox123"),
    }
)

_SHARED_DEPTH = 3
_SHORTEST_SOUGHT = 4  #: A shorter password is part of any path.

_RUN_KEYS = "run `provisioner keys init`: it makes them and writes them encrypted"

#: Stand-in for a login before a change.
LOGIN_BEFORE: Final = FormerCredentials.model_construct(username="known", password=Secret("-"))
#: Stand-in for a login without a factory password; too short to be found in paths.
STANDS_IN: Final = Credentials.model_construct(username="known", password=Secret("-"))
#: Stand-in for a login with a factory password.
FACTORY_STANDS_IN: Final = Credentials.model_construct(username="-", password=Secret("-"))
_LONGEST_CHANGE: Final = timedelta(days=92)  #: A quarter. Parties who accept both for longer agreed to neither.


class LoginSite(NamedTuple):
    """Facts about a facility for the rules on secrets, from its file."""

    id: str
    province: str
    operating: Operating
    served_by: tuple[str, ...]  #: Carriers of the plans that hosts carry out.
    tunnels_to: tuple[str, ...]  #: Those of them with a tunnel to the site.
    holders: frozenset[str]  #: Carriers of its plans, also of a proposed plan.
    devices: tuple[str, ...]  #: Devices that a relay reaches, sorted.
    rtsp_paths: str
    changing: tuple[str, ...] = ()  #: Devices whose old and new logins are both accepted, sorted.
    public_key: str | None = None  #: Its gateway's key; `changes_key` tells whether it has a next key.
    changes_key: bool = False
    pushes_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecretsView:
    """Arguments of the rules on secrets."""

    frame: BaseInventory
    sites: Mapping[str, LoginSite]  #: The facilities, sorted by id.
    cameras_of: Callable[[str], Iterable[Camera]]  #: Reads a facility's cameras, if needed.
    secrets: Secrets
    places: Places  #: Positions by owner, e.g. `secrets/cameras/bac-giang`.
    owners: Mapping[str, Mapping[str, str]]  #: The file with a facility's logins, by carrier (empty if shared).
    broken: Collection[str]  #: Invalid or unopened files, also of the inventory; their content is unknown.
    root: Path
    carriers: Mapping[str, str]  #: The carrier of a file's vault id, by file.

    def problem(
        self, owner: str, path: tuple[str, ...], code: str, message: str, hint: str, *, facility: str = ""
    ) -> Problem:
        """Return a problem of a file under secrets/, which may be missing."""
        position = self.places.at(owner, *path, key=True)
        file = position.file or str(self.root / f"{owner}.yml")
        concerns = (facility,) if facility else ()
        return Problem(file, position.line, position.column, code, message, hint, owner, concerns=concerns)

    def warning(self, owner: str, path: tuple[str, ...], code: str, message: str, hint: str) -> Problem:
        """Return a problem that does not make the secrets invalid."""
        return replace(self.problem(owner, path, code, message, hint), severity=Severity.WARNING)

    @cached_property
    def sites_by_carrier(self) -> Mapping[str, tuple[LoginSite, ...]]:
        """Facilities of each carrier's plans."""
        return {
            name: tuple(site for site in self.sites.values() if name in site.holders) for name in self.frame.carriers
        }


def login_sites(facilities: Iterable[Facility | Outline]) -> dict[str, LoginSite]:
    """Return the facts of facilities, sorted by id."""
    return {f.id: _login_site(f) for f in sorted(facilities, key=lambda facility: facility.id)}


def _login_site(facility: Facility | Outline) -> LoginSite:
    if isinstance(facility, Facility):
        devices, paths = devices_of(facility), rtsp_paths_of(facility)
        plans: Sequence[ConnectionPlan | PlanOutline] = facility.carried_plans
        changing, gateway = changing_logins_of(facility), facility.gateway
        keys = (gateway.public_key, gateway.next_key is not None) if gateway else (None, False)
    else:
        devices, paths = facility.devices, facility.rtsp_paths
        plans = facility.carried_plans
        changing = facility.changing_logins
        keys = (facility.public_key, facility.next_key is not None)
    holders = _holders(carrier_of(facility), next_carrier_of(facility))
    tunnelled, pushed = [p for p in plans if p.access.has_tunnel], [p for p in plans if p.access.is_pushed]
    served, tunnels, pushes = (tuple(plan.carrier for plan in group) for group in (plans, tunnelled, pushed))
    of_site = (facility.id, facility.province, facility.operating, served, tunnels, holders, devices, paths, changing)
    return LoginSite(*of_site, *keys, pushes)


@cache
def _holders(carrier: str | None, next_one: str | None) -> frozenset[str]:
    """Return one shared set for equal arguments, to save memory."""
    return frozenset(filter(None, (carrier, next_one)))


def check_secrets(view: SecretsView) -> tuple[Problem, ...]:
    """Run all rules on secrets; sort problems by position."""
    return tuple(sorted(problem for rule in RULES for problem in rule(view)))


def logins_are_complete(view: SecretsView) -> Iterator[Problem]:
    """Each device of a rendered facility has a login."""
    for site in view.sites.values():
        for carrier in site.served_by if f"facility/{site.id}" not in view.broken else ():
            logins = view.secrets.logins(carrier, site.id)
            missing = () if logins.keys() >= set(site.devices) else [d for d in site.devices if d not in logins]
            owner = _owner_of_logins(view, carrier, site) if missing else None
            if owner is None:
                continue
            for device in missing:
                message = msg("facility {id}: {device} has no login", site.id, device)
                hint = msg("set it: provisioner secrets set {id}/{device} --username NAME", site.id, device)
                yield view.problem(owner, (site.id,), LOGIN_MISSING, message, hint, facility=site.id)
            break


def _owner_of_logins(view: SecretsView, carrier: str, facility: LoginSite) -> str | None:
    """Return the file for a facility's logins; `None` if one is unreadable."""
    shared_file, carrier_file = f"secrets/cameras/{facility.province}", f"secrets/cameras/{carrier}/{facility.province}"
    if shared_file in view.broken or carrier_file in view.broken:
        return None
    return (
        carrier_file if carrier_file in view.places.sources and facility.id not in view.secrets.cameras else shared_file
    )


def logins_may_stand_in(view: SecretsView, owner: str, province: str, carrier: str = "") -> tuple[str, ...]:
    """Return served facilities whose logins are, or may be, in a file."""
    return tuple(site.id for site in view.sites.values() if _may_read(view, site, owner, province, carrier))


def _may_read(view: SecretsView, site: LoginSite, owner: str, province: str, carrier: str) -> bool:
    if view.owners.get(carrier, {}).get(site.id) == owner:
        return bool(site.served_by)
    readers = [name for name in site.served_by if carrier in {"", name}] if site.province == province else []
    return any(device not in view.secrets.logins(name, site.id) for name in readers for device in site.devices)


def is_factory(login: Credentials) -> bool:
    """Return whether a password is a factory password or the user name."""
    plain = login.password.reveal().casefold()
    return plain in _FACTORY or plain == login.username.casefold()


def is_repeated(login: Credentials, rtsp_paths: str) -> bool:
    """Return whether RTSP paths contain a present or former password."""
    versions = (login, login.old) if login.old else (login,)
    passwords = (version.password.reveal() for version in versions)
    return any(len(password) >= _SHORTEST_SOUGHT and password in rtsp_paths for password in passwords)


def logins_are_changed(view: SecretsView) -> Iterator[Problem]:
    """No password is a factory password or the user name."""
    every = (
        (name, device, login, owner)
        for name, logins, owner in _by_facility(view)
        for device, login in logins.items()
        if login is not STANDS_IN
    )
    for facility, device, login, owner in every:
        if is_factory(login):
            message = msg(
                "facility {facility}: the password of {device} is a factory's or repeats the user's name",
                facility,
                device,
            )
            hint = "change it on the device, then here"
            path = (facility, device, "password")
            yield view.problem(owner, path, "password-factory", message, hint, facility=facility)


def _by_facility(view: SecretsView) -> Iterator[tuple[str, Mapping[str, Credentials], str]]:
    for holder, owners in view.owners.items():
        cameras = view.secrets.carrier_cameras.get(holder, {}) if holder else view.secrets.cameras
        for facility, logins in cameras.items():
            yield facility, logins, owners[facility]


def paths_repeat_no_login(view: SecretsView) -> Iterator[Problem]:
    """RTSP paths, which plans show, contain no password of the vault."""
    for facility, logins, owner in _by_facility(view):
        site = view.sites.get(facility)
        paths = site.rtsp_paths if site else ""
        for device, login in logins.items() if paths else ():
            for camera in view.cameras_of(facility) if is_repeated(login, paths) else ():
                streams = (camera.streams.sub, camera.streams.main)
                if any(s and s.rtsp_path and is_repeated(login, path_as_read(s.rtsp_path)) for s in streams):
                    message = msg(
                        "facility {facility}: an RTSP path of {id} repeats the password of {device}",
                        facility,
                        camera.id,
                        device,
                    )
                    hint = "write {password} in its place, and change the password on the device if it was committed"
                    yield view.problem(
                        owner, (facility, device, "password"), "password-in-path", message, hint, facility=facility
                    )


def logins_are_used(view: SecretsView) -> Iterator[Problem]:
    """Logins belong to devices of open facilities of the file's province."""
    for facility, logins, owner in _by_facility(view):
        site = view.sites.get(facility)
        if site is None and f"facility/{facility}" in view.broken:
            continue
        strangers = logins.keys() - site.devices if site else logins.keys()
        misplaced = _misplaced_reason(view, site, owner) if site else None
        is_closed = site is not None and site.operating is Operating.CLOSED
        if not (strangers or misplaced or is_closed):
            continue
        for device in logins:
            if device in strangers:
                message = msg("facility {facility}: the login of {device} belongs to no device", facility, device)
                hint = msg("remove it: ansible-vault edit {file}.yml", owner)
                yield replace(
                    view.problem(owner, (facility, device), "login-unused", message, hint), severity=Severity.WARNING
                )
            elif misplaced:
                message, hint = misplaced[0].format(device=device), misplaced[1]
                yield view.problem(owner, (facility, device), "login-misplaced", message, hint, facility=facility)
            elif is_closed:
                message = msg(
                    "facility {facility} is closed, and the login of {device} is still there", facility, device
                )
                hint = msg(
                    "once `provisioner status --why {facility}` says that it is on no host any more, remove it: "
                    "ansible-vault edit {file}.yml",
                    facility,
                    owner,
                )
                yield replace(
                    view.problem(owner, (facility, device), "login-unused", message, hint), severity=Severity.WARNING
                )


def changes_have_both_logins(view: SecretsView) -> Iterator[Problem]:
    """During a change the vault has both logins, later one."""
    # One of two files is enough, while a device changes its carrier.
    with_old = {
        (name, device) for name, logins, _ in _by_facility(view) for device, login in logins.items() if login.old
    }
    for facility, logins, owner in _by_facility(view):
        site = view.sites.get(facility)
        if site is None:
            continue
        for device, login in logins.items():
            if login.old and device not in site.changing and device in site.devices:
                message = msg(
                    "facility {facility}: the old login of {device} is kept, and is not taken any more",
                    facility,
                    device,
                )
                hint = msg("remove it: provisioner secrets forget {facility}/{device}", facility, device)
                yield replace(
                    view.problem(owner, (facility, device, "old"), "login-old-unused", message, hint),
                    severity=Severity.WARNING,
                )
            elif device in site.changing and site.served_by and (facility, device) not in with_old:
                message = msg(
                    "facility {facility}: either login of {device} is to be taken, and the old one is not kept",
                    facility,
                    device,
                )
                name = f"{facility}/{device}"
                hint = msg(
                    "set the new one: provisioner secrets set {name} --accept-old-until DATE; if that is "
                    "done already, take the new one alone: provisioner camera accept {name_2} --finish",
                    name,
                    name,
                )
                yield view.problem(owner, (facility, device), "login-old-missing", message, hint, facility=facility)


def _misplaced_reason(view: SecretsView, site: LoginSite, owner: str) -> tuple[str, str] | None:
    """Return why logins do not belong into a file, or `None`."""
    # The message has a `{device}`; the second value is the hint.
    folder, _, province = owner.rpartition("/")
    if site.province != province:
        hint = msg("move its logins to {folder}/{province}.yml", folder, site.province)
        return msg("facility {id} is of {province}, not of {province_2}", site.id, site.province, province), hint
    holder = _carrier_of_file(view, owner)
    if holder is None or holder in site.holders:
        return None
    message = msg(
        "facility {id} is not {whose}'s to serve, and {whose_2} can open the login of {device}",
        site.id,
        holder,
        holder,
        "{device}",
    )
    return message, "move its logins to a file of its own carrier, or to one that all share, and change the passwords"


def _carrier_of_file(view: SecretsView, owner: str) -> str | None:
    parts = owner.split("/")
    return parts[2] if len(parts) > _SHARED_DEPTH else view.carriers.get(owner)


def host_keys_are_the_carriers(view: SecretsView) -> Iterator[Problem]:
    """A carrier's file has only its own hosts' keys, which seal reports."""
    for name, secrets in view.secrets.carriers.items():
        carrier = view.frame.carriers.get(name)
        hosts = view.frame.hosts_of_carrier(carrier) if carrier else ()
        for host in sorted(set(secrets.host_keys) - set(hosts)):
            message = msg("carrier {name}: {host} is no host of this carrier alone", name, host)
            hint = "remove its key, or run `provisioner keys init`, which does"
            yield view.problem(f"secrets/carriers/{name}", ("host_keys", host), HOST_KEY_MISPLACED, message, hint)


def keys_are_made(view: SecretsView) -> Iterator[Problem]:
    """The digest key, readers' secrets and pre-shared keys exist."""
    owner = "secrets/inventory"
    if view.secrets.digest_key is None and owner not in view.broken:
        yield view.problem(owner, (), SECRETS_MISSING, "there is no digest key", _RUN_KEYS)
    for carrier, lacking, site in _missing_secrets(view):
        owner = f"secrets/carriers/{carrier}"
        if owner in view.broken:
            continue
        message = msg("carrier {carrier}: there is no {lacking}", carrier, lacking)
        yield view.problem(owner, (), SECRETS_MISSING, message, _RUN_KEYS, facility=site)
    for carrier, site in _sites_lacking_next_psk(view):
        owner = f"secrets/carriers/{carrier}"
        if owner not in view.broken:
            message = msg(
                "carrier {carrier}: there is no pre-shared key for the next key of {site}'s gateway", carrier, site
            )
            hint = msg("run `provisioner keys rotate {site}`, or remove gateway.next_key from its file", site)
            yield view.problem(owner, (), SECRETS_MISSING, message, hint, facility=site)


def _sites_lacking_next_psk(view: SecretsView) -> Iterator[tuple[str, str]]:
    """Yield carriers and facilities whose next gateway key lacks a pre-shared key."""
    for name in view.frame.carriers:
        stored = view.secrets.carriers.get(name)
        following = stored.next_psks if stored else {}
        for site in view.sites_by_carrier[name]:
            changes = site.changes_key and site.public_key is not None and name in site.tunnels_to
            if changes and (site.id not in following or following[site.id].follows != site.public_key):
                yield name, site.id


def _missing_secrets(view: SecretsView) -> Iterator[tuple[str, str, str]]:
    """Yield missing secrets: carrier, name, facility (empty for a host's)."""
    for name, carrier in view.frame.carriers.items():
        stored = view.secrets.carriers.get(name)
        readers = stored.readers if stored else {}
        site_psks = stored.site_psks if stored else {}
        publish_keys = stored.publish_keys if stored else {}
        centre_psks = stored.centre_psks if stored else {}
        for centre in carrier.centres:
            if centre not in readers:
                yield name, msg("reader secret for centre {centre}", centre), ""
            for relay in carrier.relays:
                if centre not in centre_psks.get(relay.id, {}):
                    yield name, msg("pre-shared key between relay {id} and centre {centre}", relay.id, centre), ""
        yield from ((name, lacking, "") for lacking in _readers_lack(view, carrier, stored or CarrierSecrets()))
        for site in view.sites_by_carrier[name]:
            # A proposed plan is on no host and needs no key yet.
            if name in site.tunnels_to and site.id not in site_psks:
                yield name, msg("pre-shared key for facility {id}", site.id), site.id
            if name in site.pushes_to and site.id not in publish_keys:
                yield name, msg("publish key for facility {id}", site.id), site.id


def _readers_lack(view: SecretsView, carrier: Carrier, stored: CarrierSecrets) -> Iterator[str]:
    for relay in carrier.relays if carrier.certificates else ():
        if relay.id not in stored.certificate_keys:
            yield msg("key of the certificate of relay {id}", relay.id)
    for viewer in view.frame.viewers_of(carrier):
        if viewer.id not in stored.viewers:
            yield msg("password for viewer {id}", viewer.id)


def changes_are_finished(site: SiteView) -> Iterator[Problem]:
    """After its last day a change is removed from the file."""
    for path, device, subject, until in _changes(site):
        if site.days.has_passed(until):
            message = msg(
                "the old {what} of {device} was taken until {until}: only the new one counts now",
                subject,
                device,
                until,
            )
            hint = msg("finish the change: provisioner camera accept {id}/{device} --finish", site.facility.id, device)
            yield site.warning((*path, "until"), "accept-over", message, hint)


def changes_are_short(site: SiteView) -> Iterator[Problem]:
    """A change ends within a quarter."""
    for path, device, subject, until in _changes(site):
        if until > date.max - _LONGEST_CHANGE or site.days.is_to_come(until - _LONGEST_CHANGE):
            message = msg(
                "either {what} of {device} is taken until {until}, for longer than {days} days",
                subject,
                device,
                until,
                _LONGEST_CHANGE.days,
            )
            hint = msg(
                "name an earlier day: provisioner camera accept {id}/{device} --accept-old-until DATE",
                site.facility.id,
                device,
            )
            yield site.warning((*path, "until"), "accept-too-long", message, hint)


def _changes(site: SiteView) -> Iterator[tuple[KeyPath, str, str, date]]:
    """Yield settings under change: path, device, kind, last day."""
    for index, recorder in enumerate(site.facility.recorders):
        if recorder.accept is not None:
            yield ("recorders", index, "accept"), recorder.id, "login", recorder.accept.until
    for index, camera in enumerate(site.facility.cameras):
        if camera.accept is not None:
            yield ("cameras", index, "accept"), camera.id, "login", camera.accept.until
        for name, stream in camera.streams.named:
            if stream.accept is not None:
                path: KeyPath = ("cameras", index, "streams", name.value, "accept")
                yield path, camera.id, "picture", stream.accept.until


SITE_RULES: tuple[SiteRule, ...] = (changes_are_finished, changes_are_short)
RULES: tuple[Callable[[SecretsView], Iterator[Problem]], ...] = (
    logins_are_complete,
    logins_are_changed,
    paths_repeat_no_login,
    logins_are_used,
    changes_have_both_logins,
    host_keys_are_the_carriers,
    keys_are_made,
)
