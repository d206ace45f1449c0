"""Notices of a night, and their receivers. Imports `verify`, `inventory`."""
