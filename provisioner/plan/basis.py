"""What a plan rests on, as digests: with another one of these it is another plan. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from provisioner import __version__
from provisioner.base.canonical import canonical_json
from provisioner.base.secret import Secret, keyed_digest
from provisioner.desired.spec import HostSpec
from provisioner.plan.changes import Change
from provisioner.render.files import RenderedFile


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan rests on. Commit, times, viewers, counters and handshakes are not in it.

    Attributes:
        inventory: digest of the inventory's content.
        templates: digest of the templates and the on-host program.
        live: each host's live digest; these hosts and no others are in the plan.
        version: of this program.
        desired: each host's digest over the files that it should hold.
        planned: each host's digest over what is to be done there: what a relay runs on, or a tunnel's port, may
            move without a file or a unit.
        allow: limits that were raised for this plan, by name: what was reviewed is what is allowed.
        held: the facilities that were held: nothing of them is in the plan.
    """

    inventory: str
    templates: str
    live: Mapping[str, str]
    version: str = __version__
    desired: Mapping[str, str] = field(default_factory=dict)
    planned: Mapping[str, str] = field(default_factory=dict)
    allow: Mapping[str, int] = field(default_factory=dict)
    held: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The plan's digest: one over all of it."""
        document = asdict(self)
        if not self.held:
            del document["held"]
        return _sha256(document)

    @property
    def changing(self) -> dict[str, str]:
        """By host that changes, the digest over what is to be done there."""
        return {host: digest for host, digest in self.planned.items() if digest != _NOTHING}

    @property
    def meaning(self) -> str:
        """A digest over what is done: on the hosts that change what they are to hold and each change, and with what.

        Another commit, an edit that moves nothing on those hosts and what is seen of hosts that do not change are not
        in it, so that what was approved stays approved where only those are others.
        """
        changing = self.changing
        return _sha256(
            {
                "templates": self.templates,
                "version": self.version,
                "desired": {host: self.desired.get(host, "") for host in changing},
                "planned": changing,
                "allow": self.allow,
                "held": self.held,
            }
        )


def _sha256(document: object) -> str:
    return "sha256:" + hashlib.sha256(canonical_json(document)).hexdigest()


def planned_digest(pending: Iterable[Change]) -> str:
    """A digest over a host's pending changes; viewers are not in it."""
    return _sha256(sorted([c.resource.value, c.name, c.action.value, c.impact.value, c.reason] for c in pending))


_NOTHING = planned_digest(())


def desired_digest(spec: HostSpec, files: Iterable[RenderedFile]) -> str:
    """A digest over all that a host should hold; keyed, as some of it is secret."""
    return content_digest(spec.digest_key, files, program_sums(spec))


def program_sums(spec: HostSpec) -> dict[str, str]:
    """The checksums of a relay's program by architecture; none of a host that has none."""
    return {str(arch): sha256 for arch, sha256 in spec.media.artefact.sha256.items()} if spec.media else {}


def content_digest(digest_key: Secret, files: Iterable[RenderedFile], programs: Mapping[str, str]) -> str:
    """A digest over what a host holds: its files, and the checksums of its program by architecture.

    Args:
        digest_key: the host's; without it nobody can guess a secret from the digest.
        files: the files.
        programs: the checksums; empty of a host without a relay.
    """
    state = hashlib.sha256(canonical_json(dict(programs)) if programs else b"")
    for file in sorted(files, key=lambda file: file.path):
        head = f"{file.path}\0{file.mode:o}\0{file.owner}:{file.group}\0{len(file.content)}\0"
        state.update(head.encode() + file.content)
    return keyed_digest(digest_key, state.digest())
