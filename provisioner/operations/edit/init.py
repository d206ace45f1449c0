"""A new inventory: its files, its vault's password, its repository.

It is made as a whole or not at all. An answers file replaces options of `init`.
"""

import json
import os
import re
import secrets as random
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from provisioner.base.errors import InventoryError, UsageError, os_errors
from provisioner.base.files import make_own_folder, read_regular
from provisioner.base.git import begin_repository, checkout_of, commit_files, committing
from provisioner.base.private_text import is_private
from provisioner.base.ssh_signature import SshHostKey
from provisioner.base.text import did_you_mean, endpoint_text, host_address, msg, printable
from provisioner.base.vault import SECRETS_ID
from provisioner.hosts.call_target import TargetHost
from provisioner.hosts.identity import SCAN_S, host_key_of, show_key_call
from provisioner.hosts.runner import HostRunner
from provisioner.inventory.files.edit import scalar
from provisioner.inventory.files.positions import KeyPath, PlacesIn
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.model.hosts import Ssh
from provisioner.operations.edit.validate import allocate

RELEASE: Final = "1.20.1"

#: The release that a new inventory pins: checksums of its archives, from its publisher.
RELEASE_SHA256: Final[Mapping[str, str]] = {
    "amd64": "81b143f55a5d23d4a8c028d52869c14ea4a59919900528698fcc97a747fd69c6",
    "arm64": "d1689f0bfefb1864e5ed3dcc8495eb2d7ec0a654f90bf3cd48980cb3bd08718a",
}

ATTRIBUTES: Final = """\
# The same bytes everywhere: digests and signatures are of bytes.
* -text
# Encrypted: a diff of its lines has no meaning.
secrets/** -diff
contacts/** -diff
"""
IGNORED: Final = """\
# Files with secrets made from an inventory, and files of one machine.
/rendered/
/sites/
/packages/
/plan*.json
/state/
*.db
"""
_INSTRUCTIONS: Final = """\
# The orders with the deadlines of facilities. `before` is strict, by Vietnam's clock: before 2021-05-10 means until
# the end of 2021-05-09. For example:
#   - ref: 1407/BTTTT-CVT
#     issuer: Bộ Thông tin và Truyền thông
#     issued_on: 2021-05-06
#     before: 2021-05-10
#     scope: [ubnd_tinh]
version: 1
instructions: []
"""
_INTENTS: Final = """\
# Traffic that has to pass, and traffic that must not: a plan that breaks one of these statements is refused, and prove
# lists them all. Built-in statements (sites apart, only WireGuard open to the Internet) need no entry. For example:
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
EXAMPLE: Final = """\
# Answers for `provisioner init DIR --answers FILE`. Each key is the option of its name; an option on the command line
# takes precedence. No password belongs here: the command makes it and writes it to the file of vault-password.

# The inventory's id, frozen from then on; the folder's name if absent.
id: first
# Carriers: an id and a name. The first carrier has the relays that name no carrier.
carrier:
  viettel: Viettel
# The list of provinces with the slugs, and the carrier of each province.
scheme: gso-2025
province:
  bac-ninh: viettel
# The document that designates the carriers, and the first day; today if absent.
source: Annex 1
since: 2025-07-01
# Networks from which SSH to the hosts comes.
management:
  - 198.51.100.0/27
# The login on the hosts: a normal user with sudo.
user: deploy
# ID@ADDRESS or ID@ADDRESS:PORT; relays of other carriers as CARRIER/ID@ADDRESS.
centre: centre-hn@203.0.113.31
centre-name: Monitoring centre
relay:
  - relay-1@203.0.113.11
# A relay's public address for WireGuard, and the jump host of a carrier's relays, if they have one. The host key of a
# relay behind it is named whole below.
# endpoint:
#   relay-1: 203.0.113.12
# jump:
#   viettel: ops@203.0.113.7
# The SSH key that each host shows, or its fingerprint: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, on the host.
host-key:
  centre-hn: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLxxTLNWIvTOqfEHsYPptl1mrfK9Gmz7ymtR1zfHdv5
  relay-1: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI
