"""The only door to ansible-runner: `door.AnsibleRunner`."""
