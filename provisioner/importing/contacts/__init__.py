"""Personal data, encrypted, for `cli.contacts` and imports. Imports `inventory`."""
