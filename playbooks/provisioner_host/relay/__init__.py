"""MediaMTX. Imports `machine`."""