# The file of the vault's password; beside your configuration file if absent.
# vault-password: /etc/provisioner/vault/first
# MediaMTX, if not the release that this program knows.
# mediamtx-version: 1.20.1
# mediamtx-source: release
# mediamtx-sha256:
#   amd64: 64 hexadecimal digits
"""
_MOST_ANSWER_BYTES: Final = 1024 * 1024
_SHOWN: Final = 80
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PASSWORD_BYTES = 32
_ELSEWHERE = "name a folder that you can write to, on a disk with room"
_MOST_PASSWORD_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FirstHost:
    """A host of a new inventory; `carrier` is a relay's."""

    id: str
    address: str
    user: str
    port: int
    host_key: str
    carrier: str = ""
    endpoint: str = ""  #: A relay's public address for WireGuard; empty if it is `address`.


@dataclass(frozen=True, slots=True)
class Beginning:
    """Content of a new inventory."""

    id: str
    scheme: str  #: The list of province slugs.
    carriers: Mapping[str, str]
    provinces: Mapping[str, str]  #: The carrier that serves each province, by slug.
    source: str
    since: date
    management_networks: Sequence[str]  #: Sources of SSH to the hosts.
    centre: FirstHost
    centre_name: str
    relays: Sequence[FirstHost]  #: The first relays, at least one a carrier.
    jumps: Mapping[str, FirstHost] = field(default_factory=dict)  #: The jump host of a carrier's relays, by carrier.
    version: str = RELEASE
    artefact: str = "release"
    sha256: Mapping[str, str] = field(default_factory=lambda: dict(RELEASE_SHA256))


@dataclass(frozen=True, slots=True)
class OptionAnswer:
    """Values of an option from a file, with their positions."""

    values: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True)
class _Reader:
    path: Path
    marks: PlacesIn

    def answer(self, key: str, value: object, options: Collection[str]) -> OptionAnswer:
        if key not in options:
            key_text = "that key" if is_private(key) else repr(printable(key, _SHOWN))
            hint = did_you_mean(key, options, f"there are {', '.join(sorted(options))}")
            raise UsageError(f"{self._position((key,), key=True)}: init has no option {key_text}", hint=hint)
        pairs: list[tuple[str, KeyPath]]
        if isinstance(value, dict):
            pairs = [
                (f"{name}={self._option_text((key, name), element)}", (key, name)) for name, element in value.items()
            ]
        elif isinstance(value, list):
            pairs = [(self._option_text((key, number), element), (key, number)) for number, element in enumerate(value)]
        else:
            pairs = [(self._option_text((key,), value), (key,))]
        return OptionAnswer(
            tuple(text for text, _ in pairs), tuple(self._position(path, key=True) for _, path in pairs)
        )

    def _option_text(self, path: KeyPath, value: object) -> str:
        if isinstance(value, str) and value and value.isprintable():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        hint = "write it as it would stand behind the option, in quotes"
        raise UsageError(f"{self._position(path)}: {path[0]} is a text, or a list of texts", hint=hint)

    def _position(self, path: KeyPath, *, key: bool = False) -> str:
        mark = self.marks.nearest(path, key=key)
        return f"{self.path}:{mark.line}:{mark.column}"


class KeyAskers:
    """Asks new hosts for SSH keys, from here or the carrier's node."""

    def __init__(self, environment: Mapping[str, str], root: Path) -> None:
        self._environment, self._root = environment, root

    def scanned_key(self, host: FirstHost, carriers: tuple[str, ...]) -> SshHostKey:
        """Return a host's unproved key, or raise `HostError` or `UsageError`."""
        try:
            target = TargetHost(
                host.id, carriers, host_address(host.address.lower()), Ssh(user=host.user, port=host.port)
            )
        except ValueError:
            shown = printable(f"{host.user}@{endpoint_text(host.address, host.port)}", _SHOWN)
            hint = "write an address or a host name in full, a port up to 65535, and a user of letters and digits"
            raise UsageError(f"{printable(host.id, _SHOWN)} cannot be called at {shown}", hint=hint) from None
        answer = self._runner.call([show_key_call(target)], timeout_s=SCAN_S)[target.id]
        return SshHostKey(host_key_of(target, answer))

    @cached_property
    def _runner(self) -> HostRunner:
        from provisioner.operations.pipeline.stages import key_askers  # noqa: PLC0415 (most keys are named, and it loads all of a session)

        return key_askers(self._environment, self._root)


