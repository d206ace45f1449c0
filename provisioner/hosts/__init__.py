"""Calls to hosts and what they answer. Imports `desired`, `inventory`, `base`."""
