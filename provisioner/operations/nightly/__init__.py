"""The night: verify, record, report, tell."""
