"""A living relay emptied onto another one of its carrier: both carry its sites before the first lets go of one."""
