"""Signed content of connection plans (letter 1407/BTTTT-CVT, item 2). Pure.

The signed content is the carrier, its relays, the access mode, and the recorders and cameras with their streams. The
model says of each field whether it is signed (`Use`). Fields with their default value do not count, so that a new key
of a later version leaves signatures valid. Neither does the order of recorders and cameras. A device's `onvif` is
unsigned, since a replaced device has another serial number. So is `accept`, since the former setting was signed in its
time. Rates and limits that `verify` and `validate` compare with measured values are unsigned as well.

Earlier versions signed these rates and limits (`once_signed`). A sign-off of theirs counts while each value that it
covers is unchanged; a value that its file lacked may be added. A hash cannot show that only a rate changed, so a
changed or removed value needs new sign-offs once.

A party (DIC, Health, carrier) signs a readable statement: party, day, document, facility, inventory, and everything
that is built from the plan. Later facts that do not concern the three are outside: the gateway's key is made at the
site after the agreement.
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import cache
from itertools import combinations
from typing import Final, NamedTuple

from pydantic import TypeAdapter
from pydantic.main import IncEx

from provisioner.base.ssh_signature import SignatureFormError, is_made_by_its_key, signature_of
from provisioner.base.text import canonical_json
from provisioner.inventory.model.base import Model, inner_model, use_of
from provisioner.inventory.model.devices import Camera, Recorder
from provisioner.inventory.model.facility import ConnectionPlan, Facility, Party, SignOff

PARTIES = tuple(Party)
#: Namespace for `ssh-keygen -Y sign -n`. A signature for a file or for Git is invalid here.
NAMESPACE: Final = "plan@provisioner"


def signed_content(facility: Facility, plan: ConnectionPlan) -> str:
    """Return the signed content's hash, as `sha256:` and 64 hexadecimal digits."""
    # It is the hash in an earlier version's form if the plan's sign-offs are in that form and fit the file.
    content = _hash_of(facility, plan, frozenset())
    signed = {sign_off.content for sign_off in plan.sign_offs}
    if not signed or content in signed:
        return content
    earlier = (_hash_of(facility, plan, covered) for covered in _once_covered(facility))
    return next((form for form in earlier if form in signed), content)


def _once_covered(facility: Facility) -> Iterator[frozenset[str]]:
    streams = (stream for camera in facility.cameras for _, stream in camera.streams.named)
    items: tuple[Model, ...] = (*facility.recorders, *facility.cameras, *streams)
    present = sorted({name for item in items for name in _once_signed(type(item)) if getattr(item, name) is not None})
    for count in range(len(present), 0, -1):
        yield from map(frozenset, combinations(present, count))


@cache
def _once_signed(model: type[Model]) -> tuple[str, ...]:
    return tuple(name for name, field in model.model_fields.items() if use_of(field).once_signed)


def _hash_of(facility: Facility, plan: ConnectionPlan, covered: frozenset[str]) -> str:
    content = {
        "facility": facility.id,
        "plan": {"carrier": plan.carrier, "relay": plan.relay, "access": plan.access.value} | _backup(plan),
        "recorders": _signed_fields_by_id(facility.recorders, covered),
        "cameras": _signed_fields_by_id(facility.cameras, covered),
    }
    return "sha256:" + hashlib.sha256(canonical_json(content)).hexdigest()


def _backup(plan: ConnectionPlan) -> dict[str, str]:
    return {"backup_relay": plan.backup_relay} if plan.backup_relay else {}


def _signed_fields_by_id(
    items: tuple[Recorder, ...] | tuple[Camera, ...], covered: frozenset[str]
) -> dict[str, IncEx | bool]:
    # An adapter writes out all items in one call: a country has a hundred thousand cameras.
    if not items:
        return {}
    adapter, unsigned = _writer(type(items[0]), covered)
    return {
        item["id"]: item for item in adapter.dump_python(items, mode="json", exclude_defaults=True, exclude=unsigned)
    }


@cache
def _writer(
    model: type[Model], covered: frozenset[str]
) -> tuple[TypeAdapter[tuple[Model, ...]], dict[str, IncEx | bool]]:
    return TypeAdapter(tuple[model, ...]), {"__all__": unsigned_fields(model, covered)}  # type: ignore[valid-type]


