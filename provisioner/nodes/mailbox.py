"""The way of messages between a controller and the nodes, whoever carries them."""

from __future__ import annotations

from typing import Protocol

from provisioner.base.errors import HostError


class MailboxError(HostError):
    """Messages are not carried: the broker is not reached, or refuses."""


class Mailbox(Protocol):
    """One end. A message may get lost, come twice, late, and in another order; it comes whole, or not at all."""

    @property
    def own(self) -> str:
        """Where answers are to be sent."""
        ...

    def send(self, to: str, message: bytes) -> None:
        """Hand over a message.

        Args:
            to: a node by its carrier, or what a controller's `own` is.
            message: it.

        Raises:
            MailboxError: it was not taken.
        """
        ...

    def receive(self, timeout_s: float) -> bytes | None:
        """The next message; None where none comes in time.

        Raises:
            MailboxError: none can come any more.
        """
        ...

    def close(self) -> None:
        """End it."""
        ...
