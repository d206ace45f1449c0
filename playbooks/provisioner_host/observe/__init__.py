"""The facts of this host. Imports `state` and below."""
