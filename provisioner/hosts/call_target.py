"""What has to be known of a host to call it: where it is, how it is logged in to, and how it proves itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from provisioner.base.secret import Secret
from provisioner.base.text import endpoint_text
from provisioner.desired.owner import Owner
from provisioner.inventory.model import JumpHost, Ssh
from provisioner.inventory.model.base import HostPlace


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

    @property
    def place(self) -> str:
        """Where it is logged in to, as `user@address:port`."""
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

    @property
    def place(self) -> str:
        """Where it is logged in to, as `user@address:port`."""
        return f"{self.ssh.user}@{endpoint_text(self.address, self.ssh.port)}"
