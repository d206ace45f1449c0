"""The inventory as typed, frozen values: what the files on disk may say (docs/design.md, part 3).

Unknown keys are errors; numbers are never taken from texts nor texts from numbers. What one file can
prove about itself is checked here; what needs two objects is in `rules`.
"""

from __future__ import annotations

from provisioner.inventory.model.allocations import (
    Allocations,
    CentreAllocation,
    RelayAllocation,
    SiteAllocation,
    SuccessorAllocation,
    Tombstone,
)
from provisioner.inventory.model.base import Model, Slug
from provisioner.inventory.model.connection import (
    Access,
    Blocked,
    BlockOwner,
    BlockReason,
    ClaimedConnection,
    ConnectionPlan,
    Gateway,
    Party,
    PlanState,
    Signature,
    SignOff,
    Survey,
    SurveyVerdict,
    Uplink,
    UplinkKind,
)
from provisioner.inventory.model.devices import (
    Camera,
    Codec,
    Make,
    Recorder,
    Stream,
    StreamName,
    Streams,
    Zone,
    channel_of,
    device_of,
)
from provisioner.inventory.model.facility import (
    Capacity,
    Connection,
    Facility,
    FacilityKind,
    Location,
    Operating,
    path_name,
)
from provisioner.inventory.model.hosts import Carrier, Centre, Relay, Ssh
from provisioner.inventory.model.maintenance import Maintenance, MaintenanceWindow
from provisioner.inventory.model.orders import (
    DISTRICTS_ENDED,
    Designation,
    Designations,
    Instruction,
    Instructions,
    ManagingBody,
)
from provisioner.inventory.model.policy import AgreedAvailability, Freeze, Limits, Move, Policy, Retention, SignOffs
from provisioner.inventory.model.receivers import (
    MailSecurity,
    Receiver,
    ReceiverKind,
    Receivers,
    ReceiverSecrets,
    VaultedReceivers,
)
from provisioner.inventory.model.settings import MediamtxArtefact, ProvinceScheme, Settings
from provisioner.inventory.model.signers import Signer, Signers
from provisioner.inventory.model.vaulted import CarrierSecrets, Credentials, InventorySecrets, Secrets
from provisioner.inventory.model.whole import Frame, InProvince, Inventory

__all__ = [
    "DISTRICTS_ENDED",
    "Access",
    "AgreedAvailability",
    "Allocations",
    "BlockOwner",
    "BlockReason",
    "Blocked",
    "Camera",
    "Capacity",
    "Carrier",
    "CarrierSecrets",
    "Centre",
    "CentreAllocation",
    "ClaimedConnection",
    "Codec",
    "Connection",
    "ConnectionPlan",
    "Credentials",
    "Designation",
    "Designations",
    "Facility",
    "FacilityKind",
    "Frame",
    "Freeze",
    "Gateway",
    "InProvince",
    "Instruction",
    "Instructions",
    "Inventory",
    "InventorySecrets",
    "Limits",
    "Location",
    "MailSecurity",
    "Maintenance",
    "MaintenanceWindow",
    "Make",
    "ManagingBody",
    "MediamtxArtefact",
    "Model",
    "Move",
    "Operating",
    "Party",
    "PlanState",
    "Policy",
    "ProvinceScheme",
    "Receiver",
    "ReceiverKind",
    "ReceiverSecrets",
    "Receivers",
    "Recorder",
    "Relay",
    "RelayAllocation",
    "Retention",
    "Secrets",
    "Settings",
    "SignOff",
    "SignOffs",
    "Signature",
    "Signer",
    "Signers",
    "SiteAllocation",
    "Slug",
    "Ssh",
    "Stream",
    "StreamName",
    "Streams",
    "SuccessorAllocation",
    "Survey",
    "SurveyVerdict",
    "Tombstone",
    "Uplink",
    "UplinkKind",
    "VaultedReceivers",
    "Zone",
    "channel_of",
    "device_of",
    "path_name",
]
