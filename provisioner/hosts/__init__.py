"""Managed hosts: calls to them, their facts and keys, MediaMTX's program, and the one door to Ansible."""
