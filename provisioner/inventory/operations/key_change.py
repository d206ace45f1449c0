"""Changes of gateways' keys, as facilities' files say them: begun, known, ended, taken back; as in `facilities`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Final

from pydantic import TypeAdapter, ValidationError

from provisioner.base.errors import UsageError
from provisioner.inventory.model import Facility, PublicKey
from provisioner.inventory.operations.file_edit import (
    Edits,
    EditsOfMany,
    FileEdit,
    all_held_against_rules,
    text_of_file,
)
from provisioner.inventory.operations.named import facility_file

_KEY: Final = TypeAdapter(PublicKey)
_PLACE: Final = ("gateway", "next_key")


def key_changes_written(
    edits: Edits, *, begins: Collection[str] = (), ends: Collection[str] = (), since: date
) -> EditsOfMany:
    """What begins changes of keys at some gateways, and ends them at others.

    Where one ends the next key stands in the present one's place, in one write: from then on the file says that the
    new pair counts, whatever else was written already.

    Args:
        edits: the inventory.
        begins: facilities whose gateways get a next key.
        ends: facilities whose gateways were seen with it.
        since: the day on which those that begin do.

    Raises:
        InventoryError: a file cannot be edited, or together they break a rule; nothing is written.
    """
    loaded = edits.load()
    changed = []
    for name in sorted({*begins, *ends}):
        site = loaded.facility(name)
        text = text_of_file(facility_file(edits.root, site))
        following = site.gateway.next_key if site.gateway else None
        if name in begins and following is None:
            after = text.with_values({_PLACE: {"since": since.isoformat()}})
        elif name in ends and following is not None and following.public_key:
            after = text.without(_PLACE).with_values({("gateway", "public_key"): following.public_key})
        else:
            continue
        changed.append(FileEdit(name, text.path, text.data, after.data))
    return all_held_against_rules(loaded, edits.root, changed, edits.today)


def key_changes_taken_back(edits: Edits, facilities: Iterable[str]) -> EditsOfMany:
    """What takes changes of keys back: the present keys stay.

    Raises:
        InventoryError: a file cannot be edited.
    """
    loaded = edits.load()
    changed = []
    for name in sorted(set(facilities)):
        text = text_of_file(facility_file(edits.root, loaded.facility(name)))
        changed.append(FileEdit(name, text.path, text.data, text.without(_PLACE).data))
    return all_held_against_rules(loaded, edits.root, changed, edits.today)


def with_next_key(edits: Edits, facility: str, key: str) -> FileEdit:
    """What notes the next key of a gateway whose key is changed.

    Raises:
        UsageError: that is no key, it is the present one, or no change of this gateway's key is under way.
        InventoryError: its file cannot be edited, or another peer has the key.
    """
    try:
        _KEY.validate_python(key)
    except ValidationError:
        hint = "it is the last line that the package prints on the gateway: 44 characters that end in ="
        raise UsageError(
            "this is no WireGuard public key (not repeated here: it may be something secret)", hint=hint
        ) from None
    opened = edits.open(facility)
    gateway = opened.site.gateway
    if gateway is None or gateway.next_key is None:
        hint = f"begin one: provisioner keys rotate {facility}"
        raise UsageError(f"no change of the key of {facility}'s gateway is under way", hint=hint, object=facility)
    if gateway.public_key == key:
        hint = "the next one is what change-key.sh prints, not install.sh"
        raise UsageError(f"this is the key that {facility}'s gateway has now", hint=hint, object=facility)
    return opened.edited(opened.text.with_values({(*_PLACE, "public_key"): key}))


def is_changing(facility: Facility) -> bool:
    """Whether a change of its gateway's key is under way, by its file."""
    return facility.gateway is not None and facility.gateway.next_key is not None
