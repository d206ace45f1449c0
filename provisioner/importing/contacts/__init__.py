"""Encrypted personal data, for `cli.contacts` and imports. Imports `inventory`."""