def unsigned_fields(model: type[Model], covered: frozenset[str]) -> dict[str, IncEx | bool]:
    """Return unsigned fields but `covered` ones, in pydantic's form of `exclude`."""
    fields: dict[str, IncEx | bool] = {}
    for name, field in model.model_fields.items():
        use = use_of(field)
        if use.signed is False:
            if not (use.once_signed and name in covered):
                fields[name] = True
        elif inner := inner_model(field):
            fields[name] = unsigned_fields(inner, covered)
    return fields


def missing_parties(plan: ConnectionPlan) -> tuple[Party, ...]:
    """Return the parties that have not signed."""
    signed = {sign_off.by for sign_off in plan.sign_offs}
    return tuple(party for party in PARTIES if party not in signed)


def unsigned_by(facility: Facility, plan: ConnectionPlan, content: str = "") -> tuple[Party, ...]:
    """Return the parties that have not signed the plan's present content."""
    content = content or signed_content(facility, plan)
    signed = {sign_off.by for sign_off in plan.sign_offs if sign_off.content == content}
    return tuple(party for party in Party if party not in signed)


def stale_sign_offs(facility: Facility, plan: ConnectionPlan) -> tuple[tuple[int, SignOff], ...]:
    """Return sign-offs of former contents, with their list indexes."""
    if not plan.sign_offs:
        return ()
    content = signed_content(facility, plan)
    return tuple((n, s) for n, s in enumerate(plan.sign_offs) if s.content != content)


def agreed_on(facility: Facility, plan: ConnectionPlan, content: str = "") -> date | None:
    """Return an agreed plan's last sign-off, if all three cover its content."""
    if not plan.agreed or missing_parties(plan):
        return None
    content = content or signed_content(facility, plan)
    is_signed = all(sign_off.content == content for sign_off in plan.sign_offs)
    return max(sign_off.signed_on for sign_off in plan.sign_offs) if is_signed else None


# --- signatures -----------------------------------------------------------------------------------
class Worth(StrEnum):
    """Validity of a sign-off by its own file, whosever the key."""

    CLAIMED = "claimed"
    SIGNED = "signed"
    FAULTY = "faulty"
    STALE = "stale"


class SignOffProof(NamedTuple):
    """Proof of one sign-off."""

    party: Party
    signed_on: str  #: The named day, as YYYY-MM-DD.
    worth: Worth
    inventory: str = ""  #: The inventory in the signature, if any.
    key: str = ""  #: The fingerprint of the signature's key, if any.
    fault: str = ""  #: A fault of the signature, as the end of a sentence.


def statement(facility: Facility, plan: ConnectionPlan, sign_off: SignOff, inventory: str) -> bytes:
    """Return the bytes that a party signs; a version's form never changes."""
    return "".join(f"{line}\n" for line in _statement_lines(facility, plan, sign_off, inventory)).encode()


def _statement_lines(facility: Facility, plan: ConnectionPlan, sign_off: SignOff, inventory: str) -> Iterator[str]:
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
        yield f"camera {camera.id}: {_camera_text(camera)}"
    yield f"content: {sign_off.content}"


def _visible(text: str) -> str:
    """Escape invisible characters, so that lines cannot look like others."""
    return "".join(sign if sign.isprintable() else f"<{ord(sign):x}>" for sign in text)


def _camera_text(camera: Camera) -> str:
    source = f"{camera.address}:{camera.port}" if camera.recorder is None else f"recorder {camera.recorder}"
    streams = "sub and main" if camera.streams.main else "sub"
    return f"zone {camera.zone.value}, {source}, {streams}, {'with' if camera.audio else 'no'} sound"


def proofs_of(facility: Facility, plan: ConnectionPlan, content: str = "") -> tuple[SignOffProof, ...]:
    """Return the proofs of a plan's sign-offs, in file order."""
    if all(sign_off.signature is None for sign_off in plan.sign_offs):
        return tuple(SignOffProof(s.by, str(s.signed_on), Worth.CLAIMED) for s in plan.sign_offs)
    content = content or signed_content(facility, plan)
    return tuple(proof_of(facility, plan, sign_off, content) for sign_off in plan.sign_offs)


def proof_of(facility: Facility, plan: ConnectionPlan, sign_off: SignOff, content: str) -> SignOffProof:
    """Return the proof of one sign-off; `content` is the plan's present hash."""
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
