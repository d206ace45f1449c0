"""From files to a checked inventory, by way of the cache. Imports all of `inventory`."""
