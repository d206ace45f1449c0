"""Verdicts on paths, from evidence. Imports `plan`, `hosts`, `desired`, `record`."""
