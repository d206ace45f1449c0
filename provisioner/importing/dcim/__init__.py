"""Imports from NetBox and Nautobot. Imports `tables`."""
