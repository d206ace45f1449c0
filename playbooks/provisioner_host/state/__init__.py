"""State on this host: leases, saved states, keys, owner. Imports `relay`, `tunnel`, `firewall`."""
