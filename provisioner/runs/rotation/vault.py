"""What changes of gateways' keys write into the vault: pre-shared keys drawn, taken over, and let go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from pathlib import Path

from provisioner.inventory.loader.held_secrets import valid_secrets
from provisioner.inventory.loader.secrets import write_carrier_secrets
from provisioner.inventory.model import CarrierSecrets, Facility, Inventory
from provisioner.inventory.new_secrets import tidied, with_next_psks
from provisioner.inventory.rules.logins import LOGIN_MISSING, SECRETS_MISSING
from provisioner.pipeline.session import Session

_Edit = Callable[[CarrierSecrets, Inventory, Collection[str]], CarrierSecrets]


def draw_psks(session: Session) -> tuple[Path, ...]:
    """Draw the pre-shared key of each next key that has none, by the files as they are: what was written.

    Raises:
        SecretsError: the vault cannot be opened.
        InventoryError: what concerns all is invalid.
    """
    inventory = session.readable.inventory
    changing = [one for one in inventory.facilities.values() if one.gateway and one.gateway.next_key]
    return _written(session, changing, with_next_psks)


def tidy_psks(session: Session, facilities: Collection[str]) -> tuple[Path, ...]:
    """Let the former pre-shared keys of gateways go whose change of keys is over: what was written.

    Raises:
        SecretsError, InventoryError: as `draw_psks`.
    """
    inventory = session.readable.inventory
    return _written(session, [inventory.facilities[name] for name in sorted(facilities)], tidied)


def drop_psks(session: Session, facilities: Collection[str]) -> tuple[Path, ...]:
    """Let the next pre-shared keys of gateways go that keep their present ones: what was written.

    Raises:
        SecretsError, InventoryError: as `draw_psks`.
    """
    inventory = session.readable.inventory
    return _written(session, [inventory.facilities[name] for name in sorted(facilities)], _without)


def _without(known: CarrierSecrets, inventory: Inventory, facilities: Collection[str]) -> CarrierSecrets:
    known = tidied(known, inventory, facilities)
    following = {name: psk for name, psk in known.next_psks.items() if name not in facilities}
    return known.model_copy(update={"next_psks": following})


def _written(session: Session, facilities: Collection[Facility], edit: _Edit) -> tuple[Path, ...]:
    names: dict[str, set[str]] = defaultdict(set)
    for facility in facilities:
        for plan in facility.carried_plans:
            names[plan.carrier].add(facility.id)
    if not names:
        return ()
    tolerate = {SECRETS_MISSING, LOGIN_MISSING}
    part, secrets = valid_secrets(session.root, session.passwords, session.readable, tolerate=tolerate)
    written = []
    for carrier, of in sorted(names.items()):
        known = secrets.carriers.get(carrier)
        if known is None:  # nothing of it was opened
            continue
        after = edit(known, part.inventory, of)
        if after != known and write_carrier_secrets(session.root, carrier, after, session.passwords):
            written.append(session.root / f"secrets/carriers/{carrier}.yml")
    return tuple(written)
