"""A relay emptied onto another."""
