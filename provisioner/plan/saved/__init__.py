"""A plan in a file, read back and compared. Imports `plan`."""
