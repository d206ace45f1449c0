"""How far the change of a relay's own key is: by the lock, and by where the relay hears its peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.desired.limit import Limit
from provisioner.desired.spec import SITE
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model import NextRelayKey
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned, make_plan


@dataclass(frozen=True)
class OwnKeyLook:
    """How far the change of a relay's own key is.

    Attributes:
        relay: the relay's id.
        following: the next key, by the lock; None where no change is under way there.
        answers: whether the relay answers with it now.
        moved: the peers that it heard last with the next key, by name, each with the moment, in seconds since 1970.
        waiting: the peers that it heard last with the present key, or never, by name.
        remains: whether the relay answers with a next key of which the lock knows nothing any more.
    """

    relay: str
    following: NextRelayKey | None
    answers: bool
    moved: Mapping[str, int]
    waiting: tuple[str, ...]
    remains: bool = False

    @property
    def sites_waiting(self) -> tuple[str, ...]:
        """The facilities among those that have not moved."""
        return tuple(name.removeprefix(SITE) for name in self.waiting if name.startswith(SITE))

    @property
    def centres_waiting(self) -> tuple[str, ...]:
        """The centres among those that have not moved."""
        return tuple(name.partition("/")[2] for name in self.waiting if not name.startswith(SITE))


def look_at_own_key(session: Session, relay: str, *, allow: Mapping[str, int]) -> tuple[OwnKeyLook, Planned]:
    """Look at a relay that changes its own key, with the plan of it as the files are now; nothing is changed.

    Raises:
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened.
        HostError: the relay could not be read.
        PolicyError: it is somebody else's.
    """
    planned = make_plan(session, Limit({"host": frozenset({relay})}), allow=allow)
    planned.refuse_foreign()
    if relay in planned.unreadable:
        raise planned.unreadable[relay]
    return _seen(session, relay, planned.facts[relay]), planned


def _seen(session: Session, relay: str, facts: HostFacts) -> OwnKeyLook:
    following = session.inventory.allocations.relays[relay].next_key
    second = facts.tunnel.following if facts.tunnel else None
    own = facts.tunnel.public_key if facts.tunnel else ""
    peers = {peer.public_key: peer.name for peer in session.state.hosts[relay].tunnel.peers if peer.allowed_ips}
    # What is held stays on the relay, and its gateway has to move as well.
    peers |= {key: name for key, name in facts.held.peers.items() if name.startswith(SITE)}
    if following is not None and own == following.public_key:  # the relay has ended it, and the lock not yet
        return OwnKeyLook(relay, following, answers=True, moved=dict.fromkeys(peers.values(), 0), waiting=())
    answers = second is not None and following is not None and second.public_key == following.public_key
    moved = second.moved if second is not None else {}
    return OwnKeyLook(
        relay,
        following,
        answers=answers,
        moved={peers[key]: at for key, at in sorted(moved.items()) if key in peers},
        waiting=tuple(name for key, name in peers.items() if key not in moved),
        remains=second is not None and following is None,
    )
