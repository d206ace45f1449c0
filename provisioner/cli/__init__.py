"""Commands: options, one call, text. Imports all rooms but the doors that `cli-calls` forbids."""
