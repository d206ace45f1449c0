"""From files to a checked inventory. Imports all of `inventory`."""
