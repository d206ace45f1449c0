"""Orchestration and provisioning of camera relays: inventory in, verified video paths out."""

__version__ = "0.1.0"
