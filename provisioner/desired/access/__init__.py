"""Access modes: how a site's pictures reach its relay. Pure.

Each mode is one row of `ACCESS`. Other tables with a row a mode: `inventory.allocate.NEEDS` (records in the lock),
`render.site.PACKAGES` (files of its site package), `verify.network.UNANSWERED` (meaning of a device's silence).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from provisioner.desired.access.address_map import NatMapAccess, PortMapAccess
from provisioner.desired.access.mode import LinkedSite, SiteAccess, linked_site
from provisioner.desired.access.untunnelled import PublishAccess, RoutedAccess
from provisioner.inventory.model.connection import Access

__all__ = ["ACCESS", "Access", "LinkedSite", "SiteAccess", "linked_site"]

ACCESS: Final[Mapping[Access, SiteAccess]] = MappingProxyType(
    {
        Access.PULL_PORTMAP: PortMapAccess(),
        Access.PULL_NAT_MAP: NatMapAccess(),
        Access.ROUTED: RoutedAccess(),
        Access.PUBLISH: PublishAccess(),
    }
)
