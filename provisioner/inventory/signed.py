"""What DIC, Health and the carrier sign when they agree a connection plan (letter 1407/BTTTT-CVT, item 2). Pure.

The signed content is the carrier, its relays, the access mode, and the recorders and cameras with their
streams. Each field of these says in the model whether it is signed (`Use`). What is left at its default does not count,
so that a new key of a later version changes nothing that was signed; neither does the order of recorders and cameras in
the file. How a device is asked about itself (`onvif`) is outside as well: one that was replaced has another serial
number, and nobody agrees anew. So is what a setting was before, and until when that is taken (`accept`): it was signed
when it was the setting.

A party's signature is over a statement that people can read: whose agreement it is, on which day and by which
document, for which facility of which inventory, and all that is built from the plan. What comes later and is no
matter of the three is outside: the gateway's key, which is born on the site after the plan was agreed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from pydantic import TypeAdapter
from pydantic.main import IncEx

from provisioner.base.ssh_signature import SignatureFormError, is_made_by_its_key, signature_of
from provisioner.base.text import canonical_json
from provisioner.inventory.model import Camera, ConnectionPlan, Facility, Model, Party, Recorder, SignOff
from provisioner.inventory.model.base import inner_model, use_of

PARTIES = tuple(Party)
NAMESPACE: Final = "plan@provisioner"
"""What a signature has to be for, as `ssh-keygen -Y sign -n` takes it: one made for a file or for Git is none here."""


def signed_content(facility: Facility, plan: ConnectionPlan) -> str:
    """The hash of what is signed, as `sha256:` and 64 hexadecimal digits."""
    content = {
        "facility": facility.id,
        "plan": {"carrier": plan.carrier, "relay": plan.relay, "access": plan.access.value} | _backup(plan),
        "recorders": _by_id(facility.recorders),
        "cameras": _by_id(facility.cameras),
    }
    return "sha256:" + hashlib.sha256(canonical_json(content)).hexdigest()


def _backup(plan: ConnectionPlan) -> dict[str, str]:
    return {"backup_relay": plan.backup_relay} if plan.backup_relay else {}


def _by_id(items: tuple[Recorder, ...] | tuple[Camera, ...]) -> dict[str, IncEx | bool]:
    # An adapter writes out all items in one call: a country has a hundred thousand cameras.
    if not items:
        return {}
    adapter, unsigned = _writer(type(items[0]))
    return {
        item["id"]: item for item in adapter.dump_python(items, mode="json", exclude_defaults=True, exclude=unsigned)
    }


@cache
def _writer(model: type[Model]) -> tuple[TypeAdapter[tuple[Model, ...]], dict[str, IncEx | bool]]:
    return TypeAdapter(tuple[model, ...]), {"__all__": unsigned_fields(model)}  # type: ignore[valid-type]


def unsigned_fields(model: type[Model]) -> dict[str, IncEx | bool]:
    """Return the fields that no party signs, in the form of pydantic's `exclude`."""
    fields: dict[str, IncEx | bool] = {}
    for name, field in model.model_fields.items():
        if use_of(field).signed is False:
            fields[name] = True
        elif inner := inner_model(field):
            fields[name] = unsigned_fields(inner)
    return fields


def missing_parties(plan: ConnectionPlan) -> tuple[Party, ...]:
    """The parties that have not signed."""
    signed = {sign_off.by for sign_off in plan.sign_offs}
    return tuple(party for party in PARTIES if party not in signed)


def unsigned_by(facility: Facility, plan: ConnectionPlan, content: str = "") -> tuple[Party, ...]:
    """The parties that have not signed what a plan says now, whatever its state; `content` as for `agreed_on`."""
    content = content or signed_content(facility, plan)
    signed = {sign_off.by for sign_off in plan.sign_offs if sign_off.content == content}
    return tuple(party for party in Party if party not in signed)


def stale_sign_offs(facility: Facility, plan: ConnectionPlan) -> tuple[tuple[int, SignOff], ...]:
    """The sign-offs over another content than today's, with their places in the list."""
    if not plan.sign_offs:
        return ()
    content = signed_content(facility, plan)
    return tuple((n, s) for n, s in enumerate(plan.sign_offs) if s.content != content)


def agreed_on(facility: Facility, plan: ConnectionPlan, content: str = "") -> date | None:
    """The day since which DIC, Health and the carrier have signed exactly what an agreed plan says now; None otherwise.

    Args:
        facility: whose plan it is.
        plan: the plan.
        content: the hash of what is signed, where it is known already.
    """
    if not plan.agreed or missing_parties(plan):
        return None
    content = content or signed_content(facility, plan)
    is_signed = all(sign_off.content == content for sign_off in plan.sign_offs)
    return max(sign_off.signed_on for sign_off in plan.sign_offs) if is_signed else None


