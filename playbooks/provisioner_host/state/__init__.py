"""Leases, saved states, keys, owner mark. Imports `relay`, `tunnel`, `firewall`."""