@dataclass(frozen=True, slots=True)
class NewPlaces:
    """Locations of a new inventory and of a person's own files."""

    root: Path
    password: Path  #: The vault's password file; an existing one is used.
    configuration: Path | None  #: The person's configuration file; written if missing.


@dataclass(frozen=True, slots=True)
class NewInventory:
    """Results of a new inventory; a file that existed is `None`."""

    files: tuple[Path, ...]
    password: Path | None
    configuration: Path | None
    settings: tuple[str, ...]  #: Lines to add to an existing configuration file.
    repository: bool
    commit: str  #: The first commit; empty if Git does not know the user.


def _first_files(beginning: Beginning) -> dict[str, str]:
    files = {
        "inventory.yml": _settings_file(beginning),
        "instructions.yml": _INSTRUCTIONS,
        "designations.yml": _designations_file(beginning),
        "maintenance.yml": _MAINTENANCE,
        "intents.yml": _INTENTS,
        f"centres/{beginning.centre.id}.yml": _centre_file(beginning),
    }
    return files | {f"carriers/{carrier}.yml": _carrier_file(beginning, carrier) for carrier in beginning.carriers}


def _settings_file(beginning: Beginning) -> str:
    pools = "\n".join(f"    {carrier}: 10.{91 + number}.0.0/16" for number, carrier in enumerate(beginning.carriers))
    checksums = "\n".join(f"    {arch}: {digest}" for arch, digest in beginning.sha256.items())
    return f"""\
# Settings of the whole inventory.
version: 1
id: {beginning.id} # frozen: it is part of the history, of hosts' marks and of signatures
province_scheme: {beginning.scheme} # the list with the province slugs

# Tunnel addresses come only from these pools. Choose networks that no carrier uses: a relay sends a whole pool into
# its tunnel. Once addresses are recorded, a pool cannot move. On a centre that another inventory shares, choose other
# networks than that inventory.
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
{checksums}
# `policy` has the limits of one plan. A plan above a limit is refused, until somebody allows it by name and number.
# Absent limits have defaults that are safe for a small fleet.
"""


def _designations_file(beginning: Beginning) -> str:
    since, source = beginning.since.isoformat(), scalar(beginning.source)
    rows = "\n".join(
        f"  - {{ province: {province}, carrier: {carrier}, since: {since}, source: {source} }}"
        for province, carrier in beginning.provinces.items()
    )
    return f"""\
# The carriers of provinces, with their first day and the document that designates them. A plan with a carrier that
# is not designated for its province is an error.
version: 1
designations:
{rows}
"""


def _centre_file(beginning: Beginning) -> str:
    ssh = "\n".join(f"  {line}" for line in _ssh_lines(beginning.centre))
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


def _carrier_file(beginning: Beginning, carrier: str) -> str:
    relays = "\n".join(line for relay in beginning.relays if relay.carrier == carrier for line in _relay_lines(relay))
    return f"""\
version: 1
id: {carrier} # frozen: it is part of file names, the lock and secrets
name: {scalar(beginning.carriers[carrier])}
# Networks from which SSH to the relays is allowed. Keep them narrow; a change that would lock them out is refused.
management_networks: [{", ".join(map(_plain, beginning.management_networks))}]
# Networks of the carrier itself that a tunnel pool must not cover go into own_networks, e.g. [100.64.0.0/10].
centres: [{beginning.centre.id}]
{_jump_block(beginning.jumps.get(carrier))}relays:
{relays}
"""


def _jump_block(jump: FirstHost | None) -> str:
    if jump is None:
        return ""
    ssh = "".join(f"    {line}\n" for line in _ssh_lines(jump))
    return f"jump: # SSH to the relays goes through this host\n  address: {_plain(jump.address)}\n  ssh:\n{ssh}"


