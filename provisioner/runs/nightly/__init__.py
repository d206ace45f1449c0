"""A night: verify, record, compare, report, tell; and who is told of what."""
