"""Access modes: how a site's pictures come to its relay. Pure.

Each mode is one row of `ACCESS`. What the lock records for a mode is a row of `inventory.allocate.NEEDS`, what lies in
its site package one of `render.site.PACKAGES`, and what a device that does not answer says one of
`verify.network.UNANSWERED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from provisioner.desired.access.address_map import NatMapAccess, PortMapAccess
from provisioner.desired.access.mode import LinkedSite, SiteAccess, linked_site
from provisioner.desired.access.untunnelled import PublishAccess, RoutedAccess
from provisioner.inventory.model import Access

__all__ = ["ACCESS", "Access", "LinkedSite", "SiteAccess", "linked_site"]

ACCESS: Final[Mapping[Access, SiteAccess]] = MappingProxyType(
    {
        Access.PULL_PORTMAP: PortMapAccess(),
        Access.PULL_NAT_MAP: NatMapAccess(),
        Access.ROUTED: RoutedAccess(),
        Access.PUBLISH: PublishAccess(),
    }
)
