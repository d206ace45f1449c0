"""Metrics, rules and dashboards. Imports `verify`."""
