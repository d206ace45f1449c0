"""What an import found. Imports `proposal`."""
