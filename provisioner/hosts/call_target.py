"""The data for a call to a host: address, login and identity."""

import hashlib
from dataclasses import asdict, dataclass, field

from provisioner.base.secret import Secret
from provisioner.base.text import Document, HostPlace, canonical_json, host_address
from provisioner.desired.owner import Owner
from provisioner.desired.spec import HostSpec
from provisioner.inventory.model.hosts import JumpHost, Ssh


@dataclass(frozen=True, slots=True)
class TargetHost:
    """The parts of a `HostSpec` that a call needs."""

    id: str
    carriers: tuple[str, ...]
    address: HostPlace
    ssh: Ssh
    jump: JumpHost | None = None
    side: str = ""
    identity: Secret = field(repr=False, default=Secret(""))
    owner: Owner | None = None
    adopted: Owner | None = None


CallTarget = HostSpec | TargetHost


def target_document(host: CallTarget) -> Document:
    """Return a host as a document, with its identity, a secret."""
    return {
        "id": host.id,
        "carriers": list(host.carriers),
        "address": str(host.address),
        "ssh": host.ssh.model_dump(mode="json"),
        "jump": host.jump.model_dump(mode="json") if host.jump else None,
        "side": host.side,
        "identity": host.identity.reveal(),
        "owner": owner_document(host.owner),
        "adopted": owner_document(host.adopted),
    }


def target_digest(host: CallTarget) -> str:
    """Return the digest of a call's host: place, host key and identity."""
    return "sha256:" + hashlib.sha256(b"provisioner/target\0" + canonical_json(target_document(host))).hexdigest()


def target_in(document: Document) -> TargetHost:
    """Parse a host's document; raise `KeyError`, `TypeError` or `ValueError`."""
    jump = document["jump"]
    return TargetHost(
        id=_as_text(document["id"]),
        carriers=tuple(_as_text(carrier) for carrier in document["carriers"]),
        address=host_address(_as_text(document["address"])),
        ssh=Ssh.model_validate(document["ssh"]),
        jump=None if jump is None else JumpHost.model_validate(jump),
        side=_as_text(document["side"]),
        identity=Secret(_as_text(document["identity"])),
        owner=owner_in(document["owner"]),
        adopted=owner_in(document["adopted"]),
    )


def owner_document(owner: Owner | None) -> Document | None:
    """Return an owner as a document, or `None`."""
    return asdict(owner) if owner else None


def owner_in(document: Document | None) -> Owner | None:
    """Parse an owner's document; raise `TypeError` or `ValueError`."""
    if document is None:
        return None
    owner = Owner(**document)
    for name, value in asdict(owner).items():
        if not isinstance(value, bool if name == "released" else str):
            raise TypeError(f"{name} of an owner is of another kind")
    return owner


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value
