"""Changes of one host, from desired state, rendered files and facts. Pure."""

from collections.abc import Iterable, Mapping

from provisioner.base.text import msg
from provisioner.desired.render.host import RenderedFile
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.plan.change import Change
from provisioner.plan.diff.comparison import Comparison, Fleet
from provisioner.plan.diff.files import file_changes, frozen_changes, rule_changes, unit_changes
from provisioner.plan.diff.packages import SitePackageNeed, moved_endpoints, needs_of_relay, pushing_sites_of, sites_of
from provisioner.plan.diff.paths import path_changes, with_quarantine
from provisioner.plan.diff.peers import peer_changes
from provisioner.plan.diff.trust import policy_changes as policy_changes
from provisioner.plan.diff.trust import trust_changes
from provisioner.plan.diff.users import with_live_logins as with_live_logins


def changes_of(
    spec: HostSpec, files: Iterable[RenderedFile], facts: HostFacts, fleet: Fleet | None = None
) -> tuple[Change, ...]:
    """Return all changes of a host, with no-ops, reasons and cut readers.

    Without `fleet`, a moved path is only a removed path, and readers that a centre's change cuts at relays are not
    counted.
    """
    at = Comparison(spec, {file.path: file for file in files}, facts, fleet or Fleet())
    return (
        *trust_changes(at),
        *with_quarantine(at, path_changes(at)),
        *peer_changes(at),
        *rule_changes(at),
        *file_changes(at),
        *unit_changes(at),
        *frozen_changes(at),
    )


def needs_of_sites(
    relays: Iterable[HostSpec],
    read: Iterable[HostSpec],
    files: Mapping[str, tuple[RenderedFile, ...]],
    facts: Mapping[str, HostFacts],
    fleet: Fleet,
) -> tuple[SitePackageNeed, ...]:
    """Return sites that need a new package, each once per relay."""
    compared = [Comparison(s, {file.path: file for file in files[s.id]}, facts[s.id], fleet) for s in read]
    moved = moved_endpoints(compared)
    needed: dict[tuple[str, str], SitePackageNeed] = {}
    for spec in relays:
        sites, reason, moved_to = sites_of(spec), "", None
        if spec.id in fleet.former_keys:
            reason = "the relay's public key is another one than before"
        # Sites with a name for the relay find its new address.
        elif (moved_to := moved.get(spec.id)) and not (spec.trust and spec.trust.endpoint):
            before = (facts[spec.id].trust if spec.id in facts else None) or spec.trust
            sites = [site for site in sites if moved_to.concerns(site, before, spec.trust)]
            reason = msg("the relay's public address or port {was} → {is_now}", moved_to.was, moved_to.is_now)
        if reason:
            # The tunnel's key and port do not matter to sites that push.
            if moved_to is not None and moved_to.was.rpartition(":")[0] != moved_to.is_now.rpartition(":")[0]:
                sites = [*sites, *pushing_sites_of(spec)]
            needed |= {(site, spec.id): SitePackageNeed(site, spec.id, reason) for site in sites}
    for at in compared:
        for need in needs_of_relay(at) if at.spec.relay else ():
            needed.setdefault((need.facility, need.relay), need)
    return tuple(need for _, need in sorted(needed.items()))
