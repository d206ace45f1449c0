"""YAML read and edited with places kept. Imports `model`."""
