"""NetBox and Nautobot. Imports `tables`."""
