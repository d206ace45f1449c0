"""The only door to ansible-runner."""

from provisioner.hosts.ansible.door import AnsibleRunner

__all__ = ["AnsibleRunner"]
