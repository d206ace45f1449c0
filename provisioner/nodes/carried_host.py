"""A host as it travels to a node: what a call needs, and nothing else of the inventory."""

from __future__ import annotations

from dataclasses import asdict

from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.desired.owner import Owner
from provisioner.hosts.call_target import CallTarget, TargetHost
from provisioner.inventory.model import JumpHost, Ssh
from provisioner.inventory.model.addresses import host_place


def host_document(host: CallTarget) -> Document:
    """A host as a document; it holds the host's identity, and so a secret."""
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


def host_in(document: Document) -> TargetHost:
    """The host of a document.

    Raises:
        KeyError, TypeError, ValueError: it is none of `host_document`'s.
    """
    jump = document["jump"]
    return TargetHost(
        id=_text(document["id"]),
        carriers=tuple(_text(carrier) for carrier in document["carriers"]),
        address=host_place(_text(document["address"])),
        ssh=Ssh.model_validate(document["ssh"]),
        jump=None if jump is None else JumpHost.model_validate(jump),
        side=_text(document["side"]),
        identity=Secret(_text(document["identity"])),
        owner=carried_owner(document["owner"]),
        adopted=carried_owner(document["adopted"]),
    )


def owner_document(owner: Owner | None) -> Document | None:
    """An owner as a document; null where there is none."""
    return asdict(owner) if owner else None


def carried_owner(document: Document | None) -> Owner | None:
    """The owner of a document.

    Raises:
        TypeError, ValueError: it is none of `owner_document`'s.
    """
    if document is None:
        return None
    owner = Owner(**document)
    for name, value in asdict(owner).items():
        if not isinstance(value, bool if name == "released" else str):
            raise TypeError(f"{name} of an owner is of another kind")
    return owner


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value
