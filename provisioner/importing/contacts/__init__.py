"""Personal data, encrypted, for `contacts` and the import alone. Imports `inventory`."""