def _relay_lines(relay: FirstHost) -> Iterator[str]:
    yield f"  - id: {relay.id}"
    if relay.endpoint:
        yield f"    address: {_plain(relay.address)} # SSH goes here"
        yield f"    endpoint: {_plain(relay.endpoint)} # gateways and centres send WireGuard here"
    else:
        yield f"    address: {_plain(relay.address)} # SSH goes here; add `endpoint` if WireGuard goes elsewhere"
    yield "    ssh:"
    yield from (f"      {line}" for line in _ssh_lines(relay))


def _plain(address: str) -> str:
    return scalar(address) if ":" in address else address


def _ssh_lines(host: FirstHost) -> Iterator[str]:
    yield f"user: {host.user} # a normal user with sudo"
    if host.port != 22:  # noqa: PLR2004 (what is left out)
        yield f"port: {host.port}"
    yield f"host_key: {host.host_key}"


def read_answers(path: Path, options: Collection[str]) -> dict[str, OptionAnswer]:
    """Read answers by option; `UsageError` has file and line."""
    with os_errors(f"{path} cannot be read", "name a file of answers"):
        data = read_regular(path, most=_MOST_ANSWER_BYTES)
    document = parse(data)
    if document.faults:
        fault = document.faults[0]
        raise UsageError(f"{path}:{fault.line}:{fault.column}: {fault.message}", hint=fault.hint)
    if not isinstance(document.value, dict):
        raise UsageError(f"{path}:1:1: no answers", hint="provisioner init --print-answers prints an example")
    reader = _Reader(path, PlacesIn(data))
    return {key: reader.answer(key, value, options) for key, value in document.value.items()}


def position_in_answers(answers: Mapping[str, OptionAnswer], message: str) -> str:
    """Return the position of the longest answer in a message, or empty."""
    named = (
        (len(part), position)
        for answer in answers.values()
        for value, position in zip(answer.values, answer.places, strict=True)
        for part in {value, *value.replace("=", "@").replace("/", "@").split("@")}
        if part and part in message
    )
    return max(named, default=(0, ""))[1]


def begin(beginning: Beginning, places: NewPlaces, today: date) -> NewInventory:
    """Make a new inventory; designations must be valid today.

    Raises `UsageError` if the folder is not empty or cannot be written; `InventoryError` before any file is made.
    """
    root = places.root
    _refuse_hosts(beginning)
    if "," in str(places.password) or not str(places.password).isprintable():
        hint = "name another file with --vault-password"
        raise UsageError("the password's file has a comma in its path, which divides passwords", hint=hint)
    is_there = root.exists()
    if is_there and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(msg("{folder} is not empty", root), hint="name a new folder, or an empty one")
    _refuse_password(places)
    with os_errors(f"{root} cannot be made", _ELSEWHERE):
        root.parent.mkdir(parents=True, exist_ok=True)
        # An existing folder is not replaced: a shell may be in it.
        draft = Path(mkdtemp(prefix=f".{root.name}-", dir=root if is_there else root.parent))
    made: list[Path] = [draft]
    try:
        written = _write_draft(draft, root, beginning, today)
        if is_there:
            made += [file.rename(root / file.name) for file in sorted(draft.iterdir())]
            draft.rmdir()
        else:
            draft.chmod(0o755)
            made.append(draft.rename(root))
        return _make_outer_parts(places, written, made)
    except BaseException as error:
        for path in reversed(made):
            _remove_written(path)
        if isinstance(error, OSError):
            raise UsageError(f"{root} cannot be made: {error.strerror}", hint=_ELSEWHERE) from None
        raise


