"""Rego rules that judge plans. Imports `base`."""
