"""A run: begun, journalled, resumed, rolled back, recorded."""
