"""The only door to ansible-runner."""

from provisioner.ansible.door import AnsibleRunner

__all__ = ["AnsibleRunner"]
