"""Notices of a night to receivers. Imports `verify`."""
