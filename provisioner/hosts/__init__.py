"""Calls to hosts and their answers. Imports `desired`, `inventory`, `base`."""
