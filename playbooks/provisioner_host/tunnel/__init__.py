"""WireGuard. Imports `machine`."""