def _refuse_hosts(beginning: Beginning) -> None:
    """Raise `UsageError` for an invalid id or a carrier without a relay."""
    for name in (beginning.id, beginning.centre.id, *beginning.carriers, *(relay.id for relay in beginning.relays)):
        if not _ID.fullmatch(name):
            hint = "an id is of small letters, digits and single hyphens, e.g. viettel"
            raise UsageError(f"{printable(name, _SHOWN)} is no id", hint=hint)
    for carrier in sorted(beginning.jumps.keys() - beginning.carriers.keys()):
        raise UsageError(f"--jump names {printable(carrier, _SHOWN)}, which is no carrier here", hint="see --carrier")
    with_relays = {relay.carrier for relay in beginning.relays}
    if without := next((carrier for carrier in beginning.carriers if carrier not in with_relays), ""):
        hint = f"add --relay {without}/ID@ADDRESS, or leave the carrier out until it has one"
        raise UsageError(f"carrier {without} has no relay", hint=hint)


def _refuse_password(places: NewPlaces) -> None:
    """Raise `UsageError` for a password file that is invalid or public."""
    password, hint = places.password, "name another file with --vault-password"
    if os.path.lexists(password):
        try:
            is_one = bool(read_regular(password, most=_MOST_PASSWORD_BYTES).strip())
        except OSError:
            is_one = False
        if not is_one:
            raise UsageError(f"{password} is there already, and holds no password", hint=hint)
        return
    if places.configuration and password.is_relative_to(places.configuration.parent):
        return  # a folder of the program's own
    checkout = checkout_of(places.root.parent)
    if checkout and password.parent.resolve().is_relative_to(checkout.top):
        message = f"{password} is in the checkout {checkout.top}: whoever gets a clone of it may get the password"
        raise UsageError(message, hint=hint)
    if password.parent.exists() and password.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(f"others can write to {password.parent}: the vault's password does not go there", hint=hint)


def _write_draft(draft: Path, root: Path, beginning: Beginning, today: date) -> tuple[str, ...]:
    files = _first_files(beginning) | {".gitattributes": ATTRIBUTES, ".gitignore": IGNORED}
    for name, text in files.items():
        (draft / name).parent.mkdir(exist_ok=True)
        (draft / name).write_text(text, encoding="utf-8")
    (draft / "facilities").mkdir()
    try:
        lock = allocate(draft, {"PROVISIONER_NO_CACHE": "1"}, today=today).path
    except InventoryError as error:
        problems = tuple(replace(p, file=p.file.replace(str(draft), str(root))) for p in error.problems)
        hint = "correct the values; nothing is made"
        raise InventoryError("the inventory would be invalid", problems=problems, hint=hint) from None
    return (*files, *([lock.relative_to(draft).as_posix()] if lock else []))


def _make_outer_parts(places: NewPlaces, written: tuple[str, ...], made: list[Path]) -> NewInventory:
    """Make password, configuration and repository; note each for removal on failure."""
    root = places.root
    is_new = not places.password.exists()
    if is_new:
        _write_new(places.password, random.token_urlsafe(_PASSWORD_BYTES) + "\n", made)
    settings = (
        f"inventory = {_quoted(str(places.root.resolve()))}",
        f"vault_identities = [{_quoted(f'{SECRETS_ID}@{places.password.resolve()}')}]",
    )
    writes = places.configuration is not None and not os.path.lexists(places.configuration)
    if writes and places.configuration:
        _write_new(places.configuration, "".join(f"{line}\n" for line in settings), made)
    repository = checkout_of(root.parent) is None
    if repository:
        made.append(root / ".git")
        begin_repository(root)
    return NewInventory(
        files=tuple(root / name for name in written),
        password=places.password if is_new else None,
        configuration=places.configuration if writes else None,
        settings=() if writes else settings,
        repository=repository,
        commit=_first_commit(root, written) if repository else "",
    )


def _write_new(path: Path, text: str, made: list[Path]) -> None:
    hint = "name another file with --vault-password, or make its folder one that only you can write to"
    with os_errors(f"{path} cannot be written", hint):
        make_own_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        made.append(path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _first_commit(root: Path, written: tuple[str, ...]) -> str:
    try:
        checkout = committing(root)
    except UsageError:
        return ""
    return commit_files(checkout, {root / name: (root / name).read_bytes() for name in written}, "a new inventory")


def _remove_written(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
