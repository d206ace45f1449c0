"""The order of the stages: a session of one inventory, then plan, verify, keys, site packages."""
