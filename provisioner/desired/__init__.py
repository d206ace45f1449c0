"""Desired state: what each host should hold, as typed frozen values. Pure."""
