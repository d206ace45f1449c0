"""Devices asked about themselves. Imports `relay`, `machine`."""
