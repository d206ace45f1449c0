"""Hosts called from inside a carrier's network. Imports `plan`, `hosts` and below."""
