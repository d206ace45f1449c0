"""nftables. Imports `machine`."""
