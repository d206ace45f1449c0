"""What commands share. Imports `base`."""
