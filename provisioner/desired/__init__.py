"""Desired state: what each host should hold, as typed frozen values. Pure."""

from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.desired.state import desired_state

__all__ = ["DesiredState", "HostSpec", "desired_state"]