# --- signatures -----------------------------------------------------------------------------------


class Worth(StrEnum):
    """What a sign-off is worth by its own file; whose the key is, other files say. A stale one's signature is old."""

    CLAIMED = "claimed"
    SIGNED = "signed"
    FAULTY = "faulty"
    STALE = "stale"


class SignOffProof(NamedTuple):
    """What one sign-off proves.

    Attributes:
        party: whose it is said to be.
        signed_on: the day it is said to be of, as YYYY-MM-DD.
        worth: what it is worth.
        inventory: the inventory that it was signed for; empty where it is not signed.
        key: the fingerprint of the key that signed it; empty where it is not signed.
        fault: what is wrong with its signature, as the rest of a sentence.
    """

    party: Party
    signed_on: str
    worth: Worth
    inventory: str = ""
    key: str = ""
    fault: str = ""


def statement(facility: Facility, plan: ConnectionPlan, sign_off: SignOff, inventory: str) -> bytes:
    """What a party signs: the same bytes for the same agreement, for ever; another form is another version."""
    return "".join(f"{line}\n" for line in _statement(facility, plan, sign_off, inventory)).encode()


def _statement(facility: Facility, plan: ConnectionPlan, sign_off: SignOff, inventory: str) -> Iterator[str]:
    yield "provisioner plan sign-off, version 1"
    yield f"party: {sign_off.by.value}"
    yield f"signed on: {sign_off.signed_on}"
    yield f"document: {_visible(sign_off.source)}"
    yield f"inventory: {inventory}"
    yield f"province: {facility.province}"
    yield f"facility: {facility.id}"
    yield f"carrier: {plan.carrier}"
    yield f"relay: {plan.relay}"
    if plan.backup_relay:
        yield f"backup relay: {plan.backup_relay}"
    yield f"access: {plan.access.value}"
    for recorder in sorted(facility.recorders, key=lambda item: item.id):
        yield f"recorder {recorder.id}: {recorder.address}:{recorder.port}"
    for camera in sorted(facility.cameras, key=lambda item: item.id):
        yield f"camera {camera.id}: {_seen(camera)}"
    yield f"content: {sign_off.content}"


def _visible(text: str) -> str:
    """A text with whatever is not seen written out: no sign may make a line look like another, or like two."""
    return "".join(sign if sign.isprintable() else f"<{ord(sign):x}>" for sign in text)


def _seen(camera: Camera) -> str:
    """What a camera looks at, where its video comes from, and which streams are taken."""
    source = f"{camera.address}:{camera.port}" if camera.recorder is None else f"recorder {camera.recorder}"
    streams = "sub and main" if camera.streams.main else "sub"
    return f"zone {camera.zone.value}, {source}, {streams}, {'with' if camera.audio else 'no'} sound"


def proofs_of(facility: Facility, plan: ConnectionPlan, content: str = "") -> tuple[SignOffProof, ...]:
    """What each sign-off of a plan proves, in the order of the file.

    Args:
        facility: whose plan it is.
        plan: the plan.
        content: the hash of what is signed, where it is known already.
    """
    if all(sign_off.signature is None for sign_off in plan.sign_offs):
        return tuple(SignOffProof(s.by, str(s.signed_on), Worth.CLAIMED) for s in plan.sign_offs)
    content = content or signed_content(facility, plan)
    return tuple(proof_of(facility, plan, sign_off, content) for sign_off in plan.sign_offs)


def proof_of(facility: Facility, plan: ConnectionPlan, sign_off: SignOff, content: str) -> SignOffProof:
    """What a sign-off proves of a plan, whose content has the hash `content` today."""
    party, day = sign_off.by, str(sign_off.signed_on)
    if sign_off.signature is None:
        return SignOffProof(party, day, Worth.CLAIMED)
    if sign_off.content != content:
        return SignOffProof(party, day, Worth.STALE)
    inventory = sign_off.signature.inventory
    try:
        signature = signature_of(sign_off.signature.sshsig)
    except SignatureFormError as error:
        return SignOffProof(party, day, Worth.FAULTY, fault=str(error))
    if signature.namespace != NAMESPACE.encode():
        return SignOffProof(party, day, Worth.FAULTY, fault=f"was made for something else than {NAMESPACE}")
    if not is_made_by_its_key(signature, statement(facility, plan, sign_off, inventory)):
        return SignOffProof(party, day, Worth.FAULTY, fault="is of another statement than this sign-off's")
    return SignOffProof(party, day, Worth.SIGNED, inventory, signature.key.fingerprint)
