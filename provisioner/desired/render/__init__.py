"""From the desired state to the files of a host. Imports `desired.spec`, `base`."""
