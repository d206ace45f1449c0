"""Metrics, rules, dashboards. Imports `verify`."""
