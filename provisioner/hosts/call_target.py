"""What has to be known of a host to call it: where it is, how it is logged in to, and how it proves itself."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Protocol

from provisioner.base.addresses import HostPlace, host_place
from provisioner.base.secret import Secret
from provisioner.base.text import Document, canonical_json
from provisioner.desired.owner import Owner
from provisioner.inventory.model import JumpHost, Ssh


class CallTarget(Protocol):
    """A host as a call knows it: the part of a `HostSpec` that whoever carries calls may see."""

    @property
    def id(self) -> str:
        """The relay's or the centre's id."""
        ...

    @property
    def carriers(self) -> tuple[str, ...]:
        """The carriers that the host serves, one for a relay."""
        ...

    @property
    def address(self) -> HostPlace:
        """Where it is logged in to."""
        ...

    @property
    def ssh(self) -> Ssh:
        """How it is logged in to, and what it is known by."""
        ...

    @property
    def jump(self) -> JumpHost | None:
        """The host through which SSH goes to it; None where it goes there directly."""
        ...

    @property
    def side(self) -> str:
        """What this inventory's side is called on a centre that several share; else empty."""
        ...

    @property
    def identity(self) -> Secret:
        """The key that is left on it, by which it proves that it is the same host."""
        ...

    @property
    def owner(self) -> Owner | None:
        """What its mark says once it is ours; None where nobody needs to know."""
        ...

    @property
    def adopted(self) -> Owner | None:
        """The owner from whom it is to be taken over."""
        ...


@dataclass(frozen=True, slots=True)
class TargetHost:
    """A `CallTarget` and nothing else: a host as a node knows it, or one whose key nobody knows yet."""

    id: str
    carriers: tuple[str, ...]
    address: HostPlace
    ssh: Ssh
    jump: JumpHost | None = None
    side: str = ""
    identity: Secret = field(repr=False, default=Secret(""))
    owner: Owner | None = None
    adopted: Owner | None = None


def target_document(host: CallTarget) -> Document:
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


def target_digest(host: CallTarget) -> str:
    """The digest of which machine a call is for: its place, its SSH host key and the key by which it proves itself."""
    return "sha256:" + hashlib.sha256(b"provisioner/target\0" + canonical_json(target_document(host))).hexdigest()


def target_in(document: Document) -> TargetHost:
    """The host of a document.

    Raises:
        KeyError, TypeError, ValueError: it is none of `target_document`'s.
    """
    jump = document["jump"]
    return TargetHost(
        id=_as_text(document["id"]),
        carriers=tuple(_as_text(carrier) for carrier in document["carriers"]),
        address=host_place(_as_text(document["address"])),
        ssh=Ssh.model_validate(document["ssh"]),
        jump=None if jump is None else JumpHost.model_validate(jump),
        side=_as_text(document["side"]),
        identity=Secret(_as_text(document["identity"])),
        owner=owner_in(document["owner"]),
        adopted=owner_in(document["adopted"]),
    )


def owner_document(owner: Owner | None) -> Document | None:
    """An owner as a document; null where there is none."""
    return asdict(owner) if owner else None


def owner_in(document: Document | None) -> Owner | None:
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


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value
