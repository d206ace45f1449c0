"""Reports of an import. Imports `proposal`."""
