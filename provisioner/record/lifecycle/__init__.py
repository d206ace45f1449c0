"""The state of each facility, and its next step. Imports `inventory`."""
