"""Alerting, notices and forges, apart from each other. Imports `verify`, `inventory`, `base`."""
