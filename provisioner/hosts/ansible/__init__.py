"""The transport, ansible-runner. Imports `hosts`."""
