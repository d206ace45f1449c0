"""The demonstration: the whole story with the real commands, on one machine."""
