"""The one transport: ansible-runner. Imports `hosts`."""
