"""What DIC, Health and the carrier sign when they agree a connection plan (letter 1407/BTTTT-CVT, item 2). Pure.

The signed content is the carrier, the relay, the access mode, and the recorders and cameras with their
streams. What is left at its default does not count, so that a new key of a later version changes nothing
that was signed; neither does the order of recorders and cameras in the file.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TypeVar

from pydantic import TypeAdapter

from provisioner.base.canonical import canonical_json
from provisioner.inventory.model import Camera, ConnectionPlan, Facility, Party, Recorder, SignOff

PARTIES = tuple(Party)
_Item = TypeVar("_Item", Recorder, Camera)


def signed_content(facility: Facility, plan: ConnectionPlan) -> str:
    """The hash of what is signed, as `sha256:` and 64 hexadecimal digits."""
    content = {
        "facility": facility.id,
        "plan": plan.model_dump(mode="json", include={"carrier", "relay", "access"}),
        "recorders": _by_id(_recorders(), facility.recorders),
        "cameras": _by_id(_cameras(), facility.cameras),
    }
    return "sha256:" + hashlib.sha256(canonical_json(content)).hexdigest()


# An adapter writes out all items in one call: a country has a hundred thousand cameras.
@cache
def _recorders() -> TypeAdapter[tuple[Recorder, ...]]:
    return TypeAdapter(tuple[Recorder, ...])


@cache
def _cameras() -> TypeAdapter[tuple[Camera, ...]]:
    return TypeAdapter(tuple[Camera, ...])


def _by_id(adapter: TypeAdapter[tuple[_Item, ...]], items: tuple[_Item, ...]) -> dict[str, object]:
    return {item["id"]: item for item in adapter.dump_python(items, mode="json", exclude_defaults=True)}


def missing_parties(plan: ConnectionPlan) -> tuple[Party, ...]:
    """The parties that have not signed."""
    signed = {sign_off.by for sign_off in plan.sign_offs}
    return tuple(party for party in PARTIES if party not in signed)


def stale_sign_offs(facility: Facility, plan: ConnectionPlan) -> tuple[tuple[int, SignOff], ...]:
    """The sign-offs over another content than today's, with their places in the list."""
    if not plan.sign_offs:
        return ()
    content = signed_content(facility, plan)
    return tuple((n, s) for n, s in enumerate(plan.sign_offs) if s.content != content)
