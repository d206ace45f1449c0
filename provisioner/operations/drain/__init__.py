"""A relay emptied onto another one."""
