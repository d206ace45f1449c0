"""From the desired state to files. Imports `desired.spec`, `base`."""
