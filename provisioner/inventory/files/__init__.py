"""YAML files of an inventory: read, located, edited. Imports `model`."""
