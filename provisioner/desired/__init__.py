"""Desired state: what each host should hold, as typed frozen values. Pure."""

from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.desired.state import NOTHING_HELD, desired_state

__all__ = ["NOTHING_HELD", "DesiredState", "HostSpec", "desired_state"]
