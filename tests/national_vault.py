"""The encrypted half of a generated country: a login for each device, readers' secrets, pre-shared keys.

The passwords are drawn from the seed, and no two are alike. Vault ids are `secrets`, or those of carriers where
logins stand apart. What is encrypted differs from run to run by its salt alone.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from provisioner.base.secret import host_digest_key
from provisioner.base.vault import SECRETS_ID, carrier_vault_id, encrypt
from provisioner.inventory.allocation import carrier_of, devices_of
from provisioner.inventory.files.edit import render_mapping
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import Secrets
from tests import fleets

_HEADER = "# Invented logins.\n"


def write_vault(root: Path, inventory: Inventory, password: bytes, seed: int, *, apart: bool) -> None:
    """Write the encrypted files that an inventory needs.

    Args:
        root: its folder.
        inventory: what needs them.
        password: of every vault id.
        seed: of the logins.
        apart: whether each carrier has files of its own.
    """
    files = dict(_files(inventory, seed, apart=apart))
    for relative in files:
        (root / relative).parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(_write, root, password), files.items()))


def _write(root: Path, password: bytes, entry: tuple[str, tuple[str, str]]) -> None:
    relative, (vault_id, text) = entry
    (root / relative).write_text(encrypt((_HEADER + text).encode(), password, vault_id), encoding="ascii")


def _files(inventory: Inventory, seed: int, *, apart: bool) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each file's vault id and content, by its path."""
    secrets = fleets.secrets_of(inventory)
    assert secrets.digest_key
    yield "secrets/inventory.yml", (SECRETS_ID, render_mapping({"digest_key": secrets.digest_key.reveal()}))
    for name in inventory.carriers:
        vault_id, plain = (
            carrier_vault_id(name) if apart else SECRETS_ID,
            _carrier(inventory, secrets, name, apart=apart),
        )
        yield f"secrets/carriers/{name}.yml", (vault_id, render_mapping(plain))
    files: dict[tuple[str, str], list[str]] = {}
    for facility in inventory.facilities.values():
        if facility.operating is not Operating.CLOSED and (lines := _logins(facility, seed)):
            carrier = (carrier_of(facility) or "") if apart else ""
            files.setdefault((carrier, facility.province), []).append(lines)
    for (carrier, province), listed in files.items():
        folder = f"secrets/cameras/{carrier}/" if carrier else "secrets/cameras/"
        yield f"{folder}{province}.yml", (carrier_vault_id(carrier) if carrier else SECRETS_ID, "".join(listed))


def _carrier(inventory: Inventory, secrets: Secrets, name: str, *, apart: bool) -> dict[str, object]:
    own, carrier = secrets.carriers[name], inventory.carriers[name]
    assert secrets.digest_key
    served = {f.id for f in inventory.facilities.values() if carrier_of(f) == name}
    plain: dict[str, object] = {
        "readers": {centre: secret.reveal() for centre, secret in own.readers.items()},
        "site_psks": {site: secret.reveal() for site, secret in own.site_psks.items() if site in served},
        "centre_psks": {r: {c: s.reveal() for c, s in below.items()} for r, below in own.centre_psks.items()},
    }
    if apart:
        hosts = inventory.hosts_of_carrier(carrier)
        plain["host_keys"] = {host: host_digest_key(secrets.digest_key, host).reveal() for host in hosts}
    return plain


def _logins(facility: Facility, seed: int) -> str:
    """A facility's logins as people write them: a line each."""
    devices = devices_of(facility)
    lines = [f"{facility.id}:\n"] if devices else []
    for device in devices:
        word = hashlib.sha256(f"{seed}/{facility.id}/{device}".encode()).hexdigest()[:14]
        lines.append(f'  {device}: {{ username: admin, password: "Kv-{word}" }}\n')
    return "".join(lines)
