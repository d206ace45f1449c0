"""The nightly run: verify, record, compare, report, notify."""
